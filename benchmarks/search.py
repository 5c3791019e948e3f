"""Whole grid searches: batched, one by one, skorch and scikit-learn with n_jobs=2."""

from __future__ import annotations

from functools import partial

import numpy as np
from joblib import parallel_config
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from skorch.callbacks import EarlyStopping
from skorch.dataset import ValidSplit

import skreg
from benchmarks import pictures, rst
from benchmarks.nets import sklearn_net, skorch_net, skreg_net
from benchmarks.regressions import Figure
from benchmarks.single import made
from benchmarks.timing import compared, in_turn, median, peak_gflops

ABOUT = (
    "``GridSearchCV`` of scikit-learn over ``Pipeline(StandardScaler, net)``, equal architecture, "
    "epochs, batch size and folds, the refit of the winner included. scikit-learn's MLP has neither "
    "batch norm nor dropout; skreg and skorch train with both. Medians of runs in turn."
)


def search(net, grid, folds, X, y, n_jobs=None):
    """A grid search over a pipeline that scales and casts in front of the net."""
    steps = [("scale", StandardScaler()), ("cast", FunctionTransformer(np.float32)), ("net", net)]
    grid = {f"net__{name}": values for name, values in grid.items()}
    return GridSearchCV(Pipeline(steps), grid, cv=folds, n_jobs=n_jobs).fit(X, y)


def batched(net, grid, folds, X, y):
    """A search under the backend; the report of its first round."""
    with parallel_config(backend="skreg"):
        search(net, grid, folds, X, y)
    return skreg.last_rounds()[0]


def _rates_of_dropout(X, y, folds, hidden, batch, epochs, rates):
    """A case of dropout rates, and of as many strengths of L2 for scikit-learn, which has no dropout."""
    n_classes = int(y.max()) + 1
    return {
        "data": (X, y, folds),
        "skreg": (skreg_net(hidden, batch, epochs), {"dropout": rates}),
        "skorch": (
            skorch_net(X.shape[1], hidden, n_classes, batch, epochs),
            {"module__dropout": rates},
        ),
        "scikit-learn": (
            sklearn_net(hidden, batch, epochs),
            {"alpha": np.logspace(-5, 0, len(rates)).tolist()},
        ),
    }


def case_a():
    """digits, (100,), batch 200, 30 epochs, 16 dropout rates x 5 folds."""
    X, y = load_digits(return_X_y=True)
    rates = np.linspace(0.0, 0.6, 16).tolist()
    return _rates_of_dropout(X, y.astype(np.int64), 5, (100,), 200, 30, rates)


def case_b():
    """breast cancer, (100,), 8 dropout rates x 8 strengths of L2 x 5 folds, 50 epochs, early stopping."""
    X, y = load_breast_cancer(return_X_y=True)
    rates, strengths = np.linspace(0.0, 0.6, 8).tolist(), np.logspace(-5, -1, 8).tolist()
    stopping = {"early_stopping": True, "patience": 10, "validation_fraction": 0.1}
    return {
        "data": (X, y.astype(np.int64), 5),
        "skreg": (skreg_net((100,), 200, 50, **stopping), {"dropout": rates, "l2": strengths}),
        "skorch": (
            skorch_net(
                30,
                (100,),
                2,
                200,
                50,
                train_split=ValidSplit(10, stratified=True),
                callbacks=[EarlyStopping(patience=10, load_best=True)],
            ),
            {"module__dropout": rates, "optimizer__weight_decay": strengths},
        ),
        "scikit-learn": (
            sklearn_net((100,), 200, 50, early_stopping=True, n_iter_no_change=10),
            {"alpha": np.logspace(-5, 0, 64).tolist()},
        ),
    }


def case_c():
    """20000 x 50, (128, 128), batch 256, 10 epochs, 12 dropout rates x 3 folds."""
    return _rates_of_dropout(*made(), 3, (128, 128), 256, 10, np.linspace(0.0, 0.55, 12).tolist())


CASES = {"A": case_a, "B": case_b, "C": case_c}


def peers(case, n_jobs=2):
    """The same search by scikit-learn's MLP and by skorch, so many fits side by side."""
    X, y, folds = case["data"]
    return {
        f"{name}, n_jobs={n_jobs}": partial(search, *case[name], folds, X, y, n_jobs=n_jobs)
        for name in ("scikit-learn", "skorch")
    }


def measure(repeats, cases="ABC"):
    """Seconds and ratios of each case, and what the rounds of the batched search were."""
    return {name: measure_case(CASES[name](), repeats, CASES[name].__doc__) for name in cases}


def measure_case(case, repeats, what):
    """Seconds and ratios of a case, and what the first rounds of the batched search were."""
    X, y, folds = case["data"]
    ours, rounds = (*case["skreg"], folds, X, y), []
    contestants = {
        "skreg, batched": lambda: rounds.append(batched(*ours)),
        "skreg, one by one": partial(search, *ours),
        **peers(case),
    }
    in_turn({"skreg, batched": partial(batched, *ours)}, 1)  # compiles what there is to compile
    seconds, ratios = compared(contestants, repeats, "skreg, batched")
    return {
        "what": what,
        "seconds": seconds,
        "times faster": ratios,
        "fits": rounds[-1].jobs,
        "stacks": list(rounds[-1].members),
        "training seconds": median([one.seconds for one in rounds]),
        "GFLOP/s": median([one.gflops for one in rounds]),
        "peak GFLOP/s": peak_gflops(),
    }


def page(result, machine):
    """A table for each case, and what its rounds were."""
    text = rst.head("Batched grid searches", ABOUT, machine)
    for name, case in result.items():
        text += rst.heading(f"{name}: {case['what']}")
        text += rst.contestants(case["seconds"], case["times faster"], "times the batched search")
        text += (
            f"\n{case['fits']} fits in the first round, {len(case['stacks'])} stacks, "
            f"{case['training seconds']:.2f} s of training at {case['GFLOP/s']:.0f} GFLOP/s, "
            f"{case['GFLOP/s'] / case['peak GFLOP/s']:.2f} of the matrix-product peak "
            f"({case['peak GFLOP/s']:.0f}).\n"
        )
    return text


def draw(result, docs):
    """The picture of README's first table."""
    pictures.searches(result).savefig(docs.parent / "images" / "batched_search.png", dpi=150)


def ratios(result):
    """Of the peers. One by one is ours too: where it gains, the ratio falls, and nothing is slower."""
    for case, found in result.items():
        for contestant, times in found["times faster"].items():
            if not contestant.startswith("skreg"):
                yield f"search {case}, times {contestant} takes", Figure(times, True)
