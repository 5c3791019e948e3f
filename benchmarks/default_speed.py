"""How fast the default net is, every figure against something that was run in turn with it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from functools import partial

import numpy as np
from sklearn.base import clone
from sklearn.datasets import make_classification

from benchmarks import predicting
from benchmarks.nets import sklearn_net
from benchmarks.regressions import Figure
from benchmarks.rst import head, table
from benchmarks.search import batched, case_a, peers
from benchmarks.single import digits
from benchmarks.timing import fits_of, in_turn, median, medians, ratio
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
ABOUT = (
    "The default net has hidden layers of {hidden} and, with ``numeric_embedding={embedding!r}``, sines and "
    "cosines of each numeric column. Other pages measure nets of one hidden layer without them (*bare*); "
    "this one says what they cost. *Search A* is ``GridSearchCV`` over 16 dropout rates x 5 folds on the "
    "handwritten digits (64 columns, 10 classes; hidden layer (100,), batches of 200, 30 epochs); "
    "scikit-learn's MLP and skorch's module are plain, two fits side by side. *Fits* run 20 epochs with "
    "all other parameters at their defaults, on 2,000 made rows or on the digits (64 columns). "
    "*Predictions* are of float64, against scikit-learn's MLP with the default net's hidden layers. The "
    "*first fits* of an installation compile: 500 x 10, two epochs, in a process with an empty cache of "
    "machine code, minus what the same fit takes in a second process; another loss is that of three "
    "classes, another precision float64. Medians of runs in turn."
)
#: What was tried where the default net falls short of its goals; measured while it was developed.
TRIED = """
What was tried
--------------

Four inputs of each column instead of one make the products of the first layer four times as large, which
alone is about three times the work of a net of one hidden layer; the waves are the rest. What brought it
here: cosines by a polynomial in turns instead of a library's, map and mask behind the waves in one
kernel, minibatches padded to whole vectors. What would bring more is fewer waves. Half as many, 8 a
column, cost nothing on the tables that defaults are chosen on (two seeds: score +0.0005, 12 of 20 up and
6 down, log loss -0.0005) and little on those that judge (-0.002 in the mean, 0.000 in the median, log
loss -0.003; one table -0.04); frequencies that are not trained cost 0.002 of log loss; 4 waves 0.003 of
score. The default kept its 16. The compilation of a first fit is numba's own work, hardly that of its
optimiser (a lower optimisation level took 7 % less).
"""


def row(seconds, value, goal, *, ratio=None, more_is_faster=False, unit=""):
    """A row of the page: seconds of ours and of the other, what is shown and aimed at, the ratio to keep."""
    return {
        "seconds": dict(zip(("skreg", "other"), seconds, strict=True)),
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
    embeddings = {"with embedded columns": EMBEDDING, "bare": None}
    goals = {"with embedded columns": (2.0, 8.0), "bare": (4.5, 18.0)}
    ours = {
        name: partial(batched, clone(net).set_params(numeric_embedding=value), grid, folds, X, y)
        for name, value in embeddings.items()
    }
    in_turn(ours, 1)  # compiles what there is to compile
    seconds = in_turn({**ours, **peers(case)}, min(repeats, SEARCHES))
    return {
        f"search A, {name}, times {peer} takes": row(
            (median(seconds[name]), median(seconds[peer])),
            ratio(seconds, peer, name),
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
        bare = clone(net).set_params(numeric_embedding=None)
        runs = fits_of({"embedded": net, "bare": bare}, X, y)
        in_turn(runs, 1)  # compiles and warms up
        seconds = in_turn(runs, repeats)
        out[f"fit of {d} columns, {hidden}, to one without embedded columns"] = row(
            medians(seconds).values(), ratio(seconds, "embedded", "bare"), goal
        )
    return out


def predictions(repeats, calls=CALLS, members=MEMBERS, d=20, n=2000):
    """Calls of the default net and of an ensemble of it, against scikit-learn's MLP of equal widths."""
    X, y = make_classification(n, d, n_informative=10, random_state=0)
    net = RegularizedMLPClassifier(max_iter=2, random_state=0)
    bag = BaggedMLPClassifier(net, members, random_state=0).fit(X, y)
    plain = sklearn_net(net.hidden_layer_sizes, 200, 2)
    in_turn(fits_of({"plain": plain, "net": net}, X, y), 1)
    many = np.random.default_rng(0).normal(size=(max(calls), d))
    out = {}
    for rows, (count, turns, goal, goal_s) in calls.items():
        what = f"predict {rows:,} x {d}" if rows > 1 else "predict one row"
        for name, ours in {"the default net": net, f"an ensemble of {members}": bag}.items():
            nets = {"skreg": ours, "scikit-learn": plain}
            # An ensemble's call is long enough to be timed alone.
            count, turns = (count, turns) if ours is net else (1, 1)
            found = predicting.compare(nets, "predict", many[:rows], repeats, count, turns)
            seconds, to_plain = list(found["seconds"].values()), found["to scikit-learn"]
            if ours is net:
                made = row(seconds, to_plain, goal)
            else:
                made = row(seconds, seconds[0], goal_s, ratio=to_plain, unit="s")
            out[f"{what}, {name}, to scikit-learn's MLP"] = made
    return out


def in_a_process(cache):
    """Seconds of the first fits of a new process, with a folder of numba's machine code."""
    command = [sys.executable, "-m", "benchmarks.first_fits"]
    environment = {**os.environ, "NUMBA_CACHE_DIR": cache}
    found = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return json.loads(found.stdout)


def first_fits(repeats, run=in_a_process):
    """First fits of an installation, whose kernels are compiled, against those of a second process."""
    first, second = [], []
    began = time.perf_counter()
    while not first or (len(first) < repeats and time.perf_counter() - began < PATIENCE):
        with tempfile.TemporaryDirectory() as folder:
            first.append(run(folder))
            second.append(run(folder))
    out = {}
    for stage, goal in FIRST.items():
        cold, warm = ([one[stage] for one in found] for found in (first, second))
        out[f"{stage}, more than in a second process"] = row(
            (median(cold), median(warm)),
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


def page(result, machine):
    """What was reached of what was aimed at, and what was tried."""
    text = head("The default net", ABOUT.format(**result["net"]), machine)
    rows = []
    for name, row in result["rows"].items():
        more, value, goal = row["more is faster"], row["value"], row["goal"]
        rows.append(
            (
                name,
                *(_seconds(row["seconds"][who]) for who in ("skreg", "other")),
                _figure(value, row["unit"]),
                f"{'at least' if more else 'at most'} {_figure(goal, row['unit'])}",
                "yes" if (value >= goal if more else value <= goal) else "no",
            )
        )
    header = ("what", "skreg", "the other", "figure", "goal", "reached")
    return text + table(header, rows) + TRIED


def _seconds(value):
    return f"{1000 * value:.2f} ms" if value < 0.1 else f"{value:.2f} s"


def _figure(value, unit):
    return _seconds(value) if unit == "s" else f"{value:.2f}"


def ratios(result):
    """Of each row."""
    for name, row in result["rows"].items():
        yield name, Figure(row["ratio"], row["more is faster"])
