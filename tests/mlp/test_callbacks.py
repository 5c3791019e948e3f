"""Those who watch a training: skorch's callbacks, verbose, scikit-learn's callbacks, Ctrl-C."""

from __future__ import annotations

import os
import re
import signal
import threading

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Callback, EarlyStopping, EpochScoring

from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor

NET = {"hidden_layer_sizes": (8,), "dropout": 0.2, "max_iter": 6, "random_state": 0}


class Notes(Callback):
    """Writes down what it hears and sees."""

    def __init__(self):
        self.heard_ = []

    def on_train_begin(self, net, **kwargs):
        self.heard_.append("train begin")

    def on_epoch_begin(self, net, **kwargs):
        self.heard_.append("epoch begin")

    def on_epoch_end(self, net, dataset_train=None, dataset_valid=None, **kwargs):
        self.heard_.append("epoch end")
        self.weight_ = net.module_[0].weight.detach().clone()
        self.rows_ = len(dataset_train), dataset_valid and len(dataset_valid)
        self.history_ = [dict(row) for row in net.history]

    def on_train_end(self, net, **kwargs):
        self.heard_.append("train end")


def test_callbacks_hear_every_epoch_and_see_history_rows_and_weights(X, y_real):
    notes = Notes()
    net = RegularizedMLPRegressor(**NET, callbacks=[notes]).fit(X, y_real)
    epochs = ["epoch begin", "epoch end"] * 6
    assert notes.heard_ == ["train begin", *epochs, "train end"]
    assert notes.rows_ == (76, 14)
    for name in ("train_loss", "valid_loss"):
        assert [row[name] for row in notes.history_] == net.history_[name].tolist()
    best = [row["epoch"] for row in notes.history_ if row["valid_loss_best"]][-1]
    assert best == net.best_iter_
    assert all(row["dur"] > 0 for row in notes.history_)


def test_callbacks_see_the_weights_of_the_moment(X, y_real):
    notes = Notes()
    net = RegularizedMLPRegressor(**NET, callbacks=[notes], early_stopping=False)
    net.fit(X, y_real)
    torch.testing.assert_close(notes.weight_, net.module_[0].weight.detach())
    assert notes.rows_ == (90, None)


def test_being_watched_changes_nothing(X, y_three, capsys):
    net = RegularizedMLPClassifier(**NET, scoring="accuracy")
    alone = clone(net).fit(X, y_three)
    watched = clone(net).set_params(callbacks=[Notes()], verbose=1).fit(X, y_three)
    np.testing.assert_array_equal(alone.predict_proba(X), watched.predict_proba(X))
    assert alone.history_.equals(watched.history_)
    assert "epoch" in capsys.readouterr().out


class StopAfter(Callback):
    def __init__(self, epochs):
        self.epochs = epochs

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == self.epochs:
            raise KeyboardInterrupt


@pytest.mark.parametrize("early_stopping", [False, True])
def test_a_callback_that_interrupts_leaves_a_fitted_net(X, y_real, early_stopping):
    net = RegularizedMLPRegressor(
        **NET, early_stopping=early_stopping, learning_rate="constant", callbacks=[StopAfter(3)]
    ).fit(X, y_real)
    assert (net.stopped_by_, net.n_iter_) == ("interrupt", 3)
    short = clone(net).set_params(max_iter=3, callbacks=None).fit(X, y_real)
    np.testing.assert_array_equal(net.predict(X), short.predict(X))


def test_skorchs_own_early_stopping(X, y_real):
    stop = EarlyStopping(monitor="train_loss", patience=2, threshold=10.0, threshold_mode="abs")
    net = RegularizedMLPRegressor(**NET, callbacks=[("stop", stop)]).fit(X, y_real)
    assert (net.stopped_by_, net.n_iter_) == ("interrupt", 3)


def test_epoch_scoring_scores_the_live_module(X, y_real):
    scoring = EpochScoring(
        lambda net, X, y=None: net.module_[0].weight.detach().abs().sum().item(), name="size"
    )
    notes = Notes()
    RegularizedMLPRegressor(**NET, callbacks=[scoring, notes]).fit(X, y_real)
    sizes = [row["size"] for row in notes.history_]
    assert len(set(sizes)) == 6
    assert sizes[-1] == pytest.approx(notes.weight_.abs().sum().item(), rel=1e-5)


def test_a_callback_that_fails_fails_the_fit(X, y_real):
    class Broken(Callback):
        def on_epoch_end(self, net, **kwargs):
            raise RuntimeError("the disk is full")

    net = RegularizedMLPRegressor(**NET, callbacks=[Broken()])
    with pytest.raises(RuntimeError, match="the disk is full"):
        net.fit(X, y_real)
    assert not hasattr(net, "coefs_")


def test_callbacks_see_partial_fit(X, y_real):
    notes = Notes()
    net = RegularizedMLPRegressor(**NET, callbacks=[notes])
    for _ in range(2):
        net.partial_fit(X, y_real)
    assert notes.heard_.count("epoch end") == 2


def test_clones_have_callbacks_of_their_own(X, y_real):
    net = RegularizedMLPRegressor(**NET, callbacks=[Notes()])
    clone(net).fit(X, y_real)
    assert net.callbacks[0].heard_ == []


