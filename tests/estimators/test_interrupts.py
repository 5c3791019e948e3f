"""Ctrl-C: one fit keeps its best weights, and whatever has called `fit` for many stops.

The signal is sent by a scorer, at a set epoch of a set fit, while the main thread waits.
"""

from __future__ import annotations

import os
import signal
import threading
import time

import numpy as np
import pytest
from joblib import parallel_config
from sklearn.base import clone
from sklearn.ensemble import BaggingClassifier
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Callback

from skreg import BaggedMLPClassifier, RegularizedMLPClassifier, RegularizedMLPRegressor
from skreg.parallel import trainer

LONG = {"hidden_layer_sizes": (4,), "max_iter": 100_000, "patience": 100_000, "max_time": 60.0}
LONG |= {"random_state": 0, "numeric_embedding": None}
TEXT = "interrupted. It is fitted with the best weights so far"


@pytest.fixture(autouse=True)
def main_thread():
    if threading.current_thread() is not threading.main_thread():
        pytest.skip("signals reach the main thread only")


class Interrupts:
    """A scorer that interrupts the process when it is asked for the so-manieth time."""

    def __init__(self, at=4):
        self.at = at
        self.calls = 0

    def __call__(self, estimator, X, y):
        self.calls += 1
        if self.calls == self.at:
            os.kill(os.getpid(), signal.SIGINT)
        return -abs(self.calls - 2)

    def __deepcopy__(self, memo):
        return self  # clones count together


def net(scorer, kind=RegularizedMLPClassifier, **changes):
    return kind(**{**LONG, "scoring": scorer, **changes})


def test_a_fit_is_fitted_with_the_best_weights(X, y_binary):
    model = net(Interrupts())
    with pytest.raises(KeyboardInterrupt, match=f"RegularizedMLPClassifier was {TEXT}"):
        model.fit(X, y_binary)
    assert (model.stopped_by_, model.best_iter_) == ("interrupt", 2)
    assert 4 <= model.n_iter_ < 100_000
    assert len(model.predict(X)) == 90
    short = clone(model).set_params(max_iter=2, scoring=Interrupts(at=None)).fit(X, y_binary)
    # The schedule of the rate counts in all epochs; the first are alike.
    np.testing.assert_allclose(model.coefs_[0], short.coefs_[0], atol=0.05)


def test_a_refit_is_not_begun(X, y_binary):
    model = net(Interrupts(), refit=True)
    with pytest.raises(KeyboardInterrupt, match=TEXT):
        model.fit(X, y_binary)
    assert model.best_iter_ == 2


def test_a_second_fit_goes_on(X, y_binary):
    """Nothing of the interrupt is left behind; a warm start goes on from what was kept."""
    model = net(Interrupts(), warm_start=True)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y_binary)
    model.set_params(max_iter=3, scoring="loss").fit(X, y_binary)
    assert model.stopped_by_ == "max_iter"


def test_a_pipeline_is_fitted(X, y_binary):
    model = make_pipeline(StandardScaler(), net(Interrupts()))
    with pytest.raises(KeyboardInterrupt, match=TEXT):
        model.fit(X, y_binary)
    assert len(model.predict(X)) == 90


def test_partial_fit_keeps_its_epoch(X, y_real, monkeypatch):
    train = trainer.train

    def interrupted(*args, **options):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.2)  # the main thread has heard of it; training ends by itself
        options["control"].cancelled = False
        return train(*args, **options)

    model = RegularizedMLPRegressor((4,), random_state=0).partial_fit(X, y_real)
    monkeypatch.setattr(trainer, "train", interrupted)
    with pytest.raises(KeyboardInterrupt, match=TEXT):
        model.partial_fit(X, y_real)
    assert model.n_iter_ == 2


def test_an_interrupt_at_the_very_end_is_not_lost(X, y_binary, monkeypatch):
    """Short fits end before they hear of it; the loop around them has to stop all the same."""
    train, fits = trainer.train, []

    def interrupted(*args, **options):
        results = train(*args, **options)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.2)
        return results

    monkeypatch.setattr(trainer, "train", interrupted)
    with pytest.raises(KeyboardInterrupt, match=TEXT):
        for _ in range(3):
            fits.append(RegularizedMLPClassifier((4,), max_iter=2))
            fits[-1].fit(X, y_binary)
    assert len(fits) == 1
    assert fits[0].stopped_by_ == "max_iter"


