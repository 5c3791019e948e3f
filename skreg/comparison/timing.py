"""How much a time limit leaves room for."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from skreg.comparison.candidates import GRIDS, Candidate

__all__ = ["Schedule", "work_of"]

# what is planned at once, as a share of the time left: the pace of a busy machine changes
SAFE_SHARE = 0.5
# by how much of the limit the last round may be expected to miss it
TOLERANCE = 0.03
# a variance takes two splits
LEAST_SPLITS = 2


def work_of(candidates: dict[str, Candidate], alone: dict[str, float], n_inner: int) -> float:
    """Seconds that the fits of one outer split would take one after the other.

    Parameters
    ----------
    candidates : dict of str to Candidate
        What is compared.
    alone : dict of str to float
        Seconds of one fit of each by itself on an outer training part; where it is not known, the
        mean of the others is taken.
    n_inner : int
        Inner splits.

    Returns
    -------
    float
    """
    known = [seconds for seconds in alone.values() if np.isfinite(seconds)]
    usual = float(np.mean(known)) if known else 1.0
    total = 0.0
    for name, candidate in candidates.items():
        inner = 0.0
        if len(candidate.points) > 1 and candidate.strength_from not in candidates:
            inner = len(candidate.points) * n_inner * (1 - 1 / n_inner)
        seconds = alone.get(name, np.nan)
        total += (seconds if np.isfinite(seconds) else usual) * (1 + inner)
    return total


class Schedule:
    """Decides, between rounds of fits, what the time that is left allows.

    The pace is measured, never supposed: the first round is one split with one strength a knob,
    and after each round the time that the next one takes is estimated anew.

    Parameters
    ----------
    candidates : dict of str to Candidate
        What is compared, with all strengths that may be tried.
    alone : dict of str to float
        Seconds of one fit of each by itself.
    n_inner : int
        Inner splits.
    limit : float
        Seconds from `start` on.
    start : float
        When the clock was started.
    largest : {"full", "short"}, default="full"
        The longest grid that is wanted.
    clock : callable() -> float, default=time.perf_counter
        Seconds.
    """

    def __init__(
        self,
        candidates: dict[str, Candidate],
        alone: dict[str, float],
        n_inner: int,
        limit: float,
        start: float,
        *,
        largest: str = "full",
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.limit, self.start, self.clock = limit, start, clock
        self._grids = GRIDS[GRIDS.index(largest) :]
        self._work = {
            grid: work_of({n: c.shortened(grid) for n, c in candidates.items()}, alone, n_inner)
            for grid in self._grids
        }
        self._pace = np.nan

    @property
    def left(self) -> float:
        """Seconds that are left."""
        return self.limit - (self.clock() - self.start)

    def seconds_of(self, grid: str) -> float:
        """Expected seconds of one split; not known before the first round was measured."""
        return self._pace * self._work[grid]

    def note_round(self, grid: str, n_splits: int, seconds: float) -> None:
        """Take the pace from a round."""
        self._pace = seconds / max(n_splits * self._work[grid], 1e-9)

    def affordable_grid(self, n_splits: int) -> str:
        """Longest grid with which some splits should end in time; never longer than before."""
        while len(self._grids) > 1 and n_splits * self.seconds_of(self._grids[0]) > self.left:
            self._grids = self._grids[1:]
        return self._grids[0]

    def next_splits(self, grid: str, n_done: int, n_open: int) -> int:
        """How many splits to take in the next round, 0 where the time is up.

        Parameters
        ----------
        grid : str
            Their grid.
        n_done, n_open : int
            Splits that are done, and that are still to do.

        Returns
        -------
        int
        """
        seconds = self.seconds_of(grid)
        if n_done >= LEAST_SPLITS and seconds > self.left + TOLERANCE * self.limit:
            return 0
        return min(n_open, max(1, int(SAFE_SHARE * self.left / seconds)))
