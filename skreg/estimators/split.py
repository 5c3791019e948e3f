"""Holding out validation rows, and folds."""

from __future__ import annotations

import math
from numbers import Integral

import numpy as np
import pandas as pd
from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold

from skreg.estimators.tables import as_numpy
from skreg.train.random import Purpose, generator

#: Random orders in which groups are tried, of which the best is kept, and units that they are joined to
#: before: with 10,000 patients it does not matter which, and the time is that of 1,000.
_ORDERS, _MOST_UNITS = 16, 1000


def hold_out(n, fraction, seed, classes=None, groups=None):
    """Split row numbers into training and validation rows.

    Parameters
    ----------
    n : int
        Rows.
    fraction : float or int
        Share of the rows (rounded up) or number of rows to hold out.
    seed : int
    classes : ndarray of int, shape (n,), optional
        Stratify by these: rows are sorted by class, in random order within, and taken at equal
        distances, so each class is represented to within one row. The row of a class of one row is
        for training. Where that leaves less than twice as many rows as are to be held out, rows are
        drawn from all classes alike.
    groups : ndarray of int, shape (n,), optional
        Rows of a group stay together. So many groups are held out, in random order, that the number of
        rows and their shares of each class come near to what they would be otherwise.

    Returns
    -------
    train, valid : ndarray of int, or None where a share of the rows leaves nothing to train on

    Raises
    ------
    ValueError
        Where a number of rows leaves nothing to train on, or all rows are of one group.
    """
    count = int(fraction) if isinstance(fraction, Integral) else math.ceil(fraction * n)
    if count >= n:
        if not isinstance(fraction, Integral):
            return None
        raise ValueError(
            f"validation_fraction={fraction} rows leave no training rows of {n}. Use a smaller "
            "number, a share such as 0.15, or early_stopping=False."
        )
    rng = generator(seed, Purpose.HELD_OUT_ROWS)
    chosen = (
        _spread(count, rng, n, classes)
        if groups is None
        else _whole_groups(count, rng, groups, classes)
    )
    return np.flatnonzero(~chosen), np.flatnonzero(chosen)


def _spread(count, rng, n, classes):
    """Which rows are held out, where each stands for itself."""
    order = rng.permutation(n)
    places = np.arange(count)
    several = None if classes is None else np.bincount(classes)[classes] > 1
    if several is not None and (several.all() or np.count_nonzero(several) >= 2 * count):
        order = order[several[order]]
        order = order[np.argsort(classes[order], kind="stable")]
        places = np.floor((places + rng.random()) * (len(order) / count)).astype(np.int64)
        places = np.minimum(places, len(order) - 1)
    chosen = np.zeros(n, dtype=bool)
    chosen[order[places]] = True
    return chosen


# -- groups ----------------------------------------------------------------------------------------


def _plain(value):
    """A number of numpy's as Python's, which messages show without its type."""
    return value.item() if isinstance(value, np.generic) else value


def check_groups(groups, n):
    """Number of the group of each row, from 0; None stays None.

    Parameters
    ----------
    groups : array-like of shape (n,) or None
        Labels of any kind.
    n : int
        Rows of X.

    Raises
    ------
    ValueError
        Where it does not name a group for each row.
    """
    if groups is None:
        return None
    if isinstance(groups, str | bytes):
        raise ValueError(
            f"groups is {groups!r}, not the labels of the rows. If this names a column, pass the column "
            f"itself, such as frame[{groups!r}]."
        )
    values = as_numpy(groups)
    # numpy would make the text 'nan' of a gap in a list of texts.
    values = np.asarray(values, dtype=object if isinstance(values, list | tuple) else None)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.shape != (n,):
        raise ValueError(
            f"groups has the shape {values.shape}, but X has {n} rows. Pass one label for each row."
        )
    try:
        codes, _ = pd.factorize(values)
    except TypeError:
        raise ValueError(
            f"groups holds values that are no labels, such as {values[0]!r}. Pass numbers or texts."
        ) from None
    missing = np.flatnonzero(codes < 0)
    if len(missing):
        raise ValueError(
            f"groups has {len(missing)} missing values, the first in row {missing[0]}: "
            f"{_plain(values[missing[0]])!r}. Give each row a label; a row that belongs to no group is a "
            "group by itself."
        )
    return codes.astype(np.int64)


