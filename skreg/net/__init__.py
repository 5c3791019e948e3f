"""The regularizing layers of a stack, in torch operations: the reference for every kernel.

Alphabet of the shapes: k members, b rows of a minibatch, d inputs, h units, o outputs.
"""

from skreg.net.activation import activation
from skreg.net.batch_norm import batch_norm_eval, batch_norm_train
from skreg.net.dropout import column_dropout, dropout, input_dropout
from skreg.net.embedding import owners
from skreg.net.linear import linear, shared_linear
from skreg.net.periodic import periodic

__all__ = [
    "activation",
    "batch_norm_eval",
    "batch_norm_train",
    "column_dropout",
    "dropout",
    "input_dropout",
    "linear",
    "owners",
    "periodic",
    "shared_linear",
]
