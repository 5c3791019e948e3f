"""The estimators inside scikit-learn's own tools, unmodified: one test each."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from scipy.stats import loguniform
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_iris
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    BaggingRegressor,
    StackingClassifier,
    VotingRegressor,
)
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import brier_score_loss
from sklearn.model_selection import (
    GridSearchCV,
    RandomizedSearchCV,
    cross_validate,
    learning_curve,
    validation_curve,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor

#: Small, quick to learn, and the same on each run.
NET = {
    "hidden_layer_sizes": (16,),
    "learning_rate_init": 0.03,
    "max_iter": 30,
    "batch_size": 16,
    "random_state": 0,
}


@pytest.fixture(scope="module")
def iris():
    X, y = load_iris(return_X_y=True)
    return StandardScaler().fit_transform(X), y


@pytest.fixture(scope="module")
def waves():
    """Two informative columns and one of noise."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3))
    return X, 10.0 + 3.0 * np.sin(X[:, 0]) + X[:, 1] + 0.1 * rng.normal(size=200)


@pytest.fixture
def classifier():
    return RegularizedMLPClassifier(**NET)


@pytest.fixture
def regressor():
    return RegularizedMLPRegressor(**NET, dropout=0.0)


def test_pipeline(iris, classifier):
    X, y = 100.0 * iris[0] + 5000.0, iris[1]
    model = make_pipeline(StandardScaler(), classifier).fit(X, y)
    assert model.score(X, y) > 0.9
    # The step is the net that one would fit by hand.
    by_hand = clone(classifier).fit(StandardScaler().fit_transform(X), y)
    np.testing.assert_array_equal(model[-1].coefs_[0], by_hand.coefs_[0])


def test_grid_search(iris, classifier):
    grid = {"dropout": [0.0, 0.2, 0.9], "l2": [0.0, 10.0], "batch_norm": [False]}
    search = GridSearchCV(classifier, grid, cv=3).fit(*iris)
    assert search.best_score_ > 0.9
    assert search.best_params_["l2"] == 0.0
    scores = pd.DataFrame(search.cv_results_).pivot_table(
        index="param_dropout", columns="param_l2", values="mean_test_score"
    )
    assert (scores[10.0] < scores[0.0] - 0.1).all()
    assert search.best_estimator_.dropout == search.best_params_["dropout"]


@pytest.mark.slow
def test_grid_search_over_processes_equals_the_serial_one(iris, classifier):
    grid = {"dropout": [0.0, 0.5], "hidden_layer_sizes": [(8,), ()]}
    serial = GridSearchCV(classifier, grid, cv=3).fit(*iris)
    with parallel_config("loky", inner_max_num_threads=1):
        processes = GridSearchCV(classifier, grid, cv=3, n_jobs=2).fit(*iris)
    np.testing.assert_allclose(
        serial.cv_results_["mean_test_score"], processes.cv_results_["mean_test_score"], atol=1e-12
    )
    assert serial.best_params_ == processes.best_params_


def test_randomized_search(iris, classifier):
    rates = {"learning_rate_init": loguniform(1e-6, 0.1)}
    search = RandomizedSearchCV(classifier, rates, n_iter=4, cv=3, random_state=0).fit(*iris)
    tried = search.cv_results_["param_learning_rate_init"].astype(float)
    assert len(set(tried)) == 4
    # 30 epochs at the smallest of these rates are too few.
    assert tried.min() < 1e-3
    assert search.best_params_["learning_rate_init"] > tried.min()
    assert search.best_score_ > 0.9


def test_cross_validate(waves, regressor):
    out = cross_validate(
        regressor,
        *waves,
        cv=3,
        scoring=["r2", "neg_mean_absolute_error"],
        return_train_score=True,
        return_estimator=True,
    )
    assert out["test_r2"].min() > 0.7
    assert (out["test_r2"] <= 1).all()
    assert len({net.coefs_[0].tobytes() for net in out["estimator"]}) == 3


@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
def test_calibrated_classifier(iris, method):
    X, y = iris[0], iris[1] == 1
    rng = np.random.default_rng(0)
    y = np.where(rng.random(len(y)) < 0.2, ~y, y)
    timid = RegularizedMLPClassifier(**NET, label_smoothing=0.8)
    calibrated = CalibratedClassifierCV(timid, cv=3, method=method).fit(X, y)
    loss = brier_score_loss(y, calibrated.predict_proba(X)[:, 1])
    assert loss < brier_score_loss(y, clone(timid).fit(X, y).predict_proba(X)[:, 1])


def test_bagging_classifier(iris, classifier):
    X, y = iris
    bag = BaggingClassifier(classifier, n_estimators=4, oob_score=False, random_state=0).fit(X, y)
    assert bag.score(X, y) > 0.9
    members = [net.predict_proba(X) for net in bag.estimators_]
    assert np.ptp(members, axis=0).max() > 0.05
    np.testing.assert_allclose(bag.predict_proba(X), np.mean(members, axis=0), rtol=1e-10)


