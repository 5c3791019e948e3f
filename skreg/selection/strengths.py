"""Strengths of a path: from the one that takes out all columns that can go, downwards."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from skreg.estimators.course import fix_scale
from skreg.estimators.linear.base import RegularizedLinearModel
from skreg.estimators.linear.regressor import RegularizedLinearRegressor
from skreg.estimators.linear.strongest import l1_max
from skreg.estimators.target import for_engine
from skreg.objective.losses import rowwise
from skreg.selection.models import is_of_classes, last_step

#: The weakest strength of a path as a share of the strongest.
WEAKEST = 0.02

#: The strongest strength of a net with hidden layers, as a share of the loss of the null model. On tables of
#: 200 columns (linear effects, products or sines of a few; 200 and 2,000 rows) one column is left at it and
#: somewhat below, and the columns that count come in between a quarter and a twentieth of it.
OF_NULL_LOSS = 0.4


def strengths_of(estimator, X, y, strengths, n_strengths, sample_weight=None):
    """The strengths of a path, the strongest first.

    Parameters
    ----------
    estimator : estimator
    X, y : array-likes
        All rows.
    strengths : "auto" or array-like
    n_strengths : int
        How many where they are "auto".
    sample_weight : array-like, optional

    Returns
    -------
    ndarray of shape (n_strengths,)

    Raises
    ------
    ValueError
        For strengths that are no numbers above zero, and where none can be found.
    """
    if not isinstance(strengths, str):
        return _checked(strengths)
    strongest = _strongest(estimator, X, y, sample_weight)
    if not strongest > 0:
        raise ValueError(
            "strengths='auto' found no strength: the target does not vary with any column. Check X and y, "
            "or pass strengths."
        )
    return strongest * np.geomspace(1.0, WEAKEST, n_strengths)


def _checked(strengths):
    try:
        values = np.unique(np.asarray(strengths, dtype=np.float64).ravel())[::-1]
    except (TypeError, ValueError):
        values = np.array([np.nan])
    if not len(values) or not np.all(np.isfinite(values) & (values > 0)):
        raise ValueError(
            f"strengths={strengths!r} must be 'auto' or numbers > 0, such as np.geomspace(1, 1e-3, 20)."
        )
    return values.copy()


def _strongest(estimator, X, y, sample_weight):
    """A strength at which no further column can go."""
    model = last_step(estimator)
    if isinstance(estimator, Pipeline) and len(estimator.steps) > 1:
        X = clone(estimator[:-1]).fit_transform(X, y)
    if isinstance(model, RegularizedLinearModel):
        return _of_linear_model(model, X, y, sample_weight)
    if np.size(model.hidden_layer_sizes):
        return OF_NULL_LOSS * _null_loss(model, np.asarray(y), sample_weight)
    return _of_linear_net(model, X, y, sample_weight)


def _of_linear_model(model, X, y, sample_weight):
    _needs_squares(model, isinstance(model, RegularizedLinearRegressor))
    return l1_max(X, y, sample_weight=sample_weight, **_options_of(model))


def _of_linear_net(model, X, y, sample_weight):
    """A bound: the norm of a column's gradient over several outputs is at most so many times the largest."""
    _needs_squares(model, not is_of_classes(model))
    largest = _l1_max(model, X, y, sample_weight)
    if is_of_classes(model) and np.ndim(y) == 1:
        several = len(np.unique(y))
        return largest * np.sqrt(several if several > 2 else 1)
    return largest * np.sqrt(np.size(y) // len(y))


def _l1_max(model, X, y, sample_weight):
    """The largest `l1_max` over labels that a row may have several of, which it takes one at a time."""
    labels = y.T if is_of_classes(model) and np.ndim(y) == 2 else [y]
    options = _options_of(model)
    return max(l1_max(X, one, sample_weight=sample_weight, **options) for one in labels)


def _options_of(model):
    """Parameters of a model that `l1_max` has as well."""
    return {
        "class_weight": getattr(model, "class_weight", None),
        "fit_intercept": getattr(model, "fit_intercept", True),
        "scale_target": getattr(model, "scale_target", True),
        "task": "classification" if is_of_classes(model) else "regression",
        "categorical_features": model.categorical_features,
        "scale_features": model.scale_features,
    }


def _needs_squares(model, regressor):
    if regressor and model.loss != "squared_error":
        raise ValueError(
            f"strengths='auto' knows no strongest penalty for loss={model.loss!r} of a linear model. Pass "
            "strengths, such as np.geomspace(1, 1e-2, 20)."
        )


def _null_loss(model, y, sample_weight):
    """What the loss of the best constant is above the least there is, in units of the net's loss."""
    weight = np.ones(len(y)) if sample_weight is None else np.asarray(sample_weight, dtype=float)
    if not is_of_classes(model):
        y = y.astype(np.float64)
        return sum(_loss_of_constant(model, column, weight) for column in y.reshape(len(y), -1).T)
    columns = y.T if y.ndim == 2 and y.shape[1] > 1 else [y.ravel()]
    return float(sum(_entropy(column, weight) for column in columns))


def _loss_of_constant(model, y, weight):
    """That of a target, by the loss that the net has.

    Of a loss whose slope is bounded it says little where targets are large numbers: by the slope a column is
    let in or not, and the root of its mean square counts where it is less.
    """
    net = clone(model)
    fix_scale(net, y[:, None], weight)
    target = np.asarray(for_engine(net, y[:, None]), dtype=np.float64)
    target = torch.from_numpy(target.reshape(1, 1, len(y)))
    if float(target.max() - target.min()) < 1e-12:
        return 0.0
    options = {"quantile": float(net.quantile), "smoothing": torch.zeros(1, 1, dtype=torch.float64)}

    def losses(raw):
        return rowwise(net.loss, raw, target, **options)[0]

    logarithms = net.loss == "poisson"
    constant = torch.full_like(target, _best_constant(net, target[0, 0].numpy(), weight))
    constant.requires_grad_()
    found = losses(constant)
    (slope,) = torch.autograd.grad(found.sum(), constant)
    least = losses(target.clamp(min=1e-12).log() if logarithms else target)
    excess = np.average((found - least).detach().numpy(), weights=weight)
    if net.loss == "squared_error":
        return float(excess)
    return float(min(excess, np.sqrt(np.average(slope[0, 0].numpy() ** 2, weights=weight))))


def _best_constant(net, target, weight):
    """The raw output that is best where it is the same for all rows; of Huber's loss, about that."""
    if net.loss == "squared_error":
        return float(np.average(target, weights=weight))
    if net.loss == "poisson":
        return float(np.log(np.average(target, weights=weight)))
    order = np.argsort(target)
    share = np.cumsum(weight[order]) / weight.sum()
    level = net.quantile if net.loss == "pinball" else 0.5
    return float(target[order][min(np.searchsorted(share, level), len(target) - 1)])


def _entropy(labels, weight):
    _, codes = np.unique(labels, return_inverse=True)
    share = np.bincount(codes, weights=weight) / weight.sum()
    share = share[share > 0]
    return -np.sum(share * np.log(share))
