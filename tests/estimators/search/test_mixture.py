"""How an ensemble of a search predicts: as its nets do, once for all, in float32 where it is much."""

from __future__ import annotations

import concurrent.futures
import copy

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor
from skreg.backends import prediction
from skreg.estimators import forward
from skreg.estimators.columns import read_to_predict
from skreg.estimators.columns.preparation import Preparation
from skreg.estimators.course import like, take_preparation
from skreg.estimators.search.mixture import Mixture

NET = {"hidden_layer_sizes": (9, 6), "max_iter": 1, "batch_size": 32, "random_state": 0}

#: Each is trained on some of the rows and on others, in one preparation each, as for folds.
SETTINGS = {
    "alike": [{}, {"dropout": 0.1}, {"weight_decay": 0.1}],
    "widths": [{}, {"hidden_layer_sizes": (5,)}, {"hidden_layer_sizes": (5, 5), "residual": True}],
    "preparations": [{}, {"scale_features": "quantile"}, {"scale_features": None}],
    "inputs": [
        {"numeric_embedding": None, "activation": "gelu"},
        {"numeric_embedding": "piecewise", "activation": "mish"},
        {"batch_norm": False, "layer_norm": True, "activation": "selu"},
    ],
}


@pytest.fixture(scope="module")
def X():
    X = np.random.default_rng(0).normal(size=(80, 4)) * [1, 10, 0.1, 1]
    X[::7, 3] = np.nan
    return X


@pytest.fixture(scope="module")
def new():
    X = np.random.default_rng(1).normal(size=(301, 4)) * [1, 10, 0.1, 1]
    X[::5, 3] = np.nan
    return X


@pytest.fixture(scope="module")
def target(X):
    return X[:, 0] - np.abs(X[:, 1]) / 10


def folds_of(kind, X, y, changes, **options):
    """Nets of some settings, each on three parts of the rows; one preparation a part and way of scaling."""
    learned, nets = {}, []
    for change in changes:
        for fold in range(3):
            net = kind(**{**NET, **options, **change}).fit(X[fold::3], y[fold::3])
            columns = learned.setdefault((fold, net.scale_features), net._columns)
            take_preparation(net, columns)
            nets.append(net)
    return nets


@pytest.fixture(params=SETTINGS, scope="module")
def classifiers(request, X, target):
    y = np.digitize(target, [-1, 0])
    # The classes of a part are those of all rows.
    return folds_of(RegularizedMLPClassifier, X, y, SETTINGS[request.param])


@pytest.fixture(scope="module")
def weights():
    weights = np.random.default_rng(2).random(9)
    return weights / weights.sum()


# -- what it is ------------------------------------------------------------------------------------


def averaged(each, weights):
    return np.tensordot(weights, np.stack(each), 1)


def test_it_is_the_mean_of_its_nets(classifiers, weights, new, monkeypatch):
    """Also where nets or rows do not all fit in one step, and of one row."""
    each = [net.predict_proba(new) for net in classifiers]
    mixture, mean = Mixture(classifiers, weights), averaged(each, weights)
    std = np.sqrt(averaged((each - mean) ** 2, weights))
    for together, most in ((1 << 17, 4096), (2 * 301 * 20, 4096), (1, 70)):
        monkeypatch.setattr(forward, "_TOGETHER", together)
        monkeypatch.setattr(forward, "_MOST", most)
        np.testing.assert_allclose(mixture.mean(new), mean, rtol=0, atol=1e-12)
        np.testing.assert_allclose(mixture.std(new), std, rtol=0, atol=1e-7)
    for i in range(8):
        np.testing.assert_allclose(mixture.mean(new[i : i + 1])[0], mean[i], rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    "changes", [{"loss": "poisson"}, {"clip": False}, {"scale_target": False}, {}]
)
def test_each_net_has_its_units_its_range_and_its_loss(X, new, target, weights, changes):
    y = np.exp(target)
    settings = [{}, changes, {"loss": "huber"}]
    nets = folds_of(RegularizedMLPRegressor, X, y, settings)
    each = [net.predict(4 * new) for net in nets]
    found = Mixture(nets, weights).mean(4 * new)
    np.testing.assert_allclose(found, averaged(each, weights), rtol=1e-10)


