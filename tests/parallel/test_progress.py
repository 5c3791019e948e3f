"""The line that shows how far a round is."""

from __future__ import annotations

import io
import time

from skreg.parallel.progress import ProgressLine
from skreg.train.progress import Progress

UNDERWAY = Progress(stack=0, members=8, training=5, done=3, epoch=10, max_iter=40, seconds=3.0)
LAST = Progress(stack=0, members=8, training=0, done=3, epoch=40, max_iter=40, seconds=12.0)


def test_the_line_says_how_far_it_is():
    stream = io.StringIO()
    ProgressLine(stream)(UNDERWAY)
    known = "\rskreg: epoch 10/40, 5 nets in training, 3 done, at most 9 s left "
    assert stream.getvalue() == known


def test_it_is_written_twice_a_second_and_at_the_end(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    stream = io.StringIO()
    line = ProgressLine(stream)
    for seconds in (100.0, 100.4, 100.6, 100.7):
        now[0] = seconds
        line(UNDERWAY)
    assert stream.getvalue().count("\r") == 2
    line(LAST)
    assert stream.getvalue().count("\r") == 3
    assert stream.getvalue().endswith("at most 0 s left \n")


def test_a_closed_stream_is_no_reason_to_fail():
    stream = io.StringIO()
    stream.close()
    ProgressLine(stream)(UNDERWAY)
    assert stream.closed
