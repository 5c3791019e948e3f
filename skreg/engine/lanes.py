"""Stacks side by side: each trains on one thread of its own, a lane.

Members are independent, so two stacks on one core each need no barrier between them, while two
threads inside one step wait for each other some dozens of times a minibatch (measured on two cores:
a stack of 16 nets (256, 256) reaches 0.50 of the matrix-product peak with two threads in each product
and kernel, 0.67 as two lanes). Only a stack that is alone uses several threads, for its products.
"""

from __future__ import annotations

import contextlib
import functools
import threading

import torch

_here = threading.local()


def in_lane():
    """Whether the calling thread is a lane."""
    return getattr(_here, "lane", False)


@contextlib.contextmanager
def _threads(number):
    """Let torch use as many threads in the calling thread, and before again as it may now."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def run(tasks, useful, cancel):
    """Call each task once and return their results in order; the first tasks start first.

    As many run at a time as torch may use threads in the calling thread; a single task runs in the
    calling thread itself.

    Parameters
    ----------
    tasks : list of callable
    useful : list of int
        Threads that each task can make use of.
    cancel : callable
        Called when the calling thread is interrupted; the tasks have to end soon after.
    """
    threads = torch.get_num_threads()
    n = min(threads, len(tasks))
    results, errors, places = [None] * len(tasks), [], iter(range(len(tasks)))
    lock = threading.Lock()

    def work():
        while not errors:
            with lock:
                place = next(places, None)
            if place is None:
                return
            try:
                with _threads(min(useful[place], threads // n)):
                    results[place] = tasks[place]()
            except BaseException as error:
                errors.append(error)

    def lane():
        _here.lane = True
        work()

    if n <= 1:
        work()
    else:
        try:
            _side_by_side(lane, n, cancel)
        finally:
            torch.set_num_threads(threads)  # threads that start later take over what was set last
    if errors:
        raise errors[0]
    return results


def each(function, parts):
    """Call a function once for each of the parts, side by side, one thread each."""
    if len(parts) == 1:
        function(parts[0])
    else:
        tasks = [functools.partial(function, part) for part in parts]
        run(tasks, [1] * len(tasks), lambda: None)


def _side_by_side(target, n, cancel):
    lanes = [threading.Thread(target=target, name=f"skreg-lane-{i}", daemon=True) for i in range(n)]
    try:
        for lane in lanes:
            lane.start()
        for lane in lanes:
            lane.join()
    except BaseException:
        cancel()
        for lane in lanes:
            if lane.ident is not None:
                lane.join()
        raise
