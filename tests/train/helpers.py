"""Small jobs, and what their results are compared with."""

from __future__ import annotations

import dataclasses
import importlib.util
import sys

import numpy as np
import torch

from skreg.backends.choose import step_type
from skreg.net import activation
from skreg.train import Job, Spec, train
from skreg.train.stack import Stack

#: As `skreg.train.run` is the function, the module of that name is only found here.
train_module = sys.modules["skreg.train.run"]

#: The fused step needs numba; where it is missing, the reference is tested alone.
NUMBA = importlib.util.find_spec("numba") is not None
IMPLEMENTATIONS = ("reference", "fused") if NUMBA else ("reference",)


JOB_FIELDS = {field.name for field in dataclasses.fields(Job)} - {"spec", "X", "y"}


def make_spec(**changes):
    """A small net in float64; numbers stand for one a layer."""
    options = {
        "hidden": (7, 5),
        "learning_rate_init": 0.01,
        "batch_size": 16,
        "max_iter": 3,
        "dtype": "float64",
        **changes,
    }
    n_hidden = len(options["hidden"])
    for name, length in (("dropout", n_hidden), ("l1", n_hidden + 1), ("l2", n_hidden + 1)):
        value = options.get(name, 0.0)
        options[name] = value if isinstance(value, tuple) else (value,) * length
    return Spec(**options)


def make_table(n=40, d=4, seed=0):
    """Rows with a smooth dependence on their columns, which is returned as well."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    signal = np.sin(X[:, 0]) + X[:, 1 % d] * X[:, -1] + 0.1 * rng.standard_normal(n)
    return X, signal


def make_target(signal, loss, n_outputs):
    """A target that the loss can be computed of."""
    if loss == "multinomial":
        edges = np.quantile(signal, np.linspace(0, 1, n_outputs + 1)[1:-1])
        return np.digitize(signal, edges)
    columns = np.stack([np.roll(signal, j) for j in range(n_outputs)], axis=1)
    if loss == "binomial":
        return (columns > np.median(signal)).astype(float)
    return np.exp(columns / 2) if loss == "poisson" else columns


def make_job(n=40, d=4, table=0, n_val=0, weighted=False, **spec):
    """A job on rows that differ from one number of ``table`` to another.

    Words that a `Job` knows go to it, all others to its spec. ``levels`` has columns beside the ``d``.
    """
    own = {name: spec.pop(name) for name in JOB_FIELDS & spec.keys()}
    spec = make_spec(**spec)
    X, signal = make_table(n + n_val, max(d, 1), seed=table)
    if spec.levels:
        numbers = np.random.default_rng(table).integers(0, spec.levels, (len(X), len(spec.levels)))
        X = np.hstack([X[:, :d], numbers])
        signal = signal + np.sin(3 * numbers).sum(axis=1)
    y = make_target(signal, spec.loss, spec.n_outputs)
    X = X.astype(spec.dtype)
    weights = np.random.default_rng(table + 1).uniform(0.2, 2, n + n_val) if weighted else None
    job = Job(spec, X[:n], y[:n], **own)
    if weighted:
        job.sample_weight = weights[:n] / weights[:n].mean()
    if n_val:
        job.X_val, job.y_val = X[n:], y[n:]
        job.sample_weight_val = weights[n:] if weighted else None
    return job


def fit(jobs, implementation="reference", **options):
    """Results of jobs, or of one job."""
    many = isinstance(jobs, (list, tuple))
    results, _ = train(jobs if many else [jobs], implementation=implementation, **options)
    return results if many else results[0]


def stack_of(jobs, implementation="auto", **options):
    """A stack of jobs, or of one job, with the step that it would be trained by."""
    jobs = jobs if isinstance(jobs, (list, tuple)) else [jobs]
    return Stack(jobs, step_type(jobs[0], implementation), **options)


def distance(one, other):
    """Largest difference between two sets of parameters."""
    assert one.keys() == other.keys()
    return max(float(np.abs(one[name] - other[name]).max()) for name in one)


def assert_same_result(one, other, atol):
    """Two results tell of the same training."""
    assert distance(one.params, other.params) <= atol
    assert (one.n_iter, one.best_iter) == (other.n_iter, other.best_iter)
    assert (one.n_steps, one.best_step) == (other.n_steps, other.best_step)
    assert one.stopped_by == other.stopped_by
    assert one.history.keys() == other.history.keys()
    for name, values in one.history.items():
        np.testing.assert_allclose(values, other.history[name], rtol=0, atol=atol, err_msg=name)


def outputs(params, spec, X):
    """Raw outputs at predict, written down once more, shape (n, o)."""
    a = np.asarray(X, dtype=np.float64)
    for i in range(spec.n_layers):
        z = a @ params[f"weight_{i}"].T
        if f"gain_{i}" in params:
            z = (z - params[f"mean_{i}"]) / np.sqrt(params[f"variance_{i}"] + 1e-5)
            z = z * params[f"gain_{i}"] + params[f"shift_{i}"]
        else:
            z = z + params[f"bias_{i}"]
        if i == spec.n_layers - 1:
            return z
        a = activation(torch.from_numpy(z), spec.activation).numpy()
    raise AssertionError("a net has an output layer")
