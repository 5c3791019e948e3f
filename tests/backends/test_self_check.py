"""Kernels that compute something else are found out, whatever is wrong with them."""

from __future__ import annotations

import itertools
import re

import pytest
import torch

from skreg.backends import self_check
from skreg.backends.constants import LOSSES
from skreg.backends.reference import ReferenceStep
from skreg.backends.self_check import verdict
from skreg.net import residual
from skreg.net.activation import KINDS
from skreg.net.net import EMBEDDINGS
from skreg.train.watch import BEST_EPOCH
from tests.train.helpers import make_spec


@pytest.fixture(autouse=True)
def nothing_was_found(monkeypatch):
    monkeypatch.setattr(self_check, "_verdicts", {})
    monkeypatch.setattr(self_check, "_sound", set())


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


class Quiet(ReferenceStep):
    """Adds no noise."""

    def __init__(self, state, knobs, feed, spec):
        super().__init__(state, knobs, feed, spec)
        self.of_blocks["input_noise"] = 0 * self.of_blocks["input_noise"]


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
        (Drifting, r"failed their self-check \(device='cpu', .*differ .* by \d\.\de-0[34], allowed is 1e-04"),
        (Deaf, "failed their self-check"),
        (Poisoned, "by nan"),
        (Failing, r"cannot be used \(.*ValueError: no such instruction"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_found(kind, reason):
    found = verdict(kind, make_spec(dtype="float32", batch_norm=True))
    assert found.startswith(f"The kernels of {kind.__name__}")
    assert re.search(reason, found)


def test_what_differs_on_some_rows_alone_is_looked_at_on_others():
    """As a unit within rounding of its kink: wrong on the first rows, right on the second."""
    seeds = []

    class Once(Drifting):
        def run(self, epoch, first, stop):
            seeds.append(self.feed.seeds)
            kind = Drifting if 0 in self.feed.seeds else ReferenceStep
            kind.run(self, epoch, first, stop)

    assert verdict(Once, make_spec(dtype="float32", batch_norm=True)) == ""
    assert {tuple(s) for s in seeds} == {(0, 1), (2, 3)}


def test_what_is_wrong_with_embeddings_is_found_where_there_are_some():
    assert verdict(Still, make_spec(dtype="float32")) == ""
    for columns in ((9,), ()):
        found = verdict(Still, make_spec(dtype="float32", embedded=columns))
        assert ("embedded=True, " in found) == bool(columns)


def test_what_is_wrong_with_noise_is_found_where_there_is_some():
    for noise in (0.0, 0.3):
        found = verdict(Quiet, make_spec(dtype="float32", input_noise=noise))
        assert ("input_noise=True, " in found) == (noise > 0)
        assert verdict(ReferenceStep, make_spec(dtype="float32", input_noise=noise)) == ""


def test_what_is_wrong_with_augmentation_is_found_where_there_is_some():
    for name in ("mixup", "cutmix", "cutout"):

        class Without(ReferenceStep):
            name_of_knob = name

            def __init__(self, state, knobs, feed, spec):
                super().__init__(state, knobs, feed, spec)
                knob = self.of_blocks[self.name_of_knob]
                self.of_blocks[self.name_of_knob] = 0 * knob

        for value in (0.0, 0.3):
            found = verdict(Without, make_spec(dtype="float32", **{name: value}))
            assert (f"{name}=True" in found) == (value > 0)
            assert verdict(ReferenceStep, make_spec(dtype="float32", **{name: value})) == ""


@pytest.mark.parametrize("embedding", EMBEDDINGS)
def test_each_embedding_is_a_kind_of_its_own(embedding):
    """What is wrong with one says nothing of the others."""

    class Wrong(ReferenceStep):
        def _update(self, grads, batch):
            still = self.spec.embedding == embedding
            frozen = {n: 0 * g for n, g in grads.items() if still and n.startswith("embed")}
            super()._update(grads | frozen, batch)

    for name in EMBEDDINGS:
        spec = make_spec(dtype="float32", embedded=(0,), embedding=name)
        assert (verdict(Wrong, spec) == "") == (name != embedding)


def test_each_kind_of_net_is_examined_once():
    runs = []

    class Counted(ReferenceStep):
        def run(self, epoch, first, stop):
            runs.append(epoch)
            super().run(epoch, first, stop)

    counts = []
    for name in ("relu", "relu", "tanh", "tanh"):
        assert verdict(Counted, make_spec(activation=name, learning_rate_init=0.5)) == ""
        counts.append(len(runs))
    assert 0 < counts[0] == counts[1] < counts[2] == counts[3]


def test_each_kernel_is_examined_once():
    """Where a step names its kernels, a kind of net is sound that has none that is new."""
    runs = []

    class Named(ReferenceStep):
        @staticmethod
        def kernels_of(spec):
            return [("activation", spec.activation), ("loss", spec.loss)]

        def run(self, epoch, first, stop):
            runs.append(epoch)
            super().run(epoch, first, stop)

    counts = []
    for activation, loss in (
        ("relu", "huber"),
        ("tanh", "poisson"),
        ("tanh", "huber"),
        ("selu", "huber"),
    ):
        assert verdict(Named, make_spec(activation=activation, loss=loss)) == ""
        counts.append(len(runs))
    assert 0 < counts[0] < counts[1] == counts[2] < counts[3]


def test_kernels_that_failed_are_not_taken_for_sound():
    class Named(Drifting):
        @staticmethod
        def kernels_of(spec):
            return [("loss", spec.loss)]

    for activation in ("relu", "tanh"):
        assert "failed their self-check" in verdict(Named, make_spec(activation=activation))


@pytest.mark.parametrize("kind", [torch.OutOfMemoryError, MemoryError])
def test_too_little_memory_is_no_verdict(kind):
    class Full(ReferenceStep):
        def run(self, epoch, first, stop):
            raise kind("out of memory")

    with pytest.raises(kind, match="out of memory"):
        verdict(Full, make_spec())
    assert self_check._verdicts == {}


@pytest.fixture
def fused():
    pytest.importorskip("numba")
    from skreg.backends.cpu.step import FusedStep

    return FusedStep


@pytest.mark.parametrize("embedded", [None, (0, 7)], ids=["plain", "embedded"])
@pytest.mark.parametrize("loss", ["multinomial", "squared_error"])
@pytest.mark.parametrize(
    "knobs", [{}, {"input_noise": 0.3}, {"mixup": 0.2, "cutmix": 0.2, "cutout": 0.2}], ids=str
)
def test_the_kernels_of_the_cpu_pass(fused, knobs, loss, embedded):
    for dtype in ("float32", "float64"):
        options = {"dtype": dtype, "batch_norm": True, **knobs}
        assert verdict(fused, make_spec(loss=loss, embedded=embedded, **options)) == ""


def test_a_residual_connection_that_is_wrong_is_found(fused, monkeypatch):
    """The gradient goes around the layer: without that the verdict falls."""
    for dtype in ("float32", "float64"):
        assert verdict(fused, make_spec(dtype=dtype, residual=True)) == ""
    monkeypatch.setattr(residual, "copy_kernel", residual.add_kernel)  # of all minibatches so far
    monkeypatch.setattr(self_check, "_verdicts", {})
    monkeypatch.setattr(self_check, "_sound", set())
    found = verdict(fused, make_spec(dtype="float64", residual=True))
    assert "residual=True" in found
    assert "results differ from the reference" in found


def test_a_layer_norm_that_is_wrong_is_found(fused):
    class Scaled(fused):
        def run_epochs(self, *arguments):
            self.state.theta.view["layer_gain_1"].mul_(1.01)
            return super().run_epochs(*arguments)

    for dtype in ("float32", "float64"):
        spec = make_spec(dtype=dtype, layer_norm=True)
        assert verdict(fused, spec) == ""
        found = verdict(Scaled, spec)
        assert "layer_norm=True" in found
        assert "results differ from the reference" in found


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", KINDS)
def test_the_kernels_of_the_cpu_pass_in_full(fused, activation, dtype):
    """By a quarter of what is allowed: other processors round in other places."""
    nets = {(loss, "adamw", True, (1,)) for loss in LOSSES}
    nets |= set(itertools.product(["squared_error"], ["adam", "sgd"], [True, False], [(1,), None]))
    for loss, solver, norm, embedded in nets:
        spec = make_spec(
            activation=activation,
            loss=loss,
            solver=solver,
            batch_norm=norm,
            embedded=embedded,
            dtype=dtype,
        )
        for input_dropout in (0.0, 0.3):
            for seed in (0, 2):  # the rows that are looked at first, and those behind them
                jobs = self_check._jobs(spec, input_dropout, seed)
                assert self_check._compare_stacks(fused, jobs) < self_check.TOLERANCE[dtype] / 4


def other_rows(watch):
    watch.counts[BEST_EPOCH] -= 1


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda step, losses: other_rows(step.watch), "differ from the reference by inf"),
        (lambda step, losses: losses.__setitem__(1, losses[1] * 1.01), r"by \d\.\de-0[123]"),
    ],
    ids=["best epoch", "validation loss"],
)
def test_what_is_wrong_with_the_end_of_an_epoch_is_found(fused, change, found):
    class Closing(fused):
        def run_epochs(self, *arguments):
            losses = super().run_epochs(*arguments)
            change(self, losses)
            return losses

    spec = make_spec(dtype="float32", batch_norm=True)
    assert re.search(found, self_check._examine(Closing, spec))
    assert self_check._examine(fused, spec) == ""
