"""Nets whose predictions are averaged with weights: the ensemble that a search ends in."""

from __future__ import annotations

import numpy as np
import torch

from skreg.estimators.course import columns_of, forward_rows
from skreg.estimators.fitted import forward_of_all
from skreg.estimators.search.module import mean_of_outputs
from skreg.estimators.target import predictions


class Mixture:
    """Fitted nets with weights. Not changed once made.

    A table is prepared once in each way in which any of the nets prepare it, and nets of one shape are made
    ready and predict together, whichever way they prepare it. Nets that were trained in float32 predict large
    tables in float32, which takes half the time and is as exact as their training was; the size of a call
    decides for all of its rows.

    Parameters
    ----------
    nets : list of BaseRegularizedMLP
    weights : array-like of shape (k,)
        Their sum is 1.
    """

    def __init__(self, nets, weights):
        self.nets, self.weights = list(nets), np.array(weights, dtype=np.float64)
        self.tables, first = [], {}
        for net in self.nets:
            number, _ = first.setdefault(id(columns_of(net)), (len(first), net))
            self.tables.append(number)
        self._preparing = [net for _, net in first.values()]

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
        return self._by_rows(numbers, lambda raw: self._mean_of(predictions(self.nets, raw)))

    def std(self, numbers):
        """Weighted standard deviation of the predictions, in the shape of their mean."""

        def of_rows(raw):
            found = predictions(self.nets, raw)
            return np.sqrt(self._mean_of((found - self._mean_of(found)) ** 2))

        return self._by_rows(numbers, of_rows)

    def logits(self, numbers):
        """Outputs (n, o) of a classifier whose probabilities are the mean, as the module for export has them.

        They are computed in logarithms: no probability is lost to rounding, as it would be near 0 and 1.
        """
        mean = mean_of_outputs(self.nets[0])(torch.from_numpy(self.weights))
        return self._by_rows(
            numbers, lambda raw: mean(torch.from_numpy(raw.astype(np.float64))).numpy()
        )

    def _mean_of(self, found):
        return np.tensordot(self.weights, found, 1)

    def _by_rows(self, numbers, function):
        """What a function makes of the raw outputs (k, b, o), of all rows."""
        widths = [columns_of(net).n_out for net in self._preparing]
        forward = forward_of_all(self, self.nets, widths, tables=self.tables)
        return forward.by_rows(
            [forward_rows(net, numbers) for net in self._preparing],
            function,
            forward.precision(numbers.shape[0]),
        )
