"""BaggedMLPClassifier."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np
from scipy.special import entr
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils._param_validation import StrOptions

from skreg.estimators import outputs
from skreg.estimators.bagging.base import CONSTRAINTS, BaseBaggedMLP
from skreg.estimators.bagging.docs import describe
from skreg.estimators.mlp import RegularizedMLPClassifier
from skreg.estimators.probes import with_outputs
from skreg.estimators.target import (
    common_rule,
    is_multilabel,
    labels_by,
    loss_of,
    predictions,
    with_rule,
)
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
    >>> from skreg import BaggedMLPClassifier, RegularizedMLPClassifier
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> net = RegularizedMLPClassifier((16,), max_iter=20)
    >>> bag = BaggedMLPClassifier(net, n_estimators=16, oob_score=True, random_state=0)
    >>> bag.fit(X, y).oob_score_ > 0.9
    True
    """,
        net="RegularizedMLPClassifier",
        score="Accuracy",
        oob="oob_decision_function_ : ndarray of shape (n, n_classes)",
        parameters="""
    decision : {"argmax", "balanced"}, dict or None, default=None
        What turns the mean probabilities into classes, in place of the net's ``decision``, which None
        leaves as it is. The rule is that of :class:`RegularizedMLPClassifier`, with the ensemble's
        ``class_prior_``; a member that predicts by itself goes by its own.
""",
        attributes="""
    classes_ : ndarray of shape (n_classes,)
        Class labels, which are the members' as well; for multilabel targets the numbers of the labels.
    n_classes_ : int
    class_prior_ : ndarray of shape (n_classes,)
        Mean over the members of the shares of the classes that each was trained on.
""",
    )

    estimator_: RegularizedMLPClassifier
    estimators_: list[RegularizedMLPClassifier]
    oob_decision_function_: types.Array
    classes_: types.Array
    n_classes_: int
    class_prior_: types.Array

    _net = RegularizedMLPClassifier

    _parameter_constraints: ClassVar[dict] = {
        **CONSTRAINTS,
        "decision": [None, StrOptions({"argmax", "balanced"}), dict],
    }

    def __init__(
        self,
        estimator: RegularizedMLPClassifier | None = None,
        n_estimators: int = 16,
        *,
        max_samples: float = 1.0,
        max_features: float = 1.0,
        bootstrap: bool = True,
        bootstrap_features: bool = False,
        stopping: types.Stopping = "ensemble",
        decision: types.Decision | None = None,
        oob_score: bool = False,
        random_state: types.RandomState = None,
        verbose: int = 0,
    ) -> None:
        super().__init__(
            estimator,
            n_estimators,
            max_samples=max_samples,
            max_features=max_features,
            bootstrap=bootstrap,
            bootstrap_features=bootstrap_features,
            stopping=stopping,
            oob_score=oob_score,
            random_state=random_state,
            verbose=verbose,
        )
        self.decision = decision

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    def _know_target(self, template):
        self.classes_ = template.classes_
        self.n_classes_ = len(self.classes_)

    def _make_template(self):
        template, parts = super()._make_template()
        if self.decision is not None:
            template.set_params(decision=self.decision)
        return template, parts

    def _take_members(self, nets, places=None):
        super()._take_members(nets, places)
        self.class_prior_, self._shift = common_rule(nets)

    def _asked(self, X):
        """A member that stands in for the ensemble: the mean prediction is given to it."""
        raw = self._by_rows(X, lambda raw: combine_stacked(raw, loss_of(self.estimators_[0])))
        return with_outputs(with_rule(self.estimators_[0], self._shift), raw)

    @outputs.returns(outputs.LABELS)
    def predict(self, X: types.Table) -> types.Array:
        """Predict labels by the mean probabilities.

        They follow by ``decision``: the largest mean probability, or the largest after division by the
        ensemble's ``class_prior_`` or the numbers of a dict.
        """
        return self._asked(X).predict(X)

    @outputs.returns(outputs.PROBABILITIES)
    def predict_proba(self, X: types.Table) -> types.Array:
        """Predict the mean probabilities over members."""
        return self._asked(X).predict_proba(X)

    @outputs.returns(outputs.LOG_PROBABILITIES)
    def predict_log_proba(self, X: types.Table) -> types.Array:
        """Predict logarithms of the mean probabilities, without underflow."""
        return self._asked(X).predict_log_proba(X)

    @outputs.returns(outputs.LOGITS)
    def decision_function(self, X: types.Table) -> types.Array:
        """Predict logits of the mean probabilities.

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
            found = labels_by(with_rule(self.estimators_[0], self._shift), mean[seen])
            weight = None if weight is None else weight[seen]
            self.oob_score_ = float(accuracy_score(y[seen], found, sample_weight=weight))
