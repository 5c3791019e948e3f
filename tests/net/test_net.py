"""What a net consists of, where it starts, and what blocks promise each other."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from skreg.net.block import Minibatch, SharedRows
from skreg.net.net import Net
from skreg.net.parameter import Role
from skreg.train.job import Spec
from tests.train.helpers import make_spec


def net_of(sizes, **options):
    """A net for so many columns, hidden units and outputs."""
    columns, *hidden, outputs = sizes
    return Net.of(make_spec(hidden=tuple(hidden), n_outputs=outputs, **options), columns)


def initial(net, seed=0):
    """Initial values, weights and embeddings from generators of their own."""
    return net.init(lambda purpose: np.random.default_rng([seed, len(purpose)]), Spec())


def test_parameters_and_their_roles():
    net = net_of((3, 4, 2), batch_norm=True)
    found = [(p.name, p.shape, p.role, p.layer) for p in net.parameters]
    assert found == [
        ("weight_0", (4, 3), Role.PENALISED, 0),
        ("weight_1", (2, 4), Role.PENALISED, 1),
        ("gain_0", (4,), Role.FREE, -1),
        ("shift_0", (4,), Role.FREE, -1),
        ("bias_1", (2,), Role.FREE, -1),
        ("mean_0", (4,), Role.TRACKED, -1),
        ("variance_0", (4,), Role.TRACKED, -1),
    ]
    assert net.learned() == [(name, shape) for name, shape, *_ in found[:5]]
    assert net.tracked() == [(name, shape) for name, shape, *_ in found[5:]]
    assert net.penalised == {"weight_0": 0, "weight_1": 1}
    assert (net.sizes, net.n_layers, net.widest) == ((3, 4, 2), 2, 4)
    assert [net.normed(i) for i in range(2)] == [True, False]


def test_costs_of_a_row():
    """Counted by hand: products forward, for the weights and, behind the first layer, for the inputs."""
    net = net_of((3, 4, 2), batch_norm=True)
    assert net.n_numbers == 3 * 4 + 4 * 2 + 2 * 4 + 2 + 2 * 4
    assert net.flops == 4 * 3 * 4 + 6 * 4 * 2
    assert net.work == 3 * (4 + 10) + 4 * (2 + 10)
    assert [net.memory(drops) for drops in (False, True)] == [3 * (4 + 2), 3 * (4 + 2) + 3]
    embedded = net_of((3, 4, 2), embedded=(0, 2))
    assert embedded.flops == 4 * 9 * 4 + 2 * 6 * 4 + 6 * 4 * 2 + 6 * 16 * 6
    assert embedded.work == 9 * 14 + 4 * 12 + 2 * 16 * (3 + 10)
    assert embedded.memory(False) == embedded.memory(True) == 3 * (4 + 2) + 9 + 6


def test_equal_specs_have_one_net():
    assert net_of((3, 4, 2), l2=0.1) is net_of((3, 4, 2), dropout=0.5)
    assert net_of((3, 4, 2)) is not net_of((3, 4, 3))


def test_a_net_without_batch_norm_tracks_nothing():
    net = net_of((3, 4, 2), batch_norm=False)
    assert {name for name, _ in net.learned()} == {"weight_0", "weight_1", "bias_0", "bias_1"}
    assert net.tracked() == []


def test_embedded_columns():
    """Of 5 inputs 2 are columns: 3 are made of the one that is embedded."""
    net, plain = net_of((2, 4, 2), embedded=(1,)), net_of((5, 4, 2))
    assert net.sizes == plain.sizes == (5, 4, 2)
    assert net.widest == 16
    own = {
        "embed_frequency": (1, 16),
        "embed_phase": (1, 16),
        "embed_weight": (1, 3, 16),
        "embed_bias": (1, 3),
    }
    assert dict(net.learned()) == {**dict(plain.learned()), **own}
    assert net.penalised == plain.penalised


def test_initial_weights_have_the_variance_of_their_layer():
    """Within 5 standard deviations of a variance of n normal numbers."""
    params = initial(net_of((100, 200, 150, 40), batch_norm=True, activation="relu"))
    for name, variance in (("weight_0", 2 / 100), ("weight_1", 2 / 200), ("weight_2", 1 / 150)):
        w = params[name]
        assert abs(w.var() / variance - 1) < 5 * np.sqrt(2 / w.size)
        assert abs(w.mean()) < 5 * np.sqrt(variance / w.size)
    for name in ("shift_0", "shift_1", "bias_2", "mean_0", "mean_1"):
        assert not params[name].any()
    for name in ("gain_0", "gain_1", "variance_0", "variance_1"):
        assert (params[name] == 1).all()


def test_a_linear_model_starts_at_zero():
    params = initial(net_of((3, 2), batch_norm=True))
    assert params.keys() == {"weight_0", "bias_0"}
    assert not params["weight_0"].any()


def test_initial_embedding():
    """Frequencies of standard deviation 0.1, phases within half a turn, maps as torch's."""
    net = net_of((500, 2), embedded=tuple(range(500)))
    params = initial(net)
    frequency, phase = params["embed_frequency"], params["embed_phase"]
    assert abs(frequency.std() / 0.1 - 1) < 5 / np.sqrt(2 * frequency.size)
    assert abs(frequency.mean()) < 5 * 0.1 / np.sqrt(frequency.size)
    assert np.pi - 0.01 < abs(phase).max() < np.pi
    assert abs(phase.std() / (np.pi / np.sqrt(3)) - 1) < 5 / np.sqrt(phase.size)
    for name in ("weight", "bias"):
        assert 0.249 < abs(params[f"embed_{name}"]).max() < 0.25
    assert (params["embed_bias"] == initial(net)["embed_bias"]).all()
    assert abs(params["embed_bias"] - initial(net, seed=1)["embed_bias"]).max() > 0.1


