"""All splits of a comparison, or as many and as thorough as a time limit allows."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from skreg.comparison.alone import judge_alone
from skreg.comparison.candidates import Candidate
from skreg.comparison.nested import Plan, evaluate
from skreg.comparison.splits import OuterSplit
from skreg.comparison.timing import Schedule

__all__ = ["Outcome", "check_survivors", "measure", "timed_rounds"]


@dataclass
class Outcome:
    """What was measured: scores of all splits, strengths that were tried, grids of the splits."""

    folds: pd.DataFrame
    strengths: pd.DataFrame | None
    seconds: dict[str, float]
    candidates: dict[str, Candidate]
    grids: list[str]
    n_repeats: int
    notes: list[str]


def measure(
    plan: Plan,
    candidates: dict[str, Candidate],
    splits: list[OuterSplit],
    seconds: dict[str, float],
    largest: str,
    schedule: Schedule | None,
    limit: float | None = None,
) -> Outcome:
    """Run all splits, or as many and as thorough as the time allows.

    Candidates with a time of their own are judged at the end, on the splits that were run.
    """
    alone = {name: own for name, own in candidates.items() if own.seconds is not None}
    together = {name: own for name, own in candidates.items() if name not in alone}
    rounds = timed_rounds(schedule, splits) if schedule else _repeats(splits, largest)
    rows, strengths, grids = [], [], []
    for grid, some in rounds:
        began = time.perf_counter()
        shortened = {name: candidate.shortened(grid) for name, candidate in together.items()}
        found = evaluate(plan, shortened, some)
        if schedule is not None:
            schedule.note_round(grid, len(some), time.perf_counter() - began)
        if some[0] is splits[0]:  # the round that measured the pace may be run again, with more
            rows, strengths, grids = [], [], []
        rows += found[0]
        strengths += found[1]
        grids += [grid] * len(some)
    rows += judge_alone(plan, alone, splits[: len(grids)])
    notes = _limit_notes(limit or schedule.limit, grids, largest, len(splits)) if schedule else []
    table = pd.DataFrame(strengths) if strengths else None
    n_repeats = len({split.repeat for split in splits[: len(grids)]})
    return Outcome(pd.DataFrame(rows), table, seconds, candidates, grids, n_repeats, notes)


def _repeats(splits: list[OuterSplit], grid: str) -> Iterator[tuple[str, list[OuterSplit]]]:
    """One round a repeat: the more fits there are in a round, the better they are batched."""
    for repeat in sorted({split.repeat for split in splits}):
        yield grid, [split for split in splits if split.repeat == repeat]


def timed_rounds(
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


def check_survivors(folds: pd.DataFrame) -> None:
    """Raise where fewer than two candidates could be fitted."""
    failed = folds.groupby("candidate", sort=False)["test_score"].agg(lambda v: v.isna().any())
    if (~failed).sum() >= 2:
        return
    errors = folds.loc[folds["error"] != ""].drop_duplicates("candidate")
    listed = "; ".join(
        f"{name}: {error}" for name, error in zip(errors["candidate"], errors["error"], strict=True)
    )
    listed = listed or "Their scores are no numbers: look at what `scoring` returns."
    raise RuntimeError(f"Fewer than two candidates could be fitted. {listed}")