@pytest.mark.parametrize("form", [sp.csr_array, sp.csr_matrix])
def test_sparse_tables(new, X, target, weights, form):
    X, new = (form(np.where(np.abs(np.nan_to_num(part)) < 0.5, 0.0, part)) for part in (X, new))
    X.data, new.data = np.nan_to_num(X.data), np.nan_to_num(new.data)
    nets = folds_of(RegularizedMLPRegressor, X, target, SETTINGS["widths"])
    each = [net.predict(new) for net in nets]
    np.testing.assert_allclose(Mixture(nets, weights).mean(new), averaged(each, weights))


def test_categories_are_prepared_in_the_way_of_each_net(target, weights):
    rng = np.random.default_rng(3)
    frame = pd.DataFrame(
        {
            "number": target,
            "text": rng.choice(["red", "green", "blue"], len(target)),
            "kind": pd.Categorical(rng.integers(0, 20, len(target))),
        }
    )
    settings = [{"category_embedding": name} for name in ("auto", "onehot", "embedding")]
    nets = []
    for setting in settings:
        first = RegularizedMLPRegressor(**NET, **setting).fit(frame, target)
        nets += [first, like(first, 1), like(first, 2)]
        for net in nets[-2:]:
            vars(net).update({k: v for k, v in vars(first).items() if k not in net.get_params()})
    each = [net.predict(frame) for net in nets]
    found = Mixture(nets, weights).mean(read_to_predict(nets[0], frame))
    np.testing.assert_allclose(found, averaged(each, weights), rtol=1e-10)


# -- what is done once -----------------------------------------------------------------------------


def test_a_table_is_prepared_once_in_each_way(classifiers, weights, new, monkeypatch):
    ways = {id(net._columns) for net in classifiers}
    made, prepare = [], Preparation.__call__

    def watched(self, numbers, *arguments):
        made.append((id(self), len(numbers)))
        return prepare(self, numbers, *arguments)

    monkeypatch.setattr(Preparation, "__call__", watched)
    monkeypatch.setattr(forward, "_MOST", 100)
    Mixture(classifiers, weights).mean(new)
    assert sorted(made) == sorted((way, n) for way in ways for n in (100, 100, 100, 1))


def test_nets_of_one_shape_are_one_program_whatever_they_are_given(X, target, weights, new):
    nets = folds_of(RegularizedMLPRegressor, X, target, SETTINGS["preparations"])
    mixture = Mixture(nets, weights)
    mixture.mean(new)
    kept, _ = forward._kept[mixture]
    assert mixture.tables == [0, 1, 2, 3, 4, 5, 6, 7, 8]
    assert [places for places, _ in kept.programs] == [list(range(9))]


def test_a_copy_groups_its_nets_in_the_same_way(classifiers, weights, new):
    mixture = Mixture(classifiers, weights)
    other = copy.deepcopy(mixture)
    assert other.tables == mixture.tables
    assert len(other._preparing) == len(mixture._preparing) == max(mixture.tables) + 1
    assert all(any(net is one for one in other.nets) for net in other._preparing)
    np.testing.assert_array_equal(other.mean(new), mixture.mean(new))


# -- float32 ---------------------------------------------------------------------------------------


@pytest.fixture
def precisions(monkeypatch):
    """The precisions in which calls were computed."""
    seen, by_rows = [], forward.Forward.by_rows

    def watched(self, X, function, dtype="float64"):
        def looked_at(raw):
            seen.append((dtype, raw.dtype.name))
            return function(raw)

        return by_rows(self, X, looked_at, dtype)

    monkeypatch.setattr(forward.Forward, "by_rows", watched)
    return seen


