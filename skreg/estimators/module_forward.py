"""Prediction by a module of the user's, in torch on the CPU."""

from __future__ import annotations

import numpy as np
import torch

from skreg.net.net import Net

#: Least and largest number of rows that are predicted at a time.
_FEWEST, _MOST = 16, 4096

#: Entries of the widest activation of the rows that are predicted at a time: 1 MiB, which stays in the cache.
_ENTRIES = 1 << 18

#: Multiply-adds from which on a module of float32 predicts in float32, some tens of milliseconds of them in
#: float64: torch has no fast convolutions of that.
_LARGE = 1 << 26


class ModuleForward:
    """One net whose module is the user's. Not changed once made, so threads may share it.

    Parameters
    ----------
    nets : list of (dict of ndarray, Spec)
        One.
    n_columns : int
        Of the table.

    Attributes
    ----------
    n_numbers : int
    """

    def __init__(self, nets, n_columns):
        ((self._params, self.spec),) = nets
        self.block = Net.of(self.spec, n_columns).blocks[0]
        self.n_numbers = sum(a.size for a in self._params.values())
        self.size = int(np.clip(_ENTRIES // self.block.width, _FEWEST, _MOST))
        self._tensors = {}
        #: The precision of few rows: a module may know no other than that of its training.
        self._precise = torch.float64 if self.block.doubles else torch.float32

    def raw(self, X):
        """Outputs before the link, float64, shape (n, o), of rows (n, d), dense or CSR."""
        large = self.spec.dtype == "float32" and X.shape[0] * self.block.work >= _LARGE
        dtype = torch.float32 if large else self._precise
        p = self._in(dtype)
        with torch.no_grad():
            parts = [
                self.block.evaluate(p, x.unsqueeze(0))[0].T.double().numpy()
                for x in self._chunks(X, dtype)
            ]
        return np.concatenate(parts)

    def monte_carlo(self, X, spec, n_samples, rng):
        """Raw outputs with masks as in training, shape (n_samples, n, o).

        Parameters
        ----------
        X : ndarray or CSR matrix of shape (n, d)
        spec : Spec
        n_samples : int
        rng : numpy.random.Generator
        """
        p, parts = self._in(self._precise), []
        rates = torch.tensor(spec.dropout, dtype=torch.float64)
        thresholds = (rates * 2.0**32).round().long()
        rates = rates.to(self._precise)
        alone = torch.zeros(1, dtype=torch.int64)
        with torch.no_grad():
            for x in self._chunks(X, self._precise):
                samples = []
                for _ in range(n_samples):
                    keys = torch.from_numpy(rng.integers(1 << 32, size=(2, len(rates))))
                    masks = [
                        (rates[i : i + 1], thresholds[i : i + 1], keys[:, i : i + 1])
                        if rate
                        else None
                        for i, rate in enumerate(spec.dropout)
                    ]
                    draws = self.block.masks(masks, len(x), alone)
                    samples.append(self.block.monte_carlo(p, x, draws).T.double().numpy())
                parts.append(np.stack(samples))
        return np.concatenate(parts, axis=1)

    def _in(self, dtype):
        """The parameters as tensors (1, ...) of a precision."""
        if dtype not in self._tensors:
            self._tensors[dtype] = {
                name: torch.as_tensor(value).to(dtype).unsqueeze(0)
                for name, value in self._params.items()
            }
        return self._tensors[dtype]

    def _chunks(self, X, dtype):
        """Rows some at a time, as dense tensors."""
        for start in range(0, X.shape[0], self.size):
            rows = X[start : start + self.size]
            rows = rows.toarray() if hasattr(rows, "toarray") else np.ascontiguousarray(rows)
            yield torch.from_numpy(rows.copy() if not rows.flags.writeable else rows).to(dtype)
