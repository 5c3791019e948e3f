"""``python -m benchmarks.defaults --data DIR``: is any other value better than the default one?

Nets with the defaults, and nets with one thing changed, on every table under `benchmarks.protocol`,
a row each in ``results/defaults.csv``. Rows that the file already holds are skipped, so that a run
can be broken off and resumed. ``--page`` writes docs/development/defaults.rst from the rows.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from pathlib import Path
from typing import NamedTuple

import torch
from joblib import Parallel, delayed, parallel_config

from benchmarks import protocol
from benchmarks.__main__ import RESULTS
from benchmarks.methods import epochs_of
from benchmarks.results_file import ResultsFile, note_run
from benchmarks.tables import numbers, quiet, select, told
from benchmarks.timing import machine
from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor

FILE = RESULTS / "defaults.csv"
COLUMNS = (
    "dataset",
    "task",
    "n_train",
    "d",
    "seed",
    "setting",
    "score",
    "logloss",
    "auc",
    "epochs",
    "seconds",
    "error",
)
#: What all others are compared with.
DEFAULT = "default"


# -- what is tried --------------------------------------------------------------------------------


class Setting(NamedTuple):
    """Parameters to try, and why.

    Attributes
    ----------
    reason : str
        One line for the page.
    classifier, regressor : dict or None
        Parameters of the estimator; None where it has no such setting.
    reverts : str
        Which default it alone takes back; empty where it changes a value or several.
    """

    reason: str
    classifier: dict | None
    regressor: dict | None
    reverts: str = ""


def _both(reason, reverts="", **parameters):
    return Setting(reason, parameters, parameters, reverts)


SETTINGS = {
    DEFAULT: _both("what all others are compared with"),
    # -- layers that regularize
    "no batch norm": _both("is batch norm worth its time", "batch norm", batch_norm=False),
    "dropout 0": _both("is dropout worth it", "dropout", dropout=0.0),
    "dropout 0.05": _both("less dropout", dropout=0.05),
    "dropout 0.2": _both("more dropout", dropout=0.2),
    "dropout 0.3": _both("much more dropout", dropout=0.3),
    "dropout 0.4": _both("near the textbook's half", dropout=0.4),
    "input dropout 0.05": _both("noise in the columns", input_dropout=0.05),
    # -- penalties
    "weight decay 0": _both("is weight decay worth it", "weight decay", weight_decay=0.0),
    "weight decay 0.03": _both("more decay", weight_decay=0.03),
    "weight decay 0.1": _both("much more decay", weight_decay=0.1),
    "l2 1e-4": _both("a penalty in place of, or beside, the decay", l2=1e-4),
    "l2 1e-3": _both("a stronger penalty", l2=1e-3),
    "l1 1e-5": _both("exact zeros", l1=1e-5),
    "max norm 3": _both("the bound that was published with dropout", max_norm=3.0),
    "label smoothing 0.1": Setting("softer labels", {"label_smoothing": 0.1}, None),
    # -- optimiser
    "rate 5e-4": _both("slower", learning_rate_init=5e-4),
    "rate 1e-3": _both(
        "scikit-learn's and torch's value", "learning rate of 2e-3", learning_rate_init=1e-3
    ),
    "rate 4e-3": _both("faster", learning_rate_init=4e-3),
    "constant rate": _both("is the schedule worth it", "cosine schedule", learning_rate="constant"),
    "one cycle": _both("a warm-up before the fall", learning_rate="one_cycle"),
    "beta_2 0.999": _both("scikit-learn's and torch's value", "beta_2 of 0.95", beta_2=0.999),
    "50 epochs": _both("half the time", max_iter=50),
    "200 epochs": _both("twice the time", max_iter=200),
    "batch 64": _both("more steps an epoch on large tables", batch_size=64),
    "batch 256": _both("fewer steps an epoch on small tables", batch_size=256),
    # -- early stopping
    "no early stopping": _both(
        "all rows to train on, all epochs", "early stopping", early_stopping=False
    ),
    "patience 10": _both("scikit-learn's value: less time", "patience of 30", patience=10),
    "patience 100": _both("never stop, keep the best epoch", patience=100),
    "validation 0.1": _both(
        "scikit-learn's value: more rows to train on",
        "validation share of 0.15",
        validation_fraction=0.1,
    ),
    "validation 0.2": _both("a surer choice of the epoch", validation_fraction=0.2),
    "refit": _both("all rows to train on, for the epochs found", refit=True),
    "stop by balanced accuracy": Setting(
        "stop by what is scored here", {"scoring": "balanced_accuracy"}, None
    ),
    # -- loss, activation, shape
    "huber loss": Setting("targets with outliers", None, {"loss": "huber"}),
    "gelu": _both("another activation", activation="gelu"),
    "silu": _both("another activation", activation="silu"),
    "mish": _both("another activation", activation="mish"),
    "selu": _both("another activation", activation="selu"),
    "layers 256": _both("one layer", hidden_layer_sizes=(256,)),
    "layers 128-128": _both("narrower", hidden_layer_sizes=(128, 128)),
    "layers 512-512": _both("wider", hidden_layer_sizes=(512, 512)),
    "layers 256-256-256": _both("deeper", hidden_layer_sizes=(256, 256, 256)),
    "periodic": _both("sines and cosines of the numbers", numeric_embedding="periodic"),
    # -- several at once
    "periodic, dropout 0.2": _both(
        "more columns, more dropout", numeric_embedding="periodic", dropout=0.2
    ),
    "no early stopping, dropout 0.2": _both(
        "all rows, held by dropout", early_stopping=False, dropout=0.2
    ),
    "no early stopping, dropout 0.2, periodic": _both(
        "the same, with sines and cosines",
        early_stopping=False,
        dropout=0.2,
        numeric_embedding="periodic",
    ),
    "refit, dropout 0.2": _both("all rows, more dropout", refit=True, dropout=0.2),
    "layers 512-512, dropout 0.3": _both(
        "wider, held by dropout", hidden_layer_sizes=(512, 512), dropout=0.3
    ),
    "layers 256-256-256, dropout 0.2": _both(
        "deeper, held by dropout", hidden_layer_sizes=(256, 256, 256), dropout=0.2
    ),
}


def make(name, task, seed):
    """The estimator of a setting, not fitted; None where the task has no such setting.

    Parameters
    ----------
    name : str
        One of `SETTINGS`.
    task : {"binary", "multiclass", "regression"}
    seed : int

    Returns
    -------
    RegularizedMLPClassifier, RegularizedMLPRegressor or None

    Raises
    ------
    ValueError
        Where the estimator does not take the parameters.
    """
    setting = SETTINGS[name]
    if task == "regression":
        kind, parameters = RegularizedMLPRegressor, setting.regressor
    else:
        kind, parameters = RegularizedMLPClassifier, setting.classifier
    if parameters is None:
        return None
    estimator = kind(random_state=seed).set_params(**parameters)
    estimator._validate_params()
    return estimator


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
        With the keys of `COLUMNS` that have a value.
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
    if options.data is None:
        parser.error("--data DIR is needed to measure.")
    try:
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
    return parser


if __name__ == "__main__":
    main()
