"""How things are timed here: in turn, several times, and the median is what counts."""

from __future__ import annotations

import gc
import os
import platform
import time
import warnings
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch


def in_turn(contestants, repeats, collect=True):
    """Seconds of each contestant, run one after the other in each repetition, without warnings.

    A slow minute of the machine hits all of them, so ratios hold where absolute times do not.
    `collect` collects garbage before each run; it takes longer than what is measured where that is
    short.
    """
    seconds = {name: [] for name in contestants}
    for _ in range(repeats):
        for name, run in contestants.items():
            if collect:
                gc.collect()
            with warnings.catch_warnings(action="ignore"):
                began = time.perf_counter()
                run()
                seconds[name].append(time.perf_counter() - began)
    return seconds


def compared(contestants, repeats, to):
    """Median seconds of each contestant, and the median of what it takes of the seconds of one."""
    seconds = in_turn(contestants, repeats)
    return medians(seconds), {name: ratio(seconds, name, to) for name in seconds}


def fits_of(models, X, y):
    """Contestants: a fit of each model."""
    return {name: partial(model.fit, X, y) for name, model in models.items()}


def medians(seconds):
    """Median seconds of each contestant."""
    return {name: median(found) for name, found in seconds.items()}


def ratio(seconds, one, other):
    """Median of what one contestant takes of the seconds of another in the same repetition."""
    return median(np.divide(seconds[one], seconds[other]))


def median(values):
    """Median as a plain float."""
    return float(np.median(values))


def peak_gflops(n=2048, repeats=7):
    """The machine's float32 matrix-product peak as torch reaches it, in GFLOP/s."""
    a, b, out = torch.randn(n, n), torch.randn(n, n), torch.empty(n, n)
    seconds = in_turn({"product": lambda: torch.mm(a, b, out=out)}, repeats, collect=False)
    return 2 * n**3 / median(seconds["product"]) / 1e9


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
