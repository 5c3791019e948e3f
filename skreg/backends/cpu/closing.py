"""The end of an epoch of one member in machine code: average, validation, judgement, what is kept.

The same as `skreg.train.watch`, `skreg.train.state.Average` and `Stack` do for steps that do not close
epochs by themselves, by test. Shapes: k members, b rows of a chunk of validation rows, d inputs, h units,
o outputs.
"""

from __future__ import annotations

import numba as nb
import numpy as np
from numba.extending import overload

from skreg.backends.constants import BATCH_NORM_EPS
from skreg.backends.cpu.optimisers import LAYER, SIZE, START
from skreg.backends.cpu.pieces import call, matrix, part, vector
from skreg.backends.cpu.products import pointer_to, product
from skreg.backends.cpu.tables import (
    EMBED,
    EMBEDDED,
    EVALUATE,
    GAIN,
    GEMM,
    LOSS,
    MADE,
    MEAN,
    SHIFT,
    STARTS,
    VALID_AT,
    VALID_ROWS,
    VALID_TARGETS_AT,
    VALID_WEIGHTS_AT,
    VARIANCE,
    WEIGHT,
    embedding_of,
)
from skreg.train.watch import (
    ALL_EPOCHS,
    BEST,
    BEST_EPOCH,
    DIVERGED,
    ENDED,
    LAST_EPOCH,
    MIN_DELTA,
    MOST,
    NO_PROGRESS,
    NOTHING,
    OUT_OF_PATIENCE,
    PATIENCE,
    REFERENCE,
    VALID_LOSS,
    WAITED,
    WATCHED,
)


@part
def average(own, new, blocks, k, share):
    """Take the numbers of member k into its average; blocks (n, 4) as of `optimisers`."""
    zero, half, one = own.dtype.type(0), own.dtype.type(0.5), own.dtype.type(1)
    for i in range(blocks.shape[0]):
        n = blocks[i, SIZE]
        at, weights = blocks[i, START] + k * n, blocks[i, LAYER] >= 0
        for j in range(at, at + n):
            a, b = own[j], new[j]
            # As torch's lerp, which is exact at both ends.
            mixed = a + share * (b - a) if share < half else b - (b - a) * (one - share)
            own[j] = zero if weights and b == zero else mixed


@part
def keep(own, new, blocks, k):
    """Copy the numbers of member k; blocks (n, 4)."""
    for i in range(blocks.shape[0]):
        n = blocks[i, SIZE]
        at = blocks[i, START] + k * n
        for j in range(at, at + n):
            own[j] = new[j]


@part
def all_finite(flat, blocks, k):
    """Whether all numbers of member k are finite; blocks (n, 4)."""
    for i in range(blocks.shape[0]):
        n, total = blocks[i, SIZE], flat.dtype.type(0)
        at = blocks[i, START] + k * n
        # A sum is finite only if all that is added is.
        for j in range(at, at + n):
            total += flat[j]
        if not np.isfinite(total):
            for j in range(at, at + n):
                if not np.isfinite(flat[j]):
                    return False
    return True


@part
def judge(numbers, counts, k, epoch, sound, train_loss, valid_loss):
    """Take the losses of an epoch of member k; whether its parameters are the best (`Watch.judge`)."""
    counts[LAST_EPOCH, k] = epoch
    watched = counts[WATCHED, k]
    value = valid_loss if watched == VALID_LOSS else train_loss
    if not (sound and np.isfinite(train_loss) and np.isfinite(value)):
        counts[ENDED, k] = DIVERGED
        return False
    lower = value < numbers[BEST, k]
    if lower:
        numbers[BEST, k] = value
    reference = numbers[REFERENCE, k]
    if value < reference - numbers[MIN_DELTA, k] or (np.isinf(reference) and lower):
        numbers[REFERENCE, k] = value
        counts[WAITED, k] = 0
    else:
        counts[WAITED, k] += 1
    if watched != NOTHING and counts[WAITED, k] >= counts[PATIENCE, k]:
        counts[ENDED, k] = OUT_OF_PATIENCE if watched == VALID_LOSS else NO_PROGRESS
    elif epoch >= counts[MOST, k]:
        counts[ENDED, k] = ALL_EPOCHS
    best = lower or watched != VALID_LOSS
    if best:
        counts[BEST_EPOCH, k] = epoch
    return best


def _targets(address, n, o, first, stop, out):
    """A chunk of targets in ``out``: class numbers (b,) of (n,), or floats (o, b) of (o, n)."""
    raise NotImplementedError("only called from compiled code")


@overload(_targets)
def _overload_targets(address, n, o, first, stop, out):
    if out.dtype == nb.types.int64:

        def impl(address, n, o, first, stop, out):
            y = nb.carray(pointer_to(address, out.dtype.type(0)), (n,))
            for i in range(first, stop):
                out[i - first] = y[i]
            return vector(out, 0, stop - first)
    else:

        def impl(address, n, o, first, stop, out):
            y, b = nb.carray(pointer_to(address, out.dtype.type(0)), (o, n)), stop - first
            for q in range(o):
                for i in range(b):
                    out[q * b + i] = y[q, first + i]
            return matrix(out, 0, o, b)

    return impl


