"""Matrix products in compiled code: ``gemm`` of a BLAS, called by its address.

torch's own BLAS where its library exports one, as that of the x86 wheels for Linux does (MKL, the
fastest of them all), else scipy's, which numba knows to find. A call costs no Python and holds no
lock, so stacks side by side do not wait for each other.
"""

from __future__ import annotations

import ctypes
import functools
import threading
from pathlib import Path

import torch
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import get_cython_function_address, intrinsic
from threadpoolctl import threadpool_limits

from skreg.backends.cpu.pieces import inline

_NAMES = {"float32": "sgemm", "float64": "dgemm"}


def _of_torch(name):
    """Address of a BLAS routine in torch's library, or None."""
    library = Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"
    if not torch.backends.mkl.is_available() or not library.exists():
        return None
    try:
        return ctypes.cast(getattr(ctypes.CDLL(str(library)), f"{name}_"), ctypes.c_void_p).value
    except (OSError, AttributeError):
        return None


@functools.cache
def gemm_address(dtype, source="any"):
    """Address of ``gemm`` with Fortran's calling convention and 32-bit integers.

    Parameters
    ----------
    dtype : {"float32", "float64"}
    source : {"any", "torch", "scipy"}, default="any"
        "any" is torch's where there is one, else scipy's.

    Returns
    -------
    int or None
        None where the source has none.
    """
    name = _NAMES[dtype]
    address = None if source == "scipy" else _of_torch(name)
    if address is None and source != "torch":
        address = get_cython_function_address("scipy.linalg.cython_blas", name)
    return address


class OneThread:
    """Context in which scipy's BLAS uses one thread; torch's does as `torch.set_num_threads` says.

    The number is one for the whole process: the first to enter sets it, the last to leave puts it back.
    """

    def __init__(self, source="any"):
        self._needed = source == "scipy" or _of_torch("sgemm") is None
        self._lock, self._inside, self._limits = threading.Lock(), 0, None

    def __enter__(self):
        if self._needed:
            with self._lock:
                if self._inside == 0:
                    self._limits = threadpool_limits(1, user_api="blas")
                self._inside += 1
        return self

    def __exit__(self, *_):
        if self._needed:
            with self._lock:
                self._inside -= 1
                if self._inside == 0:
                    self._limits.restore_original_limits()


#: To be entered around compiled loops.
ONE_THREAD = OneThread()


@intrinsic
def _gemm(typing, address, flip_a, flip_b, m, n, k, a, lda, b, ldb, c, ldc, one):
    """gemm with alpha 1 and beta 0; a, b, c are addresses, the type of ``one`` is theirs."""
    signature = types.void(*[types.intp] * 12, one)

    def generate(context, builder, signature, arguments):
        where, flip_a, flip_b, m, n, k, a, lda, b, ldb, c, ldc, one = arguments
        byte, word = ir.IntType(8), ir.IntType(32)
        pointer = byte.as_pointer()

        def by_reference(value):
            place = cgutils.alloca_once(builder, value.type)
            builder.store(value, place)
            return builder.bitcast(place, pointer)

        def letter(flag):
            flag = builder.icmp_signed("!=", flag, flag.type(0))
            return by_reference(builder.select(flag, byte(ord("T")), byte(ord("N"))))

        def size(value):
            return by_reference(builder.trunc(value, word))

        def array(value):
            return builder.inttoptr(value, pointer)

        routine = ir.FunctionType(ir.VoidType(), [pointer] * 13)
        builder.call(
            builder.inttoptr(where, routine.as_pointer()),
            [
                letter(flip_a),
                letter(flip_b),
                size(m),
                size(n),
                size(k),
                by_reference(one),
                array(a),
                size(lda),
                array(b),
                size(ldb),
                by_reference(one.type(0.0)),
                array(c),
                size(ldc),
            ],
        )
        return context.get_dummy_value()

    return signature, generate


@inline
def product(gemm, a, flip_a, b, flip_b, out):
    """out = a @ b for arrays whose rows are contiguous; one whose flag is set is transposed first.

    Fortran reads an array in C order as its transpose: it is given ``out.T = b.T @ a.T``, and how far
    rows are apart.
    """
    inner = a.shape[0] if flip_a else a.shape[1]
    _gemm(
        gemm,
        1 if flip_b else 0,
        1 if flip_a else 0,
        out.shape[1],
        out.shape[0],
        inner,
        b.ctypes.data,
        b.strides[0] // b.itemsize,
        a.ctypes.data,
        a.strides[0] // a.itemsize,
        out.ctypes.data,
        out.strides[0] // out.itemsize,
        out.dtype.type(1),
    )


@intrinsic
def pointer_to(typing, address, like):
    """An address as a pointer to entries of the type of ``like``, for `numba.carray`."""
    signature = types.CPointer(like)(types.intp, like)

    def generate(context, builder, signature, arguments):
        return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

    return signature, generate
