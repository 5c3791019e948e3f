"""What a module of the user's consists of, found by calling it on some rows."""

from __future__ import annotations

import functools
import math
import random
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.utils import parametrize

from skreg.net.own.description import BUILDING, called, copied, looks_of, seeded
from skreg.net.own.layers import is_dropout, is_norm, is_norm_of_its_own, with_own_layers

#: Layers whose weights are what penalties act on.
PENALISED = (nn.Linear, nn.modules.conv._ConvNd)

#: Layers that end in probabilities.
_PROBABILITIES = (nn.Softmax, nn.Sigmoid, nn.Softmax2d, nn.Softmin)


@dataclass
class Layer:
    """A layer of a module: a part without parts, or one with parameters of its own.

    Attributes
    ----------
    name : str
        In the module; "" for the module itself.
    kind : str
        Name of its class.
    shape : tuple of int or None
        Of what it puts out for a row; None where the module does not call it.
    weight : str
        Name of the parameter that penalties act on; "" for none.
    weight_layer, dropout : int
        Its number among the layers that have such a weight, and among those of dropout; -1 for none.
    """

    name: str
    kind: str
    shape: tuple | None = None
    weight: str = ""
    weight_layer: int = -1
    dropout: int = -1


@dataclass
class Survey:
    """What a call tells of a module.

    Attributes
    ----------
    template : torch.nn.Module
        On the CPU; copies of it are called.
    layers : list of Layer
        In the order in which the module defines them.
    rates : list of float
        Of its layers of dropout.
    lines : list of list of int
        For each of these and each of its calls, the entries of a row that it drops one by one.
    n_weights : int
        Number of layers whose weights are penalised.
    n_outputs : int
        Numbers that it puts out for a row.
    entries, widest, work : int
        Of all layers together and of the widest what they put out for a row; multiply-adds of a row.
    normed : bool
        Whether it has batch norm.
    convolves : bool
        Whether it has convolutions.
    channels_last : bool
        Whether it takes images whose channels come last in memory, which is faster on the CPU.
    probabilities : str
        What makes its outputs look like probabilities; "" where they do not.
    gradient : bool
        Whether its outputs have a gradient.
    without_weights : list of str
        Its linear and convolution layers whose weights are computed of other numbers, as by
        `torch.nn.utils.parametrizations`: no penalty acts on them.
    fails_in_double : str
        How it fails where rows and weights are float64; "" where it does not.
    """

    template: Any
    layers: list = field(default_factory=list)
    rates: list = field(default_factory=list)
    lines: list = field(default_factory=list)
    n_weights: int = 0
    n_outputs: int = 0
    entries: int = 0
    widest: int = 0
    work: int = 0
    normed: bool = False
    convolves: bool = False
    channels_last: bool = False
    probabilities: str = ""
    gradient: bool = True
    without_weights: list = field(default_factory=list)
    fails_in_double: str = ""


@functools.lru_cache(maxsize=64)
def survey_of(description):
    """Call a module on some rows of random numbers, and say what it consists of.

    Parameters
    ----------
    description : OwnModule

    Returns
    -------
    Survey

    Raises
    ------
    TypeError
        Where it is no module.
    ValueError
        Where it fails, puts out no tensor of a line a row, mixes rows, has layers that cannot be replaced,
        or draws random numbers that the engine does not know of.
    """
    template = description.build(0)
    if description.looks not in ("", looks_of(template)):
        raise ValueError(
            f"module={description.name} makes another module now than when this net was fitted: its code, or "
            "what it reads, has changed. Change it back, or fit again."
        )
    template = template.float()
    if not any(p.requires_grad for p in template.parameters()):
        raise ValueError(f"module={description.name} has no parameters to train.")
    _refuse_norms(template, description)
    found = Survey(template)
    _list_layers(found)
    with BUILDING, seeded(0):
        x = _rows_for(template, description)
        _watch(found, x[:2], description)
        found.fails_in_double = _failure_in_double(template, x[:2], description)
        _call_in_training(found, x[:2], description)
        _refuse_mixed_rows(template, x, description)
        found.channels_last = _takes_channels_last(found.template, x[:2])
    convolutions = nn.modules.conv._ConvNd
    found.convolves = any(isinstance(module, convolutions) for module in found.template.modules())
    found.normed = any(is_norm(module) for module in template.modules())
    return found


