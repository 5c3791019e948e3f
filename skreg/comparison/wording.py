"""Numbers and lists as a reader wants to see them."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Sequence

__all__ = ["counted", "did_you_mean", "joined", "metric_words", "number", "p_text", "signed"]


def number(value: float, like: float | None = None) -> str:
    """Write a score or a loss with three decimals, fewer if it is large, more if it is tiny.

    Parameters
    ----------
    value : float
        The number to write.
    like : float or None, default=None
        A number of the same unit whose size decides the number of decimals, so that a tiny
        difference between ordinary scores does not get more decimals than they have.

    Returns
    -------
    str

    Examples
    --------
    >>> from skreg.comparison.wording import number
    >>> number(0.97123), number(1234.5), number(0.0000123), number(0.0000123, like=0.97)
    ('0.971', '1234', '0.0000123', '0.000')
    """
    if not math.isfinite(value):
        return "not known"
    text = f"{value:.{_decimals(value if like is None else like)}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def _decimals(size: float) -> int:
    size = abs(size)
    if size == 0 or not math.isfinite(size) or 0.01 <= size < 100:
        return 3
    return 1 if 100 <= size < 1000 else max(0, 2 - math.floor(math.log10(size)))


def signed(value: float, like: float | None = None) -> str:
    """Write a difference with its sign.

    Parameters
    ----------
    value : float
        The number to write.
    like : float or None, default=None
        As in `number`: a score of the same unit.

    Returns
    -------
    str

    Examples
    --------
    >>> from skreg.comparison.wording import signed
    >>> signed(0.0123, like=0.9), signed(-0.5), signed(-1e-6, like=0.9)
    ('+0.012', '-0.500', '+0.000')
    """
    text = number(value, like)
    return text if text.startswith("-") or not math.isfinite(value) else f"+{text}"


def p_text(p_value: float) -> str:
    """Write a p-value.

    Examples
    --------
    >>> from skreg.comparison.wording import p_text
    >>> p_text(0.00001), p_text(0.0234), p_text(0.4)
    ('p < 0.001', 'p = 0.023', 'p = 0.40')
    """
    if not math.isfinite(p_value):
        return "p not known"
    if p_value < 0.001:
        return "p < 0.001"
    return f"p = {p_value:.3f}" if p_value < 0.1 else f"p = {p_value:.2f}"


def metric_words(scoring: str) -> str:
    """Write the name of a metric as words.

    Examples
    --------
    >>> from skreg.comparison.wording import metric_words
    >>> metric_words("balanced_accuracy"), metric_words("r2"), metric_words("neg_log_loss")
    ('balanced accuracy', 'R2', 'negative log loss')
    """
    return "R2" if scoring == "r2" else scoring.replace("neg_", "negative ").replace("_", " ")


def counted(count: int, noun: str) -> str:
    """Write a count with its noun.

    Examples
    --------
    >>> from skreg.comparison.wording import counted
    >>> counted(1, "row"), counted(3, "row")
    ('1 row', '3 rows')
    """
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def joined(names: Sequence[str]) -> str:
    """Write a list.

    Examples
    --------
    >>> from skreg.comparison.wording import joined
    >>> joined(["a", "b", "c"])
    'a, b and c'
    """
    names = list(names)
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Ask whether the known name that is most like another one was meant.

    Returns
    -------
    str
        A question with a space behind it; empty where no name is alike.

    Examples
    --------
    >>> from skreg.comparison.wording import did_you_mean
    >>> did_you_mean("Price", ["price", "area"]), did_you_mean("colour", ["price", "area"])
    ("Did you mean 'price'? ", '')
    """
    by_lower = {other.lower(): other for other in known}
    alike = difflib.get_close_matches(name.lower(), list(by_lower), n=1)
    return f"Did you mean {by_lower[alike[0]]!r}? " if alike else ""
