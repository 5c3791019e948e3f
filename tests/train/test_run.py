"""From jobs to results: order, memory, reproducibility, weights and restarts."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import numpy as np
import pytest
import torch

from skreg.backends import choose as implementations
from skreg.train import Control, Spec, train
from skreg.train.run import train_stack
from skreg.train.stack import Stack
from tests.train.helpers import (
    IMPLEMENTATIONS,
    assert_same_result,
    distance,
    fit,
    make_job,
    outputs,
    stack_of,
    train_module,
)

both = pytest.mark.parametrize("implementation", IMPLEMENTATIONS)


def mixed_jobs():
    return [
        make_job(hidden=(3,) * (i % 3), seed=i % 4, n_val=10, dropout=0.2, max_iter=2 + i % 2)
        for i in range(12)
    ]


# Results and reports.


@both
def test_results_come_in_the_order_of_the_jobs(implementation):
    jobs = mixed_jobs()
    results, reports = train(jobs, implementation=implementation)
    for job, result in zip(jobs, results, strict=True):
        assert_same_result(result, fit(job, implementation), atol=1e-8)
    assert sum(r.members for r in reports) == 12
    assert len(reports) == 3
    assert all(r.flops > 0 and r.epochs == 3 for r in reports)


def test_no_jobs():
    assert train([]) == ([], [])


def test_history_has_a_row_an_epoch():
    result = fit(make_job(max_iter=4, n_val=10, score=lambda raw: 0.25))
    assert list(result.history) == [
        "epoch",
        "train_loss",
        "valid_loss",
        "valid_score",
        "learning_rate",
    ]
    assert result.history["epoch"] == [1, 2, 3, 4]
    assert result.history["valid_score"] == [0.25] * 4
    for name, values in result.history.items():
        kind = int if name == "epoch" else float
        assert [type(v) for v in values] == [kind] * 4


@both
@pytest.mark.parametrize(("loss", "n_outputs"), [("multinomial", 3), ("squared_error", 1)])
def test_training_lowers_the_loss(loss, n_outputs, implementation):
    job = make_job(loss=loss, n_outputs=n_outputs, max_iter=60, batch_norm=True)
    history = fit(job, implementation).history
    assert history["train_loss"][-1] < 0.5 * history["train_loss"][0]


@both
@pytest.mark.parametrize("batch_norm", [False, True])
def test_a_score_sees_the_outputs_at_predict(batch_norm, implementation):
    """Without dropout, by the running statistics; rows first, in float64."""
    seen = []
    job = make_job(
        n_val=9,
        n_outputs=2,
        batch_norm=batch_norm,
        dropout=0.5,
        input_dropout=0.5,
        score=lambda raw: seen.append(raw.copy()) or 0.0,
    )
    result = fit(job, implementation)
    assert seen[-1].shape == (9, 2)
    np.testing.assert_allclose(seen[-1], outputs(result.params, job.spec, job.X_val), atol=1e-12)


def test_running_statistics_follow_the_minibatches():
    """One step: a tenth of the way from (0, 1) to the mean and the (biased) variance."""
    job = make_job(batch_norm=True, batch_size=1000, max_iter=1, learning_rate_init=1e-300)
    params = fit(job).params
    z = job.X @ params["weight_0"].T
    np.testing.assert_allclose(params["mean_0"], 0.1 * z.mean(axis=0), atol=1e-12)
    expected = 0.9 + 0.1 * z.var(axis=0)
    np.testing.assert_allclose(params["variance_0"], expected, atol=1e-12)


@both
@pytest.mark.parametrize(("n", "batch_size"), [(1, 4), (2, 1), (3, 2), (5, 2), (9, 4)])
def test_batch_norm_with_a_last_minibatch_of_one_row(n, batch_size, implementation):
    job = make_job(n=n, batch_size=batch_size, batch_norm=True, n_val=4)
    result = fit(job, implementation)
    assert result.stopped_by == "max_iter"
    assert np.isfinite(result.history["valid_loss"]).all()


# Weights.


@both
@pytest.mark.parametrize("batch_norm", [False, True], ids=["plain", "batch_norm"])
@pytest.mark.parametrize("loss", ["squared_error", "multinomial"])
def test_integer_weights_equal_repeated_rows(loss, batch_norm, implementation):
    """Full batch, with L2 and L1: also the statistics of batch norm are those of repeated rows."""
    options = {"batch_size": 1000, "max_iter": 30, "loss": loss, "n_outputs": 3}
    options |= {"l1": 0.001, "l2": 0.01, "batch_norm": batch_norm}
    weighted, repeated = make_job(**options), make_job(**options)
    counts = np.random.default_rng(0).integers(1, 5, size=40)
    weighted.sample_weight = counts / counts.mean()
    repeated.X = np.repeat(repeated.X, counts, axis=0)
    repeated.y = np.repeat(repeated.y, counts, axis=0)
    one, other = fit(weighted, implementation), fit(repeated, implementation)
    assert_same_result(one, other, atol=1e-7)


@both
def test_equal_weights_change_nothing(implementation):
    job = make_job(batch_norm=True, dropout=0.3)
    expected = fit(job, implementation)
    job.sample_weight = np.ones(40)
    assert_same_result(fit(job, implementation), expected, atol=1e-12)


# Reproducibility.


@both
def test_two_runs_are_equal(implementation):
    for one, other in zip(*(fit(mixed_jobs(), implementation) for _ in range(2)), strict=True):
        assert_same_result(one, other, atol=0)


@both
def test_the_order_of_the_jobs_has_no_say(implementation):
    """Not even in the last bit: they are put in a canonical order before they are stacked."""
    jobs = mixed_jobs()
    expected = fit(jobs, implementation)
    order = np.random.default_rng(0).permutation(len(jobs))
    for i, result in zip(order, fit([jobs[i] for i in order], implementation), strict=True):
        assert_same_result(result, expected[i], atol=0)


@both
def test_global_generators_are_neither_read_nor_moved(implementation):
    results = []
    for seed in (0, 1):
        np.random.seed(seed)
        torch.manual_seed(seed)
        before = np.random.get_state()[1].copy(), torch.get_rng_state()
        results.append(
            fit(make_job(dropout=0.5, input_dropout=0.3, batch_norm=True), implementation)
        )
        np.testing.assert_array_equal(np.random.get_state()[1], before[0])
        assert torch.equal(torch.get_rng_state(), before[1])
    assert_same_result(*results, atol=0)


def test_seeds_differ():
    one, other = fit([make_job(seed=0), make_job(seed=1)])
    assert distance(one.params, other.params) > 0.1


# Restarts.


@both
@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_training_in_two_parts_equals_training_in_one(solver, implementation):
    options = {"solver": solver, "batch_norm": True, "dropout": 0.3}
    whole = fit(make_job(max_iter=5, **options), implementation)
    first = make_job(max_iter=2, **options)
    first.keep_optimiser = True
    half = fit(first, implementation)
    start = {**half.params, "optimiser": half.optimiser, "epoch": 2}
    rest = fit(make_job(max_iter=3, start=start, **options), implementation)
    assert distance(rest.params, whole.params) == 0
    assert half.history["train_loss"] + rest.history["train_loss"] == whole.history["train_loss"]


def test_the_optimiser_is_kept_on_demand_only():
    assert fit(make_job()).optimiser is None


# Memory.


class Crowded(Stack):
    """A stack that finds no memory for more than two members."""

    error = MemoryError()

    def __init__(self, jobs, *args):
        if len(jobs) > 2:
            raise self.error
        super().__init__(jobs, *args)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory."),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"),
    ],
    ids=lambda e: type(e).__name__,
)
def test_too_little_memory_halves_the_stack(error, monkeypatch):
    jobs = [make_job(seed=i) for i in range(7)]
    expected = fit(jobs)
    monkeypatch.setattr(train_module, "Stack", Crowded)
    monkeypatch.setattr(Crowded, "error", error)
    results, reports = train_stack(jobs, implementation="reference")
    assert [r.members for r in reports] == [1, 2, 2, 2]
    for one, other in zip(results, expected, strict=True):
        assert_same_result(one, other, atol=1e-10)


@pytest.mark.parametrize(
    ("error", "n"), [(MemoryError("too little"), 1), (RuntimeError("too little sense"), 2)]
)
def test_other_errors_and_single_jobs_are_not_retried(error, n, monkeypatch):
    def fail(self):
        raise error

    monkeypatch.setattr(Stack, "run", fail)
    with pytest.raises(type(error), match="too little"):
        train_stack([make_job(seed=i) for i in range(n)], implementation="reference")


def test_a_stack_that_fails_leaves_the_others_alone(monkeypatch):
    jobs = [make_job(), make_job(hidden=(3,)), make_job(seed=1)]
    expected = fit(jobs)
    init = Stack.__init__

    def fail(self, some, *args):
        if some[0].spec.hidden == (3,):
            raise ZeroDivisionError("in the second stack")
        init(self, some, *args)

    monkeypatch.setattr(Stack, "__init__", fail)
    results, reports = train(jobs, implementation="reference")
    assert len(reports) == 1
    assert (results[1].stopped_by, results[1].params) == ("error", {})
    assert isinstance(results[1].error, ZeroDivisionError)
    for i in (0, 2):
        assert results[i].error is None
        assert_same_result(results[i], expected[i], atol=1e-10)


def test_an_error_of_a_scorer_ends_its_member_alone():
    def score(raw):
        raise ValueError("no such score")

    jobs = [make_job(n_val=9, score=score), make_job(n_val=9)]
    results = fit(jobs)
    assert [r.stopped_by for r in results] == ["error", "max_iter"]
    assert str(results[0].error) == "no such score"
    assert_same_result(results[1], fit(jobs[1]), atol=1e-10)


# Implementations.


def test_without_numba_the_reference_runs_with_one_warning(monkeypatch):
    monkeypatch.setitem(sys.modules, "skreg.backends.cpu.step", None)
    monkeypatch.setattr(implementations, "_warned", set())
    with pytest.warns(RuntimeWarning, match="numba cannot be imported .*pip install numba"):
        result = fit(make_job(), "auto")
    assert_same_result(result, fit(make_job(), "auto"), atol=0)


@pytest.mark.parametrize("missing", ["numba", "device"])
def test_fused_on_demand_says_what_it_needs(missing, monkeypatch):
    if missing == "numba":
        monkeypatch.setitem(sys.modules, "skreg.backends.cpu.step", None)
    device = "meta" if missing == "device" else "cpu"
    expected = "numba cannot be imported" if missing == "numba" else "CPU and for CUDA alone"
    with pytest.raises(RuntimeError, match=f"device='{device}': .*{expected}"):
        stack_of(make_job(device=device), "fused")


def test_progress_hears_every_epoch():
    """By a record that has nothing of the stack: numbers, which go on to be true."""
    heard = []
    control = Control(progress=heard.append)
    for _ in range(2):
        fit([make_job(max_iter=2), make_job(max_iter=3)], control=control)
    first, second = heard[:3], heard[3:]
    for records in (first, second):
        known = [(1, 2, 0, 3), (2, 1, 0, 3), (3, 0, 1, 3)]
        assert [(r.epoch, r.training, r.done, r.max_iter) for r in records] == known
        assert [r.members for r in records] == [2, 2, 2]
        assert 0 < records[0].seconds <= records[1].seconds <= records[2].seconds
        assert records[0].trained < records[1].trained < records[2].trained == 2
        assert len({r.stack for r in records}) == 1
    assert first[0].stack != second[0].stack
    kinds = {type(value) for value in dataclasses.asdict(heard[0]).values()}
    assert kinds <= {int, float}
    with pytest.raises(dataclasses.FrozenInstanceError, match="epoch"):
        heard[0].epoch = 7


def test_defaults_of_a_spec_are_a_linear_model():
    assert Spec().n_layers == 1
    assert Spec(hidden=(4, 3)).n_layers == 3


def test_arrows_of_import_point_one_way():
    """Layers and objective know no engine; the engine knows neither scikit-learn nor pandas.

    Triton is asked for where there is CUDA alone, and numba by the first fit.
    """
    code = (
        "import sys, skreg.net, skreg.objective.losses, skreg.objective.penalties\n"
        "found = {'skreg.train'} & set(sys.modules)\n"
        "import skreg.train\n"
        "found |= {'sklearn', 'pandas', 'skorch', 'matplotlib', 'triton', 'numba'} & set(sys.modules)\n"
        "raise SystemExit(', '.join(found) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
