"""The record of how far a stack is."""

from __future__ import annotations

import pytest

from skreg.train.progress import Progress


def record(**changes):
    known = {"members": 8, "training": 5, "done": 2, "epoch": 10, "max_iter": 40, "seconds": 3.0}
    return Progress(stack=0, **{**known, **changes})


def test_nets_count_by_the_share_of_their_epochs():
    """Two are done, six have a quarter of their epochs behind them; one of these has just ended."""
    assert record().trained == 2 + 6 / 4
    assert record(training=0, done=8).trained == 8


@pytest.mark.parametrize("max_iter, left", [(40, 9.0), (10, 0.0), (4, 0.0)])
def test_the_rest_takes_as_long_an_epoch(max_iter, left):
    assert record(max_iter=max_iter).seconds_left == pytest.approx(left)
