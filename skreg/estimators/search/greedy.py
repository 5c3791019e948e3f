"""Which trials make the ensemble, and with what weights (Caruana et al. 2004)."""

from __future__ import annotations

import numpy as np

#: Trials that may be chosen, the best by score; how many of the best it begins with; and rounds after them.
#: To begin with several guards against what is best by chance, above all on small tables. Measured on 20 runs
#: of 15 tables (docs/development/search.rst).
POOL, START, ROUNDS = 20, 3, 12

#: Share of the score within which a trial that is in already is taken in place of another, and within which
#: of the best it has to be for the ensemble to begin with it.
TIE, NEAR = 1e-4, 0.5


class Selection:
    """An ensemble by greedy selection with replacement.

    It begins with the few best trials. Each round adds the one with which the mean of the predictions scores
    best, one that is in already where that comes near the best. All rounds are gone through: to stop at the
    best ensemble on the way is one choice more, and no better on new rows.

    Parameters
    ----------
    found : list of ndarray
        Predictions of each trial for the same rows, finite.
    shares : list of ndarray or None
        Of the classes, that they are calibrated to.
    alone : sequence of float
        Score of each trial by itself, larger is better.
    pool, start, tie : int, int and float
        As of the constants above.

    Attributes
    ----------
    weights : ndarray of float, shape (k,)
        Their sum is 1; after whole rounds, whatever ended the last one.

    References
    ----------
    Caruana, Niculescu-Mizil, Crew and Ksikes, "Ensemble Selection from Libraries of Models", ICML 2004.
    """

    def __init__(self, found, shares, alone, *, pool=POOL, start=START, tie=TIE):
        self.found, self.shares, self.tie = found, shares, tie
        alone = np.array([_or_worst(value) for value in alone])
        self.order = np.argsort(-alone, kind="stable")[:pool]
        self.counts = np.zeros(len(found))
        best = alone[self.order[0]]
        near = [i for i in self.order[:start] if alone[i] >= best - NEAR * abs(best)]
        self.counts[near] = 1
        self.counts[self.order[0]] = 1

    @property
    def weights(self):
        return self.counts / self.counts.sum()

    def go_on(self, score, *, rounds=ROUNDS, while_true=lambda: True):
        """Go through some rounds.

        Parameters
        ----------
        score : callable
            ``score(found, shares)``, larger is better.
        rounds : int
        while_true : callable
            Asked before each call of ``score``; where it says no, the round is dropped and the
            selection ends.
        """
        for _ in range(rounds):
            values = []
            for i in self.order:
                if not while_true():
                    return
                values.append(_or_worst(score(*self._with(i))))
            self.counts[self.order[self._choice(np.array(values))]] += 1

    def _choice(self, values):
        near = values >= values.max() - self.tie * abs(values.max())
        inside = near & (self.counts[self.order] > 0)
        return np.argmax(np.where(inside if inside.any() else near, values, -np.inf))

    def _with(self, i):
        """What the ensemble predicts with one trial more, and its shares of the classes."""
        counts = self.counts.copy()
        counts[i] += 1
        weights = counts / counts.sum()
        return _weighted(self.found, weights), _weighted(self.shares, weights)


def _weighted(parts, weights):
    if parts[0] is None:
        return None
    return sum(w * part for w, part in zip(weights, parts, strict=True) if w > 0)


def _or_worst(value):
    return value if np.isfinite(value) else -np.inf
