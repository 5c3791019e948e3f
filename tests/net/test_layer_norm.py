"""Layer norm of a stack."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from skreg.net.layer_norm import LayerNorm, layer_norm
from skreg.net.net import Net
from skreg.net.parameter import Role
from skreg.train.job import Spec
from tests.train.helpers import make_spec


def tables(k=3, h=4, b=10, seed=0):
    g = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.randn(*shape, generator=g, dtype=torch.float64)

    return draw(k, h, b) * 3 + 1, draw(k, h), draw(k, h)


def test_known_answer():
    """One row of four units; the same numbers as four rows of one unit under batch norm."""
    z = torch.tensor([[[1.0], [2.0], [3.0], [4.0]]])
    y = layer_norm(z, torch.ones(1, 4), torch.zeros(1, 4))
    assert y.flatten().tolist() == pytest.approx([-1.34, -0.45, 0.45, 1.34], abs=5e-3)
    scaled = layer_norm(z, torch.tensor([[2.0, 1, 1, 1]]), torch.tensor([[0.0, 0, 0, 5]]))
    assert scaled.flatten().tolist() == pytest.approx([-2.68, -0.45, 0.45, 6.34], abs=5e-3)


def test_equals_torch_member_by_member():
    z, gain, shift = tables()
    y = layer_norm(z, gain, shift)
    for k in range(3):
        expected = torch.nn.functional.layer_norm(z[k].T, (4,), gain[k], shift[k], eps=1e-5)
        torch.testing.assert_close(y[k].T, expected, rtol=0, atol=1e-12)


def test_scale_and_place_of_a_row_do_not_matter():
    z, gain, shift = tables()
    size = 1e3 * torch.rand(3, 1, 10, dtype=torch.float64, generator=torch.Generator()) + 1e3
    torch.testing.assert_close(
        layer_norm(size * z - size, gain, shift), layer_norm(1e3 * z, gain, shift)
    )


def test_equal_units_give_the_shift():
    """The variance is zero: epsilon keeps the result, and its gradient, finite."""
    z = torch.full((1, 4, 2), 3.0, dtype=torch.float64, requires_grad=True)
    _, gain, shift = tables(k=1)
    y = layer_norm(z, gain, shift)
    torch.testing.assert_close(y, shift.unsqueeze(2).expand(1, 4, 2))
    (y**2).sum().backward()
    assert torch.isfinite(z.grad).all()


def test_its_place_and_its_parameters():
    """Between each hidden layer, which keeps its bias, and the activation; never penalised."""
    net = Net.of(make_spec(hidden=(4, 3), layer_norm=True), 5)
    names = [type(block).__name__ for block in net.blocks]
    hidden = ["Linear", "LayerNorm", "Activation", "Dropout"]
    assert names == ["InputDropout", *hidden, *hidden, "Linear"]
    learned = dict(net.learned())
    for layer, units in ((0, 4), (1, 3)):
        for name in ("bias", "layer_gain", "layer_shift"):
            assert learned[f"{name}_{layer}"] == (units,)
    assert net.penalised.keys() == {"weight_0", "weight_1", "weight_2"}
    assert net.tracked() == []
    free = {p.name for p in net.parameters if p.role is Role.FREE}
    assert {"layer_gain_0", "layer_shift_1"} <= free
    start = net.init(lambda purpose: np.random.default_rng(0), Spec())
    assert (start["layer_gain_0"] == 1).all()
    assert not start["layer_shift_0"].any()


def test_costs_of_a_row():
    plain, normed = (Net.of(make_spec(hidden=(4, 3), layer_norm=on), 5) for on in (False, True))
    assert normed.n_numbers - plain.n_numbers == 2 * (4 + 3)
    assert normed.work - plain.work == 5 * (4 + 3)
    assert normed.memory(False) - plain.memory(False) == (4 + 3) + 2 * 2
    assert normed.flops == plain.flops


def test_prediction_and_module_are_the_layer():
    z, gain, shift = tables(k=1)
    params = {"layer_gain_0": gain.numpy(), "layer_shift_0": shift.numpy()}
    block, steps = LayerNorm(0, 4, 3), []
    known = layer_norm(z, gain, shift)[0].T
    block.predict(params, steps)
    found = steps[0](z.mT.numpy().copy())
    np.testing.assert_allclose(found[0], known.numpy(), atol=1e-12)
    (module,) = block.modules({name: value[0] for name, value in params.items()}, None)
    with torch.no_grad():
        torch.testing.assert_close(module(z[0].T), known, rtol=0, atol=1e-12)
