"""Nets of this package that start from other weights, to try what the initial weights are worth."""

from __future__ import annotations

import contextlib

import numpy as np

from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor
from skreg.train import stack
from skreg.train.state import initial_parameters


def _uniform(bound):
    """Weights and biases uniform within a bound that depends on inputs and outputs of the layer."""

    def change(params, layers, seed):
        rng = np.random.default_rng(seed)
        for i in range(layers):
            n_out, n_in = params[f"weight_{i}"].shape
            for name in (f"weight_{i}", f"bias_{i}"):
                if name in params:
                    limit = bound(n_in, n_out)
                    params[name] = rng.uniform(-limit, limit, params[name].shape)

    return change


def _zero_output(params, layers, seed):
    """All rows are predicted alike at first."""
    params[f"weight_{layers - 1}"][:] = 0.0


#: What is done to the initial parameters of a net with so many linear layers.
STARTS = {
    "torch": (
        "as torch.nn.Linear: uniform within 1 / sqrt(inputs)",
        _uniform(lambda i, o: i**-0.5),
    ),
    "glorot": (
        "as scikit-learn's MLP: uniform within sqrt(6 / (inputs + outputs))",
        _uniform(lambda i, o: (6 / (i + o)) ** 0.5),
    ),
    "zero": ("the output layer at zero", _zero_output),
}


@contextlib.contextmanager
def starting(name):
    """While this is in force, nets start as `STARTS` says."""
    change = STARTS[name][1]

    def parameters(net, seed):
        params = initial_parameters(net, seed)
        change(params, net.n_layers, seed)
        return params

    stack.initial_parameters = parameters
    try:
        yield
    finally:
        stack.initial_parameters = initial_parameters


class _Started:
    """Part of the estimators below; ``start`` is set by `started`."""

    start = None

    def _fit(self, *arguments):
        with starting(self.start):
            return super()._fit(*arguments)


class _Classifier(_Started, RegularizedMLPClassifier):
    pass


class _Regressor(_Started, RegularizedMLPRegressor):
    pass


def started(name, regression, seed):
    """An estimator whose nets start as `STARTS` says."""
    estimator = (_Regressor if regression else _Classifier)(random_state=seed)
    estimator.start = name
    return estimator
