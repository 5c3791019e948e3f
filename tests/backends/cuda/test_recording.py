"""What CUDA is told when launches are recorded, where there is none; `test_step` asks a real one."""

from __future__ import annotations

import contextlib

import pytest
import torch

from skreg.backends.cuda.recording import ATTEMPTS, WARM_UP, Recording, Sequence


@pytest.fixture
def cuda_calls(monkeypatch):
    """Stands for what torch.cuda offers, and writes down what is called."""
    calls = []

    class Stream:
        def __init__(self, device=None):
            self.device = device

        def wait_stream(self, other):
            calls.append("own waits" if self.device == "own" else "current waits")

    class Graph:
        def capture_begin(self, capture_error_mode):
            calls.append(f"begin, {capture_error_mode}")

        def capture_end(self):
            calls.append("end")
            if "fail" in calls:
                raise RuntimeError("operation failed due to a previous error during capture")

        def replay(self):
            calls.append("replay")

    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "current_stream", Stream)
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: contextlib.nullcontext())
    return calls


def test_a_recording_is_made_beside_the_current_stream_and_replayed_on_it(cuda_calls):
    recording = Recording([lambda: cuda_calls.append("launch")] * 2, "own")
    recording.launch()
    assert cuda_calls == ["own waits", "launch", "launch", "current waits"]
    cuda_calls.clear()
    recording.capture()
    recording.replay()
    captured = ["begin, thread_local", "launch", "launch", "end"]
    assert cuda_calls == ["own waits", *captured, "current waits", "replay"]


def test_a_capture_that_fails_is_ended_and_says_why(cuda_calls):
    def fail():
        cuda_calls.append("fail")
        raise RuntimeError("operation not permitted when stream is capturing")

    recording = Recording([fail], "own")
    with pytest.raises(RuntimeError, match="not permitted when stream is capturing"):
        recording.capture()
    assert cuda_calls == ["own waits", "begin, thread_local", "fail", "end"]
    assert not Recording._lock.locked()


# Sequences, with a recording that only pretends.

CUDA = torch.device("cuda")


def pretended(failures=0):
    """A kind of recording that fails so many times in all, and what is done with those of it."""
    log, left = [], [failures]

    class Pretended:
        def __init__(self, launches, device):
            self.launches = launches

        def launch(self):
            log.append("launch")

        def capture(self):
            log.append("capture")
            if left[0]:
                left[0] -= 1
                raise RuntimeError("broken off")

        def replay(self):
            log.append("replay")

    return Pretended, log


def test_launches_are_recorded_once_they_are_warm(monkeypatch):
    kind, log = pretended()
    monkeypatch.setattr(Sequence, "recording_type", kind)
    sequence = Sequence("It", [], CUDA)
    for _ in range(4):
        sequence()
    assert log == ["launch"] * WARM_UP + ["capture", "replay", "replay"]
    assert sequence.recorded


def test_a_recording_that_was_broken_off_is_tried_again(monkeypatch):
    kind, log = pretended(failures=ATTEMPTS - 1)
    monkeypatch.setattr(Sequence, "recording_type", kind)
    sequence = Sequence("It", [], CUDA)
    for _ in range(WARM_UP + ATTEMPTS):
        sequence()
    failed = ["capture", "launch"] * (ATTEMPTS - 1)
    assert log == ["launch"] * WARM_UP + failed + ["capture", "replay"]


def test_after_some_attempts_all_launches_of_the_process_are_made_one_by_one(monkeypatch):
    kind, log = pretended(failures=ATTEMPTS)
    monkeypatch.setattr(Sequence, "recording_type", kind)
    made = []
    sequence = Sequence("It", [lambda: made.append(1)], CUDA)
    with pytest.warns(
        RuntimeWarning, match=r"It could not be captured .*\(broken off\).* one by one"
    ):
        for _ in range(WARM_UP + ATTEMPTS + 2):
            sequence()
    assert log.count("capture") == ATTEMPTS
    assert made == [1] * 3  # at the last attempt, and from then on
    assert Sequence.recording_type is None
    other = Sequence("Another", [lambda: made.append(2)], CUDA)
    other()
    assert made[-1] == 2


def test_on_the_cpu_nothing_is_recorded():
    made = []
    sequence = Sequence("It", [lambda: made.append(1), lambda: made.append(2)], torch.device("cpu"))
    for _ in range(WARM_UP + 1):
        sequence()
    assert made == [1, 2] * (WARM_UP + 1)
    assert not sequence.recorded
