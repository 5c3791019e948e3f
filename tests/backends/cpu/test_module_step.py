"""The compiled optimiser and masks of modules of the user's equal the reference."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from skreg.backends.choose import step_type
from skreg.backends.reference import ReferenceStep
from skreg.net.own import OwnModule
from skreg.net.own.layers import masks_of
from skreg.train.job import Job, Spec
from skreg.train.run import train_stack

ModuleStep = pytest.importorskip("skreg.backends.cpu.module_step", exc_type=ImportError).ModuleStep


def small():
    return nn.Sequential(
        nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Dropout(), nn.Linear(6, 3)
    )


KNOBS = (
    {"l1": (0.05, 0.0), "weight_decay": 0.1},
    {"l2": (0.1, 0.2), "max_norm": 0.7, "dropout": (0.3,)},
    {"l1": (0.0, 0.02), "learning_rate_init": 0.1, "ema_decay": 0.5},
)


def jobs(dtype, solver):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((50, 4)).astype(dtype)
    y = rng.integers(0, 3, 50)
    shared = {"n_outputs": 3, "loss": "multinomial", "batch_norm": True, "batch_size": 20}
    shared |= {"max_iter": 4, "dtype": dtype, "solver": solver, "learning_rate_init": 0.02}
    # With a small one Adam makes a step of full size of what is zero but for rounding, as the bias in front
    # of a norm.
    shared["epsilon"] = 0.1
    shared["module"] = OwnModule.of(small, {}, (4,))
    none = {"dropout": (0.0,), "l1": (0.0, 0.0), "l2": (0.0, 0.0)}
    return [Job(Spec(**(shared | none | knobs)), X, y, seed=1) for knobs in KNOBS]


@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize(("dtype", "atol"), [("float64", 1e-10), ("float32", 1e-5)])
def test_equals_the_reference(dtype, solver, atol):
    ours, theirs = (
        train_stack(jobs(dtype, solver), implementation=step)[0]
        for step in (ModuleStep, ReferenceStep)
    )
    for one, other in zip(ours, theirs, strict=True):
        for name, value in other.params.items():
            np.testing.assert_allclose(one.params[name], value, atol=atol, err_msg=name)
            assert ((one.params[name] == 0) == (value == 0)).all()
        assert one.history["train_loss"] == pytest.approx(other.history["train_loss"], abs=atol)


def test_it_is_what_trains_on_the_cpu():
    assert step_type(jobs("float64", "adam")[0]) is ModuleStep
    assert step_type(jobs("float64", "adam")[0], "reference") is ReferenceStep


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_masks_are_those_of_the_reference_bit_for_bit(dtype):
    rate = torch.tensor([0.0, 0.3, 0.3, 0.999], dtype=dtype)
    threshold = (rate.double() * 2**32).long()
    keys = torch.tensor([[7, 2**32 - 1, 7, 5], [9, 1, 9, 2**31]])
    given = [40, 7], 11, rate, threshold, tuple(keys), torch.tensor([0, 1, 0, 2])
    for ours, theirs in zip(ModuleStep.draw_masks(*given)[1], masks_of(*given)[1], strict=True):
        assert ours.dtype == dtype
        assert torch.equal(ours, theirs)
