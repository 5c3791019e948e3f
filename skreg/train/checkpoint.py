"""A training that is paused: all that it takes to go on as if it had not been.

A search that drops most of its candidates early trains each for some epochs (`Job.pause`), and goes on with
those that are left (`Job.resume`). What the order of rows and masks are made of is not carried along: they
are functions of the epoch.
"""

from __future__ import annotations

import numbers
from dataclasses import dataclass

import numpy as np

from skreg.net.net import Net
from skreg.train.stopping import Counters


@dataclass
class Checkpoint:
    """What a paused net has come to. It can be pickled; arrays are numpy's, and each is held once.

    Attributes
    ----------
    params : dict of ndarray
        After the last epoch, with running statistics and what was measured in the rows.
    optimiser : dict
        Its steps and moments, as `Result.optimiser`.
    average : dict of ndarray or None
        The average over epochs of the parameters; None where there is none.
    best : dict of ndarray or None
        The best weights so far; None where those of the last epoch are, averaged if they are averaged.
    counters : Counters or None
        Of the patience; None where nothing is watched.
    history : dict of list
    best_iter, best_step, n_steps : int
        Counted from the very start, as all that is said here.
    best_loss : float
    undefined : str or None
    seconds : float
    """

    params: dict
    optimiser: dict
    average: dict | None
    best: dict | None
    counters: Counters | None
    history: dict
    best_iter: int
    best_loss: float
    best_step: int
    n_steps: int
    undefined: str | None
    seconds: float

    @property
    def epochs(self):
        """Epochs behind it."""
        return len(self.history["epoch"])

    @property
    def kept(self):
        """The best weights so far."""
        return next(p for p in (self.best, self.average, self.params) if p is not None)

    @property
    def start(self):
        """Parameters and optimiser to go on from, as `Job.start` has them."""
        return {**self.params, "optimiser": self.optimiser}

    def load(self, places, snapshot, average):
        """Set what members at ``places`` of a stack have kept; their state has been set."""
        snapshot.load(places, self.kept)
        if average is not None and self.average is not None:
            average.load(places, self.average)


def checkpoints(members, results, places, state, average):
    """Checkpoints of members that were paused just now.

    Parameters
    ----------
    members : list of Member
    results : list of Result
        Of each of them; their arrays are used again where they are the same.
    places : list of int
        In the stack.
    state : State
    average : Average or None

    Returns
    -------
    list of Checkpoint
    """
    averages = [None] * len(places) if average is None else average.members(places)
    every = zip(
        members, results, state.members(places), state.optimisers(places), averages, strict=True
    )
    out = []
    for member, result, params, optimiser, mean in every:
        mean = mean if member.job.spec.ema_decay else None
        if latest := member.best_iter == result.n_iter:
            # What was kept is the average, or the parameters where there is none.
            params, mean = (params, result.params) if mean is not None else (result.params, None)
        out.append(
            Checkpoint(
                params=dict(params),
                optimiser={**optimiser, "t": member.optimiser_steps + member.n_steps},
                average=mean and dict(mean),
                best=None if latest else dict(result.params),
                counters=member.monitor and member.monitor.counters,
                history={name: list(values) for name, values in member.history.items()},
                best_iter=member.best_iter,
                best_loss=member.best_loss,
                best_step=member.best_step,
                n_steps=member.n_steps,
                undefined=member.undefined,
                seconds=result.seconds,
            )
        )
    return out


def check(job):
    """Refuse a job that cannot be paused where it says, or cannot go on from where it says."""
    if job.pause is None and job.resume is None:
        return
    for name, what in (
        ("cohort", "an ensemble stop together"),
        ("driver", "a callback go on alone"),
    ):
        if getattr(job, name) is not None:
            raise ValueError(
                f"{_named(job)} cannot be paused: nets of {what}. Leave out pause and resume, or {name}."
            )
    whole = isinstance(job.pause, numbers.Integral) and not isinstance(job.pause, bool)
    if job.pause is not None and (not whole or job.pause < 1):
        raise ValueError(
            f"{_named(job)} has pause={job.pause!r}. Give a number of epochs, at least 1, or None."
        )
    if job.resume is not None:
        _check_goes_on(job)


def _check_goes_on(job):
    behind, spec = job.resume.epochs, job.spec
    if job.pause is not None and job.pause <= behind:
        raise ValueError(
            f"{_named(job)} has pause={job.pause} and goes on from epoch {behind}. Epochs are counted from "
            "the very start: give a larger number, or None."
        )
    limits = {"max_iter": behind} if spec.max_steps is None else {"max_steps": job.resume.n_steps}
    for name, done in limits.items():
        if getattr(spec, name) <= done:
            raise ValueError(
                f"{_named(job)} has {name}={getattr(spec, name)}, and {done} are behind it. Give more, or "
                "take its weights as they are."
            )
    net = Net.of(spec, job.X.shape[1])
    moments = 1 if spec.solver == "sgd" else 2
    wrong = [
        name
        for name, shape in (*net.learned(), *net.carried())
        if name not in job.resume.params or job.resume.params[name].shape != tuple(shape)
    ]
    if wrong:
        raise ValueError(
            f"{_named(job)} goes on from a net of another shape: {', '.join(wrong)} differ. Resume with the "
            "spec and the columns that it was paused with."
        )
    kinds = {values.dtype for values in job.resume.params.values()}
    if len(job.resume.optimiser["moments"]) != moments or kinds != {np.dtype(spec.dtype)}:
        raise ValueError(
            f"{_named(job)} has solver={spec.solver!r} and dtype={spec.dtype!r}, and goes on from a net "
            "that was trained otherwise. Resume with the spec that it was paused with."
        )


def _named(job):
    return f"The job {job.label!r}" if job.label else "A job"
