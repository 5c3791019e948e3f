"""Row kernels of a hidden layer of one member.

Shapes: h units, b rows of a minibatch. Activations are stored features first, ``(h, b)``, so that all
that batch norm, activation and dropout do to one unit happens in one contiguous row that stays in the
L1 cache.
"""

from __future__ import annotations

import functools

import numpy as np

from skreg.backends.constants import BATCH_NORM_EPS, BATCH_NORM_MOMENTUM
from skreg.backends.cpu.pieces import (
    KEYS_0,
    KEYS_1,
    MEMBERS,
    SHARE,
    Y_STRIDE,
    B,
    Y,
    entry,
    kernel,
    mask_base,
    matrix,
    numbers,
    random_u32,
    rows_at,
    slope,
    value,
    vector,
)

_U32 = np.uint32(0)


@functools.cache
def forward_kernel(activation, batch_norm, dtype):
    """From the product of a hidden layer to its activations, ``a`` (h, b).

    Parameters
    ----------
    activation : int
        Its number in `skreg.net.activation.NUMBERS`.
    batch_norm : bool
        Whether a batch norm stands before the activation.
    dtype : str
        ``"float32"`` or ``"float64"``.
    """
    ACT, BN, F = activation, batch_norm, getattr(np, dtype)
    EPS, RATE, ITEM = F(BATCH_NORM_EPS), F(BATCH_NORM_MOMENTUM), np.dtype(dtype).itemsize
    ZERO = F(0)

    @kernel("h z a gain shift mean inv running_mean running_variance limits scales place")
    def forward(frame, row, k):
        h, z, a, gain, shift, mean, inv, r_mean, r_variance, limits, scales, place = numbers(
            row, 12
        )
        b, own = frame[B], k * h * ITEM
        z, a = matrix(ZERO, z, h, b), matrix(ZERO, a, h, b)
        shift = vector(ZERO, shift + own, h)
        share = vector(ZERO, frame[SHARE], b)
        gain, running_mean = vector(ZERO, gain + own, h), vector(ZERO, r_mean + own, h)
        running_variance = vector(ZERO, r_variance + own, h)
        mean, inv = vector(ZERO, mean, h), vector(ZERO, inv, h)
        limit, scale = entry(_U32, limits, k), entry(ZERO, scales, k)
        at = place * frame[MEMBERS] + k
        key0, key1 = entry(_U32, frame[KEYS_0], at), entry(_U32, frame[KEYS_1], at)
        for r in range(h):
            g, c = F(1), shift[r]
            if BN:
                mu = F(0)
                for i in range(b):
                    mu += z[r, i] * share[i]
                v = F(0)
                for i in range(b):
                    t = z[r, i] - mu
                    v += t * t * share[i]
                iv = F(1) / np.sqrt(v + EPS)
                mean[r] = mu
                inv[r] = iv
                running_mean[r] += RATE * (mu - running_mean[r])
                running_variance[r] += RATE * (v - running_variance[r])
                g = gain[r] * iv
                c = shift[r] - mu * g
            if limit > 0:
                base = mask_base(r)
                for i in range(b):
                    y = value(ACT, z[r, i] * g + c)
                    u = random_u32(np.uint32(base + np.uint32(i)), key0, key1)
                    a[r, i] = y * scale if u >= limit else F(0)
            else:
                for i in range(b):
                    a[r, i] = value(ACT, z[r, i] * g + c)

    return forward