def _refuse_norms(template, description):
    """Refuse batch norms that are not torch's: the engine has one of its own in the place of these."""
    for name, layer in template.named_modules():
        if is_norm_of_its_own(layer):
            raise ValueError(
                f"module={description.name} has the batch norm {name or type(layer).__name__!r}, whose class "
                f"{type(layer).__name__} has a forward of its own. Use torch's layer, such as "
                "torch.nn.BatchNorm1d, and put what comes before or behind it into a layer of its own."
            )


def _rows_for(template, description):
    """Three rows of random numbers; of zeros or ones where the module fails on those, as embeddings do."""
    x = torch.randn(3, *description.input_shape)
    failure = None
    for rows in (x, torch.zeros_like(x), torch.ones_like(x)):
        try:
            called(template.eval(), rows[:2], description)
            return rows
        except ValueError as error:
            failure = failure or error
        finally:
            template.train()
    raise failure from failure.__cause__


def _list_layers(found):
    """Layers in the order of their definition, with their numbers."""
    known = set()
    for name, module in found.template.named_modules():
        own = [n for n, p in module.named_parameters(recurse=False) if id(p) not in known]
        own += [n for n, _ in module.named_buffers(recurse=False)]
        known |= {id(p) for p in module.parameters(recurse=False)}
        if not own and next(module.children(), None) is not None:
            continue
        layer = Layer(name, type(module).__name__)
        if isinstance(module, PENALISED) and parametrize.is_parametrized(module, "weight"):
            found.without_weights.append(name or type(module).__name__)
        if isinstance(module, PENALISED) and "weight" in own:
            weight = f"{name}.weight" if name else "weight"
            layer.weight, layer.weight_layer = weight, found.n_weights
            found.n_weights += 1
        if is_dropout(module):
            layer.dropout = len(found.rates)
            found.rates.append(float(module.p))
        found.layers.append(layer)


def _watch(found, x, description):
    """Call the template and note what its layers put out."""
    layers, hooks, last = {layer.name: layer for layer in found.layers}, [], {}
    for name, module in found.template.named_modules():
        if name in layers:
            note = functools.partial(_note, found, layers[name], last)
            hooks.append(module.register_forward_hook(note))
    try:
        out = called(found.template.eval(), x, description)
    finally:
        for hook in hooks:
            hook.remove()
        found.template.train()
    _check_lines(out, x, description)
    found.n_outputs = out.numel() // len(x)
    flat = out.reshape(len(x), -1)
    if flat.shape[1] > 1 and (flat >= 0).all() and ((flat.sum(dim=1) - 1).abs() < 1e-4).all():
        found.probabilities = "its outputs are positive and sum to 1 in each row"
    # A gate is a sigmoid as well: what counts is whether its numbers are what comes out.
    kind, numbers = last.get("probabilities", (None, None))
    if kind is not None and (numbers.data_ptr(), numbers.numel()) == (out.data_ptr(), out.numel()):
        found.probabilities = f"it ends in {kind}"


def _check_lines(out, x, description, when=""):
    """Refuse what is no tensor of a line a row."""
    if isinstance(out, torch.Tensor) and out.dim() > 0 and out.shape[0] == len(x):
        return
    what = f"shape {tuple(out.shape)}" if isinstance(out, torch.Tensor) else type(out).__name__
    raise ValueError(
        f"module={description.name} returned {what} for {len(x)} rows of shape "
        f"{description.input_shape}{when}. Return one tensor with a line for each row: (rows, outputs), or "
        "(rows,) for one output."
    )


def _refuse_mixed_rows(template, x, description):
    """Refuse a module whose outputs are not those of the rows in their order, as of rows that are columns.

    Rows in another order have the same batch statistics, which a module may use.
    """
    order = torch.tensor([2, 0, 1])
    template.eval()
    out, other = (called(template, rows, description) for rows in (x.clone(), x[order]))
    template.train()
    _check_lines(out, x, description)
    out, other = out.double(), other.double()
    scale = out.abs().max().clamp(min=1.0)
    if not torch.allclose(out[order], other, rtol=1e-3, atol=1e-4 * scale, equal_nan=True):
        raise ValueError(
            f"module={description.name} mixes rows: with its rows in another order it returns other numbers "
            "for them. The first axis is that of the rows, in X, in what layers are given (batch_first=True) "
            "and in what is returned."
        )


