"""Dropout kept on at prediction: the mean over many dropout masks as an estimator of its own."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, RegressorMixin, clone

__all__ = ["MonteCarloClassifier", "MonteCarloRegressor"]


class _MonteCarlo(MetaEstimatorMixin, BaseEstimator):
    """What both estimators share: fit the net, predict with dropout on."""

    def __init__(
        self, estimator: Any, *, n_samples: int = 30, random_state: int | None = None
    ) -> None:
        self.estimator = estimator
        self.n_samples = n_samples
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None):
        """Fit the net.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows.
        y : array-like of shape (n_samples,)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        self
        """
        self.estimator_ = clone(self.estimator).fit(X, y, sample_weight=sample_weight)
        return self

    def _mean(self, X: ArrayLike) -> NDArray[np.float64]:
        samples = self.estimator_.predict_mc(
            X, n_samples=self.n_samples, random_state=self.random_state
        )
        return np.asarray(samples[0])


class MonteCarloClassifier(ClassifierMixin, _MonteCarlo):
    """Mean probabilities of a net whose dropout stays on.

    Parameters
    ----------
    estimator : RegularizedMLPClassifier
        One of its dropout rates must be above zero.
    n_samples : int, default=30
        Number of masks the mean is taken over.
    random_state : int or None, default=None
        Seed of the masks.

    Attributes
    ----------
    estimator_ : RegularizedMLPClassifier
        The fitted net.

    References
    ----------
    Gal, Y. and Ghahramani, Z. (2016). Dropout as a Bayesian approximation. ICML.
    """

    @property
    def classes_(self) -> NDArray:
        """Class labels, shape (n_classes,)."""
        return self.estimator_.classes_

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Mean probabilities over the masks.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
        """
        return self._mean(X)

    def predict(self, X: ArrayLike) -> NDArray:
        """Most probable class.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        return self.classes_[self._mean(X).argmax(axis=1)]


class MonteCarloRegressor(RegressorMixin, _MonteCarlo):
    """Mean prediction of a net whose dropout stays on.

    Parameters
    ----------
    estimator : RegularizedMLPRegressor
        One of its dropout rates must be above zero.
    n_samples : int, default=30
        Number of masks the mean is taken over.
    random_state : int or None, default=None
        Seed of the masks.

    Attributes
    ----------
    estimator_ : RegularizedMLPRegressor
        The fitted net.

    References
    ----------
    Gal, Y. and Ghahramani, Z. (2016). Dropout as a Bayesian approximation. ICML.
    """

    def predict(self, X: ArrayLike) -> NDArray[np.float64]:
        """Mean over the masks.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        return self._mean(X)
