"""How things are timed here: in turn, several times, and the median is what counts."""

from __future__ import annotations

import gc
import os
import platform
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch


def in_turn(contestants, repeats, collect=True):
    """Seconds of each contestant, run one after the other in each repetition.

    A slow minute of the machine hits all of them, so ratios hold where absolute times do not.
    `collect` collects garbage before each run; it takes longer than what is measured where that is
    short.
    """
    seconds = {name: [] for name in contestants}
    for _ in range(repeats):
        for name, run in contestants.items():
            if collect:
                gc.collect()
            began = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - began)
    return seconds


def compared(contestants, repeats, to):
    """Median seconds of each contestant, and the median of what it takes of the seconds of one."""
    seconds = in_turn(contestants, repeats)
    ratios = {name: median(np.divide(found, seconds[to])) for name, found in seconds.items()}
    return {name: median(found) for name, found in seconds.items()}, ratios


def median(values):
    """Median as a plain float."""
    return float(np.median(values))


def peak_gflops(n=2048, repeats=7):
    """The machine's float32 matrix-product peak as torch reaches it, in GFLOP/s."""
    a, b, out = torch.randn(n, n), torch.randn(n, n), torch.empty(n, n)
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        torch.mm(a, b, out=out)
        times.append(time.perf_counter() - began)
    return 2 * n**3 / median(times) / 1e9


def machine():
    """What a figure was taken on."""
    names = [platform.processor() or platform.machine()]
    if (about := Path("/proc/cpuinfo")).exists():
        lines = about.read_text().splitlines()
        names = [line.split(": ", 1)[1] for line in lines if line.startswith("model name")] or names
    packages = ("numpy", "scikit-learn", "torch", "skorch", "numba", "joblib")
    return {
        "cpu": names[0].strip(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "python": platform.python_version(),
        **{package: version(package) for package in packages},
    }
