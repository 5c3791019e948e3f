"""One step of the optimiser over the flat parameters of one member."""

from __future__ import annotations

import functools

import numpy as np
from numba import types

from skreg.backends.constants import TINY
from skreg.backends.cpu.pieces import compiled, float_types, inline, part

#: Columns of a table of parameter blocks: where the block starts in the parameters of a stack, its
#: entries a member, where it starts in the gradient of one member, and the layer whose l1, l2 and
#: decay apply (-1 for biases and batch norm, which are never penalised).
START, SIZE, GRADIENT, LAYER = range(4)


def optimiser_signature(dtype):
    """Type of an optimiser's kernel."""
    f, v, _, _, nothing = float_types(dtype)
    blocks = types.Array(types.int64, 2, "C")
    numbers = types.Array(types.float64, 1, "C")
    return nothing(v, v, v, v, blocks, types.int64, f, f, v, v, numbers, types.int64)


@inline
def soft_threshold(w, cut):
    """Exactly zero where abs(w) <= cut; NaN stays NaN."""
    inside = cut if w > cut else (-cut if w < -cut else w)
    return w - inside


@functools.cache
def optimiser_kernel(solver, dtype):
    """One step of Adam (``"adam"``, ``"adamw"``), or of SGD with momentum (``"sgd"``).

    The kernel takes parameters, gradient, moments, blocks, member, rate, decay, l1 and l2 a layer, the
    numbers of the solver, and the number of the step from 1.
    """
    return _sgd(dtype) if solver == "sgd" else _adam(dtype)


@inline
def _advance(p, g, m, v, i, ridge, b1, b2, small):
    """Bring the moments of entry i up to date; what would be denormal becomes zero."""
    zero, one = p.dtype.type(0), p.dtype.type(1)
    d = g[i] + ridge * p[i]
    a = b1 * m[i] + (one - b1) * d
    u = b2 * v[i] + (one - b2) * d * d
    m[i] = zero if abs(a) < small else a
    v[i] = zero if u < small else u


# The loops are functions of their own: inside the kernel the compiler ran out of registers and read
# constants from memory for each entry (measured: 1.0 instead of 0.75 ns an entry).
@part
def _adam_dense(p, g, m, v, rate, shrink, ridge, b1, b2, c1, c2, eps, small):
    for i in range(p.shape[0]):
        _advance(p, g, m, v, i, ridge, b1, b2, small)
        step = rate / (np.sqrt(v[i] * c2) + eps)
        p[i] = p[i] * shrink - step * (m[i] * c1)


@part
def _adam_sparse(p, g, m, v, rate, shrink, ridge, b1, b2, c1, c2, eps, small, sparse):
    for i in range(p.shape[0]):
        _advance(p, g, m, v, i, ridge, b1, b2, small)
        step = rate / (np.sqrt(v[i] * c2) + eps)
        p[i] = soft_threshold(p[i] * shrink - step * (m[i] * c1), step * sparse)


def _adam(dtype):
    F = getattr(np, dtype)
    SMALL = F(TINY[dtype])

    @compiled(optimiser_signature(dtype))
    def adam(p, g, m, v, blocks, k, rate, decay, l1, l2, numbers, t):
        """Proximal Adam: soft-thresholding in the metric of the step.

        numbers: beta_1, beta_2, epsilon; m, v: first and second moment.
        """
        b1, b2, eps = F(numbers[0]), F(numbers[1]), F(numbers[2])
        c1, c2 = F(1 / (1 - numbers[0] ** t)), F(1 / (1 - numbers[1] ** t))
        for i in range(blocks.shape[0]):
            n, layer = blocks[i, SIZE], blocks[i, LAYER]
            start, slot = blocks[i, START] + k * n, blocks[i, GRADIENT]
            shrink, sparse, ridge = F(1), F(0), F(0)
            if layer >= 0:
                shrink, sparse, ridge = F(1) - rate * decay, l1[layer], l2[layer]
            pt, gt = p[start : start + n], g[slot : slot + n]
            mt, vt = m[start : start + n], v[start : start + n]
            if sparse > F(0):
                _adam_sparse(
                    pt, gt, mt, vt, rate, shrink, ridge, b1, b2, c1, c2, eps, SMALL, sparse
                )
            else:
                _adam_dense(pt, gt, mt, vt, rate, shrink, ridge, b1, b2, c1, c2, eps, SMALL)

    return adam


def _sgd(dtype):
    F = getattr(np, dtype)
    SMALL, ROUNDING = F(TINY[dtype]), F(4 * np.finfo(dtype).eps)

    @compiled(optimiser_signature(dtype))
    def sgd(p, g, m, unused, blocks, k, rate, decay, l1, l2, numbers, t):
        """Proximal SGD: m is the velocity; numbers: momentum, and 1 for Nesterov's.

        See `skreg.objective.penalties` for the two forms.
        """
        momentum, nesterov = F(numbers[0]), numbers[1] > 0
        for block in range(blocks.shape[0]):
            n, layer = blocks[block, SIZE], blocks[block, LAYER]
            start, slot = blocks[block, START] + k * n, blocks[block, GRADIENT]
            shrink, sparse, ridge = F(1), F(0), F(0)
            if layer >= 0:
                shrink, sparse, ridge = F(1) - rate * decay, rate * l1[layer], l2[layer]
            pt, gt, mt = p[start : start + n], g[slot : slot + n], m[start : start + n]
            for i in range(n):
                old = mt[i]
                origin = pt[i] * shrink
                w = origin - rate * (gt[i] + ridge * pt[i])
                if nesterov:
                    w = soft_threshold(w, sparse)
                    speed = w - (origin - momentum * old)
                    # Where the product is not rounded, the difference of equal numbers is not zero, and a
                    # weight that is zero would take some steps to become so.
                    noise = w == F(0) and abs(speed) <= ROUNDING * abs(origin)
                    speed = F(0) if noise else speed
                else:
                    w = soft_threshold(w + momentum * old, sparse)
                    speed = w - origin
                # Before it is added: else rounding would keep a weight that is zero just off zero.
                speed = F(0) if abs(speed) < SMALL else speed
                mt[i] = speed
                pt[i] = w + momentum * speed if nesterov else w

    return sgd


@inline
def project_max_norm(weight, limit):
    """Scale rows of weight (h, n) back to the norm ``limit``, in place."""
    for r in range(weight.shape[0]):
        s = weight.dtype.type(0)
        for i in range(weight.shape[1]):
            s += weight[r, i] * weight[r, i]
        if s > limit * limit:
            f = limit / np.sqrt(s)
            for i in range(weight.shape[1]):
                weight[r, i] *= f
