"""BaggedMLPClassifier."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import entr
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score

from skreg.estimators.bagging.base import BaseBaggedMLP
from skreg.estimators.bagging.docs import describe
from skreg.estimators.mlp import RegularizedMLPClassifier
from skreg.estimators.probes import with_outputs
from skreg.estimators.target import is_multilabel, loss_of, most_probable, predictions
from skreg.train.cohort import combine_stacked

if TYPE_CHECKING:
    from skreg import typing as types


class BaggedMLPClassifier(ClassifierMixin, BaseBaggedMLP):
    __doc__ = describe(
        """Ensemble of neural networks whose probabilities are averaged, trained as one stack.

    Like scikit-learn's ``BaggingClassifier`` of a :class:`RegularizedMLPClassifier`, except that all
    members are trained side by side, inside or outside of ``parallel_config(backend="skreg")``, and
    may be stopped together.
""",
        """
    See Also
    --------
    BaggedMLPRegressor : The same for numbers.
    sklearn.ensemble.BaggingClassifier : Bagging of any classifier.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skreg import BaggedMLPClassifier, RegularizedMLPClassifier
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> net = RegularizedMLPClassifier((16,), max_iter=20)
    >>> bag = BaggedMLPClassifier(net, n_estimators=16, oob_score=True, random_state=0)
    >>> model = make_pipeline(StandardScaler(), bag).fit(X, y)
    >>> model[-1].oob_score_ > 0.9
    True
    """,
        net="RegularizedMLPClassifier",
        score="Accuracy",
        oob="oob_decision_function_ : ndarray of shape (n, n_classes)",
    ).replace(
        "    n_features_in_ : int\n",
        "    classes_ : ndarray of shape (n_classes,)\n"
        "        Class labels, which are the members' as well; for multilabel targets the numbers "
        "of the\n        labels.\n"
        "    n_classes_ : int\n"
        "    n_features_in_ : int\n",
    )

    estimator_: RegularizedMLPClassifier
    estimators_: list[RegularizedMLPClassifier]
    oob_decision_function_: types.Array
    classes_: types.Array
    n_classes_: int

    _net = RegularizedMLPClassifier

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    def _know_target(self, template):
        self.classes_ = template.classes_
        self.n_classes_ = len(self.classes_)

    def _asked(self, X):
        """A member that stands in for the ensemble: the mean prediction is given to it."""
        raw = self._by_rows(X, lambda raw: combine_stacked(raw, loss_of(self.estimators_[0])))
        return with_outputs(self.estimators_[0], raw)

    def predict(self, X: types.Table) -> types.Array:
        """Labels with the largest mean probability, shape (n,); a 0/1 matrix for multilabel."""
        return self._asked(X).predict(X)

    def predict_proba(self, X: types.Table) -> types.Array:
        """Mean probabilities over members, shape (n, n_classes); of each label for multilabel."""
        return self._asked(X).predict_proba(X)

    def predict_log_proba(self, X: types.Table) -> types.Array:
        """Logarithms of the mean probabilities, without underflow."""
        return self._asked(X).predict_log_proba(X)

    def decision_function(self, X: types.Table) -> types.Array:
        """Logits of the mean probabilities: shape (n,) for two classes, else (n, n_classes).

        scikit-learn's bagging averages the members' logits instead, which need not agree with
        `predict`.
        """
        return self._asked(X).decision_function(X)

    def disagreement(self, X: types.Table) -> types.Array:
        """How far members are apart, in nats; 0 where all predict the same.

        The mean over members of the Kullback-Leibler divergence of the ensemble's probabilities from
        the member's (Lakshminarayanan et al. 2017, section 3.5, who take the sum): the part of the
        predictive entropy that is due to not knowing which member is right.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n, n_features)

        Returns
        -------
        ndarray of shape (n,)
            For multilabel the sum over labels.
        """
        return self._by_rows(X, self._divergence)

    def _divergence(self, raw):
        """Mean divergence of each row from the raw outputs of all members, (k, n, o)."""
        each = predictions(self.estimators_, raw)
        if is_multilabel(self.estimators_[0]):
            each = np.stack([each, 1.0 - each], axis=3).reshape(*each.shape[:2], -1)
        entropy = entr(each).sum(axis=2).mean(axis=0)
        return np.maximum(entr(each.mean(axis=0)).sum(axis=1) - entropy, 0.0)

    def _set_out_of_bag(self, mean, y, seen, weight):
        self.oob_decision_function_ = mean
        self.oob_score_ = np.nan
        if seen.any():
            found = most_probable(self.estimators_[0], mean[seen])
            weight = None if weight is None else weight[seen]
            self.oob_score_ = float(accuracy_score(y[seen], found, sample_weight=weight))
