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


def _classes(reason, **parameters):
    return Setting(reason, parameters, None)


def _numbers(reason, reverts="", **parameters):
    return Setting(reason, None, parameters, reverts)


#: What all others are compared with.
DEFAULT = "default"

#: The net of the first round: no average of the weights, no embedding, no clipping, less dropout. The
#: settings of that round, "plain + ...", are compared with it.
PLAIN = "plain"

_NONE = {"numeric_embedding": None}

SETTINGS = {
    DEFAULT: _both("what all others are compared with"),
    # -- layers that regularize
    "no batch norm": _both("is batch norm worth its time", "batch norm", batch_norm=False),
    "dropout 0": _both("is dropout worth it", "dropout", dropout=0.0),
    "dropout 0.1": _both("less dropout", dropout=0.1),
    "dropout 0.3": _both("more dropout", dropout=0.3),
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
    "label smoothing 0.1": _classes("softer labels", label_smoothing=0.1),
    # -- optimiser
    "rate 5e-4": _both("slower", learning_rate_init=5e-4),
    "rate 1e-3": _both(
        "scikit-learn's and torch's value", "learning rate of 2e-3", learning_rate_init=1e-3
    ),
    "rate 4e-3": _both("faster", learning_rate_init=4e-3),
    "constant rate": _both("is the schedule worth it", "cosine schedule", learning_rate="constant"),
    "one cycle": _both("a warm-up before the fall", learning_rate="one_cycle"),
    "adaptive rate + patience 10": _both(
        "slower where nothing improves", learning_rate="adaptive", patience=10
    ),
    "beta_2 0.999": _both("scikit-learn's and torch's value", "beta_2 of 0.95", beta_2=0.999),
    "no averaging": _both(
        "is the average of the weights worth it", "average of the weights", ema_decay=0.0
    ),
    "average of 0.9": _both("a longer average", ema_decay=0.9),
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
    "stop by balanced accuracy": _classes(
        "stop by what is scored here", scoring="balanced_accuracy"
    ),
    # -- loss, activation, shape
    "no clip": _numbers("may predictions leave the range of the targets", "clip", clip=False),
    "huber loss": _numbers("targets with outliers", loss="huber"),
    "gelu": _both("another activation", activation="gelu"),
    "silu": _both("another activation", activation="silu"),
    "mish": _both("another activation", activation="mish"),
    "selu": _both("another activation", activation="selu"),
    "layers 256": _both("one layer", hidden_layer_sizes=(256,)),
    "layers 128-128": _both("narrower", hidden_layer_sizes=(128, 128)),
    "layers 512-512": _both("wider", hidden_layer_sizes=(512, 512)),
    "layers 256-256-256": _both("deeper", hidden_layer_sizes=(256, 256, 256)),
    "no periodic": _both(
        "are sines and cosines of the numbers worth it", "periodic embedding", **_NONE
    ),
    # -- several at once
    "no periodic + dropout 0.1": _both("a plain net", dropout=0.1, **_NONE),
    "no periodic + dropout 0.1 + no clip": _numbers(
        "a plain net", dropout=0.1, clip=False, **_NONE
    ),
    "no averaging + no periodic + dropout 0.1": _both(
        "a plain net without the average", ema_decay=0.0, dropout=0.1, **_NONE
    ),
    "no averaging + no periodic + dropout 0.1 + no clip": _numbers(
        "a plain net without the average", ema_decay=0.0, dropout=0.1, clip=False, **_NONE
    ),
    "refit + no periodic + dropout 0.1": _both(
        "a plain net on all rows", refit=True, dropout=0.1, **_NONE
    ),
    "refit + no periodic + dropout 0.1 + no clip": _numbers(
        "a plain net on all rows", refit=True, dropout=0.1, clip=False, **_NONE
    ),
    "no early stopping + label smoothing 0.1": _classes(
        "all rows, held by softer labels", early_stopping=False, label_smoothing=0.1
    ),
    "refit + label smoothing 0.1": _classes(
        "all rows, softer labels", refit=True, label_smoothing=0.1
    ),
    "refit + stop by balanced accuracy": _classes(
        "all rows, stopped by what is scored here", refit=True, scoring="balanced_accuracy"
    ),
    "refit + dropout 0.3": _both("all rows, more dropout", refit=True, dropout=0.3),
    "refit + mish": _both("all rows, another activation", refit=True, activation="mish"),
    "refit + layers 128-128": _both(
        "all rows, narrower", refit=True, hidden_layer_sizes=(128, 128)
    ),
    "refit + layers 256-256-256": _both(
        "all rows, deeper", refit=True, hidden_layer_sizes=(256, 256, 256)
    ),
    "refit + rate 1e-3": _both("all rows, slower", refit=True, learning_rate_init=1e-3),
    "refit + no batch norm": _both("all rows, no batch norm", refit=True, batch_norm=False),
    "refit + no clip": _numbers("all rows", refit=True, clip=False),
    "refit + dropout 0.3 + no clip": _numbers(
        "all rows, more dropout", refit=True, dropout=0.3, clip=False
    ),
    "refit + mish + no clip": _numbers(
        "all rows, another activation", refit=True, activation="mish", clip=False
    ),
    "refit + layers 128-128 + no clip": _numbers(
        "all rows, narrower", refit=True, hidden_layer_sizes=(128, 128), clip=False
    ),
    "refit + layers 256-256-256 + no clip": _numbers(
        "all rows, deeper", refit=True, hidden_layer_sizes=(256, 256, 256), clip=False
    ),
    "refit + rate 1e-3 + no clip": _numbers(
        "all rows, slower", refit=True, learning_rate_init=1e-3, clip=False
    ),
    "refit + no batch norm + no clip": _numbers(
        "all rows, no batch norm", refit=True, batch_norm=False, clip=False
    ),
}


