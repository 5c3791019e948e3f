"""Cut-out: a rigged draw by hand, and what is drawn."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from skreg.net.bits import Salt
from skreg.net.block import Minibatch, SharedRows
from skreg.net.cutout import CutOut, counts
from skreg.train.random import mask_keys

KEYS = torch.from_numpy(mask_keys(range(40), 0, 1, 1).astype(np.int64))[:, 0]  # (2, places, s)
MEAN = torch.tensor([7.0, 8.0, 9.0, 2.0])


def cut(x, *, cutout, share, owners=None):
    """Rows (k, b, 4) of members with streams of their own."""
    k = len(x)
    rows = SharedRows(x, [slice(i, i + 1) for i in range(k)], torch.arange(k))
    knobs = {"cutout": torch.full((k,), cutout), "cutout_share": torch.full((k,), share)}
    minibatch = Minibatch(None, [None], KEYS[..., :k], knobs)
    return CutOut(4, owners).train({"input_mean": MEAN.expand(k, 4)}, rows, minibatch).of_members()


def test_by_hand(monkeypatch):
    """Of three columns, the last of which became two, two go: the second and third, the first and third."""
    low, high = 1 << 29, 3 << 30
    draws = {
        Salt.CUTOUT_ROWS: [[low], [high], [low]],
        Salt.CUTOUT_COLUMNS: [[high, low, low], [low, low, low], [low, high, low]],
    }
    monkeypatch.setattr(
        sys.modules["skreg.net.cutout"], "bits", lambda salt, *_: torch.tensor([draws[salt]])
    )
    found = cut(torch.ones(1, 3, 4), cutout=0.5, share=0.7, owners=(0, 1, 2, 2))
    assert found.tolist() == [[[1, 8, 9, 2], [1, 1, 1, 1], [7, 1, 9, 2]]]


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.75, 1.0])
def test_so_many_rows_lose_so_many_columns_any_alike(share):
    gone = (cut(torch.zeros(40, 64, 4), cutout=0.3, share=share) != 0).double()
    wanted, n = {0.0: 0, 0.1: 1}.get(share, 4 * share), 40 * 64
    assert set(gone.sum(dim=2).unique().tolist()) == {0, wanted}
    for column in range(4):
        expected = 0.3 * wanted / 4
        bound = 5 * (expected * (1 - expected) / n) ** 0.5
        assert abs(gone[:, :, column].mean().item() - expected) <= bound


def test_counts_are_those_of_both_precisions():
    shares = torch.linspace(0, 1, 201, dtype=torch.float64)
    for n in (1, 2, 5, 30, 1000):
        assert torch.equal(counts(shares, n), counts(shares.float(), n))


def test_what_is_measured():
    """The weighted mean of the training rows; of numbers of levels the last one, which is "unknown"."""
    rng = np.random.default_rng(0)
    X, times = np.maximum(rng.normal(size=(30, 4)), 0), rng.integers(1, 4, 30)
    known = np.repeat(X, times, axis=0).mean(axis=0)
    for rows in (X, sp.csr_array(X)):
        np.testing.assert_allclose(CutOut(4).measure(rows, times)["input_mean"], known)
        found = CutOut(4, levels=(5, 3)).measure(rows, times)["input_mean"]
        np.testing.assert_allclose(found, [*known[:2], 4, 2])
