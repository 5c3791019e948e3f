"""Parts of one computation in numpy side by side, each with products on one thread.

A BLAS with several threads makes them wait for each other in every product, and all that lies between
products runs on one. Where another program wants a core, each product waits for the slower thread.
"""

from __future__ import annotations

import contextlib
import functools
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from threadpoolctl import ThreadpoolController


@functools.cache
def _libraries():
    """The BLAS libraries of this process whose number of threads can be set."""
    return ThreadpoolController().select(user_api="blas")


class _OneThreadEach:
    """Lets BLAS use one thread a product as long as anybody asks for it: the number is the process's."""

    def __init__(self):
        self._lock = threading.Lock()
        self._users, self._limits = 0, None

    @contextlib.contextmanager
    def __call__(self):
        with self._lock:
            if self._users == 0:
                self._limits = _libraries().limit(limits=1)
            self._users += 1
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                if self._users == 0:
                    self._limits.restore_original_limits()


#: To be entered around parts that run side by side.
ONE_THREAD_EACH = _OneThreadEach()


def available():
    """Threads that the products of the calling code would use; 1 where that cannot be known.

    It is 1 as well while parts run side by side, so that what runs beside them starts no threads of its own.
    """
    numbers = [library.num_threads or 1 for library in _libraries().lib_controllers]
    return min(numbers, default=1)


def side_by_side(function, parts, threads):
    """``[function(part) for part in parts]``, by several threads.

    Parameters
    ----------
    function : callable
        It has to leave the interpreter's lock most of the time, as numpy does.
    parts : list
    threads : int
    """
    if threads < 2 or len(parts) < 2:
        return [function(part) for part in parts]
    # numpy's handling of floating-point errors belongs to the context of a thread, or to the thread.
    handling = np.geterr()

    def done(part):
        with np.errstate(**handling):
            return function(part)

    with ONE_THREAD_EACH(), ThreadPoolExecutor(min(threads, len(parts))) as pool:
        waiting = [pool.submit(done, part) for part in parts]
        try:
            return [future.result() for future in waiting]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)  # those that run are waited for
            raise
