"""Labels of classifiers: what are some, and what is wrong with those that are none."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets, type_of_target, unique_labels

from skreg.estimators.rows import warn

#: Rows of a matrix with one label a row that cannot be an accident.
_FEW_ROWS = 10


def dense(y):
    """Targets as an array, where they are a sparse matrix."""
    return y.toarray() if hasattr(y, "toarray") else y


def one_label_a_row(y, estimator):
    """Labels (n,) of a classifier that takes no matrix of labels."""
    y = dense(y)
    if np.ndim(y) == 2:
        if np.shape(y)[1] > 1:
            raise ValueError(
                f"y has the shape {np.shape(y)}, but {estimator} takes one label a row. If y is "
                "one-hot encoded, pass y.argmax(axis=1); if a row has several labels, wrap the "
                "estimator in sklearn.multioutput.MultiOutputClassifier."
            )
        y = column_or_1d(y, warn=True)
    check_labels(y)
    return np.asarray(y)


def check_labels(y):
    """Refuse targets of a classifier that are no labels.

    Raises
    ------
    ValueError
    """
    try:
        check_classification_targets(y)
    except ValueError:
        values = np.asarray(y)
        if values.dtype.kind != "f":
            raise
        odd = values[values != np.round(values)]
        raise ValueError(
            f"Unknown label type: {type_of_target(y)}. y holds numbers such as {odd[0]:g}, and a classifier "
            "takes labels. For numbers take a regressor; if each distinct number is a class, pass "
            "y.astype(str)."
        ) from None


def values_a_column(y):
    """The most distinct values that a column has."""
    return max(len(np.unique(column)) for column in y.T)


def many_classes(y):
    """What is wrong with a matrix of more than two values, and what to do."""
    values = np.unique(y)
    shown = ", ".join(map(repr, values[:6].tolist())) + (", ..." if len(values) > 6 else "")
    if values_a_column(y) <= 2:
        return (
            f"y has {y.shape[1]} columns of labels with the values {shown}. A multilabel target is "
            "a matrix of integers with the same two values in every column: code each column as 0 "
            "and 1, for example by (y[:, j] == value).astype(int), or use "
            "sklearn.preprocessing.MultiLabelBinarizer for lists of labels."
        )
    return (
        f"y has {y.shape[1]} columns of classes, with the values {shown}. Multioutput targets of "
        "several classes are not supported: wrap the estimator in "
        "sklearn.multioutput.MultiOutputClassifier."
    )


def label_values(y):
    """The values that stand for an absent and a present label, in this order."""
    values = np.unique(y)
    if len(values) == 2:
        return values
    for absent, present in ((0, 1), (-1, 1)):
        if len(values) == 0 or values[0] in (absent, present):
            return np.array([absent, present]).astype(y.dtype)
    raise ValueError(
        f"Every label in y has the value {values[0].item()!r}, which does not tell whether it is present "
        "or absent. Code labels as 0 and 1."
    )


def warn_of_one_hot(present):
    """Warn where classes that exclude each other were given as a matrix; present (n, n_labels)."""
    if len(present) >= _FEW_ROWS and (present.sum(axis=1) == 1).all():
        warn(
            f"Every row of y has exactly one of {present.shape[1]} labels: y looks one-hot encoded. "
            "As a matrix it is a multilabel target, of which a row may be predicted no label or "
            "several. If the labels exclude each other, pass y.argmax(axis=1) instead.",
            UserWarning,
        )


def named_classes(classes):
    """The ``classes`` of `partial_fit`, sorted.

    Raises
    ------
    ValueError
    """
    if pd.isna(np.asarray(classes, dtype=object)).any():
        raise ValueError(
            f"classes={classes!r} has a missing label. Name all classes that y may hold."
        )
    return unique_labels(classes)
