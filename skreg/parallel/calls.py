"""Training from outside of a task, where a ``parallel_config(backend="skreg")`` block says."""

from __future__ import annotations

from joblib import Parallel, delayed
from joblib.parallel import get_active_backend

from skreg.parallel.backend import SkregBackend
from skreg.parallel.tasks import current_task
from skreg.parallel.trainer import submit_many


def submit_in_block(jobs, seconds=None):
    """Train jobs as `skreg.parallel.submit_many` does, where a block is around it by its executor.

    A fit of one net has no use for other machines, and stays in this process. A search has many nets.
    """
    backend, _ = get_active_backend()
    if current_task() is not None or not isinstance(backend, SkregBackend):
        return submit_many(jobs, seconds=seconds)
    (results,) = Parallel()([delayed(submit_many)(jobs, seconds=seconds)])
    return results
