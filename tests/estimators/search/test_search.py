"""The searches: equal to fits one by one, budgets, interrupts, scikit-learn's contract."""

from __future__ import annotations

import copy
import pickle
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import loguniform, uniform
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import make_classification, make_multilabel_classification, make_regression
from sklearn.exceptions import FitFailedWarning, NotFittedError
from sklearn.metrics import balanced_accuracy_score, get_scorer, log_loss, make_scorer
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    RepeatedKFold,
    StratifiedKFold,
    TimeSeriesSplit,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_param_validation

from skreg import (
    RegularizedMLPClassifier,
    RegularizedMLPClassifierCV,
    RegularizedMLPRegressor,
    RegularizedMLPRegressorCV,
)
from skreg.estimators.search import run
from tests.checks import parametrize_with_settings

SEARCHES = (RegularizedMLPClassifierCV, RegularizedMLPRegressorCV)

SMALL = {
    "hidden_layer_sizes": (8,),
    "batch_size": 16,
    "learning_rate_init": 0.02,
    "max_iter": 8,
    "patience": 4,
}

SPACE = {"dropout": uniform(0, 0.5), "learning_rate_init": loguniform(1e-3, 1e-1)}


def net(kind, **changes):
    cls = (
        RegularizedMLPClassifier if kind is RegularizedMLPClassifierCV else RegularizedMLPRegressor
    )
    return cls(**{**SMALL, **changes})


def search(kind, estimator=None, **changes):
    """A small search; names of a net's parameters go to the net."""
    own = {k: changes.pop(k) for k in list(changes) if k in kind().get_params(deep=False)}
    estimator = net(kind, **changes) if estimator is None else estimator
    defaults = {"cv": 3, "n_repeats": 1, "random_state": 0}
    if "param_grid" not in own:
        defaults |= {"param_distributions": SPACE, "n_settings": 4}
    return kind(estimator, **{**defaults, **own})


def table(kind=RegularizedMLPClassifierCV, n=90, n_classes=3):
    """Rows, targets and weights, some of them zero."""
    rng = np.random.default_rng(0)
    X, y = make_regression(n, 5, n_informative=3, noise=20.0, random_state=0)
    if kind is RegularizedMLPClassifierCV:
        y = np.array(["ash", "beech", "oak"])[np.digitize(y, [-50, 50] if n_classes == 3 else [0])]
    return X, y, rng.integers(0, 3, n) * rng.uniform(0.5, 2.0, n)


def values(model, X):
    """What is averaged."""
    return model.predict_proba(X) if hasattr(model, "predict_proba") else model.predict(X)


def outside(model):
    """Predictions out of fold."""
    return getattr(model, "oof_decision_", getattr(model, "oof_predictions_", None))


def assert_same(one, other, X):
    assert_array_equal(values(one, X), values(other, X))
    for name in ("pooled_test_score", "loss", "rung", "n_epochs"):
        assert_array_equal(one.cv_results_[name], other.cv_results_[name])
    assert one.best_params_ == other.best_params_
    pd.testing.assert_frame_equal(one.ensemble_, other.ensemble_)


# -- scikit-learn's contract ----------------------------------------------------------------------


def expected_failures(estimator):
    reason = "which rows a fold has depends on how many rows there are"
    return {
        "check_sample_weight_equivalence_on_dense_data": reason,
        "check_sample_weight_equivalence_on_sparse_data": reason,
    }


