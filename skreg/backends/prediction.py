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

#: What a kernel may be off by, by its precision.
_ROUNDING = {"float64": 1e-12, "float32": 1e-4}

_UNKNOWN = object()


class _Choice:
    """The kernel of this process for a precision, and how much was computed without it."""

    def __init__(self, dtype="float64"):
        self.dtype, self.kernel, self.done = dtype, _UNKNOWN, 0

    def of(self, waves):
        """The kernel for a call that computes so many periodic functions; None is numpy's way."""
        if waves < LEAST:
            return None
        if self.kernel is _UNKNOWN:
            # Threads may lose a count or load it twice, which does no harm.
            self.done += waves
            if self.done < (TO_LOAD if "numba" in sys.modules else TO_IMPORT):
                return None
            self.kernel = _load(self.dtype)
        return self.kernel


_choices = {dtype: _Choice(dtype) for dtype in _ROUNDING}


def kernel_for(waves, dtype="float64"):
    """The compiled embedding for a call that computes so many periodic functions, or None.

    Parameters
    ----------
    waves : int
        Rows times periodic functions of a row, of all nets.
    dtype : {"float64", "float32"}
        Of rows and nets.

    Returns
    -------
    callable or None
        See `skreg.backends.cpu.prediction.embedding_kernel`. None where it does not pay, cannot be used, or
        does not prove itself.
    """
    return _choices[dtype].of(waves)


def _load(dtype):
    """The kernel, if it can be had and gives what numpy gives."""
    try:
        import numba

        if numba.config.DISABLE_JIT:
            return None
        from skreg.backends.cpu.prediction import embedding_kernel

        kernel = embedding_kernel(dtype)
    except Exception:  # a numba that does not fit numpy or llvmlite may raise anything
        # Nothing is lost but time, and training warns of a numba that cannot be used.
        return None
    error = _error_of(kernel, dtype)
    if not error < _ROUNDING[dtype]:
        warnings.warn(
            f"The compiled kernel of prediction is off by {error:.2g}; skreg predicts by numpy, which gives "
            "the same results more slowly. Remedy: pip install --upgrade numba.",
            RuntimeWarning,
            stacklevel=2,
        )
        return None
    return kernel


def _error_of(kernel, dtype):
    """Largest difference between what a kernel makes of a small table, and what it has to be."""
    rng = np.random.default_rng(0)
    k, b, d, m, f, q = 2, 19, 3, 2, 5, 3
    sizes = (1, b, d), (k, m, f), (k, m, f), (k, m, q, f), (k, m, q)
    x, *learned = (rng.normal(size=size).astype(dtype) for size in sizes)
    columns = np.array([2, 0])
    out = np.full((k, d + m * q, b), np.nan, dtype)
    kernel(x, columns, *learned, out)
    turns, start, weight, bias = (array.astype(np.float64) for array in learned)
    worst = np.abs(out[:, :d] - x[0].T).max()
    for net in range(k):
        for c, j in enumerate(columns):
            angle = 2 * np.pi * (np.outer(x[0, :, j], turns[net, c]) + start[net, c])
            known = np.cos(angle) @ weight[net, c].T + bias[net, c]
            made = out[net, d + c * q : d + (c + 1) * q].T
            worst = max(worst, np.abs(made - known).max())
    return float(worst)
