"""The rows of a search and its folds: which rows a net is trained on, and which it predicts out of fold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.model_selection import check_cv

from skreg.estimators.course import strata_of
from skreg.estimators.split import folds_of

#: Folds where ``cv`` is None. With few rows each of them counts more in training, and a fold more costs less.
FOLDS, MORE_FOLDS, FEW_ROWS = 5, 8, 1000


@dataclass
class Rows:
    """Rows of a table, their targets as a net encodes them, and their weights.

    Attributes
    ----------
    given : array-like
        The table as the user passed it.
    numbers : ndarray or CSR matrix, shape (n, d)
        Numbers with gaps.
    y : ndarray
    weight : ndarray of shape (n,) or None
    places : ndarray of int, shape (n,)
        The numbers of the rows in ``given``.
    """

    given: Any
    numbers: Any
    y: np.ndarray
    weight: np.ndarray | None
    places: np.ndarray

    def __len__(self):
        return len(self.y)

    @property
    def weighted(self):
        """Which rows have weight."""
        return np.ones(len(self), dtype=bool) if self.weight is None else self.weight > 0

    def take(self, rows):
        """Some of the rows, by their places among these."""
        weight = None if self.weight is None else self.weight[rows]
        return Rows(self.given, self.numbers[rows], self.y[rows], weight, self.places[rows])


@dataclass
class Folds:
    """The splits of a search.

    Attributes
    ----------
    splits : list of (Rows, Rows)
        Rows to train on and rows to predict, of positive weight.
    outside : list of ndarray of int
        Of each split, the places of the predicted rows among all rows that are predicted.
    predicted : Rows
        All rows that are predicted out of fold, each once.
    """

    splits: list
    outside: list
    predicted: Rows

    def __len__(self):
        return len(self.splits)


class Splits:
    """Makes the folds of a search.

    Parameters
    ----------
    template : BaseRegularizedMLP
        Knows its target.
    rows : Rows
        All that the user passed; those of weight zero are left out of the folds.
    cv : int, splitter, iterable or None
        As everywhere in scikit-learn. A number of folds, or None, is made of the rows that have weight.
    groups : ndarray of int, shape (n,), or None
    valid : Rows or None
        Validation rows that were passed, in place of folds.
    """

    def __init__(self, template, rows, cv, groups, valid=None):
        self.template, self.rows, self.cv, self.groups = template, rows, cv, groups
        self.valid = valid
        self._one = None

    def folds(self, seed):
        """The folds; a number of them is made anew for each seed, and others are as they are.

        Raises
        ------
        ValueError
            Where a split has no rows to train on or to predict, or a row is predicted twice.
        """
        if self.valid is None and (self.cv is None or isinstance(self.cv, int | np.integer)):
            return _checked(self.rows, self._numbered(seed), self.cv)
        if self._one is None:
            self._one = self._passed() if self.valid is not None else self._by_splitter()
        return self._one

    def _passed(self):
        """The one split of rows to train on, and of validation rows that were passed."""
        training, valid = (rows.take(rows.weighted) for rows in (self.rows, self.valid))
        return Folds([(training, valid)], [np.arange(len(valid))], valid)

    def _by_splitter(self):
        rows = self.rows
        classifier = is_classifier(self.template) and rows.y.ndim == 1
        weighted = rows.weighted
        try:
            splitter = check_cv(self.cv, rows.y, classifier=classifier)
            pairs = list(splitter.split(np.zeros((len(rows), 1)), rows.y, self.groups))
            pairs = [(train, test) for train, test in pairs]
        except TypeError as error:
            raise _no_splits(self.cv, error) from error
        except ValueError as error:
            if "unpack" not in str(error):
                raise
            raise _no_splits(self.cv, error) from error
        pairs = [[rows_of(part, len(rows), self.cv) for part in pair] for pair in pairs]
        return _checked(rows, [[p[weighted[p]] for p in pair] for pair in pairs], self.cv)

    def _numbered(self, seed):
        """Splits into a number of folds, of the rows that have weight."""
        chosen = np.flatnonzero(self.rows.weighted)
        n = len(chosen)
        groups = None if self.groups is None else self.groups[chosen]
        k = self._number(n, n if groups is None else len(np.unique(groups)))
        strata = strata_of(self.template, self.rows.y[chosen])
        # A class with fewer rows than folds is not in all of them, which is no reason to mix the others.
        stratify = strata is not None and np.bincount(strata).max() >= k
        splitter = folds_of(k, stratify=stratify, grouped=groups is not None, random_state=seed)
        pairs = splitter.split(np.zeros((n, 1)), strata if stratify else None, groups)
        return [(chosen[train], chosen[test]) for train, test in pairs]

    def _number(self, n, most):
        """How many folds, of n rows and of so many units that stay together."""
        if self.cv is None:
            k = max(2, min(MORE_FOLDS if n < FEW_ROWS else FOLDS, most))
        else:
            k = int(self.cv)
        if 2 <= k <= most:
            return k
        unit = ("sample" if self.groups is None else "group") + "s" * (most > 1)
        remedy = f"Use a number from 2 to {most}" if most > 1 else "Pass X_val and y_val"
        raise ValueError(f"cv={self.cv!r}: {k} folds cannot be made of {most} {unit}. {remedy}.")


def _no_splits(cv, error):
    return ValueError(
        f"cv={_short(cv)} is no splitter and no list of pairs of arrays, the rows to train on and those to "
        f"predict: {error}."
    )


def rows_of(part, n, cv):
    """The numbers of the rows of a part of a split, which may be a mask."""
    part = np.asarray(part)
    if part.dtype.kind == "b" and part.shape == (n,):
        return np.flatnonzero(part)
    if not part.size:
        return np.zeros(0, dtype=np.intp)
    if part.dtype.kind not in "iu" or part.ndim != 1 or part.min() < -n or part.max() >= n:
        raise ValueError(
            f"cv={_short(cv)} made a split with {_short(part)} for rows. Its parts are numbers of rows, from "
            f"0 to {n - 1}, or a mask of {n} booleans."
        )
    return np.where(part < 0, part + n, part).astype(np.intp)


def _short(value):
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else text[:77] + "..."


def refuse_no_splits(pairs, cv):
    """Refuse folds of which there are none, as an iterator gives that was used before."""
    if not pairs:
        raise ValueError(
            f"cv={_short(cv)} made no splits. An iterator gives its splits once: pass list(...) of it, or a "
            "splitter such as KFold(5)."
        )


def _checked(rows, pairs, cv):
    refuse_no_splits(pairs, cv)
    times = np.zeros(len(rows), dtype=np.intp)
    for train, test in pairs:
        if not len(train) or not len(test):
            raise ValueError(
                f"cv={_short(cv)} made a split of {len(train)} rows to train on and {len(test)} to predict "
                "(rows of weight zero do not count). Both need rows: use fewer splits, or another splitter."
            )
        times[test] += 1
    if (times > 1).any():
        raise ValueError(
            f"cv={_short(cv)} predicts {np.count_nonzero(times > 1)} rows more than once, so that a row has "
            "several out-of-fold predictions. Use splits whose test rows do not overlap, such as those of "
            "KFold, StratifiedKFold, GroupKFold or TimeSeriesSplit."
        )
    predicted = np.flatnonzero(times)
    outside = [np.searchsorted(predicted, test) for _, test in pairs]
    splits = [(rows.take(train), rows.take(test)) for train, test in pairs]
    return Folds(splits, outside, rows.take(predicted))
