"""Which columns matter: found, and found without use, by several methods on made tables.

``python -m benchmarks.selection --methods LassoNet --sizes 200 --seeds 0`` measures some of the rows and
keeps the others; ``python -m benchmarks --only selection`` measures all of them, LassoNet where it is
installed, which takes most of a day.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import json
import sys
import time
import warnings

import numpy as np
import pandas as pd
from sklearn.inspection import permutation_importance
from sklearn.model_selection import train_test_split

from benchmarks import rst
from benchmarks.timing import machine as this_machine
from skreg import (
    RegularizedLinearRegressor,
    RegularizedMLPRegressor,
    StabilitySelector,
    feature_path,
)
from skreg.selection.models import default_estimator

#: What the target is made of.
KINDS = {
    "linear": "the sum of five columns, with signs",
    "blocks": "the same, where the columns come in blocks of ten with correlations of 0.7 and one of a block "
    "is used",
    "products": "x1 x2 + x3 x4 + x4 x5, in which no column by itself has an effect",
    "sines": "the sum of sin(2 x) of five columns",
}
SIZES, COLUMNS, USEFUL = (200, 2000), 200, 5
#: Standard deviation of the noise; that of the signal is 1.
NOISE = 0.5
#: Tables of each kind on which the bound is looked at, and the allowed false selections.
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


def by_path(estimator, threshold=None):
    """Columns at the strength with the best score of five folds."""

    def select(X, y, seed):
        path = feature_path(X, y, estimator=estimator, cv=5, random_state=seed)
        return path.support_at("best", threshold=threshold)

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
    "group_l1, agreed": by_path(None, threshold=0.6),
    "stability": by_stability(None),
    "linear L1": by_path(_lasso()),
    "linear stability": by_stability(_lasso()),
    "permutation": by_permutation,
    "LassoNet": by_lassonet,
}
#: What each method is.
TOLD = {
    "group_l1": "``feature_path(X, y, cv=5)``, the columns at the best strength",
    "group_l1, agreed": 'the same with ``support_at("best", threshold=0.6)``: columns that at least 60 % of '
    "the fits at that strength use",
    "stability": "``StabilitySelector()``, nets",
    "linear L1": "``feature_path`` of ``RegularizedLinearRegressor(l2=0)``, the best strength",
    "linear stability": "``StabilitySelector(RegularizedLinearRegressor(l2=0))``",
    "permutation": "``permutation_importance`` of the default net on a quarter of the rows, those above two "
    "standard deviations",
    "LassoNet": "``LassoNetRegressorCV`` at its defaults",
}


#: By which models the bound is looked at, on how many rows and which kinds of tables: nets take a minute a
#: table, and of these kinds products are what takes nets.
BOUND_OF = {
    "linear models": (_lasso, 200, tuple(KINDS)),
    "nets": (lambda: None, 2000, ("products",)),
}


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
        "processor": rst.processor(this_machine()),
    }


def measure_bound(seed, model="linear models"):
    """False selections of stability selection by a model, on a table of each kind that it is tried on."""
    out, (make, n, kinds) = [], BOUND_OF[model]
    for kind in kinds:
        X, y, useful = table(kind, n, 1000 + seed)
        selector = StabilitySelector(make(), pfer=PFER, random_state=seed)
        with warnings.catch_warnings(action="ignore"):
            chosen = selector.fit(X, y).get_support(indices=True)
        false = int(np.sum(~np.isin(chosen, useful)))
        bound = selector.expected_false_selections_
        out.append({"model": model, "kind": kind, "seed": seed, "false": false, "bound": bound})
    return out


def measure_speed():
    """Seconds of 100 half samples x 10 strengths of nets (32,) on 2,000 x 50."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2000, 50))
    y = X[:, 0] * X[:, 1] + X[:, 2] + 0.5 * rng.normal(size=2000)
    net = default_estimator(y, 1000).set_params(hidden_layer_sizes=(32,))
    few = StabilitySelector(net, n_strengths=2, n_pairs=2, random_state=0)
    few.fit(X[:200], y[:200])  # compiles
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
    methods = [m for m in METHODS if m != "LassoNet" or importlib.util.find_spec("lassonet")]
    rows = [
        measure_one(method, kind, n, seed)
        for seed, method, n, kind in itertools.product(range(repeats), methods, SIZES, KINDS)
    ]
    bound = [
        row
        for model, seed in itertools.product(BOUND_OF, range(BOUND_SEEDS))
        for row in measure_bound(seed, model)
    ]
    return {"rows": rows, "bound": bound, "speed": measure_speed()}


def add(stored, rows, name="rows", keys=("method", "kind", "rows", "seed")):
    """Put rows in the place of those that are about the same."""
    new = {tuple(row[key] for key in keys) for row in rows}
    kept = [row for row in stored.get(name, []) if tuple(row[key] for key in keys) not in new]
    stored[name] = kept + rows


# -- the page --------------------------------------------------------------------------------------


