"""The memory that a piece of work takes at its peak."""

from __future__ import annotations

import contextlib
import ctypes
import gc
from pathlib import Path

#: Linux's account of a process; writing 5 to the second sets the peak back to what is held now.
STATUS, CLEAR_REFS = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class PeakMemory:
    """`mb`: the peak of the resident memory inside a ``with`` block, above what was held before (1e6 bytes).

    None where the system has no such account. What was freed before is handed back to the system first,
    where the allocator can do that (that of glibc can); else what it kept is not counted. Memory of a
    GPU is not in it.

    >>> import numpy as np
    >>> from benchmarks.memory import PeakMemory
    >>> with PeakMemory() as peak:
    ...     ones = np.ones(10_000_000)
    >>> peak.mb is None or peak.mb > 70
    True
    """

    def __enter__(self):
        self.mb = self._before = None
        gc.collect()
        with contextlib.suppress(AttributeError, OSError, TypeError):
            ctypes.CDLL(None).malloc_trim(0)
        with contextlib.suppress(OSError, ValueError):
            CLEAR_REFS.write_text("5")
            self._before = _kilobytes("VmRSS")
        return self

    def __exit__(self, *error):
        if self._before is not None:
            self.mb = max(0, _kilobytes("VmHWM") - self._before) * 1024 / 1e6


def _kilobytes(name):
    """An entry of the process's account."""
    (line,) = (line for line in STATUS.read_text().splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1])
