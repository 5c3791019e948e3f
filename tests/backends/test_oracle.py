"""A stack equals plain torch nets that are trained one by one on the same minibatches."""

from __future__ import annotations

import numpy as np
import pytest

from tests.backends.oracle import PlainNet
from tests.train.helpers import IMPLEMENTATIONS, distance, fit, make_job

LOSSES = {
    "multinomial": {"n_outputs": 3},
    "binomial": {"n_outputs": 2},
    "squared_error": {"n_outputs": 2},
    "absolute_error": {},
    "huber": {},
    "poisson": {"n_outputs": 2},
    "pinball": {"quantile": 0.2},
}

SOLVERS = {
    "adam": {"solver": "adam"},
    "adamw": {"solver": "adamw", "weight_decay": 0.3},
    "sgd": {"solver": "sgd", "momentum": 0.0},
    "momentum": {"solver": "sgd", "momentum": 0.8, "nesterov": False},
    "nesterov": {"solver": "sgd", "momentum": 0.8, "nesterov": True},
}

KNOBS = {
    "l2": {"l2": (0.3, 0.02, 0.1)},
    "dropout": {"dropout": (0.5, 0.2)},
    "input_dropout": {"input_dropout": 0.3},
    "owners": {"owners": (1, 0, 4, 1), "input_dropout": 0.4},
    "owners, embedding": {"owners": (1, 0, 4, 1), "input_dropout": 0.4, "embedded": (0, 2)},
    "owners, piecewise": {
        **{"owners": (1, 0, 0, 4), "input_dropout": 0.4, "input_noise": 0.2},
        **{"embedding": "piecewise", "embedded": (1, 2)},
    },
    "categories": {"levels": (3, 12, 2)},
    "categories, sgd": {"levels": (9,), "solver": "sgd"},
    "categories, linear model": {"levels": (4,), "hidden": ()},
    "categories, penalties": {"levels": (5, 3), "l1": 0.01, "l2": 0.1, "weight_decay": 0.3},
    "categories, random inputs": {
        **{"levels": (3, 12), "owners": (2, 0, 0, 1, 6, 1)},
        **{"input_dropout": 0.3, "input_noise": 0.2},
    },
    "categories, embedding": {"levels": (3, 12), "embedded": (0, 2), "input_dropout": 0.3},
    "categories, piecewise": {
        **{"levels": (6, 3), "embedded": (1,), "embedding": "piecewise"},
        **{"owners": (2, 0, 0, 1, 6, 1), "input_dropout": 0.3, "input_noise": 0.2},
    },
    "categories alone": {"d": 0, "levels": (6, 3), "input_dropout": 0.3},
    "input_noise": {"input_noise": 0.5},
    "embedding, input_noise": {"embedded": (0, 2), "input_noise": 0.3, "input_dropout": 0.2},
    "mixup": {"mixup": 0.7},
    "cutmix": {"cutmix": 0.6},
    "cutout": {"cutout": 0.6, "cutout_share": 0.4},
    "augmentation": {
        **{"mixup": 0.4, "cutmix": 0.4, "cutout": 0.5, "cutout_share": 0.7},
        **{"owners": (0, 1, 1, 2), "embedded": (0, 2), "input_noise": 0.2},
    },
    "l1": {"l1": (0.01, 0.02, 0.03)},
    "l1 under sgd": {"l1": 0.01, "solver": "sgd", "momentum": 0.0},
    "max_norm": {"max_norm": 0.7},
    "label_smoothing": {"label_smoothing": 0.2, "loss": "multinomial", "n_outputs": 3},
    "label_smoothing of labels": {"label_smoothing": 0.2, "loss": "binomial", "n_outputs": 2},
    "no shuffle": {"shuffle": False},
    "betas": {"beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-6},
    "linear model": {"hidden": ()},
    "layer_norm": {"layer_norm": True},
    "layer_norm, sgd": {"layer_norm": True, "solver": "sgd"},
    "layer_norm, penalties": {"layer_norm": True, "l1": 0.01, "l2": 0.1, "max_norm": 0.7},
    "layer_norm, decay": {"layer_norm": True, "solver": "adamw", "weight_decay": 0.3},
    "layer_norm, dropout": {"layer_norm": True, "dropout": (0.5, 0.2), "input_dropout": 0.3},
    "layer_norm, gelu": {"layer_norm": True, "activation": "gelu", "batch_size": 5},
    "layer_norm, embedding": {"layer_norm": True, "embedded": (0, 2)},
    "residual": {"residual": True, "hidden": (6, 6, 6, 4)},
    "residual, columns": {"residual": True, "hidden": (4, 4), "l1": 0.01, "l2": 0.1},
    "residual, sgd": {"residual": True, "hidden": (6, 5, 5), "solver": "sgd"},
    "residual, dropout": {"residual": True, "hidden": (6, 6), "dropout": (0.5, 0.2)},
    "residual, gelu": {"residual": True, "hidden": (6, 6, 6), "activation": "gelu"},
    "residual, layer_norm": {"residual": True, "hidden": (6, 6, 6), "layer_norm": True},
    "residual, embedding": {"residual": True, "hidden": (6, 6), "embedded": (0, 2)},
    "embedding": {"embedded": (0, 2, 3)},
    "embedding, sgd": {"embedded": (1,), "solver": "sgd"},
    "embedding, penalties": {"embedded": (0, 2), "l1": 0.01, "l2": 0.1, "max_norm": 0.7},
    "embedding, decay": {"embedded": (0, 2), "solver": "adamw", "weight_decay": 0.3},
    "embedding, input_dropout": {"embedded": (0, 2), "input_dropout": 0.3},
    "piecewise": {"embedding": "piecewise", "embedded": (0, 2, 3)},
    "piecewise, sgd": {"embedding": "piecewise", "embedded": (1,), "solver": "sgd"},
    "piecewise, decay": {
        **{"embedding": "piecewise", "embedded": (0, 2), "weight_decay": 0.3, "l1": 0.01},
    },
    "piecewise, random inputs": {
        **{"embedding": "piecewise", "embedded": (0, 2), "input_dropout": 0.3, "input_noise": 0.2},
    },
    "embedding, linear model": {"embedded": (0, 2), "hidden": ()},
}


def assert_equals_plain_nets(jobs, implementation):
    for job, result in zip(jobs, fit(jobs, implementation), strict=True):
        plain = PlainNet(job)
        curve = plain.train()
        assert distance(result.params, plain.params()) < 1e-10
        np.testing.assert_allclose(result.history["train_loss"], curve, rtol=0, atol=1e-10)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("batch_norm", [False, True], ids=["plain", "batch_norm"])
@pytest.mark.parametrize("name", SOLVERS)
def test_solvers(name, batch_norm, implementation):
    """Two streams of two members, 40 rows in three minibatches of 13 or 14."""
    jobs = [
        make_job(seed=seed, batch_norm=batch_norm, learning_rate_init=rate, **SOLVERS[name])
        for seed in (0, 1)
        for rate in (0.003, 0.02)
    ]
    assert_equals_plain_nets(jobs, implementation)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("loss", LOSSES)
def test_losses(loss, implementation):
    jobs = [make_job(table=t, batch_norm=True, loss=loss, **LOSSES[loss]) for t in (0, 1)]
    assert_equals_plain_nets(jobs, implementation)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("loss", LOSSES)
def test_losses_of_mixed_rows(loss, implementation):
    """That of the mixed target, of rows of unequal weight and with smoothed labels."""
    smoothing = 0.1 if loss in ("multinomial", "binomial") else 0.0
    options = {"cutmix": 0.5, "label_smoothing": smoothing, **LOSSES[loss]}
    jobs = [make_job(table=t, loss=loss, mixup=0.4 + t, weighted=True, **options) for t in (0, 1)]
    assert_equals_plain_nets(jobs, implementation)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("batch_norm", [False, True], ids=["plain", "batch_norm"])
@pytest.mark.parametrize("name", KNOBS)
def test_knobs(name, batch_norm, implementation):
    """One member has the knob, its neighbour has not."""
    knob = KNOBS[name]
    shape = {"loss", "n_outputs", "hidden", "shuffle", "solver", "momentum"}
    shape |= {
        "beta_1",
        "beta_2",
        "epsilon",
        "embedded",
        "embedding",
        "owners",
        "levels",
        "d",
        "layer_norm",
        "residual",
        "activation",
        "batch_size",
    }
    plain = {key: value for key, value in knob.items() if key in shape}
    jobs = [make_job(batch_norm=batch_norm, **k) for k in (knob, plain)]
    assert_equals_plain_nets(jobs, implementation)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_all_knobs_at_once(implementation):
    jobs = [
        make_job(
            n=n,
            table=n,
            seed=seed,
            batch_norm=True,
            dropout=(0.4, 0.1),
            input_dropout=0.2,
            input_noise=0.1,
            l1=(0.01, 0.0, 0.002),
            l2=0.05,
            weight_decay=0.1,
            max_norm=1.5,
            label_smoothing=0.1,
            loss="multinomial",
            n_outputs=3,
        )
        for n, seed in ((40, 0), (40, 1), (43, 0))
    ]
    assert_equals_plain_nets(jobs, implementation)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_weighted_rows(implementation):
    """Without batch norm, whose torch module knows no weights."""
    assert_equals_plain_nets([make_job(weighted=True), make_job(table=1)], implementation)
    bins = {"embedded": (0, 3), "embedding": "piecewise"}
    jobs = [make_job(weighted=w, table=t, **bins) for w, t in ((True, 0), (False, 0), (True, 1))]
    assert_equals_plain_nets(jobs, implementation)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_max_steps_ends_in_the_middle_of_an_epoch(implementation):
    job = make_job(max_steps=5)
    result = fit([job, make_job(seed=1, max_iter=4)], implementation)[0]
    plain = PlainNet(job)
    plain.train(max_steps=5)
    assert distance(result.params, plain.params()) < 1e-10
    assert (result.n_steps, result.best_step, result.n_iter) == (5, 5, 2)
    assert result.stopped_by == "max_iter"
