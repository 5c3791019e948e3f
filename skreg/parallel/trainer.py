"""The trainer: one thread per process from which all training starts.

A round that is more than one stack goes on in lanes (`skreg.train.lanes`), one thread each. A second
thread that used several torch threads would get an OpenMP team of its own, and the two teams share
the cores badly (measured: 1.9 times slower). So fits outside of batched tasks are trained here too.
"""

from __future__ import annotations

import copy
import math
import numbers
import os
import queue
import threading
import time
from concurrent.futures import CancelledError
from dataclasses import dataclass, field

import torch

from skreg.parallel.tasks import current_task
from skreg.train import lanes
from skreg.train.feed import Fingerprint
from skreg.train.run import Control, failed, train

#: Seconds between looks at signals of the thread that waits.
_LOOK = 0.1


@dataclass(eq=False)
class Round:
    """Jobs that are trained together.

    Attributes
    ----------
    jobs : list of Job
    fingerprints : list of Fingerprint
    done : callable
        ``done(results, reports, seconds)``, called by the thread that trained; must not raise.
    control : Control
    threads : int
        Threads that torch may use.
    memory : float or None
        Bytes that the stacks in training may take together.
    begun : bool
        Whether it has left the queue.
    """

    jobs: list
    fingerprints: list
    done: object
    control: Control = field(default_factory=Control)
    threads: int = field(default_factory=torch.get_num_threads)
    memory: float | None = None
    begun: bool = False


@dataclass(frozen=True)
class RoundReport:
    """What happened in one round of batched fits.

    Attributes
    ----------
    jobs : int
        Networks trained.
    members : tuple of int
        Networks in each stack.
    epochs : tuple of int
        Epochs of each stack.
    seconds : float
    gflops : float
        Billions of floating-point operations a second in matrix products.
    """

    jobs: int
    members: tuple[int, ...]
    epochs: tuple[int, ...]
    seconds: float
    gflops: float

    @classmethod
    def of(cls, reports, seconds):
        """Report of a round, from those of its stacks."""
        return cls(
            jobs=sum(r.members for r in reports),
            members=tuple(r.members for r in reports),
            epochs=tuple(r.epochs for r in reports),
            seconds=seconds,
            gflops=sum(r.flops for r in reports) / max(seconds, 1e-9) / 1e9,
        )

    @property
    def stacks(self) -> int:
        """How many tensor programs trained them."""
        return len(self.members)

    def __str__(self) -> str:
        nets = f"{self.jobs:,} net" + ("" if self.jobs == 1 else "s")
        stacks = f"{self.stacks} stack" + ("" if self.stacks == 1 else "s")
        least, most = min(self.epochs, default=0), max(self.epochs, default=0)
        epochs = f"{most:,}" if least == most else f"{least:,} to {most:,}"
        return (
            f"{nets} in {stacks}, {epochs} epoch{'' if epochs == '1' else 's'}, {self.seconds:.1f} s, "
            f"{self.gflops:.1f} GFLOP/s"
        )


class Rounds(list[RoundReport]):
    """Reports of rounds, shown at the prompt as one line each."""

    def __repr__(self) -> str:
        if not self:
            return "no rounds"
        return "\n".join(f"round {k}: {report}" for k, report in enumerate(self, start=1))

    __str__ = __repr__


def carry_out(work, execute):
    """Train a round by ``execute(work)``, and tell those who wait for it, even where it fails."""
    began = time.perf_counter()
    work.begun = True  # before the look at the control: see `train_and_wait`
    try:
        if work.control.cancelled:
            raise CancelledError
        results, reports = execute(work)
        if len(results) != len(work.jobs) or any(r is None for r in results):
            raise RuntimeError(
                f"{len(work.jobs)} jobs came back without a result for each of them."
            )
    except BaseException as error:
        results, reports = failed(work.jobs, error), []
    work.done(results, reports, time.perf_counter() - began)


class Trainer:
    """Takes rounds from a queue and trains them, one after the other, on a thread of its own."""

    def __init__(self):
        self._inbox = queue.SimpleQueue()
        self._thread = None
        self._lock = threading.Lock()

    def put(self, work):
        """Queue a round; it fails where the system cannot start a thread."""
        try:
            with self._lock:
                if self._thread is None:
                    thread = threading.Thread(target=self._run, name="skreg-trainer", daemon=True)
                    thread.start()
                    self._thread = thread
        except RuntimeError as error:
            work.done(failed(work.jobs, error), [], 0.0)
        else:
            self._inbox.put(work)

    @property
    def here(self):
        """Whether the calling thread trains: it is the trainer's, or one of its lanes."""
        return threading.current_thread() is self._thread or lanes.in_lane()

    def _run(self):
        while True:
            carry_out(self._inbox.get(), _train_locally)


def _train_locally(work):
    if torch.get_num_threads() != work.threads:  # as many as the thread that asks may use
        torch.set_num_threads(work.threads)
    return train(
        work.jobs, fingerprints=work.fingerprints, control=work.control, memory=work.memory
    )


