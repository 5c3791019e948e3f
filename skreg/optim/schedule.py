"""Learning rates by step, for all members of a stack at once."""

from __future__ import annotations

import numpy as np

#: one_cycle: share of the steps that warm up, and what the rate starts and ends at (Smith 2018).
WARM_UP, START, END = 0.3, 1 / 25, 1e-4


def factors(kind, done, total, power_t=0.5):
    """Factor on ``learning_rate_init``.

    Parameters
    ----------
    kind : {"constant", "cosine", "one_cycle", "invscaling", "adaptive"}
        The factor of "adaptive" is constant here; `Monitor` lowers it by what it sees.
    done : ndarray of int
        Steps taken so far.
    total : int
        Steps if nothing ends training before.
    power_t : float
        Exponent of "invscaling".

    Returns
    -------
    ndarray of float, shape of ``done``
    """
    done = np.asarray(done, dtype=np.float64)
    share = np.clip(done / max(total, 1), 0.0, 1.0)
    if kind == "cosine":
        return 0.5 * (1.0 + np.cos(np.pi * share))
    if kind == "one_cycle":
        up = START + (1 - START) * share / WARM_UP
        down = END + (1 - END) * 0.5 * (1 + np.cos(np.pi * (share - WARM_UP) / (1 - WARM_UP)))
        return np.where(share < WARM_UP, up, down)
    if kind == "invscaling":
        return (done + 1.0) ** -power_t
    return np.ones_like(done)
