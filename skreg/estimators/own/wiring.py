"""From the parameters of an estimator and the shape of its rows to the module that is trained."""

from __future__ import annotations

import dataclasses
import math
import operator

import numpy as np
import torch
from sklearn.base import is_classifier

from skreg.estimators.metrics import metrics_of
from skreg.estimators.resolve import per_layer, resolve_device
from skreg.estimators.rows import warn
from skreg.net.net import KNOBS
from skreg.net.own import OwnModule, survey_of
from skreg.net.own.description import takes

#: In front of the names of the parameters of the module.
PREFIX = "module__"


def own_parameters(estimator):
    """Parameters of the module by the names that it has for them, a dict."""
    return {
        name.removeprefix(PREFIX): value
        for name, value in vars(estimator).items()
        if name.startswith(PREFIX)
    }


def check_parameters(estimator):
    """Check what can be checked without data, and return the parts of a spec that follow from it."""
    if isinstance(estimator.module, torch.nn.Module):
        name = type(estimator.module).__name__
        raise TypeError(
            f"module={name}(...) is an instance. Pass the class, module={name}, and its parameters as "
            f"module__name=value; or, to start each fit from the weights of this instance, "
            "module=functools.partial(copy.deepcopy, instance)."
        )
    metrics_of(estimator)  # refuses names that are no scorer's
    return {
        **{knob.name: knob.off for knob in KNOBS},
        "hidden": (),
        "activation": "identity",
        "weight_decay": float(estimator.weight_decay),
        "max_norm": math.inf if estimator.max_norm is None else float(estimator.max_norm),
        "device": resolve_device(estimator.device, estimator.dtype),
    }


def row_shape(wanted, shape):
    """The shape of one row as the module takes it.

    Parameters
    ----------
    wanted : tuple of int or None
        ``input_shape`` of the estimator.
    shape : tuple of int
        Of one row of X.

    Raises
    ------
    ValueError
        Where they do not fit.
    """
    if wanted is None:
        return shape
    try:
        given = tuple(operator.index(n) for n in wanted)
        valid = len(given) > 0 and min(given) >= 1
    except TypeError:
        valid = False
    if not valid:
        raise ValueError(
            f"input_shape={wanted!r} must be the shape of one row, a tuple of ints >= 1 such as (3, 32, 32), "
            "or None."
        )
    size = math.prod(given)
    if shape != given and (len(shape) > 1 or shape[0] != size):
        raise ValueError(
            f"X has rows of shape {shape}, and input_shape={given} has {size} numbers. Give X of shape (n, "
            f"{size}) or (n, {', '.join(map(str, given))}), or set input_shape to the shape of one row."
        )
    return given


def wiring_of(estimator):
    """Fields of the spec that say what the module is, and how strong its regularizers are.

    Parameters
    ----------
    estimator : BaseRegularizedNet
        Knows ``input_shape_`` and its target.

    Returns
    -------
    dict

    Raises
    ------
    TypeError, ValueError
        Where the module cannot be made, fails, or does not fit the target.
    """
    description, found = _described(estimator)
    _check_penalties(estimator, description, found)
    weights = "linear and convolution layers of the module"
    strengths = {
        name: per_layer(name, getattr(estimator, name), found.n_weights, what=weights)
        for name in ("l1", "l2")
    }
    return {
        "module": description,
        "dropout": _rates(estimator, description, found),
        **strengths,
        "batch_norm": found.normed,
    }


