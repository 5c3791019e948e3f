from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import TransformedTargetRegressor
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skreg import RegularizedMLPClassifier, RegularizedMLPClassifierCV
from skreg.display import TrainingCurveDisplay


def make_history(n_epochs=50, valid=True):
    epoch = np.arange(1, n_epochs + 1)
    valid_loss = 0.5 * np.exp(-epoch / 8) + 0.2 + 0.002 * np.maximum(0, epoch - 30)
    return pd.DataFrame(
        {
            "epoch": epoch,
            "train_loss": 0.7 * np.exp(-epoch / 10) + 0.01,
            "valid_loss": valid_loss if valid else np.nan,
            "valid_score": -valid_loss if valid else np.nan,
            "learning_rate": 0.002,
        }
    )


class Net(ClassifierMixin, BaseEstimator):
    """The attributes of a fitted net, without the fit."""

    def __init__(self, patience=20, early_stopping=True, scoring="loss"):
        self.patience = patience
        self.early_stopping = early_stopping
        self.scoring = scoring

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.history_ = make_history(valid=self.early_stopping)
        self.best_iter_ = 30
        self.stopped_by_ = "patience" if self.early_stopping else "max_iter"
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[0])


@pytest.fixture
def data():
    return np.arange(20.0).reshape(10, 2), np.array([0, 1] * 5)


def test_frame_is_the_history(data):
    net = Net().fit(*data)
    frame = TrainingCurveDisplay.from_estimator(net, plot=False).frame()
    pd.testing.assert_frame_equal(frame[list(net.history_)], net.history_)
    assert frame.loc[frame["best"], "epoch"].tolist() == [30]
    assert frame.loc[frame["waiting"], "epoch"].tolist() == list(range(31, 51))


def test_artists_hold_the_data(data):
    net = Net().fit(*data)
    display = TrainingCurveDisplay.from_estimator(net)
    for line, column in ((display.line_, "train_loss"), (display.valid_line_, "valid_loss")):
        np.testing.assert_array_equal(line.get_xdata(), net.history_["epoch"])
        np.testing.assert_array_equal(line.get_ydata(), net.history_[column])
    assert display.best_line_.get_xdata()[0] == 30
    assert display.best_point_.get_ydata()[0] == net.history_.loc[29, "valid_loss"]
    corners = display.patience_span_.get_path().vertices
    corners = display.patience_span_.get_patch_transform().transform(corners)
    assert (corners[:, 0].min(), corners[:, 0].max()) == (30, 50)
    assert display.figure_ is display.ax_.figure


@pytest.mark.parametrize("wrap", ["pipeline", "search", "search in a pipeline"])
def test_finds_the_net(data, wrap):
    model = Net()
    if wrap == "pipeline":
        model = make_pipeline(StandardScaler(), model)
    else:
        model = GridSearchCV(model, {"patience": [5, 20]}, cv=2)
        if wrap == "search in a pipeline":
            model = make_pipeline(StandardScaler(), model)
    display = TrainingCurveDisplay.from_estimator(model.fit(*data), plot=False)
    assert display.name == "Net"
    assert len(display.frame()) == 50


def test_finds_the_net_behind_a_target_transformer(data):
    model = TransformedTargetRegressor(Net()).fit(*data)
    assert len(TrainingCurveDisplay.from_estimator(model, plot=False).frame()) == 50


def test_other_estimators_are_refused(data):
    with pytest.raises(TypeError, match="LogisticRegression has no `history_`"):
        TrainingCurveDisplay.from_estimator(LogisticRegression().fit(*data))
    with pytest.raises(TypeError, match="Pipeline has no `history_`, and wraps nothing"):
        TrainingCurveDisplay.from_estimator(make_pipeline(LogisticRegression()).fit(*data))
    search = RegularizedMLPClassifierCV(
        RegularizedMLPClassifier((4,), max_iter=2), n_settings=1, cv=2, random_state=0
    ).fit(*data)
    with pytest.raises(TypeError, match=r"has trained many nets.*SearchDisplay.*`estimators_`"):
        TrainingCurveDisplay.from_estimator(search)
    assert len(TrainingCurveDisplay.from_estimator(search.estimators_[0], plot=False).frame()) == 2
    with pytest.raises(NotFittedError, match="Net instance is not fitted"):
        TrainingCurveDisplay.from_estimator(Net())


def test_without_validation(data):
    display = TrainingCurveDisplay.from_estimator(Net(early_stopping=False).fit(*data))
    assert display.valid_line_ is None
    assert display.best_line_ is None
    assert display.best_point_ is None
    assert display.patience_span_ is None
    assert not display.frame()["waiting"].any()
    assert display.ax_.get_title() == "Net: 50 epochs, all epochs used"


def test_patience_window_ends_with_the_history():
    display = TrainingCurveDisplay(history=make_history(40), best_epoch=30, patience=20).plot()
    assert int(display.frame()["waiting"].sum()) == 10
    assert display.patience_span_.get_label() == "patience (10 of 20 epochs)"


def test_divergence_leaves_a_gap():
    history = make_history(10)
    history.loc[7:, "train_loss"] = [1e300, np.inf, np.nan]
    display = TrainingCurveDisplay(history=history, stopped_by="diverged", name="n").plot()
    np.testing.assert_array_equal(np.isnan(display.line_.get_ydata()), [False] * 7 + [True] * 3)
    assert display.ax_.get_title() == "n: 10 epochs, diverged"


