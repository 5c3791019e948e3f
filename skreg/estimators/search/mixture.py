"""Nets whose predictions are averaged with weights: the ensemble that a search ends in."""

from __future__ import annotations

import numpy as np

from skreg.estimators.course import columns_of, forward_rows
from skreg.estimators.fitted import forward_of_all
from skreg.estimators.target import predictions


class Mixture:
    """Fitted nets with weights. Not changed once made.

    Nets that prepare a table in the same way are given it together, and made ready once.

    Parameters
    ----------
    nets : list of BaseRegularizedMLP
    weights : ndarray of shape (k,)
        Their sum is 1.
    """

    def __init__(self, nets, weights):
        alike = {}
        for net, weight in zip(nets, weights, strict=True):
            alike.setdefault(id(columns_of(net)), []).append((net, weight))
        self._parts = [_Part(*zip(*part, strict=True)) for part in alike.values()]

    def mean(self, numbers):
        """Weighted mean of the predictions.

        Parameters
        ----------
        numbers : ndarray of shape (n, d) or CSR matrix
            Rows with gaps, as `skreg.estimators.columns.read_to_predict` reads them.

        Returns
        -------
        ndarray
            Probabilities (n, n_classes), or numbers in units of the target.
        """
        return self._sum(numbers, lambda found: found)

    def std(self, numbers):
        """Weighted standard deviation of the predictions, in the shape of their mean."""
        square = self._sum(numbers, np.square)
        return np.sqrt(np.maximum(square - self.mean(numbers) ** 2, 0.0))

    def _sum(self, numbers, function):
        return sum(part.sum(numbers, function) for part in self._parts)


class _Part:
    """Nets that prepare a table in the same way.

    Parameters
    ----------
    nets : sequence of BaseRegularizedMLP
    weights : sequence of float
    """

    def __init__(self, nets, weights):
        self.nets, self.weights = list(nets), np.array(weights, dtype=np.float64)

    def sum(self, numbers, function):
        """Weighted sum of what a function makes of the predictions (k, b, ...)."""
        forward = forward_of_all(self, self.nets, columns_of(self.nets[0]).n_out)
        return forward.by_rows(
            forward_rows(self.nets[0], numbers),
            lambda raw: np.tensordot(self.weights, function(predictions(self.nets, raw)), 1),
        )
