"""Loss of one member on a minibatch, and its gradient: o outputs, b rows."""

from __future__ import annotations

import functools
import math

import numpy as np
from numba import types

from skreg.backends.constants import HUBER_DELTA, LOSSES, MAX_EXPONENT
from skreg.backends.cpu.pieces import compiled, exp, float_types


def loss_signature(dtype, classes):
    """Type of a loss kernel; ``classes``: whether targets are numbers of classes."""
    f, v, m, _, nothing = float_types(dtype)
    target = types.Array(types.int64, 1, "C") if classes else m
    return nothing(m, v, target, v, f, f, v, v, types.int64)


@functools.cache
def loss_kernel(loss, dtype):
    """Loss of a member and its gradient, output bias included.

    Parameters
    ----------
    loss : int
        A value of `LOSSES`.
    dtype : str
        ``"float32"`` or ``"float64"``.
    """
    return _multinomial(dtype) if loss == LOSSES["multinomial"] else _pointwise(loss, dtype)


def _multinomial(dtype):
    F = getattr(np, dtype)

    @compiled(loss_signature(dtype, classes=True))
    def multinomial(z, bias, y, coef, smoothing, quantile, total, dbias, gradient):
        """z (o, b) becomes its gradient; bias, dbias (o,); y (b,) ints; coef (b,).

        ``total`` (1,) gets the loss added: the sum over rows of coef times log loss.
        """
        C, b = z.shape
        top, norm = np.empty(b, F), np.zeros(b, F)
        even = smoothing / F(C)
        hard = F(1) - smoothing
        for j in range(C):
            for i in range(b):
                z[j, i] += bias[j]
        for i in range(b):
            top[i] = z[0, i]
        for j in range(1, C):
            for i in range(b):
                top[i] = z[j, i] if z[j, i] > top[i] else top[i]
        loss = F(0)
        for j in range(C):
            for i in range(b):
                t = z[j, i] - top[i]
                norm[i] += exp(t)
                loss -= even * t * coef[i]
        for i in range(b):
            loss += coef[i] * (math.log(norm[i]) - hard * (z[y[i], i] - top[i]))
        if gradient:
            for i in range(b):
                norm[i] = coef[i] / norm[i]
            for j in range(C):
                for i in range(b):
                    z[j, i] = exp(z[j, i] - top[i]) * norm[i] - even * coef[i]
            for i in range(b):
                z[y[i], i] -= hard * coef[i]
            for j in range(C):
                s = F(0)
                for i in range(b):
                    s += z[j, i]
                dbias[j] = s
        total[0] += loss

    return multinomial


def _pointwise(loss, dtype):
    LOSS, F = loss, getattr(np, dtype)
    DELTA = F(HUBER_DELTA)

    @compiled(loss_signature(dtype, classes=False))
    def pointwise(z, bias, y, coef, smoothing, quantile, total, dbias, gradient):
        """z (o, b) becomes its gradient; y (o, b) floats; the loss is the sum over outputs."""
        C, b = z.shape
        loss = F(0)
        for j in range(C):
            s = F(0)
            for i in range(b):
                f = z[j, i] + bias[j]
                t = y[j, i]
                if LOSS == 1:
                    t = t * (F(1) - smoothing) + F(0.5) * smoothing
                    e = exp(-abs(f))
                    v = (f if f > F(0) else F(0)) + math.log(F(1) + e) - t * f
                    p = F(1) / (F(1) + e)
                    d = (p if f >= F(0) else F(1) - p) - t
                elif LOSS == 2:
                    d = f - t
                    v = F(0.5) * d * d
                elif LOSS == 3:
                    v = abs(f - t)
                    d = F(1) if f > t else (F(-1) if f < t else F(0))
                elif LOSS == 4:
                    d = f - t
                    a = abs(d)
                    v = F(0.5) * d * d if a <= DELTA else DELTA * (a - F(0.5) * DELTA)
                    d = DELTA if d > DELTA else (-DELTA if d < -DELTA else d)
                elif LOSS == 5:
                    c = F(MAX_EXPONENT) if f > F(MAX_EXPONENT) else f
                    e = exp(c)
                    v = e * (F(1) + (f - c)) - t * f
                    d = e - t
                else:
                    d = t - f
                    v = quantile * d if d >= F(0) else (quantile - F(1)) * d
                    d = -quantile if d > F(0) else (F(1) - quantile if d < F(0) else F(0))
                loss += coef[i] * v
                s += coef[i] * d
                z[j, i] = coef[i] * d if gradient else z[j, i]
            if gradient:
                dbias[j] = s
        total[0] += loss

    return pointwise
