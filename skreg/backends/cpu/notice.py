"""A line for a person who waits while something compiles."""

from __future__ import annotations

import contextlib
import sys
import threading

#: Seconds after which it is said.
DELAY = 2.0

#: Whether it was said in this process.
_said = False


@contextlib.contextmanager
def while_compiling():
    """Say on the standard error stream what is going on, once a process, if the block takes long."""
    timer = threading.Timer(DELAY, _say)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _say():
    global _said
    if not _said and sys.stderr is not None:
        _said = True
        print(
            "skreg compiles its kernels for this computer. This takes some seconds, once for each precision "
            "and each new kind of layer or loss; later processes load the result.",
            file=sys.stderr,
            flush=True,
        )
