"""`module_` of a search: the whole ensemble, wherever torch modules go."""

from __future__ import annotations

import io
import warnings

import numpy as np
import pandas as pd
import pytest
import torch

from skreg import (
    RegularizedMLPClassifier,
    RegularizedMLPClassifierCV,
    RegularizedMLPRegressor,
    RegularizedMLPRegressorCV,
)
from skreg.estimators.search.module import MeanOfClasses, MeanOfLabels
from skreg.estimators.search.run import Search

NET = {"hidden_layer_sizes": (6,), "max_iter": 4, "batch_size": 16, "dtype": "float64"}

#: Settings of several shapes, that prepare the table in several ways.
GRID = [
    {"scale_features": ["robust", "quantile"], "numeric_embedding": ["auto"]},
    {"hidden_layer_sizes": [(5, 5)], "residual": [True], "numeric_embedding": ["piecewise"]},
    {"scale_features": [None], "batch_norm": [False], "layer_norm": [True]},
]


KNOWN = {"halving": False, "random_state": 0}


def table(n=120):
    """Numbers, one column with gaps; and a column that the target depends on."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 4))
    X[rng.random(n) < 0.2, 3] = np.nan
    return X, X[:, 0] - np.abs(X[:, 1]) + 0.3 * rng.normal(size=n)


def classifier(**changes):
    net = RegularizedMLPClassifier(**NET)
    options = {"param_grid": GRID, "cv": 2, "n_repeats": 1, **KNOWN, **changes}
    return RegularizedMLPClassifierCV(net, **options)


def regressor(loss="squared_error", **changes):
    net = RegularizedMLPRegressor(**NET, loss=loss)
    options = {"param_grid": GRID, "cv": 2, "n_repeats": 1, **KNOWN, **changes}
    return RegularizedMLPRegressorCV(net, **options)


def labels(value):
    return np.stack([value > 0, value > -1, value < -0.5], axis=1).astype(int)


CASES = {
    "two classes": (classifier(), lambda v: v > 0),
    "three classes": (classifier(), lambda v: np.digitize(v, [-1, 0])),
    "multilabel": (classifier(), labels),
    "numbers": (regressor(), lambda v: 50 + 10 * v),
    "two targets": (regressor(refit="all"), lambda v: np.stack([v, 100 * v], axis=1)),
    "counts": (regressor("poisson"), lambda v: np.round(np.exp(v))),
}


def all_of_them(search):
    """A choice of each setting, with a weight of its own."""
    weights = np.arange(1.0, len(search.kept) + 1)
    return weights / weights.sum()


def fit_all(search, X, y):
    """Fit a search whose ensemble has all settings, whatever would be chosen on so few rows."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Search, "ensemble_weights", all_of_them)
        return search.fit(X, y)


@pytest.fixture(params=CASES, scope="module")
def fitted(request):
    search, target = CASES[request.param]
    X, value = table()
    return fit_all(search, X, target(value)), X


def outputs(search, X):
    found = search.decision_function(X) if hasattr(search, "classes_") else search.predict(X)
    return found.reshape(len(X), -1)


