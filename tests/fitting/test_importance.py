"""How much worse rows are predicted without a column: a number for each column of the user's table."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.inspection import permutation_importance
from sklearn.metrics import get_scorer

from skreg.fitting.columns import Column
from skreg.fitting.importance import column_importance
from skreg.fitting.measure import Measure

R2 = Measure(get_scorer("r2"), "r2", "R2")


class Known(RegressorMixin, BaseEstimator):
    """A model that is what its function says, and keeps the tables that it was asked for."""

    def __init__(self, function):
        self.function = function
        self.tables = []

    def fit(self, X, y):
        return self

    def predict(self, X):
        self.tables.append(X)
        return self.function(X)


def importance_of(model, X, columns, monkeypatch, *, folds=2, seconds=60.0):
    """As of a search whose nets are all this model, and the tests of its folds."""
    tests = np.array_split(np.random.default_rng(1).permutation(len(X)), folds)
    monkeypatch.setattr(
        "skreg.fitting.importance.parts_of_folds", lambda _: [(model, test) for test in tests]
    )
    y = model.function(X).to_numpy()
    options = {"columns": columns, "seconds": seconds, "random_state": 0}
    return column_importance(None, X, y, None, R2, **options), tests, y


def dates(n=90):
    days = pd.Series(np.arange(n, dtype=float))
    weekday = days % 7
    level = pd.Series(np.where(days % 2, "odd", "even"), dtype=object)
    return pd.DataFrame({"t: days": days, "z": -days, "t: weekday": weekday, "level": level})


DATED = [
    Column("t", "date", form="ISO8601", parts=["t: days", "t: weekday"]),
    Column("z", "number"),
    Column("level", "category", ["even", "odd"]),
]


def test_a_date_has_one_importance_and_its_parts_are_shuffled_together(monkeypatch):
    model = Known(lambda X: X["t: days"] + 3 * X["t: weekday"])
    found, _, _ = importance_of(model, dates(), DATED, monkeypatch)
    found = found.set_index("column")["importance"]
    assert list(found.index) == ["t", "z", "level"]
    assert found["t"] > 0.5
    assert found["z"] == found["level"] == 0.0
    for table in model.tables:
        assert (table["t: weekday"] == table["t: days"] % 7).all()
        assert list(table) == list(dates())
        assert (table.dtypes == dates().dtypes).all()


@pytest.mark.parametrize("seconds", [60.0, 1e-9])
def test_columns_of_one_part_have_what_scikit_learn_finds(monkeypatch, seconds):
    """With all repeats, and with one; folds of 45 rows have none to spare."""
    X = dates()
    columns = [Column(name, "number") for name in X]
    model = Known(lambda X: X["t: days"] + (X["level"] == "odd") * 20.0 - X["t: weekday"])
    found, tests, y = importance_of(model, X, columns, monkeypatch, seconds=seconds)
    options = {"n_repeats": 1 if seconds < 1 else 5, "random_state": 0}
    expected = [
        permutation_importance(model, X.iloc[test], y[test], **options).importances_mean
        for test in tests
    ]
    found = found.set_index("column").loc[list(X)]
    np.testing.assert_allclose(found["importance"], np.mean(expected, axis=0), rtol=1e-12)
    np.testing.assert_allclose(found["spread"], np.std(expected, axis=0, ddof=1), atol=1e-12)


def test_a_share_of_the_rows_is_as_scikit_learn_takes_it(monkeypatch):
    X = dates(400)
    columns = [Column(name, "number") for name in X]
    model = Known(lambda X: X["t: days"] + 30 * X["t: weekday"])
    found, (test,), y = importance_of(model, X, columns, monkeypatch, folds=1, seconds=1e-9)
    expected = permutation_importance(
        model, X.iloc[test], y[test], n_repeats=1, max_samples=50 / 400, random_state=0
    )
    found = found.set_index("column").loc[list(X)]
    np.testing.assert_allclose(found["importance"], expected.importances_mean, rtol=1e-12)
