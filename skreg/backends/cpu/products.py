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

from skreg.backends.cpu.pieces import AT_HAND, B, kernel, numbers, rows_at

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
def _gemm(typing, address, flip_a, flip_b, m, n, k, a, lda, b, ldb, c, ldc, one, zero):
    """gemm by Fortran's rules. Arrays are addresses, and so are the factors of the product and of c."""
    signature = types.void(*[types.intp] * 14)

    def generate(context, builder, signature, arguments):
        where, flip_a, flip_b, m, n, k, a, lda, b, ldb, c, ldc, one, zero = arguments
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
                array(one),
                array(a),
                size(lda),
                array(b),
                size(ldb),
                array(zero),
                array(c),
                size(ldc),
            ],
        )
        return context.get_dummy_value()

    return signature, generate


@functools.cache
def product_kernel():
    """out (m, n) = a @ b of one member, whatever the precision.

    Arrays are in C order; one whose flag is set is transposed first. Its row holds sizes, addresses,
    the bytes from member to member, and how many entries lines are apart; `AT_HAND` stands for the rows
    at hand and their number.
    """

    @kernel(
        "gemm one zero m n inner a a_bytes a_stride a_flip b b_bytes b_stride b_flip out out_stride"
    )
    def product(frame, row, k):
        (
            gemm,
            one,
            zero,
            m,
            n,
            inner,
            a,
            a_bytes,
            a_stride,
            a_flip,
            b,
            b_bytes,
            b_stride,
            b_flip,
            out,
            out_stride,
        ) = numbers(row, 16)
        rows = frame[B]
        n = rows if n == AT_HAND else n
        inner = rows if inner == AT_HAND else inner
        a_stride = rows if a_stride == AT_HAND else a_stride
        b_stride = rows if b_stride == AT_HAND else b_stride
        out_stride = rows if out_stride == AT_HAND else out_stride
        b = rows_at(frame, b)
        # Fortran reads an array in C order as its transpose: it is given ``out.T = b.T @ a.T``.
        _gemm(
            gemm,
            b_flip,
            a_flip,
            n,
            m,
            inner,
            b + k * b_bytes,
            b_stride,
            a + k * a_bytes,
            a_stride,
            out,
            out_stride,
            one,
            zero,
        )

    return product
