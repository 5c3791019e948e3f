"""Nested cross-validation of all candidates in two waves of fits, each of them batched.

The first wave holds every inner fit of every outer split, candidate and strength; the second one
fits each candidate at the strength it chose on each outer training part. Both are one
`joblib.Parallel`, so under the backend of skreg a wave is trained as a few stacks of nets.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from joblib import parallel_config
from joblib.parallel import get_active_backend
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import _safe_indexing
from sklearn.utils.parallel import Parallel, delayed

from skreg.comparison.candidates import Candidate
from skreg.comparison.models import NOTHING, model_facts
from skreg.comparison.splits import OuterSplit, inner_splits

if TYPE_CHECKING:
    from skreg.parallel.backend import SkregBackend
    from skreg.train.progress import Progress as StackProgress

__all__ = ["Plan", "evaluate", "time_alone"]

Progress = Callable[[int, int, str], None]


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
    """One outer split, its rows ready for every candidate."""

    split: OuterSplit
    train: SplitRows
    test: SplitRows
    inner: list[tuple[NDArray[np.intp], NDArray[np.intp]]]


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
    with _fits_in(plan.backend) as watch:
        parts = [prepare(plan, split) for split in splits]
        chosen, strengths = _choose(plan, candidates, parts, watch)
        tick = watch(_Ticker(plan.progress, len(parts) * len(candidates), "judging"))
        rows = Parallel(n_jobs=plan.n_jobs)(
            delayed(_judge)(plan, name, candidates[name], chosen[name, i], part, tick)
            for i, part in enumerate(parts)
            for name in candidates
        )
    return rows, strengths


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
    if plan.preprocessor is not None:
        transform = clone(plan.preprocessor).fit(raw_train)
        train, test = (_as_array(transform.transform(part)) for part in (raw_train, raw_test))
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
    )


def _as_array(matrix: Any) -> Any:
    if hasattr(matrix, "to_numpy"):
        return matrix.to_numpy(dtype=np.float64)
    return matrix


@contextmanager
def _fits_in(backend: str | None) -> Iterator[Callable[[_Ticker], _Ticker]]:
    """Run the block under a joblib backend, without the warnings that no one can act on.

    Yields a function that lets a ticker watch the training, where the backend is ours.
    """
    watch: Callable[[_Ticker], _Ticker] = _unwatched
    # `parallel_config` is in force from the moment it is made, so it is made once, for the block.
    if backend is None:
        context: Any = nullcontext()
    elif backend == "skreg":
        from skreg.parallel.backend import SkregBackend  # imports torch: not before it is needed

        active, _ = get_active_backend()
        if isinstance(active, SkregBackend):
            ours, context = active, nullcontext()  # with the executor or memory the user has set
        else:
            ours = SkregBackend()
            context = parallel_config(backend=ours)
        watch = partial(_watched, ours)
    else:
        context = parallel_config(backend=backend)
    with context, warnings.catch_warnings():
        # a net with a fixed number of epochs is not expected to converge, and a test fold without a
        # rare class is a fact of the table
        warnings.filterwarnings("ignore", category=ConvergenceWarning)
        warnings.filterwarnings("ignore", message="y_pred contains classes not in y_true")
        warnings.filterwarnings("ignore", message="The least populated class in y")
        warnings.filterwarnings("ignore", message="Found unknown categories")
        # "all together" has every knob at once, batch norm and the penalties among them
        warnings.filterwarnings("ignore", message="l[12] .* hidden layers with .*_norm=True")
        yield watch


def _unwatched(ticker: _Ticker) -> _Ticker:
    return ticker


def _watched(backend: SkregBackend, ticker: _Ticker) -> _Ticker:
    if ticker.progress is not None:
        backend.scope.progress = ticker.watch
    return ticker


class _Ticker:
    """Counts finished fits for the progress display.

    In a batched round many fits finish at once, so training that is under way counts as well: each
    net of a stack by the share of its epochs that is done.
    """

    def __init__(self, progress: Progress | None, total: int, what: str) -> None:
        self.progress, self.total, self.what = progress, total, what
        self.done = self._nets_done = self._shown = 0
        self._stacks: dict[int, float] = {}

    def __call__(self, is_net: bool = False) -> None:
        self.done += 1
        self._nets_done += is_net
        self._tell(self.done)

    def watch(self, stack: StackProgress) -> None:
        """Take note of a stack after one of its epochs."""
        self._stacks[stack.stack] = stack.trained
        underway = max(0, int(sum(self._stacks.values())) - self._nets_done)
        self._tell(min(self.total - 1, self.done + underway))

    def _tell(self, done: int) -> None:
        self._shown = max(self._shown, done)
        if self.progress is not None:
            self.progress(self._shown, self.total, self.what)

    def __reduce__(self) -> tuple[Any, ...]:
        # a worker process has no access to the display
        return _Ticker, (None, self.total, self.what)


def _choose(
    plan: Plan,
    candidates: dict[str, Candidate],
    parts: list[Part],
    watch: Callable[[_Ticker], _Ticker],
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
    tick = watch(_Ticker(plan.progress, len(tasks), "choosing strengths"))
    results = Parallel(n_jobs=plan.n_jobs)(
        delayed(_inner_score)(
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


def _is_net(candidate: Candidate) -> bool:
    return candidate.kind in ("net", "ensemble")


def _fit(candidate: Candidate, point: dict[str, Any], X: Any, y: Any, weights: Any) -> Any:
    model = clone(candidate.estimator).set_params(**point)
    return model.fit(X, y) if weights is None else model.fit(X, y, sample_weight=weights)


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


def _inner_score(
    plan: Plan,
    candidate: Candidate,
    point: dict[str, Any],
    rows: SplitRows,
    fit: NDArray[np.intp],
    valid: NDArray[np.intp],
    tick: Callable[[bool], None],
) -> tuple[float, float]:
    """Score and log loss of one strength on one inner split; NaN where it failed."""
    try:
        model = _fit(candidate, point, *rows.take(fit, candidate.raw))
        X, y, weights = rows.take(valid, candidate.raw)
        loss = _log_loss(model, X, y, weights) if plan.stratify else np.nan
        return _score(plan, model, X, y, weights), loss
    except Exception:
        # if this strength is chosen all the same, the outer fit reports what went wrong
        return np.nan, np.nan
    finally:
        tick(_is_net(candidate))


def _judge(
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
        model = _fit(candidate, point, *train)
        row["test_score"] = _score(plan, model, *test)
        row["train_score"] = _score(plan, model, *train)
        row["log_loss"] = _log_loss(model, *test) if plan.stratify else np.nan
        row.update(model_facts(model)._asdict())
    except Exception as error:
        row["error"] = f"{type(error).__name__}: {error}"
    tick(_is_net(candidate))
    return row


def time_alone(
    plan: Plan,
    candidates: dict[str, Candidate],
    split: OuterSplit,
    deadline: float | None = None,
) -> dict[str, float]:
    """Seconds that one fit of each candidate takes by itself, at its middle strength.

    Parameters
    ----------
    plan : Plan
        What the fits share.
    candidates : dict of str to Candidate
        What is timed.
    split : OuterSplit
        Its training rows are fitted.
    deadline : float or None, default=None
        Time of `time.perf_counter` after which no further fit is begun.

    Returns
    -------
    dict of str to float
        NaN where the fit failed, or was not begun.
    """
    seconds: dict[str, float] = {}
    tick = _Ticker(plan.progress, len(candidates), "timing one fit of each")
    with _fits_in("sequential"):
        part = prepare(plan, split)
        for name, candidate in candidates.items():
            point = candidate.points[len(candidate.points) // 2]
            seconds[name] = np.nan
            if deadline is not None and time.perf_counter() > deadline:
                continue
            try:
                _warm_up(candidate, point, part.train)
                start = time.perf_counter()
                _fit(candidate, point, *part.train.whole(candidate.raw))
                seconds[name] = time.perf_counter() - start
            except Exception:
                pass  # the outer fit reports what went wrong
            tick()
    return seconds


def _warm_up(candidate: Candidate, point: dict[str, Any], rows: SplitRows) -> None:
    """Fit one epoch, so that the time to load compiled kernels does not count as training."""
    settings = candidate.estimator.get_params()
    epochs = [name for name in settings if name.split("__")[-1] == "max_iter"]
    if _is_net(candidate) and epochs:
        brief = {**point, **dict.fromkeys(epochs, 1)}
        _fit(candidate, brief, *rows.whole(candidate.raw))
