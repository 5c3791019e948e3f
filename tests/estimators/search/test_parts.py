"""Parts of a fitted search: nets of one fold, and what is kept to predict."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import KFold

from skreg import RegularizedMLPClassifierCV, RegularizedMLPRegressorCV
from skreg.estimators.search.parts import (
    made_whole,
    parts_of_folds,
    rows_of_folds,
    that_says,
    to_predict,
)

SMALL = {"learning_rate_init": [0.01, 0.03], "hidden_layer_sizes": [(8,), (6,)]}


@pytest.fixture(scope="module")
def rows():
    random = np.random.RandomState(0)
    X = random.normal(size=(90, 3))
    return X, X[:, 0] - X[:, 1] ** 2


@pytest.fixture(scope="module", params=[RegularizedMLPClassifierCV, RegularizedMLPRegressorCV])
def search(request, rows):
    X, y = rows
    if request.param is RegularizedMLPClassifierCV:
        y = np.where(y > -0.5, "up", "down")
    search = request.param(param_grid=SMALL, cv=3, n_repeats=2, halving=False, random_state=0)
    return search.fit(X, y)


def outputs(search, X):
    return search.predict_proba(X) if hasattr(search, "classes_") else search.predict(X)


def outside(search):
    return search.oof_decision_ if hasattr(search, "classes_") else search.oof_predictions_


def test_the_nets_of_a_fold_predict_its_rows_as_out_of_fold(search, rows):
    X, _ = rows
    parts = parts_of_folds(search)
    assert len(parts) == 6 and search.n_repeats_ == 2
    mean = np.zeros_like(outside(search))
    for part, test in parts:
        assert part.estimator_weights_.sum() == pytest.approx(1)
        assert len(part.estimators_) == len(search.ensemble_)
        mean[test] += outputs(part, X[test]) / 2
    np.testing.assert_allclose(mean, outside(search), rtol=1e-4, atol=1e-5)
    # The search itself is as it was.
    assert len(search.estimators_) == 6 * len(search.ensemble_)


def test_rows_of_the_folds_of_a_search(search):
    rows = rows_of_folds(search)
    np.testing.assert_array_equal(np.sort(np.concatenate(rows)), np.arange(90))
    assert len(rows) == 3


def test_trainings_on_the_same_folds_are_one_part(rows):
    X, y = rows
    cv = KFold(3)
    search = RegularizedMLPRegressorCV(param_grid=SMALL, cv=cv, n_repeats=2, random_state=0).fit(
        X, y
    )
    parts = parts_of_folds(search)
    assert len(parts) == 3
    for part, test in parts:
        np.testing.assert_allclose(
            outputs(part, X[test]), outside(search)[test], rtol=1e-4, atol=1e-5
        )


def test_what_is_kept_predicts_the_same_and_has_no_records(search, rows):
    X, _ = rows
    kept = to_predict(search)
    for name in ("cv_results_", "history_", "ensemble_", "oof_decision_", "oof_predictions_"):
        assert not hasattr(kept, name)
    assert kept.cv == 3
    np.testing.assert_array_equal(outputs(made_whole(kept), X), outputs(search, X))
    assert hasattr(search, "cv_results_")


def test_given_predictions_are_said(search, rows):
    X, _ = rows
    said = that_says(search, outside(search))
    np.testing.assert_allclose(outputs(said, X), outside(search), rtol=1e-10)


def test_a_pickle_does_not_know_its_rows(search, rows):
    again = pickle.loads(pickle.dumps(search))
    with pytest.raises(ValueError, match="was copied, pickled, or fitted with refit='all'"):
        parts_of_folds(again)
    refitted = clone(search).set_params(refit="all", n_repeats=1).fit(*_rows_of(search, rows))
    with pytest.raises(ValueError, match="Fit it, with refit=False"):
        rows_of_folds(refitted)


def _rows_of(search, rows):
    X, y = rows
    return X, (np.where(y > -0.5, "up", "down") if hasattr(search, "classes_") else y)
