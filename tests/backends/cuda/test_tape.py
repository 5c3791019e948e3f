"""Blocks write the launches of a minibatch; nothing is launched here, and no GPU has to be there."""

from __future__ import annotations

import pytest
import torch

from skreg.net.activation import Activation
from skreg.net.dropout import InputDropout
from skreg.net.linear import Linear
from skreg.net.net import Net
from skreg.train.feed import Feed, Fingerprint
from skreg.train.knobs import Knobs
from skreg.train.state import State
from tests.train.helpers import make_job

pytest.importorskip("triton", reason="the kernels for CUDA are compiled by triton")

from skreg.backends.cuda.kernels import Launch
from skreg.backends.cuda.step import FusedCudaStep

HIDDEN = {"hidden": (5,)}


def launches(*jobs, net=None):
    """Those of a minibatch of members in one stack."""
    spec, device = jobs[0].spec, torch.device("cpu")
    net = Net.of(spec, jobs[0].X.shape[1]) if net is None else net
    state = State(net, len(jobs), spec.solver, spec.dtype, device)
    feed = Feed(jobs, Fingerprint.of_all(jobs), device, {})
    return FusedCudaStep(state, Knobs([job.spec for job in jobs]), feed, spec).launches


def names(*jobs):
    return [
        launch.kernel.fn.__name__ if isinstance(launch, Launch) else launch.func.__name__
        for launch in launches(*jobs)
    ]


#: On the way back a product gives the gradient of weights, and one that of activations in front of them.
FORWARD, BACKWARD = ["bmm", "forward", "bmm"], ["bmm", "bmm", "backward", "bmm"]
LOSS, UPDATE = ["pointwise", "sum", "add_", "sum"], ["adam", "add_"]


@pytest.mark.parametrize("members", [1, 3])
@pytest.mark.parametrize("knobs", [{}, {"batch_norm": True, "dropout": 0.3, "input_dropout": 0.2}])
def test_one_hidden_layer_takes_14_launches(knobs, members):
    """Norm, activation and dropout are one, and all members are in each."""
    jobs = [make_job(**HIDDEN, **knobs) for _ in range(members)]
    assert names(*jobs) == ["gather", *FORWARD, *LOSS, *BACKWARD, *UPDATE]
    assert len(names(*jobs)) == 14


@pytest.mark.parametrize("members", [1, 3])
def test_embedded_columns_take_three_more(members):
    jobs = [make_job(**HIDDEN, embedded=(0, 2)) for _ in range(members)]
    back = [*BACKWARD, "bmm", "embed_backward"]
    assert names(*jobs) == ["gather", "embed", *FORWARD, *LOSS, *back, *UPDATE]
    assert len(names(*jobs)) == 17


def test_a_linear_model_takes_nine():
    assert names(make_job(hidden=())) == ["gather", "bmm", *LOSS, "bmm", *UPDATE]


def test_bounds_on_norms_take_one_for_each_linear_layer():
    assert names(make_job(**HIDDEN, max_norm=1.0))[-3:] == [
        "project_max_norm",
        "project_max_norm",
        "add_",
    ]


def test_members_of_a_stream_share_a_product():
    """Of their first layer, forward and backward: one for all streams if they have as many, else one each."""
    products = {
        tables: names(*(make_job(**HIDDEN, table=table) for table in tables)).count("bmm")
        for tables in ((0, 0), (0, 0, 1, 1), (0, 0, 1))
    }
    assert products == {(0, 0): 5, (0, 0, 1, 1): 5, (0, 0, 1): 7}


@pytest.mark.parametrize(("input_dropout", "slots"), [(0.0, 1), (0.2, 2)])
def test_row_kernels_are_not_given_the_rows_of_tables(input_dropout, slots):
    """They lie rows first, and the members of a stream share them if they drop nothing."""
    blocks = [InputDropout(4), Activation("tanh", 4), Linear(0, 4, 1, gain=1.0)]
    job = make_job(hidden=(), input_dropout=input_dropout)
    expected = rf"shape \({slots}, 4, 14\) are not those of 2 members .* linear layer first"
    with pytest.raises(ValueError, match=expected):
        launches(job, job, net=Net(blocks))


def test_a_mask_that_no_member_draws_is_not_computed():
    drops = [
        launch.constants["DROP"]
        for rate in (0.0, 0.3)
        for launch in launches(make_job(**HIDDEN, dropout=rate), make_job(**HIDDEN))
        if isinstance(launch, Launch) and "NORM" in launch.constants
    ]
    assert drops == [False, False, True, True]
