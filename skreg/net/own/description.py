"""Which module of the user's a net is: a class or function, and what it is called with."""

from __future__ import annotations

import contextlib
import copy
import functools
import hashlib
import inspect
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
    """

    factory: Callable = field(compare=False)
    parameters: dict = field(compare=False)
    input_shape: tuple
    difference: bool = False
    key: tuple = ()

    @classmethod
    def of(cls, factory, parameters, input_shape, *, difference=False):
        """The description of a module; see the attributes."""
        key = _frozen(factory), _frozen(parameters)
        return cls(factory, dict(parameters), tuple(input_shape), difference, key)

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
                module = copy.deepcopy(module)  # it may give the same one each time
        return module.train()


def takes(factory, name):
    """Whether a factory has a parameter of this name, without a look at what ``**`` would take."""
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
    return type(value), _digest(value)


def _digest(value: Any):
    """The content of an object as bytes; where it cannot be written, the object stands for itself."""
    try:
        return hashlib.sha256(pickle.dumps(value)).digest()
    except Exception:
        return id(value)
