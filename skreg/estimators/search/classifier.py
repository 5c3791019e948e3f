"""RegularizedMLPClassifierCV."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from sklearn.base import ClassifierMixin
from sklearn.metrics import balanced_accuracy_score, get_scorer
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import check_is_fitted

from skreg.estimators import outputs
from skreg.estimators.columns import read_to_predict
from skreg.estimators.mlp import RegularizedMLPClassifier
from skreg.estimators.probes import predicting, with_outputs
from skreg.estimators.search.base import CONSTRAINTS, BaseSearch, outside
from skreg.estimators.search.chosen import mean_of
from skreg.estimators.search.docs import describe
from skreg.estimators.target import rule_by

if TYPE_CHECKING:
    from skreg import typing as types


class RegularizedMLPClassifierCV(ClassifierMixin, BaseSearch):
    __doc__ = describe(
        """Search over all knobs of a classifier at once, and an ensemble of the best settings.
""",
        """
    See Also
    --------
    RegularizedMLPRegressorCV : The same for numbers.
    sklearn.model_selection.RandomizedSearchCV : Search over any classifier; within
        ``parallel_config(backend="skreg")`` it trains the nets of a search in stacks as well.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from skreg import RegularizedMLPClassifierCV
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> search = RegularizedMLPClassifierCV(n_settings=4, random_state=0).fit(X, y)
    >>> search.score(X, y) > 0.95
    True
    """,
        module="the decision function",
        net="RegularizedMLPClassifier",
        outside="oof_decision_ : ndarray of shape (n, n_classes)",
        parameters="""
    decision : {"auto", "argmax", "balanced"} or dict, default="auto"
        What turns the mean probabilities into classes, as of :class:`RegularizedMLPClassifier`. "auto" is
        "balanced" where ``scoring`` is balanced accuracy, else as the estimator has it.
""",
        attributes="""
    classes_ : ndarray of shape (n_classes,)
        Class labels; for multilabel targets the numbers of the labels.
    n_classes_ : int
""",
    )

    classes_: types.Array
    n_classes_: int
    oof_decision_: types.Array
    estimators_: list[RegularizedMLPClassifier]

    _net = RegularizedMLPClassifier

    _parameter_constraints: ClassVar[dict] = {
        **CONSTRAINTS,
        "decision": [StrOptions({"auto", "argmax", "balanced"}), dict],
    }

    def __init__(
        self,
        estimator: RegularizedMLPClassifier | None = None,
        *,
        param_distributions: types.Distributions | None = None,
        param_grid: types.Grid | None = None,
        n_settings: int | None = None,
        max_time: float | None = None,
        cv: types.Folds = None,
        scoring: str | types.Scorer = "loss",
        halving: bool = True,
        ensemble: bool = True,
        n_repeats: int | Literal["auto"] = "auto",
        refit: types.RefitAll = False,
        decision: types.Decision | Literal["auto"] = "auto",
        random_state: types.RandomState = None,
        verbose: int = 0,
    ) -> None:
        super().__init__(
            estimator,
            param_distributions=param_distributions,
            param_grid=param_grid,
            n_settings=n_settings,
            max_time=max_time,
            cv=cv,
            scoring=scoring,
            halving=halving,
            ensemble=ensemble,
            n_repeats=n_repeats,
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
        template, parts = super()._make_template()
        if self.decision != "auto":
            template.set_params(decision=self.decision)
        elif _is_balanced(self.scoring):
            template.set_params(decision="balanced")
        return template, parts

    def _learn_from(self, chosen):
        self.classes_ = self._template.classes_
        self.n_classes_ = len(self.classes_)
        self._shift = rule_by(self._template, mean_of(chosen)[1])

    def _set_outside(self, found, predicted):
        self.oof_decision_ = outside(found, predicted)

    def _with_logits(self, X):
        """A net that puts out the logits of the ensemble's mean probabilities."""
        check_is_fitted(self)
        return with_outputs(self._template, self._mixture.logits(read_to_predict(self, X)))

    @outputs.returns(outputs.LABELS)
    def predict(self, X: types.Table) -> types.Array:
        """Predict labels by the mean probabilities."""
        mean = self._mean(X)  # says where it is not fitted
        return predicting(self._template, mean, self._shift).predict(X)

    @outputs.returns(outputs.PROBABILITIES)
    def predict_proba(self, X: types.Table) -> types.Array:
        """Predict the mean probabilities over nets, by their weights."""
        return self._mean(X)

    @outputs.returns(outputs.LOG_PROBABILITIES)
    def predict_log_proba(self, X: types.Table) -> types.Array:
        """Predict logarithms of the mean probabilities, without underflow."""
        return self._with_logits(X).predict_log_proba(X)

    @outputs.returns(outputs.LOGITS)
    def decision_function(self, X: types.Table) -> types.Array:
        """Predict logits of the mean probabilities."""
        return self._with_logits(X).decision_function(X)


def _is_balanced(scoring):
    """Whether a scorer is balanced accuracy, which is best where classes are decided for by their shares."""
    scorer = get_scorer(scoring) if isinstance(scoring, str) and scoring != "loss" else scoring
    return getattr(scorer, "_score_func", None) is balanced_accuracy_score
