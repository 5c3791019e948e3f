"""Stacks on other processes or machines, through any `concurrent.futures.Executor`.

A stack is a pure function of its jobs, so it may be trained anywhere and, when a worker dies, again
elsewhere. What travels is a stack: its jobs, and each table once, however many jobs share it. With
Dask the tables are scattered, so that a worker receives each of them once for all stacks.
"""

from __future__ import annotations

import contextlib
import copy
import math
import threading
import time
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait

from skreg.parallel import trainer
from skreg.train.plan import plan
from skreg.train.run import failed

#: Times that a stack is sent out before it is trained in this process.
ATTEMPTS = 3

#: Seconds between looks at whether the search was given up.
_POLL = 0.2

_TABLES = ("X", "y", "sample_weight", "X_val", "y_val", "sample_weight_val")


def pack(jobs):
    """Jobs without their arrays, and the distinct arrays by number.

    Their deadlines are sent by the clock of the day: that of `time.perf_counter` is another one in each
    process, and the wait for a free worker counts.
    """
    shift = time.time() - time.perf_counter()
    arrays, numbers, light = [], {}, []
    for job in jobs:
        job = copy.copy(job)
        for name in _TABLES:
            value = getattr(job, name)
            if value is not None:
                if id(value) not in numbers:
                    numbers[id(value)] = len(arrays)
                    arrays.append(value)
                setattr(job, name, numbers[id(value)])
        if job.deadline < math.inf:
            job.deadline += shift
        light.append(job)
    return light, arrays


def unpack(light, arrays):
    """Inverse of `pack`."""
    jobs, shift = [], time.time() - time.perf_counter()
    for job in light:
        job = copy.copy(job)
        for name in _TABLES:
            number = getattr(job, name)
            if number is not None:
                setattr(job, name, arrays[number])
        if job.deadline < math.inf:
            job.deadline -= shift
        jobs.append(job)
    return jobs


def train_remotely(light, arrays, fingerprints, options):
    """Runs on the worker: train one stack on its trainer's thread.

    Raises
    ------
    Exception
        What the stack failed with as a whole, so that it is tried elsewhere.
    """
    results, reports = trainer.train_and_wait(unpack(light, arrays), fingerprints, **options)
    if not reports and results[0].error is not None:
        raise results[0].error
    return results, reports


class _Sent:
    """The tables of a round that Dask's workers hold, each sent once.

    Under keys of their own: a key that stands for the content is released at the end of a round and taken
    again in the next one, and Dask's scheduler may lose it between the two, and its task with it.
    """

    def __init__(self, executor):
        client = getattr(executor, "_client", None)
        self._client = client if hasattr(client, "scatter") else None
        self._known, self._held = {}, []

    def references(self, arrays, *, again):
        """With Dask, references to arrays; else the arrays. ``again``: a worker may have died with them."""
        if self._client is None:
            return arrays
        new = [a for a in arrays if again or id(a) not in self._known]
        with contextlib.suppress(Exception):
            made = self._client.scatter(new, hash=False, broadcast=False) if new else []
            self._held += made  # those that died are still named by others
            self._known |= {id(a): reference for a, reference in zip(new, made, strict=True)}
            return [self._known[id(a)] for a in arrays]
        return arrays


class ExecutorRounds:
    """Trains rounds by handing their stacks to an executor.

    Parameters
    ----------
    executor : concurrent.futures.Executor
    """

    def __init__(self, executor):
        if not callable(getattr(executor, "submit", None)):
            raise ValueError(
                f"executor={executor!r} has no submit method. Pass a concurrent.futures.Executor, "
                "such as ProcessPoolExecutor() or Dask's client.get_executor()."
            )
        self.executor = executor

    def put(self, work):
        """Train a round on a thread of its own, which only waits.

        The trainer of this process stays free: workers may be threads of this process, and the
        stacks that cannot be sent are trained by it.
        """
        thread = threading.Thread(
            target=trainer.carry_out, args=(work, self._train), name="skreg-round", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:  # the system cannot start a thread
            trainer.TRAINER.put(work)

    def _train(self, work):
        """Results and reports of a round."""
        results, reports = [None] * len(work.jobs), []
        stacks = plan(work.jobs, fingerprints=work.fingerprints, memory=work.memory)
        pending, sent = {}, _Sent(self.executor)
        for members in stacks:
            if work.jobs[members[0]].driver is None:
                self._send(work, members, 1, pending, sent)
        here = [s for s in stacks if work.jobs[s[0]].driver is not None]
        for members in here:  # callbacks have to run in this process
            self._train_here(work, members, pending)
        while pending:
            for members, (done, report) in self._collect(work, pending, sent):
                for i, result in zip(members, done, strict=True):
                    results[i] = result
                reports += report
        return results, reports

    def _collect(self, work, pending, sent):
        """Wait for a stack; members and outcome of all that came in. Failed ones go out again."""
        done, _ = wait(list(pending), timeout=_POLL, return_when=FIRST_COMPLETED)
        if work.control.cancelled:
            for future in pending:
                future.cancel()
            outcome = [(m, (failed(m, CancelledError()), [])) for m, _ in pending.values()]
            pending.clear()
            return outcome
        outcome = []
        for future in done:
            members, attempt = pending.pop(future)
            try:
                outcome.append((members, future.result()))
            except Exception:
                # A worker died, or its pool broke, or the stack failed by itself. In the last case it
                # fails in this process as well, and that error is the one to show.
                if attempt < ATTEMPTS:
                    time.sleep(_POLL)
                    self._send(work, members, attempt + 1, pending, sent)
                else:
                    self._train_here(work, members, pending)
        return outcome

    def _send(self, work, members, attempt, pending, sent):
        light, arrays = pack([work.jobs[i] for i in members])
        prints = [work.fingerprints[i] for i in members]
        options = {"memory": work.memory}
        workers = getattr(self.executor, "_max_workers", None)
        if workers:  # processes of this machine, which share its cores
            options["threads"] = max(1, work.threads // workers)
        try:
            arrays = sent.references(arrays, again=attempt > 1)
            future = self.executor.submit(train_remotely, light, arrays, prints, options)
        except Exception:  # the pool takes no more work
            self._train_here(work, members, pending)
        else:
            pending[future] = (members, attempt)

    @staticmethod
    def _train_here(work, members, pending):
        """Train a stack in this process."""
        future = Future()
        pending[future] = (members, ATTEMPTS)
        jobs = [work.jobs[i] for i in members]
        prints = [work.fingerprints[i] for i in members]
        future.set_result(
            trainer.train_and_wait(
                jobs, prints, control=work.control, threads=work.threads, memory=work.memory
            )
        )
