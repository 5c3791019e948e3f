"""Columns that alone tell the target, as those do that were written down after it was known."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api.types import is_datetime64_any_dtype, is_timedelta64_dtype
from scipy.stats import spearmanr
from sklearn.metrics import get_scorer
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import TargetEncoder
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from skreg.comparison.diagnosis import Finding
from skreg.comparison.wording import counted, joined

__all__ = ["tells_the_target"]

TITLE = "Columns that tell the target"
MAX_ROWS, MAX_COLUMNS, FOLDS = 2000, 500, 3
# what a column has to reach by itself to be named: balanced accuracy, or R2
ALARM = 0.99
# the same for a rank correlation with a numeric target
RANK_ALARM = 0.995
# a column with fewer values than this share of the rows is not looked at by its values alone
MIN_PRESENT = 0.5
SHOWN = 5


def tells_the_target(X: Any, y: NDArray, task: str, *, random_state: int = 0) -> Finding:
    """Look for single columns from which the target follows.

    Parameters
    ----------
    X : DataFrame or array-like of shape (n_samples, n_features)
        The table before it is prepared.
    y : ndarray of shape (n_samples,)
        The target.
    task : {"classification", "regression"}
        Kind of target.
    random_state : int, default=0
        Seed of the draw of at most 2,000 rows and of the folds.

    Returns
    -------
    Finding
        A column is named when a small tree on it alone reaches a cross-validated balanced accuracy
        (or R2) of 0.99, or when it has a rank correlation of 0.995 with a numeric target; in all
        rows, or in those in which it is not missing.
    """
    if hasattr(X, "toarray"):
        return Finding(TITLE, "Not looked for: the table is sparse.", None)
    rows = np.random.RandomState(random_state).permutation(len(y))[:MAX_ROWS]
    frame, y = pd.DataFrame(X).iloc[:, :MAX_COLUMNS].iloc[rows], np.asarray(y)[rows]
    if task == "classification":
        keep, y = _common_classes(y)
        frame = frame[keep]
        if len(np.unique(y)) < 2:
            return Finding(TITLE, "Not looked for: the classes have too few rows.", None)
    scores = {str(name): _strongest(frame[name], y, task, random_state) for name in frame.columns}
    found = sorted((n for n in scores if scores[n][0] >= ALARM), key=lambda n: -scores[n][0])
    figures = {"columns": float(frame.shape[1]), "found": float(len(found))}
    if not found:
        text = f"None among {counted(frame.shape[1], 'column')} predicts the target by itself."
        return Finding(TITLE, text, True, figures)
    shown = [f"{name} ({scores[name][1]})" for name in found[:SHOWN]]
    more = f" So do {len(found) - SHOWN} more." if len(found) > SHOWN else ""
    text = (
        f"{joined(shown)} {'predicts' if len(found) == 1 else 'predict'} the target alone.{more} If "
        "this is known only once the target is, all scores here promise too much: leave "
        f"{'it' if len(found) == 1 else 'them'} out (--drop on the command line) and try again."
    )
    return Finding(TITLE, text, False, figures)


def _common_classes(y: NDArray) -> tuple[NDArray[np.bool_], NDArray[np.intp]]:
    """Rows whose class is in every fold, and the numbers of their classes."""
    keep = pd.Series(y).map(pd.Series(y).value_counts()).to_numpy() >= FOLDS
    return keep, np.unique(y[keep], return_inverse=True)[1]


def _strongest(column: pd.Series, y: NDArray, task: str, random_state: int) -> tuple[float, str]:
    """What the column reaches by itself, in all rows or in those in which it is not missing."""
    score, words = _score(column, y, task, random_state)
    present = column.notna().to_numpy()
    if score >= ALARM or not MIN_PRESENT <= present.mean() < 1:
        return score, words
    column, y = column[present], y[present]
    if task == "classification":
        keep, y = _common_classes(y)
        column = column[keep]
        if len(np.unique(y)) < 2:
            return score, words
    score, words = _score(column, y, task, random_state)
    return score, f"{words} where it is not missing"


def _score(column: pd.Series, y: NDArray, task: str, random_state: int) -> tuple[float, str]:
    """A cross-validated score of a small tree on the column, or its rank correlation."""
    classes = task == "classification"
    if column.nunique(dropna=False) < 2:
        return 0.0, ""
    if is_datetime64_any_dtype(column.dtype) or is_timedelta64_dtype(column.dtype):
        column = (column - column.min()) / pd.Timedelta(seconds=1)
    if column.dtype.kind in "biuf":
        values = column.to_numpy(dtype=float)
        present = np.isfinite(values)
        if not classes and present.all():
            rank = abs(float(spearmanr(values, y)[0]))
            if rank >= RANK_ALARM:
                return rank, f"rank correlation {rank:.3f}"
        values = np.where(present, values, np.nanmin(values[present], initial=0) - 1)
        encoder = None
    elif classes and _cannot_tell(column, y):
        return 0.0, ""
    else:
        values = column.astype(str).to_numpy(dtype=object)
        kind = ("binary" if y.max() == 1 else "multiclass") if classes else "continuous"
        encoder = TargetEncoder(target_type=kind, smooth=1e-3, random_state=random_state)
    score = _tree_score(values[:, None], y, encoder, classes, random_state)
    return score, f"{'balanced accuracy' if classes else 'R2'} {score:.3f}"


def _tree_score(
    X: NDArray, y: NDArray, encoder: TargetEncoder | None, classes: bool, random_state: int
) -> float:
    leaves = max(8, 2 * (int(y.max()) + 1)) if classes else 64
    tree = DecisionTreeClassifier if classes else DecisionTreeRegressor
    model = tree(max_leaf_nodes=leaves, min_samples_leaf=2, random_state=random_state)
    model = model if encoder is None else make_pipeline(encoder, model)
    scoring = get_scorer("balanced_accuracy" if classes else "r2")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # what it cannot tell of rows it has seen it cannot tell of others: most columns end here
        seen = scoring(model.fit(X, y), X, y)
        if seen < ALARM:
            return float(seen)
        folds = (StratifiedKFold if classes else KFold)(
            FOLDS, shuffle=True, random_state=random_state
        )
        return float(np.mean(cross_val_score(model, X, y, cv=folds, scoring=scoring)))


def _cannot_tell(column: pd.Series, y: NDArray) -> bool:
    """Whether the categories are too mixed for any model to reach the alarm; cheap."""
    counts = pd.crosstab(column.astype(str).to_numpy(), y).to_numpy()
    return bool(counts.max(axis=1).sum() < 0.97 * counts.sum())