def page(result, machine):
    """What was found in tables of each size, the bound, and the time of many nets."""
    rows = pd.DataFrame(result["rows"])
    kinds = ";\n".join(f"* *{kind}*: {text}" for kind, text in KINDS.items())
    methods = ";\n".join(f"* *{name}*: {text}" for name, text in TOLD.items())
    text = rst.head(
        "Which columns matter",
        f"Made tables of {COLUMNS} columns of normal numbers, {USEFUL} of which the target is made of, with "
        "noise of half the standard deviation of the signal:\n\n"
        f"{kinds}.\n\nThe methods:\n\n{methods}.\n\n"
        "*Recall* is the share of the five that was found, *precision* the share of what was chosen that is "
        "among them (of nothing chosen it is undefined, and such tables are left out of its mean). Seconds "
        "are those of the clock, with nothing else running; those of the processor count all threads. A row "
        "that is missing was not measured." + _elsewhere(rows, rst.processor(machine)),
        machine,
    )
    for n in SIZES:
        own = rows[rows["rows"] == n]
        if len(own):
            text += rst.heading(f"{n:,} rows") + _found(own)
    return text + _bound(result.get("bound")) + _speed(result.get("speed"))


def _elsewhere(rows, processor):
    """Which methods were measured on another processor than the page names, since seconds differ by it."""
    if "processor" not in rows:
        return ""
    other = rows[rows["processor"].fillna(processor) != processor]
    methods = [
        f"*{method}* on {', '.join(sorted(own.unique()))}"
        for method, own in other.groupby("method", sort=False)["processor"]
    ]
    return f" Taken elsewhere: {'; '.join(methods)}." if methods else ""


def _found(rows):
    groups = dict(list(rows.groupby(["kind", "method"])))
    out = []
    for kind, method in itertools.product(KINDS, METHODS):
        if (own := groups.get((kind, method))) is None:
            continue
        precision = (own["found"] / own["chosen"].where(own["chosen"] > 0)).mean()
        out.append(
            (
                *(kind, method, len(own), f"{own['found'].mean() / USEFUL:.2f}"),
                "none chosen" if np.isnan(precision) else f"{precision:.2f}",
                f"{own['chosen'].mean():.1f}",
                *(f"{own[clock].median():.1f}" for clock in ("seconds", "cpu seconds")),
            )
        )
    header = (
        "table",
        "method",
        "tables",
        "recall",
        "precision",
        "chosen",
        "seconds",
        "of the processor",
    )
    return rst.table(header, out)


def _bound(rows):
    if not rows:
        return ""
    groups, out = dict(list(pd.DataFrame(rows).groupby(["model", "kind"]))), []
    for model, (_, n, kinds) in BOUND_OF.items():
        for kind in kinds:
            if (own := groups.get((model, kind))) is None:
                continue
            false, kept = own["false"], int((own["false"] <= PFER).sum())
            found = (f"{false.mean():.2f}", int(false.max()), f"{own['bound'].mean():.2f}")
            out.append((model, kind, f"{n:,}", len(own), *found, f"{kept} of {len(own)}"))
    header = ("model", "table", "rows", "tables", "false, mean", "most", "bound, mean", "kept")
    return (
        rst.heading("The bound of stability selection")
        + f"False selections of ``StabilitySelector(pfer={PFER:g})`` with "
        "``RegularizedLinearRegressor(l2=0)`` and with its nets. The bound is one on the mean over tables; "
        f"*kept* counts single tables with no more than {PFER:g}. In blocks a neighbour of a useful column "
        "counts as false, though it carries some of its information.\n\n" + rst.table(header, out)
    )


def _speed(speed):
    if not speed:
        return ""
    return (
        rst.heading("Time")
        + "100 half samples of 2,000 rows x 50 columns, 10 strengths, nets of one hidden layer of 32 units: "
        f"{speed['seconds']:.0f} s ({speed['cpu seconds']:.0f} s of the processor), 1,000 nets. Selected: "
        f"columns {', '.join(map(str, speed['selected']))} of a target x0 x1 + x2.\n"
    )


# -- some of the rows ------------------------------------------------------------------------------


def main(arguments=None):
    """Measure some of the rows, and keep each as soon as it is there."""
    from benchmarks.__main__ import RESULTS

    parser = argparse.ArgumentParser(prog="python -m benchmarks.selection")
    parser.add_argument("--methods", nargs="*", choices=METHODS, default=[])
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--sizes", nargs="+", type=int, default=SIZES)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--bound", nargs="*", type=int, default=[], help="seeds for the bound")
    parser.add_argument("--bound-of", nargs="+", choices=BOUND_OF, default=list(BOUND_OF))
    parser.add_argument("--speed", action="store_true")
    options = parser.parse_args(arguments)
    path = RESULTS / "selection.json"

    def keep(change):
        text = path.read_text() if path.exists() else "{}"
        stored = json.loads(text) or {"machine": this_machine(), "repeats": 1, "result": {}}
        change(stored["result"])
        seeds = {row["seed"] for row in stored["result"].get("rows", [])}
        stored["repeats"] = max(1, len(seeds))
        path.write_text(json.dumps(stored, indent=1) + "\n")

    tables = itertools.product(options.seeds, options.methods, options.sizes, options.kinds)
    for seed, method, n, kind in tables:
        row = measure_one(method, kind, n, seed)
        print(json.dumps(row), flush=True)
        keep(lambda result, row=row: add(result, [row]))
    for model, seed in itertools.product(options.bound_of, options.bound):
        found = measure_bound(seed, model)
        keep(lambda result, found=found: add(result, found, "bound", ("model", "kind", "seed")))
    if options.speed:
        speed = measure_speed()
        keep(lambda result: result.update(speed=speed))
    return 0


if __name__ == "__main__":
    sys.exit(main())
