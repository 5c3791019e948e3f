"""Epochs that a step closes by itself: judged as `Monitor` and `Member` do, in torch and in machine code."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from skreg.train import Control
from skreg.train import stack as stack_module
from skreg.train.member import Member
from skreg.train.stack import Stack
from skreg.train.watch import ENDED, GOES_ON, Watch
from tests.train.helpers import (
    IMPLEMENTATIONS,
    NUMBA,
    assert_same_result,
    fit,
    make_job,
    stack_of,
)

needs_numba = pytest.mark.skipif(not NUMBA, reason="only the fused step closes epochs by itself")


def members():
    """Watched by validation loss, by training loss and not at all, with all kinds of limits."""
    options = [
        {"early_stopping": True, "n_val": 5, "patience": patience, "min_delta": min_delta}
        for patience in (1, 3, 50)
        for min_delta in (0.0, 0.3)
    ]
    options += [{"tol": tol, "patience": 2} for tol in (0.0, 0.5)]
    options += [{}, {"n_val": 5}]
    jobs = [make_job(max_iter=10 + i, **o) for i, o in enumerate(options)]
    return [Member.of(i, job) for i, job in enumerate(jobs)]


def curves(seed, k, epochs=25):
    """Losses that fall and scatter; some are infinite or NaN; and whether parameters are finite."""
    rng = np.random.default_rng(seed)
    trend = np.exp(-np.arange(epochs) / 8)[:, None]
    losses = trend + rng.choice([0.05, 0.5], k) * rng.standard_normal((2, epochs, k))
    losses[rng.random(losses.shape) < 0.01] = rng.choice([math.nan, math.inf])
    return np.round(losses, 1), rng.random((epochs, k)) > 0.01


def judged_one_by_one(losses, finite):
    """What the members come to, and who is kept after each epoch."""
    alone, kept = members(), np.zeros(finite.shape, dtype=bool)
    for epoch in range(len(finite)):
        for k, m in enumerate(alone):
            if m.ended is None:
                values = *losses[:, epoch, k], math.nan
                m.record(epoch + 1, values[0], 0.1, values[1])
                kept[epoch, k] = m.judge(epoch + 1, 3 * (epoch + 1), finite[epoch, k], *values)
    return alone, kept


def judge_in_torch(watch, epoch, finite, train, valid):
    arguments = (torch.from_numpy(np.ascontiguousarray(a)) for a in (finite, train, valid))
    return watch.judge(epoch, *arguments).numpy()


def judge_compiled(watch, epoch, finite, train, valid):
    from skreg.backends.cpu.closing import judge

    numbers, counts = watch.numbers.numpy(), watch.counts.numpy()
    kept = np.zeros(len(finite), dtype=bool)
    for k in np.flatnonzero(counts[ENDED] == GOES_ON):
        kept[k] = judge(numbers, counts, k, epoch, finite[k], train[k], valid[k])
    return kept


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("judge", [judge_in_torch, pytest.param(judge_compiled, marks=needs_numba)])
def test_a_watch_judges_as_each_member_would(judge, seed):
    losses, finite = curves(seed, len(members()))
    alone, kept = judged_one_by_one(losses, finite)
    watched = members()
    watch = Watch(watched, torch.device("cpu"))
    for epoch in range(len(finite)):
        found = judge(watch, epoch + 1, finite[epoch], *losses[:, epoch])
        np.testing.assert_array_equal(found, kept[epoch])
        watch.record(epoch, losses[:, [epoch]], np.full((1, len(watched)), 0.1))
        if epoch % 7 == 0:  # histories are written in pieces
            watch.flush(watched, 3)
    watch.flush(watched, 3)
    for one, other in zip(watched, alone, strict=True):
        for name in ("ended", "best_iter", "best_step", "n_steps", "best_loss"):
            assert getattr(one, name) == getattr(other, name), name
        for name, values in other.history.items():
            np.testing.assert_array_equal(one.history[name], values)


def test_the_curves_end_members_for_every_reason():
    """Else the test above would not see them all."""
    reasons = {m.ended for seed in range(20) for m in judged_one_by_one(*curves(seed, 10))[0]}
    assert reasons == {"patience", "tol", "max_iter", "diverged"}


@pytest.mark.parametrize(
    "options",
    [
        {"score": lambda raw: 0.0, "n_val": 5},
        {"cohort": "one", "n_val": 5},
        {"driver": lambda stack: None},
        {"max_steps": 3},
        {"max_time": 9.0},
        {"learning_rate": "adaptive"},
    ],
    ids=lambda options: next(iter(options)),
)
def test_what_has_to_be_asked_or_told_is_not_left_to_the_step(options):
    assert Watch.can_watch(make_job())
    assert not Watch.can_watch(make_job(**options))


@pytest.mark.parametrize("names", [("X",), ("X_val",), ("X", "X_val")], ids="+".join)
@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_sparse_rows_are_not_left_to_the_step(names, implementation):
    """Dense and sparse rows may be mixed: their addresses are no business of compiled code."""
    options = {"n_val": 12, "early_stopping": True, "patience": 3, "max_iter": 8}
    dense, mixed = make_job(**options), make_job(**options)
    for name in names:
        setattr(mixed, name, sp.csr_array(getattr(mixed, name)))
    assert not Watch.can_watch(mixed)
    assert_same_result(fit(mixed, implementation), fit(dense, implementation), atol=1e-10)


def jobs(**options):
    """Members that share some of their rows and validation rows, and end at different epochs."""
    shared = {"early_stopping": True, "patience": 4, "max_iter": 30, "batch_norm": True}
    shared |= {"learning_rate_init": 0.05, "dropout": 0.3, "n_val": 17, "loss": "multinomial"}
    shared |= {"n_outputs": 3, "weighted": True, **options}
    out = [make_job(table=i // 2, seed=i // 2, l1=0.01 * (i % 2), **shared) for i in range(6)]
    out[3].y_val = out[3].y_val[::-1].copy()
    out[4].X_val = None
    return out


#: All that an epoch is closed with: an average, embedded columns, targets of any kind.
CLOSINGS = {
    "classes": {},
    "average": {"ema_decay": 0.7},
    "sgd": {"ema_decay": 0.7, "solver": "sgd"},
    "embedded": {"embedded": (0, 2), "ema_decay": 0.5},
    "several targets": {"loss": "squared_error", "n_outputs": 2, "batch_norm": False},
    "quantile": {"loss": "pinball", "n_outputs": 1, "quantile": 0.2},
    "linear": {"hidden": (), "ema_decay": 0.5, "loss": "binomial", "n_outputs": 1},
    "tol": {"early_stopping": False, "tol": 0.01, "patience": 2},
}


@needs_numba
@pytest.mark.parametrize("options", CLOSINGS.values(), ids=CLOSINGS)
def test_epochs_closed_by_the_step_are_those_of_the_reference(options):
    fused = stack_of(jobs(**options), "fused")
    assert fused.watch is not None
    closed = fused.run()
    for one, other in zip(closed, fit(jobs(**options)), strict=True):
        assert_same_result(one, other, atol=1e-9)
        assert one.best_loss == pytest.approx(other.best_loss, abs=1e-9)
    assert len({r.n_iter for r in closed}) > 1


@needs_numba
@pytest.mark.parametrize("pause", [0.0, 1e-3, 1e3])
def test_any_number_of_epochs_may_be_left_to_the_step(pause, monkeypatch):
    """To the last bit: the pauses decide only when others may have a look."""
    ran, run_epochs = [], Stack._run_epochs
    monkeypatch.setattr(Stack, "_run_epochs", lambda s, n: ran.append(n) or run_epochs(s, n))
    expected = fit(jobs(), "fused")
    ran.clear()
    monkeypatch.setattr(stack_module, "_PAUSE", pause)
    for one, other in zip(fit(jobs(), "fused"), expected, strict=True):
        assert_same_result(one, other, atol=0)
    assert max(ran, default=1) == {0.0: 1, 1e3: 29}.get(pause, max(ran, default=1))


@needs_numba
@pytest.mark.parametrize("rows", [1, 3, 8])
def test_validation_rows_may_be_evaluated_in_pieces(rows, monkeypatch):
    from skreg.backends.cpu import step as fused_cpu

    options = {"batch_size": 2, "max_iter": 3, "hidden": (2,), "embedded": (1,)}
    expected = fit(jobs(**options), "fused")
    monkeypatch.setattr(fused_cpu, "_VALID_ROWS", rows)
    for one, other in zip(fit(jobs(**options), "fused"), expected, strict=True):
        assert_same_result(one, other, atol=1e-12)


@needs_numba
def test_an_interrupt_between_epochs_keeps_the_best_so_far(monkeypatch):
    """Seen where the step hands back, at the same epoch for all members."""
    control = Control(progress=lambda stack: setattr(control, "cancelled", stack.epoch >= 2))
    monkeypatch.setattr(stack_module, "_MOST_EPOCHS", 2)
    monkeypatch.setattr(stack_module, "_PAUSE", 1e3)
    options = {"patience": 30, "max_iter": 30}
    interrupted = fit(jobs(**options), "fused", control=control)
    assert {r.stopped_by for r in interrupted} == {"interrupt"}
    # One epoch alone, then two at a time: the second pair is run before the flag is looked at.
    assert {(r.n_iter, len(r.history["epoch"])) for r in interrupted} == {(5, 5)}
    whole = fit(jobs(**options), "fused")
    for one, other in zip(interrupted, whole, strict=True):
        assert one.history["train_loss"] == other.history["train_loss"][:5]
        if one.best_iter == other.best_iter:
            assert_same_params(one, other)


def assert_same_params(one, other):
    for name, values in one.params.items():
        np.testing.assert_array_equal(values, other.params[name])


@needs_numba
def test_the_optimiser_is_as_it_was_when_the_member_ended():
    """Others may go on for some epochs before it is seen that one has ended."""
    both = [make_job(max_iter=n, keep_optimiser=True, l1=0.01 * n, seed=0) for n in (4, 20)]
    short = fit(both, "fused")[0].optimiser
    alone = fit(both[0], "fused").optimiser
    assert short["t"] == alone["t"] == 4 * 3
    for one, other in zip(short["moments"], alone["moments"], strict=True):
        assert_same = np.testing.assert_array_equal
        for name, values in one.items():
            assert_same(values, other[name])