def test_it_is_what_the_search_predicts(fitted):
    search, X = fitted
    module, single = search.module_, search.module_.float()
    assert not module.training
    with torch.no_grad():
        for rows in (X, X[:1]):
            known, rows = outputs(search, rows), torch.from_numpy(rows)
            np.testing.assert_allclose(module(rows).numpy(), known, rtol=1e-9, atol=1e-9)
            found = single(rows.float()).numpy()
            assert found.dtype == np.float32
            np.testing.assert_allclose(found, known, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "target", [CASES["two classes"], CASES["three classes"], CASES["multilabel"]]
)
def test_it_agrees_far_beyond_what_probabilities_can_tell(target):
    """Logits of hundreds: of probabilities 1e-15 would be left, and log odds of 34.5."""
    X, value = table()
    X = np.nan_to_num(X)
    plain = {"scale_features": [None], "batch_norm": [False], "numeric_embedding": [None]}
    grid = plain | {"hidden_layer_sizes": [(6,), (5, 5)], "activation": ["relu"]}
    search = fit_all(classifier(param_grid=grid), X, target[1](value))
    far = 1e4 * X
    known = outputs(search, far)
    assert np.abs(known).max() > 300
    with torch.no_grad():
        np.testing.assert_allclose(search.module_(torch.from_numpy(far)), known, rtol=1e-9)
    logarithms = search.predict_log_proba(far)
    assert np.isfinite(logarithms).all() and logarithms.min() < -300
    proba = search.predict_proba(far)
    np.testing.assert_allclose(np.exp(logarithms), proba, rtol=1e-9, atol=1e-300)
    if known.shape[1] == 1:
        np.testing.assert_allclose(logarithms[:, 1] - logarithms[:, 0], known[:, 0], rtol=1e-9)


