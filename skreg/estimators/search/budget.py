"""How long a search may go on."""

from __future__ import annotations

import math
import time

#: Settings where neither their number nor a time is given.
SETTINGS = 40


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
    reserve : float
        Seconds that are kept for what comes after the search.
    """

    def __init__(self, n_settings, max_time):
        self.n_settings = n_settings
        self.max_time = math.inf if max_time is None else max_time
        self.tried, self.reserve, self._began = 0, 0.0, time.perf_counter()

    @property
    def seconds(self):
        """Seconds since the search began."""
        return time.perf_counter() - self._began

    @property
    def left(self):
        """Seconds that training may still take; None where there is no limit."""
        if math.isinf(self.max_time):
            return None
        return max(0.0, self.max_time - self.reserve - self.seconds)

    @property
    def left_in_all(self):
        """Seconds that are left with those that were kept for what comes last; None without a limit."""
        return None if math.isinf(self.max_time) else max(0.0, self.max_time - self.seconds)

    @property
    def over(self):
        """Whether no more settings are to be tried."""
        return self.tried >= self.n_settings or self.left == 0.0
