"""The line that shows the progress of batched fits."""

from __future__ import annotations

import contextlib
import time

from skreg.duration import minutes


class ProgressLine:
    """Writes how many fits are done, at most twice a second.

    Parameters
    ----------
    stream : text file
    """

    def __init__(self, stream):
        self.stream = stream
        self._start, self._next = time.monotonic(), 0.0
        # of each stack: nets that are trained, and nets
        self._stacks = {}
        self._is_open = False

    def __call__(self, progress):
        """Called by the engine after each epoch.

        Parameters
        ----------
        progress : skreg.train.progress.Progress
        """
        now = time.monotonic()
        self._stacks[progress.stack] = progress.done, progress.members
        if now < self._next and progress.training:
            return
        self._next = now + 0.5
        done, total = map(sum, zip(*self._stacks.values(), strict=True))
        text = f"\rskreg: {done:,} of {total:,} fits, {minutes(now - self._start)} so far"
        if progress.training:
            text += f", at most {minutes(progress.seconds_left)} left"
        self._write(f"{text:<70}" if progress.training else f"{text:<70}\n")
        self._is_open = bool(progress.training)

    def close(self, n_fits):
        """All fits of a call are done: say how long they took."""
        start = "\n" if self._is_open else ""
        took = minutes(time.monotonic() - self._start)
        self._write(f"{start}skreg: {n_fits:,} {'fit' if n_fits == 1 else 'fits'} in {took}\n")

    def _write(self, text):
        with contextlib.suppress(OSError, ValueError):  # a closed stream is no reason to fail
            self.stream.write(text)
            self.stream.flush()