def _check_penalties(estimator, description, found):
    """Refuse strengths that act on nothing, and say where they do not reach every layer."""
    values = {name: getattr(estimator, name) for name in ("l1", "l2", "max_norm")}
    given = {name: v for name, v in values.items() if v is not None and np.any(np.asarray(v))}
    if not given:
        return
    called = ", ".join(f"{name}={value!r}" for name, value in given.items())
    computed = ", ".join(found.without_weights)
    if not found.n_weights:
        why = "has no linear or convolution layer"
        if computed:
            why += f" whose weights are its own (those of {computed} are parametrized)"
        names = " and ".join(f"{name}={None if name == 'max_norm' else 0.0}" for name in given)
        raise ValueError(
            f"{called} has nothing to act on: module={description.name} {why}. Set {names}."
        )
    if computed:
        warn(
            f"{called}: the weights of {computed} in module={description.name} are parametrized, and nothing "
            "acts on them, weight_decay included.",
            UserWarning,
            once_in_searches=True,
        )


def _described(estimator):
    """The description of the module, and what a call of it tells."""
    shape, wanted = estimator.input_shape_, estimator._n_outputs()
    parameters = own_parameters(estimator)
    offered = {"input_shape": shape, "n_features": math.prod(shape), "n_outputs": wanted}
    for name, value in offered.items():
        if name not in parameters and takes(estimator.module, name):
            parameters[name] = value
    description = OwnModule.of(estimator.module, parameters, shape)
    try:
        description = description.seen()
        found = survey_of(description)
    except TypeError as error:
        if "torch.nn.Module" in str(error):
            raise
        given = ", ".join(f"{PREFIX}{name}={value!r}" for name, value in parameters.items())
        raise TypeError(
            f"module={description.name} cannot be made with {given or 'no parameters'}: {error}. Give "
            "what it takes as module__name=value."
        ) from error
    if found.n_outputs == 2 and wanted == 1 and is_classifier(estimator):
        description = dataclasses.replace(description, difference=True)
    elif found.n_outputs != wanted:
        _refuse_outputs(estimator, description, found.n_outputs, wanted)
    if found.probabilities and is_classifier(estimator):
        raise ValueError(
            f"module={description.name} puts out probabilities ({found.probabilities}). Return raw outputs, "
            "one a class, without softmax or sigmoid at the end: the loss has it, and so has predict_proba."
        )
    if found.fails_in_double and estimator.dtype == "float64":
        raise ValueError(
            f"module={description.name} fails in dtype='float64': {found.fails_in_double.rstrip('.')}. Let "
            "it make tensors of the type of its rows, such as torch.zeros(3, dtype=x.dtype), or set "
            "dtype='float32'."
        )
    if not found.gradient:
        raise ValueError(
            f"module={description.name} returned outputs without a gradient, which cannot be trained. Return "
            "what its layers compute, without detach(), torch.no_grad() or rounding to whole numbers."
        )
    return description, found


def _refuse_outputs(estimator, description, found, wanted):
    if is_classifier(estimator):
        n = len(estimator.classes_)
        what = f"{n} {'labels' if estimator._multilabel else 'classes'} need {wanted}"
        what += " (or 2)" if wanted == 1 else ""
    else:
        what = (
            f"{wanted} target{'s' if wanted > 1 else ''} need{'' if wanted > 1 else 's'} {wanted}"
        )
    raise ValueError(
        f"module={description.name} puts out {found} numbers for a row of shape {description.input_shape}; "
        f"{what}. Give its last layer {wanted} outputs; a parameter of the module called n_outputs is set to "
        "this number where you leave it out."
    )


def _rates(estimator, description, found):
    """The rate of each layer of dropout of the module."""
    if estimator.dropout is None:
        high = [rate for rate in found.rates if not 0 <= rate < 1]
        if high:
            raise ValueError(
                f"A layer of dropout of module={description.name} has p={high[0]:g}. Rates must be in "
                "[0, 1); set dropout."
            )
        return tuple(found.rates)
    if not found.rates and np.any(np.asarray(estimator.dropout)):
        raise ValueError(
            f"dropout={estimator.dropout!r} has nothing to act on: module={description.name} has no layer of "
            "dropout. Give it torch.nn.Dropout layers, or set dropout=None."
        )
    what = "layers of dropout of the module"
    return per_layer("dropout", estimator.dropout, len(found.rates), what=what, upper=1.0)
