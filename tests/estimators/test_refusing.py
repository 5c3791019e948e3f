"""What is no table and what are no targets: one sentence that says so, before any training."""

from __future__ import annotations

import datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone

from skreg import (
    BaggedMLPClassifier,
    BaggedMLPRegressor,
    RegularizedLinearClassifier,
    RegularizedLinearRegressor,
    RegularizedMLPClassifier,
    RegularizedMLPClassifierCV,
    RegularizedMLPRegressor,
    RegularizedMLPRegressorCV,
    RegularizedNetClassifier,
    RegularizedNetRegressor,
    StabilitySelector,
    feature_path,
    l1_max,
)

NET = {"max_iter": 2, "random_state": 0}
SMALL = {"hidden_layer_sizes": (4,), "numeric_embedding": None, **NET}
N = 30


def module(n_features, n_outputs):
    return torch.nn.Linear(n_features, n_outputs)


CLASSIFIERS = [
    RegularizedMLPClassifier(**SMALL),
    BaggedMLPClassifier(RegularizedMLPClassifier(**SMALL), 2, random_state=0),
    RegularizedLinearClassifier(),
    RegularizedNetClassifier(module, **NET),
    RegularizedMLPClassifierCV(RegularizedMLPClassifier(**SMALL), n_settings=1, cv=2, n_repeats=1),
]
REGRESSORS = [
    RegularizedMLPRegressor(**SMALL),
    BaggedMLPRegressor(RegularizedMLPRegressor(**SMALL), 2, random_state=0),
    RegularizedLinearRegressor(),
    RegularizedNetRegressor(module, **NET),
    RegularizedMLPRegressorCV(RegularizedMLPRegressor(**SMALL), n_settings=1, cv=2, n_repeats=1),
]

every_model = pytest.mark.parametrize(
    "model", CLASSIFIERS + REGRESSORS, ids=lambda m: type(m).__name__
)
every_classifier = pytest.mark.parametrize("model", CLASSIFIERS, ids=lambda m: type(m).__name__)
every_regressor = pytest.mark.parametrize("model", REGRESSORS, ids=lambda m: type(m).__name__)


@pytest.fixture(scope="module")
def X():
    return np.random.default_rng(0).normal(size=(N, 3))


@pytest.fixture(scope="module")
def y():
    return np.arange(N) % 2


def refused(model, X, y, message):
    """The error is raised, and the estimator is as it was."""
    model = clone(model)
    before = dict(vars(model))
    with pytest.raises((ValueError, TypeError), match=message):
        model.fit(X, y)
    assert vars(model) == before


# -- tables ----------------------------------------------------------------------------------------

TABLES = {
    "None": (lambda X: None, "X is None, not a table"),
    "a dict": (lambda X: {"a": X[:, 0]}, r"X is a dict, not a table.*pandas\.DataFrame\(X\)"),
    "a generator": (lambda X: (row for row in X), "X is a generator, not a table"),
    "dicts": (lambda X: [{"a": v} for v in X[:, 0]], r"sequence of dicts.*pandas\.DataFrame\(X\)"),
    "records": (
        lambda X: np.rec.fromarrays(X.T, names="a,b,c"),
        r"structured array with the fields \('a', 'b', 'c'\)",
    ),
    "no columns": (lambda X: pd.DataFrame(index=range(N)), "X is a DataFrame without columns"),
    "one name twice": (
        lambda X: pd.DataFrame(X, columns=["a", "b", "a"]),
        "X has 2 columns of the name 'a'. Rename",
    ),
    "lists": (
        lambda X: pd.DataFrame({"a": [[1, 2]] * N, "b": X[:, 0]}),
        r"Column 'a' of X holds lists, such as '\[1, 2\]'",
    ),
    "dicts in cells": (
        lambda X: pd.DataFrame({"a": [{"u": 1}] * N, "b": X[:, 0]}),
        "Column 'a' of X holds lists",
    ),
    "other objects": (
        lambda X: pd.DataFrame({"a": [object()] * N, "b": X[:, 0]}),
        "Column 'a' of X holds objects",
    ),
    "complex numbers": (
        lambda X: pd.DataFrame({"a": X[:, 0], "b": X[:, 1] + 1j}),
        "Complex data not supported: column 'b' of X",
    ),
}


