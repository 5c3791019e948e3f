"""Sine and cosine of the compiled kernels."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("numba")
import numba as nb

from skreg.backends.cpu import periodic


@nb.vectorize(["float32(float32)", "float64(float64)"])
def cosine(u):
    return periodic.cosine(u)


@nb.vectorize(["float32(float32)", "float64(float64)"])
def sine(u):
    return periodic.waves(u)[1]


PAIRS = pytest.mark.parametrize(("got", "known"), [(cosine, np.cos), (sine, np.sin)])


@PAIRS
@pytest.mark.parametrize(("dtype", "atol"), [("float32", 4e-7), ("float64", 1e-13)])
def test_of_turns(got, known, dtype, atol):
    """The argument is exact, so that the error is that of the function alone."""
    u = np.linspace(-20, 20, 200_001).astype(dtype)
    values = got(u)
    assert values.dtype == dtype
    assert np.abs(values - known(2 * np.pi * u.astype(np.float64))).max() < atol


@PAIRS
def test_of_many_turns_in_float32(got, known):
    """Whole turns are taken off without an error, however many there are."""
    u = (np.float32(2.0**18) + np.linspace(0, 4, 129)).astype(np.float32)
    rest = u.astype(np.float64) % 1.0
    assert np.abs(got(u) - known(2 * np.pi * rest)).max() < 4e-7


@PAIRS
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_is_not_finite_is_seen(got, known, dtype):
    with np.errstate(invalid="ignore"):
        assert np.isnan(got(np.array([np.nan, np.inf, -np.inf], dtype=dtype))).all()