@functools.cache
def backward_kernel(activation, batch_norm, dtype):
    """From the gradient ``da`` (h, b) of the activations of a hidden layer to that of its product, in
    place.

    The mask is drawn again, not stored.

    Parameters
    ----------
    activation, batch_norm, dtype
        As of `forward_kernel`.
    """
    ACT, BN, F = activation, batch_norm, getattr(np, dtype)
    ITEM, ZERO = np.dtype(dtype).itemsize, F(0)

    @kernel("h z da gain shift mean inv dgain dshift limits scales place")
    def backward(frame, row, k):
        h, z, da, gain, shift, mean, inv, dgain, dshift, limits, scales, place = numbers(row, 12)
        b, own = frame[B], k * h * ITEM
        z, da = matrix(ZERO, z, h, b), matrix(ZERO, da, h, b)
        gain, shift = vector(ZERO, gain + own, h), vector(ZERO, shift + own, h)
        share = vector(ZERO, frame[SHARE], b)
        mean, inv = vector(ZERO, mean, h), vector(ZERO, inv, h)
        dgain, dshift = vector(ZERO, dgain, h), vector(ZERO, dshift, h)
        limit, scale = entry(_U32, limits, k), entry(ZERO, scales, k)
        at = place * frame[MEMBERS] + k
        key0, key1 = entry(_U32, frame[KEYS_0], at), entry(_U32, frame[KEYS_1], at)
        for r in range(h):
            g, c, mu = F(1), shift[r], F(0)
            if BN:
                mu = mean[r]
                g = gain[r] * inv[r]
                c = shift[r] - mu * g
            s0, s1 = F(0), F(0)
            if limit > 0:
                base = mask_base(r)
                for i in range(b):
                    u = random_u32(np.uint32(base + np.uint32(i)), key0, key1)
                    d = da[r, i] * slope(ACT, z[r, i] * g + c)
                    d = d * scale if u >= limit else F(0)
                    da[r, i] = d
                    s0 += d
                    s1 += d * (z[r, i] - mu)
            else:
                for i in range(b):
                    d = da[r, i] * slope(ACT, z[r, i] * g + c)
                    da[r, i] = d
                    s0 += d
                    s1 += d * (z[r, i] - mu)
            dshift[r] = s0
            if BN:
                dgain[r] = s1 * inv[r]
                s1 *= inv[r] * inv[r]
                for i in range(b):
                    da[r, i] = g * (da[r, i] - share[i] * (s0 + (z[r, i] - mu) * s1))

    return backward


@functools.cache
def evaluation_kernel(activation, batch_norm, dtype):
    """From the product of a hidden layer to its activations at predict, in place.

    Parameters
    ----------
    activation, batch_norm, dtype
        As of `forward_kernel`.
    """
    ACT, BN, F = activation, batch_norm, getattr(np, dtype)
    EPS, ITEM, ZERO = F(BATCH_NORM_EPS), np.dtype(dtype).itemsize, F(0)

    @kernel("h z gain shift running_mean running_variance")
    def evaluate(frame, row, k):
        h, z, gain, shift, mean, variance = numbers(row, 6)
        b, own = frame[B], k * h * ITEM
        z, shift = matrix(ZERO, z, h, b), vector(ZERO, shift + own, h)
        gain, mean = vector(ZERO, gain + own, h), vector(ZERO, mean + own, h)
        variance = vector(ZERO, variance + own, h)
        for r in range(h):
            g, c = F(1), shift[r]
            if BN:
                g = gain[r] / np.sqrt(variance[r] + EPS)
                c -= mean[r] * g
            for i in range(b):
                z[r, i] = value(ACT, z[r, i] * g + c)

    return evaluate


@functools.cache
def input_dropout_kernel(dtype):
    """Masked copy ``out`` (b, d) of a minibatch; ``owners`` (d,): place in the mask of each column.

    Parameters
    ----------
    dtype : str
    """
    F = getattr(np, dtype)
    ZERO = F(0)

    @kernel("d x out owners limits scales place")
    def input_dropout(frame, row, k):
        d, x, out, owners, limits, scales, place = numbers(row, 7)
        b = frame[B]
        x, out = matrix(ZERO, rows_at(frame, x), b, d), matrix(ZERO, out, b, d)
        owners = vector(_U32, owners, d)
        limit, scale = entry(_U32, limits, k), entry(ZERO, scales, k)
        at = place * frame[MEMBERS] + k
        key0, key1 = entry(_U32, frame[KEYS_0], at), entry(_U32, frame[KEYS_1], at)
        for i in range(b):
            base = mask_base(i)
            for j in range(d):
                u = random_u32(np.uint32(base + owners[j]), key0, key1)
                out[i, j] = x[i, j] * scale if u >= limit else F(0)

    return input_dropout


@functools.cache
def store_kernel(dtype):
    """Raw outputs (o, b), shift added, into a table (k, o, n).

    Where the rows begin in it is the ``Y`` of the frame.
    """
    F = getattr(np, dtype)
    ZERO, ITEM = F(0), np.dtype(dtype).itemsize

    @kernel("o z shift")
    def store(frame, row, k):
        o, z, shift = numbers(row, 3)
        b, n = frame[B], frame[Y_STRIDE]
        z, shift = matrix(ZERO, z, o, b), vector(ZERO, shift + k * o * ITEM, o)
        for q in range(o):
            out = vector(ZERO, frame[Y] + (k * o + q) * n * ITEM, b)
            for i in range(b):
                out[i] = z[q, i] + shift[q]

    return store
