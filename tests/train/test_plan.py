"""Jobs to stacks."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from torch import nn

from skreg.net.own import OwnModule
from skreg.train import plan as planning
from skreg.train.feed import Fingerprint
from skreg.train.job import SHAPE_FIELDS
from skreg.train.plan import (
    FEWEST,
    MOST,
    most_members,
    plan,
    shape_key,
    stack_bytes,
    threads_for,
)
from tests.train.helpers import (
    fit,
    make_job,
    stack_of,
)

MIXED = [
    {"seed": 0},
    {"seed": 1, "l1": 0.1},
    {"hidden": (3,)},
    {"seed": 0, "l1": 0.1},
    {"table": 1},
    {"hidden": (3,), "dropout": 0.2},
    {"seed": 1},
]

#: Another value of each field that a stack has in common.
OTHER_SHAPES = {
    "embedded": (0, 2),
    "embedding": "another",
    "owners": (0, 1, 1, 2),
    "levels": (3,),
    "feature_groups": (0, 0, 1, 2),
    "hidden": (3,),
    "residual": True,
    "n_outputs": 2,
    "activation": "tanh",
    "batch_norm": True,
    "layer_norm": True,
    "loss": "huber",
    "solver": "sgd",
    "momentum": 0.5,
    "nesterov": False,
    "beta_1": 0.5,
    "beta_2": 0.5,
    "epsilon": 1e-3,
    "batch_size": 17,
    "shuffle": False,
    "dtype": "float32",
    "device": "cuda",
    "module": OwnModule.of(nn.Linear, {"in_features": 4, "out_features": 1}, (4,)),
}


def described(jobs):
    """The stacks by what their jobs are."""
    return [[(Fingerprint.of(jobs[i]), jobs[i].spec) for i in stack] for stack in plan(jobs)]


def test_stacks_do_not_depend_on_the_order_of_the_jobs():
    jobs = [make_job(**changes) for changes in MIXED]
    expected = described(jobs)
    assert sorted(map(len, expected)) == [2, 5]
    for order in itertools.islice(itertools.permutations(range(7)), 1, None, 501):
        assert described([jobs[i] for i in order]) == expected


def test_streams_are_neighbours():
    jobs = [make_job(**changes) for changes in MIXED]
    for stack in plan(jobs):
        streams = [Fingerprint.of(jobs[i]).stream for i in stack]
        assert len(list(itertools.groupby(streams))) == len(set(streams))


def test_every_job_stands_in_one_stack():
    jobs = [make_job(seed=i, hidden=(2,) * (i % 3)) for i in range(100)]
    assert sorted(i for stack in plan(jobs) for i in stack) == list(range(100))


def test_every_field_of_the_shape_is_tested():
    assert set(OTHER_SHAPES) == set(SHAPE_FIELDS)


@pytest.mark.parametrize("name", OTHER_SHAPES)
def test_shapes_are_separated(name):
    jobs = [make_job(), make_job(**{name: OTHER_SHAPES[name]})]
    assert sorted(plan(jobs)) == [[0], [1]]


@pytest.mark.parametrize(
    "changes",
    [
        {"d": 5},
        {"n": 50},
        *({name: 0.1} for name in ("input_dropout", "input_noise", "mixup", "cutmix", "cutout")),
    ],
    ids=["columns", "minibatches", "input_dropout", "input_noise", "mixup", "cutmix", "cutout"],
)
def test_what_else_is_separated(changes):
    assert sorted(plan([make_job(), make_job(**changes)])) == [[0], [1]]


def test_those_that_go_on_share_stacks_on_the_cpu_alone():
    """Each member has a clock there; kernels of other devices know one a stack."""
    assert plan([make_job(), make_job(start={})]) == [[0, 1]]
    elsewhere = [make_job(device="meta"), make_job(device="meta", start={})]
    assert sorted(plan(elsewhere)) == [[0], [1]]


@pytest.mark.parametrize(
    "changes",
    [
        {"n": 41},
        {"n_val": 9},
        {"weighted": True},
        {"dropout": 0.5},
        {"l1": 1.0},
        {"l2": 1.0},
        {"weight_decay": 1.0},
        {"max_norm": 1.0},
        {"learning_rate_init": 1.0},
        {"learning_rate": "cosine"},
        {"max_iter": 99},
        {"max_steps": 99},
        {"max_time": 99.0},
        {"patience": 99},
    ],
    ids=str,
)
def test_what_may_differ_in_a_stack(changes):
    assert shape_key(make_job()) == shape_key(make_job(**changes))
    assert len(plan([make_job(), make_job(**changes)])) == 1


def test_a_job_with_a_driver_trains_alone():
    job = make_job()
    job.driver = lambda stack: stack.epochs()
    assert sorted(plan([make_job(), job, make_job()])) == [[0, 2], [1]]


def test_small_nets_share_large_stacks_and_wide_nets_small_ones():
    assert most_members(make_job(hidden=(2,))) == MOST
    assert most_members(make_job(hidden=(4096,), n=500, batch_size=500)) == FEWEST
    job = make_job(hidden=(512, 512), n=128, batch_size=128)
    assert FEWEST < most_members(job) == 2**28 // stack_bytes(job, 1) < MOST


def test_memory_bounds_the_stack():
    jobs = [make_job(seed=i) for i in range(20)]
    one = stack_bytes(jobs[0], 1)
    assert [len(s) for s in plan(jobs, memory=5.5 * one)] == [5, 5, 5, 5]
    assert [len(s) for s in plan(jobs, memory=0.1 * one)] == [1] * 20
    assert len(plan(jobs, memory=1000 * one)) == 1


def test_the_memory_of_a_gpu_bounds_its_stacks(monkeypatch):
    """Half of what is free there, whatever there is elsewhere."""
    one = stack_bytes(make_job(device="cuda"), 1)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (2 * one, 100 * one))
    # What torch holds for the next allocation counts as free.
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 9 * one)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 4 * one)
    jobs = [make_job(seed=i, device="cuda") for i in range(8)]
    assert [len(stack) for stack in plan(jobs, lanes=4)] == [3, 3, 2]
    assert [len(stack) for stack in plan(jobs, memory=2.5 * one)] == [2] * 4
    assert [len(stack) for stack in plan([make_job(seed=i) for i in range(8)])] == [8]


def test_stack_bytes_covers_what_a_stack_allocates():
    """Parameters, gradient, two moments and the snapshot; three buffers of activations."""
    job = make_job(n=300, d=30, hidden=(64, 32), batch_size=100)
    weights = 30 * 64 + 64 * 32 + 32 + 64 + 32 + 1
    activations = 3 * 100 * (64 + 32) + 100
    assert stack_bytes(job, 3) >= 3 * 8 * (5 * weights + activations)
    assert stack_bytes(job, 3) <= 1.2 * 3 * 8 * (5 * weights + activations)
    assert stack_bytes(job, 6) == 2 * stack_bytes(job, 3)


def test_other_embedded_columns_are_another_shape():
    jobs = [make_job(embedded=columns) for columns in ((0, 2), (1, 2), (0, 2), (0,))]
    assert sorted(plan(jobs)) == [[0, 2], [1], [3]]


def test_stack_bytes_covers_embeddings():
    """Inputs of each member's own, and the gradient of those that were made of columns."""
    job = make_job(n=300, d=30, hidden=(64,), batch_size=100, embedded=tuple(range(20)))
    weights = 90 * 64 + 64 + 64 + 1 + 20 * (16 + 16 + 3 * 16 + 3)
    activations = 3 * 100 * 64 + 100 + 100 * 90 + 100 * 60
    assert stack_bytes(job, 3) >= 3 * 8 * (5 * weights + activations)
    assert stack_bytes(job, 3) <= 1.2 * 3 * 8 * (5 * weights + activations)


