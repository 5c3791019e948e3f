"""A member's result does not depend on its neighbours, but for the rounding of products."""

from __future__ import annotations

import numpy as np
import pytest

from skreg.net.net import EMBEDDINGS
from tests.train.helpers import (
    IMPLEMENTATIONS,
    assert_same_result,
    fit,
    make_job,
    stack_of,
)

both = pytest.mark.parametrize("implementation", IMPLEMENTATIONS)


def job(**changes):
    """The member that is watched: dropout, batch norm, patience, uneven minibatches."""
    options = {
        "n_val": 15,
        "batch_norm": True,
        "dropout": (0.3, 0.1),
        "l1": 0.001,
        "early_stopping": True,
        "max_iter": 6,
    }
    return make_job(**(options | changes))


NEIGHBOURS = {
    "same stream": {"learning_rate_init": 0.05, "l1": 0.1},
    "other seed": {"seed": 3},
    "other rows": {"table": 5},
    "more rows": {"n": 46, "table": 5},
    "weights": {"weighted": True},
    "early stop": {"max_iter": 60, "patience": 1, "min_delta": 1e9},
    "fewer epochs": {"max_iter": 2},
    "few steps": {"max_steps": 4},
    "no validation": {"n_val": 0, "early_stopping": False},
    "divergence": {"learning_rate_init": 1e200},
    "divergence unseen": {"learning_rate_init": 1e200, "early_stopping": False, "n_val": 0},
    "another average": {"ema_decay": 0.3},
}


@both
@pytest.mark.parametrize("ema_decay", [0.0, 0.8])
@pytest.mark.parametrize("neighbour", NEIGHBOURS.values(), ids=NEIGHBOURS)
def test_beside_one_neighbour(neighbour, ema_decay, implementation):
    alone = fit(job(ema_decay=ema_decay), implementation)
    for place in (0, 1):
        jobs = [job(**{"ema_decay": ema_decay, **neighbour})]
        jobs.insert(place, job(ema_decay=ema_decay))
        assert_same_result(fit(jobs, implementation)[place], alone, atol=1e-8)


@both
@pytest.mark.parametrize(
    "shared", [{"layer_norm": True}, {"residual": True, "hidden": (6, 6)}], ids=str
)
@pytest.mark.parametrize(
    "name", ["same stream", "other rows", "more rows", "early stop", "divergence"]
)
def test_blocks_beside_one_neighbour(name, shared, implementation):
    shared = {"batch_norm": False, **shared}
    alone = fit(job(**shared), implementation)
    for place in (0, 1):
        jobs = [job(**shared, **NEIGHBOURS[name])]
        jobs.insert(place, job(**shared))
        assert_same_result(fit(jobs, implementation)[place], alone, atol=1e-8)


@both
def test_ending_within_an_epoch_beside_one_that_goes_on(implementation):
    """The average is brought up to date for the one that ends, and not for the other."""
    shared = {"n": 64, "early_stopping": False, "n_val": 0, "ema_decay": 0.8, "max_iter": 6}
    specs = {"max_steps": 6}, {}  # of 4 an epoch
    alone = [fit(job(**shared, **own), implementation) for own in specs]
    together = fit([job(**shared, **own) for own in specs], implementation)
    for one, other in zip(together, alone, strict=True):
        assert_same_result(one, other, atol=1e-8)


@both
@pytest.mark.parametrize("embedding", EMBEDDINGS)
@pytest.mark.parametrize("input_dropout", [0.0, 0.3])
@pytest.mark.parametrize("neighbour", NEIGHBOURS.values(), ids=NEIGHBOURS)
def test_embedded_beside_one_neighbour(neighbour, input_dropout, embedding, implementation):
    """Functions and maps are each member's own, as are the inputs made with them."""
    options = {"embedded": (0, 2), "embedding": embedding, "input_dropout": input_dropout}
    alone = fit(job(**options), implementation)
    for place in (0, 1):
        jobs = [job(**options, **neighbour)]
        jobs.insert(place, job(**options))
        stack = stack_of(jobs, implementation)  # together, whatever a plan would say
        assert_same_result(stack.run()[place], alone, atol=1e-8)


