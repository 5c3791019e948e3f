"""How long a search may go on."""

from __future__ import annotations

import math
import time

#: Settings where neither their number nor a time is given.
SETTINGS = 40

#: Share of ``max_time`` by which training on all rows may end late, rather than be lost.
LATE = 0.05


class Budget:
    """The limits of a search.

    Parameters
    ----------
    n_settings : int or infinity
    max_time : float or None
        Seconds.

    Attributes
    ----------
    tried : int
        Settings so far.
    to_choose, to_train : float
        Seconds that are kept for the choice of an ensemble, and for training what was chosen.
    """

    def __init__(self, n_settings, max_time):
        self.n_settings = n_settings
        self.max_time = math.inf if max_time is None else max_time
        self.tried, self.to_choose, self.to_train = 0, 0.0, 0.0
        self._began = time.perf_counter()

    def keep(self, *, to_choose, to_train, at_most):
        """Keep so many seconds for what comes after the search, or this share of all of them at most."""
        if math.isinf(self.max_time):
            return
        part = min(1.0, at_most * self.max_time / max(to_choose + to_train, 1e-9))
        self.to_choose, self.to_train = part * to_choose, part * to_train

    def release(self):
        """Keep no seconds any more: what they were kept for begins."""
        self.to_choose = self.to_train = 0.0

    @property
    def seconds(self):
        """Seconds since the search began."""
        return time.perf_counter() - self._began

    @property
    def left(self):
        """Seconds that the search may still take; None where there is no limit."""
        return self._left(self.to_choose + self.to_train)

    @property
    def left_to_choose(self):
        """Seconds that are left with those that were kept for the choice; None without a limit."""
        return self._left(self.to_train)

    @property
    def left_at_last(self):
        """Seconds for what is trained last: what is left, and those that a fit may be late by."""
        return None if math.isinf(self.max_time) else self._left(0.0) + LATE * self.max_time

    def _left(self, kept):
        if math.isinf(self.max_time):
            return None
        return max(0.0, self.max_time - kept - self.seconds)

    @property
    def over(self):
        """Whether no more settings are to be tried."""
        return self.tried >= self.n_settings or self.left == 0.0