def _whole_groups(count, rng, groups, classes):
    """Which rows are held out, where rows of a group stay together."""
    n = len(groups)
    _, groups = np.unique(groups, return_inverse=True)
    n_groups = groups.max() + 1
    if n_groups == 1:
        raise ValueError(
            f"groups has one value for all {n} rows (of weight above zero), so that no rows can be held "
            "out for early stopping. Pass X_val and y_val, set early_stopping=False, or leave groups "
            "out if its rows may be on both sides."
        )
    classes = np.zeros(n, dtype=np.int64) if classes is None else classes
    free = np.flatnonzero(_may_be_held_out(count, groups, classes))
    # Several groups are one unit where there are very many.
    unit_of = np.full(n_groups, -1)
    unit_of[free] = rng.permutation(len(free)) % _MOST_UNITS
    units = unit_of[groups]
    kept_back = len(free) < n_groups
    held_out = _nearest(count, rng, units, classes, everything=kept_back)
    return (units >= 0) & held_out[units]


def _may_be_held_out(count, groups, classes):
    """Which groups may be held out: those without which training has no row of a class may not.

    Where that would leave less than twice as many rows as are to be held out, all may.
    """
    pairs = np.unique(classes * (groups.max() + 1) + groups)
    of_class, of_group = np.divmod(pairs, groups.max() + 1)
    alone = np.bincount(of_class)[of_class] == 1
    free = np.ones(groups.max() + 1, dtype=bool)
    if classes.any():
        free[of_group[alone]] = False
    return free if np.count_nonzero(free[groups]) >= 2 * count else np.ones_like(free)


def _nearest(count, rng, units, classes, *, everything):
    """Which units are held out, shape (n_units,).

    They are gone through in random order, and one is held out where that brings the counts of rows and
    of classes, as shares of their totals, nearer to what is wanted: the criterion of scikit-learn's
    StratifiedGroupKFold, whose folds are all of one size. The best of several orders is kept.

    Parameters
    ----------
    count : int
        Rows to hold out.
    rng : numpy.random.Generator
    units : ndarray of int, shape (n,)
        Of each row; -1 for a row that stays in training.
    classes : ndarray of int, shape (n,)
    everything : bool
        Whether all units may be held out.
    """
    n_units, n_classes = units.max() + 1, classes.max() + 1
    inside = units >= 0
    table = np.bincount(units[inside] * n_classes + classes[inside], minlength=n_units * n_classes)
    table = table.reshape(n_units, n_classes)
    present = table.any(axis=0)
    shares = (table / np.maximum(np.bincount(classes), 1))[:, present]
    shares = np.column_stack([shares, table.sum(axis=1) / len(units)])
    goal = count / len(units)
    # All rows weigh as much as the classes together.
    weight = np.r_[np.full(np.count_nonzero(present), 1 / np.count_nonzero(present)), 1.0]

    def distance(held):
        return (held - goal) ** 2 @ weight

    orders = np.array([rng.permutation(n_units) for _ in range(_ORDERS)])
    held = np.zeros((_ORDERS, len(weight)))
    chosen = np.zeros((_ORDERS, n_units), dtype=bool)
    lines = np.arange(_ORDERS)
    for column in orders.T:
        more = held + shares[column]
        nearer = distance(more) < distance(held)
        held[nearer] = more[nearer]
        chosen[lines[nearer], column[nearer]] = True
    full, empty = chosen.all(axis=1) & (not everything), ~chosen.any(axis=1)
    chosen[lines[full], orders[full, -1]] = False
    chosen[lines[empty], np.argmin(distance(shares))] = True
    sums = np.array([shares[line].sum(axis=0) for line in chosen])
    return chosen[np.argmin(distance(sums))]


# -- folds -------------------------------------------------------------------------------------------


def folds_of(
    n_splits: int, *, stratify: bool, grouped: bool, random_state: int
) -> KFold | StratifiedKFold | GroupKFold | StratifiedGroupKFold:
    """Make shuffled folds that respect classes and groups, if there are any.

    Parameters
    ----------
    n_splits : int
        Number of folds.
    stratify : bool
        Whether each fold has the class shares of the whole table.
    grouped : bool
        Whether rows of one group stay in one fold.
    random_state : int
        Seed of the shuffle.

    Returns
    -------
    scikit-learn splitter
    """
    kinds = {
        (False, False): KFold,
        (True, False): StratifiedKFold,
        (False, True): GroupKFold,
        (True, True): StratifiedGroupKFold,
    }
    return kinds[stratify, grouped](n_splits, shuffle=True, random_state=random_state)
