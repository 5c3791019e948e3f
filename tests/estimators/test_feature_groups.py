"""What ``feature_groups`` says of columns."""

from __future__ import annotations

import numpy as np
import pytest

from skreg.estimators.feature_groups import group_labels


def test_labels_are_numbered_as_they_are_met():
    assert group_labels(["b", "a", "b"], 3) == (0, 1, 0)
    assert group_labels(np.array([7, 7, 1]), 3) == (0, 0, 1)
    assert group_labels(None, 3) is None


def test_columns_that_no_list_names_are_groups_of_their_own():
    assert group_labels([[0, 3], [1]], 5) == (0, 1, 2, 0, 3)
    assert group_labels([["age", "sex"]], 3, np.array(["sex", "job", "age"])) == (0, 1, 0)


@pytest.mark.parametrize(
    ("choice", "match"),
    [
        ([0, 1], r"feature_groups has 2 labels, but X has 3 columns\. Give one for each column"),
        ([0, None, 1], "has a missing label"),
        ([0, float("nan"), 1], "has a missing label"),
        ([[0, 3]], r"feature_groups has the column number 3, but X has 3 columns"),
        ([["z"]], "feature_groups names the column 'z', which X does not have"),
        ([[0, 1], [1]], "feature_groups names the column 1 twice"),
    ],
)
def test_errors(choice, match):
    with pytest.raises(ValueError, match=match):
        group_labels(choice, 3)
