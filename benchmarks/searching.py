"""How many settings a search tries in a minute, against scikit-learn's grid search under the backend."""

from __future__ import annotations

import warnings

from joblib import parallel_config
from sklearn.datasets import load_breast_cancer, load_digits, make_classification
from sklearn.model_selection import GridSearchCV

from benchmarks.timing import compared
from skreg import RegularizedMLPClassifier, RegularizedMLPClassifierCV


def cases():
    """Tables, and how many settings are tried on each."""
    return {
        "breast cancer": (*load_breast_cancer(return_X_y=True), 32),
        "digits": (*load_digits(return_X_y=True), 32),
        "10,000 x 20": (*make_classification(10_000, 20, n_informative=10, random_state=0), 16),
    }


def contestants(X, y, n):
    """The search, and a grid of the same settings on as many folds, refit included."""
    search = RegularizedMLPClassifierCV(n_settings=n, cv=5, n_repeats=1, random_state=0).fit(X, y)
    grid = [{name: [v] for name, v in setting.items()} for setting in search.cv_results_["params"]]
    net = RegularizedMLPClassifier(random_state=0)
    plain = GridSearchCV(net, grid, scoring="neg_log_loss", cv=5)

    def batched():
        # Of knobs that do nothing together with others each net warns.
        with warnings.catch_warnings(action="ignore"), parallel_config(backend="skreg"):
            plain.fit(X, y)

    return {"search": lambda: search.fit(X, y), "GridSearchCV": batched}


def measure(repeats):
    """Seconds, settings a minute, and how many times as many the search tries."""
    out = {}
    for name, (X, y, n) in cases().items():
        runs = contestants(X, y, n)
        runs["GridSearchCV"]()  # warms up
        seconds, ratios = compared(runs, repeats, "search")
        out[name] = {
            "settings": n,
            "seconds": seconds,
            "settings a minute": {who: 60 * n / s for who, s in seconds.items()},
            "times as many": ratios["GridSearchCV"],
        }
    return out
