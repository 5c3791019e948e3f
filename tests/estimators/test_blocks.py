"""Blocks that a flag adds to a net, on the estimators: each does what its name says, wherever nets go."""

from __future__ import annotations

import copy
import pickle
import warnings

import numpy as np
import pytest
import torch
from joblib import parallel_config
from sklearn.base import clone
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import GridSearchCV

import skreg
import skreg.estimators.rows as rows
from skreg import (
    BaggedMLPClassifier,
    BaggedMLPRegressor,
    RegularizedMLPClassifier,
    RegularizedMLPRegressor,
)

NET = {
    "scale_features": None,
    "batch_norm": False,
    "max_iter": 8,
    "random_state": 0,
    "dtype": "float64",
}

#: For each flag a net that has the block.
FLAGS = {
    "layer_norm": {"hidden_layer_sizes": (8, 6), "layer_norm": True},
    "residual": {"hidden_layer_sizes": (6, 6, 6), "residual": True},
}
flags = pytest.mark.parametrize("flag", FLAGS)


def regressor(flag, **options):
    return RegularizedMLPRegressor(**{**NET, "clip": False, **FLAGS[flag], **options})


def classifier(flag, **options):
    return RegularizedMLPClassifier(**{**NET, **FLAGS[flag], **options})


# -- wherever nets go ------------------------------------------------------------------------------


@flags
def test_it_changes_the_net_and_off_is_the_default(flag, X, y_real):
    on, off, plain = (
        regressor(flag, **options).fit(X, y_real).predict(X)
        for options in ({}, {flag: False}, {flag: RegularizedMLPRegressor().get_params()[flag]})
    )
    np.testing.assert_array_equal(off, plain)
    assert np.abs(on - off).max() > 1e-3


@flags
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_predict_is_the_module(flag, dtype, X, y_real, y_three):
    atol = {"float32": 1e-4, "float64": 1e-12}[dtype]
    rows = torch.from_numpy(X.astype(dtype))
    net = regressor(flag, dtype=dtype).fit(X, y_real)
    out = net.module_(rows).detach().numpy()[:, 0] / y_real.std()
    np.testing.assert_allclose(out, net.predict(X) / y_real.std(), rtol=0, atol=atol)
    assert {p.dtype for p in net.module_.parameters()} == {rows.dtype}
    net = classifier(flag, dtype=dtype).fit(X, y_three)
    out = net.module_(rows).detach().numpy()
    np.testing.assert_allclose(out, net.decision_function(X), rtol=0, atol=atol)


@flags
def test_a_row_predicts_the_same_alone(flag, X, y_real):
    net = regressor(flag).fit(X, y_real)
    alone = np.concatenate([net.predict(X[i : i + 1]) for i in range(20)])
    np.testing.assert_allclose(alone, net.predict(X)[:20], rtol=1e-10)


@flags
def test_pickles_and_clones(flag, X, y_real):
    net = regressor(flag).fit(X, y_real)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(net)).predict(X), net.predict(X))
    np.testing.assert_array_equal(clone(net).fit(X, y_real).predict(X), net.predict(X))


@flags
def test_training_goes_on_and_not_without_it(flag, X, y_real):
    net = regressor(flag, early_stopping=False)
    for _ in range(2):
        net.partial_fit(X, y_real)
    message = f"The fitted net has {flag}=True and cannot go on with {flag}=False. Set {flag} back"
    with pytest.raises(ValueError, match=message):
        copy.deepcopy(net).set_params(**{flag: False}).partial_fit(X, y_real)
    with pytest.raises(ValueError, match=message):
        net.set_params(**{flag: False}, warm_start=True).fit(X, y_real)
    net.set_params(**{flag: True}).fit(X, y_real)
    assert net.n_iter_ == 8


@flags
def test_dropout_masks_at_predict(flag, X, y_real):
    """A mean over masks that lies about the prediction, and is not the same for each draw."""
    net = regressor(flag, dropout=0.1, max_iter=30).fit(X, y_real)
    mean, std = net.predict_mc(X, n_samples=50, random_state=0)
    assert (std > 0).all()
    assert np.corrcoef(mean, net.predict(X))[0, 1] > 0.9


