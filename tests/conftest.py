"""What tests of several folders ask for."""

from __future__ import annotations

import random
import signal
import time

import numpy as np
import pytest
import torch
from joblib.parallel import get_active_backend

from skreg.estimators import course

_began = time.monotonic()
_fresh_seeds = course.fresh_seeds


def pytest_addoption(parser):
    parser.addoption(
        "--begin-within",
        type=float,
        metavar="SECONDS",
        help="skip tests that have not begun so many seconds after the start, as CI's time is limited",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    limit = item.config.getoption("--begin-within")
    if limit is not None and time.monotonic() - _began > limit:
        pytest.skip("out of time: it had not begun within what --begin-within allows")
    _draw_as_in_every_run()


def _draw_as_in_every_run():
    """Every test, with its fixtures, draws the same numbers in every run, also where it gives no seed.

    Otherwise one run in some thousands meets a start of a net so bad that training warns, and a warning is
    an error here.
    """
    np.random.seed(0)
    drawn = random.Random(0)
    course.fresh_seeds = lambda: np.random.SeedSequence(drawn.getrandbits(128))


@pytest.fixture
def entropy_of_the_system(monkeypatch):
    """What `random_state=None` draws outside tests."""
    monkeypatch.setattr(course, "fresh_seeds", _fresh_seeds)


@pytest.fixture
def one_thread():
    """One thread and so one lane: jobs of one shape become one stack on every machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def no_backend_is_left_behind():
    """What a test sets for joblib ends with the test, also where it fails or is interrupted."""
    yield
    backend, _ = get_active_backend()
    assert type(backend).__name__ == "LokyBackend", f"{backend} is still the active backend"


@pytest.fixture(autouse=True, scope="session")
def interrupts_are_heard():
    """A shell lets what it runs in the background ignore Ctrl-C: tests that send it would wait."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
