"""The kernels of the blocks on CUDA, in Triton; see also `losses` and `optimisers`.

They are those of `skreg.backends.cpu` for all members of a stack at once. What changes from one
minibatch to the next (order of the rows, row weights, keys of the masks, rates) lies on the device for a
whole epoch, and each kernel reads its part by a counter that lies there too: so the launches of a
minibatch are always the same and can be replayed as a CUDA graph.

Shapes: k members of s streams, b rows of a minibatch, d inputs, h units, o outputs; m embedded columns
with f frequencies each, q features made of each. Constants are `tl.constexpr`: a float that is handed
over at run time would be rounded to float32.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import triton
import triton.language as tl

from skreg.backends.constants import (
    BATCH_NORM_EPS,
    BATCH_NORM_MOMENTUM,
    COSINE,
    LINE_STRIDE,
    SELU_ALPHA,
    SELU_SCALE,
    SINE,
)

#: Entries of a row that a program takes at a time, at most.
WIDEST = 1024

#: Rows in a tile of rows and frequencies, forward and backward, at most, in float32; half of them in
#: float64. One warp has it in its registers: with more rows there are fewer warps, then spills.
EMBED_ROWS, EMBED_BACKWARD_ROWS = 64, 32

_EPS, _MOMENTUM = tl.constexpr(BATCH_NORM_EPS), tl.constexpr(BATCH_NORM_MOMENTUM)
_SCALE, _ALPHA = tl.constexpr(SELU_SCALE), tl.constexpr(SELU_ALPHA)
_STRIDE = tl.constexpr(LINE_STRIDE)
_ROOT_HALF, _DENSITY = tl.constexpr(0.7071067811865476), tl.constexpr(0.3989422804014327)
_TURN, _PER_TURN = tl.constexpr(6.283185307179586), tl.constexpr(0.15915494309189535)
_C0, _C1, _C2, _C3, _C4, _C5 = (tl.constexpr(c) for c in COSINE)
_S0, _S1, _S2, _S3, _S4 = (tl.constexpr(c) for c in SINE)


@dataclass
class Launch:
    """A kernel with all that it is called with.

    Attributes
    ----------
    kernel : triton.JITFunction
    grid : tuple of int
    arguments : tuple of tensor and int
    constants : dict
        Those that are compiled into the kernel, the width ``BLOCK`` of a program among them.
    """

    kernel: object
    grid: tuple
    arguments: tuple
    constants: dict = field(default_factory=dict)

    @property
    def options(self):
        """What the compiler is told: a thread for eight entries, multiplications and additions fused."""
        warps = min(8, max(1, self.constants["BLOCK"] // 256))
        return {"num_warps": warps, "enable_fp_fusion": True}

    def __call__(self):
        self.kernel[self.grid](*self.arguments, **self.constants, **self.options)


def program_width(n, most=None):
    """Width of a program for rows of n entries; rows of more than ``most`` are taken in pieces."""
    return min(WIDEST, most or WIDEST, max(16, triton.next_power_of_2(n)))


@triton.jit
def _keep(keys, threshold, moment, member, line, entry):
    """Which entries of a line of a mask stay (see `skreg.net.dropout`).

    keys (steps, s, 2) and threshold (k,) hold bits of uint32 as int32; ``moment`` is step * s + stream.
    """
    key0 = tl.load(keys + moment * 2).to(tl.uint32, bitcast=True)
    key1 = tl.load(keys + moment * 2 + 1).to(tl.uint32, bitcast=True)
    x = line.to(tl.uint32) * _STRIDE + entry.to(tl.uint32)
    x = x ^ key0
    x = x ^ (x >> 16)
    x = x * 0x21F0AAAD
    x = x + key1
    x = x ^ (x >> 15)
    x = x * 0x735A2D97
    x = x ^ (x >> 15)
    return x >= tl.load(threshold + member).to(tl.uint32, bitcast=True)


#: Largest number of an activation (`skreg.net.activation.NUMBERS`) that kernels here have.
LAST_ACTIVATION = 8


@triton.jit
def _value(y, ACT: tl.constexpr):
    """Activation number ACT at y."""
    if ACT == 0:
        out = y
    elif ACT == 1:
        out = tl.where(y <= 0.0, 0.0, y)
    elif ACT == 2:
        out = 1.0 - 2.0 / (tl.exp(2.0 * y) + 1.0)
    elif ACT == 3:
        out = 1.0 / (1.0 + tl.exp(-y))
    elif ACT == 4:
        out = y / (1.0 + tl.exp(-y))
    elif ACT == 5:
        out = 0.5 * y * (1.0 + tl.erf(y * _ROOT_HALF))
    elif ACT == 6:
        out = _SCALE * tl.where(y <= 0.0, _ALPHA * (tl.exp(y) - 1.0), y)
    elif ACT == 7:
        e = tl.exp(tl.where(y > 20.0, 20.0, y))
        n = e * (e + 2.0)
        out = y * n / (n + 2.0)
    else:
        tl.static_assert(ACT == 8)
        out = tl.where(y <= 0.0, tl.exp(y) - 1.0, y)
    return out


@triton.jit
def _slope(y, ACT: tl.constexpr):
    """Derivative of activation number ACT at y."""
    if ACT == 0:
        out = y * 0.0 + 1.0
    elif ACT == 1:
        out = tl.where(y <= 0.0, 0.0, 1.0).to(y.dtype)
    elif ACT == 2:
        t = 1.0 - 2.0 / (tl.exp(2.0 * y) + 1.0)
        out = 1.0 - t * t
    elif ACT == 3:
        s = 1.0 / (1.0 + tl.exp(-y))
        out = s * (1.0 - s)
    elif ACT == 4:
        s = 1.0 / (1.0 + tl.exp(-y))
        out = s * (1.0 + y * (1.0 - s))
    elif ACT == 5:
        out = 0.5 * (1.0 + tl.erf(y * _ROOT_HALF)) + y * _DENSITY * tl.exp(-0.5 * y * y)
    elif ACT == 6:
        out = _SCALE * tl.where(y <= 0.0, _ALPHA * tl.exp(y), 1.0)
    elif ACT == 7:
        e = tl.exp(tl.where(y > 20.0, 20.0, y))
        n = e * (e + 2.0)
        t = n / (n + 2.0)
        out = t + y * (1.0 - t * t) * e / (1.0 + e)
    else:
        tl.static_assert(ACT == 8)
        out = tl.where(y <= 0.0, tl.exp(y), 1.0).to(y.dtype)
    return out


@triton.jit
def _rest(u):
    """u less the nearest number of whole turns, in [-1/2, 1/2]."""
    return u - tl.floor(u + 0.5)


@triton.jit
def _cosine(u):
    """cos(2 pi u): for float32 a polynomial, of the sine of what is left to a quarter of a turn.

    The library's function treats large arguments apart, with branches and through memory.
    """
    r = _rest(u)
    if u.dtype == tl.float64:
        out = tl.cos(r * _TURN)
    else:
        v = 0.25 - tl.abs(r)
        w = v * v
        out = v * ((((w * _S4 + _S3) * w + _S2) * w + _S1) * w + _S0)
    return out


@triton.jit
def _sine(u):
    """sin(2 pi u), as `_cosine`; both of one u share what they begin with."""
    r = _rest(u)
    if u.dtype == tl.float64:
        out = tl.sin(r * _TURN)
    else:
        v = 0.25 - tl.abs(r)
        w = v * v
        out = ((((w * _C5 + _C4) * w + _C3) * w + _C2) * w + _C1) * w + _C0
        out = tl.where(r < 0.0, -out, out)
    return out


@triton.jit
def gather(
    x, tables, order, stream_of, owner, keys, threshold, scale, counter, b, d, s, row_step, column_step,
    DROP: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Rows of the minibatch, some of their inputs dropped; one program a row.

    x (slots, b, d) or (slots, d, b), as the steps between its rows and columns say, slots being streams, or
    members where inputs are dropped; tables (s,) addresses; order (steps, s, b); stream_of, threshold, scale
    (slots,); owner (d,), the place of each column in the mask; keys (steps, s, 2).
    """
    line = tl.program_id(0).to(tl.int64)
    slot, i = line // b, line % b
    stream = tl.load(stream_of + slot)
    moment = tl.load(counter) * s + stream
    number = tl.load(order + moment * b + i)
    source = tl.load(tables + stream).to(x.dtype) + number * d
    for first in range(0, d, BLOCK):
        j = first + tl.arange(0, BLOCK)
        inside = j < d
        values = tl.load(source + j, mask=inside, other=0.0)
        if DROP:
            place = tl.load(owner + j, mask=inside, other=0)
            keep = _keep(keys, threshold, moment, slot, i, place)
            values = tl.where(keep, values * tl.load(scale + slot), 0.0)
        tl.store(
            x + slot * b * d + i * row_step + j.to(tl.int64) * column_step, values, mask=inside
        )


