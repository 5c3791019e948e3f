"""The linear estimators: equal to scikit-learn's, optimal, and what their parameters say."""

from __future__ import annotations

import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.special import expit, log_softmax, softmax
from sklearn.base import clone
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_wine,
    make_classification,
    make_regression,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import (
    ElasticNet,
    Lasso,
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    QuantileRegressor,
    Ridge,
)
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import StandardScaler
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.estimator_checks import check_param_validation

from skreg.estimators.linear import RegularizedLinearClassifier, RegularizedLinearRegressor, l1_max
from tests.checks import parametrize_with_settings

VERSION = tuple(int(part) for part in sklearn.__version__.split(".")[:2])

PENALTIES = {
    "none": {"l1": 0.0, "l2": 0.0},
    "L2": {"l1": 0.0, "l2": 0.05},
    "L1": {"l1": 0.02, "l2": 0.0},
    "both": {"l1": 0.01, "l2": 0.03},
}


def table(n_classes, n=120, seed=0):
    """Classes that overlap, so that J has a minimum without a penalty too."""
    X, y = make_classification(
        n,
        6,
        n_informative=4,
        n_redundant=0,
        n_classes=n_classes,
        n_clusters_per_class=1,
        class_sep=0.5,
        flip_y=0.3,
        random_state=seed,
    )
    return StandardScaler().fit_transform(X), y


def numbers(n_targets=None, n=80, seed=0):
    X, y = make_regression(n, 7, n_informative=4, n_targets=n_targets or 1, random_state=seed)
    y = y + 20 * np.random.default_rng(seed).normal(size=y.shape) + 100
    return StandardScaler().fit_transform(X) + 0.3, y


def counts(n=150, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 5))
    return X, rng.poisson(np.exp(X @ [0.5, -0.3, 0.0, 0.0, 0.2] + 1)).astype(float)


def row_weights(n, seed=1):
    return np.random.default_rng(seed).uniform(0.0, 3.0, n)


# -- scikit-learn's checks -------------------------------------------------------------------------

#: One for each solver.
ESTIMATORS = [
    RegularizedLinearClassifier(),  # Newton's method
    RegularizedLinearClassifier(l1=1e-3, l2=1e-3, class_weight="balanced"),  # L1 by scipy
    RegularizedLinearClassifier(l2=0.0),  # L-BFGS; no minimum where classes can be separated
    RegularizedLinearRegressor(),  # Ridge
    RegularizedLinearRegressor(l1=1e-3, l2=1e-3, scale_target=False),  # coordinate descent
    RegularizedLinearRegressor(l2=0.0, fit_intercept=False),  # least squares
    RegularizedLinearRegressor(loss="poisson"),  # Newton's method behind a link
    RegularizedLinearRegressor(l1=1e-3, l2=0.0, loss="pinball", quantile=0.7),  # a linear program
]


def excused(estimator):
    if getattr(estimator, "loss", None) == "poisson":
        return {
            "check_regressor_multioutput": "it gives targets below zero, whatever positive_only says"
        }
    return {}


@parametrize_with_settings(ESTIMATORS, excused)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("kind", [RegularizedLinearClassifier, RegularizedLinearRegressor])
def test_parameters_are_validated(kind):
    check_param_validation(kind.__name__, kind())


def test_module_imports_no_torch():
    code = "import sys, skreg.estimators.linear; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=120).returncode == 0


# -- classifier: equal to LogisticRegression -------------------------------------------------------


def logistic_regression(X, y, l1, l2, weight, class_weight=None, fit_intercept=True):
    """LogisticRegression of the same objective: C multiplies the sum of the losses."""
    total = len(y) if weight is None else weight.sum()
    if class_weight is not None:
        class_weights = compute_sample_weight(class_weight, y)
        total = np.sum(class_weights if weight is None else class_weights * weight)
    strength = l1 + l2
    solver = "lbfgs" if l1 == 0 else "saga"
    parameters = {"C": 1 / (strength * total) if strength else np.inf, "solver": solver}
    if VERSION >= (1, 8):
        parameters["l1_ratio"] = l1 / strength if strength else 0.0
    elif l1 > 0:
        parameters.update(penalty="elasticnet", l1_ratio=l1 / strength)
    model = LogisticRegression(
        **parameters,
        class_weight=class_weight,
        fit_intercept=fit_intercept,
        tol=1e-10,
        max_iter=100_000,
        random_state=0,
    )
    return model.fit(X, y, sample_weight=weight)


