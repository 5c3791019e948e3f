"""Kernels that compute something else are found out, whatever is wrong with them."""

from __future__ import annotations

import re

import pytest
import torch

from skreg.engine import self_check
from skreg.engine.reference import ReferenceStep
from skreg.engine.self_check import verdict
from tests.engine.helpers import make_spec


@pytest.fixture(autouse=True)
def nothing_was_found(monkeypatch):
    monkeypatch.setattr(self_check, "_verdicts", {})


class Drifting(ReferenceStep):
    """Parameters end up a little aside."""

    def run(self, epoch, first, stop):
        super().run(epoch, first, stop)
        self.state.theta.flat[3] += 1e-3


class Deaf(ReferenceStep):
    """Drops nothing of the inputs."""

    def __init__(self, state, knobs, feed, spec):
        super().__init__(state, knobs, feed, spec)
        self.threshold[0] = 0


class Still(ReferenceStep):
    """Leaves embeddings where they are."""

    def _update(self, grads, batch):
        still = {name: 0 * g for name, g in grads.items() if name.startswith("embed")}
        super()._update(grads | still, batch)


class Poisoned(ReferenceStep):
    """One running statistic is NaN."""

    def run(self, epoch, first, stop):
        super().run(epoch, first, stop)
        self.state.running.flat[0] = torch.nan


class Failing(ReferenceStep):
    def run(self, epoch, first, stop):
        raise ValueError("no such instruction")


@pytest.mark.parametrize("embedded", [None, (0, 7)], ids=["plain", "embedded"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("loss", ["multinomial", "binomial", "poisson", "pinball"])
def test_the_definition_passes(loss, dtype, embedded):
    spec = make_spec(loss=loss, dtype=dtype, batch_norm=True, embedded=embedded)
    assert verdict(ReferenceStep, spec) == ""


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (Drifting, r"failed their self-check \(device='cpu', .*differ .* by 1\.\de-03, allowed is 1e-04"),
        (Deaf, "failed their self-check"),
        (Poisoned, "by nan"),
        (Failing, r"cannot be used \(.*ValueError: no such instruction"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_found(kind, reason):
    found = verdict(kind, make_spec(dtype="float32", batch_norm=True))
    assert found.startswith(f"The kernels of {kind.__name__}")
    assert re.search(reason, found)


def test_what_is_wrong_with_embeddings_is_found_where_there_are_some():
    assert verdict(Still, make_spec(dtype="float32")) == ""
    for columns in ((9,), ()):
        found = verdict(Still, make_spec(dtype="float32", embedded=columns))
        assert ("embedded=True): results differ" in found) == bool(columns)


def test_each_kind_of_net_is_examined_once():
    runs = []

    class Counted(ReferenceStep):
        def run(self, epoch, first, stop):
            runs.append(epoch)
            super().run(epoch, first, stop)

    for name in ("relu", "relu", "tanh"):
        assert verdict(Counted, make_spec(activation=name)) == ""
    once = len(runs) // 2
    verdict(Counted, make_spec(activation="tanh", learning_rate_init=0.5))
    assert len(runs) == 2 * once > 0


def test_too_little_memory_is_no_verdict():
    class Full(ReferenceStep):
        def run(self, epoch, first, stop):
            raise torch.OutOfMemoryError("CUDA out of memory.")

    with pytest.raises(torch.OutOfMemoryError, match="out of memory"):
        verdict(Full, make_spec())
    assert self_check._verdicts == {}