def test_verbose_prints_a_table(X, y_binary, capsys):
    net = RegularizedMLPClassifier(**NET, scoring="accuracy").fit(X, y_binary)
    assert capsys.readouterr().out == ""
    net.set_params(verbose=1).fit(X, y_binary)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["epoch", "train_loss", "valid_loss", "valid_score", "dur"]
    assert [line.split()[0] for line in lines[2:]] == list("123456")
    losses = [float(re.sub(r"\x1b\[\d+m", "", line).split()[1]) for line in lines[2:]]
    np.testing.assert_allclose(losses, net.loss_curve_, atol=1e-4)
    net.set_params(early_stopping=False).fit(X, y_binary)
    assert "valid_loss" not in capsys.readouterr().out


def test_ctrl_c_keeps_the_best_weights_so_far(X, y_real):
    """A real SIGINT to this process, while the main thread waits for the trainer."""
    if threading.current_thread() is not threading.main_thread():
        pytest.skip("signals reach the main thread only")
    epochs = iter(range(1_000_000))

    def scoring(estimator, X_val, y_val):
        epoch = next(epochs)
        if epoch == 5:
            os.kill(os.getpid(), signal.SIGINT)
        return -abs(epoch - 2)

    net = RegularizedMLPRegressor(
        **{**NET, "max_iter": 100_000}, patience=100_000, scoring=scoring, max_time=60.0
    )
    with pytest.warns(
        UserWarning, match=r"Training was interrupted in epoch \d+; the best weights"
    ):
        net.fit(X, y_real)
    assert net.stopped_by_ == "interrupt"
    assert net.best_iter_ == 3
    assert 6 <= net.n_iter_ < 100_000


# -- scikit-learn's callbacks (1.9 and later) ------------------------------------------------------


class Recorder:
    """A callback by scikit-learn's protocol."""

    def __init__(self, stop_after=None):
        self.stop_after = stop_after
        self.events = []
        self.scores = []

    def setup(self, estimator, context):
        self.events.append("setup")

    def teardown(self, estimator, context):
        self.events.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self.events.append(f"begin {context.task_name}")

    def on_fit_task_end(self, estimator, context, *, X=None, y=None, fitted_estimator=None):
        self.events.append(f"end {context.task_name}")
        if context.task_name == "epoch":
            self.scores.append(fitted_estimator.score(X, y))
            self.max_subtasks = context.parent.max_subtasks
            return len(self.scores) == self.stop_after
        return False


@pytest.fixture
def sklearn_callback():
    return pytest.importorskip("sklearn.callback", reason="scikit-learn 1.9 brought callbacks")


def test_scikit_learns_callbacks_hear_every_epoch(X, y_three, sklearn_callback):
    recorder = Recorder()
    net = RegularizedMLPClassifier(**NET, early_stopping=False, learning_rate_init=0.02)
    net.set_callbacks(recorder).fit(X, y_three)
    epochs = ["begin epoch", "end epoch"] * 6
    assert recorder.events == ["setup", "begin fit", *epochs, "end fit", "teardown"]
    assert recorder.max_subtasks == 6
    # What they are handed predicts as if the fit had ended there.
    assert recorder.scores[-1] == net.score(X, y_three)
    assert recorder.scores[-1] > recorder.scores[0]


def test_a_callback_of_scikit_learn_can_end_training(X, y_real, sklearn_callback):
    net = RegularizedMLPRegressor(**NET).set_callbacks(Recorder(stop_after=2)).fit(X, y_real)
    assert (net.stopped_by_, net.n_iter_) == ("interrupt", 2)


def test_both_kinds_of_callbacks_together(X, y_real, sklearn_callback, capsys):
    recorder, notes = Recorder(), Notes()
    net = RegularizedMLPRegressor(**NET, callbacks=[notes], verbose=1)
    net.set_callbacks(recorder).fit(X, y_real)
    assert recorder.events.count("end epoch") == notes.heard_.count("epoch end") == 6
    assert "train_loss" in capsys.readouterr().out


def test_callbacks_are_torn_down_when_a_fit_fails(X, y_real, sklearn_callback):
    recorder = Recorder()
    net = RegularizedMLPRegressor(dropout=[0.1] * 7).set_callbacks(recorder)
    with pytest.raises(ValueError, match="has 7 entries for 2 hidden layers"):
        net.fit(X, y_real)
    assert recorder.events == ["setup", "teardown"]
    net.set_params(dropout=0.1, max_iter=1).fit(X, y_real)
    assert recorder.events[-1] == "teardown"


def test_progress_bar_of_a_pipeline(X, y_binary, sklearn_callback, capsys):
    pytest.importorskip("rich")
    model = make_pipeline(StandardScaler(), RegularizedMLPClassifier(**NET))
    model.set_callbacks(sklearn_callback.ProgressBar(max_propagation_depth=None))
    model.fit(X, y_binary)
    out = capsys.readouterr().out
    assert "RegularizedMLPClassifier - fit" in out
    assert "100%" in out


def test_scoring_monitor(X, y_binary, sklearn_callback):
    monitor = sklearn_callback.ScoringMonitor(scoring="accuracy")
    net = RegularizedMLPClassifier(**NET, early_stopping=False).set_callbacks(monitor)
    net.fit(X, y_binary)
    log = monitor.get_logs().data_as_pandas
    assert log["accuracy"].iloc[-1] == net.score(X, y_binary)
    assert len(log) == 6
