"""Ensembles: scikit-learn's bags, one stack, one epoch at which all stop."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import sklearn
from joblib import parallel_config
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import make_multilabel_classification, make_regression
from sklearn.ensemble import BaggingClassifier, BaggingRegressor
from sklearn.exceptions import NotFittedError
from sklearn.metrics import accuracy_score, log_loss, r2_score
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.utils.estimator_checks import check_param_validation
from sklearn.utils.fixes import parse_version, sp_version

import skreg
from skreg import (
    BaggedMLPClassifier,
    BaggedMLPRegressor,
    RegularizedMLPClassifier,
    RegularizedMLPRegressor,
)
from skreg.estimators.bagging import members
from tests.checks import parametrize_with_settings

SMALL = {
    "hidden_layer_sizes": (8,),
    "scale_features": None,
    "batch_size": 16,
    "learning_rate_init": 0.02,
    "max_iter": 6,
    "patience": 3,
    "validation_fraction": 0.25,
    "dtype": "float64",
}

BAGS = (BaggedMLPClassifier, BaggedMLPRegressor)

#: From this version on, scikit-learn draws rows in proportion to their weights.
DRAWS_BY_WEIGHT = parse_version(sklearn.__version__) >= parse_version("1.8")


def net(kind, **changes):
    cls = RegularizedMLPClassifier if kind is BaggedMLPClassifier else RegularizedMLPRegressor
    return cls(**{**SMALL, **changes})


def bag(kind, estimator=None, **changes):
    """A small ensemble; names of a net's parameters go to the net."""
    own = {k: changes.pop(k) for k in list(changes) if k in kind().get_params(deep=False)}
    estimator = net(kind, **changes) if estimator is None else estimator
    return kind(estimator, **{"n_estimators": 4, "random_state": 0, **own})


def table(kind=BaggedMLPClassifier, n=80, n_classes=3):
    """Rows, targets and weights, some of them zero."""
    rng = np.random.default_rng(0)
    X, y = make_regression(n, 5, n_informative=3, noise=20.0, random_state=0)
    if kind is BaggedMLPClassifier:
        y = np.array(["ash", "beech", "oak"])[np.digitize(y, [-50, 50] if n_classes == 3 else [0])]
    return X, y, rng.integers(0, 3, n) * rng.uniform(0.5, 2.0, n)


def probabilities(model, X):
    """What is averaged."""
    return model.predict_proba(X) if hasattr(model, "predict_proba") else model.predict(X)


def params_of(model):
    return [values for name in sorted(model._params) for values in (model._params[name],)]


def assert_same_nets(one, other, atol=1e-12):
    assert len(one.estimators_) == len(other.estimators_)
    for a, b in zip(one.estimators_, other.estimators_, strict=True):
        for x, y in zip(params_of(a), params_of(b), strict=True):
            assert_allclose(x, y, rtol=0, atol=atol)


# -- scikit-learn's contract ----------------------------------------------------------------------

QUICK = {
    "hidden_layer_sizes": (16,),
    "scale_features": "robust",
    "learning_rate_init": 0.05,
    "max_iter": 15,
}

#: One minibatch, float64, nothing random but the seeds: integer weights equal repeated rows.
EXACT = {
    **QUICK,
    "dropout": 0.0,
    "batch_norm": False,
    "weight_decay": 0.0,
    "early_stopping": False,
    "batch_size": 1000,
    "max_iter": 30,
    "dtype": "float64",
}


def expected_failures(estimator):
    if not estimator.bootstrap:
        return {}
    reason = "which rows are drawn depends on how many rows there are"
    return {
        "check_sample_weight_equivalence_on_dense_data": reason,
        "check_sample_weight_equivalence_on_sparse_data": reason,
    }


