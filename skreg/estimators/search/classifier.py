"""RegularizedMLPClassifierCV."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.metrics import balanced_accuracy_score, get_scorer
from sklearn.utils._param_validation import StrOptions

from skreg.estimators.mlp import RegularizedMLPClassifier
from skreg.estimators.probes import predicting
from skreg.estimators.search.base import CONSTRAINTS, BaseSearch, outside
from skreg.estimators.target import rule_by

if TYPE_CHECKING:
    from skreg import typing as types


class RegularizedMLPClassifierCV(ClassifierMixin, BaseSearch):
    """Joint search over all regularizers of a classifier."""

    _net = RegularizedMLPClassifier

    _parameter_constraints: ClassVar[dict] = {
        **CONSTRAINTS,
        "decision": [StrOptions({"auto", "argmax", "balanced"}), dict],
    }

    def __init__(
        self,
        estimator=None,
        *,
        param_distributions=None,
        param_grid=None,
        n_settings=None,
        max_time=None,
        cv=None,
        scoring="loss",
        ensemble=True,
        refit=False,
        decision="auto",
        random_state=None,
        verbose=0,
    ):
        super().__init__(
            estimator,
            param_distributions=param_distributions,
            param_grid=param_grid,
            n_settings=n_settings,
            max_time=max_time,
            cv=cv,
            scoring=scoring,
            ensemble=ensemble,
            refit=refit,
            random_state=random_state,
            verbose=verbose,
        )
        self.decision = decision

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    def _make_template(self):
        template = super()._make_template()
        if self.decision != "auto":
            template.set_params(decision=self.decision)
        elif _is_balanced(self.scoring):
            template.set_params(decision="balanced")
        return template

    def _learn_from(self, chosen):
        self.classes_ = self._template.classes_
        self.n_classes_ = len(self.classes_)
        self._shift = rule_by(self._template, sum(w * trial.shares for trial, w in chosen))

    def _set_outside(self, found, predicted):
        self.oof_decision_ = outside(found, predicted)

    def _asked(self, X):
        """A net that predicts the ensemble's mean probabilities."""
        return predicting(self._template, self._mean(X), self._shift)

    def predict(self, X: types.Table) -> types.Array:
        """Labels by the mean probabilities, shape (n,); for multilabel a matrix in the coding of y."""
        return self._asked(X).predict(X)

    def predict_proba(self, X: types.Table) -> types.Array:
        """Mean probabilities, shape (n, n_classes); of each label for multilabel."""
        return self._mean(X)

    def predict_log_proba(self, X: types.Table) -> types.Array:
        """Logarithms of the mean probabilities."""
        return np.log(self._mean(X))

    def decision_function(self, X: types.Table) -> types.Array:
        """Logits of the mean probabilities: shape (n,) for two classes, else (n, n_classes)."""
        return self._asked(X).decision_function(X)


def _is_balanced(scoring):
    """Whether a scorer is balanced accuracy, which is best where classes are decided for by their shares."""
    scorer = get_scorer(scoring) if isinstance(scoring, str) and scoring != "loss" else scoring
    return getattr(scorer, "_score_func", None) is balanced_accuracy_score
