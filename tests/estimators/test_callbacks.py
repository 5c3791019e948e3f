"""Those who watch a training: skorch's callbacks, verbose, scikit-learn's callbacks, Ctrl-C."""

from __future__ import annotations

import json
import os
import re
import signal
import threading

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch import callbacks as skorch_callbacks
from skorch.callbacks import Callback, Checkpoint, EarlyStopping, EpochScoring

from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor

NET = {"hidden_layer_sizes": (8,), "dropout": 0.2, "max_iter": 6, "random_state": 0}
#: Of which the first layer is the first module.
BARE = {**NET, "scale_features": None}


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
    net = RegularizedMLPRegressor(**BARE, callbacks=[notes], early_stopping=False)
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


@pytest.mark.parametrize("kind", [np.asarray, pd.DataFrame, sp.csr_matrix])
def test_epoch_scoring_has_the_estimators_predictions_and_the_users_rows(X, y_binary, kind):
    names = np.array(["no", "yes"])[y_binary]
    seen = Notes()
    scores = [
        EpochScoring(scoring, lower_is_better=False) for scoring in ("accuracy", "neg_log_loss")
    ]
    net = RegularizedMLPClassifier(**BARE, scoring="accuracy", callbacks=[*scores, seen])
    net.fit(kind(X), names)
    assert [row["accuracy"] for row in seen.history_] == net.validation_scores_
    losses = [-row["neg_log_loss"] for row in seen.history_]
    np.testing.assert_allclose(losses, net.history_["valid_loss"], rtol=1e-5)
    alone = RegularizedMLPClassifier(**BARE, scoring="accuracy").fit(X, names)
    np.testing.assert_array_equal(alone.predict_proba(X), net.predict_proba(X))


def test_the_history_says_which_epoch_is_best_by_each_number(X, y_binary):
    notes = Notes()
    net = RegularizedMLPClassifier(**NET, scoring="accuracy", callbacks=[notes]).fit(X, y_binary)
    for name, sign in (("train_loss", 1), ("valid_loss", 1), ("valid_score", -1)):
        values = sign * net.history_[name].to_numpy()
        best = [row[f"{name}_best"] for row in notes.history_]
        assert best == [v < min(values[:i], default=np.inf) for i, v in enumerate(values)]


def test_a_print_log_prints_without_verbose(X, y_real, capsys):
    RegularizedMLPRegressor(**NET, callbacks=[skorch_callbacks.PrintLog()]).fit(X, y_real)
    assert len(capsys.readouterr().out.splitlines()) == 2 + 6


# -- skorch's other callbacks ----------------------------------------------------------------------


class Sink:
    """Stands in for what loggers write to."""

    dir = ""

    def __init__(self):
        self.heard = []
        self.info = self
        self.run_id = 1

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *args, **options: self.heard.append((name, args, options))


def test_checkpoints_save_the_best_epoch_and_what_is_kept(X, y_real, tmp_path):
    best = Checkpoint(dirname=str(tmp_path), f_optimizer=None)
    last = skorch_callbacks.TrainEndCheckpoint(dirname=str(tmp_path), f_optimizer=None)
    net = RegularizedMLPRegressor(
        **{**NET, "max_iter": 40}, learning_rate_init=0.1, patience=3, callbacks=[best, last]
    )
    net.fit(X, y_real)
    assert net.best_iter_ < net.n_iter_
    epochs = json.loads((tmp_path / "history.json").read_text())
    assert len(epochs) == net.best_iter_  # written together with the weights
    saved = torch.load(tmp_path / "params.pt", weights_only=True)
    kept = torch.load(tmp_path / "train_end_params.pt", weights_only=True)
    weight = net._params["weight_0"]
    name = next(name for name, value in saved.items() if value.shape == weight.shape)
    np.testing.assert_array_equal(saved[name], weight)
    np.testing.assert_array_equal(kept[name], weight)


@pytest.mark.parametrize(
    ("name", "written"), [("SacredLogger", 5 * 3), ("TensorBoard", 5 * 3), ("WandbLogger", 5)]
)
def test_loggers_log_each_epoch(X, y_real, name, written):
    sink = Sink()
    options = {"save_model": False} if name == "WandbLogger" else {}
    logger = getattr(skorch_callbacks, name)(sink, **options)
    RegularizedMLPRegressor(**{**NET, "max_iter": 5}, callbacks=[logger]).fit(X, y_real)
    logged = [call for call in sink.heard if call[0] in ("log_scalar", "add_scalar", "log")]
    assert len(logged) == written