@pytest.mark.filterwarnings("ignore:The least populated class in y")
@parametrize_with_settings(
    [
        kind(
            net(kind, learning_rate_init=0.05, max_iter=15),
            param_distributions={"dropout": [0.0, 0.1]},
            n_settings=2,
            cv=2,
            n_repeats=2,
            random_state=0,
        )
        for kind in SEARCHES
    ],
    expected_failures,
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("kind", SEARCHES)
def test_param_validation(kind):
    check_param_validation(kind.__name__, search(kind))


# -- equal to fits one by one -----------------------------------------------------------------------

GRID = {"dropout": [0.0, 0.3], "weight_decay": [0.0, 0.1], "batch_norm": [True, False]}


@pytest.mark.parametrize("kind", SEARCHES)
def test_equal_to_the_same_settings_fitted_one_by_one(kind):
    X, y, weight = table(kind)
    folds = list((StratifiedKFold if kind is SEARCHES[0] else KFold)(3).split(X, y))
    model = search(
        kind, dtype="float64", param_grid=GRID, cv=folds, halving=False, ensemble=False
    ).fit(X, y, sample_weight=weight)
    seed = model.estimators_[0].random_state
    losses = []
    for setting in model.cv_results_["params"]:
        total = 0.0
        for train, test in folds:
            one = net(kind, dtype="float64", random_state=seed, **setting)
            kept = weight[test] > 0
            one.fit(
                X[train],
                y[train],
                sample_weight=weight[train],
                X_val=X[test][kept],
                y_val=y[test][kept],
                sample_weight_val=weight[test][kept],
            )
            total += one.best_loss_ * weight[test].sum()
        losses.append(total / weight.sum())
    assert_allclose(model.cv_results_["loss"], losses, rtol=0, atol=1e-8)
    # The nets of the best setting are those nets, and predict so out of fold.
    best = model.cv_results_["params"][model.best_index_]
    found = outside(model)
    for i, (train, test) in enumerate(folds):
        kept = weight[test] > 0
        one = net(kind, dtype="float64", random_state=seed, **best)
        one.fit(
            X[train],
            y[train],
            sample_weight=weight[train],
            X_val=X[test][kept],
            y_val=y[test][kept],
            sample_weight_val=weight[test][kept],
        )
        assert_allclose(values(model.estimators_[i], X), values(one, X), rtol=0, atol=1e-8)
        assert_allclose(found[test][kept], values(one, X[test][kept]), rtol=0, atol=1e-8)
    assert np.isnan(found[weight == 0]).all()


@pytest.mark.parametrize("kind", SEARCHES)
def test_ranks_as_grid_search_does(kind):
    X, y, _ = table(kind, n=150)
    scoring = "neg_log_loss" if kind is SEARCHES[0] else "neg_mean_squared_error"
    folds = list((StratifiedKFold if kind is SEARCHES[0] else KFold)(3).split(X, y))
    estimator = net(kind, dtype="float64", early_stopping=False)
    model = search(kind, estimator, param_grid=GRID, cv=folds, scoring=scoring, halving=False)
    model.fit(X, y)
    estimator = clone(estimator).set_params(random_state=model.estimators_[0].random_state)
    grid = GridSearchCV(estimator, GRID, scoring=scoring, cv=folds, refit=False).fit(X, y)
    assert model.cv_results_["params"] == grid.cv_results_["params"]
    for k in range(3):
        name = f"split{k}_test_score"
        assert_allclose(model.cv_results_[name], grid.cv_results_[name], rtol=1e-6, atol=1e-8)
    for name in ("mean_test_score", "std_test_score"):
        assert_allclose(model.cv_results_[name], grid.cv_results_[name], rtol=1e-6, atol=1e-8)
    for name in grid.cv_results_:
        assert name in model.cv_results_, name


@pytest.mark.parametrize("kind", SEARCHES)
def test_rungs_change_no_net_that_comes_to_the_end(kind):
    X, y, _ = table(kind)
    halved, whole = (
        search(kind, n_settings=6, max_iter=20, dtype="float64", halving=halving).fit(X, y)
        for halving in (True, False)
    )
    there = halved.cv_results_["state"] == "finished"
    assert 1 <= there.sum() < 6
    assert (whole.cv_results_["state"] == "finished").all()
    for name in ("loss", "pooled_test_score", "n_epochs"):
        assert_array_equal(halved.cv_results_[name][there], whole.cv_results_[name][there])


def test_the_ensemble_is_the_weighted_mean_of_its_nets():
    X, y, _ = table()
    model = search(SEARCHES[0], n_settings=6).fit(X, y)
    assert model.estimator_weights_.sum() == pytest.approx(1.0)
    assert len(model.estimators_) == 3 * len(model.ensemble_)
    mean = sum(
        w * one.predict_proba(X)
        for w, one in zip(model.estimator_weights_, model.estimators_, strict=True)
    )
    assert_allclose(model.predict_proba(X), mean, rtol=0, atol=1e-9)
    assert_array_equal(model.predict(X), model.classes_[mean.argmax(axis=1)])
    assert_allclose(model.predict_log_proba(X), np.log(mean), atol=1e-6)
    assert_allclose(
        model.oof_score_, -log_loss(y, model.oof_decision_, labels=model.classes_), atol=1e-6
    )
    assert model.ensemble_["weight"].sum() == pytest.approx(1.0)


@pytest.mark.parametrize("kind", SEARCHES)
def test_without_an_ensemble_the_best_setting_is_kept(kind):
    X, y, _ = table(kind)
    model = search(kind, ensemble=False).fit(X, y)
    assert len(model.estimators_) == 3
    assert model.oof_score_ == model.best_score_
    assert model.ensemble_["setting"].tolist() == [model.best_index_]
    assert model.best_score_ == np.nanmax(model.cv_results_["pooled_test_score"])
    assert model.cv_results_["rank_test_score"][model.best_index_] == 1
    assert model.best_params_ == model.cv_results_["params"][model.best_index_]


@pytest.mark.parametrize("kind", SEARCHES)
def test_refit_trains_one_net_a_setting_on_all_rows(kind):
    X, y, _ = table(kind)
    model = search(kind, refit="all", ensemble=False, dtype="float64").fit(X, y)
    folds = search(kind, ensemble=False, dtype="float64").fit(X, y)
    assert len(model.estimators_) == 1 and len(folds.estimators_) == 3
    assert model.best_params_ == folds.best_params_
    # The pooled validation loss of the folds is least at this epoch.
    curves = [one.history_["valid_loss"] for one in folds.estimators_]
    size = min(map(len, curves))
    epoch = 1 + int(np.argmin(np.mean([curve[:size] for curve in curves], axis=0)))
    one = model.estimators_[0]
    assert one.stopped_by_ == "max_iter"
    # As many steps: the folds have 60 rows, 4 minibatches, and all rows are 6 of them.
    assert one.n_iter_ == -(-epoch * 4 // 6)
    assert not np.allclose(values(model, X), values(folds, X), atol=1e-3)


@pytest.mark.parametrize("kind", SEARCHES)
def test_repeats_add_nets_of_other_folds_and_seeds(kind):
    X, y, _ = table(kind)
    one, two = (search(kind, n_repeats=n, dtype="float64").fit(X, y) for n in (1, 2))
    assert (one.n_repeats_, two.n_repeats_) == (1, 2)
    assert len(two.estimators_) == 2 * len(one.estimators_) == 6 * len(two.ensemble_)
    pd.testing.assert_frame_equal(one.ensemble_, two.ensemble_)
    # the nets of the search are among them, and the others have learned from other rows
    seeds = {net.random_state for net in two.estimators_}
    assert len(seeds) == 2 and {net.random_state for net in one.estimators_} < seeds
    first, second = (
        np.stack([values(net, X) for net in two.estimators_ if net.random_state == seed])
        for seed in sorted(seeds, key=lambda s: s != one.estimators_[0].random_state)
    )
    weights = np.repeat(one.ensemble_["weight"].to_numpy() / 3, 3)
    found = np.tensordot(weights, (first + second) / 2, 1)
    assert_allclose(values(two, X), found, atol=1e-9)
    assert_allclose(values(one, X), np.tensordot(weights, first, 1), atol=1e-9)
    assert two.oof_score_ != one.oof_score_


def test_repeats_of_splits_that_are_given_differ_by_their_seeds():
    X, y, _ = table()
    model = search(SEARCHES[0], cv=StratifiedKFold(3), n_repeats=2).fit(X, y)
    assert model.n_repeats_ == 2
    valid = search(SEARCHES[0], n_repeats=3).fit(X[:60], y[:60], X_val=X[60:], y_val=y[60:])
    assert valid.n_repeats_ == 3 and len(valid.estimators_) == 3 * len(valid.ensemble_)


@pytest.mark.parametrize(("rows", "times"), [(200, 3), (1500, 1)])
def test_few_rows_are_gone_through_more_often(rows, times):
    X, y = make_classification(rows, 4, random_state=0)
    settings = {"max_iter": 1, "batch_size": 256, "hidden_layer_sizes": (2,)}
    model = search(SEARCHES[0], n_settings=1, n_repeats="auto", **settings).fit(X, y)
    assert model.n_repeats_ == times


# -- repeatable -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", SEARCHES)
def test_the_same_seed_gives_the_same_model(kind):
    X, y, _ = table(kind)
    one = search(kind).fit(X, y)
    assert_same(one, search(kind).fit(X, y), X)
    assert_same(one, clone(one).fit(X, y), X)
    assert not np.array_equal(values(one, X), values(search(kind, random_state=1).fit(X, y), X))


def test_the_size_of_waves_depends_on_no_clock(monkeypatch):
    X, y, _ = table()
    one = search(SEARCHES[0], n_settings=6).fit(X, y)

    slow = run.submit_in_block

    def submit_in_block(jobs, seconds=None):
        time.sleep(0.05)
        return slow(jobs, seconds=seconds)

    monkeypatch.setattr(run, "submit_in_block", submit_in_block)
    assert_same(one, search(SEARCHES[0], n_settings=6).fit(X, y), X)


@pytest.mark.usefixtures("entropy_of_the_system")
def test_global_generators_are_left_alone():
    X, y, _ = table()
    before = np.random.get_state()[1].copy()
    search(SEARCHES[0], random_state=None).fit(X, y)
    assert_array_equal(np.random.get_state()[1], before)


# -- rows -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", SEARCHES)
def test_rows_of_weight_zero_are_as_if_they_were_not_there(kind):
    X, y, weight = table(kind)
    kept = weight > 0
    one = search(kind).fit(X, y, sample_weight=weight)
    other = search(kind).fit(X[kept], y[kept], sample_weight=weight[kept])
    assert_same(one, other, X)
    assert_array_equal(outside(one)[kept], outside(other))
    assert np.isnan(outside(one)[~kept]).all()


@pytest.mark.parametrize("kind", SEARCHES)
def test_weights_count_in_the_score(kind):
    X, y, weight = table(kind)
    model = search(kind, ensemble=False).fit(X, y, sample_weight=weight)
    kept = weight > 0
    if kind is SEARCHES[0]:
        known = log_loss(
            y[kept], outside(model)[kept], sample_weight=weight[kept], labels=model.classes_
        )
    else:
        mean = np.average(y, weights=weight)
        scale2 = np.average((y - mean) ** 2, weights=weight)
        error = np.average((y[kept] - outside(model)[kept]) ** 2, weights=weight[kept])
        known = error / (2 * scale2)
    assert -model.best_score_ == pytest.approx(known, rel=1e-5)


def test_class_weights_count_as_weights_of_rows():
    X, y, _ = table(n_classes=2)
    by_class = {"ash": 1.0, "beech": 4.0}
    one = search(SEARCHES[0], class_weight=by_class).fit(X, y)
    other = search(SEARCHES[0]).fit(X, y, sample_weight=np.where(y == "beech", 4.0, 1.0))
    assert_allclose(one.predict_proba(X), other.predict_proba(X), atol=1e-6)
    assert one.best_score_ == pytest.approx(other.best_score_, abs=1e-6)


@pytest.mark.parametrize("kind", SEARCHES)
def test_validation_rows_take_the_place_of_folds(kind):
    X, y, weight = table(kind)
    model = search(kind).fit(X[:60], y[:60], X_val=X[60:], y_val=y[60:])
    assert model.n_splits_ == 1
    assert outside(model).shape[0] == 30
    assert_allclose(outside(model), values(model, X[60:]), rtol=1e-5, atol=1e-6)
    weighted = search(kind).fit(
        X[:60], y[:60], X_val=X[60:], y_val=y[60:], sample_weight_val=weight[60:]
    )
    assert weighted.best_score_ != model.best_score_
    with pytest.raises(ValueError, match="y_val"):
        search(kind).fit(X[:60], y[:60], X_val=X[60:])


def test_groups_are_never_on_both_sides():
    X, y, _ = table()
    groups = np.arange(90) // 9
    model = search(SEARCHES[0], ensemble=False).fit(X, y, groups=groups)
    by_hand = search(SEARCHES[0], ensemble=False, cv=GroupKFold(3)).fit(X, y, groups=groups)
    for one in (model, by_hand):
        # Rows that a net predicts as out of fold are those of whole groups.
        found = np.stack([net.predict_proba(X) for net in one.estimators_])
        which = np.abs(found - one.oof_decision_).max(axis=2).argmin(axis=0)
        assert all(len(set(which[groups == g])) == 1 for g in range(10))
    with pytest.raises(ValueError, match="4 groups"):
        search(SEARCHES[0], cv=5).fit(X, y, groups=np.arange(90) % 4)


def test_time_series_leave_the_first_rows_without_predictions():
    X, y, _ = table(SEARCHES[1])
    model = search(SEARCHES[1], cv=TimeSeriesSplit(3)).fit(X, y)
    missing = np.isnan(model.oof_predictions_)
    assert missing[:24].all() and not missing[24:].any()


def test_folds_that_predict_a_row_twice_are_refused():
    X, y, _ = table()
    with pytest.raises(ValueError, match="more than once"):
        search(SEARCHES[0], cv=RepeatedKFold(n_splits=3, n_repeats=2)).fit(X, y)


def test_few_rows_get_more_folds():
    X, y, _ = table()
    assert search(SEARCHES[0], cv=None, n_settings=1).fit(X, y).n_splits_ == 8


@pytest.mark.parametrize("kind", SEARCHES)
def test_a_raw_table(kind):
    X, y, _ = table(kind)
    df = pd.DataFrame(X, columns=[f"c{j}" for j in range(5)])
    df["c0"] = np.where(df["c0"] > 0, "high", "low")
    df.loc[::7, "c1"] = np.nan
    space = {
        "scale_features": ["robust", "quantile"],
        "category_embedding": ["onehot", "embedding"],
    }
    model = search(kind, param_distributions=space, halving=False).fit(df, y)
    assert list(model.feature_names_in_) == list(df)
    assert np.isfinite(values(model, df)).all()
    new = df[:3].assign(c0="unseen")
    assert np.isfinite(values(model, new)).all()


def test_multilabel():
    X, y = make_multilabel_classification(80, 5, n_classes=3, random_state=0)
    model = search(SEARCHES[0]).fit(X, y)
    assert model.predict_proba(X).shape == (80, 3)
    assert set(np.unique(model.predict(X))) <= {0, 1}
    assert model.oof_decision_.shape == (80, 3)


def test_several_targets():
    X, y = make_regression(80, 5, n_targets=2, random_state=0)
    model = search(SEARCHES[1]).fit(X, y)
    assert model.predict(X).shape == model.oof_predictions_.shape == (80, 2)


@pytest.mark.parametrize("loss", ["absolute_error", "huber", "poisson", "pinball"])
def test_every_loss_scores_by_itself(loss):
    X, y, _ = table(SEARCHES[1])
    y = np.exp(y / 100)
    model = search(SEARCHES[1], loss=loss, ensemble=False, max_iter=15).fit(X, y)
    assert np.isfinite(model.best_score_)
    if loss == "absolute_error":
        known = np.abs(y - model.oof_predictions_).mean() / model._template._target_scale[0]
        assert -model.best_score_ == pytest.approx(known, rel=1e-5)
    if loss == "poisson":
        rate = model.oof_predictions_ / y.mean()
        assert -model.best_score_ == pytest.approx(
            np.mean(rate - y / y.mean() * np.log(rate)), rel=1e-5
        )


@pytest.mark.filterwarnings("ignore:The least populated class in y")
def test_a_class_that_a_fold_lacks():
    X, y, _ = table()
    y = y.copy()
    y[:2] = "rare"
    model = search(SEARCHES[0], scoring="loss").fit(X, y)
    assert list(model.classes_) == ["ash", "beech", "oak", "rare"]
    assert np.isfinite(model.oof_score_)


# -- scoring and decision ---------------------------------------------------------------------------


def test_a_scorer_chooses_the_best_setting():
    X, y, _ = table(n=150)
    model = search(SEARCHES[0], scoring="accuracy", n_settings=6, halving=False).fit(X, y)
    labels = model.classes_[model.oof_decision_.argmax(axis=1)]
    assert model.oof_score_ == pytest.approx(np.mean(labels == y))
    assert model.best_score_ == model.cv_results_["pooled_test_score"].max()


def test_a_callable_sees_the_rows_as_they_were_passed():
    X, y, _ = table()
    df = pd.DataFrame(X, columns=list("abcde"))
    seen = []

    def scorer(estimator, rows, target):
        seen.append(list(rows.columns))
        return float(np.mean(estimator.predict(rows) == target))

    model = search(SEARCHES[0], scoring=scorer, n_settings=2).fit(df, y)
    assert seen and all(columns == list("abcde") for columns in seen)
    assert 0 <= model.best_score_ <= 1


def test_auto_decides_by_shares_where_the_score_is_balanced_accuracy():
    X, y = make_classification(200, 5, weights=[0.85], flip_y=0.15, random_state=0)
    proba = search(SEARCHES[0], scoring="balanced_accuracy").fit(X, y)
    plain = search(SEARCHES[0], scoring="accuracy").fit(X, y)
    forced = search(SEARCHES[0], scoring="accuracy", decision="balanced").fit(X, y)
    own = search(SEARCHES[0], scoring=make_scorer(balanced_accuracy_score)).fit(X, y)
    assert_array_equal(proba.predict(X), (proba.predict_proba(X)[:, 1] > np.mean(y)).astype(int))
    assert_array_equal(own.predict(X), proba.predict(X))
    assert_array_equal(plain.predict(X), (plain.predict_proba(X)[:, 1] > 0.5).astype(int))
    assert forced.predict(X).mean() > plain.predict(X).mean()
    assert get_scorer("balanced_accuracy")(proba, X, y) > get_scorer("balanced_accuracy")(
        plain, X, y
    )


# -- budgets and interrupts ---------------------------------------------------------------------------


def test_time_is_kept_and_tries_many_settings():
    X, y, _ = table(n=300)
    search(SEARCHES[0], n_settings=1).fit(X, y)  # kernels are loaded
    began = time.perf_counter()
    model = search(SEARCHES[0], n_settings=None, max_time=4.0, max_iter=15).fit(X, y)
    seconds = time.perf_counter() - began
    assert len(model.cv_results_["params"]) > 8
    assert 2.0 < seconds < 6.0  # a busy machine is given its time


def test_no_time_at_all_still_fits_the_first_setting():
    X, y, _ = table()
    model = search(SEARCHES[0], n_settings=None, max_time=1e-6).fit(X, y)
    assert model.best_index_ == 0 and len(model.cv_results_["params"]) == 1
    assert np.isfinite(model.predict_proba(X)).all()


def test_an_interrupt_leaves_the_best_so_far(monkeypatch):
    X, y, _ = table()
    calls, train = [], run.submit_in_block

    def submit_in_block(jobs, seconds=None):
        results = train(jobs, seconds=seconds)
        calls.append(len(jobs))
        if len(calls) == 2:
            for result in results:
                result.interrupted = True
        return results

    monkeypatch.setattr(run, "submit_in_block", submit_in_block)
    model = search(SEARCHES[0], max_iter=40, n_settings=8)
    with pytest.raises(KeyboardInterrupt, match="fitted with the best"):
        model.fit(X, y)
    assert len(calls) == 2
    assert np.isfinite(model.predict_proba(X)).all()
    assert len(model.ensemble_) >= 1


def test_an_interrupt_before_there_is_a_net_leaves_the_estimator_as_it_was(monkeypatch):
    X, y, _ = table()

    def submit_in_block(jobs, seconds=None):
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "submit_in_block", submit_in_block)
    model = search(SEARCHES[0])
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    with pytest.raises(NotFittedError):
        model.predict(X)


# -- wrong input --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "error", "match"),
    [
        ({"param_distributions": {"drop_out": [0.1]}}, ValueError, "drop_out"),
        ({"param_distributions": [["dropout"]]}, TypeError, "not a dict"),
        ({"param_distributions": SPACE, "param_grid": GRID}, ValueError, "one of them"),
        ({"estimator": StandardScaler()}, TypeError, "predict|is not a"),
        ({"cv": 1}, ValueError, "'cv' parameter"),
        ({"cv": 1000}, ValueError, "from 2 to 90"),
        ({"scoring": "r2_score"}, ValueError, "scoring"),
        ({"refit": True}, ValueError, "refit"),
        ({"n_settings": 0}, ValueError, "n_settings"),
        ({"max_time": -1}, ValueError, "max_time"),
    ],
)
def test_mistakes_are_named_before_training(changes, error, match, monkeypatch):
    monkeypatch.setattr(run, "submit_in_block", lambda *a, **k: pytest.fail("it trained"))
    X, y, _ = table()
    with pytest.raises(error, match=match):
        SEARCHES[0](**{"cv": 3, **changes}).fit(X, y)


