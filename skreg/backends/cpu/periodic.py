"""Kernels of the periodic embedding of columns (`skreg.net.periodic`), compiled by numba.

Of one member: b rows of a minibatch, d columns of which m are embedded, f frequencies each, q features
made of them, d' = d + m q inputs. Loops over rows are innermost, contiguous and free of branches, and
the backward pass computes sines and cosines again instead of storing them.

Arguments of the periodic functions are in turns, 2 pi being one: then taking off whole turns is
exact, and a polynomial on half a turn remains.
"""

from __future__ import annotations

import functools
import math

import numpy as np
from numba import types
from numba.extending import overload

from skreg.backends.constants import COSINE, SINE
from skreg.backends.cpu.pieces import (
    INLINE,
    KEYS_0,
    KEYS_1,
    MEMBERS,
    B,
    entry,
    inline,
    kernel,
    mask_base,
    matrix,
    numbers,
    part,
    random_u32,
    rows_at,
    vector,
)

_TURN = 2 * math.pi

_C0, _C1, _C2, _C3, _C4, _C5 = (np.float32(c) for c in COSINE)
_S0, _S1, _S2, _S3, _S4 = (np.float32(c) for c in SINE)


@inline
def _half_turn(u):
    """u less the nearest number of half turns, in [-1/4, 1/4], and the sign that those leave."""
    half, one, two = np.float32(0.5), np.float32(1.0), np.float32(2.0)
    n = np.floor(two * u + half)
    odd = n - two * np.floor(half * n)
    return u - half * n, one - two * odd


def cosine(u):
    """cos(2 pi u): a polynomial for float32, so that loops vectorise; the library's for float64."""
    raise NotImplementedError("only called from compiled code")


@overload(cosine, jit_options=INLINE)
def _overload_cosine(u):
    if u == types.float32:

        def impl(u):
            v, sign = _half_turn(u)
            w = v * v
            return sign * (((((_C5 * w + _C4) * w + _C3) * w + _C2) * w + _C1) * w + _C0)
    else:

        def impl(u):
            return math.cos(_TURN * u)

    return impl


def sine(u):
    """sin(2 pi u), as `cosine`."""
    raise NotImplementedError("only called from compiled code")


@overload(sine, jit_options=INLINE)
def _overload_sine(u):
    if u == types.float32:

        def impl(u):
            v, sign = _half_turn(u)
            w = v * v
            return sign * v * ((((_S4 * w + _S3) * w + _S2) * w + _S1) * w + _S0)
    else:

        def impl(u):
            return math.sin(_TURN * u)

    return impl


@part
def _drop(line, column, limit, scale, key0, key1):
    """The mask of input dropout on what was made of one column, (b,); in place."""
    zero, place = line.dtype.type(0), np.uint32(column)
    for i in range(len(line)):
        u = random_u32(np.uint32(mask_base(i) + place), key0, key1)
        line[i] = line[i] * scale if u >= limit else zero


