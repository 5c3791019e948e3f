"""Nested cross-validation of all candidates in two waves of fits, each of them batched.

The first wave holds every inner fit of every outer split, candidate and strength; the second one
fits each candidate at the strength it chose on each outer training part. Both are one
`joblib.Parallel`, so under the backend of skreg a wave is trained as a few stacks of nets.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils import _safe_indexing
from sklearn.utils.parallel import Parallel, delayed

from skreg.comparison.candidates import Candidate
from skreg.comparison.fits import inner_score, judge, n_nets
from skreg.comparison.origins import origins_of
from skreg.comparison.splits import OuterSplit, inner_splits
from skreg.comparison.ticker import Progress, Ticker, fits_in

__all__ = ["Plan", "evaluate", "prepare"]


@dataclass
class Plan:
    """Everything the fits share.

    Attributes
    ----------
    X, y, groups, weights : the data
        `groups` and `weights` may be None.
    scorer : callable(estimator, X, y)
        Greater is better.
    preprocessor : transformer or None
        Fitted once on each outer training part, without the target.
    inner_cv : int or splitter
        Folds that choose the strengths.
    stratify : bool
        Whether the task is classification.
    random_state : int
        Seed of the inner folds.
    backend : str or None
        joblib backend; None takes the one that is active.
    n_jobs : int or None
        As in joblib.
    progress : callable(done, total, what)
        Called after every fit.
    """

    X: Any
    y: NDArray
    groups: NDArray | None
    weights: NDArray | None
    scorer: Any
    preprocessor: Any
    inner_cv: Any
    stratify: bool
    random_state: int
    backend: str | None = "skreg"
    n_jobs: int | None = None
    progress: Progress | None = None


@dataclass
class SplitRows:
    """Rows of one part of a split: raw and prepared."""

    raw: Any
    prepared: Any
    y: NDArray
    weights: NDArray | None

    def take(self, rows: NDArray[np.intp], raw: bool) -> tuple[Any, NDArray, NDArray | None]:
        """Return X, y and weights of some rows, raw or prepared."""
        weights = None if self.weights is None else self.weights[rows]
        return _safe_indexing(self.raw if raw else self.prepared, rows), self.y[rows], weights

    def whole(self, raw: bool) -> tuple[Any, NDArray, NDArray | None]:
        """Return X, y and weights of all rows."""
        return self.raw if raw else self.prepared, self.y, self.weights


@dataclass
class Part:
    """One outer split, its rows ready for every candidate.

    `origins` are the columns that the prepared features were made of, None where that is not known.
    """

    split: OuterSplit
    train: SplitRows
    test: SplitRows
    inner: list[tuple[NDArray[np.intp], NDArray[np.intp]]]
    origins: NDArray[np.intp] | None


def evaluate(
    plan: Plan, candidates: dict[str, Candidate], splits: list[OuterSplit]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Cross-validate all candidates on the same splits, strengths chosen inside each.

    Parameters
    ----------
    plan : Plan
        What the fits share.
    candidates : dict of str to Candidate
        What is compared.
    splits : list of OuterSplit
        The splits to score them on.

    Returns
    -------
    folds : list of dict
        One for each candidate and outer split, as `Comparison.folds` shows them.
    strengths : list of dict
        One for each candidate, outer split and strength: the mean inner score.
    """
    with fits_in(plan.backend) as watch:
        parts = [prepare(plan, split) for split in splits]
        chosen, strengths = _choose(plan, candidates, parts, watch)
        fits = list(candidates.values()) * len(parts)
        tick = watch(_ticker(plan, fits, "judging"))
        rows = Parallel(n_jobs=plan.n_jobs)(
            delayed(judge)(plan, name, candidates[name], chosen[name, i], part, tick)
            for i, part in enumerate(parts)
            for name in candidates
        )
    return rows, strengths


def _ticker(plan: Plan, fits: list[Candidate], what: str) -> Ticker:
    """What counts the fits of a wave, a candidate each."""
    nets = [n_nets(candidate) for candidate in fits]
    return Ticker(plan.progress, len(fits), what, sum(n > 0 for n in nets), sum(nets))


