"""Products in compiled code equal numpy's, whatever BLAS makes them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

pytest.importorskip("numba")
from threadpoolctl import threadpool_info

from skreg.backends.cpu.pieces import AT_HAND, B, X
from skreg.backends.cpu.products import OneThread, gemm_address, product_kernel
from tests.backends.cpu.helpers import call_kernel

SOURCES = ("torch", "scipy")


def multiply(gemm, a, flip_a, b, flip_b, out):
    """The kernel for member 1, whose factors stand behind those of another."""
    (m, n), inner = out.shape, a.shape[0] if flip_a else a.shape[1]
    numbers = np.array([1, 0], out.dtype)
    pairs = {"a": np.stack([0 * a, a]), "b": np.stack([0 * b, b])}
    row = {"gemm": gemm, "one": numbers[:1], "zero": numbers[1:], "m": m, "n": n, "inner": inner}
    for name, pair in pairs.items():
        row |= {name: pair, f"{name}_bytes": pair.strides[0], f"{name}_stride": pair.shape[2]}
    flips = {"a_flip": flip_a, "b_flip": flip_b}
    call_kernel(product_kernel(), k=1, out=out, out_stride=n, **row, **flips)


def test_the_rows_at_hand_are_the_frames():
    """Their address and their number, in the sizes and in the distance of lines."""
    x, weight = np.arange(6.0).reshape(3, 2), np.array([[1.0, 10.0]])
    one, zero, out = np.ones(1), np.zeros(1), np.zeros((1, 3))
    call_kernel(
        product_kernel(),
        {B: 3, X: x},
        **{"gemm": gemm_address("float64"), "one": one, "zero": zero, "out": out},
        **{"m": 1, "n": AT_HAND, "inner": 2, "out_stride": AT_HAND},
        **{"a": weight, "a_bytes": 0, "a_stride": 2, "a_flip": 0},
        **{"b": AT_HAND, "b_bytes": 0, "b_stride": 2, "b_flip": 1},
    )
    np.testing.assert_array_equal(out, [[10, 32, 54]])


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_product_equals_numpys_for_all_flips(source, dtype):
    gemm = gemm_address(dtype, source)
    if gemm is None:
        pytest.skip("torch's library exports no BLAS here")
    rng = np.random.default_rng(0)
    for flip_a, flip_b in itertools.product((False, True), repeat=2):
        for m, n, k in ((3, 4, 5), (1, 1, 1), (7, 1, 2), (1, 6, 3), (40, 33, 70)):
            a = rng.standard_normal((k, m) if flip_a else (m, k)).astype(dtype)
            b = rng.standard_normal((n, k) if flip_b else (k, n)).astype(dtype)
            out = np.full((m, n), np.nan, dtype)  # what was there counts nothing, not even a NaN
            multiply(gemm, a, flip_a, b, flip_b, out)
            expected = (a.T if flip_a else a).astype(float) @ (b.T if flip_b else b)
            np.testing.assert_allclose(out, expected, atol=1e-5 if dtype == "float32" else 1e-12)


def test_some_blas_is_always_found():
    assert gemm_address("float32") and gemm_address("float64")
    assert gemm_address("float32") == (
        gemm_address("float32", "torch") or gemm_address("float32", "scipy")
    )


def test_scipys_blas_uses_one_thread_inside_and_as_many_as_before_after():
    def threads():
        return {b["num_threads"] for b in threadpool_info() if "scipy" in b["filepath"]}

    context, before = OneThread("scipy"), threads()
    with context:
        with context:
            assert threads() == {1}
        assert threads() == {1}
    assert threads() == before
