"""Losses that models of a kind share."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import log_loss, mean_squared_error
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skreg import RegularizedLinearClassifier, RegularizedLinearRegressor, RegularizedMLPClassifier
from skreg.selection.losses import loss_of


@pytest.fixture(scope="module")
def X():
    return np.random.default_rng(0).normal(size=(90, 3))


@pytest.mark.parametrize("coding", [(0, 1), (-1, 1)])
def test_rows_without_any_label_are_such_rows(X, coding):
    """By themselves they do not tell which of the two values stands for a label."""
    Y = np.where(X[:, :2] > 0.3, coding[1], coding[0])
    net = RegularizedMLPClassifier((4,), max_iter=5, random_state=0)
    for model in (net, make_pipeline(StandardScaler(), net)):
        model.fit(X, Y)
        for rows in ((coding[0] == Y).all(axis=1), np.ones(len(Y), dtype=bool)):
            proba = model.predict_proba(X[rows])
            pairs = np.stack([1 - proba, proba], axis=2).reshape(-1, 2)
            known = log_loss(Y[rows].ravel(), pairs, labels=coding)
            assert loss_of(model, X[rows], Y[rows]) == pytest.approx(known)


def test_of_classes_and_numbers_they_are_scikit_learns(X):
    weight = np.random.default_rng(1).uniform(size=len(X))
    labels = np.where(X[:, 0] > 0, "yes", "no")
    model = RegularizedLinearClassifier(l2=0.1).fit(X, labels)
    known = log_loss(labels, model.predict_proba(X), sample_weight=weight)
    assert loss_of(model, X, labels, weight) == pytest.approx(known)
    y = X @ [1.0, 2.0, 0.0]
    model = RegularizedLinearRegressor(l2=0.5).fit(X, y)
    known = mean_squared_error(y, model.predict(X), sample_weight=weight)
    assert loss_of(model, X, y, weight) == pytest.approx(known)


def test_a_class_that_was_not_in_training_has_the_largest_loss(X):
    model = RegularizedLinearClassifier(l2=0.1).fit(X, np.where(X[:, 0] > 0, "b", "c"))
    for new in ("a", "bb", "z"):
        assert loss_of(model, X[:1], np.array([new])) == pytest.approx(-np.log(1e-15))
