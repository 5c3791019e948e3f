"""``python -m benchmarks.tables --data DIR --methods skreg hgb --seeds 0,1,2 --out results.csv``.

Every method on every table under `benchmarks.protocol`, a row each. Rows that the file already holds
are skipped, so a run that was broken off goes on where it was. ``python -m benchmarks.report`` turns
the file into a page.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import logging
import sys
import time
import warnings
from functools import cache, lru_cache, partial
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed, parallel_config
from sklearn.datasets import make_classification, make_regression

from benchmarks import methods as registry
from benchmarks import protocol
from benchmarks.memory import PeakMemory
from benchmarks.methods import make, view_of, without_rule
from benchmarks.results_file import ResultsFile, note_run
from benchmarks.timing import machine

#: What a search is warmed up by: every kind of kernel, in less than its time, and once for all its rules.
_WARM_SEARCH = "skreg-search:n_settings=32"


def run(tables, methods, seeds, results, say=print, together=False):
    """Run what the `ResultsFile` does not hold yet; rows are appended to it, and said one by one."""
    for table, seed in itertools.product(tables, seeds):
        left = [name for name in methods if (table.name, seed, name) not in results.done]
        for row in run_cell(table, seed, left, together) if left else ():
            results.append(row)
            say(_line(row))


def run_cell(table, seed, methods, together=False):
    """The rows of one table under one seed, as dicts, as they come; an error becomes a row."""
    X, y = table.read()
    about = {"dataset": table.name, "task": table.task, "d": X.shape[1], "seed": seed}
    try:
        with quiet():
            cell = protocol.make_cell(table.name, table.task, X, y, seed)
    except Exception as error:
        found = zip(methods, itertools.repeat({"error": told(error)}))
    else:
        about["n_train"] = len(cell.y)
        found = (_side_by_side if together else _one_by_one)(cell, methods)
    for method, row in found:
        yield {**about, "method": method, **row}


def _one_by_one(cell, methods):
    for method in methods:
        _warm_up(_WARM_SEARCH if _is_search(method) else method, cell.task)
        yield method, _told(run_method, cell, method)


def _side_by_side(cell, methods):
    began = time.perf_counter()
    with quiet(), parallel_config(backend="skreg"):
        found = Parallel()(delayed(_told)(fit_and_score, cell, name) for name in methods)
    # Fits of one stack have no time of their own.
    seconds = (time.perf_counter() - began) / len(methods)
    for method, row in zip(methods, found, strict=True):
        yield method, row if "error" in row else {**row, "fit_s": seconds}


def _told(run, cell, method):
    """What a run of a method gives, or its error."""
    try:
        return run(cell, method)
    except Exception as error:
        return {"error": told(error)}


def run_method(cell, method):
    """Fit a method on a cell and score it; peak_mb is of fit and prediction."""
    with quiet(), PeakMemory() as peak:
        found = fit_and_score(cell, method)
    return {**found, "peak_mb": peak.mb}


def fit_and_score(cell, method):
    """score, logloss, auc, fit_s, predict_s and epochs."""
    method, balanced = without_rule(method)
    _, X_test = cell.views[view_of(method)]
    model, seconds = (_last_fit if _is_search(method) else _fit)(cell, method)
    shares = np.bincount(cell.y) / len(cell.y) if balanced and cell.task != "regression" else None
    scores = protocol.evaluate(model, X_test, cell.y_test, cell.task, shares)
    return {**scores, "fit_s": seconds, "epochs": registry.epochs_of(model)}


def _is_search(method):
    return registry.parse(method)[0] == "skreg-search"


def _fit(cell, method):
    """A fitted method and the seconds of its fit."""
    X, _ = cell.views[view_of(method)]
    model = make(method, cell.task, cell.seed)
    began = time.perf_counter()
    model.fit(X, cell.y)
    return model, time.perf_counter() - began


@lru_cache(maxsize=1)
def _last_fit(cell, method):
    """`_fit`; the last one is at hand, since a search has rows of several rules."""
    return _fit(cell, method)


@cache
def _warm_up(method, task):
    """Fit a method once on a few made rows, so that imports and compilation are in no fit's time."""
    if task == "regression":
        X, y = make_regression(200, 6, random_state=0)
    else:
        classes = 2 if task == "binary" else 3
        X, y = make_classification(200, 6, n_informative=5, n_redundant=0, n_classes=classes)
    cell = protocol.Cell("made", task, 0, X.shape[1], y, y, {view_of(method): (X, X)})
    _told(run_method, cell, method)  # whatever is wrong, the row itself will tell


