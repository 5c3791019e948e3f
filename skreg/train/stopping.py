"""When a member ends and which of its epochs is the best.

There are two counters: the best epoch moves on *any* improvement, patience starts again only on one of
more than ``min_delta`` (``tol`` where the training loss is watched). So a long slow descent ends, and
its lowest point is kept all the same.
"""

from __future__ import annotations

import math
from typing import NamedTuple

#: "adaptive" divides the rate by this when patience runs out, and ends below the smallest rate.
ADAPTIVE_FACTOR, SMALLEST_RATE = 5.0, 1e-6


class Counters(NamedTuple):
    """What a `Monitor` remembers of the epochs behind it."""

    best: float
    reference: float
    waited: int
    factor: float
    scored: bool


class Monitor:
    """Watches one member.

    Parameters
    ----------
    patience : int
        Epochs without an improvement of more than ``min_delta`` after which the member ends.
    min_delta : float
    adaptive : bool
        Lower the learning rate instead of ending, until the rate is below 1e-6.
    rate : float
        Initial learning rate, for ``adaptive``.

    Attributes
    ----------
    best : float
        Smallest value seen.
    factor : float
        On the learning rate.
    scored : bool
        Whether an epoch has had a score; see `update_scored`.
    reference : float
        What the patience is measured from.
    waited : int
        Epochs since it was last renewed.
    """

    def __init__(self, patience, min_delta, *, adaptive=False, rate=1.0):
        self.patience = patience
        self.min_delta = min_delta
        self.adaptive = adaptive
        self.rate = rate
        self.best = math.inf
        self.factor = 1.0
        self.scored = False
        self.reference = math.inf
        self.waited = 0

    @property
    def counters(self):
        """All that it remembers."""
        return Counters(*(getattr(self, name) for name in Counters._fields))

    def restore(self, counters):
        """Go on from what another one remembered."""
        for name, value in counters._asdict().items():
            setattr(self, name, value)

    def update_scored(self, loss, score):
        """Take the loss and the score of an epoch, a larger score being better.

        A metric may be undefined in some epoch; its score is NaN then. The loss is watched as long as no
        epoch has had a score. From the first score on only scores count, and an epoch without one is no
        improvement.

        Returns
        -------
        improved, ended : bool
        """
        undefined = math.isnan(score)
        if not (undefined or self.scored):
            # What was remembered so far is a loss.
            self.scored = True
            self.best = self.reference = math.inf
            self.waited = 0
        if not self.scored:
            return self.update(loss)
        return self.update(math.inf if undefined else -score)

    def update(self, value):
        """Take the value of an epoch, a smaller value being better.

        Returns
        -------
        improved, ended : bool
        """
        improved = value < self.best
        if improved:
            self.best = value
        if value < self.reference - self.min_delta or (math.isinf(self.reference) and improved):
            self.reference = value
            self.waited = 0
        else:
            self.waited += 1
        if self.waited < self.patience:
            return improved, False
        if not self.adaptive:
            return improved, True
        self.factor /= ADAPTIVE_FACTOR
        self.waited = 0
        return improved, self.rate * self.factor < SMALLEST_RATE
