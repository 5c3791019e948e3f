"""The end of an epoch of one member in machine code: average, judgement, what is kept.

The same as `skreg.train.watch`, `skreg.train.state.Average` and `Stack` do for steps that do not close
epochs by themselves, by test. Validation is a program of its own (`skreg.backends.cpu.program`).
"""

from __future__ import annotations

import functools

import numpy as np

from skreg.backends.cpu import pieces
from skreg.backends.cpu.pieces import (
    EPOCHS,
    LOSSES,
    MEMBERS,
    PLACE,
    PLACES,
    SOUND,
    STEPS,
    entry,
    kernel,
    matrix,
    numbers,
    part,
    vector,
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

#: The watch has a place of the same name.
_IS_BEST = pieces.BEST

_DOUBLE, _WHOLE, _WORD = np.float64(0), np.int64(0), np.uint32(0)


@functools.cache
def average_kernel(dtype):
    """Take a parameter of a member into its average.

    ``penalised``: where it is zero, so is the average.
    """
    F = getattr(np, dtype)
    ZERO, HALF, ONE, ITEM = F(0), F(0.5), F(1), np.dtype(dtype).itemsize

    @kernel("n own new penalised decays")
    def average(frame, row, k):
        n, own, new, penalised, decays = numbers(row, 5)
        own, new = vector(ZERO, own + k * n * ITEM, n), vector(ZERO, new + k * n * ITEM, n)
        epochs = frame[EPOCHS]
        share = F(1 - min(entry(_DOUBLE, decays, k), epochs / (epochs + 1)))
        for j in range(n):
            a, b = own[j], new[j]
            # As torch's lerp, which is exact at both ends.
            mixed = a + share * (b - a) if share < HALF else b - (b - a) * (ONE - share)
            own[j] = ZERO if penalised != 0 and b == ZERO else mixed

    return average


@functools.cache
def keep_kernel():
    """Copy a parameter of a member, so many words of 32 bits, whatever its precision."""

    @kernel("words own new")
    def keep(frame, row, k):
        n, own, new = numbers(row, 3)
        own, new = vector(_WORD, own + k * n * 4, n), vector(_WORD, new + k * n * 4, n)
        for j in range(n):
            own[j] = new[j]

    return keep


@functools.cache
def finite_kernel(dtype):
    """Answer in the frame where a number of a parameter of a member is not finite."""
    F = getattr(np, dtype)
    ZERO, ITEM = F(0), np.dtype(dtype).itemsize

    @kernel("n values")
    def finite(frame, row, k):
        n, values = numbers(row, 2)
        values, total = vector(ZERO, values + k * n * ITEM, n), F(0)
        # A sum is finite only if all that is added is.
        for j in range(n):
            total += values[j]
        if not np.isfinite(total):
            for j in range(n):
                if not np.isfinite(values[j]):
                    frame[SOUND] = 0

    return finite


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


@functools.cache
def judge_kernel():
    """Take the losses of an epoch of a member: note them, and answer whether its parameters are to be kept.

    ``totals`` (k,) and ``valid`` (1,) are the sums of the losses, float64, and begin anew; ``groups``
    (k,) are below 0 for members without validation rows.
    """

    @kernel("watched counts totals valid groups")
    def judge_epoch(frame, row, k):
        watched, counts, totals, valid, groups = numbers(row, 5)
        n, epochs = frame[MEMBERS], frame[EPOCHS]
        totals, valid = vector(_DOUBLE, totals, n), vector(_DOUBLE, valid, 1)
        losses = vector(_DOUBLE, frame[LOSSES], 2 * frame[PLACES] * n)
        train_loss = totals[k] / frame[STEPS]
        valid_loss = valid[0] if entry(_WHOLE, groups, k) >= 0 else np.nan
        totals[k], valid[0] = 0.0, 0.0
        losses[frame[PLACE] * n + k] = train_loss
        losses[(frame[PLACES] + frame[PLACE]) * n + k] = valid_loss
        sound = frame[SOUND] != 0
        best = judge(
            matrix(_DOUBLE, watched, 3, n),
            matrix(_WHOLE, counts, 7, n),
            k,
            epochs + 1,
            sound,
            train_loss,
            valid_loss,
        )
        frame[_IS_BEST] = 1 if best else 0

    return judge_epoch
