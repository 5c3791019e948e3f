"""What a module of the user's consists of, found by calling it once on two rows."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from skreg.net.own.description import BUILDING, called, seeded
from skreg.net.own.layers import is_dropout, is_norm, with_own_layers

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


@functools.lru_cache(maxsize=64)
def survey_of(description):
    """Call a module on two rows of random numbers, and say what it consists of.

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
        Where it fails, puts out no tensor of a line a row, or draws random numbers that the engine does
        not know of.
    """
    template = description.build(0).float()
    if not any(p.requires_grad for p in template.parameters()):
        raise ValueError(f"module={description.name} has no parameters to train.")
    found = Survey(template)
    _list_layers(found)
    with BUILDING, seeded(0):
        x = _rows_for(template, description)
        order = _watch(found, x, description)
        _call_in_training(found, x, description)
        found.channels_last = _takes_channels_last(found.template, x)
    convolutions = nn.modules.conv._ConvNd
    found.convolves = any(isinstance(module, convolutions) for module in found.template.modules())
    found.normed = any(is_norm(module) for module in template.modules())
    if order and isinstance(order[-1], _PROBABILITIES):
        found.probabilities = f"it ends in {type(order[-1]).__name__}"
    return found


def _rows_for(template, description):
    """Two rows of random numbers; of zeros where the module fails on those, as embeddings of levels do."""
    x = torch.randn(2, *description.input_shape)
    try:
        called(template.eval(), x, description)
    except ValueError as error:
        zeros = torch.zeros_like(x)
        try:
            called(template, zeros, description)
        except ValueError:
            raise error from error.__cause__
        return zeros
    finally:
        template.train()
    return x


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
        if isinstance(module, PENALISED) and "weight" in own:
            weight = f"{name}.weight" if name else "weight"
            layer.weight, layer.weight_layer = weight, found.n_weights
            found.n_weights += 1
        if is_dropout(module):
            layer.dropout = len(found.rates)
            found.rates.append(float(module.p))
        found.layers.append(layer)


def _watch(found, x, description):
    """Call the template and note what its layers put out; the layers in the order of their calls."""
    order, layers = [], {layer.name: layer for layer in found.layers}
    hooks = []
    for name, module in found.template.named_modules():
        if name in layers:
            note = functools.partial(_note, found, layers[name], order)
            hooks.append(module.register_forward_hook(note))
    try:
        out = called(found.template.eval(), x, description)
    finally:
        for hook in hooks:
            hook.remove()
        found.template.train()
    if not isinstance(out, torch.Tensor) or out.dim() == 0 or out.shape[0] != len(x):
        what = f"shape {tuple(out.shape)}" if isinstance(out, torch.Tensor) else type(out).__name__
        raise ValueError(
            f"module={description.name} returned {what} for {len(x)} rows of shape "
            f"{description.input_shape}. Return one tensor with a line for each row: (rows, outputs), or "
            "(rows,) for one output."
        )
    found.n_outputs = out.numel() // len(x)
    flat = out.reshape(len(x), -1)
    if flat.shape[1] > 1 and (flat >= 0).all() and ((flat.sum(dim=1) - 1).abs() < 1e-4).all():
        found.probabilities = "its outputs are positive and sum to 1 in each row"
    return order


def _note(found, layer, order, module, inputs, out):
    """A forward hook: what a layer puts out, and what that takes."""
    order.append(module)
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
    before = torch.default_generator.get_state()
    twin.train()
    with_gradient = torch.enable_grad()(lambda rows: twin(rows))
    found.gradient = called(with_gradient, x, description).requires_grad
    found.lines = [context.noted.get(place, []) for place in range(len(found.rates))]
    if not torch.equal(before, torch.default_generator.get_state()):
        raise ValueError(
            f"module={description.name} draws random numbers of its own in training. Use layers of "
            "torch.nn.Dropout, Dropout1d, Dropout2d, Dropout3d, AlphaDropout or FeatureAlphaDropout in "
            "place of functions such as torch.nn.functional.dropout, and set the dropout of ready-made "
            "layers, such as MultiheadAttention or LSTM, to 0."
        )


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
