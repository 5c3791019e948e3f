"""Text that is a number is read as one; codes, dates and categories stay text."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from skreg.comparison.numbers import decimal_votes, holds_codes, read_numbers, tidy, usual_missing

NAN = float("nan")
MANY = [f"{k / 7:.3f}" for k in range(60)]


def read(cells, hint=None):
    return read_numbers(pd.Series(cells, dtype=object), hint)


@pytest.mark.parametrize(
    ("cells", "values", "notations"),
    [
        (["1,5", "-2,25", "3"], [1.5, -2.25, 3], ["decimal commas"]),
        (["0,125", "0,250"], [0.125, 0.25], ["decimal commas"]),
        (["1,234.5", "950"], [1234.5, 950], ["thousands separators"]),
        (["1,234,567", "12"], [1234567, 12], ["thousands separators"]),
        (["1.234,5", "7"], [1234.5, 7], ["decimal commas", "thousands separators"]),
        (["1 234", "12 345 678"], [1234, 12345678], ["thousands separators"]),
        (["5\u00a0000", "4\u202f000,5"], [5000, 4000.5], None),
        (["1'234.50", "2\u2019000"], [1234.5, 2000], ["thousands separators"]),
        (["12,34,567", "1,23,456"], [1234567, 123456], ["thousands separators"]),
        (["12%", "13.5 %"], [12, 13.5], ["percent signs"]),
        (["12%", "13%", "0.5"], [0.12, 0.13, 0.5], ["percent signs"]),
        (["$5.00", "-$3", "$ 1,200.50"], [5, -3, 1200.5], None),
        (["5 \u20ac", "6,5 \u20ac"], [5, 6.5], ["currency signs", "decimal commas"]),
        (["EUR 5", "EUR 6.5"], [5, 6.5], ["currency signs"]),
        (["50 USD", "60 USD"], [50, 60], ["currency signs"]),
        (["\u22125", "3.5"], [-5, 3.5], ["typographic minus signs"]),
        (["(5)", "3", "(1,000)"], [-5, 3, -1000], None),
        (["5-", "1.234,50-"], [-5, -1234.5], None),
        (["12 kg", "13.5 kg", "14kg"], [12, 13.5, 14], ["the unit 'kg'"]),
        (["\u20ac110.5M", "\u20ac565K", "\u20ac0"], [110.5e6, 565e3, 0], None),
        (["10,000+", "500+", "1,000+"], [10000, 500, 1000], None),
        (["CHF 5.-", "CHF 12,--", "7"], [5, 12, 7], ["currency signs"]),
        (["12.5*", "13 [a]", "14.25", "'15"], [12.5, 13, 14.25, 15], ["marks of footnotes"]),
        (["ca. 5", "6", "7.5", "8"], [5, 6, 7.5, 8], ["bounds taken for the number itself"]),
        (["0", "1", "2", "3+"], [0, 1, 2, 3], ["bounds taken for the number itself"]),
        (["1e5", "2", "1.5e-3", "2e-4"], [1e5, 2, 1.5e-3, 2e-4], []),
    ],
)
def test_notations(cells, values, notations):
    found = read(cells)
    assert found.values == pytest.approx(values)
    assert (found.n_numbers, found.words) == (len(cells), [])
    assert notations is None or found.notations == notations


@pytest.mark.parametrize(
    "cells",
    [
        ["A1", "A2", "B1"],
        ["01234", "94110", "00501"],
        ["+491701234567", "+491701234568"],
        ["555-1234", "555-9999"],
        ["(555) 123-4567", "(555) 123-9999"],
        ["555 123 4567", "555 123 4568"],
        ["2024-01-05", "2024-01-06"],
        ["05.01.2024", "06.01.2024"],
        ["1/2/2024", "1/3/2024"],
        ["12:30", "13:45"],
        ["1.2.3", "1.2", "1.10"],
        ["192.168.1.1", "10.0.0.1"],
        ["<=50K", ">50K"],
        ["0-17", "18-25", "55+"],
        ["12a", "12", "13b"],
        ["1", "2", "3", "other"],
        ["5 min", "2 h", "3 min"],
        ["12", "13", "14B", "15", "16", "17", "18"],
        ["12-B", "13-B", "14-M"],
        ["1st", "2nd", "3rd"],
        ["1,2,3", "1,2", "4"],
        ["52.52,13.40", "48.85,2.35"],
        ["12.5N", "13.4S"],
        ["yes", "no"],
        ["red"] * 5 + ["5"],
        ["113803", "A/5 21171", "PC 17599"],
        ["0x1F", "0x2A"],
        ["1,5", "1.5", "2,5", "2.5"],
        ["5", "5", "-"],
        ["-", "?"],
        [],
    ],
)
def test_what_is_not_clearly_a_number_stays_text(cells):
    assert read(cells) is None


@pytest.mark.parametrize(
    "word", ["-", "n.a.", "Missing", "#DIV/0!", "?", "Total", "on request", "unknown"]
)
def test_words_among_numbers_are_missing(word):
    found = read([word, *MANY, word])
    assert np.isnan(found.values[[0, -1]]).all()
    assert found.values[1:-1] == pytest.approx([float(cell) for cell in MANY])
    assert (found.n_numbers, found.n_present, found.words) == (60, 62, [word])


def test_words_are_named_by_their_number_and_what_pandas_knows_is_not():
    found = read([*MANY, "?", "-", "-", "NA", None])
    assert found.words == ["-", "?"]
    assert (found.n_numbers, found.n_present) == (60, 64)


def test_bounds_are_taken_for_the_number():
    found = read([*MANY, "<0.1", ">90", "~5", "\u226470"])
    assert found.values[-4:].tolist() == [0.1, 90, 5, 70]


def test_whole_numbers_stay_whole_where_nothing_is_missing():
    assert read(["\u22125", "3"]).values.dtype == np.int64
    assert read(["\u22125", "3", "-"]).values.dtype == np.float64


@pytest.mark.parametrize(
    ("cells", "hint", "values"),
    [
        (["1,234", "2,345"], None, [1234, 2345]),
        (["1,234", "2,345"], ",", [1.234, 2.345]),
        (["1.234", "2.345", "950"], ",", [1234, 2345, 950]),
        (["1.234", "2.345", "-"], None, [1.234, 2.345, NAN]),
        # 4321 without a separator: the comma of the others separates no thousands
        (["1,234", "2,345", "4321"], None, [1.234, 2.345, 4321]),
        # what the column shows is stronger than the hint
        (["1.5", "2.25", "-"], ",", [1.5, 2.25, NAN]),
    ],
)
def test_the_decimal_mark_where_a_column_does_not_show_it(cells, hint, values):
    assert read(cells, hint).values == pytest.approx(values, nan_ok=True)


@pytest.mark.parametrize("stray", ["1,5", "1.000.000", "12..5", "007-B", "2020-01-01"])
def test_a_stray_cell_does_not_turn_a_column(stray):
    cells = [f"{1 + k / 7:.3f}" for k in range(100)]
    found = read([*cells, stray])
    assert found.values[:-1] == pytest.approx([float(cell) for cell in cells])
    assert np.isnan(found.values[-1])
    assert found.words == [stray]


def test_infinity_is_a_number():
    assert read([*MANY, "inf", "-Infinity", "\u221e", "-"]).values[-4:] == pytest.approx(
        [np.inf, -np.inf, np.inf, NAN], nan_ok=True
    )


def test_decimal_votes():
    votes = decimal_votes(pd.Series(["1,5", "2,5", "1.234,5", "1,234", "7", None]))
    assert (votes[","], votes["."], votes["?"]) == (3, 0, 1)
    assert not decimal_votes(pd.Series(["red, green", "blue"]))


def test_codes():
    assert holds_codes(pd.Series(["0123", "4567"]))
    assert not holds_codes(pd.Series(["01", "12", "0.5", None]))
    assert not holds_codes(pd.Series(["007.5", "012"]))
    # of one width, or many of them; a single one among numbers is a stray
    assert holds_codes(pd.Series(["007"] + [str(k) for k in range(100, 400)]))
    assert not holds_codes(pd.Series(["007"] + [str(k) for k in range(300)]))


def test_tidy_and_usual_missing():
    assert tidy("\u00a0\u22125\u202f000 ") == "-5 000"
    assert usual_missing(pd.Series(["NA", "", None, "x", "None"])).tolist() == [1, 1, 1, 0, 1]


@pytest.mark.parametrize("rows", [[0], slice(None)])
def test_numbers_do_not_depend_on_the_order_of_rows(rows):
    random = np.random.RandomState(0)
    cells = np.array([f"{v:,.2f}" for v in 5000 * random.normal(size=300)] + ["-"], dtype=object)
    order = random.permutation(len(cells))
    assert read(cells[order]).values[rows] == pytest.approx(
        read(cells).values[order][rows], nan_ok=True
    )


def test_numbers_written_and_read_back_agree():
    values = 10.0 ** np.random.RandomState(1).uniform(-3, 8, 200)
    english = [f"{v:,.4f}" for v in values]
    german = [cell.translate(str.maketrans(",.", ".,")) for cell in english]
    assert read(english).values == pytest.approx(values, abs=1e-4)
    assert read(german).values == pytest.approx(values, abs=1e-4)


def test_a_comma_in_front_of_an_exponent_is_a_decimal_mark():
    """Nobody groups thousands of 1,234e-05."""
    found = read(["1,234e-05", "7,001E+03", "-2,500e+00"])
    np.testing.assert_allclose(found.values, [1.234e-5, 7001.0, -2.5])
    assert found.notations == ["decimal commas"]


def test_digits_of_other_scripts_are_digits():
    numbers = [1.5, -20.25, 3.75]
    for digits, point in (("\uff10", "\uff0e"), ("\u0660", "\u066b"), ("\u0966", ".")):
        table = {str(k): chr(ord(digits) + k) for k in range(10)} | {".": point}
        cells = [str(v).translate(str.maketrans(table)) for v in numbers]
        assert read(cells).values.tolist() == numbers
