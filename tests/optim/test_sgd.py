"""SGD with momentum, decoupled decay and the proximal step of L1."""

from __future__ import annotations

import pytest

from skreg.optim.sgd import sgd_step
from tests.optim.helpers import CURVATURES, assert_stays_at_the_minimiser, strengths, tensor


@pytest.mark.parametrize("curvature", CURVATURES)
@pytest.mark.parametrize("nesterov", [False, True], ids=["momentum", "nesterov"])
def test_the_fixed_point_is_the_minimiser_of_the_objective(nesterov, curvature):
    def step(p, grad, m, v, t, given):
        sgd_step(p, grad, m, momentum=0.9, nesterov=nesterov, **given)

    assert_stays_at_the_minimiser(step, curvature)


def test_one_step_with_l2():
    """W - eta * (dE0/dW + l2 * W)."""
    p, m = tensor(2.0), tensor(0.0)
    sgd_step(p, tensor(0.7), m, momentum=0.0, nesterov=False, **strengths(l2=0.5))
    assert p.item() == pytest.approx(2.0 - 0.1 * (0.7 + 0.5 * 2.0))


def test_decay_is_no_part_of_the_velocity():
    """Of a step without a gradient the weights shrink, and nothing moves on."""
    p, m = tensor(2.0), tensor(0.0)
    sgd_step(p, tensor(0.0), m, momentum=0.9, nesterov=False, **strengths(weight_decay=0.5))
    assert p.item() == pytest.approx(2.0 * (1 - 0.1 * 0.5))
    assert m.item() == 0
