"""Held-out rows, rows given for validation, and what `refit` makes of them."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.metrics import accuracy_score, make_scorer, max_error
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

import skreg.estimators.base as base
from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor
from skreg.estimators.split import hold_out

QUICK = {"hidden_layer_sizes": (8,), "max_iter": 10, "random_state": 0}
#: What the engine is handed is what the user has.
BARE = {**QUICK, "scale_features": None}


@pytest.fixture
def jobs(monkeypatch):
    """What the estimators hand to the engine, and what they get back."""
    seen = []
    submit = base.submit

    def spy(job):
        result = submit(job)
        seen.append((job, result))
        return result

    monkeypatch.setattr(base, "submit", spy)
    return seen


# -- holding out -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("fraction", "rows"), [(0.2, 18), (0.01, 1), (7, 7), (0.5, 45)])
def test_validation_fraction(X, y_real, jobs, fraction, rows):
    RegularizedMLPRegressor(**QUICK, validation_fraction=fraction).fit(X, y_real)
    job, _ = jobs[0]
    assert (len(job.X_val), len(job.X)) == (rows, 90 - rows)
    both = np.vstack([job.X, job.X_val])
    assert len(np.unique(both, axis=0)) == 90


def test_classes_are_stratified():
    y = np.repeat([0, 1, 2], [70, 20, 10])
    for seed in range(20):
        train, valid = hold_out(100, 0.2, seed, y)
        assert np.abs(np.bincount(y[valid]) - [14, 4, 2]).max() <= 1
        assert sorted([*train, *valid]) == list(range(100))


@pytest.mark.parametrize("seed", range(5))
def test_a_class_of_one_row_stays_in_training_and_the_others_are_stratified(seed):
    y = np.r_[np.repeat([0, 1], [70, 28]), 2, 3]
    train, valid = hold_out(100, 0.2, seed, y)
    assert (len(train), len(valid)) == (80, 20)
    assert np.abs(np.bincount(y[valid], minlength=4) - [14.3, 5.7, 0, 0]).max() <= 1
    assert sorted([*train, *valid]) == list(range(100))


def test_classes_of_one_row_do_not_empty_the_others():
    """Where too few rows are left, all classes are drawn from alike."""
    y = np.r_[np.arange(10), 10, 10, 10]
    held_out = np.concatenate([y[hold_out(13, 0.3, seed, y)[1]] for seed in range(30)])
    assert len(np.unique(held_out)) > 5
    assert hold_out(3, 0.3, 0, np.arange(3))[1].shape == (1,)


def test_a_rare_class_does_not_unbalance_the_rest(X, jobs):
    y = np.r_[7, np.repeat([0, 1], [80, 9])]
    for seed in range(5):
        options = {**QUICK, "random_state": seed, "learning_rate_init": 0.05}
        RegularizedMLPClassifier(**options).fit(X, y)
        job, _ = jobs[-1]
        counts = np.bincount(job.y_val, minlength=3)
        assert counts[1] >= 1  # of 9 rows, 1.4 on average
        assert counts[2] == 0
        assert (job.y == 2).sum() == 1


def test_other_seeds_hold_out_other_rows():
    assert (hold_out(50, 0.2, 0)[1] != hold_out(50, 0.2, 1)[1]).any()


def test_a_table_too_small_to_hold_out_is_trained_without():
    assert hold_out(1, 0.15, 0) is None
    with pytest.raises(ValueError, match=r"validation_fraction=4 rows leave no training rows of 4"):
        hold_out(4, 4, 0)


def test_without_early_stopping_all_rows_are_for_training(X, y_real, jobs):
    net = RegularizedMLPRegressor(**QUICK, early_stopping=False).fit(X, y_real)
    assert jobs[0][0].X_val is None
    assert len(jobs[0][0].X) == 90
    assert net.validation_scores_ is None


def test_validation_loss_is_that_of_the_weights_kept(X, y_real, y_three, jobs):
    net = RegularizedMLPRegressor(**BARE).fit(X, y_real)
    job, _ = jobs[-1]
    assert net.best_loss_ == min(net.history_["valid_loss"])
    # In units of the training rows' spread.
    held_out = (X.astype(np.float32)[:, None] == job.X_val).all(axis=2).any(axis=1)
    assert held_out.sum() == len(job.X_val)
    error = (net.predict(X[held_out]) - y_real[held_out]) / y_real[~held_out].std()
    np.testing.assert_allclose(net.best_loss_, np.mean(error**2) / 2, rtol=1e-5)

    net = RegularizedMLPClassifier(**BARE, label_smoothing=0.2).fit(X, y_three)
    job, _ = jobs[-1]
    log_p = net.predict_log_proba(job.X_val)[np.arange(len(job.y_val)), job.y_val]
    np.testing.assert_allclose(net.best_loss_, -log_p.mean(), rtol=1e-5)


# -- rows given for validation ---------------------------------------------------------------------


def test_given_validation_rows_replace_held_out_ones(X, y_binary, jobs):
    net = RegularizedMLPClassifier(**QUICK)
    net.fit(X[:60], y_binary[:60], X_val=X[60:], y_val=y_binary[60:])
    job, _ = jobs[0]
    assert (len(job.X), len(job.X_val)) == (60, 30)
    log_p = net.predict_log_proba(X[60:])[np.arange(30), y_binary[60:]]
    np.testing.assert_allclose(net.best_loss_, -log_p.mean(), rtol=1e-5)


def test_weights_of_validation_rows(X, y_binary):
    weight = np.random.default_rng(0).uniform(size=30)
    net = RegularizedMLPClassifier(**QUICK).fit(
        X[:60], y_binary[:60], X_val=X[60:], y_val=y_binary[60:], sample_weight_val=weight
    )
    log_p = net.predict_log_proba(X[60:])[np.arange(30), y_binary[60:]]
    np.testing.assert_allclose(net.best_loss_, -np.average(log_p, weights=weight), rtol=1e-5)


def test_validation_rows_without_early_stopping_are_only_watched(X, y_real):
    net = RegularizedMLPRegressor(**QUICK, early_stopping=False)
    watched = clone(net).fit(X[:60], y_real[:60], X_val=X[60:], y_val=y_real[60:])
    blind = clone(net).fit(X[:60], y_real[:60])
    np.testing.assert_array_equal(watched.predict(X), blind.predict(X))
    assert len(watched.validation_scores_) == watched.n_iter_ == 10
    assert watched.best_iter_ == 10


def test_validation_rows_go_through_the_pipeline(X, y_binary, jobs):
    """A Pipeline transforms what `transform_input` names, as for scikit-learn's own boosting."""
    far = 50.0 * X + 1000.0
    with sklearn.config_context(enable_metadata_routing=True):
        net = RegularizedMLPClassifier(**BARE).set_fit_request(X_val=True, y_val=True)
        model = Pipeline([("scale", StandardScaler()), ("net", net)], transform_input=["X_val"])
        model.fit(far[:60], y_binary[:60], X_val=far[60:], y_val=y_binary[60:])
    job, _ = jobs[0]
    scaler = StandardScaler().fit(far[:60])
    np.testing.assert_allclose(job.X_val, scaler.transform(far[60:]), rtol=1e-4, atol=1e-5)
    assert model.score(far, y_binary) == model[-1].score(scaler.transform(far), y_binary)


