"""From parameters to a `Spec`: every check that needs more than one parameter or the data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Integral, Real

import numpy as np
import torch
from sklearn.metrics import get_scorer_names
from sklearn.utils._param_validation import Interval, Options, RealNotInt, StrOptions

from skreg.estimators.columns.scales import SCALES
from skreg.estimators.metrics import metrics_of
from skreg.estimators.rows import warn
from skreg.net.activation import KINDS
from skreg.net.net import BLOCKS, EMBEDDINGS, KNOBS, normed_layers
from skreg.train.job import Spec

SCHEDULES = ("constant", "cosine", "one_cycle", "invscaling", "adaptive")

#: Rows a minibatch where ``batch_size="auto"``: a power of two near n / 32 within these bounds, so
#: that small tables get many steps an epoch and large ones efficient products.
SMALLEST_BATCH, LARGEST_BATCH, BATCHES = 32, 256, 32

#: Largest number of numeric columns that ``numeric_embedding="auto"`` embeds: it makes four inputs of
#: each, and the default was chosen on tables that are not wider.
MOST_EMBEDDED = 256

_rate = Interval(Real, 0, 1, closed="left")
_not_negative = Interval(Real, 0, None, closed="left")
_positive = Interval(Real, 0, None, closed="neither")

_OF_KINDS = {
    "flag": ["boolean"],
    "flags": ["boolean"],
    "rate": [_rate],
    "share": [Interval(Real, 0, 1, closed="both")],
    "strength": [_not_negative],
    "bound": [None, _positive],
    "scale": [_positive],
}


def _constraint(knob):
    """What a knob of a block may be."""
    several = knob.each is not None and knob.kind != "flag"
    return [*_OF_KINDS[knob.kind], *(["array-like"] if several else [])]


#: Constraints of the parameters that both estimators have.
CONSTRAINTS = {
    **{knob.name: _constraint(knob) for knob in KNOBS},
    "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
    "activation": [StrOptions(set(KINDS))],
    "numeric_embedding": [None, StrOptions({"auto", *EMBEDDINGS})],
    "categorical_features": [StrOptions({"from_dtype"}), "array-like", None],
    "category_embedding": [StrOptions({"auto", "onehot", "embedding"})],
    "scale_features": [StrOptions(set(SCALES)), None],
    "feature_groups": ["array-like", None],
    "solver": [StrOptions({"adam", "adamw", "sgd"})],
    "learning_rate_init": [_positive],
    "learning_rate": [StrOptions(set(SCHEDULES))],
    "power_t": [_not_negative],
    "momentum": [Interval(Real, 0, 1, closed="left")],
    "nesterovs_momentum": ["boolean"],
    "beta_1": [Interval(Real, 0, 1, closed="left")],
    "beta_2": [Interval(Real, 0, 1, closed="left")],
    "epsilon": [_positive],
    "ema_decay": [_rate],
    "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
    "max_iter": [Interval(Integral, 1, None, closed="left")],
    "max_time": [None, _positive],
    "tol": [None, _not_negative],
    "shuffle": ["boolean"],
    "early_stopping": ["boolean"],
    "patience": [Interval(Integral, 1, None, closed="left")],
    "min_delta": [_not_negative],
    "scoring": [StrOptions({"loss", *get_scorer_names()}), callable],
    "metrics": [None, list, tuple, Mapping],
    "validation_fraction": [
        Interval(RealNotInt, 0, 1, closed="neither"),
        Interval(Integral, 1, None, closed="left"),
    ],
    "refit": ["boolean"],
    "device": [str],
    "dtype": [Options(str, {"float32", "float64"})],
    "warm_start": ["boolean"],
    "random_state": ["random_state"],
    "verbose": ["verbose"],
    "callbacks": [None, list, tuple],
}


def per_layer(name, value, n_layers, *, what, upper=math.inf):
    """One number per layer as a tuple of floats, from a number or a list of them.

    Raises
    ------
    ValueError
        If the length is not the number of layers, or an entry is out of range.
    """
    if isinstance(value, Real):
        return (float(value),) * n_layers
    try:
        values = tuple(np.asarray(value, dtype=np.float64).ravel().tolist())
    except (TypeError, ValueError):
        raise ValueError(
            f"{name}={value!r} must be a number or a list of {n_layers} numbers, one for each of "
            f"the {what}."
        ) from None
    if len(values) != n_layers:
        raise ValueError(
            f"{name}={value!r} has {len(values)} entries for {n_layers} {what}. Give one number "
            "for all of them or one for each."
        )
    for v in values:
        if not 0 <= v < upper:
            bound = f"[0, {upper:g})" if math.isfinite(upper) else "[0, inf)"
            raise ValueError(
                f"{name}={value!r} has the entry {v:g}; every entry must be in {bound}."
            )
    return values


def hidden_sizes(value):
    """Units of each hidden layer as a tuple."""
    sizes = (value,) if isinstance(value, Integral) else tuple(value)
    for units in sizes:
        if not isinstance(units, Integral) or isinstance(units, bool) or units < 1:
            raise ValueError(
                f"hidden_layer_sizes={value!r} has the entry {units!r}; every entry must be an int "
                ">= 1. Use () for a linear model."
            )
    return tuple(int(units) for units in sizes)


def automatic_batch_size(n):
    """Rows a minibatch for n training rows."""
    near = 2 ** round(math.log2(max(n, 1) / BATCHES)) if n > BATCHES else SMALLEST_BATCH
    return int(np.clip(near, SMALLEST_BATCH, LARGEST_BATCH))


def resolve_device(device, dtype):
    """Name of the device to train on.

    Raises
    ------
    ValueError
        If torch does not know or does not have the device, or the device lacks the precision.
    """
    mps = getattr(torch.backends, "mps", None)
    has_mps = mps is not None and mps.is_available()
    if device == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if has_mps and dtype == "float32" else "cpu"
    try:
        kind = torch.device(device)
    except RuntimeError:
        raise ValueError(
            f"device={device!r} is not a device. Use 'auto', 'cpu', 'cuda', 'cuda:1' or 'mps'."
        ) from None
    if kind.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(
            f"device={device!r}, but this torch finds no CUDA device. Use device='auto' or 'cpu', "
            "or install a torch build with CUDA."
        )
    if kind.type == "cuda" and (kind.index or 0) >= torch.cuda.device_count():
        raise ValueError(
            f"device={device!r}, but torch finds {torch.cuda.device_count()} CUDA device(s), "
            "numbered from 0."
        )
    if kind.type == "mps" and not has_mps:
        raise ValueError(
            f"device={device!r}, but this torch finds no MPS device. Use device='cpu'."
        )
    if kind.type == "mps" and dtype == "float64":
        raise ValueError("dtype='float64' is not available on device='mps'. Use dtype='float32'.")
    if kind.type not in ("cpu", "cuda", "mps"):
        raise ValueError(
            f"device={device!r} is not supported. Use 'auto', 'cpu', 'cuda', 'cuda:1' or 'mps'."
        )
    return device


#: Of penalties in front of a norm. The texts hold no numbers, so that a search over many says each once.
_PENALTIES_AND_NORMS = {
    "l1": "l1 selects few weights and hardly any columns in hidden layers with {knob}=True: {norm} "
    "undoes the scale of the weights in front of it, so they can shrink without changing what the "
    "net computes, instead of becoming zero. Set {knob}=False where l1 is to remove weights or "
    "columns, or l1=0.",
    "l2": "l2 does not regularize hidden layers with {knob}=True: {norm} undoes the scale of "
    "the weights in front of it, so they shrink, what the net computes stays the same, and only the "
    "effective learning rate changes. Set {knob}=False where l2 is to act, or l2=0 and regularize "
    "by dropout; a list such as l2=[0, 0, 0.01] penalises the output layer alone.",
}


def norm_of(spec):
    """Name of the flag of the blocks that undo the scale of weights; None where a net has none."""
    flags = (block.knobs[0].name for block in BLOCKS if block.undoes_scale)
    return next((name for name in flags if getattr(spec, name)), None)


def penalties_undone(spec):
    """Names of the penalties that a norm keeps from doing what their names say."""
    if norm_of(spec) is None:
        return []
    normed = normed_layers(spec) if spec.batch_norm else (True,) * len(spec.hidden)
    return [
        name
        for name in ("l1", "l2")
        if any(s for s, norm in zip(getattr(spec, name), normed, strict=False) if norm)
    ]


def warn_of_knobs(spec):
    """Warn of what does not do what its name says: penalties in front of a norm, and what blocks know."""
    knob = norm_of(spec)
    texts = [
        _PENALTIES_AND_NORMS[name].format(knob=knob, norm=knob.replace("_", " "))
        for name in penalties_undone(spec)
    ]
    for text in [*texts, *(text for block in BLOCKS for text in block.advice(spec))]:
        warn(text, UserWarning, once_in_searches=True)


def check_parameters(estimator):
    """Check what can be checked without data, and return the parts of a spec that follow from it."""
    hidden = hidden_sizes(estimator.hidden_layer_sizes)
    values = {
        "hidden": hidden,
        **{knob.name: _resolved(knob, estimator, len(hidden)) for knob in KNOBS},
    }
    if values["batch_norm"] and estimator.batch_size == 1:
        raise ValueError(
            f"batch_norm={estimator.batch_norm!r} needs minibatches of at least 2 rows, got batch_size=1. "
            "Raise batch_size or set batch_norm=False."
        )
    for block in BLOCKS:
        block.check(values)
    metrics_of(estimator)  # refuses names that are no scorer's
    device = resolve_device(estimator.device, estimator.dtype)
    return {**values, "activation": estimator.activation, "device": device}


def _resolved(knob, estimator, n_hidden):
    """The value of a knob in a spec."""
    value = getattr(estimator, knob.name)
    if knob.kind == "flag":
        return bool(value) and (knob.each is None or n_hidden > 0)
    if knob.kind == "flags":
        return _flags(knob.name, value, n_hidden)
    if knob.kind == "bound":
        return math.inf if value is None else float(value)
    if knob.each is None:
        return float(value)
    n_layers = {"hidden": n_hidden, "linear": n_hidden + 1}[knob.each]
    upper = 1.0 if knob.kind == "rate" else math.inf
    return per_layer(knob.name, value, n_layers, what=f"{knob.each} layers", upper=upper)


def _flags(name, value, n_hidden):
    """A bool for all hidden layers, or a tuple of one for each where they differ.

    Raises
    ------
    ValueError
        Where there is not one for each, or an entry is no bool.
    """
    if isinstance(value, bool | np.bool_):
        return bool(value) and n_hidden > 0
    each = np.asarray(value)
    if each.shape != (n_hidden,) or (each.dtype != bool and n_hidden > 0):
        raise ValueError(
            f"{name}={value!r} must be a bool, or a list of {n_hidden} bools, one for each of the hidden "
            "layers."
        )
    flags = tuple(each.tolist())
    return flags if len(set(flags)) > 1 else any(flags)


def resolve(estimator, parts, *, loss, n_outputs, n_rows, n_features, **overrides):
    """The spec of one network.

    Parameters
    ----------
    estimator : estimator
    parts : dict
        What `check_parameters` returned.
    loss : str
    n_outputs, n_rows, n_features : int
        Of the training data.
    **overrides
        Fields of the spec that are set to other values than the estimator's.

    Returns
    -------
    Spec
    """
    e = estimator
    dropped = parts["input_dropout"]
    if dropped and n_features * (1 - dropped) < 0.5:
        raise ValueError(
            f"input_dropout={dropped:g} leaves {n_features * (1 - dropped):.2g} "
            f"inputs of n_features={n_features} on average: most rows would be empty. Use at most "
            f"{1 - 0.5 / n_features:.2g} here."
        )
    batch_size = automatic_batch_size(n_rows) if e.batch_size == "auto" else int(e.batch_size)
    fields = {
        **parts,
        "n_outputs": n_outputs,
        "loss": loss,
        "quantile": float(getattr(e, "quantile", 0.5)),
        "label_smoothing": float(getattr(e, "label_smoothing", 0.0)),
        # "adam" and "adamw" are one update: `l2` and `weight_decay` are parameters of their own.
        "solver": "sgd" if e.solver == "sgd" else "adam",
        "learning_rate_init": float(e.learning_rate_init),
        "learning_rate": e.learning_rate,
        "power_t": float(e.power_t),
        "momentum": float(e.momentum),
        "nesterov": bool(e.nesterovs_momentum),
        "beta_1": float(e.beta_1),
        "beta_2": float(e.beta_2),
        "epsilon": float(e.epsilon),
        "ema_decay": float(e.ema_decay),
        "batch_size": min(batch_size, n_rows),
        "shuffle": bool(e.shuffle),
        "max_iter": int(e.max_iter),
        "max_time": None if e.max_time is None else float(e.max_time),
        "tol": None if e.tol is None else float(e.tol),
        "early_stopping": bool(e.early_stopping),
        "patience": int(e.patience),
        "min_delta": float(e.min_delta),
        "dtype": e.dtype,
    }
    return Spec(**{**fields, **overrides})
