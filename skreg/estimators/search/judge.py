"""How good predictions out of fold are: by the loss, or by a scorer of scikit-learn's kind."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.metrics import check_scoring

from skreg.estimators.course import factors_of, fix_scale
from skreg.estimators.probes import outputs_for, predicting
from skreg.estimators.rows import takes_weights
from skreg.estimators.scoring import GivenRows
from skreg.estimators.target import decoded, for_engine, loss_of, of_scaled_target, rule_by
from skreg.objective.losses import rowwise


class Judge:
    """Scores predictions of the rows of a search.

    Parameters
    ----------
    template : BaseRegularizedMLP
        Knows its target and the parameters that no setting changes; learns the scale of the target.
    folds : Folds
    scoring : "loss", str or callable
    """

    def __init__(self, template, folds, scoring):
        rows = folds.predicted
        self.template, self.folds = template, folds
        factors = factors_of(template, rows.y, rows.weight)
        weight = rows.weight
        if factors is not None:
            weight = factors[rows.y] if weight is None else factors[rows.y] * weight
        self.weight = np.ones(len(rows)) if weight is None else weight
        fix_scale(template, rows.y, weight)
        self._target = self._as_target(rows.y)
        self.by_loss = isinstance(scoring, str) and scoring == "loss"
        if not self.by_loss:
            self.scorer = check_scoring(template, scoring)
            self._y = decoded(template, rows.y)
            self._given = GivenRows(rows.given, rows.places).take()
            self._weighted = rows.weight is not None and takes_weights(self.scorer)

    def _as_target(self, y):
        y = torch.as_tensor(np.asarray(for_engine(self.template, y)))
        return y[None] if y.ndim == 1 else y.double().T[None]

    def loss(self, found, rows=slice(None)):
        """Mean loss of predictions of some of the rows, in units of the scaled target.

        Parameters
        ----------
        found : ndarray
            Probabilities, or numbers in units of the target.
        rows : slice or ndarray of int
            Their places; by default all.
        """
        raw = outputs_for(self.template, found)
        if not hasattr(self.template, "classes_"):
            raw = of_scaled_target(self.template, raw)
        options = {"quantile": float(getattr(self.template, "quantile", 0.5))}
        options["smoothing"] = torch.zeros(1, 1, dtype=torch.float64)
        f = torch.from_numpy(np.ascontiguousarray(raw.T))[None]
        values = rowwise(loss_of(self.template), f, self._target[..., rows], **options)[0].numpy()
        return float(np.average(values, weights=self.weight[rows]))

    def score(self, found, shares, rows=None):
        """Score of predictions, larger is better; NaN where the scorer has no value for them.

        Parameters
        ----------
        found : ndarray
        shares : ndarray or None
            Of the classes, that probabilities are calibrated to.
        rows : ndarray of int, optional
            Score these rows alone; ``found`` has them only.
        """
        if self.by_loss:
            return -self.loss(found, slice(None) if rows is None else rows)
        y, given, weight = self._y, self._given, self.folds.predicted.weight
        if rows is not None:
            y, given = y[rows], GivenRows(given, rows).take()
            weight = None if weight is None else weight[rows]
        shift = None if shares is None else rule_by(self.template, shares)
        options = {"sample_weight": weight} if self._weighted else {}
        return float(self.scorer(predicting(self.template, found, shift), given, y, **options))
