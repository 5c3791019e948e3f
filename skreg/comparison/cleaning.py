"""Columns of text become numbers, categories or missing values, and a line says how."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from skreg.comparison.columns import looks_like_dates
from skreg.comparison.numbers import (
    MISSING_WORDS,
    NumberColumn,
    decimal_votes,
    holds_codes,
    read_numbers,
    tidy,
    usual_missing,
)
from skreg.comparison.preparing import CATEGORY_LIMIT, LARGEST
from skreg.comparison.tasks import MAX_CLASSES_OF_NUMBERS
from skreg.comparison.wording import counted, joined

__all__ = [
    "clean_features",
    "clean_target",
    "file_decimal",
    "folded",
    "is_text",
    "may_be_grouped",
    "one_spelling",
    "stripped",
    "without_footer",
    "without_words",
]

# words that are no class of a target; "none" and "unknown" may be
_NO_CLASS = (
    "?|??|???|-|--|---|\u2013|\u2014|.|..|...|*|n.a.|n.a|n/a|na|nan|null|(null)|missing|not available|"
    "k.a.|keine angabe|#n/a|#div/0!|#value!|#ref!|#name?|#num!|#null!|#nv|#wert!|#bezug!"
)
_TOTALS = (
    "total|totals|grand total|subtotal|sub-total|sub total|sum|sums|sum of all|summe|gesamt|gesamtsumme|"
    "insgesamt|somme|totale|total g\u00e9n\u00e9ral|suma|totaal|\u0438\u0442\u043e\u0433\u043e|"
    "\u0432\u0441\u0435\u0433\u043e|\u5408\u8a08|\u5408\u8ba1|\u03c3|\u2211|"
    "mean|average|avg|mittelwert|durchschnitt|median|std|std dev|standard deviation|count|min|max"
)
# what stands beside them in a summary, and alone may be a category
_BESIDE_TOTALS = frozenset(
    ["n", "sd", "se", "sem", "25%", "50%", "75%", "q1", "q3", "iqr", "range", "minimum", "maximum"]
)
NO_CLASS, TOTALS = frozenset(_NO_CLASS.split("|")), frozenset(_TOTALS.split("|"))
# a label in quotes of any kind, which a file that was quoted twice has here and there
_QUOTED = re.compile(
    "['\"`\u00b4\u2018\u201a\u201c\u201e\u00ab](.+)['\"`\u00b4\u2019\u2018\u201d\u201c\u00bb]"
)
FOOTER_ROWS = 10
# share of the cells from which on a word for missing values makes up a class
LEAST_CLASS = 0.1
SHOWN = 4


@dataclass
class _Remarks:
    """What was done and to which columns, so that columns that were treated alike share a line."""

    columns: dict[str, list[str]] = field(default_factory=dict)
    examples: dict[str, str] = field(default_factory=dict)

    def add(self, text: str, column: str, example: str = "") -> None:
        self.columns.setdefault(text, []).append(column)
        self.examples.setdefault(text, f", such as {example!r}," if example else "")

    def lines(self) -> list[str]:
        return [
            f"{_named(columns)}: "
            + text.replace("{example}", self.examples[text]).replace(",;", ";")
            for text, columns in self.columns.items()
        ]


def _named(columns: Sequence[str]) -> str:
    if len(columns) <= 2 * SHOWN:
        return joined(list(columns))
    return f"{', '.join(columns[:SHOWN])} and {len(columns) - SHOWN} more columns"


def is_text(column: pd.Series) -> bool:
    """Whether the cells of a column are text (or mixed, as in a spreadsheet)."""
    return column.dtype == object or str(column.dtype) in ("str", "string")


def stripped(frame: pd.DataFrame) -> pd.DataFrame:
    """Strip the blanks around cells of text; what is then empty is missing.

    Parameters
    ----------
    frame : DataFrame

    Returns
    -------
    DataFrame
        A new one.
    """
    columns = {}
    for name in frame.columns:
        column = frame[name]
        if is_text(column) and column.notna().any():
            cells = column.map(str, na_action="ignore") if column.dtype == object else column
            cells = cells.str.strip()
            column = cells.mask(cells == "")
        elif not isinstance(column.dtype, np.dtype) and pd.api.types.is_numeric_dtype(column):
            # of pandas' types with their own missing value, those of numpy
            column = pd.Series(column.to_numpy(float, na_value=np.nan), index=frame.index)
        columns[name] = column
    return pd.DataFrame(columns, index=frame.index)


def without_words(frame: pd.DataFrame, words: Sequence[str]) -> tuple[pd.DataFrame, list[str]]:
    """Take words of the user for missing, in every column.

    Parameters
    ----------
    frame : DataFrame
        Stripped cells.
    words : sequence of str
        A word that is a number, such as "-999", stands for this number however it is written.

    Returns
    -------
    frame : DataFrame
    notes : list of str
        How many cells each word had; a word that is nowhere is said too.
    """
    counts = dict.fromkeys(words, 0)
    columns = {name: frame[name] for name in frame.columns}
    for word in words:
        number = pd.to_numeric(word, errors="coerce")
        for name, column in columns.items():
            if is_text(column):
                there = column == word
                if not np.isnan(number):
                    there |= pd.to_numeric(column, errors="coerce") == number
            elif column.dtype.kind in "iuf" and not np.isnan(number):
                there = column == number
            else:
                continue
            there = there.fillna(False).astype(bool)
            if there.any():
                counts[word] += int(there.sum())
                columns[name] = column.mask(there)
    notes = [
        f"{word!r} was taken for missing in {counted(count, 'cell')}."
        if count
        else f"{word!r}, which --missing names, stands in no cell."
        for word, count in counts.items()
    ]
    return pd.DataFrame(columns, index=frame.index), notes


def without_footer(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Leave out totals and footnotes in the last rows.

    Parameters
    ----------
    frame : DataFrame
        Stripped cells.

    Returns
    -------
    frame : DataFrame
    notes : list of str
    """
    last, text = len(frame), [name for name in frame.columns if is_text(frame[name])]
    words = _footer_words(frame, text)
    shown = []
    for row in range(len(frame) - 1, max(0, len(frame) - FOOTER_ROWS), -1):
        cells = frame.iloc[row].dropna()
        said = _total(frame, row, text, words)
        if said is None and len(cells) == 1 and frame.shape[1] > 3 and cells.index[0] in text:
            said = str(cells.iloc[0])
        if said is None and len(cells) > 0:
            break
        last = row
        if said is not None:
            shown.append(said)
    if not shown:
        return frame, []
    n_gone = len(frame) - last
    rows = (
        "The last row is a total or a footnote and was"
        if n_gone == 1
        else (f"The last {n_gone} rows are totals or footnotes and were")
    )
    return frame.iloc[:last].copy(), [f"{rows} left out ({shown[-1][:40]!r})."]


