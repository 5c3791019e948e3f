"""Columns that tell the target alone are named; honest ones are not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes

from skreg.comparison.leaks import tells_the_target

RANDOM = np.random.RandomState(0)
X = pd.DataFrame(RANDOM.normal(size=(150, 3)), columns=list("abc"))
LABEL = np.where(X["a"] + X["b"] > 0, "yes", "no").astype(object)
AMOUNT = (3 * X["a"] + X["b"]).to_numpy()

STEPS = np.clip(np.round(AMOUNT), -3, 3)


@pytest.mark.parametrize(
    ("copy", "y", "task"),
    [
        ((LABEL == "yes") * 1, LABEL, "classification"),
        (np.where(LABEL == "yes", "approved", "refused"), LABEL, "classification"),
        (np.where(LABEL == "yes", 7.0, np.nan), LABEL, "classification"),
        (np.argsort(np.argsort(LABEL, kind="stable")), LABEL, "classification"),
        (np.exp(AMOUNT), AMOUNT, "regression"),
        (-AMOUNT, AMOUNT, "regression"),
        ([f"grade {v}" for v in STEPS], STEPS, "regression"),
    ],
)
def test_a_copy_of_the_target_is_named(copy, y, task):
    found = tells_the_target(X.assign(copy=copy, more=X["a"] * 2), y, task)
    assert found.ok is False
    assert found.text.startswith("copy (")
    assert "more" not in found.text.split(" predicts")[0]
    assert "--drop" in found.text
    assert found.figures == {"columns": 5.0, "found": 1.0}


@pytest.mark.parametrize(("y", "task"), [(LABEL, "classification"), (AMOUNT, "regression")])
def test_a_copy_with_gaps_is_named(y, task):
    copy = pd.Series(y, dtype=object).map({"yes": 1.0, "no": 0.0}.get) if task[0] == "c" else y
    copy = pd.Series(copy, dtype=float).mask(np.arange(150) % 4 == 0)
    found = tells_the_target(X.assign(copy=copy), y, task)
    assert found.ok is False
    assert "1.000 where it is not missing) predicts the target alone" in found.text


def test_honest_tables_have_none():
    assert tells_the_target(X, LABEL, "classification").ok is True
    assert tells_the_target(X, AMOUNT, "regression").ok is True
    for load, task in ((load_breast_cancer, "classification"), (load_diabetes, "regression")):
        assert tells_the_target(*load(return_X_y=True), task).ok is True


def test_names_that_differ_in_every_row_tell_nothing():
    names = [f"person {k}" for k in range(150)]
    assert tells_the_target(X.assign(name=names), LABEL, "classification").ok is True
    assert tells_the_target(X.assign(name=names), AMOUNT, "regression").ok is True


def test_rare_classes_and_sparse_tables():
    scipy_sparse = pytest.importorskip("scipy.sparse")
    y = LABEL.copy()
    y[:2] = "rare"
    assert tells_the_target(X, y, "classification").ok is True
    found = tells_the_target(scipy_sparse.csr_matrix(X.to_numpy()), LABEL, "classification")
    assert found.ok is None


@pytest.mark.parametrize("kind", ["datetime", "zone", "timedelta"])
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_dates_that_tell_the_target_are_named(kind, task):
    days = RANDOM.permutation(150) * 2 + (LABEL == "yes") * 1000
    y = LABEL if task == "classification" else days * 1.0
    dates = pd.to_timedelta(days, "D")
    if kind != "timedelta":
        dates = dates + pd.Timestamp("2020-01-01", tz="UTC" if kind == "zone" else None)
    dates = pd.Series(dates).where(np.arange(150) != 7)
    found = tells_the_target(X.assign(seen=dates), y, task)
    assert found.ok is False and found.text.startswith("seen (")
    shuffled = pd.Series(RANDOM.permutation(dates))
    assert tells_the_target(X[["c"]].assign(seen=shuffled), y, task).ok is True
