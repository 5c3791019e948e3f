"""`scoring`: what a scorer is given, and what a metric without a value leads to."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from joblib import parallel_config
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score, get_scorer, make_scorer
from sklearn.model_selection import cross_validate

from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor
from skreg.estimators.forward import Forward

NET = {"hidden_layer_sizes": (8,), "max_iter": 6, "random_state": 0, "learning_rate_init": 0.02}
COLUMNS = list("abcde")


def classifier(**changes):
    return RegularizedMLPClassifier(**{**NET, **changes})


def regressor(**changes):
    return RegularizedMLPRegressor(**{**NET, **changes})


# -- what a scorer is given ------------------------------------------------------------------------


@pytest.mark.parametrize("ema_decay", [0.0, 0.8])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rows_of_its_own_are_predicted_with_the_weights_that_would_be_kept(
    X, y_three, y_real, y_labels, ema_decay, dtype
):
    options = {"ema_decay": ema_decay, "dtype": dtype}
    for net, y in ((classifier(), y_three), (classifier(), y_labels), (regressor(), y_real)):
        net.set_params(**options, scoring=lambda e, X_val, y_val, y=y: e.score(X[:40], y[:40]))
        net.fit(X, y)
        assert max(net.validation_scores_) == pytest.approx(net.score(X[:40], y[:40]), abs=1e-12)
        assert net.best_iter_ == np.argmax(net.validation_scores_) + 1


@pytest.mark.parametrize(
    "part",
    [
        lambda e, X: np.abs(e.coefs_[0]).sum(),
        lambda e, X: e.module_(torch.as_tensor(X.astype("f"))).sum().item(),
        lambda e, X: e.predict_proba(X[::2]).max(),
        lambda e, X: e.decision_function(X[:3]).sum(),
        lambda e, X: e.predict_mc(X, n_samples=2, random_state=0)[0][:, 0].sum(),
        lambda e, X: e.n_weights_ + len(e.loss_curve_) + e.n_iter_,
    ],
    ids=["coefs", "module", "proba", "decision", "mc", "numbers"],
)
def test_what_it_reads_is_what_the_fitted_net_has(X, y_binary, part):
    seen = []
    net = classifier(scoring=lambda e, X_val, y_val: seen.append(part(e, X)) or len(seen))
    net.fit(X, y_binary)
    assert net.best_iter_ == net.n_iter_ == len(seen) == 6
    assert seen[-1] == pytest.approx(part(net, X), rel=1e-12)
    assert len(set(seen)) > 1


def test_slices_and_names_of_a_data_frame(X, y_binary):
    frame = pd.DataFrame(X, columns=COLUMNS, index=np.arange(90) + 1000)
    seen = []

    def scoring(estimator, X_val, y_val):
        seen.append(X_val)
        return estimator.score(X_val.loc[X_val["a"] > 0], y_val[X_val["a"] > 0])

    net = classifier(scoring=scoring).fit(frame, y_binary)
    pd.testing.assert_frame_equal(seen[0], frame.loc[seen[0].index])
    assert len(seen[0]) == 14
    rows = seen[0].index - 1000
    half = rows[X[rows, 0] > 0]
    assert max(net.validation_scores_) == net.score(frame.iloc[half], y_binary[half])
    seen.clear()
    net.fit(frame[:60], y_binary[:60], X_val=frame[60:], y_val=y_binary[60:])
    pd.testing.assert_frame_equal(seen[0], frame[60:])


@pytest.mark.parametrize("passed", [False, True])
def test_the_kind_of_the_table_is_the_users(X, y_binary, passed):
    seen = {}

    def scoring(estimator, X_val, y_val):
        seen.update(X=X_val)
        return estimator.score(X_val, y_val)

    net = classifier(scoring=scoring)
    for table in (X, sp.csr_matrix(X), sp.csr_array(X), X.tolist()):
        if passed:
            net.fit(table, y_binary, X_val=table, y_val=y_binary)
        else:
            net.fit(table, y_binary)
        assert type(seen["X"]) is type(table)
    net.fit(X + 1e-12, y_binary)
    assert seen["X"].dtype == np.float64
    assert np.isin(seen["X"], X + 1e-12).all()  # not rounded to the float32 of training


def test_rows_of_weight_zero_are_not_shown(X, y_binary):
    rows = []
    weight = np.ones(90)
    weight[::3] = 0
    frame = pd.DataFrame(X, columns=COLUMNS)
    net = classifier(
        scoring=lambda e, a, b: rows.append(a.index) or accuracy_score(b, e.predict(a)),
        class_weight={0: 1.0, 1: 2.0},
    )
    net.fit(frame, y_binary, sample_weight=weight)
    assert not np.isin(rows[0], np.arange(0, 90, 3)).any()
    net.fit(frame, y_binary, X_val=frame, y_val=y_binary, sample_weight_val=weight)
    np.testing.assert_array_equal(rows[-1], np.flatnonzero(weight))


def test_outputs_of_the_validation_rows_are_at_hand(X, y_binary, monkeypatch):
    """Predicting exactly these rows costs nothing, by name and by a function."""
    calls = []
    raw = Forward.raw
    monkeypatch.setattr(Forward, "raw", lambda *a: calls.append(a) or raw(*a))
    by_name = classifier(scoring="accuracy").fit(X, y_binary)
    by_function = classifier(scoring=lambda e, a, b: e.score(a, b)).fit(X, y_binary)
    assert calls == []
    assert by_name.validation_scores_ == by_function.validation_scores_
    # Another table, or this one changed, is predicted.
    classifier(scoring=lambda e, a, b: e.score(a.copy(), b)).fit(X, y_binary)
    assert len(calls) == 6

    def permuted(estimator, X_val, y_val):
        X_val[:] = X_val[::-1].copy()
        return estimator.score(X_val, y_val)

    changed = classifier(scoring=permuted).fit(X, y_binary)
    assert len(calls) == 12
    assert changed.validation_scores_ != by_name.validation_scores_


def test_what_a_scorer_changes_does_not_reach_the_fit(X, y_binary):
    frame = pd.DataFrame(X, columns=COLUMNS)

    def destructive(estimator, X_val, y_val):
        score = estimator.score(X_val, y_val)
        X_val.iloc[:, :] = 0.0
        y_val[:] = 0
        for weights in estimator._params.values():
            weights[:] = 0
        estimator.classes_[:] = 7
        estimator.set_params(dropout=0.9)
        estimator.partial_fit(frame[:20], y_binary[:20] * 0 + 7)
        return score

    before = frame.copy()
    net = classifier(scoring=destructive).fit(frame, y_binary)
    alone = classifier(scoring=lambda e, a, b: e.score(a, b)).fit(frame, y_binary)
    np.testing.assert_array_equal(net.predict_proba(frame), alone.predict_proba(frame))
    assert net.validation_scores_ == alone.validation_scores_
    assert net.classes_.tolist() == [0, 1]
    pd.testing.assert_frame_equal(frame, before)


def test_a_warm_start_shows_the_weights_of_the_moment(X, y_real):
    net = regressor(scoring=lambda e, a, b: e.score(X, y_real), warm_start=True)
    for _ in range(2):
        net.fit(X, y_real)
        assert max(net.validation_scores_) == pytest.approx(net.score(X, y_real), abs=1e-12)


def test_predictions_are_in_units_and_clipped(X, y_real):
    far = 100 * X
    for clip in (False, True):
        net = regressor(clip=clip, scoring=lambda e, a, b: np.abs(e.predict(far)).max())
        net.fit(1e3 * y_real[:, None] * X[:, :1] * 0 + X, 1e3 * y_real)
        assert max(net.validation_scores_) == np.abs(net.predict(far)).max()


def test_under_the_backend_as_without(X, y_binary):
    net = classifier(scoring=lambda e, a, b: e.score(X[:40], y_binary[:40]), dtype="float64")

    def run():
        return cross_validate(net, X, y_binary, cv=3, return_estimator=True)["estimator"]

    alone = run()
    with parallel_config(backend="skreg"):
        together = run()
    for one, other in zip(alone, together, strict=True):
        assert one.validation_scores_ == other.validation_scores_
        assert max(other.validation_scores_) == other.score(X[:40], y_binary[:40])


# -- a metric that is undefined --------------------------------------------------------------------


@pytest.fixture
def rare(X):
    """Two classes, of which the second is never held out."""
    y = np.zeros(90, dtype=int)
    y[0] = 1
    return y


def same_as_by_loss(net, X, y, **fit):
    """Trained, judged by the loss, and not taken for diverged."""
    by_loss = type(net)(**{**net.get_params(), "scoring": "loss"})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ConvergenceWarning)
        by_loss.fit(X, y, **fit)
    assert net.stopped_by_ != "diverged"
    assert net.best_iter_ == by_loss.best_iter_ > 0
    assert net.validation_scores_ == pytest.approx(by_loss.validation_scores_, rel=1e-5)
    np.testing.assert_allclose(net.coefs_[0], by_loss.coefs_[0], rtol=1e-3, atol=1e-5)


# A few epochs do not get as near to a class of one row in a hundred as the constant does.
@pytest.mark.filterwarnings("ignore:On the validation rows this .* is worse than a constant")
@pytest.mark.parametrize("scoring", ["roc_auc", "average_precision", "f1", "neg_log_loss"])
def test_metrics_of_a_missing_class_fall_back_to_the_loss(X, rare, scoring):
    net = classifier(scoring=scoring)
    with pytest.warns(UserWarning) as caught:
        net.fit(X[1:], rare[1:] + (np.arange(89) == 50), X_val=X[:9], y_val=np.zeros(9, int))
    (text,) = [str(w.message) for w in caught if w.category is UserWarning]
    assert f"scoring='{scoring}' is undefined for the 9 validation rows" in text
    assert "no row of the class 1" in text
    assert "Pass more rows in X_val and y_val, or set scoring='loss'." in text
    y = rare[1:] + (np.arange(89) == 50)
    same_as_by_loss(net, X[1:], y, X_val=X[:9], y_val=np.zeros(9, int))


def test_metrics_that_do_without_the_class_are_used(X, rare):
    net = classifier(scoring="accuracy").fit(X, rare, X_val=X[:9], y_val=np.zeros(9, int))
    assert np.isfinite(net.history_["valid_score"]).all()


@pytest.mark.parametrize("scoring", ["r2", "explained_variance"])
def test_metrics_of_spread_need_more_than_one_row(X, y_real, scoring):
    net = regressor(scoring=scoring)
    text = rf"scoring='{scoring}' is undefined for a single validation row .*validation_fraction"
    with pytest.warns(UserWarning, match=text):
        net.fit(X[:6], y_real[:6])
    same_as_by_loss(net, X[:6], y_real[:6])
    regressor(scoring="neg_mean_absolute_error").fit(X[:6], y_real[:6])


def test_a_constant_target_among_the_validation_rows(X, y_real):
    val = {"X_val": X[:9], "y_val": np.full(9, 80.0)}
    with pytest.warns(UserWarning, match=r"scoring='r2' is undefined .*whatever is predicted"):
        net = regressor(scoring="r2").fit(X, y_real, **val)
    same_as_by_loss(net, X, y_real, **val)


def test_nan_in_every_epoch_falls_back_to_the_loss(X, y_binary):
    def nothing(estimator, X_val, y_val):
        return math.nan

    net = classifier(scoring=nothing)
    with pytest.warns(UserWarning) as caught:
        net.fit(X, y_binary)
    (text,) = [str(w.message) for w in caught]
    assert "scoring=nothing was undefined in 6 of 6 epochs (the last time: it was nan)" in text
    assert "watched the validation loss instead" in text
    same_as_by_loss(net, X, y_binary)


def test_epochs_without_a_score_are_no_improvement(X, y_binary):
    curve = [math.nan, 0.2, math.nan, 0.5, math.inf, 0.1]
    scores = iter(curve)
    with pytest.warns(UserWarning, match=r"undefined in 3 of 6 epochs .*no improvement"):
        net = classifier(scoring=lambda e, a, b: next(scores)).fit(X, y_binary)
    assert (net.stopped_by_, net.n_iter_, net.best_iter_) == ("max_iter", 6, 4)
    assert np.isnan(net.validation_scores_).tolist() == [True, False, True, False, True, False]


@pytest.mark.parametrize("value", [None, np.ones(3), {"r2": 1.0}, "0.5", 1j])
def test_what_is_no_number_is_an_error_that_names_the_scorer(X, y_binary, value):
    def strange(estimator, X_val, y_val):
        return value

    net = classifier(scoring=strange)
    with pytest.raises(ValueError, match=r"scoring=strange returned .*, which is not a number"):
        net.fit(X, y_binary)
    assert not hasattr(net, "coefs_")


@pytest.mark.parametrize("value", [1, np.float32(0.5), np.array([0.5]), torch.tensor(0.5), True])
def test_numbers_of_any_kind_are_scores(X, y_binary, value):
    net = classifier(scoring=lambda e, a, b: value).fit(X, y_binary)
    assert net.validation_scores_ == [float(np.squeeze(value))] * 6


def test_an_error_of_the_scorer_names_it_and_keeps_its_type(X, y_binary):
    calls = []

    def moody(estimator, X_val, y_val):
        calls.append(0)
        return 1.0 if len(calls) < 3 else [][0]

    text = r"scoring=moody raised IndexError in epoch 3: list index out of range\. Correct"
    with pytest.raises(IndexError, match=text) as caught:
        classifier(scoring=moody).fit(X, y_binary)
    assert str(caught.value.__cause__) == "list index out of range"


def test_an_error_of_a_type_of_its_own_comes_through_as_it_is(X, y_binary):
    """Who prunes trials waits for one."""

    class Pruned(Exception):
        pass

    def prunes(estimator, X_val, y_val):
        raise Pruned(1, 2)

    with pytest.raises(Pruned) as caught:
        classifier(scoring=prunes).fit(X, y_binary)
    assert caught.value.args == (1, 2)
    assert "scoring=prunes raised Pruned in epoch 1" in caught.value.__notes__[0]


def test_a_missing_class_is_named_where_a_function_meets_it(X, rare):
    def own(estimator, X_val, y_val):
        return [0.5][int(len(np.unique(y_val)) < 2)]

    text = r"epoch 1, where the validation rows have no row of the class 1: .*validation_fraction"
    with pytest.raises(IndexError, match=text):
        classifier(scoring=own).fit(X, rare, X_val=X[:9], y_val=np.zeros(9, int))


@pytest.mark.parametrize(
    ("net", "scoring", "target"),
    [
        (classifier, "roc_auc", "y_three"),
        (classifier, "r2", "names"),
        (regressor, "accuracy", "y_real"),
        (regressor, "neg_mean_squared_log_error", "negative"),
    ],
)
def test_a_metric_that_does_not_suit_the_target_is_an_error(request, X, net, scoring, target):
    targets = {"names": np.where(X[:, 0] > 0, "a", "b"), "negative": -5.0 * np.abs(X[:, 0])}
    y = targets[target] if target in targets else request.getfixturevalue(target)
    with pytest.raises(ValueError, match=rf"scoring='{scoring}' raised .*Choose a metric for such"):
        net(scoring=scoring).fit(X, y)


def test_predictions_that_a_metric_does_not_allow_are_epochs_without_a_score(X):
    """Not clipped, some predictions are negative; the target never is."""
    y = np.exp(X[:, 0])
    net = regressor(scoring="neg_mean_gamma_deviance", clip=False)
    with pytest.warns(UserWarning, match=r"'neg_mean_gamma_deviance' was undefined in \d of 6"):
        net.fit(X, y)
    assert net.stopped_by_ != "diverged"
    assert net.best_iter_ > 0


def test_a_metric_of_ones_own_may_fail_like_a_function(X, y_binary):
    def own_metric(y, predicted):
        raise ZeroDivisionError("own")

    with pytest.raises(ZeroDivisionError, match=r"scoring=.*own_metric.* raised .*: own\. Correct"):
        classifier(scoring=make_scorer(own_metric)).fit(X, y_binary)


def test_a_net_that_diverges_still_says_so(X, y_real):
    net = regressor(scoring="r2", learning_rate_init=1e30, solver="sgd", batch_norm=False)
    with pytest.warns(UserWarning, match="diverged in epoch 1"):
        net.fit(X, y_real)
    assert net.stopped_by_ == "diverged"


def test_a_multilabel_metric_of_a_label_without_examples(X, y_labels):
    y_val = y_labels[:9].copy()
    y_val[:, 1] = 0
    net = classifier(scoring="roc_auc")
    with pytest.warns(UserWarning, match=r"scoring='roc_auc' is undefined for the 9 valid"):
        net.fit(X, y_labels, X_val=X[:9], y_val=y_val)
    same_as_by_loss(net, X, y_labels, X_val=X[:9], y_val=y_val)


def test_scorers_by_name_need_no_weights(X, y_binary):
    """Only what the scorer may look at is made: the stack is asked for nothing else."""
    from skreg.estimators.given_rows import GivenRows
    from skreg.estimators.scoring import make_score

    net = classifier(scoring="accuracy").fit(X, y_binary)
    valid = X.astype("f"), y_binary, None
    assert not make_score(net, valid, GivenRows(X, np.arange(90))).shows_nets
    net.set_params(scoring=get_scorer("accuracy").__call__)
    assert make_score(net, valid, GivenRows(X, np.arange(90))).shows_nets
