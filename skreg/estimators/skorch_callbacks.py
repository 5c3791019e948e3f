"""Which of skorch's callbacks work here; the others are refused before training, with what to use instead.

Callbacks hear of the begin and the end of training and of each epoch. The engine runs the minibatches
and owns the optimiser, so a callback that works on these would run without effect.
"""

from __future__ import annotations

import inspect

from skorch import callbacks as skorch_callbacks

#: Hooks that the engine never calls.
_NEVER_CALLED = ("on_batch_begin", "on_batch_end", "on_grad_computed")

#: Classes of skorch, subclasses included, that cannot work, and what to do instead.
_REFUSED = {
    "LRScheduler": "the learning rate belongs to the engine. Use learning_rate ('constant', 'cosine', "
    "'invscaling' or 'adaptive') and learning_rate_init",
    "WarmRestartLR": "the learning rate belongs to the engine. Use learning_rate='cosine' and "
    "learning_rate_init",
    "GradientNormClipping": "callbacks do not see the gradients. Use max_norm, which bounds the weights "
    "of each unit, or a smaller learning_rate_init",
    "ParamMapper": "the engine does not read the weights and their requires_grad back from module_. To "
    "start from the weights of an earlier fit, use warm_start=True; to freeze layers, train a copy of "
    "module_ in torch",
    "LoadInitState": "the engine does not read weights and optimiser from files. Load the pickled "
    "estimator and fit it with warm_start=True",
    "InputShapeSetter": "the net takes the number of its inputs from X. Leave it out",
    "BatchScoring": "callbacks do not see the minibatches. Use EpochScoring, or the parameter scoring",
    "PassthroughScoring": "callbacks do not see the minibatches. The history has train_loss and "
    "valid_loss of each epoch by itself; use EpochScoring for other metrics",
    "ProgressBar": "it counts minibatches, which callbacks do not see. Use verbose=1, which prints a "
    "line an epoch",
}

#: Arguments of classes that otherwise work: the value that can be had, and what to do instead.
_REFUSED_ARGUMENTS = {
    "Checkpoint": {
        "f_optimizer": (None, "the optimiser belongs to the engine and is not saved"),
        "f_pickle": (None, "pickle the estimator when it is fitted"),
        "load_best": (False, "early_stopping=True restores the best epoch"),
    },
    "TrainEndCheckpoint": {
        "f_optimizer": (None, "the optimiser belongs to the engine and is not saved"),
        "f_pickle": (None, "pickle the estimator when it is fitted"),
    },
    "EarlyStopping": {"load_best": (False, "early_stopping=True restores the best epoch")},
    "NeptuneLogger": {"log_on_batch_end": (False, "callbacks do not see the minibatches")},
    "SacredLogger": {"log_on_batch_end": (False, "callbacks do not see the minibatches")},
    "MlflowLogger": {
        "log_on_batch_end": (False, "callbacks do not see the minibatches"),
        "create_artifact": (False, "log the fitted estimator with mlflow.sklearn.log_model"),
    },
}

#: What the history has in every fit, and with validation rows, and with a scorer.
_ALWAYS = ("epoch", "train_loss", "train_loss_best", "dur")
_VALIDATED = ("valid_loss", "valid_loss_best")
_SCORED = ("valid_score", "valid_score_best")


def check_callbacks(callbacks, *, validated, scored):
    """Refuse callbacks that would run without effect.

    Parameters
    ----------
    callbacks : list
        Callbacks, their classes, or pairs of a name and either, as skorch takes them.
    validated, scored : bool
        Whether this fit has validation rows, and whether a scorer judges them.

    Raises
    ------
    TypeError
        For something that is no callback.
    ValueError
        For a callback, an argument or a hook that cannot work; names it and the remedy.
    """
    found = [_unpacked(item) for item in callbacks]
    for callback in found:
        if callback is not None:
            _check_class(callback)
            _check_arguments(callback)
            _check_hooks(callback)
    _check_monitors([c for c in found if c is not None], validated, scored)


def is_from_skorch(callback):
    """Whether the class of a callback is one of skorch's own."""
    return _class(callback).__module__.split(".")[0] == "skorch"


def is_print_log(item):
    """Whether an entry of the list is a `PrintLog`."""
    callback = _unpacked(item)
    return callback is not None and issubclass(_class(callback), skorch_callbacks.PrintLog)


