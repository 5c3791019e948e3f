"""The metric of a comparison: whether it fits the target is found out before anything is fitted."""

from __future__ import annotations

import inspect
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.metrics import check_scoring, get_scorer, get_scorer_names, make_scorer

from skreg.comparison.wording import did_you_mean, joined

__all__ = ["Metric", "choose_metric", "unknown_metric"]

DEFAULTS = {"classification": "balanced_accuracy", "regression": "r2"}
EXAMPLES = {
    "classification": "'balanced_accuracy', 'neg_log_loss' or 'f1_macro'",
    "regression": "'r2', 'neg_mean_absolute_error' or 'neg_root_mean_squared_error'",
}
TARGETS = {
    "classification": "classes",
    "regression": "numbers",
    "cluster": "the clusters of a clustering",
}
# curves of one class against the other, the same whichever of two classes is positive
SYMMETRIC = ("roc_auc",)


@dataclass(frozen=True)
class Metric:
    """What judges.

    Attributes
    ----------
    scorer : callable(estimator, X, y)
        Greater is better.
    name : str
        Its name in scikit-learn, or that of the callable.
    words : str
        The name, with the positive class where one was given.
    """

    scorer: Any
    name: str
    words: str


def choose_metric(
    scoring: Any, y: NDArray, task: str, estimator: BaseEstimator, positive: Any = None
) -> Metric:
    """Find the scorer and see whether it can judge this target.

    Parameters
    ----------
    scoring : str, callable or None
        As in `compare`.
    y : ndarray of shape (n_samples,)
        The checked target.
    task : {"classification", "regression"}
        Kind of target.
    estimator : estimator
        Any of the candidates.
    positive : label or None, default=None
        The positive class; a text such as "1" stands for the number, too.

    Returns
    -------
    Metric

    Raises
    ------
    ValueError
        If the metric is not known, is for another kind of target, or needs to know the positive
        class; if `positive` is no class, or the metric looks at no single class.
    TypeError
        If `scoring` is neither a name nor a callable.
    """
    scoring = DEFAULTS[task] if scoring is None else scoring
    if callable(scoring):
        if positive is not None:
            raise ValueError(
                f"positive={positive!r} goes with the name of a metric, and scoring is a callable. "
                "Leave positive out, or let the callable know the class."
            )
        name = getattr(scoring, "__name__", "score")
        metric = Metric(check_scoring(estimator, scoring), name, name)
        if hasattr(scoring, "_score_func"):  # made by make_scorer; others may want their own X
            _try_out(metric, y, task)
        return metric
    if not isinstance(scoring, str):
        raise TypeError(
            f"scoring={scoring!r}: give the name of one metric, or one callable(estimator, X, y)."
        )
    if scoring not in get_scorer_names():
        raise ValueError(f"scoring={unknown_metric(scoring)}")
    _check_kind(scoring, task)
    if task == "regression":
        if positive is not None:
            raise ValueError(
                f"positive={positive!r} goes with classes, and the target is numbers. "
                "Leave positive out, or use task='classification'."
            )
        metric = Metric(get_scorer(scoring), scoring, scoring)
    else:
        metric = _for_classes(scoring, y, positive)
    _try_out(metric, y, task)
    return metric


def unknown_metric(name: str) -> str:
    """Say that there is no such metric, and which may have been meant."""
    return (
        f"{name!r} is not known. {did_you_mean(name, get_scorer_names())}Examples: "
        "balanced_accuracy, neg_log_loss, roc_auc, r2, neg_mean_absolute_error."
    )


def _check_kind(scoring: str, task: str) -> None:
    module = getattr(getattr(get_scorer(scoring), "_score_func", None), "__module__", "")
    kind = "classification"
    if ".cluster" in module:
        kind = "cluster"
    elif module.endswith("_regression"):
        kind = "regression"
    if kind != task:
        raise ValueError(
            f"scoring={scoring!r} is for {TARGETS[kind]}, and the target is {TARGETS[task]}. Use "
            f"{EXAMPLES[task]}" + (f", or task={kind!r}." if kind in EXAMPLES else ".")
        )


