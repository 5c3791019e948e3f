"""Mix-up and cut-mix: rigged draws by hand, and what is drawn."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest
import torch
from scipy import stats

from skreg.net.bits import Salt
from skreg.net.block import Minibatch, SharedRows
from skreg.net.mixing import Mixing, beta_quantiles
from skreg.net.net import Net
from skreg.objective import losses
from skreg.train.random import mask_keys
from tests.train.helpers import make_spec

KEYS = torch.from_numpy(mask_keys(range(40), 0, 1, 1).astype(np.int64))[:, 0]  # (2, places, s)

#: Draws of a share of 1/4 and of 3/4 of the Beta(1, 1), and one that is below any limit.
QUARTER, THREE_QUARTERS, LOW = 1 << 30, 3 << 30, 0


def mixed(x, partner, *, mixup, cutmix, owners=None, n_levels=0, keys=KEYS):
    """Rows (k, b, d) and what they have of themselves (k, b); members have streams of their own."""
    k = len(x)
    block = Mixing(x.shape[2], owners, n_levels)
    rows = SharedRows(x, [slice(i, i + 1) for i in range(k)], torch.arange(k))
    knobs = {"mixup": torch.tensor(mixup).double(), "cutmix": torch.tensor(cutmix).double()}
    minibatch = Minibatch(None, [None], keys[..., :k], knobs, partner=partner)
    return block.train({}, rows, minibatch).of_members(), minibatch.own


def rig(monkeypatch, draws):
    """Give draws by purpose, lists of rows; those that are not given are the largest."""

    def bits(salt, keys, lines, length=1):
        out = torch.full((len(keys[0]), lines, length), (1 << 32) - 1)
        if salt in draws:
            out[:] = torch.tensor(draws[salt]).view(lines, -1)
        return out

    monkeypatch.setattr(sys.modules["skreg.net.mixing"], "bits", bits)


X = torch.tensor([[[0.0, 10.0, 4.0], [8.0, 20.0, 0.0], [4.0, 0.0, 2.0]]]).double()
PARTNER = torch.tensor([[1, 2, 0]])


def test_mixup_by_hand(monkeypatch):
    """Shares 1/4, 3/4 and 1/4 of itself; the last column holds levels and is that of the larger share."""
    rig(monkeypatch, {Salt.MIXUP_SHARE: [QUARTER, THREE_QUARTERS, QUARTER]})
    rows, own = mixed(X, PARTNER, mixup=[1.0], cutmix=[0.0], n_levels=1)
    assert own.tolist() == [[0.25, 0.75, 0.25]]
    assert rows.tolist() == [[[6.0, 17.5, 0.0], [7.0, 15.0, 0.0], [1.0, 7.5, 4.0]]]


def test_cutmix_by_hand(monkeypatch):
    """Of two of the user's columns, the first of which became two, row 0 takes one, row 1 both."""
    draws = {
        Salt.CUTMIX_ROWS: [LOW, LOW, LOW],
        Salt.CUTMIX_SHARE: [QUARTER, THREE_QUARTERS, LOW],
        Salt.CUTMIX_COLUMNS: [LOW, QUARTER, LOW, QUARTER, LOW, LOW],
    }
    rig(monkeypatch, draws)
    rows, own = mixed(X, PARTNER, mixup=[1.0], cutmix=[0.3], owners=(5, 9, 5))
    assert own.tolist() == [[0.5, 0.0, 1.0]]
    assert rows.tolist() == [[[8.0, 10.0, 0.0], [4.0, 0.0, 2.0], [4.0, 0.0, 2.0]]]


