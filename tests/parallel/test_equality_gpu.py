"""Every meta-estimator gives under the backend what it gives by itself, with all nets on a GPU."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
import torch
from sklearn.ensemble import BaggingRegressor
from sklearn.model_selection import cross_validate

import skreg
from tests.parallel import helpers
from tests.parallel import test_equality as everywhere
from tests.parallel.helpers import assert_same, both, classifier, piped, regressor, table

TRITON = importlib.util.find_spec("triton") is not None

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(
        not (torch.cuda.is_available() and TRITON), reason="there is no CUDA device, or no triton"
    ),
]


@pytest.fixture(autouse=True)
def on_the_gpu(monkeypatch):
    """All nets of a test are trained by the kernels for CUDA."""
    monkeypatch.setitem(helpers.SMALL, "device", "cuda")
    net = classifier().fit(*table())
    assert net.device_ == "cuda"


@pytest.mark.parametrize("use", everywhere.CLASSIFICATION, ids=lambda use: use.__name__)
def test_classification(use):
    assert_same(*both(lambda: use(piped(classifier()), *table())))


def test_classes():
    X, y = table("multiclass")
    model = piped(classifier())
    assert_same(*both(lambda: everywhere.one_against_the_rest(model, X, y)))
    assert_same(*both(lambda: everywhere.grid_search(model, X, y)))


def test_regression():
    X, y = table("regression")
    model = piped(regressor(loss="huber"))
    assert_same(*both(lambda: everywhere.grid_search(model, X, y, scoring="r2")))

    def bag():
        bag = BaggingRegressor(model, n_estimators=6, max_samples=0.7, random_state=0)
        return bag.fit(X, y).predict(X)

    assert_same(*both(bag))


def test_multilabel():
    X, y = table("multilabel")
    assert_same(*both(lambda: everywhere.grid_search(classifier(), X, y, scoring="roc_auc_ovr")))


@pytest.mark.parametrize("scoring", ["loss", "accuracy"])
def test_early_stopping(scoring):
    everywhere.test_early_stopping(scoring, refit=True)


def test_epochs_differ_inside_a_search():
    everywhere.test_epochs_differ_inside_a_search()


@pytest.mark.parametrize("where", ["training", "divergence"])
def test_candidates_that_fail(where):
    everywhere.test_candidates_that_fail(where)


def test_scores_of_float32_are_equal_up_to_rounding():
    everywhere.test_float32_digits()


def test_fits_of_a_search_are_one_stack():
    X, y = table()
    with helpers.batched():
        everywhere.grid_search(piped(classifier()), X, y)
    assert [r.members for r in skreg.last_rounds()] == [(18,)]


def test_the_gpu_trains_what_the_cpu_trains(monkeypatch):
    X, y = table("multiclass")
    options = {"early_stopping": True, "patience": 3, "max_iter": 10, "epsilon": 0.1}

    def scores(device):
        monkeypatch.setitem(helpers.SMALL, "device", device)
        model = piped(classifier(**options))
        return cross_validate(model, X, y, cv=4, scoring=everywhere.LOSS)["test_score"]

    np.testing.assert_allclose(scores("cuda"), scores("cpu"), rtol=0, atol=1e-8)


@pytest.mark.parametrize("kind", ["multiclass", "regression"])
def test_the_search_on_the_gpu(kind, monkeypatch):
    """Nets pause at rungs and go on there; settings, scores and predictions are those of the CPU."""
    X, y = table(kind)
    regression = kind == "regression"
    search = skreg.RegularizedMLPRegressorCV if regression else skreg.RegularizedMLPClassifierCV
    predict = "predict" if regression else "predict_proba"

    def fitted(device):
        monkeypatch.setitem(helpers.SMALL, "device", device)
        net = (regressor if regression else classifier)(max_iter=12)
        return search(net, n_settings=6, cv=3, n_repeats=1, random_state=0).fit(X, y)

    there, here = fitted("cuda"), fitted("cpu")
    assert {net.device_ for net in there.estimators_} == {"cuda"}
    assert there.cv_results_["params"] == here.cv_results_["params"]
    assert there.cv_results_["rung"].max() > 0
    one, other = (getattr(model, predict)(X) for model in (there, here))
    np.testing.assert_allclose(one, other, rtol=0, atol=1e-6 * max(1.0, np.abs(other).max()))