def _failure_in_double(template, x, description):
    """How a module fails on rows of float64, such as one that makes tensors of float32."""
    double = copied(template, description).double().eval()
    try:
        called(double, x.double(), description)
    except ValueError as error:
        return str(error.__cause__).splitlines()[0]
    return ""


def _note(found, layer, last, module, inputs, out):
    """A forward hook: what a layer puts out, and what that takes."""
    if isinstance(module, _PROBABILITIES) and isinstance(out, torch.Tensor):
        last["probabilities"] = type(module).__name__, out
    if not isinstance(out, torch.Tensor) or out.dim() == 0:
        return
    layer.shape = tuple(out.shape[1:])
    entries = math.prod(layer.shape)
    found.entries += entries
    found.widest = max(found.widest, entries)
    found.work += 10 * entries
    if layer.weight:
        # The first axis of the weights is that of the outputs; of transposed convolutions, of the inputs.
        transposed = isinstance(module, nn.modules.conv._ConvTransposeNd)
        places = math.prod(inputs[0].shape[1:]) if transposed else entries
        found.work += module.weight.numel() // module.weight.shape[0] * places


def _call_in_training(found, x, description):
    """Note the calls of layers of dropout.

    A module may drop by these alone: of other random numbers the engine knows nothing.
    """
    twin, context = with_own_layers(found.template)
    context.begin(torch.full((len(x),), 1.0 / len(x)), {})
    context.noted = {}
    generators = _generators()
    whole = {name: b.clone() for name, b in twin.named_buffers() if not b.is_floating_point()}
    twin.train()
    with_gradient = torch.enable_grad()(lambda rows: twin(rows))
    out = called(with_gradient, x, description)
    _check_lines(out, x, description, " in training")
    found.gradient = out.requires_grad
    found.lines = [context.noted.get(place, []) for place in range(len(found.rates))]
    norms = {f"{name}.num_batches_tracked" for name, m in twin.named_modules() if is_norm(m)}
    for name, buffer in twin.named_buffers():
        if name in whole and name not in norms and not torch.equal(buffer, whole[name]):
            raise ValueError(
                f"module={description.name} changes its buffer {name!r} in training, which is of "
                f"{str(buffer.dtype).removeprefix('torch.')}. Each net has buffers of its own where they are "
                "floating-point numbers: make it one of these, such as torch.zeros(())."
            )
    if _generators() != generators:
        raise ValueError(
            f"module={description.name} draws random numbers of its own in training. Use layers of "
            "torch.nn.Dropout, Dropout1d, Dropout2d, Dropout3d, AlphaDropout or FeatureAlphaDropout in "
            "place of functions such as torch.nn.functional.dropout or random.random, and set the dropout of "
            "ready-made layers, such as MultiheadAttention or LSTM, to 0."
        )


def _generators():
    """The states of the generators that a module may draw from."""
    of_numpy = np.random.get_state()
    numbers = torch.default_generator.get_state().numpy().tobytes(), of_numpy[1].tobytes()
    return (*numbers, of_numpy[2:], random.getstate())


def _takes_channels_last(template, x):
    """Whether a module with convolutions of images gives the same for rows x of this layout.

    One that uses ``Tensor.view`` behind them fails: what they put out has this layout, too.
    """
    if x.dim() != 4 or not any(isinstance(module, nn.Conv2d) for module in template.modules()):
        return False
    share, found = torch.full((len(x),), 1.0 / len(x)), []
    for layout in (torch.contiguous_format, torch.channels_last):
        twin, context = with_own_layers(
            template
        )  # one each: a batch norm changes when it is called
        context.begin(share, {})
        try:
            with torch.no_grad():
                rows = x.clone(memory_format=layout)
                found.append([twin.train(training)(rows) for training in (False, True)])
        except RuntimeError:
            return False
    close = functools.partial(torch.allclose, rtol=1e-3, atol=1e-4)
    return all(map(close, *found))