def test_mlflow_logs_each_epoch(X, y_real):
    run, client = Sink(), Sink()
    logger = skorch_callbacks.MlflowLogger(run, client, create_artifact=False)
    RegularizedMLPRegressor(**{**NET, "max_iter": 5}, callbacks=[logger]).fit(X, y_real)
    assert sum(name == "log_metric" for name, _, _ in client.heard) == 5 * 3


def refused():
    c = skorch_callbacks
    yield c.LRScheduler(), "LRScheduler, which cannot work: .* Use learning_rate"
    yield c.LRScheduler, "LRScheduler, which cannot work"
    yield c.WarmRestartLR, "WarmRestartLR, which cannot work: .* Use learning_rate='cosine'"
    yield c.GradientNormClipping(1.0), "GradientNormClipping, .* Use max_norm"
    yield c.ParamMapper("*"), "ParamMapper, .* warm_start=True"
    yield c.Freezer("*"), "Freezer, a subclass of ParamMapper, which cannot work"
    yield c.Unfreezer("*"), "Unfreezer, a subclass of ParamMapper"
    yield c.Initializer("*"), "Initializer, a subclass of ParamMapper"
    yield c.LoadInitState(Checkpoint(f_optimizer=None)), "LoadInitState, .* warm_start=True"
    yield c.InputShapeSetter(), "InputShapeSetter, .* Leave it out"
    yield c.BatchScoring("r2"), "BatchScoring, .* Use EpochScoring"
    yield c.PassthroughScoring("train_loss"), "PassthroughScoring, .* EpochScoring"
    yield c.ProgressBar(), "ProgressBar, .* Use verbose=1"
    yield Checkpoint(), "Checkpoint with f_optimizer='optimizer.pt', .* Pass f_optimizer=None"
    yield (
        Checkpoint(f_optimizer=None, f_pickle="net.pkl"),
        "f_pickle='net.pkl'.* pickle the estimator",
    )
    yield Checkpoint(f_optimizer=None, load_best=True), "load_best=True, .* early_stopping=True"
    yield c.TrainEndCheckpoint(), "TrainEndCheckpoint with f_optimizer='optimizer.pt'"
    yield EarlyStopping(load_best=True), "EarlyStopping with load_best=True"
    yield c.SacredLogger(None, log_on_batch_end=True), "SacredLogger with log_on_batch_end=True"
    yield c.MlflowLogger(log_on_batch_end=True, create_artifact=False), "log_on_batch_end=True"
    yield c.MlflowLogger(), "MlflowLogger with create_artifact=True, .* mlflow.sklearn.log_model"
    yield EarlyStopping("valid_acc"), "EarlyStopping, which monitors 'valid_acc'.* EpochScoring"
    yield EarlyStopping("valid_score"), "'valid_score'. There is no score, as scoring='loss'"
    yield ("named", c.LRScheduler()), "LRScheduler, which cannot work"
    yield type("Mine", (c.LRScheduler,), {})(), "Mine, a subclass of LRScheduler,"
    for hook in ("on_batch_begin", "on_batch_end", "on_grad_computed"):
        own = {hook: lambda self, *args, **options: None}
        yield type("Mine", (Callback,), own)(), f"Mine, which overrides {hook}.* on_epoch_end"
    own = {"on_batch_end": lambda self, *args, **options: None}
    yield type("Mine", (EpochScoring,), own)("r2"), "Mine, which overrides on_batch_end"


REFUSED = list(refused())


@pytest.mark.parametrize(("callback", "message"), REFUSED, ids=[m[:30] for _, m in REFUSED])
def test_callbacks_without_effect_are_refused_before_training(X, y_real, callback, message):
    notes = Notes()
    net = RegularizedMLPRegressor(**NET, callbacks=[callback])
    if "monitors" not in message and "'valid_score'" not in message:  # else it may write anything
        net.set_params(callbacks=[notes, callback])
    with pytest.raises(ValueError, match=f"callbacks has .*{message}"):
        net.fit(X, y_real)
    assert notes.heard_ == []
    assert not hasattr(net, "n_features_in_")


