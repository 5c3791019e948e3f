"""Penalties and their proximal operators."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from skreg.objective.penalties import project_max_norm, soft_threshold, value

GRID = np.linspace(-4, 4, 80001)


def tensor(*values):
    return torch.tensor(values, dtype=torch.float64)


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


def test_max_norm_bounds_each_unit():
    w = torch.tensor([[[3.0, 4.0], [0.3, 0.4]], [[3.0, 4.0], [0.0, 0.0]]])
    out = project_max_norm(w, torch.tensor([1.0, float("inf")]))
    torch.testing.assert_close(out[0], torch.tensor([[0.6, 0.8], [0.3, 0.4]]))
    assert torch.equal(out[1], w[1])
