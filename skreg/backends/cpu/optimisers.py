"""One step of the optimiser on one parameter of one member."""

from __future__ import annotations

import functools

import numpy as np

from skreg.backends.constants import TINY
from skreg.backends.cpu.pieces import (
    RATES,
    STEP,
    entry,
    inline,
    kernel,
    matrix,
    numbers,
    part,
    vector,
)

#: Numbers in the row of a solver: entries of a member, addresses of parameter, gradient (of one
#: member), first and second moment; of the knobs of the members; of what the solver is told (float64).
_FIELDS = "n p g m v weight_decays l1s l2s options"

_DOUBLE = np.float64(0)


@inline
def soft_threshold(w, cut):
    """Exactly zero where abs(w) <= cut; NaN stays NaN."""
    inside = cut if w > cut else (-cut if w < -cut else w)
    return w - inside


@functools.cache
def solver_kernel(solver, dtype):
    """One step of Adam (``"adam"``, ``"adamw"``), or of SGD with momentum (``"sgd"``).

    See `skreg.objective.penalties` for what they do. ``options``: beta_1, beta_2, epsilon, and the two
    numbers that `bias_correction_kernel` writes; or momentum, and 1 for Nesterov's.
    """
    return _sgd(dtype) if solver == "sgd" else _adam(dtype)


@functools.cache
def bias_correction_kernel():
    """1 / (1 - beta^t) of both moments of Adam, for the step at hand, behind its other options."""

    @kernel("options")
    def bias_correction(frame, row, k):
        options, t = vector(_DOUBLE, row[1], 5), frame[STEP]
        options[3] = 1 / (1 - options[0] ** t)
        options[4] = 1 / (1 - options[1] ** t)

    return bias_correction


@inline
def _advance(p, g, m, v, i, l2, b1, b2, small):
    """Bring the moments of entry i up to date; what would be denormal becomes zero."""
    zero, one = p.dtype.type(0), p.dtype.type(1)
    d = g[i] + l2 * p[i]
    a = b1 * m[i] + (one - b1) * d
    u = b2 * v[i] + (one - b2) * d * d
    m[i] = zero if abs(a) < small else a
    v[i] = zero if u < small else u


# The loops are functions of their own: inside the kernel the compiler ran out of registers and read
# constants from memory for each entry (measured: 1.0 instead of 0.75 ns an entry).
@part
def adam_dense(p, g, m, v, rate, kept, l2, b1, b2, c1, c2, eps, small):
    for i in range(p.shape[0]):
        _advance(p, g, m, v, i, l2, b1, b2, small)
        step = rate / (np.sqrt(v[i] * c2) + eps)
        p[i] = p[i] * kept - step * (m[i] * c1)


@part
def adam_sparse(p, g, m, v, rate, kept, l2, b1, b2, c1, c2, eps, small, l1):
    for i in range(p.shape[0]):
        _advance(p, g, m, v, i, l2, b1, b2, small)
        step = rate / (np.sqrt(v[i] * c2) + eps)
        p[i] = soft_threshold(p[i] * kept - step * (m[i] * c1), step * l1)


def _adam(dtype):
    F = getattr(np, dtype)
    SMALL, ZERO, ITEM = F(TINY[dtype]), F(0), np.dtype(dtype).itemsize

    @kernel(_FIELDS)
    def adam(frame, row, k):
        """Proximal Adam: soft-thresholding in the metric of the step."""
        n, p, g, m, v, weight_decays, l1s, l2s, options = numbers(row, 9)
        own, options = k * n * ITEM, vector(_DOUBLE, options, 5)
        p, g = vector(ZERO, p + own, n), vector(ZERO, g, n)
        m, v = vector(ZERO, m + own, n), vector(ZERO, v + own, n)
        b1, b2, eps = F(options[0]), F(options[1]), F(options[2])
        c1, c2 = F(options[3]), F(options[4])
        rate = entry(ZERO, frame[RATES], k)
        l1, l2 = entry(ZERO, l1s, k), entry(ZERO, l2s, k)
        kept = F(1) - rate * entry(ZERO, weight_decays, k)
        if l1 > F(0):
            adam_sparse(p, g, m, v, rate, kept, l2, b1, b2, c1, c2, eps, SMALL, l1)
        else:
            adam_dense(p, g, m, v, rate, kept, l2, b1, b2, c1, c2, eps, SMALL)

    return adam


@inline
def _point(p, g, m, i, rate, cut, kept, l2, momentum, nesterov):
    """Where entry i goes by SGD, L1 included."""
    w = p[i] * kept - rate * (g[i] + l2 * p[i])
    return soft_threshold(w if nesterov else w + momentum * m[i], cut)


