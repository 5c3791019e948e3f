"""``python -m benchmarks.defaults --data DIR``: is any other value better than the default one?

Nets with the defaults, and nets with one thing changed, on every table under `benchmarks.protocol`,
a row each in ``results/defaults.csv``. Rows that the file already holds are skipped, so that a run
can be broken off and resumed. ``--page [--peers FILE]`` writes docs/development/defaults.rst from
the rows.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from pathlib import Path

import torch
from joblib import Parallel, delayed, parallel_config

from benchmarks import defaults_page, protocol
from benchmarks.__main__ import RESULTS
from benchmarks.default_scores import COLUMNS
from benchmarks.default_settings import SETTINGS, make
from benchmarks.methods import epochs_of
from benchmarks.results_file import ResultsFile, note_run
from benchmarks.tables import numbers, quiet, select, told
from benchmarks.timing import machine

FILE = RESULTS / "defaults.csv"
# -- trying it ------------------------------------------------------------------------------------


def run(tables, settings, seeds, results, say=print):
    """Fit what the results do not hold yet.

    Parameters
    ----------
    tables : list of benchmarks.protocol.Table
    settings : list of str
        Of `SETTINGS`.
    seeds : list of int
    results : benchmarks.results_file.ResultsFile
        Rows are appended to it, those of one table and seed together.
    say : callable
        Told of each table and seed.
    """
    for table in tables:
        wanted = [name for name in settings if make(name, table.task, 0) is not None]
        waiting = {
            seed: [name for name in wanted if (table.name, seed, name) not in results.done]
            for seed in seeds
        }
        if not any(waiting.values()):
            continue
        X, y = table.read()
        for seed, names in waiting.items():
            if not names:
                continue
            rows = run_batch(table, X, y, seed, names)
            for row in rows:
                results.append(row)
            say(_line(rows))


def run_batch(table, X, y, seed, names):
    """The rows of one table under one seed; an error becomes a row.

    Parameters
    ----------
    table : benchmarks.protocol.Table
    X : DataFrame of shape (n, d)
    y : Series of shape (n,)
    seed : int
    names : list of str
        Of `SETTINGS`.

    Returns
    -------
    list of dict
        With the keys of `benchmarks.default_scores.COLUMNS` that have a value.
    """
    known = {"dataset": table.name, "task": table.task, "d": X.shape[1], "seed": seed}
    try:
        with quiet():
            cell = protocol.make_cell(table.name, table.task, X, y, seed)
    except Exception as error:
        return [{**known, "setting": name, "error": told(error)} for name in names]
    known["n_train"] = len(cell.y)
    return [
        {**known, "setting": name, **found}
        for name, found in zip(names, fit_together(cell, names), strict=True)
    ]


def fit_together(cell, names):
    """Fit settings side by side in stacks that share the table, and score each.

    Parameters
    ----------
    cell : benchmarks.protocol.Cell
    names : list of str
        Of `SETTINGS`, all of which the task has.

    Returns
    -------
    list of dict
        What `fit_and_score` gives, and seconds: those of the whole batch over the number of
        settings, since settings of one stack have no time of their own.
    """
    began = time.perf_counter()
    with quiet(), parallel_config(backend="skreg"):
        found = Parallel()(
            delayed(fit_and_score)(make(name, cell.task, cell.seed), cell) for name in names
        )
    seconds = (time.perf_counter() - began) / len(names)
    return [{**one, "seconds": seconds} for one in found]


def fit_and_score(model, cell):
    """score, logloss, auc and epochs of one estimator; error where it failed."""
    X, X_test = cell.views["network"]
    try:
        model.fit(X, cell.y)
        scores = protocol.evaluate(model, X_test, cell.y_test, cell.task)
    except Exception as error:
        return {"error": told(error)}
    return {
        **{name: scores[name] for name in ("score", "logloss", "auc")},
        "epochs": epochs_of(model),
    }


def _line(rows):
    """A batch for the screen."""
    first, failed = rows[0], sum("error" in row for row in rows)
    seconds = sum(row.get("seconds", 0.0) for row in rows)
    errors = f", {failed} failed" if failed else ""
    return f"{first['dataset']:<20} seed {first['seed']}  {len(rows)} settings, {seconds:.1f} s{errors}"


# -- command line ---------------------------------------------------------------------------------


def main(arguments=None):
    """Check everything that can be checked, then run; or write the page."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.data is None and not options.page:
        parser.error("--data DIR is needed to measure; --page writes the page alone.")
    try:
        if options.page:
            print(defaults_page.write(options.out, options.peers, docs=options.docs))
        else:
            _measure(options)
    except (ValueError, OSError) as error:
        sys.exit(f"python -m benchmarks.defaults: {error}")


def _measure(options):
    everything = protocol.folder_tables(options.data)
    halves = protocol.halves(everything)
    half = None if options.half == "all" else options.half
    tables = select(everything, halves, options.tables, half=half)
    for name, task in itertools.product(options.settings, protocol.TASKS):
        make(name, task, 0)
    results = ResultsFile(options.out, COLUMNS, "setting")
    note_run(
        options.out,
        data=Path(options.data).resolve().name,
        halves=halves,
        machine={**machine(), **_accelerator()},
        methods=options.settings,
        seeds=options.seeds,
    )
    if options.retry:
        results.drop_errors()
    run(tables, options.settings, options.seeds, results, say=lambda line: print(line, flush=True))


def _accelerator():
    """The GPU that the nets are trained on, where there is one."""
    return {"gpu": torch.cuda.get_device_name()} if torch.cuda.is_available() else {}


def _parser():
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.defaults",
        description="Fit nets with the defaults and with one thing changed; rows that the file "
        "holds are skipped.",
    )
    parser.add_argument("--data", metavar="DIR", help="folder of INDEX.csv and <name>.csv.gz")
    parser.add_argument("--half", choices=(*protocol.HALVES, "all"), default="all")
    parser.add_argument("--seeds", type=numbers, default=[0, 1, 2], help="0,1,2")
    parser.add_argument(
        "--settings",
        nargs="+",
        choices=SETTINGS,
        default=list(SETTINGS),
        metavar="NAME",
        help=f"only these of: {'; '.join(SETTINGS)}",
    )
    parser.add_argument("--tables", nargs="+", metavar="NAME", help="only these")
    parser.add_argument("--out", default=FILE, type=Path, help="file of results")
    parser.add_argument("--retry", action="store_true", help="run again what ended in an error")
    parser.add_argument("--page", action="store_true", help="only write the page")
    parser.add_argument(
        "--peers",
        metavar="FILE",
        help="rows of other methods (dataset, method, score), between whose worst and best the page "
        "normalises; what it takes of them is kept beside the results",
    )
    parser.add_argument("--docs", default=defaults_page.DOCS, type=Path, help="folder of the page")
    return parser


if __name__ == "__main__":
    main()
