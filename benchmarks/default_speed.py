"""How fast the default net is, every figure against something that was run in turn with it."""

from __future__ import annotations

import tempfile
import time
import warnings
from functools import partial

import numpy as np
from joblib import parallel_config
from sklearn.base import clone
from sklearn.datasets import make_classification

from benchmarks import predicting
from benchmarks.imports import in_a_process
from benchmarks.nets import sklearn_net
from benchmarks.search import case_a, peers, search
from benchmarks.single import digits
from benchmarks.timing import in_turn, median
from skreg import BaggedMLPClassifier, RegularizedMLPClassifier

#: What the default net does with numeric columns.
EMBEDDING = RegularizedMLPClassifier().numeric_embedding
#: Searches by skorch take long: they are run so often at most, and first fits until so many seconds
#: are spent.
SEARCHES, PATIENCE = 3, 60.0
#: Columns, hidden units, and what a fit with embedded columns may take of one without.
FITS = {20: ((32,), 1.8), 64: ((100,), 2.2), 100: ((256, 256), 1.5)}
#: Rows of a call, calls timed as one, times in a repetition; and what it may take of scikit-learn's,
#: and for an ensemble in seconds.
CALLS = {10_000: (1, 1, 1.2, 0.6), 1: (20, 5, 1.2, 2e-3)}
MEMBERS = 16
#: Seconds that the stages of a first process may take more than those of a second one.
FIRST = {
    "first default fit": 6.0,
    "... then the first of another loss": 2.0,
    "... then the first of another precision": 4.0,
}


def row(seconds, value, goal, *, ratio=None, more_is_faster=False, unit=""):
    """A row of the page: seconds of both, what is shown and aimed at, and the ratio to keep."""
    return {
        "seconds": seconds,
        "value": value,
        "goal": goal,
        "unit": unit,
        "ratio": value if ratio is None else ratio,
        "more is faster": more_is_faster,
    }


def searches(repeats, case=None):
    """Case A of the searches, with the default's embedding and without, against both peers."""
    case = case or case_a()
    X, y, folds = case["data"]
    net, grid = case["skreg"]

    def batched(embedding):
        model = clone(net).set_params(numeric_embedding=embedding)
        with parallel_config(backend="skreg"):
            search(model, grid, folds, X, y)

    ours = {
        "with embedded columns": lambda: batched(EMBEDDING),
        "bare": lambda: batched(None),
    }
    goals = {"with embedded columns": (2.0, 8.0), "bare": (4.5, 18.0)}
    for run in ours.values():  # compiles what there is to compile
        run()
    with warnings.catch_warnings(action="ignore"):  # that nets are not trained to the end
        seconds = in_turn({**ours, **peers(case)}, min(repeats, SEARCHES))
    return {
        f"search A, {name}, times {peer} takes": row(
            {"skreg": median(seconds[name]), "other": median(seconds[peer])},
            median(np.divide(seconds[peer], seconds[name])),
            goal,
            more_is_faster=True,
        )
        for name in ours
        for peer, goal in zip(peers(case), goals[name], strict=True)
    }


def fits(repeats, sizes=FITS, epochs=20, n=2000):
    """One fit with the defaults, with embedded columns against without."""
    out = {}
    for d, (hidden, goal) in sizes.items():
        X, y = digits() if d == 64 else make_classification(n, d, n_informative=10, random_state=0)
        net = RegularizedMLPClassifier(hidden, max_iter=epochs, patience=epochs, random_state=0)
        embedded, bare = net, clone(net).set_params(numeric_embedding=None)
        runs = {"skreg": partial(embedded.fit, X, y), "other": partial(bare.fit, X, y)}
        in_turn(runs, 1)  # compiles and warms up
        seconds = in_turn(runs, repeats)
        out[f"fit of {d} columns, {hidden}, to one without embedded columns"] = row(
            {name: median(found) for name, found in seconds.items()},
            median(np.divide(seconds["skreg"], seconds["other"])),
            goal,
        )
    return out


def predictions(repeats, calls=CALLS, members=MEMBERS, d=20, n=2000):
    """Calls of the default net and of an ensemble of it, against scikit-learn's MLP of equal widths."""
    X, y = make_classification(n, d, n_informative=10, random_state=0)
    net = RegularizedMLPClassifier(max_iter=2, random_state=0)
    bag = BaggedMLPClassifier(net, members, random_state=0).fit(X, y)
    plain = sklearn_net(net.hidden_layer_sizes, 200, 2)
    with warnings.catch_warnings(action="ignore"):
        plain.fit(X, y)
    net.fit(X, y)
    many = np.random.default_rng(0).normal(size=(max(calls), d))
    out = {}
    for rows, (count, turns, goal, goal_s) in calls.items():
        what = f"predict {rows:,} x {d}" if rows > 1 else "predict one row"
        for name, ours in {"the default net": net, f"an ensemble of {members}": bag}.items():
            nets = {"skreg": ours, "scikit-learn": plain}
            # An ensemble's call is long enough to be timed alone.
            count, turns = (count, turns) if ours is net else (1, 1)
            found = predicting.compare(nets, "predict", many[:rows], repeats, count, turns)
            seconds = {
                "skreg": found["seconds"]["skreg"],
                "other": found["seconds"]["scikit-learn"],
            }
            ratio = found["to scikit-learn"]
            if ours is net:
                made = row(seconds, ratio, goal)
            else:
                made = row(seconds, seconds["skreg"], goal_s, ratio=ratio, unit="s")
            out[f"{what}, {name}, to scikit-learn's MLP"] = made
    return out


def first_fits(repeats, run=in_a_process):
    """First fits of an installation, whose kernels are compiled, against those of a second process."""
    first, second = [], []
    began = time.perf_counter()
    while not first or (len(first) < repeats and time.perf_counter() - began < PATIENCE):
        with tempfile.TemporaryDirectory() as folder:
            first.append(run("default", NUMBA_CACHE_DIR=folder))
            second.append(run("default", NUMBA_CACHE_DIR=folder))
    out = {}
    for stage, goal in FIRST.items():
        cold, warm = ([one[stage]["seconds"] for one in found] for found in (first, second))
        out[f"{stage}, more than in a second process"] = row(
            {"skreg": median(cold), "other": median(warm)},
            median(np.subtract(cold, warm)),
            goal,
            ratio=median(np.divide(cold, warm)),
            unit="s",
        )
    return out


def measure(repeats):
    """All of this page; what compiles comes first, so that nothing is in memory yet."""
    rows = first_fits(repeats)
    for part in (fits, predictions, searches):
        rows |= part(repeats)
    net = RegularizedMLPClassifier()
    return {
        "rows": rows,
        "net": {"hidden": str(net.hidden_layer_sizes), "embedding": EMBEDDING},
    }
