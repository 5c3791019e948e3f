"""`skreg compare`: what to take for a table, and which regularizer pays on it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from skreg.cli.errors import UsageError, check_scoring, user_errors
from skreg.cli.files import check_outputs, not_written, table_of
from skreg.cli.options import add_scoring_options, add_table_options, at_least, seconds
from skreg.cli.terminal import print_lines, progress_bar, show

__all__ = ["add_parser", "run"]


def add_parser(commands: Any) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "compare",
        help="say what to take for a table, and which regularizer pays on it",
        description="Cross-validate linear models, the default net, its ensemble and gradient boosting on "
        "a table, and a plain net with each regularizer; recommend the simplest that nothing is better "
        "than with certainty, and say which regularizer pays.",
    )
    parser.set_defaults(run=run)
    parser.add_argument(
        "table",
        nargs="?",
        type=Path,
        help="CSV, Parquet or Excel file, or - for standard input; none takes breast cancer",
    )
    add_table_options(parser, rows=10_000)
    parser.add_argument("--output", type=Path, metavar="report.html", help="write a page")
    parser.add_argument("--json", type=Path, metavar="out.json", help="write all numbers")
    _add_measure_options(parser)


def _add_measure_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--cv", type=at_least(2), default=5, metavar="K", help="folds (default: 5)")
    parser.add_argument(
        "--repeats", type=at_least(1), default=1, metavar="N", help="draw the folds N times"
    )
    parser.add_argument("--seed", type=at_least(0), default=0, metavar="N")
    add_scoring_options(parser, "balanced_accuracy or r2")
    parser.add_argument(
        "--candidates",
        metavar="A,B,...",
        help='some of the default candidates, such as "linear L2,plain,dropout,L1"',
    )
    parser.add_argument(
        "--quick", action="store_true", help="two strengths for each knob, two inner folds"
    )
    parser.add_argument(
        "--time-limit",
        type=seconds,
        metavar="SECONDS",
        help="try fewer strengths and splits to keep this limit",
    )
    parser.add_argument(
        "--time",
        type=seconds,
        metavar="SECONDS",
        help="let the search compete, with so many seconds on each split (default: it does not)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Compare, write, print."""
    check_outputs({"output": arguments.output, "json": arguments.json}, arguments.table)
    _check_options_of_tables(arguments)
    table = _table(arguments)
    check_scoring(arguments.scoring)
    from skreg.comparison import compare

    candidates: Any = "default"
    if arguments.candidates is not None:
        candidates = [name.strip() for name in arguments.candidates.split(",") if name.strip()]
    with user_errors(), progress_bar() as progress:
        result = compare(
            table.X,
            table.y,
            candidates=candidates,
            task=table.task,
            cv=arguments.cv,
            repeats=arguments.repeats,
            scoring=arguments.scoring,
            positive=arguments.positive,
            groups=table.groups,
            sample_weight=table.weights,
            quick=arguments.quick,
            time_limit=arguments.time_limit,
            search_time=arguments.time,
            random_state=arguments.seed,
            progress=progress or False,
            target_name=table.target_name,
            table_name=table.name,
        )
    result.notes_[:0] = table.notes
    written, failed = _write(result, arguments)
    code = print_lines(lambda: show(result), written)
    if failed:
        raise UsageError(" ".join(failed))
    return code


def _check_options_of_tables(arguments: argparse.Namespace) -> None:
    if arguments.table is None:
        for option in ("target", "groups", "weights", "drop", "missing", "decimal", "encoding"):
            if getattr(arguments, option):
                raise UsageError(
                    f"--{option} goes with a table, and none was given: skreg compare table.csv."
                )


def _table(arguments: argparse.Namespace) -> Any:
    from skreg.comparison.tables import bundled_table

    return bundled_table() if arguments.table is None else table_of(arguments)


def _write(result: Any, arguments: argparse.Namespace) -> tuple[list[str], list[str]]:
    """Write the files before anything is shown, so that no console can lose them."""
    written, failed = [], []
    if arguments.json is not None:
        text = json.dumps(result.to_dict(), indent=1, ensure_ascii=False) + "\n"
        try:
            arguments.json.write_text(text, encoding="utf-8")
            written.append(f"Numbers: {arguments.json}")
        except OSError as error:
            failed.append(not_written(arguments.json, error))
    if arguments.output is not None:
        try:
            written.append(f"Page: {result.to_html(arguments.output)}")
        except OSError as error:
            failed.append(not_written(arguments.output, error))
    return written, failed
