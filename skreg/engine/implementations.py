"""Which implementation of a step trains a stack: the fused one of its device, or the reference."""

from __future__ import annotations

import warnings

import torch

from skreg.engine.reference import ReferenceStep

_NO_NUMBA = (
    "numba cannot be imported: skreg trains with its reference implementation, which gives the same "
    "results several times slower. Remedy: pip install numba."
)

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
    if fused is None and reason and kind not in _warned and kind in _WARNINGS:
        _warned.add(kind)
        warnings.warn(_WARNINGS[kind].format(reason=reason), RuntimeWarning, stacklevel=3)
    return fused or ReferenceStep


#: What is said once where the fused step of a kind of device cannot be used.
_WARNINGS = {
    "cpu": "{reason}",
    "cuda": "{reason} skreg trains with its reference implementation, which gives the same results more "
    "slowly.",
}


def _nowhere(spec, sparse):
    return None, "there are fused steps for the CPU and for CUDA alone."


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
        return None, ""
    from skreg.engine.self_check import verdict

    reason = verdict(FusedCudaStep, spec)
    return (None, reason) if reason else (FusedCudaStep, "")
