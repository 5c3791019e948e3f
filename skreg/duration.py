"""Times as a reader wants to see them."""

from __future__ import annotations

__all__ = ["minutes"]


def minutes(seconds: float) -> str:
    """Write a time in seconds or minutes.

    Parameters
    ----------
    seconds : float

    Returns
    -------
    str

    Examples
    --------
    >>> from skreg.duration import minutes
    >>> minutes(4.2), minutes(59.9), minutes(60), minutes(200), minutes(7000)
    ('4 s', '1 min', '1 min', '3.3 min', '117 min')
    """
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    text = f"{seconds / 60:.1f}" if seconds < 600 else f"{seconds / 60:.0f}"
    return f"{text.removesuffix('.0')} min"
