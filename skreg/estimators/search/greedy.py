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


def select(found, shares, score, *, pool=POOL, start=START, rounds=ROUNDS, tie=TIE):
    """Weights of an ensemble, by greedy selection with replacement.

    It begins with the few best trials. Each round adds the one with which the mean of the predictions scores
    best, one that is in already where that comes near the best. All rounds are gone through: to stop at the
    best ensemble on the way is one choice more, and no better on new rows.

    Parameters
    ----------
    found : list of ndarray
        Predictions of each trial for the same rows, finite.
    shares : list of ndarray or None
        Of the classes, that they are calibrated to.
    score : callable
        ``score(found, shares)``, larger is better.

    Returns
    -------
    weights : ndarray of float, shape (k,)
        Their sum is 1.
    reached : float
        Score of the ensemble.

    References
    ----------
    Caruana, Niculescu-Mizil, Crew and Ksikes, "Ensemble Selection from Libraries of Models", ICML 2004.
    """
    alone = np.array([_value(score, f, s) for f, s in zip(found, shares, strict=True)])
    order = np.argsort(-alone, kind="stable")[:pool]
    counts = np.zeros(len(found))
    best = alone[order[0]]
    counts[[i for i in order[:start] if alone[i] >= best - NEAR * abs(best)]] = 1
    counts[order[0]] = 1
    for _ in range(rounds):
        values = np.array([_value(score, *_mean(found, shares, counts, i)) for i in order])
        near = values >= values.max() - tie * abs(values.max())
        inside = near & (counts[order] > 0)
        counts[order[np.argmax(np.where(inside if inside.any() else near, values, -np.inf))]] += 1
    weights = counts / counts.sum()
    return weights, float(score(_weighted(found, weights), _weighted(shares, weights)))


def _mean(found, shares, counts, i):
    """What an ensemble predicts with one trial more, and its shares of the classes."""
    weights = counts.copy()
    weights[i] += 1
    weights /= weights.sum()
    return _weighted(found, weights), _weighted(shares, weights)


def _weighted(parts, weights):
    if parts[0] is None:
        return None
    return sum(w * part for w, part in zip(weights, parts, strict=True) if w > 0)


def _value(score, found, shares):
    value = score(found, shares)
    return value if np.isfinite(value) else -np.inf