@pytest.mark.parametrize("weighted", [False, True], ids=["unweighted", "weighted"])
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("penalty", PENALTIES)
def test_classifier_equals_logistic_regression(penalty, n_classes, weighted):
    X, y = table(n_classes)
    weight = row_weights(len(y)) if weighted else None
    ours = RegularizedLinearClassifier(**PENALTIES[penalty])
    ours.fit(X, y, sample_weight=weight)
    theirs = logistic_regression(X, y, **PENALTIES[penalty], weight=weight)
    assert_allclose(ours.coef_, theirs.coef_, atol=1e-6)
    # A constant on all logits of a softmax is free: ours sum to zero.
    free = theirs.intercept_.mean() if n_classes > 2 else 0.0
    assert_allclose(ours.intercept_, theirs.intercept_ - free, atol=1e-6)
    assert_allclose(ours.decision_function(X), theirs.decision_function(X) - free, atol=1e-5)
    assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-6)
    assert_array_equal(ours.predict(X), theirs.predict(X))


@pytest.mark.parametrize("penalty", ["L2", "L1"])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_no_intercept_equals_logistic_regression(penalty, n_classes):
    X, y = table(n_classes)
    ours = RegularizedLinearClassifier(**PENALTIES[penalty], fit_intercept=False)
    ours.fit(X, y)
    theirs = logistic_regression(X, y, **PENALTIES[penalty], weight=None, fit_intercept=False)
    assert_allclose(ours.coef_, theirs.coef_, atol=1e-6)
    assert_array_equal(ours.intercept_, np.zeros(1 if n_classes == 2 else n_classes))


@pytest.mark.parametrize("penalty", ["L2", "L1"])
def test_class_weight_dict_equals_logistic_regression(penalty):
    X, codes = table(3)
    y = np.array(["ant", "bee", "cat"])[codes]
    class_weight, weight = {"bee": 2.5, "cat": 0.5}, row_weights(len(y))
    ours = RegularizedLinearClassifier(**PENALTIES[penalty], class_weight=class_weight)
    ours.fit(X, y, sample_weight=weight)
    theirs = logistic_regression(
        X, y, **PENALTIES[penalty], weight=weight, class_weight=class_weight
    )
    assert_array_equal(ours.classes_, ["ant", "bee", "cat"])
    assert_allclose(ours.coef_, theirs.coef_, atol=1e-6)
    assert set(ours.predict(X)) <= {"ant", "bee", "cat"}


def test_balanced_classes_weigh_the_same():
    X, y = table(3)
    rows = np.concatenate(
        [np.flatnonzero(y == 0), np.flatnonzero(y == 1)[:9], np.flatnonzero(y == 2)]
    )
    X, y, weight = X[rows], y[rows], row_weights(len(rows))
    balanced = weight.copy()
    for c in range(3):
        balanced[y == c] /= weight[y == c].sum()
    ours = RegularizedLinearClassifier(l1=0.01, class_weight="balanced")
    by_hand = RegularizedLinearClassifier(l1=0.01).fit(X, y, balanced)
    assert_allclose(ours.fit(X, y, weight).coef_, by_hand.coef_, atol=1e-9)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("solver", ["newton-cholesky", "lbfgs"])
def test_solvers_agree(solver, n_classes):
    if solver == "newton-cholesky" and n_classes == 3 and VERSION < (1, 7):
        pytest.skip("one versus rest before scikit-learn 1.7")
    X, y = table(n_classes)
    model = RegularizedLinearClassifier(l2=0.05, solver=solver).fit(X, y)
    expected = logistic_regression(X, y, 0.0, 0.05, None)
    assert_allclose(model.coef_, expected.coef_, atol=1e-6)


def test_l1_without_intercept_equals_liblinear():
    X, y = table(2)
    X = X + 0.5  # liblinear would penalise an intercept
    ours = RegularizedLinearClassifier(l1=0.02, l2=0.0, fit_intercept=False).fit(X, y)
    penalty = {"l1_ratio": 1.0} if VERSION >= (1, 8) else {"penalty": "l1"}
    theirs = LogisticRegression(
        C=1 / (0.02 * len(y)), solver="liblinear", fit_intercept=False, tol=1e-9, max_iter=10_000
    )
    theirs.set_params(**penalty, random_state=0).fit(X, y)
    assert_allclose(ours.coef_, theirs.coef_, atol=1e-6)
    assert_array_equal(ours.coef_ == 0, theirs.coef_ == 0)


# -- regressor: equal to Ridge, Lasso, ElasticNet, ... ---------------------------------------------


