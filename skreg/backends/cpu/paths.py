"""Kernels that add up squared paths through a net, for `skreg.net.block.Block.emit_paths`."""

from __future__ import annotations

import functools

import numpy as np

from skreg.backends.cpu.pieces import kernel, matrix, numbers, vector


@functools.cache
def linear_kernel(dtype):
    """Through weights (h, d) of a member: of the outputs (h,) to the inputs (d,)."""
    ZERO, ITEM = getattr(np, dtype)(0), np.dtype(dtype).itemsize

    @kernel("h d weight out into")
    def paths_linear(frame, row, k):
        h, d, weight, out, into = numbers(row, 5)
        weight = matrix(ZERO, weight + k * h * d * ITEM, h, d)
        out, into = vector(ZERO, out, h), vector(ZERO, into, d)
        into[:] = ZERO
        for u in range(h):
            for j in range(d):
                into[j] += out[u] * weight[u, j] * weight[u, j]

    return paths_linear


@functools.cache
def batch_norm_kernel(dtype, eps):
    """Through a batch norm with its running variance, (n,)."""
    F = getattr(np, dtype)
    ZERO, EPS, ITEM = F(0), F(eps), np.dtype(dtype).itemsize

    @kernel("n gain variance out into")
    def paths_batch_norm(frame, row, k):
        n, gain, variance, out, into = numbers(row, 5)
        own = k * n * ITEM
        gain, variance = vector(ZERO, gain + own, n), vector(ZERO, variance + own, n)
        out, into = vector(ZERO, out, n), vector(ZERO, into, n)
        for i in range(n):
            into[i] = out[i] * gain[i] * gain[i] / (variance[i] + EPS)

    return paths_batch_norm


@functools.cache
def layer_norm_kernel(dtype, least):
    """Through a layer norm behind weights (n, d), (n,)."""
    F = getattr(np, dtype)
    ZERO, LEAST, ITEM = F(0), F(least), np.dtype(dtype).itemsize

    @kernel("n d gain weight out into")
    def paths_layer_norm(frame, row, k):
        n, d, gain, weight, out, into = numbers(row, 6)
        gain, weight = (
            vector(ZERO, gain + k * n * ITEM, n),
            vector(ZERO, weight + k * n * d * ITEM, n * d),
        )
        out, into = vector(ZERO, out, n), vector(ZERO, into, n)
        square = ZERO
        for i in range(n * d):
            square += weight[i] * weight[i]
        square = square / F(n)
        square = square if square > LEAST else LEAST
        for i in range(n):
            into[i] = out[i] * gain[i] * gain[i] / square

    return paths_layer_norm


@functools.cache
def sum_kernel(dtype):
    """Through a layer and beside it, (n,)."""
    ZERO = getattr(np, dtype)(0)

    @kernel("n out through into")
    def paths_sum(frame, row, k):
        n, out, through, into = numbers(row, 4)
        out, through = vector(ZERO, out, n), vector(ZERO, through, n)
        into = vector(ZERO, into, n)
        for i in range(n):
            into[i] = out[i] + through[i]

    return paths_sum
