"""Fixtures of the tests of batched fits."""

from __future__ import annotations

import pytest

from skreg.parallel import trainer
from tests.parallel.helpers import PretendedEngine, task_threads, wait_until


@pytest.fixture(autouse=True)
def no_thread_is_left():
    """Whatever a test does, its tasks end."""
    yield
    assert wait_until(lambda: not task_threads()), task_threads()


@pytest.fixture
def engine(monkeypatch):
    """An engine that only pretends to train."""
    pretended = PretendedEngine()
    monkeypatch.setattr(trainer, "train", pretended)
    return pretended