# One check has a column of mean 100 and standard deviation 1, of which a few epochs make nothing.
@pytest.mark.filterwarnings("ignore:On the validation rows this .* is worse than a constant")
@parametrize_with_settings(
    [
        setting
        for kind in BAGS
        for setting in (
            # Of the five rows that one check leaves, an unlucky draw would be held out whole.
            kind(net(kind, **QUICK, dtype="float32"), n_estimators=3, random_state=0),
            # nothing is drawn or held out: no check is excused
            kind(net(kind, **EXACT), n_estimators=2, bootstrap=False),
        )
    ],
    expected_failures,
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("kind", BAGS)
def test_param_validation(kind):
    check_param_validation(kind.__name__, kind(net(kind), n_estimators=2))


@pytest.mark.parametrize("kind", BAGS)
def test_parameters_of_the_net_have_names(kind):
    model = bag(kind, dropout=0.3)
    assert model.get_params()["estimator__dropout"] == 0.3
    copied = clone(model).set_params(estimator__dropout=0.1, n_estimators=2)
    assert (copied.estimator.dropout, model.estimator.dropout) == (0.1, 0.3)
    X, y, _ = table(kind)
    search = GridSearchCV(copied, {"estimator__dropout": [0.0, 0.5]}, cv=2).fit(X, y)
    assert [m.dropout for m in search.best_estimator_] == [search.best_estimator_[0].dropout] * 2


@pytest.mark.parametrize("kind", BAGS)
def test_a_pickle_predicts_the_same(kind):
    X, y, weight = table(kind)
    model = bag(kind).fit(X, y, sample_weight=weight)
    loaded = pickle.loads(pickle.dumps(model))
    assert_array_equal(loaded.predict(X), model.predict(X))
    assert_array_equal(loaded.estimators_samples_[3], model.estimators_samples_[3])
    assert loaded.history_.equals(model.history_)


@pytest.mark.parametrize("kind", BAGS)
def test_a_random_state_gives_the_same_ensemble(kind):
    X, y, _ = table(kind)
    models = [
        bag(kind, random_state=state).fit(X, y)
        for state in (7, np.random.RandomState(7), 8, None, None)
    ]
    assert_same_nets(*models[:2], atol=0)
    starts = [m.estimators_[0].coefs_[0][0, 0] for m in models[1:]]
    assert len(set(starts)) == 4


@pytest.mark.usefixtures("entropy_of_the_system")
def test_the_global_generator_is_left_alone():
    X, y, _ = table()
    before = np.random.get_state()[1].copy()
    bag(BaggedMLPClassifier, random_state=None).fit(X, y)
    assert_array_equal(np.random.get_state()[1], before)


def test_the_default_net():
    X, y, _ = table(n=30)
    model = BaggedMLPClassifier(n_estimators=2, random_state=0)
    assert model.set_params(estimator=None).fit(X, y).estimator_.get_params() == (
        RegularizedMLPClassifier().get_params()
    )


# -- what scikit-learn's bagging gives ------------------------------------------------------------

SETTINGS = {
    "defaults": {},
    "patches": {"max_samples": 0.6, "max_features": 0.5},
    "numbers": {"max_samples": 30, "max_features": 3},
    "pasting": {"bootstrap": False, "max_samples": 0.7, "bootstrap_features": True},
    "deep ensemble": {"bootstrap": False, "refit": True},
    "no early stopping": {"early_stopping": False},
    "balanced": {"class_weight": "balanced", "max_iter": 3},
}


@pytest.mark.parametrize("kind", BAGS)
@pytest.mark.parametrize("name", SETTINGS)
def test_stopped_by_member_it_is_scikit_learns_bagging(kind, name):
    setting = dict(SETTINGS[name])
    if kind is BaggedMLPRegressor:
        setting.pop("class_weight", None)
    model = bag(kind, stopping="member", **setting)
    theirs = BaggingClassifier if kind is BaggedMLPClassifier else BaggingRegressor
    options = model.get_params(deep=False)
    for ours in ("stopping", "decision", "verbose"):
        options.pop(ours, None)
    X, y, _ = table(kind)
    model.fit(X, y)
    with parallel_config(backend="skreg"):
        other = theirs(**options).fit(X, y)
    assert_same_nets(model, other)
    for ours, its in zip(model.estimators_samples_, other.estimators_samples_, strict=True):
        assert_array_equal(ours, its)
    for ours, its in zip(model.estimators_features_, other.estimators_features_, strict=True):
        assert_array_equal(ours, its)
    assert_allclose(probabilities(model, X), probabilities(other, X), rtol=1e-10)
    if kind is BaggedMLPClassifier:
        assert_array_equal(model.predict(X)[:1], other.predict(X)[:1].astype(y.dtype))
    for a, b in zip(model.estimators_, other.estimators_, strict=True):
        assert a.n_iter_ == b.n_iter_
        assert a.random_state == b.random_state


@pytest.mark.skipif(not DRAWS_BY_WEIGHT, reason="scikit-learn passed weights on before 1.8")
@pytest.mark.parametrize("kind", BAGS)
def test_weighted_bags_are_scikit_learns(kind):
    X, y, weight = table(kind)
    weight = weight + 0.1
    theirs = BaggingClassifier if kind is BaggedMLPClassifier else BaggingRegressor
    options = {"n_estimators": 3, "max_samples": 50, "random_state": 1}
    model = bag(kind, stopping="member", **options).fit(X, y, sample_weight=weight)
    other = theirs(net(kind), **options).fit(X, y, sample_weight=weight)
    assert_same_nets(model, other)


@pytest.mark.parametrize("kind", BAGS)
def test_out_of_bag_scores_are_scikit_learns(kind):
    X, y, _ = table(kind)
    theirs = BaggingClassifier if kind is BaggedMLPClassifier else BaggingRegressor
    options = {"n_estimators": 20, "oob_score": True, "random_state": 0}
    model = bag(kind, stopping="member", max_iter=2, **options).fit(X, y)
    with parallel_config(backend="skreg"):
        other = theirs(net(kind, max_iter=2), **options).fit(X, y)
    name = "oob_decision_function_" if kind is BaggedMLPClassifier else "oob_prediction_"
    assert_allclose(getattr(model, name), getattr(other, name), rtol=1e-10)
    assert model.oob_score_ == pytest.approx(other.oob_score_, rel=1e-10)


# -- one stack ------------------------------------------------------------------------------------


@pytest.mark.parametrize("stopping", ["ensemble", "member"])
@pytest.mark.parametrize("kind", BAGS)
def test_members_hand_in_their_jobs_together(kind, stopping, monkeypatch):
    rounds = []

    def submit_many(jobs):
        rounds.append(len(jobs))
        return skreg.parallel.submit_many(jobs)

    monkeypatch.setattr(members, "submit_many", submit_many)
    X, y, _ = table(kind)
    bag(kind, stopping=stopping, n_estimators=5).fit(X, y)
    assert rounds == [5]
    bag(kind, stopping=stopping, n_estimators=5, refit=True).fit(X, y)
    assert rounds == [5, 5, 5]


@pytest.mark.parametrize("stopping", ["ensemble", "member"])
def test_ensembles_join_the_rounds_around_them(stopping):
    """One round of three ensembles, each of which stays in one stack; the scores are the same."""
    X, y, _ = table()
    model = bag(BaggedMLPClassifier, stopping=stopping, n_estimators=6, validation_fraction=9)
    alone = cross_validate(model, X, y, cv=3, scoring="neg_log_loss")["test_score"]
    with parallel_config(backend="skreg", max_members=3):
        joined = cross_validate(model, X, y, cv=3, scoring="neg_log_loss")["test_score"]
    assert_allclose(joined, alone, rtol=1e-9)
    (report,) = skreg.last_rounds()
    assert report.jobs == 18
    if stopping == "ensemble":
        assert all(size % 6 == 0 for size in report.members)


def test_an_ensemble_is_one_stack_however_many_rows_its_members_got():
    """The number of rows decides about that of minibatches and their size: not here."""
    X, y, _ = table(n=97)
    for changes in ({}, {"batch_size": 50}, {"batch_size": 500}, {"batch_norm": False}):
        with parallel_config(backend="skreg"):
            cross_validate(bag(BaggedMLPClassifier, n_estimators=12, **changes), X, y, cv=[
                (np.arange(80), np.arange(80, 97))
            ])  # fmt: skip
        (report,) = skreg.last_rounds()
        assert report.members == (12,)


def test_a_failing_member_fails_the_ensemble_alone():
    """An error of the scorer reaches the fit, and leaves the estimator as it was."""

    def broken(model, X, y):
        raise ZeroDivisionError("no score")

    X, y, _ = table()
    model = bag(BaggedMLPClassifier).fit(X, y)
    before = model.predict_proba(X)
    model.set_params(estimator__scoring=broken)
    with pytest.raises(ZeroDivisionError, match="no score"):
        model.fit(X, y)
    assert_array_equal(model.predict_proba(X), before)


# -- stopping as one ------------------------------------------------------------------------------


def validation_loss(model, X, y, weight=None):
    """Loss of the mean prediction on the rows held out, of the weights that were kept."""
    rows = model.validation_samples_
    weight = None if weight is None else weight[rows]
    if isinstance(model, BaggedMLPClassifier):
        proba = model.predict_proba(X[rows])
        return log_loss(y[rows], proba, sample_weight=weight, labels=model.classes_)
    first = model.estimators_[0]
    z = (y[rows] - model.predict(X[rows])) / first._target_scale[0]
    return np.average(z**2 / 2, weights=weight)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", ["defaults", "patches", "numbers", "pasting"])
@pytest.mark.parametrize("kind", BAGS)
def test_the_kept_epoch_is_the_best_of_the_mean(kind, name, weighted):
    """The stored curve is that of the ensemble: its minimum is the loss of what was kept."""
    X, y, weight = table(kind)
    weight = weight if weighted else None
    setting = dict(SETTINGS[name])
    if weighted and setting.get("max_samples") == 0.7:
        setting["max_samples"] = 0.9
    if kind is BaggedMLPRegressor:
        setting["clip"] = False  # the losses of the curve are not those of clipped predictions
    model = bag(kind, max_iter=12, **setting).fit(X, y, sample_weight=weight)
    curve = model.history_["valid_loss"]
    assert len(curve) == model.n_iter_
    assert model.best_iter_ == curve.idxmin() + 1
    assert validation_loss(model, X, y, weight) == pytest.approx(curve.min(), rel=1e-9)
    for member in model.estimators_:
        assert (member.best_iter_, member.n_iter_) == (model.best_iter_, model.n_iter_)
        assert member.stopped_by_ == model.stopped_by_
        assert_array_equal(member.history_["ensemble_loss"], curve)


def test_patience_counts_epochs_of_the_ensemble():
    X, y, _ = table()
    model = bag(BaggedMLPClassifier, max_iter=200, patience=4, learning_rate_init=0.1).fit(X, y)
    assert model.stopped_by_ == "patience"
    assert model.n_iter_ == model.best_iter_ + 4


@pytest.mark.parametrize("kind", BAGS)
def test_an_ensemble_of_one_is_a_net_with_these_validation_rows(kind):
    X, y, _ = table(kind)
    model = bag(kind, n_estimators=1, bootstrap=False, max_iter=9).fit(X, y)
    rows = model.validation_samples_
    rest = np.setdiff1d(np.arange(len(y)), rows)
    assert_array_equal(np.sort(model.estimators_samples_[0]), rest)
    (member,) = model.estimators_
    alone = net(kind, max_iter=9, random_state=member.random_state)
    alone.fit(X[rest], y[rest], X_val=X[rows], y_val=y[rows])
    for a, b in zip(params_of(member), params_of(alone), strict=True):
        assert_allclose(a, b, rtol=0, atol=1e-12)
    assert_allclose(model.predict_std(X), 0, atol=1e-12)


@pytest.mark.parametrize("scoring", ["accuracy", "neg_log_loss"])
def test_a_scorer_sees_the_ensemble(scoring):
    X, y, _ = table()
    model = bag(BaggedMLPClassifier, scoring=scoring, max_iter=10).fit(X, y)
    curve, rows = model.history_["valid_score"], model.validation_samples_
    assert model.best_iter_ == curve.idxmax() + 1
    score = (
        accuracy_score(y[rows], model.predict(X[rows]))
        if scoring == "accuracy"
        else -log_loss(y[rows], model.predict_proba(X[rows]))
    )
    assert score == pytest.approx(curve.max(), rel=1e-9)


def test_a_scorer_of_numbers_sees_the_ensemble():
    X, y, weight = table(BaggedMLPRegressor)
    model = bag(BaggedMLPRegressor, scoring="r2").fit(X, y, sample_weight=weight)
    rows = model.validation_samples_
    score = r2_score(y[rows], model.predict(X[rows]), sample_weight=weight[rows])
    assert score == pytest.approx(model.history_["valid_score"].max(), rel=1e-9)


@pytest.mark.parametrize("changes", [{}, {"max_features": 0.6}, {"bootstrap_features": True}])
@pytest.mark.parametrize("kind", BAGS)
def test_a_function_that_scores_sees_the_ensemble_that_would_be_kept(kind, changes):
    """With rows of its own, the members' weights, and the table as the user passed it."""
    X, y, _ = table(kind)
    frame = pd.DataFrame(X, columns=list("abcde"), index=np.arange(80) + 1000)
    seen = []

    def scoring(estimator, X_val, y_val):
        seen.append((X_val, estimator.estimators_[1].coefs_[0], estimator.predict_std(X_val)))
        estimator.estimators_[0]._params["weight_0"][:] = 0
        return estimator.score(frame[:40], y[:40]) if len(seen) > 1 else -1.0

    model = bag(kind, scoring=scoring, **changes).fit(frame, y)
    plain = bag(
        kind, scoring=lambda e, a, b: e.score(frame[:40], y[:40]), max_iter=1, **changes
    ).fit(frame, y)
    assert plain.history_["valid_score"][0] == pytest.approx(
        plain.score(frame[:40], y[:40]), rel=1e-12
    )
    held_out = frame.iloc[model.validation_samples_]
    pd.testing.assert_frame_equal(seen[0][0], held_out)
    best = seen[model.best_iter_ - 1]
    assert_allclose(best[1], model.estimators_[1].coefs_[0], rtol=1e-12)
    assert_allclose(best[2], model.predict_std(held_out), rtol=1e-6, atol=1e-12)


def test_members_that_stop_by_themselves_are_scored_by_themselves():
    X, y, _ = table()
    frame = pd.DataFrame(X, columns=list("abcde"))
    shown = []

    def scoring(estimator, X_val, y_val):
        shown.append(list(X_val))
        names = estimator.feature_names_in_
        return estimator.score(frame[:40][names], y[:40]) + estimator.score(X_val, y_val)

    model = bag(BaggedMLPClassifier, scoring=scoring, stopping="member", max_features=0.6)
    model.fit(frame, y)
    columns = [list(frame.columns[c]) for c in model.estimators_features_]
    assert all(names in columns for names in shown)
    for member, names in zip(model.estimators_, columns, strict=True):
        own = member.score(frame[:40][names].to_numpy(), y[:40])
        assert max(member.validation_scores_) >= own


# A few epochs do not get as near to a class of one row in eighty as the constant does.
@pytest.mark.filterwarnings("ignore:On the validation rows this .* is worse than a constant")
def test_an_undefined_metric_falls_back_to_the_loss_with_one_warning():
    X, _, _ = table()
    for row in range(80):  # one of the second class that is not held out
        y = (np.arange(80) == row).astype(int)
        by_loss = bag(BaggedMLPClassifier, max_samples=1.0, bootstrap=False).fit(X, y)
        if row not in by_loss.validation_samples_:
            break
    model = bag(BaggedMLPClassifier, scoring="roc_auc", bootstrap=False)
    with pytest.warns(UserWarning) as caught:
        model.fit(X, y)
    (text,) = [str(w.message) for w in caught if w.category is UserWarning]
    assert "scoring='roc_auc' is undefined for the 20 validation rows" in text
    assert "no row of the class 1" in text
    assert_same_nets(model, by_loss, atol=0)


def test_members_whose_rows_lack_a_class_are_told_of_once():
    X, _, _ = table()
    y = np.where(np.arange(80) < 2, "rare", "usual")
    model = bag(BaggedMLPClassifier, scoring="roc_auc", stopping="member", max_samples=0.9)
    model.set_params(bootstrap=False, n_estimators=8, estimator__validation_fraction=0.1)
    with pytest.warns(UserWarning) as caught:
        model.fit(X, y)
    assert sum("scoring='roc_auc' is undefined" in str(w.message) for w in caught) == 1
    assert all(member.best_iter_ > 0 for member in model.estimators_)


@pytest.mark.parametrize("stopping", ["ensemble", "member"])
def test_epochs_without_a_score_are_told_of_once(stopping):
    X, y, _ = table()
    model = bag(BaggedMLPClassifier, scoring=lambda e, a, b: np.nan, stopping=stopping)
    with pytest.warns(UserWarning) as caught:
        model.fit(X, y)
    (text,) = [str(w.message) for w in caught]
    assert "watched the validation loss instead" in text
    by_loss = bag(BaggedMLPClassifier, stopping=stopping).fit(X, y)
    assert_same_nets(model, by_loss, atol=1e-12)
    assert {m.stopped_by_ for m in model.estimators_} <= {"max_iter", "patience"}


def test_a_named_score_of_numbers_is_that_of_the_clipped_mean():
    """Each member clips to a range of its own before the mean is taken."""
    X, y, _ = table(BaggedMLPRegressor)
    model = bag(BaggedMLPRegressor, scoring="r2", learning_rate_init=0.5, max_iter=3)
    model.fit(20 * X, y)
    rows = model.validation_samples_
    score = r2_score(y[rows], model.predict(20 * X[rows]))
    assert score == pytest.approx(model.history_["valid_score"].max(), rel=1e-9)


@pytest.mark.parametrize("kind", BAGS)
def test_without_early_stopping_it_does_not_matter_who_stops(kind):
    X, y, _ = table(kind)
    one, other = (
        bag(kind, stopping=stopping, early_stopping=False).fit(X, y)
        for stopping in ("ensemble", "member")
    )
    assert_same_nets(one, other, atol=0)
    assert one.validation_samples_ is None
    assert not hasattr(one, "history_")
    with pytest.raises(AttributeError, match="stopping='ensemble'"):
        one.history_  # noqa: B018


def test_both_ways_of_stopping_draw_the_same_bags():
    X, y, _ = table()
    one, other = (
        bag(BaggedMLPClassifier, stopping=stopping).fit(X, y) for stopping in ("ensemble", "member")
    )
    for ours, its in zip(one.estimators_samples_, other.estimators_samples_, strict=True):
        assert_array_equal(ours, its[~np.isin(its, one.validation_samples_)])
        assert 0 < len(ours) < len(its)
    assert [m.random_state for m in one] == [m.random_state for m in other]


def test_classes_are_held_out_in_proportion():
    X, y, _ = table(n=120)
    model = bag(BaggedMLPClassifier, max_iter=1).fit(X, y)
    rows = model.validation_samples_
    assert len(rows) == 30
    for label in model.classes_:
        assert abs((y[rows] == label).sum() - (y == label).sum() / 4) <= 1


@pytest.mark.parametrize("kind", BAGS)
def test_refit_trains_on_the_rows_held_out_as_well(kind):
    X, y, _ = table(kind)
    model = bag(kind, refit=True, bootstrap=False).fit(X, y)
    assert len(model.estimators_samples_[0]) == len(y)
    first = bag(kind, bootstrap=False).fit(X, y)
    assert model.best_iter_ == first.best_iter_
    moved = X.copy()
    moved[model.validation_samples_] += 1.0  # would not matter to a member's weights otherwise
    other = bag(kind, refit=True, bootstrap=False, max_iter=1).fit(moved, y)
    same = bag(kind, refit=True, bootstrap=False, max_iter=1).fit(X, y)
    assert abs(other.estimators_[0].coefs_[0] - same.estimators_[0].coefs_[0]).max() > 1e-6


def test_a_fit_forgets_the_one_before():
    X, y, _ = table()
    model = bag(BaggedMLPClassifier, n_estimators=12, oob_score=True).fit(X, y)
    model.set_params(stopping="member", oob_score=False).fit(X, y)
    for name in ("history_", "best_iter_", "n_iter_", "stopped_by_", "oob_score_"):
        assert not hasattr(model, name)


def test_diverged_members_warn():
    X, y, _ = table(BaggedMLPRegressor)
    wild = {"activation": "identity", "learning_rate_init": 1e200, "max_iter": 3}
    with pytest.warns(sklearn.exceptions.ConvergenceWarning, match="diverged in epoch 1"):
        model = bag(BaggedMLPRegressor, batch_norm=False, **wild).fit(X, y)
    assert (model.stopped_by_, model.best_iter_) == ("diverged", 0)
    assert np.isfinite(model.predict(X)).all()


# -- rows, weights, columns -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", BAGS)
def test_members_of_a_deep_ensemble_differ_by_their_seeds(kind):
    X, y, _ = table(kind)
    model = bag(kind, bootstrap=False).fit(X, y)
    for samples in model.estimators_samples_[1:]:
        assert_array_equal(np.sort(samples), np.sort(model.estimators_samples_[0]))
    assert len({m.random_state for m in model}) == 4
    assert (model.predict_std(X) > 0).all()


@pytest.mark.parametrize("stopping", ["ensemble", "member"])
@pytest.mark.parametrize("bootstrap", [True, False])
@pytest.mark.parametrize("kind", BAGS)
def test_only_ratios_of_weights_matter_and_zero_leaves_rows_out(kind, bootstrap, stopping):
    X, y, weight = table(kind)
    options = {"bootstrap": bootstrap, "stopping": stopping}
    model = bag(kind, **options).fit(X, y, sample_weight=weight)
    scaled = bag(kind, **options).fit(X, y, sample_weight=8 * weight)
    assert_same_nets(model, scaled, atol=1e-9)
    used = np.concatenate([*model.estimators_samples_, model.validation_samples_ or [] if
                           stopping == "member" else model.validation_samples_])  # fmt: skip
    assert (weight[used.astype(int)] > 0).all()
    nonsense = np.where(weight[:, None] > 0, X, 7.0)
    assert_same_nets(model, bag(kind, **options).fit(nonsense, y, sample_weight=weight), atol=0)


@pytest.mark.parametrize("kind", BAGS)
def test_heavy_rows_are_drawn_more_often(kind):
    X, y, _ = table(kind)
    weight = np.where(np.arange(80) < 40, 9.0, 1.0)
    model = bag(kind, n_estimators=20, max_iter=1, early_stopping=False)
    model.fit(X, y, sample_weight=weight)
    share = np.mean(np.concatenate(model.estimators_samples_) < 40)
    assert abs(share - 0.9) < 4 * np.sqrt(0.09 / (20 * 80))


@pytest.mark.parametrize("kind", BAGS)
def test_without_draws_members_are_trained_with_the_weights(kind):
    X, y, weight = table(kind)
    model = bag(kind, bootstrap=False, early_stopping=False).fit(X, y, sample_weight=weight)
    for member in model.estimators_:
        alone = clone(member).fit(X, y, sample_weight=weight)
        for a, b in zip(params_of(member), params_of(alone), strict=True):
            assert_allclose(a, b, rtol=0, atol=1e-10)


@pytest.mark.parametrize("stopping", ["ensemble", "member"])
@pytest.mark.parametrize("kind", BAGS)
def test_members_see_their_columns_alone(kind, stopping):
    X, y, _ = table(kind)
    model = bag(kind, max_features=2, stopping=stopping).fit(X, y)
    assert {m.n_features_in_ for m in model} == {2}
    expected = np.mean(
        [
            probabilities(m, X[:, columns])
            for m, columns in zip(model.estimators_, model.estimators_features_, strict=True)
        ],
        axis=0,
    )
    assert_allclose(probabilities(model, X), expected, rtol=1e-10)


@pytest.mark.parametrize("stopping", ["ensemble", "member"])
def test_a_class_that_a_bag_lacks_is_known_to_all(stopping):
    X, y, _ = table()
    y = np.where(np.arange(80) < 2, "yew", y)
    model = bag(BaggedMLPClassifier, n_estimators=8, max_samples=0.3, stopping=stopping)
    model.fit(X, y)
    has = ["yew" in y[samples] for samples in model.estimators_samples_]
    assert 0 < sum(has) < 8
    for member in model.estimators_:
        assert_array_equal(member.classes_, ["ash", "beech", "oak", "yew"])
    assert_allclose(model.predict_proba(X).sum(axis=1), 1)


# Weights of 50 to 1 and few epochs: it does not get as far as the constant.
@pytest.mark.filterwarnings("ignore:On the validation rows this .* is worse than a constant")
@pytest.mark.parametrize("stopping", ["ensemble", "member"])
def test_class_weights_go_by_the_names_of_the_classes(stopping):
    X, y, _ = table(n_classes=2)
    weights = {"ash": 50.0, "beech": 1.0}
    plain, heavy = (
        bag(BaggedMLPClassifier, stopping=stopping, class_weight=w).fit(X, y)
        for w in (None, weights)
    )
    assert (heavy.predict_proba(X)[:, 0] > plain.predict_proba(X)[:, 0]).mean() > 0.9


@pytest.mark.parametrize("kind", BAGS)
def test_sparse_rows_give_the_same(kind):
    X, y, _ = table(kind)
    X = np.where(abs(X) > 0.5, X, 0.0)
    make = sp.csr_array if sp_version >= parse_version("1.8") else sp.csr_matrix
    options = {"max_features": 3, "n_estimators": 15, "oob_score": True}
    dense, sparse = (bag(kind, **options).fit(rows, y) for rows in (X, make(X)))
    assert_same_nets(dense, sparse, atol=1e-10)
    assert_allclose(probabilities(sparse, make(X)), probabilities(dense, X), rtol=1e-8)
    assert dense.oob_score_ == pytest.approx(sparse.oob_score_)


def test_names_of_columns():
    X, y, _ = table()
    frame = pd.DataFrame(X, columns=list("abcde"))
    model = bag(BaggedMLPClassifier).fit(frame, y)
    assert_array_equal(model.feature_names_in_, list("abcde"))
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame[list("edcba")])