def linear_regression(l1, l2, total, fit_intercept=True):
    """The scikit-learn estimator of the same objective for an unscaled target."""
    if l1 == 0:
        return (
            Ridge(l2 * total, fit_intercept=fit_intercept)
            if l2
            else LinearRegression(fit_intercept=fit_intercept)
        )
    tight = {"tol": 1e-13, "max_iter": 100_000, "fit_intercept": fit_intercept}
    return ElasticNet(l1 + l2, l1_ratio=l1 / (l1 + l2), **tight) if l2 else Lasso(l1, **tight)


@pytest.mark.parametrize("scale_target", [False, True], ids=["units", "standardised"])
@pytest.mark.parametrize("weighted", [False, True], ids=["unweighted", "weighted"])
@pytest.mark.parametrize("n_targets", [None, 3])
@pytest.mark.parametrize("penalty", PENALTIES)
def test_regressor_equals_scikit_learn(penalty, n_targets, weighted, scale_target):
    X, y = numbers(n_targets)
    weight = row_weights(len(y)) if weighted else None
    mean, std = 0.0, 1.0
    if scale_target:
        mean = np.average(y, axis=0, weights=weight)
        std = np.sqrt(np.average((y - mean) ** 2, axis=0, weights=weight))
    ours = RegularizedLinearRegressor(**PENALTIES[penalty], scale_target=scale_target)
    ours.fit(X, y, sample_weight=weight)
    total = len(y) if weight is None else weight.sum()
    theirs = linear_regression(**PENALTIES[penalty], total=total)
    theirs.fit(X, (y - mean) / std, sample_weight=weight)
    assert ours.coef_.shape == theirs.coef_.shape
    assert np.shape(ours.intercept_) == np.shape(theirs.intercept_)
    assert_allclose(ours.coef_, (theirs.coef_.T * std).T, rtol=1e-6, atol=1e-6)
    assert_allclose(ours.predict(X), theirs.predict(X) * std + mean, rtol=1e-6)


@pytest.mark.parametrize("penalty", PENALTIES)
def test_regressor_without_intercept_equals_scikit_learn(penalty):
    X, y = numbers()
    ours = RegularizedLinearRegressor(**PENALTIES[penalty], fit_intercept=False).fit(X, y)
    theirs = linear_regression(**PENALTIES[penalty], total=len(y), fit_intercept=False)
    theirs.fit(X, y / y.std())
    assert ours.intercept_ == 0.0
    assert_allclose(ours.coef_, theirs.coef_ * y.std(), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("l2", [0.0, 0.05])
def test_poisson_equals_poisson_regressor(l2):
    X, y = counts()
    weight = row_weights(len(y))
    ours = RegularizedLinearRegressor(l2=l2, loss="poisson", scale_target=False)
    ours.fit(X, y, sample_weight=weight)
    theirs = PoissonRegressor(alpha=l2, tol=1e-10, max_iter=1000).fit(X, y, sample_weight=weight)
    assert_allclose(ours.coef_, theirs.coef_, atol=1e-6)
    assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-6)


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_poisson_divides_targets_by_their_mean_inside(fit_intercept):
    X, y = counts()
    common = {"l2": 0.02, "loss": "poisson", "fit_intercept": fit_intercept}
    scaled = RegularizedLinearRegressor(**common).fit(X, y)
    divisor = y.mean() if fit_intercept else 1.0
    by_hand = RegularizedLinearRegressor(**common, scale_target=False).fit(X, y / divisor)
    assert_allclose(scaled.coef_, by_hand.coef_, atol=1e-9)
    assert_allclose(scaled.predict(X), by_hand.predict(X) * divisor)


@pytest.mark.parametrize(
    "loss, quantile, factor", [("pinball", 0.8, 1.0), ("absolute_error", 0.5, 0.5)]
)
def test_pinball_equals_quantile_regressor(loss, quantile, factor):
    X, y = numbers()
    weight = row_weights(len(y))
    ours = RegularizedLinearRegressor(
        l1=0.05, l2=0.0, loss=loss, quantile=quantile, scale_target=False
    ).fit(X, y, sample_weight=weight)
    theirs = QuantileRegressor(quantile=quantile, alpha=0.05 * factor)
    theirs.fit(X, y, sample_weight=weight)
    assert_allclose(ours.coef_, theirs.coef_, atol=1e-6)
    assert ours.intercept_ == pytest.approx(theirs.intercept_, abs=1e-6)


# -- optimality, whatever the solver ---------------------------------------------------------------


