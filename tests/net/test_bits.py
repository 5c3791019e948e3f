"""Random bits of the inputs."""

from __future__ import annotations

import itertools

import numpy as np
import torch

from skreg.net.bits import Salt, bits, limits
from skreg.net.dropout import hash_u32
from skreg.train.random import mask_keys

KEYS = tuple(torch.from_numpy(mask_keys(range(40), 0, 1, 1).astype(np.int64))[:, 0, 0])


def test_purposes_have_nothing_to_do_with_each_other_nor_with_the_mask():
    """Of the same places under the same keys: rows and streams alike, within 5 standard deviations."""
    drawn = [bits(salt, KEYS, 64, 8) for salt in Salt]
    place = (torch.arange(64).view(1, 64, 1) * 0x9E3779B1 + torch.arange(8)) & 0xFFFFFFFF
    drawn.append(hash_u32(place, *(key.view(-1, 1, 1) for key in KEYS)))
    signs = [2.0 * (d >= 1 << 31) - 1 for d in drawn]
    for one, other in itertools.combinations(signs, 2):
        assert abs((one * other).mean().item()) < 5 / one.numel() ** 0.5
    for one in signs:
        assert abs(one.mean().item()) < 5 / one.numel() ** 0.5
        assert abs((one[:, 1:] * one[:, :-1]).mean().item()) < 5 / one.numel() ** 0.5


def test_bits_depend_on_their_place_alone():
    few, more = bits(Salt.CUTMIX_ROWS, KEYS, 3), bits(Salt.CUTMIX_ROWS, KEYS, 9, 5)
    assert torch.equal(few, more[:, :3, :1])


def test_limits_fit_32_bits():
    assert limits(torch.tensor([0.0, 0.5, 1.0])).tolist() == [0, 1 << 31, (1 << 32) - 1]