@both
@pytest.mark.parametrize("embedded", [None, (0, 2)], ids=["plain", "embedded"])
@pytest.mark.parametrize("neighbour", NEIGHBOURS.values(), ids=NEIGHBOURS)
def test_noisy_inputs_beside_one_neighbour(neighbour, embedded, implementation):
    """The neighbour has more noise, of the same bits where its stream is the same."""
    options = {"embedded": embedded, "input_noise": 0.2, "input_dropout": 0.1}
    alone = fit(job(**options), implementation)
    for place in (0, 1):
        jobs = [job(**{**options, "input_noise": 0.7}, **neighbour)]
        jobs.insert(place, job(**options))
        found = stack_of(jobs, implementation).run()[place]
        assert_same_result(found, alone, atol=1e-8)


@both
@pytest.mark.parametrize("neighbour", NEIGHBOURS.values(), ids=NEIGHBOURS)
def test_augmented_inputs_beside_one_neighbour(neighbour, implementation):
    """The neighbour is mixed and cut more, by the same bits where its stream is the same."""
    options = {"embedded": (0, 2), "owners": (0, 1, 1, 2), "loss": "multinomial", "n_outputs": 3}
    knobs = {"mixup": 0.3, "cutmix": 0.4, "cutout": 0.4, "cutout_share": 0.3}
    more = {"mixup": 2.0, "cutmix": 0.7, "cutout": 0.9, "cutout_share": 0.7}
    alone = fit(job(**options, **knobs), implementation)
    for place in (0, 1):
        jobs = [job(**{**options, **more, **neighbour})]
        jobs.insert(place, job(**options, **knobs))
        found = stack_of(jobs, implementation).run()[place]
        assert_same_result(found, alone, atol=1e-8)


@both
def test_members_that_mix_nothing_are_as_without(implementation):
    """To the last bit as a plan trains them; in one stack with those that mix but for products."""
    knobs = {"mixup": 0.4, "cutmix": 0.4, "cutout": 0.5, "cutout_share": 0.5}
    for weighted in (False, True):
        plain = fit(job(weighted=weighted), implementation)
        mixed = job(weighted=weighted, **knobs)
        planned = fit([mixed, job(weighted=weighted)], implementation)[1]
        assert_same_result(planned, plain, atol=0)
        other, found = stack_of([mixed, job(weighted=weighted)], implementation).run()
        assert found.params.keys() - plain.params.keys() == {"input_mean"}
        del found.params["input_mean"]
        assert_same_result(found, plain, atol=1e-12)
        assert np.abs(other.params["weight_0"] - found.params["weight_0"]).max() > 1e-3


@both
def test_embedded_in_a_stack_of_64_in_any_order(implementation):
    jobs = [
        job(
            n=40 + i % 3,
            table=i % 3,
            seed=i % 5,
            embedded=(0, 2),
            learning_rate_init=(1e200 if i % 16 == 7 else 0.002 * (1 + i % 7)),
            patience=1 + i % 4,
            max_iter=2 + i % 5,
        )
        for i in range(64)
    ]
    together = fit(jobs, implementation)
    order = np.random.default_rng(0).permutation(64)
    shuffled = fit([jobs[i] for i in order], implementation)
    for place, i in enumerate(order):
        assert_same_result(shuffled[place], together[i], atol=1e-8)
    for i in (0, 7, 13, 63):
        assert_same_result(fit(jobs[i], implementation), together[i], atol=1e-8)


