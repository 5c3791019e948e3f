"""`compare`: from a table to a `Comparison`."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from skreg.comparison.alone import time_alone
from skreg.comparison.candidates import BASELINE, Candidate, prepared_for
from skreg.comparison.data import Data, read_data
from skreg.comparison.defaults import fit_to_table
from skreg.comparison.diagnosis import Diagnosis
from skreg.comparison.fits import takes_weights
from skreg.comparison.measuring import check_survivors, measure
from skreg.comparison.method import method_of, ready_estimators
from skreg.comparison.metrics import Metric, choose_metric
from skreg.comparison.nested import Plan
from skreg.comparison.preparing import make_preprocessor, needs_preparing
from skreg.comparison.profile import Profile, describe_table
from skreg.comparison.progress import shown_progress
from skreg.comparison.questions import add_gap, ask
from skreg.comparison.resolve import resolve_candidates
from skreg.comparison.result import Comparison
from skreg.comparison.splits import OuterSplit, outer_splits
from skreg.comparison.ticker import Progress
from skreg.comparison.timing import Schedule

if TYPE_CHECKING:
    from skreg import typing as types

__all__ = ["compare"]

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
    search_time: float | None = None,
    diagnose: bool = True,
    random_state: int = 0,
    backend: str | None = "skreg",
    n_jobs: int | None = None,
    progress: Progress | bool | None = None,
    verbose: int = 0,
    target_name: str | None = None,
    table_name: str | None = None,
) -> Comparison:
    """Find out what to take for a table, and which regularizer pays on it, with what certainty.

    The contenders are linear models, the package's own net with its default parameters, an ensemble of
    eight of them, scikit-learn's gradient boosting and, with `search_time`, the search. The simplest of
    them that nothing is better than with certainty is recommended. Beside them stands a plain net with
    one knob at a time, which asks what each regularizer is worth here.

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
        `skreg.comparison.preparing.make_preprocessor`. Gradient boosting has its own preparation.
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
    search_time : float or None, default=None
        Seconds of each search (`RegularizedMLPClassifierCV`, `RegularizedMLPRegressorCV`) that competes as
        well, one on each outer split, after all other fits. None leaves the search out.
    diagnose : bool, default=True
        Whether to answer the questions of `diagnosis_`.
    random_state : int, default=0
        Seed of splits and candidates.
    backend : str or None, default="skreg"
        joblib backend of the fits; None takes the one that is active.
    n_jobs : int or None, default=None
        As in joblib; the backend of skreg does not need it.
    progress : callable(done, total, what), bool or None, default=None
        Called after every fit. None shows a bar in a notebook and nothing elsewhere, False shows
        nothing, and True prints lines where there is no notebook, as ``verbose=1``.
    verbose : int, default=0
        1 prints now and then how many fits are done, and how many minutes they have taken and will
        take.
    target_name : str or None, default=None
        Name of what is predicted, for the page. None takes the name of `y`, if it has one.
    table_name : str or None, default=None
        Name of the table, for the page.

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
    _check_numbers(repeats, random_state, max_iter, inner_cv)
    _check_seconds(time_limit=time_limit, search_time=search_time)
    data = read_data(X, y, groups, sample_weight, task, cv, target_name)
    wanted = resolve_candidates(
        candidates,
        data.task,
        hidden_layer_sizes=hidden_layer_sizes,
        max_iter=_epochs(max_iter, len(data.y)),
        random_state=random_state,
        search_time=search_time,
    )
    preprocessor = make_preprocessor(data.X, preprocess)
    wanted = _fit_to_data(wanted, data, preprocess, random_state)
    first = next(iter(wanted.values())).estimator
    metric = choose_metric(scoring, data.y, data.task, first, positive)
    in_front = None if all(c.raw for c in wanted.values()) else preprocessor
    inner_cv = 2 if quick and inner_cv == 3 else inner_cv
    plan = _plan_of(data, metric, in_front, inner_cv, random_state, backend, n_jobs)
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
    for_rounds = _time_for_rounds(time_limit, wanted, len(splits))
    deadline = None if for_rounds is None else start + TIMING_SHARE * for_rounds
    with shown_progress(progress, verbose) as plan.progress:
        seconds = time_alone(plan, wanted, splits[0], deadline)
        # Before the splits, so that a time limit leaves them what remains.
        profile, diagnosis = _look(plan, data, wanted, preprocessor, splits[0], diagnose)
        largest = "short" if quick else "full"
        schedule = _schedule_of(plan, wanted, seconds, for_rounds, start, largest)
        outcome = measure(plan, wanted, splits, seconds, largest, schedule, time_limit)
    check_survivors(outcome.folds)
    if diagnosis is not None:
        add_gap(diagnosis, outcome.folds)
    method = method_of(plan, data, outcome, metric, time.perf_counter() - start)
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
        method=method if table_name is None else {"Table": table_name, **method},
        estimators=ready_estimators(plan, outcome),
        target_name=data.target_name,
        roles={name: candidate.role for name, candidate in wanted.items()},
    )


