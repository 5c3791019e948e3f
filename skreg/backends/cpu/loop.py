"""The loop over minibatches and epochs, without Python: it runs the programs of a net.

A member's step touches its own numbers alone, so the loop takes the members one after the other, each
through several minibatches: its weights, moments and activations stay in the cache, and a stack of any
size needs the activations of one member only. What the members share is gathered once.

A program is a table of int64, a row a call: the address of a kernel, and its numbers
(`skreg.backends.cpu.program`). The loop knows nothing of nets, losses or precisions.
"""

from __future__ import annotations

import functools

import numpy as np
from numba import types

from skreg.backends.cpu.pieces import (
    BEST,
    COEF,
    EPOCHS,
    FIRST,
    KEYS_0,
    KEYS_1,
    LAST,
    PARTNER,
    PLACE,
    RATES,
    SHARE,
    SOUND,
    STEP,
    STREAM,
    Y_STRIDE,
    B,
    X,
    Y,
    call,
    compiled,
    inline,
    pointer_to,
)
from skreg.train.watch import ENDED, GOES_ON

#: Where the minibatches of a span stand: for rows, targets, coefficients, shares, keys, rates and partners
#: a row with an address, the bytes from minibatch to minibatch, those from stream to stream (from target to
#: target, from the first to the second half of keys), and the number of minibatches after which it
#: begins anew.
ROWS, TARGETS, COEFS, SHARES, KEYS, ALL_RATES, PARTNERS = range(7)
ADDRESS, BY_STEP, BY_STREAM, PERIOD = range(4)

#: What a span is: minibatches first to stop, members low to high, epochs that are closed (0: none) and
#: those before them, whether minibatches are in their places already, how many are gathered at a time,
#: rows of a minibatch.
SPAN_FIRST, SPAN_STOP, LOW, HIGH, CLOSED, BEFORE, GATHERED, BLOCK, WIDTH = range(9)

#: Columns of the table of validation rows, a row for all members that share them: address of the rows,
#: bytes of a row, address of their targets, bytes of a target, address of their weights, bytes of a
#: weight, and their number.
V_ROWS, V_ROW, V_TARGETS, V_TARGET, V_WEIGHTS, V_WEIGHT, V_NUMBER = range(7)

_WHOLE = np.int64(0)


@inline
def _run(program, frame, k):
    """All rows of a program for member k."""
    table, width = program.ctypes.data, program.shape[1] * 8
    where = pointer_to(frame.ctypes.data, _WHOLE)
    for r in range(program.shape[0]):
        call(program[r, 0], where, pointer_to(table + r * width, _WHOLE), k)


@inline
def _place(places, what, j, stream):
    """Address of minibatch j of a stream."""
    j = j % places[what, PERIOD]
    return places[what, ADDRESS] + j * places[what, BY_STEP] + stream * places[what, BY_STREAM]


def _array(dimensions):
    return types.Array(types.int64, dimensions, "C")


@functools.cache
def evaluation_loop():
    """Runs a program for members low to high over the rows of one table, some at a time.

    Arguments: bounds (low, high, the most rows at a time), a row of the table of validation rows, the
    frame, the program.
    """

    @compiled(types.void(_array(1), _array(1), _array(1), _array(2)))
    def evaluate(bounds, group, frame, program):
        for k in range(bounds[0], bounds[1]):
            _evaluate(k, bounds[2], group, frame, program)

    return evaluate


@inline
def _evaluate(k, most, group, frame, program):
    n = group[V_NUMBER]
    for first in range(0, n, most):
        frame[B], frame[Y_STRIDE] = min(n - first, most), n
        frame[X] = group[V_ROWS] + first * group[V_ROW]
        frame[Y] = group[V_TARGETS] + first * group[V_TARGET]
        frame[COEF] = group[V_WEIGHTS] + first * group[V_WEIGHT]
        _run(program, frame, k)


@functools.cache
def training_loop():
    """The compiled loop of training.

    It trains the members of a span that have not ended, on its minibatches; where epochs are closed,
    the minibatches are those of so many epochs. Its arguments, for k members of s streams:

    - what the span is, and where its minibatches stand;
    - stream, target and validation rows (-1: none) of each member (3, k); steps of the optimiser before
      this (k,);
    - counts of the watch (7, k), of which it reads who has ended;
    - the frame;
    - programs: rows and targets gathered; a minibatch; at the end of an epoch the average, a chunk of
      validation rows, judgement, and what keeps the weights;
    - the table of validation rows, and how many of them at a time.
    """

    @compiled(
        types.void(
            *(_array(1), _array(2), _array(2), _array(1), _array(2), _array(1)),
            *[_array(2)] * 8,
            types.int64,
        )
    )
    def train(
        span,
        places,
        members,
        clock,
        counts,
        frame,
        gather_rows,
        gather_targets,
        minibatch,
        averaging,
        validation,
        judging,
        keeping,
        groups,
        most,
    ):
        first, stop, high, closed = span[SPAN_FIRST], span[SPAN_STOP], span[HIGH], span[CLOSED]
        gathered, block, width = span[GATHERED] != 0, span[BLOCK], span[WIDTH]
        steps = (stop - first) // max(1, closed)
        # Members of a stream are neighbours.
        start = span[LOW]
        while start < high:
            s, after = members[0, start], start + 1
            while after < high and members[0, after] == s:
                after += 1
            frame[STREAM] = s
            for number in range(max(1, closed)):
                left = False
                for k in range(start, after):
                    left |= counts[ENDED, k] == GOES_ON
                if not left:
                    break
                opening, closing = first + number * steps, first + (number + 1) * steps
                frame[B] = frame[Y_STRIDE] = width
                for begin in range(opening, closing, block):
                    end, held = min(closing, begin + block), -1
                    frame[FIRST], frame[LAST] = begin, end
                    if not gathered:
                        _run(gather_rows, frame, s)
                    for k in range(start, after):
                        if counts[ENDED, k] != GOES_ON:
                            continue
                        target = members[1, k]
                        if not gathered and target != held:
                            _run(gather_targets, frame, target)
                            held = target
                        for j in range(begin, end):
                            frame[X] = _place(places, ROWS, j - begin, s)
                            frame[Y] = _place(places, TARGETS, j - begin, target)
                            frame[COEF] = _place(places, COEFS, j, s)
                            frame[SHARE] = _place(places, SHARES, j, s)
                            frame[KEYS_0] = _place(places, KEYS, j, 0)
                            frame[KEYS_1] = _place(places, KEYS, j, 1)
                            frame[RATES] = _place(places, ALL_RATES, j, 0)
                            frame[PARTNER] = _place(places, PARTNERS, j, s)
                            frame[STEP] = clock[k] + j - first + 1
                            _run(minibatch, frame, k)
                frame[PLACE], frame[EPOCHS] = number, span[BEFORE] + number
                for k in range(start, after):
                    if closed == 0 or counts[ENDED, k] != GOES_ON:
                        continue
                    _run(averaging, frame, k)
                    group = members[2, k]
                    if group >= 0:
                        _evaluate(k, most, groups[group], frame, validation)
                    frame[SOUND] = 1
                    _run(judging, frame, k)
                    if frame[BEST] != 0:
                        _run(keeping, frame, k)
            start = after

    return train
