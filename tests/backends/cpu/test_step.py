"""The fused step equals the reference, in all that a stack can hold."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
import scipy.sparse as sp

from skreg.net.activation import KINDS
from skreg.net.net import EMBEDDINGS
from skreg.train.feed import CHUNK_ENTRIES
from tests.backends.test_oracle import LOSSES, SOLVERS
from tests.train.helpers import (
    assert_same_result,
    distance,
    fit,
    make_job,
    stack_of,
)

pytest.importorskip("numba")

#: Streams by (rows, seed, weighted): one, as many as members, and between.
STREAMS = {
    "one": [(40, 0, False)] * 3,
    "all differ": [(40, 0, False), (41, 0, False), (40, 1, False)],
    "pairs": [(40, 0, False)] * 2 + [(43, 5, False)] * 2,
    "weights": [(40, 0, True)] * 2 + [(43, 0, False)],
}


def both(jobs):
    return zip(fit(jobs, "fused"), fit(jobs, "reference"), strict=True)


def settings(**shared):
    """Three members that differ in every knob that may differ."""
    return [
        make_job(
            n_val=20, dropout=rates, l1=l1, weight_decay=decay, learning_rate_init=rate, **shared
        )
        for rates, l1, decay, rate in (
            ((0.0, 0.0), 0.0, 0.0, 0.01),
            ((0.5, 0.1), (0.01, 0.0, 0.02), 0.0, 0.003),
            ((0.0, 0.9), 0.001, 0.3, 0.02),
        )
    ]


@pytest.mark.parametrize("activation", KINDS)
def test_activations(activation):
    for one, other in both(settings(activation=activation)):
        assert_same_result(one, other, atol=1e-10)


@pytest.mark.slow
@pytest.mark.parametrize("batch_norm", [False, True], ids=["plain", "batch_norm"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", KINDS)
def test_activations_in_full(activation, dtype, batch_norm):
    # With a small epsilon Adam would turn a gradient that is zero but for rounding, as that of a shift
    # in front of another batch norm, into a step of full size.
    jobs = settings(activation=activation, dtype=dtype, batch_norm=batch_norm, epsilon=0.1)
    for one, other in both(jobs):
        assert_same_result(one, other, atol=1e-10 if dtype == "float64" else 3e-5)


@pytest.mark.parametrize("loss", LOSSES)
def test_losses(loss):
    jobs = settings(loss=loss, batch_norm=True, weighted=True, **LOSSES[loss])
    for one, other in both(jobs):
        assert_same_result(one, other, atol=1e-10)


@pytest.mark.parametrize("batch_norm", [False, True], ids=["plain", "batch_norm"])
@pytest.mark.parametrize("name", SOLVERS)
def test_solvers(name, batch_norm):
    shared = {"batch_norm": batch_norm, "l1": (0.01, 0.0, 0.1), "l2": 0.02, **SOLVERS[name]}
    jobs = [
        make_job(seed=seed, max_norm=bound, **shared) for seed, bound in ((0, 1.0), (1, np.inf))
    ]
    for one, other in both(jobs):
        assert_same_result(one, other, atol=1e-10)


@pytest.mark.parametrize("input_dropout", [0.0, 0.3])
@pytest.mark.parametrize("streams", STREAMS.values(), ids=STREAMS)
def test_streams(streams, input_dropout):
    """Minibatches, weights and bits of every stream reach its members, and only them."""
    jobs = [
        make_job(
            n=n,
            table=n,
            n_val=n - 20,
            seed=seed,
            weighted=weighted,
            dropout=0.1 * (i + 1),
            input_dropout=input_dropout,
            batch_norm=True,
        )
        for i, (n, seed, weighted) in enumerate(streams)
    ]
    for one, other in both(jobs):
        assert_same_result(one, other, atol=1e-10)


@pytest.mark.parametrize("embedding", EMBEDDINGS)
@pytest.mark.parametrize("input_dropout", [0.0, 0.3])
@pytest.mark.parametrize("streams", STREAMS.values(), ids=STREAMS)
def test_embedding(streams, input_dropout, embedding):
    jobs = [
        make_job(
            n=n,
            table=n,
            n_val=n - 20,
            seed=seed,
            weighted=weighted,
            embedded=(0, 3),
            embedding=embedding,
            input_dropout=input_dropout * (i + 1),
            batch_norm=i < 2 or input_dropout > 0,
            # With a small one Adam would magnify the rounding of bins with few rows.
            epsilon=1e-4,
        )
        for i, (n, seed, weighted) in enumerate(streams)
    ]
    for one, other in both(jobs):
        assert_same_result(one, other, atol=1e-10)


@pytest.mark.parametrize("embedding", EMBEDDINGS)
@pytest.mark.parametrize("hidden", [(), (7,), (7, 5)], ids=str)
@pytest.mark.parametrize("input_dropout", [0.0, 0.3])
def test_embedding_in_float32(input_dropout, hidden, embedding):
    # A large epsilon for the same reason as in `test_activations_in_full`.
    options = {"embedded": (1, 2), "dtype": "float32", "hidden": hidden, "epsilon": 0.1}
    options |= {"n_val": 20, "embedding": embedding}
    jobs = [
        make_job(seed=seed, input_dropout=input_dropout, batch_norm=bool(hidden), **options)
        for seed in (0, 1)
    ]
    for one, other in both(jobs):
        assert_same_result(one, other, atol=1e-5)


@pytest.mark.parametrize("embedded", [None, (0, 3)], ids=["plain", "embedded"])
@pytest.mark.parametrize("input_dropout", [0.0, 0.3])
@pytest.mark.parametrize("streams", STREAMS.values(), ids=STREAMS)
def test_input_noise(streams, input_dropout, embedded):
    jobs = [
        make_job(
            n=n,
            table=n,
            n_val=n - 20,
            seed=seed,
            weighted=weighted,
            embedded=embedded,
            input_noise=0.2 * (i + 1),
            input_dropout=input_dropout * (i + 1),
            batch_norm=True,
            # Of a rate of 0.9, rounding would grow with a small one.
            epsilon=1e-4,
        )
        for i, (n, seed, weighted) in enumerate(streams)
    ]
    for one, other in both(jobs):
        assert_same_result(one, other, atol=1e-10)


@pytest.mark.parametrize("embedded", [None, (0, 3)], ids=["plain", "embedded"])
@pytest.mark.parametrize("hidden", [(), (7, 5)], ids=str)
def test_input_noise_in_float32(hidden, embedded):
    options = {"dtype": "float32", "hidden": hidden, "epsilon": 0.1, "n_val": 20}
    jobs = [
        make_job(
            seed=seed, input_noise=0.3 + seed, embedded=embedded, batch_norm=bool(hidden), **options
        )
        for seed in (0, 1)
    ]
    for one, other in both(jobs):
        assert_same_result(one, other, atol=2e-5)


AUGMENTED = {
    "mixup": {"mixup": 0.4},
    "cutmix": {"cutmix": 0.4},
    "cutout": {"cutout": 0.5, "cutout_share": 0.3},
    "all": {"mixup": 0.4, "cutmix": 0.4, "cutout": 0.5, "cutout_share": 0.3, "input_noise": 0.1},
}


def stronger(knobs, i):
    """Those of member i."""
    return {name: value * (1 + i / 2) for name, value in knobs.items()}


@pytest.mark.parametrize("knobs", AUGMENTED.values(), ids=AUGMENTED)
@pytest.mark.parametrize("streams", STREAMS.values(), ids=STREAMS)
def test_augmentation(streams, knobs):
    options = {"loss": "multinomial", "n_outputs": 3, "batch_norm": True, "epsilon": 1e-4}
    jobs = [
        make_job(
            n=n,
            table=n,
            n_val=n - 20,
            seed=seed,
            weighted=weighted,
            owners=(0, 1, 0, 2),
            input_dropout=0.2,
            embedded=(0, 3),
            **{"early_stopping": True, **stronger(knobs, i % 3), **options},
        )
        for i, (n, seed, weighted) in enumerate(streams)
    ]
    for one, other in both(jobs):
        assert_same_result(one, other, atol=1e-10)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("loss", LOSSES)
def test_losses_of_mixed_rows(loss, dtype):
    options = {"dtype": dtype, "epsilon": 0.1, "n_val": 20, "batch_norm": True, **LOSSES[loss]}
    jobs = [
        make_job(seed=i, loss=loss, weighted=True, **stronger(AUGMENTED["all"], i), **options)
        for i in (0, 1)
    ]
    for one, other in both(jobs):
        assert_same_result(one, other, atol=2e-5 if dtype == "float32" else 1e-10)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_augmentation_of_levels_and_of_sparse_rows(dtype):
    options = {"dtype": dtype, "epsilon": 0.1, "levels": (4, 3), "owners": (0, 0, 1, 2)}
    options = {"dtype": dtype, "epsilon": 0.1, "d": 2, "levels": (4, 3), "owners": (0, 0, 1, 2)}
    jobs = [make_job(seed=i, **stronger(AUGMENTED["all"], i), **options) for i in (0, 1)]
    dense = fit(jobs, "fused")
    for job in jobs:
        job.X = sp.csr_matrix(job.X)
    for (one, other), same in zip(both(jobs), dense, strict=True):
        assert_same_result(one, other, atol=2e-5 if dtype == "float32" else 1e-10)
        assert distance(one.params, same.params) == 0


def test_targets_of_one_stream_may_differ():
    jobs = [make_job(n_outputs=2, batch_norm=True) for _ in range(2)]
    jobs[1].y = jobs[1].y[:, ::-1].copy()
    pairs = list(both(jobs))
    for one, other in pairs:
        assert_same_result(one, other, atol=1e-10)
    assert distance(pairs[0][0].params, pairs[1][0].params) > 1e-3


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_float32(solver):
    """Few steps and a smooth objective: rounding has no time to grow.

    With a small epsilon Adam would turn a gradient that is zero but for rounding into a full step.
    """
    jobs = settings(dtype="float32", batch_norm=True, solver=solver, max_iter=2, epsilon=0.1)
    for one, other in both(jobs):
        assert one.params["weight_0"].dtype == np.float32
        assert_same_result(one, other, atol=2e-5)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_layer_norm(activation, dtype):
    """With rows of weights, padding, dropout and validation."""
    options = {"layer_norm": True, "activation": activation, "dtype": dtype, "epsilon": 0.1}
    jobs = [*settings(weighted=True, **options), *settings(n=43, table=1, **options)]
    for one, other in both(jobs):
        assert_same_result(one, other, atol=1e-10 if dtype == "float64" else 2e-5)


@pytest.mark.parametrize("norm", [{}, {"batch_norm": True}, {"layer_norm": True}], ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_residual(dtype, norm):
    """Members of two streams with dropout and validation; of five layers two pass their inputs on."""
    options = {"residual": True, "hidden": (6, 6, 4, 4, 5), "dtype": dtype, "epsilon": 0.1, **norm}
    options["learning_rate_init"] = 0.003
    jobs = [
        make_job(n=n, table=n, n_val=20, weighted=True, dropout=rate, l1=0.01 * rate, **options)
        for n, rate in ((40, 0.0), (40, 0.1), (43, 0.2))
    ]
    for one, other in both(jobs):
        assert_same_result(one, other, atol=1e-10 if dtype == "float64" else 2e-5)


def test_layer_norm_of_one_row_a_minibatch():
    """There are no statistics that one row could not give."""
    jobs = settings(layer_norm=True, batch_size=1)
    for one, other in both(jobs):
        assert one.n_steps == 40 * 3
        assert_same_result(one, other, atol=1e-10)


def test_input_dropout_and_max_norm_in_float32():
    jobs = settings(dtype="float32", batch_norm=True, input_dropout=0.4, max_norm=1.0, max_iter=2)
    for one, other in both(jobs):
        assert_same_result(one, other, atol=2e-5)


def test_poisson_loss_of_wild_predictions():
    """Beyond the exponent where exp is cut, both go back along the same line."""
    job = make_job(loss="poisson", hidden=(), max_iter=4, learning_rate_init=1.0)
    start = fit(job).params
    job.start = {**start, "bias_0": start["bias_0"] + 100.0}
    for one, other in both([job]):
        assert 0 < one.history["train_loss"][-1] < one.history["train_loss"][0] < np.inf
        assert one.params["bias_0"] < job.start["bias_0"]
        for name in ("params", "history"):
            values, expected = getattr(one, name), getattr(other, name)
            for key in values:
                np.testing.assert_allclose(values[key], expected[key], rtol=1e-10)


@pytest.mark.parametrize("loss", ["absolute_error", "pinball"])
def test_ties_of_losses_with_a_kink(loss):
    """A linear model starts with residuals of exactly zero where the target is zero."""
    job = make_job(hidden=(), loss=loss, quantile=0.2)
    job.y[::2] = 0.0
    for one, other in both([job]):
        assert_same_result(one, other, atol=1e-12)


def test_large_tables_are_validated_in_chunks(monkeypatch):
    monkeypatch.setitem(CHUNK_ENTRIES, "cpu", 64)
    seen = []
    jobs = [make_job(n_val=150, n_outputs=2, max_iter=1) for _ in range(2)]
    jobs[0].score = lambda raw: seen.append(raw) or 0.0
    chunked = fit(jobs, "fused")
    monkeypatch.undo()
    whole = fit(jobs, "fused")
    assert seen[0].shape == seen[1].shape == (150, 2)
    np.testing.assert_allclose(seen[0], seen[1], atol=1e-12)
    for one, other in zip(chunked, whole, strict=True):
        assert_same_result(one, other, atol=1e-12)


def test_a_stack_on_the_cpu_is_fused_unless_told_otherwise():
    assert stack_of(make_job()).step_type.__name__ == "FusedStep"
    assert stack_of(make_job(), "reference").step_type.__name__ == "ReferenceStep"


def test_nothing_of_a_stack_outlives_it():
    """No cycle of references holds its tables until a collection."""
    stack = stack_of(make_job(n_val=10, early_stopping=True, ema_decay=0.5), "fused")
    stack.run()
    gc.collect()
    gc.disable()
    try:
        step, table = weakref.ref(stack.step), weakref.ref(stack.feed.rows[0])
        stack.cache.clear()
        del stack
        assert step() is None and table() is None
    finally:
        gc.enable()
