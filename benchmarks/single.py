"""One fit alone, and one stack against the machine's peak."""

from __future__ import annotations

import time

import numpy as np
import torch
from sklearn.datasets import load_digits, make_classification
from sklearn.preprocessing import StandardScaler

from benchmarks.nets import jobs, sklearn_net, skorch_net, skreg_net
from benchmarks.regressions import Figure
from benchmarks.rst import head, table
from benchmarks.timing import fits_of, in_turn, median, medians, peak_gflops, ratio
from skreg.train import train

PEERS = ("scikit-learn", "skorch")


def digits():
    """1797 x 64, standardised, ten classes."""
    X, y = load_digits(return_X_y=True)
    return StandardScaler().fit_transform(X).astype(np.float32), y.astype(np.int64)


def made(n=20_000, d=50, n_classes=5):
    """A table of make_classification."""
    X, y = make_classification(n, d, n_informative=d // 2, n_classes=n_classes, random_state=0)
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
        in_turn(fits_of(nets, X[: 2 * batch], y[: 2 * batch]), 1)  # compiles and warms up
        seconds = in_turn(fits_of(nets, X, y), repeats)
        ratios = {f"to {peer}": ratio(seconds, "skreg", peer) for peer in PEERS}
        out[name] = {"seconds": medians(seconds), **ratios}
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


def page(result, machine):
    """Single fits above, stacks below."""
    fits = [
        (
            name,
            *(f"{fit['seconds'][who]:.2f} s" for who in ("skreg", *PEERS)),
            *(f"{fit[f'to {peer}']:.2f}" for peer in PEERS),
        )
        for name, fit in result["fits"].items()
    ]
    stacks = [
        (name, f"{s['GFLOP/s']:.0f}", f"{s['peak GFLOP/s']:.0f}", f"{s['of peak']:.2f}")
        for name, s in result["stacks"].items()
    ]
    return (
        head(
            "One fit, one stack",
            "A single fit of skreg with batch norm and dropout against scikit-learn's plain MLP and "
            "skorch's default loop with the same module, at equal architecture, batches and epochs.",
            machine,
        )
        + table(("case", "skreg", *PEERS, *(f"skreg / {peer}" for peer in PEERS)), fits)
        + "\nMembers with batch norm, dropout and decay, trained together, counting 4 operations per "
        "first-layer weight and row and 6 per other weight and row, over the peak of a matrix "
        "product of 2048 x 2048 measured before and after each run.\n\n"
        + table(("stack", "GFLOP/s", "peak", "of peak"), stacks)
    )


def ratios(result):
    """Of fits to both peers, and of stacks to the peak."""
    for case, fit in result["fits"].items():
        for peer in PEERS:
            yield f"one fit of {case}, to {peer}", Figure(fit[f"to {peer}"])
    for case, stack in result["stacks"].items():
        yield f"stack of {case}, share of the peak", Figure(stack["of peak"], True)