def test_an_estimator_with_callbacks_is_refused():
    X, y, _ = table()
    with pytest.raises(ValueError, match="callbacks"):
        search(SEARCHES[0], callbacks=[object()]).fit(X, y)


def test_settings_that_cannot_be_trained_are_left_out():
    X, y, _ = table()
    with pytest.warns(FitFailedWarning, match="1 of 3 settings"):
        model = search(SEARCHES[0], param_grid={"dropout": [0.0, 2.0, 0.1]}).fit(X, y)
    assert model.cv_results_["state"][1] == "failed"
    assert np.isnan(model.cv_results_["pooled_test_score"][1])
    with pytest.raises(ValueError, match="dropout"):
        search(SEARCHES[0], param_grid={"dropout": [2.0, 3.0]}).fit(X, y)


def test_settings_that_diverge_are_lost():
    X, y, _ = table(SEARCHES[1])
    grid = {"learning_rate_init": [0.01, 1e30], "solver": ["sgd"]}
    model = search(SEARCHES[1], param_grid=grid, batch_norm=False).fit(X, y)
    assert model.best_index_ == 0
    assert np.isfinite(model.predict(X)).all()


# -- inside of scikit-learn ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", SEARCHES)
def test_inside_of_scikit_learns_tools(kind):
    X, y, _ = table(kind)
    pipeline = make_pipeline(StandardScaler(), search(kind, n_settings=2))
    found = cross_validate(pipeline, X, y, cv=2, error_score="raise")
    assert np.isfinite(found["test_score"]).all()


