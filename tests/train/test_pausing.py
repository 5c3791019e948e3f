"""A training that is paused goes on as if it had not been, to the last bit."""

from __future__ import annotations

import dataclasses
import pickle

import numpy as np
import pytest
import scipy.sparse as sp

from skreg.train import stack as stack_module
from skreg.train.plan import plan
from tests.train.helpers import IMPLEMENTATIONS, assert_same_result, fit, make_job, stack_of

VALIDATED = {"n_val": 12, "early_stopping": True, "patience": 3, "max_iter": 9}


def by_rows(raw):
    """A score that has its best epoch early, and is undefined in none."""
    return -float(np.abs(raw - 0.3).mean())


def undefined_at_first(raw):
    """No score as long as outputs are small."""
    return float("nan") if np.abs(raw).max() < 0.6 else by_rows(raw)


OPTIONS = {
    "by loss": VALIDATED,
    "by scorer": {**VALIDATED, "score": by_rows},
    "scorer undefined": {**VALIDATED, "score": undefined_at_first, "patience": 5},
    "patience": {**VALIDATED, "learning_rate_init": 0.1, "patience": 2, "max_iter": 40},
    "min_delta": {**VALIDATED, "min_delta": 0.3, "patience": 5},
    "to the end": {"max_iter": 7},
    "tol": {"tol": 0.02, "patience": 3, "max_iter": 40},
    "adaptive": {
        **{"learning_rate": "adaptive", "solver": "sgd", "tol": 0.05, "patience": 2},
        **{"learning_rate_init": 0.05, "max_iter": 12},
    },
    "average": {**VALIDATED, "ema_decay": 0.7},
    "average to the end": {"max_iter": 7, "ema_decay": 0.7, "l1": 0.05},
    "cosine": {**VALIDATED, "learning_rate": "cosine", "solver": "adamw", "weight_decay": 0.1},
    "sgd": {**VALIDATED, "solver": "sgd", "learning_rate": "invscaling"},
    "batch norm": {**VALIDATED, "batch_norm": True, "dropout": 0.3, "ema_decay": 0.5},
    "embedded": {**VALIDATED, "embedded": (0, 2), "input_dropout": 0.2},
    "mixup": {**VALIDATED, "mixup": 0.4, "cutmix": 0.3, "loss": "multinomial", "n_outputs": 3},
    "noise": {**VALIDATED, "input_noise": 0.3, "residual": True, "hidden": (7, 7)},
    "max_steps": {**VALIDATED, "max_steps": 20},
    "weighted": {**VALIDATED, "weighted": True, "max_norm": 1.0},
    "float32": {**VALIDATED, "dtype": "float32", "dropout": 0.3, "ema_decay": 0.7},
    "diverges": {"learning_rate_init": 1e6, "solver": "sgd", "max_iter": 60, "dtype": "float32"},
}
of_both = pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
of_all = pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)


def travelled(checkpoint):
    """As it comes out of an executor."""
    return pickle.loads(pickle.dumps(checkpoint))


def in_segments(make, pauses, implementation, beside=()):
    """Result of a job that is paused at each of some epochs, unless it ends before, and goes on."""
    resume = None
    for pause in (*pauses, None):
        one = dataclasses.replace(make(), pause=pause, resume=resume)
        result = stack_of([one, *beside], implementation).run()[0]
        if result.stopped_by != "paused":
            return result
        assert result.n_iter == result.checkpoint.epochs == pause
        resume = travelled(result.checkpoint)
    raise AssertionError("a job without a pause is not paused")


def assert_same_arrays(one, other):
    assert one.keys() == other.keys()
    for name, values in one.items():
        assert values.dtype == other[name].dtype
        np.testing.assert_array_equal(values, other[name], err_msg=name)


def assert_equal(one, other):
    """To the last bit."""
    assert_same_arrays(one.params, other.params)
    assert one.history.keys() == other.history.keys()
    for name, values in one.history.items():
        np.testing.assert_array_equal(values, other.history[name], err_msg=name)
    for name in ("n_iter", "best_iter", "best_loss", "n_steps", "best_step", "stopped_by"):
        assert getattr(one, name) == getattr(other, name), name
    assert (one.optimiser is None) == (other.optimiser is None)
    if one.optimiser is not None:
        assert one.optimiser["t"] == other.optimiser["t"]
        for own, others in zip(one.optimiser["moments"], other.optimiser["moments"], strict=True):
            assert_same_arrays(own, others)


@of_both
@of_all
@pytest.mark.parametrize("pauses", [(1,), (3,), (2, 3, 5)], ids=str)
def test_alone(pauses, options, implementation):
    def make():
        return make_job(keep_optimiser=True, **options)

    whole = stack_of(make(), implementation).run()[0]
    assert_equal(in_segments(make, pauses, implementation), whole)