def _for_classes(scoring: str, y: NDArray, positive: Any) -> Metric:
    scorer, labels = get_scorer(scoring), np.unique(y).tolist()
    label = None if positive is None else _label(positive, labels)
    looks_at_one = _looks_at_one_class(scorer)
    if positive is not None and not looks_at_one and scoring not in SYMMETRIC:
        raise ValueError(
            f"positive={positive!r} goes with a metric that looks at one class, such as 'f1', "
            f"'precision', 'recall' or 'average_precision', and scoring={scoring!r} does not. "
            "Leave positive out, or choose such a metric."
        )
    if len(labels) > 2 and (looks_at_one or scoring in SYMMETRIC):
        _check_many_classes(scoring, y, labels)
        return Metric(scorer, scoring, scoring)
    if label is None and looks_at_one and 1 not in labels:
        raise ValueError(
            f"scoring={scoring!r} looks at one class, and the target has the classes "
            f"{joined([repr(one) for one in labels])}. Say which one is meant: "
            f"positive={labels[-1]!r} (on the command line --positive {labels[-1]})."
        )
    if label is None:
        return Metric(scorer, scoring, scoring)
    if looks_at_one:
        scorer = make_scorer(
            scorer._score_func,
            response_method=scorer._response_method,
            greater_is_better=scorer._sign > 0,
            **{**scorer._kwargs, "pos_label": label},
        )
    return Metric(scorer, scoring, f"{scoring} (positive class: {label})")


def _looks_at_one_class(scorer: Any) -> bool:
    """Whether the metric has a positive class; a mean over all classes, such as f1_macro, has none."""
    parameters = inspect.signature(scorer._score_func).parameters
    return "pos_label" in parameters and scorer._kwargs.get("average", "binary") == "binary"


def _label(positive: Any, labels: list[Any]) -> Any:
    """The class that is meant by what the user wrote."""
    for label in labels:
        if label == positive or str(label) == str(positive):
            return label
    for label in labels:
        try:
            if float(label) == float(positive):
                return label
        except (TypeError, ValueError):
            continue
    names = [str(label) for label in labels]
    shown = ", ".join(repr(label) for label in labels[:10]) + (", ..." if len(labels) > 10 else "")
    raise ValueError(
        f"positive={positive!r} is not a class of the target. "
        f"{did_you_mean(str(positive), names)}The classes are {shown}."
    )


def _check_many_classes(scoring: str, y: NDArray, labels: list[Any]) -> None:
    """Some metrics for two classes have learned to judge more, depending on scikit-learn's version."""
    try:
        _score_dummy(get_scorer(scoring), y, "classification")
    except Exception:
        relatives = [
            repr(name)
            for name in get_scorer_names()
            if name.startswith(f"{scoring}_") and not name.endswith("_samples")
        ]
        others = " or ".join(relatives[:3]) if relatives else EXAMPLES["classification"]
        raise ValueError(
            f"scoring={scoring!r} is for two classes, and the target has {len(labels)}. "
            f"Use {others}."
        ) from None


def _try_out(metric: Metric, y: NDArray, task: str) -> None:
    """Let the metric judge a dummy, so that what it cannot do is known before the fits."""
    try:
        _score_dummy(metric.scorer, y, task)
    except Exception as error:
        why = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(
            f"scoring={metric.name!r} cannot judge this target: {why.rstrip('.')}. "
            f"Use {EXAMPLES[task]}."
        ) from error


def _score_dummy(scorer: Any, y: NDArray, task: str) -> float:
    dummy = DummyClassifier(strategy="prior") if task == "classification" else DummyRegressor()
    X = np.zeros((len(y), 1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a dummy has no precision, for instance
        return float(scorer(dummy.fit(X, y), X, y))