@pytest.mark.parametrize("kind", SEARCHES)
def test_batched_with_others_it_is_the_same(kind):
    X, y, _ = table(kind)
    model = search(kind, n_settings=3, dtype="float64")
    alone = cross_validate(model, X, y, cv=2, return_estimator=True)
    with parallel_config(backend="skreg"):
        batched = cross_validate(model, X, y, cv=2, return_estimator=True)
    for one, other in zip(alone["estimator"], batched["estimator"], strict=True):
        assert_allclose(values(one, X), values(other, X), rtol=0, atol=1e-8)


def test_an_executor_trains_it(pool):
    X, y, _ = table()
    alone = search(SEARCHES[0], dtype="float64").fit(X, y)
    with parallel_config(backend="skreg", executor=pool):
        model = search(SEARCHES[0], dtype="float64").fit(X, y)
    assert pool.sent > 1
    assert_allclose(model.predict_proba(X), alone.predict_proba(X), rtol=0, atol=1e-8)


@pytest.fixture
def pool():
    """Two threads in place of machines, which count what they are sent."""

    class Pool(ThreadPoolExecutor):
        sent = 0

        def submit(self, *args, **kwargs):
            self.sent += 1
            return super().submit(*args, **kwargs)

    with Pool(2) as pool:
        yield pool