@of_both
@of_all
def test_beside_others(options, implementation):
    """Fresh ones, one of other rows, one that ends early, and one that goes on from another epoch."""

    def make():
        return make_job(keep_optimiser=True, **options)

    score = options.get("score")
    short = {**options, "max_iter": 2, "max_steps": None}
    other = make_job(**{**options, "seed": 5, "max_iter": 6})
    ahead = fit(dataclasses.replace(other, pause=1), implementation)
    others = [make_job(table=3, **options), make_job(**short), make_job(seed=1, **options)]
    if ahead.stopped_by == "paused":
        others.append(dataclasses.replace(other, resume=ahead.checkpoint))
    assert all(job.score is score for job in others)
    whole = stack_of([make(), *others], implementation).run()
    result = in_segments(make, (2, 4), implementation, beside=others)
    if implementation == "reference":  # torch rounds products of other stacks otherwise
        assert_same_result(result, whole[0], atol=1e-6 if "dtype" in options else 1e-12)
    else:
        assert_equal(result, whole[0])


@of_both
@pytest.mark.parametrize("options", [VALIDATED, OPTIONS["batch norm"]], ids=["plain", "batch norm"])
def test_many_are_dropped_on_the_way(options, implementation):
    """As in a search that halves: planned as it would be, with rungs in common."""

    def make(i):
        return make_job(table=i % 3, seed=i % 2, learning_rate_init=0.002 * (1 + i), **options)

    jobs = [make(i) for i in range(12)]
    whole = [stack_of(job, implementation).run()[0] for job in jobs]
    left, checkpoints = list(range(12)), dict.fromkeys(range(12))
    for pause in (2, 4, None):
        part = [dataclasses.replace(jobs[i], pause=pause, resume=checkpoints[i]) for i in left]
        ended = dict(zip(left, fit(part, implementation), strict=True))
        left = [i for i, result in ended.items() if result.stopped_by == "paused"][::2]
        checkpoints = {i: ended[i].checkpoint for i in left}
    assert len(ended) >= 2
    for i, result in ended.items():
        if implementation == "fused":
            assert_equal(result, whole[i])
        assert result.history["valid_loss"] == pytest.approx(whole[i].history["valid_loss"])


@of_both
def test_sparse_rows(implementation):
    def make():
        job = make_job(**VALIDATED)
        return dataclasses.replace(job, X=sp.csr_matrix(job.X), X_val=sp.csr_matrix(job.X_val))

    assert_equal(
        in_segments(make, (2, 5), implementation), stack_of(make(), implementation).run()[0]
    )


@of_both
def test_a_job_that_starts_from_a_fit(implementation):
    """Epochs of the fit before it count for the random bits, and not for the pause."""
    options = {"dropout": 0.3, "keep_optimiser": True, "max_iter": 5}
    before = fit(make_job(**options), implementation)
    start = {**before.params, "optimiser": before.optimiser, "epoch": 5}

    def make():
        return make_job(start=start, **options)

    assert_equal(in_segments(make, (1, 3), implementation), fit(make(), implementation))


@of_both
def test_who_goes_on_joins_a_stack_in_training(implementation):
    job = make_job(dropout=0.2, **VALIDATED)
    paused = fit(dataclasses.replace(job, pause=4), implementation)
    stack = stack_of(make_job(seed=3, **VALIDATED), implementation)
    for _ in stack.epochs():
        if stack.epoch == 2:
            stack.join([dataclasses.replace(job, resume=paused.checkpoint)])
            break
    for _ in stack.epochs():
        pass
    whole = fit(job, implementation)
    if implementation == "fused":
        assert_equal(stack.results[1], whole)
    assert stack.results[1].history["valid_loss"] == pytest.approx(whole.history["valid_loss"])


@of_both
@pytest.mark.parametrize("name", ["by loss", "average", "to the end", "tol", "by scorer"])
def test_a_paused_job_can_be_used_as_it_is(name, implementation):
    """Its weights are the best so far, as if that had been all."""
    job = make_job(**{"max_iter": 9, **OPTIONS[name]})
    paused = fit(dataclasses.replace(job, pause=3), implementation)
    assert (paused.stopped_by, paused.n_iter) == ("paused", 3)
    shorter = fit(make_job(**{**OPTIONS[name], "max_iter": 3}), implementation)
    shorter.stopped_by = "paused"
    assert_equal(paused, shorter)


@of_both
@pytest.mark.parametrize("pause", [9, 12])
def test_no_pause_at_the_end_or_behind_it(pause, implementation):
    job = make_job(max_iter=9)
    result = fit(dataclasses.replace(job, pause=pause), implementation)
    assert (result.stopped_by, result.checkpoint) == ("max_iter", None)
    assert_equal(result, fit(job, implementation))


