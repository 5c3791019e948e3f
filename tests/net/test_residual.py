"""Residual connections of a stack."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from skreg.net.net import Net
from skreg.net.residual import Residual, Sum
from skreg.train.job import Spec
from tests.train.helpers import make_spec


def net_of(hidden, columns=5, **options):
    return Net.of(make_spec(hidden=hidden, **{"residual": True, **options}), columns)


@pytest.mark.parametrize(
    ("hidden", "places"),
    [((6, 6, 6), [1, 2]), ((6, 4, 4), [2]), ((6, 4), []), ((6, 4, 6), []), ((5,), []), ((), [])],
)
def test_its_places(hidden, places):
    """Around layers as wide as the hidden one in front of them: as wide as the inputs does not count."""
    net = net_of(hidden)
    found = [block for block in net.blocks if isinstance(block, Residual)]
    assert [block.blocks[0].layer for block in found] == places
    assert Net.of(make_spec(hidden=hidden), 5).learned() == net.learned()
    assert net.sizes == (5, *hidden, 1)


@pytest.mark.parametrize("norm", [{}, {"batch_norm": True}, {"layer_norm": True}], ids=str)
def test_initial_numbers_are_those_of_the_net_without_it(norm):
    on, off = (
        net_of((6, 6), residual=flag, **norm).init(lambda purpose: np.random.default_rng(0), Spec())
        for flag in (True, False)
    )
    assert on.keys() == off.keys()
    for name, values in on.items():
        np.testing.assert_array_equal(values, off[name])


def test_a_layer_of_zeros_hands_its_input_on():
    """So does its gradient: that of the input is what it would be without the layer."""
    net, plain = net_of((4, 4)), net_of((4,))
    start = net.init(lambda purpose: np.random.default_rng(0), Spec())
    p = {name: torch.from_numpy(values)[None] for name, values in start.items()}
    p["weight_1"] = torch.zeros_like(p["weight_1"])
    short = {"weight_0": p["weight_0"], "bias_0": p["bias_0"]}
    short |= {"weight_1": p["weight_2"], "bias_1": p["bias_2"]}
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(7, 5))).requires_grad_()
    outputs = [net.evaluate(p, x), plain.evaluate(short, x)]
    torch.testing.assert_close(*outputs)
    torch.testing.assert_close(*(torch.autograd.grad(out.sum(), x)[0] for out in outputs))


def test_costs_of_a_row():
    plain, connected = net_of((6, 6, 6), residual=False), net_of((6, 6, 6))
    assert connected.n_numbers == plain.n_numbers
    assert connected.flops == plain.flops
    assert connected.widest == plain.widest
    assert connected.work - plain.work == 2 * 6
    assert connected.memory(False) - plain.memory(False) == 2 * 6


def test_the_module_adds_its_rows():
    module, x = Sum([torch.nn.Linear(3, 3), torch.nn.ReLU()]), torch.randn(5, 3)
    known = x + torch.relu(x @ module.layer[0].weight.T + module.layer[0].bias)
    torch.testing.assert_close(module(x), known)