def _footer_words(frame: pd.DataFrame, text: Sequence[str]) -> frozenset[str]:
    """Words that make a row a total: those of a summary only where one of its others is there as well."""
    ends = frame[list(text)].tail(FOOTER_ROWS).to_numpy(dtype=object).ravel()
    found = {cell.rstrip(":").casefold() for cell in ends if isinstance(cell, str)}
    return TOTALS | _BESIDE_TOTALS if found & TOTALS else TOTALS


def _total(frame: pd.DataFrame, row: int, text: Sequence[str], words: frozenset[str]) -> str | None:
    """The word in a row that makes it a total; a category of this name would return above."""
    for name in text:
        cell = frame[name].iloc[row]
        if isinstance(cell, str) and cell.rstrip(":").casefold() in words:
            above = frame[name].iloc[: max(0, len(frame) - FOOTER_ROWS)]
            if not (above == cell).any():
                return cell
    return None


def file_decimal(frame: pd.DataFrame, semicolons: bool) -> str | None:
    """The decimal mark of a file, from those columns that show it.

    Parameters
    ----------
    frame : DataFrame
        Stripped cells.
    semicolons : bool
        Whether semicolons separate the columns, as where commas are decimal marks.

    Returns
    -------
    {",", "."} or None
        None where no column tells.
    """
    commas, points, both = 0, 0, 0
    for name in frame.columns:
        if not is_text(frame[name]) or not frame[name].str.contains("[.,]", regex=True).any():
            continue
        votes = decimal_votes(frame[name].dropna().head(2000))
        commas += votes[","] > votes["."]
        points += votes["."] > votes[","]
        both += votes["?"] > 0 and frame[name].str.contains(",", regex=False).any()
    if commas != points:
        return "," if commas > points else "."
    return "," if semicolons and both else None


def may_be_grouped(column: pd.Series) -> bool:
    """Whether the points in a column of numbers may separate thousands: 1.234, 12.345."""
    if column.dtype.kind != "f":
        return False
    values = column.dropna()
    thousandths = values * 1000
    return bool(
        (values != values.round()).any()
        and (values.abs() < 1000).all()
        and np.allclose(thousandths, thousandths.round(), rtol=0, atol=1e-6)
    )


