"""Stacks as they are planned for one lane; `test_lanes` asks for two."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _one_thread(one_thread):
    """Each test of the engine."""
