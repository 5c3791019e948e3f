"""A small training by kernels against the same by the reference, before kernels are trusted.

Kernels are compiled for the device that is there, by the compiler that is there. So they have to show once
in a process, device and kind of net that they give what the definition gives; else the definition runs.
"""

from __future__ import annotations

import threading

import numpy as np
import torch

from skreg.engine.data import Epoch, Feed, Fingerprint
from skreg.engine.job import Job, Spec
from skreg.engine.knobs import Knobs
from skreg.engine.random import generator
from skreg.engine.reference import ReferenceStep
from skreg.engine.state import Layout, State, initial_parameters

#: Largest difference, as a share of the largest number (of 1 at least).
TOLERANCE = {"float32": 1e-4, "float64": 1e-9}

#: Fields of `Spec` that choose the code of the kernels, besides whether columns are embedded.
KEY = ("device", "dtype", "activation", "batch_norm", "loss", "solver", "nesterov")

_EPOCHS, _RATE = 2, 0.01

_verdicts, _lock = {}, threading.Lock()


def verdict(step_type, spec):
    """What is wrong with a step for nets of this kind, found out once; "" where nothing is.

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
            _verdicts[key] = _examine(step_type, spec)
        return _verdicts[key]


def _kind(spec):
    """What tells nets with code of their own apart."""
    return {name: getattr(spec, name) for name in KEY} | {"embedded": bool(spec.embedded)}


def _examine(step_type, spec):
    kind = ", ".join(f"{name}={value!r}" for name, value in _kind(spec).items())
    try:
        for input_dropout in (0.0, 0.3):
            jobs = _jobs(spec, input_dropout)
            pairs = zip(_trained(step_type, jobs), _trained(ReferenceStep, jobs), strict=True)
            worst = np.max([_distance(one, other) for one, other in pairs])  # of a NaN it is NaN
            if not worst <= TOLERANCE[spec.dtype]:
                return (
                    f"The kernels of {step_type.__name__} failed their self-check ({kind}): results "
                    f"differ from the reference by {worst:.1e}, allowed is {TOLERANCE[spec.dtype]:.0e}."
                )
    except torch.OutOfMemoryError:
        raise
    except Exception as error:
        what = f"{type(error).__name__}: {error}"
        return f"The kernels of {step_type.__name__} cannot be used ({kind}): {what}."
    return ""


def _distance(one, other):
    """Largest difference of two arrays, NaN where either has one."""
    return float(np.abs(one - other).max() / max(1.0, np.abs(other).max()))


def _jobs(spec, input_dropout):
    """Three nets on two tables of 18 and 17 rows that differ in every knob that may differ."""
    knobs = (
        {"dropout": (0.0, 0.4), "l1": (0.01, 0.0, 0.02), "l2": (0.1,) * 3},
        {"dropout": (0.5, 0.0), "weight_decay": 0.3, "l1": (0.0,) * 3, "l2": (0.0,) * 3},
        {"dropout": (0.2, 0.3), "max_norm": 0.6, "l1": (0.0,) * 3, "l2": (0.0, 0.2, 0.0)},
    )
    shared = {name: getattr(spec, name) for name in (*KEY, "momentum")}
    # A large epsilon: with a small one Adam makes a step of full size of what is zero but for rounding.
    shared |= {"hidden": (4, 3), "n_outputs": 3, "batch_size": 6, "epsilon": 0.1}
    shared["embedded"] = (1, 3) if spec.embedded else None
    jobs = []
    for member, own in enumerate(knobs):
        rng = generator(0, member // 2)
        n = 18 - member // 2
        X = rng.standard_normal((n, 4)).astype(spec.dtype)
        y = rng.uniform(0.0, 2.0, (n, 3)).astype(spec.dtype)
        if spec.loss == "multinomial":
            y = rng.integers(0, 3, n)
        elif spec.loss == "binomial":
            y = np.round(y / 2)
        own |= {"label_smoothing": 0.1 * member, "input_dropout": input_dropout * member}
        weight = rng.uniform(0.5, 1.5, n)
        spec_of = Spec(**shared, **own, quantile=0.2 + 0.2 * member)
        jobs.append(Job(spec_of, X, y, sample_weight=weight / weight.mean(), seed=member // 2))
    return jobs


def _trained(step_type, jobs):
    """Parameters, running statistics, moments and losses after two epochs, as arrays."""
    spec, device = jobs[0].spec, torch.device(jobs[0].spec.device)
    feed = Feed(jobs, Fingerprint.of_all(jobs), device, {})
    sizes = (spec.n_inputs(jobs[0].X.shape[1]), *spec.hidden, spec.n_outputs)
    layout = Layout(sizes, spec.batch_norm, spec.n_embedded)
    state = State(layout, len(jobs), spec.solver, spec.dtype, device)
    for k, job in enumerate(jobs):
        state.load(k, initial_parameters(layout, spec.activation, job.seed))
    step = step_type(state, Knobs([job.spec for job in jobs]), feed, spec)
    rates = np.full((feed.steps, len(jobs)), _RATE, dtype=spec.dtype)
    for number in range(_EPOCHS):
        step.run(Epoch(*feed.epoch(number), rates), 0, feed.steps)
    buffers = state.theta, state.running, *state.moments
    found = [b.flat.cpu().numpy() for b in buffers if len(b.flat)]
    return [*found, step.take_losses()]
