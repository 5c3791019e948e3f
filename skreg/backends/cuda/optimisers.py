"""Updates of the weights on CUDA; for what holds of all kernels see `skreg.backends.cuda.kernels`.

Shapes: k members, h units, n inputs of a unit or entries of a block of parameters.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def _soft_threshold(w, cut):
    """Exactly zero where abs(w) <= cut; NaN stays NaN."""
    return w - tl.where(w > cut, cut, tl.where(w < -cut, -cut, w))


@triton.jit
def _penalties(pieces, weight_decay, l1, l2, member, k):
    """Where the piece of this program lies, and weight decay, l1 and l2 there: zero outside of weights."""
    piece = pieces + tl.program_id(0) * 4
    start, n, layer = tl.load(piece), tl.load(piece + 1), tl.load(piece + 2)
    penalised = layer >= 0
    weight_decay = tl.load(weight_decay + member, mask=penalised, other=0.0)
    l1 = tl.load(l1 + layer * k + member, mask=penalised, other=0.0)
    l2 = tl.load(l2 + layer * k + member, mask=penalised, other=0.0)
    return start + member * n, n, tl.load(piece + 3), weight_decay, l1, l2


@triton.jit
def adam(
    p, g, m, v, pieces, rates, corrections, weight_decay, l1, l2, counter, k,
    B1: tl.constexpr, B2: tl.constexpr, EPSILON: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Proximal Adam (see `skreg.optim.adam`); one program a piece of the parameters of a member.

    p, g, m, v: parameters, gradient and moments, flat; pieces (programs, 4): where a block of parameters
    starts, its entries a member, its layer or -1 where nothing is penalised, and the first entry of the
    piece; rates (steps, k); corrections (steps, 2): 1 / (1 - beta^t); weight_decay (k,); l1, l2 (layers, k).
    """
    member, step = tl.program_id(1).to(tl.int64), tl.load(counter)
    start, n, first, weight_decay, l1, l2 = _penalties(pieces, weight_decay, l1, l2, member, k)
    i = first + tl.arange(0, BLOCK)
    inside = i < n
    i += start
    rate = tl.load(rates + step * k + member)
    old = tl.load(p + i, mask=inside, other=0.0)
    d = tl.load(g + i, mask=inside, other=0.0) + l2 * old
    a = B1 * tl.load(m + i, mask=inside, other=0.0) + (1.0 - B1) * d
    u = B2 * tl.load(v + i, mask=inside, other=0.0) + (1.0 - B2) * d * d
    tl.store(m + i, a, mask=inside)
    tl.store(v + i, u, mask=inside)
    c1, c2 = tl.load(corrections + step * 2), tl.load(corrections + step * 2 + 1)
    size = rate / (tl.sqrt(u * c2) + EPSILON)
    w = old * (1.0 - rate * weight_decay) - size * (a * c1)
    tl.store(p + i, _soft_threshold(w, size * l1), mask=inside)


@triton.jit
def sgd(
    p, g, m, pieces, rates, weight_decay, l1, l2, counter, k,
    MOMENTUM: tl.constexpr, NESTEROV: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Proximal SGD with the velocity m (see `skreg.optim.sgd`); arguments as of `adam`."""
    member = tl.program_id(1).to(tl.int64)
    start, n, first, weight_decay, l1, l2 = _penalties(pieces, weight_decay, l1, l2, member, k)
    i = first + tl.arange(0, BLOCK)
    inside = i < n
    i += start
    rate = tl.load(rates + tl.load(counter) * k + member)
    old = tl.load(p + i, mask=inside, other=0.0)
    speed = tl.load(m + i, mask=inside, other=0.0)
    origin = old * (1.0 - rate * weight_decay)
    w = origin - rate * (tl.load(g + i, mask=inside, other=0.0) + l2 * old)
    if NESTEROV:
        w = _soft_threshold(w, rate * l1)
        speed = w - (origin - MOMENTUM * speed)
        tl.store(p + i, w + MOMENTUM * speed, mask=inside)
    else:
        w = _soft_threshold(w + MOMENTUM * speed, rate * l1)
        speed = w - origin
        tl.store(p + i, w, mask=inside)
    tl.store(m + i, speed, mask=inside)


@triton.jit
def project_max_norm(weight, max_norm, h, n, BLOCK: tl.constexpr):
    """Scale rows of weight (k, h, n) back to the norm max_norm (k,), in place; one program a row."""
    unit = tl.program_id(0).to(tl.int64)
    most, row = tl.load(max_norm + unit // h), weight + unit * n
    total = tl.zeros((BLOCK,), dtype=weight.dtype.element_ty)
    for first in range(0, n, BLOCK):
        i = first + tl.arange(0, BLOCK)
        w = tl.load(row + i, mask=i < n, other=0.0)
        total += w * w
    norm = tl.sqrt(tl.sum(total, axis=0))
    if norm > most:
        for first in range(0, n, BLOCK):
            i = first + tl.arange(0, BLOCK)
            w = tl.load(row + i, mask=i < n, other=0.0)
            tl.store(row + i, w * (most / norm), mask=i < n)
