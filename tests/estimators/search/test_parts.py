"""Parts of a fitted search: nets of one fold, and what is kept to predict."""

from __future__ import annotations

import numpy as np
import pytest

from skreg import RegularizedMLPClassifierCV, RegularizedMLPRegressorCV
from skreg.estimators.search.parts import made_whole, of_fold, that_says, to_predict

SMALL = {"learning_rate_init": [0.01, 0.03], "hidden_layer_sizes": [(8,), (6,)]}


@pytest.fixture(scope="module")
def rows():
    random = np.random.RandomState(0)
    X = random.normal(size=(90, 3))
    return X, X[:, 0] - X[:, 1] ** 2


@pytest.fixture(scope="module", params=[RegularizedMLPClassifierCV, RegularizedMLPRegressorCV])
def search(request, rows):
    X, y = rows
    order = np.arange(90)
    cv = [(order[order % 3 != k], order[order % 3 == k]) for k in range(3)]
    if request.param is RegularizedMLPClassifierCV:
        y = np.where(y > -0.5, "up", "down")
    return request.param(param_grid=SMALL, cv=cv, halving=False, random_state=0).fit(X, y)


def outputs(search, X):
    return search.predict_proba(X) if hasattr(search, "classes_") else search.predict(X)


def outside(search):
    return search.oof_decision_ if hasattr(search, "classes_") else search.oof_predictions_


def test_the_nets_of_a_fold_predict_its_rows_as_out_of_fold(search, rows):
    X, _ = rows
    for k, (_, test) in enumerate(search.cv):
        part = of_fold(search, k)
        assert part.estimator_weights_.sum() == pytest.approx(1)
        np.testing.assert_allclose(
            outputs(part, X[test]), outside(search)[test], rtol=1e-4, atol=1e-5
        )
    # The search itself is as it was.
    assert len(search.estimators_) == 3 * len(search.ensemble_)


def test_what_is_kept_predicts_the_same_and_has_no_records(search, rows):
    X, _ = rows
    kept = to_predict(search)
    for name in ("cv_results_", "history_", "ensemble_", "oof_decision_", "oof_predictions_"):
        assert not hasattr(kept, name)
    assert kept.cv == 3
    np.testing.assert_array_equal(outputs(made_whole(kept), X), outputs(search, X))
    assert hasattr(search, "cv_results_") and isinstance(search.cv, list)


def test_given_predictions_are_said(search, rows):
    X, _ = rows
    said = that_says(search, outside(search))
    np.testing.assert_allclose(outputs(said, X), outside(search), rtol=1e-10)
