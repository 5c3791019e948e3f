"""Launches that are always the same, replayed as a CUDA graph."""

from __future__ import annotations

import contextlib
import threading
import warnings

import torch

#: Times that launches are made one by one before they are recorded: they compile the kernels and let
#: libraries allocate what they need. They are those of the training, so nothing is to be undone.
WARM_UP = 2

#: Times that a recording is tried. What another thread of the process does on the GPU meanwhile, as loading a
#: kernel, can break it off.
ATTEMPTS = 3


class Recording:
    """Launches as one CUDA graph.

    They are launched and recorded on a stream beside the current one, as capturing asks for, and
    replayed on the current one.

    Parameters
    ----------
    launches : list of callable
    device : torch.device
    """

    #: One capture at a time in a process: lanes are threads.
    _lock = threading.Lock()

    def __init__(self, launches, device):
        self.launches = launches
        self.stream = torch.cuda.Stream(device)
        self.graph = torch.cuda.CUDAGraph()

    @contextlib.contextmanager
    def _beside(self):
        """Work on the own stream, in order with that on the current one."""
        current = torch.cuda.current_stream()
        self.stream.wait_stream(current)
        with torch.cuda.stream(self.stream):
            yield
        current.wait_stream(self.stream)

    def launch(self):
        """Launch them one by one."""
        with self._beside():
            for launch in self.launches:
                launch()

    def capture(self):
        """Record them; nothing is computed."""
        with Recording._lock, self._beside():
            # Other threads may go on with what would not be allowed in this one.
            self.graph.capture_begin(capture_error_mode="thread_local")
            try:
                for launch in self.launches:
                    launch()
            except BaseException:
                with contextlib.suppress(RuntimeError):  # the capture that failed says so again
                    self.graph.capture_end()
                raise
            self.graph.capture_end()

    def replay(self):
        """Launch what was recorded."""
        self.graph.replay()


class Sequence:
    """Launches that are always the same: one by one at first, then as they were recorded.

    Parameters
    ----------
    what : str
        How a warning names them.
    launches : list of callable
        They read nothing of the host that changes.
    device : torch.device

    Attributes
    ----------
    recording : Recording or None
    recorded : bool
    """

    #: How launches are recorded; None launches them one by one, in the whole process.
    recording_type = Recording

    def __init__(self, what, launches, device):
        self.what, self.launches = what, launches
        self.device = device
        self.recording = self._new() if device.type == "cuda" else None
        self.recorded, self._done, self._failed = False, 0, 0

    def _new(self):
        kind = Sequence.recording_type
        return None if kind is None else kind(self.launches, self.device)

    def __call__(self):
        """Launch them once."""
        if self.recording is not None and not self.recorded and self._done >= WARM_UP:
            self._record()
        if self.recorded:
            self.recording.replay()
        elif self.recording is not None:
            self.recording.launch()
        else:
            for launch in self.launches:
                launch()
        self._done += 1

    def _record(self):
        """Record the launches; where that fails they go on one by one."""
        try:
            self.recording.capture()
            self.recorded = True
        except Exception as error:
            self._failed += 1
            if self._failed == ATTEMPTS:
                Sequence.recording_type = None
                warnings.warn(
                    f"{self.what} could not be captured as a CUDA graph ({error}): its kernels are "
                    "launched one by one, which gives the same results more slowly.",
                    RuntimeWarning,
                    stacklevel=2,
                )
            self.recording = self._new()