def gradient(model, X, y, weight=None):
    """Gradient of mean loss plus L2 penalty, written out: (outputs, columns), (outputs,)."""
    w = (np.ones(len(y)) if weight is None else weight) / (
        len(y) if weight is None else weight.sum()
    )
    raw = (X @ model.coef_.T + model.intercept_).reshape(len(y), -1)
    if hasattr(model, "classes_"):
        onehot = (y[:, None] == model.classes_).astype(float)
        residual = softmax(raw, axis=1) - onehot if raw.shape[1] > 1 else expit(raw) - onehot[:, 1:]
    else:
        residual = raw - y.reshape(len(y), -1)
    residual = residual * w[:, None]
    return residual.T @ X + model.l2 * np.atleast_2d(model.coef_), residual.sum(axis=0)


def assert_optimal(model, X, y, weight=None, atol=2e-8):
    """0 is in the subdifferential: g = -l1 sign(c) where c is not zero, |g| <= l1 where it is."""
    g, g_intercept = gradient(model, X, y, weight)
    coef = np.atleast_2d(model.coef_)
    unit = np.sqrt(np.mean(X**2, axis=0))
    unit = np.where(unit > 0, unit, 1.0) * (1.0 if weight is None else 3.0)
    on = coef != 0
    assert np.all(np.abs(g + model.l1 * np.sign(coef))[on] <= (atol * unit * np.ones_like(g))[on])
    assert np.all(np.abs(g)[~on] <= (model.l1 + atol * unit * np.ones_like(g))[~on])
    assert np.abs(g_intercept).max() <= 10 * atol


@pytest.mark.parametrize("standardised", [True, False])
@pytest.mark.parametrize("l1", [0.1, 1e-2, 1e-3])
def test_two_classes_with_l1_are_optimal_by_default(l1, standardised):
    X, y = load_breast_cancer(return_X_y=True)
    X = StandardScaler().fit_transform(X) if standardised else X
    model = RegularizedLinearClassifier(l1=l1, l2=0.0).fit(X, y)  # warnings are errors
    assert_optimal(model, X, y)
    assert 0 < model.sparsity_ < 1


