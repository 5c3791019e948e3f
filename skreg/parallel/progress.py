"""The line that shows the progress of a round."""

from __future__ import annotations

import contextlib
import time


class ProgressLine:
    """Writes how far the round is, at most twice a second.

    Parameters
    ----------
    stream : text file
    """

    def __init__(self, stream):
        self.stream = stream
        self._next = 0.0

    def __call__(self, stack):
        """Called by the engine after each epoch."""
        now = time.monotonic()
        alive = sum(m.ended is None for m in stack.members)
        if now < self._next and alive:
            return
        self._next = now + 0.5
        most = max((m.job.spec.max_iter for m in stack.members), default=stack.epoch)
        left = (time.perf_counter() - stack.began) / stack.epoch * max(most - stack.epoch, 0)
        text = (
            f"\rskreg: epoch {stack.epoch}/{most}, {alive} nets in training, "
            f"{len(stack.results)} done, at most {left:.0f} s left "
        )
        with contextlib.suppress(OSError, ValueError):  # a closed stream is no reason to fail
            self.stream.write(text if alive else text + "\n")
            self.stream.flush()
