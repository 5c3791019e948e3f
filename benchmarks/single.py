"""One fit alone, and one stack against the machine's peak."""

from __future__ import annotations

import functools
import time
import warnings

import numpy as np
import torch
from sklearn.datasets import load_digits, make_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler

from benchmarks.nets import jobs, sklearn_net, skorch_net, skreg_net
from benchmarks.timing import in_turn, median, peak_gflops
from skreg.train import train


def digits():
    """1797 x 64, standardised, ten classes."""
    X, y = load_digits(return_X_y=True)
    return StandardScaler().fit_transform(X).astype(np.float32), y.astype(np.int64)


def made(n=20_000, d=50, n_classes=5):
    """A table of make_classification."""
    X, y = make_classification(
        n, d, n_informative=d // 2, n_classes=n_classes, random_state=0, shuffle=True
    )
    return X.astype(np.float32), y.astype(np.int64)


CASES = {
    "1797 x 64, (100,), batch 200, 20 epochs": (digits, (100,), 200, 20),
    "20000 x 50, (128, 128), batch 256, 5 epochs": (made, (128, 128), 256, 5),
}


def single_fits(repeats):
    """Seconds of one fit of skreg, scikit-learn and skorch at equal architecture."""
    out = {}
    for name, (load, hidden, batch, epochs) in CASES.items():
        X, y = load()
        nets = {
            "skreg": skreg_net(hidden, batch, epochs),
            "scikit-learn": sklearn_net(hidden, batch, epochs),
            "skorch": skorch_net(X.shape[1], hidden, int(y.max()) + 1, batch, epochs),
        }
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            for net in nets.values():  # compiles and warms up
                net.fit(X[: 2 * batch], y[: 2 * batch])
            runs = {n: functools.partial(net.fit, X, y) for n, net in nets.items()}
            seconds = in_turn(runs, repeats)
        out[name] = {"seconds": {n: median(s) for n, s in seconds.items()}}
        for peer in ("scikit-learn", "skorch"):
            out[name][f"to {peer}"] = median(np.divide(seconds["skreg"], seconds[peer]))
    return out


STACKS = {
    "1797 x 64, (256, 256), batch 128": (digits, (256, 256), 128, 24),
    "1797 x 64, (100,), batch 200": (digits, (100,), 200, 40),
    "20000 x 50, (128, 128), batch 256": (made, (128, 128), 256, 3),
}


def stacks(repeats, sizes=(1, 16, 50)):
    """GFLOP/s of members with batch norm, dropout and decay, over the peak of a matrix product."""
    out = {}
    for name, (load, hidden, batch, epochs) in STACKS.items():
        X, y = load()
        options = {"weight_decay": 0.01, "batch_size": batch}
        for k in sizes:
            members = jobs(X, y, hidden, k, max_iter=epochs, **options)
            train(jobs(X, y, hidden, k, max_iter=1, **options))
            rates, peaks = [], []
            for _ in range(repeats):
                before = peak_gflops()
                began = time.perf_counter()
                reports = train(members)[1]
                seconds = time.perf_counter() - began
                # The clock of a core changes from second to second: the peak is that on both sides.
                peaks.append((before + peak_gflops()) / 2)
                rates.append(sum(r.flops for r in reports) / seconds / 1e9)
            out[f"{name}, {k} members"] = {
                "GFLOP/s": median(rates),
                "peak GFLOP/s": median(peaks),
                "of peak": median(np.divide(rates, peaks)),
            }
    return out


def measure(repeats):
    """All of this page."""
    torch.manual_seed(0)
    return {"stacks": stacks(repeats), "fits": single_fits(repeats)}
