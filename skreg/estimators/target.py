"""Targets of nets: how labels and numbers are encoded, scaled and given back; and what others ask of them."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit, softmax
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import type_of_target

from skreg.estimators.decision import (
    class_counts,
    decided,
    logits_of,
    shift_of,
    smoothed,
)
from skreg.estimators.labels import (
    check_labels,
    dense,
    label_values,
    many_classes,
    named_classes,
    values_a_column,
    warn_of_one_hot,
)
from skreg.estimators.rows import warn
from skreg.estimators.target_numbers import centre_and_scale, check_numbers
from skreg.estimators.weights import class_factors

if TYPE_CHECKING:
    from skreg import typing as types

#: What an estimator knows of its target before it is trained.
KNOWN = (
    "classes_",
    "_multilabel",
    "_label_values",
    "_flat_target",
    "_n_targets",
    "_target_mean",
    "_target_scale",
)

#: Rows from which on a first call of `partial_fit` is trusted with the scale of the target.
_FEW_ROWS = 10


class ClassTargets:
    """What `BaseRegularizedMLP` asks of a classifier about its target."""

    classes_: types.Array
    class_prior_: types.Array

    def _check_target(self, y):
        """Labels (n,), or a matrix of labels (n, n_labels) in the user's coding."""
        y = dense(y)
        if np.ndim(y) == 2 and np.shape(y)[1] == 1:
            y = column_or_1d(y, warn=True)
        kind = type_of_target(y, input_name="y")
        if kind in ("binary", "multiclass", "multilabel-indicator"):
            return np.asarray(y)
        if kind == "continuous-multioutput" and values_a_column(np.asarray(y)) <= 2:
            raise ValueError(many_classes(np.asarray(y)))
        check_labels(y)  # says what is wrong with other kinds
        raise ValueError(many_classes(np.asarray(y)))

    def _encode(self, y, first, classes=None):
        """Class numbers, or the 0/1 matrix of a multilabel target; sets classes_ at first."""
        multilabel = np.ndim(y) == 2
        if first:
            found = np.arange(y.shape[1]) if multilabel else np.unique(y)
            self.classes_ = found if classes is None else named_classes(classes)
            self._multilabel = multilabel
            self._label_values = label_values(y) if multilabel else None
        elif classes is not None and not np.array_equal(named_classes(classes), self.classes_):
            raise ValueError(
                f"classes={classes!r} is not the same as in the first call: {self.classes_!r}."
            )
        if multilabel != self._multilabel or (multilabel and y.shape[1] != len(self.classes_)):
            raise ValueError(
                f"y has the shape {y.shape}, which does not fit the {len(self.classes_)} "
                f"{'labels' if self._multilabel else 'classes'} seen first."
            )
        if multilabel:
            return self._encode_labels(y, first)
        unknown = np.setdiff1d(y, self.classes_)
        if len(unknown):
            if first:
                raise ValueError(
                    f"y has the classes {unknown.tolist()}, which classes={self.classes_.tolist()} does not "
                    "name. Where you pass classes= to the first partial_fit, name all that y may hold."
                )
            raise ValueError(
                f"y has the classes {unknown.tolist()}, which are not among the classes seen "
                f"first: {self.classes_.tolist()}. Fit with all classes, or pass classes= to the "
                "first partial_fit."
            )
        return np.searchsorted(self.classes_, y)

    def _encode_labels(self, y, first):
        unknown = np.setdiff1d(y, self._label_values)
        if len(unknown):
            raise ValueError(
                f"y has the values {unknown.tolist()}, but labels were coded as "
                f"{self._label_values.tolist()} at first. Code them in the same way."
            )
        present = (y == self._label_values[1]).astype(np.int64)
        if first:
            warn_of_one_hot(present)
        return present

    def _decode_target(self, y):
        return self._label_values[y] if self._multilabel else self.classes_[y]

    def _strata(self, y):
        return None if self._multilabel else y

    def _n_outputs(self):
        return 1 if len(self.classes_) == 2 and not self._multilabel else len(self.classes_)

    def _loss_name(self):
        binary = len(self.classes_) == 2
        return "binomial" if self._multilabel or binary else "multinomial"

    def _engine_target(self, y):
        if self._loss_name() == "multinomial":
            return np.asarray(y, dtype=np.int64)
        return np.asarray(y, dtype=self.dtype).reshape(len(y), -1)

    def _set_target_scale(self, y, weight):
        """Class labels have no scale."""

    def _check_first_call(self, y):
        """Any first rows will do: classes can be named."""

    def _see_targets(self, parts, *, first):
        """Class labels have no range."""

    def _count_classes(self, y, weight, *, more=False):
        """Learn the shares of the classes among training rows, and how `predict` decides by them.

        ``more`` adds the rows to those that were counted before.
        """
        n, counts = class_counts(y, weight, len(self.classes_))
        if more:
            n, counts = n + self._counted[0], counts + self._counted[1]
        self._counted = n, counts
        self.class_prior_ = counts / n
        self._shift = self._shift_by(self.class_prior_)

    def _shift_by(self, shares):
        """What the decision of this net subtracts from logits, where classes have these shares."""
        return rule_by(self, self._smoothed(shares))

    def _smoothed(self, shares):
        """What the probabilities of this net are calibrated to, where classes have these shares."""
        return smoothed(shares, self.label_smoothing, 2 if self._multilabel else len(shares))

    def _labels(self, raw):
        """Labels that raw outputs lead to, in the user's terms."""
        if (
            len(self.classes_) == 1 and not self._multilabel
        ):  # one output, which is not a logit of two
            return self.classes_.repeat(len(raw))
        return self._decode_target(decided(raw, self._shift, multilabel=self._multilabel))

    def _class_factors(self, y, weight, *, partial=False):
        """Weight of each class, shape (n_classes,); None where all count the same."""
        if self.class_weight is not None and self._multilabel:
            raise ValueError(
                f"class_weight={self.class_weight!r} has no meaning for multilabel targets. Use "
                "class_weight=None and sample_weight."
            )
        if self.class_weight == "balanced" and partial:
            raise ValueError(
                "class_weight='balanced' cannot be known from a part of the rows. For partial_fit "
                "pass sklearn.utils.class_weight.compute_class_weight's result as a dict."
            )
        return class_factors(self.class_weight, self.classes_, y, weight)

    def _probabilities(self, raw):
        """Link on the last axis of raw outputs."""
        if self._multilabel:
            return expit(raw)
        if len(self.classes_) == 2:
            # Not 1 - p, which would have no digits left where p is near 1.
            return expit(np.concatenate([-raw, raw], axis=-1))
        return softmax(raw, axis=-1)

    def _build_module(self, *, prepared=False):
        """The torch module; of a table that is prepared already, or of the user's."""
        from skreg.estimators.module import build_module

        columns = self._columns
        own = None if prepared else columns
        return build_module(self._params, self._spec, columns.n_out, columns=own)


