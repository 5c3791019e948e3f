"""Which columns matter: found, and found without use, by several methods on made tables.

``python -m benchmarks.selection --methods LassoNet --sizes 200 --seeds 0`` measures some of the rows and
keeps the others; ``python -m benchmarks --only selection`` measures all of them, LassoNet where it is
installed, which takes most of a day.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
import time
import warnings

import numpy as np
from sklearn.inspection import permutation_importance
from sklearn.model_selection import train_test_split

from skreg import (
    RegularizedLinearRegressor,
    RegularizedMLPRegressor,
    StabilitySelector,
    feature_path,
)
from skreg.selection.models import default_estimator

#: What the target is made of, each of 5 of 200 columns, and rows.
KINDS, SIZES, COLUMNS, USEFUL = ("linear", "blocks", "products", "sines"), (200, 2000), 200, 5

#: Standard deviation of the noise; that of the signal is 1.
NOISE = 0.5

#: Tables of which each is one on which the bound is looked at, and the allowed false selections.
BOUND_SEEDS, PFER = 20, 1.0


def table(kind, n, seed):
    """A table, its target, and the numbers of the columns that it is made of, no two of one block of ten."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, COLUMNS))
    blocks = rng.choice(COLUMNS // 10, USEFUL, replace=False)
    useful = np.sort(blocks * 10 + rng.integers(0, 10, USEFUL))
    if kind == "blocks":  # the ten columns of a block have correlations of 0.7
        common = rng.normal(size=(n, COLUMNS // 10))
        X = np.sqrt(0.7) * np.repeat(common, 10, axis=1) + np.sqrt(0.3) * X
    u = X[:, useful]
    if kind in ("linear", "blocks"):
        signal = u @ np.array([1.0, -1.0, 1.0, -1.0, 1.0])
    elif kind == "products":
        signal = u[:, 0] * u[:, 1] + u[:, 2] * u[:, 3] + u[:, 3] * u[:, 4]
    else:
        signal = np.sin(2 * u).sum(axis=1)
    return X, signal / signal.std() + NOISE * rng.normal(size=n), useful


# -- methods ---------------------------------------------------------------------------------------


def _lasso():
    return RegularizedLinearRegressor(l2=0.0)


def by_path(estimator):
    """Columns at the strength with the best score of five folds."""

    def select(X, y, seed):
        path = feature_path(X, y, estimator=estimator, cv=5, random_state=seed)
        return path.support_at("best")

    return select


def by_stability(estimator):
    """Columns that half samples choose again and again."""

    def select(X, y, seed):
        selector = StabilitySelector(estimator, pfer=PFER, random_state=seed)
        return selector.fit(X, y).get_support()

    return select


def by_permutation(X, y, seed):
    """Columns of the default net whose permutation importance is two standard deviations above zero."""
    X, X_test, y, y_test = train_test_split(X, y, random_state=seed)
    net = RegularizedMLPRegressor(random_state=seed).fit(X, y)
    found = permutation_importance(net, X_test, y_test, n_repeats=10, random_state=seed)
    return found.importances_mean > 2 * found.importances_std


def by_lassonet(X, y, seed):
    """LassoNet at its defaults, strength by five folds."""
    from lassonet import LassoNetRegressorCV

    y = (y - y.mean()) / y.std()
    net = LassoNetRegressorCV(verbose=0, random_state=seed, torch_seed=seed)
    net.fit(X.astype(np.float32), y.astype(np.float32))
    return np.asarray(net.best_selected_, dtype=bool)


METHODS = {
    "group_l1": by_path(None),
    "stability": by_stability(None),
    "linear L1": by_path(_lasso()),
    "linear stability": by_stability(_lasso()),
    "permutation": by_permutation,
    "LassoNet": by_lassonet,
}


def missing(method):
    """Whether a method takes a package that is not installed."""
    return method == "LassoNet" and importlib.util.find_spec("lassonet") is None


# -- measuring -------------------------------------------------------------------------------------


def measure_one(method, kind, n, seed):
    """What one method finds in one table, and the seconds that it takes."""
    X, y, useful = table(kind, n, seed)
    began, cpu = time.perf_counter(), time.process_time()
    with warnings.catch_warnings(action="ignore"):
        chosen = np.flatnonzero(METHODS[method](X, y, seed))
    return {
        **{"method": method, "kind": kind, "rows": n, "seed": seed},
        "found": int(np.isin(useful, chosen).sum()),
        "chosen": len(chosen),
        "seconds": time.perf_counter() - began,
        "cpu seconds": time.process_time() - cpu,
    }


def measure_bound(seed):
    """False selections of stability selection on a table of each kind, n = 200, by models that are quick."""
    out = []
    for kind in KINDS:
        X, y, useful = table(kind, 200, 1000 + seed)
        selector = StabilitySelector(_lasso(), pfer=PFER, random_state=seed)
        with warnings.catch_warnings(action="ignore"):
            chosen = selector.fit(X, y).get_support(indices=True)
        false = int(np.sum(~np.isin(chosen, useful)))
        bound = selector.expected_false_selections_
        out.append({"kind": kind, "seed": seed, "false": false, "bound": bound})
    return out


def measure_speed():
    """Seconds of 100 half samples x 10 strengths of nets (32,) on 2,000 x 50."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2000, 50))
    y = X[:, 0] * X[:, 1] + X[:, 2] + 0.5 * rng.normal(size=2000)
    net = default_estimator(y, 1000).set_params(hidden_layer_sizes=(32,))
    StabilitySelector(net, n_strengths=2, n_pairs=2, random_state=0).fit(
        X[:200], y[:200]
    )  # compiles
    selector = StabilitySelector(net, n_strengths=10, n_pairs=50, random_state=0)
    began, cpu = time.perf_counter(), time.process_time()
    selector.fit(X, y)
    return {
        "seconds": time.perf_counter() - began,
        "cpu seconds": time.process_time() - cpu,
        "selected": selector.get_support(indices=True).tolist(),
    }


def measure(repeats):
    """All rows, for as many tables of each kind and size as there are repetitions."""
    rows = [
        measure_one(method, kind, n, seed)
        for seed in range(repeats)
        for method in METHODS
        if not missing(method)
        for n in SIZES
        for kind in KINDS
    ]
    bound = [row for seed in range(BOUND_SEEDS) for row in measure_bound(seed)]
    return {"rows": rows, "bound": bound, "speed": measure_speed()}


def add(stored, rows, name="rows", keys=("method", "kind", "rows", "seed")):
    """Put rows in the place of those that are about the same."""
    new = {tuple(row[key] for key in keys) for row in rows}
    kept = [row for row in stored.get(name, []) if tuple(row[key] for key in keys) not in new]
    stored[name] = kept + rows


def main(arguments=None):
    """Measure some of the rows, and keep each as soon as it is there."""
    from benchmarks.__main__ import RESULTS
    from benchmarks.timing import machine

    parser = argparse.ArgumentParser(prog="python -m benchmarks.selection")
    parser.add_argument("--methods", nargs="*", choices=METHODS, default=[])
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--sizes", nargs="+", type=int, default=SIZES)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--bound", nargs="*", type=int, default=[], help="seeds for the bound")
    parser.add_argument("--speed", action="store_true")
    options = parser.parse_args(arguments)
    path = RESULTS / "selection.json"

    def keep(change):
        text = path.read_text() if path.exists() else "{}"
        stored = json.loads(text) or {"machine": machine(), "repeats": 1, "result": {}}
        change(stored["result"])
        seeds = {row["seed"] for row in stored["result"].get("rows", [])}
        stored["repeats"] = max(1, len(seeds))
        path.write_text(json.dumps(stored, indent=1) + "\n")

    for seed in options.seeds:
        for method in options.methods:
            for n in options.sizes:
                for kind in options.kinds:
                    row = measure_one(method, kind, n, seed)
                    print(json.dumps(row), flush=True)
                    keep(lambda result, row=row: add(result, [row]))
    for seed in options.bound:
        found = measure_bound(seed)
        keep(lambda result, found=found: add(result, found, "bound", ("kind", "seed")))
    if options.speed:
        speed = measure_speed()
        keep(lambda result: result.update(speed=speed))
    return 0


if __name__ == "__main__":
    sys.exit(main())
