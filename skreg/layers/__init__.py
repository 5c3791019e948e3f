"""The regularizing layers of a stack, in torch operations: the reference for every kernel.

Alphabet of the shapes: k members, b rows of a minibatch, d inputs, h units, o outputs.
"""

from skreg.layers.activation import activation
from skreg.layers.batch_norm import batch_norm_eval, batch_norm_train
from skreg.layers.dropout import dropout, input_dropout
from skreg.layers.linear import linear, shared_linear

__all__ = [
    "activation",
    "batch_norm_eval",
    "batch_norm_train",
    "dropout",
    "input_dropout",
    "linear",
    "shared_linear",
]
