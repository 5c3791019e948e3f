"""What the methods that predict take and return, said once for all estimators."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    Method = TypeVar("Method", bound=Callable[..., Any])

_SECTIONS = """

Parameters
----------
X : array-like, DataFrame or sparse matrix of shape (n, n_features)
    Rows with the columns of `fit`: a DataFrame with their names in their order. Gaps, text and
    levels that were not in training are treated as `fit` has learned.

Returns
-------
{returns}

Raises
------
NotFittedError
    Before `fit`.
ValueError
    If the columns are not those of `fit`, or hold what the columns of `fit` could not: text where
    numbers were, infinity, dates.
"""

LABELS = """\
labels : ndarray of shape (n,) or (n, n_labels)
    Values of ``classes_``; for a multilabel target a column a label, in the coding of the y of `fit`."""

PROBABILITIES = """\
proba : ndarray of shape (n, n_classes) or (n, n_labels), float64
    A column a class, in the order of ``classes_``; rows sum to 1. For a multilabel target the
    probability of each label by itself."""

LOG_PROBABILITIES = """\
log_proba : ndarray of shape (n, n_classes) or (n, n_labels), float64
    Natural logarithms, in the order of `predict_proba`."""

LOGITS = """\
logits : ndarray of shape (n,), (n, n_classes) or (n, n_labels), float64
    For two classes one number a row, log(p / (1 - p)) of ``classes_[1]``. For more classes numbers
    whose softmax are the probabilities. For a multilabel target log(p / (1 - p)) of each label."""

NUMBERS = """\
predictions : ndarray of shape (n,) or (n, n_targets), float64
    In the units of the target; the shape is that of the y of `fit`."""


def returns(text: str) -> Callable[[Method], Method]:
    """Add what a method takes, returns and raises to its docstring.

    Parameters
    ----------
    text : str
        What it returns, one of the texts of this module.

    Returns
    -------
    callable
        The decorator. It gives the method back as it is, but for its docstring.

    Examples
    --------
    >>> def predict(self, X):
    ...     "Predict."
    >>> predict = returns(NUMBERS)(predict)
    >>> predict.__doc__.splitlines()[0], "In the units of the target" in predict.__doc__
    ('Predict.', True)
    """

    def documented(method: Method) -> Method:
        if method.__doc__ is not None:  # None under `python -OO`
            method.__doc__ = inspect.cleandoc(method.__doc__) + _SECTIONS.format(returns=text)
        return method

    return documented
