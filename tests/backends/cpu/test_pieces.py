"""Calling a kernel through its address, and the functions that loops are made of."""

from __future__ import annotations

import math

import numpy as np
import pytest

pytest.importorskip("numba")
import numba as nb

from skreg.backends.cpu.pieces import address_of, call, compiled, erf, exp, float_types


def test_a_kernel_called_by_address_gets_its_arguments():
    f, vector, matrix, u, nothing = float_types("float32")

    @nb.njit(nothing(matrix, vector, f, u, nb.types.int64))
    def kernel(table, row, factor, bits, place):
        table[place] = row * factor + np.float32(bits)

    @nb.njit
    def caller(address, table, row):
        call(address, (table, row, np.float32(2), np.uint32(2**31), np.int64(1)))

    table = np.zeros((3, 2), np.float32)
    caller(address_of(kernel), table, np.array([1024, 2048], np.float32))
    np.testing.assert_array_equal(table, [[0, 0], [2**31 + 2048, 2**31 + 4096], [0, 0]])


def test_kernels_are_kept_on_disk():
    """Compiling takes seconds: the loop and its kernels must be found again by a later process."""
    from skreg.backends.cpu import loop, losses, optimisers, units

    for kernel in (
        loop.minibatch_loop("float32", True),
        losses.loss_kernel(0, "float32"),
        optimisers.optimiser_kernel("adamw", "float32"),
        units.forward_kernel(1, True, "float32"),
    ):
        stats = kernel.stats
        assert stats.cache_path is not None
        again = compiled(kernel.nopython_signatures[0])(kernel.py_func)
        assert sum(again.stats.cache_hits.values()) == 1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_exponential_and_error_function(dtype):
    @nb.njit
    def values(x):
        return [(exp(v), erf(v)) for v in x]

    x = np.concatenate([np.linspace(-6, 6, 401), [-80.0, 80.0]]).astype(dtype)
    got = np.array(values(x), dtype=np.float64)
    # float32: one part in 2^23 of each operation, and the error of the published polynomial
    relative, absolute = (3e-7, 3e-7) if dtype == "float32" else (1e-15, 1e-15)
    np.testing.assert_allclose(got[:, 0], [math.exp(v) for v in x], rtol=relative)
    np.testing.assert_allclose(got[:, 1], [math.erf(v) for v in x], atol=absolute)
    assert all(math.isnan(v) for v in values(np.array([np.nan], dtype))[0])