def prepare(plan: Plan, split: OuterSplit) -> Part:
    """Fit the preprocessing on the training part of a split and apply it to both.

    Parameters
    ----------
    plan : Plan
        What the fits share.
    split : OuterSplit
        Rows of the parts.

    Returns
    -------
    Part
    """
    raw_train, raw_test = (_safe_indexing(plan.X, rows) for rows in (split.train, split.test))
    train, test = raw_train, raw_test
    origins = origins_of(None, raw_train)
    if plan.preprocessor is not None:
        transform = clone(plan.preprocessor).fit(raw_train)
        train, test = (_as_array(transform.transform(part)) for part in (raw_train, raw_test))
        origins = origins_of(transform, raw_train)
    weights = (None, None)
    if plan.weights is not None:
        weights = (plan.weights[split.train], plan.weights[split.test])
    return Part(
        split,
        SplitRows(raw_train, train, plan.y[split.train], weights[0]),
        SplitRows(raw_test, test, plan.y[split.test], weights[1]),
        inner_splits(
            plan.inner_cv,
            plan.y,
            plan.groups,
            split.train,
            stratify=plan.stratify,
            random_state=plan.random_state,
        ),
        origins,
    )


def _as_array(matrix: Any) -> Any:
    if hasattr(matrix, "to_numpy"):
        return matrix.to_numpy(dtype=np.float64)
    return matrix


def _choose(
    plan: Plan,
    candidates: dict[str, Candidate],
    parts: list[Part],
    watch: Callable[[Ticker], Ticker],
) -> tuple[dict[tuple[str, int], dict[str, Any]], list[dict[str, Any]]]:
    """Pick each candidate's strength in each part by inner cross-validation."""
    searched = {name: c for name, c in candidates.items() if _is_searched(c, candidates)}
    tasks = [
        (name, i, k, fit, valid)
        for i, part in enumerate(parts)
        for name, candidate in searched.items()
        for k in range(len(candidate.points))
        for fit, valid in part.inner
    ]
    tick = watch(_ticker(plan, [searched[task[0]] for task in tasks], "choosing strengths"))
    results = Parallel(n_jobs=plan.n_jobs)(
        delayed(inner_score)(
            plan, searched[name], searched[name].points[k], parts[i].train, fit, valid, tick
        )
        for name, i, k, fit, valid in tasks
    )
    scores: dict[tuple[str, int, int], list[tuple[float, float]]] = {}
    for (name, i, k, _, _), result in zip(tasks, results, strict=True):
        scores.setdefault((name, i, k), []).append(result)
    chosen: dict[tuple[str, int], dict[str, Any]] = {}
    table: list[dict[str, Any]] = []
    for i, part in enumerate(parts):
        for name, candidate in candidates.items():
            if name not in searched:
                continue
            means = [np.mean(scores[name, i, k], axis=0) for k in range(len(candidate.points))]
            best = _best_point(means)
            chosen[name, i] = candidate.points[best]
            table += _strength_rows(name, candidate, part.split, means, best)
        for name, candidate in candidates.items():
            if name not in searched:
                chosen[name, i] = _taken_over(candidate, candidates, chosen, i)
    return chosen, table


def _is_searched(candidate: Candidate, candidates: dict[str, Candidate]) -> bool:
    return len(candidate.points) > 1 and candidate.strength_from not in candidates


def _taken_over(
    candidate: Candidate,
    candidates: dict[str, Candidate],
    chosen: dict[tuple[str, int], dict[str, Any]],
    i: int,
) -> dict[str, Any]:
    source = candidate.strength_from
    if source not in candidates:
        return candidate.points[0]
    # both have the same strengths in the same order
    points = candidates[source].points
    taken = chosen.get((source, i), points[0])
    return candidate.points[min(points.index(taken), len(candidate.points) - 1)]


def _best_point(means: list[NDArray[np.float64]]) -> int:
    """Highest inner score; ties go to the lower log loss, then to the first."""
    keys = [
        (-np.inf if np.isnan(score) else round(float(score), 12), -np.nan_to_num(loss, nan=0.0))
        for score, loss in means
    ]
    return max(range(len(keys)), key=keys.__getitem__)


def _strength_rows(
    name: str, candidate: Candidate, split: OuterSplit, means: list[Any], best: int
) -> list[dict[str, Any]]:
    return [
        {
            "candidate": name,
            "repeat": split.repeat,
            "fold": split.fold,
            "strength": candidate.label(point),
            "inner_score": float(means[k][0]),
            "chosen": k == best,
        }
        for k, point in enumerate(candidate.points)
    ]
