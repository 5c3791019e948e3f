"""Read a Comparison: the one place that knows the names of its columns."""

from __future__ import annotations

import pandas as pd

from skreg.comparison.wording import metric_words

CANDIDATE = "candidate"
SCORE = "mean_score"
SCORE_STD = "std_score"
TRAIN_SCORE = "mean_train_score"
GAP = "overfit_gap"
DIFFERENCE = "difference"
LOW = "difference_low"
HIGH = "difference_high"
P_VALUE = "p_value"
VERDICT = "verdict"

BASELINE = "plain net"


def read_frame(comparison, needed):
    """The table of a comparison, one row for each candidate.

    Parameters
    ----------
    comparison : Comparison
        Anything with the method ``frame()``.

    needed : sequence of str
        Columns that must be present.

    Returns
    -------
    frame : DataFrame of shape (n_candidates, n_columns)
        With the column ``candidate`` and a plain index.

    Raises
    ------
    TypeError
        If `comparison` has no method ``frame``.
    ValueError
        If a needed column is missing.
    """
    if not callable(getattr(comparison, "frame", None)):
        raise TypeError(
            f"comparison is a {type(comparison).__name__}, which has no frame(). Pass what "
            "skreg.compare returns."
        )
    frame = comparison.frame()
    if CANDIDATE not in frame and frame.index.name == CANDIDATE:
        frame = frame.reset_index()
    missing = [column for column in (CANDIDATE, *needed) if column not in frame]
    if missing:
        raise ValueError(
            f"The table of the comparison lacks the columns {missing}; it has {list(frame)}."
        )
    return frame.reset_index(drop=True)


def score_words(comparison):
    """The metric as words; None for a comparison that does not name it."""
    scoring = getattr(comparison, "scoring", None)
    return metric_words(scoring) if isinstance(scoring, str) else None


def fold_differences(comparison):
    """Score of each candidate minus score of the baseline, split by split.

    Parameters
    ----------
    comparison : Comparison
        Its ``folds()`` is in long form: one row for each candidate and split.

    Returns
    -------
    differences : DataFrame or None
        With the columns ``candidate``, ``repeat``, ``fold`` and ``difference``; None if the
        comparison does not have them.
    """
    columns = [CANDIDATE, "repeat", "fold", DIFFERENCE]
    folds = comparison.folds() if callable(getattr(comparison, "folds", None)) else pd.DataFrame()
    return folds[columns] if set(columns) <= set(folds) else None
