"""The block of a module of the user's, below the estimators."""

from __future__ import annotations

import copy
import functools
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from skreg.net.block import Minibatch, SharedRows
from skreg.net.own import OwnModule, OwnNet, survey_of
from skreg.net.own.block import PREFIX
from skreg.net.own.layers import masks_of, with_own_layers
from skreg.net.parameter import Role
from skreg.train.job import Job, Spec
from skreg.train.run import train_stack

# -- descriptions ----------------------------------------------------------------------------------


def linear(n=3, activation=None, sizes=()):
    return nn.Sequential(nn.Linear(4, n), activation or nn.Identity())


EQUAL = {
    "numbers": ({"n": 3}, {"n": 3}, True),
    "kinds of number": ({"n": 1}, {"n": True}, False),
    "lists": ({"sizes": [1, [2]]}, {"sizes": [1, [2]]}, True),
    "another list": ({"sizes": [1, [2]]}, {"sizes": [1, [3]]}, False),
    "arrays": ({"sizes": np.ones(3)}, {"sizes": np.ones(3)}, True),
    "modules": ({"activation": nn.ReLU()}, {"activation": nn.ReLU()}, True),
    "other modules": ({"activation": nn.ReLU()}, {"activation": nn.Tanh()}, False),
    "classes": ({"activation": nn.ReLU}, {"activation": nn.Tanh}, False),
}


@pytest.mark.parametrize(("a", "b", "equal"), EQUAL.values(), ids=EQUAL)
def test_descriptions_are_equal_by_content(a, b, equal):
    a, b = OwnModule.of(linear, a, (4,)), OwnModule.of(linear, b, (4,))
    assert (a == b) is equal
    assert not equal or hash(a) == hash(b)


def test_partial_functions_are_equal_by_content():
    a, b = (OwnModule.of(functools.partial(linear, n=3), {}, (4,)) for _ in range(2))
    assert a == b
    assert a.name == "linear"
    assert a != OwnModule.of(functools.partial(linear, n=4), {}, (4,))


def test_weights_follow_from_the_seed_alone():
    described = OwnModule.of(linear, {}, (4,))
    a, b, c = (described.build(seed)[0].weight for seed in (1, 1, 2))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


# -- roles -----------------------------------------------------------------------------------------


class Parts(nn.Module):
    """A layer of each kind that has numbers."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(2, 4, 3, padding=1)
        self.up = nn.ConvTranspose1d(4, 6, 2)
        self.norm = nn.BatchNorm1d(6)
        self.layer_norm = nn.LayerNorm(5)
        self.scale = nn.Parameter(torch.ones(()))
        self.out = nn.Linear(30, 2)

    def forward(self, x):
        x = self.layer_norm(self.norm(self.up(self.conv(x))))
        return self.out(x.flatten(1)) * self.scale


def test_roles_and_costs():
    block = OwnNet(OwnModule.of(Parts, {}, (2, 4)), 8, 2)
    found = {p.name.removeprefix(PREFIX): p for part in block.parts() for p in part.parameters()}
    penalised = {n: p.layer for n, p in found.items() if p.role is Role.PENALISED}
    assert penalised == {"conv.weight": 0, "up.weight": 1, "out.weight": 2}
    assert found["up.weight"].axis == 1
    tracked = {n for n, p in found.items() if p.role is Role.TRACKED}
    assert tracked == {"norm.running_mean", "norm.running_var", "norm.num_batches_tracked"}
    free = {n for n, p in found.items() if p.role is Role.FREE}
    assert free == {n for n, _ in Parts().named_parameters()} - set(penalised)
    # Multiply-adds: 4 places x 4 channels x 6, 16 inputs x 6 x 2, 30 x 2; and ten for each number put out.
    entries = 16 + 30 + 30 + 30 + 2 + 2  # the module itself has a number, and so is a layer
    assert block.work == 96 + 192 + 60 + 10 * entries


# -- dropout ---------------------------------------------------------------------------------------


def dropped(layer, x, rate, keys=(7, 9)):
    """Rows x through a layer of dropout, by the engine's masks."""
    twin, context = with_own_layers(nn.Sequential(layer))
    context.begin(torch.full((len(x),), 1 / len(x)), {})
    context.noted = {}
    twin(x)  # to note its calls
    rate, keys = torch.tensor([rate], dtype=torch.float64), torch.tensor(keys).unsqueeze(1)
    one = torch.zeros(1, dtype=torch.int64)
    rate, masks = masks_of(context.noted[0], len(x), rate, (rate * 2**32).long(), keys, one)
    context.begin(context.share, {0: (rate[0], [mask[0] for mask in masks])})
    return twin(x)


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_dropout_has_its_rate_and_keeps_the_mean(rate):
    out = dropped(nn.Dropout(0.9), torch.ones(100, 40, 50, dtype=torch.float64), rate)
    assert abs((out == 0).double().mean() - rate) < 0.003
    assert abs(out.mean() - 1) < 0.005
    assert set(out.unique().tolist()) == {0.0, 1 / (1 - rate)}


