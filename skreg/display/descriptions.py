"""Scorers that describe a net rather than judge it, for a search to record."""

from __future__ import annotations

from typing import Any

import numpy as np

# Metrics that describe the net rather than judge it: no value is better, so no point is the best.
DESCRIPTIONS = {"weight_norm": "Norm of weights", "zero_share": "Share of zeros"}


def weight_norm(estimator: Any, X: Any = None, y: Any = None) -> float:
    """The Euclidean norm of all penalised weights of a fitted estimator.

    It has the signature of a scorer, so that a search can record it beside the score and
    :class:`ValidationPathDisplay` can draw it.

    Parameters
    ----------
    estimator : estimator
        A fitted net or linear model, or a pipeline that ends in one.

    X, y : ignored
        Part of a scorer's signature.

    Returns
    -------
    norm : float

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> from skreg.display import weight_norm
    >>> model = Ridge(alpha=1e-9).fit([[0.0], [1.0], [2.0]], [0.0, 3.0, 6.0])
    >>> round(weight_norm(model), 6)
    3.0
    """
    return float(np.sqrt(sum(np.sum(np.square(block)) for block in _weights(estimator))))


def zero_share(estimator: Any, X: Any = None, y: Any = None) -> float:
    """The share of penalised weights of a fitted estimator that are exactly zero.

    It has the signature of a scorer, as :func:`weight_norm`.

    Parameters
    ----------
    estimator : estimator
        A fitted net or linear model, or a pipeline that ends in one.

    X, y : ignored
        Part of a scorer's signature.

    Returns
    -------
    share : float
        Between 0 and 1.

    Examples
    --------
    >>> from sklearn.linear_model import Lasso
    >>> from skreg.display import zero_share
    >>> zero_share(Lasso(alpha=10.0).fit([[0.0], [1.0], [2.0]], [0.0, 3.0, 6.0]))
    1.0
    """
    blocks = _weights(estimator)
    n_zero = sum(np.count_nonzero(block == 0) for block in blocks)
    return float(n_zero / max(1, sum(block.size for block in blocks)))


def _weights(estimator):
    """The weight matrices of what a pipeline ends in, as dense arrays."""
    inner = estimator
    while getattr(inner, "steps", None):
        inner = inner.steps[-1][1]
    for attribute in ("coefs_", "coef_"):
        if hasattr(inner, attribute):
            weights = getattr(inner, attribute)
            blocks = weights if attribute == "coefs_" else [weights]
            return [np.asarray(b.toarray() if hasattr(b, "toarray") else b) for b in blocks]
    raise TypeError(
        f"{type(inner).__name__} has neither `coefs_` nor `coef_`, so it has no weights to "
        "describe. Use weight_norm and zero_share with fitted nets and linear models."
    )
