"""How time and memory grow with rows, columns and members.

Each size is measured in a process of its own, so that none finds memory that another left behind.
"""

from __future__ import annotations

import multiprocessing
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from benchmarks.memory import PeakMemory
from benchmarks.nets import jobs, sklearn_net, skreg_net
from benchmarks.single import digits
from benchmarks.timing import median
from skreg.train import train

#: After that many seconds a size is not measured again.
PATIENCE = 3.0


def table(n, d, seed=0):
    """Normal columns of single precision, and two classes that the first columns tell apart."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d), dtype=np.float32)
    return X, (X[:, :5].sum(axis=1) > 0).astype(np.int64)


@dataclass(frozen=True)
class Axis:
    """Something that grows.

    Attributes
    ----------
    what : str
        What stays as it is.
    sizes : tuple of int
    contestants : tuple of str
    work : callable
        Of a size and a contestant: the table, a run that warms up, and the run that counts.
    """

    what: str
    sizes: tuple
    contestants: tuple
    work: Callable


def _rows(n, contestant):
    return _fits(*table(n, 50), _net(contestant, (128, 128), 256, 2))


def _columns(d, contestant):
    return _fits(*table(2_000, d), _net(contestant, (100,), 200, 10))


def _net(contestant, hidden, batch, epochs):
    return {"skreg": skreg_net, "scikit-learn": sklearn_net}[contestant](hidden, batch, epochs)


def _fits(X, y, net):
    few = min(len(X), 600)
    return X, lambda: net.fit(X[:few], y[:few]), lambda: net.fit(X, y)


def _members(k, contestant):
    X, y = digits()
    members = jobs(X, y, (100,), k, 0.6, batch_size=200, max_iter=5)
    rounds = [members] if contestant == TOGETHER else [[job] for job in members]
    return X, lambda: train(members[:8]), lambda: [train(one) for one in rounds]


TOGETHER, ONE_BY_ONE = "skreg, together", "skreg, one by one"
#: What grows, in the order of the page.
AXES = {
    "rows": Axis(
        "50 columns, 2 classes, (128, 128), batch 256, 2 epochs",
        (1_000, 10_000, 100_000, 1_000_000),
        ("skreg", "scikit-learn"),
        _rows,
    ),
    "columns": Axis(
        "2,000 rows, 2 classes, (100,), batch 200, 10 epochs",
        (5, 50, 500, 5_000),
        ("skreg", "scikit-learn"),
        _columns,
    ),
    "members": Axis(
        "digits (1,797 x 64), (100,), batch 200, 5 epochs, a dropout rate each",
        (8, 16, 32, 64, 128, 256, 512),
        (TOGETHER, ONE_BY_ONE),
        _members,
    ),
}


def one_size(axis, size, contestant, repeats):
    """Time and memory of one size, in this process; fewer runs where they outlast `PATIENCE`.

    Returns
    -------
    dict
        "seconds" (median), "mb" (peak of the resident memory above what was held before, the table
        included, the largest of all runs; None where the system does not tell), "runs", and
        "table mb".
    """
    warnings.simplefilter("ignore", ConvergenceWarning)
    X, warm_up, run = AXES[axis].work(size, contestant)
    warm_up()
    seconds, peaks = [], []
    while len(seconds) < repeats and sum(seconds) < PATIENCE:
        with PeakMemory() as peak:
            began = time.perf_counter()
            run()
            seconds.append(time.perf_counter() - began)
        peaks.append(peak.mb)
    return {
        "seconds": median(seconds),
        "mb": None if None in peaks else max(peaks),
        "runs": len(seconds),
        "table mb": X.nbytes / 1e6,
    }


def in_a_process(*arguments):
    """`one_size` in a process of its own."""
    # A fork of a process that has imported all this and computed nothing starts at once.
    quick = "forkserver" in multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("forkserver" if quick else "spawn")
    if quick:
        context.set_forkserver_preload(["benchmarks.scaling"])
    with ProcessPoolExecutor(1, context) as pool:
        return pool.submit(one_size, *arguments).result()


def measure(repeats, sizes=None, run=in_a_process):
    """All sizes of all axes, or those given by axis; `run` is as `one_size`.

    Returns
    -------
    dict
        Axis to "what", "sizes" and "contestants": name to list of what `one_size` gives.
    """
    out = {}
    for name, axis in AXES.items():
        chosen = list((sizes or {}).get(name, axis.sizes))
        found = {contestant: [] for contestant in axis.contestants}
        for size in chosen:
            for contestant in axis.contestants:
                found[contestant].append(run(name, size, contestant, repeats))
        out[name] = {"what": axis.what, "sizes": chosen, "contestants": found}
    return out


# -- what the figures say -------------------------------------------------------------------------


def points(sizes, measured, figure):
    """Sizes and values of a figure, "seconds" or "mb", of one contestant, where it is above zero."""
    pairs = [(size, one[figure]) for size, one in zip(sizes, measured, strict=True) if one[figure]]
    return np.array(pairs, dtype=float).reshape(-1, 2).T


def slope(sizes, values):
    """The power of the size with which a value grows, over the upper half of the axis.

    What a call costs whatever the size hides growth at small sizes, so they do not count.

    Least squares on logarithmic axes; nan with fewer than two points there.

    Examples
    --------
    >>> from benchmarks.scaling import slope
    >>> round(slope([1, 10, 100, 1000], [5.0, 5.0, 10.0, 100.0]), 6)
    1.0
    """
    sizes, values = np.asarray(sizes, dtype=float), np.asarray(values, dtype=float)
    if len(sizes) < 2:
        return float("nan")
    upper = sizes >= np.sqrt(sizes.min() * sizes.max()) * (1 - 1e-9)
    if upper.sum() < 2:
        return float("nan")
    return float(np.polyfit(np.log(sizes[upper]), np.log(values[upper]), 1)[0])
