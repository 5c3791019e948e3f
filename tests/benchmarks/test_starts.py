from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import make_classification

from benchmarks.methods import make
from benchmarks.starts import STARTS
from skreg.train import stack
from skreg.train.state import initial_parameters


@pytest.mark.parametrize("name", STARTS)
def test_nets_start_as_said(name):
    """A rate of nearly nothing leaves the weights where they started."""
    X, y = make_classification(100, 20, random_state=0)
    net = make(f"skreg-start-{name}", "binary", 0).set_params(
        hidden_layer_sizes=(30,), numeric_embedding=None, learning_rate_init=1e-12, max_iter=1
    )
    params = net.fit(X, y)._params
    if name == "zero":
        np.testing.assert_allclose(params["weight_1"], 0.0, atol=1e-9)
        assert params["weight_0"].std() > 0.1
        return
    bound = {"torch": 20**-0.5, "glorot": (6 / 50) ** 0.5}[name]
    assert 0.95 * bound < np.abs(params["weight_0"]).max() <= bound
    assert abs(params["weight_0"].mean()) < bound / 10
    assert np.abs(params["bias_1"]).max() > 1e-3


def test_other_nets_start_as_ever():
    X, y = make_classification(60, 4, random_state=0)
    net = make("skreg-start-zero", "binary", 0)
    # An error in the middle of the fit, behind what scikit-learn checks by itself.
    with pytest.raises(ValueError, match="3 entries for 2 hidden layers"):
        net.set_params(dropout=(0.1, 0.1, 0.1)).fit(X, y)
    assert stack.initial_parameters is initial_parameters
