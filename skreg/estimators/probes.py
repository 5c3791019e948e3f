"""Targets and outputs made up to find out what a metric can tell apart.

Raw outputs are those of nets that know the target: of class numbers or 0/1 matrices for a classifier, of
numbers, shape (n, n_targets), for a regressor.
"""

from __future__ import annotations

import copy

import numpy as np

from skreg.estimators.decision import logits_of
from skreg.estimators.target import with_rule
from skreg.train.job import Spec

#: Logits of a prediction that is certain.
_CERTAIN = 4.0

#: Errors of good and of bad predictions of numbers, in units of the scaled target.
_SMALL, _LARGE = 0.1, 2.0


#: Probabilities are taken for this at least, so that their logits are numbers.
_LEAST_PROBABILITY = 1e-15


def with_outputs(net, raw):
    """A copy of a net that gives these raw outputs, whatever rows it is asked for."""
    net = copy.copy(net)
    net._given_raw = raw
    return net


def predicting(net, found, shift=None):
    """A copy of a net that predicts this, whatever rows it is asked for.

    Parameters
    ----------
    net : BaseRegularizedMLP
        Knows its target.
    found : ndarray
        Probabilities in the form of ``predict_proba``, or numbers in units of the target.
    shift : ndarray or None
        Of the logits, by which a classifier decides.
    """
    if hasattr(net, "classes_"):
        return with_outputs(with_rule(net, shift), outputs_for(net, found))
    net = with_outputs(net, outputs_for(net, found))
    n_targets = net._given_raw.shape[1]
    net._spec = Spec(loss=net._loss_name(), n_outputs=n_targets)
    net._target_mean, net._target_scale, net._clips = np.zeros(n_targets), np.ones(n_targets), False
    return net


def outputs_for(net, found):
    """Raw outputs (n, o) of probabilities, or of numbers in units of the target as if it were not scaled."""
    if hasattr(net, "classes_"):
        found = np.clip(found, _LEAST_PROBABILITY, 1.0 - _LEAST_PROBABILITY)
        return logits_of(found, multilabel=net._multilabel)
    found = found.reshape(len(found), -1)
    if net._loss_name() == "poisson":
        return np.log(np.maximum(found, np.finfo(np.float64).tiny))
    return found


def is_poor(net, y):
    """Whether encoded targets lack a class, or are all alike, so that metrics may be undefined."""
    if hasattr(net, "classes_") and not net._multilabel:
        return len(np.unique(y)) < len(net.classes_)
    return len(y) < 2 or bool(np.any(np.ptp(y, axis=0) == 0))


def good_and_bad(net, y):
    """Two nets: one predicts encoded targets well, the other badly."""
    if hasattr(net, "classes_"):
        net, right = with_rule(net, None), _logits(net, y)
        return with_outputs(net, right), with_outputs(net, -right)
    # Errors of one sign: some metrics allow no predictions below zero.
    error = np.random.default_rng(0).uniform(0.5, 1.5, size=np.shape(y))
    return tuple(_off(net, y, scale * error) for scale in (_SMALL, _LARGE))


def perfect(net):
    """Encoded targets with every class, or several numbers of the range, and a net that knows them."""
    if not hasattr(net, "classes_"):
        y = np.linspace(*net.target_range_.T, num=4)
        return y, _off(net, y, 0.0)
    k = len(net.classes_)
    y = np.repeat([[0], [1]], 2, axis=0) * np.ones(k, int) if net._multilabel else np.arange(k)
    y = y if net._multilabel else np.repeat(y, 2)
    return y, with_outputs(with_rule(net, None), _logits(net, y))


def _logits(net, y):
    """Outputs of a classifier that is certain, and right."""
    if net._n_outputs() == 1 or net._multilabel:
        return _CERTAIN * (2.0 * np.asarray(y, dtype=np.float64).reshape(len(y), -1) - 1.0)
    return _CERTAIN * (2.0 * (np.asarray(y)[:, None] == np.arange(len(net.classes_))) - 1.0)


def _off(net, y, error):
    """A regressor whose outputs are off by an error; not clipped, so that none of it is lost."""
    raw = np.asarray(net._engine_target(y), dtype=np.float64)
    if net._spec.loss == "poisson":
        raw = np.log(np.maximum(raw, 1e-3))
    net = with_outputs(net, raw + error)
    net._clips = False
    return net
