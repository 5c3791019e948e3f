"""The CUDA step equals the reference: in Triton's interpreter everywhere, on CUDA where there is one."""

from __future__ import annotations

import functools
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from joblib import parallel_config
from sklearn.model_selection import GridSearchCV

import skreg
from skreg.backends import self_check
from skreg.net.activation import NUMBERS
from skreg.net.block import Block
from skreg.net.net import Net
from skreg.train.feed import Epoch
from tests.train.helpers import (
    assert_same_result,
    fit,
    make_job,
    make_spec,
    stack_of,
)

TRITON = importlib.util.find_spec("triton") is not None
#: Columns of the nets that a test is made with.
EMBEDDED = (None, (0, 2, 3))

INTERPRETED = Path(__file__).with_name("interpreted_step.py")
#: They take minutes, so that they are run in so many parts, side by side.
PARTS = 4

needs_triton = pytest.mark.skipif(not TRITON, reason="the kernels for CUDA need triton")


def on_cuda(test):
    """A test that needs a GPU: asked for with ``-m gpu``."""
    skip = pytest.mark.skipif(
        not (torch.cuda.is_available() and TRITON), reason="there is no CUDA device, or no triton"
    )
    return pytest.mark.gpu(skip(test))


def in_the_interpreter(*arguments):
    """What pytest writes in a process of its own, in which Triton's interpreter runs the kernels."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    environment = {**os.environ, "TRITON_INTERPRET": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        cwd=INTERPRETED.parents[3],
        env=environment,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@functools.cache
def interpreted(marked):
    """The tests for the interpreter that a marker expression chooses."""
    found = in_the_interpreter("--collect-only", "-m", marked, str(INTERPRETED))
    cases = [line for line in found.splitlines() if "::" in line]
    assert len(cases) >= PARTS
    return cases


@needs_triton
def test_what_a_block_lacks_is_named(monkeypatch):
    """So a net with it is left to the reference; new activations among them, until kernels have them."""
    from skreg.backends.cuda import kernels
    from skreg.backends.cuda.step import FusedCudaStep

    class Scale(Block):
        def train(self, p, a, minibatch):
            return 2 * a

    last = list(NUMBERS)[-1]
    for embedded in EMBEDDED:
        net = Net.of(make_spec(activation=last, batch_norm=True, embedded=embedded), 4)
        assert FusedCudaStep.lacks(net, sparse=False) == ""
        assert FusedCudaStep.lacks(net, sparse=True) == "sparse tables"
        other = Net([*net.blocks[:-1], Scale(), net.blocks[-1]])
        assert FusedCudaStep.lacks(other, sparse=False) == "Scale"
    monkeypatch.setattr(kernels, "LAST_ACTIVATION", NUMBERS[last] - 1)
    assert FusedCudaStep.lacks(net, sparse=False) == f"activation={last!r}"
    assert FusedCudaStep.lacks(Net.of(make_spec(), 4), sparse=False) == ""
    for flag, name in (("layer_norm", "LayerNorm"), ("residual", "Residual")):
        net = Net.of(make_spec(hidden=(5, 5), **{flag: True}), 4)
        assert FusedCudaStep.lacks(net, sparse=False) == name


@needs_triton
@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("marked", ["not slow", "slow"])
def test_in_the_interpreter(marked, part):
    cases = interpreted(marked)[part::PARTS]
    assert f"{len(cases)} passed" in in_the_interpreter("-m", marked, *cases)


# On a GPU.


def settings(**shared):
    """Members that differ in their knobs, two of them on a table of their own."""
    knobs = (
        {"dropout": (0.5, 0.1), "l1": (0.01, 0.0, 0.02)},
        {"weight_decay": 0.3, "max_norm": 1.0},
        {"l2": 0.1, "input_dropout": 0.3},
    )
    return [
        make_job(n=200 - i // 2, table=i // 2, n_val=50, device="cuda", **{**shared, **own})
        for i, own in enumerate(knobs)
    ]


@on_cuda
@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize("loss", ["multinomial", "squared_error"])
def test_equals_the_reference(loss, solver):
    shared = {"loss": loss, "solver": solver, "batch_norm": True, "n_outputs": 3, "epsilon": 0.1}
    jobs = settings(**shared)
    for one, other in zip(fit(jobs, "fused"), fit(jobs, "reference"), strict=True):
        assert_same_result(one, other, atol=1e-10)


@on_cuda
@pytest.mark.parametrize("input_dropout", [0.0, 0.3])
@pytest.mark.parametrize("batch_norm", [False, True], ids=["plain", "batch_norm"])
def test_embedded_columns_equal_the_reference(batch_norm, input_dropout):
    jobs = [
        make_job(
            **{"n": 200 - i, "table": i, "n_val": 50, "embedded": (0, 2, 3), "device": "cuda"},
            **{"batch_norm": batch_norm, "input_dropout": rate, "batch_size": 70, "epsilon": 0.1},
        )
        for i, rate in enumerate((0.0, input_dropout))
    ]
    for one, other in zip(fit(jobs, "fused"), fit(jobs, "reference"), strict=True):
        assert_same_result(one, other, atol=1e-10)


@on_cuda
def test_embedded_columns_in_float32_equal_the_reference():
    """Few steps and a smooth objective: rounding has no time to grow."""
    shared = {"embedded": (0, 2, 3), "dtype": "float32", "activation": "gelu", "epsilon": 0.1}
    jobs = settings(batch_norm=True, max_iter=1, **shared)
    for one, other in zip(fit(jobs, "fused"), fit(jobs, "reference"), strict=True):
        assert_same_result(one, other, atol=1e-5)


@on_cuda
@pytest.mark.parametrize("embedded", EMBEDDED, ids=["plain", "embedded"])
def test_the_self_check_finds_nothing(embedded):
    from skreg.backends.cuda.step import FusedCudaStep

    spec = make_job(device="cuda", dtype="float32", batch_norm=True, embedded=embedded).spec
    assert self_check._examine(FusedCudaStep, spec) == ""
    assert stack_of(make_job(device="cuda", embedded=embedded)).step_type is FusedCudaStep


@on_cuda
def test_the_nets_of_an_estimator_as_it_is_are_trained_by_the_kernels(monkeypatch):
    from skreg.backends.cuda.step import FusedCudaStep

    trained = []

    class Noted(FusedCudaStep):
        def __init__(self, state, knobs, feed, spec):
            trained.append(spec.n_embedded)
            super().__init__(state, knobs, feed, spec)

    monkeypatch.setattr("skreg.backends.cuda.step.FusedCudaStep", Noted)
    X = np.random.default_rng(0).standard_normal((100, 3))
    skreg.RegularizedMLPRegressor(max_iter=2, device="cuda", random_state=0).fit(X, X[:, 0])
    # Three tiny nets of the self-check embed two columns of theirs.
    assert trained[-1] == 3


@on_cuda
@pytest.mark.parametrize("embedded", EMBEDDED, ids=["plain", "embedded"])
def test_minibatches_and_the_ends_of_epochs_were_recorded(embedded):
    stack = stack_of(settings(batch_norm=True, embedded=embedded, max_iter=8, early_stopping=True))
    stack.run()
    assert stack.step.minibatch.recorded
    assert stack.step.ends.recorded


@on_cuda
@pytest.mark.parametrize("embedded", EMBEDDED, ids=["plain", "embedded"])
def test_a_stack_is_the_same_to_the_last_bit_twice(embedded):
    jobs = settings(batch_norm=True, dtype="float32", max_iter=10, embedded=embedded)
    for one, other in zip(fit(jobs), fit(jobs), strict=True):
        assert_same_result(one, other, atol=0)


@on_cuda
def test_early_stopping_is_that_of_the_cpu():
    options = {"early_stopping": True, "patience": 3, "max_iter": 60, "epsilon": 0.1}
    options |= {"dropout": 0.3, "learning_rate_init": 0.05, "n": 100, "n_val": 40}
    jobs, on_cpu = (
        [make_job(seed=seed, device=device, **options) for seed in range(4)]
        for device in ("cuda", "cpu")
    )
    results = fit(jobs)
    assert any(r.stopped_by == "patience" for r in results)
    for one, other in zip(results, fit(on_cpu), strict=True):
        assert_same_result(one, other, atol=1e-8)


@on_cuda
@pytest.mark.parametrize("embedded", EMBEDDED, ids=["plain", "embedded"])
@pytest.mark.parametrize("implementation", ["fused", "reference"])
def test_nothing_waits_for_the_device_inside_an_epoch(implementation, embedded):
    stack = stack_of(settings(batch_norm=True, embedded=embedded), implementation)
    feed, step = stack.feed, stack.step
    rates = np.full((feed.steps, 3), 0.01)
    epochs = [Epoch(*feed.epoch(number), rates) for number in range(2)]
    step.run(epochs[0], 0, feed.steps)  # compiles
    first = 1 if implementation == "reference" else 0
    if first:  # the reference waits until the numbers of an epoch are sent
        step.run(epochs[1], 0, first)
    before = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        step.run(epochs[1], first, feed.steps)
    finally:
        torch.cuda.set_sync_debug_mode(before)


def closed_epochs(stack, count):
    """Let the step of a stack train and close epochs, as its stack does."""
    rates = np.full((count * stack.feed.steps, len(stack.members)), 0.01)
    return stack.step.run_epochs(stack.epoch, count, rates, stack._closing())


@on_cuda
def test_nothing_waits_for_the_device_from_epoch_to_epoch():
    """Orders are sent, members judged and the best kept without a look from the host."""
    options = {"batch_norm": True, "early_stopping": True, "ema_decay": 0.5, "weighted": True}
    stack = stack_of(settings(**options))
    assert stack.watch is not None
    closed_epochs(stack, 3)  # compiles, records, allocates
    stack.epoch += 3
    before = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        losses = closed_epochs(stack, 3)
    finally:
        torch.cuda.set_sync_debug_mode(before)
    assert losses.shape == (2, 3, 3)
    assert losses.isfinite().all()


@on_cuda
@pytest.mark.parametrize("loss", ["multinomial", "squared_error"])
def test_members_judged_on_the_device_end_as_those_of_the_reference(loss):
    options = {
        "early_stopping": True,
        "patience": 3,
        "max_iter": 40,
        "ema_decay": 0.5,
        "loss": loss,
    }
    options |= {"learning_rate_init": 0.05, "batch_norm": True, "n_outputs": 3, "epsilon": 0.1}
    jobs = settings(**options)
    results = fit(jobs, "fused")
    assert any(r.stopped_by == "patience" for r in results)
    for one, other in zip(results, fit(jobs, "reference"), strict=True):
        assert_same_result(one, other, atol=1e-8)


@on_cuda
def test_a_limit_of_time_is_kept():
    """However fast minibatches are handed over: what is queued does not run on for seconds."""
    options = {"n": 5000, "batch_size": 5, "hidden": (500,), "max_iter": 10_000, "device": "cuda"}
    fit(make_job(max_steps=5, **options))  # compiles
    result = fit(make_job(max_time=1.0, **options))
    assert result.stopped_by == "max_time"
    assert 1.0 < result.seconds < 5.0


@on_cuda
@pytest.mark.parametrize("numeric_embedding", [None, "periodic"])
def test_a_search_is_the_same_batched_and_one_by_one(numeric_embedding):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((240, 6))
    y = (X[:, 0] * X[:, 1] + 0.3 * rng.standard_normal(240) > 0).astype(int)
    grid = {"dropout": [0.0, 0.2, 0.4], "l2": [0.0, 0.01]}

    def searched(device, backend):
        net = skreg.RegularizedMLPClassifier(
            *((16,),),
            **{"max_iter": 10, "batch_norm": True, "random_state": 0, "dtype": "float64"},
            **{"numeric_embedding": numeric_embedding, "device": device},
        )
        with parallel_config(backend=backend):
            return GridSearchCV(net, grid, cv=3, scoring="neg_log_loss").fit(X, y)

    batched = searched("cuda", "skreg")
    for other in (searched("cuda", "sequential"), searched("cpu", "skreg")):
        assert batched.best_params_ == other.best_params_
        scores = (s.cv_results_["mean_test_score"] for s in (batched, other))
        np.testing.assert_allclose(*scores, rtol=1e-8)
