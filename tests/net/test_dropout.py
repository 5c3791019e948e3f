"""Inverted dropout and the hash that makes its masks."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from skreg.net import dropout, input_dropout
from skreg.net.dropout import LINE_STRIDE, ColumnDropout, hash_u32, keep_mask
from skreg.net.net import Net
from skreg.net.prediction import Mask
from tests.train.helpers import IMPLEMENTATIONS, distance, fit, make_job, make_spec

MASK32 = 0xFFFFFFFF
CORNERS = (0, 1, 2, 0x7FFFFFFF, 0x80000000, MASK32, 123456789)

#: The threshold of rate 0.5.
HALF = torch.tensor([1 << 31])


def tensors(*numbers):
    return tuple(torch.tensor([int(n)]) for n in numbers)


def threshold(rates):
    return (torch.as_tensor(rates, dtype=torch.float64) * 2**32).round().long()


def hash_of_ints(counter, key0, key1):
    """The hash in integers of any size."""
    x = counter ^ key0
    x ^= x >> 16
    x = x * 0x21F0AAAD & MASK32
    x = x + key1 & MASK32
    x ^= x >> 15
    x = x * 0x735A2D97 & MASK32
    return x ^ x >> 15


def test_hash_equals_integers():
    for numbers in itertools.product(CORNERS, repeat=3):
        assert hash_u32(*tensors(*numbers)).item() == hash_of_ints(*numbers)


def test_hash_of_the_kernels_equals_integers():
    nb = pytest.importorskip("numba")
    from skreg.backends.cpu.pieces import random_u32

    @nb.njit
    def compiled(counter, key0, key1):
        return random_u32(counter, key0, key1)

    for numbers in itertools.product(CORNERS, repeat=3):
        assert compiled(*map(np.uint32, numbers)) == hash_of_ints(*numbers)


def test_hash_is_uniform():
    """Chi-square of the top and of the bottom byte: 255 degrees of freedom, 5 sigma."""
    bits = hash_u32(torch.arange(1 << 18), *tensors(0xDEADBEEF, 0x12345678)).numpy()
    for byte in (bits >> 24, bits & 0xFF):
        counts = np.bincount(byte, minlength=256)
        chi2 = ((counts - 1024) ** 2 / 1024).sum()
        assert abs(chi2 - 255) < 5 * np.sqrt(2 * 255)


def test_mask_is_made_of_the_hash():
    keep = keep_mask(3, 5, tensors(11, 22), HALF, "cpu")[0]
    for i, j in itertools.product(range(3), range(5)):
        bits = hash_of_ints((i * LINE_STRIDE + j) & MASK32, 11, 22)
        assert keep[i, j].item() == (bits >= 1 << 31)


def test_mask_of_an_entry_does_not_depend_on_the_size():
    small = keep_mask(3, 5, tensors(11, 22), HALF, "cpu")
    large = keep_mask(4, 9, tensors(11, 22), HALF, "cpu")
    assert torch.equal(small, large[:, :3, :5])


def test_lines_of_a_mask_do_not_overlap():
    """Each entry of 4096 lines of 65536 has a number of its own."""
    starts = np.sort(np.arange(4096, dtype=np.uint64) * LINE_STRIDE & MASK32).astype(np.int64)
    gaps = np.diff(np.append(starts, starts[0] + 2**32))
    assert gaps.min() >= 65536


def test_known_answer(monkeypatch):
    """Dropped units are zero, kept ones are divided by the probability of keeping."""
    given = torch.tensor([True, False, True, False]).view(1, 4, 1)
    monkeypatch.setitem(dropout.__globals__, "keep_mask", lambda *args: given)
    a = torch.tensor([0.8, 0.5, 0.3, 0.9]).view(1, 4, 1)
    out = dropout(a, torch.tensor([0.5]), HALF, tensors(0, 0))
    assert out.flatten().tolist() == pytest.approx([1.6, 0.0, 0.6, 0.0])


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_mean_over_many_masks_is_the_activation(rate):
    """Within 5 standard deviations of the mean of 20000 masks."""
    a = torch.tensor([0.8, 0.5, 0.3, 0.9], dtype=torch.float64).view(1, 4, 1).expand(1, 4, 20000)
    rates = torch.tensor([rate], dtype=torch.float64)
    out = dropout(a, rates, threshold(rates), tensors(5, 6))
    sigma = a[0, :, 0] * (rate / (1 - rate) / 20000) ** 0.5
    assert ((out.mean(dim=2)[0] - a[0, :, 0]).abs() <= 5 * sigma).all()


def test_drop_frequencies_of_members():
    """Each unit within 5 binomial standard deviations of its member's rate."""
    rates = torch.tensor([0.0, 0.001, 0.3, 0.5, 0.999], dtype=torch.float64)
    keys = torch.arange(5) * 7919, torch.arange(5) * 104729
    out = dropout(torch.ones(5, 16, 20000, dtype=torch.float64), rates, threshold(rates), keys)
    dropped = (out == 0).double().mean(dim=2)
    sigma = (rates * (1 - rates) / 20000).sqrt().unsqueeze(1)
    assert ((dropped - rates.unsqueeze(1)).abs() <= 5 * sigma).all()


