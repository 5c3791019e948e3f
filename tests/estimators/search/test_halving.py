"""Rungs: who goes on."""

from types import SimpleNamespace

import numpy as np
import pytest

from skreg.estimators.search.halving import Ladder


def trial(number, loss):
    return SimpleNamespace(number=number, loss=loss)


def going_on(ladder, trials, rung=0):
    return [t.number for t in ladder.survivors(rung, trials)]


def test_rungs_follow_the_number_of_epochs():
    ladder = Ladder(100, ((0.05, 1 / 2), (0.2, 1 / 3)))
    assert ladder.epochs == [5, 20]
    assert ladder.shares == [1 / 2, 1 / 3]


def test_rungs_that_fall_together_are_one():
    ladder = Ladder(4, ((0.05, 1 / 2), (0.2, 1 / 3)))
    assert ladder.epochs == [1]
    assert ladder.shares == [pytest.approx(1 / 6)]
    assert Ladder(1, ((0.05, 1 / 2),)).epochs == []  # nothing is left to save


def test_the_better_part_goes_on():
    ladder = Ladder(100, ((0.1, 1 / 2),))
    losses = [8.0, 1.0, 7.0, 2.0, 6.0, 3.0, 5.0, 4.0]
    assert going_on(ladder, [trial(i + 1, loss) for i, loss in enumerate(losses)]) == [2, 4, 6, 8]


def test_a_few_go_on_in_any_case():
    ladder = Ladder(100, ((0.1, 1 / 2),))
    assert going_on(ladder, [trial(i, float(i)) for i in range(1, 5)]) == [1, 2, 3]
    assert going_on(Ladder(100, ((0.1, 1 / 2),)), [trial(1, 1.0), trial(2, 2.0)]) == [1, 2]


def test_the_first_setting_goes_on_to_be_compared_with():
    ladder = Ladder(100, ((0.1, 1 / 2),))
    assert 0 in going_on(ladder, [trial(i, 10.0 - i) for i in range(8)])
    assert 0 in going_on(ladder, [trial(0, np.inf), trial(1, 1.0)])


def test_who_has_diverged_is_lost():
    ladder = Ladder(100, ((0.1, 1 / 2),))
    assert going_on(
        ladder, [trial(1, np.inf), trial(2, np.nan), trial(3, 5.0), trial(4, np.inf)]
    ) == [3]
    assert going_on(Ladder(100, ((0.1, 1 / 2),)), [trial(1, np.inf)]) == []


def test_later_waves_are_compared_with_earlier_ones():
    ladder = Ladder(100, ((0.1, 1 / 2),))
    going_on(ladder, [trial(i, float(i)) for i in range(1, 11)])
    # better than half of those before, worse than half, and the two together
    assert going_on(ladder, [trial(11, 3.0), trial(12, 8.0)]) == [11]
