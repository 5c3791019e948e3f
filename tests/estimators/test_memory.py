"""What a fit and a prediction need beside the table: a part of it at a time, never a copy of it."""

from __future__ import annotations

import copy
import tracemalloc

import numpy as np
import pytest
import scipy.sparse as sp

from skreg import BaggedMLPClassifier, RegularizedMLPClassifier, RegularizedMLPRegressor
from skreg.estimators import forward, rows
from skreg.net.net import Net
from skreg.train.job import Spec

NET = {"hidden_layer_sizes": (8,), "max_iter": 2, "random_state": 0}

MB = 1e6


def peak(call, *arguments):
    """Bytes that a call held at most, numpy's included."""
    tracemalloc.start()
    try:
        call(*arguments)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.fixture(scope="module")
def wide():
    """A table of float32: 24 MB, 48 MB in float64."""
    return np.random.default_rng(0).random((3000, 2000), dtype=np.float32)


# -- prediction ------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"numeric_embedding": "periodic"}])
@pytest.mark.parametrize("form", [np.asarray, np.asfortranarray, np.float32, sp.csr_array])
def test_predictions_do_not_depend_on_the_chunk(X, y_real, monkeypatch, options, form):
    net = RegularizedMLPRegressor(**NET, **options).fit(X, y_real)
    table = form(X)
    at_once = net.predict(table)
    chunks = []

    def watched(steps, x, *drawn, inner=forward._walk):
        chunks.append(x[0].shape[0])
        return inner(steps, x, *drawn)

    monkeypatch.setattr(forward, "_walk", watched)
    monkeypatch.setattr(forward, "_FEWEST", 1)
    monkeypatch.setattr(forward, "WIDEST", 7 * max(net.coefs_[0].shape))
    # What is kept beside a net knows nothing of another limit.
    np.testing.assert_allclose(copy.copy(net).predict(table), at_once, rtol=1e-12)
    assert chunks == [7] * 12 + [6]


@pytest.mark.parametrize(
    "d, units, k, outputs, known",
    [
        (20, 256, 1, 1, 4096),
        (20, 8, 1, 1, 4096),
        (5000, 256, 1, 1, 419),
        (20, 5000, 1, 1, 419),
        (10**6, 8, 1, 1, 64),
        (20, 8, 16, 1, 4096),
        (20, 8, 16, 100, 1310),
    ],
)
def test_chunks_shrink_with_inputs_units_and_outputs(d, units, k, outputs, known):
    """2^21 entries of the widest layer, or of the outputs of k nets, between 64 and 4,096 rows."""
    spec = Spec(hidden=(units,), n_outputs=outputs)
    params = {p.name: np.zeros(p.shape) for p in Net.of(spec, d).parameters}
    assert forward.Forward([(params, spec)] * k, d).chunk_rows() == known


@pytest.mark.parametrize("method", ["predict_proba", "predict_mc"])
def test_precision_and_order_of_a_table_do_not_matter(X, y_three, method):
    net = RegularizedMLPClassifier(**NET).fit(X, y_three)
    options = {"n_samples": 3, "random_state": 0} if method == "predict_mc" else {}
    single = X.astype(np.float32)
    known = getattr(net, method)(single.astype(np.float64), **options)
    for table in (single, np.asfortranarray(single), np.asfortranarray(single, dtype=np.float64)):
        np.testing.assert_equal(getattr(net, method)(table, **options), known)


@pytest.mark.parametrize(
    "model",
    [RegularizedMLPClassifier(**NET), BaggedMLPClassifier(RegularizedMLPClassifier(**NET), 2)],
)
def test_prediction_does_not_copy_the_table(wide, model):
    model.fit(wide[:40], np.arange(40) % 2)
    assert peak(model.predict_proba, wide) < 24 * MB
    assert peak(model.predict_proba, np.asfortranarray(wide)) < 24 * MB


# -- the look at scales ----------------------------------------------------------------------------


def test_looking_at_scales_does_not_copy_the_table(wide):
    assert peak(rows.warn_of_scales, wide) < 16 * MB


@pytest.mark.parametrize("width", [1, 2, 5, 100])
def test_spread_does_not_depend_on_the_block(X, monkeypatch, width):
    table = (X * [1.0, 1e-3, 1e3, 0.0, 1.0] + 100.0).astype(np.float32)
    monkeypatch.setattr(rows, "_SCALE_ENTRIES", width * len(table))
    known = table.astype(np.float64)
    mean, spread = rows._mean_and_spread(table)
    np.testing.assert_allclose(mean, known.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(spread, known.std(axis=0), rtol=1e-12)


def test_scales_are_compared_across_blocks(X, monkeypatch):
    monkeypatch.setattr(rows, "_SCALE_ENTRIES", 1)
    rows.warn_of_scales(X)  # equal scales: no warning, which would be an error
    with pytest.warns(UserWarning, match="scales of the features differ by a factor of 1e"):
        rows.warn_of_scales(X * [1.0, 1.0, 1.0, 1.0, 1e4])
