"""A search on a GPU against skorch on the same GPU, and the most members a second that a stack reaches."""

from __future__ import annotations

import os
from functools import partial

import numpy as np
import torch
from sklearn.base import clone

from benchmarks import rst
from benchmarks.nets import jobs
from benchmarks.regressions import Figure
from benchmarks.search import batched, case_a, search
from benchmarks.single import digits
from benchmarks.timing import compared, in_turn, median
from skreg.train import train

#: Members of one stack; and the epochs that each of them trains.
MEMBERS, EPOCHS = (1, 4, 16, 64, 256, 1024, 4096), 30


def missing():
    """Why nothing can be measured here; "" where it can."""
    return "" if torch.cuda.is_available() else "torch finds no CUDA device"


def searches(repeats):
    """Seconds of case A of the searches, each net trained on the GPU, and of ours on the CPU beside it."""
    case, rounds = case_a(), []
    X, y, folds = case["data"]
    (net, grid), (peer, peer_grid) = case["skreg"], case["skorch"]

    def ours(run, **options):
        model = clone(net).set_params(**{"device": "cuda", **options})
        return partial(run, model, grid, folds, X, y)

    on_gpu = ours(batched)
    contestants = {
        "skreg, batched": lambda: rounds.append(on_gpu()),
        "skreg, one by one": ours(search),
        "skorch": partial(search, peer.set_params(device="cuda"), peer_grid, folds, X, y),
        "skreg, batched, with embedded columns": ours(batched, numeric_embedding="periodic"),
        f"skreg, batched, on {os.cpu_count()} CPU cores": ours(batched, device="cpu"),
    }
    compile_all = {n: run for n, run in contestants.items() if n.startswith("skreg, batched")}
    in_turn(compile_all, 1)
    rounds.clear()
    seconds, ratios = compared(contestants, repeats, "skreg, batched")
    return {
        "what": case_a.__doc__,
        "seconds": seconds,
        "times faster": ratios,
        "training seconds": median([one.seconds for one in rounds]),
    }


def members_a_second(repeats, sizes=MEMBERS, epochs=EPOCHS, device="cuda"):
    """Members a second of stacks that differ in their dropout rates, all on one table."""
    X, y = digits()
    out, options = {}, {"weight_decay": 0.01, "device": device}
    for k in sizes:
        members = jobs(X, y, (100,), k, max_iter=epochs, **options)
        train(jobs(X, y, (100,), k, max_iter=1, **options))
        seconds = in_turn({"stack": partial(train, members)}, repeats, collect=False)
        out[str(k)] = median(np.divide(k, seconds["stack"]))
    return out


def measure(repeats):
    """All of this page."""
    return {
        "gpu": torch.cuda.get_device_name(),
        "search": searches(repeats),
        "members a second": members_a_second(repeats),
    }


def page(result, machine):
    """The search above, the stacks below."""
    search, rates = result["search"], result["members a second"]
    best = max(rates.values())
    return (
        rst.head(
            "On a GPU",
            f"On {result['gpu']}: ``GridSearchCV`` over {search['what'].rstrip('.')}, all nets on the GPU "
            "but where a row says otherwise, the refit of the winner included.",
            machine,
        )
        + rst.contestants(search["seconds"], search["times faster"], "times the batched search")
        + f"\n{search['training seconds']:.2f} s of the batched search are training; the others are what "
        "scikit-learn does for each fit.\n"
        "\nMembers a second of one stack: digits, (100,), batch norm, dropout and decay, batch 200, 30 "
        "epochs. The largest figure is in bold.\n\n"
        + rst.table(
            ("members of the stack", "members a second"),
            [(k, f"**{r:.1f}**" if r == best else f"{r:.1f}") for k, r in rates.items()],
        )
    )


def ratios(result):
    """Of skorch to the batched search."""
    yield "search A, times skorch takes", Figure(result["search"]["times faster"]["skorch"], True)
