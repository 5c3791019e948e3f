"""Comparing methods over many tables: ranks, normalised scores, tests.

The statistics are those of Demšar, J. (2006). "Statistical comparisons of classifiers over multiple
data sets." Journal of Machine Learning Research 7, 1-30; scikit-posthocs has the Nemenyi test.

Everywhere `scores` is a DataFrame with a row per table and a column per method, higher is better,
and ``-inf`` where the method failed: it then is the worst of the table.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from skreg.comparison.statistics import corrected_resampled_t, holm

#: Scores nearer than this are a tie: the files hold six digits.
TIE = 1e-6
#: Scores are cut here where they are normalised between given bounds, so that neither one hopeless
#: fit nor one table on which all peers are alike can outweigh all others.
LOWEST, HIGHEST = -1.0, 1.5


def median_scores(rows, column="score", *, sign=1):
    """Median over seeds of each method on each table; `sign` is -1 where less is better.

    ``-inf`` where the median seed is one that failed, NaN where nothing was run.
    """
    values = (sign * rows[column].astype(float)).where(rows["error"].isna(), -np.inf)
    values = values.groupby([rows["dataset"], rows["method"]]).median()
    return values.unstack("method").rename_axis(index=None, columns=None)


def ranks(scores):
    """Rank of each method on each table, 1 the best; equal scores share their mean rank."""
    return scores.rank(axis=1, ascending=False)


def normalised(scores, ranges=None):
    """0 for the worst, 1 for the best method of a table; 0 for one that failed, 1 if all are equal.

    With `ranges`, columns worst and best by table, 0 and 1 are those instead, so that no method
    moves the scale of another: cut at -1, which a failure counts, and 1.5; NaN for a table that is
    not there or has no range.

    >>> import pandas as pd
    >>> from benchmarks.ranking import normalised
    >>> scores = pd.DataFrame({"a": [0.9], "b": [0.5], "c": [0.6]})
    >>> normalised(scores).round(2).values.tolist()
    [[1.0, 0.0, 0.25]]
    >>> normalised(scores, pd.DataFrame({"worst": [0.6], "best": [0.8]})).round(2).values.tolist()
    [[1.5, -0.5, 0.0]]
    """
    finite = scores.where(np.isfinite(scores))
    if ranges is None:
        low, high = finite.min(axis=1), finite.max(axis=1)
    else:
        low, high = (ranges[name].reindex(scores.index) for name in ("worst", "best"))
    spread = high - low
    share = finite.sub(low, axis=0).div(spread.where(spread > TIE), axis=0)
    if ranges is None:
        return share.where(finite.isna() | share.notna(), 1.0).fillna(0.0)
    share = share.clip(LOWEST, HIGHEST).mask(np.isneginf(scores), LOWEST)
    share.loc[~(spread > TIE)] = np.nan
    return share


def friedman(scores):
    """Statistic and p-value of Friedman's test that all of three methods or more are alike."""
    result = stats.friedmanchisquare(*(column for _, column in ranks(scores).items()))
    return float(result.statistic), float(result.pvalue)


def against(scores, reference):
    """One method against each other one, a row each, on the tables on which both were run.

    Wins and the median difference are those of the reference, wilcoxon_p is of the signed-rank test, and
    wilcoxon_holm is corrected for the number of methods.
    """
    others = scores.columns.drop(reference)
    rows = [_duel(scores[[reference, other]].dropna(), reference, other) for other in others]
    out = pd.DataFrame(rows, index=others)
    if len(out):
        out["wilcoxon_holm"] = holm(out["wilcoxon_p"].to_numpy())
    return out


def _duel(pair, reference, other):
    # A failure is a full loss. The bound is for R2 far below zero, whose size says nothing.
    bounded = pair.clip(lower=pair.max(axis=1) - 1, axis=0).fillna(0.0)
    difference = (bounded[reference] - bounded[other]).where(np.isfinite(pair).any(axis=1), 0.0)
    difference = difference.where(difference.abs() >= TIE, 0.0)
    wins, losses = int((difference > 0).sum()), int((difference < 0).sum())
    return {
        "tables": len(difference),
        "wins": wins,
        "ties": len(difference) - wins - losses,
        "losses": losses,
        "median_difference": float(difference.median()),
        "wilcoxon_p": float(stats.wilcoxon(difference).pvalue) if wins + losses else 1.0,
    }


def mean_difference(values, reference, other):
    """Mean over tables of reference minus other, and both ends of its 95 % interval (paired t-test).

    Tables share no rows, so each is one observation. Those without one of the two are left out.
    """
    pair = values[[reference, other]].where(np.isfinite).dropna()
    difference = (pair[reference] - pair[other]).to_numpy()
    test = corrected_resampled_t(difference if len(difference) else [np.nan], 0.0)
    return test.difference, test.low, test.high
