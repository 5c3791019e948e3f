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

    def __call__(self, progress):
        """Called by the engine after each epoch.

        Parameters
        ----------
        progress : skreg.train.progress.Progress
        """
        now = time.monotonic()
        if now < self._next and progress.training:
            return
        self._next = now + 0.5
        text = (
            f"\rskreg: epoch {progress.epoch}/{progress.max_iter}, {progress.training} nets in training, "
            f"{progress.done} done, at most {progress.seconds_left:.0f} s left "
        )
        with contextlib.suppress(OSError, ValueError):  # a closed stream is no reason to fail
            self.stream.write(text if progress.training else text + "\n")
            self.stream.flush()