def test_members_of_equal_keys_drop_alike_and_the_higher_rate_drops_more():
    rates = torch.tensor([0.5, 0.5, 0.7])
    keys = torch.tensor([3, 3, 3]), torch.tensor([4, 4, 4])
    out = dropout(torch.ones(3, 8, 100), rates, threshold(rates), keys) == 0
    assert torch.equal(out[0], out[1])
    assert (out[2] | ~out[0]).all()
    assert out[2].sum() > out[0].sum()


def test_rate_zero_is_the_identity():
    a = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0))
    zero = torch.zeros(2)
    assert torch.equal(dropout(a, zero, threshold(zero), (zero.long(), zero.long())), a)


def test_gradient_goes_through_kept_entries_only():
    a = torch.ones(1, 3, 50, requires_grad=True)
    out = dropout(a, torch.tensor([0.5]), HALF, tensors(1, 2))
    out.sum().backward()
    assert torch.equal(a.grad, out.detach())


def test_input_dropout_counts_row_by_row():
    x = torch.ones(1, 6, 4)
    out = input_dropout(x, torch.tensor([0.5]), HALF, tensors(1, 2))
    assert torch.equal(out[0] != 0, keep_mask(6, 4, tensors(1, 2), HALF, "cpu")[0])


def test_columns_of_one_owner_share_a_place_of_the_mask():
    """Owners are numbers of the user's columns: there may be gaps, and any order."""
    owner, x = torch.tensor([3, 0, 3, 1]), torch.arange(1.0, 401.0).view(2, 50, 4)
    keys, rates = (torch.tensor([1, 5]), torch.tensor([2, 6])), torch.tensor([0.5, 0.75])
    out = input_dropout(x, rates, threshold(rates), keys, owner=owner)
    whole = input_dropout(torch.ones(2, 50, 4), rates, threshold(rates), keys)
    assert torch.equal(out, x * whole[:, :, owner])
    assert torch.equal(out[:, :, 0] == 0, out[:, :, 2] == 0)


OWNERS = (2, 0, 2, 5)


@pytest.mark.parametrize("embedding", [None, "periodic", "piecewise"])
def test_owners_go_to_prediction_and_to_the_module(embedding):
    """Whoever was made of one column of the user is there, or is not, with it, in each of many rows."""
    options = {} if embedding is None else {"embedded": (1, 2), "embedding": embedding}
    spec = make_spec(input_dropout=0.5, owners=OWNERS, **options)
    made = [0, 0, 0, 2, 2, 2] if embedding else []
    net = Net.of(spec, 4)
    assert net.blocks[0].owner.tolist() == [*OWNERS, *made]
    (mask,) = (s for s in predicted(net) if isinstance(s, Mask) and s.place == 0)
    dropped = mask.draw(np.ones((1, 3000, 4 + len(made))), spec, np.random.default_rng(0))[0] == 0
    (layer,) = (m for m in modules(net, spec) if isinstance(m, ColumnDropout))
    also = layer.train()(torch.ones(3000, 4 + len(made))).numpy() == 0
    for found in (dropped, also):
        alike = (found[:, :, None] == found[:, None, :]).all(axis=0)
        owner = net.blocks[0].owner
        np.testing.assert_array_equal(alike, owner[:, None] == owner)


def with_measured_values(net):
    table = np.random.default_rng(1).normal(size=(30, net.n_columns))
    return net.init(lambda purpose: np.random.default_rng(0), make_spec()) | net.measure(
        table, None
    )


def predicted(net):
    return net.predict({name: value[None] for name, value in with_measured_values(net).items()})


def modules(net, spec):
    return net.modules(with_measured_values(net), spec)


def test_owners_of_another_number_of_columns_are_refused():
    with pytest.raises(
        ValueError, match=r"owners=\(0, 1, 1\) names 3 columns of a table that has 4"
    ):
        Net.of(make_spec(owners=(0, 1, 1)), 4)


@pytest.mark.parametrize("embedded", [None, (0, 2)], ids=["plain", "embedded"])
@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_each_its_own_owner_is_the_same_to_the_last_bit(implementation, embedded):
    options = {"input_dropout": 0.3, "embedded": embedded}
    one, other = (
        fit(make_job(**options, owners=owners), implementation) for owners in (None, (0, 1, 2, 3))
    )
    assert distance(one.params, other.params) == 0
