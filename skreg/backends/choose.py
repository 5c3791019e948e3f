"""Which implementation of a step trains a stack: the fused one of its device, or the reference."""

from __future__ import annotations

import dataclasses
import warnings

import scipy.sparse as sp
import torch

from skreg.backends import self_check
from skreg.backends.reference import ReferenceStep
from skreg.net.net import Net

_SLOWER = (
    "skreg trains with its reference implementation, which gives the same results more slowly."
)

#: A reason that is none to warn of.
_NO_SUCH = "there are fused steps for the CPU and for CUDA alone."

#: Reasons that a warning was given for.
_warned = set()


def step_type(job, implementation="auto"):
    """The class that trains a stack.

    Parameters
    ----------
    job : Job
        Of any member: only what the members share is read.
    implementation : {"auto", "fused", "reference"} or type, default="auto"
        "auto" is fused on the CPU where numba can be used, and on CUDA where triton can be used and all
        blocks of the net can be launched; in both cases `skreg.backends.self_check` has to find nothing
        wrong. Modules of the user's are trained by the reference, on the CPU with a compiled optimiser where
        that can be used. A type is taken as it is.

    Returns
    -------
    type
        With the interface of `ReferenceStep`.

    Raises
    ------
    RuntimeError
        Where "fused" was asked for and cannot be used.
    """
    if isinstance(implementation, type):
        return implementation
    if implementation == "reference":
        return ReferenceStep
    device = job.spec.device
    on_device = {"cpu": _on_cpu, "cuda": _on_cuda}.get(torch.device(device).type, _nowhere)
    on_device = on_device if job.spec.module is None else _for_module
    fused, reason = on_device(job)
    if fused is None and implementation == "fused":
        raise RuntimeError(
            f"implementation='fused' cannot be used on device={device!r}: {reason} Remedy: "
            "implementation='auto', which trains with the reference where it must."
        )
    if fused is None and reason not in (_NO_SUCH, *_warned):
        _warned.add(reason)
        warnings.warn(f"{reason} {_SLOWER}", RuntimeWarning, stacklevel=3)
    return fused or ReferenceStep


def _for_module(job):
    """On the CPU the reference with a compiled optimiser; elsewhere it has none."""
    fused, reason = _cpu_kernels()
    if torch.device(job.spec.device).type != "cpu":
        return None, _NO_SUCH
    if fused is None:
        return None, reason
    from skreg.backends.cpu.module_step import ModuleStep

    # What is examined is the optimiser, by nets that are made for the purpose.
    plain = {"module": None, "dropout": (), "l1": (0.0,), "l2": (0.0,), "batch_norm": False}
    return _examined(ModuleStep, dataclasses.replace(job.spec, **plain))


def _nowhere(job):
    return None, _NO_SUCH


def _on_cpu(job):
    fused, reason = _cpu_kernels()
    return _examined(fused, job.spec) if fused else (None, reason)


def _cpu_kernels():
    """The step of the CPU, or the reason why its modules cannot be used."""
    try:
        import numba

        if numba.config.DISABLE_JIT:
            return None, (
                "numba's compiler is switched off by the environment variable NUMBA_DISABLE_JIT (remedy: "
                "unset it)."
            )
        from skreg.backends.cpu.step import FusedStep
    except ImportError as error:
        return None, f"numba cannot be imported ({error}; remedy: pip install numba)."
    except Exception as error:  # a numba that does not fit numpy or llvmlite may raise anything
        return None, f"numba cannot be imported ({error}; remedy: pip install --upgrade numba)."
    return FusedStep, ""


def _on_cuda(job):
    try:
        from skreg.backends.cuda.step import FusedCudaStep
    except ImportError as error:
        return None, f"The kernels for CUDA need triton, which cannot be imported ({error})."
    lacking = FusedCudaStep.lacks(Net.of(job.spec, job.X.shape[1]), sp.issparse(job.X))
    if lacking:
        return None, f"There are no kernels for CUDA of {lacking}."
    return _examined(FusedCudaStep, job.spec)


def _examined(fused, spec):
    """The step if its kernels prove themselves, else the reason why they are not used."""
    reason = self_check.verdict(fused, spec)
    return (None, reason) if reason else (fused, "")