EMBEDDED = {"n": 300, "d": 30, "hidden": (64,), "batch_size": 100, "embedded": tuple(range(20))}


def waves(triton=True, sparse=False, **options):
    """Entries of periodic functions and their arguments in the memory of a member on a device."""
    job = make_job(**EMBEDDED, **options)
    if sparse:
        job.X = sp.csr_matrix(job.X)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            planning.importlib.util, "find_spec", lambda name: object() if triton else None
        )
        on_cpu = make_job(**{**EMBEDDED, **options, "device": "cpu", "n_val": 0})
        rows = 100 * 30  # as they are
        return (stack_bytes(job, 1) - stack_bytes(on_cpu, 1)) / 8 - rows


def test_autograd_stores_the_periodic_functions_of_a_minibatch_and_kernels_those_of_a_chunk():
    minibatch, chunk = 2 * 16 * 20 * 100, 2 * 16 * 20 * 64
    assert waves(device="cuda", triton=False) == waves(device="mps") == minibatch
    assert waves(device="cuda", sparse=True) == minibatch
    assert waves(device="cuda:1") == waves(device="cuda") == 0
    # What the kernels lack is trained by autograd as well.
    assert waves(device="cuda", layer_norm=True) == waves(device="cuda", mixup=0.2) == minibatch
    assert waves(device="cuda", n_val=500) == chunk
    assert waves(device="cuda", n_val=5) == chunk * 5 / 64


