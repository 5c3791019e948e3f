"""Kernels of the trained vectors of levels (`skreg.net.categories`), compiled by numba.

Of one member: b rows of d columns, the last c of which hold numbers of levels; w entries of their vectors
together. ``tables`` (3, c) are levels, widths, and where the vectors of a column begin among the ``size``
numbers of a member; ``owners`` (c,) the places in the mask of input dropout.
"""

from __future__ import annotations

import functools

import numpy as np

from skreg.backends.cpu.periodic import drop
from skreg.backends.cpu.pieces import (
    KEYS_0,
    KEYS_1,
    MEMBERS,
    B,
    entry,
    inline,
    kernel,
    matrix,
    numbers,
    rows_at,
    vector,
)

_WHOLE, _BITS = np.int64(0), np.uint32(0)


@inline
def _level_of(value, levels):
    """The number of a level; the last one of so many for all that is none, NaN included."""
    level, last = np.floor(value + type(value)(0.5)), type(value)(levels - 1)
    return np.int64(level if level >= 0 and level < last else last)


@functools.cache
def numeric_kernel(dtype):
    """The first n columns ``out`` (b, n) of rows.

    Parameters
    ----------
    dtype : str
        ``"float32"`` or ``"float64"``.
    """
    ZERO = getattr(np, dtype)(0)

    @kernel("d n x out")
    def numeric_columns(frame, row, k):
        d, n, x, out = numbers(row, 4)
        b = frame[B]
        x, out = matrix(ZERO, rows_at(frame, x), b, d), matrix(ZERO, out, b, n)
        for i in range(b):
            for j in range(n):
                out[i, j] = x[i, j]

    return numeric_columns


@functools.cache
def categories_kernel(dtype):
    """From n numeric inputs and rows to the inputs ``out`` (n + w, b) of the first linear layer.

    ``numeric`` is (n, b), or (b, n) where it is ``by_row``, and masked already; the vectors are masked here.

    Parameters
    ----------
    dtype : str
        As of `numeric_kernel`.
    """
    ZERO, ITEM = getattr(np, dtype)(0), np.dtype(dtype).itemsize

    @kernel("d c w size x tables n numeric by_row vectors out limits scales place owners")
    def embed_categories(frame, row, k):
        (
            d,
            c,
            w,
            size,
            x,
            tables,
            n,
            numeric,
            by_row,
            vectors,
            out,
            limits,
            scales,
            place,
            owners,
        ) = numbers(row, 15)
        b = frame[B]
        x, out = matrix(ZERO, rows_at(frame, x), b, d), matrix(ZERO, out, n + w, b)
        tables, owners = matrix(_WHOLE, tables, 3, c), vector(_BITS, owners, c)
        vectors = vector(ZERO, vectors + k * size * ITEM, size)
        if by_row != 0:
            rows = matrix(ZERO, numeric, b, n)
            # Some rows at a time, whose cache lines are read once.
            for low in range(0, b, 16):
                high = min(b, low + 16)
                for j in range(n):
                    for i in range(low, high):
                        out[j, i] = rows[i, j]
        else:
            lines = matrix(ZERO, numeric, n, b)
            for j in range(n):
                for i in range(b):
                    out[j, i] = lines[j, i]
        first = n
        for column in range(c):
            levels, width, begin = tables[0, column], tables[1, column], tables[2, column]
            for i in range(b):
                start = begin + width * _level_of(x[i, d - c + column], levels)
                for o in range(width):
                    out[first + o, i] = vectors[start + o]
            first += width
        limit, scale = entry(_BITS, limits, k), entry(ZERO, scales, k)
        if limit > 0:
            at = place * frame[MEMBERS] + k
            key0, key1 = entry(_BITS, frame[KEYS_0], at), entry(_BITS, frame[KEYS_1], at)
            first = n
            for column in range(c):
                for _ in range(tables[1, column]):
                    drop(out[first], owners[column], limit, scale, key0, key1)
                    first += 1

    return embed_categories


@functools.cache
def categories_gradient_kernel(dtype):
    """Gradient of the vectors, from that of what they made.

    ``slope`` (w, b) is overwritten by itself behind the mask. Levels that no row has get zeros.

    Parameters
    ----------
    dtype : str
        As of `numeric_kernel`.
    """
    ZERO = getattr(np, dtype)(0)

    @kernel("d c w size x tables slope dvectors limits scales place owners")
    def embed_categories_backward(frame, row, k):
        d, c, w, size, x, tables, slope, dvectors, limits, scales, place, owners = numbers(row, 12)
        b = frame[B]
        x, slope = matrix(ZERO, rows_at(frame, x), b, d), matrix(ZERO, slope, w, b)
        tables, owners = matrix(_WHOLE, tables, 3, c), vector(_BITS, owners, c)
        dvectors = vector(ZERO, dvectors, size)
        limit, scale = entry(_BITS, limits, k), entry(ZERO, scales, k)
        at = place * frame[MEMBERS] + k
        key0, key1 = entry(_BITS, frame[KEYS_0], at), entry(_BITS, frame[KEYS_1], at)
        for e in range(size):
            dvectors[e] = ZERO
        first = 0
        for column in range(c):
            levels, width, begin = tables[0, column], tables[1, column], tables[2, column]
            if limit > 0:
                for o in range(width):
                    drop(slope[first + o], owners[column], limit, scale, key0, key1)
            # Row after row: sums have one order.
            for i in range(b):
                start = begin + width * _level_of(x[i, d - c + column], levels)
                for o in range(width):
                    dvectors[start + o] += slope[first + o, i]
            first += width

    return embed_categories_backward
