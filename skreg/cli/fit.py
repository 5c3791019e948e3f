"""`skreg fit`: the best model of a table, in a file."""

from __future__ import annotations

import argparse
import sys
import tempfile
from contextlib import redirect_stdout, suppress
from pathlib import Path
from typing import Any

from skreg.cli.errors import UsageError, check_scoring, user_errors
from skreg.cli.files import check_outputs, not_written, table_of
from skreg.cli.options import add_scoring_options, add_table_options, at_least, seconds, words
from skreg.cli.terminal import print_lines, show_fit

__all__ = ["add_parser", "run"]

TIME = 120.0
STOPPED = 130


def add_parser(commands: Any) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "fit",
        help="find the best model of a table, and write it to a file",
        description="Search over all knobs of a net at once, make an ensemble of the best settings, say how "
        "good it is, and write it to a file that `skreg predict` reads.",
    )
    parser.set_defaults(run=run)
    parser.add_argument(
        "table", type=Path, help="CSV, Parquet or Excel file, or - for standard input"
    )
    add_table_options(parser, rows=None)
    parser.add_argument(
        "--output", type=Path, metavar="model.skops", required=True, help="file of the model"
    )
    parser.add_argument("--report", type=Path, metavar="report.html", help="write a page")
    limit = parser.add_mutually_exclusive_group()
    limit.add_argument(
        "--time",
        type=seconds,
        metavar="SECONDS",
        help=f"of the search (default: {TIME:g}); what a page needs comes on top, up to a minute",
    )
    limit.add_argument(
        "--settings",
        type=at_least(1),
        metavar="N",
        help="settings to try in place of a time: the same seed then gives the same model",
    )
    add_scoring_options(parser, "neg_log_loss or r2")
    parser.add_argument(
        "--nested",
        type=at_least(2),
        metavar="K",
        help="measure the search on rows it has not seen, in K folds: takes K times as long again",
    )
    parser.add_argument("--seed", type=at_least(0), default=0, metavar="N")
    telling = parser.add_mutually_exclusive_group()
    telling.add_argument("--quiet", action="store_true", help="print nothing but errors")
    telling.add_argument(
        "--verbose", action="store_true", help="tell of progress, also where no terminal is"
    )


def run(arguments: argparse.Namespace) -> int:
    """Search, write, print."""
    check_outputs({"output": arguments.output, "report": arguments.report}, arguments.table)
    check_scoring(arguments.scoring)
    with user_errors():
        from skreg.fitting import fit_table
        from skreg.fitting.model import skops_io

        skops_io()  # before the work, not after it
    table = table_of(arguments)
    limited = arguments.time is not None or arguments.settings is None
    tells = not arguments.quiet and (arguments.verbose or sys.stderr.isatty())
    with user_errors(), redirect_stdout(sys.stderr):
        report = fit_table(
            table,
            max_time=(arguments.time or TIME) if limited else None,
            n_settings=arguments.settings,
            scoring=arguments.scoring,
            positive=arguments.positive,
            nested=arguments.nested,
            missing=words(arguments.missing),
            random_state=arguments.seed,
            look=arguments.report is not None,
            verbose=int(tells),
            say=print if tells else lambda text: None,
        )
    written, failed = _write(report, arguments)
    code = 0 if arguments.quiet else print_lines(lambda: show_fit(report), written)
    if failed:
        raise UsageError(" ".join(failed))
    if report.interrupted:
        print("skreg: stopped; the best so far was written.", file=sys.stderr)
        return STOPPED
    return code


def _write(report: Any, arguments: argparse.Namespace) -> tuple[list[str], list[str]]:
    """Write the files before anything is shown, so that no console can lose them."""
    from skreg.estimators.all_or_nothing import despite_interrupt
    from skreg.fitting.model import file_size

    written, failed = [], []
    try:
        path, _ = despite_interrupt(lambda: report.model.save(arguments.output))
        written.append(f"Model: {path} ({file_size(path)})")
    except OSError as error:
        failed.append(f"{not_written(arguments.output, error)}{_saved_elsewhere(report.model)}")
    if arguments.report is not None:
        from skreg.display.page import render_fit_page

        try:
            arguments.report.write_text(render_fit_page(report), encoding="utf-8")
            written.append(f"Page: {arguments.report}")
        except OSError as error:
            failed.append(not_written(arguments.report, error))
    return written, failed


def _saved_elsewhere(model: Any) -> str:
    """Save a model where there is room, rather than lose what took so long; the line on where it is."""
    with suppress(OSError):
        folder = tempfile.mkdtemp(prefix="skreg-")
        return f" The model is in {model.save(Path(folder) / 'model.skops')} instead."
    return ""
