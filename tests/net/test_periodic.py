"""Periodic embeddings of columns."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from skreg.net import column_dropout, input_dropout, owners, periodic


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