def _unpacked(item):
    return item[1] if isinstance(item, (tuple, list)) and len(item) == 2 else item


def _class(callback):
    return callback if isinstance(callback, type) else type(callback)


def _bases(callback):
    """Names of the classes of skorch that a callback is one of."""
    return [c.__name__ for c in _class(callback).__mro__ if c.__module__.startswith("skorch.")]


def _check_class(callback):
    name, bases = _class(callback).__name__, _bases(callback)
    for base in bases:
        if base in _REFUSED:
            kind = f"{name}," if name == base else f"{name}, a subclass of {base},"
            raise ValueError(f"callbacks has {kind} which cannot work: {_REFUSED[base]}.")
    hooks = ("initialize", "on_train_begin", "on_train_end", "on_epoch_begin", "on_epoch_end")
    if not all(callable(getattr(callback, hook, None)) for hook in hooks):
        raise TypeError(
            f"callbacks has {callback!r}, which is not a skorch callback. Pass objects of subclasses of "
            "skorch.callbacks.Callback."
        )


def _check_arguments(callback):
    name = _class(callback).__name__
    for base in _bases(callback):
        for argument, (allowed, remedy) in _REFUSED_ARGUMENTS.get(base, {}).items():
            value = _argument(callback, argument)
            if value is not None and value != allowed:
                raise ValueError(
                    f"callbacks has {name} with {argument}={value!r}, which cannot work: {remedy}. Pass "
                    f"{argument}={allowed}."
                )


def _argument(callback, name):
    """An argument of a callback; where it is a class, the default."""
    if not isinstance(callback, type):
        return getattr(callback, name, None)
    parameter = inspect.signature(callback).parameters.get(name)
    return None if parameter is None else parameter.default


def _check_hooks(callback):
    for hook in _NEVER_CALLED:
        owner = next((c for c in _class(callback).__mro__ if hook in vars(c)), None)
        own = not isinstance(callback, type) and hook in vars(callback)
        if not own and (owner is None or owner.__module__.startswith("skorch.")):
            continue
        raise ValueError(
            f"callbacks has {_class(callback).__name__}, which overrides {hook}. It would never be called: "
            "the engine runs the minibatches of an epoch by itself. Use on_epoch_begin or on_epoch_end."
        )


def _check_monitors(callbacks, validated, scored):
    """Refuse monitors of what this fit does not write into the history."""
    if any(not is_from_skorch(c) for c in callbacks):
        names = None  # somebody may write anything
    else:
        names = [*_ALWAYS, *(_VALIDATED if validated else ()), *(_SCORED if scored else ())]
    recorded = [name for c in callbacks for name in _recorded(c)]
    for callback in callbacks:
        monitor = _monitor(callback)
        if monitor is None or monitor in recorded or (names is not None and monitor in names):
            continue
        missing = (*(() if validated else _VALIDATED), *(() if scored else _SCORED))
        if names is None and monitor not in missing:
            continue
        raise ValueError(
            f"callbacks has {_class(callback).__name__}, which monitors {monitor!r}. "
            + _how_to_record(monitor, validated)
        )


def _monitor(callback):
    bases = _bases(callback)
    if "WandbLogger" in bases and _argument(callback, "save_model"):
        return "valid_loss_best"
    monitor = _argument(callback, "monitor") if {"EarlyStopping", "Checkpoint"} & {*bases} else None
    return monitor if isinstance(monitor, str) else None


def _recorded(callback):
    """What a callback of skorch writes into the history."""
    if "EpochScoring" not in _bases(callback) or isinstance(callback, type):
        return ()
    name = callback.name
    if name is None and callable(getattr(callback, "initialize", None)):
        name = callback.initialize().name_
    return name, f"{name}_best"


def _how_to_record(monitor, validated):
    if monitor in _VALIDATED or (monitor in _SCORED and not validated):
        return (
            "This fit has no validation rows: set early_stopping=True or pass X_val and y_val to fit, or "
            "monitor 'train_loss'."
        )
    if monitor in _SCORED:
        return "There is no score, as scoring='loss': set scoring, or monitor 'valid_loss'."
    return (
        "Nothing writes it into the history. Put an EpochScoring with this name in front of it, or monitor "
        f"{'valid_loss' if validated else 'train_loss'!r}."
    )
