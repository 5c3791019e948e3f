"""Gradient boosting takes the table as it comes."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import sklearn
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.utils.fixes import parse_version

from skreg.comparison.boosting import boosting, boosting_for
from skreg.comparison.defaults import default_candidates, fit_to_table

N = 120


@pytest.fixture
def mixed():
    random = np.random.RandomState(0)
    return pd.DataFrame(
        {
            "number": np.where(random.rand(N) < 0.2, np.nan, random.normal(size=N)),
            "colour": random.choice(["red", "green", None], size=N),
            "kind": pd.Categorical(random.choice(["a", "b"], size=N)),
            "flag": random.rand(N) > 0.5,
            "whole": pd.array([None, *range(N - 1)], dtype="Int64"),
            "empty": np.nan,
        }
    )


def test_categories_are_taken_as_categories(mixed):
    y = np.where(mixed["colour"] == "red", 1.0, 0.0) + 2.0 * (mixed["kind"] == "a")
    model = boosting_for(mixed, "regression").fit(mixed.iloc[:80], y.iloc[:80])
    assert model.score(mixed.iloc[80:], y.iloc[80:]) > 0.9
    assert model[-1].is_categorical_.sum() == 2
    # a level that was not there in training, and a gap
    new = mixed.iloc[:2].assign(colour=["violet", None])
    assert np.isfinite(model.predict(new)).all()


def test_numbers_go_to_it_as_they_are(mixed):
    numbers = mixed[["number", "flag"]]
    for X in (numbers, numbers.to_numpy(dtype=float)):
        assert repr(boosting_for(X, "regression")) == repr(boosting("regression"))


@pytest.mark.parametrize("as_array", [True, False])
def test_an_empty_column_does_not_fail(mixed, as_array):
    X = mixed[["number", "empty"]]
    X = X.to_numpy() if as_array else X
    model = boosting_for(X, "regression").fit(X, np.arange(N))
    assert np.isfinite(model.predict(X)).all()
    if parse_version(sklearn.__version__) >= parse_version("1.9"):
        # Else it could be given the table as it is.
        with pytest.raises(ValueError, match="window shape"):
            boosting("regression").fit(X, np.arange(N))


def test_many_levels_are_joined():
    X = pd.DataFrame({"town": [f"town {k % 300}" for k in range(900)]})
    model = boosting_for(X, "regression").fit(X, np.arange(900) % 300)
    assert len(np.unique(model[0].transform(X))) == 255


@pytest.mark.parametrize("with_skrub", [True, False])
def test_dates_are_for_skrub_where_it_is(mixed, monkeypatch, with_skrub):
    if with_skrub:
        pytest.importorskip("skrub")
    else:
        monkeypatch.setitem(sys.modules, "skrub", None)
    X = mixed.assign(day=pd.date_range("2024-01-01", periods=N).astype(str)).drop(columns="whole")
    model = boosting_for(X, "classification")
    assert isinstance(model, Pipeline)
    assert (type(model[0]).__name__ == "TableVectorizer") == with_skrub
    assert clone(model).fit(X, np.arange(N) % 2).predict_proba(X).shape == (N, 2)


def test_a_sparse_table_is_left_out_with_a_note():
    candidates = default_candidates("classification")
    found, notes = fit_to_table(candidates, sp.csr_array(np.eye(5)), "classification")
    assert set(candidates) - set(found) == {"gradient boosting"}
    assert notes == ["Gradient boosting was left out: it takes no sparse table."]
    assert fit_to_table({"mine": candidates["dummy"]}, np.eye(5), "classification")[1] == []
