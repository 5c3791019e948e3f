"""Kernels and their rows, and the functions that loops are made of."""

from __future__ import annotations

import math

import numpy as np
import pytest

pytest.importorskip("numba")
import numba as nb

from skreg.backends.cpu.loop import evaluation_loop
from skreg.backends.cpu.pieces import (
    BEST,
    FRAME,
    B,
    compiled,
    entry,
    erf,
    exp,
    kernel,
    matrix,
    numbers,
)
from skreg.backends.cpu.program import Program
from tests.backends.cpu.helpers import call_kernel


def make_kernel(factor):
    @kernel("n values places")
    def scaled(frame, row, k):
        n, values, places = numbers(row, 3)
        table = matrix(np.float64(0), values, n, frame[B])
        for i in range(frame[B]):
            table[k, i] *= factor + entry(np.int64(0), places, k)
        frame[BEST] = n

    return scaled


def test_a_kernel_finds_its_numbers_by_the_frame_its_row_and_the_member():
    made, table = make_kernel(10.0), np.ones((3, 2))
    places = np.array([1, 2, 3])
    frame = call_kernel(made, {B: 2}, k=1, n=3, values=table, places=places)
    np.testing.assert_array_equal(table, [[1, 1], [12, 12], [1, 1]])
    assert frame[BEST] == 3


def test_a_program_calls_its_kernels_in_their_order():
    program = object.__new__(Program)
    program.calls, program.kernels, program._kept = [], set(), []
    table, places = np.ones((1, 2)), np.zeros(1, dtype=np.int64)
    for factor in (10.0, 100.0):
        at = {"values": program.address(table), "places": program.address(places)}
        program.add(make_kernel(factor), n=1, **at)
    group = np.array([0, 0, 0, 0, 0, 0, 2])
    bounds, frame = np.array([0, 1, 2]), np.zeros(FRAME, dtype=np.int64)
    evaluation_loop()(bounds, group, frame, program.table())
    np.testing.assert_array_equal(table, [[1000, 1000]])


def test_a_row_that_lacks_a_number_or_has_one_too_many_is_refused():
    program = object.__new__(Program)
    program.calls, program.kernels, program._kept = [], set(), []
    made = make_kernel(1.0)
    for wrong in ({"n": 1, "values": 0}, {"n": 1, "values": 0, "places": 0, "more": 0}):
        with pytest.raises(TypeError, match="scaled takes"):
            program.add(made, **wrong)
    with pytest.raises(ValueError, match="in C order"):
        program.address(np.ones((2, 3)).T)
    assert program.calls == []


def test_kernels_are_kept_on_disk():
    """Compiling takes seconds: the loop and its kernels must be found again by a later process."""
    from skreg.backends.cpu import loop, losses, optimisers, units

    for function in (
        loop.training_loop(),
        losses.loss_kernel(0, "float32").function,
        optimisers.solver_kernel("adamw", "float32").function,
        units.forward_kernel(1, True, "float32").function,
    ):
        assert function.stats.cache_path is not None
        again = compiled(function.nopython_signatures[0])(function.py_func)
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