def test_weights_are_routed(X, y_binary):
    weight = np.random.default_rng(0).uniform(size=90)
    known = RegularizedMLPClassifier(**QUICK).fit(
        StandardScaler().fit_transform(X), y_binary, sample_weight=weight
    )
    with sklearn.config_context(enable_metadata_routing=True):
        net = RegularizedMLPClassifier(**QUICK).set_fit_request(sample_weight=True)
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        model = make_pipeline(scaler, net).fit(X, y_binary, sample_weight=weight)
    np.testing.assert_allclose(model[-1].coefs_[0], known.coefs_[0])


def test_partial_fit_has_metadata_routing():
    with sklearn.config_context(enable_metadata_routing=True):
        net = RegularizedMLPClassifier().set_partial_fit_request(sample_weight=True, classes=True)
        request = net.get_metadata_routing().partial_fit.requests
    assert request == {"sample_weight": True, "classes": True}


# -- scoring ---------------------------------------------------------------------------------------


def test_scorer_sees_the_validation_rows_in_the_users_terms(X, y_three, y_real, y_labels):
    names = np.array(["low", "mid", "high"])
    seen = {}

    def scoring(estimator, X_val, y_val):
        seen.update(rows=len(X_val), y=y_val, prediction=estimator.predict(X_val))
        return 0.0

    RegularizedMLPClassifier(**QUICK, scoring=scoring).fit(X, names[y_three])
    assert set(seen["y"]) | set(seen["prediction"]) <= set(names)
    assert seen["rows"] == len(seen["y"]) == len(seen["prediction"]) == 14
    RegularizedMLPRegressor(**QUICK, scoring=scoring).fit(X, y_real)
    assert set(seen["y"]) <= set(y_real)
    assert np.abs(np.mean(seen["prediction"]) - y_real.mean()) < 3 * y_real.std()
    RegularizedMLPClassifier(**QUICK, scoring=scoring).fit(X, y_labels)
    assert seen["y"].shape == seen["prediction"].shape == (14, 3)