def test_multilabel_targets():
    X, y = make_multilabel_classification(80, 5, n_classes=3, random_state=0)
    model = bag(BaggedMLPClassifier, n_estimators=12, oob_score=True).fit(X / 10, y)
    proba = np.mean([m.predict_proba(X / 10) for m in model.estimators_], axis=0)
    assert_allclose(model.predict_proba(X / 10), proba, rtol=1e-10)
    assert_array_equal(model.predict(X / 10), proba > 0.5)
    assert model.predict_std(X / 10).shape == model.oob_decision_function_.shape == (80, 3)
    assert model.disagreement(X / 10).shape == (80,)


def test_several_targets():
    X, y = make_regression(80, 5, n_targets=2, random_state=0)
    model = bag(BaggedMLPRegressor, n_estimators=12, oob_score=True).fit(X, y)
    assert model.predict(X).shape == model.predict_std(X).shape == (80, 2)
    assert model.oob_prediction_.shape == (80, 2)


@pytest.mark.parametrize("loss", ["poisson", "pinball"])
def test_other_losses(loss):
    X, y, _ = table(BaggedMLPRegressor)
    model = bag(BaggedMLPRegressor, loss=loss).fit(X, abs(y))
    mean = np.mean([m.predict(X) for m in model.estimators_], axis=0)
    assert_allclose(model.predict(X), mean, rtol=1e-12)


