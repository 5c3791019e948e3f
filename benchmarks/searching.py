"""How many settings a search tries in a minute, against scikit-learn's grid search under the backend."""

from __future__ import annotations

from joblib import parallel_config
from sklearn.datasets import load_breast_cancer, load_digits, make_classification
from sklearn.model_selection import GridSearchCV

from benchmarks.regressions import Figure
from benchmarks.rst import head, table
from benchmarks.timing import compared, in_turn
from skreg import RegularizedMLPClassifier, RegularizedMLPClassifierCV
from skreg.estimators.search.run import WAVE

#: Settings that are tried on each table: as many as a search compares at once.
SETTINGS = WAVE


def cases():
    """The tables."""
    return {
        "breast cancer": load_breast_cancer(return_X_y=True),
        "digits": load_digits(return_X_y=True),
        "10,000 x 20": make_classification(10_000, 20, n_informative=10, random_state=0),
    }


def contestants(X, y, n):
    """The search, and a grid of the same settings on as many folds, refit included."""
    search = RegularizedMLPClassifierCV(n_settings=n, cv=5, n_repeats=1, random_state=0).fit(X, y)
    grid = [{name: [v] for name, v in setting.items()} for setting in search.cv_results_["params"]]
    net = RegularizedMLPClassifier(random_state=0)
    plain = GridSearchCV(net, grid, scoring="neg_log_loss", cv=5)

    def batched():
        with parallel_config(backend="skreg"):
            plain.fit(X, y)

    return {"search": lambda: search.fit(X, y), "GridSearchCV": batched}


def measure(repeats):
    """Seconds, settings a minute, and how many times as many the search tries."""
    out = {}
    for name, (X, y) in cases().items():
        runs = contestants(X, y, SETTINGS)
        in_turn({"GridSearchCV": runs["GridSearchCV"]}, 1)  # warms up
        seconds, ratios = compared(runs, repeats, "search")
        out[name] = {
            "settings": SETTINGS,
            "seconds": seconds,
            "settings a minute": {who: 60 * SETTINGS / s for who, s in seconds.items()},
            "times as many": ratios["GridSearchCV"],
        }
    return out


def page(result, machine):
    """A row for each table."""
    whose = ("search", "GridSearchCV")
    rows = [
        (
            case,
            found["settings"],
            *(f"{found['seconds'][who]:.1f}" for who in whose),
            *(f"{found['settings a minute'][who]:.0f}" for who in whose),
            f"{found['times as many']:.1f}",
        )
        for case, found in result.items()
    ]
    header = ("table", "settings", *(f"{who}, s" for who in whose))
    header += (*(f"{who}, settings a minute" for who in whose), "times as many")
    return head(
        "Settings a minute",
        "``RegularizedMLPClassifierCV``, which gives up settings that are behind, against "
        '``GridSearchCV`` under the backend ``"skreg"``, which trains all to the end: the same settings, '
        "five folds each, ensemble and refit included. Medians of runs in turn.",
        machine,
    ) + table(header, rows)


def ratios(result):
    """How many times as many settings the search tries."""
    for case, found in result.items():
        yield f"settings a minute, {case}, to GridSearchCV", Figure(found["times as many"], True)