@functools.cache
def embedding_kernel(dtype):
    """From a minibatch to the inputs ``out`` (d', b) of the first linear layer, input dropout included.

    Columns as they are come first, behind them what was made of some.

    Parameters
    ----------
    dtype : str
        ``"float32"`` or ``"float64"``.
    """
    F = getattr(np, dtype)
    PER_TURN, ZERO, ITEM = F(1 / _TURN), F(0), np.dtype(dtype).itemsize
    WHOLE, BITS = np.int64(0), np.uint32(0)

    @kernel("d m f q x columns frequency phase weight bias out work limits scales place")
    def embed(frame, row, k):
        (
            d,
            m,
            f,
            q,
            x,
            columns,
            frequency,
            phase,
            weight,
            bias,
            out,
            work,
            limits,
            scales,
            place,
        ) = numbers(row, 15)
        b = frame[B]
        x, out = matrix(ZERO, rows_at(frame, x), b, d), matrix(ZERO, out, d + m * q, b)
        columns, wave = vector(WHOLE, columns, m), vector(ZERO, work, b)
        frequency = matrix(ZERO, frequency + k * m * f * ITEM, m, f)
        phase = matrix(ZERO, phase + k * m * f * ITEM, m, f)
        weight = matrix(ZERO, weight + k * m * q * f * ITEM, m * q, f)
        bias = vector(ZERO, bias + k * m * q * ITEM, m * q)
        limit, scale = entry(BITS, limits, k), entry(ZERO, scales, k)
        for j in range(d):
            for i in range(b):
                out[j, i] = x[i, j]
        for c in range(m):
            value, first = out[columns[c]], d + c * q
            for o in range(q):
                out[first + o, :] = bias[c * q + o]
            for n in range(f):
                rate, start = frequency[c, n], phase[c, n] * PER_TURN
                for i in range(b):
                    wave[i] = cosine(value[i] * rate + start)
                for o in range(q):
                    w, line = weight[c * q + o, n], out[first + o]
                    for i in range(b):
                        line[i] += w * wave[i]
        if limit > 0:
            at = place * frame[MEMBERS] + k
            key0, key1 = entry(BITS, frame[KEYS_0], at), entry(BITS, frame[KEYS_1], at)
            for j in range(d + m * q):
                column = j if j < d else columns[(j - d) // q]
                _drop(out[j], column, limit, scale, key0, key1)

    return embed


@functools.cache
def embedding_gradient_kernel(dtype):
    """Gradient of the parameters of an embedding, from that of what it made of columns.

    ``slope`` (m q, b) is overwritten by itself behind the mask; ``before_norm``: not 0 where a batch
    norm follows, so that the bias counts nothing unless inputs are dropped, and is left where it is.

    Parameters
    ----------
    dtype : str
        As of `embedding_kernel`.
    """
    F = getattr(np, dtype)
    TURN, PER_TURN = F(_TURN), F(1 / _TURN)
    ZERO, ITEM, WHOLE, BITS = F(0), np.dtype(dtype).itemsize, np.int64(0), np.uint32(0)

    @kernel(
        "d m f q x columns frequency phase weight slope dfrequency dphase dweight dbias work "
        "limits scales place before_norm"
    )
    def embed_backward(frame, row, k):
        (
            d,
            m,
            f,
            q,
            x,
            columns,
            frequency,
            phase,
            weight,
            slope,
            dfrequency,
            dphase,
            dweight,
            dbias,
            work,
            limits,
            scales,
            place,
            before_norm,
        ) = numbers(row, 19)
        b = frame[B]
        x, slope = matrix(ZERO, rows_at(frame, x), b, d), matrix(ZERO, slope, m * q, b)
        columns = vector(WHOLE, columns, m)
        frequency = matrix(ZERO, frequency + k * m * f * ITEM, m, f)
        phase = matrix(ZERO, phase + k * m * f * ITEM, m, f)
        weight = matrix(ZERO, weight + k * m * q * f * ITEM, m * q, f)
        dfrequency, dphase = matrix(ZERO, dfrequency, m, f), matrix(ZERO, dphase, m, f)
        dweight, dbias = matrix(ZERO, dweight, m * q, f), vector(ZERO, dbias, m * q)
        value, wave = vector(ZERO, work, b), vector(ZERO, work + b * ITEM, b)
        push = vector(ZERO, work + 2 * b * ITEM, b)
        limit, scale = entry(BITS, limits, k), entry(ZERO, scales, k)
        at = place * frame[MEMBERS] + k
        key0, key1 = entry(BITS, frame[KEYS_0], at), entry(BITS, frame[KEYS_1], at)
        idle = before_norm != 0 and limit == 0
        for c in range(m):
            column = columns[c]
            for i in range(b):
                value[i] = x[i, column]
            for o in range(q):
                line = slope[c * q + o]
                if limit > 0:
                    _drop(line, column, limit, scale, key0, key1)
                total = F(0)
                for i in range(b):
                    total += line[i]
                dbias[c * q + o] = F(0) if idle else total
            for n in range(f):
                rate, start = frequency[c, n], phase[c, n] * PER_TURN
                for i in range(b):
                    wave[i] = cosine(value[i] * rate + start)
                    push[i] = F(0)
                for o in range(q):
                    w, line, total = weight[c * q + o, n], slope[c * q + o], F(0)
                    for i in range(b):
                        total += line[i] * wave[i]
                        push[i] += w * line[i]
                    dweight[c * q + o, n] = total
                turned, shifted = F(0), F(0)
                for i in range(b):
                    s = push[i] * sine(value[i] * rate + start)
                    shifted += s
                    turned += s * value[i]
                dphase[c, n] = -shifted
                dfrequency[c, n] = -TURN * turned

    return embed_backward
