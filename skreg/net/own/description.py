"""Which module of the user's a net is: a class or function, and what it is called with."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import functools
import hashlib
import inspect
import io
import pickle
import random
import threading
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

#: Held while a module is made: its initial weights come from the generators of the process.
BUILDING = threading.RLock()


@dataclass(frozen=True)
class OwnModule:
    """A module of the user's, as part of the wiring of a net. Equal ones are trained in one stack.

    Attributes
    ----------
    factory : callable
        A subclass of `torch.nn.Module`, or a function that returns a module.
    parameters : dict
        What it is called with.
    input_shape : tuple of int
        Of one row.
    difference : bool
        Whether its two outputs are the scores of two classes, whose difference is the one logit of the
        engine.
    key : tuple
        What stands for factory and parameters in comparisons: their content.
    looks : str
        What the module was made of when it was last looked at, as of `looks_of`; "" where it was not. What
        a factory makes may follow from more than its parameters, such as a global number.
    """

    factory: Callable = field(compare=False)
    parameters: dict = field(compare=False)
    input_shape: tuple
    difference: bool = False
    key: tuple = ()
    looks: str = ""

    @classmethod
    def of(cls, factory, parameters, input_shape):
        """The description of a module; see the attributes."""
        key = _frozen(factory), _frozen(parameters)
        return cls(factory, dict(parameters), tuple(input_shape), key=key)

    def __repr__(self):
        values = ", ".join(f"{name}={value!r}" for name, value in self.parameters.items())
        return f"{self.name}({values})"

    @property
    def name(self):
        """What messages call it."""
        made_by = self.factory
        while isinstance(made_by, functools.partial):
            made_by = made_by.func
        return getattr(made_by, "__name__", type(made_by).__name__)

    def seen(self):
        """The same, with what the module is made of now; raises what `build` does."""
        one, other = (looks_of(self.build(0)) for _ in range(2))
        # Of a module that is another each time, as one that notes the time, it cannot be told.
        return dataclasses.replace(self, looks=one if one == other else "")

    def build(self, seed):
        """A new module on the CPU in training mode, whose initial weights depend on the seed alone.

        The generators of torch, numpy and Python are set for that time, and are afterwards as they were.

        Parameters
        ----------
        seed : int

        Returns
        -------
        torch.nn.Module

        Raises
        ------
        TypeError
            Where the factory gives something else.
        ValueError
            Where parameters take their shape from the first rows, and the module fails on rows of zeros.
        """
        with BUILDING, seeded(seed):
            module = self.factory(**copy.deepcopy(self.parameters))
            if not isinstance(module, nn.Module):
                raise TypeError(
                    f"module={self.name} returned {module!r:.80}, not a torch.nn.Module. Give a subclass of "
                    "torch.nn.Module, or a function that returns a module."
                )
            module = module.cpu()
            if any(map(nn.parameter.is_lazy, [*module.parameters(), *module.buffers()])):
                called(module.eval(), torch.zeros(2, *self.input_shape), self)
            if not isinstance(self.factory, type):
                module = copied(module, self)  # it may give the same one each time
        return module.train()


def copied(module, description):
    """A deep copy of a module.

    Raises
    ------
    ValueError
        Where it cannot be copied.
    """
    try:
        return copy.deepcopy(module)
    except Exception as error:
        hint = ""
        if any(hasattr(layer, "weight_g") for layer in module.modules()):
            hint = " In place of torch.nn.utils.weight_norm use torch.nn.utils.parametrizations.weight_norm."
        raise ValueError(
            f"module={description.name} cannot be copied, and each net is trained in a copy of its own: "
            f"{str(error).splitlines()[0].rstrip('.')}.{hint}"
        ) from error


def looks_of(module):
    """What a module is made of, but for the values of what it learns, as a text of 64 signs.

    Its parts in order: the name of the class of each and what its ``forward`` does, its attributes that are
    numbers or texts, and shapes and types of parameters and buffers.
    """
    seen = hashlib.sha256()
    for name, part in module.named_modules():
        code = getattr(type(part).forward, "__code__", None)
        does = (code.co_code, code.co_names) if code is not None else ()
        plain = {
            key: value
            for key, value in vars(part).items()
            if isinstance(value, bool | int | float | str | None) and key != "training"
        }
        tensors = [
            (key, tuple(value.shape), str(value.dtype), value.requires_grad)
            for key, value in (
                *part.named_parameters(recurse=False),
                *part.named_buffers(recurse=False),
            )
        ]
        text = (
            name,
            type(part).__qualname__,
            does,
            part.extra_repr(),
            sorted(plain.items()),
            tensors,
        )
        seen.update(repr(text).encode())
    return seen.hexdigest()


def takes(factory, name):
    """Whether a factory has a parameter of this name that is not set.

    Those that a `functools.partial` has are set; what ``**`` would take does not count.
    """
    made_by = factory
    while isinstance(made_by, functools.partial):
        if name in made_by.keywords:
            return False
        made_by = made_by.func
    try:
        found = inspect.signature(factory).parameters.get(name)
    except (TypeError, ValueError):  # written in C
        return False
    return found is not None and found.kind in (found.POSITIONAL_OR_KEYWORD, found.KEYWORD_ONLY)


def called(module, x, description):
    """Outputs of a module for rows, without a gradient.

    Raises
    ------
    ValueError
        Where it fails; says what it was given.
    """
    try:
        with torch.no_grad():
            return module(x)
    except Exception as error:
        shape = description.input_shape
        remedy = "Give X the shape that it takes, or set input_shape to that of one row, such as (3, 32, 32)."
        if "Long" in str(error):
            remedy = (
                "Rows are floating-point numbers: take x.long() where whole numbers are needed."
            )
        raise ValueError(
            f"module={description.name} failed on rows of shape {shape}: {type(error).__name__}: "
            f"{str(error).rstrip('.')}. It is called with a minibatch of shape (rows, "
            f"{', '.join(map(str, shape))}). {remedy}"
        ) from error


@contextlib.contextmanager
def seeded(seed):
    """Set the generators of the process by a seed; afterwards they are as they were."""
    on_gpu = torch.cuda.is_available() and torch.cuda.is_initialized()
    devices = list(range(torch.cuda.device_count())) if on_gpu else []
    of_numpy, of_python = np.random.get_state(), random.getstate()
    with torch.random.fork_rng(devices):
        # Not torch.manual_seed, which would reseed GPUs that are set up later.
        torch.default_generator.manual_seed(seed)
        if on_gpu:
            torch.cuda.manual_seed_all(seed)
        np.random.seed(seed % 2**32)
        random.seed(seed)
        try:
            yield
        finally:
            np.random.set_state(of_numpy)
            random.setstate(of_python)


def _frozen(value):
    """What stands for a value in comparisons: it is hashable, and equal for values of equal content."""
    if isinstance(value, type | types.FunctionType | types.BuiltinFunctionType):
        return value
    if value is None or isinstance(value, bool | int | float | complex | str | bytes):
        return type(value).__name__, value
    if isinstance(value, Mapping):
        return "dict", tuple((str(name), _frozen(entry)) for name, entry in value.items())
    if isinstance(value, list | tuple):
        return type(value).__name__, tuple(map(_frozen, value))
    if isinstance(value, functools.partial):
        return "partial", _frozen(value.func), _frozen(value.args), _frozen(value.keywords)
    if isinstance(value, nn.Module):
        tensors = [*value.named_parameters(), *value.named_buffers()]
        return looks_of(value), tuple((name, _content(tensor)) for name, tensor in tensors)
    return type(value), _digest(value)


def _digest(value: Any):
    """The content of an object as bytes; where it cannot be written, the object stands for itself."""
    try:
        file = io.BytesIO()
        _ByContent(file).dump(value)
        return hashlib.sha256(file.getvalue()).digest()
    except Exception:
        return id(value)


class _ByContent(pickle.Pickler):
    """Writes tensors by what is in them; a usual pickle has the address of their memory as well."""

    def persistent_id(self, obj):
        return _content(obj) if isinstance(obj, torch.Tensor) else None


def _content(tensor):
    """What a tensor holds: type, shape, and a digest of its numbers."""
    numbers = tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy()
    return str(tensor.dtype), tuple(tensor.shape), hashlib.sha256(numbers.tobytes()).hexdigest()
