"""The splits that all candidates share: outer ones for the scores, inner ones for the strengths."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skreg.estimators.split import folds_of

__all__ = ["OuterSplit", "inner_splits", "outer_splits"]


@dataclass(frozen=True)
class OuterSplit:
    """One outer split.

    Attributes
    ----------
    repeat, fold : int
        Its numbers, both from 0.
    train, test : ndarray of shape (n_train,) and (n_test,)
        Row numbers.
    """

    repeat: int
    fold: int
    train: NDArray[np.intp]
    test: NDArray[np.intp]


def outer_splits(
    cv: Any,
    X: Any,
    y: NDArray,
    groups: NDArray | None,
    *,
    repeats: int,
    stratify: bool,
    random_state: int,
) -> list[OuterSplit]:
    """Make the outer splits of all repeats.

    Parameters
    ----------
    cv : int, scikit-learn splitter or iterable of (train, test)
        As in scikit-learn; folds given as a number are shuffled anew in every repeat.
    X, y, groups : the data
        `groups` may be None.
    repeats : int
        How often the folds are drawn, where `cv` is a number.
    stratify : bool
        Whether folds are stratified by `y`.
    random_state : int
        Seed of the first repeat; the r-th has `random_state` + r.

    Returns
    -------
    list of OuterSplit

    Raises
    ------
    ValueError
        If `cv` is none of these or asks for more folds than there are groups or rows, or if
        `repeats` is given and `cv` is not a number.
    """
    if isinstance(cv, int | np.integer) and not isinstance(cv, bool):
        _check_count(int(cv), len(y), groups)
        found = []
        for repeat in range(repeats):
            splitter = folds_of(
                int(cv),
                stratify=stratify,
                grouped=groups is not None,
                random_state=random_state + repeat,
            )
            for fold, (train, test) in enumerate(splitter.split(np.zeros(len(y)), y, groups)):
                found.append(OuterSplit(repeat, fold, train, test))
        return found
    if repeats != 1:
        raise ValueError(
            f"repeats={repeats} needs cv to be a number of folds, got cv={cv!r}. Give cv as a number, "
            "or use a splitter that repeats by itself, such as RepeatedStratifiedKFold."
        )
    if hasattr(cv, "split") and not isinstance(cv, str):
        pairs: Iterable[tuple[Any, Any]] = cv.split(X, y, groups)
    elif isinstance(cv, Iterable) and not isinstance(cv, str):
        pairs = cv
    else:
        raise ValueError(
            f"cv={cv!r}: allowed are a number of folds, a scikit-learn splitter, or an iterable "
            "of (train rows, test rows)."
        )
    found = [
        OuterSplit(0, fold, np.asarray(train), np.asarray(test))
        for fold, (train, test) in enumerate(pairs)
    ]
    if len(found) < 2:
        raise ValueError(f"cv={cv!r} gives {len(found)} split: a comparison needs two or more.")
    return found


def _check_count(n_splits: int, n_rows: int, groups: NDArray | None) -> None:
    if n_splits < 2:
        raise ValueError(f"cv={n_splits}: a comparison needs two folds or more.")
    if groups is not None and len(np.unique(groups)) < n_splits:
        raise ValueError(
            f"cv={n_splits} folds cannot be made of {len(np.unique(groups))} groups. "
            "Lower cv, or leave out the groups."
        )
    if n_rows < n_splits:
        raise ValueError(f"cv={n_splits} folds cannot be made of {n_rows} rows. Lower cv.")


def inner_splits(
    inner_cv: Any,
    y: NDArray,
    groups: NDArray | None,
    train: NDArray[np.intp],
    *,
    stratify: bool,
    random_state: int,
) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Split the training rows of one outer split into inner folds.

    Parameters
    ----------
    inner_cv : int or scikit-learn splitter
        Folds to choose strengths by.
    y, groups : the whole data
    train : ndarray of shape (n_train,)
        Rows of the outer training part.
    stratify, random_state : as in `outer_splits`

    Returns
    -------
    list of (fit, valid)
        Positions within `train`, not row numbers of the table.
    """
    y_train = y[train]
    own_groups = None if groups is None else groups[train]
    if hasattr(inner_cv, "split"):
        return list(inner_cv.split(np.zeros(len(train)), y_train, own_groups))
    if own_groups is not None and len(np.unique(own_groups)) < inner_cv:
        own_groups = None  # too few groups are left for so many folds
    splitter = folds_of(
        inner_cv, stratify=stratify, grouped=own_groups is not None, random_state=random_state
    )
    return list(splitter.split(np.zeros(len(train)), y_train, own_groups))
