"""What tests of several folders ask for."""

from __future__ import annotations

import pytest
import torch


@pytest.fixture
def one_thread():
    """One thread and so one lane: jobs of one shape become one stack on every machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
