"""Comparing methods over many tables: ranks, normalised scores, tests.

The statistics are those of Demšar, J. (2006). "Statistical comparisons of classifiers over multiple
data sets." Journal of Machine Learning Research 7, 1-30.

Everywhere `scores` is a DataFrame with a row per table and a column per method, higher is better,
and ``-inf`` where the method failed: it then is the worst of the table.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from skreg.comparison.statistics import holm

#: Scores nearer than this are a tie: the files hold six digits.
TIE = 1e-6


def median_scores(rows, column="score", *, sign=1):
    """Median over seeds of each method on each table.

    Parameters
    ----------
    rows : DataFrame
        As `benchmarks.results_file.read` gives them.
    column : str, default="score"
    sign : {1, -1}, default=1
        -1 for a column of which less is better.

    Returns
    -------
    DataFrame
        Tables by methods; ``-inf`` where the median seed is one that failed, NaN where nothing was
        run.
    """
    values = (sign * rows[column].astype(float)).where(rows["error"].isna(), -np.inf)
    values = values.groupby([rows["dataset"], rows["method"]]).median()
    return values.unstack("method").rename_axis(index=None, columns=None)


def ranks(scores):
    """Rank of each method on each table, 1 the best; equal scores share their mean rank."""
    return scores.rank(axis=1, ascending=False)


def normalised(scores):
    """0 for the worst, 1 for the best method of a table; 0 for one that failed, 1 if all are equal.

    Examples
    --------
    >>> import pandas as pd
    >>> from benchmarks.ranking import normalised
    >>> normalised(pd.DataFrame({"a": [0.9], "b": [0.5], "c": [0.6]})).round(2).values.tolist()
    [[1.0, 0.0, 0.25]]
    """
    finite = scores.where(np.isfinite(scores))
    low, high = finite.min(axis=1), finite.max(axis=1)
    spread = high - low
    out = finite.sub(low, axis=0).div(spread.where(spread > TIE), axis=0)
    return out.where(finite.isna() | out.notna(), 1.0).fillna(0.0)


def friedman(scores):
    """Friedman's test that all methods are alike.

    Parameters
    ----------
    scores : DataFrame
        At least three methods.

    Returns
    -------
    statistic, p_value : float
    """
    result = stats.friedmanchisquare(*(column for _, column in ranks(scores).items()))
    return float(result.statistic), float(result.pvalue)


def nemenyi_q(n_methods, alpha=0.05):
    """Critical value of the two-tailed Nemenyi test: the studentized range over the root of 2.

    Examples
    --------
    >>> from benchmarks.ranking import nemenyi_q
    >>> round(nemenyi_q(5), 3)
    2.728
    """
    return float(stats.studentized_range.ppf(1 - alpha, n_methods, np.inf) / np.sqrt(2))


def critical_difference(n_methods, n_tables, alpha=0.05):
    """Difference in mean rank from which on two methods differ (Nemenyi)."""
    return nemenyi_q(n_methods, alpha) * np.sqrt(n_methods * (n_methods + 1) / (6 * n_tables))


def cliques(mean_ranks, difference):
    """Largest groups of methods that are nearer to each other than the critical difference.

    Parameters
    ----------
    mean_ranks : Series
        Method to mean rank.
    difference : float

    Returns
    -------
    list of list of str
        Groups of two and more, best first, none inside another.
    """
    ordered = mean_ranks.sort_values()
    groups, reached = [], 0
    for first in range(len(ordered)):
        last = int(np.searchsorted(ordered, ordered.iloc[first] + difference, side="right"))
        if last > reached and last - first > 1:
            groups.append(list(ordered.index[first:last]))
        reached = max(reached, last)
    return groups


def against(scores, reference):
    """One method against each other one, table by table.

    Parameters
    ----------
    scores : DataFrame
    reference : str
        The method whose wins are counted.

    Returns
    -------
    DataFrame
        A row per other method: tables (on which both were run), wins, ties, losses,
        median_difference (reference minus the other), wilcoxon_p (signed-rank test), wilcoxon_holm
        (corrected for the number of methods), sign_p (ties left out), and the tables with the
        largest gain and loss.
    """
    rows = {
        other: _duel(scores[[reference, other]].dropna(), reference, other)
        for other in scores.columns.drop(reference)
    }
    out = pd.DataFrame.from_dict(rows, orient="index")
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
        "sign_p": float(stats.binomtest(wins, wins + losses).pvalue) if wins + losses else 1.0,
        "largest_gain": _extreme(difference, difference.idxmax(), wins),
        "largest_loss": _extreme(difference, difference.idxmin(), losses),
    }


def _extreme(difference, table, count):
    return (table, float(difference[table])) if count else None