def test_bagging_regressor_smooths(waves, regressor):
    X, y = waves
    bag = BaggingRegressor(regressor, n_estimators=5, random_state=0).fit(X[:100], y[:100])
    errors = [np.mean((net.predict(X[100:]) - y[100:]) ** 2) for net in bag.estimators_]
    assert np.mean((bag.predict(X[100:]) - y[100:]) ** 2) < np.mean(errors)


def test_ada_boost(iris):
    """Boosting needs sample weights: one unit draws one border where the task has two."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 2))
    y = (np.abs(X[:, 0]) > 0.7).astype(int)
    weak = RegularizedMLPClassifier(
        **{**NET, "hidden_layer_sizes": (1,)},
        numeric_embedding=None,
        activation="tanh",
        batch_norm=False,
        dropout=0.0,
        early_stopping=False,
    )
    alone = clone(weak).fit(X, y).score(X, y)
    boosted = AdaBoostClassifier(weak, n_estimators=10, random_state=0).fit(X, y)
    assert len(boosted.estimators_) > 1
    assert boosted.score(X, y) > alone + 0.05


def test_one_vs_rest(iris, classifier):
    X, y = iris
    model = OneVsRestClassifier(classifier).fit(X, y)
    assert model.score(X, y) > 0.9
    for k, net in enumerate(model.estimators_):
        binary = clone(classifier).fit(X, (y == k).astype(int))
        np.testing.assert_array_equal(net.predict_proba(X), binary.predict_proba(X))


def test_multi_output_regressor(waves, regressor):
    X, y = waves
    Y = np.column_stack([y, -2.0 * y])
    model = MultiOutputRegressor(regressor).fit(X, Y)
    assert model.predict(X).shape == Y.shape
    np.testing.assert_array_equal(model.predict(X)[:, 0], clone(regressor).fit(X, y).predict(X))
    assert model.score(X, Y) > 0.8


def test_stacking(iris, classifier):
    X, y = iris
    few = [0, 1]
    model = StackingClassifier(
        [("net", classifier), ("linear", LogisticRegression())], cv=3, passthrough=False
    ).fit(X[:, few], y)
    assert model.score(X[:, few], y) > 0.7
    assert model.transform(X[:, few]).shape == (150, 6)
    np.testing.assert_array_equal(
        model.transform(X[:, few])[:, :3], model.named_estimators_["net"].predict_proba(X[:, few])
    )


def test_voting(waves, regressor):
    X, y = waves
    model = VotingRegressor([("net", regressor), ("linear", LinearRegression())]).fit(X, y)
    parts = [e.predict(X) for e in model.estimators_]
    np.testing.assert_allclose(model.predict(X), np.mean(parts, axis=0), rtol=1e-12)
    assert model.score(X, y) > 0.7


def test_permutation_importance(waves, regressor):
    X, y = waves
    net = regressor.fit(X, y)
    importance = permutation_importance(net, X, y, n_repeats=5, random_state=0).importances_mean
    assert importance.argmax() == 0
    assert importance[2] < 0.1 * importance[1] < importance[0]


def test_partial_dependence(waves, regressor):
    X, y = waves
    net = regressor.fit(X, y)
    result = partial_dependence(net, X, [0], kind="average", grid_resolution=9)
    known = 3.0 * np.sin(result["grid_values"][0])
    assert np.corrcoef(result["average"][0], known)[0, 1] > 0.97
    assert result["average"][0].mean() == pytest.approx(y.mean(), abs=0.5)


def test_partial_dependence_of_a_classifier(iris, classifier):
    result = partial_dependence(classifier.fit(*iris), iris[0], [2], kind="average")
    setosa, _, virginica = result["average"]
    assert setosa[0] > setosa[-1]
    assert virginica[0] < virginica[-1]


def test_set_output(iris, classifier):
    X, y = iris
    frame = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    model = make_pipeline(StandardScaler(), classifier).set_output(transform="pandas")
    model.fit(frame, y)
    assert model[-1].feature_names_in_.tolist() == ["a", "b", "c", "d"]
    np.testing.assert_array_equal(
        model.predict(frame), clone(classifier).fit(StandardScaler().fit_transform(X), y).predict(X)
    )


def test_learning_curve(waves, regressor):
    sizes, _, test = learning_curve(regressor, *waves, train_sizes=[10, 130], cv=3)
    assert sizes.tolist() == [10, 130]
    assert test.mean(axis=1)[1] > test.mean(axis=1)[0] + 0.1


def test_validation_curve(waves):
    net = RegularizedMLPRegressor(
        **NET,
        numeric_embedding=None,
        batch_norm=False,
        dropout=0.0,
        weight_decay=0.0,
        early_stopping=False,
    )
    train, test = validation_curve(net, *waves, param_name="l2", param_range=[0.0, 0.1, 10.0], cv=3)
    assert np.all(np.diff(train.mean(axis=1)) < 0)  # more l2, worse fit of the training rows
    assert test.mean(axis=1)[-1] < 0.1