# -- predictions ----------------------------------------------------------------------------------


@pytest.mark.parametrize("n_classes", [2, 3])
def test_predictions_come_from_the_mean_probabilities(n_classes):
    X, y, _ = table(n_classes=n_classes)
    model = bag(BaggedMLPClassifier).fit(X, y)
    mean = np.mean([m.predict_proba(X) for m in model.estimators_], axis=0)
    assert_allclose(model.predict_proba(X), mean, rtol=1e-10)
    assert_allclose(model.predict_log_proba(X), np.log(mean), rtol=1e-8, atol=1e-12)
    assert_array_equal(model.predict(X), model.classes_[mean.argmax(axis=1)])
    logits = model.decision_function(X)
    if n_classes == 2:
        assert_allclose(logits, np.log(mean[:, 1] / mean[:, 0]), rtol=1e-8)
    else:
        assert_array_equal(logits.argmax(axis=1), mean.argmax(axis=1))


@pytest.mark.parametrize("kind", BAGS)
def test_predict_std_is_the_spread_between_members(kind):
    X, y, _ = table(kind)
    model = bag(kind).fit(X, y)
    each = [probabilities(m, X) for m in model.estimators_]
    assert_allclose(model.predict_std(X), np.std(each, axis=0), rtol=1e-8, atol=1e-14)