@inline
def _arrive(p, m, i, w, kept, momentum, nesterov, small, rounding):
    """Take entry i to w, and keep the speed of its going there."""
    zero, origin = p.dtype.type(0), p[i] * kept
    if nesterov:
        speed = w - (origin - momentum * m[i])
        # Where the product is not rounded, the difference of equal numbers is not zero, and a
        # weight that is zero would take some steps to become so.
        noise = w == zero and abs(speed) <= rounding * abs(origin)
        speed = zero if noise else speed
    else:
        speed = w - origin
    # Before it is added: else rounding would keep a weight that is zero just off zero.
    speed = zero if abs(speed) < small else speed
    m[i] = speed
    p[i] = w + momentum * speed if nesterov else w


def _sgd(dtype):
    F = getattr(np, dtype)
    SMALL, ROUNDING = F(TINY[dtype]), F(4 * np.finfo(dtype).eps)
    ZERO, ITEM = F(0), np.dtype(dtype).itemsize

    @kernel(_FIELDS)
    def sgd(frame, row, k):
        """Proximal SGD in the two forms of `skreg.objective.penalties`; m is the velocity."""
        n, p, g, m, _v, weight_decays, l1s, l2s, options = numbers(row, 9)
        own, options = k * n * ITEM, vector(_DOUBLE, options, 2)
        p, g, m = vector(ZERO, p + own, n), vector(ZERO, g, n), vector(ZERO, m + own, n)
        momentum, nesterov = F(options[0]), options[1] > 0
        rate = entry(ZERO, frame[RATES], k)
        cut, l2 = rate * entry(ZERO, l1s, k), entry(ZERO, l2s, k)
        kept = F(1) - rate * entry(ZERO, weight_decays, k)
        for i in range(n):
            w = _point(p, g, m, i, rate, cut, kept, l2, momentum, nesterov)
            _arrive(p, m, i, w, kept, momentum, nesterov, SMALL, ROUNDING)

    return sgd


@functools.cache
def point_kernel(dtype):
    """The first half of a step of SGD: where the entries of a member go, (n,), L1 included."""
    F = getattr(np, dtype)
    ZERO, ITEM = F(0), np.dtype(dtype).itemsize

    @kernel(f"{_FIELDS} point")
    def sgd_point(frame, row, k):
        n, p, g, m, _v, weight_decays, l1s, l2s, options, point = numbers(row, 10)
        own, options = k * n * ITEM, vector(_DOUBLE, options, 2)
        p, g, m = vector(ZERO, p + own, n), vector(ZERO, g, n), vector(ZERO, m + own, n)
        momentum, nesterov = F(options[0]), options[1] > 0
        rate, point = entry(ZERO, frame[RATES], k), vector(ZERO, point, n)
        cut, l2 = rate * entry(ZERO, l1s, k), entry(ZERO, l2s, k)
        kept = F(1) - rate * entry(ZERO, weight_decays, k)
        for i in range(n):
            point[i] = _point(p, g, m, i, rate, cut, kept, l2, momentum, nesterov)

    return sgd_point


@functools.cache
def finish_kernel(dtype):
    """The second half: the entries of a member are at the point, which may have been moved since."""
    F = getattr(np, dtype)
    SMALL, ROUNDING = F(TINY[dtype]), F(4 * np.finfo(dtype).eps)
    ZERO, ITEM = F(0), np.dtype(dtype).itemsize

    @kernel(f"{_FIELDS} point")
    def sgd_finish(frame, row, k):
        n, p, _g, m, _v, weight_decays, _l1s, _l2s, options, point = numbers(row, 10)
        own, options = k * n * ITEM, vector(_DOUBLE, options, 2)
        p, m, point = vector(ZERO, p + own, n), vector(ZERO, m + own, n), vector(ZERO, point, n)
        momentum, nesterov = F(options[0]), options[1] > 0
        kept = F(1) - entry(ZERO, frame[RATES], k) * entry(ZERO, weight_decays, k)
        for i in range(n):
            _arrive(p, m, i, point[i], kept, momentum, nesterov, SMALL, ROUNDING)

    return sgd_finish


@functools.cache
def max_norm_kernel(dtype):
    """Scale the incoming weights (h, n) of each unit back to the norm that is allowed, in place."""
    F = getattr(np, dtype)
    ZERO, ITEM = F(0), np.dtype(dtype).itemsize

    @kernel("h n weight max_norms")
    def project_max_norm(frame, row, k):
        h, n, weight, max_norms = numbers(row, 4)
        weight, limit = matrix(ZERO, weight + k * h * n * ITEM, h, n), entry(ZERO, max_norms, k)
        for r in range(h):
            s = F(0)
            for i in range(n):
                s += weight[r, i] * weight[r, i]
            if s > limit * limit:
                f = limit / np.sqrt(s)
                for i in range(n):
                    weight[r, i] *= f

    return project_max_norm