@pytest.mark.parametrize("kind", TABLES)
@every_model
def test_what_is_no_table(model, X, y, kind):
    make, message = TABLES[kind]
    refused(model, make(X), y, message)


def test_one_row_of_a_table_is_no_table(X, y):
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    net = clone(CLASSIFIERS[0]).fit(frame, y)
    with pytest.raises(ValueError, match=r"X is a Series.*table of one row"):
        net.predict(frame.iloc[0])


@pytest.mark.parametrize("kind", ["lazy", "list", "struct"])
def test_columns_of_polars_that_hold_no_numbers(X, y, kind):
    polars = pytest.importorskip("polars")
    table = polars.DataFrame({"a": X[:, 0], "b": X[:, 1]})
    if kind == "lazy":
        refused(CLASSIFIERS[0], table.lazy(), y, r"LazyFrame.*X\.collect\(\)")
        return
    odd = polars.Series([[1, 2]] * N) if kind == "list" else polars.struct("a", "b")
    refused(CLASSIFIERS[0], table.with_columns(odd=odd), y, "Column 'odd' of X holds lists")


def test_nets_of_an_own_module_are_told_of_what_they_have(X, y):
    """They encode, scale and fill nothing."""
    net = CLASSIFIERS[3]
    for bad in (["a", "b"] * 15, pd.Categorical(["a", "b"] * 15)):
        with pytest.raises(ValueError, match=r"Column 'k' of X holds .*OneHotEncoder") as error:
            clone(net).fit(pd.DataFrame({"a": X[:, 0], "k": bad}), y)
        assert "categorical_features" not in str(error.value)
    holes = X.copy()
    holes[4, 1] = np.nan
    refused(net, holes, y, r"column 1 has 1 missing values \(the first in row 4\).*SimpleImputer")
    with pytest.raises(ValueError, match="Set dtype='float64' of the net") as error:
        clone(net).fit(X * 1e300, y)
    assert "scale_features" not in str(error.value)


# -- targets ---------------------------------------------------------------------------------------

GAPS = {
    "None among texts": (lambda y: [None, *map(str, y[1:])], 0),
    "NaN among texts": (lambda y: ["a", float("nan"), *map(str, y[2:])], 1),
    "NA": (lambda y: pd.array([None, *map(str, y[1:])], dtype="string"), 0),
    "a category": (lambda y: pd.Categorical(["a", None] * 15), 1),
    "NA of numbers": (lambda y: pd.array([*y[1:], None], dtype="Int64"), N - 1),
    "NaN": (lambda y: np.r_[y[:3], np.nan, y[4:]], 3),
    "NaT": (lambda y: pd.to_datetime(["2020-01-01", None] * 15), 1),
    "masked": (lambda y: np.ma.masked_array(y, mask=np.arange(N) == 2), 2),
}


@pytest.mark.parametrize("kind", GAPS)
@every_classifier
def test_missing_labels(model, X, y, kind):
    make, row = GAPS[kind]
    refused(model, X, make(y), rf"Input y contains NaN: .*\(the first is row {row}\). Leave")


@pytest.mark.parametrize("kind", ["list", "objects", "NA", "masked", "NaN", "frame"])
@every_regressor
def test_missing_numbers(model, X, kind):
    """None in a list became NaN after scikit-learn had looked for NaN, and was trained on."""
    numbers = [None, *X[1:, 0].tolist()]
    gap = np.arange(N) == 0
    made = {
        "list": numbers,
        "objects": np.array(numbers, dtype=object),
        "NA": pd.array(numbers, dtype="Float64"),
        "masked": np.ma.masked_array(X[:, 0], mask=gap),
        "NaN": np.where(gap, np.nan, X[:, 0]),
        "frame": pd.DataFrame({"y": numbers}, dtype=object),
    }
    refused(model, X, made[kind], r"Input y contains NaN: 1 of 30 rows has no .*first is row 0")


@every_model
def test_what_are_no_targets(model, X, y):
    refused(model, X, "price", r"y is 'price', not the targets.*frame\['price'\]")
    refused(model, X, {"y": y}, "y is a dict, not the targets")
    refused(model, X, np.zeros((N, 0)), "y has no columns")
    refused(model, X, y + 1j, "Complex data not supported: y holds complex numbers")