def test_disagreement_is_the_mean_divergence_from_the_ensemble():
    X, y, _ = table()
    model = bag(BaggedMLPClassifier, max_iter=30).fit(X, y)
    mean = model.predict_proba(X)
    each = [m.predict_proba(X) for m in model.estimators_]
    expected = np.mean([(p * np.log(p / mean)).sum(axis=1) for p in each], axis=0)
    assert_allclose(model.disagreement(X), expected, rtol=1e-6, atol=1e-12)
    assert (expected < np.log(3)).all()


def test_out_of_bag_by_hand():
    X, y, weight = table()
    model = bag(BaggedMLPClassifier, n_estimators=20, oob_score=True)
    model.fit(X, y, sample_weight=weight)
    total, count = np.zeros((80, 3)), np.zeros(80)
    for member, samples in zip(model.estimators_, model.estimators_samples_, strict=True):
        out = np.setdiff1d(np.arange(80), samples)
        total[out] += member.predict_proba(X[out])
        count[out] += 1
    assert (count[model.validation_samples_] == 20).all()
    mean = total / count[:, None]
    assert_allclose(model.oob_decision_function_, mean, rtol=1e-12)
    found = model.classes_[mean.argmax(axis=1)]
    assert model.oob_score_ == accuracy_score(y, found, sample_weight=weight)


