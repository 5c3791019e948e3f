"""Which implementation of a step trains a stack: the fused one of its device, or the reference."""

from __future__ import annotations

import warnings

import torch

from skreg.engine.reference import ReferenceStep

_NO_NUMBA = "numba cannot be imported (remedy: pip install numba)."
_SLOWER = (
    "skreg trains with its reference implementation, which gives the same results more slowly."
)

#: Reasons that are no failure, of which nothing is said.
_NO_SUCH = "there are fused steps for the CPU and for CUDA alone."
_NOT_TAKEN = "it takes no sparse tables."

#: Kinds of devices whose lack of a fused step was said already.
_warned = set()


def step_type(spec, sparse, implementation="auto"):
    """The class that trains a stack.

    Parameters
    ----------
    spec : Spec
        Of any member: only what the members share is read.
    sparse : bool
        Whether the tables are.
    implementation : {"auto", "fused", "reference"}, default="auto"
        "auto" is fused on the CPU where numba is there, and on CUDA where triton is there, the step takes
        such nets and `skreg.engine.self_check` finds nothing.

    Returns
    -------
    type
        With the interface of `ReferenceStep`.

    Raises
    ------
    RuntimeError
        Where "fused" cannot be had.
    """
    if implementation == "reference":
        return ReferenceStep
    kind = torch.device(spec.device).type
    fused, reason = {"cpu": _on_cpu, "cuda": _on_cuda}.get(kind, _nowhere)(spec, sparse)
    if fused is None and implementation == "fused":
        raise RuntimeError(
            f"implementation='fused' cannot be had on device={spec.device!r}: {reason} Remedy: "
            "implementation='auto', which takes the reference where it must."
        )
    if fused is None and reason not in (_NOT_TAKEN, _NO_SUCH) and kind not in _warned:
        _warned.add(kind)
        warnings.warn(f"{reason} {_SLOWER}", RuntimeWarning, stacklevel=3)
    return fused or ReferenceStep


def _nowhere(spec, sparse):
    return None, _NO_SUCH


def _on_cpu(spec, sparse):
    try:
        from skreg.engine.fused_cpu import FusedStep
    except ImportError:
        return None, _NO_NUMBA
    return FusedStep, ""


def _on_cuda(spec, sparse):
    try:
        from skreg.engine.fused_cuda import FusedCudaStep
    except ImportError as error:
        return None, f"The kernels for CUDA need triton, which cannot be imported ({error})."
    if not FusedCudaStep.takes(spec, sparse):
        return None, _NOT_TAKEN
    from skreg.engine.self_check import verdict

    reason = verdict(FusedCudaStep, spec)
    return (None, reason) if reason else (FusedCudaStep, "")
