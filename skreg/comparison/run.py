"""`compare`: from a table to a `Comparison`."""

from __future__ import annotations

import time
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.utils import _safe_indexing, check_consistent_length
from sklearn.utils.validation import _check_sample_weight, has_fit_parameter

from skreg.comparison.candidates import BASELINE, Candidate, prepared_for, resolve_candidates
from skreg.comparison.metrics import Metric, choose_metric
from skreg.comparison.nested import Plan, Progress, evaluate, time_alone
from skreg.comparison.preparing import make_preprocessor, needs_preparing
from skreg.comparison.profile import describe_table
from skreg.comparison.questions import add_gap, ask
from skreg.comparison.result import Comparison
from skreg.comparison.splits import OuterSplit, outer_splits
from skreg.comparison.tasks import check_target, drop_rare_classes, infer_task
from skreg.comparison.timing import Schedule
from skreg.comparison.wording import counted

if TYPE_CHECKING:
    from skreg import typing as types

__all__ = ["compare"]

MIN_CLASS_ROWS = 5
# optimiser steps of every default net, and the bounds of its epochs, where max_iter="auto"
STEPS, EPOCHS = 1500, (30, 100)
# of a time limit, for timing one fit of each candidate
TIMING_SHARE = 0.2


def compare(
    X: types.MixedTable,
    y: types.Target,
    *,
    candidates: Literal["default"] | list[str] | tuple[str, ...] | Mapping[str, Any] = "default",
    task: types.Task = "auto",
    cv: Any = 5,
    repeats: int = 1,
    inner_cv: Any = 3,
    scoring: str | types.Scorer | None = None,
    positive: Any = None,
    groups: types.Target | None = None,
    sample_weight: types.RowWeights | None = None,
    preprocess: Any = "auto",
    hidden_layer_sizes: tuple[int, ...] = (64, 64),
    max_iter: int | Literal["auto"] = "auto",
    baseline: str | None = None,
    quick: bool = False,
    time_limit: float | None = None,
    diagnose: bool = True,
    random_state: int = 0,
    backend: str | None = "skreg",
    n_jobs: int | None = None,
    progress: Progress | None = None,
    target_name: str | None = None,
) -> Comparison:
    """Find out which regularizer pays on a table, by how much and with what certainty.

    All candidates are cross-validated on the same splits. Each knob's strength is chosen inside
    every training part by an inner cross-validation over a short grid, so the outer score is that
    of the knob together with its tuning. All fits are trained side by side in a few batched rounds.

    Parameters
    ----------
    X : array-like or DataFrame of shape (n_samples, n_features)
        The table. Missing values, text and dates are allowed in a DataFrame.
    y : array-like of shape (n_samples,)
        The target.
    candidates : "default", list of str, or dict, default="default"
        A list of names chooses among the defaults. A dict of named estimators (or of
        `skreg.comparison.Candidate`, an estimator with a grid) replaces them;
        ``{**skreg.comparison.default_candidates(task), "mine": estimator}`` extends them.
    task : {"auto", "classification", "regression"}, default="auto"
        Kind of target.
    cv : int, splitter or iterable, default=5
        Outer folds. A number makes shuffled folds, stratified for classes, that keep `groups`
        together where they are given.
    repeats : int, default=1
        How often the folds are drawn anew. More repeats show smaller differences.
    inner_cv : int or splitter, default=3
        Inner folds that choose the strengths.
    scoring : str, callable or None, default=None
        Metric that judges, and that chooses the strengths (ties by log loss). None takes
        "balanced_accuracy" for classes, "r2" for numbers.
    positive : label or None, default=None
        The positive class, for metrics that look at one class, such as "f1", "precision", "recall"
        and "average_precision". Needed where no class is labelled 1.
    groups : array-like of shape (n_samples,), default=None
        Rows of one group are never in the training and the test part of the same split.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows, in fits and in scores.
    preprocess : {"auto", "standard", "squash"}, transformer or None, default="auto"
        How the table is turned into numbers. With "auto" the default candidates prepare it by themselves
        where it holds numbers and categories alone. Else, and for candidates of your own, it is done in
        front of them, fitted once on each outer training part; see
        `skreg.comparison.preparing.make_preprocessor`.
    hidden_layer_sizes : tuple of int, default=(64, 64)
        Units of each hidden layer of all default nets.
    max_iter : int or "auto", default="auto"
        Epochs of all default nets. "auto" takes as many as make about 1,500 steps, at least 30 and
        at most 100.
    baseline : str or None, default=None
        The candidate that the others are measured against. None takes "plain net", or the first
        candidate that is not a dummy.
    quick : bool, default=False
        Whether to try only two strengths for each knob, in two inner folds.
    time_limit : float or None, default=None
        Seconds that the comparison may take. Strengths, then splits are left out to keep it, down
        to one strength and two splits; the result's `notes_` say what was left out.
    diagnose : bool, default=True
        Whether to answer the questions of `diagnosis_`.
    random_state : int, default=0
        Seed of splits and candidates.
    backend : str or None, default="skreg"
        joblib backend of the fits; None takes the one that is active.
    n_jobs : int or None, default=None
        As in joblib; the backend of skreg does not need it.
    progress : callable(done, total, what) or None, default=None
        Called after every fit.
    target_name : str or None, default=None
        Name of what is predicted, for the page. None takes the name of `y`, if it has one.

    Returns
    -------
    Comparison

    Raises
    ------
    ValueError
        If the data or a parameter cannot be used; the message says what is allowed.
    RuntimeError
        If fewer than two candidates could be fitted.

    See Also
    --------
    Comparison : What it returns.
    ComparisonDisplay : Draws the differences.
    RegularizedMLPClassifierCV : Searches for the best net in place of explaining what helps.
    skreg.comparison.default_candidates : What is compared by default.

    References
    ----------
    Nadeau, C. and Bengio, Y. (2003). Inference for the generalization error. Machine Learning,
    52, 239-281.

    Kadra, A., Lindauer, M., Hutter, F. and Grabocka, J. (2021). Well-tuned simple nets excel on
    tabular datasets. NeurIPS.

    Examples
    --------
    >>> import skreg
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> result = skreg.compare(X, y, candidates=["dummy", "linear L2", "plain net"], quick=True)
    >>> result.baseline_
    'plain net'
    """
    start = time.perf_counter()
    _check_numbers(repeats, time_limit, random_state)
    data = _read(X, y, groups, sample_weight, task, cv, target_name)
    wanted = resolve_candidates(
        candidates,
        data.task,
        hidden_layer_sizes=hidden_layer_sizes,
        max_iter=_epochs(max_iter, len(data.y)),
        random_state=random_state,
    )
    preprocessor = make_preprocessor(data.X, preprocess)
    if preprocess != "auto" or needs_preparing(data.X):
        wanted = {name: prepared_for(candidate) for name, candidate in wanted.items()}
    _check_takes_weights(wanted, data.weights)
    first = next(iter(wanted.values())).estimator
    metric = choose_metric(scoring, data.y, data.task, first, positive)
    plan = Plan(
        X=data.X,
        y=data.y,
        groups=data.groups,
        weights=data.weights,
        scorer=metric.scorer,
        preprocessor=None if all(c.raw for c in wanted.values()) else preprocessor,
        inner_cv=2 if quick and inner_cv == 3 else inner_cv,
        stratify=data.task == "classification",
        random_state=random_state,
        backend=backend,
        n_jobs=n_jobs,
        progress=progress,
    )
    splits = outer_splits(
        cv,
        data.X,
        data.y,
        data.groups,
        repeats=repeats,
        stratify=plan.stratify,
        random_state=random_state,
    )
    baseline = _baseline_of(baseline, wanted)
    deadline = None if time_limit is None else start + TIMING_SHARE * time_limit
    seconds = time_alone(plan, wanted, splits[0], deadline)
    profile, Z, rows = describe_table(
        data.X, data.y, data.task, preprocessor, random_state=random_state
    )
    # before the splits, so that a time limit leaves them what remains
    diagnosis = ask(plan, wanted, Z, rows, splits[0], data.task) if diagnose else None
    largest, schedule = "short" if quick else "full", None
    if time_limit is not None:
        n_inner = plan.inner_cv if isinstance(plan.inner_cv, int) else 5
        schedule = Schedule(wanted, seconds, n_inner, time_limit, start, largest=largest)
    outcome = _measure(plan, wanted, splits, seconds, largest, schedule)
    _check_survivors(outcome.folds)
    if diagnosis is not None:
        add_gap(diagnosis, outcome.folds)
    return Comparison(
        outcome.folds,
        {name: candidate.kind for name, candidate in wanted.items()},
        task=data.task,
        scoring=metric.name,
        baseline=baseline,
        strengths=outcome.strengths,
        seconds=outcome.seconds,
        profile=profile,
        diagnosis=diagnosis,
        notes=[*data.notes, *outcome.notes],
        method=_method(plan, data, outcome, metric, time.perf_counter() - start),
        estimators=_ready(plan, outcome),
        target_name=data.target_name,
    )


