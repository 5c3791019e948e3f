"""What `compare` is given becomes one kind of table, or one sentence says what is wrong."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from skreg.comparison.data import read_data

N = 40
FRAME = pd.DataFrame(
    {
        "a": np.random.default_rng(0).normal(size=N),
        "k": ["u", "v", None, "w"] * 10,
    }
)
LABELS = np.array(["no", "yes"])[np.arange(N) % 2]


def read(X=FRAME, y=LABELS, groups=None, weights=None, task="auto", cv=2):
    return read_data(X, y, groups, weights, task, cv, None)


def test_tables_of_other_libraries():
    polars = pytest.importorskip("polars")
    pyarrow = pytest.importorskip("pyarrow")
    for table in (polars.from_pandas(FRAME), pyarrow.Table.from_pandas(FRAME)):
        found = read(table).X
        assert list(found) == ["a", "k"]
        np.testing.assert_array_equal(found["a"], FRAME["a"])
        assert found["k"].fillna("gap").tolist() == FRAME["k"].fillna("gap").tolist()


def test_names_that_are_no_texts():
    """What encodes columns makes texts of their names, and looked for the others in vain."""
    assert list(read(FRAME.set_axis([0, 1], axis=1)).X) == ["0", "1"]
    pairs = pd.MultiIndex.from_tuples([("x", "a"), ("y", 3)])
    assert list(read(FRAME.set_axis(pairs, axis=1)).X) == ["x, a", "y, 3"]
    with pytest.raises(ValueError, match="X has 2 columns of the name '1'"):
        read(FRAME.set_axis([1, "1"], axis=1))


def test_numbers_in_other_clothes():
    halves = FRAME[["a"]].astype(np.float16)
    assert read(halves).X["a"].dtype == np.float64
    assert read(halves.to_numpy()).X.dtype == np.float64
    masked = np.ma.masked_array(FRAME[["a"]], mask=FRAME[["a"]] > 1)
    np.testing.assert_array_equal(np.isnan(read(masked).X), FRAME[["a"]] > 1)
    assert sp.issparse(read(sp.csr_array(FRAME[["a"]])).X)


@pytest.mark.parametrize(
    ("X", "said"),
    [
        (None, "X is None, not a table"),
        ("t.csv", r"X is 't\.csv', not a table"),
        ({"a": [1] * N}, "X is a dict, not a table"),
        (FRAME.set_axis(["a", "a"], axis=1), "X has 2 columns of the name 'a'"),
        (FRAME[["a"]].to_numpy() + 1j, "Complex data not supported: X holds"),
        (FRAME.assign(a=1j), "Complex data not supported: column 'a' holds"),
        (FRAME.assign(a=[[1, 2]] * N), r"Column 'a' of X holds lists, such as \[1, 2\]"),
        (np.zeros(N), r"X has the shape \(40,\)"),
    ],
)
def test_what_is_no_table(X, said):
    with pytest.raises(ValueError, match=said):
        read(X)


@pytest.mark.parametrize(
    ("y", "said"),
    [
        (None, "y is None, not the target"),
        ("label", "y is 'label', not the target"),
        ({"y": LABELS}, "y is {'y': .*, not the target"),
        (np.zeros((N, 2)), r"y has the shape \(40, 2\)"),
        (np.arange(N) + 1j, "Complex data not supported: y"),
        ([None, *LABELS[1:]], "The target is missing in 1 rows"),
        (np.zeros(N, dtype=int), r"The target has one value only \(0\)"),
    ],
)
def test_what_is_no_target(y, said):
    with pytest.raises(ValueError, match=said):
        read(y=y)


def test_a_column_of_a_frame_is_a_target():
    found = read(y=pd.DataFrame({"churn": LABELS}))
    assert found.y.tolist() == LABELS.tolist()
    assert read(y=pd.Series(LABELS, name="churn")).target_name == "churn"


def test_two_numbers_that_are_not_whole_are_labels():
    """Metrics of scikit-learn take them for numbers."""
    found = read(y=np.where(np.arange(N) % 2, 1.5, 0.5))
    assert found.task == "classification"
    assert sorted(set(found.y)) == ["0.5", "1.5"]
    assert read(y=np.arange(N) % 2 * 1.0).y.dtype.kind == "f"


def test_groups_and_weights_are_checked_before_anything_is_fitted():
    for weights, said in (
        (-np.ones(N), "Negative values in data passed to `sample_weight`"),
        (np.full(N, np.nan), "sample_weight has 40 entries that are NaN"),
        ([1, 2], r"sample_weight has the shape \(2,\), but X has 40 rows"),
    ):
        with pytest.raises(ValueError, match=said):
            read(weights=weights)
    for groups, said in (
        ([None] * N, "groups has 40 missing values"),
        ([1, 2], r"groups has the shape \(2,\), but X has 40 rows"),
        ("patient", r"groups is 'patient', not the labels .*frame\['patient'\]"),
    ):
        with pytest.raises(ValueError, match=said):
            read(groups=groups)
