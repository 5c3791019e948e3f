"""What kernels are made of: how they are compiled, what they are called with, random bits, activations.

All kernels of the program of a net have one signature, so that a program is a table of numbers and
types are checked once (`kernel`, `call`). What a kernel works on it finds by address: in its own row of
the program what never changes, in the frame what changes from minibatch to minibatch.

Branches inside inner loops are selects: a branch on a random mask would be mispredicted half of the
time and keeps the loop from becoming vector code (measured: nine times slower).
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, field

import numba as nb
import numpy as np
from llvmlite import ir
from numba import types
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


#: Places of a frame: what a kernel is told besides its own row. A thread has one frame, an array of
#: int64, which the loop writes to, and so do kernels that answer it.
(
    B,  # rows at hand
    X,  # address of the rows (b, d)
    Y,  # ... of their targets: numbers of classes (b,), or floats (o, b) whose lines are Y_STRIDE apart
    Y_STRIDE,
    COEF,  # ... of what the loss of a row counts (b,)
    SHARE,  # ... of the share of a row in statistics (b,)
    RATES,  # ... of the learning rates of this minibatch (k,)
    KEYS_0,  # ... of its keys (places, k), first half
    KEYS_1,  # ... second half
    PARTNER,  # ... of the places of the rows that each may be mixed with (b,); 0 where none is mixed
    OWN,  # answer: address of the share that a row has of itself (b,), the rest being its partner's
    MEMBERS,  # number of members, k
    STEP,  # number of the step of the optimiser, from 1
    ORDER,  # gathering: address of the order of the rows (steps, s, b)
    STREAMS,  # ... number of streams, s
    FIRST,  # ... first minibatch
    LAST,  # ... the one after the last
    STREAM,  # ... stream at hand
    EPOCHS,  # the end of an epoch: epochs before it
    PLACE,  # ... its place among the losses
    PLACES,  # ... the number of such places
    LOSSES,  # ... address of the losses (2, places, k)
    STEPS,  # ... minibatches an epoch
    SOUND,  # answer: whether all numbers of the member are finite
    BEST,  # answer: whether its weights are to be kept
) = range(25)

#: Entries of a frame.
FRAME = 25

#: What stands in a row for the address of the rows of the minibatch, and for their number: the frame
#: has them.
AT_HAND = -1

_POINTER = types.CPointer(types.int64)

#: Of all kernels of a program: the frame, the kernel's row, the number of the member.
SIGNATURE = types.void(_POINTER, _POINTER, types.intp)


@dataclass(frozen=True)
class Kernel:
    """A compiled kernel as rows of a program name it.

    Attributes
    ----------
    name : str
    address : int
    fields : tuple of str
        The numbers that its row holds behind its address, in their order.
    function : numba function
        What was compiled.
    """

    name: str
    address: int
    fields: tuple[str, ...]
    function: object = field(repr=False, compare=False)


def kernel(fields):
    """Compile a function ``(frame, row, k)`` as a kernel.

    Parameters
    ----------
    fields : str
        Names of the numbers in its row, in the order in which it unpacks them.

    Returns
    -------
    callable
        Makes a `Kernel` of a function.
    """
    names = tuple(fields.split())

    def kernel_of(function):
        made = compiled(SIGNATURE)(function)
        return Kernel(function.__name__, address_of(made), names, made)

    return kernel_of


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


def address_of(kernel):
    """Address of a function that was compiled for one signature."""
    return _get_wrapper_address(kernel, kernel.nopython_signatures[0])


@intrinsic
def call(typing, address, frame, row, k):
    """Call the kernel at an address."""
    signature = types.void(types.intp, frame, row, types.intp)

    def generate(context, builder, signature, values):
        kinds = [context.get_value_type(kind) for kind in SIGNATURE.args]
        routine = ir.FunctionType(ir.VoidType(), kinds)
        builder.call(builder.inttoptr(values[0], routine.as_pointer()), values[1:])
        return context.get_dummy_value()

    return signature, generate


@intrinsic(prefer_literal=True)
def numbers(typing, row, n):
    """The ``n`` numbers of a row behind the address of its kernel, as a tuple; n is a literal."""
    count = n.literal_value
    kind = types.UniTuple(types.int64, count)
    signature = kind(row, n)

    def generate(context, builder, signature, values):
        places = (builder.gep(values[0], [ir.IntType(64)(i + 1)]) for i in range(count))
        loaded = [builder.load(place) for place in places]
        return context.make_tuple(builder, kind, loaded)

    return signature, generate


@intrinsic
def pointer_to(typing, address, like):
    """An address as a pointer to entries of the type of ``like``."""
    signature = types.CPointer(like)(types.intp, like)

    def generate(context, builder, signature, arguments):
        return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

    return signature, generate


def _view(context, builder, kind, address, shape):
    """An array of this type and shape at an address, in C order."""
    view = context.make_array(kind)(context, builder)
    entry = context.get_data_type(kind.dtype)
    size = shape[0].type(context.get_abi_sizeof(entry))
    strides = [size] if kind.ndim == 1 else [builder.mul(shape[1], size), size]
    # No owner, so no references are counted: what is behind the views outlives the compiled loop.
    populate_array(
        view,
        data=builder.inttoptr(address, entry.as_pointer()),
        shape=shape,
        strides=strides,
        itemsize=size,
        meminfo=None,
        parent=None,
    )
    return view._getvalue()


@intrinsic
def vector(typing, like, address, n):
    """The n numbers of the type of ``like`` at an address."""
    kind = types.Array(like, 1, "C")
    signature = kind(like, types.intp, types.intp)

    def generate(context, builder, signature, values):
        return _view(context, builder, kind, values[1], [values[2]])

    return signature, generate


@intrinsic
def matrix(typing, like, address, rows, columns):
    """The (rows, columns) numbers of the type of ``like`` at an address."""
    kind = types.Array(like, 2, "C")
    signature = kind(like, types.intp, types.intp, types.intp)

    def generate(context, builder, signature, values):
        return _view(context, builder, kind, values[1], list(values[2:]))

    return signature, generate


@intrinsic
def entry(typing, like, address, place):
    """Number ``place`` of those of the type of ``like`` at an address."""
    signature = like(like, types.intp, types.intp)

    def generate(context, builder, signature, values):
        pointer = builder.inttoptr(values[1], context.get_data_type(like).as_pointer())
        return context.unpack_value(builder, like, builder.gep(pointer, [values[2]]))

    return signature, generate


@inline
def rows_at(frame, address):
    """The address of rows (b, d); those of the minibatch where it is `AT_HAND`."""
    return frame[X] if address == AT_HAND else address


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
def salted_u32(counter, salt, key0, key1):
    """The hash of another purpose than the masks (see `skreg.net.bits`)."""
    return random_u32(counter, np.uint32(key1 ^ salt), np.uint32(key0 ^ salt))


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