@dataclass
class _Data:
    """The user's data, checked."""

    X: Any
    y: Any
    groups: Any
    weights: Any
    task: str
    target_name: str
    notes: list[str] = field(default_factory=list)


@dataclass
class _Outcome:
    """What was measured."""

    folds: pd.DataFrame
    strengths: pd.DataFrame | None
    seconds: dict[str, float]
    candidates: dict[str, Candidate]
    grids: list[str]
    n_repeats: int
    notes: list[str]


def _check_numbers(repeats: Any, time_limit: Any, random_state: Any) -> None:
    if not isinstance(repeats, int | np.integer) or repeats < 1:
        raise ValueError(f"repeats={repeats!r}: allowed are whole numbers from 1.")
    if time_limit is not None and not time_limit > 0:
        raise ValueError(f"time_limit={time_limit!r}: allowed are None and seconds above 0.")
    if not isinstance(random_state, int | np.integer) or random_state < 0:
        raise ValueError(
            f"random_state={random_state!r}: allowed are whole numbers from 0, so that all "
            "candidates see the same splits."
        )


def _read(
    X: Any, y: Any, groups: Any, sample_weight: Any, task: str, cv: Any, target_name: str | None
) -> _Data:
    if not hasattr(X, "columns") and not hasattr(X, "toarray"):
        X = np.asarray(X)
    if len(getattr(X, "shape", ())) != 2 or X.shape[1] == 0:
        raise ValueError(
            f"X has the shape {np.shape(X)}: compare takes a table of shape (n_samples, n_features)."
        )
    check_consistent_length(X, y, groups, sample_weight)
    name = target_name or str(getattr(y, "name", None) or "target")
    notes = []
    if task == "auto":
        task, why = infer_task(y)
        notes.append(f"The target was taken for {task}, because {why}.")
    y = check_target(y, task)
    groups = None if groups is None else np.asarray(groups)
    weights = None if sample_weight is None else _check_sample_weight(sample_weight, X)
    if task == "classification" and isinstance(cv, int | np.integer):
        rows, note = drop_rare_classes(y, max(MIN_CLASS_ROWS, int(cv)))
        if note:
            warnings.warn(note, UserWarning, stacklevel=3)
            notes.append(note)
            X, y = _safe_indexing(X, rows), y[rows]
            groups, weights = (None if a is None else a[rows] for a in (groups, weights))
    return _Data(X, y, groups, weights, task, name, notes)


