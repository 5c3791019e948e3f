"""The settings of `benchmarks.defaults`: the default net, and nets with one thing changed."""

from __future__ import annotations

from typing import NamedTuple

from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor


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


#: What all others are compared with.
DEFAULT = "default"

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
    "adaptive rate": _both("slower where nothing improves", learning_rate="adaptive", patience=10),
    "beta_2 0.999": _both("scikit-learn's and torch's value", "beta_2 of 0.95", beta_2=0.999),
    "50 epochs": _both("half the time", max_iter=50),
    "200 epochs": _both("twice the time", max_iter=200),
    "batch 64": _both("more steps an epoch on large tables", batch_size=64),
    "batch 256": _both("fewer steps an epoch on small tables", batch_size=256),
    "no averaging": _both(
        "is the average of the weights worth it", "average of the weights", ema_decay=0.0
    ),
    "average of 0.9": _both("a longer average", ema_decay=0.9),
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
    "clip": Setting("never beyond the targets that were seen", None, {"clip": True}),
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
    "periodic + dropout 0.2": _both(
        "more columns, more dropout", numeric_embedding="periodic", dropout=0.2
    ),
    "no early stopping + dropout 0.2": _both(
        "all rows, held by dropout", early_stopping=False, dropout=0.2
    ),
    "no early stopping + dropout 0.2 + periodic": _both(
        "the same, with sines and cosines",
        early_stopping=False,
        dropout=0.2,
        numeric_embedding="periodic",
    ),
    "no early stopping + dropout 0.3": _both(
        "all rows, held by more dropout", early_stopping=False, dropout=0.3
    ),
    "no early stopping + dropout 0.2 + weight decay 0.03": _both(
        "all rows, held by dropout and decay",
        early_stopping=False,
        dropout=0.2,
        weight_decay=0.03,
    ),
    "no early stopping + dropout 0.2 + 50 epochs": _both(
        "the same in half the time", early_stopping=False, dropout=0.2, max_iter=50
    ),
    "no early stopping + dropout 0.2 + label smoothing 0.1": Setting(
        "all rows, held by dropout and softer labels",
        {"early_stopping": False, "dropout": 0.2, "label_smoothing": 0.1},
        None,
    ),
    "no early stopping + dropout 0.2 + mish": _both(
        "the same, with another activation",
        early_stopping=False,
        dropout=0.2,
        activation="mish",
    ),
    "refit + dropout 0.2": _both("all rows, more dropout", refit=True, dropout=0.2),
    "layers 512-512 + dropout 0.3": _both(
        "wider, held by dropout", hidden_layer_sizes=(512, 512), dropout=0.3
    ),
    "layers 256-256-256 + dropout 0.2": _both(
        "deeper, held by dropout", hidden_layer_sizes=(256, 256, 256), dropout=0.2
    ),
    # -- with sines and cosines
    "periodic + dropout 0.3": _both(
        "more columns, much more dropout", numeric_embedding="periodic", dropout=0.3
    ),
    "periodic + dropout 0.2 + label smoothing 0.1": Setting(
        "more columns, more dropout, softer labels",
        {"numeric_embedding": "periodic", "dropout": 0.2, "label_smoothing": 0.1},
        None,
    ),
    "periodic + dropout 0.2 + label smoothing 0.05": Setting(
        "the same, half as soft",
        {"numeric_embedding": "periodic", "dropout": 0.2, "label_smoothing": 0.05},
        None,
    ),
    "periodic + dropout 0.2 + stop by balanced accuracy": Setting(
        "the same, stopped by what is scored here",
        {"numeric_embedding": "periodic", "dropout": 0.2, "scoring": "balanced_accuracy"},
        None,
    ),
    "no early stopping + dropout 0.2 + periodic + label smoothing 0.1": Setting(
        "all rows, held by dropout and softer labels",
        {
            "early_stopping": False,
            "dropout": 0.2,
            "numeric_embedding": "periodic",
            "label_smoothing": 0.1,
        },
        None,
    ),
    "no early stopping + dropout 0.3 + periodic": _both(
        "all rows, more dropout, sines and cosines",
        early_stopping=False,
        dropout=0.3,
        numeric_embedding="periodic",
    ),
    "no early stopping + dropout 0.2 + periodic + 50 epochs": _both(
        "the same with less dropout in half the time",
        early_stopping=False,
        dropout=0.2,
        numeric_embedding="periodic",
        max_iter=50,
    ),
    "periodic + dropout 0.2 + mish": _both(
        "another activation", numeric_embedding="periodic", dropout=0.2, activation="mish"
    ),
    "periodic + dropout 0.2 + layers 128-128": _both(
        "narrower", numeric_embedding="periodic", dropout=0.2, hidden_layer_sizes=(128, 128)
    ),
    "periodic + dropout 0.2 + layers 256-256-256": _both(
        "deeper", numeric_embedding="periodic", dropout=0.2, hidden_layer_sizes=(256, 256, 256)
    ),
    "periodic + dropout 0.2 + rate 1e-3": _both(
        "slower", numeric_embedding="periodic", dropout=0.2, learning_rate_init=1e-3
    ),
    "periodic + dropout 0.2 + rate 4e-3": _both(
        "faster", numeric_embedding="periodic", dropout=0.2, learning_rate_init=4e-3
    ),
    "periodic + dropout 0.2 + no batch norm": _both(
        "is batch norm worth its time there",
        numeric_embedding="periodic",
        dropout=0.2,
        batch_norm=False,
    ),
    "refit + periodic + dropout 0.2": _both(
        "all rows, for the epochs found", refit=True, numeric_embedding="periodic", dropout=0.2
    ),
    "periodic + dropout 0.2 + clip": Setting(
        "never beyond the targets that were seen",
        None,
        {"numeric_embedding": "periodic", "dropout": 0.2, "clip": True},
    ),
    "no early stopping + dropout 0.2 + periodic + clip": Setting(
        "never beyond the targets that were seen",
        None,
        {
            "early_stopping": False,
            "dropout": 0.2,
            "numeric_embedding": "periodic",
            "clip": True,
        },
    ),
    "no early stopping + dropout 0.2 + clip": Setting(
        "never beyond the targets that were seen",
        None,
        {"early_stopping": False, "dropout": 0.2, "clip": True},
    ),
    # -- refitted on all rows, with sines and cosines
    "refit + periodic + dropout 0.3": _both(
        "more dropout", refit=True, numeric_embedding="periodic", dropout=0.3
    ),
    "refit + periodic + dropout 0.2 + label smoothing 0.1": Setting(
        "softer labels",
        {
            "refit": True,
            "numeric_embedding": "periodic",
            "dropout": 0.2,
            "label_smoothing": 0.1,
        },
        None,
    ),
    "refit + periodic + dropout 0.2 + clip": Setting(
        "never beyond the targets that were seen",
        None,
        {"refit": True, "numeric_embedding": "periodic", "dropout": 0.2, "clip": True},
    ),
    "refit + periodic + dropout 0.2 + mish": _both(
        "another activation",
        refit=True,
        numeric_embedding="periodic",
        dropout=0.2,
        activation="mish",
    ),
    "refit + periodic + dropout 0.2 + layers 128-128": _both(
        "narrower",
        refit=True,
        numeric_embedding="periodic",
        dropout=0.2,
        hidden_layer_sizes=(128, 128),
    ),
    "refit + periodic + dropout 0.2 + layers 256-256-256": _both(
        "deeper",
        refit=True,
        numeric_embedding="periodic",
        dropout=0.2,
        hidden_layer_sizes=(256, 256, 256),
    ),
    "refit + periodic + dropout 0.2 + rate 1e-3": _both(
        "slower",
        refit=True,
        numeric_embedding="periodic",
        dropout=0.2,
        learning_rate_init=1e-3,
    ),
    "refit + periodic + dropout 0.2 + no batch norm": _both(
        "is batch norm worth its time there",
        refit=True,
        numeric_embedding="periodic",
        dropout=0.2,
        batch_norm=False,
    ),
    "refit + periodic + dropout 0.2 + stop by balanced accuracy": Setting(
        "stopped by what is scored here",
        {
            "refit": True,
            "numeric_embedding": "periodic",
            "dropout": 0.2,
            "scoring": "balanced_accuracy",
        },
        None,
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