def test_losses_of_mixed_targets_by_hand():
    own = torch.tensor([[0.25, 0.75, 1.0]]).double()
    f = torch.log(torch.tensor([[[0.5, 0.2, 0.6], [0.5, 0.8, 0.4]]]).double())
    classes = torch.tensor([[0, 1, 0]])
    found = losses.mixed("multinomial", f, classes, PARTNER, own, smoothing=torch.zeros(1, 1))
    known = [math.log(2), -0.75 * math.log(0.8) - 0.25 * math.log(0.2), -math.log(0.6)]
    np.testing.assert_allclose(found, [known])
    f, y = torch.zeros(1, 1, 3).double(), torch.tensor([[[4.0, 0.0, 2.0]]]).double()
    # Mixed targets 1, 0.5 and 2.
    found = losses.mixed("squared_error", f, y, PARTNER, own)
    assert found.tolist() == [[0.5, 0.125, 2.0]]
    assert losses.mixed("absolute_error", f, y, PARTNER, own).tolist() == [[1.0, 0.5, 2.0]]


# -- what is drawn ---------------------------------------------------------------------------------


def drawn(b=64, d=5, mixup=0.0, cutmix=0.0, owners=None):
    """Of 40 streams: 0 where an entry is a row's own, 1 where it is its partner's."""
    x = torch.zeros(40, 2 * b, d).double()
    x[:, b:] = 1
    partner = (torch.arange(2 * b) + b) % (2 * b)
    knobs = {"mixup": [mixup] * 40, "cutmix": [cutmix] * 40, "owners": owners}
    rows, own = mixed(x, partner.expand(40, -1), **knobs)
    return rows[:, :b], own[:, :b]


def assert_share(found, expected, n):
    """Within 5 standard deviations of a share of n draws."""
    assert abs(found - expected) < 5 * (expected * (1 - expected) / n) ** 0.5


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_shares_of_mixup_have_the_distribution(alpha):
    rows, own = drawn(mixup=alpha)
    torch.testing.assert_close(rows, (1 - own).unsqueeze(2).expand_as(rows))
    assert stats.kstest(own.flatten().numpy(), stats.beta(alpha, alpha).cdf).pvalue > 1e-6
    spread = (own * (1 - own)).flatten()
    expected = alpha / (2 * (2 * alpha + 1))
    assert abs(spread.mean() - expected) < 5 * spread.std() / len(spread) ** 0.5


@pytest.mark.parametrize("alpha", [1e-9, 1e-3, 0.05, 30.0, 1e9])
def test_quantiles_are_ordered_and_symmetric(alpha):
    table = beta_quantiles(alpha)
    assert (table[0], table[512], table[-1]) == (0.0, 0.5, 1.0)
    assert (np.diff(table) >= 0).all()
    np.testing.assert_allclose(table + table[::-1], 1.0, atol=1e-15)


def test_cutmix_takes_so_many_rows_and_any_number_of_columns_alike():
    rows, own = drawn(cutmix=0.4, owners=(0, 0, 1, 2, 3))
    assert torch.equal(rows[:, :, 0], rows[:, :, 1])
    taken = rows[:, :, 1:].sum(dim=2)
    torch.testing.assert_close(own, 1 - taken / 4)
    n = taken.numel()
    for count in range(1, 5):
        assert_share((taken == count).double().mean().item(), 0.4 / 5, n)
    for column in range(4):
        assert_share(rows[:, :, column + 1].mean().item(), 0.4 / 2, n)


def test_rows_of_cutmix_are_not_mixed_up():
    rows, _ = drawn(cutmix=0.4, mixup=1.0)
    whole = ((rows == 0) | (rows == 1)).all(dim=2).double().mean().item()
    assert_share(whole, 0.4, rows.shape[0] * rows.shape[1])


def test_probability_one_takes_all_rows():
    _, own = drawn(cutmix=1.0, d=2)
    assert set(own.unique().tolist()) == {0.0, 0.5, 1.0}


def test_members_without_are_as_they_were():
    rows, own = drawn()
    assert not rows.any()
    assert (own == 1).all()


def test_only_nets_that_have_it_have_the_block():
    mixing, other, plain = (Net.of(make_spec(mixup=s), 4) for s in (0.1, 0.2, 0.0))
    assert mixing is other is not plain
    assert mixing.mixes
    assert not plain.mixes
    assert (mixing.flops, mixing.n_numbers) == (plain.flops, plain.n_numbers)
