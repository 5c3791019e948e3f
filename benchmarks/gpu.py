"""A search on a GPU against skorch on the same GPU, and the most members a second that a stack reaches."""

from __future__ import annotations

import os
import time

import torch
from joblib import parallel_config
from sklearn.base import clone

import skreg
from benchmarks.nets import jobs
from benchmarks.search import case_a, search
from benchmarks.single import digits
from benchmarks.timing import compared, median
from skreg.train import train

#: Members of one stack; and the epochs that each of them trains.
MEMBERS, EPOCHS = (1, 4, 16, 64, 256, 1024, 4096), 30


def missing():
    """Why nothing can be measured here; "" where it can."""
    return "" if torch.cuda.is_available() else "torch finds no CUDA device"


def searches(repeats):
    """Seconds of case A of the searches, each net trained on the GPU, and of ours on the CPU beside it."""
    case = case_a()
    X, y, folds = case["data"]
    (net, grid), (peer, peer_grid) = case["skreg"], case["skorch"]
    peer.set_params(device="cuda")
    trained = []

    def batched(**options):
        model = clone(net).set_params(**{"device": "cuda", **options})
        with parallel_config(backend="skreg"):
            search(model, grid, folds, X, y)
        return skreg.last_rounds()[0]

    contestants = {
        "skreg, batched": lambda: trained.append(batched().seconds),
        "skreg, one by one": lambda: search(
            clone(net).set_params(device="cuda"), grid, folds, X, y
        ),
        "skorch": lambda: search(peer, peer_grid, folds, X, y),
        "skreg, batched, with embedded columns": lambda: batched(numeric_embedding="periodic"),
        f"skreg, batched, on {os.cpu_count()} CPU cores": lambda: batched(device="cpu"),
    }
    for name, run in contestants.items():  # compiles what there is to compile
        if name.startswith("skreg, batched"):
            run()
    trained.clear()
    seconds, ratios = compared(contestants, repeats, "skreg, batched")
    return {
        "what": case_a.__doc__,
        "seconds": seconds,
        "times faster": ratios,
        "training seconds": median(trained),
    }


def members_a_second(repeats, sizes=MEMBERS, epochs=EPOCHS, device="cuda"):
    """Members a second of stacks that differ in their dropout rates, all on one table."""
    X, y = digits()
    out, options = {}, {"weight_decay": 0.01, "device": device}
    for k in sizes:
        members = jobs(X, y, (100,), k, max_iter=epochs, **options)
        train(jobs(X, y, (100,), k, max_iter=1, **options))
        rates = []
        for _ in range(repeats):
            began = time.perf_counter()
            train(members)
            rates.append(k / (time.perf_counter() - began))
        out[str(k)] = median(rates)
    return out


def measure(repeats):
    """All of this page."""
    return {
        "gpu": torch.cuda.get_device_name(),
        "search": searches(repeats),
        "members a second": members_a_second(repeats),
    }
