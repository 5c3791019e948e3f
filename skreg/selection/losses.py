"""How far predictions are from the target, in terms that all models of a kind share."""

from __future__ import annotations

import numpy as np

from skreg.estimators.course import check_target, encode
from skreg.selection.models import is_of_classes, last_step

#: Probabilities count for this at least.
_LEAST = 1e-15


def loss_name(estimator):
    """What `loss_of` measures."""
    return "log loss" if is_of_classes(estimator) else "mean squared error"


def loss_of(fitted, X, y, sample_weight=None):
    """Log loss of a classifier, mean squared error of a regressor; the mean over rows and targets.

    A row of a class that was not in training has the largest loss there is.
    """
    if is_of_classes(fitted):
        found = _log_losses(fitted, fitted.predict_proba(X), np.asarray(y))
    else:
        found = (np.asarray(fitted.predict(X)) - np.asarray(y, dtype=np.float64)) ** 2
    found = found.reshape(len(found), -1).mean(axis=1)
    return float(np.average(found, weights=sample_weight))


def _log_losses(fitted, proba, y):
    if y.ndim == 2 and y.shape[1] > 1:  # labels, of which a row may have several
        net = last_step(fitted)  # knows how labels are coded, which rows without any do not tell
        present = encode(net, check_target(net, y), first=False)
        true = np.where(present, proba, 1.0 - proba)
        return -np.log(np.maximum(true, _LEAST))
    y, classes = y.ravel(), np.asarray(fitted.classes_)
    place = np.clip(np.searchsorted(classes, y), 0, len(classes) - 1)
    true = np.where(classes[place] == y, proba[np.arange(len(y)), place], 0.0)
    return -np.log(np.maximum(true, _LEAST))
