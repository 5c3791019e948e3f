"""The facts that the advice rests on."""

from __future__ import annotations

import numpy as np
import pytest

from skreg.comparison.profile import MAX_ROWS, describe_table


@pytest.fixture
def random():
    return np.random.RandomState(0)


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_unrelated_features_are_counted(random, task):
    X = random.normal(size=(400, 60))
    y = X[:, :5].sum(axis=1)
    y = y > 0 if task == "classification" else y
    profile, _, _ = describe_table(X, y, task, None)
    assert 53 <= profile.n_unrelated <= 55
    assert profile.share_unrelated == profile.n_unrelated / 60


def test_a_symmetric_effect_is_an_association(random):
    X = random.normal(size=(500, 10))
    y = np.abs(X[:, 0]) > 0.7
    assert describe_table(X, y, "classification", None)[0].n_unrelated == 9


def test_correlated_features_are_counted(random):
    X = random.normal(size=(300, 12))
    X[:, 1] = X[:, 0] + 0.1 * random.normal(size=300)
    X[:, 2] = -X[:, 0]
    profile, _, _ = describe_table(X, X[:, 5], "regression", None)
    assert profile.n_correlated == 3


def test_constant_features_do_not_count(random):
    X = np.column_stack([np.ones(100), random.normal(size=100)])
    profile, Z, _ = describe_table(X, X[:, 1], "regression", None)
    assert (profile.n_columns, profile.n_features, Z.shape) == (2, 1, (100, 1))


def test_large_tables_are_drawn(random):
    X = random.normal(size=(MAX_ROWS + 500, 2))
    profile, Z, rows = describe_table(X, X[:, 0], "regression", None)
    assert profile.n_rows == MAX_ROWS + 500
    assert len(Z) == len(rows) == MAX_ROWS
    assert (np.diff(rows) > 0).all()