def test_every_callback_of_skorch_is_decided_on():
    """A new one of a later skorch has to be looked at."""
    works = {
        *("Callback", "Checkpoint", "TrainEndCheckpoint", "EarlyStopping", "EpochScoring"),
        *("EpochTimer", "PrintLog", "NeptuneLogger", "WandbLogger", "MlflowLogger"),
        *("SacredLogger", "TensorBoard"),
    }
    refused = {type(c).__name__ for c, _ in REFUSED} | {"LRScheduler", "WarmRestartLR"}
    assert set(skorch_callbacks.__all__) <= works | refused


@pytest.mark.parametrize("callback", [print, "EarlyStopping", object()])
def test_something_else_is_no_callback(X, y_real, callback):
    net = RegularizedMLPRegressor(**NET, callbacks=[callback])
    with pytest.raises(
        TypeError, match=r"which is not a skorch callback.*skorch\.callbacks\.Callback"
    ):
        net.fit(X, y_real)


def test_monitors_of_validation_need_validation_rows(X, y_real):
    net = RegularizedMLPRegressor(**NET, early_stopping=False, callbacks=[EarlyStopping()])
    with pytest.raises(ValueError, match=r"'valid_loss'\. This fit has no validation rows"):
        net.fit(X, y_real)
    net.set_params(callbacks=[EarlyStopping(monitor="train_loss")]).fit(X, y_real)


class Changes(Callback):
    """Tries to change what the engine does not read back."""

    def __init__(self, what):
        self.what = what

    def on_epoch_end(self, net, **kwargs):
        if self.what == "rate":
            net.optimizer_.param_groups[0]["lr"] = 1.0
        elif self.what == "decay":
            net.optimizer_.param_groups[0]["weight_decay"] = 1.0
        elif self.what == "new":
            net.optimizer_.param_groups[0]["clip"] = None
        elif self.what == "grad":
            net.module_[-1].weight.requires_grad_(False)
        else:
            net.module_[-1].weight.data.zero_()


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("rate", "the learning rate of optimizer_ in on_epoch_end.* Use learning_rate"),
        ("decay", "weight_decay of optimizer_ in on_epoch_end.* Use weight_decay"),
        ("new", "clip of optimizer_ in on_epoch_end.* Leave it as it is"),
        ("grad", "requires_grad of the weights"),
        ("weights", r"averages over epochs in on_epoch_end.*ema_decay=0\.0"),
    ],
)
def test_changes_without_effect_are_refused_where_they_happen(X, y_real, what, message):
    net = RegularizedMLPRegressor(**NET, callbacks=[Changes(what)])
    with pytest.raises(ValueError, match=f"The callback Changes changed .*{message}"):
        net.fit(X, y_real)
    assert not hasattr(net, "coefs_")


def test_without_averages_the_weights_of_the_module_are_those_in_training(X, y_real):
    options = {**NET, "ema_decay": 0.0, "early_stopping": False, "numeric_embedding": None}
    net = RegularizedMLPRegressor(**options, callbacks=[Changes("weights")]).fit(X, y_real)
    alone = RegularizedMLPRegressor(**options).fit(X, y_real)
    # The last epoch began with zeros, and takes few steps.
    assert np.abs(net._params["weight_1"]).max() < 0.01 < np.abs(alone._params["weight_1"]).max()


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
    with pytest.raises(KeyboardInterrupt, match="is fitted with the best weights so far"):
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


@pytest.mark.parametrize("table", ["lists", "tuples", "with texts"])
def test_lists_are_shown_to_callbacks_as_tables(table, capsys):
    """skorch takes a list for several inputs."""
    X = np.random.default_rng(0).normal(size=(60, 3)).tolist()
    if table == "tuples":
        X = [tuple(row) for row in X]
    elif table == "with texts":
        X = [[*row, "ab"[k % 2]] for k, row in enumerate(X)]
    y = [k % 2 for k in range(60)]
    scores = EpochScoring("accuracy", name="own", lower_is_better=False)
    options = {"max_iter": 2, "random_state": 0}
    net = RegularizedMLPClassifier((4,), callbacks=[scores], verbose=1, **options).fit(X, y)
    quiet = RegularizedMLPClassifier((4,), **options).fit(X, y)
    np.testing.assert_array_equal(net.predict_proba(X), quiet.predict_proba(X))
    assert "train_loss" in capsys.readouterr().out