@every_regressor
def test_numbers_that_are_none(model, X):
    for dates in (pd.date_range("2024-01-31", periods=N), np.arange(N).astype("M8[D]")):
        refused(model, X, dates, "y holds dates or times.*Turn them into numbers")
    few = ["n.a.", *map(str, X[1:, 0])]
    refused(model, X, few, r"string to float: 'n\.a\.'\. y holds text in 1 of 30 .*first is row 0")
    refused(model, X, np.r_[np.inf, X[1:, 0]], "Input y contains infinity.*first is in row 0")


@every_classifier
def test_labels_that_are_none(model, X, y):
    refused(model, X, np.array(["a", 1], dtype=object)[y], "y mixes texts, such as 'a', with.* 1")
    labels = [Decimal(int(v)) for v in y]
    refused(model, X, labels, "Unknown label type: y holds labels of the type Decimal")
    refused(model, X, y + 0.5, r"Unknown label type: continuous\. y holds numbers such as 0\.5")
    days = [datetime.date(2024, 1, 1 + v) for v in y]
    refused(model, X, days, "labels of the type date, such as '2024-01-01'")


@every_classifier
def test_labels_in_other_clothes(model, X, y):
    """Numbers in Python objects, as in a column of a mixed table, are the labels that they are."""
    if hasattr(model, "random_state"):
        model = clone(model).set_params(random_state=0)
    known = clone(model).fit(X, y)
    for labels in (y.astype(object), pd.Series(y, dtype=object), pd.array(y, dtype="Int64")):
        fitted = clone(model).fit(X, labels)
        assert fitted.classes_.tolist() == [0, 1]
        assert fitted.classes_.dtype.kind == "i"
        np.testing.assert_array_equal(fitted.predict_proba(X), known.predict_proba(X))
    assert clone(model).fit(X, (y == 1).astype(object)).classes_.tolist() == [False, True]
    assert clone(model).fit(X, pd.array(y == 1, dtype="boolean")).classes_.dtype == bool


@every_regressor
def test_numbers_in_other_clothes(model, X):
    numbers = X[:, 0].round(3)
    if hasattr(model, "random_state"):
        model = clone(model).set_params(random_state=0)
    known = clone(model).fit(X, numbers).predict(X)
    for same in (
        numbers.astype(object),
        numbers.astype(str),
        pd.array(numbers, dtype="Float64"),
        [Decimal(str(v)) for v in numbers],
    ):
        np.testing.assert_array_equal(clone(model).fit(X, same).predict(X), known)


def test_validation_targets_are_named(X, y):
    with pytest.raises(ValueError, match="Input y_val contains NaN: 30 of 30 rows have no target"):
        clone(REGRESSORS[0]).fit(X, y, X_val=X, y_val=[None] * N)


def test_what_looks_at_targets_by_itself(X, y):
    """A path, a selection and the largest strength say it in the same words."""
    gaps = [None, *map(str, y[1:])]
    message = "Input y contains NaN: 1 of 30 rows"
    with pytest.raises(ValueError, match=message):
        l1_max(X, gaps)
    with pytest.raises(ValueError, match=message):
        StabilitySelector(RegularizedLinearClassifier(), n_pairs=2).fit(X, gaps)
    with pytest.raises(ValueError, match=message):
        feature_path(X, gaps, estimator=RegularizedLinearClassifier(), n_strengths=2)
    with pytest.raises(ValueError, match=r"string to float: 'no'\. y holds text"):
        words = np.array(["no", "yes"])[y]
        feature_path(X, words, estimator=RegularizedLinearRegressor(), n_strengths=2)


def test_classes_of_partial_fit(X, y):
    net = clone(CLASSIFIERS[0])
    for gap in (None, np.nan):
        with pytest.raises(ValueError, match=r"classes=\[0, .*\] has a missing label"):
            clone(net).partial_fit(X, y, classes=[0, gap])
    with pytest.raises(
        ValueError, match=r"y has the classes \[1\], which classes=\[0, 2\] does not"
    ):
        clone(net).partial_fit(X, y, classes=[0, 2])
