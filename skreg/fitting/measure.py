"""The metric of a fit: what it is called, which way is good, and what it says of given predictions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import get_scorer

from skreg.comparison.metrics import choose_metric
from skreg.comparison.wording import metric_words
from skreg.estimators.rows import takes_weights
from skreg.estimators.search.parts import that_says

__all__ = ["Measure", "choose_measure", "further_measures"]

LOG_LOSS = "neg_log_loss"
# shown beside the one that was chosen
FURTHER = {
    "classification": (LOG_LOSS, "accuracy", "balanced_accuracy", "roc_auc"),
    "regression": ("r2", "neg_root_mean_squared_error", "neg_mean_absolute_error"),
}


@dataclass(frozen=True)
class Measure:
    """A metric.

    Attributes
    ----------
    scorer : callable(estimator, X, y)
        Larger is better.
    name : str
        scikit-learn's.
    words : str
        What a reader is told; without "negative", see `sign`.
    of_one_class : bool
        Whether the scorer knows of a positive class that its name does not tell.
    """

    scorer: Any
    name: str
    words: str
    of_one_class: bool = False

    @property
    def sign(self) -> int:
        """-1 where a score is minus what a reader is told: a loss."""
        return -1 if self.name.startswith("neg_") else 1

    @property
    def better(self) -> str:
        """Which way is good."""
        return "smaller is better" if self.sign < 0 else "larger is better"

    @property
    def in_search(self) -> Any:
        """What a search is told to choose by: the log loss is its own, which knows classes of all rows."""
        if self.name == LOG_LOSS:
            return "loss"
        return self.scorer if self.of_one_class else self.name

    def of(
        self, search: Any, found: NDArray, X: Any, y: NDArray, weights: NDArray | None = None
    ) -> float:
        """What a reader is told of predictions; NaN where the metric has no value for them.

        Parameters
        ----------
        search : BaseSearch
            Fitted; decides on labels.
        found : ndarray
            Probabilities, or numbers.
        X, y, weights : the rows
        """
        return self.of_estimator(that_says(search, found), X, y, weights)

    def of_estimator(
        self, estimator: Any, X: Any, y: NDArray, weights: NDArray | None = None
    ) -> float:
        """The same for an estimator that predicts by itself."""
        options = {}
        if weights is not None and takes_weights(self.scorer):
            options["sample_weight"] = weights
        try:
            return self.sign * float(self.scorer(estimator, X, y, **options))
        except ValueError:  # such as a fold without one of the classes
            return np.nan


def choose_measure(
    scoring: str | None, y: NDArray, task: str, estimator: Any, positive: str | None
) -> Measure:
    """The metric that a search is judged by: log loss or R2, if the user names none.

    Raises
    ------
    ValueError
        As of `choose_metric`.
    """
    if scoring is None:
        scoring = LOG_LOSS if task == "classification" else "r2"
    metric = choose_metric(scoring, y, task, estimator, positive)
    return Measure(metric.scorer, metric.name, _words(metric.words), positive is not None)


def further_measures(task: str, measure: Measure, y: NDArray) -> list[Measure]:
    """Other usual metrics of the task."""
    names = list(FURTHER[task])
    if task == "classification" and len(np.unique(y)) > 2:
        names[-1] = "roc_auc_ovr"
    return [Measure(get_scorer(name), name, _words(name)) for name in names if name != measure.name]


def _words(name: str) -> str:
    words = metric_words(name).removeprefix("negative ")
    return words.replace("roc auc ovr", "ROC AUC, each class against the rest").replace(
        "roc auc", "ROC AUC"
    )