@of_both
def test_what_patience_ends_is_not_paused(implementation):
    job = make_job(**OPTIONS["patience"])
    whole = fit(job, implementation)
    assert whole.stopped_by == "patience"
    assert_equal(fit(dataclasses.replace(job, pause=whole.n_iter), implementation), whole)


@of_both
def test_the_seconds_of_all_segments_count(implementation):
    """For the result, and for a limit of time."""
    job = make_job(max_iter=6)
    first = fit(dataclasses.replace(job, pause=2), implementation)
    first.checkpoint.seconds = 100.0
    assert fit(dataclasses.replace(job, resume=first.checkpoint), implementation).seconds > 100
    limited = dataclasses.replace(job.spec, max_time=50.0)
    over = fit(dataclasses.replace(job, spec=limited, resume=first.checkpoint), implementation)
    assert over.stopped_by == "max_time"
    assert over.n_iter == 3


@of_both
@pytest.mark.parametrize("ema_decay", [0.0, 0.6])
def test_what_is_the_same_is_held_once(ema_decay, implementation):
    job = make_job(max_iter=9, ema_decay=ema_decay)
    result = fit(dataclasses.replace(job, pause=3, keep_optimiser=True), implementation)
    checkpoint = result.checkpoint
    assert checkpoint.best is None
    assert (checkpoint.average is None) == (ema_decay == 0)
    assert checkpoint.kept["weight_0"] is result.params["weight_0"]
    assert checkpoint.optimiser is result.optimiser
    state = sum(values.nbytes for values in checkpoint.params.values())
    copies = 3 + (ema_decay > 0)  # parameters, two moments
    assert len(pickle.dumps(checkpoint)) < copies * state + 4000


def test_a_checkpoint_is_not_changed_by_going_on():
    job = make_job(ema_decay=0.5, **VALIDATED)
    checkpoint = fit(dataclasses.replace(job, pause=3)).checkpoint
    before = pickle.dumps(checkpoint)
    first, second = (fit(dataclasses.replace(job, resume=checkpoint)) for _ in range(2))
    assert pickle.dumps(checkpoint) == before
    assert_equal(first, second)


@pytest.mark.parametrize("most", [2, 64])
def test_however_many_epochs_a_step_runs_at_a_time(most, monkeypatch):
    monkeypatch.setattr(stack_module, "_MOST_EPOCHS", most)
    monkeypatch.setattr(stack_module, "_PAUSE", 1e3)

    def make():
        return make_job(**{**VALIDATED, "max_iter": 30, "patience": 30, "ema_decay": 0.5})

    implementation = IMPLEMENTATIONS[-1]
    beside = [make_job(seed=4, max_iter=30)]
    whole = stack_of([make(), *beside], implementation).run()[0]
    assert_equal(in_segments(make, (4, 9, 21), implementation, beside), whole)


def test_on_other_devices_equal_clocks_share_a_stack():
    """Kernels there know one clock a stack."""
    job = make_job(max_iter=9)
    first, second = (fit(dataclasses.replace(job, pause=n)).checkpoint for n in (2, 3))
    for device, n_stacks in (("cpu", 1), ("cuda", 3)):
        spec = dataclasses.replace(job.spec, device=device)
        resumes = (None, first, None, second, first)
        jobs = [dataclasses.replace(job, spec=spec, resume=resume) for resume in resumes]
        assert len(plan(jobs)) == n_stacks
        assert sorted(map(sorted, plan(jobs)))[0][:2] == ([0, 1] if device == "cpu" else [0, 2])


def wrong_jobs():
    job = make_job(max_iter=9)
    checkpoint = fit(dataclasses.replace(job, pause=3)).checkpoint
    sgd = dataclasses.replace(job.spec, solver="sgd")
    return {
        "pause=0": (job, {"pause": 0}),
        "pause=2.5": (job, {"pause": 2.5}),
        "pause=True": (job, {"pause": True}),
        "stop together": (job, {"pause": 2, "cohort": "a"}),
        "a callback": (job, {"resume": checkpoint, "driver": print}),
        "pause=3 and goes on from epoch 3": (job, {"pause": 3, "resume": checkpoint}),
        "max_iter=3, and 3 are behind it": (make_job(max_iter=3), {"resume": checkpoint}),
        "max_steps=9, and 9 are": (make_job(max_steps=9), {"resume": checkpoint}),
        "weight_0, weight_1, bias_0|weight_0.*differ": (
            make_job(hidden=(3,), max_iter=9),
            {"resume": checkpoint},
        ),
        "solver='sgd'": (job, {"spec": sgd, "resume": checkpoint}),
        "dtype='float32'": (make_job(dtype="float32", max_iter=9), {"resume": checkpoint}),
    }


@pytest.mark.parametrize("message", list(wrong_jobs()))
def test_what_cannot_be_done_is_refused(message):
    job, changes = wrong_jobs()[message]
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(job, **changes)