class NumberTargets:
    """What `BaseRegularizedMLP` asks of a regressor about its target."""

    target_range_: types.Array

    def _check_target(self, y):
        """Targets in the user's units, (n,) or (n, n_targets)."""
        return check_numbers(y, self.loss)

    def _encode(self, y, first, classes=None):
        """Targets as (n, n_targets)."""
        flat = y.ndim == 1
        y = y.reshape(len(y), -1)
        if first:
            self._flat_target = flat
            self._n_targets = y.shape[1]
        elif y.shape[1] != self._n_targets:
            raise ValueError(f"y has {y.shape[1]} targets, but {self._n_targets} were seen first.")
        return y

    def _decode_target(self, y):
        return y[:, 0] if self._flat_target else y

    def _strata(self, y):
        return None

    def _n_outputs(self):
        return self._n_targets

    def _loss_name(self):
        return self.loss

    def _set_target_scale(self, y, weight):
        self._target_mean = np.zeros(y.shape[1])
        self._target_scale = np.ones(y.shape[1])
        if self.scale_target:
            self._target_mean, self._target_scale = centre_and_scale(y, weight, self.loss)

    def _check_first_call(self, y):
        """Refuse rows that do not tell the scale of the target, which the first call fixes."""
        # The scale of counts is a shift of the output of a log link: any will do.
        if not self.scale_target or self.loss == "poisson":
            return
        remedy = (
            f"Pass more rows in the first call, {_FEW_ROWS} or more if possible, or set "
            "scale_target=False and standardise the targets yourself."
        )
        if len(y) == 1:
            raise ValueError(
                "The first call of partial_fit fixes the scale of the target, which one row does "
                f"not tell. {remedy}"
            )
        if len(y) < _FEW_ROWS or (y == y[0]).all(axis=0).any():
            warn(
                f"The first call of partial_fit fixes the scale of the target: its {len(y)} rows "
                f"are few, or have one value only, and tell little about it. {remedy}",
                UserWarning,
            )

    def _see_targets(self, parts, *, first):
        """Set the range of the targets, or widen it, and whether predictions keep to it."""
        bounds = [bound for y in parts for bound in (y.min(axis=0), y.max(axis=0))]
        if not first:
            bounds += list(self.target_range_.T)
        self.target_range_ = np.stack([np.min(bounds, axis=0), np.max(bounds, axis=0)], axis=1)
        # As of this fit: predictions do not follow parameters that are set later.
        self._clips = bool(self.clip)

    def _count_classes(self, y, weight, *, more=False):
        """Numbers have no classes."""

    def _engine_target(self, y):
        with np.errstate(over="ignore"):
            scaled = ((y - self._target_mean) / self._target_scale).astype(self.dtype)
        if not np.isfinite(scaled).all():
            row = int(np.argwhere(~np.isfinite(scaled))[0][0])
            raise ValueError(
                f"y has a value of {np.max(np.abs(y[row])):.3g}, which is too large beside the others for "
                f"dtype={self.dtype!r}. Leave such rows out, or clip them, or set dtype='float64'."
            )
        return scaled

    def _class_factors(self, y, weight, *, partial=False):
        return None

    def _in_units(self, raw):
        return in_units(
            raw,
            mean=self._target_mean,
            scale=self._target_scale,
            clip=tuple(self.target_range_.T) if self._clips else None,
            loss=self._spec.loss,
            flat=self._flat_target,
        )

    def _build_module(self, *, prepared=False):
        """The torch module; of a table that is prepared already, or of the user's."""
        from skreg.estimators.module import build_module

        poisson = self._spec.loss == "poisson"
        if poisson:
            scale, offset = np.ones_like(self._target_scale), np.log(self._target_scale)
        else:
            scale, offset = self._target_scale, self._target_mean
        return build_module(
            self._params,
            self._spec,
            self._columns.n_out,
            columns=None if prepared else self._columns,
            scale=scale,
            offset=offset,
            exponential=poisson,
            bounds=self.target_range_ if self._clips else None,
        )


