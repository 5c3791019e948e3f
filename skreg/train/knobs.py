"""The numbers that differ from member to member, as arrays over a stack."""

from __future__ import annotations

import numpy as np

from skreg.net.net import KNOBS
from skreg.train.random import thresholds


class Knobs:
    """Per-member hyperparameters of k members with L hidden layers.

    Each knob that members do not share is an array of its name, shape (k,), or (layers, k) where layers
    have a number each (`skreg.net.net.KNOBS`).

    Attributes
    ----------
    rates : ndarray of float64, shape (L + 1, k)
        Of dropout; row 0 is the input's, row l + 1 that of hidden layer l.
    threshold : ndarray of uint32, shape (L + 1, k)
    scale : ndarray, shape (L + 1, k)
        1 / (1 - rate).
    smoothing, quantile : ndarray, shape (k,)
    ema_decay : ndarray of float64, shape (k,)
    max_iter : ndarray of int64, shape (k,)
    """

    def __init__(self, specs):
        dtype = specs[0].dtype
        rates = np.array([(s.input_dropout, *s.dropout) for s in specs], dtype=np.float64).T
        self.rates = np.ascontiguousarray(rates)
        self.threshold = thresholds(self.rates)
        self.scale = (1.0 / (1.0 - self.rates)).astype(dtype)

        def column(name):
            values = np.array([getattr(s, name) for s in specs], dtype=dtype)
            return np.ascontiguousarray(values.T)

        for knob in KNOBS:
            if not knob.shared:
                setattr(self, knob.name, column(knob.name))
        self.smoothing, self.quantile = column("label_smoothing"), column("quantile")
        self.max_iter = np.array([s.max_iter for s in specs], dtype=np.int64)
        self.ema_decay = np.array([s.ema_decay for s in specs], dtype=np.float64)

    @property
    def drops_inputs(self):
        """Whether any member drops inputs."""
        return bool(self.threshold[0].any())

    @property
    def bounds_norms(self):
        """Whether any member bounds its norms."""
        return bool(np.isfinite(self.max_norm).any())