def _epochs(max_iter: int | str, n_rows: int) -> int:
    if max_iter != "auto":
        return max_iter
    from skreg.estimators.resolve import automatic_batch_size

    steps = -(-n_rows // automatic_batch_size(n_rows))
    return int(np.clip(STEPS // steps, *EPOCHS))


def _check_takes_weights(candidates: dict[str, Candidate], weights: Any) -> None:
    if weights is None:
        return
    for name, candidate in candidates.items():
        if not has_fit_parameter(candidate.estimator, "sample_weight"):
            raise ValueError(
                f"sample_weight was given, but the fit of candidate {name!r} "
                f"({type(candidate.estimator).__name__}) takes none. Leave out the candidate or "
                "the weights."
            )


def _baseline_of(baseline: str | None, candidates: dict[str, Candidate]) -> str:
    if baseline is not None:
        if baseline not in candidates:
            raise ValueError(
                f"baseline={baseline!r} is not among the candidates. Allowed are {list(candidates)}."
            )
        return baseline
    if BASELINE in candidates:
        return BASELINE
    others = [name for name, candidate in candidates.items() if candidate.kind != "dummy"]
    return (others or list(candidates))[0]


def _measure(
    plan: Plan,
    candidates: dict[str, Candidate],
    splits: list[OuterSplit],
    seconds: dict[str, float],
    largest: str,
    schedule: Schedule | None,
) -> _Outcome:
    """Run all splits, or as many and as thorough as the time allows."""
    rounds = _timed_rounds(schedule, splits) if schedule else _repeats(splits, largest)
    rows, strengths, grids = [], [], []
    for grid, some in rounds:
        began = time.perf_counter()
        shortened = {name: candidate.shortened(grid) for name, candidate in candidates.items()}
        found = evaluate(plan, shortened, some)
        if schedule is not None:
            schedule.note_round(grid, len(some), time.perf_counter() - began)
        if some[0] is splits[0]:  # the round that measured the pace may be run again, with more
            rows, strengths, grids = [], [], []
        rows += found[0]
        strengths += found[1]
        grids += [grid] * len(some)
    notes = _limit_notes(schedule.limit, grids, largest, len(splits)) if schedule else []
    table = pd.DataFrame(strengths) if strengths else None
    n_repeats = len({split.repeat for split in splits[: len(grids)]})
    return _Outcome(pd.DataFrame(rows), table, seconds, candidates, grids, n_repeats, notes)


def _repeats(splits: list[OuterSplit], grid: str) -> Iterator[tuple[str, list[OuterSplit]]]:
    """One round a repeat: the more fits there are in a round, the better they are batched."""
    for repeat in sorted({split.repeat for split in splits}):
        yield grid, [split for split in splits if split.repeat == repeat]


def _timed_rounds(
    schedule: Schedule, splits: list[OuterSplit]
) -> Iterator[tuple[str, list[OuterSplit]]]:
    """Rounds that a time limit allows; each is planned after the one before was measured."""
    n_first = sum(split.repeat == splits[0].repeat for split in splits)
    yield "single", splits[:1]
    done = 1 if schedule.affordable_grid(n_first) == "single" else 0
    while done < len(splits):
        # the first repeat shall end; further ones have the strengths that it had
        grid = schedule.affordable_grid(max(1, n_first - done))
        n_next = schedule.next_splits(grid, done, len(splits) - done)
        if n_next == 0:
            return
        yield grid, splits[done : done + n_next]
        done += n_next


def _limit_notes(limit: float, grids: list[str], largest: str, n_splits: int) -> list[str]:
    """What was left out to keep a time limit."""
    notes = []
    words = {
        "short": "each knob chose among two strengths only",
        "single": "each knob was tried at one strength, which was not tuned: read differences with care",
    }
    for grid, text in words.items():
        count = grids.count(grid)
        if count and grid != largest:
            where = "" if count == len(grids) else f"on {count} of {len(grids)} splits, "
            notes.append(f"To keep the time limit of {limit:g} s, {where}{text}.")
    if len(grids) < n_splits:
        notes.append(
            f"The time limit of {limit:g} s left room for {len(grids)} of {n_splits} splits: with "
            "fewer splits, fewer differences can be told from chance."
        )
    return notes


def _check_survivors(folds: pd.DataFrame) -> None:
    failed = folds.groupby("candidate", sort=False)["test_score"].agg(lambda v: v.isna().any())
    if (~failed).sum() >= 2:
        return
    errors = folds.loc[folds["error"] != ""].drop_duplicates("candidate")
    listed = "; ".join(
        f"{name}: {error}" for name, error in zip(errors["candidate"], errors["error"], strict=True)
    )
    raise RuntimeError(f"Fewer than two candidates could be fitted. {listed}")


def _method(
    plan: Plan, data: _Data, outcome: _Outcome, metric: Metric, seconds: float
) -> dict[str, str]:
    sizes = outcome.folds.drop_duplicates(["repeat", "fold"])
    n_splits = len(sizes)
    inner = plan.inner_cv if isinstance(plan.inner_cv, int) else type(plan.inner_cv).__name__
    words = {
        "full": f"chosen in every training part by {inner} inner folds, by the same metric",
        "short": f"two for each knob, chosen in every training part by {inner} inner folds",
        "single": "one for each knob, not tuned",
    }
    counts = Counter(outcome.grids)
    grid = words[outcome.grids[0]]
    if len(counts) > 1:
        grid = "; ".join(f"on {counted(n, 'split')} {words[size]}" for size, n in counts.items())
    return {
        "Rows and columns": f"{len(data.y):,} rows, {data.X.shape[1]:,} columns",
        "Target": f"{data.target_name} ({data.task})",
        "Metric": f"{metric.words}, greater is better",
        "Outer splits": (
            f"{n_splits} ({counted(outcome.n_repeats, 'repeat')}), the same for all candidates; "
            f"{sizes['n_train'].mean():,.0f} training and {sizes['n_test'].mean():,.0f} test rows "
            "on average" + (", groups kept together" if data.groups is not None else "")
        ),
        "Strengths": grid,
        "Preparation": _preparation(plan.preprocessor, outcome.candidates),
        "Tests": (
            "corrected resampled t-test (Nadeau and Bengio 2003) on paired scores; p-values are "
            "corrected for the number of tests of their question, intervals (95 %) are not"
        ),
        "Seconds": "in the table: one fit by itself on the first training part; "
        f"the whole comparison took {seconds:.1f} s",
        "Seed": str(plan.random_state),
    }


def _preparation(preprocessor: Any, candidates: dict[str, Candidate]) -> str:
    own = "by each model: categories encoded, gaps filled, numbers standardised"
    if preprocessor is None:
        return own if any(c.raw and c.kind != "own" for c in candidates.values()) else "none"
    steps = getattr(preprocessor, "steps", [("", preprocessor)])
    names = ", ".join(type(step).__name__ for _, step in steps)
    text = f"{names}; fitted on each outer training part, without the target"
    raw = any(c.raw and c.kind not in ("own", "dummy") for c in candidates.values())
    return f"{own}; in front of your own candidates {text}" if raw else text


def _ready(plan: Plan, outcome: _Outcome) -> dict[str, Any]:
    """Unfitted pipelines, each with the strength that most splits chose."""
    found = {}
    for name, candidate in outcome.candidates.items():
        labels = Counter(outcome.folds.loc[outcome.folds["candidate"] == name, "strength"])
        label = labels.most_common(1)[0][0]
        point = next(p for p in candidate.points if candidate.label(p) == label)
        estimator = clone(candidate.estimator).set_params(**point)
        prepared = plan.preprocessor is not None and not candidate.raw
        found[name] = make_pipeline(clone(plan.preprocessor), estimator) if prepared else estimator
    return found
