"""The command `skreg`."""

from __future__ import annotations

import argparse
import json
import os
import sys
import warnings
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from skreg.cli.terminal import progress_bar, show, speak_any_console

__all__ = ["main"]

USAGE_ERROR = 2


class UsageError(Exception):
    """Something about the command line or the table; ends with one line and exit code 2."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    argv : sequence of str or None, default=None
        Arguments; None takes those of the process.

    Returns
    -------
    int
        Exit code: 0, 1 where no two candidates could be fitted or the result could not be printed,
        2 for an error of use or a file that could not be written, 130 where the user stopped it.
    """
    speak_any_console()
    arguments = _parser().parse_args(argv)
    try:
        return _compare(arguments)
    except UsageError as error:
        print(f"skreg: {error}", file=sys.stderr)
        return USAGE_ERROR
    except RuntimeError as error:
        print(f"skreg: {_one_line(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("skreg: stopped.", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="skreg", description="Regularized neural nets for tables: what pays on yours?"
    )
    parser.add_argument("--version", action="version", version=_version())
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    compare = commands.add_parser(
        "compare",
        help="say which regularizer pays on a table",
        description="Cross-validate a linear model, a plain net, the net with each regularizer and "
        "ensembles on a table, and say which pays, with what certainty.",
    )
    _add_table_options(compare)
    _add_measure_options(compare)
    return parser


def _add_table_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "table",
        nargs="?",
        type=Path,
        help="CSV, Parquet or Excel file, or - for standard input; none takes breast cancer",
    )
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
    parser.add_argument(
        "--rows",
        type=_row_limit,
        default=10_000,
        metavar="N|all",
        help="draw larger tables down to N rows (default: 10000)",
    )
    parser.add_argument("--output", type=Path, metavar="report.html", help="write a page")
    parser.add_argument("--json", type=Path, metavar="out.json", help="write all numbers")


def _add_measure_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--cv", type=_at_least(2), default=5, metavar="K", help="folds (default: 5)"
    )
    parser.add_argument(
        "--repeats", type=_at_least(1), default=1, metavar="N", help="draw the folds N times"
    )
    parser.add_argument("--seed", type=_at_least(0), default=0, metavar="N")
    parser.add_argument(
        "--scoring",
        metavar="NAME",
        help="scikit-learn's name of the metric (default: balanced_accuracy or r2)",
    )
    parser.add_argument(
        "--positive",
        metavar="LABEL",
        help="the positive class, for metrics of one class such as f1, precision, recall",
    )
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
        type=_seconds,
        metavar="SECONDS",
        help="try fewer strengths and splits to keep this limit",
    )


def _at_least(least: int) -> Any:
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
    return None if text == "all" else _at_least(10)(text)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return value


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return f"skreg {version('skreg')}"
    except PackageNotFoundError:
        return "skreg (not installed)"


def _compare(arguments: argparse.Namespace) -> int:
    _check_files(arguments)
    table = _table(arguments)
    _check_scoring(arguments.scoring)
    from skreg.comparison import compare

    candidates: Any = "default"
    if arguments.candidates is not None:
        candidates = [name.strip() for name in arguments.candidates.split(",") if name.strip()]
    with _user_errors(), progress_bar() as progress:
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
            random_state=arguments.seed,
            progress=progress,
            target_name=table.target_name,
        )
    result.notes_[:0] = table.notes
    result.method_ = {"Table": table.name, **result.method_}
    written, failed = _write(result, arguments)
    code = _print(result, written)
    if failed:
        raise UsageError(" ".join(failed))
    return code


def _write(result: Any, arguments: argparse.Namespace) -> tuple[list[str], list[str]]:
    """Write the files before anything is shown, so that no console can lose them."""
    written, failed = [], []
    if arguments.json is not None:
        text = json.dumps(result.to_dict(), indent=1, ensure_ascii=False) + "\n"
        try:
            arguments.json.write_text(text, encoding="utf-8")
            written.append(f"Numbers: {arguments.json}")
        except OSError as error:
            failed.append(_not_written(arguments.json, error))
    if arguments.output is not None:
        try:
            written.append(f"Page: {result.to_html(arguments.output)}")
        except OSError as error:
            failed.append(_not_written(arguments.output, error))
    return written, failed


def _print(result: Any, lines: list[str]) -> int:
    try:
        show(result)
        for line in lines:
            print(line)
        sys.stdout.flush()
        return 0
    except BrokenPipeError:
        code = 0  # whoever read the output has seen enough
    except OSError as error:
        print(f"skreg: the result could not be printed: {error.strerror}.", file=sys.stderr)
        code = 1
    # what is still buffered has nowhere to go; Python would try again as it ends
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code


def _not_written(path: Path, error: OSError) -> str:
    return f"{path} could not be written: {error.strerror or error}."


def _check_files(arguments: argparse.Namespace) -> None:
    """Complain about files to write before the work, not after it."""
    paths = [path for path in (arguments.output, arguments.json) if path is not None]
    for path in paths:
        folder = path.absolute().parent
        if path.is_dir() or not folder.is_dir():
            raise UsageError(
                f"{path} cannot be written: "
                + ("it is a folder." if path.is_dir() else f"there is no folder {path.parent}.")
            )
        if not os.access(path if path.exists() else folder, os.W_OK):
            raise UsageError(f"{path} cannot be written: no permission to write there.")
        if arguments.table is not None and path.absolute() == arguments.table.absolute():
            raise UsageError(f"{path} is the table itself. Give another name for the output.")
    if len({path.absolute() for path in paths}) < len(paths):
        raise UsageError(f"--output and --json both name {paths[0]}. Give two names.")
    if arguments.table is None:
        for option in ("target", "groups", "weights", "drop", "missing", "decimal", "encoding"):
            if getattr(arguments, option):
                raise UsageError(
                    f"--{option} goes with a table, and none was given: skreg compare table.csv."
                )


def _table(arguments: argparse.Namespace) -> Any:
    from skreg.comparison.tables import TableError, bundled_table, load_table

    if arguments.table is None:
        return bundled_table()
    try:
        return load_table(
            arguments.table,
            target=arguments.target,
            task=arguments.task,
            groups=arguments.groups,
            weights=arguments.weights,
            drop=arguments.drop,
            missing=_split(arguments.missing),
            decimal=arguments.decimal,
            encoding=arguments.encoding,
            max_rows=arguments.rows,
            random_state=arguments.seed,
        )
    except TableError as error:
        raise UsageError(_one_line(error)) from error


def _split(values: list[str]) -> list[str]:
    """Words of an option that takes several, separated by commas or given one by one."""
    return [word.strip() for value in values for word in value.split(",") if word.strip()]


def _check_scoring(name: str | None) -> None:
    from sklearn.metrics import get_scorer_names

    if name is not None and name not in get_scorer_names():
        from skreg.comparison.metrics import unknown_metric

        raise UsageError(f"--scoring {unknown_metric(name)}")


@contextmanager
def _user_errors() -> Any:
    """Turn what `compare` finds wrong with data or options into one line."""
    with warnings.catch_warnings():
        # the classes left out stand in the notes of the result
        warnings.filterwarnings("ignore", message=".*classes have fewer than")
        try:
            yield
        except (ValueError, TypeError) as error:
            raise UsageError(_one_line(error)) from error


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
