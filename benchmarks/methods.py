"""The methods of the tables by name, ours and the peers, as scikit-learn estimators.

A method may be given parameters, ``skreg:dropout=0.2,patience=20``: they are set on the estimator
that it names and make another method of their own in the results. All methods that can have several
threads have as many as torch; ``OMP_NUM_THREADS`` bounds them all.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import packages_distributions, version
from typing import NamedTuple

import numpy as np
import torch
from joblib import parallel_config
from scipy.stats import loguniform, randint, uniform
from sklearn.compose import TransformedTargetRegressor
from sklearn.linear_model import LogisticRegressionCV, RidgeCV
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.preprocessing import StandardScaler

import skreg
from skreg.comparison.models import model_facts


class Method(NamedTuple):
    """How a method is made."""

    what: str  # one line for the page
    view: str  # what it sees of a table: "network", "tree", "frame" or "raw"
    make: Callable  # from "Classifier" or "Regressor" and a seed to an estimator
    package: str | None = None  # what must be installed beyond the dependencies
    standardise_target: bool = False  # whether a regressor is given a standardised target


#: Settings that a search by hand tries, of boosted trees and of nets alike.
SETTINGS = 40


# -- makers: from "Classifier" or "Regressor" and a seed to an estimator --------------------------


def _named(module, name, threads=None, **options):
    """Maker of an estimator that is imported when it is made; `threads` is its parameter."""

    def make(kind, seed):
        more = {threads: torch.get_num_threads()} if threads else {}
        return getattr(import_module(module), name.format(kind))(
            random_state=seed, **options, **more
        )

    return make


def _scoring(kind):
    return "neg_log_loss" if kind == "Classifier" else "r2"


def _bagged(kind, seed):
    # The net is given, so that ``skreg-bagged:estimator__dropout=0.2`` finds it.
    bag, net = getattr(skreg, f"BaggedMLP{kind}"), getattr(skreg, f"RegularizedMLP{kind}")
    return bag(net(scale_features=None), random_state=seed)


def _linear_search(kind, seed):
    estimator = getattr(skreg, f"RegularizedLinear{kind}")()
    grid = [{"l2": [1e-4, 1e-3, 1e-2, 1e-1]}, {"l1": [1e-3, 1e-2], "l2": [0.0]}]
    return GridSearchCV(estimator, grid, scoring=_scoring(kind), cv=3)


class BatchedGridSearchCV(GridSearchCV):
    """A GridSearchCV under the backend of this package, where ``fit`` is called."""

    def fit(self, X, y=None, **params):
        """Fit as GridSearchCV does; all settings and folds are one batched training."""
        with parallel_config(backend="skreg"):
            return super().fit(X, y, **params)


def _grid(kind, seed):
    # What a person would try, in `SETTINGS` settings.
    net = getattr(skreg, f"RegularizedMLP{kind}")(random_state=seed)
    grid = {
        "learning_rate_init": [0.001, 0.002, 0.004, 0.008],
        "dropout": [0.0, 0.1, 0.2, 0.35, 0.5],
        "weight_decay": [0.01, 0.1],
    }
    return BatchedGridSearchCV(net, grid, scoring=_scoring(kind), cv=5)


def _linear(kind, seed):
    if kind == "Regressor":
        return RidgeCV(np.logspace(-3, 3, 13))
    return LogisticRegressionCV(Cs=5, cv=3, max_iter=200, random_state=seed)


_boosting = _named("lightgbm", "LGBM{}", "n_jobs", verbose=-1)


def _tuned_boosting(kind, seed):
    # The draws of a person who knows LightGBM; classes are shuffled and stratified by default.
    space = {
        "n_estimators": randint(50, 801),
        "learning_rate": loguniform(0.005, 0.3),
        "num_leaves": randint(4, 128),
        "min_child_samples": randint(2, 80),
        "subsample": uniform(0.5, 0.5),
        "subsample_freq": [1],
        "colsample_bytree": uniform(0.4, 0.6),
        "reg_alpha": loguniform(1e-8, 10.0),
        "reg_lambda": loguniform(1e-8, 10.0),
    }
    return RandomizedSearchCV(
        _boosting(kind, seed),
        space,
        n_iter=SETTINGS,
        scoring=_scoring(kind),
        cv=5,
        random_state=seed,
    )


# -- the lists ------------------------------------------------------------------------------------

OURS = {
    "skreg": Method(
        "the nets of this package with their defaults, on columns that a pipeline has prepared",
        "network",
        _named("skreg", "RegularizedMLP{}", scale_features=None),
    ),
    "skreg-raw": Method(
        "the same nets on the table as it comes, which they encode, fill and scale for themselves",
        "raw",
        _named("skreg", "RegularizedMLP{}"),
    ),
    "skreg-linear": Method(
        "RegularizedLinearClassifier and -Regressor; the best of 4 l2 and 2 l1 by 3-fold search",
        "network",
        _linear_search,
    ),
    "skreg-bagged": Method(
        "BaggedMLPClassifier and -Regressor with their defaults", "network", _bagged
    ),
    "skreg-grid": Method(
        "GridSearchCV under the backend of this package over 40 settings of the net on the table as it comes "
        "(4 learning rates, 5 rates of dropout, 2 weight decays), by the log loss or R2 of 5 folds",
        "raw",
        _grid,
    ),
    "skreg-search": Method(
        "RegularizedMLPClassifierCV and -RegressorCV on the table as it comes; of classifiers that decide "
        "by the shares of the classes (decision=balanced) the scores are those of the same fit",
        "raw",
        _named("skreg", "RegularizedMLP{}CV"),
    ),
}

PEERS = {
    "skmlp": Method(
        "scikit-learn's MLP with its defaults",
        "network",
        _named("sklearn.neural_network", "MLP{}"),
        standardise_target=True,
    ),
    "skmlp-es": Method(
        "scikit-learn's MLP with early_stopping=True",
        "network",
        _named("sklearn.neural_network", "MLP{}", early_stopping=True),
        standardise_target=True,
    ),
    "hgb": Method(
        "scikit-learn's HistGradientBoosting with its defaults",
        "tree",
        _named("sklearn.ensemble", "HistGradientBoosting{}"),
    ),
    "linear": Method(
        "LogisticRegressionCV (5 Cs, 3 folds, 200 iterations) and RidgeCV (13 alphas)",
        "network",
        _linear,
    ),
    "forest": Method(
        "scikit-learn's RandomForest with its defaults",
        "tree",
        _named("sklearn.ensemble", "RandomForest{}", "n_jobs"),
    ),
    "skorch": Method(
        "the module of the default net in skorch's own loop: AdamW at a constant rate, its rates, "
        "batch size and epochs those of the default net, skorch's EarlyStopping with the default "
        "net's held-out share and patience, best epoch restored",
        "network",
        _named("benchmarks.twin", "SkorchTwin{}"),
        standardise_target=True,
    ),
    "lgbm": Method("LightGBM with its defaults", "tree", _boosting, package="lightgbm"),
    "lgbm-tuned": Method(
        "LightGBM, the best of 40 random settings by the log loss or R2 of 5 folds",
        "tree",
        _tuned_boosting,
        package="lightgbm",
    ),
    "realmlp": Method(
        "pytabkit's RealMLP_TD, which encodes and scales for itself",
        "frame",
        _named("pytabkit", "RealMLP_TD_{}", "n_threads"),
        package="pytabkit",
    ),
    "tabm": Method(
        "pytabkit's TabM_D, which encodes and scales for itself",
        "frame",
        _named("pytabkit", "TabM_D_{}", "n_threads"),
        package="pytabkit",
    ),
}

METHODS = {**OURS, **PEERS}

#: Names that stand for several methods.
GROUPS = {
    "ours": ["skreg", "skreg-linear", "skreg-bagged"],
    "peers": [name for name, method in PEERS.items() if method.package is None],
}


# -- from a name to an estimator ------------------------------------------------------------------


def expand(words):
    """The methods that a command line names, each once; names have commas between, or parameters.

    >>> from benchmarks.methods import expand
    >>> expand(["skreg,hgb", "hgb", "skreg:dropout=0.2,patience=20"])
    ['skreg', 'hgb', 'skreg:dropout=0.2,patience=20']
    """
    found = {}
    for word in words:
        for name in [word] if ":" in word else word.split(","):
            found.update(dict.fromkeys(GROUPS.get(name.strip(), [name.strip()])))
    return list(found)


def parse(text):
    """A method's name and its parameters; ValueError where one of them is not known.

    >>> from benchmarks.methods import parse
    >>> parse("skreg:hidden_layer_sizes=(64,),learning_rate=cosine")
    ('skreg', {'hidden_layer_sizes': (64,), 'learning_rate': 'cosine'})
    """
    name, _, settings = text.partition(":")
    if name not in METHODS:
        raise ValueError(
            f"There is no method {name!r}. Methods are {', '.join(METHODS)}; groups are "
            f"{', '.join(GROUPS)}."
        )
    try:
        call = ast.parse(f"f({settings})", mode="eval").body
        if call.args:
            raise ValueError(ast.unparse(call.args[0]))
        return name, {word.arg: _value(word.value) for word in call.keywords}
    except (SyntaxError, ValueError) as error:
        raise ValueError(
            f"The parameters of {text!r} cannot be read ({error}). Write them as "
            "name:parameter=value,parameter=value, such as skreg:dropout=0.2,patience=20."
        ) from None


def _value(node):
    """A literal, or a bare word as a string."""
    return node.id if isinstance(node, ast.Name) else ast.literal_eval(node)


def without_rule(text):
    """A search without ``decision=balanced``, and whether it had that: it changes nothing in training.

    >>> from benchmarks.methods import without_rule
    >>> without_rule("skreg-search:max_time=120,decision=balanced"), without_rule("hgb")
    (('skreg-search:max_time=120', True), ('hgb', False))
    """
    if not text.startswith("skreg-search:"):
        return text, False
    kept = _without(text, "decision=balanced")
    return kept, kept != text


def without_budget(text):
    """A method without its limit of time: what is alike but for that is one line against seconds.

    >>> from benchmarks.methods import without_budget
    >>> without_budget("skreg-search:max_time=120,decision=balanced"), without_budget("hgb")
    ('skreg-search:decision=balanced', 'hgb')
    """
    return _without(text, "max_time=")


def _without(text, beginning):
    """A method without the parameters whose text begins so."""
    name, _, settings = text.partition(":")
    words = settings.split(",")
    kept = ",".join(word for word in words if not word.strip().startswith(beginning))
    return f"{name}:{kept}" if kept else name


def spaced(text):
    """A method's name as a page shows it, with spaces where a narrow column may break it.

    >>> from benchmarks.methods import spaced
    >>> spaced("skreg-search:max_time=120,decision=balanced"), spaced("hgb")
    ('skreg-search: max_time=120, decision=balanced', 'hgb')
    """
    name, colon, settings = text.partition(":")
    return f"{name}: {re.sub(r',(?=[^ )])', ', ', settings)}" if colon else name


def make(text, task, seed):
    """The estimator of a method, not fitted.

    ValueError where the method or a parameter is not known, ImportError where its package is missing.
    """
    name, options = parse(text)
    method = METHODS[name]
    kind = "Regressor" if task == "regression" else "Classifier"
    try:
        estimator = method.make(kind, seed)
    except ImportError as error:
        raise ImportError(
            f"The method {name!r} takes {method.package}, which cannot be imported ({error}). Run "
            f"`pip install {method.package}`, or leave the method out."
        ) from error
    try:
        estimator.set_params(**options)
        if hasattr(estimator, "_parameter_constraints"):
            estimator._validate_params()
    except ValueError as error:
        what = "regression" if task == "regression" else "classification"
        raise ValueError(f"The method {text!r} cannot be made for {what}: {error}") from None
    if kind == "Regressor" and method.standardise_target:
        return TransformedTargetRegressor(estimator, transformer=StandardScaler())
    return estimator


def view_of(text):
    """Which view of a table a method sees: "network", "tree", "frame" or "raw"."""
    return METHODS[parse(text)[0]].view


def epochs_of(model):
    """Epochs that a fitted net was trained for, None for a model that is not a net."""
    model = getattr(model, "regressor_", model)
    epochs = getattr(model, "epochs_", None) or model_facts(model).epochs
    return None if np.isnan(epochs) else epochs


def optional_versions(methods):
    """Versions of the optional packages that some methods take, by name."""
    packages = {METHODS[parse(text)[0]].package for text in methods} - {None}
    known = packages_distributions()
    return {name: version(name) if name in known else "unknown" for name in sorted(packages)}