def clean_features(
    frame: pd.DataFrame, decimal: str | None = None
) -> tuple[pd.DataFrame, list[str]]:
    """Read columns of text as numbers where they clearly are, and tidy categories.

    Parameters
    ----------
    frame : DataFrame
        Stripped cells.
    decimal : {".", ","} or None, default=None
        The decimal mark where a column does not tell.

    Returns
    -------
    frame : DataFrame
        Infinite values and numbers too large to compute with are missing.
    notes : list of str
        One line for all columns that were treated alike.
    """
    remarks = _Remarks()
    columns = {}
    for name in frame.columns:
        column = frame[name]
        if is_text(column):
            column = _typed(column, str(name), decimal, remarks)
        if column.dtype.kind == "f":
            column = _bounded(column, str(name), remarks)
        columns[name] = column
    return pd.DataFrame(columns, index=frame.index), remarks.lines()


def _typed(column: pd.Series, name: str, decimal: str | None, remarks: _Remarks) -> pd.Series:
    column = column.mask(usual_missing(column))
    if column.isna().all():
        return column.astype(float)
    plain = _plain(column, decimal)
    if plain is not None:
        return plain
    if column.dropna().str.lower().isin(["true", "false"]).all() and column.notna().all():
        return column.str.lower() == "true"
    if holds_codes(column) and pd.to_numeric(column, errors="coerce").notna().mean() > 0.5:
        remarks.add("taken for codes, not for numbers, because of leading zeros or '+'.", name)
        return column
    found = read_numbers(column, decimal)
    if found is None:
        return _categories(column, name, remarks)
    _remark(found, name, remarks)
    return pd.Series(found.values, index=column.index)


def _plain(column: pd.Series, decimal: str | None) -> pd.Series | None:
    """Numbers as Python writes them; None for all others."""
    try:
        numbers = pd.to_numeric(column, errors="raise")
    except (ValueError, TypeError):
        return None
    if numbers.dtype.kind not in "iuf" or holds_codes(column):
        return None
    # where the file has decimal commas, 1.234 may be 1234
    grouped = r"[+-]?\d{1,3}(\.\d{3})*"
    if (
        decimal == ","
        and column.str.contains(".", regex=False).any()
        and column.dropna().str.fullmatch(grouped).all()
    ):
        return None
    return numbers


def _remark(found: NumberColumn, name: str, remarks: _Remarks) -> None:
    if not (found.notations or found.words):
        return
    share = f"{found.n_numbers:,} of {found.n_present:,} values" if found.words else "all values"
    how = f" with {joined(found.notations)}{{example}}" if found.notations else ""
    text = f"{share} are numbers{how}".rstrip(",")
    text += f"; {_taken(found.words)}." if found.words else " and were read as such."
    remarks.add(text, name, found.example)


def _taken(words: Sequence[str]) -> str:
    shown = [repr(word[:30]) for word in words[:SHOWN]]
    more = f" and {len(words) - SHOWN} more" if len(words) > SHOWN else ""
    listed = ", ".join(shown) + more if more else joined(shown)
    return f"{listed} {'was' if len(words) == 1 else 'were'} taken for missing"


def _bounded(column: pd.Series, name: str, remarks: _Remarks) -> pd.Series:
    """Take what is infinite or too large to compute with for missing."""
    infinite, large = np.isinf(column), (column.abs() > LARGEST) & ~np.isinf(column)
    if not (infinite.any() or large.any()):
        return column
    parts = []
    if infinite.any():
        parts.append(counted(int(infinite.sum()), "infinite value"))
    if large.any():
        parts.append(
            f"{counted(int(large.sum()), 'value')} too large to compute with (such as "
            f"{column[large].iloc[0]:g})"
        )
    one = int(infinite.sum() + large.sum()) == 1
    remarks.add(f"{joined(parts)} {'was' if one else 'were'} taken for missing.", name)
    return column.mask(infinite | large)


def _categories(column: pd.Series, name: str, remarks: _Remarks) -> pd.Series:
    """Give spellings of one category the most frequent one.

    A word is a category of its own, but among dates it is a missing date.
    """
    words = column.dropna()[lambda cells: cells.str.casefold().isin(MISSING_WORDS)]
    if len(words) and looks_like_dates(column.drop(words.index).dropna()):
        n_present = int(column.notna().sum())
        remarks.add(
            f"{n_present - len(words):,} of {n_present:,} values are dates or times; "
            f"{_taken(list(words.value_counts().index))}.",
            name,
        )
        return column.mask(column.index.isin(words.index))
    if column.nunique() > 3 * CATEGORY_LIMIT:
        return column
    merged, spellings = one_spelling(column)
    if spellings and merged.nunique() <= CATEGORY_LIMIT:
        remarks.add(f"{_read_as(spellings)}.", name)
        return merged
    return column


