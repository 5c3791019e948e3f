"""Files that commands read and write: complaints come before the work."""

from __future__ import annotations

import os
from itertools import combinations
from pathlib import Path
from typing import Any

from skreg.cli.errors import UsageError, one_line
from skreg.cli.options import words

__all__ = ["check_outputs", "not_written", "table_of"]


def check_outputs(
    outputs: dict[str, Path | None], table: Path | None, model: Path | None = None
) -> None:
    """Complain about files to write before the work, not after it.

    Parameters
    ----------
    outputs : dict of str to Path or None
        By the name of the option; None where nothing is to be written.
    table : Path or None
        The file that is read, which may not be written.
    model : Path or None, default=None
        Another such file.
    """
    given = {option: path for option, path in outputs.items() if path is not None}
    for path in given.values():
        folder = path.absolute().parent
        if path.is_dir() or not folder.is_dir():
            raise UsageError(
                f"{path} cannot be written: "
                + ("it is a folder." if path.is_dir() else f"there is no folder {path.parent}.")
            )
        if not os.access(path if path.exists() else folder, os.W_OK):
            raise UsageError(f"{path} cannot be written: no permission to write there.")
        for what, source in (("table", table), ("model", model)):
            if source is not None and _same(path, source):
                raise UsageError(f"{path} is the {what} itself. Give another name for the output.")
    for (one, path), (other, second) in combinations(given.items(), 2):
        if _same(path, second):
            raise UsageError(f"--{one} and --{other} both name {second}. Give two names.")
    for path in given.values():
        _try_to_write(path)


def _same(one: Path, other: Path) -> bool:
    """Whether two paths are one file, whatever links and dots are in them."""
    if one.exists() and other.exists():
        return one.samefile(other)
    return one.resolve() == other.resolve()


def _try_to_write(path: Path) -> None:
    """Find out whether a file can be made where permissions say so, as not on a full disk."""
    new = not path.exists()
    if not new and not path.is_file():  # a pipe waits for its reader
        return
    try:
        with path.open("ab"):
            pass
        if new:
            path.unlink()
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror or error}.") from error


def not_written(path: Path, error: OSError) -> str:
    """The line on a file that could not be written."""
    return f"{path} could not be written: {error.strerror or error}."


def table_of(arguments: Any) -> Any:
    """The table that a command line asks for, read and cleaned."""
    from skreg.comparison.tables import TableError, load_table

    try:
        return load_table(
            arguments.table,
            target=arguments.target,
            task=arguments.task,
            groups=arguments.groups,
            weights=arguments.weights,
            drop=arguments.drop,
            missing=words(arguments.missing),
            decimal=arguments.decimal,
            encoding=arguments.encoding,
            max_rows=arguments.rows,
            random_state=arguments.seed,
        )
    except TableError as error:
        raise UsageError(one_line(error)) from error
