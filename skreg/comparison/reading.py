"""From a file to a frame of text cells: encoding, separator, header, and what else stands in it."""

from __future__ import annotations

import codecs
import csv
import io
import re
import unicodedata
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd

from skreg.comparison.unpacking import TableError, bytes_of, existing

__all__ = ["RawTable", "TableError", "read_table"]

PARQUET = (".parquet", ".pq")
# what a reader of spreadsheets needs, by the ending of the file
SHEETS = {".xlsx": "openpyxl", ".xlsm": "openpyxl", ".xls": "xlrd", ".ods": "odfpy"}
# the first is taken where two would do
SEPARATORS = (";", "\t", "|", ",")
BOMS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
# first bytes of files that are no text
FORMATS = {
    b"PK\x03\x04": "a zip archive or an Excel workbook",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"PAR1": "a Parquet file",
    b"%PDF": "a PDF",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"SQLite": "a database",
    b"ARROW1": "a Feather file",
    b"\x1f\x8b": "a gzip archive",
    b"\x28\xb5\x2f\xfd": "a Zstandard archive",
}
# kinds of characters, of Unicode, that are not in texts: controls, and places without a character
_NO_TEXT = ("Cc", "Cn", "Co", "Cs")
SAMPLE_LINES, SAMPLE_CHARACTERS = 200, 500_000


@dataclass
class RawTable:
    """A file as it was read.

    Attributes
    ----------
    frame : DataFrame
        Columns of plain numbers (or of True and False) as such, all others as text, cell by cell.
        Names of columns are unique, stripped strings.
    name : str
        For headings.
    semicolons : bool
        Whether the columns are separated by semicolons, as where the comma is the decimal mark.
    repeated : list of str
        Names that several columns of the file have.
    notes : list of str
        What a reader must know of how it was read.
    as_text : callable(list of str) -> DataFrame, or None
        Reads columns of a text file once more, as text.
    """

    frame: pd.DataFrame
    name: str
    semicolons: bool = False
    repeated: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    as_text: Callable[[list[str]], pd.DataFrame] | None = None


@dataclass
class _Layout:
    """How the lines of a text are cut."""

    separator: str
    names: list[str]
    skip: int
    notes: list[str]
    headed: bool = True


def read_table(path: Path, *, encoding: str | None = None) -> RawTable:
    """Read a file of text, Parquet or a spreadsheet.

    Parameters
    ----------
    path : Path
        Its kind is told by the ending; "-" is standard input.
    encoding : str or None, default=None
        Of a text file. None finds out: UTF-8, UTF-16 and UTF-32 with their marks, else cp1252.

    Returns
    -------
    RawTable

    Raises
    ------
    TableError
        If it cannot be read as a table.
    """
    name = "standard input" if str(path) == "-" else str(path)
    ending = path.suffix.lower()
    try:
        if ending in PARQUET:
            raw = _typed(_read_parquet(existing(path)), path)
        elif ending in SHEETS:
            raw = _read_sheet(existing(path), SHEETS[ending])
        else:
            raw = _read_text(bytes_of(path), name, encoding)
    except TableError:
        raise
    except OSError as error:
        raise TableError(f"{name} cannot be read: {error.strerror or error}.") from error
    except Exception as error:
        raise TableError(f"{name} cannot be read as a table: {_reason(error)}") from error
    raw.name = "standard input" if str(path) == "-" else path.name
    return raw


def _reason(error: Exception, lines_above: int = 0) -> str:
    text = str(error).strip()
    ragged = re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", text)
    if ragged:
        expected, line, saw = ragged.groups()
        return (
            f"line {int(line) + lines_above} has {saw} values where there are {expected} columns. "
            "Put quotes around values that hold the separator, or correct the line."
        )
    unclosed = re.search(r"EOF inside string starting at row (\d+)", text)
    if unclosed:
        return (
            f"the quote that opens in line {int(unclosed[1]) + 1 + lines_above} is never closed. Close it, "
            "or write quotes inside of a cell twice."
        )
    if "Excel file format cannot be determined" in text:
        return "it is no spreadsheet, whatever its name says. Save it anew, or as CSV."
    return text.splitlines()[0] if text else type(error).__name__


