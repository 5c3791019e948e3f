"""The decision rule: what turns the probabilities of classes into a class at `predict`.

The probability p_c of each class is divided by a number s_c, and the largest quotient wins. In terms of
logits that is a shift of each by log s_c, which is how it is done here: nothing underflows, and equal
numbers shift by exactly nothing.
"""

from __future__ import annotations

from numbers import Real

import numpy as np


def class_counts(y, weight, n_classes):
    """Rows, and how many of them are of each class; rows count by their weights, of mean 1.

    Parameters
    ----------
    y : ndarray of int
        Numbers of the classes, shape (n,), or for multilabel a 0/1 matrix (n, n_classes).
    weight : ndarray of shape (n,) or None
    n_classes : int

    Returns
    -------
    n : int
    counts : ndarray of shape (n_classes,)
        Their sum is n unless the target is multilabel.
    """
    if y.ndim == 2:
        counts = y.sum(axis=0) if weight is None else weight @ y
    else:
        counts = np.bincount(y, weights=weight, minlength=n_classes)
    return len(y), counts / (1.0 if weight is None else weight.mean())


def smoothed(shares, smoothing, n_values):
    """Mean of the smoothed labels, which is what probabilities are calibrated to; never and always stay.

    Parameters
    ----------
    shares : ndarray of shape (n_classes,)
    smoothing : float
        ``label_smoothing``.
    n_values : int
        Classes that a label is spread over: 2 for each label of a multilabel target.
    """
    mixed = (1.0 - smoothing) * shares + smoothing / n_values
    return np.where((shares > 0) & (shares < 1), mixed, shares)


def shift_of(decision, classes, shares, *, multilabel=False):
    """What the decision subtracts from logits before the largest is taken; None for nothing.

    Parameters
    ----------
    decision : {"argmax", "balanced"} or dict
        Of a dict the keys are the classes, and the values what their probabilities are divided by.
    classes : ndarray of shape (n_classes,)
        Of a multilabel target the numbers of the labels.
    shares : ndarray of shape (n_classes,)
        Of the classes in training, which "balanced" divides by.
    multilabel : bool

    Returns
    -------
    ndarray or None
        Shape (1,) for two classes, whose net has one logit, else (n_classes,). A class without rows in
        training is never chosen by "balanced": its shift is infinite.

    Raises
    ------
    ValueError
        For a dict that does not name the classes, or whose numbers are not positive and finite (shares
        below 1 for multilabel).
    """
    if isinstance(decision, str):
        if decision == "argmax":
            return None
        numbers = shares
    else:
        numbers = _checked(decision, classes.tolist(), multilabel)
    if multilabel:
        return _logarithm(numbers) - _logarithm(1.0 - numbers)
    shift = _logarithm(numbers)
    return shift[1:] - shift[:1] if len(classes) == 2 else shift - shift.min()


def _logarithm(numbers):
    """Logarithms; infinite for zero, so that what has no share is not chosen."""
    return np.log(numbers, out=np.full(len(numbers), np.inf), where=numbers > 0)


def _checked(decision, labels, multilabel):
    """Numbers of a dict in the order of the classes, found valid."""
    what = "labels, numbered from 0," if multilabel else "classes"
    missing = [label for label in labels if label not in decision]
    unknown = [label for label in decision if label not in labels]
    if missing or unknown:
        found = " and ".join(
            text
            for text, some in (
                (f"no number for {missing!r}", missing),
                (f"a number for {unknown!r}", unknown),
            )
            if some
        )
        raise ValueError(
            f"decision={decision!r} has {found}, but the {what} of y are {labels!r}. Give each of "
            "them a number, and name them as they are in y."
        )
    for label, value in decision.items():
        number = isinstance(value, Real) and not isinstance(value, bool)
        if not number or not np.isfinite(value) or value <= 0 or (multilabel and value >= 1):
            allowed = (
                "a share between 0 and 1, which a label's probability has to exceed"
                if multilabel
                else "a finite number > 0, such as the share of the class"
            )
            raise ValueError(
                f"decision={decision!r} has the number {value!r} for the "
                f"{'label' if multilabel else 'class'} {label!r}. Allowed is {allowed}; the "
                "probability is divided by it. Use decision='balanced' for the shares in training."
            )
    return np.array([float(decision[label]) for label in labels])


def decided(raw, shift, *, multilabel=False):
    """Numbers of the classes that logits lead to.

    Parameters
    ----------
    raw : ndarray of shape (n, n_outputs)
        Logits; of a single output for two classes, that of the second. Log probabilities will do for
        several outputs of classes that exclude each other.
    shift : ndarray or None
        Of `shift_of`.
    multilabel : bool

    Returns
    -------
    ndarray of int
        Shape (n,), or for multilabel a 0/1 matrix (n, n_outputs).
    """
    if shift is not None:
        raw = raw - shift
    if multilabel:
        return (raw > 0).astype(np.intp)
    return (raw[:, 0] > 0).astype(np.intp) if raw.shape[1] == 1 else raw.argmax(axis=1)


def logits_of(probabilities, *, multilabel=False):
    """Logits, in the form that `decided` takes, of probabilities in the form of ``predict_proba``."""
    with np.errstate(divide="ignore"):
        raw = np.log(probabilities)
        if multilabel:
            return raw - np.log1p(-probabilities)
    return raw[:, 1:] - raw[:, :1] if raw.shape[1] == 2 else raw