def test_calibration():
    X, y, _ = table(n_classes=2)
    model = CalibratedClassifierCV(search(SEARCHES[0], n_settings=2), cv=2).fit(X, y)
    assert np.isfinite(model.predict_proba(X)).all()


@pytest.mark.parametrize("kind", SEARCHES)
def test_pickles_and_copies_predict_the_same(kind):
    X, y, _ = table(kind)
    model = search(kind).fit(X, y)
    for other in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        assert_array_equal(values(other, X), values(model, X))
        assert not hasattr(clone(other), "estimators_")


def test_a_second_fit_forgets_the_first():
    X, y, _ = table()
    model = search(SEARCHES[0]).fit(X, y)
    again = clone(model).fit(X[:, :3], y)
    assert_same(model.fit(X[:, :3], y), again, X[:, :3])
    assert model.n_features_in_ == 3


def test_an_error_leaves_the_estimator_as_it_was():
    X, y, _ = table()
    model = search(SEARCHES[0]).fit(X, y)
    before = model.predict_proba(X)
    with pytest.raises(ValueError, match="n_settings"):
        model.set_params(n_settings=-1).fit(X, y)
    assert_array_equal(model.predict_proba(X), before)


def test_progress_is_told(capsys):
    X, y, _ = table()
    search(SEARCHES[0], n_settings=6, max_iter=40, verbose=1).fit(X, y)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) >= 2
    assert all(line.startswith("[RegularizedMLPClassifierCV] 6 settings, epoch") for line in lines)
    search(SEARCHES[0]).fit(X, y)
    assert capsys.readouterr().out == ""


