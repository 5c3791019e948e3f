"""Whether prediction embeds columns by compiled code or by numpy.

Both give the same numbers but for rounding. Compiled code is several times faster, but has to be there:
importing numba takes most of a second, and so does compiling the kernel, once an installation. So numpy
goes first, and the kernel is taken as soon as it would have paid, whatever comes later.
"""

from __future__ import annotations

import sys
import warnings

import numpy as np

#: Periodic functions in one call from which on the kernel is faster than numpy, where it is there.
LEAST = 2048

#: Periodic functions that numpy computes in the time that it takes to load the kernel, where numba was
#: imported already (the kernels of training need it), and where it was not.
TO_LOAD, TO_IMPORT = 1 << 22, 1 << 27

_UNKNOWN = object()


class _Choice:
    """The kernel of this process, and how much was computed without it."""

    def __init__(self):
        self.kernel, self.done = _UNKNOWN, 0

    def of(self, waves):
        """The kernel for a call that computes so many periodic functions; None is numpy's way."""
        if waves < LEAST:
            return None
        if self.kernel is _UNKNOWN:
            # Threads may lose a count or load it twice, which does no harm.
            self.done += waves
            if self.done < (TO_LOAD if "numba" in sys.modules else TO_IMPORT):
                return None
            self.kernel = _load()
        return self.kernel


_choice = _Choice()


def kernel_for(waves):
    """The compiled embedding for a call that computes so many periodic functions, or None.

    Parameters
    ----------
    waves : int
        Rows times periodic functions of a row, of all nets.

    Returns
    -------
    callable or None
        See `skreg.backends.cpu.prediction.embedding_kernel`. None where it does not pay, cannot be used, or
        does not prove itself.
    """
    return _choice.of(waves)


def _load():
    """The kernel, if it can be had and gives what numpy gives."""
    try:
        import numba

        if numba.config.DISABLE_JIT:
            return None
        from skreg.backends.cpu.prediction import embedding_kernel

        kernel = embedding_kernel()
    except Exception:  # a numba that does not fit numpy or llvmlite may raise anything
        # Nothing is lost but time, and training warns of a numba that cannot be used.
        return None
    error = _error_of(kernel)
    if not error < 1e-12:
        warnings.warn(
            f"The compiled kernel of prediction is off by {error:.2g}; skreg predicts by numpy, which gives "
            "the same results more slowly. Remedy: pip install --upgrade numba.",
            RuntimeWarning,
            stacklevel=2,
        )
        return None
    return kernel


def _error_of(kernel):
    """Largest difference between what a kernel makes of a small table, and what it has to be."""
    rng = np.random.default_rng(0)
    k, b, d, m, f, q = 2, 19, 3, 2, 5, 3
    x = rng.normal(size=(1, b, d))
    columns = np.array([2, 0])
    turns, start = rng.normal(size=(2, k, m, f))
    weight, bias = rng.normal(size=(k, m, q, f)), rng.normal(size=(k, m, q))
    out = np.full((k, d + m * q, b), np.nan)
    kernel(x, columns, turns, start, weight, bias, out)
    worst = np.abs(out[:, :d] - x[0].T).max()
    for net in range(k):
        for c, j in enumerate(columns):
            angle = 2 * np.pi * (np.outer(x[0, :, j], turns[net, c]) + start[net, c])
            known = np.cos(angle) @ weight[net, c].T + bias[net, c]
            made = out[net, d + c * q : d + (c + 1) * q].T
            worst = max(worst, np.abs(made - known).max())
    return float(worst)
