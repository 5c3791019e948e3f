"""The joblib backend ``"skreg"``."""

from __future__ import annotations

import contextlib
import os
import queue
import sys
import warnings
from numbers import Integral
from typing import TYPE_CHECKING

from joblib.parallel import FallbackToBackend, ParallelBackendBase, SequentialBackend

from skreg.parallel import trainer
from skreg.parallel.memory import parse_memory
from skreg.parallel.progress import ProgressLine
from skreg.parallel.scope import MOST_OPEN, Scope
from skreg.parallel.tasks import current_task

if TYPE_CHECKING:
    from concurrent.futures import Executor
    from typing import Literal


class SkregBackend(ParallelBackendBase):
    """Trains all skreg nets that scikit-learn would fit side by side as a few stacks.

    Use it as ``parallel_config(backend="skreg")``. Tasks run in threads; a skreg estimator that
    reaches the training step of ``fit`` hands its job in and waits, and when every task that can
    run waits, the jobs are trained together. Estimators of other packages run in their threads.

    Parameters
    ----------
    max_members : int or "auto", default="auto"
        How many tasks are open at once, and with them how many nets a round trains.
    memory : float, str or None, default=None
        Bytes, or a text such as "2GiB", that open tasks may take together; None is a quarter of
        what is available.
    executor : concurrent.futures.Executor or None, default=None
        Where stacks are trained; None trains in this process.

    Attributes
    ----------
    rounds : list of RoundReport
        Reports of what was trained so far.
    """

    supports_retrieve_callback = True
    supports_sharedmem = True
    uses_threads = True

    def __init__(
        self,
        nesting_level=None,
        inner_max_num_threads=None,
        *,
        max_members: int | Literal["auto"] = "auto",
        memory: float | str | None = None,
        executor: Executor | None = None,
        scope=None,
        for_one_call=False,
    ) -> None:
        super().__init__(nesting_level=nesting_level, inner_max_num_threads=inner_max_num_threads)
        if scope is None:
            scope = _scope(max_members, memory, executor)
        self.scope = scope
        self._for_one_call = for_one_call
        self._group = self._filters = self._line = None
        self._verbose = 0

    @property
    def rounds(self) -> list[trainer.RoundReport]:
        """Reports of the rounds so far."""
        return list(self.scope.rounds)

    def effective_n_jobs(self, n_jobs):
        """How many tasks joblib should regard as running side by side."""
        if n_jobs == 0:
            raise ValueError("n_jobs == 0 in Parallel has no meaning")
        return MOST_OPEN if self.scope.max_members == "auto" else self.scope.max_members

    def configure(self, n_jobs=1, parallel=None, prefer=None, require=None, **options):
        """Called by Parallel before it dispatches."""
        # In a callback of a net no other thread could train what it asks for.
        if trainer.TRAINER.here:
            raise FallbackToBackend(SequentialBackend(nesting_level=self.nesting_level))
        if not self._for_one_call:
            # One backend serves all calls of a block, even at the same time; what follows is about
            # one call.
            scope = self.scope if self.scope.process == os.getpid() else self.scope.anew()
            raise FallbackToBackend(
                SkregBackend(nesting_level=self.nesting_level, scope=scope, for_one_call=True)
            )
        self.parallel = parallel
        if parallel is not None and parallel.verbose:
            # joblib would tell of workers, of which there are none, and of tasks that end all at once
            self._verbose, parallel.verbose = parallel.verbose, 0
        return self.effective_n_jobs(n_jobs)

    def start_call(self):
        """A call of Parallel begins to dispatch."""
        lazy = self.parallel is not None and self.parallel.return_generator
        if self._verbose and self.scope.progress is None:
            self.scope.progress = self._line = ProgressLine(sys.stderr)
        self._group = self.scope.begin(lazy)
        if self._group.parent is None and not lazy:
            # Tasks that stop and go leave each other's `catch_warnings` in the wrong order; after
            # the call the filters are what they were.
            self._filters = warnings.catch_warnings()
            self._filters.__enter__()

    def stop_call(self):
        """The call is over."""
        self.scope.dispatched(self._group)
        if self._line is not None:
            self._line.close(self.parallel.n_completed_tasks)
            self.scope.progress = self._line = None
        if self._filters is not None:
            self._filters.__exit__(None, None, None)
            self._filters = None

    def terminate(self):
        """The ``Parallel`` is done with this backend."""
        if self._verbose:
            self.parallel.verbose, self._verbose = self._verbose, 0

    def submit(self, func, callback=None):
        """Queue one task."""
        return self.scope.submit(self._group, func, callback)

    def retrieve_result_callback(self, out):
        """Value of a finished task, or its error."""
        return out.get()

    @contextlib.contextmanager
    def retrieval_context(self):
        """A task that waits for its own tasks cannot hand in a job: it steps aside."""
        self.scope.dispatched(self._group)
        task = self.scope.suspend()
        try:
            yield
        finally:
            self.scope.resume(task)

    def abort_everything(self, ensure_ready=True):
        """Give up the tasks of this call."""
        _forget_undispatched(self.parallel)
        self.scope.abort(self._group)

    def get_nested_backend(self):
        """Parallel calls inside a task join the same rounds."""
        level = (self.nesting_level or 0) + 1
        return SkregBackend(nesting_level=level, scope=self.scope), None


def _forget_undispatched(parallel):
    """Empty the queue of what joblib has not dispatched yet.

    joblib itself leaves it as it is when a call fails, and a ``Parallel`` used again (as a context
    manager) would begin with what the failed call had left (joblib 1.5 and 1.6).
    """
    ready = getattr(parallel, "_ready_batches", None)
    while ready is not None:
        try:
            ready.get(block=False)
        except queue.Empty:
            return


def _scope(max_members, memory, executor):
    """The scope of a ``parallel_config`` block."""
    whole = isinstance(max_members, Integral) and not isinstance(max_members, bool)
    if max_members != "auto" and not (whole and max_members >= 1):
        raise ValueError(f"max_members={max_members!r} must be 'auto' or an int >= 1.")
    memory = parse_memory(memory)
    put = None
    if executor is not None:
        from skreg.parallel.executor import ExecutorRounds

        put = ExecutorRounds(executor).put
    task = current_task()
    # A block inside a task joins the rounds around it.
    return Scope(max_members, memory, put) if task is None else task.scope