# -- what others ask of a net's target --------------------------------------------------------------


def loss_of(net):
    """Name of the loss that the raw outputs of a net are for."""
    return net._loss_name()


def decoded(net, y):
    """Encoded targets in the user's terms."""
    return net._decode_target(y)


def for_engine(net, y):
    """Encoded targets as the engine takes them: numbers are scaled."""
    return net._engine_target(y)


def of_scaled_target(net, raw):
    """Raw outputs for the scaled target of a regressor, of those for the target as it is."""
    if net._loss_name() == "poisson":  # outputs are logarithms
        return raw - np.log(net._target_scale)
    return (raw - net._target_mean) / net._target_scale


def is_multilabel(net):
    """Whether a classifier was given a matrix of labels."""
    return net._multilabel


def common_rule(nets):
    """Shares of the classes in the training of several classifiers, and the shift of the logits by them.

    The mean of the nets' probabilities is calibrated to the mean of their shares.
    """
    shares = np.mean([net.class_prior_ for net in nets], axis=0)
    return shares, nets[0]._shift_by(shares)


def smoothed_shares(nets):
    """What the mean of the probabilities of several classifiers is calibrated to; None for regressors."""
    if not isinstance(nets[0], ClassTargets):
        return None
    return np.mean([net._smoothed(net.class_prior_) for net in nets], axis=0)


def rule_by(net, shares):
    """What the decision of a classifier subtracts from logits that are calibrated to these shares."""
    return shift_of(net.decision, net.classes_, shares, multilabel=net._multilabel)


def with_rule(net, shift):
    """A copy of a classifier that decides by another shift of the logits; None is the most probable class."""
    net = copy.copy(net)
    net._shift = shift
    return net


def labels_by(net, probabilities):
    """Labels that a classifier decides for, by probabilities in the form of ``predict_proba``."""
    return net._labels(logits_of(probabilities, multilabel=net._multilabel))


# -- several nets ----------------------------------------------------------------------------------


def predictions(nets, raw):
    """What nets of one kind predict by their raw outputs: probabilities, or numbers in units of the target.

    Parameters
    ----------
    nets : list of BaseRegularizedMLP
    raw : ndarray of shape (k, n, o)

    Returns
    -------
    ndarray of shape (k, n, ...)
    """
    if isinstance(nets[0], ClassTargets):
        return nets[0]._probabilities(raw)
    kinds = {}
    for place, net in enumerate(nets):
        kinds.setdefault((net._spec.loss, net._clips), []).append(place)
    if len(kinds) == 1:
        return _in_own_units(nets, raw)
    parts = [_in_own_units([nets[i] for i in places], raw[places]) for places in kinds.values()]
    out = np.empty((len(nets), *parts[0].shape[1:]))
    for places, part in zip(kinds.values(), parts, strict=True):
        out[places] = part
    return out


def _in_own_units(nets, raw):
    """Predictions of regressors of one loss, each of which learned units of its own."""
    first = nets[0]
    mean, scale, bounds = (
        np.stack([getattr(net, name) for net in nets])[:, None]
        for name in ("_target_mean", "_target_scale", "target_range_")
    )
    return in_units(
        raw,
        mean=mean,
        scale=scale,
        clip=(bounds[..., 0], bounds[..., 1]) if first._clips else None,
        loss=first._spec.loss,
        flat=first._flat_target,
    )


def in_units(raw, *, mean, scale, clip, loss, flat):
    """Predictions of a regressor, from its raw outputs (..., o).

    Parameters
    ----------
    raw : ndarray of shape (..., o)
    mean, scale : ndarray of shape (o,), or that broadcast
        Of the target in training.
    clip : pair of ndarray or None
        Bounds of the predictions.
    loss : str
    flat : bool
        Whether the target was a vector, so that predictions have no axis of their own for it.
    """
    out = (np.exp(raw) if loss == "poisson" else raw) * scale
    out += mean
    if clip is not None:
        np.clip(out, *clip, out=out)
    return out[..., 0] if flat else out