@pytest.mark.parametrize("scoring", ["accuracy", "neg_log_loss", "roc_auc"])
def test_scores_are_those_of_the_scorer(X, y_binary, scoring):
    net = RegularizedMLPClassifier(**QUICK, scoring=scoring)
    net.fit(X[:60], y_binary[:60], X_val=X[60:], y_val=y_binary[60:])
    scorer = sklearn.metrics.get_scorer(scoring)
    assert max(net.validation_scores_) == pytest.approx(
        scorer(net, X[60:], y_binary[60:]), abs=1e-5
    )
    assert net.best_iter_ == np.argmax(net.validation_scores_) + 1


def test_scorers_are_weighted_where_they_can_be(X, y_binary, y_real):
    rng = np.random.default_rng(0)
    weight = rng.uniform(size=30) ** 3
    options = {"X_val": X[60:], "sample_weight_val": weight}
    net = RegularizedMLPClassifier(**QUICK, scoring=make_scorer(accuracy_score))
    net.fit(X[:60], y_binary[:60], y_val=y_binary[60:], **options)
    known = net.score(X[60:], y_binary[60:], sample_weight=weight)
    assert max(net.validation_scores_) == pytest.approx(known, abs=1e-12)
    # scikit-learn's max_error has no weights
    net = RegularizedMLPRegressor(**QUICK, scoring=make_scorer(max_error, greater_is_better=False))
    net.fit(X[:60], y_real[:60], y_val=y_real[60:], **options)
    known = -max_error(y_real[60:], net.predict(X[60:]))
    assert max(net.validation_scores_) == pytest.approx(known, rel=1e-5)


# -- refit -----------------------------------------------------------------------------------------


def test_refit_trains_on_all_rows_for_as_many_steps(X, y_real, jobs):
    options = {**QUICK, "max_iter": 20, "patience": 3, "batch_size": 16}
    net = RegularizedMLPRegressor(**options, refit=True).fit(X, y_real)
    (first, found), (second, again) = jobs
    assert (len(first.X), len(second.X)) == (76, 90)
    assert second.X_val is None
    assert again.n_steps == found.best_step == found.best_iter * 5  # ceil(76 / 16)
    assert again.stopped_by == "max_iter"
    np.testing.assert_array_equal(net._params["weight_0"], again.params["weight_0"])
    # what is told of the training is about the one that was validated
    assert net.best_iter_ == found.best_iter
    assert len(net.validation_scores_) == net.n_iter_
    without = RegularizedMLPRegressor(**options).fit(X, y_real)
    assert without.best_iter_ == net.best_iter_
    assert (without.predict(X) != net.predict(X)).any()