def folded(label: Any) -> str:
    """What spellings of a label have in common that differ in case, blanks, quotes or stored accents."""
    text = unicodedata.normalize("NFC", tidy(str(label)))
    quoted = _QUOTED.fullmatch(text)
    return " ".join((quoted[1] if quoted else text).casefold().split())


def one_spelling(column: pd.Series) -> tuple[pd.Series, dict[str, str]]:
    """Write labels alike that are spellings of one, as `folded` tells.

    Parameters
    ----------
    column : Series of str
        Stripped cells.

    Returns
    -------
    column : Series of str
    spellings : dict of str to str
        What was rewritten, and the most frequent spelling that took its place. Single letters
        stay what they are where there are more than three, since they may be letters.
    """
    counts = column.value_counts()
    common: dict[str, str] = {}
    for label in counts.index:
        common.setdefault(folded(label), str(label))
    if len(common) > 3 and all(len(label) == 1 for label in common):
        return column, {}
    spellings = {}
    for label in counts.index:
        usual = common[folded(label)]
        if usual != str(label):
            spellings[str(label)] = usual
    return (column.replace(spellings) if spellings else column), spellings


def _read_as(spellings: dict[str, str]) -> str:
    usual: dict[str, list[str]] = {}
    for label, common in spellings.items():
        usual.setdefault(common, []).append(repr(label))
    parts = [
        f"{joined(labels)} {'was' if len(labels) == 1 else 'were'} read as {common!r}"
        for common, labels in usual.items()
    ]
    more = f", and {len(parts) - SHOWN} more labels likewise" if len(parts) > SHOWN else ""
    return ", ".join(parts[:SHOWN]) + more


def clean_target(
    column: pd.Series, name: str, task: str, decimal: str | None = None
) -> tuple[pd.Series, list[str]]:
    """Make the target numbers or labels; what is neither is missing.

    Parameters
    ----------
    column : Series
        Stripped cells.
    name : str
        For the notes.
    task : {"auto", "classification", "regression"}
        As the user gave it.
    decimal : {".", ","} or None, default=None
        The decimal mark where the column does not tell.

    Returns
    -------
    column : Series
    notes : list of str
    """
    remarks = _Remarks()
    if is_text(column):
        typed = _typed_target(column, name, task, decimal, remarks)
        word = _class_of_its_own(column, typed)
        if word is not None:
            remarks = _Remarks()
            typed = _typed_target(column, name, task, decimal, remarks, kept=word)
            remarks.add(
                f"{word!r} was taken for a class: one class alone would be left without it.", name
            )
        column = typed
    if column.dtype.kind == "f":
        column = _bounded(column, name, remarks)
    return column, remarks.lines()


def _class_of_its_own(column: pd.Series, typed: pd.Series) -> str | None:
    """A word that usually stands for a missing value, where it makes up one of two classes.

    As "-" does beside "+". A rare word is a missing value also there.
    """
    words = column[typed.isna()].dropna()
    if typed.nunique() != 1 or typed.dtype.kind == "f" or words.empty:
        return None
    counts = words.value_counts()
    return str(counts.index[0]) if counts.iloc[0] >= LEAST_CLASS * column.notna().sum() else None


def _typed_target(
    column: pd.Series,
    name: str,
    task: str,
    decimal: str | None,
    remarks: _Remarks,
    kept: str = "None",
) -> pd.Series:
    """Numbers, truth values or labels; ``kept`` is a label, whatever it usually stands for."""
    cells = column.mask(usual_missing(column) & ~column.isin(["None", kept]))
    plain = None if cells.isna().all() else _plain(cells, decimal)
    if plain is not None:
        return plain
    found = None if cells.isna().all() else read_numbers(cells, decimal)
    if found is not None:
        distinct = len(np.unique(found.values[~np.isnan(found.values)]))
        # "10%" and "20%" are as good as classes, and better known by their names
        if not found.notations or distinct > MAX_CLASSES_OF_NUMBERS or task == "regression":
            _remark(found, name, remarks)
            return pd.Series(found.values, index=cells.index)
    if cells.dropna().str.lower().isin(["true", "false"]).all():
        return column.str.lower().map({"true": True, "false": False}).mask(cells.isna())
    cells, spellings = one_spelling(cells)
    if spellings:
        remarks.add(f"{_read_as(spellings)}.", name)
    words = cells[cells.str.casefold().isin(NO_CLASS) & (cells != kept)]
    if len(words):
        remarks.add(f"{_taken(list(words.value_counts().index))}.", name)
        cells = cells.mask(cells.index.isin(words.index))
    return cells