def test_large_calls_are_in_float32_and_as_exact_as_that(
    classifiers, weights, new, precisions, monkeypatch
):
    mixture = Mixture(classifiers, weights)
    known, spread = mixture.mean(new), mixture.std(new)
    assert set(precisions) == {("float64", "float64")}
    n_numbers = sum(array.size for net in classifiers for array in net._params.values())
    monkeypatch.setattr(forward, "LARGE", 301 * n_numbers)
    for threads in (1, 2):
        monkeypatch.setattr(forward, "_SHARED", 0)
        monkeypatch.setattr(forward, "available", lambda threads=threads: threads)
        precisions.clear()
        found = mixture.mean(new)
        assert set(precisions) == {("float32", "float32")}
        assert found.dtype == np.float64
        np.testing.assert_allclose(found, known, rtol=0, atol=5e-6)
        assert np.abs(found - known).max() > 0
        np.testing.assert_allclose(found.sum(axis=1), 1.0, rtol=0, atol=1e-6)
    np.testing.assert_allclose(mixture.std(new), spread, rtol=0, atol=5e-5)
    precisions.clear()
    np.testing.assert_allclose(mixture.mean(new[:300]), known[:300], rtol=0, atol=1e-12)
    assert set(precisions) == {("float64", "float64")}


def test_one_precision_for_all_rows_of_a_call(X, target, weights, new, precisions, monkeypatch):
    """However many are looked at at a time."""
    mixture = Mixture(folds_of(RegularizedMLPRegressor, X, target, [{}, {}, {}]), weights)
    monkeypatch.setattr(forward, "LARGE", 1)
    monkeypatch.setattr(forward, "_MOST", 70)
    mixture.mean(new)
    assert precisions == [("float32", "float32")] * 5


def test_nets_of_float64_and_single_nets_stay_in_it(
    X, target, weights, new, precisions, monkeypatch
):
    settings = [{}, {}, {"dtype": "float64"}]
    nets = folds_of(RegularizedMLPRegressor, X, target, settings)
    monkeypatch.setattr(forward, "LARGE", 1)
    Mixture(nets, weights).mean(new)
    nets[0].predict(new)
    assert set(precisions) == {("float64", "float64")}


def test_units_of_a_target_far_from_zero_keep_their_digits(X, target, weights, new, monkeypatch):
    nets = folds_of(RegularizedMLPRegressor, X, 1e8 + target, [{}, {}, {}])
    mixture = Mixture(nets, weights)
    known = mixture.mean(new)
    monkeypatch.setattr(forward, "LARGE", 1)
    np.testing.assert_allclose(mixture.mean(new), known, rtol=0, atol=2e-5)


@pytest.mark.parametrize("least", [0, 1 << 40])
def test_threads_may_predict_at_once_in_either_precision(
    classifiers, weights, new, least, monkeypatch
):
    monkeypatch.setattr(forward, "LARGE", least)
    known = Mixture(classifiers, weights).mean(new)
    mixture = Mixture(classifiers, weights)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for found in pool.map(mixture.mean, [new] * 8):
            np.testing.assert_allclose(found, known, rtol=0, atol=1e-12 if least else 5e-6)


def test_compiled_in_float32(X, target, weights, new, precisions, monkeypatch):
    pytest.importorskip("numba")
    nets = folds_of(RegularizedMLPRegressor, X, target, SETTINGS["widths"])
    mixture = Mixture(nets, weights)
    known = mixture.mean(new)
    choice, asked = prediction._Choice("float32"), []
    choice.kernel = prediction._load("float32")
    monkeypatch.setattr(prediction, "LEAST", 0)
    monkeypatch.setitem(prediction._choices, "float32", choice)
    kernel = choice.kernel
    choice.kernel = lambda *arrays: asked.append(arrays[0].dtype) or kernel(*arrays)
    monkeypatch.setattr(forward, "LARGE", 1)
    np.testing.assert_allclose(mixture.mean(new), known, rtol=0, atol=5e-6)
    assert set(asked) == {np.dtype("float32")}
