"""The course of a search: what settings are compared by, what time is kept for, interrupts anywhere."""

from __future__ import annotations

import time

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import uniform
from sklearn.datasets import make_classification
from sklearn.exceptions import ConvergenceWarning, UndefinedMetricWarning
from sklearn.metrics import log_loss
from sklearn.model_selection import GroupKFold, KFold

from skreg import RegularizedMLPClassifier, RegularizedMLPClassifierCV
from skreg.estimators.search import base, chosen, run
from skreg.estimators.search.run import Search
from skreg.estimators.search.trials import Trainees

X, Y = make_classification(150, 5, random_state=0)

DROPOUTS = {"dropout": [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]}


def net(**changes):
    small = {"hidden_layer_sizes": (8,), "max_iter": 6, "batch_size": 64}
    return RegularizedMLPClassifier(**{**small, "numeric_embedding": None, **changes})


def search(estimator=None, **changes):
    usual = {"cv": 3, "n_repeats": 1, "random_state": 0}
    if "param_grid" not in changes:
        usual |= {"param_distributions": DROPOUTS, "n_settings": 4}
    return RegularizedMLPClassifierCV(estimator or net(), **{**usual, **changes})


# -- what settings are compared by --------------------------------------------------------------------


@pytest.fixture(scope="module")
def overfitting():
    """A table of noise, and nets that learn it by heart."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(120, 20))
    labels = (rows[:, 0] + 1.5 * rng.normal(size=120) > 0).astype(int)
    own = {"hidden_layer_sizes": (64,), "max_iter": 40, "weight_decay": 0, "batch_size": 32}
    return rows, labels, net(**own, dropout=0.0, early_stopping=False)


@pytest.mark.parametrize("ema_decay", [0.0, 0.8])
def test_without_early_stopping_settings_are_compared_by_validation_rows(overfitting, ema_decay):
    """Their best loss is one of training rows, by which the net that overfits most is the best."""
    rows, labels, estimator = overfitting
    estimator = estimator.set_params(ema_decay=ema_decay)
    grid = {"dropout": [0.0, 0.4, 0.8], "learning_rate_init": [0.02, 0.003]}
    whole = search(estimator, param_grid=grid, halving=False).fit(rows, labels)
    results = whole.cv_results_
    assert_allclose(results["loss"], -results["pooled_test_score"], rtol=1e-5)
    halved = search(estimator, param_grid=grid).fit(rows, labels)
    assert (halved.cv_results_["state"] == "lost").any()
    assert halved.best_score_ >= np.median(results["pooled_test_score"])


def test_nets_on_all_rows_train_as_long_as_those_that_were_judged(overfitting):
    """Without early stopping for all steps of a fold, however early their losses were best."""
    rows, labels, estimator = overfitting
    model = search(estimator, param_grid={"dropout": [0.0]}, refit="all", ensemble=False)
    (own,) = model.fit(rows, labels).estimators_
    assert own.n_iter_ == 40 * 3 // 4  # minibatches of 80 rows and of 120
    assert own.stopped_by_ == "max_iter"


def test_class_weights_as_a_knob_are_compared_by_one_loss():
    """Each net measures its loss by its own weights, by which a setting would choose its judge."""
    labels = (np.arange(150) % 8 == 0).astype(int)
    grid = {"class_weight": [None, {0: 1, 1: 20}, "balanced", {0: 1, 1: 0.0}]}
    model = search(param_grid=grid, halving=False).fit(X, labels)
    results = model.cv_results_
    assert_allclose(results["loss"], -results["pooled_test_score"], rtol=1e-5)
    heavy = search(net(class_weight="balanced"), param_grid=grid, halving=False).fit(X, labels)
    results = heavy.cv_results_
    assert_allclose(results["loss"], -results["pooled_test_score"], rtol=1e-5)
    assert np.ptp(results["loss"]) > 0.01


def test_of_nets_without_early_stopping_the_chosen_are_trained_again():
    model = search(net(early_stopping=False, tol=0.5, patience=2), n_repeats=3).fit(X, Y)
    assert model.n_repeats_ == 3
    assert {own.stopped_by_ for own in model.estimators_} == {"tol"}


def scorer_without_a_value(missing):
    """Accuracy, but NaN in the calls of these numbers; the first is the look before the training."""
    calls = []

    def scorer(estimator, rows, labels):
        calls.append(None)
        right = float(np.mean(estimator.predict(rows) == labels))
        return np.nan if len(calls) in missing else right

    return scorer


def test_a_score_without_a_value_is_the_worst():
    scorer = scorer_without_a_value({2})  # of the first setting
    model = search(scoring=scorer, ensemble=False, n_settings=3).fit(X, Y)
    scores = model.cv_results_["pooled_test_score"]
    assert np.isnan(scores[0]) and np.isfinite(scores[1:]).all()
    assert model.best_index_ == 1 + int(np.argmax(scores[1:]))
    assert model.cv_results_["rank_test_score"][0] == 3


def test_where_no_score_has_a_value_the_loss_decides():
    scorer = scorer_without_a_value(set(range(2, 1000)))
    model = search(scoring=scorer, ensemble=False, halving=False, n_settings=3)
    with pytest.warns(
        UndefinedMetricWarning, match="of 3 of the 3 folds .* the scorer returned nan"
    ):
        model.fit(X, Y)
    assert model.best_index_ == int(np.argmin(model.cv_results_["loss"]))


@pytest.mark.parametrize("scoring", ["neg_log_loss", "roc_auc", "roc_auc_ovr"])
def test_a_fold_without_a_score_is_told_and_ends_nothing(scoring):
    """An AUC wants rows of each class, and a fold may have none."""
    rare = scoring == "roc_auc_ovr"
    if rare:
        labels, groups = np.where(np.isin(np.arange(150), [0, 60]), 2, Y), None
        options = {"scoring": scoring, "cv": KFold(3)}
    else:
        groups = np.repeat(range(5), 30)
        labels = (groups > 2).astype(int)
        options = {"scoring": scoring, "cv": GroupKFold(5)}
    model = search(n_settings=3, **options)
    with pytest.warns(UndefinedMetricWarning, match=r"no value for the rows of \d of the"):
        model.fit(X, labels, groups=groups)
    splits = [model.cv_results_[f"split{k}_test_score"] for k in range(model.n_splits_)]
    without = np.isnan(splits).all(axis=1)
    assert without.tolist() == ([False, False, True] if rare else [True] * 5)
    assert np.isfinite(model.cv_results_["pooled_test_score"]).all()
    assert np.isfinite(model.best_score_)


def test_rows_of_weight_zero_do_not_count_for_repeats():
    rows, labels = make_classification(1200, 5, random_state=0)
    weight = np.ones(1200)
    weight[900:] = 0.0
    model = search(n_repeats="auto", n_settings=1).fit(rows, labels, sample_weight=weight)
    assert model.n_repeats_ == 3


# -- time ---------------------------------------------------------------------------------------------


def test_the_time_of_a_net_by_itself_has_no_effect():
    """The estimator may have a limit of its own, by which the result would hang on the machine."""
    free, limited = (search(net(max_time=seconds)).fit(X, Y) for seconds in (None, 1e-9))
    assert_array_equal(free.predict_proba(X), limited.predict_proba(X))
    assert {own.stopped_by_ for own in limited.estimators_} <= {"patience", "max_iter"}


def test_time_is_kept_to_train_on_all_rows():
    search(n_settings=1).fit(X, Y)  # kernels are loaded
    space = {"dropout": uniform(0, 0.5)}
    model = search(n_settings=None, max_time=3.0, refit="all", param_distributions=space)
    model.fit(X, Y)
    assert len(model.cv_results_["params"]) > 4
    assert len(model.estimators_) == len(model.ensemble_)


def test_no_time_to_train_on_all_rows_is_said():
    model = search(n_settings=None, max_time=1e-6, refit="all")
    with pytest.warns(ConvergenceWarning, match="1 of the 1 chosen settings on all rows.*max_time"):
        model.fit(X, Y)
    assert len(model.estimators_) == 3
    assert np.isfinite(model.predict_proba(X)).all()


def test_a_slow_scorer_is_asked_less_often():
    """Else the choice of an ensemble alone has some 240 calls, each of 0.05 s here."""
    search(n_settings=1).fit(X, Y)  # kernels are loaded
    late, ends = [], []

    def slow(estimator, rows, labels):
        time.sleep(0.05)
        if ends and time.perf_counter() > ends[0]:
            late.append(None)
        return float(np.mean(estimator.predict(rows) == labels))

    space = {"dropout": uniform(0, 0.5)}
    model = search(n_settings=None, max_time=4.0, scoring=slow, param_distributions=space)
    ends.append(time.perf_counter() + 4.0)
    model.fit(X, Y)
    assert len(late) < 40  # of one round at the end, and a busy machine is given its time
    assert np.isfinite(model.oof_score_)


def test_fewer_epochs_for_want_of_time_are_told(monkeypatch, capsys):
    """So that what is told of a setting makes the net that was chosen."""

    class Slow(Search):
        def train(self, wave, epochs, limited=True):
            if epochs == run._TIMED:
                time.sleep(0.5)
            super().train(wave, epochs, limited)

    monkeypatch.setattr(base, "Search", Slow)
    space = {"dropout": uniform(0, 0.5)}
    options = {"max_time": 6.0, "n_settings": 3, "param_distributions": space}
    model = search(net(max_iter=200, patience=200), **options, verbose=1).fit(X, Y)
    epochs = model.best_params_["max_iter"]
    assert 20 <= epochs < 200
    assert {own.max_iter for own in model.estimators_} == {epochs}
    assert all(setting["max_iter"] == epochs for setting in model.cv_results_["params"])
    assert f"trainings have {epochs} epochs at most" in capsys.readouterr().out


# -- interrupts ---------------------------------------------------------------------------------------


class Interrupt:
    """Raises what Ctrl-C does, in a call of a function, and then never again."""

    def __init__(self, function, call=1):
        self.function, self.left = function, call

    def __get__(self, obj, cls=None):
        return lambda *args, **options: self(obj, *args, **options)

    def __call__(self, *args, **options):
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt
        return self.function(*args, **options)


@pytest.mark.parametrize(
    ("owner", "name", "call"),
    [
        (base.Judge, "score", 1),
        (base.Judge, "score", 2),
        (base.Judge, "split_scores", 1),
        (base.Judge, "score", 9),  # in the choice of an ensemble
        (base.Judge, "score", 40),
        (Trainees, "predict", 2),
        (Trainees, "trial", 6),  # of the second draw of folds
        (base, "train_again", 1),
        (base, "ensemble_table", 1),
    ],
)
def test_an_interrupt_anywhere_leaves_the_best_so_far(owner, name, call, monkeypatch):
    monkeypatch.setattr(owner, name, Interrupt(getattr(owner, name), call))
    model = search(n_repeats=2)
    with pytest.raises(KeyboardInterrupt, match="fitted with the best"):
        model.fit(X, Y)
    assert log_loss(Y, model.predict_proba(X)) < 1.0
    assert set(model.cv_results_["state"]) <= {"finished", "lost"}
    assert np.isfinite(model.best_score_)


def test_an_interrupt_while_a_table_is_timed_ends_the_search(monkeypatch):
    calls, train = [], run.submit_in_block

    def submit_in_block(jobs, seconds=None):
        results = train(jobs, seconds=seconds)
        calls.append(len(jobs))
        for result in results:
            result.interrupted = len(calls) == 1
        return results

    monkeypatch.setattr(run, "submit_in_block", submit_in_block)
    model = search(n_settings=None, max_time=20.0)
    with pytest.raises(KeyboardInterrupt, match="fitted with the best"):
        model.fit(X, Y)
    assert calls == [3]
    assert list(model.cv_results_["state"]) == ["finished"]


def test_after_an_interrupt_nothing_is_trained_on_all_rows(monkeypatch):
    train = run.submit_in_block

    def submit_in_block(jobs, seconds=None):
        results = train(jobs, seconds=seconds)
        results[0].interrupted = True
        return results

    monkeypatch.setattr(run, "submit_in_block", submit_in_block)
    monkeypatch.setattr(chosen, "submit_in_block", lambda *a, **k: pytest.fail("it trained"))
    model = search(refit="all")
    with pytest.raises(KeyboardInterrupt, match="fitted with the best"):
        model.fit(X, Y)
    assert np.isfinite(model.predict_proba(X)).all()


def test_an_interrupt_while_nets_train_on_all_rows_keeps_those_of_the_folds(monkeypatch):
    def submit_in_block(jobs, seconds=None):
        raise KeyboardInterrupt

    monkeypatch.setattr(chosen, "submit_in_block", submit_in_block)
    model = search(refit="all")
    with pytest.raises(KeyboardInterrupt, match="fitted with the best"):
        model.fit(X, Y)
    assert len(model.estimators_) == 3 * len(model.ensemble_)