def test_history_tells_of_every_rung():
    X, y, _ = table()
    model = search(SEARCHES[0], n_settings=6, max_iter=40).fit(X, y)
    history = model.history_
    assert sorted(history["setting"].unique()) == list(range(6))
    assert (history.groupby("setting")["epoch"].diff().dropna() >= 0).all()
    assert (history.groupby("setting")["loss"].diff().dropna() <= 0).all()  # the best so far
    last = history.groupby("setting")["loss"].last()
    assert_array_equal(last.to_numpy(), model.cv_results_["loss"])


# -- what is refused before anything is trained --------------------------------------------------------


class Untrained:
    """Fails where a search begins to train."""

    def __call__(self, *args, **options):
        raise AssertionError("a net was trained")


@pytest.fixture
def no_training(monkeypatch):
    monkeypatch.setattr(run, "submit_in_block", Untrained())


ROWS = np.arange(90)


@pytest.mark.parametrize(
    ("cv", "message"),
    [
        (iter([]), r"made no splits\. An iterator gives its splits once: pass list"),
        ([], r"cv=\[\] made no splits"),
        ([(ROWS[:50], ROWS[50:] + 1)], "for rows. Its parts are numbers of rows, from 0 to 89"),
        ([(ROWS[:50] * 1.0, ROWS[50:])], "or a mask of 90 booleans"),
        ([(ROWS < 50, ROWS[:7] < 3)], "or a mask of 90 booleans"),
        ((ROWS[:50], ROWS[50:]), "is no splitter and no list of pairs of arrays"),
        ([3, 4], "is no splitter and no list of pairs of arrays"),
        ([(ROWS, ROWS[:0])], "made a split of 90 rows to train on and 0 to predict"),
    ],
)
@pytest.mark.usefixtures("no_training")
def test_folds_that_are_none(cv, message):
    X, y, _ = table()
    model = search(RegularizedMLPClassifierCV, cv=cv)
    before = dict(vars(model))
    with pytest.raises(ValueError, match=message) as error:
        model.fit(X, y)
    assert len(str(error.value)) < 400  # not all numbers of all rows
    assert vars(model) == before


