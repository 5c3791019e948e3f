"""How exact each solver of a linear model with L1 is, and what that costs.

Prints one line a problem and solver: seconds (the least of three runs, or of as many as fit into a
second), the largest violation of an optimality condition (in units of its column; 0 is exact), the
objective above the lowest one found, and the weights that are not zero.

    python benchmarks/linear_solvers.py

saga stops after 2,000 passes. skglm is measured where it is installed (`pip install skglm`), its
compilation not counted; it has no softmax and no row weights for the log loss. liblinear penalises
the intercept, which is why it stays away from the minimum.
"""

from __future__ import annotations

import time
import warnings

import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, make_regression
from sklearn.linear_model import Lasso, LogisticRegression
from sklearn.preprocessing import StandardScaler

from skreg import RegularizedLinearClassifier, RegularizedLinearRegressor, l1_max
from skreg._linear.prox_newton import Logistic, Problem, Softmax, Squared

try:
    import skglm
except ImportError:
    skglm = None

SHARES = 0.1, 0.01, 0.001
RUNS = 3
BUDGET = 1.0


def classes(load):
    X, y = load(return_X_y=True)
    return StandardScaler().fit_transform(X), y


def numbers(X, y):
    return StandardScaler().fit_transform(X), (y - y.mean()) / y.std()


def correlated(n=2000, d=200, seed=0):
    """Columns that follow one another, correlation 0.99."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    for j in range(1, d):
        X[:, j] = 0.99 * X[:, j - 1] + np.sqrt(1 - 0.99**2) * X[:, j]
    return X, X[:, ::10] @ rng.normal(size=d // 10) + rng.normal(size=n)


def tables():
    yield "breast cancer", True, *classes(load_breast_cancer)
    yield "digits", True, *classes(load_digits)
    yield "diabetes", False, *numbers(*load_diabetes(return_X_y=True))
    wide = make_regression(200, 2000, n_informative=20, noise=10, random_state=0)
    yield "wide", False, *numbers(*wide)
    yield "correlated", False, *numbers(*correlated())


def classifiers(l1, n, n_classes):
    skreg = {"l1": l1, "l2": 0.0}
    yield "skreg", RegularizedLinearClassifier(**skreg)
    l1_penalty = {"C": 1 / (l1 * n), "l1_ratio": 1.0, "max_iter": 2000, "random_state": 0}
    for tol in (1e-4, 1e-6):
        yield f"saga, tol={tol:g}", LogisticRegression(**l1_penalty, solver="saga", tol=tol)
    if n_classes == 2:
        for tol in (1e-4, 1e-8):
            model = LogisticRegression(**l1_penalty, solver="liblinear", tol=tol)
            yield f"liblinear, tol={tol:g}", model
        if skglm is not None:
            yield "skglm, tol=1e-8", skglm.SparseLogisticRegression(l1, tol=1e-8, max_iter=200)


def regressors(l1):
    yield "skreg", RegularizedLinearRegressor(l1=l1, l2=0.0, scale_target=False)
    for tol in (1e-4, 1e-8):
        yield f"Lasso, tol={tol:g}", Lasso(l1, tol=tol, max_iter=50_000)
    if skglm is not None:
        yield "skglm, tol=1e-8", skglm.Lasso(l1, tol=1e-8, max_iter=200)


def seconds(model, X, y):
    times = []
    while not times or (len(times) < RUNS and sum(times) < BUDGET):
        start = time.perf_counter()
        model.fit(X, y)
        times.append(time.perf_counter() - start)
    return min(times)


def measure(X, y, is_classes, share):
    """Rows (solver, seconds, violation, objective, weights in use)."""
    l1 = share * l1_max(X, y, scale_target=False)
    n_classes = len(np.unique(y)) if is_classes else 0
    if n_classes > 2:
        loss = Softmax(y, n_classes)
    else:
        loss = Logistic(y) if is_classes else Squared(y)
    problem = Problem(X, loss, np.ones(len(y)), l1=l1)
    models = classifiers(l1, len(y), n_classes) if is_classes else regressors(l1)
    for solver, model in models:
        if "skglm" in solver:
            model.fit(X, y)  # numba compiles
        spent = seconds(model, X, y)
        W = np.atleast_2d(model.coef_)
        f = problem.forward(W, np.atleast_1d(model.intercept_))
        objective = problem.value(f, W, l1)
        yield solver, spent, problem.violation(f, W), objective, np.count_nonzero(W)


def main():
    warnings.simplefilter("ignore")  # solvers that do not converge are what is measured
    print("| table | l1 / l1_max | solver | seconds | violation | objective above best | weights |")
    print("|---|---|---|---|---|---|---|")
    for name, is_classes, X, y in tables():
        for share in SHARES:
            rows = list(measure(X, y, is_classes, share))
            best = min(row[3] for row in rows)
            for solver, spent, violation, objective, in_use in rows:
                figures = f"{spent:.4f} | {violation:.0e} | {objective - best:.0e} | {in_use}"
                print(f"| {name} | {share:g} | {solver} | {figures} |", flush=True)


if __name__ == "__main__":
    main()
