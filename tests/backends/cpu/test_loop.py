"""How the loop is cut must not matter: blocks of minibatches, members among threads, the BLAS."""

from __future__ import annotations

import pytest
import torch

pytest.importorskip("numba")

from skreg.backends.cpu import program
from skreg.backends.cpu import step as fused_cpu
from skreg.backends.cpu.products import gemm_address
from skreg.train import plan
from tests.train.helpers import assert_same_result, fit, make_job


def jobs(**changes):
    options = {"max_iter": 4, "dropout": 0.2, "input_dropout": 0.1, "n_val": 10, **changes}
    return [
        make_job(table=table, seed=seed, l1=l1, **options)
        for table, seed, l1 in ((0, 0, 0.0), (0, 0, 0.01), (1, 0, 0.0), (1, 3, 0.0), (0, 1, 0.02))
    ]


@pytest.mark.parametrize("loss", ["multinomial", "squared_error"])
def test_any_number_of_minibatches_may_be_gathered_at_a_time(loss, monkeypatch):
    several = fit(jobs(loss=loss, n_outputs=2), "fused")
    monkeypatch.setattr(fused_cpu, "_BLOCK", 0)
    one = fit(jobs(loss=loss, n_outputs=2), "fused")
    for a, b in zip(several, one, strict=True):
        assert_same_result(a, b, atol=0)


@pytest.mark.parametrize("threads", [2, 3])
def test_members_of_one_stack_may_be_trained_by_several_threads(threads, one_thread, monkeypatch):
    """Members of a cohort stay in one stack, so threads can only share them out."""
    monkeypatch.setattr(plan, "EPOCH_WORK", 1)
    one = fit(jobs(cohort=0), "fused")
    torch.set_num_threads(threads)
    seen, parts = [], fused_cpu._parts
    monkeypatch.setattr(fused_cpu, "_parts", lambda k: seen.append(len(parts(k))) or parts(k))
    several = fit(jobs(cohort=0), "fused")
    assert max(seen) == threads
    for a, b in zip(one, several, strict=True):
        assert_same_result(a, b, atol=0)


def test_either_blas_trains_the_same_net(monkeypatch):
    default = fit(jobs(), "fused")
    monkeypatch.setattr(program, "gemm_address", lambda dtype: gemm_address(dtype, "scipy"))
    other = fit(jobs(), "fused")
    for a, b in zip(default, other, strict=True):
        assert_same_result(a, b, atol=1e-10)


def test_a_member_is_the_same_to_the_last_bit_alone_and_among_others(one_thread):
    together = fit(jobs(dtype="float32"), "fused")
    for job, result in zip(jobs(dtype="float32"), together, strict=True):
        assert_same_result(fit(job, "fused"), result, atol=0)


@pytest.mark.parametrize("width", [1, 2, 3, 40])
def test_parts_hold_each_member_once(width, monkeypatch):
    monkeypatch.setattr(fused_cpu.lanes, "width", lambda: width)
    for k in (1, 2, 5, 32):
        parts = fused_cpu._parts(k)
        assert [m for low, high in parts for m in range(low, high)] == list(range(k))
        assert len(parts) == min(k, width)
