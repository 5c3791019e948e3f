"""When training ends, and which weights it leaves: rigged curves through `Job.score`."""

from __future__ import annotations

import math
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

from skreg.train import Control
from skreg.train import stack as stack_module
from skreg.train.stopping import Monitor
from skreg.train.validation import Undefined
from tests.train.helpers import (
    IMPLEMENTATIONS,
    assert_same_result,
    fit,
    make_job,
    outputs,
)


class Rigged:
    """A score that ignores the outputs, and remembers them."""

    def __init__(self, losses, after=None):
        self.losses, self.seen, self.after = losses, [], after

    def __call__(self, raw):
        self.seen.append(raw.copy())
        if self.after is not None:
            self.after(len(self.seen))
        return -self.losses[min(len(self.seen), len(self.losses)) - 1]


def rigged_job(losses, after=None, **changes):
    options = {"n_val": 15, "batch_norm": True, "early_stopping": True, "max_iter": 50}
    return make_job(score=Rigged(losses, after), **(options | changes))


def assert_restored(job, result, epoch):
    """The weights are those that were scored in this epoch."""
    assert result.best_iter == epoch
    expected = job.score.seen[epoch - 1]
    np.testing.assert_allclose(outputs(result.params, job.spec, job.X_val), expected, atol=1e-12)


# Epochs without a score.


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_while_no_epoch_has_a_score_the_loss_decides(implementation):
    nothing = rigged_job([math.nan], max_iter=8)
    by_loss = make_job(n_val=15, batch_norm=True, early_stopping=True, max_iter=8)
    one, other = fit(nothing, implementation), fit(by_loss, implementation)
    assert one.undefined == "it was nan"
    assert one.stopped_by == other.stopped_by == "max_iter"
    assert one.best_iter == other.best_iter > 0
    assert one.best_loss == pytest.approx(other.best_loss, rel=1e-9)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_from_the_first_score_on_only_scores_count(implementation):
    losses = [math.nan, math.nan, 9.0, math.nan, 8.0, math.inf, 8.5]
    job = rigged_job(losses, max_iter=7)
    result = fit(job, implementation)
    assert (result.stopped_by, result.n_iter) == ("max_iter", 7)
    assert_restored(job, result, 5)


def test_epochs_without_a_score_use_up_patience():
    result = fit(rigged_job([5.0, math.nan], patience=3))
    assert (result.stopped_by, result.n_iter, result.best_iter) == ("patience", 4, 1)


def test_a_score_may_say_why_it_has_no_value():
    def score(raw):
        raise Undefined("one row")

    result = fit(make_job(n_val=15, early_stopping=True, max_iter=3, score=score))
    assert (result.undefined, result.error, result.stopped_by) == ("one row", None, "max_iter")
    assert result.best_iter > 0


def test_a_score_may_ask_for_the_net_as_it_stands():
    seen = []

    def score(raw, nets):
        (standing,) = nets()
        np.testing.assert_array_equal(standing.outputs, raw)
        seen.append(standing.result())
        return len(seen)

    job = make_job(n_val=15, early_stopping=True, max_iter=3, score=score, ema_decay=0.5)
    job.shows_nets = True
    result = fit(job)
    assert result.best_iter == seen[-1].best_iter == 3
    for name, values in result.params.items():
        np.testing.assert_array_equal(values, seen[-1].params[name])
        assert not np.shares_memory(values, seen[-1].params[name])
    assert seen[-1].best_loss == result.best_loss
    for name in ("epoch", "train_loss", "valid_loss", "learning_rate"):
        assert seen[-1].history[name] == result.history[name]
    assert [one.n_iter for one in seen] == [1, 2, 3]


# The monitor alone.


def end_of(values, *args, **kwargs):
    """Number of the epoch that ends it, and of the best one."""
    monitor, best = Monitor(*args, **kwargs), 0
    for epoch, value in enumerate(values, start=1):
        improved, ended = monitor.update(value)
        best = epoch if improved else best
        if ended:
            return epoch, best
    return None, best


@pytest.mark.parametrize("patience", [1, 2, 5])
def test_patience_counts_epochs_after_the_best(patience):
    values = [3.0, 2.0, 1.0] + [2.0] * 20
    assert end_of(values, patience, 0.0) == (3 + patience, 3)


