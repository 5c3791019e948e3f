"""Which trials go on at each rung (successive halving; Jamieson and Talwalkar 2016, Li et al. 2018).

Trials are compared with all that have come to the rung so far, within strata of the learning rate: small
rates start slowly and would be lost though they end well.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: Share of ``max_iter`` after which trials are compared, and share of them that goes on.
RUNGS = ((0.05, 1 / 2), (0.2, 1 / 3))

#: Strata of the learning rate, and trials of each from which on they are formed.
STRATA, FEWEST = 3, 4


@dataclass
class Ladder:
    """The rungs of a search, and the trials that came to each.

    Parameters
    ----------
    max_iter : int
        Epochs of a whole training.
    rungs : sequence of (float, float)
    """

    def __init__(self, max_iter, rungs=RUNGS):
        epochs = {}
        for part, share in rungs:
            epoch = max(1, round(part * max_iter))
            if epoch < max_iter:
                epochs[epoch] = epochs.get(epoch, 1.0) * share
        self.epochs = sorted(epochs)
        self.shares = [epochs[epoch] for epoch in self.epochs]
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
        seen, share = self.seen[rung], self.shares[rung]
        seen += [(np.log(trial.rate), trial.loss) for trial in trials]
        rates, losses = np.array(seen).T
        n_strata = STRATA if len(seen) >= STRATA * FEWEST else 1
        bounds = np.quantile(rates, np.arange(1, n_strata) / n_strata)
        strata = np.searchsorted(bounds, rates, side="right")
        least = [np.inf] * n_strata
        for number in range(n_strata):
            inside = np.sort(losses[(strata == number) & np.isfinite(losses)])
            if len(inside):
                least[number] = inside[max(1, round(share * len(inside))) - 1]
        own = strata[len(seen) - len(trials) :]
        return [
            trial
            for trial, number in zip(trials, own, strict=True)
            if trial.number == 0 or trial.loss <= min(least[number], np.finfo(float).max)
        ]
