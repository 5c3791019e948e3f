"""What joblib dispatches: tasks, the call they belong to, and their outcome."""

from __future__ import annotations

import os
import threading

_local = threading.local()


def current_task():
    """The task that the calling thread runs, or None."""
    return getattr(_local, "task", None)


def _forget_task():
    """A forked child is no task of its parent's scope."""
    _local.task = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_task)


class Cancelled(BaseException):
    """Unwinds a task whose search was given up; no handler of Exception may swallow it."""


class Outcome:
    """The value or the error of a task."""

    def __init__(self, value=None, error=None):
        self.value = value
        self.error = error

    def get(self):
        """The value, or the error raised."""
        if self.error is not None:
            raise self.error
        return self.value


class TaskGroup:
    """The tasks of one call of joblib's Parallel.

    Parameters
    ----------
    parent : Task or None
        The task that made the call.
    lazy : bool
        Whether the call returns a generator, so that it is not known when it has dispatched all tasks.

    Attributes
    ----------
    depth : int
    tasks : set of Task
        Started and not ended.
    left : int
        Tasks that were submitted and have not ended.
    cancelled : bool
    begun, dispatching : bool
        Whether the call has begun to dispatch, and whether it still does.
    """

    def __init__(self, parent, lazy=False):
        self.parent = parent
        self.lazy = lazy
        self.depth = 0 if parent is None else parent.group.depth + 1
        self.tasks = set()
        self.left = 0
        self.cancelled = self.begun = self.dispatching = False

    @property
    def given_up(self):
        """Whether this call, or one around it, was aborted."""
        group = self
        while not group.cancelled:
            if group.parent is None:
                return False
            group = group.parent.group
        return True


class Task:
    """A call that joblib dispatched.

    Attributes
    ----------
    thread : Thread or None
        The thread that may run it.
    permit : Event
        Set when it may go on.
    suspended : bool
        Whether it waits for tasks of its own, and runs without a permit.
    result : list of Result or None
        Of the jobs that it handed in.
    """

    def __init__(self, scope, group, function, callback):
        self.scope = scope
        self.group = group
        self.function = function
        self.callback = callback
        self.thread = None
        self.permit = threading.Event()
        self.suspended = False
        self.result = None

    def run(self):
        """Call the function and tell joblib, which may dispatch the next task."""
        _local.task = self
        try:
            try:
                if self.group.given_up:
                    raise Cancelled
                outcome = Outcome(value=self.function())
            except BaseException as error:
                outcome = Outcome(error=error)
            self.function = None  # its arguments may be large
            self.report(outcome)
        finally:
            _local.task = None

    def report(self, outcome):
        """Hand the outcome to joblib; it ignores those of a call that it has aborted."""
        if self.callback is not None:
            self.callback(outcome)
