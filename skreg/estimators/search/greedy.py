"""Which trials make the ensemble, and with what weights (Caruana et al. 2004)."""

from __future__ import annotations

import numpy as np

#: Trials that may be chosen, the best by score; rounds of the selection; and the share of the best score's
#: distance from the worst by which another trial has to be better than one that is in the ensemble already.
#: More of any of them fits the out-of-fold predictions closer, and with few rows those alone.
POOL, ROUNDS, TIE = 20, 12, 1e-3


def select(found, shares, score, *, pool=POOL, rounds=ROUNDS, tie=TIE):
    """Weights of an ensemble, by greedy selection with replacement.

    It begins with the best trial. Each round adds the one with which the mean of the predictions scores
    best, one that is in already where that comes near the best. The smallest of the ensembles that score
    best on the way is taken.

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
    best : float
        Score of the ensemble.

    References
    ----------
    Caruana, Niculescu-Mizil, Crew and Ksikes, "Ensemble Selection from Libraries of Models", ICML 2004.
    """
    alone = np.array([_value(score, f, s) for f, s in zip(found, shares, strict=True)])
    order = np.argsort(-alone, kind="stable")[:pool]
    counts = np.zeros(len(found))
    counts[order[0]] = 1
    total, mass = found[order[0]].copy(), _copy(shares[order[0]])
    best, chosen, spread = alone[order[0]], counts.copy(), abs(alone[order[0]])
    for n in range(2, rounds + 1):
        values = np.array(
            [_value(score, (total + found[i]) / n, _mean(mass, shares[i], n)) for i in order]
        )
        near = values >= values.max() - tie * spread
        inside = near & (counts[order] > 0)
        place = order[np.argmax(np.where(inside if inside.any() else near, values, -np.inf))]
        counts[place] += 1
        total += found[place]
        mass = None if mass is None else mass + shares[place]
        reached = values[np.flatnonzero(order == place)[0]]
        if reached > best:
            best, chosen = reached, counts.copy()
    return chosen / chosen.sum(), float(best)


def _value(score, found, shares):
    value = score(found, shares)
    return value if np.isfinite(value) else -np.inf


def _copy(shares):
    return None if shares is None else shares.copy()


def _mean(mass, more, n):
    return None if mass is None else (mass + more) / n