def test_torch_script(fitted):
    search, X = fitted
    file = io.BytesIO()
    torch.jit.save(torch.jit.script(search.module_), file)
    file.seek(0)
    with torch.no_grad():
        out = torch.jit.load(file)(torch.from_numpy(X)).numpy()
    np.testing.assert_allclose(out, outputs(search, X), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("fitted", ["three classes"], indirect=True)
def test_torch_export(fitted):
    search, X = fitted
    n = torch.export.Dim("n", min=1, max=1 << 40)  # torch 2.6 wants a bound
    program = torch.export.export(
        search.module_, (torch.from_numpy(X[:7]),), dynamic_shapes=({0: n},)
    )
    with torch.no_grad():
        for rows in (X, X[:1]):
            out = program.module()(torch.from_numpy(rows)).numpy()
            np.testing.assert_allclose(out, outputs(search, rows), rtol=1e-9, atol=1e-9)


def onnx_session(module, rows):
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter is a deprecated one
        torch.onnx.export(
            module,
            (rows,),
            file,
            dynamo=False,
            input_names=["rows"],
            output_names=["outputs"],
            dynamic_axes={"rows": {0: "n"}, "outputs": {0: "n"}},
        )
    return runtime.InferenceSession(file.getvalue())


def test_onnx(fitted):
    search, X = fitted
    session = onnx_session(search.module_.float(), torch.from_numpy(X[:2]).float())
    (out,) = session.run(None, {"rows": X.astype(np.float32)})
    np.testing.assert_allclose(out, outputs(search, X), rtol=1e-4, atol=1e-4)


def test_a_table_is_prepared_once_in_each_way_and_no_module_stands_twice(fitted):
    search, X = fitted
    module, nets = search.module_, search.estimators_
    assert len(module.parts) == len({id(net._columns) for net in nets}) < len(nets)
    assert sum(len(part.nets) for part in module.parts) == len(nets)
    found = list(module.modules())
    assert len({id(one) for one in found}) == len(found)
    called = []
    for one in found:
        if not isinstance(one, torch.nn.ModuleList):
            one.register_forward_hook(lambda m, *_: called.append(id(m)))
    module(torch.from_numpy(X))
    assert len(called) == len(set(called)) > len(nets)


def test_it_shares_no_memory_with_the_search(fitted):
    search, X = fitted
    known = outputs(search, X)
    module = search.module_
    with torch.no_grad():
        for tensor in (*module.parameters(), *module.buffers()):
            tensor.zero_()
    np.testing.assert_array_equal(outputs(search, X), known)


def test_before_a_fit_there_is_none():
    assert not hasattr(classifier(), "module_")


def test_categories_and_gaps():
    rng = np.random.default_rng(0)
    n = 150
    frame = pd.DataFrame(
        {
            "gaps": np.where(rng.random(n) < 0.2, np.nan, rng.exponential(size=n)),
            "text": rng.choice(["red", "green", "blue"], n),
            "far": 1e6 + rng.normal(size=n),
        }
    )
    frame.loc[::17, "text"] = None
    y = np.where((frame["gaps"] > 0.7) ^ (frame["text"] == "red"), "yes", "no")
    grid = {"category_embedding": ["onehot", "embedding"], "scale_features": ["robust", "quantile"]}
    search = fit_all(classifier(param_grid=grid), frame, y)
    numbers = frame.assign(text=frame["text"].map({"blue": 0, "green": 1, "red": 2}))
    rows = torch.from_numpy(numbers.to_numpy(dtype=float))
    module = search.module_
    with torch.no_grad():
        np.testing.assert_allclose(module(rows).numpy()[:, 0], search.decision_function(frame))
        unknown = torch.tensor([[np.nan, -1.0, 1e6]], dtype=torch.float64)
        new = pd.DataFrame({"gaps": [np.nan], "text": ["violet"], "far": [1e6]})
        np.testing.assert_allclose(module(unknown).item(), search.decision_function(new))
    session = onnx_session(module, rows[:2])
    (out,) = session.run(None, {"rows": rows.numpy()})
    np.testing.assert_allclose(out[:, 0], search.decision_function(frame), atol=1e-5)


def test_nets_of_both_precisions():
    X, value = table()
    search = fit_all(regressor(param_grid={"dtype": ["float32", "float64"]}), X, value)
    assert {net.dtype for net in search.estimators_} == {"float32", "float64"}
    with torch.no_grad():
        out = search.module_(torch.from_numpy(X)).numpy()
    assert out.dtype == np.float64
    np.testing.assert_allclose(out[:, 0], search.predict(X), atol=1e-6)


def test_means_of_probabilities_far_from_a_half():
    """Logits whose probabilities are 0 and 1 in any precision, in torch and in ONNX."""
    weights = torch.tensor([0.25, 0.75], dtype=torch.float64)
    both = torch.tensor([[[-500.0]], [[-900.0]]], dtype=torch.float64)
    known = -500.0 + np.log(0.25)
    mean = MeanOfLabels(weights)
    np.testing.assert_allclose(mean(both), [[known]], rtol=1e-12)
    np.testing.assert_allclose(mean(-both), [[-known]], rtol=1e-12)
    session = onnx_session(MeanOfLabels(weights.float()), both.float())
    (out,) = session.run(None, {"rows": both.numpy().astype(np.float32)})
    np.testing.assert_allclose(out, [[known]], rtol=1e-6)
    classes = torch.cat([both, torch.zeros_like(both)], dim=2)
    np.testing.assert_allclose(MeanOfClasses(weights)(classes), [[known, 0.0]], atol=1e-12)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_shap_values_of_a_regressor_add_up_to_its_predictions():
    """Hooks see each module once, also where nets share a preparation."""
    pytest.importorskip("shap")
    from shap import DeepExplainer
    from shap.explainers._deep import deep_pytorch

    X, value = table()
    X = np.nan_to_num(X)
    net = RegularizedMLPRegressor(**{**NET, "dtype": "float32"}, clip=False)
    grid = {"hidden_layer_sizes": [(6,), (8,)], "activation": ["relu"]}
    search = RegularizedMLPRegressorCV(net, param_grid=grid, cv=2, random_state=0)
    fit_all(search, X, value)
    rows = torch.from_numpy(X).float()
    with pytest.MonkeyPatch.context() as patch:
        for name in ("Shift", "Cosine"):
            patch.setitem(deep_pytorch.op_handler, name, deep_pytorch.nonlinear_1d)
        values = DeepExplainer(search.module_, rows[:60]).shap_values(rows[60:])
    known = search.predict(X[60:]) - search.predict(X[:60]).mean()
    np.testing.assert_allclose(values.reshape(60, -1).sum(axis=1), known, atol=1e-4)
