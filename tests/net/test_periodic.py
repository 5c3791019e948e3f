"""Periodic embeddings of columns."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from skreg.net import column_dropout, input_dropout, owners, periodic
from skreg.net.net import Net
from skreg.net.periodic import Periodic
from skreg.train.plan import plan
from skreg.train.state import initial_parameters
from tests.train.helpers import IMPLEMENTATIONS, distance, fit, make_job, make_spec


def parameters(k, m, f=4, q=2, seed=0):
    rng = np.random.default_rng(seed)
    shapes = (k, m, f), (k, m, f), (k, m, q, f), (k, m, q)
    return [torch.from_numpy(rng.standard_normal(shape)) for shape in shapes]


@pytest.mark.parametrize("shared", [True, False])
def test_formula_entry_by_entry(shared):
    k, b, d, columns = 2, 3, 4, (1, 3)
    rng = np.random.default_rng(1)
    x = torch.from_numpy(rng.standard_normal((1 if shared else k, b, d)))
    frequency, phase, weight, bias = parameters(k, len(columns))
    out = periodic(x, torch.tensor(columns), frequency, phase, weight, bias)
    assert out.shape == (k, d + 2 * len(columns), b)
    for member in range(k):
        rows = x[0 if shared else member]
        assert torch.equal(out[member, :d], rows.T)
        for c, j in enumerate(columns):
            for o in range(2):
                for i in range(b):
                    waves = [
                        math.cos(2 * math.pi * float(f * rows[i, j]) + float(p))
                        for f, p in zip(frequency[member, c], phase[member, c], strict=True)
                    ]
                    known = weight[member, c, o].numpy() @ waves + bias[member, c, o].item()
                    got = out[member, d + 2 * c + o, i].item()
                    assert got == pytest.approx(known, abs=1e-13)


def test_a_frequency_counts_periods_a_unit():
    """A frequency of 3 comes back after a third, and not before."""
    x = torch.tensor([[[0.1], [0.1 + 1 / 3], [0.1 + 1 / 6]]], dtype=torch.float64)
    frequency = torch.full((1, 1, 1), 3.0, dtype=torch.float64)
    zero, one = torch.zeros_like(frequency), torch.ones_like(frequency)
    a, b, c = periodic(x, torch.tensor([0]), frequency, zero, one.unsqueeze(3), zero)[0, 1]
    assert b == pytest.approx(a.item(), abs=1e-12)
    assert c == pytest.approx(-a.item(), abs=1e-12)


def test_gradients_are_those_of_differences():
    """Of every input of the layer, in float64."""
    x = torch.from_numpy(np.random.default_rng(2).standard_normal((2, 3, 3)))
    values = [p.requires_grad_() for p in parameters(2, 2)]
    columns = torch.tensor([0, 2])
    assert torch.autograd.gradcheck(lambda *p: periodic(x, columns, *p), values)


def test_with_a_column_goes_all_that_was_made_of_it():
    """Kept entries are those of input dropout on the columns, scaled alike."""
    k, b, d = 2, 200, 3
    owner = torch.tensor(owners(d, (0, 2), 2))
    keys = torch.tensor([7, 11]), torch.tensor([13, 17])
    rate = torch.tensor([0.5, 0.0])
    threshold = (rate.double() * 2**32).long()
    a = torch.arange(1.0, 1 + k * 7 * b).view(k, 7, b)
    dropped = column_dropout(a, owner, rate, threshold, keys)
    kept = input_dropout(torch.ones(k, b, d), rate, threshold, keys).mT
    assert 0.3 < (kept[0] == 0).float().mean() < 0.7
    assert torch.equal(dropped, a * kept[:, owner])
    assert torch.equal(dropped[1], a[1])


# -- embedding_scale -------------------------------------------------------------------------------

SCALES = (0.1, 0.02, 1.5)


def test_a_scale_multiplies_the_same_normal_numbers():
    """And nothing else that a net starts with."""
    specs = [make_spec(embedded=(0, 2), embedding_scale=scale) for scale in SCALES]
    starts = [initial_parameters(Net.of(spec, 3), spec, seed=5) for spec in specs]
    default = initial_parameters(Net.of(specs[0], 3), make_spec(), seed=5)
    assert distance(default, starts[0]) == 0
    frequency = default["embed_frequency"] / 0.1
    for scale, start in zip(SCALES, starts, strict=True):
        np.testing.assert_allclose(start["embed_frequency"], scale * frequency, rtol=1e-14)
        assert distance({**start, "embed_frequency": default["embed_frequency"]}, default) == 0


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_members_of_one_stack_have_scales_of_their_own(implementation):
    """Of one seed and one stream: each is what it is alone, and they are not each other."""
    jobs = [make_job(embedded=(0, 2), embedding_scale=scale) for scale in SCALES]
    assert [sorted(stack) for stack in plan(jobs)] == [[0, 1, 2]]
    results = fit(jobs, implementation)
    for job, result in zip(jobs, results, strict=True):
        assert distance(result.params, fit(job, implementation).params) <= 1e-10
    assert distance(results[0].params, results[1].params) > 1e-3
    usual = fit(make_job(embedded=(0, 2)), implementation)
    assert distance(results[0].params, usual.params) <= 1e-10


def test_a_new_start_of_a_module_has_the_scale():
    spec = make_spec(embedded=tuple(range(200)), embedding_scale=0.7)
    net = Net.of(spec, 200)
    module = net.modules(initial_parameters(net, spec, 0), spec)[0]
    torch.manual_seed(0)
    module.reset_parameters()
    n = module.frequency.numel()
    assert abs(module.frequency.std().item() / 0.7 - 1) < 5 / (2 * n) ** 0.5
    (name, _, _, knobs), *_ = net.describe(spec)
    assert (name, knobs) == (
        "PeriodicEmbedding",
        "numeric_embedding=periodic of 200 columns, embedding_scale=0.7",
    )


@pytest.mark.parametrize(
    ("options", "advised"),
    [
        ({"embedded": (0,)}, False),
        ({"embedded": (0,), "embedding": "piecewise"}, True),
        ({"embedded": ()}, True),
        ({}, True),
    ],
    ids=str,
)
def test_advice_where_a_scale_does_nothing(options, advised):
    assert Periodic.advice(make_spec(**options)) == []
    found = Periodic.advice(make_spec(embedding_scale=0.2, **options))
    assert [text.split(" without ")[0] for text in found] == [
        "embedding_scale does nothing"
    ] * advised