@part
def _affine(layers, i, k, h, theta, running, gain, shift):
    """What a hidden unit's product is multiplied by at predict, and what is added: gain, shift (h,)."""
    one, eps = theta.dtype.type(1), theta.dtype.type(BATCH_NORM_EPS)
    for r in range(h):
        g, c = one, theta[layers[i, SHIFT] + k * h + r]
        if layers[i, GAIN] >= 0:
            at = k * h + r
            g = theta[layers[i, GAIN] + at] / np.sqrt(running[layers[i, VARIANCE] + at] + eps)
            c -= running[layers[i, MEAN] + at] * g
        gain[r], shift[r] = g, c


@part
def validation_loss(group, k, nets, sizes, layers, embedding, columns, work, quantile, calls):
    """Loss of member k on the validation rows of ``group``, a row of their table.

    ``nets`` are parameters and running statistics; ``work`` the products of all layers of a chunk, its
    embedded inputs and targets, a place for a loss, and gain and shift of a layer.
    """
    theta, running = nets
    z_flat, x_flat, y_flat, loss, gain, shift = work
    n, last, total = group[VALID_ROWS], sizes.shape[0] - 2, 0.0
    o = sizes[last + 1]
    d = sizes[0] - embedding[EMBEDDED] * embedding[MADE]
    zero, one, none = theta.dtype.type(0), theta.dtype.type(1), np.uint32(0)
    most = z_flat.shape[0] // sizes[1:].sum()
    for first in range(0, n, most):
        stop = min(n, first + most)
        b = stop - first
        where = group[VALID_AT] + first * d * theta.itemsize
        x = nb.carray(pointer_to(where, zero), (b, d))
        inputs = matrix(x_flat, 0, sizes[0], b)
        if embedding[EMBEDDED] > 0:
            learned = embedding_of(theta, embedding[STARTS], k, embedding)
            call(calls[EMBED], (x, inputs, columns, *learned, none, one, none, none))
        before, at = 0, 0
        for i in range(last + 1):
            h = sizes[i + 1]
            start = layers[i, WEIGHT] + k * h * sizes[i]
            weight, z = matrix(theta, start, h, sizes[i]), matrix(z_flat, at, h, b)
            if i > 0:
                product(calls[GEMM], weight, False, matrix(z_flat, before, sizes[i], b), False, z)
            elif embedding[EMBEDDED] > 0:
                product(calls[GEMM], weight, False, inputs, False, z)
            else:
                product(calls[GEMM], weight, False, x, True, z)
            if i < last:
                _affine(layers, i, k, h, theta, running, gain, shift)
                call(calls[EVALUATE], (z, vector(gain, 0, h), vector(shift, 0, h)))
            before, at = at, at + h * b
        loss[0] = zero
        start = layers[last, SHIFT] + k * o
        weights = nb.carray(
            pointer_to(group[VALID_WEIGHTS_AT] + first * theta.itemsize, zero), (b,)
        )
        call(
            calls[LOSS],
            (
                matrix(z_flat, before, o, b),
                vector(theta, start, o),
                _targets(group[VALID_TARGETS_AT], n, o, first, stop, y_flat),
                weights,
                zero,
                quantile,
                vector(loss, 0, 1),
                vector(gain, 0, 0),
                np.int64(0),
            ),
        )
        total += np.float64(loss[0])
    return total


@part
def close_epoch(
    k,
    epochs,
    place,
    train_loss,
    watch,
    valid,
    nets,
    theta,
    running,
    sizes,
    layers,
    blocks,
    embedding,
    columns,
    quantile,
    calls,
    work,
):
    """Close an epoch of member k, which has ``epochs`` behind it: average, validate, judge, keep.

    ``place`` is that of the epoch among the losses. The others are described in
    `skreg.backends.cpu.loop.minibatch_loop`.
    """
    numbers, counts, losses = watch
    groups, group_of, tracked, decay = valid
    kept, kept_running, best, best_running = nets
    if decay.shape[0] > 0:
        share = theta.dtype.type(1 - min(decay[k], epochs / (epochs + 1)))
        average(kept, theta, blocks, k, share)
        average(kept_running, running, tracked, k, share)
    valid_loss, group = np.nan, group_of[k]
    if group >= 0:
        valid_loss = validation_loss(
            groups[group],
            k,
            (kept, kept_running),
            sizes,
            layers,
            embedding,
            columns,
            work,
            quantile,
            calls,
        )
    losses[0, place, k], losses[1, place, k] = train_loss, valid_loss
    sound = all_finite(theta, blocks, k) and all_finite(running, tracked, k)
    if judge(numbers, counts, k, epochs + 1, sound, train_loss, valid_loss):
        keep(best, kept, blocks, k)
        keep(best_running, kept_running, tracked, k)
