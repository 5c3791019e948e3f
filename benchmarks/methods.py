"""The methods of the tables by name, ours and the peers, as scikit-learn estimators.

A method may be given parameters, ``skreg:dropout=0.2,patience=20``: they are set on the estimator
that it names and make another method of their own in the results. All methods that can have several
threads have as many as torch; ``OMP_NUM_THREADS`` bounds them all.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version

import numpy as np
import torch
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
from sklearn.linear_model import LogisticRegressionCV, RidgeCV
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.starts import STARTS, started
from skreg import (
    BaggedMLPClassifier,
    BaggedMLPRegressor,
    RegularizedLinearClassifier,
    RegularizedLinearRegressor,
    RegularizedMLPClassifier,
    RegularizedMLPRegressor,
)
from skreg.comparison.models import model_facts
from skreg.comparison.preparing import squashing_scaler


@dataclass(frozen=True)
class Method:
    """How a method is made.

    Attributes
    ----------
    what : str
        One line for the page.
    view : {"network", "tree", "frame"}
        What it sees of a table.
    classifier, regressor : callable
        From a seed to an estimator.
    package : str or None
        What must be installed beyond the dependencies.
    standardise_target : bool
        Whether a regressor is given a standardised target.
    """

    what: str
    view: str
    classifier: Callable
    regressor: Callable
    package: str | None = None
    standardise_target: bool = False


# -- ours -----------------------------------------------------------------------------------------

#: Everything off that regularizes. `label_smoothing` is the classifier's alone.
PLAIN = {
    "batch_norm": False,
    "dropout": 0.0,
    "input_dropout": 0.0,
    "l1": 0.0,
    "l2": 0.0,
    "weight_decay": 0.0,
    "max_norm": None,
    "label_smoothing": 0.0,
    "early_stopping": False,
}
#: Each knob alone on top of the plain net: an ordinary value, the same for all tables.
KNOBS = {
    "dropout": {"dropout": 0.2},
    "input-dropout": {"input_dropout": 0.1},
    "batch-norm": {"batch_norm": True},
    "l1": {"l1": 1e-4},
    "l2": {"l2": 1e-3},
    "weight-decay": {"weight_decay": 0.01},
    "early-stopping": {"early_stopping": True},
}


def _net(what, options):
    def make(estimator):
        known = {k: v for k, v in options.items() if k in estimator().get_params()}
        return lambda seed: estimator(**known, random_state=seed)

    return Method(what, "network", make(RegularizedMLPClassifier), make(RegularizedMLPRegressor))


def _squashed(net):
    def make(seed):
        return Pipeline([("scale", squashing_scaler()), ("net", net(random_state=seed))])

    return make


def _bagged(bag, net):
    # The net is given, so that ``skreg-bagged:estimator__dropout=0.2`` finds it.
    return lambda seed: bag(net(), random_state=seed)


def _linear_search(estimator, scoring):
    grid = [{"l2": [1e-4, 1e-3, 1e-2, 1e-1]}, {"l1": [1e-3, 1e-2], "l2": [0.0]}]
    return lambda seed: GridSearchCV(estimator(), grid, scoring=scoring, cv=3)


def _ours():
    methods = {
        "skreg": _net("the nets of this package with their defaults", {}),
        "skreg-plain": _net("the default net without a single regularizer", PLAIN),
    }
    for name, knob in KNOBS.items():
        setting = ", ".join(f"{k}={v}" for k, v in knob.items())
        methods[f"skreg-plain+{name}"] = _net(f"the plain net with {setting}", {**PLAIN, **knob})
    methods["skreg-squash"] = Method(
        "skrub's SquashingScaler, quantiles and a bend at 3, in front of the default net",
        "network",
        _squashed(RegularizedMLPClassifier),
        _squashed(RegularizedMLPRegressor),
        package="skrub",
    )
    for name, (what, _) in STARTS.items():
        methods[f"skreg-start-{name}"] = Method(
            f"the default net from other initial weights, {what}",
            "network",
            partial(started, name, False),
            partial(started, name, True),
        )
    methods["skreg-linear"] = Method(
        "RegularizedLinearClassifier and -Regressor; the best of 4 l2 and 2 l1 by 3-fold search",
        "network",
        _linear_search(RegularizedLinearClassifier, "neg_log_loss"),
        _linear_search(RegularizedLinearRegressor, "r2"),
    )
    methods["skreg-bagged"] = Method(
        "BaggedMLPClassifier and -Regressor with their defaults",
        "network",
        _bagged(BaggedMLPClassifier, RegularizedMLPClassifier),
        _bagged(BaggedMLPRegressor, RegularizedMLPRegressor),
    )
    return methods


# -- the peers ------------------------------------------------------------------------------------


def _of(package, name, threads, **options):
    """An estimator that is imported when it is made; `threads` is its parameter."""

    def make(seed):
        options[threads] = torch.get_num_threads()
        return getattr(import_module(package), name)(random_state=seed, **options)

    return make


def _twin(name):
    return lambda seed: getattr(import_module("benchmarks.twin"), name)(random_state=seed)


PEERS = {
    "skmlp": Method(
        "scikit-learn's MLP with its defaults",
        "network",
        lambda seed: MLPClassifier(random_state=seed),
        lambda seed: MLPRegressor(random_state=seed),
        standardise_target=True,
    ),
    "skmlp-es": Method(
        "scikit-learn's MLP with early_stopping=True",
        "network",
        lambda seed: MLPClassifier(early_stopping=True, random_state=seed),
        lambda seed: MLPRegressor(early_stopping=True, random_state=seed),
        standardise_target=True,
    ),
    "hgb": Method(
        "scikit-learn's HistGradientBoosting with its defaults",
        "tree",
        lambda seed: HistGradientBoostingClassifier(random_state=seed),
        lambda seed: HistGradientBoostingRegressor(random_state=seed),
    ),
    "linear": Method(
        "LogisticRegressionCV (5 Cs, 3 folds, 200 iterations) and RidgeCV (13 alphas)",
        "network",
        lambda seed: LogisticRegressionCV(Cs=5, cv=3, max_iter=200, random_state=seed),
        lambda seed: RidgeCV(np.logspace(-3, 3, 13)),
    ),
    "forest": Method(
        "scikit-learn's RandomForest with its defaults",
        "tree",
        _of("sklearn.ensemble", "RandomForestClassifier", "n_jobs"),
        _of("sklearn.ensemble", "RandomForestRegressor", "n_jobs"),
    ),
    "skorch": Method(
        "the module of the default net in skorch's own loop: AdamW at a constant rate, its rates, "
        "batch size and epochs those of the default net, skorch's EarlyStopping with the default "
        "net's held-out share and patience, best epoch restored",
        "network",
        _twin("SkorchTwinClassifier"),
        _twin("SkorchTwinRegressor"),
        standardise_target=True,
    ),
    "lgbm": Method(
        "LightGBM with its defaults",
        "tree",
        _of("lightgbm", "LGBMClassifier", "n_jobs", verbose=-1),
        _of("lightgbm", "LGBMRegressor", "n_jobs", verbose=-1),
        package="lightgbm",
    ),
    "realmlp": Method(
        "pytabkit's RealMLP_TD, which encodes and scales for itself",
        "frame",
        _of("pytabkit", "RealMLP_TD_Classifier", "n_threads"),
        _of("pytabkit", "RealMLP_TD_Regressor", "n_threads"),
        package="pytabkit",
    ),
    "tabm": Method(
        "pytabkit's TabM_D, which encodes and scales for itself",
        "frame",
        _of("pytabkit", "TabM_D_Classifier", "n_threads"),
        _of("pytabkit", "TabM_D_Regressor", "n_threads"),
        package="pytabkit",
    ),
}

METHODS = {**_ours(), **PEERS}

#: Names that stand for several methods.
GROUPS = {
    "ours": ["skreg", "skreg-linear", "skreg-bagged"],
    "knobs": [name for name in METHODS if name.startswith("skreg-plain")],
    "peers": [name for name, method in PEERS.items() if method.package is None],
}


# -- from a name to an estimator ------------------------------------------------------------------


def expand(words):
    """The methods that a command line names, each once.

    Parameters
    ----------
    words : list of str
        Names of methods or groups, several in a word with commas between; or one method with
        parameters.

    Returns
    -------
    list of str

    Examples
    --------
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
    """A method's name and its parameters.

    Raises
    ------
    ValueError
        Where the method is not known, or the parameters cannot be read.

    Examples
    --------
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


def make(text, task, seed):
    """The estimator of a method, not fitted.

    Parameters
    ----------
    text : str
        A name, or a name with parameters.
    task : {"binary", "multiclass", "regression"}
    seed : int

    Returns
    -------
    estimator

    Raises
    ------
    ValueError
        Where the method or a parameter is not known.
    ImportError
        Where its package is not installed.
    """
    name, options = parse(text)
    method = METHODS[name]
    regression = task == "regression"
    try:
        estimator = (method.regressor if regression else method.classifier)(seed)
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
        kind = "regression" if regression else "classification"
        raise ValueError(f"The method {text!r} cannot be made for {kind}: {error}") from None
    if regression and method.standardise_target:
        return TransformedTargetRegressor(estimator, transformer=StandardScaler())
    return estimator


def view_of(text):
    """Which view of a table a method sees: "network", "tree" or "frame"."""
    return METHODS[parse(text)[0]].view


def epochs_of(model):
    """Epochs that a fitted net was trained for, None for a model that is not a net."""
    model = getattr(model, "regressor_", model)
    epochs = getattr(model, "epochs_", None) or model_facts(model).epochs
    return None if np.isnan(epochs) else epochs


def optional_versions(methods):
    """Versions of the optional packages that some methods take.

    Parameters
    ----------
    methods : list of str

    Returns
    -------
    dict of str to str
    """
    packages = {METHODS[parse(text)[0]].package for text in methods} - {None}
    found = {}
    for package in sorted(packages):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "of unknown version"
    return found
