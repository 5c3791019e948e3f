"""What the user compares on, checked before anything is fitted."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.utils import _safe_indexing, check_consistent_length
from sklearn.utils.validation import _check_sample_weight

from skreg.comparison.tasks import check_target, drop_rare_classes, infer_task

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
    if not hasattr(X, "columns") and not hasattr(X, "toarray"):
        X = np.asarray(X)
    if len(getattr(X, "shape", ())) != 2 or X.shape[1] == 0:
        raise ValueError(
            f"X has the shape {np.shape(X)}: compare takes a table of shape (n_samples, n_features)."
        )
    check_consistent_length(X, y, groups, sample_weight)
    name = target_name or str(getattr(y, "name", None) or "target")
    notes = []
    if task == "auto":
        task, why = infer_task(y)
        notes.append(f"The target was taken for {task}, because {why}.")
    y = check_target(y, task)
    groups = None if groups is None else np.asarray(groups)
    weights = None if sample_weight is None else _check_sample_weight(sample_weight, X)
    if task == "classification" and isinstance(cv, int | np.integer):
        rows, note = drop_rare_classes(y, max(MIN_CLASS_ROWS, int(cv)))
        if note:
            warnings.warn(note, UserWarning, stacklevel=3)
            notes.append(note)
            X, y = _safe_indexing(X, rows), y[rows]
            groups, weights = (None if a is None else a[rows] for a in (groups, weights))
    return Data(X, y, groups, weights, task, name, notes)
