"""Prediction in numpy and float64.

A small net predicts faster without torch, and in float64 the result of a row depends on the other rows
by less than 1e-9.
"""

from __future__ import annotations

import numpy as np

from skreg.net.net import Net
from skreg.net.prediction import Affine, Random

#: Least and largest number of rows that are predicted at a time.
_FEWEST, _MOST = 64, 4096


def folded(params, spec, n_columns):
    """Weights and biases of the linear layers in float64, with batch norm folded in.

    Parameters
    ----------
    params : dict of ndarray
        Of one net, as `skreg.train.job.Result.params`.
    spec : Spec
    n_columns : int

    Returns
    -------
    list of (ndarray of shape (n_in, n_out), ndarray of shape (n_out,))
    """
    steps = Net.of(spec, n_columns).predict(params)
    return [(step.weight, step.bias) for step in steps if isinstance(step, Affine)]


def raw_outputs(params, spec, X):
    """Outputs before the link, shape (n, o), of rows of any precision and order, dense or CSR."""
    steps = Net.of(spec, X.shape[1]).predict(params)
    return np.concatenate([_walk(steps, _float64(X[rows])) for rows in _chunks(X.shape[0], steps)])


def monte_carlo_outputs(params, spec, X, n_samples, rng):
    """Raw outputs of ``n_samples`` random nets, as in training, shape (n_samples, n, o)."""
    steps = Net.of(spec, X.shape[1]).predict(params)
    out = np.empty((n_samples, X.shape[0], spec.n_outputs))
    for rows in _chunks(X.shape[0], steps):
        x = _float64(X[rows])
        for sample in out[:, rows]:
            sample[:] = _walk(steps, x, spec, rng)
    return out


def _walk(steps, x, spec=None, rng=None):
    """Raw outputs of some rows; with a generator, what is random in training is drawn."""
    for step in steps:
        if not isinstance(step, Random):
            x = step(x)
        elif rng is not None:
            x = step.draw(x, spec, rng)
    return x


def _float64(x):
    """Rows in float64, dense or CSR.

    Converted a chunk at a time, so that no copy of a whole float32 table is made in float64.
    """
    if hasattr(x, "toarray"):
        return x.astype(np.float64, copy=False)
    return np.ascontiguousarray(x, dtype=np.float64)


def _chunks(n, steps):
    """Slices of n rows that are predicted at a time."""
    size = chunk_rows(steps)
    return (slice(start, start + size) for start in range(0, n, size))


def chunk_rows(steps):
    """Number of rows that are predicted at a time: the wider the net or its inputs, the fewer."""
    most = min(step.most_rows for step in steps if hasattr(step, "most_rows"))
    return int(np.clip(most, _FEWEST, _MOST))
