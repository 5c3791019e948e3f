"""`skreg predict`: what a model says of new rows."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from skreg.cli.errors import UsageError, one_line, user_errors
from skreg.cli.files import check_outputs, not_written
from skreg.cli.options import add_file_options, words
from skreg.cli.terminal import print_lines

__all__ = ["add_parser", "run"]


def add_parser(commands: Any) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "predict",
        help="predict new rows by a model that fit has written",
        description="Read new rows by the columns of a model, and write a line for each of them: the "
        "prediction, and for classes the probability of each.",
    )
    parser.set_defaults(run=run)
    parser.add_argument("model", type=Path, help="file that `skreg fit` has written")
    parser.add_argument(
        "table", type=Path, help="CSV, Parquet or Excel file, or - for standard input"
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="predictions.csv",
        help="file to write (default: standard output)",
    )
    parser.add_argument(
        "--id",
        metavar="COLUMN[,COLUMN]",
        help="columns of the table to repeat beside the predictions",
        action="append",
        default=[],
    )
    parser.add_argument(
        "--missing",
        metavar="WORD[,WORD]",
        help="what stands for a missing value, besides what did in training",
        action="append",
        default=[],
    )
    add_file_options(parser)
    parser.add_argument("--quiet", action="store_true", help="print no notes")


def run(arguments: argparse.Namespace) -> int:
    """Load, read, predict, write."""
    from skreg.comparison.columns import left_out
    from skreg.comparison.reading import TableError

    check_outputs({"output": arguments.output}, arguments.table, arguments.model)
    model = _model(arguments.model)
    try:
        rows = model.read(
            arguments.table,
            missing=words(arguments.missing),
            decimal=arguments.decimal,
            encoding=arguments.encoding,
        )
    except TableError as error:
        raise UsageError(one_line(error)) from error
    names = _with_ids(rows.frame, list(dict.fromkeys(words(arguments.id))))
    with user_errors():
        table = model.predict(rows.X)
    unknown = [name for name in rows.unknown if name not in names]
    if unknown:
        them = "them" if unknown[1:] else "it"
        rows.notes.append(left_out(unknown, f"the model does not know {them}"))
    table = _rounded(table)
    table.insert(0, "row", range(1, len(table) + 1))
    for place, name in enumerate(names, start=1):
        title = name
        while title in table:
            title = f"{title} (of the table)"
        table.insert(place, title, rows.frame[name].to_numpy())
    return _write(table, rows.notes, arguments)


def _model(path: Path) -> Any:
    from skreg.fitting import ModelFileError, load_model

    try:
        return load_model(path)
    except (ModelFileError, ImportError) as error:
        raise UsageError(one_line(error)) from error


def _with_ids(frame: Any, names: list[str]) -> list[str]:
    from skreg.comparison.tables import TableError, column_named

    try:
        return [column_named(frame, name, "ids") for name in names]
    except TableError as error:
        raise UsageError(one_line(error)) from error


def _rounded(table: Any) -> Any:
    """Nets predict in single precision: further digits mean nothing."""
    table = table.copy()
    for name in table.columns:
        if name != "prediction":
            table[name] = table[name].round(6)
        elif table[name].dtype.kind == "f":
            table[name] = [float(f"{value:.7g}") for value in table[name]]
    return table


def _write(table: Any, notes: list[str], arguments: argparse.Namespace) -> int:
    if not arguments.quiet:
        for note in notes:
            print(f"skreg: {note}", file=sys.stderr)
    if arguments.output is None:
        text = table.to_csv(index=False, lineterminator="\n")
        return print_lines(lambda: print(text, end=""), [])
    try:
        table.to_csv(arguments.output, index=False)
    except OSError as error:
        raise UsageError(not_written(arguments.output, error)) from error
    if arguments.quiet:
        return 0
    return print_lines(lambda: None, [f"Predictions: {arguments.output} ({len(table):,} rows)"])
