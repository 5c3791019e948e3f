"""The solvers that a linear model can be handed to: what each costs and how near it comes.

skglm is measured where it is installed (``pip install skglm``).
"""

from __future__ import annotations

import inspect
import time
import warnings

import numpy as np
from scipy.special import expit, logsumexp, softmax
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    make_classification,
    make_regression,
)
from sklearn.linear_model import ElasticNet, LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler

from benchmarks.timing import in_turn, median
from skreg import RegularizedLinearClassifier, RegularizedLinearRegressor

try:
    import skglm
except ImportError:
    skglm = None

#: Passes over the rows that saga is given: where it is not done by then, it is of no use.
SAGA_PASSES = 300


def classes(X, y):
    """Standardised columns and class numbers."""
    return StandardScaler().fit_transform(X), y


def numbers(X, y):
    """Standardised columns and target."""
    return StandardScaler().fit_transform(X), (y - y.mean()) / y.std()


def correlated(n=2000, d=200, seed=0):
    """Columns that follow one another, correlation 0.99."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    for j in range(1, d):
        X[:, j] = 0.99 * X[:, j - 1] + np.sqrt(1 - 0.99**2) * X[:, j]
    return X, X[:, ::10] @ rng.normal(size=d // 10) + rng.normal(size=n)


TABLES = {
    "breast cancer, 569 x 30, 2 classes": lambda: classes(*load_breast_cancer(return_X_y=True)),
    "made, 10,000 x 100, 2 classes": lambda: classes(
        *make_classification(10_000, 100, n_informative=10, random_state=0)
    ),
    "digits, 1,797 x 64, 10 classes": lambda: classes(*load_digits(return_X_y=True)),
    "diabetes, 442 x 10, numbers": lambda: numbers(*load_diabetes(return_X_y=True)),
    "made, 200 x 2,000, numbers": lambda: numbers(
        *make_regression(200, 2000, n_informative=20, noise=10, random_state=0)
    ),
    "correlated, 2,000 x 200, numbers": lambda: numbers(*correlated()),
}

#: (l1, l2) of each run.
PENALTIES = {"L2": (0.0, 1e-3), "L1": (1e-2, 0.0), "weak L1": (1e-3, 0.0), "both": (1e-2, 1e-2)}


def solvers(l1, l2, n, n_classes):
    """Estimators of one objective by name; n_classes is 0 for numbers."""
    if n_classes:
        yield from _classifiers(l1, l2, n, n_classes)
    else:
        yield from _regressors(l1, l2, n)


def _classifiers(l1, l2, n, n_classes):
    yield "skreg", RegularizedLinearClassifier(l1, l2)
    common = {"C": 1 / ((l1 + l2) * n), "l1_ratio": l1 / (l1 + l2), "random_state": 0}
    if l1 == 0:
        for solver in ("lbfgs", "newton-cholesky"):
            model = LogisticRegression(**common, solver=solver, tol=1e-8, max_iter=1000)
            yield f"{solver}, tol=1e-8", model
        return
    model = LogisticRegression(**common, solver="saga", tol=1e-6, max_iter=SAGA_PASSES)
    yield "saga, tol=1e-6", model
    if n_classes == 2 and l2 == 0:
        model = LogisticRegression(**common, solver="liblinear", tol=1e-6, max_iter=1000)
        yield "liblinear, intercept_scaling=1", model
    if n_classes == 2 and skglm is not None:
        model = skglm.SparseLogisticRegression(
            l1 + l2, l1_ratio=l1 / (l1 + l2), tol=1e-8, max_iter=200
        )
        yield "skglm, tol=1e-8", model


def _regressors(l1, l2, n):
    yield "skreg", RegularizedLinearRegressor(l1, l2, scale_target=False)
    if l1 == 0:
        yield "Ridge, lsqr", Ridge(l2 * n, solver="lsqr", tol=1e-8)
        return
    for tol in (1e-4, 1e-8):
        model = ElasticNet(l1 + l2, l1_ratio=l1 / (l1 + l2), tol=tol, max_iter=50_000)
        yield f"coordinate descent, tol={tol:g}", model
    if skglm is not None:
        model = skglm.ElasticNet(l1 + l2, l1_ratio=l1 / (l1 + l2), tol=1e-8, max_iter=200)
        yield "skglm, tol=1e-8", model


def state(model, X, y, l1, l2):
    """Objective of a fitted model, and by how much its worst optimality condition is violated."""
    W, b = np.atleast_2d(model.coef_), np.atleast_1d(model.intercept_)
    f = X @ W.T + b  # (n, k)
    if not hasattr(model, "classes_"):
        residual = f - y[:, None]
        loss = 0.5 * residual**2
    elif len(W) == 1:
        residual = expit(f) - y[:, None]
        loss = np.logaddexp(0.0, f) - y[:, None] * f
    else:
        residual = softmax(f, axis=1) - np.eye(len(W))[y]
        loss = logsumexp(f, axis=1) - f[np.arange(len(y)), y]
    gradient = residual.T @ X / len(y) + l2 * W
    on = np.abs(gradient + l1 * np.sign(W))
    off = np.maximum(np.abs(gradient) - l1, 0.0)
    violation = max(np.where(W != 0, on, off).max(), np.abs(residual.mean(axis=0)).max())
    penalty = l1 * np.abs(W).sum() + 0.5 * l2 * np.square(W).sum()
    return float(loss.sum() / len(y) + penalty), float(violation)


def compare(X, y, l1, l2, n_classes, repeats):
    """Seconds, optimality and size of each solver's model."""
    models = dict(solvers(l1, l2, len(y), n_classes))
    for name, model in models.items():
        if "skglm" in name:
            model.fit(X, y)  # numba compiles
    seconds = in_turn({name: lambda m=m: m.fit(X, y) for name, m in models.items()}, repeats)
    states = {name: state(model, X, y, l1, l2) for name, model in models.items()}
    best = min(objective for objective, _ in states.values())
    return {
        name: {
            "seconds": median(seconds[name]),
            "violation": violation,
            "above best": objective - best,
            "weights": int(np.count_nonzero(models[name].coef_)),
        }
        for name, (objective, violation) in states.items()
    }


def about_skglm():
    """Its version, what it compiles for, and whether it takes weights of rows; None without it."""
    if skglm is None:
        return None
    from importlib.metadata import version

    X, y = TABLES["breast cancer, 569 x 30, 2 classes"]()
    began = time.perf_counter()
    skglm.SparseLogisticRegression(0.01).fit(X, y)
    return {
        "version": version("skglm"),
        "seconds of the first fit": time.perf_counter() - began,
        "row weights": "sample_weight"
        in inspect.signature(skglm.SparseLogisticRegression.fit).parameters,
    }


def measure(repeats):
    """All tables with all penalties."""
    # Solvers that do not converge are what is measured; skglm says its own in other categories.
    warnings.simplefilter("ignore")
    about = about_skglm()  # before anything else makes it compile
    found = {}
    for table, load in TABLES.items():
        X, y = load()
        n_classes = 0 if "numbers" in table else len(np.unique(y))
        found[table] = {
            penalty: compare(X, y, l1, l2, n_classes, repeats)
            for penalty, (l1, l2) in PENALTIES.items()
        }
    return {"skglm": about, "tables": found, "penalties": PENALTIES}