@both
@pytest.mark.parametrize("batch_size", [16, 1000], ids=["minibatches", "full batch"])
def test_in_a_stack_of_64_in_any_order(batch_size, implementation):
    """Each of them, though neighbours come and go; the stack is compacted on the way."""
    rng = np.random.default_rng(0)
    jobs = [
        job(
            n=40 + i % 3,
            table=i % 3,
            seed=i % 5,
            weighted=i % 4 == 0,
            learning_rate_init=(1e200 if i % 16 == 7 else 0.002 * (1 + i % 7)),
            patience=1 + i % 4,
            max_iter=2 + i % 9,
            batch_size=batch_size,
        )
        for i in range(64)
    ]
    together = fit(jobs, implementation)
    order = rng.permutation(64)
    shuffled = fit([jobs[i] for i in order], implementation)
    for place, i in enumerate(order):
        assert_same_result(shuffled[place], together[i], atol=1e-8)
    for i in (0, 7, 13, 32, 63):
        assert_same_result(fit(jobs[i], implementation), together[i], atol=1e-8)
    assert {r.stopped_by for r in together} == {"patience", "max_iter", "diverged"}


@both
@pytest.mark.parametrize("embedded", [None, (1, 2)], ids=["plain", "embedded"])
@pytest.mark.parametrize("input_dropout", [0.0, 0.4])
@pytest.mark.parametrize(
    "knobs",
    [{}, {"input_noise": 0.4}, {"mixup": 1.0, "cutmix": 0.5, "cutout": 0.5, "cutout_share": 0.5}],
    ids=["plain", "input_noise", "augmentation"],
)
def test_random_bits_do_not_depend_on_padding(knobs, input_dropout, embedded, implementation):
    """Minibatches of 20 rows are padded to 22 beside a longer table."""
    options = {"batch_size": 22, "input_dropout": input_dropout, "embedded": embedded}
    options |= knobs
    jobs = [job(n=n, table=n, **options) for n in (40, 44)]
    alone = fit(jobs[0], implementation)
    assert_same_result(fit(jobs, implementation)[0], alone, atol=1e-10)


@both
def test_ended_members_leave_the_stack(implementation):
    jobs = [job(seed=i, max_iter=2 if i % 2 else 5) for i in range(6)]
    stack = stack_of(jobs, implementation)
    sizes = [len(stack.members) for _ in stack.epochs()]
    assert sizes == [6, 6, 3, 3, 3]
    assert sorted(stack.results) == list(range(6))
    for i, j in enumerate(jobs):
        assert_same_result(stack.results[i], fit(j, implementation), atol=1e-8)


@both
def test_history_ends_with_the_member_even_if_it_stays_in_the_stack(implementation):
    """One of 64 that ends early is not worth a compaction."""
    jobs = [job(seed=i, max_iter=2 if i == 9 else 4, batch_size=1000) for i in range(64)]
    stack = stack_of(jobs, implementation)
    sizes = [len(stack.members) for _ in stack.epochs()]
    assert sizes == [64] * 4
    assert stack.results[9].history["epoch"] == [1, 2]
    assert stack.results[9].n_iter == 2
    assert_same_result(stack.results[9], fit(jobs[9], implementation), atol=1e-8)


@both
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize("early_stopping", [True, False], ids=["validated", "unseen"])
def test_a_diverging_member_keeps_its_best_weights(early_stopping, solver, dtype, implementation):
    """Weights become infinite before the loss does: those are no weights to keep."""
    changes = {"early_stopping": early_stopping, "solver": solver, "dtype": dtype}
    rate = {"adam": 1e18, "sgd": 1e6}[solver] if dtype == "float32" else 1e120
    wild = job(learning_rate_init=rate, max_iter=200, patience=200, dropout=0.0, l1=0.0, **changes)
    result = fit([wild, job(**changes)], implementation)[0]
    assert result.stopped_by == "diverged"
    assert result.best_iter < result.n_iter < 200
    for values in result.params.values():
        assert np.isfinite(values).all()
    if early_stopping and result.best_iter:
        assert result.best_loss == min(result.history["valid_loss"][: result.best_iter])
