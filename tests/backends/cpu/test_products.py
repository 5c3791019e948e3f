"""Products in compiled code equal numpy's, whatever BLAS makes them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

pytest.importorskip("numba")
import numba as nb
from threadpoolctl import threadpool_info

from skreg.backends.cpu.products import OneThread, gemm_address, product

SOURCES = ("torch", "scipy")


@nb.njit
def multiply(gemm, a, flip_a, b, flip_b, out):
    product(gemm, a, flip_a, b, flip_b, out)


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
