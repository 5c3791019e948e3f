"""How good predictions out of fold are: by the loss, or by a scorer of scikit-learn's kind."""

from __future__ import annotations

import time
import warnings
from numbers import Real

import numpy as np
import torch
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import check_scoring

from skreg.estimators.course import factors_of, fix_scale
from skreg.estimators.given_rows import GivenRows
from skreg.estimators.probes import outputs_for, predicting
from skreg.estimators.rows import takes_weights
from skreg.estimators.scoring import named, renamed
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

    Attributes
    ----------
    seconds : float
        That a score of all rows takes, about; 0.0 before there was one.
    without_value : dict of int to str
        Folds on which the scorer has no value by itself, and why.
    """

    def __init__(self, template, folds, scoring):
        rows = folds.predicted
        self.template, self.folds = template, folds
        self.seconds, self.without_value = 0.0, {}
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
            self._check(named(scoring))

    def _check(self, called):
        """Refuse a scorer that fails or has no value even where all is right, before anything is trained."""
        began = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                value = self._call(predicting(self.template, self._right()), self._given, self._y)
            except Exception as error:
                raise renamed(
                    error, f"{called} cannot be used for this target: {_why(error)}"
                ) from error
        self.seconds = time.perf_counter() - began
        value = value.item() if np.ndim(value) == 0 and hasattr(value, "item") else value
        if not isinstance(value, Real) or not np.isfinite(value):
            raise ValueError(
                f"{called} returned {value!r:.60} for predictions that are right: it cannot tell settings "
                "apart. A scorer is called with the estimator, X and y, and returns one number; larger is "
                "better."
            )

    def _right(self):
        """Predictions that are nearly right: probabilities near 0 and 1, numbers a little above the targets.

        Of exact ones a metric may be infinite, and one of counts refuses predictions of 0.
        """
        y = self.folds.predicted.y
        if not hasattr(self.template, "classes_"):
            right = np.asarray(self._y, dtype=np.float64)
            return right + 0.01 * (np.ptp(right) or 1.0)
        sure = y if y.ndim == 2 else y[:, None] == np.arange(len(self.template.classes_))
        return 0.01 + 0.98 * np.asarray(sure, dtype=np.float64)

    def _call(self, estimator, given, y, rows=slice(None)):
        options = {}
        if self._weighted:
            options["sample_weight"] = self.folds.predicted.weight[rows]
        return self.scorer(estimator, given, y, **options)

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

    def score(self, found, shares):
        """Score of predictions of all rows, larger is better; NaN where the scorer returns that.

        Parameters
        ----------
        found : ndarray
        shares : ndarray or None
            Of the classes, that probabilities are calibrated to.
        """
        began = time.perf_counter()
        value = self._score(found, shares)
        self.seconds = time.perf_counter() - began
        return value

    def split_scores(self, found, shares):
        """Scores of the rows of each fold by themselves, which are told and decide nothing.

        NaN where the scorer has no value for so few rows, such as an AUC where they are of one class.
        """
        scores = []
        for k, rows in enumerate(self.folds.outside):
            try:
                with warnings.catch_warnings():  # it is told once for all settings
                    warnings.simplefilter("ignore", UndefinedMetricWarning)
                    value, why = self._score(found[rows], shares, rows), "the scorer returned nan."
            except ValueError as error:
                value, why = np.nan, str(error)
            if np.isnan(value):
                self.without_value.setdefault(k, why)
            scores.append(value)
        return scores

    def _score(self, found, shares, rows=None):
        """Score of predictions of some rows, or of all."""
        if self.by_loss:
            return -self.loss(found, slice(None) if rows is None else rows)
        y, given = self._y, self._given
        if rows is not None:
            y, given = y[rows], GivenRows(given, rows).take()
        shift = None if shares is None else rule_by(self.template, shares)
        estimator = predicting(self.template, found, shift)
        return float(self._call(estimator, given, y, slice(None) if rows is None else rows))


def _why(error):
    text = str(error).strip().rstrip(".") or type(error).__name__
    return f"{text}. Choose a metric for such targets, or set scoring='loss'."
