"""Files as tools and people write them become one frame of text cells, or one clear line."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import sys
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from skreg.comparison.reading import TableError, read_table

ROWS = [("1.5", "red", "yes"), ("-2", "gr\u00fcn", "no"), ("0.25", "blue, light", "yes")] * 4
HEADER = ["gr\u00f6\u00dfe", "colour", "label"]


def text_of(rows=ROWS, header=HEADER, sep=","):
    frame = pd.DataFrame(rows, columns=header)
    return frame.to_csv(index=False, sep=sep)


def write(folder, data, name="t.csv"):
    path = folder / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def check(raw, header=HEADER, rows=ROWS):
    assert list(raw.frame.columns) == list(header)
    raw.frame = raw.as_text(list(raw.frame.columns))
    assert [tuple(row) for row in raw.frame.to_numpy().tolist()] == [tuple(row) for row in rows]


@pytest.mark.parametrize(
    ("encoding", "said"),
    [
        ("utf-8", None),
        ("utf-8-sig", None),
        ("utf-16", "utf-16"),
        ("utf-16-le", "utf-16-le"),
        ("utf-16-be", "utf-16-be"),
        ("utf-32", "utf-32"),
        ("cp1252", "cp1252"),
        ("latin-1", "cp1252"),
    ],
)
def test_encodings(tmp_path, encoding, said):
    raw = read_table(write(tmp_path, text_of().encode(encoding)))
    check(raw)
    assert [f"in the encoding {said}" in note for note in raw.notes] == ([] if not said else [True])


def test_a_given_encoding(tmp_path):
    raw = read_table(write(tmp_path, text_of().encode("cp850")), encoding="cp850")
    check(raw)
    assert raw.notes == []
    with pytest.raises(TableError, match=r"not written in the encoding utf-8\. Try another"):
        read_table(tmp_path / "t.csv", encoding="utf-8")
    with pytest.raises(TableError, match=r"encoding 'klingon' is not known\. Examples: utf-8"):
        read_table(tmp_path / "t.csv", encoding="klingon")


@pytest.mark.parametrize("sep", [",", ";", "\t", "|"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_separators_and_line_ends(tmp_path, sep, newline):
    raw = read_table(write(tmp_path, text_of(sep=sep).replace("\n", newline)))
    check(raw)
    assert raw.semicolons == (sep == ";")


def test_blanks_separate_where_nothing_else_does(tmp_path):
    raw = read_table(write(tmp_path, " a   b y\n" + " 1   2 x\n" * 12))
    check(raw, ["a", "b", "y"], [("1", "2", "x")] * 12)


def test_decimal_commas_are_no_separators(tmp_path):
    raw = read_table(write(tmp_path, "a;b;y\n" + "1,5;2,5;0,5\n" * 12))
    check(raw, ["a", "b", "y"], [("1,5", "2,5", "0,5")] * 12)


def test_excel_states_the_separator(tmp_path):
    check(read_table(write(tmp_path, "sep=;\r\n" + text_of(sep=";").replace("\n", "\r\n"))))
    check(read_table(write(tmp_path, '"sep=,"\n' + text_of())))


@pytest.mark.parametrize(
    ("above", "said"),
    [
        ("Report of May\n", "The line above the header was left out ('Report of May')."),
        ("Report of May,,\n\n", "The line above the header was left out ('Report of May')."),
        ("# one\n# two\n", "The 2 lines above the header were left out ('# one')."),
    ],
)
def test_titles_above_the_header(tmp_path, above, said):
    raw = read_table(write(tmp_path, above + text_of()))
    check(raw)
    assert raw.notes == [said]


@pytest.mark.parametrize(
    "above", ["Station,Berlin,,\nRows,12,,\n", "Station,Berlin,,\nunit,mm,,\n\n"]
)
def test_pairs_above_the_header_as_wide_as_the_table(tmp_path, above):
    """As spreadsheets save them."""
    table = "height,width,colour,kind\n" + "1.5,2.5,red,a\n0.5,3.5,blue,b\n" * 6
    raw = read_table(write(tmp_path, above + table))
    assert list(raw.frame) == ["height", "width", "colour", "kind"]
    assert raw.frame["height"].tolist() == [1.5, 0.5] * 6
    assert raw.notes == ["The 2 lines above the header were left out ('Station,Berlin')."]


@pytest.mark.parametrize("row", ["7,8,9,x", "x,y,z,z", "x,1,2,y"])
def test_a_header_with_few_names_is_no_pair(tmp_path, row):
    raw = read_table(write(tmp_path, "key,place,,\n" + f"{row}\n" * 12))
    assert list(raw.frame)[:2] == ["key", "place"]
    assert len(raw.frame) == 12


def test_row_names_and_separators_at_the_end_of_lines(tmp_path):
    lines = text_of().splitlines()
    named = [lines[0]] + [f"r{k},{line}" for k, line in enumerate(lines[1:])]
    raw = read_table(write(tmp_path, "\n".join(named)))
    assert raw.frame["Unnamed: 0"].tolist() == [f"r{k}" for k in range(12)]
    assert "the first was taken for row names" in raw.notes[0]
    check(_without_first(raw))
    ended = [lines[0]] + [f"{line}," for line in lines[1:]]
    raw = read_table(write(tmp_path, "\n".join(ended)))
    assert raw.frame.pop("Unnamed: 3").isna().all()
    check(raw)


def _without_first(raw):
    raw.frame = raw.frame.iloc[:, 1:]
    return raw


def test_names_without_values_are_empty_columns(tmp_path):
    raw = read_table(write(tmp_path, "a,b,c,d\n" + "1,2,3\n" * 12))
    assert list(raw.frame) == ["a", "b", "c", "d"]
    assert raw.frame["d"].isna().all()


@pytest.mark.parametrize(
    ("first", "is_header"),
    [
        ("5.1,3.5,red", False),
        ("1,1,red", False),
        ("a,b,colour", True),
        ("0,1,2", True),
        ("1990,1991,colour", True),
        ("5.1,width,red", True),
    ],
)
def test_a_first_line_of_values_is_a_row(tmp_path, first, is_header):
    rows = "4.9,3.0,red\n6.2,2.8,blue\n" * 6
    raw = read_table(write(tmp_path, f"{first}\n{rows}"))
    if is_header:
        assert list(raw.frame) == first.split(",")
        assert (len(raw.frame), raw.notes) == (12, [])
    else:
        assert list(raw.frame) == ["column 1", "column 2", "column 3"]
        cells = raw.as_text(["column 1", "column 2", "column 3"])
        assert cells.iloc[0].tolist() == first.split(",")
        assert "The first line" in raw.notes[0]
        assert len(raw.frame) == 13


def test_names_are_stripped_and_unique(tmp_path):
    raw = read_table(write(tmp_path, " a ,a,,b  c\n" + "1,2,3,x\n" * 12))
    assert list(raw.frame) == ["a", "a.1", "Unnamed: 2", "b c"]
    assert raw.repeated == ["a"]


@pytest.mark.parametrize("kind", ["gz", "bz2", "xz", "zip"])
def test_compressed_files(tmp_path, kind):
    data = text_of().encode()
    if kind == "zip":
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("inside.csv", data)
        data = buffer.getvalue()
    else:
        data = {"gz": gzip, "bz2": bz2, "xz": lzma}[kind].compress(data)
    check(read_table(write(tmp_path, data, f"t.csv.{kind}")))


def test_an_archive_of_two_tables(tmp_path):
    with zipfile.ZipFile(tmp_path / "t.zip", "w") as archive:
        archive.writestr("one.csv", "a")
        archive.writestr("two.csv", "b")
    with pytest.raises(TableError, match=r"holds 2 files.*: one\.csv, two\.csv"):
        read_table(tmp_path / "t.zip")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b"\n\n \n", "is empty"),
        (b"a,b,y\n", "has a header and no rows"),
        (bytes(range(256)) * 20, "is a binary file"),
        (b"\x89PNG\r\n\x1a\n" + b"\x00\x01" * 50, "is a picture, not a text file"),
        (b"PK\x03\x04" + b"\x00" * 50, "is a zip archive or an Excel workbook"),
        (b"<html><body>a,b</body></html>", "looks like HTML"),
        (b'{"a": [1, 2]}', "looks like JSON"),
        (
            b"a,b,y\n" + b"1,5,2,5,0,5\n" * 12,
            "first line has 3 names, and most lines have 6 values",
        ),
        (b"a,b\n" + b"1,2\n" * 5 + b"1,2,3\n", "line 7 has 3 values where there are 2 columns"),
    ],
)
def test_files_that_are_no_tables(tmp_path, data, message):
    with pytest.raises(TableError, match=message):
        read_table(write(tmp_path, data))


def test_standard_input(monkeypatch):
    class Piped(io.TextIOWrapper):
        def isatty(self):
            return False

    monkeypatch.setattr(sys, "stdin", Piped(io.BytesIO(text_of().encode())))
    raw = read_table(Path("-"))
    check(raw)
    assert raw.name == "standard input"


def test_nothing_piped_in(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stdin", Terminal())
    with pytest.raises(TableError, match="Nothing is piped into standard input"):
        read_table(Path("-"))


def test_a_spreadsheet(tmp_path):
    pytest.importorskip("openpyxl")
    frame = pd.DataFrame({"a": [1, 2.5, "n.a."] * 4, "n": range(12), "y": ["u", "v", "w"] * 4})
    with pd.ExcelWriter(tmp_path / "t.xlsx") as book:
        frame.to_excel(book, index=False, sheet_name="Data")
        frame.to_excel(book, index=False, sheet_name="Other")
    raw = read_table(tmp_path / "t.xlsx")
    assert raw.frame["a"].tolist() == ["1", "2.5", "n.a."] * 4
    assert raw.frame["n"].tolist() == list(range(12))
    assert raw.notes == ["The first of 2 sheets, 'Data', was read."]


def test_a_spreadsheet_that_no_package_reads(tmp_path, monkeypatch):
    def missing(*_, **__):
        raise ImportError("Import openpyxl failed")

    monkeypatch.setattr(pd, "ExcelFile", missing)
    with pytest.raises(TableError, match="`pip install openpyxl`, or save the sheet as CSV"):
        read_table(write(tmp_path, b"PK", "t.xlsx"))


def test_parquet_without_pyarrow(tmp_path, monkeypatch):
    def missing(*_):
        raise ImportError("no engine")

    monkeypatch.setattr(pd, "read_parquet", missing)
    with pytest.raises(TableError, match="`pip install pyarrow`, or save the table as CSV"):
        read_table(write(tmp_path, b"PAR1", "t.parquet"))


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    path = write(tmp_path, text_of())

    def refused(_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refused)
    with pytest.raises(TableError, match=r"t\.csv cannot be read: Permission denied\."):
        read_table(path)


def test_plain_numbers_are_numbers_and_all_else_is_text(tmp_path):
    rows = "1.10,007,NA,true,1e3\n-2,12,,false,x\n" * 6
    raw = read_table(write(tmp_path, f"a,b,c,d,y\n{rows}"))
    assert raw.frame["a"].tolist() == [1.1, -2.0] * 6
    assert raw.frame["b"].tolist() == ["007", "12"] * 6
    assert raw.frame["d"].tolist() == [True, False] * 6
    assert raw.frame["y"].tolist() == ["1e3", "x"] * 6
    assert raw.as_text(["a", "c"])["a"].tolist() == ["1.10", "-2"] * 6
    assert raw.as_text(["c"])["c"].tolist()[0] == "NA"


# -- what other tools leave behind ---------------------------------------------------------------------


def test_single_quotes_are_quotes_where_all_cells_have_them(tmp_path):
    cells = [[f"'{cell}'" for cell in row] for row in (HEADER, *ROWS)]
    for sep in (",", ";", "\t"):
        text = "\n".join(sep.join(row) for row in cells)
        check(read_table(write(tmp_path, text)))
    # one that is an apostrophe stays
    apostrophe = text_of().replace("red", "'red'")
    assert read_table(write(tmp_path, apostrophe)).frame["colour"][0] == "'red'"


@pytest.mark.parametrize("blank", ["\u00a0", "\u202f", "\u2009", "\u200b", "\u3000"])
def test_blanks_of_every_width_are_text(tmp_path, blank):
    text = "a,b\n" + "\n".join(f"{k}{blank}000,{blank}{blank}x" for k in range(30))
    assert read_table(write(tmp_path, text)).frame.shape == (30, 2)


@pytest.mark.parametrize(
    ("data", "name", "said"),
    [
        (gzip.compress(b"a,b\n1,2\n", mtime=0), "t.csv", "is a gzip archive, not a text file"),
        (b"\x28\xb5\x2f\xfd" + b"a" * 40, "t.csv.zst", "is a Zstandard archive, not a text"),
        (b"% made by\n@RELATION t\n@data\n1,2\n", "t.csv", "looks like ARFF, not like a table"),
        (b'a,b\n1,2\n3,"4\n5,6\n', "t.csv", "the quote that opens in line 3 is never closed"),
        (b"a,b\n1,2,3\n" + b"1,2\n" * 9, "t.csv", "line 2 has 3 values where there are 2 columns"),
        (b"a,b\n1,2\n", "t.xlsx", "it is no spreadsheet, whatever its name says"),
    ],
    ids=["gzip", "zstandard", "arff", "open quote", "too many values", "no spreadsheet"],
)
def test_what_is_no_table_is_called_by_its_name(tmp_path, data, name, said):
    """A line that was too long at the top lost its last value, with a warning of pandas."""
    with pytest.raises(TableError, match=said):
        read_table(write(tmp_path, data, name))


def test_an_address_is_no_file():
    with pytest.raises(TableError, match=r"is an address, not a file\. Download it"):
        read_table(Path("https://example.com/t.csv"))


def test_archives_as_computers_leave_them(tmp_path):
    """A Mac adds files of its own, and a browser unpacks without another name."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("folder/t.csv", text_of())
        archive.writestr("__MACOSX/folder/._t.csv", b"\x00\x05")
        archive.writestr("folder/.DS_Store", b"\x00")
    check(read_table(write(tmp_path, packed.getvalue(), "t.zip")))
    check(read_table(write(tmp_path, text_of(), "t.csv.gz")))


