"""Complementary pairs of half samples (Shah and Samworth 2013)."""

from __future__ import annotations

import numpy as np

from skreg.estimators.split import hold_out


def complementary_pairs(n, n_pairs, rng, strata=None, groups=None):
    """Half samples of rows, two and two without a row in common.

    Parameters
    ----------
    n : int
        Rows, at least 2.
    n_pairs : int
    rng : RandomState
    strata : ndarray of int, shape (n,), optional
        Classes, of which each half gets its share.
    groups : ndarray of int, shape (n,), optional
        Rows of a group stay together, and halves are as near to half of the rows as groups allow. Without
        groups each has n // 2 rows.

    Returns
    -------
    halves : list of ndarray of int
        2 * n_pairs of them; each second one is disjoint from the one before.
    """
    strata = None if strata is None else _without_single_rows(strata)
    halves = []
    for seed in rng.randint(np.iinfo(np.int32).max, size=n_pairs):
        first, second = hold_out(n, n // 2, int(seed), strata, groups)
        if groups is None and len(first) > len(second):
            first = np.delete(first, _one_too_many(first, strata, rng))
        halves += [first, second]
    return halves


def _one_too_many(rows, strata, rng):
    """The place of a row to leave out, at random, but not the last one of its class."""
    places = np.arange(len(rows))
    if strata is not None:
        several = np.bincount(strata[rows])[strata[rows]] > 1
        places = np.flatnonzero(several) if several.any() else places
    return places[rng.randint(len(places))]


def _without_single_rows(strata):
    """Classes without those of one row: these are one class together, or part of the largest.

    `hold_out` keeps the row of such a class for training. Of two halves none is the one to train on.
    """
    counts = np.bincount(strata)
    single = counts[strata] == 1
    together = np.argmax(counts) if np.count_nonzero(single) == 1 else len(counts)
    return np.where(single, together, strata)