def _fit_to_data(
    candidates: dict[str, Candidate], data: Data, preprocess: Any, random_state: int
) -> dict[str, Candidate]:
    """The candidates as they suit the data, which takes note of what was changed."""
    if preprocess != "auto" or needs_preparing(data.X):
        candidates = {name: prepared_for(candidate) for name, candidate in candidates.items()}
    candidates, notes = fit_to_table(candidates, data.X, data.task, random_state)
    data.notes += notes
    _check_takes_weights(candidates, data.weights)
    return candidates


def _plan_of(
    data: Data,
    metric: Metric,
    preprocessor: Any,
    inner_cv: Any,
    random_state: int,
    backend: str | None,
    n_jobs: int | None,
) -> Plan:
    return Plan(
        X=data.X,
        y=data.y,
        groups=data.groups,
        weights=data.weights,
        scorer=metric.scorer,
        preprocessor=preprocessor,
        inner_cv=inner_cv,
        stratify=data.task == "classification",
        random_state=random_state,
        backend=backend,
        n_jobs=n_jobs,
    )


def _look(
    plan: Plan,
    data: Data,
    candidates: dict[str, Candidate],
    preprocessor: Any,
    split: OuterSplit,
    diagnose: bool,
) -> tuple[Profile, Diagnosis | None]:
    """Facts of the table, and the answers of the diagnosis that one split gives."""
    profile, Z, rows = describe_table(
        data.X, data.y, data.task, preprocessor, random_state=plan.random_state
    )
    return profile, ask(plan, candidates, Z, rows, split, data.task) if diagnose else None


def _time_for_rounds(
    time_limit: float | None, candidates: dict[str, Candidate], n_splits: int
) -> float | None:
    """What a time limit leaves when the searches have had their time."""
    if time_limit is None:
        return None
    searching = n_splits * sum(own.seconds or 0.0 for own in candidates.values())
    if searching >= time_limit:
        raise ValueError(
            f"time_limit={time_limit:g} leaves no time beside the searches, which take "
            f"{searching:g} s on {n_splits} splits. Give a longer limit, or a shorter search_time."
        )
    return time_limit - searching


def _schedule_of(
    plan: Plan,
    candidates: dict[str, Candidate],
    seconds: dict[str, float],
    for_rounds: float | None,
    start: float,
    largest: str,
) -> Schedule | None:
    """What decides how thorough rounds can be, where time is limited."""
    if for_rounds is None:
        return None
    n_inner = plan.inner_cv if isinstance(plan.inner_cv, int) else 5
    together = {name: own for name, own in candidates.items() if own.seconds is None}
    return Schedule(together, seconds, n_inner, for_rounds, start, largest=largest)


def _check_seconds(**limits: Any) -> None:
    for name, value in limits.items():
        number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
        if value is not None and (not number or not value > 0):
            raise ValueError(f"{name}={value!r}: allowed are None and seconds above 0.")


def _is_whole(value: Any, least: int) -> bool:
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    return bool(whole and value >= least)


def _check_numbers(repeats: Any, random_state: Any, max_iter: Any, inner_cv: Any) -> None:
    if not isinstance(repeats, int | np.integer) or repeats < 1:
        raise ValueError(f"repeats={repeats!r}: allowed are whole numbers from 1.")
    if not _is_whole(max_iter, 1) and not (isinstance(max_iter, str) and max_iter == "auto"):
        raise ValueError(f"max_iter={max_iter!r}: allowed are 'auto' and whole numbers from 1.")
    iterable = hasattr(inner_cv, "__iter__") and not isinstance(inner_cv, str | bytes)
    if not (_is_whole(inner_cv, 2) or hasattr(inner_cv, "split") or iterable) or isinstance(
        inner_cv, str | bytes
    ):
        raise ValueError(
            f"inner_cv={inner_cv!r}: allowed are whole numbers from 2, splitters such as KFold(5), and lists "
            "of splits."
        )
    if not isinstance(random_state, int | np.integer) or random_state < 0:
        raise ValueError(
            f"random_state={random_state!r}: allowed are whole numbers from 0, so that all "
            "candidates see the same splits."
        )


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
        if not takes_weights(candidate.estimator):
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