@triton.jit
def embed(
    x, a, place, frequency, phase, weight, bias, owner,
    stream_of, keys, threshold, scale, counter, b, d, m, s,
    DROP: tl.constexpr, WAVES: tl.constexpr, MADE: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """From the columns of a minibatch to the inputs of a net, some dropped; one program a piece of a column.

    What was made of a column is dropped with it. x (s, d, b); a (k, d + m q, b); place (d,): number of a
    column among the embedded ones, or -1; frequency, phase (k, m, f); weight (k, m, q, f); bias (k, m, q);
    owner (d,): the place of each column in the mask; stream_of, threshold, scale (k,); keys (steps, s, 2).
    WAVES is f, a power of two, and MADE is q.
    """
    pieces = tl.cdiv(b, BLOCK)
    line = tl.program_id(0).to(tl.int64) // pieces
    member, column = line // d, line % d
    stream = tl.load(stream_of + member)
    i = tl.program_id(0) % pieces * BLOCK + tl.arange(0, BLOCK)
    inside = i < b
    value = tl.load(x + (stream * d + column) * b + i, mask=inside, other=0.0)
    factor = tl.zeros((BLOCK,), dtype=x.dtype.element_ty) + 1.0
    if DROP:
        own = tl.load(owner + column)
        keep = _keep(keys, threshold, tl.load(counter) * s + stream, member, i, own)
        factor = tl.where(keep, factor * tl.load(scale + member), 0.0)
    out = a + member * (d + m * MADE) * b + i
    tl.store(out + column * b, value * factor, mask=inside)
    c = tl.load(place + column)
    if c >= 0:
        pair = member * m + c
        n = pair * WAVES + tl.arange(0, WAVES)
        start = tl.load(phase + n) * _PER_TURN
        wave = _cosine(tl.load(frequency + n)[:, None] * value[None, :] + start[:, None])
        for o in tl.static_range(MADE):
            at = pair * MADE + o
            w = tl.load(weight + at * WAVES + tl.arange(0, WAVES))
            made = tl.sum(w[:, None] * wave, axis=0) + tl.load(bias + at)
            tl.store(out + (d + c * MADE + o) * b, made * factor, mask=inside)


@triton.jit
def embed_backward(
    da, x, columns, frequency, phase, weight, dfrequency, dphase, dweight, dbias, idle, owner,
    stream_of, keys, threshold, scale, counter, b, d, m, s,
    DROP: tl.constexpr, WAVES: tl.constexpr, MADE: tl.constexpr, LINES: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Gradient of an embedding from that of what it made; one program an embedded column of a member.

    da (k, m q, b); columns (m,); idle (k,): not 0 where biases count nothing; dfrequency to dbias as
    frequency to bias, and all else as of `embed`. LINES is the power of two that q lines fit in. Waves and
    masks are computed again. Frequencies lie side by side, so that a thread adds up many rows of its own.
    """
    pair = tl.program_id(0).to(tl.int64)
    member, column = pair // m, tl.load(columns + pair % m)
    stream = tl.load(stream_of + member)
    n, lines = tl.arange(0, WAVES), tl.arange(0, LINES)
    rate = tl.load(frequency + pair * WAVES + n)
    start = tl.load(phase + pair * WAVES + n) * _PER_TURN
    turned = tl.zeros((WAVES,), dtype=x.dtype.element_ty)
    shifted = tl.zeros((WAVES,), dtype=x.dtype.element_ty)
    mixed = tl.zeros((LINES, WAVES), dtype=x.dtype.element_ty)
    total = tl.zeros((LINES,), dtype=x.dtype.element_ty)
    for first in range(0, b, BLOCK):
        i = first + tl.arange(0, BLOCK)
        inside = i < b
        value = tl.load(x + (stream * d + column) * b + i, mask=inside, other=0.0)
        u = value[:, None] * rate[None, :] + start[None, :]
        wave = _cosine(u)
        push = tl.zeros((BLOCK, WAVES), dtype=x.dtype.element_ty)
        for o in tl.static_range(MADE):
            at = pair * MADE + o
            e = tl.load(da + at * b + i, mask=inside, other=0.0)
            if DROP:
                own = tl.load(owner + column)
                keep = _keep(keys, threshold, tl.load(counter) * s + stream, member, i, own)
                e = tl.where(keep, e * tl.load(scale + member), 0.0)
            push += e[:, None] * tl.load(weight + at * WAVES + n)[None, :]
            part = tl.sum(e[:, None] * wave, axis=0)
            mixed += tl.where(lines[:, None] == o, part[None, :], 0.0)
            total += tl.where(lines == o, tl.sum(e, axis=0), 0.0)
        push = push * _sine(u)
        shifted += tl.sum(push, axis=0)
        turned += tl.sum(push * value[:, None], axis=0)
    tl.store(dphase + pair * WAVES + n, -shifted)
    tl.store(dfrequency + pair * WAVES + n, turned * -_TURN)
    at = pair * MADE + lines
    tl.store(dweight + at[:, None] * WAVES + n[None, :], mixed, mask=lines[:, None] < MADE)
    total = tl.where(tl.load(idle + member) != 0, 0.0, total)
    tl.store(dbias + at, total, mask=lines < MADE)


@triton.jit
def forward(
    z, a, gain, shift, mean, inv, running_mean, running_variance,
    share, stream_of, keys, threshold, scale, counter, h, b, s,
    ACT: tl.constexpr, NORM: tl.constexpr, DROP: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """From the product of a hidden layer to its activations; one program a unit.

    z, a (k, h, b); gain to running_variance (k, h), of which only shift, then the bias, is read where there
    is no batch norm; share (steps, s, b); stream_of, threshold, scale (k,); keys (steps, s, 2).
    """
    unit = tl.program_id(0).to(tl.int64)
    member, row = unit // h, unit * b
    moment = tl.load(counter) * s + tl.load(stream_of + member)
    c = tl.load(shift + unit)
    g = c * 0.0 + 1.0
    if NORM:
        part = share + moment * b
        total = tl.zeros((BLOCK,), dtype=z.dtype.element_ty)
        for first in range(0, b, BLOCK):
            i = first + tl.arange(0, BLOCK)
            v = tl.load(z + row + i, mask=i < b, other=0.0)
            total += v * tl.load(part + i, mask=i < b, other=0.0)
        mu = tl.sum(total, axis=0)
        total = tl.zeros((BLOCK,), dtype=z.dtype.element_ty)
        for first in range(0, b, BLOCK):
            i = first + tl.arange(0, BLOCK)
            t = tl.load(z + row + i, mask=i < b, other=0.0) - mu
            total += t * t * tl.load(part + i, mask=i < b, other=0.0)
        variance = tl.sum(total, axis=0)
        scaled = 1.0 / tl.sqrt(variance + _EPS)
        tl.store(mean + unit, mu)
        tl.store(inv + unit, scaled)
        before = tl.load(running_mean + unit)
        tl.store(running_mean + unit, before + _MOMENTUM * (mu - before))
        before = tl.load(running_variance + unit)
        tl.store(running_variance + unit, before + _MOMENTUM * (variance - before))
        g = tl.load(gain + unit) * scaled
        c = c - mu * g
    for first in range(0, b, BLOCK):
        i = first + tl.arange(0, BLOCK)
        y = _value(tl.load(z + row + i, mask=i < b, other=0.0) * g + c, ACT)
        if DROP:
            keep = _keep(keys, threshold, moment, member, unit % h, i)
            y = tl.where(keep, y * tl.load(scale + member), 0.0)
        tl.store(a + row + i, y, mask=i < b)


@triton.jit
def backward(
    da, z, gain, shift, mean, inv, dgain, dshift,
    share, stream_of, keys, threshold, scale, counter, h, b, s,
    ACT: tl.constexpr, NORM: tl.constexpr, DROP: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """From the gradient of the activations of a hidden layer to that of its product, in place.

    Arguments as of `forward`. The mask is drawn again, and with batch norm the slope is computed again for
    the second pass: nothing is handed from thread to thread through memory.
    """
    unit = tl.program_id(0).to(tl.int64)
    member, row = unit // h, unit * b
    moment = tl.load(counter) * s + tl.load(stream_of + member)
    part = share + moment * b
    c = tl.load(shift + unit)
    mu, scaled = c * 0.0, c * 0.0 + 1.0
    g = scaled
    if NORM:
        mu, scaled = tl.load(mean + unit), tl.load(inv + unit)
        g = tl.load(gain + unit) * scaled
        c = c - mu * g
    s0 = tl.zeros((BLOCK,), dtype=z.dtype.element_ty)
    s1 = tl.zeros((BLOCK,), dtype=z.dtype.element_ty)
    for first in range(0, b, BLOCK):
        i = first + tl.arange(0, BLOCK)
        v = tl.load(z + row + i, mask=i < b, other=0.0)
        e = tl.load(da + row + i, mask=i < b, other=0.0) * _slope(v * g + c, ACT)
        if DROP:
            keep = _keep(keys, threshold, moment, member, unit % h, i)
            e = tl.where(keep, e * tl.load(scale + member), 0.0)
        e = tl.where(i < b, e, 0.0)
        s0 += e
        if NORM:
            s1 += e * (v - mu)
        else:
            tl.store(da + row + i, e, mask=i < b)
    total = tl.sum(s0, axis=0)
    tl.store(dshift + unit, total)
    if NORM:
        spread = tl.sum(s1, axis=0) * scaled
        tl.store(dgain + unit, spread)
        spread = spread * scaled
        for first in range(0, b, BLOCK):
            i = first + tl.arange(0, BLOCK)
            v = tl.load(z + row + i, mask=i < b, other=0.0)
            e = tl.load(da + row + i, mask=i < b, other=0.0) * _slope(v * g + c, ACT)
            if DROP:
                keep = _keep(keys, threshold, moment, member, unit % h, i)
                e = tl.where(keep, e * tl.load(scale + member), 0.0)
            w = tl.load(part + i, mask=i < b, other=0.0)
            tl.store(da + row + i, g * (e - w * (total + (v - mu) * spread)), mask=i < b)