def test_two_classes_with_both_penalties_are_optimal():
    X, y = load_breast_cancer(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    model = RegularizedLinearClassifier(l1=1e-2, l2=1e-2).fit(X, y)
    assert_optimal(model, X, y)


@pytest.mark.parametrize("l1, l2", [(0.02, 0.0), (0.01, 0.0), (0.01, 0.01)])
def test_three_classes_are_optimal(l1, l2):
    X, y = load_wine(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    weight = row_weights(len(y))
    model = RegularizedLinearClassifier(l1=l1, l2=l2).fit(X, y, sample_weight=weight)
    assert_optimal(model, X, y, weight)


@pytest.mark.parametrize("l1, l2", [(1e-2, 0.0), (1e-3, 0.0), (1e-2, 1e-2)])
def test_ten_classes_are_optimal(l1, l2):
    X, y = load_digits(return_X_y=True)
    X, y = X[:600], y[:600]
    X = StandardScaler().fit_transform(X)  # some columns are constant
    model = RegularizedLinearClassifier(l1=l1, l2=l2).fit(X, y)
    assert_optimal(model, X, y)
    assert_array_equal(model.coef_[:, X.std(axis=0) == 0], 0.0)
    assert np.abs(model.coef_[model.coef_ != 0]).min() > 1e-4  # none is on its way to zero


@pytest.mark.parametrize("storage", [np.asarray, sparse.csr_matrix])
def test_columns_of_any_scale_are_optimal(storage):
    X, y = table(3)
    scale = 10.0 ** np.arange(-3, 3)
    l1 = 0.5 * l1_max(X * scale, y)
    model = RegularizedLinearClassifier(l1=l1, l2=0.0).fit(storage(X * scale), y)
    assert_optimal(model, X * scale, y)


@pytest.mark.parametrize("l1", [0.3, 0.01, 1e-4])
def test_numbers_are_optimal(l1):
    X, y = load_diabetes(return_X_y=True)
    X, y = StandardScaler().fit_transform(X), y / y.mean()
    weight = row_weights(len(y))
    model = RegularizedLinearRegressor(l1=l1, l2=1e-3, scale_target=False)
    assert_optimal(model.fit(X, y, weight), X, y, weight)


def test_duplicate_columns_are_optimal():
    X, y = table(2)
    X = np.hstack([X, X, X[:, :1] * 5, np.ones((len(X), 1)), np.zeros((len(X), 1))])
    for l2 in (0.0, 1e-3):
        model = RegularizedLinearClassifier(l1=0.005, l2=l2).fit(X, y)
        assert_optimal(model, X, y)
        assert_array_equal(model.coef_[0, -2:], 0.0)


def test_more_columns_than_rows_is_optimal():
    X, y = make_classification(60, 1000, n_informative=10, random_state=0)
    model = RegularizedLinearClassifier(l1=0.01, l2=0.0).fit(X, y)
    assert_optimal(model, X, y)
    assert model.n_weights_ - model.n_zero_weights_ < 60


# -- weights, storage, units -----------------------------------------------------------------------


#: Losses with the penalties that scikit-learn solves.
SOLVED = [
    *(("squared_error", penalty) for penalty in PENALTIES),
    ("poisson", "none"),
    ("poisson", "L2"),
    ("absolute_error", "none"),
    ("absolute_error", "L1"),
]


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("class_weight", [None, "balanced"])
def test_integer_weights_are_repeated_rows(penalty, class_weight):
    X, y = table(3)
    weight = np.random.default_rng(0).integers(0, 4, len(y))
    model = RegularizedLinearClassifier(**PENALTIES[penalty], class_weight=class_weight)
    repeated = clone(model).fit(X.repeat(weight, axis=0), y.repeat(weight))
    weighted = model.fit(X, y, sample_weight=weight)
    assert_allclose(weighted.coef_, repeated.coef_, atol=1e-6)
    assert_allclose(clone(model).fit(X, y, 7.5 * weight).coef_, weighted.coef_, atol=1e-9)


@pytest.mark.parametrize("loss, penalty", SOLVED)
def test_integer_weights_are_repeated_rows_for_numbers(loss, penalty):
    X, y = counts()
    weight = np.random.default_rng(0).integers(0, 4, len(y))
    y = y + np.random.default_rng(1).uniform(size=len(y))  # no ties: one median only
    model = RegularizedLinearRegressor(**PENALTIES[penalty], loss=loss)
    repeated = clone(model).fit(X.repeat(weight, axis=0), y.repeat(weight))
    assert_allclose(model.fit(X, y, weight).coef_, repeated.coef_, atol=1e-6)


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("n_classes", [2, 3])
def test_sparse_classifier_equals_dense(penalty, n_classes):
    X, y = table(n_classes)
    X[np.abs(X) < 0.7] = 0
    model = RegularizedLinearClassifier(**PENALTIES[penalty])
    dense = clone(model).fit(X, y)
    for storage in (sparse.csr_matrix, sparse.csc_array):
        other = clone(model).fit(storage(X), y)
        assert_allclose(other.coef_, dense.coef_, atol=1e-6)
        assert_allclose(other.predict_proba(storage(X)), dense.predict_proba(X), atol=1e-6)


@pytest.mark.parametrize("loss, penalty", SOLVED)
def test_sparse_regressor_equals_dense(loss, penalty):
    X, y = counts()
    X[np.abs(X) < 0.4] = 0
    model = RegularizedLinearRegressor(**PENALTIES[penalty], loss=loss)
    dense, other = clone(model).fit(X, y), clone(model).fit(sparse.csr_matrix(X), y)
    assert_allclose(other.coef_, dense.coef_, atol=1e-6)
    assert_allclose(other.predict(sparse.csr_matrix(X)), dense.predict(X), atol=1e-6)


@pytest.mark.parametrize("l2", [0.0, 1e-3])
def test_wide_sparse_least_squares_equals_dense(l2):
    X = sparse.random(60, 1100, density=0.05, random_state=0, format="csr")
    y = np.random.default_rng(0).normal(size=60)
    model = RegularizedLinearRegressor(l2=l2)
    dense, other = clone(model).fit(X.toarray(), y), clone(model).fit(X, y)
    assert_allclose(other.predict(X), dense.predict(X), atol=1e-5)


def test_columns_of_small_scale_are_not_dropped():
    X, y = numbers()
    X[:, 0] *= 1e-9
    model = RegularizedLinearRegressor(l2=0.0).fit(X, y)
    assert_allclose(model.predict(X), LinearRegression().fit(*numbers()).predict(numbers()[0]))


def test_data_frames_keep_their_names():
    frame, y = load_diabetes(return_X_y=True, as_frame=True)
    model = RegularizedLinearRegressor(l1=0.01).fit(frame, y)
    assert_array_equal(model.feature_names_in_, frame.columns)
    assert model.predict(frame).shape == y.shape
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame[frame.columns[::-1]])


def test_labels_may_be_booleans_or_categories():
    X, y = table(2)
    by_number = RegularizedLinearClassifier().fit(X, y)
    for labels in (y == 1, pd.Series(np.array(["no", "yes"])[y], dtype="category")):
        model = RegularizedLinearClassifier().fit(X, labels)
        assert_array_equal(model.predict(X) == model.classes_[1], by_number.predict(X) == 1)


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error"])
def test_unit_of_the_target_does_not_matter(loss):
    X, y = numbers()
    model = RegularizedLinearRegressor(l1=0.03, l2=0.0, loss=loss)
    first, other = clone(model).fit(X, y), clone(model).fit(X, 1000 * y - 5)
    assert_allclose(other.coef_, 1000 * first.coef_, rtol=1e-6, atol=1e-6)
    assert_allclose(other.predict(X), 1000 * first.predict(X) - 5, rtol=1e-6)


def test_constant_target_is_predicted():
    X, y = numbers()
    y = np.column_stack([y, np.full(len(y), 3.5)])
    model = RegularizedLinearRegressor(l1=0.01).fit(X, y)
    assert_array_equal(model.coef_[1], 0.0)
    assert_allclose(model.predict(X)[:, 1], 3.5)


def test_rare_counts_of_zero_only_are_predicted_near_zero():
    X, y = counts()
    model = RegularizedLinearRegressor(loss="poisson").fit(X, np.zeros_like(y))
    assert np.all(model.predict(X) < 1e-8)


def test_class_without_weight_gets_no_probability():
    X, y = table(3)
    for l1 in (0.0, 0.01):
        model = RegularizedLinearClassifier(l1=l1, l2=0.01).fit(X, y, sample_weight=y != 2)
        assert_array_equal(model.classes_, [0, 1, 2])
        assert model.predict_proba(X)[:, 2].max() < 1e-6


# -- outputs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_classes", [2, 3])
def test_probabilities_fit_together(n_classes):
    X, y = table(n_classes)
    model = RegularizedLinearClassifier(l1=0.01).fit(X, y)
    raw = model.decision_function(X)
    logits = np.column_stack([np.zeros(len(raw)), raw]) if n_classes == 2 else raw
    assert_allclose(model.predict_log_proba(X), log_softmax(logits, axis=1), atol=1e-12)
    assert_allclose(np.exp(model.predict_log_proba(X)), model.predict_proba(X))
    assert_array_equal(model.predict(X), model.classes_[model.predict_proba(X).argmax(axis=1)])
    assert model.score(X, y) == np.mean(model.predict(X) == y)


def test_log_probabilities_do_not_run_out_of_numbers():
    X, y = load_breast_cancer(return_X_y=True)
    model = RegularizedLinearClassifier(l2=1e-2).fit(X, y)
    assert np.all(np.isfinite(model.predict_log_proba(1e6 * X)))


def test_zeros_are_counted_and_grow_with_l1():
    X, y = load_wine(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    shares = []
    for l1 in (0.0, 1e-3, 1e-2, 3e-2, 1.0):
        model = RegularizedLinearClassifier(l1=l1, l2=1e-2).fit(X, y)
        assert model.n_weights_ == 39
        assert model.n_zero_weights_ == np.sum(model.coef_ == 0)
        assert model.sparsity_ == model.n_zero_weights_ / 39
        shares.append(model.sparsity_)
    assert np.all(np.diff(shares) > 0)
    assert shares[-1] == 1.0


@pytest.mark.parametrize(
    "kind, data",
    [(RegularizedLinearClassifier, table(3)), (RegularizedLinearRegressor, numbers(2))],
)
def test_norm_shrinks_with_l2(kind, data):
    norms = [np.linalg.norm(kind(l2=l2).fit(*data).coef_) for l2 in (0.0, 1e-2, 1e-1, 1.0, 10.0)]
    assert np.all(np.diff(norms) < 0)


def test_one_grid_serves_both_penalties():
    X, y = table(2)
    grid = {"l1": [0.0, 1e-2], "l2": [0.0, 1e-2]}
    search = GridSearchCV(RegularizedLinearClassifier(), grid, cv=3).fit(X, y)
    assert set(search.best_params_) == {"l1", "l2"}
    assert np.all(np.isfinite(search.cv_results_["mean_test_score"]))


# -- l1_max ----------------------------------------------------------------------------------------

L1_MAX_CASES = {
    "numbers": (RegularizedLinearRegressor, numbers(), {}),
    "several targets": (RegularizedLinearRegressor, numbers(3), {}),
    "units of the target": (RegularizedLinearRegressor, numbers(), {"scale_target": False}),
    "numbers through the origin": (RegularizedLinearRegressor, numbers(), {"fit_intercept": False}),
    "two classes": (RegularizedLinearClassifier, table(2), {}),
    "three classes": (RegularizedLinearClassifier, table(3), {}),
    "balanced": (RegularizedLinearClassifier, table(3, seed=3), {"class_weight": "balanced"}),
    "classes through the origin": (RegularizedLinearClassifier, table(3), {"fit_intercept": False}),
}


@pytest.mark.parametrize("weighted", [False, True], ids=["unweighted", "weighted"])
@pytest.mark.parametrize("case", L1_MAX_CASES)
def test_l1_max_is_the_least_that_leaves_no_weight(case, weighted):
    kind, (X, y), parameters = L1_MAX_CASES[case]
    weight = row_weights(len(y)) if weighted else None
    strongest = l1_max(X, y, sample_weight=weight, **parameters)

    def n_weights_in_use(share):
        model = kind(l1=share * strongest, l2=0.0, **parameters).fit(X, y, sample_weight=weight)
        return model.n_weights_ - model.n_zero_weights_

    assert n_weights_in_use(1.0001) == 0
    assert n_weights_in_use(0.9) > 0


@pytest.mark.parametrize("n_classes", [2, 3])
def test_beyond_l1_max_the_intercepts_are_the_shares_of_the_classes(n_classes):
    X, y = table(n_classes)
    weight = row_weights(len(y)) * np.array([1.0, 9.0, 3.0])[y]
    model = RegularizedLinearClassifier(l1=10.0).fit(X, y, sample_weight=weight)
    shares = np.bincount(y, weights=weight) / weight.sum()
    assert_allclose(model.predict_proba(X), np.tile(shares, (len(y), 1)))
    assert (model.sparsity_, model.n_iter_) == (1.0, 0)


def test_l1_max_of_sparse_and_of_labels():
    X, y = table(3)
    X[np.abs(X) < 0.7] = 0
    expected = l1_max(X, y)
    assert l1_max(sparse.csr_matrix(X), y) == pytest.approx(expected)
    assert l1_max(X, np.array(["a", "b", "c"])[y]) == pytest.approx(expected)
    assert l1_max(X, y, task="classification") == expected
    assert l1_max(X, y, task="regression") != pytest.approx(expected)


def test_l1_max_takes_many_integers_for_numbers():
    X, y = load_diabetes(return_X_y=True)
    assert l1_max(X, y.astype(int)) == l1_max(X, y.astype(int), task="regression")


def test_l1_max_has_no_class_weight_for_numbers():
    with pytest.raises(ValueError, match=r"class_weight='balanced' .* Use class_weight=None"):
        l1_max(*numbers(), class_weight="balanced")


def test_many_weights_with_l2_only_go_to_lbfgs():
    X, y = make_classification(100, 1200, random_state=0)
    model = RegularizedLinearClassifier(l2=0.1).fit(X, y)
    assert_optimal(model, X, y)


# -- convergence and errors ------------------------------------------------------------------------


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("load", [load_breast_cancer, load_wine])
def test_defaults_converge_on_standardised_classes(load, penalty):
    X, y = load(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    model = RegularizedLinearClassifier(**PENALTIES[penalty]).fit(X, y)  # warnings are errors
    assert model.score(X, y) > 0.9


def test_defaults_converge_on_raw_classes():
    X, y = load_breast_cancer(return_X_y=True)
    assert RegularizedLinearClassifier().fit(X, y).score(X, y) > 0.95


@pytest.mark.parametrize("solver, l1", [("newton-cholesky", 0.0), ("lbfgs", 0.0), ("lbfgs", 1e-3)])
def test_solvers_that_stop_early_say_what_to_do(solver, l1):
    model = RegularizedLinearClassifier(l1=l1, l2=1e-3, solver=solver, max_iter=1)
    with pytest.warns(ConvergenceWarning) as seen:
        model.fit(*table(2))
    ours = [str(w.message) for w in seen if "RegularizedLinearClassifier" in str(w.message)]
    (text,) = ours
    assert f"{solver} ended after 1 iterations (max_iter=1) before it reached tol=1e-08." in text
    assert text.endswith("raise l1 or l2, or raise max_iter or tol.")


def test_tol_below_rounding_ends_at_the_minimum():
    X, y = table(3)
    exact = RegularizedLinearClassifier(l1=0.01, tol=1e-300)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a matter of the last digit
        exact.fit(X, y)
    assert exact.n_iter_ < 1000
    assert_allclose(RegularizedLinearClassifier(l1=0.01).fit(X, y).coef_, exact.coef_, atol=1e-6)


def test_warnings_of_scikit_learn_are_passed_on():
    X, y = table(2)
    with pytest.warns(ConvergenceWarning, match="max_iter"):
        RegularizedLinearClassifier(solver="lbfgs", max_iter=1).fit(X, y)
    with pytest.warns(ConvergenceWarning, match="Objective did not converge"):
        RegularizedLinearRegressor(l1=1e-3, max_iter=1).fit(*numbers())


def test_penalty_that_a_solver_lacks_is_refused():
    model = RegularizedLinearClassifier(l1=0.1, solver="newton-cholesky")
    with pytest.raises(ValueError, match=r"'newton-cholesky' has no L1 .* l1=0.1. Use l1=0, or"):
        model.fit(*table(2))


def test_newton_cholesky_of_old_scikit_learn_is_refused(monkeypatch):
    from skreg.estimators.linear import by_sklearn

    monkeypatch.setattr(by_sklearn, "VERSION", (1, 6))
    with pytest.raises(ValueError, match=r"one versus rest for 3 classes. Use solver='auto'"):
        RegularizedLinearClassifier(solver="newton-cholesky").fit(*table(3))


@pytest.mark.parametrize(
    "loss, name, other",
    [("absolute_error", "l2", "l1"), ("pinball", "l2", "l1"), ("poisson", "l1", "l2")],
)
def test_penalty_without_a_solver_is_refused(loss, name, other):
    model = RegularizedLinearRegressor(loss=loss, **{name: 0.1, other: 0.0})
    text = rf"loss='{loss}' has no {name.upper()} .* {name}=0.1. Use {name}=0 \(with {other} .*MLP"
    with pytest.raises(ValueError, match=text):
        model.fit(*counts())


def test_loss_without_a_solver_is_not_allowed():
    with pytest.raises(ValueError, match=r"'loss' parameter .* must be a str among .* 'huber'"):
        RegularizedLinearRegressor(loss="huber").fit(*numbers())


def test_negative_counts_are_refused():
    X, y = counts()
    with pytest.raises(ValueError, match=r"'poisson' needs targets >= 0, .* -1. Use loss="):
        RegularizedLinearRegressor(loss="poisson").fit(X, y - y.min() - 1)


def test_one_class_is_refused():
    X, y = table(2)
    with pytest.raises(ValueError, match=r"one class only, .*0.* Check how the rows"):
        RegularizedLinearClassifier().fit(X, 0 * y)
    with pytest.raises(ValueError, match=r"one class only, .*0.* Check how the rows"):
        l1_max(X, 0 * y)


@pytest.mark.parametrize("kind", [RegularizedLinearClassifier, RegularizedLinearRegressor])
def test_weights_that_make_no_sense_are_refused(kind):
    X, y = table(2)
    with pytest.raises(ValueError, match=r"Negative values in data .* least is -1, allowed"):
        kind().fit(X, y, sample_weight=np.where(y == 1, -1.0, 1.0))
    with pytest.raises(
        ValueError, match=r"sample_weight is zero for every row.* Give at least one"
    ):
        kind().fit(X, y, sample_weight=np.zeros(len(y)))


@pytest.mark.parametrize(
    ("class_weight", "message"),
    [
        ({0: -1.0}, r"has the weight -1\.0 for the class 0\. Allowed are finite numbers"),
        ({0: 0.0, 1: 0.0}, r"class_weight if any, is zero for every row: no rows are left"),
    ],
)
def test_class_weights_that_make_no_sense_are_refused(class_weight, message):
    with pytest.raises(ValueError, match=message):
        RegularizedLinearClassifier(class_weight=class_weight).fit(*table(2))


@pytest.mark.parametrize("kind", [RegularizedLinearClassifier, RegularizedLinearRegressor])
def test_digits_do_not_depend_on_where_a_table_lies_in_memory(kind):
    X = np.random.default_rng(0).normal(size=(50, 7))
    model = kind().fit(X, X[:, 0] > 0)
    predict = model.decision_function if kind is RegularizedLinearClassifier else model.predict
    strided = np.repeat(X, 2, axis=1)[:, ::2]
    for table in (np.asfortranarray(X), strided, pd.DataFrame(X).to_numpy()):
        assert_array_equal(predict(table), predict(X))


def test_a_linear_program_without_a_solution_is_said():
    X = np.random.default_rng(0).normal(size=(60, 3))
    y = X[:, 0].copy()
    y[:5] = 1e300
    model = RegularizedLinearRegressor(loss="absolute_error", l2=0.0)
    with pytest.raises(ValueError, match=r"no solution in floating point\. Leave out or clip"):
        model.fit(X, y)
