"""What a search draws settings from: the package's own space, or the user's."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import numpy as np
from scipy.stats import loguniform, uniform
from sklearn.model_selection import ParameterGrid, ParameterSampler

from skreg.net.net import KNOBS

#: Widths of the hidden layers that are drawn, one to four of them.
_SHAPES = (
    (128,), (256,),
    (64, 64), (128, 128), (256, 256), (512, 256),
    (64, 64, 64), (128, 128, 128), (128, 128, 128), (256, 256, 256),
    (128, 128, 128, 128),
)  # fmt: skip


@dataclass(frozen=True)
class Choice:
    """One of some values; one that is named twice is twice as likely."""

    values: tuple

    def rvs(self, random_state):
        """A draw."""
        return self.values[random_state.randint(len(self.values))]


@dataclass(frozen=True)
class Sometimes:
    """A draw from a distribution with some probability, else the value that leaves a knob off.

    Searches over many regularizers at once (Kadra et al. 2021) find that each pays on some tables and
    harms on others, so every one of them has to be off in many settings.
    """

    probability: float
    distribution: Any
    off: Any = 0.0

    def rvs(self, random_state):
        """A draw."""
        if random_state.uniform() >= self.probability:
            return self.off
        return self.distribution.rvs(random_state=random_state)


#: Of each knob a distribution of several values: what is not varied is the estimator's. What the ranges rest
#: on stands in the guide (docs/user_guide/search.rst).
SPACE = {
    "learning_rate_init": loguniform(1e-3, 2e-2),
    "hidden_layer_sizes": Choice(_SHAPES),
    "norm": Choice(("batch_norm", "batch_norm", "batch_norm", "layer_norm", None, None)),
    "residual": Sometimes(0.3, Choice((True,)), False),
    "activation": Choice(("relu", "relu", "relu", "relu", "mish", "mish", "selu", "selu", "silu")),
    "dropout": Sometimes(0.9, uniform(0.05, 0.4)),
    "input_dropout": Sometimes(0.3, uniform(0.01, 0.09)),
    "weight_decay": Sometimes(0.8, loguniform(1e-3, 0.3)),
    "l1": Sometimes(0.35, loguniform(1e-4, 1e-3)),
    "l2": Sometimes(0.2, loguniform(1e-6, 1e-2)),
    "max_norm": Sometimes(0.1, uniform(1.0, 3.0), None),
    "label_smoothing": Sometimes(0.2, uniform(0.005, 0.035)),
    "numeric_embedding": Choice(("auto",) * 5 + ("piecewise",) * 2 + (None,)),
    "embedding_scale": loguniform(0.04, 0.35),
    "category_embedding": Choice(("auto", "auto", "onehot", "embedding")),
    "scale_features": Choice(("robust",) * 3 + ("standard",) * 2 + ("quantile",)),
    "mixup": Sometimes(0.25, uniform(0.03, 0.17)),
    "cutmix": Sometimes(0.1, uniform(0.05, 0.45)),
    "input_noise": Sometimes(0.1, loguniform(0.01, 0.3)),
    "ema_decay": Choice((0.6, 0.6, 0.8, 0.8, 0.9)),
}

#: Settings that are tried before any is drawn, after the estimator's own, the cheap ones first: those of 47
#: draws that together were best on 15 tables (docs/development/search.rst), rounded.
PORTFOLIO: tuple[dict, ...] = (
    {
        "learning_rate_init": 4e-3, "hidden_layer_sizes": (64, 64), "residual": True, "dropout": 0.25,
        "input_dropout": 0.07, "weight_decay": 0.06, "l1": [0.0, 0.0, 4e-4], "embedding_scale": 0.13,
        "category_embedding": "embedding",
    },
    {
        "learning_rate_init": 6e-3, "hidden_layer_sizes": (64, 64, 64), "activation": "mish",
        "dropout": 0.23, "weight_decay": 1e-3, "l1": [0.0, 0.0, 0.0, 3.5e-4], "embedding_scale": 0.06,
    },
    {
        "learning_rate_init": 8e-3, "hidden_layer_sizes": (256,), "batch_norm": False, "layer_norm": True,
        "input_dropout": 0.07, "weight_decay": 0.0, "embedding_scale": 0.07,
        "category_embedding": "onehot", "scale_features": "quantile", "ema_decay": 0.6,
    },
    {
        "learning_rate_init": 4.5e-3, "hidden_layer_sizes": (64, 64, 64, 64), "activation": "selu",
        "dropout": 0.0, "weight_decay": 0.016, "l2": [0.0, 0.0, 0.0, 0.0, 3e-3],
        "numeric_embedding": "piecewise", "category_embedding": "embedding", "mixup": 0.1,
    },
    {
        "learning_rate_init": 9e-3, "hidden_layer_sizes": (256, 256, 256), "dropout": 0.33,
        "embedding_scale": 0.2, "scale_features": "standard", "cutmix": 0.15, "ema_decay": 0.6,
    },
    {
        "learning_rate_init": 2.2e-3, "hidden_layer_sizes": (128, 128, 128), "dropout": 0.23,
        "input_dropout": 0.09, "weight_decay": 0.27, "numeric_embedding": "piecewise",
        "category_embedding": "embedding", "ema_decay": 0.9,
    },
    {
        "learning_rate_init": 1.8e-3, "hidden_layer_sizes": (128, 128, 128), "activation": "mish",
        "dropout": 0.3, "weight_decay": 0.3, "l1": [0.0, 0.0, 0.0, 1.5e-4], "embedding_scale": 0.065,
        "category_embedding": "onehot", "mixup": 0.14, "ema_decay": 0.6,
    },
    {
        "learning_rate_init": 5e-3, "hidden_layer_sizes": (512, 256), "batch_norm": False,
        "layer_norm": True, "dropout": 0.35, "weight_decay": 1e-3, "l1": [0.0, 0.0, 1e-4],
        "embedding_scale": 0.11, "category_embedding": "onehot", "scale_features": "standard",
        "mixup": 0.06,
    },
)  # fmt: skip


#: Parameters that are one for all settings: these are compared by the same loss, on the same rows, from the
#: same seeds, and decide alike. The last two say what is done with validation rows, which a search has of its
#: own.
_ONE_FOR_ALL = {
    "loss", "quantile", "scale_target", "decision", "categorical_features",
    "random_state", "warm_start", "max_time", "callbacks", "verbose",
    "validation_fraction", "refit",
}  # fmt: skip

#: Most points of lists that are put in a random order at once.
_MOST_ORDERED = 1 << 16


def check_names(called, part, net, known):
    """Refuse names of parameters that there are not, or that a search has one value of.

    Parameters
    ----------
    called : str
        Parameter of the search that has them.
    part : dict
    net : str
        Name of the class of the nets.
    known : collection of str
        Their parameters.
    """
    unknown = sorted(set(part) - set(known), key=str)
    if unknown:
        near = get_close_matches(str(unknown[0]).rpartition("__")[2], known, n=1)
        hint = f" Do you mean {near[0]!r}?" if near else ""
        raise ValueError(
            f"{called} names {unknown}, which are no parameters of {net}.{hint} Its parameters are "
            f"{sorted(known)}."
        )
    fixed = sorted(_ONE_FOR_ALL & set(part))
    if fixed:
        raise ValueError(
            f"{called} names {fixed}, of which a search has one value for all settings, so that they can be "
            "compared. Set it in the search itself where that has such a parameter, else in its estimator."
        )


def check_values(called, part):
    """Refuse values of parameters that are neither lists nor, in ``param_distributions``, distributions."""
    for name, values in part.items():
        if called == "param_distributions" and hasattr(values, "rvs"):
            continue
        try:
            ParameterGrid({name: values})
        except (TypeError, ValueError):
            allowed = "a list of values"
            if called == "param_distributions":
                allowed += " or a distribution such as scipy.stats.uniform(0, 0.5)"
            raise TypeError(
                f"{called}[{name!r}]={values!r:.80} is no {allowed.removeprefix('a ')}, or it is empty. Pass "
                f"{allowed}; put a single value into a list."
            ) from None


@dataclass(frozen=True)
class Table:
    """What drawing has to know of the training rows.

    Attributes
    ----------
    sparse, categories : bool
        Whether the table is sparse, and whether it has categorical columns.
    embedded : bool
        Whether it has numeric columns that get an embedding by default.
    """

    sparse: bool = False
    categories: bool = False
    embedded: bool = True

    def fitting(self, setting, own):
        """The part of a setting that does something on this table.

        Parameters
        ----------
        setting : dict
        own : dict
            Parameters of the estimator: what it has not, or does not use, is left out.
        """
        idle = set()
        if not self.categories:
            idle.add("category_embedding")
        if self.sparse:
            idle.add("scale_features")
        embedding = setting.get("numeric_embedding", own.get("numeric_embedding"))
        if not self.embedded or embedding not in ("auto", "periodic"):
            idle.add("embedding_scale")
        return {name: v for name, v in setting.items() if name in own and name not in idle}


def draw(rng, own, table):
    """A setting from the package's own space.

    Parameters
    ----------
    rng : numpy.random.RandomState
    own : dict
        Parameters of the estimator.
    table : Table

    Returns
    -------
    dict
        Parameters and values.
    """
    # Each is drawn whether or not it is used, so that what the table is like moves no other draw.
    found = {
        name: _plain(distribution.rvs(random_state=rng)) for name, distribution in SPACE.items()
    }
    norm, depth = found.pop("norm"), len(found["hidden_layer_sizes"])
    found.update(batch_norm=norm == "batch_norm", layer_norm=norm == "layer_norm")
    if norm is not None:
        # A norm undoes penalties on the layers in front of it (`skreg.estimators.resolve`).
        for name in ("l1", "l2"):
            found[name] = [0.0] * depth + [found[name]] if found[name] else 0.0
    sizes = found["hidden_layer_sizes"]
    if all(a != b for a, b in itertools.pairwise(sizes)):
        found["residual"] = False
    return table.fitting(found, own)


def _plain(value):
    """Numbers with three digits, which read better and lose nothing."""
    return float(f"{value:.3g}") if isinstance(value, (float, np.floating)) else value


def settings(estimator, distributions, grid, table, rng):
    """The settings of a search, in the order in which they are tried; an iterator without end, or not.

    Parameters
    ----------
    estimator : estimator
        Its own parameters, unchanged, are the first setting but where a grid is given.
    distributions : dict, list of dict or None
        As of RandomizedSearchCV; None draws from the package's own space.
    grid : dict, list of dict or None
        As of GridSearchCV: all of its points.
    table : Table
    rng : numpy.random.RandomState
    """
    if grid is not None:
        yield from ParameterGrid(grid)
        return
    yield {}
    if distributions is not None:
        yield from _sampled(distributions, rng)
        return
    own = estimator.get_params()
    usual = _usual_of_lists(estimator, own)
    for setting in PORTFOLIO:
        yield {**usual, **table.fitting(setting, own)}
    while True:
        yield {**usual, **draw(rng, own, table)}


def _usual_of_lists(estimator, own):
    """Default values of the parameters that the estimator has as lists with an entry a layer.

    Nets of another depth have no use for its lists.
    """
    defaults = type(estimator)().get_params()
    names = [knob.name for knob in KNOBS if knob.each is not None and knob.name in own]
    return {name: defaults[name] for name in names if np.ndim(own[name])}


def _sampled(distributions, rng):
    """Draws from the user's distributions: where all are lists each of their points once."""
    parts = [distributions] if isinstance(distributions, dict) else distributions
    if any(hasattr(values, "rvs") for part in parts for values in part.values()):
        while True:
            yield from ParameterSampler(distributions, n_iter=16, random_state=rng)
    sizes = [math.prod(len(values) for values in part.values()) for part in parts]
    if sum(sizes) > _MOST_ORDERED:
        yield from _distinct(parts, sizes, rng)
        return
    points = ParameterGrid(distributions)
    for i in rng.permutation(len(points)):
        yield points[i]


def _distinct(parts, sizes, rng):
    """Points of lists at random, none twice, where there are too many to put them all in an order."""
    shares = np.array([size / sum(sizes) for size in sizes])
    seen = set()
    while len(seen) < sum(sizes):
        number = int(rng.choice(len(parts), p=shares / shares.sum()))
        names = sorted(parts[number])
        at = tuple(int(rng.randint(len(parts[number][name]))) for name in names)
        if (number, at) not in seen:
            seen.add((number, at))
            yield {name: parts[number][name][i] for name, i in zip(names, at, strict=True)}
