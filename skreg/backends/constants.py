"""Names and numbers that the two implementations of a step share."""

from __future__ import annotations

from skreg.net.activation import SELU_ALPHA, SELU_SCALE
from skreg.net.batch_norm import BATCH_NORM_EPS, BATCH_NORM_MOMENTUM
from skreg.net.dropout import LINE_STRIDE
from skreg.net.embedding import EMBEDDED_WIDTH
from skreg.net.periodic import N_FREQUENCIES
from skreg.objective.losses import HUBER_DELTA, MAX_EXPONENT

__all__ = [
    "BATCH_NORM_EPS",
    "BATCH_NORM_MOMENTUM",
    "COSINE",
    "EMBEDDED_WIDTH",
    "HUBER_DELTA",
    "LINE_STRIDE",
    "LOSSES",
    "MAX_EXPONENT",
    "N_FREQUENCIES",
    "SELU_ALPHA",
    "SELU_SCALE",
    "SINE",
    "TINY",
]

#: Loss name -> number used by the compiled kernels. ``multinomial`` is the log loss of one softmax,
#: ``binomial`` the log loss of independent sigmoids (one for a binary target, one a label else).
LOSSES = {
    "multinomial": 0,
    "binomial": 1,
    "squared_error": 2,
    "absolute_error": 3,
    "huber": 4,
    "poisson": 5,
    "pinball": 6,
}

#: Minimax polynomials in v^2 for abs(v) <= 1/4: of cos(2 pi v), 2e-10, and of sin(2 pi v) / v, 3e-8.
COSINE = (
    9.999999998e-01,
    -1.973920855e01,
    6.493934663e01,
    -8.545357163e01,
    6.014401509e01,
    -2.498223781e01,
)
SINE = (6.283185280e00, -4.134168072e01, 8.160248511e01, -7.658139642e01, 3.976161707e01)

#: First moments below this are set to zero: they decay into subnormal numbers, which are slow.
TINY = {"float32": 1e-30, "float64": 1e-290}
