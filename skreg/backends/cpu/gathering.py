"""Rows of a stream and their targets, gathered for several minibatches, whatever their precision.

Entries are copied as words of 32 bits.
"""

from __future__ import annotations

import functools

import numpy as np

from skreg.backends.cpu.pieces import (
    FIRST,
    LAST,
    ORDER,
    STREAM,
    STREAMS,
    B,
    entry,
    kernel,
    numbers,
    vector,
)

_WHOLE, _WORD = np.int64(0), np.uint32(0)


@functools.cache
def rows_kernel():
    """Rows of a stream for the minibatches first to last: ``out`` (steps, b, words).

    ``tables`` holds the address of the rows of each stream.
    """

    @kernel("words tables out")
    def gather_rows(frame, row, k):
        words, tables, out = numbers(row, 3)
        b, stream, first = frame[B], frame[STREAM], frame[FIRST]
        table = entry(_WHOLE, tables, stream)
        for j in range(first, frame[LAST]):
            order = vector(_WHOLE, frame[ORDER] + (j * frame[STREAMS] + stream) * b * 8, b)
            for i in range(b):
                old = vector(_WORD, table + order[i] * words * 4, words)
                new = vector(_WORD, out + ((j - first) * b + i) * words * 4, words)
                for c in range(words):
                    new[c] = old[c]

    return gather_rows


@functools.cache
def targets_kernel():
    """Targets number k of a stream for the minibatches first to last: ``out`` (steps, o, b) entries of
    some words.

    ``tables`` holds the address of the targets of each number (o, n), ``lengths`` their n.
    """

    @kernel("words o tables lengths out")
    def gather_targets(frame, row, k):
        words, o, tables, lengths, out = numbers(row, 5)
        b, stream, first = frame[B], frame[STREAM], frame[FIRST]
        table, n = entry(_WHOLE, tables, k), entry(_WHOLE, lengths, k)
        old = vector(_WORD, table, o * n * words)
        for j in range(first, frame[LAST]):
            order = vector(_WHOLE, frame[ORDER] + (j * frame[STREAMS] + stream) * b * 8, b)
            new = vector(_WORD, out + (j - first) * o * b * words * 4, o * b * words)
            for q in range(o):
                for i in range(b):
                    source, place = (q * n + order[i]) * words, (q * b + i) * words
                    new[place] = old[source]
                    if words == 2:
                        new[place + 1] = old[source + 1]

    return gather_targets