# -- the first round -------------------------------------------------------------------------------

_PLAIN_NUMBERS = {"ema_decay": 0.0, "dropout": 0.1, "clip": False, **_NONE}
_PLAIN_CLASSES = {name: value for name, value in _PLAIN_NUMBERS.items() if name != "clip"}

#: Settings above that the first round tried too.
_TRIED_TWICE = (
    *("no batch norm", "dropout 0", "dropout 0.3", "dropout 0.4", "input dropout 0.05"),
    *("weight decay 0", "weight decay 0.03", "weight decay 0.1", "l2 1e-4", "l2 1e-3", "l1 1e-5"),
    *("max norm 3", "label smoothing 0.1", "rate 5e-4", "rate 1e-3", "rate 4e-3", "constant rate"),
    *("one cycle", "beta_2 0.999", "50 epochs", "200 epochs", "batch 64", "batch 256"),
    *("no early stopping", "patience 10", "patience 100", "validation 0.1", "validation 0.2"),
    *("refit", "stop by balanced accuracy", "huber loss", "gelu", "silu", "mish", "selu"),
    *("layers 256", "layers 128-128", "layers 512-512", "layers 256-256-256"),
)
_PERIODIC = {"numeric_embedding": "periodic"}
_ON = {"early_stopping": False, "dropout": 0.2}

_FIRST_ROUND = {name: SETTINGS[name] for name in _TRIED_TWICE} | {
    "dropout 0.05": _both("less dropout", dropout=0.05),
    "dropout 0.2": _both("more dropout", dropout=0.2),
    "periodic": _both("sines and cosines of the numbers", **_PERIODIC),
    "periodic + dropout 0.2": _both("more columns, more dropout", dropout=0.2, **_PERIODIC),
    "no early stopping + dropout 0.2": _both("all rows, held by dropout", **_ON),
    "no early stopping + dropout 0.3": _both(
        "all rows, held by more dropout", early_stopping=False, dropout=0.3
    ),
    "no early stopping + dropout 0.2 + periodic": _both(
        "all rows, with sines and cosines", **_ON, **_PERIODIC
    ),
    "no early stopping + dropout 0.2 + weight decay 0.03": _both(
        "all rows, held by dropout and decay", weight_decay=0.03, **_ON
    ),
    "no early stopping + dropout 0.2 + 50 epochs": _both("half the time", max_iter=50, **_ON),
    "no early stopping + dropout 0.2 + label smoothing 0.1": _classes(
        "all rows, held by dropout and softer labels", label_smoothing=0.1, **_ON
    ),
    "no early stopping + dropout 0.2 + mish": _both(
        "all rows, another activation", activation="mish", **_ON
    ),
    "refit + dropout 0.2": _both("all rows, more dropout", refit=True, dropout=0.2),
    "layers 512-512 + dropout 0.3": _both(
        "wider, held by dropout", hidden_layer_sizes=(512, 512), dropout=0.3
    ),
    "layers 256-256-256 + dropout 0.2": _both(
        "deeper, held by dropout", hidden_layer_sizes=(256, 256, 256), dropout=0.2
    ),
}


def _plain(setting):
    """A setting on top of the net of the first round."""
    classes, numbers = setting.classifier, setting.regressor
    return Setting(
        setting.reason,
        None if classes is None else {**_PLAIN_CLASSES, **classes},
        None if numbers is None else {**_PLAIN_NUMBERS, **numbers},
    )


SETTINGS[PLAIN] = _plain(_both("what the first round was compared with"))
SETTINGS |= {f"{PLAIN} + {name}": _plain(setting) for name, setting in _FIRST_ROUND.items()}


def base(name):
    """What a setting is compared with: the default, or the net of the first round."""
    return PLAIN if name.split(" + ")[0] == PLAIN else DEFAULT


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