@pytest.mark.parametrize("kind", BAGS)
def test_rows_in_every_bag_have_no_out_of_bag_prediction(kind):
    X, y, _ = table(kind)
    model = bag(kind, n_estimators=1, oob_score=True)
    with pytest.warns(UserWarning, match="rows have no out-of-bag prediction"):
        model.fit(X, y)
    seen = np.setdiff1d(np.arange(80), model.estimators_samples_[0])
    name = "oob_decision_function_" if kind is BaggedMLPClassifier else "oob_prediction_"
    mean = getattr(model, name)
    assert_array_equal(np.flatnonzero(np.isfinite(mean.reshape(80, -1)).all(axis=1)), seen)
    score = accuracy_score if kind is BaggedMLPClassifier else r2_score
    assert model.oob_score_ == pytest.approx(score(y[seen], model.predict(X[seen])))


def test_a_pipeline_of_curves():
    """The ensemble's history can be drawn as a net's."""
    X, y, _ = table()
    model = bag(BaggedMLPClassifier).fit(X, y)
    frame = skreg.TrainingCurveDisplay.from_estimator(model, plot=False).frame()
    assert frame["valid_loss"].idxmin() + 1 == model.best_iter_


# -- errors and words -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "error", "match"),
    [
        ({"estimator": RegularizedMLPRegressor()}, TypeError, "is not a RegularizedMLPClassifier"),
        ({"estimator": BaggingClassifier()}, TypeError, "in front of the ensemble"),
        ({"callbacks": [print]}, ValueError, "estimator__callbacks=None"),
        ({"dropout": 2.0}, ValueError, "'dropout' parameter of RegularizedMLPClassifier"),
        ({"l1": (1, 2, 3)}, ValueError, "3 entries for 2 linear layers"),
        ({"oob_score": True, "bootstrap": False}, ValueError, "set bootstrap=True"),
        ({"max_samples": 81, "bootstrap": False}, ValueError, "more than the 80 that can be drawn"),
        ({"max_features": 6}, ValueError, "set bootstrap_features=True"),
        ({"max_samples": 1}, ValueError, "held out .* Raise max_samples"),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, dict) else "",
)
def test_errors_name_the_remedy(changes, error, match):
    X, y, _ = table()
    model = bag(BaggedMLPClassifier, **{"n_estimators": 16, **changes})
    before = copy.copy(vars(model))
    with pytest.raises(error, match=match):
        model.fit(X, y)
    assert vars(model) == before


