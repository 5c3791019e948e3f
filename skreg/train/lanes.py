"""Stacks side by side: each trains on one thread of its own, a lane.

Members are independent, so two stacks on one core each need no barrier between them, while two
threads inside one step wait for each other some dozens of times a minibatch (measured on two cores:
a stack of 16 nets (256, 256) reaches 0.50 of the matrix-product peak with two threads in each product
and kernel, 0.67 as two lanes). Only a stack that is alone uses several threads: for its products, or
for its members, which need no barrier within an epoch. So those that train last take over the threads
of lanes that have ended.
"""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass

import torch


class _Here(threading.local):
    """What the calling thread is: whether it is a lane, and how many threads its task may use."""

    lane, width = False, staticmethod(lambda: 1)


_here = _Here()


@dataclass
class _Team:
    """The lanes of one call, which share the threads: how many began, and how many have not ended."""

    threads: int
    lanes: int
    at_work: int


def width():
    """Threads that the task of the calling thread may use: its members, or its products, share them.

    Where members share them it grows as other lanes end.
    """
    return _here.width()


def in_lane():
    """Whether the calling thread is a lane."""
    return _here.lane


@contextlib.contextmanager
def _threads(team, most, products):
    """Let the task of the calling thread use a share of the threads, for products or else for members.

    Only one of the two: threads of torch that wait for their next product keep a core busy. How many share
    a product does not depend on when other lanes end, since its sums do on how many, to the last digit.
    """
    before, outer = torch.get_num_threads(), _here.width

    def number():
        return min(most, team.threads // (team.lanes if products else team.at_work))

    torch.set_num_threads(number() if products else 1)
    _here.width = number
    try:
        yield
    finally:
        torch.set_num_threads(before)
        _here.width = outer


def run(tasks, useful, cancel, products=None):
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
    products : list of bool, optional
        Which tasks use several threads for their products, by default all; the others share out their
        members.
    """
    threads = torch.get_num_threads()
    n = min(threads, len(tasks))
    results, errors, places = [None] * len(tasks), [], iter(range(len(tasks)))
    lock, team = threading.Lock(), _Team(threads, lanes=max(1, n), at_work=max(1, n))

    def work():
        while not errors:
            with lock:
                place = next(places, None)
            if place is None:
                return
            try:
                several = products is None or products[place]
                with _threads(team, useful[place], several):
                    results[place] = tasks[place]()
            except BaseException as error:
                errors.append(error)

    def lane():
        _here.lane = True
        try:
            work()
        finally:
            with lock:
                team.at_work -= 1

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
    """Call a function once for each of the parts, side by side, the first in the calling thread."""
    errors = []

    def call(part):
        try:
            function(part)
        except BaseException as error:
            errors.append(error)

    def lane(part):
        torch.set_num_threads(1)  # a thread begins with as many as there are cores
        call(part)

    others = [threading.Thread(target=lane, args=(part,), daemon=True) for part in parts[1:]]
    for other in others:
        other.start()
    call(parts[0])
    for other in others:
        while other.is_alive():  # an interrupt must not leave it behind, at work on the same arrays
            try:
                other.join()
            except BaseException as error:
                errors.append(error)
    if errors:
        raise errors[0]


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