@pytest.mark.parametrize(("layer", "shape"), [
    (nn.Dropout1d(), (60, 50, 4)), (nn.Dropout2d(), (60, 50, 2, 3)), (nn.Dropout3d(), (60, 50, 2, 3, 2)),
])  # fmt: skip
def test_channels_are_dropped_as_a_whole(layer, shape):
    out = dropped(layer, torch.ones(shape, dtype=torch.float64), 0.3).flatten(2)
    assert torch.equal(out.amax(dim=2), out.amin(dim=2))
    assert abs((out == 0).double().mean() - 0.3) < 0.03


@pytest.mark.parametrize("layer", [nn.AlphaDropout(), nn.FeatureAlphaDropout()])
def test_alpha_dropout_keeps_mean_and_variance_of_selu_units(layer):
    x = torch.randn(400, 300, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    out = dropped(layer, nn.functional.selu(x), 0.2)
    assert abs(out.mean()) < 0.02
    assert abs(out.var() - 1) < 0.03


def test_calls_of_one_layer_have_masks_of_their_own():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.drop = nn.Dropout()

        def forward(self, x):
            return torch.stack([self.drop(x), self.drop(x)])

    first, second = dropped(Twice(), torch.ones(50, 40), 0.5)
    assert 0.4 < (first == second).double().mean() < 0.6


# -- several members -------------------------------------------------------------------------------


def net_with_everything():
    return nn.Sequential(
        *(nn.Conv1d(2, 3, 3, padding=1), nn.BatchNorm1d(3, momentum=0.3), nn.ReLU(inplace=True)),
        *(nn.Dropout1d(0.2), nn.Flatten(), nn.Linear(12, 5), nn.BatchNorm1d(5, momentum=None)),
        *(nn.AlphaDropout(0.1), nn.Linear(5, 2)),
    )


def trained(members, rates, x, share, one_by_one=False):
    """Raw outputs and what buffers became, of one minibatch."""
    block = OwnNet(OwnModule.of(net_with_everything, {}, (2, 4)), 8, 2)
    if one_by_one:
        block.work = 1e9
    assert block.one_by_one(x.device, len(x)) == one_by_one
    params = [block.init(np.random.default_rng(seed), None) for seed in members]
    p = {n: torch.as_tensor(np.stack([one[n] for one in params])) for n in params[0]}
    k = len(members)
    keys = torch.tensor([[3, 5], [4, 6]]).unsqueeze(2).expand(2, 2, k)
    rates = torch.tensor(rates, dtype=torch.float64).expand(2, k)
    masks = [None, *((rates[i], (rates[i] * 2**32).long(), keys[:, i]) for i in range(2))]
    minibatch = Minibatch(share.expand(k, -1), masks)
    rows = SharedRows(x.unsqueeze(0), [slice(0, k)], torch.zeros(k, dtype=torch.int64))
    return block.train(p, rows, minibatch), minibatch.became


def test_together_one_by_one_and_alone_are_the_same():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(7, 8, generator=generator, dtype=torch.float64)
    share = torch.full((1, 7), 1 / 7, dtype=torch.float64)
    raw, became = trained([0, 1, 2], [0.1, 0.4, 0.0], x, share)
    other, states = trained([0, 1, 2], [0.1, 0.4, 0.0], x, share, one_by_one=True)
    assert_same(other, states, raw, became)
    for i, rate in enumerate((0.1, 0.4, 0.0)):
        other, states = trained([i], [rate], x, share)
        own = {name: value[i : i + 1] for name, value in became.items()}
        assert_same(other, states, raw[i : i + 1], own)


def assert_same(raw, became, expected, states):
    torch.testing.assert_close(raw, expected, atol=1e-12, rtol=0)
    for name, value in states.items():
        torch.testing.assert_close(became[name], value, atol=1e-12, rtol=0)


def test_padding_counts_nothing_and_batch_norm_is_torchs():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(6, 8, generator=generator, dtype=torch.float64)
    share = torch.full((1, 6), 1 / 6, dtype=torch.float64)
    raw, became = trained([0], [0.0], x, share)
    padded = torch.cat([x, x[:1]]), torch.cat([share, torch.zeros(1, 1)], dim=1)
    more, same = trained([0], [0.0], *padded)
    torch.testing.assert_close(more[..., :6], raw, atol=1e-12, rtol=0)
    description = OwnModule.of(net_with_everything, {}, (2, 4))
    block = OwnNet(description, 8, 2)
    params = block.init(np.random.default_rng(0), None)
    spec = SimpleNamespace(dropout=(0.0, 0.0))
    (module,) = block.modules(params, spec)
    out = module.train()(x.reshape(6, 2, 4))
    torch.testing.assert_close(raw[0].T, out, atol=1e-12, rtol=0)
    for name, value in module.named_buffers():
        torch.testing.assert_close(became[PREFIX + name][0], value.double(), atol=1e-12, rtol=0)
        torch.testing.assert_close(same[PREFIX + name][0], value.double(), atol=1e-12, rtol=0)


def test_a_pause_changes_nothing():
    description = OwnModule.of(net_with_everything, {}, (2, 4))
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((40, 8)), rng.standard_normal((40, 2))
    spec = Spec(
        **{
            "module": description,
            "n_outputs": 2,
            "batch_norm": True,
            "max_iter": 5,
            "batch_size": 16,
        },
        **{"dropout": (0.2, 0.1), "l1": (1e-3,) * 3, "l2": (0.0,) * 3, "ema_decay": 0.5},
        dtype="float64",
    )
    (whole,), _ = train_stack([Job(spec, X, y, seed=3)])
    (part,), _ = train_stack([Job(spec, X, y, seed=3, pause=2)])
    (rest,), _ = train_stack([Job(spec, X, y, seed=3, resume=part.checkpoint)])
    assert part.stopped_by == "paused"
    for name, value in whole.params.items():
        np.testing.assert_array_equal(rest.params[name], value, err_msg=name)


def test_the_template_is_never_changed():
    description = OwnModule.of(net_with_everything, {}, (2, 4))
    template = survey_of(description).template
    before = copy.deepcopy(template.state_dict())
    trained([0, 1], [0.1, 0.2], torch.ones(4, 8).double(), torch.full((1, 4), 0.25).double())
    assert all(torch.equal(v, before[n]) for n, v in template.state_dict().items())


# -- images ----------------------------------------------------------------------------------------


def images(behind):
    return nn.Sequential(
        *(
            nn.Conv2d(3, 4, 3),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.MaxPool2d(2),
            behind,
            nn.Linear(16, 2),
        ),
    )


class Viewed(nn.Module):
    """What many tutorials have in place of `torch.nn.Flatten`; it fails where channels come last."""

    def forward(self, x):
        return x.view(len(x), -1)


@pytest.mark.parametrize(("behind", "taken"), [(nn.Flatten(), True), (Viewed(), False)])
def test_images_have_their_channels_last_where_the_module_takes_that(behind, taken):
    description = OwnModule.of(images, {"behind": behind}, (3, 6, 6))
    assert survey_of(description).channels_last == taken
    x = torch.randn(5, 3 * 36, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    block = OwnNet(description, 3 * 36, 2)
    params = block.init(np.random.default_rng(0), None)
    stack = {name: torch.as_tensor(value).unsqueeze(0) for name, value in params.items()}
    out = block.evaluate(stack, x.unsqueeze(0))
    (module,) = block.modules(params, SimpleNamespace(dropout=()))
    expected = module.eval()(x.reshape(5, 3, 6, 6))
    torch.testing.assert_close(out[0].T, expected, atol=1e-12, rtol=0)


def test_rows_that_are_no_images_have_no_channels_that_come_last():
    assert not survey_of(OwnModule.of(net_with_everything, {}, (2, 4))).channels_last


def test_large_convolutions_are_called_one_by_one_on_the_cpu_alone():
    convolutions = OwnNet(OwnModule.of(net_with_everything, {}, (2, 4)), 8, 2)
    dense = OwnNet(OwnModule.of(linear, {}, (4,)), 4, 3)
    cpu, cuda, many = torch.device("cpu"), torch.device("cuda"), 10**9
    assert convolutions.one_by_one(cpu, many)
    assert not convolutions.one_by_one(cpu, 10)
    assert not any([convolutions.one_by_one(cuda, many), dense.one_by_one(cpu, many)])


def test_a_stack_is_the_same_in_one_call_and_one_by_one(monkeypatch):
    description = OwnModule.of(images, {"behind": nn.Flatten()}, (3, 6, 6))
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((40, 108)), rng.standard_normal((40, 2))
    shared = {"module": description, "n_outputs": 2, "batch_norm": True, "max_iter": 3}
    shared |= {"batch_size": 16, "l1": (1e-3, 0.0), "l2": (0.0, 1e-3), "dtype": "float64"}
    jobs = [
        Job(Spec(**shared, learning_rate_init=rate), X, y, seed=i)
        for i, rate in enumerate((0.001, 0.01))
    ]
    found = []
    for limit in (0, np.inf):
        monkeypatch.setattr("skreg.net.own.block._GROUPED", limit)
        found.append(train_stack(jobs)[0])
    for one, other in zip(*found, strict=True):
        for name, value in one.params.items():
            np.testing.assert_allclose(other.params[name], value, atol=1e-10, err_msg=name)
