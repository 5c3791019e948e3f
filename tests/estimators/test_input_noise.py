"""input_noise: what it does to a fit, and who has to know."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from joblib import parallel_config
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, KFold

import skreg
from skreg import BaggedMLPRegressor, RegularizedMLPClassifier, RegularizedMLPRegressor

NET = {
    "hidden_layer_sizes": (6,),
    "scale_features": None,
    "input_noise": 0.3,
    "max_iter": 4,
    "random_state": 0,
}


# -- the knob does what it says --------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(2))
def test_training_with_noise_is_ridge_regression(seed):
    """Bishop (1995): that with l2 = sigma^2 on standardised columns; here one has another scale."""
    rng = np.random.default_rng(seed)
    n, sigma, scale = 200, 0.7, np.array([1.0, 1.0, 1.0, 4.0])
    X = rng.normal(size=(n, 4)) @ np.linalg.cholesky(0.5 + 0.5 * np.eye(4)).T
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    y = X @ [1.0, -1.0, 0.5, 2.0] + 0.5 * rng.normal(size=n)
    net = RegularizedMLPRegressor(
        (),
        scale_features=None,
        input_noise=sigma,
        scale_target=False,
        weight_decay=0.0,
        learning_rate_init=0.02,
        batch_size=n,
        max_iter=2500,
        early_stopping=False,
        ema_decay=0.99,
        dtype="float64",
        random_state=seed,
    ).fit(X * scale, y)
    gram, target = X.T @ X / n, X.T @ (y - y.mean()) / n
    ridge = np.linalg.solve(gram + sigma**2 * np.eye(4), target)
    plain = np.linalg.solve(gram, target)
    found = net.coefs_[0][:, 0] * scale
    assert np.linalg.norm(found - ridge) < 0.1 * np.linalg.norm(plain - ridge)


def test_more_noise_makes_a_flatter_net(X, y_three):
    """The mean size of the gradient of the outputs, at the rows."""
    slopes = []
    for noise in (0.0, 0.5, 2.0):
        options = {"max_iter": 60, "early_stopping": False, "numeric_embedding": None}
        net = RegularizedMLPClassifier(**{**NET, **options, "input_noise": noise}).fit(X, y_three)
        rows = torch.from_numpy(X.astype(np.float32)).requires_grad_()
        net.module_(rows).square().sum().backward()
        slopes.append(rows.grad.norm(dim=1).mean().item())
    assert slopes[0] > 1.2 * slopes[1]
    assert slopes[1] > 1.2 * slopes[2]


def test_units_are_those_of_each_column(X, y_real):
    """What is measured goes with the scale of a column."""
    scale = np.array([1.0, 8.0, 0.25, 2.0, 64.0])
    options = {"dtype": "float64", "numeric_embedding": None, "hidden_layer_sizes": ()}
    one, other = (
        RegularizedMLPRegressor(**{**NET, **options, "max_iter": 1}).fit(rows, y_real)._params
        for rows in (X, X * scale)
    )
    np.testing.assert_allclose(other["input_std"], one["input_std"] * scale, rtol=1e-12)


# -- what reads a net ------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=[None, "periodic"])
def net(request, X, y_real):
    options = {"dtype": "float64", "numeric_embedding": request.param, "input_dropout": 0.1}
    return RegularizedMLPRegressor(**NET, **options).fit(X, y_real)


def test_module_is_the_same_function_and_draws_noise_in_training(net, X):
    module, rows = net.module_, torch.from_numpy(X)
    with torch.no_grad():
        np.testing.assert_allclose(module(rows)[:, 0].numpy(), net.predict(X), rtol=1e-10)
        noise = module[0].train()(rows.repeat(300, 1)) - rows.repeat(300, 1)
    np.testing.assert_allclose(noise.std(dim=0), 0.3 * net._params["input_std"], rtol=0.03)


def test_what_is_measured_is_that_of_the_training_rows(X, y_real):
    weight = np.random.default_rng(0).integers(0, 3, 90)
    net = RegularizedMLPRegressor(**NET, early_stopping=False).fit(X, y_real, weight)
    expected = np.repeat(X, weight, axis=0).std(axis=0)
    np.testing.assert_allclose(net._params["input_std"], expected, rtol=1e-6)


def test_summary_has_a_row_without_parameters(net):
    table = net.summary().frame()
    assert table.iloc[0].tolist() == ["GaussianNoise", "(None, 5)", 0, "input_noise=0.3"]
    assert net.summary().n_parameters == sum(p.numel() for p in net.module_.parameters())


def test_a_pickle_goes_on_as_the_net_does(net, X, y_real):
    other = pickle.loads(pickle.dumps(net))
    np.testing.assert_array_equal(other.predict(X), net.predict(X))
    one, two = (clone(net).set_params(warm_start=True).fit(X, y_real) for _ in range(2))
    two = pickle.loads(pickle.dumps(two))
    one.fit(X, y_real)
    two.fit(X, y_real)
    for name, values in one._params.items():
        np.testing.assert_array_equal(two._params[name], values)


def test_predict_mc_draws_noise(X, y_real):
    """Of a linear net the spread is known: noise times the norm of what each column weighs."""
    options = {"hidden_layer_sizes": (), "dropout": 0.0, "numeric_embedding": None, "clip": False}
    net = RegularizedMLPRegressor(**{**NET, **options}).fit(X, y_real)
    mean, std = net.predict_mc(X, 4000, random_state=0)
    scaled = net.coefs_[0][:, 0] * net._params["input_std"] * net._target_scale[0]
    np.testing.assert_allclose(std, 0.3 * np.linalg.norm(scaled), rtol=0.1)
    assert (np.abs(mean - net.predict(X)) < 5 * std / np.sqrt(4000)).all()
    sparse = net.predict_mc(sp.csr_array(X), 10, random_state=0)[0]
    np.testing.assert_array_equal(sparse, net.predict_mc(X, 10, random_state=0)[0])


def test_sparse_rows_get_the_noise_of_dense_ones(X, y_real):
    rows = np.where(np.abs(X) < 0.4, 0.0, X)
    dense, sparse = (
        RegularizedMLPRegressor(**NET).fit(container(rows), y_real)
        for container in (np.asarray, sp.csr_array)
    )
    np.testing.assert_array_equal(sparse.predict(rows), dense.predict(rows))


# -- going on --------------------------------------------------------------------------------------


def test_partial_fits_equal_epochs(X, y_real):
    options = {"dtype": "float64", "early_stopping": False, "learning_rate": "constant"}
    by_calls = RegularizedMLPRegressor(**NET, **options)
    for _ in range(4):
        by_calls.partial_fit(X, y_real)
    at_once = clone(by_calls).set_params(ema_decay=0).fit(X, y_real)
    for name, values in at_once._params.items():
        np.testing.assert_allclose(by_calls._params[name], values, rtol=0, atol=1e-12)


def test_the_unit_is_kept_from_the_first_call_that_has_noise(X, y_real):
    net = RegularizedMLPRegressor(**{**NET, "input_noise": 0.0, "numeric_embedding": None})
    assert "input_std" not in net.partial_fit(X, y_real)._params
    net.set_params(input_noise=0.2).partial_fit(2 * X, y_real)
    np.testing.assert_allclose(net._params["input_std"], 2 * X.std(axis=0), rtol=1e-6)
    net.set_params(input_noise=0.1).partial_fit(5 * X[:3], y_real[:3])
    np.testing.assert_allclose(net._params["input_std"], 2 * X.std(axis=0), rtol=1e-6)
    assert "input_std" not in net.set_params(input_noise=0).partial_fit(X, y_real)._params


# -- searches, ensembles, errors -------------------------------------------------------------------


def test_a_batched_search_equals_the_search(X, y_real):
    """Nets with noise and without are two stacks; levels differ inside one."""
    grid = {"input_noise": [0.0, 0.1, 0.5], "dropout": [0.0, 0.2]}
    net = RegularizedMLPRegressor(**NET, dtype="float64")
    search = GridSearchCV(net, grid, cv=KFold(2), refit=False)
    serial = clone(search).fit(X, y_real)
    with parallel_config(backend="skreg"):
        batched = search.fit(X, y_real)
    assert sum(skreg.last_rounds()[0].members) == 12
    np.testing.assert_allclose(
        batched.cv_results_["mean_test_score"], serial.cv_results_["mean_test_score"], atol=1e-8
    )


@pytest.mark.parametrize("stopping", ["ensemble", "member"])
def test_members_of_an_ensemble_measure_their_own_rows(X, y_real, stopping):
    bag = BaggedMLPRegressor(
        RegularizedMLPRegressor(**NET), n_estimators=3, stopping=stopping, random_state=0
    ).fit(X, y_real)
    stds = [member._params["input_std"] for member in bag.estimators_]
    assert len({tuple(std) for std in stds}) == 3
    assert np.isfinite(bag.predict(X)).all()


def test_a_negative_level_is_refused(X, y_real):
    with pytest.raises(
        ValueError, match=r"'input_noise' parameter .* must be a float in the range"
    ):
        RegularizedMLPRegressor(input_noise=-0.1).fit(X, y_real)
