"""What compiled loops are made of: how they are compiled, random bits, and activations.

Branches inside inner loops are selects: a branch on a random mask would be mispredicted half of the
time and keeps the loop from becoming vector code (measured: nine times slower).
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import numba as nb
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.experimental.function_type import _get_wrapper_address
from numba.extending import intrinsic, overload
from numba.np.arrayobj import populate_array

from skreg.backends.constants import LINE_STRIDE
from skreg.backends.cpu.cache import cache_of
from skreg.backends.cpu.notice import while_compiling
from skreg.net.activation import KINDS, NUMBERS

# Without nnan and ninf: a member that diverges has to be seen.
_FASTMATH = {"contract", "reassoc", "nsz", "arcp", "afn"}
_OPTIONS = {"fastmath": _FASTMATH, "error_model": "numpy", "nogil": True}
#: Inlined by LLVM: a call inside a loop would keep it from becoming vector code.
INLINE = {"fastmath": _FASTMATH, "error_model": "numpy", "forceinline": True}

#: Compiles a function for others to call from compiled code, inlined.
inline = functools.partial(nb.njit, **INLINE)
#: Compiles a function for compiled code alone: its caller is what is kept on disk.
part = functools.partial(nb.njit, **_OPTIONS)


def compiled(signature):
    """Compile a function for one signature; its machine code is kept on disk.

    Python calls it, or compiled code through its address.
    """

    def compile_(function):
        kernel = nb.njit(**_OPTIONS)(function)
        kernel._cache = cache_of(function)
        with while_compiling():
            kernel.compile(signature)
        kernel.disable_compile()
        return kernel

    return compile_


def float_types(dtype):
    """numba's types for a precision: a float, a vector, a matrix; and of a mask's bits, and nothing."""
    f = getattr(types, dtype)
    return f, types.Array(f, 1, "C"), types.Array(f, 2, "C"), types.uint32, types.void


def address_of(kernel):
    """Address of a kernel that was compiled for one signature, for `call`."""
    return _get_wrapper_address(kernel, kernel.nopython_signatures[0])


@intrinsic
def call(typing, address, arguments):
    """Call the kernel at an address with a tuple of arguments. It returns nothing.

    The arguments must have exactly the types of the kernel's signature: nothing checks or converts them.
    numba's own function type would do so, but takes 20 us of Python for each function handed over.
    """
    signature = types.void(types.intp, arguments)

    def generate(context, builder, signature, values):
        kinds = [context.get_value_type(kind) for kind in signature.args[1].types]
        routine = ir.FunctionType(ir.VoidType(), kinds)
        pointer = builder.inttoptr(values[0], routine.as_pointer())
        builder.call(pointer, cgutils.unpack_tuple(builder, values[1]))
        return context.get_dummy_value()

    return signature, generate


def _view(context, builder, kind, source, start, shape):
    """An array of this type and shape over entries of an array in C order, from ``start`` on."""
    flat = context.make_array(source.type)(context, builder, source.value)
    view = context.make_array(kind)(context, builder)
    item = context.get_abi_sizeof(context.get_data_type(kind.dtype))
    size = shape[0].type(item)
    strides = [size] if kind.ndim == 1 else [builder.mul(shape[1], size), size]
    # No owner, so no references are counted: the arrays behind the views outlive the compiled loop.
    populate_array(
        view,
        data=builder.gep(flat.data, [start]),
        shape=shape,
        strides=strides,
        itemsize=size,
        meminfo=None,
        parent=None,
    )
    return view._getvalue()


class _Source(NamedTuple):
    type: types.Array
    value: ir.Value


@intrinsic
def vector(typing, flat, start, n):
    """``flat[start : start + n]``, unchecked: a slice compiles to ten times the code."""
    kind = types.Array(flat.dtype, 1, "C")
    signature = kind(flat, types.intp, types.intp)

    def generate(context, builder, signature, values):
        source = _Source(signature.args[0], values[0])
        return _view(context, builder, kind, source, values[1], [values[2]])

    return signature, generate


@intrinsic
def matrix(typing, flat, start, rows, columns):
    """``flat[start : start + rows * columns].reshape(rows, columns)``, unchecked."""
    kind = types.Array(flat.dtype, 2, "C")
    signature = kind(flat, types.intp, types.intp, types.intp)

    def generate(context, builder, signature, values):
        source = _Source(signature.args[0], values[0])
        return _view(context, builder, kind, source, values[1], list(values[2:]))

    return signature, generate


@inline
def random_u32(counter, key0, key1):
    """Hash of a 32-bit counter under a 64-bit key (see `skreg.net.dropout`)."""
    x = np.uint32(counter ^ key0)
    x = np.uint32(x ^ np.uint32(x >> np.uint32(16)))
    x = np.uint32(x * np.uint32(0x21F0AAAD))
    x = np.uint32(x + key1)
    x = np.uint32(x ^ np.uint32(x >> np.uint32(15)))
    x = np.uint32(x * np.uint32(0x735A2D97))
    return np.uint32(x ^ np.uint32(x >> np.uint32(15)))


@inline
def mask_base(line):
    """Where a line of a mask starts to count (see `skreg.net.dropout.keep_mask`)."""
    return np.uint32(np.uint32(line) * np.uint32(LINE_STRIDE))


def exp(x):
    """Exponential: a polynomial for float32, so that loops vectorise; the library's for float64."""
    raise NotImplementedError("only called from compiled code")


