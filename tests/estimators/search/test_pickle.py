"""A fitted search in pickles and copies: small, and the same predictions."""

from __future__ import annotations

import copy
import io
import pickle

import joblib
import numpy as np
import pytest
from sklearn.base import clone

from skreg import (
    RegularizedMLPClassifier,
    RegularizedMLPClassifierCV,
    RegularizedMLPRegressor,
    RegularizedMLPRegressorCV,
)
from skreg.backends import prediction
from skreg.estimators.search.run import Search

NET = {"hidden_layer_sizes": (40, 30), "max_iter": 3, "batch_size": 32, "max_time": 60.0}
GRID = {"dropout": [0.0, 0.2], "scale_features": ["robust", "quantile"]}
KNOWN = {"random_state": 0, "halving": False}


def all_of_them(search):
    """A choice of each setting."""
    return np.full(len(search.kept), 1 / len(search.kept))


@pytest.fixture(autouse=True, scope="module")
def all_settings_are_chosen():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Search, "ensemble_weights", all_of_them)
        # Else prediction turns to its compiled kernel at some call, and from then on rounds otherwise.
        patch.setattr(prediction, "LEAST", float("inf"))
        yield


def table(times=1):
    X = np.random.default_rng(0).normal(size=(120, 5))
    return np.tile(X, (times, 1)), np.tile(X[:, 0] - np.abs(X[:, 1]), times)


def classifier(**changes):
    options = {"param_grid": GRID, "cv": 3, "n_repeats": 1, **KNOWN, **changes}
    return RegularizedMLPClassifierCV(RegularizedMLPClassifier(**NET), **options)


def regressor(**changes):
    options = {"param_grid": GRID, "cv": 3, "n_repeats": 1, **KNOWN, **changes}
    return RegularizedMLPRegressorCV(RegularizedMLPRegressor(**NET), **options)


CASES = {
    "classifier": (classifier(scoring="balanced_accuracy"), lambda v: np.where(v > 0, "a", "b")),
    "regressor": (regressor(), lambda v: v),
    "on all rows": (regressor(refit="all"), lambda v: v),
}


@pytest.fixture(params=CASES, scope="module")
def fitted(request):
    search, target = CASES[request.param]
    X, value = table()
    return search.fit(X, target(value)), X


def outputs(search, X):
    return search.predict_proba(X) if hasattr(search, "classes_") else search.predict(X)


def by_joblib(search):
    file = io.BytesIO()
    joblib.dump(search, file)
    file.seek(0)
    return joblib.load(file)


COPIES = {
    "pickle": lambda search: pickle.loads(pickle.dumps(search)),
    "joblib": by_joblib,
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
}


@pytest.mark.parametrize("way", COPIES)
def test_a_copy_predicts_the_same_and_prepares_a_table_as_often(fitted, way):
    search, X = fitted
    other = COPIES[way](search)
    np.testing.assert_array_equal(outputs(other, X), outputs(search, X))
    np.testing.assert_array_equal(other.predict(X), search.predict(X))
    assert other._mixture.tables == search._mixture.tables
    ways = {id(net._columns) for net in search.estimators_}
    assert len({id(net._columns) for net in other.estimators_}) == len(ways)
    assert all(a is b for a, b in zip(other._mixture.nets, other.estimators_, strict=True))
    assert other.ensemble_.equals(search.ensemble_)


def test_nets_share_a_preparation_for_each_fold_and_way_of_scaling(fitted):
    """What a fold's rows tell of a column is no matter of the dropout rate."""
    search, _ = fitted
    folds = 1 if search.refit == "all" else 3
    assert len(search.estimators_) == 4 * folds
    assert len({id(net._columns) for net in search.estimators_}) == 2 * folds


def test_it_is_little_more_than_its_weights(fitted):
    search, _ = fitted
    params = [array for net in search.estimators_ for array in net._params.values()]
    assert {array.dtype for array in params} == {np.dtype("float32")}
    n_bytes, n_nets = sum(array.nbytes for array in params), len(search.estimators_)
    columns = {id(net._columns): net._columns for net in search.estimators_}.values()
    prepared = sum(len(pickle.dumps(one)) for one in columns)
    outside = "oof_decision_" if hasattr(search, "classes_") else "oof_predictions_"
    known = n_bytes + prepared + getattr(search, outside).nbytes
    size = len(pickle.dumps(search))
    assert known < size < known + 2600 * n_nets + 10_000


def test_to_predict_adds_nothing(fitted):
    search, X = fitted
    fresh = pickle.loads(pickle.dumps(search))
    size = len(pickle.dumps(fresh))
    before = dict(vars(fresh))
    outputs(fresh, X), fresh.predict(X), fresh.module_
    assert vars(fresh) == before and len(pickle.dumps(fresh)) == size


def test_it_grows_by_what_is_predicted_out_of_fold_alone():
    """No rows, no jobs and no targets are kept."""
    sizes, outside = [], []
    for times in (1, 30):
        search = regressor(n_settings=1, param_grid={"dropout": [0.1]}, cv=2)
        X, y = table(times)
        search.set_params(estimator__patience=3).fit(X, y)
        sizes.append(len(pickle.dumps(search)))
        outside.append(search.oof_predictions_.nbytes)
    assert abs((sizes[1] - sizes[0]) - (outside[1] - outside[0])) < 400


def test_a_clone_is_not_fitted_and_fits_to_the_same(fitted):
    search, X = fitted
    other = clone(search)
    assert not [name for name in vars(other) if name.endswith("_") or name.startswith("_")]
    y = np.where(table()[1] > 0, "a", "b") if hasattr(search, "classes_") else table()[1]
    np.testing.assert_array_equal(outputs(other.fit(X, y), X), outputs(search, X))
