"""Fits that are made one after the other: those that are timed, and those with a time of their own."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from skreg.comparison.candidates import Candidate
from skreg.comparison.fits import fit, is_net, judge
from skreg.comparison.nested import Plan, SplitRows, prepare
from skreg.comparison.splits import OuterSplit
from skreg.comparison.ticker import Ticker, fits_in

__all__ = ["judge_alone", "time_alone"]


def judge_alone(
    plan: Plan, candidates: dict[str, Candidate], splits: list[OuterSplit]
) -> list[dict[str, Any]]:
    """Judge candidates whose fits take a time of their own, one fit after the other.

    Each of them then has the whole machine for its time, as it would have for its user.

    Parameters
    ----------
    plan : Plan
        What the fits share.
    candidates : dict of str to Candidate
        They have `seconds`, and nothing to choose.
    splits : list of OuterSplit
        The splits to score them on.

    Returns
    -------
    list of dict
        One for each candidate and split, as of `evaluate`.
    """
    rows: list[dict[str, Any]] = []
    if not candidates:
        return rows
    tick = Ticker(plan.progress, len(splits) * len(candidates), "searching")
    with fits_in("sequential"):
        for split in splits:
            part = prepare(plan, split)
            rows += [judge(plan, name, c, {}, part, tick) for name, c in candidates.items()]
    return rows


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
        NaN where the fit failed, or was not begun; what a candidate says of itself is not measured.
    """
    seconds: dict[str, float] = {}
    tick = Ticker(plan.progress, len(candidates), "timing one fit of each")
    with fits_in("sequential"):
        part = prepare(plan, split)
        for name, candidate in candidates.items():
            late = deadline is not None and time.perf_counter() > deadline
            if candidate.seconds is not None:
                seconds[name] = candidate.seconds
            else:
                seconds[name] = np.nan if late else _seconds_of_fit(candidate, part.train)
            tick()
    return seconds


def _seconds_of_fit(candidate: Candidate, rows: SplitRows) -> float:
    """Of a fit at the middle strength; NaN where it fails, which the outer fit reports."""
    point = candidate.points[len(candidate.points) // 2]
    try:
        _warm_up(candidate, point, rows)
        start = time.perf_counter()
        fit(candidate, point, *rows.whole(candidate.raw))
        return time.perf_counter() - start
    except Exception:
        return np.nan


def _warm_up(candidate: Candidate, point: dict[str, Any], rows: SplitRows) -> None:
    """Fit one epoch, so that the time to load compiled kernels does not count as training."""
    settings = candidate.estimator.get_params()
    epochs = [name for name in settings if name.split("__")[-1] == "max_iter"]
    if is_net(candidate) and epochs:
        brief = {**point, **dict.fromkeys(epochs, 1)}
        fit(candidate, brief, *rows.whole(candidate.raw))
