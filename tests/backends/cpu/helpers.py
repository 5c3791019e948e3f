"""Calling one kernel of a program from a test."""

from __future__ import annotations

import ctypes

import numpy as np

from skreg.backends.cpu.pieces import FRAME

_POINTER = ctypes.POINTER(ctypes.c_int64)
_TYPE = ctypes.CFUNCTYPE(None, _POINTER, _POINTER, ctypes.c_ssize_t)


def call_kernel(kernel, frame=(), k=0, **numbers):
    """Call a kernel for member k.

    Parameters
    ----------
    kernel : Kernel
    frame : dict of int to int or ndarray
    k : int
    **numbers : int or ndarray
        Of its row, by name; an array stands for its address.

    Returns
    -------
    ndarray
        The frame.
    """
    assert numbers.keys() == set(kernel.fields)
    values = np.zeros(FRAME, dtype=np.int64)
    for place, value in dict(frame).items():
        values[place] = _number(value)
    row = [kernel.address, *(_number(numbers[name]) for name in kernel.fields)]
    row = np.array(row, dtype=np.int64)
    _TYPE(kernel.address)(values.ctypes.data_as(_POINTER), row.ctypes.data_as(_POINTER), k)
    return values


def _number(value):
    if isinstance(value, np.ndarray):
        assert value.flags.c_contiguous
        return value.ctypes.data
    return value