NETS = {
    "linear": {"hidden": ()},
    "plain": {},
    "batch_norm": {"batch_norm": True},
    "layer_norm": {"layer_norm": True},
    "residual": {"residual": True, "hidden": (5, 5, 5), "batch_norm": True},
    "embedded": {"embedded": (0, 2), "batch_norm": True},
}


@pytest.mark.parametrize("options", NETS.values(), ids=NETS)
def test_parameters_are_what_is_initialised_and_what_is_read(options):
    """A block must not read a name that it does not declare, nor declare one that it does not read."""
    net = Net.of(make_spec(**options), 4)
    params = initial(net)
    assert {name: value.shape for name, value in params.items()} == {
        p.name: p.shape for p in net.parameters
    }
    read = set()

    class Noted(dict):
        def __getitem__(self, name):
            read.add(name)
            return super().__getitem__(name)

    p = Noted({name: torch.from_numpy(value)[None] for name, value in params.items()})
    out = net.evaluate(p, torch.zeros(6, 4, dtype=torch.float64))
    assert out.shape == (1, 1, 6)
    assert read == params.keys()


@pytest.mark.parametrize("options", NETS.values(), ids=NETS)
def test_training_without_dropout_is_evaluation_with_the_statistics_of_the_minibatch(options):
    net = Net.of(make_spec(**options), 4)
    rng = np.random.default_rng(0)
    k, b = 2, 6
    p = {
        name: torch.from_numpy(
            np.stack([value + 0.3 * rng.uniform(size=value.shape) for _ in range(k)])
        )
        for name, value in initial(net).items()
    }
    x = torch.from_numpy(rng.normal(size=(b, 4)))
    rows = SharedRows(x[None], [slice(0, k)], torch.zeros(k, dtype=torch.int64))
    share = torch.full((k, b), 1 / b, dtype=torch.float64)
    minibatch = Minibatch(share, [None] * net.n_layers)
    raw = net.train(p, rows, minibatch)
    assert minibatch.seen.keys() == dict(net.tracked()).keys()
    torch.testing.assert_close(raw, net.evaluate(p | minibatch.seen, x), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("options", [{}, {"embedded": (0, 2)}], ids=["columns", "embedded"])
def test_a_dropped_column_is_dropped_for_one_member_alone(options):
    """With a rate of nearly 1 all inputs of the first member are zero, and those of the other stay."""
    net = Net.of(make_spec(hidden=(), **options), 4)
    p = {name: torch.from_numpy(np.stack([v, v])) + 1.0 for name, v in initial(net).items()}
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(5, 4)))
    rows = SharedRows(x[None], [slice(0, 2)], torch.zeros(2, dtype=torch.int64))
    rate = torch.tensor([1 - 2.0**-32, 0.0], dtype=torch.float64)
    threshold = torch.tensor([2**32 - 1, 0])
    keys = torch.tensor([[1, 1], [2, 2]])
    share = torch.full((2, 5), 0.2, dtype=torch.float64)
    raw = net.train(p, rows, Minibatch(share, [(rate, threshold, keys)]))
    torch.testing.assert_close(raw[0], torch.ones_like(raw[0]))  # the bias
    torch.testing.assert_close(raw[1:], net.evaluate(p, x)[1:])
