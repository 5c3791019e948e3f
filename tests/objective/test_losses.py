"""Losses of one row, against torch's own and known answers."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from skreg.backends.constants import LOSSES
from skreg.objective.losses import HUBER_DELTA, MAX_EXPONENT, rowwise

K, N_OUT, B = 2, 3, 50


def draw(*shape, seed=0):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=g, dtype=torch.float64) * 2


def scalar(value):
    return torch.tensor(value, dtype=torch.float64).view(1, 1, 1)


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_multinomial_equals_torch(smoothing):
    f, y = draw(K, N_OUT, B), torch.arange(K * B).view(K, B) % N_OUT
    got = rowwise("multinomial", f, y, smoothing=torch.full((K, 1), smoothing))
    expected = F.cross_entropy(f, y, reduction="none", label_smoothing=smoothing)
    torch.testing.assert_close(got, expected)


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_binomial_equals_torch(smoothing):
    f, y = draw(K, N_OUT, B), (draw(K, N_OUT, B, seed=1) > 0).double()
    got = rowwise("binomial", f, y, smoothing=torch.full((K, 1), smoothing).double())
    target = y * (1 - smoothing) + smoothing / 2
    expected = F.binary_cross_entropy_with_logits(f, target, reduction="none").sum(dim=1)
    torch.testing.assert_close(got, expected)


def test_two_classes_are_one_sigmoid():
    """The binomial loss of f is the multinomial one of (0, f), smoothed or not."""
    f, y = draw(1, 1, B), (draw(1, 1, B, seed=1) > 0).double()
    both = torch.cat([torch.zeros_like(f), f], dim=1)
    for smoothing in (torch.zeros(1, 1).double(), torch.full((1, 1), 0.2).double()):
        one = rowwise("binomial", f, y, smoothing=smoothing)
        two = rowwise("multinomial", both, y[:, 0].long(), smoothing=smoothing)
        torch.testing.assert_close(one, two)


@pytest.mark.parametrize(
    ("name", "y", "f", "expected"),
    [
        ("squared_error", 1.0, 4.0, 4.5),
        ("absolute_error", 1.0, 4.0, 3.0),
        ("huber", 1.0, 2.0, 0.5),
        ("huber", 1.0, 4.0, HUBER_DELTA * (3 - HUBER_DELTA / 2)),
        ("poisson", 2.0, 0.5, math.exp(0.5) - 1.0),
        ("poisson", 0.0, MAX_EXPONENT + 2, 3 * math.exp(MAX_EXPONENT)),
        ("pinball", 5.0, 3.0, 0.2 * 2),
        ("pinball", 3.0, 5.0, 0.8 * 2),
    ],
)
def test_known_values(name, y, f, expected):
    got = rowwise(name, scalar(f), scalar(y), quantile=scalar(0.2))
    assert got.item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", [n for n in LOSSES if n != "multinomial"])
def test_several_outputs_are_summed(name):
    f, y = draw(K, N_OUT, B), (draw(K, N_OUT, B, seed=1) > 0).double()
    zero, half = torch.zeros(K, 1).double(), torch.full((K, 1, 1), 0.5).double()
    together = rowwise(name, f, y, smoothing=zero, quantile=half)
    parts = [
        rowwise(name, f[:, j : j + 1], y[:, j : j + 1], smoothing=zero, quantile=half)
        for j in range(N_OUT)
    ]
    assert together.shape == (K, B)
    torch.testing.assert_close(together, sum(parts))


@pytest.mark.parametrize("name", ["absolute_error", "pinball"])
def test_ties_have_no_gradient(name):
    f = scalar(1.5).requires_grad_()
    rowwise(name, f, scalar(1.5), quantile=scalar(0.2)).sum().backward()
    assert f.grad.item() == 0


def test_wild_predictions_of_poisson_are_led_back():
    f = torch.tensor([1.0, MAX_EXPONENT + 1, 800.0], dtype=torch.float64).view(1, 1, 3)
    f.requires_grad_()
    loss = rowwise("poisson", f, torch.ones(1, 1, 3, dtype=torch.float64))
    assert loss.isfinite().all()
    loss.sum().backward()
    assert (f.grad > 0).all()


def test_pinball_is_minimal_at_the_quantile():
    y = draw(1, 1, 999)
    grid = torch.linspace(-6, 6, 1201, dtype=torch.float64).view(-1, 1, 1)
    for q in (0.1, 0.5, 0.8):
        total = rowwise("pinball", grid, y, quantile=scalar(q)).sum(dim=1)
        assert grid[total.argmin()].item() == pytest.approx(y.quantile(q).item(), abs=0.02)
