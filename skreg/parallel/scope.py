"""Scheduling of the tasks of one ``parallel_config(backend="skreg")`` block.

A task is in one of five states. *Queued*: not started, holds no memory. *Active*: has one of the
permits to run Python code, as many as there are cores. *Waiting*: handed in a job. *Suspended*:
waits for tasks of its own (nested searches). *Ready*: has its result or its tasks' results, and
wants a permit. Open tasks are all that started, less the suspended ones; their number is bounded,
since each holds copies of its rows.

A round starts when no task is active or ready and none of the queued ones may start: then nobody
could still add to it. A task stays active until joblib's callback has run, which may queue the next
one. So no task that can run is left out of a round, and none that cannot is waited for.

To begin earlier, while other tasks still prepare their rows, was tried twice with searches A and B of
benchmarks/search.py (two cores, medians in turn). When each epoch came back to Python, with 32 or 64 jobs
at a time, they took 0.97 to 1.2 times as long. With epochs closed in machine code, with 8 to 64 jobs at a
time in one lane or two and 16 to 256 open tasks, A took 0.97 to 1.25 times as long and B 0.85 to 1.4: at
best what one permit in place of two gives by itself (B 0.85 to 0.97, A 0.97 to 1.04). One permit is not
taken, since estimators of others, which let go of the lock, would run one at a time.

The lock is never held while foreign code runs (joblib's callbacks take locks of their own, under
which joblib calls `Scope.submit`). States are sets and not counters, so that a KeyboardInterrupt in
the middle of a change cannot leave a count wrong for good.
"""

from __future__ import annotations

import heapq
import itertools
import os
import threading
import time
from collections import deque

import joblib
import scipy.sparse as sp
import torch

from skreg.parallel import trainer
from skreg.parallel.memory import available_memory
from skreg.parallel.tasks import Cancelled, Outcome, Task, TaskGroup, current_task
from skreg.train.feed import Fingerprint
from skreg.train.run import Control

#: Open tasks at most, and at first, while the size of a task is unknown.
MOST_OPEN, FIRST_OPEN = 256, 8

#: Small tasks are opened until they take this much; more would not make training faster.
ENOUGH_BYTES = 256 << 20

#: A task holds about so many copies of its rows: the fold, what the pipeline made of it (both often
#: float64) and the float32 rows of the job.
COPIES = 5

#: Seconds without any change after which tasks that wait go on although others are still active:
#: those may wait for what only a waiting task can give (a lock around `fit`), or be slow.
PATIENCE = 10.0