@flags
@pytest.mark.parametrize("stopping", ["ensemble", "member"])
def test_ensembles(flag, stopping, X, y_real, y_three):
    model = BaggedMLPRegressor(
        regressor(flag), n_estimators=3, stopping=stopping, random_state=0
    ).fit(X, y_real)
    nets = [net.predict(X) for net in model.estimators_]
    np.testing.assert_allclose(model.predict(X), np.mean(nets, axis=0), rtol=1e-10)
    model = BaggedMLPClassifier(
        classifier(flag), n_estimators=3, stopping=stopping, random_state=0
    ).fit(X, y_three)
    assert model.predict_proba(X).shape == (90, 3)


@flags
def test_a_search_over_it_trains_side_by_side_what_it_trains_alone(flag, X, y_three):
    grid = {flag: [False, True], "dropout": [0.0, 0.3]}
    search = GridSearchCV(classifier(flag), grid, cv=2, refit=False)
    alone = clone(search).fit(X, y_three).cv_results_["mean_test_score"]
    with parallel_config(backend="skreg"):
        together = search.fit(X, y_three).cv_results_["mean_test_score"]
    np.testing.assert_allclose(together, alone, atol=1e-12)
    (report,) = skreg.last_rounds()
    assert report.jobs == 8
    assert 2 <= len(report.members) < 8


# -- layer norm ------------------------------------------------------------------------------------


def test_layer_norm_normalises_each_row_over_its_units(X, y_real):
    """Read off the module: what comes out of each norm, before its own scale and shift."""
    net = regressor("layer_norm", numeric_embedding=None).fit(X, y_real)
    seen, module = [], net.module_
    norms = [m for m in module if isinstance(m, torch.nn.LayerNorm)]
    assert [m.normalized_shape for m in norms] == [(8,), (6,)]
    for norm in norms:
        norm.register_forward_hook(lambda m, _, out: seen.append((out - m.bias) / m.weight))
    with torch.no_grad():
        module(torch.from_numpy(X))
    for out in seen:
        np.testing.assert_allclose(out.mean(dim=1), 0.0, atol=1e-8)
        np.testing.assert_allclose(out.var(dim=1, correction=0), 1.0, atol=1e-2)


def test_the_scale_of_weights_in_front_of_a_layer_norm_does_not_matter(X, y_real):
    net = regressor("layer_norm").fit(X, y_real)
    before = net.predict(X)
    for name in ("weight_0", "bias_0"):
        net._params[name] = 1e3 * net._params[name]
    np.testing.assert_allclose(net.predict(X), before, rtol=1e-3)


def test_layer_norm_learns_from_minibatches_and_calls_of_one_row(X, y_binary):
    options = {"hidden_layer_sizes": (16,), "dropout": 0.0, "early_stopping": False}
    options["learning_rate_init"] = 0.01
    net = classifier("layer_norm", batch_size=1, max_iter=30, **options)
    assert net.fit(X, y_binary).score(X, y_binary) > 0.8
    net = clone(net)
    for _ in range(8):
        for i in range(90):
            net.partial_fit(X[i : i + 1], y_binary[i : i + 1], classes=[0, 1])
    assert net.score(X, y_binary) > 0.8


def test_layer_norm_in_the_summary(X, y_real):
    net = regressor("layer_norm", dropout=0.0, numeric_embedding=None).fit(X, y_real)
    frame = net.summary().frame()
    assert frame["layer"].tolist()[:3] == ["Linear", "LayerNorm", "Activation (relu)"]
    assert frame["knobs"].tolist()[1] == "layer_norm"
    assert frame["parameters"].tolist()[:5] == [5 * 8 + 8, 16, 0, 8 * 6 + 6, 12]
    assert net.summary().n_parameters == sum(p.numel() for p in net.module_.parameters())


@pytest.mark.filterwarnings("ignore:One or more of the test scores are non-finite")
def test_layer_norm_beside_batch_norm_is_refused_and_a_search_goes_on(X, y_real):
    """In ensembles too, and before training; a list of grids has no such setting."""
    both = regressor("layer_norm", batch_norm=True)
    message = "layer_norm=True and batch_norm=True .* Set layer_norm=True, batch_norm=False"
    for model in (both, BaggedMLPRegressor(both, n_estimators=2)):
        with pytest.raises(ValueError, match=message):
            model.fit(X, y_real)
    grid = {"layer_norm": [False, True], "batch_norm": [False, True]}
    with pytest.warns(FitFailedWarning, match="layer_norm=True and batch_norm=True"):
        search = GridSearchCV(both, grid, cv=2).fit(X, y_real)
    failed = np.isnan(search.cv_results_["mean_test_score"])
    settings = search.cv_results_["params"]
    assert [all(s.values()) for s in settings] == failed.tolist()
    grids = [{"batch_norm": [True]}, {"batch_norm": [False], "layer_norm": [True, False]}]
    off = regressor("layer_norm", layer_norm=False)
    search = GridSearchCV(off, grids, cv=2).fit(X, y_real)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_without_hidden_layers_there_is_nothing_to_normalise(X, y_real):
    options = {"hidden_layer_sizes": (), "batch_norm": True}
    on, off = (
        regressor("layer_norm", **options, layer_norm=flag).fit(X, y_real).predict(X)
        for flag in (True, False)
    )
    np.testing.assert_array_equal(on, off)


