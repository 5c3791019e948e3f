"""Scores of all candidates on the same splits, and the tests between them."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skreg.comparison.statistics import PairedTest, corrected_resampled_t, holm

__all__ = ["DUMMY_LEVEL", "LEVEL", "PairedScores"]

# level of every family of tests
LEVEL = 0.05

#: For "beats the dummy", which is asked of one side: as strict as one side of the two-sided tests.
DUMMY_LEVEL = 0.025
# metrics of which one row of a test fold is a step that is known
COUNTED = ("accuracy", "balanced_accuracy")


class PairedScores:
    """Test scores, a row a split and a column a candidate.

    Parameters
    ----------
    folds : DataFrame
        Long form with the columns candidate, repeat, fold, n_train, n_test and `column`.
    column : str, default="test_score"
        What is compared; greater must be better.
    scoring : str, default=""
        Name of the metric; for accuracies the step of one row bounds what a split can tell.
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

    def test(self, name: str, other: str, alternative: str = "two-sided") -> PairedTest:
        """Test whether `name` scores otherwise than `other`.

        Parameters
        ----------
        name, other : str
            Candidates.
        alternative : {"two-sided", "greater"}, default="two-sided"
            As in `corrected_resampled_t`.

        Returns
        -------
        PairedTest
        """
        return self.test_differences((self.table[name] - self.table[other]).to_numpy(), alternative)

    def test_differences(
        self, differences: NDArray[np.float64], alternative: str = "two-sided"
    ) -> PairedTest:
        """Test differences that were made otherwise than by one pair of candidates."""
        return corrected_resampled_t(
            differences,
            self.test_train_ratio,
            alternative=alternative,
            resolution=self.resolution,
        )

    def against(self, other: str, names: list[str], alternative: str = "two-sided") -> pd.DataFrame:
        """Test a family of candidates against one, with Holm's correction.

        Parameters
        ----------
        other : str
            The one they are compared with; it is left out of the family.
        names : list of str
            The family.
        alternative : {"two-sided", "greater"}, default="two-sided"
            As in `corrected_resampled_t`.

        Returns
        -------
        DataFrame indexed by candidate
            Columns difference, low, high, p_raw, p_value (adjusted).
        """
        family = [name for name in names if name != other and name in self]
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
