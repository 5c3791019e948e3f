"""Which trials go on at each rung (successive halving; Jamieson and Talwalkar 2016, Li et al. 2018).

Trials are compared with all that have come to the rung so far, by the loss of their best weights until then.
"""

from __future__ import annotations

import numpy as np

#: Share of ``max_iter`` after which trials are compared, share of them that goes on, and how many go on at
#: least. Measured on 22 runs of 15 tables (docs/development/search.rst).
RUNGS, FEWEST = ((0.05, 1 / 2), (0.1, 1 / 2), (0.2, 1 / 2)), 3


class Ladder:
    """The rungs of a search, and the losses of the trials that came to each.

    Parameters
    ----------
    max_iter : int
        Epochs of a whole training.
    rungs : sequence of (float, float)

    Attributes
    ----------
    epochs : list of int
        At which trials are compared.
    """

    def __init__(self, max_iter, rungs=RUNGS):
        shares = {}
        for part, share in rungs:
            epoch = max(1, round(part * max_iter))
            if epoch < max_iter:
                shares[epoch] = shares.get(epoch, 1.0) * share
        self.epochs = sorted(shares)
        self.shares = [shares[epoch] for epoch in self.epochs]
        self.seen = [[] for _ in self.epochs]

    def survivors(self, rung, trials):
        """Those of some trials that go on, after they have come to a rung.

        Parameters
        ----------
        rung : int
        trials : list of Trial

        Returns
        -------
        list of Trial
            In their order. A trial without a finite loss never goes on; the first of a search always does,
            so that there is something to compare with.
        """
        seen = self.seen[rung]
        seen += [trial.loss for trial in trials if np.isfinite(trial.loss)]
        count = min(max(FEWEST, round(self.shares[rung] * len(seen))), len(seen))
        least = sorted(seen)[count - 1] if seen else -np.inf
        return [trial for trial in trials if trial.number == 0 or trial.loss <= least]