def test_an_equal_value_is_no_improvement():
    assert end_of([1.0, 1.0, 1.0], 2, 0.0) == (3, 1)


def test_min_delta_has_two_counters():
    """A slow descent below min_delta ends by patience, and its lowest point is the best."""
    values = [10.0 - 0.1 * i for i in range(20)]
    assert end_of(values, 4, 1.0) == (5, 5)
    assert end_of(values, 4, 0.35) == (None, 20)


def test_min_delta_is_measured_from_the_last_restart():
    """Small steps add up: patience starts anew as soon as their sum is beyond min_delta."""
    assert end_of([5.0, 4.6, 4.2, 3.8, 3.8, 3.8, 3.8], 3, 1.0) == (7, 4)


def test_infinite_values_count_as_no_improvement():
    assert end_of([math.inf, 1.0, math.inf, math.inf], 2, 0.0) == (4, 2)


def test_adaptive_lowers_the_rate_before_it_ends():
    monitor = Monitor(2, 0.0, adaptive=True, rate=1e-3)
    factors, ended = [], False
    while not ended:
        _, ended = monitor.update(1.0)
        factors.append(monitor.factor)
    # 1e-3 / 5^5 is the first rate below 1e-6
    assert len(factors) == 1 + 2 * 5
    np.testing.assert_allclose(factors, [1, 1, *np.repeat(5.0 ** -np.arange(1, 5), 2), 5.0**-5])


# Through a stack.


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("patience", [1, 4])
def test_patience_ends_training_and_restores_the_best_epoch(patience, implementation):
    job = rigged_job([5, 4, 3, 6], patience=patience)
    result = fit(job, implementation)
    assert (result.stopped_by, result.n_iter) == ("patience", 3 + patience)
    assert_restored(job, result, 3)
    assert result.best_step == 3 * 3
    assert result.history["valid_score"] == [-5, -4, -3] + [-6] * patience


def test_max_iter_restores_the_best_epoch():
    job = rigged_job([5, 3, 4], max_iter=7)
    result = fit(job)
    assert (result.stopped_by, result.n_iter) == ("max_iter", 7)
    assert_restored(job, result, 2)


def test_best_loss_is_the_validation_loss_of_the_best_epoch():
    result = fit(rigged_job([5, 3, 4], max_iter=4))
    assert result.best_loss == result.history["valid_loss"][1]


def test_without_a_score_the_validation_loss_decides():
    result = fit(make_job(n_val=15, early_stopping=True, max_iter=30, patience=30))
    losses = result.history["valid_loss"]
    assert result.best_iter == np.argmin(losses) + 1
    assert result.best_loss == min(losses)
    assert np.isnan(result.history["valid_score"]).all()


def test_validation_loss_is_weighted_and_without_smoothing_or_dropout():
    job = make_job(
        n_val=15,
        weighted=True,
        loss="multinomial",
        n_outputs=3,
        label_smoothing=0.3,
        dropout=0.5,
        max_iter=1,
    )
    result = fit(job)
    raw = outputs(result.params, job.spec, job.X_val)
    log_p = raw - np.log(np.exp(raw).sum(axis=1, keepdims=True))
    losses = -log_p[np.arange(15), job.y_val]
    expected = np.average(losses, weights=job.sample_weight_val)
    assert result.history["valid_loss"] == [pytest.approx(expected, abs=1e-12)]


@pytest.fixture
def looks_often(monkeypatch):
    """Limits are looked at after each minibatch, and not once in a while."""
    monkeypatch.setattr(stack_module, "_PAUSE", 0.0)


@pytest.mark.usefixtures("looks_often")
@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_an_interrupt_restores_the_best_epoch(implementation):
    """The flag is seen after the next minibatch; that broken epoch is not judged."""
    control = Control()

    def cancel(epoch):
        control.cancelled = epoch == 6

    job = rigged_job([5, 4, 3, 6], after=cancel)
    result = fit(job, implementation, control=control)
    assert result.stopped_by == "interrupt"
    assert (result.n_iter, result.n_steps) == (7, 6 * 3 + 1)
    assert_restored(job, result, 3)