TRAINER = Trainer()


def _renew_after_fork():
    """A forked child has none of its parent's threads."""
    global TRAINER
    TRAINER = Trainer()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_after_fork)


def in_a_round():
    """Whether the calling thread's fit will be trained together with those of other tasks."""
    return current_task() is not None


def submit(job):
    """Train one job and return its result: in the round of the calling task, or by itself.

    Raises
    ------
    Exception
        What the job's ``score`` raised, or what its stack failed with.
    """
    return submit_many([job])[0]


def with_deadline(jobs, seconds):
    """The jobs, ending so many seconds from now at the latest; None sets no limit.

    Raises
    ------
    ValueError
        Where ``seconds`` is no number.
    """
    if seconds is None:
        return jobs
    if not isinstance(seconds, numbers.Real) or math.isnan(seconds):
        raise ValueError(f"seconds={seconds!r} is no number. Give seconds, or None for no limit.")
    deadline, limited = time.perf_counter() + seconds, []
    for job in jobs:
        job = copy.copy(job)
        job.deadline = min(job.deadline, deadline)
        limited.append(job)
    return limited


def submit_many(jobs, seconds=None):
    """Train jobs together and return their results, as `submit` does with one.

    After ``seconds`` of this call those in training end with their best weights so far
    (``stopped_by="max_time"``); those that have not begun have ``best_step`` 0. In a round of several tasks
    the jobs of the others go on.

    Where the user interrupts, training ends early and the results say so (`Result.interrupted`): whoever
    asked raises KeyboardInterrupt again when the nets are fitted.

    Raises
    ------
    Exception
        The first of their errors.
    KeyboardInterrupt
        Where the user interrupts and there is no net to keep.
    """
    task, jobs = current_task(), with_deadline(jobs, seconds)
    results = train_and_wait(jobs)[0] if task is None else task.scope.train(task, jobs)
    errors = [result.error for result in results if result.error is not None]
    if errors and any(result.interrupted for result in results):
        # Else a search that scores failed fits as NaN would go on.
        raise KeyboardInterrupt from errors[0]
    if errors:
        raise _own(errors[0])
    return results


def _own(error):
    """A copy: where a round fails, its tasks would write their tracebacks into one exception."""
    try:
        own = copy.copy(error)
    except Exception:  # its constructor wants other arguments
        return error
    own.__cause__ = error.__cause__
    return own.with_traceback(error.__traceback__)


def train_and_wait(jobs, fingerprints=None, *, seconds=None, **options):
    """Train jobs on the trainer's thread.

    Parameters
    ----------
    jobs : list of Job
    fingerprints : list of Fingerprint, optional
    seconds : float, optional
        Ends them as in `submit_many`.
    **options
        Of the `Round`.

    Returns
    -------
    results : list of Result
    reports : list of StackReport
    """
    jobs = with_deadline(jobs, seconds)
    if TRAINER.here:  # a callback that fits a net of its own
        return train(jobs, fingerprints=fingerprints)
    ended, box = threading.Event(), []

    def done(results, reports, seconds):
        box.extend((results, reports))
        ended.set()

    fingerprints = fingerprints or Fingerprint.of_all(jobs)
    work = Round(jobs, fingerprints, done, **options)
    try:
        TRAINER.put(work)
        # A signal does not end a wait where it comes right before it.
        while not ended.wait(_LOOK):
            pass
    except BaseException as error:
        work.control.cancelled = True
        # The best weights so far are kept, if there are any. A second interrupt is not caught, and neither
        # is what another handler of signals raises, such as one that limits the time.
        if not isinstance(error, KeyboardInterrupt) or not work.begun:
            raise
        ended.wait()
        for result in box[0]:  # even where training ended by itself just then
            result.interrupted = True
    return tuple(box)


_last_rounds: list[RoundReport] = []


def remember_rounds(reports):
    """Keep the reports of the batched fits that ran last."""
    global _last_rounds
    _last_rounds = reports


def last_rounds() -> list[RoundReport]:
    """Reports of the rounds of the batched fits that ran last.

    Returns
    -------
    list of RoundReport
        Of the ``parallel_config(backend="skreg")`` block that last started a round: jobs, members
        of each stack, epochs, seconds and GFLOP/s. It prints as one line a round.

    See Also
    --------
    RegularizedMLPClassifier : A net that is trained in rounds where many are fitted at once.
    BaggedMLPClassifier : An ensemble that is one round of its own.

    Examples
    --------
    >>> import skreg
    >>> from joblib import parallel_config
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.model_selection import cross_val_score
    >>> X, y = load_iris(return_X_y=True)
    >>> net = skreg.RegularizedMLPClassifier((8,), max_iter=5, random_state=0)
    >>> with parallel_config(backend="skreg"):
    ...     scores = cross_val_score(net, X, y, cv=3)
    >>> for report in skreg.last_rounds():
    ...     print(report)  # doctest: +SKIP
    """
    return Rounds(_last_rounds)
