"""What nets predict, and how they are trained in parts: methods of all classifiers and regressors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import log_softmax

from skreg.estimators import outputs
from skreg.estimators.decorators import fit_context

if TYPE_CHECKING:
    from typing import Self

    from skreg import typing as types


class ClassPredictions:
    """Those of classifiers; `skreg.estimators.target.ClassTargets` says what outputs mean."""

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self,
        X: types.Table,
        y: types.Target,
        classes: types.Target | None = None,
        sample_weight: types.RowWeights | None = None,
    ) -> Self:
        """Train for one pass over the rows, from the current weights and the state of the optimiser.

        The learning rate is ``learning_rate_init`` in every call, since a schedule needs an end, and
        the weights are not averaged. Under batch norm a call needs two rows or more.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n, n_features)
        y : array-like of shape (n,) or (n, n_labels)
        classes : array-like of shape (n_classes,), default=None
            All classes; needed in the first call if ``y`` does not have all of them.
        sample_weight : array-like of shape (n,), default=None

        Returns
        -------
        self : estimator
        """
        return self._partial_fit(X, y, sample_weight, classes)

    @outputs.returns(outputs.LABELS)
    def predict(self, X: types.Table) -> types.Array:
        """Predict labels.

        They follow from the probabilities by ``decision``.
        """
        return self._labels(self._raw(X))

    @outputs.returns(outputs.PROBABILITIES)
    def predict_proba(self, X: types.Table) -> types.Array:
        """Predict probabilities of the classes."""
        return self._probabilities(self._raw(X))

    @outputs.returns(outputs.LOG_PROBABILITIES)
    def predict_log_proba(self, X: types.Table) -> types.Array:
        """Predict logarithms of the probabilities, without underflow."""
        raw = self._raw(X)
        if self._multilabel:
            return -np.logaddexp(0.0, -raw)
        if len(self.classes_) == 2:
            return -np.logaddexp(0.0, np.hstack([raw, -raw]))
        return log_softmax(raw, axis=1)

    @outputs.returns(outputs.LOGITS)
    def decision_function(self, X: types.Table) -> types.Array:
        """Predict logits, the raw outputs of the net."""
        raw = self._raw(X)
        return raw[:, 0] if len(self.classes_) == 2 and not self._multilabel else raw

    def predict_mc(
        self, X: types.Table, n_samples: int = 100, random_state: types.RandomState = None
    ) -> tuple[types.Array, types.Array]:
        """Prediction as the mean over random dropout masks (Gal and Ghahramani 2016).

        Inputs get noise as in training where the net has ``input_noise``.

        Parameters
        ----------
        X : array-like of shape (n, n_features)
        n_samples : int, default=100
            Number of random nets.
        random_state : int, RandomState or None, default=None

        Returns
        -------
        proba : ndarray of shape (n, n_classes)
            Mean probabilities.
        entropy : ndarray of shape (n,)
            Predictive entropy in nats; for multilabel the sum over labels.

        Raises
        ------
        ValueError
            If every dropout rate is 0.
        """
        proba = self._probabilities(self._monte_carlo(X, n_samples, random_state)).mean(axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            parts = np.where(proba > 0, proba * np.log(proba), 0.0)
            if self._multilabel:
                rest = 1.0 - proba
                parts = parts + np.where(rest > 0, rest * np.log(rest), 0.0)
        return proba, -parts.sum(axis=1)


class NumberPredictions:
    """Those of regressors; `skreg.estimators.target.NumberTargets` says what outputs mean."""

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self, X: types.Table, y: types.Target, sample_weight: types.RowWeights | None = None
    ) -> Self:
        """Train for one pass over the rows, from the current weights and the state of the optimiser.

        The first call fixes the scale of the target, so it should have rows enough to tell it; one
        row is refused unless ``scale_target=False``. ``target_range_`` is that of all calls. The
        learning rate is ``learning_rate_init`` in every call, since a schedule needs an end, and the
        weights are not averaged. Under batch norm a call needs two rows or more.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n, n_features)
        y : array-like of shape (n,) or (n, n_targets)
        sample_weight : array-like of shape (n,), default=None

        Returns
        -------
        self : estimator
        """
        return self._partial_fit(X, y, sample_weight)

    @outputs.returns(outputs.NUMBERS)
    def predict(self, X: types.Table) -> types.Array:
        """Predict numbers, in the units of the target."""
        return self._in_units(self._raw(X))

    def predict_mc(
        self, X: types.Table, n_samples: int = 100, random_state: types.RandomState = None
    ) -> tuple[types.Array, types.Array]:
        """Mean and spread over random dropout masks (Gal and Ghahramani 2016).

        Parameters
        ----------
        X : array-like of shape (n, n_features)
        n_samples : int, default=100
            Number of random nets.
        random_state : int, RandomState or None, default=None

        Returns
        -------
        mean, std : ndarray of shape (n,) or (n, n_targets)
            In the units of the target.

        Raises
        ------
        ValueError
            If every dropout rate is 0.
        """
        samples = self._in_units(self._monte_carlo(X, n_samples, random_state))
        return samples.mean(axis=0), samples.std(axis=0)