def _typed(frame: pd.DataFrame, path: Path) -> RawTable:
    """A table whose cells have types; what is text among them is stripped."""
    if any(name is not None for name in frame.index.names):  # a column that pandas made the index
        frame = frame.reset_index()
    frame.columns, repeated = _unique_names([str(name) for name in frame.columns])
    return RawTable(frame.reset_index(drop=True), path.name, repeated=repeated)


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(path)
    except ImportError:
        raise TableError(
            f"{path} is a Parquet file, and pyarrow, which reads them, is not installed. Run "
            "`pip install pyarrow`, or save the table as CSV."
        ) from None


def _read_sheet(path: Path, package: str) -> RawTable:
    try:
        with pd.ExcelFile(path) as book:
            sheets = [str(sheet) for sheet in book.sheet_names]
            frame = pd.read_excel(book, sheet_name=sheets[0], dtype=object, header=None)
    except ImportError:
        raise TableError(
            f"{path} is a spreadsheet, and {package}, which reads them, is not installed. Run "
            f"`pip install {package}`, or save the sheet as CSV."
        ) from None
    frame = frame.dropna(how="all")
    head = frame.head(SAMPLE_LINES)
    rows = [["" if pd.isna(cell) else str(cell) for cell in row] for row in head.to_numpy(object)]
    first = _header_row(rows, frame.shape[1])
    frame, names = frame.iloc[first + 1 :], rows[first] if rows else []
    raw = _typed(frame.set_axis(names, axis=1), path)
    if first > 0:
        raw.notes.append(_lines_above(first, rows[0]))
    for name in raw.frame.columns:
        raw.frame[name] = _as_text(raw.frame[name])
    if len(sheets) > 1:
        raw.notes.append(f"The first of {len(sheets)} sheets, {sheets[0]!r}, was read.")
    return raw


def _as_text(column: pd.Series) -> pd.Series:
    """Cells of a spreadsheet have types of their own; numbers beside words become text again."""
    column = column.infer_objects()
    if column.dtype != object:
        return column

    def text(cell: object) -> object:
        if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
            return str(int(cell))
        return cell if pd.isna(cell) else str(cell)

    return column.map(text)


def _read_text(data: bytes, name: str, encoding: str | None) -> RawTable:
    if not data.strip():
        raise TableError(f"{name} is empty. Give a file with a header and rows.")
    text, notes = _decoded(data, name, encoding)
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    first = text.lstrip()[:1]
    if first in "<{[" and first:
        kind = "HTML or XML" if first == "<" else "JSON"
        raise TableError(f"{name} looks like {kind}, not like a table. Save it as CSV.")
    if re.match(r"(\s*%.*\n)*\s*@relation\b", text, re.IGNORECASE):
        raise TableError(f"{name} looks like ARFF, not like a table. Save it as CSV.")
    text = _double_quoted(text)
    layout = _layout(text)
    *above, body = text.split("\n", layout.skip)
    if len(above) < layout.skip:
        body = ""
    elif layout.headed and above:
        body = _without_headers(body, above[-1], layout.notes)
    if not body.strip():
        raise TableError(f"{name} has a header and no rows. Give a file with rows.")
    names, repeated = _unique_names(layout.names)

    def as_text(columns: list[str]) -> pd.DataFrame:
        return _parsed(
            body, names, layout, usecols=columns, dtype=str, keep_default_na=False, na_values=[""]
        )

    frame = _parsed(body, names, layout)
    kept = "iufb" if _no_codes(body, layout.separator) else "fb"
    words = [column for column in names if frame[column].dtype.kind not in kept]
    if words:
        frame[words] = as_text(words)[words]
    notes += layout.notes
    return RawTable(frame, name, layout.separator == ";", repeated, notes, as_text)


