"""Columns that cannot help are left out and named; all others stay."""

from __future__ import annotations

import uuid

import numpy as np
import pandas as pd
import pytest

from skreg.comparison.columns import without_idle_columns

N = 60


@pytest.fixture
def base():
    return pd.DataFrame({"x": np.random.RandomState(0).normal(size=N)})


def left(base, **columns):
    """Names that stay besides x, and the notes."""
    X, notes = without_idle_columns(base.assign(**columns))
    return [name for name in X if name != "x"], notes


ORDER = np.random.RandomState(1).permutation(N)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("Unnamed: 0", np.arange(N)),
        ("Unnamed: 0", ORDER),
        ("id", ORDER * 17 + 3),
        ("ID", ORDER.astype(float)),
        ("customer_id", ORDER + 1000),
        ("customerId", [f"C-{k}" for k in ORDER]),
        ("index", np.arange(N) + 1),
        ("row", np.arange(N)),
        ("rownames", [f"r{k}" for k in range(N)]),
        ("X", np.arange(N) + 1),
        ("passengerid", ORDER + 1),
        ("no.", np.arange(N)),
        ("Unnamed: 0", [f"row {k}" for k in range(N)]),
    ],
)
def test_row_numbers_are_left_out(base, name, values):
    kept, notes = left(base, **{name: values})
    assert kept == []
    assert notes == [f"{name} was left out: a number or name for each row."]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        # the same number comes again
        ("id", ORDER // 2),
        ("paid", ORDER * 3),
        ("X", ORDER * 3),
        ("number", ORDER * 17),
        ("time", np.arange(N) * 2),
        ("index", np.random.RandomState(2).normal(size=N)),
        ("day", pd.date_range("2024-01-01", periods=N).astype(str)),
        ("id", pd.date_range("2024-01-01", periods=N).astype(str)),
        ("name", [f"Mr. {k} Smith" for k in range(N)]),
        ("colour", ["red", "green", "blue"] * 20),
        ("flag", [True, False] * 30),
    ],
)
def test_other_columns_stay(base, name, values):
    assert left(base, **{name: values}) == ([name], [])


def test_a_counter_of_another_name_stays_and_is_named(base):
    kept, notes = left(base, t=np.arange(N))
    assert kept == ["t"]
    assert "t counts the rows in their order" in notes[0]
    assert "--drop t" in notes[0]


@pytest.mark.parametrize(
    "values",
    [
        [str(uuid.UUID(int=int(k) * 7919)) for k in ORDER],
        [f"A{k:05d}" for k in ORDER],
        [f"p{k}@example.org" for k in ORDER],
    ],
)
def test_identifiers_are_left_out(base, values):
    kept, notes = left(base, key=values)
    assert kept == []
    assert notes == ["key was left out: a text that is different in every row."]


def test_constant_empty_and_repeated_columns(base):
    kept, notes = left(
        base, one=1, empty=np.nan, word="w", again=base["x"], a=ORDER % 7, b=ORDER % 7, c=ORDER % 7
    )
    assert kept == ["a"]
    assert notes == [
        "empty was left out: empty.",
        "one and word were left out: the same value in every row.",
        "again was left out: the same values as x.",
        "b and c were left out: the same values as a.",
    ]


@pytest.mark.parametrize("value", ["x", 1.0])
def test_ticks_are_a_column_of_two_values(base, value):
    ticks = pd.Series([value, None, None] * 20)
    X, notes = without_idle_columns(base.assign(tick=ticks))
    assert X["tick"].tolist() == [True, False, False] * 20
    assert "a gap was taken for a value of its own" in notes[0]


def test_long_lists_are_shortened(base):
    _, notes = left(base, **{f"c{k}": 0 for k in range(9)})
    assert notes == ["c0, c1, c2, c3, c4 and 4 more were left out: the same value in every row."]
