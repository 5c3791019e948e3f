"""Every parameter and all data are checked before training; messages name value and remedy."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from sklearn.exceptions import ConvergenceWarning

import skreg.estimators.base as base
from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor
from skreg.estimators.resolve import resolve_device

MLPS = RegularizedMLPClassifier, RegularizedMLPRegressor


@pytest.fixture(autouse=True)
def no_training(request, monkeypatch):
    """An error that comes after training comes too late."""
    if "trains" in request.fixturenames:
        return

    def submit(job):
        raise AssertionError("training has begun")

    monkeypatch.setattr(base, "submit", submit)


@pytest.fixture
def trains():
    """Asked for by the tests that do train."""


@pytest.fixture
def regressor():
    return RegularizedMLPRegressor((4, 3), max_iter=2, random_state=0)


@pytest.fixture
def classifier():
    return RegularizedMLPClassifier((4, 3), max_iter=2, random_state=0)


# -- parameters ------------------------------------------------------------------------------------

INVALID = [
    ({"hidden_layer_sizes": (5, 0)}, r"hidden_layer_sizes=\(5, 0\) has the entry 0; .* int >= 1"),
    ({"hidden_layer_sizes": (5, 2.5)}, r"has the entry 2\.5; every entry must be an int >= 1"),
    ({"hidden_layer_sizes": (5, True)}, r"has the entry True; every entry must be an int >= 1"),
    ({"hidden_layer_sizes": 0}, r"'hidden_layer_sizes' parameter .* Got 0 instead"),
    ({"dropout": [0.1]}, r"dropout=\[0\.1\] has 1 entries for 2 hidden layers\. Give one number"),
    ({"dropout": [0.1, 1.0]}, r"has the entry 1; every entry must be in \[0, 1\)"),
    ({"dropout": [0.1, np.nan]}, r"has the entry nan; every entry must be in \[0, 1\)"),
    ({"dropout": ["a", "b"]}, r"dropout=\['a', 'b'\] must be a number or a list of 2 numbers"),
    ({"dropout": 1.0}, r"'dropout' parameter .* Got 1\.0 instead"),
    ({"dropout": -0.1}, r"'dropout' parameter .* Got -0\.1 instead"),
    ({"l1": [0.1, 0.1]}, r"l1=\[0\.1, 0\.1\] has 2 entries for 3 linear layers"),
    ({"l1": [0.1, -1.0, 0.1]}, r"has the entry -1; every entry must be in \[0, inf\)"),
    ({"l2": [0.1, np.inf, 0.1]}, r"has the entry inf; every entry must be in \[0, inf\)"),
    ({"l2": np.nan}, r"'l2' parameter .* Got nan instead"),
    ({"weight_decay": -1.0}, r"'weight_decay' parameter .* Got -1\.0 instead"),
    ({"max_norm": 0.0}, r"'max_norm' parameter .* Got 0\.0 instead"),
    ({"activation": "sigmoid"}, r"'activation' parameter .*'logistic'.* Got 'sigmoid' instead"),
    ({"solver": "lbfgs"}, r"'solver' parameter .* Got 'lbfgs' instead"),
    ({"learning_rate": "step"}, r"'learning_rate' parameter .* Got 'step' instead"),
    ({"learning_rate_init": 0.0}, r"'learning_rate_init' parameter .* Got 0\.0 instead"),
    ({"batch_size": 0}, r"'batch_size' parameter .* Got 0 instead"),
    ({"batch_size": 1}, r"batch_norm=True needs minibatches of at least 2 rows, got batch_size=1"),
    (
        {"layer_norm": True},
        r"layer_norm=True and batch_norm=True .* Set layer_norm=True, batch_norm=Fa",
    ),
    (
        {"layer_norm": True, "batch_norm": False, "hidden_layer_sizes": (5, 1)},
        r"a layer of 1 unit .* hidden_layer_sizes=\(5, 1\) must have entries >= 2 .* layer_norm=False",
    ),
    ({"residual": 1.5}, r"'residual' parameter .* Got 1\.5 instead"),
    ({"layer_norm": "yes"}, r"'layer_norm' parameter .* Got 'yes' instead"),
    ({"max_iter": 0}, r"'max_iter' parameter .* Got 0 instead"),
    ({"max_time": 0.0}, r"'max_time' parameter .* Got 0\.0 instead"),
    ({"patience": 0}, r"'patience' parameter .* Got 0 instead"),
    ({"min_delta": -1.0}, r"'min_delta' parameter .* Got -1\.0 instead"),
    ({"scoring": "nonsense"}, r"'scoring' parameter .*'loss'.* Got 'nonsense' instead"),
    ({"validation_fraction": 1.0}, r"'validation_fraction' parameter .* Got 1\.0 instead"),
    ({"validation_fraction": 90}, r"validation_fraction=90 rows leave no training rows of 90"),
    ({"input_dropout": 0.95}, r"input_dropout=0\.95 leaves 0\.25 inputs of n_features=5 .* 0\.9 h"),
    ({"dtype": "float16"}, r"'dtype' parameter .* Got 'float16' instead"),
    ({"device": "tpu9"}, r"device='tpu9' is not a device\. Use 'auto', 'cpu', 'cuda'"),
    ({"device": "meta"}, r"device='meta' is not supported\. Use 'auto', 'cpu'"),
    ({"callbacks": "print"}, r"'callbacks' parameter .* Got 'print' instead"),
]


@pytest.mark.parametrize(("parameters", "message"), INVALID, ids=lambda p: str(p)[:40])
def test_invalid_parameters(X, y_real, regressor, parameters, message):
    regressor.set_params(**{"batch_norm": True, **parameters})
    with pytest.raises(ValueError, match=message):
        regressor.fit(X, y_real)


@pytest.mark.parametrize("parameters", [{"dropout": [0.1]}, {"device": "tpu9"}])
def test_invalid_parameters_of_partial_fit(X, y_real, regressor, parameters):
    with pytest.raises(ValueError, match=r"dropout=|device="):
        regressor.set_params(**parameters).partial_fit(X, y_real)


def test_invalid_parameters_of_one_estimator(X, y_real, y_binary, regressor, classifier):
    for parameters, message in (
        ({"label_smoothing": 1.0}, "'label_smoothing' parameter"),
        ({"class_weight": "even"}, "'class_weight' parameter"),
    ):
        with pytest.raises(ValueError, match=message):
            RegularizedMLPClassifier(**parameters).fit(X, y_binary)
    for parameters, message in (
        ({"loss": "mse"}, r"'loss' parameter .* Got 'mse' instead"),
        ({"quantile": 1.0}, "'quantile' parameter"),
    ):
        with pytest.raises(ValueError, match=message):
            RegularizedMLPRegressor(**parameters).fit(X, y_real)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_cuda_without_cuda(X, y_real, regressor):
    with pytest.raises(
        ValueError, match=r"device='cuda', but this torch finds no CUDA device\. Use"
    ):
        regressor.set_params(device="cuda").fit(X, y_real)


def test_devices_that_are_not_there(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert resolve_device("auto", "float32") == "cuda"
    assert resolve_device("cuda:1", "float64") == "cuda:1"
    with pytest.raises(ValueError, match=r"device='cuda:2', but torch finds 2 CUDA device\(s\)"):
        resolve_device("cuda:2", "float32")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert resolve_device("auto", "float32") == "cpu"
    with pytest.raises(ValueError, match=r"device='mps', but this torch finds no MPS device"):
        resolve_device("mps", "float32")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert resolve_device("auto", "float32") == "mps"
    assert resolve_device("auto", "float64") == "cpu"
    with pytest.raises(ValueError, match=r"dtype='float64' is not available on device='mps'"):
        resolve_device("mps", "float64")


# -- data ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cls", MLPS)
def test_missing_values_of_sparse_tables_name_the_remedy(X, y_binary, cls):
    holes = X.copy()
    holes[3, 2] = np.nan
    holes = sp.csr_array(holes)
    text = r"(?s)contains NaN: column 2 has 1 missing .* row 3.*SimpleImputer.* or pass X dense"
    with pytest.raises(ValueError, match=text):
        cls().fit(holes, y_binary)
    with pytest.raises(ValueError, match=r"Input X_val contains NaN.*SimpleImputer"):
        cls().fit(X, y_binary, X_val=holes, y_val=y_binary)


@pytest.mark.usefixtures("trains")
def test_missing_values_of_sparse_tables_at_predict(X, y_real, regressor):
    holes = X.copy()
    holes[3, 2] = np.nan
    with pytest.raises(ValueError, match=r"(?s)contains NaN.*SimpleImputer"):
        regressor.fit(X, y_real).predict(sp.csr_array(holes))


def test_missing_targets_have_another_remedy(X, y_real, regressor):
    holes = y_real.copy()
    holes[0] = np.nan
    with pytest.raises(ValueError, match="Input y contains NaN") as error:
        regressor.fit(X, holes)
    assert "Imputer" not in str(error.value)


def test_poisson_with_negative_targets(X, y_real, regressor):
    regressor.set_params(loss="poisson")
    with pytest.raises(
        ValueError, match=r"loss='poisson' needs targets >= 0, .* the value -7\. Use"
    ):
        regressor.fit(X, np.r_[-7.0, y_real[1:] ** 2])


def test_validation_data_come_together(X, y_real, regressor):
    with pytest.raises(ValueError, match=r"X_val was given without y_val\. Pass both or neither"):
        regressor.fit(X, y_real, X_val=X)
    with pytest.raises(ValueError, match=r"y_val was given without X_val\. Pass both or neither"):
        regressor.fit(X, y_real, y_val=y_real)
    with pytest.raises(ValueError, match="sample_weight_val was given without X_val and y_val"):
        regressor.fit(X, y_real, sample_weight_val=np.ones(90))
    with pytest.raises(ValueError, match="X_val has 3 features, but RegularizedMLPRegressor"):
        regressor.fit(X, y_real, X_val=X[:, :3], y_val=y_real)


def test_validation_classes_are_those_of_training(X, y_three, classifier):
    with pytest.raises(
        ValueError, match=r"y_val has the classes \[9\], which are not among the classes"
    ):
        classifier.fit(X, y_three, X_val=X[:2], y_val=[0, 9])


def test_weights(X, y_binary, classifier):
    with pytest.raises(ValueError, match="Negative values in data passed to `sample_weight`"):
        classifier.fit(X, y_binary, sample_weight=np.linspace(-1, 1, 90))
    with pytest.raises(ValueError, match=r"(?i)sample.weight.*zero"):
        classifier.fit(X, y_binary, sample_weight=np.zeros(90))
    with pytest.raises(ValueError, match="class_weight if any, is zero for every row"):
        classifier.set_params(class_weight={0: 0, 1: 0}).fit(X, y_binary)


def test_class_weight_of_multilabel_targets(X, y_labels, classifier):
    with pytest.raises(ValueError, match=r"class_weight='balanced' has no meaning for multilabel"):
        classifier.set_params(class_weight="balanced").fit(X, y_labels)


def test_targets_of_the_wrong_kind(X, y_real, y_three, classifier, regressor):
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        classifier.fit(X, y_real)
    with pytest.raises(ValueError, match=r"y has 2 columns of classes.*MultiOutputClassifier"):
        classifier.fit(X, np.column_stack([y_three, y_three]))
    with pytest.raises(ValueError, match="could not convert string to float"):
        regressor.fit(X, np.array(["a", "b"] * 45))
    with pytest.raises(ValueError, match="requires y to be passed, but the target y is None"):
        regressor.fit(X, None)


# -- warnings --------------------------------------------------------------------------------------


def caught(fit):
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        fit()
    return [w for w in seen if "scales of the features" in str(w.message)]


@pytest.mark.usefixtures("trains")
def test_features_of_other_scales_draw_one_warning(X, y_real, regressor):
    wild = X * [1.0, 1.0, 1e4, 1.0, 1.0]
    assert caught(lambda: regressor.fit(wild, y_real)) == []  # they are scaled
    regressor.set_params(scale_features=None)
    seen = caught(lambda: regressor.fit(wild, y_real))
    assert len(seen) == 1
    assert seen[0].category is UserWarning
    assert "differ by a factor of 1e+04" in str(seen[0].message)
    assert "Set scale_features='robust'" in str(seen[0].message)
    assert seen[0].filename == __file__  # where the user's code is
    assert len(caught(lambda: regressor.fit(sp.csr_array(wild), y_real))) == 1
    assert caught(lambda: regressor.fit(X * [1.0, 1.0, 500.0, 1.0, 1.0], y_real)) == []
    # constant columns have no scale
    assert caught(lambda: regressor.fit(np.column_stack([X, np.full(90, 1e9)]), y_real)) == []


@pytest.mark.usefixtures("trains")
@pytest.mark.parametrize("early_stopping", [False, True])
def test_divergence_warns_and_keeps_the_best_weights(X, y_real, early_stopping):
    net = RegularizedMLPRegressor(
        (4,),
        solver="sgd",
        learning_rate_init=1e4,
        batch_norm=False,
        early_stopping=early_stopping,
        scale_target=False,
        max_iter=50,
        random_state=0,
    )
    with pytest.warns(
        ConvergenceWarning, match=r"(?s)diverged in epoch \d+ .*lower\s+learning_rate"
    ):
        net.fit(X, y_real)
    assert net.stopped_by_ == "diverged"
    assert net.n_iter_ < 50
    assert np.isfinite(net.predict(X)).all()
