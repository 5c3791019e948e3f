"""Paired tests for resampled scores, Holm's correction, and intervals for an AUC."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

__all__ = [
    "PairedTest",
    "auc_interval",
    "benjamini_hochberg",
    "corrected_resampled_t",
    "holm",
]


@dataclass(frozen=True)
class PairedTest:
    """Outcome of a corrected resampled t-test.

    Attributes
    ----------
    difference : float
        Mean of the paired differences.
    low, high : float
        Two-sided confidence interval of the mean difference.
    p_value : float
        p-value against a difference of zero.
    n_splits : int
        Number of paired differences.
    """

    difference: float
    low: float
    high: float
    p_value: float
    n_splits: int


def corrected_resampled_t(
    differences: ArrayLike,
    test_train_ratio: float,
    *,
    confidence: float = 0.95,
    alternative: str = "two-sided",
    resolution: float = 0.0,
) -> PairedTest:
    """Test paired score differences of overlapping train-test splits.

    The folds of a cross-validation share training rows, so their scores are correlated and the
    ordinary t-test finds far too many differences. Nadeau and Bengio replace the variance of the mean,
    ``s^2 / J``, by ``s^2 * (1 / J + n_test / n_train)``.

    Parameters
    ----------
    differences : array-like of shape (n_splits,)
        Score of one candidate minus score of the other, split by split.
    test_train_ratio : float
        Test rows over training rows of a split: 1 / (k - 1) for k folds.
    confidence : float, default=0.95
        Level of the interval.
    alternative : {"two-sided", "greater"}, default="two-sided"
        "greater" tests against a difference of zero or less. The interval is always two-sided.
    resolution : float, default=0.0
        Smallest step of one split's score, 1 / n_test for an accuracy. Where all splits have the same
        difference, it is taken to be known no more finely than this step, so that its spread is not
        zero.

    Returns
    -------
    PairedTest
        With NaN for interval and p-value where there are fewer than two splits.

    Raises
    ------
    ValueError
        If `alternative` is not known.

    References
    ----------
    Nadeau, C. and Bengio, Y. (2003). Inference for the generalization error. Machine Learning,
    52, 239-281.

    Examples
    --------
    >>> from skreg.comparison.statistics import corrected_resampled_t
    >>> test = corrected_resampled_t([0.02, 0.01, 0.03, 0.02, 0.02], 1 / 4)
    >>> round(test.difference, 3), round(test.p_value, 4)
    (0.02, 0.0135)
    """
    if alternative not in ("two-sided", "greater"):
        raise ValueError(f"alternative={alternative!r}: allowed are 'two-sided' and 'greater'.")
    differences = np.asarray(differences, dtype=float)
    n_splits, mean = len(differences), float(np.mean(differences))
    if n_splits < 2 or not np.all(np.isfinite(differences)):
        return PairedTest(mean, np.nan, np.nan, np.nan, n_splits)
    # rounding to a step alone gives a number a variance of step^2 / 12
    variance = max(float(np.var(differences, ddof=1)), resolution**2 / 12)
    error = np.sqrt(variance * (1 / n_splits + test_train_ratio))
    half = stats.t.ppf(0.5 + confidence / 2, n_splits - 1) * error
    rounding = 1e-12 * max(1.0, abs(mean))
    if error <= rounding:
        is_equal = abs(mean) <= rounding
        p_value = 1.0 if is_equal or (alternative == "greater" and mean < 0) else 0.0
    else:
        tail = abs(mean) if alternative == "two-sided" else mean
        p_value = float(stats.t.sf(tail / error, n_splits - 1))
        p_value = 2 * p_value if alternative == "two-sided" else p_value
    return PairedTest(mean, mean - half, mean + half, p_value, n_splits)


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Adjust p-values for the number of tests by Holm's step-down method.

    Parameters
    ----------
    p_values : array-like of shape (n_tests,)
        Raw p-values; NaN entries do not count as tests and stay NaN.

    Returns
    -------
    ndarray of shape (n_tests,)
        Adjusted p-values: if those below a level are rejected, the chance of any false rejection is
        below that level.

    References
    ----------
    Holm, S. (1979). A simple sequentially rejective multiple test procedure. Scandinavian Journal
    of Statistics, 6, 65-70.

    Examples
    --------
    >>> from skreg.comparison.statistics import holm
    >>> [round(float(p), 3) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    p_values = np.asarray(p_values, dtype=float)
    adjusted = np.full(p_values.shape, np.nan)
    tested = np.flatnonzero(~np.isnan(p_values))
    order = tested[np.argsort(p_values[tested], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(p_values[order] * factors))
    return adjusted


def benjamini_hochberg(p_values: ArrayLike, level: float = 0.05) -> NDArray[np.bool_]:
    """Mark the tests that are significant at a false discovery rate.

    Parameters
    ----------
    p_values : array-like of shape (n_tests,)
        Raw p-values; NaN counts as not significant.
    level : float, default=0.05
        Expected share of false discoveries that is accepted.

    Returns
    -------
    ndarray of shape (n_tests,), dtype=bool
        True where the test is a discovery.

    References
    ----------
    Benjamini, Y. and Hochberg, Y. (1995). Controlling the false discovery rate. Journal of the
    Royal Statistical Society B, 57, 289-300.
    """
    p_values = np.nan_to_num(np.asarray(p_values, dtype=float), nan=1.0)
    order = np.argsort(p_values)
    below = p_values[order] <= level * np.arange(1, len(order) + 1) / len(order)
    found = np.zeros(len(order), dtype=bool)
    if below.any():
        found[order[: np.flatnonzero(below)[-1] + 1]] = True
    return found


def auc_interval(
    labels: ArrayLike, scores: ArrayLike, *, confidence: float = 0.95
) -> tuple[float, float, float]:
    """Area under the ROC curve with the interval of DeLong et al.

    Parameters
    ----------
    labels : array-like of shape (n_samples,)
        True for the positive rows.
    scores : array-like of shape (n_samples,)
        Greater means more likely positive.
    confidence : float, default=0.95
        Level of the interval.

    Returns
    -------
    auc, low, high : float
        The interval is cut to [0, 1].

    Raises
    ------
    ValueError
        If there are fewer than two rows of one kind.

    References
    ----------
    DeLong, E. R., DeLong, D. M. and Clarke-Pearson, D. L. (1988). Comparing the areas under two or
    more correlated receiver operating characteristic curves. Biometrics, 44, 837-845.
    """
    labels, scores = np.asarray(labels, dtype=bool), np.asarray(scores, dtype=float)
    n_pos, n_neg = int(labels.sum()), int((~labels).sum())
    if min(n_pos, n_neg) < 2:
        raise ValueError(
            f"An AUC interval needs two rows or more of each kind, got {n_pos} positive and "
            f"{n_neg} negative rows. Give more rows."
        )
    ranks = stats.rankdata(scores)
    own_pos, own_neg = stats.rankdata(scores[labels]), stats.rankdata(scores[~labels])
    # share of the other kind's rows that each row beats, ties counting one half
    wins_pos = (ranks[labels] - own_pos) / n_neg
    wins_neg = 1 - (ranks[~labels] - own_neg) / n_pos
    auc = float(wins_pos.mean())
    error = np.sqrt(wins_pos.var(ddof=1) / n_pos + wins_neg.var(ddof=1) / n_neg)
    half = stats.norm.ppf(0.5 + confidence / 2) * error
    return auc, max(0.0, auc - half), min(1.0, auc + half)
