"""Showing how far a comparison is: a bar in a notebook, lines elsewhere where they are asked for."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from html import escape
from typing import Any

from skreg.comparison.ticker import Progress
from skreg.duration import minutes

__all__ = ["LineProgress", "NotebookBar", "shown_progress"]

# seconds between two looks of the bar, and between two lines
BAR_PAUSE, LINE_PAUSE = 0.25, 10.0


@contextmanager
def shown_progress(progress: Progress | bool | None, verbose: int = 0) -> Iterator[Progress | None]:
    """Show the progress of the block as it is asked for.

    Parameters
    ----------
    progress : callable(done, total, what), bool or None
        None is a bar in a notebook; False is nothing; True is a bar, or lines where there is none.
    verbose : int, default=0
        1 or more prints lines.

    Yields
    ------
    callable(done, total, what) or None
    """
    if callable(progress):
        yield progress
        return
    display = None if progress is False or verbose else _notebook_display()
    if display is not None:
        bar = NotebookBar(display)
        try:
            yield bar
        finally:
            bar.close()
        return
    yield LineProgress() if verbose or progress is True else None


class _Stage:
    """The stage that is under way, and what it leaves to do by its own pace."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.start = self.began = clock()
        self.what = ""

    def text(self, done: int, total: int, what: str) -> str:
        now = self.clock()
        if what != self.what:
            self.what, self.began = what, now
        text = f"{what}: {done:,} of {total:,} fits, {minutes(now - self.start)} so far"
        if 0 < done < total and now - self.began > 1.0:
            left = (now - self.began) * (total - done) / done
            text += f", about {minutes(left)} left of this"
        return text


class LineProgress:
    """Prints a line at the begin and end of each stage, and every ten seconds between.

    Parameters
    ----------
    stream : text file or None, default=None
        None is standard error.
    clock : callable() -> float, default=time.monotonic
        Seconds.
    """

    def __init__(self, stream: Any = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.stream = sys.stderr if stream is None else stream
        self._stage, self._clock = _Stage(clock), clock
        self._next, self._what, self._whole = clock(), "", False

    def __call__(self, done: int, total: int, what: str) -> None:
        """Called after every fit."""
        now, goes_on = self._clock(), what == self._what
        if total == 0 or (goes_on and self._whole):
            return
        if goes_on and now < self._next and done < total:
            return
        self._next, self._what, self._whole = now + LINE_PAUSE, what, done >= total
        with suppress(OSError, ValueError):  # a closed stream is no reason to fail
            self.stream.write(f"skreg: {self._stage.text(done, total, what)}\n")
            self.stream.flush()


class NotebookBar:
    """A bar in the output of a notebook cell, by IPython's display alone: no widgets are needed.

    Parameters
    ----------
    display : callable(html) -> callable(html)
        Shows some HTML, and returns what shows other HTML in its place.
    clock : callable() -> float, default=time.monotonic
        Seconds.
    """

    def __init__(
        self,
        display: Callable[[str], Callable[[str], None]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stage, self._clock = _Stage(clock), clock
        self._next, self._what = 0.0, ""
        self._update = display("<p>skreg: reading the table</p>")

    def __call__(self, done: int, total: int, what: str) -> None:
        """Called after every fit."""
        now = self._clock()
        if now < self._next and what == self._what:
            return
        self._next, self._what = now + BAR_PAUSE, what
        text = escape(self._stage.text(done, total, what))
        self._update(
            f'<p><progress value="{done}" max="{max(total, 1)}" style="width: 20em"></progress> '
            f"skreg, {text}</p>"
        )

    def close(self) -> None:
        """Leave one line behind."""
        self._update(f"<p>skreg: compared in {minutes(self._clock() - self._stage.start)}</p>")


def _notebook_display() -> Callable[[str], Callable[[str], None]] | None:
    """What shows HTML in a notebook; None where there is none."""
    if "IPython" not in sys.modules:  # nobody has started it
        return None
    from IPython import get_ipython
    from IPython.display import HTML, display

    if getattr(get_ipython(), "kernel", None) is None:  # a terminal
        return None

    def show(html: str) -> Callable[[str], None]:
        handle = display(HTML(html), display_id=True)
        return lambda text: handle.update(HTML(text))

    return show
