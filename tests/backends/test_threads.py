"""Parts of a computation side by side: in order, one thread of BLAS each, and nothing left behind."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from threadpoolctl import ThreadpoolController, threadpool_limits

from skreg.backends import threads


def of_blas():
    """Threads of each BLAS, asked anew."""
    found = ThreadpoolController().select(user_api="blas").info()
    return [library["num_threads"] for library in found]


@pytest.fixture
def several():
    """BLAS with two threads, however many cores there are; as before afterwards."""
    with threadpool_limits(2, user_api="blas"):
        if of_blas() == [] or max(of_blas()) < 2:
            pytest.skip("no BLAS here whose threads can be set to two")
        yield


def test_results_come_in_the_order_of_the_parts(several):
    meeting, names = threading.Barrier(2, timeout=60), set()

    def work(part):
        if part < 2:
            meeting.wait()  # passes only if two run at the same time
        names.add(threading.get_ident())
        return part**2

    assert threads.side_by_side(work, range(50), 2) == [part**2 for part in range(50)]
    assert 1 < len(names) <= 2
    assert threading.get_ident() not in names


@pytest.mark.parametrize("parts, number", [([], 2), ([7], 2), ([7, 8], 1)])
def test_no_thread_is_started_for_nothing(parts, number):
    here = threading.get_ident()
    found = threads.side_by_side(lambda part: threading.get_ident(), parts, number)
    assert found == [here] * len(parts)


def test_blas_has_one_thread_meanwhile_and_its_own_afterwards(several):
    before = of_blas()
    seen = threads.side_by_side(lambda part: (max(of_blas()), threads.available()), range(2), 2)
    assert seen == [(1, 1)] * 2
    assert of_blas() == before
    assert threads.available() == min(before)


def test_the_last_to_leave_puts_the_number_back(several):
    before = of_blas()
    first, second = threads.ONE_THREAD_EACH(), threads.ONE_THREAD_EACH()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert max(of_blas()) == 1
    second.__exit__(None, None, None)
    assert of_blas() == before


def test_an_error_ends_it(several):
    before, done = of_blas(), []

    def work(part):
        if part == 1:
            raise ValueError(f"part {part} cannot be done")
        done.append(part)

    with pytest.raises(ValueError, match="part 1 cannot be done"):
        threads.side_by_side(work, range(10_000), 2)
    assert len(done) < 9_999
    assert of_blas() == before


def test_floating_point_errors_are_handled_as_the_caller_says(several):
    with np.errstate(divide="raise"), pytest.raises(FloatingPointError, match="divide by zero"):
        threads.side_by_side(lambda part: np.ones(1) / np.zeros(1), range(4), 2)
