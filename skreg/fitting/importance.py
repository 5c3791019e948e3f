"""Which columns matter: how much worse rows outside the training are predicted without a column."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.inspection import permutation_importance

from skreg.estimators.search.parts import parts_of_folds
from skreg.fitting.columns import Column
from skreg.fitting.measure import Measure

__all__ = ["column_importance"]

REPEATS = 5
# rows of a fold that are enough, where time is short
FEWEST_ROWS = 50


def column_importance(
    search: Any,
    X: pd.DataFrame,
    y: NDArray,
    weights: NDArray | None,
    measure: Measure,
    *,
    columns: Sequence[Column],
    seconds: float,
    random_state: int,
) -> pd.DataFrame | None:
    """Permutation importance, on the rows of each fold by the nets that were not trained on them.

    A column is one of the user's: the parts of a date are shuffled together.

    Parameters
    ----------
    search : BaseSearch
        Fitted.
    X, y, weights : the rows
    measure : Measure
    columns : sequence of Column
        What the columns of X are made of.
    seconds : float
        About what it may take: fewer repeats and rows are looked at where that is too long.
    random_state : int

    Returns
    -------
    DataFrame or None
        Columns column, importance, spread, the largest first: how much worse the score is where the values
        of the column are shuffled, and the standard deviation of this over the folds. None where no fold has
        a score.

    References
    ----------
    Breiman, L. (2001). Random forests. Machine Learning, 45, 5-32.
    """
    parts = [
        (part, test) for part, test in parts_of_folds(search) if _judged(part, X, y, test, measure)
    ]
    if not parts:
        return None
    repeats, share = _affordable(parts, X, y, measure, len(columns), seconds)
    means = []
    for part, test in parts:
        # What is shuffled are the numbers of the rows that each column takes its values from.
        places = np.repeat(np.arange(len(test))[:, None], len(columns), axis=1)
        found = permutation_importance(
            part,
            pd.DataFrame(places),
            y[test],
            scoring=_score_of_places(measure, X.iloc[test], columns),
            n_repeats=repeats,
            max_samples=share,
            random_state=random_state,
            sample_weight=None if weights is None else weights[test],
        )
        means.append(found.importances.mean(axis=1))
    table = pd.DataFrame(
        {
            "column": [column.name for column in columns],
            "importance": np.mean(means, axis=0),
            "spread": np.std(means, axis=0, ddof=1 if len(means) > 1 else 0),
        }
    )
    return table.sort_values("importance", ascending=False, ignore_index=True)


def _score_of_places(
    measure: Measure, X: pd.DataFrame, columns: Sequence[Column]
) -> Callable[..., float]:
    """A scorer of tables that say for each column of the user's from which rows of X its values come."""
    own = {name: number for number, column in enumerate(columns) for name in column.made}
    owner = np.array([own[name] for name in X.columns])

    def score(
        estimator: Any, places: pd.DataFrame, y: NDArray, sample_weight: NDArray | None = None
    ) -> float:
        table = _taken(X, places.to_numpy()[:, owner])
        return measure.sign * measure.of_estimator(estimator, table, y, sample_weight)

    return score


def _taken(X: pd.DataFrame, places: NDArray) -> pd.DataFrame:
    """The table whose columns have the values of these rows, an array (rows, columns)."""
    table = X.iloc[places[:, 0]].reset_index(drop=True)
    for j in np.flatnonzero((places != places[:, :1]).any(axis=0)):
        table.isetitem(j, X.iloc[places[:, j], j].reset_index(drop=True))
    return table


def _judged(part: Any, X: pd.DataFrame, y: NDArray, test: NDArray, measure: Measure) -> bool:
    return bool(np.isfinite(measure.of_estimator(part, X.iloc[test], y[test])))


def _affordable(
    parts: list, X: pd.DataFrame, y: NDArray, measure: Measure, n_columns: int, seconds: float
) -> tuple[int, float]:
    """Repeats of each column in each fold, and the share of the rows that is looked at."""
    part, test = parts[0]
    began = time.perf_counter()
    _judged(part, X, y, test, measure)
    once = (time.perf_counter() - began) * len(parts) * n_columns
    affordable = seconds / max(once, 1e-9)
    share = float(np.clip(affordable, min(1.0, FEWEST_ROWS / len(test)), 1.0))
    return int(np.clip(affordable, 1, REPEATS)), share
