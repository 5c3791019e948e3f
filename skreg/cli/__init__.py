"""The command `skreg`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from skreg.cli import compare, fit, predict
from skreg.cli.errors import UsageError, one_line
from skreg.cli.terminal import speak_any_console

__all__ = ["main"]

USAGE_ERROR = 2
STOPPED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    argv : sequence of str or None, default=None
        Arguments; None takes those of the process.

    Returns
    -------
    int
        Exit code: 0, 1 where nothing could be fitted or the result could not be printed,
        2 for an error of use or a file that could not be written, 130 where the user stopped it.
    """
    speak_any_console()
    arguments = _parser().parse_args(argv)
    try:
        return arguments.run(arguments)
    except UsageError as error:
        print(f"skreg: {error}", file=sys.stderr)
        return USAGE_ERROR
    except RuntimeError as error:
        print(f"skreg: {one_line(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("skreg: stopped.", file=sys.stderr)
        return STOPPED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="skreg",
        description="Regularized neural nets for tables: what pays on yours, and the best model of it.",
    )
    parser.add_argument("--version", action="version", version=_version())
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in (compare, fit, predict):
        command.add_parser(commands)
    return parser


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return f"skreg {version('skreg')}"
    except PackageNotFoundError:
        return "skreg (not installed)"