def test_refit_follows_the_schedule_of_the_first_training(X, y_real, jobs):
    """90 rows are 6 minibatches an epoch where 76 were 5: the rate falls per step, not per epoch."""
    RegularizedMLPRegressor(
        **{**QUICK, "max_iter": 30}, patience=30, batch_size=16, refit=True
    ).fit(X, y_real)
    (_, found), (second, again) = jobs
    last = again.history["learning_rate"][-1]
    assert second.spec.max_iter == 25
    assert last == pytest.approx(found.history["learning_rate"][found.best_iter - 1], rel=0.2)


def test_refit_has_nothing_to_do_without_held_out_rows(X, y_real, jobs):
    RegularizedMLPRegressor(**QUICK, refit=True, early_stopping=False).fit(X, y_real)
    RegularizedMLPRegressor(**QUICK, refit=True).fit(
        X[:60], y_real[:60], X_val=X[60:], y_val=y_real[60:]
    )
    assert len(jobs) == 2


def test_refit_that_is_cut_short_keeps_the_first_weights(X, y_real, monkeypatch):
    results = []
    submit = base.submit

    def cut(job):
        result = submit(job)
        if results:
            result.stopped_by = "max_time"
        results.append(result)
        return result

    monkeypatch.setattr(base, "submit", cut)
    net = RegularizedMLPRegressor(**QUICK, refit=True, max_time=1000.0).fit(X, y_real)
    assert len(results) == 2
    assert net.stopped_by_ == "max_time"
    np.testing.assert_array_equal(net._params["weight_0"], results[0].params["weight_0"])


# -- warm start ------------------------------------------------------------------------------------


def test_warm_start_goes_on_from_the_last_weights(X, y_real):
    options = {**QUICK, "early_stopping": False, "learning_rate": "constant", "max_iter": 20}
    net = RegularizedMLPRegressor(**options, warm_start=True).fit(X, y_real)
    first = net.loss_curve_
    net.fit(X, y_real)
    assert net.loss_curve_[0] < 0.5 * (first[0] + first[-1])
    assert net.n_iter_ == 20
    cold = RegularizedMLPRegressor(**options).fit(X, y_real)
    cold.fit(X, y_real)
    assert cold.loss_curve_ == first


def test_warm_start_draws_new_masks_each_time(X, y_real):
    """The random bits go on, also in the third fit."""
    net = RegularizedMLPRegressor(
        **QUICK, warm_start=True, early_stopping=False, learning_rate_init=1e-12, dropout=0.5
    )
    curves = [net.fit(X, y_real).loss_curve_ for _ in range(3)]
    assert len({round(curve[0], 6) for curve in curves}) == 3


def test_warm_start_may_change_the_solver(X, y_real):
    net = RegularizedMLPRegressor(**QUICK, warm_start=True).fit(X, y_real)
    net.set_params(solver="sgd", learning_rate_init=0.01).fit(X, y_real)
    assert net.n_iter_ == 10


def test_warm_start_refuses_what_does_not_continue(X, y_real, y_three):
    net = RegularizedMLPRegressor(**QUICK, warm_start=True).fit(X, y_real)
    with pytest.raises(
        ValueError, match="X has 4 features, but RegularizedMLPRegressor is expecting 5"
    ):
        net.fit(X[:, :4], y_real)
    with pytest.raises(
        ValueError,
        match=r"has hidden_layer_sizes=\(8,\) and cannot go on with hidden_layer_sizes=\(3,\)",
    ):
        net.set_params(hidden_layer_sizes=(3,)).fit(X, y_real)
    net = RegularizedMLPClassifier(**QUICK, warm_start=True).fit(X, y_three)
    with pytest.raises(ValueError, match=r"y has the classes \[3\], which are not among"):
        net.fit(X, y_three + 1)
