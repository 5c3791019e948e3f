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
    compiled,
    float_types,
    inline,
    mask_base,
    part,
    random_u32,
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


def embedding_signature(dtype):
    """Type of the forward kernel of an embedding."""
    f, _, m, u, nothing = float_types(dtype)
    columns, cube = types.Array(types.int64, 1, "C"), types.Array(f, 3, "C")
    return nothing(m, m, columns, m, m, cube, m, u, f, u, u)


def embedding_gradient_signature(dtype):
    """Type of the backward kernel of an embedding."""
    f, _, m, u, nothing = float_types(dtype)
    columns, cube = types.Array(types.int64, 1, "C"), types.Array(f, 3, "C")
    return nothing(m, m, columns, m, m, cube, u, f, u, u, types.int64, m, m, cube, m)


@functools.cache
def embedding_kernel(dtype):
    """From a minibatch to the inputs of the first linear layer, input dropout included.

    Parameters
    ----------
    dtype : str
        ``"float32"`` or ``"float64"``.
    """
    F = getattr(np, dtype)
    PER_TURN = F(1 / _TURN)

    @compiled(embedding_signature(dtype))
    def embed(x, out, columns, frequency, phase, weight, bias, limit, scale, key0, key1):
        """x (b, d) -> out (d', b): columns as they are, then what was made of some.

        columns (m,); frequency, phase (m, f); weight (m, q, f); bias (m, q).
        """
        (m, f), q = frequency.shape, bias.shape[1]
        b, d = x.shape
        wave = np.empty(b, F)
        for j in range(d):
            for i in range(b):
                out[j, i] = x[i, j]
        for c in range(m):
            value, first = out[columns[c]], d + c * q
            for o in range(q):
                out[first + o, :] = bias[c, o]
            for n in range(f):
                rate, start = frequency[c, n], phase[c, n] * PER_TURN
                for i in range(b):
                    wave[i] = cosine(value[i] * rate + start)
                for o in range(q):
                    w, line = weight[c, o, n], out[first + o]
                    for i in range(b):
                        line[i] += w * wave[i]
        if limit > 0:
            for j in range(d + m * q):
                column = j if j < d else columns[(j - d) // q]
                _drop(out[j], column, limit, scale, key0, key1)

    return embed


@functools.cache
def embedding_gradient_kernel(dtype):
    """Gradient of the parameters of an embedding, from that of what it made of columns.

    Parameters
    ----------
    dtype : str
        As of `embedding_kernel`.
    """
    F = getattr(np, dtype)
    TURN, PER_TURN = F(_TURN), F(1 / _TURN)

    @compiled(embedding_gradient_signature(dtype))
    def embed_backward(
        slope,
        x,
        columns,
        frequency,
        phase,
        weight,
        limit,
        scale,
        key0,
        key1,
        idle,
        dfrequency,
        dphase,
        dweight,
        dbias,
    ):
        """slope (m q, b) is overwritten by itself behind the mask; x (b, d).

        ``idle``: not 0 where the bias counts nothing and is left where it is.
        """
        (m, f), q, b = frequency.shape, dbias.shape[1], x.shape[0]
        value, wave, push = np.empty(b, F), np.empty(b, F), np.empty(b, F)
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
                dbias[c, o] = F(0) if idle != 0 else total
            for n in range(f):
                rate, start = frequency[c, n], phase[c, n] * PER_TURN
                for i in range(b):
                    wave[i] = cosine(value[i] * rate + start)
                    push[i] = F(0)
                for o in range(q):
                    w, line, total = weight[c, o, n], slope[c * q + o], F(0)
                    for i in range(b):
                        total += line[i] * wave[i]
                        push[i] += w * line[i]
                    dweight[c, o, n] = total
                turned, shifted = F(0), F(0)
                for i in range(b):
                    s = push[i] * sine(value[i] * rate + start)
                    shifted += s
                    turned += s * value[i]
                dphase[c, n] = -shifted
                dfrequency[c, n] = -TURN * turned

    return embed_backward
