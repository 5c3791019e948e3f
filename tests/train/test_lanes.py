"""Stacks side by side: order, errors, threads, and that the cut changes no result."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch

from skreg.train import Control, lanes, train
from skreg.train.plan import threads_for
from tests.train.helpers import assert_same_result, make_job, train_module


@pytest.fixture
def two_threads(one_thread):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def nothing():
    raise AssertionError("nobody interrupts here")


def test_two_tasks_run_at_the_same_time(two_threads):
    meet = threading.Barrier(2, timeout=30)  # broken if one had to end before the other begins
    seen = lanes.run([lambda: meet.wait() >= 0 and lanes.in_lane()] * 2, [1, 1], nothing)
    assert seen == [True, True]
    assert not lanes.in_lane()


def test_results_come_in_the_order_of_the_tasks(two_threads):
    first = threading.Event()
    tasks = [lambda: first.wait(30) and "a", lambda: first.set() or "b", lambda: "c"]
    assert lanes.run(tasks, [1, 1, 1], nothing) == ["a", "b", "c"]


def test_a_task_alone_stays_in_the_calling_thread_and_gets_the_threads_it_can_use(two_threads):
    def task():
        return threading.get_ident(), torch.get_num_threads()

    assert lanes.run([task], [5], nothing) == [(threading.get_ident(), 2)]
    assert lanes.run([task], [1], nothing) == [(threading.get_ident(), 1)]
    assert torch.get_num_threads() == 2


def test_threads_are_for_products_or_for_members(two_threads):
    def task():
        return lanes.width(), torch.get_num_threads()

    assert lanes.run([task], [5], nothing, products=[True]) == [(2, 2)]
    assert lanes.run([task], [5], nothing, products=[False]) == [(2, 1)]
    assert lanes.run([task], [1], nothing, products=[False]) == [(1, 1)]
    meet = threading.Barrier(2, timeout=30)

    def beside_another():
        meet.wait()
        found = task()
        meet.wait()
        return found

    both = lanes.run([beside_another] * 2, [9, 9], nothing, products=[False, False])
    assert both == [(1, 1)] * 2
    assert (lanes.width(), torch.get_num_threads()) == (1, 2)


@pytest.mark.parametrize(
    ("products", "useful", "late"), [(False, 9, 2), (False, 1, 1), (True, 9, 1)]
)
def test_members_take_over_the_threads_of_lanes_that_have_ended(
    two_threads, products, useful, late
):
    """Products do not: how many threads share a sum would depend on which lane ends first."""
    meet, release = threading.Barrier(2, timeout=30), threading.Event()

    def ends():
        meet.wait()
        release.wait(30)

    def goes_on():
        meet.wait()
        early, here = lanes.width(), threading.current_thread()
        found = [t for t in threading.enumerate() if t.name.startswith("skreg-lane")]
        (other,) = (t for t in found if t is not here)
        release.set()
        other.join(30)
        return early, lanes.width()

    (seen, _) = lanes.run([goes_on, ends], [useful, 1], nothing, products=[products, False])
    assert seen == (1, late)
    assert lanes.width() == 1


def test_each_part_has_a_thread_and_an_error_comes_through():
    meet, seen = threading.Barrier(3), []

    def part(number):
        meet.wait(30)
        seen.append((number, threading.get_ident()))

    lanes.each(part, range(3))
    assert sorted(number for number, _ in seen) == [0, 1, 2]
    assert len({thread for _, thread in seen}) == 3
    assert (0, threading.get_ident()) in seen

    def broken(number):
        if number == 1:
            raise KeyError("broken")

    with pytest.raises(KeyError, match="broken"):
        lanes.each(broken, range(3))


def test_lanes_share_the_threads_and_leave_the_setting_alone(two_threads):
    def task():
        return torch.get_num_threads()

    assert lanes.run([task] * 4, [9] * 4, nothing) == [1] * 4
    assert torch.get_num_threads() == 2
    seen = []
    later = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
    later.start()
    later.join()
    assert seen == [2]


def test_an_error_ends_the_others_and_comes_through(two_threads):
    calls = []

    def fails():
        raise KeyError("broken")

    with pytest.raises(KeyError, match="broken"):
        lanes.run([fails] * 2 + [lambda: calls.append(1)] * 50, [1] * 52, nothing)
    assert len(calls) < 50


def test_an_interrupt_cancels_and_waits(two_threads, monkeypatch):
    cancelled, ended = threading.Event(), []

    def task():
        ended.append(cancelled.wait(30))

    def interrupted(self, timeout=None):
        if self.name.startswith("skreg-lane") and not cancelled.is_set():
            raise KeyboardInterrupt
        return join(self, timeout)

    join = threading.Thread.join
    monkeypatch.setattr(threading.Thread, "join", interrupted)
    with pytest.raises(KeyboardInterrupt):
        lanes.run([task, task], [1, 1], cancelled.set)
    assert ended == [True, True]


def test_lanes_change_no_result(two_threads):
    jobs = [
        make_job(seed=i % 3, dropout=0.1 * (i % 4), hidden=(7,) * (1 + i % 2)) for i in range(9)
    ]
    side_by_side, reports = train(jobs)
    assert len(reports) >= 2
    torch.set_num_threads(1)
    for one, other in zip(side_by_side, train(jobs)[0], strict=True):
        assert_same_result(one, other, atol=1e-10)


def test_threads_that_share_members_change_no_digit(one_thread):
    sizes = {"n": 2000, "d": 20, "hidden": (256,)}
    jobs = [make_job(seed=i, dropout=0.2, dtype="float32", **sizes) for i in range(5)]
    assert threads_for(jobs[0], len(jobs)) > 1
    alone, _ = train(jobs)
    torch.set_num_threads(2)
    for one, other in zip(alone, train(jobs)[0], strict=True):
        assert one.params.keys() == other.params.keys()
        assert all(np.array_equal(one.params[name], other.params[name]) for name in one.params)


def test_cancelling_reaches_every_lane(two_threads):
    control = Control()

    def progress(stack):
        control.cancelled = True

    control.progress = progress
    results, _ = train([make_job(seed=i, max_iter=10**6) for i in range(4)], control=control)
    assert {r.stopped_by for r in results} == {"interrupt"}


def test_stacks_on_other_devices_are_trained_one_after_the_other(two_threads, monkeypatch):
    """What one does on a GPU would break off what another records."""
    began, here = [], threading.get_ident()

    def trained(jobs, fingerprints, **options):
        began.append((jobs[0].spec.device, threading.get_ident() == here))
        return train_module.failed(jobs, None), []

    monkeypatch.setattr(train_module, "train_stack", trained)
    shapes = [(3,), (4,), (5,)]
    train([make_job(hidden=h, device=device) for device in ("cuda", "cpu") for h in shapes])
    assert began[3:] == [("cuda", True)] * 3
    assert began[:3] == [("cpu", False)] * 3
