"""Scores of all candidates on the same splits, and the tests between them."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skreg.comparison.statistics import PairedTest, corrected_resampled_t, holm

__all__ = ["LEVEL", "PairedScores"]

# level of every question
LEVEL = 0.05

# metrics that count rows, so that one row of a test fold is the smallest step of a split's score
COUNTED = ("accuracy", "balanced_accuracy")


class PairedScores:
    """Test scores, with a row for each split and a column for each candidate.

    Parameters
    ----------
    folds : DataFrame
        Long form with the columns candidate, repeat, fold, n_train, n_test and `column`.
    column : str, default="test_score"
        What is compared; greater must be better.
    scoring : str, default=""
        Name of the metric; accuracies are known no more finely than to the step of one row.
    """

    def __init__(self, folds: pd.DataFrame, column: str = "test_score", scoring: str = "") -> None:
        self.table = folds.pivot(index=["repeat", "fold"], columns="candidate", values=column)
        sizes = folds.drop_duplicates(["repeat", "fold"])
        self.test_train_ratio = float((sizes["n_test"] / sizes["n_train"]).mean())
        self.resolution = float((1 / sizes["n_test"]).mean()) if scoring in COUNTED else 0.0

    def __contains__(self, name: str) -> bool:
        return name in self.table and bool(self.table[name].notna().all())

    def mean(self, name: str) -> float:
        """Mean score of a candidate, NaN where a split of it failed."""
        return float(self.table[name].mean(skipna=False))

    def column(self, names: str | list[str]) -> NDArray[np.float64]:
        """Scores of a candidate, or the best of several on each split, shape (n_splits,)."""
        names = [names] if isinstance(names, str) else names
        return self.table[names].max(axis=1, skipna=False).to_numpy(dtype=float)

    def test(self, name: str, other: str | list[str], alternative: str = "two-sided") -> PairedTest:
        """Test whether the scores of `name` differ from those of `other`.

        Parameters
        ----------
        name : str
            A candidate.
        other : str or list of str
            Another one; of several, the best on each split.
        alternative : {"two-sided", "greater"}, default="two-sided"
            As in `corrected_resampled_t`.

        Returns
        -------
        PairedTest
        """
        return self.test_differences(self.column(name) - self.column(other), alternative)

    def test_differences(
        self, differences: NDArray[np.float64], alternative: str = "two-sided"
    ) -> PairedTest:
        """Test paired differences, such as means over several pairs of candidates."""
        return corrected_resampled_t(
            differences,
            self.test_train_ratio,
            alternative=alternative,
            resolution=self.resolution,
        )

    def against(
        self, other: str | list[str], names: list[str], alternative: str = "two-sided"
    ) -> pd.DataFrame:
        """Test a family of candidates against one, with Holm's correction.

        Parameters
        ----------
        other : str or list of str
            The one they are compared with; of several, the best on each split. It is left out of
            the family.
        names : list of str
            The family.
        alternative : {"two-sided", "greater"}, default="two-sided"
            As in `corrected_resampled_t`.

        Returns
        -------
        DataFrame indexed by candidate
            Columns difference, low, high, p_raw, p_value (adjusted).
        """
        others = [other] if isinstance(other, str) else other
        family = [name for name in names if name not in others and name in self]
        tests = [self.test(name, other, alternative) for name in family]
        p_raw = np.array([test.p_value for test in tests])
        return pd.DataFrame(
            {
                "difference": [test.difference for test in tests],
                "low": [test.low for test in tests],
                "high": [test.high for test in tests],
                "p_raw": p_raw,
                "p_value": holm(p_raw),
            },
            index=pd.Index(family, name="candidate"),
            dtype=float,
        )
