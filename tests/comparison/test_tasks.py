"""The kind of target, and targets that cannot be learned."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from skreg.comparison.tasks import check_target, drop_rare_classes, infer_task


@pytest.mark.parametrize(
    ("y", "task"),
    [
        (["yes", "no", "yes"], "classification"),
        ([True, False], "classification"),
        (pd.Series(["a", None, "b"], dtype="category"), "classification"),
        (list(range(10)) * 3, "classification"),
        (list(range(30)), "regression"),
        ([0.5, 1.5, 2.25], "regression"),
        ([0.0, 1.0, 1.0], "classification"),
        ([1.0, 2.0, 3.0, 4.0], "regression"),
        ([1.0, 2.0, np.nan, 3.0], "classification"),
    ],
)
def test_infer_task(y, task):
    found, why = infer_task(y)
    assert found == task
    assert "distinct" in why


@pytest.mark.parametrize(
    ("y", "task", "message"),
    [
        ([1, 1, 1], "classification", r"one value only \(.*1.*\): there is nothing to learn"),
        ([1.0, np.nan, 2.0], "regression", "missing in 1 rows"),
        (["1", "two", "3"], "regression", "not numbers, such as 'two'"),
        ([[1, 2], [3, 4]], "regression", r"shape \(2, 2\)"),
        ([1, 2], "ranking", "task='ranking': allowed are"),
    ],
)
def test_targets_that_cannot_be_used(y, task, message):
    with pytest.raises(ValueError, match=message):
        check_target(y, task)


def test_text_that_is_numbers_serves_regression():
    assert check_target(["1", "2.5"], "regression").tolist() == [1.0, 2.5]


def test_labels_stay_what_they_were():
    assert check_target([3, 1, 3], "classification").tolist() == [3, 1, 3]
    assert check_target(pd.Series(["b", "a"]), "classification").tolist() == ["b", "a"]


def test_rare_classes_are_left_out_and_named():
    y = np.array(["a"] * 6 + ["b"] * 5 + ["c"] * 2)
    rows, note = drop_rare_classes(y, 5)
    assert set(y[rows]) == {"a", "b"}
    assert "1 of 3 classes have fewer than 5 rows" in note
    assert "c; 2 rows" in note
    assert drop_rare_classes(y, 2)[1] == ""


def test_too_few_classes_left():
    with pytest.raises(ValueError, match=r"Fewer than two classes have 5 rows.*a \(9\), b \(1\)"):
        drop_rare_classes(np.array(["a"] * 9 + ["b"]), 5)