def _without_headers(body: str, header: str, notes: list[str]) -> str:
    """The rows without lines that are the header again."""
    if header not in body or not header.strip():
        return body
    lines = body.split("\n")
    kept = [line for line in lines if line.strip() != header.strip()]
    count = len(lines) - len(kept)
    if count:
        one = "A line that repeats the header was"
        them = one if count == 1 else f"{count} lines that repeat the header were"
        notes.append(f"{them} left out ({header.strip()[:40]!r}).")
    return "\n".join(kept)


def _double_quoted(text: str) -> str:
    """The text with double quotes, where all cells of its first lines stand in single ones."""
    lines = [
        line.strip() for line in text[:SAMPLE_CHARACTERS].split("\n")[:SAMPLE_LINES] if line.strip()
    ]
    if '"' in text or not all(
        re.fullmatch(r"'[^']*'([;,\t|] ?'[^']*')+", line) for line in lines[:-1]
    ):
        return text
    return (
        re.sub(r"(?m)(?<![^\n;,\t|])( ?)'([^'\n]*)'(?=[;,\t|]|$)", r'\1"\2"', text)
        if lines[1:]
        else text
    )


def _parsed(body: str, names: list[str], layout: _Layout, **options: Any) -> pd.DataFrame:
    try:
        with warnings.catch_warnings():  # of values beyond the last column, which would be lost
            warnings.simplefilter("error", pd.errors.ParserWarning)
            return _read_csv(body, names, layout, **options)
    except pd.errors.ParserWarning:
        row = next(
            i for i, (_, row) in enumerate(_rows(body, layout.separator)) if len(row) > len(names)
        )
        line, cells = _rows(body, layout.separator)[row]
        ragged = f"Expected {len(names)} fields in line {line}, saw {len(cells)}"
        raise TableError(
            f"The file cannot be read as a table: {_reason(ValueError(ragged), layout.skip)}"
        ) from None
    except pd.errors.ParserError as error:
        raise TableError(
            f"The file cannot be read as a table: {_reason(error, layout.skip)}"
        ) from error


def _read_csv(body: str, names: list[str], layout: _Layout, **options: Any) -> pd.DataFrame:
    return pd.read_csv(
        io.StringIO(body),
        sep=layout.separator,
        header=None,
        names=names,
        index_col=False,
        skipinitialspace=layout.separator != r"\s+",
        low_memory=False,
        **options,
    )


def _no_codes(body: str, separator: str) -> bool:
    """Whether no cell is a whole number with leading zeros or '+', which a number would lose."""
    before = " " if separator == r"\s+" else re.escape(separator)
    codes = (r"\n *\"?0\d\d", rf"{before} *\"?0\d\d", r"\+\d{7}")
    return all(re.search(code, body) is None for code in codes) and not re.match(r"0\d\d", body)


def _decoded(data: bytes, name: str, encoding: str | None) -> tuple[str, list[str]]:
    if encoding is not None:
        try:
            return data.decode(encoding).removeprefix("\ufeff"), []
        except LookupError:
            raise TableError(
                f"The encoding {encoding!r} is not known. Examples: utf-8, utf-16, cp1252, "
                "latin-1, cp1251, shift_jis."
            ) from None
        except UnicodeError:
            raise TableError(
                f"{name} is not written in the encoding {encoding}. Try another one, such as "
                "utf-8, utf-16, cp1252 or latin-1, or leave the option out."
            ) from None
    for start, what in FORMATS.items():
        if data.startswith(start):
            raise TableError(
                f"{name} is {what}, not a text file, whatever its name says. Save the table as CSV "
                "(or give the file the ending of its kind)."
            )
    found = _encoding(data)
    if found is None:
        raise TableError(f"{name} is a binary file, not a table of text. Save the table as CSV.")
    notes = []
    text = data.decode(found, "replace")
    if found == "utf-8" and "\ufffd" in text:
        notes.append(
            "The file is UTF-8 but for a few letters, which were replaced by \ufffd. If they matter, "
            "give the right encoding with --encoding."
        )
    elif found not in ("utf-8", "utf-8-sig"):
        other = "" if found.startswith("utf") else ", because it is not UTF-8"
        notes.append(
            f"The file was read in the encoding {found}{other}. If letters look wrong, give "
            "another with --encoding."
        )
    return text, notes


