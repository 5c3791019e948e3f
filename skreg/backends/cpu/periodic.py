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

# For float32 minimax polynomials, for float64 Taylor's, whose first term that is left out is below 1e-17: of
# sin(2 pi s) / s and of cos(2 pi s), by powers of s^2, for abs(s) <= 1/4.
_F0, _F1, _F2, _F3, _F4 = (np.float32(c) for c in SINE)
_G0, _G1, _G2, _G3, _G4, _G5 = (np.float32(c) for c in COSINE)
_S0, _S1, _S2, _S3, _S4, _S5, _S6, _S7, _S8, _S9, _S10 = (
    (-1) ** n * _TURN ** (2 * n + 1) / math.factorial(2 * n + 1) for n in range(11)
)
_C0, _C1, _C2, _C3, _C4, _C5, _C6, _C7, _C8, _C9, _C10, _C11 = (
    (-1) ** n * _TURN ** (2 * n) / math.factorial(2 * n) for n in range(12)
)


def _sine_of_quarter(s):
    """sin(2 pi s) for abs(s) <= 1/4, so that loops become vector code."""
    raise NotImplementedError("only called from compiled code")


@overload(_sine_of_quarter, jit_options=INLINE)
def _overload_sine_of_quarter(s):
    if s == types.float32:

        def impl(s):
            w = s * s
            return s * ((((_F4 * w + _F3) * w + _F2) * w + _F1) * w + _F0)
    else:

        def impl(s):
            w = s * s
            p = (((((_S10 * w + _S9) * w + _S8) * w + _S7) * w + _S6) * w + _S5) * w + _S4
            return s * ((((p * w + _S3) * w + _S2) * w + _S1) * w + _S0)

    return impl


def _cosine_of_quarter(s):
    """cos(2 pi s) for abs(s) <= 1/4."""
    raise NotImplementedError("only called from compiled code")


@overload(_cosine_of_quarter, jit_options=INLINE)
def _overload_cosine_of_quarter(s):
    if s == types.float32:

        def impl(s):
            w = s * s
            return ((((_G5 * w + _G4) * w + _G3) * w + _G2) * w + _G1) * w + _G0
    else:

        def impl(s):
            w = s * s
            p = ((((_C11 * w + _C10) * w + _C9) * w + _C8) * w + _C7) * w + _C6
            return (((((p * w + _C5) * w + _C4) * w + _C3) * w + _C2) * w + _C1) * w + _C0

    return impl


@inline
def _part_of_turn(u):
    """u less the nearest whole number, which is exact."""
    return u - np.floor(u + type(u)(0.5))


@inline
def cosine(u):
    """cos(2 pi u): the sine of a quarter of a turn less the distance from a whole one."""
    return _sine_of_quarter(type(u)(0.25) - abs(_part_of_turn(u)))


@inline
def waves(u):
    """cos(2 pi u) and sin(2 pi u)."""
    r = _part_of_turn(u)
    s = type(u)(0.25) - abs(r)
    c = _cosine_of_quarter(s)
    return _sine_of_quarter(s), (c if r >= 0 else -c)


@part
def drop(line, owner, limit, scale, key0, key1):
    """The mask of input dropout on what was made of the column of one owner, (b,); in place."""
    zero, place = line.dtype.type(0), np.uint32(owner)
    for i in range(len(line)):
        u = random_u32(np.uint32(mask_base(i) + place), key0, key1)
        line[i] = line[i] * scale if u >= limit else zero


