"""One fit of a comparison: what it is given, and what is read off it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import has_fit_parameter
from threadpoolctl import threadpool_limits

from skreg.comparison.candidates import Candidate
from skreg.comparison.models import NOTHING, ModelFacts, model_facts

if TYPE_CHECKING:
    from skreg.comparison.nested import Part, Plan, SplitRows

__all__ = ["fit", "inner_score", "is_net", "judge", "n_nets", "takes_weights"]


def is_net(candidate: Candidate) -> bool:
    """Whether its fits are trained in rounds with those of others."""
    return candidate.kind in ("net", "ensemble")


def n_nets(candidate: Candidate) -> int:
    """Nets that one fit of it trains in rounds with others."""
    if candidate.kind == "ensemble":
        return int(candidate.estimator.get_params(deep=False).get("n_estimators", 1))
    return int(is_net(candidate))


def takes_weights(estimator: Any) -> bool:
    """Whether an estimator, or the last step of a pipeline, can be fitted with weights of the rows."""
    last = estimator[-1] if isinstance(estimator, Pipeline) else estimator
    return has_fit_parameter(last, "sample_weight")


def fit(candidate: Candidate, point: dict[str, Any], X: Any, y: Any, weights: Any) -> Any:
    """Fit a candidate at one of its strengths.

    Fits run side by side, so each has one thread of OpenMP: two of gradient boosting with two threads
    each, on two cores that are busy, wait for each other most of the time.
    """
    model = clone(candidate.estimator).set_params(**point)
    weighted = {}
    if weights is not None:
        step = f"{model.steps[-1][0]}__" if isinstance(model, Pipeline) else ""
        weighted = {f"{step}sample_weight": weights}
    limit = threadpool_limits(1, "openmp") if _has_threads(candidate) else nullcontext()
    with limit:
        return model.fit(X, y, **weighted)


def _has_threads(candidate: Candidate) -> bool:
    return candidate.kind in ("boosting", "own")


def _score(plan: Plan, model: Any, X: Any, y: Any, weights: Any) -> float:
    if weights is None:
        return float(plan.scorer(model, X, y))
    return float(plan.scorer(model, X, y, sample_weight=weights))


def _log_loss(model: Any, X: Any, y: NDArray, weights: NDArray | None) -> float:
    """Mean of -log p(true class); a class the model has never seen has probability 1e-15."""
    if not hasattr(model, "predict_proba") or not hasattr(model, "classes_"):
        return np.nan
    probabilities = np.asarray(model.predict_proba(X))
    column = {label: k for k, label in enumerate(np.asarray(model.classes_).tolist())}
    positions = np.array([column.get(label, -1) for label in y.tolist()])
    own = np.where(positions < 0, 0.0, probabilities[np.arange(len(y)), positions])
    return float(np.average(-np.log(np.clip(own, 1e-15, 1.0)), weights=weights))


def inner_score(
    plan: Plan,
    candidate: Candidate,
    point: dict[str, Any],
    rows: SplitRows,
    train: NDArray[np.intp],
    valid: NDArray[np.intp],
    tick: Callable[[bool], None],
) -> tuple[float, float]:
    """Score and log loss of one strength on one inner split; NaN where it failed."""
    try:
        model = fit(candidate, point, *rows.take(train, candidate.raw))
        X, y, weights = rows.take(valid, candidate.raw)
        loss = _log_loss(model, X, y, weights) if plan.stratify else np.nan
        return _score(plan, model, X, y, weights), loss
    except Exception:
        # if this strength is chosen all the same, the outer fit reports what went wrong
        return np.nan, np.nan
    finally:
        tick(is_net(candidate))


def _facts(model: Any, candidate: Candidate, part: Part) -> ModelFacts:
    """Facts of a fitted model, with columns counted as the user's where that can be told."""
    if candidate.raw:
        return model_facts(model)
    facts = model_facts(model, part.origins)
    return facts if part.origins is not None else facts._replace(n_features_used=np.nan)


def judge(
    plan: Plan,
    name: str,
    candidate: Candidate,
    point: dict[str, Any],
    part: Part,
    tick: Callable[[bool], None],
) -> dict[str, Any]:
    """Fit a candidate on an outer training part and score it on both parts."""
    row: dict[str, Any] = {
        "candidate": name,
        "repeat": part.split.repeat,
        "fold": part.split.fold,
        "test_score": np.nan,
        "train_score": np.nan,
        "log_loss": np.nan,
        "strength": candidate.label(point),
        **NOTHING._asdict(),
        "n_train": len(part.split.train),
        "n_test": len(part.split.test),
        "error": "",
    }
    try:
        train, test = part.train.whole(candidate.raw), part.test.whole(candidate.raw)
        model = fit(candidate, point, *train)
        row["test_score"] = _score(plan, model, *test)
        row["train_score"] = _score(plan, model, *train)
        row["log_loss"] = _log_loss(model, *test) if plan.stratify else np.nan
        row.update(_facts(model, candidate, part)._asdict())
    except Exception as error:
        row["error"] = f"{type(error).__name__}: {error}"
    tick(is_net(candidate))
    return row