def test_masks_are_folds():
    X, y, _ = table()
    by_numbers, by_masks = (
        search(RegularizedMLPClassifierCV, cv=cv).fit(X, y)
        for cv in ([(ROWS[:50], ROWS[50:])], [(ROWS < 50, ROWS >= 50)])
    )
    assert_same(by_numbers, by_masks, X)


def failing(estimator, X, y):
    raise ZeroDivisionError("division by zero")


@pytest.mark.parametrize(
    ("scoring", "error", "message"),
    [
        (
            "f1",
            ValueError,
            "scoring='f1' cannot be used for this target: (Target is multi|pos_label=1).*Choose a m",
        ),
        ("roc_auc", ValueError, "scoring='roc_auc' cannot be used for this target: multi_class"),
        (failing, ZeroDivisionError, "scoring=failing cannot be used.*division by zero"),
        (lambda e, X, y: "a", ValueError, "returned 'a' for predictions that are right"),
        (lambda e, X, y: None, ValueError, "returned None for .*returns one number"),
        (lambda e, X, y: np.nan, ValueError, "returned nan for .*cannot tell settings apart"),
    ],
)
@pytest.mark.usefixtures("no_training")
def test_scorers_that_fail_do_so_before_training(scoring, error, message):
    X, y, _ = table()
    with pytest.raises(error, match=message):
        search(RegularizedMLPClassifierCV, scoring=scoring).fit(X, y)


@pytest.mark.usefixtures("no_training")
def test_a_metric_of_numbers_above_zero_is_refused_for_others():
    X, y, _ = table(RegularizedMLPRegressorCV)
    with pytest.raises(ValueError, match="'neg_mean_squared_log_error' cannot be used for this"):
        search(RegularizedMLPRegressorCV, scoring="neg_mean_squared_log_error").fit(X, y)


def minus_log_of_squares(estimator, X, y):
    return -np.log(np.mean((estimator.predict(X) - y) ** 2))


@pytest.mark.parametrize("scoring", ["neg_mean_poisson_deviance", minus_log_of_squares])
def test_metrics_that_have_no_value_for_exact_predictions_are_taken(scoring):
    X, y, _ = table(RegularizedMLPRegressorCV)
    counts = np.floor(np.abs(y - y.mean()) / y.std())
    assert (counts == 0).any()
    model = search(RegularizedMLPRegressorCV, scoring=scoring)
    model.set_params(estimator__loss="poisson").fit(X, counts)
    assert np.isfinite(model.best_score_)
