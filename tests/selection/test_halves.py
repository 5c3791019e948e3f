from __future__ import annotations

import numpy as np
import pytest

from skreg.selection.halves import complementary_pairs


def pairs_of(halves):
    return list(zip(halves[::2], halves[1::2], strict=True))


@pytest.mark.parametrize("n", [40, 41])
def test_halves_of_a_pair_have_no_row_in_common(n):
    halves = complementary_pairs(n, 20, np.random.RandomState(0))
    assert len(halves) == 40
    for first, second in pairs_of(halves):
        assert len(first) == len(second) == n // 2
        assert len(np.union1d(first, second)) == 2 * (n // 2)


def test_each_row_is_as_likely():
    """The row that is left of an odd number is another one each time."""
    halves = complementary_pairs(21, 400, np.random.RandomState(0))
    often = np.bincount(np.concatenate(halves), minlength=21) / 400
    assert often.min() > 0.85
    firsts = np.bincount(np.concatenate(halves[::2]), minlength=21) / 400
    assert 0.35 < firsts.min() <= firsts.max() < 0.65


def test_classes_are_split_evenly():
    classes = np.repeat([0, 1, 2], [60, 30, 11])
    halves = complementary_pairs(101, 10, np.random.RandomState(0), classes)
    counts = np.array([np.bincount(classes[rows], minlength=3) for rows in halves])
    assert np.abs(counts - [30, 15, 5.5]).max() <= 1.5


def test_groups_stay_together():
    groups = np.repeat(np.arange(20), 5)
    for first, second in pairs_of(
        complementary_pairs(100, 10, np.random.RandomState(0), None, groups)
    ):
        assert not set(groups[first]) & set(groups[second])
        assert len(first) + len(second) == 100
        assert abs(len(first) - len(second)) <= 10


def test_pairs_differ_and_seeds_repeat():
    one = complementary_pairs(30, 5, np.random.RandomState(3))
    again = complementary_pairs(30, 5, np.random.RandomState(3))
    assert all(np.array_equal(a, b) for a, b in zip(one, again, strict=True))
    assert len({rows.tobytes() for rows in one}) == 10


def test_a_class_of_one_row_is_no_hindrance_to_the_others():
    """Nor is its row in the second half alone."""
    for n in (100, 101):
        classes = np.r_[np.zeros(n - 4), np.ones(3), [2]].astype(int)
        halves = complementary_pairs(n, 100, np.random.RandomState(0), classes)
        assert {int((classes[half] == 1).sum()) for half in halves} == {1, 2}
        inside = [(classes[half] == 2).any() for half in halves]
        assert 0.3 < np.mean(inside[::2]) < 0.7
    several = np.r_[np.zeros(94), np.arange(1, 7)].astype(int)
    halves = complementary_pairs(100, 50, np.random.RandomState(0), several)
    assert {int((several[half] > 0).sum()) for half in halves} == {3}
