"""L1 gives exact zeros, at a point that satisfies the optimality conditions of the objective."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from skreg.net import activation
from skreg.objective import losses
from tests.train.helpers import IMPLEMENTATIONS, fit, make_job

both = pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
#: For what takes thousands of steps: that both are equal is tested elsewhere.
faster = pytest.mark.parametrize("implementation", IMPLEMENTATIONS[-1:])

SOLVERS = {
    "adam": {"solver": "adam", "learning_rate_init": 0.01},
    "momentum": {"solver": "sgd", "nesterov": False, "learning_rate_init": 0.05},
    "nesterov": {"solver": "sgd", "nesterov": True, "learning_rate_init": 0.05},
}


def full_batch_job(n, steps, **changes):
    """All rows in every minibatch, 50 times an epoch: an epoch has a cost of its own."""
    job = make_job(
        n=n,
        batch_size=n,
        shuffle=False,
        learning_rate="cosine",
        max_iter=steps // 50,
        **changes,
    )
    job.X, job.y = np.tile(job.X, (50, 1)), np.tile(job.y, (50, 1))
    return job


def gradient(job, params):
    """Gradient of the part of the objective that has one: loss and L2, full batch."""
    spec = job.spec
    leaves = {n: torch.tensor(v[None], requires_grad=True) for n, v in params.items()}
    a = torch.from_numpy(job.X.T)[None]
    for i in range(spec.n_layers):
        z = leaves[f"weight_{i}"] @ a + leaves[f"bias_{i}"].unsqueeze(2)
        a = activation(z, spec.activation)
    value = losses.rowwise(spec.loss, z, torch.from_numpy(job.y.T)[None]).mean()
    for i, l2 in enumerate(spec.l2):
        value = value + l2 / 2 * (leaves[f"weight_{i}"] ** 2).sum()
    value.backward()
    return {name: leaf.grad[0].numpy() for name, leaf in leaves.items()}


@faster
@pytest.mark.parametrize("solver", SOLVERS)
def test_subgradient_optimality_of_a_net(solver, implementation):
    """g = -l1 sign(w) where w is not zero, and |g| <= l1 where it is, layer by layer."""
    l1 = (0.01, 0.03)
    job = full_batch_job(
        60, 4000, d=6, hidden=(8,), activation="tanh", l1=l1, l2=0.001, **SOLVERS[solver]
    )
    params = fit(job, implementation).params
    slopes = gradient(job, params)
    for layer, strength in enumerate(l1):
        w, g = params[f"weight_{layer}"], slopes[f"weight_{layer}"]
        zero = w == 0
        assert 0 < zero.sum() < zero.size
        np.testing.assert_allclose(g[~zero], -strength * np.sign(w[~zero]), atol=1e-4)
        assert np.abs(g[zero]).max() <= strength + 1e-4
        np.testing.assert_allclose(slopes[f"bias_{layer}"], 0, atol=1e-4)


@faster
@pytest.mark.parametrize("solver", SOLVERS)
def test_a_linear_model_reaches_the_elastic_net(solver, implementation):
    linear_model = pytest.importorskip("sklearn.linear_model")
    alpha, l1_ratio = 0.1, 0.7
    l1, l2 = alpha * l1_ratio, alpha * (1 - l1_ratio)
    job = full_batch_job(80, 2000, d=8, hidden=(), l1=l1, l2=l2, **SOLVERS[solver])
    params = fit(job, implementation).params
    peer = linear_model.ElasticNet(alpha=alpha, l1_ratio=l1_ratio, tol=1e-12)
    peer.fit(job.X, job.y[:, 0])
    np.testing.assert_allclose(params["weight_0"][0], peer.coef_, atol=1e-6)
    np.testing.assert_allclose(params["bias_0"], peer.intercept_, atol=1e-6)
    np.testing.assert_array_equal(params["weight_0"][0] == 0, peer.coef_ == 0)
    assert 0 < (peer.coef_ == 0).sum() < 8


@both
@pytest.mark.parametrize("batch_norm", [False, True])
def test_more_l1_gives_more_exact_zeros(batch_norm, implementation):
    strengths = (0.0, 0.003, 0.01, 0.03, 1.0)
    jobs = [make_job(l1=s, max_iter=60, batch_norm=batch_norm) for s in strengths]
    zeros = []
    for result in fit(jobs, implementation):
        weights = [v for n, v in result.params.items() if n.startswith("weight")]
        zeros.append(sum(int((w == 0).sum()) for w in weights))
    assert zeros[0] == 0
    assert zeros == sorted(set(zeros))
    assert zeros[-1] == 4 * 7 + 7 * 5 + 5


@both
@pytest.mark.parametrize("knob", ["l2", "weight_decay", "max_norm"])
def test_more_of_a_knob_gives_smaller_weights(knob, implementation):
    values = {"max_norm": (np.inf, 1.0, 0.5, 0.1)}.get(knob, (0.0, 0.1, 1.0, 10.0))
    results = fit([make_job(max_iter=30, **{knob: value}) for value in values], implementation)
    norms = []
    for result, bound in zip(results, values, strict=True):
        weights = [v for n, v in result.params.items() if n.startswith("weight")]
        norms.append(sum((w**2).sum() for w in weights))
        if knob == "max_norm":
            units = np.concatenate([np.linalg.norm(w, axis=1) for w in weights])
            assert units.max() <= bound * (1 + 1e-12)
    assert norms == sorted(norms, reverse=True)
    assert norms[-1] < 0.7 * norms[0]


@faster
def test_biases_and_batch_norm_are_never_penalised(implementation):
    """Weights that are all zero leave the output bias at the mean of the target."""
    job = full_batch_job(40, 1000, l1=10.0, l2=10.0, weight_decay=1.0, batch_norm=True)
    params = fit(job, implementation).params
    assert not params["weight_2"].any()
    np.testing.assert_allclose(params["bias_2"], job.y.mean(axis=0), atol=1e-6)
    # once the output weights are zero nothing moves batch norm any more: it does not shrink either
    assert params["gain_0"].min() > 0.5


@both
def test_one_step_of_sgd_with_l2(implementation):
    """W - eta * (dE0/dW + l2 * W), by hand."""
    job = make_job(
        n=4,
        d=2,
        hidden=(),
        l2=0.5,
        solver="sgd",
        momentum=0.0,
        max_iter=1,
        batch_size=4,
        learning_rate_init=0.1,
    )
    w, b = np.array([[2.0, -0.5]]), np.array([-1.0])
    job.start = {"weight_0": w, "bias_0": b}
    residual = job.X @ w.T + b - job.y
    params = fit(job, implementation).params
    expected = w - 0.1 * ((residual * job.X).mean(axis=0) + 0.5 * w)
    np.testing.assert_allclose(params["weight_0"], expected, atol=1e-14)
    np.testing.assert_allclose(params["bias_0"], b - 0.1 * residual.mean(axis=0), atol=1e-14)
