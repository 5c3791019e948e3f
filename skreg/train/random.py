"""Randomness as a pure function of (seed, epoch, step, layer, position).

No generator is carried along: a minibatch order or a dropout mask is computed from what it is for.
So a member draws the same bits alone, in a stack, on another device or after a restart, and the
global generators of numpy and torch are neither read nor moved. The masks themselves are computed
in `skreg.net.dropout`, and once more in the compiled kernels, from the keys made here.
"""

from __future__ import annotations

from enum import IntEnum, unique

import numpy as np

_U64 = np.uint64
_MASK32 = 0xFFFFFFFF


def _splitmix64(x):
    """Finaliser of splitmix64 (Steele et al. 2014) on uint64 arrays."""
    with np.errstate(over="ignore"):
        x = x + _U64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> _U64(30))) * _U64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> _U64(27))) * _U64(0x94D049BB133111EB)
        return x ^ (x >> _U64(31))


def mask_keys(seeds, epoch, n_steps, n_layers):
    """Keys of the dropout masks of one epoch.

    Parameters
    ----------
    seeds : array-like of int, shape (s,)
    epoch : int or array-like of int, shape (s,)
    n_steps, n_layers : int

    Returns
    -------
    keys : ndarray of uint32, shape (2, n_steps, n_layers, s)
    """
    seeds = np.asarray(seeds, dtype=np.uint64)
    base = _splitmix64(_splitmix64(seeds) ^ np.asarray(epoch).astype(np.uint64))
    place = np.arange(n_steps * n_layers, dtype=np.uint64).reshape(n_steps, n_layers, 1)
    with np.errstate(over="ignore"):
        key = _splitmix64(base + place * _U64(0xD1342543DE82EF95))
    return np.stack([(key & _U64(_MASK32)), key >> _U64(32)]).astype(np.uint32)


def thresholds(rates):
    """Drop where the 32-bit hash is below this: rate * 2^32, exact to 2^-33."""
    rates = np.asarray(rates, dtype=np.float64)
    return np.minimum(np.rint(rates * 2.0**32), 2.0**32 - 1).astype(np.uint32)


@unique
class Purpose(IntEnum):
    """What random numbers are drawn for by generators.

    This is the one list of purposes: two things with one number would draw the same random numbers. What is
    drawn by hashing from the keys of the inputs has a list of its own (`skreg.net.bits.Salt`).
    """

    INITIAL_WEIGHTS = 1
    ROW_ORDER = 2
    HELD_OUT_ROWS = 3
    INITIAL_EMBEDDINGS = 4
    SELF_CHECK = 5
    PARTNERS = 6


def generator(seed, purpose, *place):
    """A numpy generator of its own for each seed, purpose and place.

    Parameters
    ----------
    seed : int
    purpose : Purpose
    *place : int
        Such as the number of an epoch.

    Returns
    -------
    numpy.random.Generator
    """
    entropy = [int(seed), int(Purpose(purpose)), *place]
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy)))