@overload(exp, jit_options=INLINE)
def _overload_exp(x):
    if x == nb.types.float32:

        def impl(x):
            # Comparisons and not min/max: a NaN has to come out as a NaN.
            x = np.float32(-87.0) if x < np.float32(-87.0) else x
            x = np.float32(88.0) if x > np.float32(88.0) else x
            n = np.floor(x * np.float32(1.44269504) + np.float32(0.5))
            r = x - n * np.float32(0.693359375) + n * np.float32(2.12194440e-4)
            p = np.float32(1.9875691500e-4)
            p = p * r + np.float32(1.3981999507e-3)
            p = p * r + np.float32(8.3334519073e-3)
            p = p * r + np.float32(4.1665795894e-2)
            p = p * r + np.float32(1.6666665459e-1)
            p = p * r + np.float32(5.0000001201e-1)
            p = p * r * r + r + np.float32(1.0)
            return p * np.int32((np.int32(n) + np.int32(127)) << np.int32(23)).view(np.float32)
    else:

        def impl(x):
            return math.exp(x)

    return impl


def erf(x):
    """Error function: Abramowitz and Stegun 7.1.26 (1.5e-7) for float32, exact for float64."""
    raise NotImplementedError("only called from compiled code")


@overload(erf, jit_options=INLINE)
def _overload_erf(x):
    if x == nb.types.float32:

        def impl(x):
            a = abs(x)
            t = np.float32(1.0) / (np.float32(1.0) + np.float32(0.3275911) * a)
            p = np.float32(1.061405429)
            p = p * t - np.float32(1.453152027)
            p = p * t + np.float32(1.421413741)
            p = p * t - np.float32(0.284496736)
            p = p * t + np.float32(0.254829592)
            v = np.float32(1.0) - p * t * exp(-a * a)
            return -v if x < np.float32(0.0) else v
    else:

        def impl(x):
            return math.erf(x)

    return impl


def value(act, y):
    """Activation number ``act`` at ``y``."""
    raise NotImplementedError("only called from compiled code")


def slope(act, y):
    """Derivative of activation number ``act`` at ``y``."""
    raise NotImplementedError("only called from compiled code")


def _float_type(y):
    return np.float32 if y == nb.types.float32 else np.float64


# The number of the activation is a literal when a kernel is compiled, so that each kernel holds the
# code of one activation: a chain of ifs inside the loop would keep it from becoming vector code.
@overload(value, prefer_literal=True, jit_options=INLINE)
def _overload_value(act, y):
    return _activations(_float_type(y))[act.literal_value][0]


@overload(slope, prefer_literal=True, jit_options=INLINE)
def _overload_slope(act, y):
    return _activations(_float_type(y))[act.literal_value][1]


@functools.cache
def _activations(F):
    """Value and slope by number, as functions of (act, y), for one float type."""
    return {NUMBERS[name]: kind.compiled(F, exp, erf) for name, kind in KINDS.items()}
