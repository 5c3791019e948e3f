"""What the target is: classes or numbers, and whether it can be learned from."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skreg.comparison.preparing import LARGEST

__all__ = ["check_target", "drop_rare_classes", "infer_task"]

# whole numbers with at most this many distinct values are taken for class labels
MAX_CLASSES_OF_NUMBERS = 20
# text of which so many distinct values are numbers is a number, with words where it is missing
MOSTLY_NUMBERS = 0.8
TASKS = ("classification", "regression")


def infer_task(y: Any) -> tuple[str, str]:
    """Find out what kind of target a column is.

    Text, booleans and categories are classes. Whole numbers with at most 20 distinct values are
    classes, numbers with a decimal point are numbers; a column of two distinct numbers is classes
    whatever they are. Numbers written as text count as numbers.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        The target; missing values are left aside.

    Returns
    -------
    task : {"classification", "regression"}
    why : str
        The reason in words.

    Examples
    --------
    >>> from skreg.comparison.tasks import infer_task
    >>> infer_task([1, 2, 2, 1])[0], infer_task([0.5, 1.5, 2.5, 7.0])[0], infer_task(["a", "b"])[0]
    ('classification', 'regression', 'classification')
    """
    column = pd.Series(np.asarray(y) if not isinstance(y, pd.Series) else y)
    missing = bool(column.isna().any())
    column = column.dropna()
    n_distinct = int(column.nunique())
    if column.dtype.kind not in "iuf":
        share = _numeric_share(column)
        if share == 1.0 and column.dtype.kind != "b":
            return infer_task(pd.to_numeric(column, errors="coerce"))
        if share >= MOSTLY_NUMBERS and n_distinct > MAX_CLASSES_OF_NUMBERS:
            return "regression", f"{share:.0%} of its {n_distinct:,} distinct values are numbers"
        return "classification", f"it has {n_distinct} distinct values that are not numbers"
    if n_distinct <= 2:
        return "classification", f"it has {n_distinct} distinct values"
    values = column.to_numpy(dtype=float)
    whole = bool(np.all(values == np.round(values)))
    # whole numbers in a float column had a decimal point in the file, unless gaps made them floats
    counted = whole and (column.dtype.kind in "iu" or missing)
    if counted and n_distinct <= MAX_CLASSES_OF_NUMBERS:
        return "classification", f"it has {n_distinct} distinct whole numbers"
    return "regression", f"it has {n_distinct:,} distinct numbers"


def _numeric_share(column: pd.Series) -> float:
    """Share of the distinct values of text that are numbers."""
    values = pd.Series(column.unique()).head(10_000)
    if str(values.dtype) not in ("object", "str", "string"):
        return 0.0
    return float(pd.to_numeric(values, errors="coerce").notna().mean())


def check_target(y: Any, task: str) -> NDArray:
    """Return the target as an array fit for its task.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        The target.
    task : {"classification", "regression"}
        What it is taken for.

    Returns
    -------
    ndarray of shape (n_samples,)
        Floats for regression; labels as they are for classification.

    Raises
    ------
    ValueError
        If `task` is not known, values are missing, there is one value only, or they are not finite
        numbers though the task is regression.
    """
    if task not in TASKS:
        raise ValueError(f"task={task!r}: allowed are 'auto', 'classification' and 'regression'.")
    if np.ndim(y) != 1:
        raise ValueError(
            f"y has the shape {np.shape(y)}: compare takes one target a row, shape (n_samples,)."
        )
    column = pd.Series(y).reset_index(drop=True)
    if column.isna().any():
        raise ValueError(
            f"The target is missing in {int(column.isna().sum())} rows. Leave these rows out."
        )
    if column.nunique() < 2:
        only = f" ({column.head(1).tolist()[0]!r})" if len(column) else ""
        raise ValueError(f"The target has one value only{only}: there is nothing to learn.")
    if task == "classification":
        values = column.to_numpy()
        # numbers that are not whole, such as 0.5 and 1.5, are no labels for scikit-learn
        plain = values.dtype.kind in "biu" or (
            values.dtype.kind == "f" and bool(np.all(values == np.round(values)))
        )
        return values if plain else column.astype(str).to_numpy(dtype=object)
    numbers = pd.to_numeric(column, errors="coerce")
    if numbers.isna().any():
        odd = column[numbers.isna()]
        raise ValueError(
            f"The target has {len(odd):,} of {len(column):,} values that are not numbers, such as "
            f"{odd.iloc[0]!r}. {_remedy(len(odd), len(column))}"
        )
    if not np.isfinite(numbers).all() or np.abs(numbers).max() > LARGEST:
        large = numbers[~np.isfinite(numbers) | (np.abs(numbers) > LARGEST)]
        raise ValueError(
            f"The target has {len(large):,} infinite values or values too large to compute with, "
            f"such as {large.iloc[0]:g}. Correct these rows or leave them out."
        )
    return numbers.to_numpy(dtype=np.float64)


def _remedy(n_odd: int, n_rows: int) -> str:
    if n_odd <= n_rows / 2:
        return (
            "If they stand for missing values, leave these rows out; if the target is classes, use "
            "task='classification'."
        )
    return "Use task='classification', or another target."


def drop_rare_classes(y: NDArray, at_least: int) -> tuple[NDArray[np.intp], str]:
    """Find the rows whose class is frequent enough to be in every fold.

    Parameters
    ----------
    y : ndarray of shape (n_samples,)
        Labels.
    at_least : int
        Rows a class must have.

    Returns
    -------
    rows : ndarray
        Rows to keep.
    note : str
        What was left out, empty where nothing was.

    Raises
    ------
    ValueError
        If fewer than two classes are left.
    """
    labels, inverse, counts = np.unique(y, return_inverse=True, return_counts=True)
    keep = counts >= at_least
    if keep.sum() < 2:
        order = np.argsort(-counts, kind="stable")[:5]
        largest = ", ".join(f"{labels[k]!s:.40} ({counts[k]})" for k in order)
        remedy = (
            "use task='regression' if the target is a number"
            if labels.dtype.kind in "iuf" or _numeric_share(pd.Series(labels)) > 0.5
            else "choose another target"
        )
        raise ValueError(
            f"Fewer than two classes have {at_least} rows, too few for the folds. The largest of "
            f"{len(labels):,} are {largest}. Lower cv, or {remedy}."
        )
    if keep.all():
        return np.arange(len(y)), ""
    rows = np.flatnonzero(keep[inverse])
    gone = [str(label) for label in labels[~keep]]
    names = ", ".join(gone[:5]) + (", ..." if len(gone) > 5 else "")
    return rows, (
        f"{len(gone)} of {len(labels)} classes have fewer than {at_least} rows and were left out "
        f"({names}; {len(y) - len(rows)} rows)."
    )
