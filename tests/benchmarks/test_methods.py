from __future__ import annotations

import importlib

import numpy as np
import pytest
from joblib.parallel import get_active_backend
from sklearn.datasets import make_classification, make_regression
from sklearn.model_selection import GridSearchCV, ParameterGrid

from benchmarks import methods
from benchmarks.methods import GROUPS, METHODS, epochs_of, make
from skreg.parallel.backend import SkregBackend

INSTALLED = [name for name, method in METHODS.items() if method.package is None]


@pytest.mark.parametrize("name", INSTALLED)
@pytest.mark.parametrize("task", ["binary", "regression"])
def test_methods_can_be_made(name, task):
    assert hasattr(make(name, task, 0), "fit")


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_the_default_is_the_default(task):
    net = make("skreg-raw", task, 3)
    assert net.get_params() == type(net)(random_state=3).get_params()
    # The same on columns that were scaled in front of it.
    prepared = make("skreg", task, 3)
    assert prepared.get_params() == net.set_params(scale_features=None).get_params()
    assert ("Regressor" in type(net).__name__) == (task == "regression")


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_the_grid_has_as_many_settings_as_boosting_and_the_default(task):
    grid = make("skreg-grid", task, 3)
    settings = ParameterGrid(grid.param_grid)
    assert len(settings) == methods.SETTINGS
    default = make("skreg-raw", task, 3).get_params()
    assert any(all(default[name] == value for name, value in one.items()) for one in settings)


def test_the_grid_is_trained_as_one_batch(monkeypatch):
    seen = []
    fit = GridSearchCV.fit

    def spied(self, X, y=None, **params):
        seen.append(get_active_backend()[0])
        return fit(self, X, y, **params)

    monkeypatch.setattr(GridSearchCV, "fit", spied)
    grid = make("skreg-grid", "binary", 0)
    grid.set_params(param_grid={"dropout": [0.0, 0.5]}, cv=2, estimator__max_iter=2)
    X, y = make_classification(60, 4, random_state=0)
    assert grid.fit(X, y).best_params_["dropout"] in (0.0, 0.5)
    assert isinstance(seen[0], SkregBackend)


def test_parameters_reach_the_estimator():
    net = make("skreg:hidden_layer_sizes=(8,),learning_rate=constant,dropout=0.3", "binary", 7)
    assert (net.hidden_layer_sizes, net.learning_rate, net.dropout) == ((8,), "constant", 0.3)
    assert net.random_state == 7
    scaled = make("skmlp:alpha=0.5", "regression", 0)
    assert scaled.regressor.alpha == 0.5
    assert make("skreg-bagged:estimator__dropout=0.4", "binary", 0).estimator.dropout == 0.4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mlp", "There is no method 'mlp'. Methods are skreg, "),
        ("skreg:0.2", r"The parameters of 'skreg:0\.2' cannot be read \(0\.2\)\. Write them as"),
        ("skreg:dropout=", "cannot be read"),
        ("skreg:drop=1", "'skreg:drop=1' cannot be made for regression: Invalid parameter 'drop'"),
        ("skreg:dropout=1.5", "The 'dropout' parameter of .* must be"),
        ("skreg:label_smoothing=0.1", "cannot be made for regression: Invalid parameter"),
    ],
)
def test_wrong_methods_are_told_before_any_training(text, message):
    with pytest.raises(ValueError, match=message):
        make(text, "regression", 0)


def test_missing_package_names_the_remedy(monkeypatch):
    def missing(name):
        raise ModuleNotFoundError(f"No module named {name!r}")

    monkeypatch.setattr(methods, "import_module", missing)
    with pytest.raises(ImportError, match=r"'realmlp' takes pytabkit.*`pip install pytabkit`"):
        make("realmlp", "binary", 0)


def test_groups_and_commas_expand_once():
    assert methods.expand(["ours,skreg", "hgb"]) == [*GROUPS["ours"], "hgb"]
    assert methods.expand(["skreg:dropout=0.1,patience=3"]) == ["skreg:dropout=0.1,patience=3"]


@pytest.mark.slow
@pytest.mark.parametrize("n_classes", [2, 3])
def test_twin_has_the_default_module_and_learns(n_classes):
    X, y = make_classification(
        300, 5, n_informative=4, n_redundant=0, n_classes=n_classes, random_state=0
    )
    twin = make("skorch", "binary", 0).fit(X, y)
    ours = make("skreg:max_iter=1", "binary", 0).fit(X, y)
    assert str(twin.net_.module_.eval()) == str(ours.module_)
    assert twin.score(X, y) > 0.8
    assert twin.predict_proba(X).shape == (300, n_classes)
    assert 1 <= epochs_of(twin) <= ours.get_params()["max_iter"] * 100


@pytest.mark.slow
def test_twin_of_a_regression_learns():
    X, y = make_regression(300, 5, noise=1.0, random_state=0)
    model = make("skorch", "regression", 0).fit(X, 1000 + y)
    assert model.score(X, 1000 + y) > 0.8
    assert epochs_of(model) >= 1


def test_twin_does_not_start_from_trained_weights():
    twin = importlib.import_module("benchmarks.twin")
    X, y = make_classification(100, 5, random_state=0)
    module = make("skreg:max_iter=1", "binary", 0).fit(X, y).module_
    fresh = twin.anew(module)
    before, after = (dict(m.named_parameters()) for m in (module, fresh))
    assert all(
        not np.array_equal(before[k].detach(), after[k].detach()) for k in before if "0." in k
    )
    assert str(module) == str(fresh)


def test_epochs_of_nets_alone():
    X, y = make_classification(100, 5, random_state=0)
    assert epochs_of(make("skreg:max_iter=3,early_stopping=False", "binary", 0).fit(X, y)) == 3
    assert epochs_of(make("hgb:max_iter=3", "binary", 0).fit(X, y)) is None
