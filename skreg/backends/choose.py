"""Which implementation of a step trains a stack: the fused one of its device, or the reference."""

from __future__ import annotations

import warnings

import torch

from skreg.backends.reference import ReferenceStep

_SLOWER = (
    "skreg trains with its reference implementation, which gives the same results more slowly."
)

#: Reasons that are not failures: no warning is given for them.
_NO_SUCH = "there are fused steps for the CPU and for CUDA alone."
_NOT_TAKEN = "it takes no sparse tables, and no block or activation that its kernels lack."

#: Reasons that a warning was given for.
_warned = set()


def step_type(spec, sparse, implementation="auto"):
    """The class that trains a stack.

    Parameters
    ----------
    spec : Spec
        Of any member: only what the members share is read.
    sparse : bool
        Whether the tables are.
    implementation : {"auto", "fused", "reference"} or type, default="auto"
        "auto" is fused on the CPU where numba can be used, and on CUDA where triton can be used and the
        step takes such nets; in both cases `skreg.backends.self_check` has to find nothing wrong. A type is
        taken as it is.

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
    kind = torch.device(spec.device).type
    fused, reason = {"cpu": _on_cpu, "cuda": _on_cuda}.get(kind, _nowhere)(spec, sparse)
    if fused is None and implementation == "fused":
        raise RuntimeError(
            f"implementation='fused' cannot be used on device={spec.device!r}: {reason} Remedy: "
            "implementation='auto', which trains with the reference where it must."
        )
    if fused is None and reason not in (_NOT_TAKEN, _NO_SUCH, *_warned):
        _warned.add(reason)
        warnings.warn(f"{reason} {_SLOWER}", RuntimeWarning, stacklevel=3)
    return fused or ReferenceStep


def _nowhere(spec, sparse):
    return None, _NO_SUCH


def _on_cpu(spec, sparse):
    fused, reason = _cpu_kernels()
    return _examined(fused, spec) if fused else (None, reason)


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


def _on_cuda(spec, sparse):
    try:
        from skreg.backends.cuda.step import FusedCudaStep
    except ImportError as error:
        return None, f"The kernels for CUDA need triton, which cannot be imported ({error})."
    if not FusedCudaStep.takes(spec, sparse):
        return None, _NOT_TAKEN
    return _examined(FusedCudaStep, spec)


def _examined(fused, spec):
    """The step if its kernels prove themselves, else the reason why they are not used."""
    from skreg.backends import self_check

    reason = self_check.verdict(fused, spec)
    return (None, reason) if reason else (fused, "")