def test_no_rows_are_left():
    X, y, _ = table()
    with pytest.raises(ValueError, match=r"zero for every row|at least one non-zero number"):
        bag(BaggedMLPClassifier).fit(X, y, sample_weight=np.zeros(80))
    with pytest.raises(ValueError, match="Negative values"):
        bag(BaggedMLPClassifier).fit(X, y, sample_weight=-np.ones(80))


@pytest.mark.parametrize("kind", BAGS)
def test_before_a_fit(kind):
    X, _, _ = table(kind)
    model = bag(kind)
    with pytest.raises(NotFittedError, match="not fitted yet"):
        model.predict(X)
    with pytest.raises(NotFittedError, match="not fitted yet"):
        model.predict_std(X)
    with pytest.raises(AttributeError, match="before it is fitted"):
        model.estimators_samples_  # noqa: B018


def test_features_of_different_scales_warn_once():
    X, y, _ = table()
    with pytest.warns(UserWarning, match="Set scale_features='robust'") as caught:
        bag(BaggedMLPClassifier, max_iter=1).fit(X * [1, 1, 1, 1, 1e6], y)
    assert len(caught) == 1


def test_verbose_prints_a_line(capsys):
    X, y, _ = table()
    model = bag(BaggedMLPClassifier, verbose=1).fit(X, y)
    loss = model.history_["valid_loss"].min()
    assert capsys.readouterr().out == (
        f"[BaggedMLPClassifier] 4 members, best epoch {model.best_iter_} of {model.n_iter_} with "
        f"validation loss {loss:.4g}\n"
    )
    model.set_params(stopping="member").fit(X, y)
    assert capsys.readouterr().out == "[BaggedMLPClassifier] 4 members\n"
