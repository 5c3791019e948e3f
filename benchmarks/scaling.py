"""How time and memory grow with rows, columns and members.

Each size is measured in a process of its own, so that none finds memory that another left behind.
"""

from __future__ import annotations

import itertools
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import NamedTuple

import numpy as np

from benchmarks import growth, rst
from benchmarks.memory import PeakMemory
from benchmarks.nets import jobs, sklearn_net, skreg_net
from benchmarks.pictures import save
from benchmarks.single import digits
from benchmarks.timing import in_turn, median
from skreg.train import train

#: After that many seconds a size is not measured again.
PATIENCE = 3.0
ABOUT = (
    "One fit against scikit-learn's plain MLP as the table grows, and members of a stack against the "
    "same members one after the other. Tables are of single precision. Each size has a process of its "
    "own and is run once before to compile and warm up. *MB* is the peak of the resident memory "
    "above what the process held before, the table included. The *slope* is the power with which "
    "a figure grows over the upper half of its axis: 1 is linear growth. *Runs* is how often a size "
    "was measured: as often as the repetitions say, or fewer where that takes longer than "
    "a few seconds."
)


def table(n, d, seed=0):
    """Normal columns of single precision, and two classes that the first columns tell apart."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d), dtype=np.float32)
    return X, (X[:, :5].sum(axis=1) > 0).astype(np.int64)


class Axis(NamedTuple):
    """Something that grows, and the work of a size and a contestant: table, run to warm up, run to time."""

    what: str  # what stays as it is
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

    "mb" is the peak of the resident memory above what was held before, the table included, the largest of
    all runs; None where the system does not tell.
    """
    X, warm_up, run = AXES[axis].work(size, contestant)
    in_turn({"warm up": warm_up}, 1)
    seconds, peaks = [], []
    while len(seconds) < repeats and sum(seconds) < PATIENCE:
        with PeakMemory() as peak:
            seconds += in_turn({"run": run}, 1, collect=False)["run"]
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


def measure(repeats, run=in_a_process):
    """All sizes of all axes, a list for each contestant; `run` is as `one_size`."""
    out = {}
    for name, axis in AXES.items():
        found = {contestant: [] for contestant in axis.contestants}
        for size, contestant in itertools.product(axis.sizes, axis.contestants):
            found[contestant].append(run(name, size, contestant, repeats))
        out[name] = {"what": axis.what, "sizes": list(axis.sizes), "contestants": found}
    return out


def page(result, machine):
    """The picture, and a table for each axis."""
    text = rst.head("Growth", ABOUT, machine)
    text += ".. figure:: scaling.svg\n   :alt: Time and memory against rows, columns and members\n"
    text += "   :width: 100%\n\n   Both axes are logarithmic; the dotted line grows linearly.\n\n"
    for name, axis in result.items():
        text += f"{rst.heading(name.capitalize())}{axis['what']}.\n\n{_growth_table(name, axis)}"
    return text


def _growth_table(name, axis):
    """Sizes by seconds, megabytes and runs of each contestant, and the slopes below."""
    found, sizes = axis["contestants"], axis["sizes"]
    header, last = [name, "table MB"], ["slope", ""]
    first = next(iter(found.values()))
    rows = [[f"{n:,}", f"{one['table mb']:.1f}"] for n, one in zip(sizes, first, strict=True)]
    for contestant, measured in found.items():
        header += [f"{contestant}: s", "MB", "runs"]
        for row, one in zip(rows, measured, strict=True):
            memory = "unknown" if one["mb"] is None else f"{one['mb']:.1f}"
            row += [f"{one['seconds']:.3f}", memory, one["runs"]]
        values = (growth.values_of(axis, contestant, kind) for kind in growth.FIGURES)
        slopes = [growth.slope(one) for one in values]
        last += [*("" if np.isnan(value) else f"{value:.2f}" for value in slopes), ""]
    return rst.table(header, [*rows, last])


def draw(result, docs):
    """The picture of the page."""
    save(growth.picture(result), docs / "scaling.svg")
