"""From the name of a file to its content, unpacked."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import sys
import zipfile
from pathlib import Path, PurePosixPath

__all__ = ["TableError", "bytes_of", "existing"]

# by the ending of a file: its first bytes, and what unpacks it
UNPACKED = {
    ".gz": (b"\x1f\x8b", gzip.decompress),
    ".bz2": (b"BZh", bz2.decompress),
    ".xz": (b"\xfd7zXZ", lzma.decompress),
}


class TableError(ValueError):
    """The table cannot be used; the message is one line that says what to do."""


def existing(path: Path) -> Path:
    """The path of a file that is there.

    Raises
    ------
    TableError
        For a folder, an address in a network, and where there is nothing.
    """
    if re.match(r"[a-z][a-z0-9]+:/", str(path)):
        raise TableError(f"{path} is an address, not a file. Download it first, and give the file.")
    if path.is_dir() or not path.exists():
        what = "is a folder, not a file" if path.is_dir() else "does not exist"
        raise TableError(f"{path} {what}. Give a CSV or Parquet file.")
    return path


def bytes_of(path: Path) -> bytes:
    """The content of a file, unpacked, or of standard input.

    Raises
    ------
    TableError
    """
    if str(path) == "-":
        if sys.stdin.isatty():
            raise TableError(
                "Nothing is piped into standard input: `cat table.csv | skreg COMMAND -`."
            )
        return sys.stdin.buffer.read()
    data = existing(path).read_bytes()
    ending = path.suffix.lower()
    start, unpack = UNPACKED.get(ending, (b"", None))
    if unpack is not None and data.startswith(start):  # a tool may have unpacked it on the way
        return unpack(data)
    return _of_zip(path, data) if ending == ".zip" else data


def _of_zip(path: Path, data: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        # what a Mac adds to its archives is no table
        files = [
            name
            for name in archive.namelist()
            if not name.endswith("/") and not PurePosixPath(name).name.startswith(".")
        ]
        if len(files) != 1:
            raise TableError(
                f"{path} holds {len(files)} files, and one table is read. Unpack it and give one "
                f"of them{': ' + ', '.join(files[:4]) if files else ''}."
            )
        return archive.read(files[0])
