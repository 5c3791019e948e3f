"""Small problems for the steps of the solvers."""

from __future__ import annotations

import numpy as np
import torch

from skreg.objective.penalties import soft_threshold


def tensor(*values):
    return torch.tensor(values, dtype=torch.float64)


def strengths(learning_rate=0.1, weight_decay=0.0, l1=0.0, l2=0.0):
    given = {"learning_rate": learning_rate, "weight_decay": weight_decay, "l1": l1, "l2": l2}
    return {name: tensor(value) for name, value in given.items()}


#: Curvatures of the two coordinates of a quadratic.
CURVATURES = [(1.0, 1.0), (0.01, 25.0)]


def assert_stays_at_the_minimiser(step, curvature):
    """Of h/2 (w - c)^2 + l1 |w| + l2/2 w^2: w = soft(h c, l1) / (h + l2), whatever the metric.

    Parameters
    ----------
    step : callable
        ``step(p, grad, m, v, t, strengths)``, in place.
    curvature : tuple of float
    """
    h, c, l1, l2 = tensor(*curvature), tensor(3.0, -0.5), 0.02, 0.1
    exact = soft_threshold(h * c, tensor(l1)) / (h + l2)
    p = exact.clone()
    m, v = torch.zeros_like(p), torch.zeros_like(p)
    for t in range(1, 1000):
        rate = 0.02 * (1 + np.cos(np.pi * t / 1000)) / 2
        step(p, h * (p - c), m, v, t, strengths(rate, l1=l1, l2=l2))
    torch.testing.assert_close(p, exact, rtol=0, atol=1e-5)
