"""The compiled embedding of prediction: its cosine, numpy's way, and when it is taken."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from skreg.backends import prediction
from skreg.net.net import Net
from skreg.train.job import Spec


@pytest.fixture
def kernel():
    pytest.importorskip("numba")
    from skreg.backends.cpu.prediction import embedding_kernel

    return embedding_kernel("float64")


@pytest.fixture
def single():
    """The same in float32."""
    pytest.importorskip("numba")
    from skreg.backends.cpu.prediction import embedding_kernel

    return embedding_kernel("float32")


@pytest.fixture
def choice(monkeypatch):
    """A process that has predicted nothing yet."""
    fresh = prediction._Choice()
    monkeypatch.setitem(prediction._choices, "float64", fresh)
    return fresh


def embedding(k, columns, n_columns, seed=0):
    """The first step of k nets with random parameters."""
    rng = np.random.default_rng(seed)
    net = Net.of(Spec(hidden=(2,), embedded=columns), n_columns)
    params = {p.name: rng.normal(size=(k, *p.shape)) for p in net.parameters}
    return net.predict(params)[0]


# -- the cosine ------------------------------------------------------------------------------------


def cosine(kernel, turns):
    """cos(2 pi turns): one column, one frequency of one period a unit, a map that changes nothing."""
    x = np.ascontiguousarray(turns).reshape(1, -1, 1)
    one, zero = np.ones((1, 1, 1)), np.zeros((1, 1, 1))
    out = np.empty((1, 2, x.size))
    kernel(x, np.array([0]), one, zero, one[..., None], zero, out)
    return out[0, 1]


def test_cosine_of_known_angles(kernel):
    root = np.sqrt(0.5)
    known = {0: 1.0, 1 / 8: root, 1 / 6: 0.5, 1 / 4: 0.0, 1 / 3: -0.5, 3 / 8: -root, 1 / 2: -1.0}
    turns, values = np.array(list(known)), np.array(list(known.values()))
    for shift in (0, 1, -1, 1000):
        # A number of turns is rounded before its cosine is taken.
        room = 1e-15 + 2 * np.pi * np.spacing(np.abs(turns + shift))
        for sign in (1, -1):
            assert (np.abs(cosine(kernel, sign * (turns + shift)) - values) <= room).all()


def test_cosine_to_the_last_digits(kernel):
    """Against the longest numbers that numpy has, over many turns and very close to zeros."""
    rng = np.random.default_rng(0)
    near = 0.25 + np.concatenate([10.0 ** -np.arange(1, 17), -(10.0 ** -np.arange(1, 17))])
    turns = np.concatenate([rng.uniform(-3, 3, 20_000), rng.uniform(-1e4, 1e4, 5_000), near])
    turn = 2 * np.longdouble("3.14159265358979323846264338327950288")
    # Whole turns come off without error, and what is left needs no digits of pi for them.
    known = np.cos(turn * (turns - np.rint(turns)).astype(np.longdouble))
    assert np.abs(cosine(kernel, turns) - known).max() < 1e-15


def test_what_is_no_number_stays_none(kernel):
    assert np.isnan(cosine(kernel, np.array([np.nan, np.inf, -np.inf]))).all()


# -- two ways, one result --------------------------------------------------------------------------


@pytest.mark.parametrize("b", [1, 511, 512, 513, 1300])
@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("shared", [True, False])
def test_numpy_and_the_kernel_agree(kernel, b, k, shared):
    step = embedding(k, (0, 3), 5)
    x = np.random.default_rng(1).normal(size=(1 if shared else k, b, 5))
    by_numpy, by_kernel = step(x), step.compiled(x, kernel)
    assert by_numpy.shape == by_kernel.shape == (k, b, 5 + 2 * 3)
    np.testing.assert_array_equal(by_kernel[:, :, :5], np.broadcast_to(x, (k, b, 5)))
    np.testing.assert_allclose(by_kernel, by_numpy, rtol=0, atol=1e-12)


@pytest.mark.parametrize("b", [1, 513])
def test_in_float32_both_ways_are_as_in_float64(kernel, single, b):
    step = embedding(3, (0, 3), 5)
    x = np.random.default_rng(1).normal(size=(1, b, 5))
    known, rounded = step(x), step.to(np.float32)
    for found in (rounded(x.astype(np.float32)), rounded.compiled(x.astype(np.float32), single)):
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, known, rtol=0, atol=2e-5)


def test_a_slice_of_the_nets_is_these_nets(kernel):
    step = embedding(5, (1, 2), 3)
    x = np.random.default_rng(1).normal(size=(1, 40, 3))
    part = step.of(slice(1, 3))
    np.testing.assert_allclose(part(x), step(x)[1:3], rtol=0, atol=1e-13)
    np.testing.assert_array_equal(part.compiled(x, kernel), step.compiled(x, kernel)[1:3])


# -- which way is taken ----------------------------------------------------------------------------


def test_the_kernel_is_taken_once_it_would_have_paid(choice, monkeypatch):
    monkeypatch.setattr(prediction, "_load", lambda dtype: f"kernel of {dtype}")
    monkeypatch.setitem(sys.modules, "numba", object())
    half = prediction.TO_LOAD // 2
    assert prediction.kernel_for(half - 1) is None
    for _ in range(1000):
        assert prediction.kernel_for(prediction.LEAST - 1) is None  # does not count
    assert prediction.kernel_for(half) is None
    assert prediction.kernel_for(prediction.LEAST) == "kernel of float64"
    assert prediction.kernel_for(prediction.LEAST - 1) is None


def test_numba_is_imported_for_more_than_it_takes_to_load(choice, monkeypatch):
    monkeypatch.setattr(prediction, "_load", lambda dtype: f"kernel of {dtype}")
    monkeypatch.delitem(sys.modules, "numba", raising=False)
    assert prediction.kernel_for(prediction.TO_LOAD) is None
    assert prediction.kernel_for(prediction.TO_IMPORT) == "kernel of float64"


@pytest.mark.parametrize("state", ["missing", "broken", "switched off"])
def test_without_numba_it_is_numpy(choice, monkeypatch, state):
    class Broken:
        def __getattr__(self, name):
            raise AttributeError("numba does not fit numpy")

    class Off:
        class config:
            DISABLE_JIT = 1

    stand_in = {"missing": None, "broken": Broken(), "switched off": Off}[state]
    monkeypatch.setitem(sys.modules, "numba", stand_in)
    assert prediction.kernel_for(prediction.TO_IMPORT) is None
    assert choice.kernel is None


def test_a_kernel_that_is_wrong_is_not_taken(choice, kernel, monkeypatch):
    def wrong(*arguments):
        kernel(*arguments)
        arguments[-1][1, -1, -1] += 1e-9

    monkeypatch.setattr("skreg.backends.cpu.prediction.embedding_kernel", lambda dtype: wrong)
    with pytest.warns(RuntimeWarning, match="The compiled kernel of prediction is off by 1e-09"):
        assert prediction.kernel_for(prediction.TO_IMPORT) is None
    assert prediction.kernel_for(prediction.TO_IMPORT) is None  # said once


def test_each_precision_has_a_kernel_of_its_own(choice, monkeypatch):
    monkeypatch.setattr(prediction, "_load", lambda dtype: f"kernel of {dtype}")
    monkeypatch.setitem(prediction._choices, "float32", prediction._Choice("float32"))
    assert prediction.kernel_for(prediction.TO_IMPORT) == "kernel of float64"
    assert prediction.kernel_for(prediction.LEAST, "float32") is None
    assert prediction.kernel_for(prediction.TO_IMPORT, "float32") == "kernel of float32"


def test_the_kernel_proves_itself(choice, kernel, single):
    assert prediction._error_of(single, "float32") < 1e-5
    assert prediction._error_of(kernel, "float64") < 1e-13
    assert prediction.kernel_for(prediction.TO_IMPORT) is kernel