@pytest.mark.parametrize(
    ("losses", "scale", "expected"),
    [
        ([1.0, 0.5, 0.3], "auto", "linear"),
        ([1.0, 0.1, 0.001], "auto", "log"),
        ([1.0, 0.1, -0.001], "auto", "linear"),
        ([1.0, 0.1, 0.001], "linear", "linear"),
        ([1.0, 0.5, 0.3], "log", "log"),
    ],
)
def test_scale(losses, scale, expected):
    history = pd.DataFrame({"epoch": range(1, 4), "train_loss": losses})
    display = TrainingCurveDisplay(history=history).plot(scale=scale)
    assert display.ax_.get_yscale() == expected


def test_unknown_scale():
    with pytest.raises(
        ValueError, match=r"scale is 'cubic'; it must be one of \('auto', 'linear', 'log'\)"
    ):
        TrainingCurveDisplay(history=make_history()).plot(scale="cubic")


def test_best_epoch_says_by_what(data):
    display = TrainingCurveDisplay.from_estimator(Net(scoring="roc_auc").fit(*data))
    assert display.best_point_.get_label() == "best epoch (30, by roc_auc)"
    display = TrainingCurveDisplay.from_estimator(Net().fit(*data))
    assert display.best_point_.get_label() == "best epoch (30)"
    # A metric that was undefined has not chosen it.
    net = Net(scoring="roc_auc").fit(*data)
    net.history_["valid_score"] = np.nan
    display = TrainingCurveDisplay.from_estimator(net)
    assert display.best_point_.get_label() == "best epoch (30)"


def test_given_axes_are_used(data):
    import matplotlib.pyplot as plt

    figure, ax = plt.subplots()
    display = TrainingCurveDisplay.from_estimator(Net().fit(*data), ax=ax)
    assert display.ax_ is ax
    assert plt.get_fignums() == [figure.number]


def with_metrics(n_epochs=50):
    history = make_history(n_epochs)
    return history.assign(
        ensemble_loss=0.1, valid_f1=np.linspace(0.5, 0.9, n_epochs), train_f1=1.0, valid_bad=np.nan
    )


def test_metrics_have_a_panel_of_their_own(assert_texts_apart):
    history = with_metrics()
    display = TrainingCurveDisplay(history=history, best_epoch=30).plot()
    assert list(display.metric_lines_) == ["valid_f1", "train_f1"]
    for column, line in display.metric_lines_.items():
        assert line.axes is display.metric_ax_
        np.testing.assert_array_equal(line.get_ydata(), history[column])
    labels = [line.get_label() for line in display.metric_lines_.values()]
    assert labels == ["f1, validation", "f1, training"]
    colors = {line.get_color() for line in display.metric_lines_.values()}
    assert len(colors) == 1
    assert display.metric_ax_.get_shared_x_axes().joined(display.ax_, display.metric_ax_)
    assert_texts_apart(display.figure_)


def test_metrics_where_there_are_axes_for_them():
    import matplotlib.pyplot as plt

    _, ax = plt.subplots()
    display = TrainingCurveDisplay(history=with_metrics()).plot(ax=ax)
    assert (display.ax_, display.metric_ax_, display.metric_lines_) == (ax, None, {})
    _, axes = plt.subplots(2, 1)
    display = TrainingCurveDisplay(history=with_metrics()).plot(ax=axes)
    assert (display.ax_, display.metric_ax_) == tuple(axes)
    with pytest.raises(ValueError, match="draws 1 panel, but `ax` holds 2 axes"):
        TrainingCurveDisplay(history=make_history()).plot(ax=axes)


@pytest.mark.parametrize(
    ("n_epochs", "scale"), [(1, "auto"), (3, "log"), (50, "log"), (50, "linear"), (1000, "log")]
)
def test_texts_do_not_overlap(n_epochs, scale, assert_texts_apart):
    display = TrainingCurveDisplay(
        history=make_history(n_epochs),
        best_epoch=min(30, n_epochs),
        patience=20,
        stopped_by="max_iter",
        scoring="neg_root_mean_squared_error",
        name="A long $name$ of an estimator that goes on and on",
    ).plot(scale=scale)
    assert display.figure_.get_size_inches().tolist() == [6.0, 4.0]
    assert_texts_apart(display.figure_)


def test_missing_matplotlib(data, matplotlib_missing):
    net = Net().fit(*data)
    assert len(TrainingCurveDisplay.from_estimator(net, plot=False).frame()) == 50
    with pytest.raises(ImportError, match=r"TrainingCurveDisplay\.plot draws with matplotlib"):
        TrainingCurveDisplay.from_estimator(net)


def test_real_estimator():
    from skreg import RegularizedMLPClassifier

    X, y = np.random.default_rng(0).normal(size=(60, 3)), np.arange(60) % 2
    net = RegularizedMLPClassifier((4,), max_iter=20, patience=3, random_state=0).fit(X, y)
    display = TrainingCurveDisplay.from_estimator(net)
    frame = display.frame()
    assert frame.loc[frame["best"], "epoch"].tolist() == [net.best_iter_]
    assert frame.loc[frame["best"], "valid_loss"].item() == frame["valid_loss"].min()
    assert int(frame["waiting"].sum()) == min(3, net.n_iter_ - net.best_iter_)
    np.testing.assert_array_equal(display.line_.get_ydata(), net.history_["train_loss"])