def _encoding(data: bytes) -> str | None:
    """The encoding of a text, or None for what is no text."""
    for mark, encoding in BOMS.items():
        if data.startswith(mark):
            return encoding
    head = data[:4096]
    if b"\x00" in head:
        # every other byte of Latin text in UTF-16 is zero
        for zeros, other, encoding in (
            (head[1::2], head[::2], "utf-16-le"),
            (head[::2], head[1::2], "utf-16-be"),
        ):
            if zeros.count(0) > 0.7 * len(zeros) and other.count(0) == 0:
                return encoding
        return None
    for encoding in ("utf-8", "cp1252", "latin-1"):
        # a letter or two that a tool has broken do not make a file of another encoding
        text = data.decode(encoding, "replace")
        broken = text.count("\ufffd")
        if broken and (encoding != "utf-8" or _beyond_ascii(text) < 5 * broken):
            continue
        # blanks that are wide, narrow or do not break are no signs of a binary file
        control = sum(unicodedata.category(c) in _NO_TEXT for c in text[:4096]) - sum(
            text[:4096].count(c) for c in "\t\n\r\f"
        )
        return encoding if control <= 0.02 * min(len(text), 4096) else None
    return None


def _beyond_ascii(text: str) -> int:
    return len(text) - len(text.encode("ascii", "ignore"))


def _layout(text: str) -> _Layout:
    stated = re.match(r'"?sep=(.)"?[ \t]*\n', text)
    start = stated.end() if stated else 0
    # whole lines only: the last of the sample may be cut
    sample = text[start : start + SAMPLE_CHARACTERS]
    separator = stated[1] if stated else _separator(sample)
    rows = _rows(sample, separator)
    width = _width(rows)
    first = _header_row([row for _, row in rows], width)
    line, header = rows[first]
    notes = []
    if first > 0:
        notes.append(_lines_above(first, [separator.join(rows[0][1]).strip(separator + " ")]))
    header = [cell.strip() for cell in header]
    # files that were put one behind the other have the header again
    body = [r for _, r in rows[first + 1 :] if len(r) == width and [c.strip() for c in r] != header]
    if len(header) == width - 1 and body and width > 2:
        if all(row[-1].strip() == "" for row in body):
            header = [*header, ""]
        else:
            header = ["", *header]
            notes.append(
                "The rows have one value more than the header: the first was taken for row names."
            )
    skip = line + (1 if stated else 0)
    headed = not _holds_values(header, body)
    if not headed:
        skip, shown = rows[first - 1][0] if first else 0, ", ".join(header[:3])
        header = [f"column {k + 1}" for k in range(len(header))]
        notes.append(
            f"The first line ({shown}, ...) holds values, not names: it was taken for a row, and "
            f"the columns were named column 1 to column {len(header)}."
        )
    return _Layout(separator, header, skip, notes, headed)


def _lines_above(count: int, cells: Sequence[str]) -> str:
    """What is said of lines above the header, of which these are the cells of the first."""
    lines, were = ("The line", "was") if count == 1 else (f"The {count} lines", "were")
    above = " ".join(cell for cell in cells if cell)[:40]
    return f"{lines} above the header {were} left out ({above!r})."


def _header_row(rows: Sequence[list[str]], width: int) -> int:
    """Which row is the header: the first one of full width that is not a title alone."""
    if width < 3 or not rows:
        return 0
    if len(rows[0]) == width - 1 and all(len(row) == width for row in rows[1:]):
        return 0
    for k, row in enumerate(rows):
        filled = _filled(row)
        if len(row) >= width and filled > 1:
            return _below_pairs(rows, k, width)
        if filled > 2 and not row[0].startswith("#"):
            raise TableError(
                f"The first line has {filled} names, and most lines have {width} values. If commas are "
                "decimal marks, put quotes around the numbers or semicolons between the columns."
            )
    return 0


