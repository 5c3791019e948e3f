"""Features and targets of text become numbers, categories or gaps, with one line on each kind."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from skreg.comparison.cleaning import (
    clean_features,
    clean_target,
    file_decimal,
    one_spelling,
    stripped,
    without_footer,
    without_words,
)

VALUES = np.round(np.random.RandomState(0).normal(size=60), 3)
CELLS = [str(value) for value in VALUES]


def frame_of(**columns):
    return stripped(pd.DataFrame({k: pd.Series(v, dtype=object) for k, v in columns.items()}))


def feature(cells, decimal=None):
    X, notes = clean_features(frame_of(a=cells), decimal)
    return X["a"], notes


def test_plain_numbers_need_no_word():
    column, notes = feature(CELLS)
    assert column.to_numpy() == pytest.approx(VALUES)
    assert notes == []
    assert feature(["1", "2", "3"])[0].dtype == np.int64
    assert feature(["1", None, "NA", "3"])[0].dtype == np.float64
    assert feature(["True", "false"])[0].dtype == bool


def test_words_are_said_once_a_column():
    cells = [*CELLS, "-", "-", "n.a."]
    column, notes = feature(cells)
    assert column[:60].to_numpy() == pytest.approx(VALUES)
    assert column[60:].isna().all()
    assert notes == ["a: 60 of 63 values are numbers; '-' and 'n.a.' were taken for missing."]


def test_columns_that_were_treated_alike_share_a_line():
    commas = [cell.replace(".", ",") for cell in CELLS]
    _, notes = clean_features(frame_of(a=commas, b=commas, c=CELLS))
    example = next(cell for cell in commas if "," in cell)
    assert notes == [
        f"a and b: all values are numbers with decimal commas, such as {example!r}, and were read "
        "as such."
    ]


def test_infinite_and_huge_values_are_missing_and_named():
    column, notes = feature([*CELLS, "inf", "1e300", "-1e39"])
    assert column[60:].isna().all()
    assert notes == [
        "a: 1 infinite value and 2 values too large to compute with (such as 1e+300) were taken for "
        "missing."
    ]


def test_codes_stay_text_and_are_named():
    column, notes = feature(["00501", "94110"] * 10)
    assert set(column) == {"00501", "94110"}
    assert notes == ["a: taken for codes, not for numbers, because of leading zeros or '+'."]


def test_categories_are_stripped_and_spelled_alike():
    column, notes = feature(["red", "red", " red ", "RED", "Red", "blue", "NA"])
    assert column.dropna().tolist() == ["red"] * 5 + ["blue"]
    assert notes == ["a: 'RED' and 'Red' were read as 'red'."]


def test_words_among_dates_are_missing():
    days = [str(day.date()) for day in pd.date_range("2024-01-01", periods=30)]
    column, notes = feature([*days, "-", "unknown"])
    assert column.isna().tolist() == [False] * 30 + [True] * 2
    assert notes == [
        "a: 30 of 32 values are dates or times; '-' and 'unknown' were taken for missing."
    ]
    assert feature(["red", "blue", "unknown"])[0].notna().all()


@pytest.mark.parametrize(
    ("usual", "odd"),
    [
        ("yes", "'yes'"),
        ("yes", '"Yes"'),
        ("yes", "\u201eyes\u201c"),
        ("caf\u00e9", "cafe\u0301"),
        ("M\u00fcller", "'Mu\u0308ller'"),
    ],
)
def test_quotes_and_accents_make_no_other_label(usual, odd):
    column = pd.Series([usual] * 5 + [odd, "no"])
    merged, spellings = one_spelling(column)
    assert merged.tolist() == [usual] * 6 + ["no"]
    assert spellings == {odd: usual}


@pytest.mark.parametrize("other", ["cafe", "5'", "'", "''"])
def test_other_labels_stay_apart(other):
    assert one_spelling(pd.Series(["caf\u00e9", "5", "no", other]))[1] == {}


def test_letters_are_not_merged():
    letters = pd.Series(list("aAbBcCdD"))
    assert one_spelling(letters)[1] == {}
    assert one_spelling(pd.Series(list("yYynN")))[1] == {"Y": "y", "N": "n"}


def test_the_words_of_the_user():
    frame = frame_of(a=["1", "-999", "-999.0", "x"] * 3, b=["refused", "yes", "no", "yes"] * 3)
    cleaned, notes = without_words(frame, ["-999", "refused", "never"])
    assert cleaned["a"].isna().tolist() == [False, True, True, False] * 3
    assert cleaned["b"].isna().sum() == 3
    assert notes == [
        "'-999' was taken for missing in 6 cells.",
        "'refused' was taken for missing in 3 cells.",
        "'never', which --missing names, stands in no cell.",
    ]


def test_words_of_the_user_in_columns_of_numbers():
    frame = pd.DataFrame({"a": [1.5, -999.0], "n": [3, -999], "flag": [True, False]})
    assert without_words(frame, ["-999"])[0].isna().sum().tolist() == [1, 1, 0]


@pytest.mark.parametrize(
    ("foot", "n_gone"),
    [
        ([["Total", "99.5", "3", ""]], 1),
        ([["", "Sum:", "3", "12"], ["Mean", "1", "2", "3"]], 2),
        ([["", "", "", ""], ["Source: my lab", "", "", ""], ["Note: x", "", "", ""]], 3),
        ([["green", "1", "2", "3"]], 0),
        ([["green", "", "", ""]], 1),
    ],
)
def test_totals_and_footnotes_are_left_out(foot, n_gone):
    rows = [["red", "1", "2", "3"], ["blue", "3", "2", "1"]] * 10
    frame = stripped(pd.DataFrame(rows + foot, columns=list("abcd"), dtype=object))
    kept, notes = without_footer(frame)
    assert len(kept) == 20 + len(foot) - n_gone
    assert len(notes) == (n_gone > 0)


def test_a_category_called_total_is_none():
    rows = [["total", "1"], ["part", "3"]] * 10 + [["total", "2"]]
    frame = stripped(pd.DataFrame(rows, columns=list("ab"), dtype=object))
    assert without_footer(frame) == (frame, []) or without_footer(frame)[1] == []


def test_the_decimal_mark_of_a_file():
    assert file_decimal(frame_of(a=["1,5", "2"], b=["x, y", "z"]), False) == ","
    assert file_decimal(frame_of(a=["1.5", "2"], b=["1,234", "2,345"]), False) == "."
    assert file_decimal(frame_of(a=["1,234", "2,345"]), False) is None
    assert file_decimal(frame_of(a=["1,234", "2,345"]), True) == ","


def target(cells, task="auto", decimal=None):
    column = stripped(pd.DataFrame({"y": pd.Series(cells, dtype=object)}))["y"]
    return clean_target(column, "y", task, decimal)


def test_a_target_of_numbers_with_words():
    column, notes = target([*CELLS, "?", "?"])
    assert column[:60].to_numpy() == pytest.approx(VALUES)
    assert column[60:].isna().all()
    assert notes == ["y: 60 of 62 values are numbers; '?' was taken for missing."]


def test_a_target_of_classes():
    column, notes = target(["yes", "yes ", "YES", "no", "?", "None", "NA", "-"])
    assert column.dropna().tolist() == ["yes", "yes", "yes", "no", "None"]
    assert notes == [
        "y: 'YES' was read as 'yes'.",
        "y: '?' and '-' were taken for missing.",
    ]


def test_few_percentages_are_classes_unless_regression_is_asked_for():
    assert target(["10%", "20%"] * 10)[0].tolist() == ["10%", "20%"] * 10
    assert target(["10%", "20%"] * 10, "regression")[0].tolist() == [10, 20] * 10
    assert target([f"{k}%" for k in range(30)])[0].tolist() == list(range(30))


def test_a_target_of_true_and_false():
    assert target(["TRUE", "False", "true"])[0].tolist() == [True, False, True]


def test_infinite_targets_are_missing():
    column, notes = target([*CELLS, "inf"])
    assert column.isna().tolist() == [False] * 60 + [True]
    assert notes == ["y: 1 infinite value was taken for missing."]
