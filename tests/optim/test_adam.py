"""Adam with decoupled decay and the proximal step of L1."""

from __future__ import annotations

import pytest
import torch

from skreg.optim.adam import adam_step
from tests.optim.helpers import CURVATURES, assert_stays_at_the_minimiser, strengths, tensor

ADAM = {"beta_1": 0.9, "beta_2": 0.99, "epsilon": 1e-8}


def test_the_threshold_is_that_of_the_metric_of_the_step():
    """Of two coordinates of unequal gradients, by hand, at the first step."""
    grad, l1, rate = tensor(0.1, 10.0), 0.05, 0.1
    p = tensor(1.0, 1.0)
    m, v = torch.zeros_like(p), torch.zeros_like(p)
    adam_step(p, grad, m, v, t=1, **strengths(rate, l1=l1), **ADAM)
    step = rate / (grad + 1e-8)
    torch.testing.assert_close(p, 1 - step * grad - step * l1)


@pytest.mark.parametrize("curvature", CURVATURES)
def test_the_fixed_point_is_the_minimiser_of_the_objective(curvature):
    def step(p, grad, m, v, t, given):
        adam_step(p, grad, m, v, t=t, **given, **ADAM)

    assert_stays_at_the_minimiser(step, curvature)


def test_decay_is_decoupled_from_the_gradient():
    """Weight decay does not enter the moments: AdamW, not Adam with L2."""
    p, m, v = tensor(2.0), tensor(0.0), tensor(0.0)
    adam_step(p, tensor(0.0), m, v, t=1, **strengths(weight_decay=0.5), **ADAM)
    assert p.item() == pytest.approx(2.0 * (1 - 0.1 * 0.5))
    assert (m.item(), v.item()) == (0, 0)


def test_l2_is_part_of_the_gradient():
    """And so of the moments; with decay in its place they stay zero."""
    p, m, v = tensor(2.0), tensor(0.0), tensor(0.0)
    adam_step(p, tensor(0.0), m, v, t=1, **strengths(l2=0.5), **ADAM)
    assert (m.item(), v.item()) == (pytest.approx(0.1 * 1.0), pytest.approx(0.01 * 1.0))
    assert p.item() == pytest.approx(2.0 - 0.1)