@pytest.mark.usefixtures("looks_often")
def test_an_interrupt_without_early_stopping_keeps_the_weights_of_the_moment():
    control = Control(progress=lambda stack: setattr(control, "cancelled", stack.epoch == 2))
    interrupted = fit(make_job(max_iter=50), control=control)
    assert (interrupted.stopped_by, interrupted.n_steps, interrupted.best_step) == (
        ("interrupt",) + (2 * 3 + 1,) * 2
    )
    expected = fit(make_job(max_iter=50, max_steps=7))
    np.testing.assert_array_equal(interrupted.params["weight_0"], expected.params["weight_0"])


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_an_interrupt_need_not_wait_for_the_end_of_a_long_epoch(implementation):
    """An epoch of many seconds, of which the first is not over when training is to end."""
    control = Control()
    job = make_job(n=400_000, d=2, batch_size=2, max_iter=1)
    timer = threading.Timer(0.3, setattr, (control, "cancelled", True))
    timer.start()
    began = time.perf_counter()
    result = fit(job, implementation, control=control)
    seconds = time.perf_counter() - began
    timer.join()
    assert result.stopped_by == "interrupt"
    assert 0 < result.n_steps < 200_000
    # As many minibatches as were done take this long, plus what the table takes to be put in order.
    assert seconds < 5


def test_max_time_restores_the_best_epoch_of_each_member(monkeypatch):
    """On a clock that a test can wind: one second a minibatch."""
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(
        stack_module, "time", SimpleNamespace(perf_counter=lambda: clock.now), raising=True
    )
    gather = stack_module.Feed.gather

    def tick(self, order):
        clock.now += 1.0
        return gather(self, order)

    monkeypatch.setattr(stack_module.Feed, "gather", tick)
    jobs = [rigged_job([5, 4, 3, 6], max_time=t) for t in (10.5, 16.5, None)]
    jobs[2].spec = rigged_job([5], max_iter=8).spec
    results = fit(jobs)
    assert [r.stopped_by for r in results] == ["max_time", "max_time", "max_iter"]
    assert [r.n_steps for r in results] == [11, 17, 24]
    assert [r.n_iter for r in results] == [4, 6, 8]
    for job, result in zip(jobs, results, strict=True):
        assert_restored(job, result, 3)


def test_a_driver_that_breaks_off_interrupts():
    job = rigged_job([5, 4, 3, 6])

    def driver(stack):
        for _ in stack.epochs():
            if stack.epoch == 5:
                break

    job.driver = driver
    result = fit(job)
    assert (result.stopped_by, result.n_iter) == ("interrupt", 5)
    assert_restored(job, result, 3)


def test_a_driver_that_runs_to_the_end_changes_nothing():
    expected = fit(rigged_job([5, 4, 3, 6], patience=2))
    job = rigged_job([5, 4, 3, 6], patience=2)
    job.driver = lambda stack: [None for _ in stack.epochs()]
    assert_same_result(fit(job), expected, atol=0)


def test_tol_watches_the_training_loss():
    """At a rate that changes nothing only the first epoch is an improvement."""
    options = {"learning_rate_init": 1e-12, "max_iter": 50, "batch_size": 100}
    result = fit(make_job(tol=1e-4, patience=4, **options))
    assert (result.stopped_by, result.n_iter) == ("tol", 1 + 4)
    assert fit(make_job(tol=None, patience=4, **options)).stopped_by == "max_iter"


def test_adaptive_rates_follow_the_validation_score():
    job = rigged_job([1], patience=2, learning_rate="adaptive", learning_rate_init=1e-3)
    result = fit(job)
    assert (result.stopped_by, result.n_iter) == ("patience", 11)
    expected = 1e-3 * np.r_[1, 1, 1, np.repeat(5.0 ** -np.arange(1, 5), 2)]
    np.testing.assert_allclose(result.history["learning_rate"], expected)


def test_a_score_is_asked_once_an_epoch_and_never_of_infinite_outputs():
    job = rigged_job([1], learning_rate_init=1e200, batch_norm=False, max_iter=9)
    result = fit(job)
    assert result.stopped_by == "diverged"
    assert all(np.isfinite(raw).all() for raw in job.score.seen)
    assert len(job.score.seen) < result.n_iter
