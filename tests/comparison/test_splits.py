"""Splits are shared, shuffled, stratified, and keep groups together."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.model_selection import KFold

from skreg.comparison.splits import inner_splits, outer_splits

Y = np.repeat([0, 1], [60, 30])
X = np.zeros((90, 2))
GROUPS = np.repeat(np.arange(18), 5)


def make(cv=3, groups=None, repeats=1, stratify=True, random_state=0):
    return outer_splits(
        cv, X, Y, groups, repeats=repeats, stratify=stratify, random_state=random_state
    )


@pytest.mark.parametrize("groups", [None, GROUPS])
@pytest.mark.parametrize("stratify", [True, False])
def test_each_row_is_tested_once_a_repeat(groups, stratify):
    splits = make(groups=groups, repeats=2, stratify=stratify)
    assert [(s.repeat, s.fold) for s in splits] == [(r, f) for r in (0, 1) for f in (0, 1, 2)]
    for repeat in (0, 1):
        tested = np.concatenate([s.test for s in splits if s.repeat == repeat])
        assert sorted(tested) == list(range(90))
    assert any(
        not np.array_equal(a.test, b.test) for a, b in zip(splits[:3], splits[3:], strict=True)
    )


def test_groups_stay_on_one_side():
    for split in make(groups=GROUPS):
        assert not set(GROUPS[split.train]) & set(GROUPS[split.test])
        for fit, valid in inner_splits(3, Y, GROUPS, split.train, stratify=True, random_state=0):
            own = GROUPS[split.train]
            assert not set(own[fit]) & set(own[valid])


def test_inner_splits_count_within_the_training_rows():
    split = make()[0]
    pairs = inner_splits(3, Y, None, split.train, stratify=True, random_state=0)
    assert sorted(np.concatenate([valid for _, valid in pairs])) == list(range(len(split.train)))
    for _, valid in pairs:
        assert Y[split.train][valid].mean() == pytest.approx(1 / 3, abs=0.05)


def test_groups_too_few_for_inner_folds_are_given_up():
    two_groups = np.repeat([0, 1], 45)
    pairs = inner_splits(3, Y, two_groups, np.arange(90), stratify=False, random_state=0)
    assert len(pairs) == 3


def test_same_seed_same_splits():
    for one, other in zip(make(), make(), strict=True):
        assert np.array_equal(one.test, other.test)


def test_splitters_and_iterables():
    by_splitter = make(cv=KFold(3))
    by_pairs = make(cv=list(KFold(3).split(X)))
    for one, other in zip(by_splitter, by_pairs, strict=True):
        assert np.array_equal(one.test, other.test)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cv": 1}, "cv=1: a comparison needs two folds"),
        ({"cv": 91}, "cv=91 folds cannot be made of 90 rows"),
        ({"cv": 20, "groups": GROUPS}, "cv=20 folds cannot be made of 18 groups"),
        ({"cv": "five"}, "cv='five': allowed are"),
        ({"cv": KFold(3), "repeats": 2}, "repeats=2 needs cv to be a number of folds"),
        ({"cv": [(np.arange(50), np.arange(50, 90))]}, "gives 1 split"),
    ],
)
def test_what_cannot_be_split(options, message):
    with pytest.raises(ValueError, match=message):
        make(**options)
