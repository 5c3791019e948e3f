"""What a search draws settings from: the package's own space, or the user's."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import loguniform, uniform
from sklearn.model_selection import ParameterGrid, ParameterSampler

from skreg.estimators.resolve import automatic_batch_size

#: Widths of the hidden layers that are drawn, one to four of them.
_SHAPES = (
    (128,), (256,),
    (64, 64), (128, 128), (256, 256), (256, 256), (512, 256),
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


#: Of each knob a distribution. What the ranges rest on stands in the guide (docs/guide/search.rst).
SPACE = {
    "learning_rate_init": loguniform(1e-3, 2e-2),
    "hidden_layer_sizes": Choice(_SHAPES),
    "norm": Choice(("batch_norm", "batch_norm", "batch_norm", "layer_norm", None, None)),
    "residual": Sometimes(0.3, Choice((True,)), False),
    "activation": Choice(("relu", "relu", "relu", "selu", "mish", "silu")),
    "dropout": Sometimes(0.9, uniform(0.05, 0.4)),
    "input_dropout": Sometimes(0.3, uniform(0.01, 0.09)),
    "weight_decay": Sometimes(0.8, loguniform(1e-3, 0.3)),
    "l1": Sometimes(0.3, loguniform(1e-5, 1e-3)),
    "l2": Sometimes(0.3, loguniform(1e-6, 1e-2)),
    "max_norm": Sometimes(0.1, uniform(1.0, 3.0), None),
    "label_smoothing": Sometimes(0.2, uniform(0.01, 0.04)),
    "numeric_embedding": Choice(("auto",) * 7 + ("piecewise",) * 2 + (None,)),
    "embedding_scale": loguniform(0.05, 0.3),
    "category_embedding": Choice(("auto", "auto", "onehot", "embedding")),
    "scale_features": Choice(("robust", "robust", "quantile", "standard")),
    "batch_size": Choice((0.5, 1, 1, 1, 2)),
    "mixup": Sometimes(0.25, uniform(0.03, 0.17)),
    "cutmix": Sometimes(0.1, uniform(0.05, 0.25)),
    "input_noise": Sometimes(0.1, loguniform(0.01, 0.1)),
    "ema_decay": Choice((0.8, 0.8, 0.9, 0.6, 0.6)),
}

#: Settings that are tried before any is drawn, after the estimator's own.
PORTFOLIO: tuple[dict, ...] = ()


@dataclass(frozen=True)
class Table:
    """What drawing has to know of the training rows.

    Attributes
    ----------
    n_rows : int
        That a net is trained on.
    sparse, categories : bool
        Whether the table is sparse, and whether it has categorical columns.
    """

    n_rows: int
    sparse: bool = False
    categories: bool = False


def draw(rng, names, table):
    """A setting from the package's own space.

    Parameters
    ----------
    rng : numpy.random.RandomState
    names : collection of str
        Parameters that the estimator has.
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
    if found["numeric_embedding"] != "auto":
        del found["embedding_scale"]
    if not table.categories:
        del found["category_embedding"]
    if table.sparse:
        del found["scale_features"]
    share = found.pop("batch_size")
    size = automatic_batch_size(table.n_rows)
    found["batch_size"] = "auto" if share == 1 else max(8, int(share * size))
    return {name: value for name, value in found.items() if name in names}


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
    names = estimator.get_params()
    for setting in PORTFOLIO:
        yield {name: value for name, value in setting.items() if name in names}
    while True:
        yield draw(rng, names, table)


def _sampled(distributions, rng):
    """Draws from the user's distributions: where all are lists each of their points once."""
    parts = [distributions] if isinstance(distributions, dict) else distributions
    if all(not hasattr(v, "rvs") for part in parts for v in part.values()):
        points = ParameterGrid(distributions)
        for i in rng.permutation(len(points)):
            yield points[i]
        return
    while True:
        yield from ParameterSampler(distributions, n_iter=16, random_state=rng)
