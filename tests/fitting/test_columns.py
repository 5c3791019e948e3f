"""What the columns of a table are, and new tables that are read by that."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from skreg.comparison.tables import Table, TableError, load_table
from skreg.fitting.columns import Column, learn_columns, read_rows


def written(tmp_path, text):
    path = tmp_path / "new.csv"
    path.write_text(text, encoding="utf-8")
    return path


def read(tmp_path, text, *columns, **options):
    return read_rows(written(tmp_path, text), columns, **options)


def test_columns_of_a_table(folder):
    X, columns, notes = learn_columns(load_table(folder / "classes.csv", target="churn"))
    kinds = {column.name: column.kind for column in columns}
    assert kinds == {
        "visits": "number",
        "income": "number",
        "job": "category",
        "joined": "date",
        "news": "truth",
        "tick": "tick",
    }
    assert next(c.levels for c in columns if c.name == "job") == ["clerk", "cook", "nurse"]
    assert {"joined: days", "joined: weekday"} <= set(X)
    assert "joined: dates or times, read as days, day of the year and weekday." in notes


def test_a_table_is_read_again_as_it_was_learned(folder):
    table = load_table(folder / "classes.csv", target="churn")
    X, columns, _ = learn_columns(table)
    again = read_rows(folder / "classes.csv", columns, target="churn")
    assert again.unknown == ["id"]
    for name in X:
        if X[name].dtype.kind == "O":
            assert again.X[name].isna().equals(X[name].isna())
            assert again.X[name].dropna().tolist() == X[name].dropna().tolist()
        else:
            np.testing.assert_array_equal(again.X[name].astype(float), X[name].astype(float))


def test_free_text_and_odd_dates_are_left_out_and_named():
    n = 60
    X = pd.DataFrame(
        {
            "words": [f"word {i} and more" for i in range(n)],
            "when": ["2020-01-01", "5.5.2021", "May 2020"] * 20,
            "a": np.arange(n) % 7,
        }
    )
    table = Table(X, np.arange(n) % 2, "classification", "t", "y")
    X, columns, notes = learn_columns(table)
    assert [column.name for column in columns] == list(X) == ["a"]
    text = " ".join(notes)
    assert "words was left out: free text" in text
    assert "when was left out: dates or times in no one format." in text
    table.X = table.X[["words"]]
    with pytest.raises(TableError, match="No column is left to predict 'y' from"):
        learn_columns(table)


NUMBER = Column("a", "number")


def test_order_does_not_matter_and_what_is_unknown_is_said(tmp_path):
    rows = read(tmp_path, "z,b,a\n1,x,2\n3,y,4\n", NUMBER, Column("b", "category", ["x", "y"]))
    assert rows.X.to_dict("list") == {"a": [2.0, 4.0], "b": ["x", "y"]}
    assert rows.unknown == ["z"] and rows.notes == []


def test_a_single_row_in_another_notation(tmp_path):
    for cell in ("1,5", "1.5", "1.5 kg", "$1.5"):
        assert read(tmp_path, f"a;b\n{cell};x\n", NUMBER).X["a"].tolist() == [1.5], cell
    rows = read(tmp_path, 'a,b\n"1.234",x\n', NUMBER, usual_decimal=",")
    assert rows.X["a"].tolist() == [1234.0]


def test_every_row_is_read_also_one_that_looks_like_a_footnote(tmp_path):
    rows = read(tmp_path, "b,a\nx,1\nx,2\nTotal,3\n", NUMBER)
    assert rows.X["a"].tolist() == [1.0, 2.0, 3.0]


def test_words_among_numbers_are_missing_and_named(tmp_path):
    rows = read(tmp_path, "a,b\n1,x\nsoon,x\n2,x\n-9,x\n", NUMBER, missing=["-9"])
    np.testing.assert_array_equal(rows.X["a"], [1, np.nan, 2, np.nan])
    text = " ".join(rows.notes)
    assert "soon" in text and "'-9' was taken for missing in 1 cell." in text
    with pytest.raises(
        TableError, match=r"'a' held numbers in training, and here it holds none: .*'soon'"
    ):
        read(tmp_path, "a,b\nsoon,x\nlater,x\n", NUMBER)
    assert read(tmp_path, "a,b\n,x\n,x\n", NUMBER).X["a"].isna().all()


def test_labels_have_the_spelling_of_training(tmp_path):
    column = Column("b", "category", ["Cook", "nurse", "unknown"])
    rows = read(tmp_path, "b,z\ncook,1\nNURSE ,1\npilot,1\nunknown,1\n,1\nNA,1\n", column)
    assert rows.X["b"].tolist()[:4] == ["Cook", "nurse", "pilot", "unknown"]
    assert rows.X["b"][4:].isna().all()
    assert "b: 'pilot' in 1 row was not there in training and is taken for unknown." in rows.notes
    codes = Column("b", "category", ["1", "2"])
    assert read(tmp_path, "b,z\n1,1\n,1\n2,1\n", codes).X["b"].dropna().tolist() == ["1", "2"]


def test_true_false_and_ticks(tmp_path):
    truth, tick = Column("t", "truth"), Column("k", "tick")
    rows = read(tmp_path, "t,k\nTRUE,x\nfalse,\n1,y\n,\n", truth, tick)
    np.testing.assert_array_equal(rows.X["t"], [1, 0, 1, np.nan])
    assert rows.X["k"].tolist() == [True, False, True, False]
    with pytest.raises(TableError, match=r"'t' held true and false in training, .* 'perhaps'"):
        read(tmp_path, "t,k\nperhaps,x\n", truth, tick)


def test_dates_are_written_as_in_training(tmp_path):
    column = Column("d", "date", form="%d.%m.%Y", parts=["d: days"])
    rows = read(tmp_path, "d,z\n02.01.1970,1\n1970-01-03,1\n", column)
    np.testing.assert_array_equal(rows.X["d: days"], [1.0, np.nan])
    assert "d: 1 value not written as in training (%d.%m.%Y) was taken for missing" in rows.notes[0]
    with pytest.raises(TableError, match="'d' held dates in training, written as %d"):
        read(tmp_path, "d,z\n1970-01-03,1\n", column)


def test_columns_that_are_not_there(tmp_path):
    with pytest.raises(TableError, match=r"lacks 1 column of 2 .*'a'\. Did 'A' mean 'a'\?"):
        read(tmp_path, "A,b\n1,x\n", NUMBER, Column("b", "category", ["x"]))
    with pytest.raises(TableError, match="several columns called 'a'"):
        read(tmp_path, "a,a,b\n1,2,x\n", NUMBER)


def test_codes_that_lost_their_zeros_are_known(tmp_path):
    """A spreadsheet that opens a table writes 007 as 7."""
    code = Column("code", "category", levels=["000", "007", "120"])
    rows = read(tmp_path, "code,x\n0,1\n7,1\n120,1\n8,1\n", code)
    assert rows.X["code"].tolist() == ["000", "007", "120", "8"]
    assert "such as '0' as '000'" in rows.notes[0]
    assert "'8' in 1 row was not there" in rows.notes[1]
    # of different lengths, 7 and 007 are two codes
    mixed = Column("code", "category", levels=["007", "12"])
    assert read(tmp_path, "code,x\n7,1\n12,1\n", mixed).X["code"].tolist() == ["7", "12"]


@pytest.mark.parametrize(
    ("then", "now", "refused"),
    [
        ("%", "", True),
        ("", "%", True),
        ("%", "%", False),
        ("kg", "g", True),
        ("kg", "", False),
        ("", "", False),
    ],
)
def test_numbers_of_another_unit_are_refused(tmp_path, then, now, refused):
    """A share of 0.12 is 12 %, and a kilogram 1000 g."""
    rng = np.random.default_rng(0)
    numbers = rng.uniform(1, 50, 60).round(2)
    frame = pd.DataFrame(
        {"a": [f"{v}{then}" for v in numbers], "b": rng.normal(size=60), "y": numbers}
    )
    frame.to_csv(tmp_path / "t.csv", index=False)
    _, columns, _ = learn_columns(load_table(tmp_path / "t.csv", target="y"))
    assert next(column.unit for column in columns if column.name == "a") == then
    text = f"a,b\n5.5{now},1\n7.5{now},2\n,3\n"
    if refused:
        with pytest.raises(
            TableError, match=r"Column 'a' held numbers .* and here .*such as '5\.5"
        ):
            read(tmp_path, text, *columns)
    else:
        assert read(tmp_path, text, *columns).X["a"].tolist()[:2] == [5.5, 7.5]