class Scope:
    """Tasks, permits and rounds; see the module's text.

    Parameters
    ----------
    max_members : int or "auto"
        Open tasks at most.
    memory : float or None
        Bytes that open tasks may take together; None is a quarter of what is available.
    put : callable or None
        Takes rounds in place of the trainer of this process.

    Attributes
    ----------
    rounds : list of RoundReport
    """

    def __init__(self, max_members="auto", memory=None, put=None):
        self.max_members = max_members
        self.memory = memory
        self.put = put
        self.progress = None
        self.rounds = []
        self.permits = max(2, joblib.cpu_count())
        self.threads = torch.get_num_threads()
        self.process = os.getpid()
        self._changed = threading.Condition(threading.RLock())
        self._queued, self._number = [], itertools.count()
        self._active, self._open, self._dispatching = set(), set(), set()
        self._ready, self._waiting = deque(), []
        # Tasks whose own tasks are all done: their threads are about to go on.
        self._returning = set()
        self._training = []
        self._task_bytes = self._budget = None
        self._moved = time.monotonic()

    def anew(self):
        """A scope with the same settings, for a forked child."""
        return Scope(self.max_members, self.memory, self.put)

    # -- called by the backend --------------------------------------------------------------------

    def begin(self, lazy=False):
        """The group of a call of Parallel."""
        return TaskGroup(self._own_task(), lazy)

    def submit(self, group, function, callback):
        """Queue a task."""
        task = Task(self, group, function, callback)
        with self._changed:
            given_up = group.given_up
            if not given_up:
                # While a call dispatches, no round starts. A call inside a task needs no such
                # care: its task is active. Set here, since only from here on joblib tells of
                # failures.
                if not (group.begun or group.lazy or group.parent):
                    group.dispatching = True
                    self._dispatching.add(group)
                group.begun = True
                group.left += 1
                # Deeper tasks first: they let tasks finish that hold memory already.
                heapq.heappush(self._queued, (-group.depth, next(self._number), task))
                self._pump()
        if given_up:
            task.report(Outcome(error=Cancelled()))
        return task

    def dispatched(self, group):
        """The call has dispatched what it may and begins to wait."""
        with self._changed:
            if group.dispatching:
                group.dispatching = False
                self._dispatching.discard(group)
                self._pump()

    def suspend(self):
        """The calling task waits for tasks of its own; returns what `resume` needs."""
        task = self._own_task()
        if task is None or task.suspended:
            return None
        with self._changed:
            task.suspended = True
            self._active.discard(task)
            self._open.discard(task)
            self._pump()
        return task

    def resume(self, task):
        """End of `suspend`."""
        if task is None:
            return
        own = task is self._own_task()
        with self._changed:
            self._returning.discard(task)
            if not task.suspended or task not in task.group.tasks:
                return
            task.suspended = False
            self._open.add(task)
            # A generator of results may be closed by another thread, which has nothing to wait for.
            (self._ready.append if own else self._active.add)(task)
            self._pump()
        if own:
            self._await_permit(task)

    def abort(self, group, seconds=10.0):
        """Give up a call: drop its queued tasks, wake its waiting ones, wait for the running."""
        with self._changed:
            group.cancelled = True
            self._dispatching.discard(group)
            self._returning = {task for task in self._returning if not task.group.given_up}
            dropped = [item for item in self._queued if item[2].group.given_up]
            if dropped:
                self._queued = [item for item in self._queued if not item[2].group.given_up]
                heapq.heapify(self._queued)
            self._ready += [task for task, _, _ in self._waiting if task.group.given_up]
            self._waiting = [w for w in self._waiting if not w[0].group.given_up]
            for work, tasks in self._training:
                gone = {task for task in tasks if task.group.given_up}
                work.control.cancelled |= gone == tasks
                if gone != tasks or not work.begun:
                    tasks -= gone
                    self._ready += gone
            self._pump()
        for _, _, task in dropped:  # calls inside tasks of this call wait for theirs
            if task.group is not group:
                task.report(Outcome(error=Cancelled()))
        own = self.suspend()
        try:
            with self._changed:
                self._changed.wait_for(lambda: not group.tasks, timeout=seconds)
        finally:
            self.resume(own)

    # -- called by tasks --------------------------------------------------------------------------

    def train(self, task, jobs):
        """Hand in jobs, which enter one round together, and wait for their results."""
        suspended = task.suspended  # it fits between two results of its own tasks
        if suspended:
            self.resume(task)
        fingerprints = Fingerprint.of_all(jobs)
        with self._changed:
            if task.group.given_up:
                raise Cancelled
            self._learn_size(jobs)
            self._waiting.append((task, jobs, fingerprints))
            self._active.discard(task)
            self._pump()
        self._await_permit(task)
        results, task.result = task.result, None
        if results is None:
            raise Cancelled
        if suspended:
            self.suspend()
        return results

    # -- inside -----------------------------------------------------------------------------------

    def _own_task(self):
        task = current_task()
        return task if task is not None and task.scope is self else None

    def _await_permit(self, task):
        while not task.permit.wait(PATIENCE):
            with self._changed:
                if time.monotonic() - self._moved >= PATIENCE:
                    self._push_on()
        task.permit.clear()

    def _work(self, task):
        """Body of a thread: a task with a permit, and then queued tasks while there are any."""
        with self._changed:
            if task.thread is not threading.current_thread():
                return
        while task is not None:
            try:
                task.run()
            except BaseException:
                self._finish(task)
                raise
            task = self._finish(task, next_here=True)

    def _finish(self, task, next_here=False):
        """Task is over; returns one that the calling thread may go on with."""
        with self._changed:
            self._active.discard(task)
            self._open.discard(task)
            task.group.tasks.discard(task)
            self._note_end(task.group)
            following = self._pump(next_here)
            self._changed.notify_all()
            return following

    def _note_end(self, group):
        """A task of the group ended; with the last one, the task that made the call can go on."""
        group.left -= 1
        parent = group.parent
        if not (group.left or group.lazy or group.given_up) and parent and parent.suspended:
            self._returning.add(parent)

    def _pump(self, next_here=False):
        """Give out permits; start a round when nothing else can move. Called with the lock held.

        With ``next_here`` the first queued task to start is returned, for the calling thread.
        """
        self._moved = time.monotonic()
        following = None
        while len(self._active) < self.permits:
            if self._ready:
                self._permit_first()
            elif self._queued and len(self._open) < self.limit:
                if next_here and following is None:
                    following = heapq.heappop(self._queued)[2]
                    self._open_task(following, threading.current_thread())
                elif not self._start_thread():
                    break
            else:
                break
        moving = self._active or self._ready or self._dispatching or self._returning
        if self._waiting and not moving:
            self._start_round()
        return following

    def _push_on(self):
        """No active task has moved for long: let one more go on, or train those that wait."""
        self._moved = time.monotonic()
        if self._ready:
            self._permit_first()
        elif self._waiting:
            self._start_round()

    def _permit_first(self):
        task = self._ready.popleft()
        self._active.add(task)
        task.permit.set()

    def _open_task(self, task, thread):
        task.thread = thread
        task.group.tasks.add(task)
        self._open.add(task)
        self._active.add(task)

    def _start_thread(self):
        """Start the first queued task; False where the system cannot start a thread."""
        item = heapq.heappop(self._queued)
        task = item[2]
        thread = threading.Thread(target=self._work, args=(task,), name="skreg-task", daemon=True)
        self._open_task(task, thread)
        try:
            thread.start()
        except BaseException as error:
            # After an interrupt the thread may run all the same; it then finds another name here.
            task.thread = None
            for tasks in (task.group.tasks, self._open, self._active):
                tasks.discard(task)
            heapq.heappush(self._queued, item)
            if isinstance(error, RuntimeError) and self._open:
                return False  # the open tasks' threads will take it on
            raise
        return True

    def _start_round(self):
        waiting, self._waiting = self._waiting, []
        jobs = [job for _, handed_in, _ in waiting for job in handed_in]
        fingerprints = [fingerprint for _, _, of_task in waiting for fingerprint in of_task]
        shared = {}
        for job, fingerprint in zip(jobs, fingerprints, strict=True):
            # Splitters copy the rows for each task: keep one copy of each content.
            job.X = shared.setdefault(fingerprint.rows, job.X)
            if job.X_val is not None:
                job.X_val = shared.setdefault(("valid", fingerprint.valid), job.X_val)
        counts = [(task, len(handed_in)) for task, handed_in, _ in waiting]
        entry = None

        def done(results, reports, seconds):
            nonlocal entry
            with self._changed:
                self._training.remove(entry)
                if reports:
                    self.rounds.append(trainer.RoundReport.of(reports, seconds))
                rest = iter(results)
                for task, count in counts:
                    own = list(itertools.islice(rest, count))
                    if task in entry[1]:  # the others have gone on without
                        task.result = None if task.group.given_up else own
                        self._ready.append(task)
                entry = None  # a cycle would keep the rows of all rounds until it is collected
                self._pump()

        work = trainer.Round(
            jobs,
            fingerprints,
            done,
            Control(self.progress),
            self.threads,
            self.budget,
        )
        entry = (work, {task for task, _ in counts})
        self._training.append(entry)
        trainer.remember_rounds(self.rounds)
        (self.put or trainer.TRAINER.put)(work)

    # -- how many tasks may be open ---------------------------------------------------------------

    @property
    def budget(self):
        """Bytes that open tasks may take."""
        return available_memory() / 4 if self.memory is None else self.memory

    @property
    def limit(self):
        """Open tasks at most."""
        most = MOST_OPEN if self.max_members == "auto" else self.max_members
        if self._task_bytes is None:
            return min(most, FIRST_OPEN)
        if self.max_members == "auto":
            most = min(most, max(FIRST_OPEN, ENOUGH_BYTES // self._task_bytes))
        return max(1, int(min(most, self._budget / self._task_bytes)))

    def _learn_size(self, jobs):
        tables = {id(job.X): job.X for job in jobs}.values()
        sizes = [X.data.nbytes + X.indices.nbytes if sp.issparse(X) else X.nbytes for X in tables]
        size = max(sum(sizes) + (COPIES - 1) * max(sizes), 1 << 16)
        if self._task_bytes is None:
            self._budget = self.budget
        if self._task_bytes is None or size > self._task_bytes:
            self._task_bytes = size
