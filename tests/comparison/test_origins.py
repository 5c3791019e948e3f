"""Columns are counted as the user's, whatever they are encoded as."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skreg.comparison.models import model_facts
from skreg.comparison.origins import count_columns, origins_of
from skreg.comparison.preparing import make_preprocessor
from skreg.comparison.profile import describe_table


@pytest.fixture(params=[True, False], ids=["skrub", "no skrub"])
def with_skrub(request, monkeypatch):
    if request.param:
        pytest.importorskip("skrub")
    else:
        monkeypatch.setitem(sys.modules, "skrub", None)
    return request.param


@pytest.fixture
def mixed():
    random = np.random.RandomState(0)
    return pd.DataFrame(
        {
            "colour": random.choice(["red", "green", "blue", "grey"], size=200),
            "number": random.normal(size=200),
            "town": random.choice(list("abcdefg"), size=200),
        }
    )


def test_encoded_columns_are_traced(mixed, with_skrub):
    transform = make_preprocessor(mixed).fit(mixed)
    origins = origins_of(transform, mixed)
    assert len(origins) == transform.transform(mixed).shape[1]
    counts = dict(zip(*np.unique(origins, return_counts=True), strict=True))
    assert counts == {0: 4, 1: 1, 2: 7}


def test_the_profile_counts_columns(mixed, with_skrub):
    y = mixed["number"] + (mixed["colour"] == "red")
    profile, Z, _ = describe_table(mixed, y.to_numpy(), "regression", make_preprocessor(mixed))
    assert Z.shape[1] == 12
    assert (profile.n_columns, profile.n_features) == (3, 3)
    assert profile.n_unrelated == 1
    assert profile.n_correlated == 0


def test_columns_that_say_the_same_in_other_words_are_correlated(mixed, with_skrub):
    mixed["copy"] = mixed["colour"].map(
        {"red": "rouge", "green": "vert", "blue": "bleu", "grey": "gris"}
    )
    y = np.arange(200.0)
    profile, _, _ = describe_table(mixed, y, "regression", make_preprocessor(mixed))
    assert profile.n_correlated == 2


def test_nothing_in_front_and_what_does_not_tell():
    X = np.random.RandomState(0).normal(size=(20, 3))
    assert origins_of(None, X).tolist() == [0, 1, 2]
    assert origins_of(make_pipeline(StandardScaler()).fit(X), X).tolist() == [0, 1, 2]
    assert origins_of(make_pipeline(StandardScaler(), PCA(2)).fit(X), X) is None


def test_a_column_counts_where_any_or_all_of_it_is_marked():
    origins, marked = np.array([0, 0, 1, 2, 2]), np.array([True, False, False, True, True])
    assert count_columns(marked, origins) == 2
    assert count_columns(marked, origins, need_all=True) == 1
    assert count_columns(marked, None) == 3


def test_a_model_of_encoded_columns_uses_columns():
    from sklearn.linear_model import LinearRegression

    X = np.random.RandomState(0).normal(size=(20, 4))
    model = LinearRegression().fit(X, X[:, 0])
    model.coef_[:] = [1.0, 0.5, 0.0, 0.0]
    assert model_facts(model, np.array([0, 0, 1, 2])).n_features_used == 1.0
    assert model_facts(model).n_features_used == 2.0
