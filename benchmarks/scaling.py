"""How time grows with members and rows."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from benchmarks.single import digits, made
from benchmarks.timing import median
from skreg.engine import Job, Spec, train


def _spec(hidden, n_outputs, batch, epochs):
    return Spec(
        hidden=hidden,
        n_outputs=n_outputs,
        batch_norm=True,
        loss="multinomial",
        dropout=(0.2,) * len(hidden),
        l1=(0.0,) * (len(hidden) + 1),
        l2=(0.0,) * (len(hidden) + 1),
        batch_size=batch,
        max_iter=epochs,
    )


def _seconds(jobs, repeats):
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        train(jobs)
        times.append(time.perf_counter() - began)
    return median(times)


def members(repeats, counts=(8, 16, 32, 64, 128, 256, 512)):
    """Milliseconds a member and epoch with K members, digits, (100,), batch 200."""
    X, y = digits()
    spec = _spec((100,), 10, 200, 5)
    out = {}
    for k in counts:
        rates = np.linspace(0.0, 0.6, k)
        jobs = [Job(replace(spec, dropout=(r,)), X, y) for r in rates]
        out[k] = _seconds(jobs, repeats) / k / spec.max_iter * 1e3
    return out


def rows(repeats, counts=(1_000, 10_000, 100_000, 1_000_000)):
    """Microseconds a row, member and epoch with n rows, 50 columns, (128, 128), batch 256, 8 members."""
    X, y = made(max(counts))
    spec = _spec((128, 128), 5, 256, 2)
    out = {}
    for n in counts:
        jobs = [Job(replace(spec, dropout=(r, r)), X[:n], y[:n]) for r in np.linspace(0.0, 0.5, 8)]
        out[n] = (
            _seconds(jobs, max(1, repeats if n < 1_000_000 else 1)) / 8 / spec.max_iter / n * 1e6
        )
    return out


def measure(repeats):
    """All of this page."""
    return {"members": members(repeats), "rows": rows(repeats)}
