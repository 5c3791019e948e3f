"""A search on a GPU against skorch on the same GPU, and the most members a second that a stack reaches."""

from __future__ import annotations

import os
import time
from dataclasses import replace

import numpy as np
import torch
from joblib import parallel_config
from sklearn.base import clone

import skreg
from benchmarks.search import case_a, search
from benchmarks.single import digits
from benchmarks.timing import in_turn, median
from skreg.train import Job, Spec, train

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
    seconds = in_turn(contestants, repeats)
    ours = np.asarray(seconds["skreg, batched"])
    return {
        "what": case_a.__doc__,
        "seconds": {name: median(s) for name, s in seconds.items()},
        "times faster": {name: median(np.asarray(s) / ours) for name, s in seconds.items()},
        "training seconds": median(trained),
    }


def members_a_second(repeats, sizes=MEMBERS, epochs=EPOCHS, device="cuda"):
    """Members a second of stacks that differ in their dropout rates, all on one table."""
    X, y = digits()
    spec = Spec(
        hidden=(100,),
        n_outputs=10,
        batch_norm=True,
        loss="multinomial",
        l1=(0.0,) * 2,
        l2=(0.0,) * 2,
        weight_decay=0.01,
        max_iter=epochs,
        device=device,
    )
    out = {}
    for k in sizes:
        jobs = [Job(replace(spec, dropout=(rate,)), X, y) for rate in np.linspace(0.0, 0.5, k)]
        train([replace(job, spec=replace(job.spec, max_iter=1)) for job in jobs])
        rates = []
        for _ in range(repeats):
            began = time.perf_counter()
            train(jobs)
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
