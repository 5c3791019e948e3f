"""Whole grid searches: batched, one by one, skorch and scikit-learn with n_jobs=2."""

from __future__ import annotations

import warnings
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
from benchmarks.nets import sklearn_net, skorch_net, skreg_net
from benchmarks.single import made
from benchmarks.timing import compared, median, peak_gflops


def search(net, grid, folds, X, y, n_jobs=None):
    """A grid search over a pipeline that scales and casts in front of the net."""
    steps = [("scale", StandardScaler()), ("cast", FunctionTransformer(np.float32)), ("net", net)]
    grid = {f"net__{name}": values for name, values in grid.items()}
    return GridSearchCV(Pipeline(steps), grid, cv=folds, n_jobs=n_jobs).fit(X, y)


def case_a():
    """digits, (100,), batch 200, 30 epochs, 16 dropout rates x 5 folds."""
    X, y = load_digits(return_X_y=True)
    rates = np.linspace(0.0, 0.6, 16).tolist()
    return {
        "data": (X, y.astype(np.int64), 5),
        "skreg": (skreg_net((100,), 200, 30), {"dropout": rates}),
        "skorch": (skorch_net(64, (100,), 10, 200, 30), {"module__dropout": rates}),
        "scikit-learn": (
            sklearn_net((100,), 200, 30),
            {"alpha": np.logspace(-5, 0, 16).tolist()},
        ),
    }


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
    X, y = made()
    rates = np.linspace(0.0, 0.55, 12).tolist()
    return {
        "data": (X, y, 3),
        "skreg": (skreg_net((128, 128), 256, 10), {"dropout": rates}),
        "skorch": (skorch_net(50, (128, 128), 5, 256, 10), {"module__dropout": rates}),
        "scikit-learn": (
            sklearn_net((128, 128), 256, 10),
            {"alpha": np.logspace(-5, 0, 12).tolist()},
        ),
    }


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
    out = {}
    for name in cases:
        case = CASES[name]()
        X, y, folds = case["data"]
        reports = []

        def batched(case=case, X=X, y=y, folds=folds, reports=reports):
            with parallel_config(backend="skreg"):
                found = search(*case["skreg"], folds, X, y)
            reports.append(skreg.last_rounds()[0])
            return found

        contestants = {
            "skreg, batched": batched,
            "skreg, one by one": partial(search, *case["skreg"], folds, X, y),
            **peers(case),
        }
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            batched()  # compiles what there is to compile
            reports.clear()
            seconds, ratios = compared(contestants, repeats, "skreg, batched")
        out[name] = {
            "what": CASES[name].__doc__,
            "seconds": seconds,
            "times faster": ratios,
            "fits": reports[-1].jobs,
            "stacks": list(reports[-1].members),
            "training seconds": median([r.seconds for r in reports]),
            "GFLOP/s": median([r.gflops for r in reports]),
            "peak GFLOP/s": peak_gflops(),
        }
    return out
