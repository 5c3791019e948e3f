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
    halves = []
    for seed in rng.randint(np.iinfo(np.int32).max, size=n_pairs):
        first, second = hold_out(n, n // 2, int(seed), strata, groups)
        if groups is None and len(first) > len(second):
            first = np.delete(first, rng.randint(len(first)))
        halves += [first, second]
    return halves
