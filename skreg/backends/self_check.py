"""A small training by kernels against the same by the reference, before kernels are trusted.

Kernels are compiled for the device that is there, by the compiler that is there, or read from a cache on
disk. So each has to show once in a process that it gives what the definition gives; else the definition
runs. On two cores this takes some hundredths of a second for a kind of net with kernels that are new.
"""

from __future__ import annotations

import dataclasses
import threading

import numpy as np
import torch

from skreg.backends.reference import ReferenceStep
from skreg.net.net import SHARED, Net, switches
from skreg.train.feed import Epoch, Feed, Fingerprint
from skreg.train.job import Job, Spec
from skreg.train.knobs import Knobs
from skreg.train.random import Purpose, generator
from skreg.train.stack import Stack
from skreg.train.state import State, initial_parameters, with_measured

#: Largest difference, as a share of the largest number (of 1 at least).
TOLERANCE = {"float32": 1e-4, "float64": 1e-9}

#: Fields of `Spec` that choose the code of the kernels, besides whether columns are embedded.
KEY = ("device", "dtype", "embedding", "activation", "loss", "solver", "nesterov", *SHARED)

#: Knobs that set nets apart and are turned off and on in each check; others are on where the net has them.
EXAMINED_BOTH_WAYS = ("input_dropout",)

#: Standard deviation of the columns: with larger ones the exponentials of Poisson losses explode.
_EPOCHS, _RATE, _SPREAD = 2, 0.01, 0.25

#: Minibatches an epoch, and rows of one. Training by batches of few rows, whose statistics a row decides,
#: makes much of rounding, most where inputs are dropped: with six rows differences grew some thousand
#: times in a dozen minibatches. The more rows, the likelier is one within rounding of a kink, so not more
#: than it takes. Vector code takes 4, 8 or 16 rows at a time: whichever it is, some are left over.
_STEPS, _BATCH = 3, 18

#: Levels of their columns of categories, where there are some.
_LEVELS = (3, 9)

#: Epochs of the nets whose epochs are closed by the step.
_CLOSED_EPOCHS = 4

#: What was found out for each kind of net, and the kernels that have passed.
_verdicts, _sound, _lock = {}, set(), threading.Lock()


def verdict(step_type, spec):
    """What is wrong with a step for nets of this kind, found out once; "" where nothing is.

    A kind of net whose kernels have all passed in nets of other kinds is not examined again.

    Parameters
    ----------
    step_type : type
        With the interface of `ReferenceStep`.
    spec : Spec

    Returns
    -------
    str
    """
    key = step_type, *_kind(spec).values()
    with _lock:
        if key not in _verdicts:
            kernels = {(step_type, kernel) for kernel in _kernels(step_type, spec)}
            _verdicts[key] = "" if kernels <= _sound else _examine(step_type, spec)
            if not _verdicts[key]:
                _sound.update(kernels)
        return _verdicts[key]


def _kernels(step_type, spec):
    """What a net of this kind calls; where a step does not say, the kind as a whole."""
    named = getattr(step_type, "kernels_of", None)
    return [tuple(_kind(spec).items())] if named is None else named(spec)


def _kind(spec):
    """What tells nets with code of their own apart."""
    switched = {name: on for name, on in switches(spec).items() if name not in EXAMINED_BOTH_WAYS}
    columns = {"embedded": bool(spec.embedded), "levels": bool(spec.levels)}
    return {name: getattr(spec, name) for name in KEY} | switched | columns


def _examine(step_type, spec):
    kind = ", ".join(f"{name}={value!r}" for name, value in _kind(spec).items())
    try:
        compare = _compare_stacks if _closes(step_type, spec) else _compare_steps
        for input_dropout in (0.0, 0.3):
            worst = compare(step_type, _jobs(spec, input_dropout))
            if not worst <= TOLERANCE[spec.dtype]:
                # A unit within rounding of the kink of its activation makes as much of a difference as a
                # wrong kernel, on these rows; a wrong kernel does on others too.
                worst = compare(step_type, _jobs(spec, input_dropout, first_seed=2))
            if not worst <= TOLERANCE[spec.dtype]:
                return (
                    f"The kernels of {step_type.__name__} failed their self-check ({kind}): results "
                    f"differ from the reference by {worst:.1e}, allowed is {TOLERANCE[spec.dtype]:.0e}."
                )
    except (MemoryError, torch.OutOfMemoryError):
        raise  # says nothing about the kernels
    except Exception as error:
        what = f"{type(error).__name__}: {error}"
        return f"The kernels of {step_type.__name__} cannot be used ({kind}): {what}."
    return ""


def _closes(step_type, spec):
    """Whether nets are trained as a stack trains them, with validation and all that ends an epoch.

    Not on CUDA: it is a graph of its own there, which takes seconds to record.
    """
    return step_type.closes_epochs and torch.device(spec.device).type == "cpu"


def _compare_steps(step_type, jobs):
    """Largest difference after two epochs of minibatches; NaN where a number is."""
    pairs = zip(_trained(step_type, jobs), _trained(ReferenceStep, jobs), strict=True)
    return np.max([_distance(one, other) for one, other in pairs])


def _compare_stacks(step_type, jobs):
    """Largest difference of the results of two stacks; NaN where a number is."""
    jobs = _jobs_to_close(jobs)
    pairs = zip(
        *(Stack(jobs, step).run() for step in (step_type, ReferenceStep)),
        strict=True,
    )
    return np.max([_difference(one, other) for one, other in pairs])


