"""Losses and their gradients on CUDA; for what holds of all kernels see `skreg.backends.cuda.kernels`.

Shapes: k members of s streams, b rows of a minibatch, o outputs, t targets.
"""

from __future__ import annotations

import triton
import triton.language as tl

from skreg.backends.constants import HUBER_DELTA, MAX_EXPONENT

#: Rows that a program of a loss takes, at most: outputs follow each other in it, so that only many small
#: programs keep a GPU busy where members are few.
LOSS_ROWS = 32

_DELTA, _HIGHEST = tl.constexpr(HUBER_DELTA), tl.constexpr(MAX_EXPONENT)


@triton.jit
def multinomial(
    z, losses, bias, targets, lengths, target_of, order, coef, stream_of, smoothing, quantile,
    counter, o, b, s, LOSS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Log loss of a softmax and its gradient; one program a piece of the rows of a member.

    z (k, o, b) becomes its gradient; losses (k, b) gets coef times loss; bias (k, o); targets, lengths (t,)
    addresses and rows of targets; target_of, stream_of, smoothing, quantile (k,); order, coef (steps, s, b).
    """
    member = tl.program_id(1).to(tl.int64)
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = i < b
    place = (tl.load(counter) * s + tl.load(stream_of + member)) * b + i
    number = tl.load(order + place, mask=inside, other=0)
    weight = tl.load(coef + place, mask=inside, other=0.0)
    y = tl.load(targets + tl.load(target_of + member)).to(order.dtype)
    label = tl.load(y + number, mask=inside, other=0)
    smooth = tl.load(smoothing + member)
    even, hard = smooth / o, 1.0 - smooth
    entry, offset = z + member * o * b + i, bias + member * o
    top = tl.load(entry, mask=inside, other=0.0) + tl.load(offset)
    for j in range(1, o):
        f = tl.load(entry + j * b, mask=inside, other=0.0) + tl.load(offset + j)
        top = tl.where(f > top, f, top)
    norm, spread, chosen = top * 0.0, top * 0.0, top * 0.0
    for j in range(0, o):
        t = tl.load(entry + j * b, mask=inside, other=0.0) + tl.load(offset + j) - top
        norm += tl.exp(t)
        spread += t
        chosen = tl.where(label == j, t, chosen)
    loss = weight * (tl.log(norm) - hard * chosen - even * spread)
    tl.store(losses + member * b + i, loss, mask=inside)
    for j in range(0, o):
        t = tl.load(entry + j * b, mask=inside, other=0.0) + tl.load(offset + j) - top
        slope = tl.exp(t) / norm - even - tl.where(label == j, hard, 0.0)
        tl.store(entry + j * b, weight * slope, mask=inside)


@triton.jit
def _pointwise(f, t, smooth, q, LOSS: tl.constexpr):
    """Loss number LOSS of the raw output f for the target t, and its derivative."""
    if LOSS == 1:
        t = t * (1.0 - smooth) + 0.5 * smooth
        e = tl.exp(-tl.abs(f))
        value = tl.where(f > 0.0, f, 0.0) + tl.log(1.0 + e) - t * f
        p = 1.0 / (1.0 + e)
        slope = tl.where(f >= 0.0, p, 1.0 - p) - t
    elif LOSS == 2:
        slope = f - t
        value = 0.5 * slope * slope
    elif LOSS == 3:
        value = tl.abs(f - t)
        slope = tl.where(f > t, 1.0, tl.where(f < t, -1.0, 0.0)).to(f.dtype)
    elif LOSS == 4:
        d = f - t
        a = tl.abs(d)
        value = tl.where(a <= _DELTA, 0.5 * d * d, _DELTA * (a - 0.5 * _DELTA))
        slope = tl.where(d > _DELTA, _DELTA, tl.where(d < -_DELTA, -_DELTA, d))
    elif LOSS == 5:
        c = tl.where(f > _HIGHEST, _HIGHEST, f)
        e = tl.exp(c)
        value = e * (1.0 + (f - c)) - t * f
        slope = e - t
    else:
        tl.static_assert(LOSS == 6)
        d = t - f
        value = tl.where(d >= 0.0, q * d, (q - 1.0) * d)
        slope = tl.where(d > 0.0, -q, tl.where(d < 0.0, 1.0 - q, 0.0))
    return value, slope


@triton.jit
def pointwise(
    z, losses, bias, targets, lengths, target_of, order, coef, stream_of, smoothing, quantile,
    counter, o, b, s, LOSS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """A loss that is a sum over outputs, and its gradient; arguments as of `multinomial`."""
    member = tl.program_id(1).to(tl.int64)
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = i < b
    place = (tl.load(counter) * s + tl.load(stream_of + member)) * b + i
    number = tl.load(order + place, mask=inside, other=0)
    weight = tl.load(coef + place, mask=inside, other=0.0)
    target = tl.load(target_of + member)
    y, n = tl.load(targets + target).to(z.dtype), tl.load(lengths + target)
    smooth, q = tl.load(smoothing + member), tl.load(quantile + member)
    entry, offset = z + member * o * b + i, bias + member * o
    total = weight * 0.0
    for j in range(0, o):
        f = tl.load(entry + j * b, mask=inside, other=0.0) + tl.load(offset + j)
        t = tl.load(y + j * n + number, mask=inside, other=0.0)
        value, slope = _pointwise(f, t, smooth, q, LOSS)
        total += weight * value
        tl.store(entry + j * b, weight * slope, mask=inside)
    tl.store(losses + member * b + i, total, mask=inside)