# -- residual connections --------------------------------------------------------------------------


@pytest.mark.parametrize("batch_norm", [False, True])
def test_a_residual_layer_that_adds_nothing_is_not_there(X, y_real, batch_norm):
    """Its weights zero, and its bias or shift with them: the net is the one without that layer."""
    net = regressor("residual", batch_norm=batch_norm).fit(X, y_real)
    options = {"residual": False, "hidden_layer_sizes": (6,), "batch_norm": batch_norm}
    plain = regressor("residual", **options).fit(X, y_real)
    for layer in (1, 2):
        for name in ("weight", "shift" if batch_norm else "bias", *["mean"] * batch_norm):
            net._params[f"{name}_{layer}"] = 0 * net._params[f"{name}_{layer}"]
    for name in plain._params:
        net._params[name.replace("_1", "_3")] = plain._params[name]
    np.testing.assert_allclose(net.predict(X), plain.predict(X), rtol=1e-12)


def test_residual_layers_add_their_inputs(X, y_real):
    """By hand, of the weights of the layers."""
    options = {"hidden_layer_sizes": (6, 6, 4), "numeric_embedding": None, "early_stopping": False}
    net = regressor("residual", **options).fit(X, y_real)
    (U, V, W, w), (a, b, c, d) = net.coefs_, net.intercepts_
    one = np.maximum(X @ U + a, 0)
    two = one + np.maximum(one @ V + b, 0)
    raw = np.maximum(two @ W + c, 0) @ w + d
    by_hand = raw[:, 0] * y_real.std() + y_real.mean()
    np.testing.assert_allclose(net.predict(X), by_hand, rtol=1e-10)


def test_deep_nets_train_with_residual_connections_and_not_without():
    """Twelve layers of tanh: inputs are lost on the way unless they are passed on."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 4))
    y = np.sin(2 * X[:, 0]) + X[:, 1] * X[:, 2]
    options = {"hidden_layer_sizes": (16,) * 12, "numeric_embedding": None, "dropout": 0.0}
    options |= {"activation": "tanh", "early_stopping": False, "max_iter": 40, "ema_decay": 0.0}
    on, off = (
        regressor("residual", **options, residual=flag).fit(X, y).loss_curve_[-1]
        for flag in (True, False)
    )
    assert on < 0.5 * off


def test_residual_in_the_summary(X, y_real):
    net = regressor("residual", dropout=0.0, numeric_embedding=None).fit(X, y_real)
    frame = net.summary().frame()
    layer = ["Linear", "Activation (relu)"]
    names = [*layer, *layer, "Residual", *layer, "Residual", "Linear"]
    assert frame["layer"].tolist() == names
    assert frame["knobs"][4] == "residual"
    assert frame["parameters"].tolist() == [36, 0, 42, 0, 0, 42, 0, 0, 7]


def test_residual_without_neighbours_of_equal_width_is_said_once_in_a_search(
    X, y_real, monkeypatch
):
    """It does not end a search over widths; the first layer's inputs are no hidden layer."""
    monkeypatch.setattr(rows, "_said", set())
    message = "residual=True does nothing where no two neighbours in hidden_layer_sizes are equal"
    for sizes in ((5, 4), (5,)):
        net = regressor("residual", hidden_layer_sizes=sizes, numeric_embedding=None)
        for model in (net, BaggedMLPRegressor(net, n_estimators=2, random_state=0)):
            with pytest.warns(UserWarning, match=message):
                model.fit(X, y_real)
    with pytest.warns(UserWarning, match=message):
        plain = clone(net).set_params(residual=False).fit(X, y_real)
        np.testing.assert_array_equal(net.fit(X, y_real).predict(X), plain.predict(X))
    grid = {"hidden_layer_sizes": [(4,), (4, 4), (6, 4), (6, 6)]}
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        search = GridSearchCV(net, grid, cv=2, refit=False).fit(X, y_real)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert [message in str(w.message) for w in seen] == [True]
