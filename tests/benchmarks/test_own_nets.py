from __future__ import annotations

import pytest
import torch

from benchmarks import own_nets
from benchmarks.regressions import figures


def test_both_packages_train_the_same_net():
    X, y = own_nets.images(40)
    small = {"width": 2, "dense": 4}
    ours = own_nets.skreg_net(20, 1, **small).fit(X, y % 10)
    theirs = own_nets.skorch_net(20, 1, **small).fit(X, y)
    of_ours, of_theirs = (dict(net.module_.named_parameters()) for net in (ours, theirs))
    assert {n: p.shape for n, p in of_ours.items()} == {n: p.shape for n, p in of_theirs.items()}
    assert isinstance(theirs.optimizer_, torch.optim.AdamW)
    group = theirs.optimizer_.param_groups[0]
    assert (group["lr"], group["weight_decay"]) == (ours.learning_rate_init, ours.weight_decay)
    assert group["betas"] == (ours.beta_1, 0.999)


def test_measured_searches_make_a_page(monkeypatch, machine):
    small = {"rates": [0.1], "folds": 2, "epochs": 1, "n_jobs": 1, "width": 2, "dense": 4}
    contestants = own_nets.contestants
    monkeypatch.setattr(
        own_nets, "contestants", lambda X, y, size, **_: contestants(X, y, size, **small)
    )
    monkeypatch.setattr(own_nets, "BATCHES", (32,))
    monkeypatch.setattr(own_nets, "images", lambda n=None, make=own_nets.images: make(60))
    found = own_nets.measure(1)
    times = found["minibatches of 32"]["times"]
    assert times["skreg, batched"] == pytest.approx(1)
    assert list(figures("own_nets", found)) == [
        "own_nets: search over an own net, minibatches of 32, times skorch, n_jobs=1 takes"
    ]
    assert f"{times['skorch, n_jobs=1']:.2f}" in own_nets.page(found, machine)