def test_a_cell_longer_than_the_csv_module_allows(tmp_path):
    cell = '"' + "x, " * 60_000 + '"'
    text = "a,b,c\n" + f"1,{cell},2\n" * 12
    raw = read_table(write(tmp_path, text))
    assert raw.frame.shape == (12, 3)
    assert raw.frame["c"].tolist() == [2] * 12


def test_lines_above_the_header_of_a_sheet(tmp_path):
    pytest.importorskip("openpyxl")
    rows = [["Sales of 2020", None, None], [None] * 3, HEADER, *ROWS, [None] * 3, *ROWS]
    pd.DataFrame(rows).to_excel(tmp_path / "t.xlsx", header=False, index=False)
    raw = read_table(tmp_path / "t.xlsx")
    assert raw.notes == ["The line above the header was left out ('Sales of 2020')."]
    assert raw.frame.to_numpy().tolist() == [list(row) for row in ROWS * 2]
    assert list(raw.frame) == HEADER


def test_pairs_above_the_header_of_a_sheet(tmp_path):
    pytest.importorskip("openpyxl", reason="openpyxl reads sheets")
    names, rows = ["a", "b", "c", "d"], [[1, 2, "x", "y"], [3, 4, "x", "z"]] * 3
    above = [["Station", "Berlin", None, None], ["Day", 2, None, None], [None] * 4]
    pd.DataFrame([*above, names, *rows]).to_excel(tmp_path / "t.xlsx", header=False, index=False)
    raw = read_table(tmp_path / "t.xlsx")
    assert raw.notes == ["The 2 lines above the header were left out ('Station Berlin')."]
    assert list(raw.frame) == names
    assert raw.frame["b"].tolist() == [2, 4] * 3


def test_names_that_come_twice_in_a_sheet(tmp_path):
    pytest.importorskip("openpyxl")
    rows = [["a", "a", None, 2020], *([1, 2, 3, 4] for _ in range(3))]
    pd.DataFrame(rows).to_excel(tmp_path / "t.xlsx", header=False, index=False)
    raw = read_table(tmp_path / "t.xlsx")
    assert (list(raw.frame), raw.repeated) == (["a", "a.1", "Unnamed: 2", "2020"], ["a"])


def test_an_index_with_a_name_is_a_column(tmp_path):
    pytest.importorskip("pyarrow")
    frame = pd.DataFrame({"a": [1, 2], "b": [3, 4]})
    frame.set_index("a").to_parquet(tmp_path / "t.parquet")
    pd.testing.assert_frame_equal(read_table(tmp_path / "t.parquet").frame, frame)
    frame.set_axis([7, 9]).to_parquet(tmp_path / "t.parquet")
    pd.testing.assert_frame_equal(read_table(tmp_path / "t.parquet").frame, frame)
