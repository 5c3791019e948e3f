"""`module_` goes where torch modules go: TorchScript, ONNX and explainers."""

from __future__ import annotations

import io
import warnings

import numpy as np
import pytest
import torch

from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor
from skreg.net.activation import KINDS
from skreg.net.dropout import ColumnDropout
from skreg.net.periodic import Cosine, PeriodicEmbedding, periodic
from skreg.net.piecewise import Clip

NET = {"hidden_layer_sizes": (8, 6), "max_iter": 3, "random_state": 0, "dtype": "float64"}

NETS = {
    "default": RegularizedMLPRegressor(**NET),
    "input dropout": RegularizedMLPRegressor(**NET, input_dropout=0.2, clip=False),
    "piecewise": RegularizedMLPRegressor(**NET, numeric_embedding="piecewise", input_dropout=0.1),
    "input noise": RegularizedMLPRegressor(**NET, input_noise=0.2),
    "poisson": RegularizedMLPRegressor(**NET, loss="poisson"),
    "without embedding": RegularizedMLPClassifier(**NET, numeric_embedding=None),
    "layer norm": RegularizedMLPClassifier(**NET, layer_norm=True, batch_norm=False),
    "residual": RegularizedMLPClassifier(
        **{**NET, "hidden_layer_sizes": (8, 8, 8)}, residual=True, activation="gelu"
    ),
    "linear": RegularizedMLPClassifier(**{**NET, "hidden_layer_sizes": ()}),
    **{name: RegularizedMLPClassifier(**NET, activation=name, batch_norm=False) for name in KINDS},
}


@pytest.fixture(params=NETS, scope="module")
def net(request, X, y_real, y_three):
    net = NETS[request.param]
    counts = np.clip(np.round(y_real / 20), 0, None)
    y = y_three if isinstance(net, RegularizedMLPClassifier) else counts
    return net.fit(X, y)


def outputs(net, X):
    return net.decision_function(X) if hasattr(net, "classes_") else net.predict(X)[:, None]


def test_torch_script(net, X):
    scripted = torch.jit.script(net.module_)
    file = io.BytesIO()
    torch.jit.save(scripted, file)
    file.seek(0)
    with torch.no_grad():
        for rows in (X, X[:1]):
            out = torch.jit.load(io.BytesIO(file.getvalue()))(torch.from_numpy(rows))
            np.testing.assert_allclose(out.numpy(), outputs(net, rows), rtol=0, atol=1e-10)


def test_onnx(net, X):
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter is a deprecated one
        torch.onnx.export(
            net.module_.float(),
            (torch.from_numpy(X[:2]).float(),),
            file,
            dynamo=False,
            input_names=["rows"],
            output_names=["outputs"],
            dynamic_axes={"rows": {0: "n"}, "outputs": {0: "n"}},
        )
    session = runtime.InferenceSession(file.getvalue())
    (out,) = session.run(None, {"rows": X.astype(np.float32)})
    np.testing.assert_allclose(out, outputs(net, X), rtol=1e-4, atol=1e-4)


def test_embedding_is_the_layer_of_the_engine():
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.normal(size=(7, 5)))
    parts = [torch.from_numpy(rng.normal(size=s)) for s in ((2, 16), (2, 16), (2, 3, 16), (2, 3))]
    known = periodic(x[None], torch.tensor([1, 4]), *(p[None] for p in parts))[0].T
    with torch.no_grad():
        found = PeriodicEmbedding([1, 4], *parts)(x)
    torch.testing.assert_close(found, known)


def test_columns_are_dropped_with_what_was_made_of_them():
    layer = ColumnDropout(0.5, [0, 1, 2, 1, 1]).train()
    scripted = torch.jit.script(layer)
    out = scripted(torch.ones(4000, 5))
    assert set(out.unique().tolist()) == {0.0, 2.0}
    assert (out[:, [3, 4]] == out[:, [1, 1]]).all()
    assert abs(out.mean().item() - 1.0) < 0.05
    assert (layer.eval()(torch.ones(3, 5)) == 1).all()


def test_no_module_is_used_twice_and_only_one_of_an_embedding_bends(net):
    """What DeepLIFT needs: one module for each place where a net is not linear."""
    modules = list(net.module_.modules())
    assert len({id(module) for module in modules}) == len(modules)
    bends = {"periodic": Cosine, "piecewise": Clip, None: ()}[net._spec.numeric_embedding]
    found = [module for module in modules if isinstance(module, (Cosine, Clip))]
    assert [type(module) for module in found] == ([bends] if bends else [])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("embedding", ["periodic", "piecewise"])
def test_shap_values_add_up_to_the_outputs(X, y_three, embedding):
    """With scale, cosine or clip among the functions that shap knows, as the guide says."""
    shap = pytest.importorskip("shap")
    from shap.explainers._deep import deep_pytorch

    options = {"dtype": "float32", "max_iter": 20, "numeric_embedding": embedding}
    net = RegularizedMLPClassifier(**{**NET, **options}).fit(X, y_three)
    rows = torch.from_numpy(X).float()
    with pytest.MonkeyPatch.context() as patch:
        for name in ("Shift", "Cosine", "Clip"):
            patch.setitem(deep_pytorch.op_handler, name, deep_pytorch.nonlinear_1d)
        explainer = shap.DeepExplainer(net.module_, rows[:40])
        values = explainer.shap_values(rows[40:], check_additivity=True)
    base = net.decision_function(X[:40]).mean(axis=0)
    known = net.decision_function(X[40:]) - base
    np.testing.assert_allclose(values.sum(axis=1), known, atol=1e-4)
