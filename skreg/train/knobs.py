"""The numbers that differ from member to member, as arrays over a stack."""

from __future__ import annotations

import numpy as np

from skreg.train.random import thresholds


class Knobs:
    """Per-member hyperparameters of k members with L hidden layers.

    Attributes
    ----------
    threshold : ndarray of uint32, shape (L + 1, k)
        Of dropout; row 0 is the input's, row l + 1 that of hidden layer l.
    scale : ndarray, shape (L + 1, k)
        1 / (1 - rate).
    l1, l2 : ndarray, shape (L + 1, k)
    weight_decay, max_norm, smoothing, quantile : ndarray, shape (k,)
    ema_decay : ndarray of float64, shape (k,)
    """

    def __init__(self, specs):
        dtype = specs[0].dtype
        rates = np.array([(s.input_dropout, *s.dropout) for s in specs], dtype=np.float64).T
        self.rates = np.ascontiguousarray(rates)
        self.threshold = thresholds(self.rates)
        self.scale = (1.0 / (1.0 - self.rates)).astype(dtype)

        def column(name):
            return np.array([getattr(s, name) for s in specs], dtype=dtype)

        self.l1 = np.ascontiguousarray(column("l1").T)
        self.l2 = np.ascontiguousarray(column("l2").T)
        self.weight_decay = column("weight_decay")
        self.max_norm = column("max_norm")
        self.smoothing = column("label_smoothing")
        self.quantile = column("quantile")
        self.ema_decay = np.array([s.ema_decay for s in specs], dtype=np.float64)

    @property
    def drops_inputs(self):
        """Whether any member drops inputs."""
        return bool(self.threshold[0].any())

    @property
    def bounds_norms(self):
        """Whether any member bounds its norms."""
        return bool(np.isfinite(self.max_norm).any())
