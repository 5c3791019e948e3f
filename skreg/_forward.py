"""Prediction in numpy and float64.

A small net predicts faster without torch, and in float64 the result of a row depends on the other rows
by less than 1e-9.
"""

from __future__ import annotations

import numpy as np

from skreg.engine.constants import BATCH_NORM_EPS, EMBEDDED_WIDTH
from skreg.net import owners
from skreg.net.activation import KINDS

#: Least and largest number of rows that are predicted at a time.
_FEWEST, _MOST = 64, 4096

#: Largest number of entries of the widest layer of a chunk, the inputs included: 16 MiB.
_WIDEST = 1 << 21

#: Largest number of entries of the periodic functions of a chunk.
_WAVES = 1 << 22


def folded(params, n_layers):
    """Weights and biases in float64 with batch norm folded in.

    Returns
    -------
    list of (ndarray of shape (n_in, n_out), ndarray of shape (n_out,))
    """
    layers = []
    for i in range(n_layers):
        weight = params[f"weight_{i}"].astype(np.float64)
        if f"gain_{i}" in params:
            gain, shift, mean, variance = (
                params[f"{name}_{i}"].astype(np.float64)
                for name in ("gain", "shift", "mean", "variance")
            )
            scale = gain / np.sqrt(variance + BATCH_NORM_EPS)
            layers.append(((weight * scale[:, None]).T, shift - mean * scale))
        else:
            layers.append((weight.T, params[f"bias_{i}"].astype(np.float64)))
    return layers


class _Embedding:
    """Periodic embeddings of some columns, in float64; see `skreg.net.periodic`."""

    def __init__(self, params, columns):
        self.columns = list(columns)
        names = ("frequency", "phase", "weight", "bias")
        self.frequency, self.phase, self.weight, self.bias = (
            params[f"embed_{name}"].astype(np.float64) for name in names
        )

    def __call__(self, x):
        """Inputs of the first layer, (b, d'), of rows x (b, d), dense or CSR."""
        x = x.toarray() if hasattr(x, "toarray") else x
        chosen = x[:, self.columns].T[:, :, None]
        waves = np.cos(2 * np.pi * self.frequency[:, None] * chosen + self.phase[:, None])
        mixed = waves @ self.weight.transpose(0, 2, 1) + self.bias[:, None]
        return np.hstack([x, mixed.transpose(1, 0, 2).reshape(len(x), -1)])

    def spread(self, mask):
        """A mask of columns, (b, d), repeated for the inputs made of them, (b, d')."""
        return mask[:, owners(mask.shape[1], self.columns, EMBEDDED_WIDTH - 1)]

    @property
    def most_rows(self):
        """Largest number of rows that are embedded at a time."""
        return _WAVES // self.frequency.size


def input_stage(params, spec):
    """The stage in front of the first linear layer, or None where there is none."""
    return _Embedding(params, spec.embedded) if spec.embedded else None


def raw_outputs(layers, activation, X, stage=None):
    """Outputs before the link, shape (n, o), of rows of any precision and order, dense or CSR."""
    return np.concatenate(
        [
            _forward(layers, activation, _inputs(X[rows], stage))
            for rows in _chunks(X.shape[0], layers, stage)
        ]
    )


def _inputs(x, stage):
    """Inputs of the first layer in float64, dense or CSR.

    Converted a chunk at a time, so that no copy of a whole float32 table is made in float64.
    """
    if hasattr(x, "toarray"):
        x = x.astype(np.float64, copy=False)
    else:
        x = np.ascontiguousarray(x, dtype=np.float64)
    return x if stage is None else stage(x)


def _chunks(n, layers, stage):
    """Slices of n rows that are predicted at a time."""
    size = chunk_rows(layers, stage)
    return (slice(start, start + size) for start in range(0, n, size))


def chunk_rows(layers, stage=None):
    """Number of rows that are predicted at a time: the wider the net or its inputs, the fewer."""
    rows = _WIDEST // max(max(weight.shape) for weight, _ in layers)
    if stage is not None:
        rows = min(rows, stage.most_rows)
    return int(np.clip(rows, _FEWEST, _MOST))


def _forward(layers, activation, X, masks=None):
    a = X
    act = KINDS[activation].numpy
    for i, (weight, bias) in enumerate(layers):
        a = a @ weight
        a += bias
        if i < len(layers) - 1:
            a = act(a)
            if masks is not None and masks[i] is not None:
                a *= masks[i]
    return a


def monte_carlo_outputs(layers, activation, X, rates, n_samples, rng, stage=None):
    """Raw outputs with ``n_samples`` random dropout masks, shape (n_samples, n, o).

    ``rates`` holds the input's dropout rate and those of the hidden layers.
    """
    out = np.empty((n_samples, X.shape[0], layers[-1][1].size))
    for rows in _chunks(X.shape[0], layers, stage):
        x = _inputs(X[rows], stage)
        if rates[0] and hasattr(x, "toarray"):
            x = x.toarray()
        for sample in out[:, rows]:
            sample[:] = _thinned(layers, activation, x, X.shape[1], rates, rng, stage)
    return out


def _thinned(layers, activation, x, n_columns, rates, rng, stage):
    """Raw outputs with one random mask per row."""

    def mask(width, rate):
        return (rng.random((x.shape[0], width)) >= rate) / (1.0 - rate)

    if rates[0]:
        kept = mask(n_columns, rates[0])
        x = x * (kept if stage is None else stage.spread(kept))
    masks = [
        mask(weight.shape[1], rate) if rate else None
        for (weight, _), rate in zip(layers, rates[1:], strict=False)
    ]
    return _forward(layers, activation, x, masks)
