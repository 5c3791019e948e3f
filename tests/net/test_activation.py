"""Activations by name."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from skreg.net import activation
from skreg.net.activation import KINDS

#: Written down from their definitions.
AT_ONE = {
    "identity": 1.0,
    "relu": 1.0,
    "tanh": math.tanh(1.0),
    "logistic": 1 / (1 + math.exp(-1)),
    "silu": 1 / (1 + math.exp(-1)),
    "gelu": 0.5 * (1 + math.erf(1 / math.sqrt(2))),
    "selu": 1.0507009873554805,
    "elu": 1.0,
    "mish": math.tanh(math.log(1 + math.e)),
}


def test_each_has_a_known_value():
    assert KINDS.keys() == AT_ONE.keys()


@pytest.mark.parametrize("name", KINDS)
def test_known_values(name):
    x = torch.tensor([1.0], dtype=torch.float64)
    assert activation(x, name).item() == pytest.approx(AT_ONE[name], abs=1e-15)


def test_elu_keeps_the_mean_square_of_what_it_is_given():
    x = torch.linspace(-9, 9, 200_001, dtype=torch.float64)
    density = torch.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
    second_moment = torch.trapezoid(activation(x, "elu") ** 2 * density, x).item()
    assert KINDS["elu"].gain ** 2 * second_moment == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("name", KINDS)
def test_all_faces_are_one_function(name):
    kind = KINDS[name]
    x = torch.linspace(-5, 5, 201, dtype=torch.float64)
    expected = activation(x, name)
    torch.testing.assert_close(kind.module()(x), expected, rtol=1e-14, atol=1e-14)
    got = torch.from_numpy(np.array(kind.numpy(x.numpy().copy())))
    torch.testing.assert_close(got, expected, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("name", KINDS)
def test_the_functions_to_compile_are_value_and_derivative(name):
    """Called as they are written, in Python."""
    value, slope = KINDS[name].compiled(np.float64, math.exp, math.erf)
    x = torch.linspace(-5, 5, 50, dtype=torch.float64, requires_grad=True)  # without the kink at 0
    y = activation(x, name)
    (derivative,) = torch.autograd.grad(y.sum(), x)
    inputs = x.detach().numpy()
    np.testing.assert_allclose([value(None, v) for v in inputs], y.detach(), rtol=0, atol=1e-12)
    np.testing.assert_allclose([slope(None, v) for v in inputs], derivative, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", KINDS)
def test_divergence_is_seen(name):
    assert activation(torch.tensor([math.nan]), name).isnan().all()
    with np.errstate(invalid="ignore"):  # numpy says so as well
        assert np.isnan(KINDS[name].numpy(np.array([math.nan]))).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", KINDS)
def test_at_predict_in_either_precision_and_far_from_zero(name, dtype):
    x = np.concatenate([np.linspace(-30, 30, 601), [-1e4, -200.0, 200.0, 1e4]])
    known = activation(torch.from_numpy(x), name).numpy()
    found = KINDS[name].numpy(x.astype(dtype))
    assert found.dtype == dtype
    rounding = 10 * np.finfo(dtype).eps
    np.testing.assert_allclose(found, known, rtol=rounding, atol=40 * rounding)
