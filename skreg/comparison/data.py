"""What the user compares on, checked before anything is fitted."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import _safe_indexing, check_consistent_length

from skreg.comparison.tasks import check_target, drop_rare_classes, infer_task
from skreg.estimators.refusing import refuse_no_table
from skreg.estimators.split import check_groups
from skreg.estimators.tables import as_numpy, column_name
from skreg.estimators.weights import check_sample_weight

__all__ = ["Data", "read_data"]

MIN_CLASS_ROWS = 5


@dataclass
class Data:
    """The user's data, checked."""

    X: Any
    y: Any
    groups: Any
    weights: Any
    task: str
    target_name: str
    notes: list[str] = field(default_factory=list)


def read_data(
    X: Any, y: Any, groups: Any, sample_weight: Any, task: str, cv: Any, target_name: str | None
) -> Data:
    """Check the data of a comparison, as `skreg.compare` is given them."""
    X, name = _table(X), target_name or str(getattr(y, "name", None) or "target")
    if len(getattr(X, "shape", ())) != 2 or X.shape[1] == 0:
        raise ValueError(
            f"X has the shape {np.shape(X)}: compare takes a table of shape (n_samples, n_features)."
        )
    y = _target(y)
    check_consistent_length(X, y)
    notes = []
    if task == "auto":
        task, why = infer_task(y)
        notes.append(f"The target was taken for {task}, because {why}.")
    y = check_target(y, task)
    groups, weights = check_groups(groups, len(y)), check_sample_weight(sample_weight, X)
    if task == "classification" and isinstance(cv, int | np.integer):
        rows, note = drop_rare_classes(y, max(MIN_CLASS_ROWS, int(cv)))
        if note:
            warnings.warn(note, UserWarning, stacklevel=3)
            notes.append(note)
            X, y = _safe_indexing(X, rows), y[rows]
            groups, weights = (None if a is None else a[rows] for a in (groups, weights))
    return Data(X, y, groups, weights, task, name, notes)


def _table(X: Any) -> Any:
    """An array, a sparse matrix, or a DataFrame of pandas whose columns are called by texts."""
    X = as_numpy(X)
    refuse_no_table(X)
    if hasattr(X, "columns") and not hasattr(X, "iloc"):
        X = _of_pandas(X)
    if not hasattr(X, "columns"):
        X = X if hasattr(X, "toarray") else np.asarray(X)
        _refuse_complex(X, [X.dtype])
        return X.astype(np.float64) if X.dtype == np.float16 else X
    _refuse_complex(X, X.dtypes)
    _refuse_lists(X)
    names = [", ".join(map(str, n)) if isinstance(n, tuple) else str(n) for n in X.columns]
    X = X.set_axis(names, axis=1)
    refuse_no_table(X)  # names that are one as texts
    halves = [name for name, dtype in X.dtypes.items() if dtype == np.float16]
    return X.astype(dict.fromkeys(halves, np.float64)) if halves else X


def _of_pandas(X: Any) -> pd.DataFrame:
    """The same table of another library."""
    try:
        return X.to_pandas()
    except ImportError:  # what polars needs for it
        return pd.DataFrame(X.to_dict(as_series=False))


def _refuse_complex(X: Any, dtypes: Any) -> None:
    for j, dtype in enumerate(dtypes):
        if getattr(dtype, "kind", "") == "c":
            where = column_name(X, j) if hasattr(X, "columns") else "X"
            raise ValueError(
                f"Complex data not supported: {where} holds complex numbers. Pass their real and imaginary "
                "parts as columns."
            )


def _refuse_lists(X: pd.DataFrame) -> None:
    """Refuse cells that hold several values."""
    for j in [j for j, dtype in enumerate(X.dtypes) if dtype.kind == "O"]:
        cells = X.iloc[:, j].dropna().head(1000)
        odd = next(
            (v for v in cells if isinstance(v, list | tuple | dict | set | np.ndarray)), None
        )
        if odd is not None:
            raise ValueError(
                f"C{column_name(X, j)[1:]} of X holds lists, such as {odd!r:.60}. Give each entry a column "
                "of its own first, for example by pandas.json_normalize."
            )


def _target(y: Any) -> Any:
    """Targets as a sequence of single values."""
    if y is None or isinstance(y, str | bytes | dict):
        raise ValueError(
            f"y is {y!r:.60}, not the target of each row. Pass a sequence with one value for each row of X."
        )
    y = as_numpy(y)
    if len(getattr(y, "shape", ())) == 2 and y.shape[1] == 1:
        y = y.iloc[:, 0] if hasattr(y, "iloc") else np.asarray(y)[:, 0]
    if not isinstance(y, pd.Series):
        y = pd.Series(np.asarray(y)) if np.ndim(y) == 1 else np.asarray(y)
    if y.dtype.kind == "c":
        raise ValueError("Complex data not supported: y holds complex numbers. Pass real ones.")
    if np.ndim(y) != 1:
        raise ValueError(
            f"y has the shape {np.shape(y)}: compare takes one target a row, shape (n_samples,)."
        )
    return y
