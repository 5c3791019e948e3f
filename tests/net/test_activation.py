"""Activations by name."""

from __future__ import annotations

import math

import pytest
import torch

from skreg.engine.constants import ACTIVATIONS
from skreg.net import activation
from skreg.net.activation import FUNCTIONS

#: Written down from their definitions.
AT_ONE = {
    "identity": 1.0,
    "relu": 1.0,
    "tanh": math.tanh(1.0),
    "logistic": 1 / (1 + math.exp(-1)),
    "silu": 1 / (1 + math.exp(-1)),
    "gelu": 0.5 * (1 + math.erf(1 / math.sqrt(2))),
    "selu": 1.0507009873554805,
    "mish": math.tanh(math.log(1 + math.e)),
}


def test_the_engine_has_the_same_names():
    assert FUNCTIONS.keys() == ACTIVATIONS.keys() == AT_ONE.keys()
    assert sorted(ACTIVATIONS.values()) == list(range(len(ACTIVATIONS)))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_known_values(name):
    x = torch.tensor([1.0], dtype=torch.float64)
    assert activation(x, name).item() == pytest.approx(AT_ONE[name], abs=1e-15)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_divergence_is_seen(name):
    assert activation(torch.tensor([math.nan]), name).isnan().all()
