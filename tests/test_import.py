"""`import skreg` is light: what a person does not use is not imported."""

from __future__ import annotations

import subprocess
import sys

import pytest

import skreg

HEAVY = ("matplotlib", "skrub", "rich", "numba", "plotly", "distributed")


def modules_after(code):
    """Top-level modules that a fresh interpreter has loaded after some code."""
    code += "\nimport sys\nprint(*sorted({name.split('.')[0] for name in sys.modules}))"
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True
    )
    return set(run.stdout.split())


@pytest.fixture(scope="module")
def baseline():
    """What torch and scikit-learn load themselves: the callbacks of scikit-learn 1.9 load rich."""
    return modules_after("import torch, sklearn.pipeline")


def test_import_loads_nothing_heavy():
    loaded = modules_after("import skreg")
    assert loaded.isdisjoint({*HEAVY, "torch", "sklearn", "pandas"})
    assert "skreg" in loaded


def test_estimators_load_nothing_heavy(baseline):
    code = "import skreg; skreg.RegularizedMLPClassifier(); skreg.RegularizedMLPRegressor()"
    loaded = modules_after(code)
    assert (loaded - baseline).isdisjoint({*HEAVY, "skorch"})
    assert {"torch", "sklearn"} <= loaded


def test_predicting_and_looking_needs_no_kernels(baseline):
    """A fitted net is used on machines where nothing is ever trained."""
    pickled = (
        "import io, pickle, numpy as np, skreg\n"
        "net = skreg.RegularizedMLPRegressor((3,))\n"
        "from skreg.train.job import Spec\n"
        "from skreg.train.state import initial_parameters\n"
        "from skreg.net.net import Net\n"
        "net._spec = Spec(hidden=(3,), dropout=(0.1,), l1=(0.0, 0.0), l2=(0.0, 0.0))\n"
        "net._params = initial_parameters(Net.of(net._spec, 2), net._spec, 0)\n"
        "net._target_scale, net._target_mean = np.ones(1), np.zeros(1)\n"
        "net._clips, net._flat_target, net.n_features_in_ = False, True, 2\n"
        "from skreg.estimators.columns.preparation import Settings, learn\n"
        "settings = Settings('robust', 'auto', 'float32')\n"
        "net._levels, net._columns = {}, learn(np.eye(2), None, {}, settings)\n"
        "net = pickle.loads(pickle.dumps(net))\n"
        "net.predict(np.ones((2, 2))), net.summary(), net.predict_mc(np.ones((2, 2)))"
    )
    assert (modules_after(pickled) - baseline).isdisjoint({*HEAVY, "skorch"})


@pytest.mark.slow
def test_a_fit_loads_the_kernels_and_no_more(baseline):
    code = (
        "import numpy as np, skreg\n"
        "X = np.random.default_rng(0).normal(size=(200, 10))\n"
        "net = skreg.RegularizedMLPClassifier((10,), max_iter=1, early_stopping=False, device='cpu')\n"
        "net.fit(X, X[:, 0] > 0)"
    )
    assert (modules_after(code) - baseline) & {*HEAVY, "dask", "skorch"} <= {"numba"}


def test_public_names():
    assert set(skreg.__all__) <= set(dir(skreg))
    for name in ("RegularizedMLPClassifier", "RegularizedMLPRegressor"):
        assert name in skreg.__all__
        assert getattr(skreg, name).__module__ == "skreg.estimators.mlp"
    with pytest.raises(AttributeError, match="module 'skreg' has no attribute 'nonsense'"):
        skreg.nonsense  # noqa: B018
