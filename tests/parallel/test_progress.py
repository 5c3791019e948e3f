"""The line that shows how far a round is."""

from __future__ import annotations

import io
import time
from dataclasses import replace

from joblib import Parallel, delayed, parallel_config

from skreg.parallel.progress import ProgressLine
from skreg.train.progress import Progress

UNDERWAY = Progress(stack=0, members=8, training=5, done=3, epoch=10, max_iter=40, seconds=3.0)
LAST = Progress(stack=0, members=8, training=0, done=3, epoch=40, max_iter=40, seconds=12.0)


def test_the_line_says_how_far_it_is():
    stream = io.StringIO()
    ProgressLine(stream)(UNDERWAY)
    known = "\rskreg: 3 of 8 fits, 0 s so far, at most 9 s left"
    assert stream.getvalue().rstrip(" ") == known


def test_the_stacks_are_added(monkeypatch):
    stream = io.StringIO()
    line = ProgressLine(stream)
    line(UNDERWAY)
    monkeypatch.setattr(line, "_next", 0.0)
    line(replace(UNDERWAY, stack=1, members=4, done=2, training=2))
    assert stream.getvalue().split("\r")[-1].startswith("skreg: 5 of 12 fits, ")


def test_the_end_says_how_many_fits_it_was():
    stream = io.StringIO()
    line = ProgressLine(stream)
    line.close(80)
    assert stream.getvalue() == "skreg: 80 fits in 0 s\n"


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
    assert stream.getvalue().endswith("\n")
    assert "left" not in stream.getvalue().split("\r")[-1]


def test_a_closed_stream_is_no_reason_to_fail():
    stream = io.StringIO()
    stream.close()
    ProgressLine(stream)(UNDERWAY)
    assert stream.closed


def test_verbose_speaks_of_fits_and_not_of_workers(capsys):
    with parallel_config(backend="skreg"):
        parallel = Parallel(verbose=1)
        for n in (3, 2):
            assert parallel(delayed(abs)(-k) for k in range(n)) == list(range(n))
            assert parallel.verbose == 1
    said = capsys.readouterr().err
    assert said == "skreg: 3 fits in 0 s\nskreg: 2 fits in 0 s\n"


def test_without_verbose_nothing_is_said(capsys):
    with parallel_config(backend="skreg"):
        Parallel()(delayed(abs)(-k) for k in range(3))
    assert capsys.readouterr() == ("", "")
