"""Which step a stack gets, and what is said where it is not the fused one."""

from __future__ import annotations

import dataclasses
import sys
import types
import warnings

import pytest
import scipy.sparse as sp

from skreg.backends import choose as implementations
from skreg.backends import self_check
from skreg.backends.choose import step_type
from skreg.backends.reference import ReferenceStep
from skreg.net.net import Net
from tests.train.helpers import (
    NUMBA,
    make_job,
    stack_of,
)

CUDA = make_job(device="cuda")
SPARSE = dataclasses.replace(CUDA, X=sp.csr_array(CUDA.X))


class Kernels(ReferenceStep):
    """Stands for the step on CUDA."""

    @staticmethod
    def lacks(net, sparse):
        return "sparse tables" if sparse else ""


@pytest.fixture(autouse=True)
def nothing_was_said(monkeypatch):
    monkeypatch.setattr(implementations, "_warned", set())


@pytest.fixture
def cuda_kernels(monkeypatch):
    """A module of kernels that needs no triton; sets what their self-check finds."""
    module = types.ModuleType("skreg.backends.cuda.step")
    module.FusedCudaStep = Kernels
    monkeypatch.setitem(sys.modules, "skreg.backends.cuda.step", module)

    def find(reason):
        monkeypatch.setattr(self_check, "verdict", lambda kind, spec: reason)

    find("")
    return find


@pytest.mark.skipif(not NUMBA, reason="the fused step of the CPU needs numba")
def test_the_cpu_has_its_own(monkeypatch):
    """And asks for no kernels of another device."""
    monkeypatch.setitem(sys.modules, "skreg.backends.cuda.step", None)
    assert step_type(make_job()).__name__ == "FusedStep"
    assert stack_of(make_job()).step_type.__name__ == "FusedStep"


@pytest.mark.skipif(not NUMBA, reason="the fused step of the CPU needs numba")
def test_kernels_of_the_cpu_that_fail_are_said_once_for_each_reason(monkeypatch):
    monkeypatch.setattr(self_check, "verdict", lambda kind, spec: f"{spec.loss} failed.")
    jobs = [make_job(loss=loss) for loss in ("huber", "huber", "poisson", "huber")]
    with pytest.warns(RuntimeWarning) as found:
        assert {step_type(job) for job in jobs} == {ReferenceStep}
    said = [str(w.message).split(" skreg trains")[0] for w in found]
    assert said == ["huber failed.", "poisson failed."]


@pytest.mark.skipif(not NUMBA, reason="the fused step of the CPU needs numba")
def test_a_numba_that_raises_is_no_end_of_the_fit(monkeypatch):
    monkeypatch.setitem(sys.modules, "numba", types.SimpleNamespace())
    with pytest.warns(
        RuntimeWarning, match="numba cannot be imported .*remedy: pip install --upgrade numba"
    ):
        assert step_type(make_job()) is ReferenceStep


def test_a_type_is_taken_as_it_is():
    assert step_type(CUDA, Kernels) is Kernels


def test_cuda_has_its_kernels_where_they_are_sound(cuda_kernels):
    assert step_type(CUDA) is Kernels
    assert step_type(CUDA, "fused") is Kernels
    assert step_type(CUDA, "reference") is ReferenceStep


@pytest.mark.parametrize("device", ["mps", "meta"])
def test_other_devices_have_the_reference_and_nothing_is_said(device):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert step_type(make_job(device=device)) is ReferenceStep


def test_augmentation_is_left_to_the_reference_on_cuda():
    for name, said in (
        ("mixup", "mixup and cutmix"),
        ("cutmix", "mixup and cutmix"),
        ("cutout", "cutout"),
    ):
        blocks = Net.of(make_job(**{name: 0.1}).spec, 4).blocks
        assert blocks[0].missing_on_cuda(None, False) == said


def test_what_the_kernels_lack_is_said_once(cuda_kernels):
    cuda_kernels("never asked")
    with pytest.warns(RuntimeWarning, match=r"no kernels for CUDA of sparse tables\. skreg trains"):
        assert step_type(SPARSE) is ReferenceStep
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert step_type(SPARSE) is ReferenceStep


def test_a_self_check_that_fails_is_said_once(cuda_kernels):
    cuda_kernels("The kernels failed.")
    with pytest.warns(
        RuntimeWarning, match=r"^The kernels failed\. skreg trains with its reference"
    ):
        assert step_type(CUDA) is ReferenceStep
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert step_type(CUDA) is ReferenceStep


def test_without_triton_the_reference_trains_with_a_warning(monkeypatch):
    monkeypatch.setitem(sys.modules, "skreg.backends.cuda.step", None)
    with pytest.warns(RuntimeWarning, match="need triton, which cannot be imported"):
        assert step_type(CUDA) is ReferenceStep


def test_fused_on_demand_is_an_error_where_the_self_check_fails(cuda_kernels):
    cuda_kernels("The kernels failed.")
    with pytest.raises(RuntimeError, match=r"device='cuda': The kernels failed\. Remedy: "):
        step_type(CUDA, "fused")


def test_fused_on_demand_is_an_error_for_what_the_kernels_lack(cuda_kernels):
    with pytest.raises(RuntimeError, match="no kernels for CUDA of sparse tables"):
        step_type(SPARSE, "fused")