@contextlib.contextmanager
def quiet():
    """No warnings: that a peer's defaults do not converge is part of what is measured."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        logging.disable(before)


def told(error):
    """An error on one line of at most 200 characters."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]


def _line(row):
    """A row for the screen."""
    what = f"{row['dataset']:<20} seed {row['seed']}  {row['method']:<28}"
    return what + (row.get("error") or f" score {row['score']:.4f}  fit {row['fit_s']:.2f} s")


# -- command line ---------------------------------------------------------------------------------


def main(arguments=None):
    """Check everything that can be checked, then run."""
    options = _parser().parse_args(arguments)
    try:
        if options.bundled:
            everything, data = protocol.bundled_tables(), "bundled"
        else:
            everything = protocol.folder_tables(options.data)
            data = Path(options.data).resolve().name
        halves = protocol.halves(everything)
        tables = select(everything, halves, options.tables, options.tasks, options.half)
        methods = registry.expand(options.methods)
        for method, task in itertools.product(methods, sorted({table.task for table in tables})):
            make(without_rule(method)[0], task, 0)
        results = ResultsFile(options.out)
        note_run(
            options.out,
            data=data,
            halves=halves,
            machine={**machine(), **registry.optional_versions(methods)},
            methods=methods,
            seeds=options.seeds,
        )
    except (ValueError, ImportError, OSError) as error:
        sys.exit(f"python -m benchmarks.tables: {error}")
    if options.retry:
        results.drop_errors()
    say = partial(print, flush=True)
    run(tables, methods, options.seeds, results, say, options.together)


def select(tables, halves, names=None, tasks=None, half=None):
    """The tables that are asked for; None asks for all, ValueError where nothing is left."""
    everything = [table.name for table in tables]
    if unknown := sorted(set(names or ()) - set(everything)):
        raise ValueError(
            f"There is no table {', '.join(map(repr, unknown))}. Tables are {', '.join(everything)}."
        )
    chosen = [
        table
        for table in tables
        if table.name in (names or everything)
        and table.task in (tasks or protocol.TASKS)
        and halves[table.name] == (half or halves[table.name])
    ]
    if not chosen:
        raise ValueError(
            "No table is left: --tables, --tasks and --half have none in common. Leave one of "
            "them out."
        )
    return chosen


def words(text):
    """Words with commas between."""
    return [word.strip() for word in text.split(",") if word.strip()]


def numbers(text):
    """Numbers with commas between."""
    return [int(word) for word in words(text)]


def _parser():
    groups = "; ".join(f"{name} = {', '.join(group)}" for name, group in registry.GROUPS.items())
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.tables",
        description="Run methods on tables; rows that the file holds are skipped.",
        epilog=f"Methods: {', '.join(registry.METHODS)}. Groups: {groups}. A method may have parameters: "
        "skreg:dropout=0.2,patience=20.",
    )
    add = parser.add_argument
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--data", metavar="DIR", help="folder of INDEX.csv and <name>.csv.gz")
    where.add_argument("--bundled", action="store_true", help="scikit-learn's own data sets")
    add("--tables", type=words, help="only these, with commas between")
    add("--tasks", nargs="+", choices=protocol.TASKS, help="only these tasks")
    add("--half", choices=protocol.HALVES, help="one half of the tables of each task")
    default = ["ours", "peers"]
    add("--methods", nargs="+", default=default, help="methods and groups (ours peers)")
    add("--seeds", type=numbers, default=[0, 1, 2], help="0,1,2")
    add("--out", required=True, help="file of results, made or gone on with")
    add(
        "--together",
        action="store_true",
        help="fit the methods of a table and seed side by side in stacks; for nets of this package, "
        "whose seconds are shared out evenly",
    )
    add("--retry", action="store_true", help="run again what ended in an error")
    return parser


if __name__ == "__main__":
    main()
