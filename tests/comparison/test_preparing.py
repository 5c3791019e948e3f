"""Tables become numbers without a gap, in front of every candidate."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from skreg.comparison.preparing import is_text_only, make_preprocessor


@pytest.fixture
def mixed():
    random = np.random.RandomState(0)
    return pd.DataFrame(
        {
            "number": np.where(random.rand(60) < 0.1, np.nan, random.normal(size=60)),
            "colour": random.choice(["red", "green", None], size=60),
            "flag": random.rand(60) > 0.5,
            "day": pd.date_range("2024-01-01", periods=60).astype(str),
            "empty": np.nan,
        }
    )


def test_arrays_are_imputed_and_standardised():
    X = np.array([[1.0, 10.0], [3.0, np.nan], [5.0, 30.0], [7.0, 80.0]])
    Z = make_preprocessor(X).fit_transform(X)
    assert Z.mean(axis=0) == pytest.approx(0)
    assert Z.std(axis=0) == pytest.approx(1)
    assert Z[1, 1] == Z[2, 1]  # the median of 10, 30 and 80


def test_squash_bends_outliers_back():
    pytest.importorskip("skrub")
    X = np.concatenate([np.linspace(-1, 1, 99), [1e6]])[:, None]
    Z = make_preprocessor(X, "squash").fit_transform(X)
    assert np.abs(Z).max() <= 3.0


@pytest.mark.parametrize("with_skrub", [True, False])
@pytest.mark.parametrize("preprocess", ["auto", "squash"])
def test_mixed_columns_become_finite_numbers(mixed, monkeypatch, with_skrub, preprocess):
    if with_skrub:
        pytest.importorskip("skrub")
    else:
        if preprocess == "squash":
            pytest.skip("the squashing scaler is skrub's")
        monkeypatch.setitem(sys.modules, "skrub", None)
        mixed = mixed.drop(columns="day")
    transform = make_preprocessor(mixed, preprocess).fit(mixed.iloc[:40])
    Z = np.asarray(transform.transform(mixed.iloc[40:]), dtype=float)
    assert np.isfinite(Z).all()
    assert Z.shape[1] >= 4


def test_unknown_categories_do_not_fail(mixed):
    transform = make_preprocessor(mixed).fit(mixed)
    other = mixed.head(3).assign(colour="violet")
    assert np.isfinite(np.asarray(transform.transform(other), dtype=float)).all()


def test_own_transformer_and_none_are_taken_as_they_are():
    own = MinMaxScaler()
    assert make_preprocessor(np.zeros((2, 2)), own) is own
    assert make_preprocessor(np.zeros((2, 2)), None) is None


def test_numbers_in_a_frame_need_no_encoding():
    steps = make_preprocessor(pd.DataFrame({"a": [1, 2], "b": [0.5, None]})).steps
    assert [type(step) for _, step in steps][-1] is StandardScaler
    assert len(steps) == 2


def test_unknown_preparation():
    with pytest.raises(ValueError, match=r"preprocess='minmax': allowed are 'auto'"):
        make_preprocessor(np.zeros((2, 2)), "minmax")


def test_squash_without_skrub(monkeypatch):
    monkeypatch.setitem(sys.modules, "skrub", None)
    with pytest.raises(ImportError, match=r"pip install skreg\[cli\]"):
        make_preprocessor(np.zeros((2, 2)), "squash")


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ([f"a sentence about {i}" for i in range(200)], True),
        (["red", "green"] * 100, False),
        ([str(i / 7) for i in range(200)], False),
        (list(range(200)), False),
    ],
)
def test_free_text_is_told_from_categories_and_numbers(column, expected):
    assert is_text_only(pd.DataFrame({"only": column})) is expected
    assert not is_text_only(pd.DataFrame({"only": column, "number": np.arange(200)}))