@functools.cache
def embedding_kernel(dtype):
    """From a minibatch to the inputs ``out`` (d', b) of the first linear layer, input dropout included.

    Columns as they are come first, behind them what was made of some. ``owners`` (d',): place in the mask of
    each input.

    Parameters
    ----------
    dtype : str
        ``"float32"`` or ``"float64"``.
    """
    F = getattr(np, dtype)
    PER_TURN, ZERO, ITEM = F(1 / _TURN), F(0), np.dtype(dtype).itemsize
    WHOLE, BITS = np.int64(0), np.uint32(0)

    @kernel("d m f q x columns frequency phase weight bias out limits scales place owners")
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
            limits,
            scales,
            place,
            owners,
        ) = numbers(row, 15)
        b = frame[B]
        x, out = matrix(ZERO, rows_at(frame, x), b, d), matrix(ZERO, out, d + m * q, b)
        columns = vector(WHOLE, columns, m)
        frequency = matrix(ZERO, frequency + k * m * f * ITEM, m, f)
        phase = matrix(ZERO, phase + k * m * f * ITEM, m, f)
        weight = matrix(ZERO, weight + k * m * q * f * ITEM, m * q, f)
        bias = vector(ZERO, bias + k * m * q * ITEM, m * q)
        limit, scale = entry(BITS, limits, k), entry(ZERO, scales, k)
        # Some rows at a time, whose cache lines are read once.
        for low in range(0, b, 16):
            high = min(b, low + 16)
            for j in range(d):
                for i in range(low, high):
                    out[j, i] = x[i, j]
        for c in range(m):
            value, first = out[columns[c]], d + c * q
            for o in range(q):
                out[first + o, :] = bias[c * q + o]
            line0, line1, line2 = out[first], out[first + 1], out[first + 2]
            # Two frequencies at a time: half the reads and writes of the lines.
            for n in range(0, f, 2):
                rate0, start0 = frequency[c, n], phase[c, n] * PER_TURN
                rate1, start1 = frequency[c, n + 1], phase[c, n + 1] * PER_TURN
                w00, w01 = weight[c * q, n], weight[c * q, n + 1]
                w10, w11 = weight[c * q + 1, n], weight[c * q + 1, n + 1]
                w20, w21 = weight[c * q + 2, n], weight[c * q + 2, n + 1]
                for i in range(b):
                    x0 = cosine(value[i] * rate0 + start0)
                    x1 = cosine(value[i] * rate1 + start1)
                    line0[i] += w00 * x0 + w01 * x1
                    line1[i] += w10 * x0 + w11 * x1
                    line2[i] += w20 * x0 + w21 * x1
        if limit > 0:
            at = place * frame[MEMBERS] + k
            key0, key1 = entry(BITS, frame[KEYS_0], at), entry(BITS, frame[KEYS_1], at)
            owners = vector(BITS, owners, d + m * q)
            for j in range(d + m * q):
                drop(out[j], owners[j], limit, scale, key0, key1)

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
        "d m f q x columns frequency phase weight out slope dfrequency dphase dweight dbias work "
        "limits scales place owners before_norm"
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
            out,
            slope,
            dfrequency,
            dphase,
            dweight,
            dbias,
            work,
            limits,
            scales,
            place,
            owners,
            before_norm,
        ) = numbers(row, 21)
        b = frame[B]
        x, slope = matrix(ZERO, rows_at(frame, x), b, d), matrix(ZERO, slope, m * q, b)
        out = matrix(ZERO, out, d, b)
        columns = vector(WHOLE, columns, m)
        frequency = matrix(ZERO, frequency + k * m * f * ITEM, m, f)
        phase = matrix(ZERO, phase + k * m * f * ITEM, m, f)
        weight = matrix(ZERO, weight + k * m * q * f * ITEM, m * q, f)
        dfrequency, dphase = matrix(ZERO, dfrequency, m, f), matrix(ZERO, dphase, m, f)
        dweight, dbias = matrix(ZERO, dweight, m * q, f), vector(ZERO, dbias, m * q)
        undropped, owners = vector(ZERO, work, b), vector(BITS, owners, d)
        limit, scale = entry(BITS, limits, k), entry(ZERO, scales, k)
        at = place * frame[MEMBERS] + k
        key0, key1 = entry(BITS, frame[KEYS_0], at), entry(BITS, frame[KEYS_1], at)
        idle = before_norm != 0 and limit == 0
        for c in range(m):
            column = columns[c]
            if limit > 0:
                for i in range(b):
                    undropped[i] = x[i, column]
            value = undropped if limit > 0 else out[column]
            for o in range(q):
                line = slope[c * q + o]
                if limit > 0:
                    drop(line, owners[column], limit, scale, key0, key1)
                total = F(0)
                for i in range(b):
                    total += line[i]
                dbias[c * q + o] = F(0) if idle else total
            line0, line1, line2 = slope[c * q], slope[c * q + 1], slope[c * q + 2]
            for n in range(f):
                rate, start = frequency[c, n], phase[c, n] * PER_TURN
                w0, w1, w2 = weight[c * q, n], weight[c * q + 1, n], weight[c * q + 2, n]
                t0, t1, t2, turned, shifted = F(0), F(0), F(0), F(0), F(0)
                for i in range(b):
                    wave, sine = waves(value[i] * rate + start)
                    l0, l1, l2 = line0[i], line1[i], line2[i]
                    t0 += l0 * wave
                    t1 += l1 * wave
                    t2 += l2 * wave
                    push = (w0 * l0 + w1 * l1 + w2 * l2) * sine
                    shifted += push
                    turned += push * value[i]
                dweight[c * q, n], dweight[c * q + 1, n], dweight[c * q + 2, n] = t0, t1, t2
                dphase[c, n] = -shifted
                dfrequency[c, n] = -TURN * turned

    return embed_backward
