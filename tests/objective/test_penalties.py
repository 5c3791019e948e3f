"""Penalties, their proximal steps, and the updates of the solvers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from skreg.objective.penalties import (
    adam_step,
    project_max_norm,
    sgd_step,
    soft_threshold,
    value,
)

GRID = np.linspace(-4, 4, 80001)
ADAM = {"beta_1": 0.9, "beta_2": 0.99, "epsilon": 1e-8}


def tensor(*values):
    return torch.tensor(values, dtype=torch.float64)


def strengths(lr=0.1, decay=0.0, l1=0.0, l2=0.0):
    return {"lr": tensor(lr), "decay": tensor(decay), "l1": tensor(l1), "l2": tensor(l2)}


def test_value():
    w = tensor([1.0, -2.0], [0.0, 3.0])
    assert value(w, 0.5, 0.1).item() == pytest.approx(0.5 * 6 + 0.05 * 14)


@pytest.mark.parametrize("cut", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("u", [-2.0, -0.3, -0.1, 0.0, 0.2, 0.31, 1.7])
def test_prox_against_a_grid_search_of_its_objective(u, cut):
    objective = (GRID - u) ** 2 / 2 + cut * np.abs(GRID)
    best = GRID[objective.argmin()]
    assert soft_threshold(tensor(u), tensor(cut)).item() == pytest.approx(best, abs=2e-4)


@pytest.mark.parametrize("metric", [0.2, 1.0, 5.0])
@pytest.mark.parametrize("u", [-2.0, -0.3, 0.05, 1.7])
def test_prox_in_a_metric_against_a_grid_search(u, metric):
    """The minimiser of metric * (w - u)^2 / 2 + l1 * |w| has the threshold l1 / metric."""
    l1 = 0.4
    objective = metric * (GRID - u) ** 2 / 2 + l1 * np.abs(GRID)
    best = GRID[objective.argmin()]
    assert soft_threshold(tensor(u), tensor(l1 / metric)).item() == pytest.approx(best, abs=2e-4)


def test_zeros_are_exact_and_divergence_is_seen():
    out = soft_threshold(tensor(0.3, -0.3, 0.31, np.nan), tensor(0.3))
    assert out[:2].tolist() == [0, 0]
    assert out[2].item() == pytest.approx(0.01)
    assert out[3].isnan()


def test_threshold_of_adam_is_that_of_the_metric_of_its_step():
    """Of two coordinates of unequal gradients, by hand, at the first step."""
    grad, l1, lr = tensor(0.1, 10.0), 0.05, 0.1
    p = tensor(1.0, 1.0)
    m, v = torch.zeros_like(p), torch.zeros_like(p)
    adam_step(p, grad, m, v, t=1, **strengths(lr=lr, l1=l1), **ADAM)
    step = lr / (grad + 1e-8)
    torch.testing.assert_close(p, 1 - step * grad - step * l1)


@pytest.mark.parametrize("curvature", [(1.0, 1.0), (0.01, 25.0)])
@pytest.mark.parametrize("solver", ["adam", "momentum", "nesterov"])
def test_fixed_point_is_the_minimiser_of_the_objective(solver, curvature):
    """h/2 (w - c)^2 + l1 |w| + l2/2 w^2: w = soft(h c, l1) / (h + l2), whatever the metric."""
    h, c, l1, l2 = tensor(*curvature), tensor(3.0, -0.5), 0.02, 0.1
    exact = soft_threshold(h * c, tensor(l1)) / (h + l2)
    p = exact.clone()
    m, v = torch.zeros_like(p), torch.zeros_like(p)
    for t in range(1, 1000):
        lr = 0.02 * (1 + np.cos(np.pi * t / 1000)) / 2
        grad = h * (p - c)
        if solver == "adam":
            adam_step(p, grad, m, v, t=t, **strengths(lr=lr, l1=l1, l2=l2), **ADAM)
        else:
            nesterov = solver == "nesterov"
            sgd_step(p, grad, m, momentum=0.9, nesterov=nesterov, **strengths(lr=lr, l1=l1, l2=l2))
    torch.testing.assert_close(p, exact, rtol=0, atol=1e-5)


def test_one_step_of_sgd_with_l2():
    """W - eta * (dE0/dW + l2 * W)."""
    p, m = tensor(2.0), tensor(0.0)
    sgd_step(p, tensor(0.7), m, momentum=0.0, nesterov=False, **strengths(l2=0.5))
    assert p.item() == pytest.approx(2.0 - 0.1 * (0.7 + 0.5 * 2.0))


def test_decay_is_decoupled_from_the_gradient():
    """Weight decay does not enter the moments: AdamW, not Adam with L2."""
    p, m, v = tensor(2.0), tensor(0.0), tensor(0.0)
    adam_step(p, tensor(0.0), m, v, t=1, **strengths(decay=0.5), **ADAM)
    assert p.item() == pytest.approx(2.0 * (1 - 0.1 * 0.5))
    assert (m.item(), v.item()) == (0, 0)


def test_max_norm_bounds_each_unit():
    w = torch.tensor([[[3.0, 4.0], [0.3, 0.4]], [[3.0, 4.0], [0.0, 0.0]]])
    out = project_max_norm(w, torch.tensor([1.0, float("inf")]))
    torch.testing.assert_close(out[0], torch.tensor([[0.6, 0.8], [0.3, 0.4]]))
    assert torch.equal(out[1], w[1])
