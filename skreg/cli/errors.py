"""What a user got wrong, in one line."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from typing import Any

__all__ = ["UsageError", "check_scoring", "one_line", "user_errors"]


class UsageError(Exception):
    """Something about the command line or the table; ends with one line and exit code 2."""


def one_line(error: BaseException) -> str:
    """The text of an error without its line breaks."""
    return " ".join(str(error).split())


@contextmanager
def user_errors() -> Any:
    """Turn what is found wrong with data or options into one line."""
    with warnings.catch_warnings():
        # the classes left out stand in the notes of the result
        warnings.filterwarnings("ignore", message=".*classes have fewer than")
        try:
            yield
        except (ValueError, TypeError, ImportError) as error:
            raise UsageError(one_line(error)) from error


def check_scoring(name: str | None) -> None:
    """Complain of a metric that there is not before the table is read as far as it goes."""
    from sklearn.metrics import get_scorer_names

    if name is not None and name not in get_scorer_names():
        from skreg.comparison.metrics import unknown_metric

        raise UsageError(f"--scoring {unknown_metric(name)}")