def test_stack_bytes_covers_what_the_kernels_for_embedded_columns_take():
    pytest.importorskip("triton", reason="the kernels for CUDA are compiled by triton")
    from skreg.backends.cuda.step import FusedCudaStep

    jobs = [make_job(**EMBEDDED, seed=seed, input_dropout=0.2) for seed in range(3)]
    stack = stack_of(jobs, "reference")
    step = FusedCudaStep(stack.state, stack.knobs, stack.feed, stack.spec)
    given = [stack.snapshot.theta.flat]
    for launch in step.launches:
        given += getattr(launch, "arguments", None) or (*launch.args, *launch.keywords.values())
    # Several views may be of one storage.
    storages = [tensor.untyped_storage() for tensor in given if torch.is_tensor(tensor)]
    taken = sum({storage.data_ptr(): storage.nbytes() for storage in storages}.values())
    on_cuda = make_job(**EMBEDDED, input_dropout=0.2, device="cuda")
    assert taken <= stack_bytes(on_cuda, 3) <= 1.3 * taken


def test_wide_embedded_inputs_make_small_stacks():
    wide = {"d": 500, "hidden": (2,), "n": 2000, "batch_size": 2000}
    assert most_members(make_job(**wide)) == MOST
    assert most_members(make_job(**wide, embedded=tuple(range(500)))) == FEWEST


def test_cutting_changes_no_result(monkeypatch):
    jobs = [make_job(seed=i % 3, l1=0.01 * i) for i in range(9)]
    whole = fit(jobs)
    monkeypatch.setattr(planning, "most_members", lambda job, memory: 2)
    assert [len(s) for s in plan(jobs)] == [2, 2, 2, 2, 1]
    for one, other in zip(fit(jobs), whole, strict=True):
        np.testing.assert_allclose(one.params["weight_0"], other.params["weight_0"], atol=1e-10)


def test_every_lane_gets_as_much_work():
    jobs = [make_job(seed=i) for i in range(10)]
    assert [len(s) for s in plan(jobs, lanes=2)] == [5, 5]
    assert [len(s) for s in plan(jobs, lanes=4)] == [3, 3, 2, 2]
    assert [len(s) for s in plan(jobs[:2], lanes=4)] == [1, 1]
    shapes = [make_job(seed=i, hidden=(5 + i // 4,)) for i in range(16)]
    assert [len(s) for s in plan(shapes, lanes=2)] == [4, 4, 4, 4]  # enough parts as they are


def test_the_most_work_comes_first():
    jobs = [make_job(max_iter=1), make_job(hidden=(50, 50)), make_job(hidden=(9,))]
    assert plan(jobs, lanes=2) == [[1], [2], [0]]


def test_small_stacks_use_one_thread_and_large_ones_more():
    small, large = make_job(hidden=(5,)), make_job(hidden=(300, 300), n=600, d=50, batch_size=300)
    assert threads_for(small, 1) == 1
    assert threads_for(large, 1) > 1


def test_members_of_one_stack_are_shared_out_where_an_epoch_is_long():
    small, large = make_job(hidden=(5,)), make_job(hidden=(100, 100), n=2000, d=50)
    assert threads_for(small, 16) == 1
    assert threads_for(large, 3) == 3
    assert threads_for(large, 16) == 16
