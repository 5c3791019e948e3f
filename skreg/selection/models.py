"""What selection has to know of an estimator: what sets its strength, and which columns it uses.

The estimator is a net, a linear model, or a Pipeline that ends in one of them.
"""

from __future__ import annotations

import numpy as np
from sklearn import get_config
from sklearn.base import clone, is_classifier
from sklearn.pipeline import Pipeline
from sklearn.utils import column_or_1d

from skreg.estimators.course import generator_of
from skreg.estimators.linear.base import RegularizedLinearModel
from skreg.estimators.linear.strongest import holds_classes
from skreg.estimators.mlp import RegularizedMLPClassifier, RegularizedMLPRegressor
from skreg.estimators.refusing import plain_targets
from skreg.estimators.resolve import automatic_batch_size
from skreg.estimators.tables import as_numpy

#: Steps of the optimiser that the default net is given, and bounds of its epochs. After 600 steps at the
#: nets' default rate of 0.002 dozens of columns are still in use at strengths that leave one in the end.
STEPS, EPOCHS = 1500, (30, 300)

_NETS = (RegularizedMLPClassifier, RegularizedMLPRegressor)


def default_estimator(y, n_rows):
    """The net that is taken where there is no estimator, for classes or for numbers.

    Parameters
    ----------
    y : array-like
    n_rows : int
        That a net is trained on.
    """
    cls = RegularizedMLPClassifier if holds_classes(np.asarray(y)) else RegularizedMLPRegressor
    # One hidden layer of 32 units is as good at linear effects and products, but found two of five sines,
    # where these two layers found all.
    n_rows = max(1, n_rows)  # that there are too few is said later
    epochs = int(np.clip(STEPS / (n_rows / automatic_batch_size(n_rows)), *EPOCHS))
    return cls(
        (64, 64),
        numeric_embedding=None,
        learning_rate_init=0.01,
        max_iter=epochs,
        early_stopping=False,
    )


def targets_of(y, estimator):
    """Targets as an array, (n,) or (n, n_targets), fit for an estimator, or for any where that is None."""
    numbers = None if estimator is None else not is_of_classes(estimator)
    y = plain_targets(as_numpy(y), numbers=numbers)
    y = np.asarray(y.toarray() if hasattr(y, "toarray") else y)
    return column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y


def last_step(estimator):
    """The net or linear model itself."""
    return estimator.steps[-1][1] if isinstance(estimator, Pipeline) else estimator


def check_model(estimator):
    """Refuse what has no strength that takes columns out.

    Raises
    ------
    TypeError
    """
    model = last_step(estimator)
    if not isinstance(model, (*_NETS, RegularizedLinearModel)):
        raise TypeError(
            f"estimator={estimator!r} has no penalty that takes columns out one by one. Pass a "
            "RegularizedMLPClassifier or -Regressor (group_l1), a RegularizedLinearClassifier or "
            "-Regressor (l1), or a Pipeline that ends in one of them."
        )


def strength_name(estimator):
    """Name of the parameter that takes columns out: "group_l1" of nets, "l1" of linear models."""
    return prefix_of(estimator) + ("group_l1" if isinstance(last_step(estimator), _NETS) else "l1")


def weights_for(model, weight):
    """What `fit` is called with for weights of rows: those of the last step.

    Where metadata is routed, steps of a Pipeline that ask for nothing are not given them.
    """
    if weight is None:
        return {}
    if not get_config()["enable_metadata_routing"]:
        return {f"{prefix_of(model)}sample_weight": weight}
    if isinstance(model, Pipeline):
        for name, step in model.steps:
            if hasattr(step, "set_fit_request") and _asks_for_weights(step) is None:
                step.set_fit_request(sample_weight=name == model.steps[-1][0])
    return {"sample_weight": weight}


def _asks_for_weights(step):
    """What a step's `fit` has been told of ``sample_weight``: True, False, a name, or None."""
    return step.get_metadata_routing().fit.requests.get("sample_weight")


def prefix_of(estimator):
    """What is in front of the names of the last step's parameters."""
    return f"{estimator.steps[-1][0]}__" if isinstance(estimator, Pipeline) else ""


def member(estimator, strength, seed):
    """A copy with another strength and seed, which trains to the end.

    A net leaves columns behind as it trains, and the best epoch of early stopping may come before the
    last of them has gone.
    """
    model = clone(estimator)
    changes = {strength_name(estimator): float(strength)}
    if isinstance(last_step(estimator), _NETS):
        prefix = prefix_of(estimator)
        changes |= {f"{prefix}early_stopping": False, f"{prefix}warm_start": False}
    for name in model.get_params(deep=True):
        if name.rpartition("__")[2] == "random_state":
            changes[name] = seed
    return model.set_params(**changes)


def seed_of(estimator, random_state):
    """Seed of all members: the caller's, else the estimator's own, else a fresh one."""
    if random_state is None:
        random_state = getattr(last_step(estimator), "random_state", None)
    if random_state is None or isinstance(random_state, np.random.RandomState):
        return int(generator_of(random_state).randint(np.iinfo(np.int32).max))
    return int(random_state)


def used_columns(fitted):
    """Which columns a fitted estimator uses, and how much.

    Parameters
    ----------
    fitted : estimator
        Of a Pipeline the columns are those that its last step is given.

    Returns
    -------
    used : ndarray of bool, shape (n_columns,)
    importances : ndarray of float, shape (n_columns,)
        Norms of what each column has in the first layer, as shares of their sum; zero where not used.
    """
    model = last_step(fitted)
    if hasattr(model, "selected_features_"):
        return np.array(model.selected_features_), np.array(model.feature_importances_)
    weights = np.atleast_2d(model.coef_)
    squares = np.bincount(
        model.input_features_, (weights**2).sum(axis=0), minlength=model.n_features_in_
    )
    norms = np.sqrt(squares)
    total = norms.sum()
    return norms > 0, norms / total if total > 0 else norms


def column_names(fitted):
    """Names of the columns that the last step was given, ``"x0"`` where they have none."""
    model = last_step(fitted)
    names = getattr(model, "feature_names_in_", None)
    if names is None and isinstance(fitted, Pipeline) and len(fitted.steps) > 1:
        try:
            names = fitted[:-1].get_feature_names_out()
        except (AttributeError, ValueError):
            names = None
    if names is None or len(names) != model.n_features_in_:
        names = [f"x{j}" for j in range(model.n_features_in_)]
    return np.array(names, dtype=object)


def is_of_classes(estimator):
    """Whether an estimator, or the last step of a Pipeline, is a classifier."""
    return is_classifier(last_step(estimator))