def test_without_an_epoch_there_is_nothing_to_keep(X, y_binary, monkeypatch):
    train = trainer.train

    def interrupted(*args, **options):
        os.kill(os.getpid(), signal.SIGINT)
        end = time.monotonic() + 10
        while not options["control"].cancelled and time.monotonic() < end:
            time.sleep(0.01)
        return train(*args, **options)

    model = RegularizedMLPClassifier((4,), random_state=0)
    monkeypatch.setattr(trainer, "train", interrupted)
    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        model.fit(X, y_binary)
    assert not hasattr(model, "coefs_")


def searches():
    grid = {"dropout": [0.0, 0.1, 0.2]}
    return {
        "cross_val_score": lambda m, X, y: cross_val_score(m, X, y, cv=3),
        "grid": lambda m, X, y: GridSearchCV(m, grid, cv=3).fit(X, y),
        "error_score": lambda m, X, y: GridSearchCV(m, grid, cv=3, error_score=0.0).fit(X, y),
        "loop": lambda m, X, y: [clone(m).fit(X, y) for _ in range(3)],
        "one_vs_rest": lambda m, X, y: OneVsRestClassifier(m).fit(X, y),
        "bagging": lambda m, X, y: BaggingClassifier(m, 3, random_state=0).fit(X, y),
        "bagged": lambda m, X, y: [BaggedMLPClassifier(m, 2).fit(X, y) for _ in range(3)],
    }


@pytest.mark.parametrize("name", list(searches()))
@pytest.mark.parametrize("backend", [False, True])
def test_what_fits_many_stops(X, y_three, name, backend):
    scorer, run = Interrupts(), searches()[name]
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        if backend:
            with parallel_config(backend="skreg"):
                run(net(scorer), X, y_three)
        else:
            run(net(scorer), X, y_three)
    assert time.monotonic() - began < 30
    after = scorer.calls
    time.sleep(0.2)
    assert scorer.calls == after  # nothing trains on


@pytest.mark.parametrize("stopping", ["ensemble", "member"])
def test_an_ensemble_is_fitted_with_the_best_weights(X, y_binary, stopping):
    scorer = Interrupts(at=40)
    model = BaggedMLPClassifier(net(scorer), 4, stopping=stopping, random_state=0)
    with pytest.raises(KeyboardInterrupt, match=f"BaggedMLPClassifier was {TEXT}"):
        model.fit(X, y_binary)
    assert len(model.estimators_) == 4
    assert {member.stopped_by_ for member in model.estimators_} == {"interrupt"}
    assert model.predict_proba(X).shape == (90, 2)
    if stopping == "ensemble":
        assert (model.best_iter_, model.stopped_by_) == (2, "interrupt")


class Ends(Callback):
    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == 3:
            raise KeyboardInterrupt


def test_a_callback_that_ends_training_is_no_interrupt(X, y_binary):
    model = net("loss", callbacks=[Ends()])
    assert len(cross_val_score(model, X, y_binary, cv=3)) == 3
    assert model.fit(X, y_binary).n_iter_ == 3


def test_what_another_handler_raises_ends_the_training_too(X, y_binary):
    """A limit of time by an alarm: the error gets through, and nothing trains on."""

    def alarm(number, frame):
        raise TimeoutError("too long")

    calls = []

    def scorer(estimator, X, y):
        calls.append(0)
        if len(calls) == 4:
            os.kill(os.getpid(), signal.SIGUSR1)
        return 0.0

    before = signal.signal(signal.SIGUSR1, alarm)
    try:
        model = net(scorer)
        with pytest.raises(TimeoutError, match="too long"):
            model.fit(X, y_binary)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert not hasattr(model, "coefs_")
    time.sleep(0.3)
    after = len(calls)
    time.sleep(0.2)
    assert len(calls) == after
