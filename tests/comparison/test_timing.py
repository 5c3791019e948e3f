"""A time limit is kept on machines whose pace is not known beforehand, and changes."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from skreg.comparison.candidates import Candidate
from skreg.comparison.measuring import timed_rounds
from skreg.comparison.splits import OuterSplit
from skreg.comparison.timing import Schedule, work_of

CANDIDATES = {
    "plain": Candidate(LogisticRegression()),
    "tuned": Candidate(LogisticRegression(), {"C": [0.01, 0.1, 1.0, 10.0, 100.0]}),
    "same": Candidate(LogisticRegression(), {"C": [0.1, 1.0]}, strength_from="tuned"),
}
ALONE = {"plain": 1.0, "tuned": 2.0, "same": 3.0}
ROWS = np.arange(2)


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def test_work_counts_inner_fits_of_what_is_searched():
    # 5 strengths, 3 inner fits on two thirds of the rows each, and the outer fit
    assert work_of(CANDIDATES, ALONE, 3) == pytest.approx(1 + 2 * (1 + 5 * 3 * 2 / 3) + 3)


def test_a_fit_that_was_not_timed_counts_as_the_mean():
    assert work_of(CANDIDATES, {**ALONE, "same": np.nan}, 3) == pytest.approx(1 + 2 * 11 + 1.5)
    assert work_of(CANDIDATES, {}, 3) == pytest.approx(1 + 11 + 1)


def rounds_of(limit, pace, *, n_splits=5, repeats=1, largest="full"):
    """Grids of all splits that were kept, and the seconds it took, at a pace of each round."""
    clock = Clock()
    schedule = Schedule(CANDIDATES, ALONE, 3, limit, clock.now, largest=largest, clock=clock)
    splits = [OuterSplit(r, f, ROWS, ROWS) for r in range(repeats) for f in range(n_splits)]
    grids = []
    for k, (grid, some) in enumerate(timed_rounds(schedule, splits)):
        shortened = {name: c.shortened(grid) for name, c in CANDIDATES.items()}
        seconds = pace(k) * len(some) * work_of(shortened, ALONE, 3)
        clock.now += seconds
        schedule.note_round(grid, len(some), seconds)
        grids = ([] if some[0] is splits[0] else grids) + [grid] * len(some)
    return grids, clock.now - 100.0


def test_all_is_tried_where_there_is_time():
    grids, _ = rounds_of(1e4, lambda k: 1.0, repeats=2)
    assert grids == ["full"] * 10


def test_quick_stays_quick():
    assert rounds_of(1e4, lambda k: 1.0, largest="short")[0] == ["short"] * 5


def test_strengths_are_left_out_before_splits():
    # a split takes 26 s with all strengths, 14 s with two, 6 s with one
    assert rounds_of(140, lambda k: 1.0)[0] == ["full"] * 5
    assert rounds_of(100, lambda k: 1.0)[0] == ["short"] * 5
    assert rounds_of(40, lambda k: 1.0)[0] == ["single"] * 5
    assert rounds_of(20, lambda k: 1.0)[0] == ["single"] * 3


def test_two_splits_are_the_least():
    assert rounds_of(1, lambda k: 1.0)[0] == ["single"] * 2


@pytest.mark.parametrize("seed", range(20))
def test_the_limit_is_kept_at_any_pace(seed):
    random = np.random.RandomState(seed)
    pace = np.exp(random.normal(scale=1.0)) * random.uniform(0.8, 1.25, size=1000)
    limit = random.uniform(60, 600)
    smallest = 2 * 6 * pace.max()
    grids, seconds = rounds_of(limit, pace.__getitem__, repeats=random.randint(1, 20))
    assert seconds <= 1.1 * max(limit, smallest)
    assert len(grids) >= 2


def test_a_machine_that_slows_down_gets_shorter_grids():
    grids, seconds = rounds_of(300, lambda k: 1.0 if k < 2 else 2.0, n_splits=10)
    assert grids[0] == "full"
    assert grids[-1] != "full"
    assert seconds <= 330
