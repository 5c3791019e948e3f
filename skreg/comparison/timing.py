"""How much a time limit leaves room for."""

from __future__ import annotations

import numpy as np

from skreg.comparison.candidates import GRIDS, Candidate

__all__ = ["affordable_grid", "expected_seconds"]

# what a fit costs in a batched round, as a share of what it costs alone; on the safe side of the
# 0.11 to 0.14 that grid searches over small nets were measured at
BATCHED_SHARE = 0.4


def expected_seconds(
    candidates: dict[str, Candidate], alone: dict[str, float], n_splits: int, n_inner: int
) -> float:
    """Estimate the seconds of one repeat.

    Parameters
    ----------
    candidates : dict of str to Candidate
        What is compared.
    alone : dict of str to float
        Seconds of one fit of each by itself on an outer training part.
    n_splits, n_inner : int
        Outer and inner splits.

    Returns
    -------
    float
    """
    total = 0.0
    for name, candidate in candidates.items():
        inner = 0.0
        if len(candidate.points) > 1 and candidate.strength_from not in candidates:
            inner = len(candidate.points) * n_inner * (1 - 1 / n_inner)
        total += np.nan_to_num(alone.get(name, 0.0)) * (1 + inner)
    return BATCHED_SHARE * n_splits * total


def affordable_grid(
    candidates: dict[str, Candidate],
    alone: dict[str, float],
    n_splits: int,
    n_inner: int,
    seconds: float,
) -> str:
    """Choose the longest grid whose first repeat should end in time.

    Parameters
    ----------
    candidates, alone, n_splits, n_inner : as in `expected_seconds`
    seconds : float
        What is left.

    Returns
    -------
    {"full", "short", "single"}
        "single", the quickest, where nothing is expected to end in time.
    """
    for size in GRIDS:
        shortened = {name: c.shortened(size) for name, c in candidates.items()}
        if expected_seconds(shortened, alone, n_splits, n_inner) <= seconds:
            return size
    return GRIDS[-1]
