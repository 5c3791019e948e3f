"""Options that commands share, and how their values are read."""

from __future__ import annotations

import argparse
from typing import Any

__all__ = [
    "add_file_options",
    "add_scoring_options",
    "add_table_options",
    "at_least",
    "seconds",
    "words",
]


def add_table_options(parser: argparse.ArgumentParser, *, rows: int | None) -> None:
    """What says how the table of a command is read.

    Parameters
    ----------
    parser : ArgumentParser
    rows : int or None
        Rows that larger tables are drawn down to by default; None takes all.
    """
    parser.add_argument("--target", metavar="COLUMN", help="target column (default: the last)")
    parser.add_argument("--task", choices=("auto", "classification", "regression"), default="auto")
    parser.add_argument("--groups", metavar="COLUMN", help="rows of a group stay in one fold")
    parser.add_argument("--weights", metavar="COLUMN", help="weight of each row")
    parser.add_argument(
        "--drop",
        metavar="COLUMN[,COLUMN]",
        help="columns to leave out; may be given several times",
        action="append",
        default=[],
    )
    parser.add_argument(
        "--missing",
        metavar="WORD[,WORD]",
        help="what else stands for a missing value, such as --missing=-999,refused",
        action="append",
        default=[],
    )
    add_file_options(parser)
    parser.add_argument(
        "--rows",
        type=_row_limit,
        default=rows,
        metavar="N|all",
        help=f"draw larger tables down to N rows (default: {rows or 'all'})",
    )


def add_file_options(parser: argparse.ArgumentParser) -> None:
    """What the file of a table may not show by itself."""
    parser.add_argument(
        "--decimal",
        choices=(".", ","),
        help="decimal mark, where columns do not show it (default: found out)",
    )
    parser.add_argument(
        "--encoding",
        metavar="NAME",
        help="encoding of the file, such as cp1252 (default: found out)",
    )


def add_scoring_options(parser: argparse.ArgumentParser, default: str) -> None:
    """The metric, and the class that it looks at."""
    parser.add_argument(
        "--scoring",
        metavar="NAME",
        help=f"scikit-learn's name of the metric (default: {default})",
    )
    parser.add_argument(
        "--positive",
        metavar="LABEL",
        help="the positive class, for metrics of one class such as f1, precision, recall",
    )


def at_least(least: int) -> Any:
    """A reader of whole numbers that are not too small."""

    def whole(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if value < least:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least {least}")
        return value

    return whole


def _row_limit(text: str) -> int | None:
    return None if text == "all" else at_least(10)(text)


def seconds(text: str) -> float:
    """Seconds, more than none."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return value


def words(values: list[str]) -> list[str]:
    """Words of an option that takes several, separated by commas or given one by one."""
    return [word.strip() for value in values for word in value.split(",") if word.strip()]