def _difference(one, other):
    """Largest difference of two results; infinite where one ended or kept its weights at a wrong time."""
    losses = ("train_loss", "valid_loss")
    valid = one.history["valid_loss"]
    # Two epochs that are equal but for rounding may change places, so each is held to its own losses.
    best = int(np.argmin(valid)) + 1 if one.stopped_by != "tol" else one.n_iter
    if (one.n_iter, one.stopped_by, one.best_iter) != (other.n_iter, other.stopped_by, best):
        return np.inf
    pairs = [(np.array(one.history[n]), np.array(other.history[n])) for n in losses]
    if one.best_iter == other.best_iter:
        pairs += [(value, other.params[name]) for name, value in one.params.items()]
    return np.max([_distance(a, b) for a, b in pairs])


def _distance(one, other):
    """Largest difference of two arrays as a share of the largest number (of 1 at least)."""
    return float(np.abs(one - other).max() / max(1.0, np.abs(other).max()))


def _jobs(spec, input_dropout, first_seed=0):
    """Three nets on two tables, one of them a row short, that differ in every knob that may differ."""
    knobs = (
        {"dropout": (0.0, 0.4, 0.1), "l1": (0.01, 0.0, 0.02, 0.0), "l2": (0.1,) * 4},
        {"dropout": (0.5, 0.0, 0.0), "weight_decay": 0.3, "l1": (0.0,) * 4, "l2": (0.0,) * 4},
        {"dropout": (0.2, 0.3, 0.0), "max_norm": 0.6, "l1": (0.0,) * 4, "l2": (0.0, 0.2, 0.0, 0.0)},
    )
    shared = {name: getattr(spec, name) for name in (*KEY, "momentum")}
    # A large epsilon: with a small one Adam makes a step of full size of what is zero but for rounding.
    # One layer of another width than the one in front of it, and one of the same; not so narrow that the
    # units of a row are nearly equal by chance: a layer norm would make much of their rounding.
    shared |= {"hidden": (12, 8, 8), "n_outputs": 3, "batch_size": _BATCH, "epsilon": 0.1}
    if isinstance(spec.batch_norm, tuple):
        shared["batch_norm"] = (True, False, True)
    shared["embedded"] = (1, 3) if spec.embedded else None
    # Of columns of levels one is not alone in what it was made of, and neither are two of the others.
    shared["levels"] = _LEVELS if spec.levels else ()
    shared["owners"] = (2, 0, 0, 1, *((1, 3) if spec.levels else ()))
    jobs = []
    for member, own in enumerate(knobs):
        seed = first_seed + member // 2
        rng = generator(0, Purpose.SELF_CHECK, seed)
        n = _STEPS * _BATCH - member // 2
        X = (_SPREAD * rng.standard_normal((n, 4))).astype(spec.dtype)
        y = rng.uniform(0.0, 2.0, (n, 3)).astype(spec.dtype)
        if spec.loss == "multinomial":
            y = rng.integers(0, 3, n)
        elif spec.loss == "binomial":
            y = np.round(y / 2)
        own |= {name: 0.1 * (1 + member) for name, on in switches(spec).items() if on}
        own |= {"label_smoothing": 0.1 * member, "input_dropout": input_dropout * member}
        own["cutout_share"] = 0.5
        weight = rng.uniform(0.5, 1.5, n)
        if spec.levels:
            X = np.hstack([X, rng.integers(0, _LEVELS, (n, len(_LEVELS)))]).astype(spec.dtype)
        spec_of = Spec(**shared, **own, quantile=0.2 + 0.2 * member)
        jobs.append(Job(spec_of, X, y, sample_weight=weight / weight.mean(), seed=seed))
    return jobs


def _trained(step_type, jobs):
    """Parameters, running statistics, moments and losses after two epochs, as arrays."""
    spec, device = jobs[0].spec, torch.device(jobs[0].spec.device)
    feed = Feed(jobs, Fingerprint.of_all(jobs), device, {})
    net = Net.of(spec, jobs[0].X.shape[1])
    state = State(net, len(jobs), spec.solver, spec.dtype, device)
    for k, job in enumerate(jobs):
        state.load(k, with_measured(net, initial_parameters(net, job.spec, job.seed), job))
    step = step_type(state, Knobs([job.spec for job in jobs]), feed, spec)
    rates = np.full((feed.steps, len(jobs)), _RATE, dtype=spec.dtype)
    for number in range(_EPOCHS):
        step.run(Epoch(*feed.epoch(number), rates, feed.partners(number)), 0, feed.steps)
    buffers = state.theta, state.running, *state.moments
    found = [b.flat.cpu().numpy() for b in buffers if len(b.flat)]
    return [*found, step.take_losses()]


def _jobs_to_close(jobs):
    """The same nets, ended by validation rows, by the training loss, and by the number of epochs.

    No improvement is enough for the first two, so that the epoch at which they end is known.
    """
    shared = {"max_iter": _CLOSED_EPOCHS, "learning_rate_init": _RATE}
    own = (
        {"early_stopping": True, "patience": 1, "min_delta": 1e6},
        {"tol": 1e6, "patience": 2},
        {"early_stopping": True, "patience": _CLOSED_EPOCHS, "ema_decay": 0.5},
    )
    return [
        dataclasses.replace(
            job,
            spec=dataclasses.replace(job.spec, **shared, **knobs),
            X_val=job.X[::2].copy(),
            y_val=job.y[::2].copy(),
            sample_weight_val=job.sample_weight[::2].copy(),
        )
        for job, knobs in zip(jobs, own, strict=True)
    ]