def _below_pairs(rows: Sequence[list[str]], first: int, width: int) -> int:
    """Which row is the header where the first full one may be a pair, such as ("Station", "Berlin", "").

    A header below such lines names at least twice as many columns, those of numbers too.
    """
    pair = _filled(rows[first])
    header = next(
        (k for k, row in enumerate(rows) if k > first and _filled(row) >= 2 * pair), first
    )
    body = [row for row in rows[header + 1 :] if len(row) == width]
    if header == first or len(rows[header]) != width or not body:
        return first
    above_numbers = []
    for name, *cells in zip(rows[header], *body, strict=True):
        present = [cell for cell in cells if cell.strip()]
        if 2 * sum(_number(cell) is not None for cell in present) > len(present):
            above_numbers.append(name)
    named = bool(above_numbers) and all(name.strip() for name in above_numbers)
    return header if named and all(_number(name) is None for name in above_numbers) else first


def _filled(row: Sequence[str]) -> int:
    """How many cells hold something."""
    return sum(cell.strip() != "" for cell in row)


def _separator(sample: str) -> str:
    best, best_rank = ",", (0.0, 0)
    for separator in (*SEPARATORS, r"\s+"):
        rows = _rows(sample, separator)
        width = _width(rows)
        share = sum(len(row) == width for _, row in rows) / max(1, len(rows))
        rank = (share, width)
        # blanks separate columns only where nothing else does
        if width >= 2 and rank > best_rank and (separator != r"\s+" or best_rank == (0.0, 0)):
            best, best_rank = separator, rank
    return best


def _rows(sample: str, separator: str) -> list[tuple[int, list[str]]]:
    """The first rows that are not empty, each with the number of the line after it."""
    if separator == r"\s+":
        lines = sample.split("\n")[:SAMPLE_LINES]
        return [(k + 1, line.split()) for k, line in enumerate(lines) if line.strip()]
    reader = csv.reader(io.StringIO(sample), delimiter=separator, skipinitialspace=True)
    longest = csv.field_size_limit(max(len(sample), csv.field_size_limit()))
    try:
        rows = [(reader.line_num, row) for row in islice(reader, SAMPLE_LINES)]
    except csv.Error:
        rows = [
            (k + 1, t.split(separator)) for k, t in enumerate(sample.split("\n")[:SAMPLE_LINES])
        ]
    finally:
        csv.field_size_limit(longest)
    return [(line, row) for line, row in rows if row]


def _width(rows: Sequence[tuple[int, list[str]]]) -> int:
    """The number of columns that most rows have."""
    counts = Counter(len(row) for _, row in rows)
    return max(counts, key=lambda width: (counts[width], width)) if counts else 0


def _unique_names(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Names for all columns, each once, and those that several columns had."""
    unique: dict[str, None] = {}
    for k, name in enumerate(names):
        name = " ".join(name.split()) or f"Unnamed: {k}"
        candidate, n = name, 0
        while candidate in unique:
            n += 1
            candidate = f"{name}.{n}"
        unique[candidate] = None
    stripped = Counter(" ".join(name.split()) for name in names)
    return list(unique), [name for name, count in stripped.items() if count > 1 and name]


def _holds_values(names: Sequence[str], rows: Sequence[list[str]]) -> bool:
    """Whether what should be names are values: numbers above numbers, words that come again."""
    numbers = [_number(name) for name in names]
    known = [number for number in numbers if number is not None]
    whole = all(number == int(number) for number in known)
    if known and whole and len(set(known)) == len(known) and known == sorted(known):
        return False  # 0, 1, 2 or 1990, 1991 are names
    for k, (name, number) in enumerate(zip(names, numbers, strict=True)):
        cells = [row[k].strip() for row in rows]
        if number is None and (not name or name not in cells):
            return False
        if number is not None and 2 * sum(_number(cell) is not None for cell in cells) < len(cells):
            return False
    return bool(rows)


def _number(text: str) -> float | None:
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        return None
    return value if abs(value) < float("inf") else None
