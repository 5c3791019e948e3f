"""Random bits are a function of what they are for."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from skreg import RegularizedMLPRegressor
from skreg.net.dropout import keep_mask
from skreg.train.random import Purpose, generator, mask_keys, thresholds


def masks(seeds, epochs, steps, layers, lines, length, rate=0.5):
    """Masks of all combinations, one a row, shape (..., lines * length)."""
    out = []
    for epoch in range(epochs):
        keys = mask_keys(range(seeds), epoch, steps, layers).reshape(2, -1)
        pair = [torch.from_numpy(k.astype(np.int64)) for k in keys]
        limit = torch.full((len(pair[0]),), int(thresholds(rate)))
        out.append(keep_mask(lines, length, pair, limit, "cpu").flatten(1).numpy())
    return np.concatenate(out)


@pytest.mark.parametrize("rate", [0.0, 0.001, 0.1, 0.5, 0.9, 0.999])
def test_drop_frequency(rate):
    """Within 5 standard deviations of the rate, in all and for each unit."""
    dropped = ~masks(4, 2, 4, 2, 32, 512, rate=rate).reshape(-1, 32, 512)
    n = dropped.shape[0] * 512
    per_unit = dropped.mean(axis=(0, 2))
    sigma = np.sqrt(rate * (1 - rate) / n)
    assert np.abs(per_unit - rate).max() <= 5 * sigma
    assert abs(dropped.mean() - rate) <= 5 * sigma / np.sqrt(32)


@pytest.mark.parametrize("rate", [0.25, 0.5])
def test_masks_of_different_purposes_are_uncorrelated(rate):
    """Of (seed, epoch, step, layer), each against each: 1128 pairs, 5 sigma."""
    bits = masks(4, 3, 2, 2, 32, 512, rate=rate).astype(float)
    assert len(bits) == 48
    correlation = np.corrcoef(bits) - np.eye(48)
    assert np.abs(correlation).max() < 5 / np.sqrt(32 * 512)


def test_neighbours_within_a_mask_are_uncorrelated():
    bits = masks(8, 2, 2, 2, 32, 512).reshape(-1, 32, 512) - 0.5
    n = bits.size
    for shift, axis in itertools.product((1, 2, 16), (1, 2)):
        lag = np.roll(bits, shift, axis=axis)
        assert abs((bits * lag).mean() * 4) < 5 / np.sqrt(n)


def test_keys_do_not_depend_on_how_many_seeds_or_steps_there_are():
    keys = mask_keys([7, 8], 3, 5, 2)
    assert keys.shape == (2, 5, 2, 2)
    np.testing.assert_array_equal(keys[..., 1:], mask_keys([8], 3, 5, 2))
    np.testing.assert_array_equal(keys[:, :2], mask_keys([7, 8], 3, 2, 2))


def test_thresholds():
    expected = [0, 2**31, int(0.999 * 2**32 + 0.5), 2**32 - 1]
    assert thresholds([0.0, 0.5, 0.999, 1 - 1e-16]).tolist() == expected


def test_generators():
    def draw(*args):
        return tuple(generator(*args).integers(0, 2**62, size=2))

    places = [(p,) for p in Purpose] + [(Purpose.ROW_ORDER, epoch) for epoch in (1, 2)]
    purposes = [(seed, *p) for seed in (0, 1, 2**31) for p in places]
    assert len({draw(*p) for p in purposes}) == len(purposes)
    assert draw(1, Purpose.ROW_ORDER) == draw(np.int64(1), 2)


def test_a_generator_is_drawn_for_a_purpose_of_the_list():
    with pytest.raises(ValueError, match="99 is not a valid Purpose"):
        generator(0, 99)
    assert len(Purpose.__members__) == len(Purpose)  # no two names for one number


def test_held_out_rows_and_initial_nets_draw_different_numbers(monkeypatch):
    """Of one seed: what each part of a fit asks for, seen where it is drawn."""
    from skreg.estimators import split
    from skreg.train import feed as data
    from skreg.train import state

    asked = []

    def noted(seed, *purpose):
        asked.append((seed, *purpose))
        return generator(seed, *purpose)

    for module in (split, data, state):
        monkeypatch.setattr(module, "generator", noted)
    net = RegularizedMLPRegressor((3,), max_iter=2, mixup=0.2, random_state=0)
    X = np.random.default_rng(0).normal(size=(200, 2))
    net.fit(X, X[:, 0])
    # The kernels, where they are new to the process, are examined with seeds of their own.
    of_net = [purpose for seed, *purpose in asked if seed == net._seed_drawn]
    assert {purpose[0] for purpose in of_net} == set(Purpose) - {Purpose.SELF_CHECK}
    assert len({tuple(purpose) for purpose in of_net}) == len(of_net)
