"""Loss of one member on a minibatch, and its gradient: o outputs, b rows."""

from __future__ import annotations

import functools
import math

import numpy as np

from skreg.backends.constants import HUBER_DELTA, LOSSES, MAX_EXPONENT
from skreg.backends.cpu.pieces import (
    COEF,
    OWN,
    PARTNER,
    Y_STRIDE,
    B,
    Y,
    entry,
    exp,
    kernel,
    matrix,
    numbers,
    vector,
)

#: Numbers in the row of a loss, whichever it is. ``total`` is float64; ``z``, ``bias`` and ``total`` of
#: a member are so many bytes behind those of the one before it; ``gradient``: 0 where only the loss is
#: asked for.
_FIELDS = "o z z_bytes bias bias_bytes smoothings quantiles total total_bytes work dbias gradient"


@functools.cache
def loss_kernel(loss, dtype):
    """Loss of a member and its gradient, output bias included.

    Adds to ``total`` the sum over rows of what each counts times its loss. The raw outputs ``z`` (o, b)
    become their gradient where that is asked for. ``work`` has place for 2 b numbers.

    Parameters
    ----------
    loss : int
        A value of `LOSSES`.
    dtype : str
        ``"float32"`` or ``"float64"``.
    """
    multinomial = loss == LOSSES["multinomial"]
    return _multinomial(dtype, mixed=False) if multinomial else _pointwise(loss, dtype)


@functools.cache
def mixed_multinomial_kernel(dtype):
    """As `loss_kernel`, of rows that have a part of their partner's class each: see `OWN` of the frame."""
    return _multinomial(dtype, mixed=True)


def _multinomial(dtype, *, mixed):
    F, MIXED = getattr(np, dtype), mixed
    ZERO, ITEM, WHOLE, DOUBLE = F(0), np.dtype(dtype).itemsize, np.int64(0), np.float64(0)

    @kernel(_FIELDS)
    def multinomial(frame, row, k):
        (
            C,
            z,
            z_by,
            bias,
            bias_by,
            smoothings,
            _quantiles,
            total,
            total_by,
            work,
            dbias,
            gradient,
        ) = numbers(row, 12)
        b = frame[B]
        z, bias = matrix(ZERO, z + k * z_by, C, b), vector(ZERO, bias + k * bias_by, C)
        y, coef = vector(WHOLE, frame[Y], b), vector(ZERO, frame[COEF], b)
        dbias, total = vector(ZERO, dbias, C), vector(DOUBLE, total + k * total_by, 1)
        top, norm = vector(ZERO, work, b), vector(ZERO, work + b * ITEM, b)
        smoothing = entry(ZERO, smoothings, k)
        even = smoothing / F(C)
        hard = F(1) - smoothing
        for j in range(C):
            for i in range(b):
                z[j, i] += bias[j]
        for i in range(b):
            top[i] = z[0, i]
            norm[i] = F(0)
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
        if MIXED:
            # The loss is linear in the class: what the partner's part of it makes another.
            partner, own = vector(WHOLE, frame[PARTNER], b), vector(ZERO, frame[OWN], b)
            for i in range(b):
                rest = coef[i] * hard * (F(1) - own[i])
                loss += rest * (z[y[i], i] - z[y[partner[i]], i])
        if gradient:
            for i in range(b):
                norm[i] = coef[i] / norm[i]
            for j in range(C):
                for i in range(b):
                    z[j, i] = exp(z[j, i] - top[i]) * norm[i] - even * coef[i]
            for i in range(b):
                z[y[i], i] -= hard * coef[i]
            if MIXED:
                for i in range(b):
                    rest = coef[i] * hard * (F(1) - own[i])
                    z[y[i], i] += rest
                    z[y[partner[i]], i] -= rest
            for j in range(C):
                s = F(0)
                for i in range(b):
                    s += z[j, i]
                dbias[j] = s
        total[0] += np.float64(loss)

    return multinomial


def _pointwise(loss, dtype):
    LOSS, F = loss, getattr(np, dtype)
    DELTA, ZERO, DOUBLE = F(HUBER_DELTA), F(0), np.float64(0)

    @kernel(_FIELDS)
    def pointwise(frame, row, k):
        """Targets are floats (o, b); the loss is the sum over outputs."""
        (
            C,
            z,
            z_by,
            bias,
            bias_by,
            smoothings,
            quantiles,
            total,
            total_by,
            _work,
            dbias,
            gradient,
        ) = numbers(row, 12)
        b, apart = frame[B], frame[Y_STRIDE]
        z, bias = matrix(ZERO, z + k * z_by, C, b), vector(ZERO, bias + k * bias_by, C)
        y, coef = matrix(ZERO, frame[Y], C, apart), vector(ZERO, frame[COEF], b)
        dbias, total = vector(ZERO, dbias, C), vector(DOUBLE, total + k * total_by, 1)
        smoothing, quantile = entry(ZERO, smoothings, k), entry(ZERO, quantiles, k)
        loss = DOUBLE
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
                # Of few rows it may be a million times that of the others.
                loss += np.float64(coef[i] * v)
                s += coef[i] * d
                z[j, i] = coef[i] * d if gradient else z[j, i]
            if gradient:
                dbias[j] = s
        total[0] += loss

    return pointwise
