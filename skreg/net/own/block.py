"""A module of the user's as the one block of a net, trained for all members of a stack.

torch calls it with the parameters of each member (`torch.func.functional_call`): for all members at once
where it can (`torch.func.vmap`), else for one after the other.
"""

from __future__ import annotations

import copy
import math
import threading
import warnings

import numpy as np
import torch
from torch import nn
from torch.func import functional_call, vmap

from skreg.net.block import Block, SharedRows
from skreg.net.own.layers import is_dropout, masks_of, with_own_layers
from skreg.net.own.survey import survey_of
from skreg.net.parameter import Parameter, Role

#: In front of the names of its parameters, which may be any.
PREFIX = "module."

#: Multiply-adds of a member and minibatch up to which convolutions of all members together, which are grouped
#: ones, are faster on the CPU. Beyond that each is faster by itself, with its channels last in memory: there
#: what Python does at each call is little (skreg/train/README.md has the figures).
_GROUPED = 150_000_000

#: Modules that a warning was given for.
_warned = set()


class Difference(nn.Module):
    """The logit of two classes, of a score for each."""

    def forward(self, x):
        """Scores x (b, 2) as (b, 1)."""
        return x[:, 1:] - x[:, :1]


class OwnLayer(Block):
    """A layer of the module: it has the parameters, and a row of the summary.

    Parameters
    ----------
    layer : skreg.net.own.survey.Layer
    parameters : list of Parameter
    """

    def __init__(self, layer, parameters):
        self.layer, self._parameters = layer, parameters

    def parameters(self):
        """See `Block.parameters`."""
        return self._parameters

    def describe(self, spec):
        """See `Block.describe`."""
        layer, knobs = self.layer, []
        if layer.dropout >= 0:
            rate = spec.dropout[layer.dropout]
            knobs = [f"dropout={rate:g}"] if rate else []
        elif layer.weight:
            strengths = ("l1", spec.l1), ("l2", spec.l2)
            knobs = [
                f"{n}={s[layer.weight_layer]:g}" for n, s in strengths if s[layer.weight_layer]
            ]
            if spec.weight_decay:
                knobs.append(f"weight_decay={spec.weight_decay:g}")
            if math.isfinite(spec.max_norm):
                knobs.append(f"max_norm={spec.max_norm:g}")
        units = "..." if layer.shape is None else ", ".join(map(str, layer.shape))
        return [(layer.kind, units, ", ".join(knobs))]


class OwnNet(Block):
    """The module.

    Parameters
    ----------
    description : OwnModule
    n_columns : int
        Numbers of a row.
    n_outputs : int
        That the engine trains.

    Attributes
    ----------
    n_columns, n_outputs : int
    owner : ndarray of int, shape (n_columns,)
    """

    def __init__(self, description, n_columns, n_outputs):
        self.description, self.survey = description, survey_of(description)
        self.n_columns, self.n_outputs = n_columns, n_outputs
        self.owner = np.arange(n_columns)
        self.width = max(self.survey.widest, n_columns)
        self.work = self.survey.work
        template = self.survey.template
        self._parameters = dict(template.named_parameters())
        self._buffers = {
            name: buffer for name, buffer in template.named_buffers() if _is_carried(name, buffer)
        }
        self._layers = [OwnLayer(layer, self._of(layer)) for layer in self.survey.layers]
        self._here = threading.local()
        self._stacks = True

    @property
    def doubles(self):
        """Whether it can be called in float64."""
        return not self.survey.fails_in_double

    def _of(self, layer):
        """The parameters of a layer, as the engine knows them."""
        module = self.survey.template.get_submodule(layer.name)
        found = []
        for name, value in module.named_parameters(recurse=False):
            full = f"{layer.name}.{name}" if layer.name else name
            if full not in self._parameters:  # tied to one that came before
                continue
            role, number, axis = Role.FREE, -1, 0
            if not value.requires_grad:
                role = Role.TRACKED
            elif full == layer.weight:
                role, number = Role.PENALISED, layer.weight_layer
                axis = int(isinstance(module, nn.modules.conv._ConvTransposeNd))
            found.append(Parameter(PREFIX + full, tuple(value.shape), role, number, axis))
        for name, value in module.named_buffers(recurse=False):
            full = f"{layer.name}.{name}" if layer.name else name
            if full in self._buffers:
                found.append(Parameter(PREFIX + full, tuple(value.shape), Role.TRACKED))
        return found

    def parts(self):
        """See `Block.parts`."""
        return [*self._layers, self]

    def init(self, rng, spec):
        """See `Block.init`: what the module begins with, under a seed of its own."""
        module = self.description.build(int(rng.integers(2**63 - 1)))
        values = {**dict(module.named_parameters()), **dict(module.named_buffers())}
        return {
            PREFIX + name: values[name].detach().double().numpy().copy()
            for name in (*self._parameters, *self._buffers)
        }

    def flops(self, trained_inputs):
        """See `Block.flops`."""
        return 6 * self.survey.work

    def memory(self, drops_inputs):
        """See `Block.memory`: what the layers put out, as it is, and gradients."""
        return 3 * self.survey.entries

    # -- rows --------------------------------------------------------------------------------------

    def train(self, p, a, minibatch):
        """See `Block.train`; buffers that the module changes are handed over in `Minibatch.became`."""
        rows, draw = minibatch.share.shape[1], minibatch.draw_masks or masks_of
        draws = self.masks(minibatch.masks[1:], rows, a.stream_of, draw)
        raw, became = self._called(self._values(p), a, minibatch.share, draws, training=True)
        minibatch.became |= {PREFIX + name: value.detach() for name, value in became.items()}
        return raw

    def evaluate(self, p, a):
        """See `Block.evaluate`."""
        values = self._values(p)
        k = len(next(iter(values.values()))) if values else len(a)
        rows = SharedRows(a, [slice(0, k)], torch.zeros(k, dtype=torch.int64, device=a.device))
        share = torch.full((k, a.shape[1]), 1.0 / a.shape[1], dtype=a.dtype, device=a.device)
        return self._called(values, rows, share, {}, training=False)[0]

    def monte_carlo(self, p, x, draws):
        """Raw outputs (o, b) of rows x (b, d) of one net, with masks as in training and all else as at
        predict; ``draws`` as `masks` makes them."""
        one = self._one(x, training=False)
        share = torch.full((len(x),), 1.0 / len(x), dtype=x.dtype, device=x.device)
        values = {name: value[0] for name, value in self._values(p).items()}
        return one(self._kept(values), x, share, _of_member(draws, 0))[0].T

    def masks(self, masks, rows, stream_of, draw=masks_of):
        """Masks of the layers that drop, of a list as `Minibatch.masks` without the inputs'."""
        return {
            place: draw(self.survey.lines[place], rows, *mask, stream_of)
            for place, mask in enumerate(masks)
            if mask is not None
        }

    def _values(self, p):
        """What the module is called with, by its own names."""
        return {name: p[PREFIX + name] for name in (*self._parameters, *self._buffers)}

    def _kept(self, values):
        """The same with copies of the buffers: the module may change them, half of them where it fails."""
        return values | {name: values[name].clone() for name in self._buffers}

    def _called(self, values, rows, share, draws, *, training):
        """Raw outputs (k, o, b), and the buffers behind the call, (k, ...) each."""
        one_by_one = len(share) == 1 or self.one_by_one(rows.x.device, share.shape[1])
        one = self._one(rows.x, training=training, stacked=not one_by_one)
        if not one_by_one:
            shared = len(rows.x) == 1
            x = rows.x[0] if shared else rows.of_members()
            try:
                stacked = vmap(one, (0, None if shared else 0, 0, 0))
                raw, became = stacked(self._kept(values), x, share, draws)
                return raw.mT, became
            except Exception as error:
                self._stacks = False
                self._say(error)
        numbers, results = rows.stream_of.tolist(), []
        for i, number in enumerate(numbers):
            of_member = self._kept({name: value[i] for name, value in values.items()})
            results.append(one(of_member, rows.x[number], share[i], _of_member(draws, i)))
        raw = torch.stack([raw for raw, _ in results]).mT
        return raw, {n: torch.stack([became[n] for _, became in results]) for n in self._buffers}

    def one_by_one(self, device, rows):
        """See `Block.one_by_one`: what torch cannot stack; and convolutions of many numbers on the CPU."""
        if not self._stacks:
            return True
        return self.survey.convolves and device.type == "cpu" and self.work * rows > _GROUPED

    def _say(self, error):
        if self.description.key in _warned:
            return
        _warned.add(self.description.key)
        text = (str(error).strip() or type(error).__name__).splitlines()[0]
        warnings.warn(
            f"torch cannot call module={self.description.name} for several nets at once ({text[:200]}). Its "
            "nets are trained one after the other, which gives the same results more slowly.",
            RuntimeWarning,
            stacklevel=2,
        )

    def _one(self, like, *, training, stacked=False):
        """The function that calls the module with the parameters of one member."""
        twin, context = self._twin(like, training=training)
        shape, difference = self.description.input_shape, self.description.difference
        # In a stack the axis of the members leaves no choice.
        channels_last = self.survey.channels_last and not stacked
        layout = torch.channels_last if channels_last else torch.contiguous_format

        def one(values, x, share, draws):
            context.begin(share, draws)
            # A copy: the module may change its rows in place, which others share.
            x = x.reshape(len(x), *shape).clone(memory_format=layout)
            out = functional_call(twin, values, (x,))
            raw = out.reshape(len(x), -1)
            if difference:
                raw = raw[:, 1:] - raw[:, :1]
            return raw, {name: values[name] for name in self._buffers}

        return one

    def _twin(self, like, *, training):
        """This thread's copy of the module: while it is called, it holds the parameters of a member."""
        key = like.dtype, like.device, training
        twins = self._here.__dict__.setdefault("twins", {})
        if key not in twins:
            twin, context = with_own_layers(self.survey.template)
            twins[key] = twin.to(like.device, like.dtype).train(training), context
        return twins[key]

    # -- what it becomes ---------------------------------------------------------------------------

    def is_random(self, spec):
        """See `Block.is_random`."""
        return any(spec.dropout)

    def modules(self, params, spec):
        """See `Block.modules`: the module itself, and behind it what makes one logit of two."""
        module = copy.deepcopy(self.survey.template)
        by_id = {id(value): name for name, value in module.named_parameters()}
        made = {}
        for name, old in by_id_of(module, by_id):
            if name not in made:
                value = torch.as_tensor(params[PREFIX + name])
                made[name] = nn.Parameter(value, requires_grad=old[2])
            setattr(module.get_submodule(old[0]), old[1], made[name])
        for name, buffer in self._buffers.items():
            owner, _, last = name.rpartition(".")
            value = torch.as_tensor(params[PREFIX + name])
            same = value.dtype.is_floating_point and buffer.dtype.is_floating_point
            module.get_submodule(owner)._buffers[last] = value if same else value.to(buffer.dtype)
        dtype = next(iter(made.values())).dtype if made else torch.float32
        module = module.to(dtype)
        rates = iter(spec.dropout)
        for layer in module.modules():
            if is_dropout(layer):
                layer.p = next(rates)
        return [module, *([Difference()] if self.description.difference else [])]


def _of_member(draws, i):
    """The draws of member i."""
    return {place: (rate[i], [mask[i] for mask in masks]) for place, (rate, masks) in draws.items()}


def by_id_of(module, by_id):
    """Each place of a parameter: the name under which it is known, and module, attribute, learned or not."""
    for alias, value in list(module.named_parameters(remove_duplicate=False)):
        owner, _, last = alias.rpartition(".")
        yield by_id[id(value)], (owner, last, value.requires_grad)


def _is_carried(name, buffer):
    """Whether a buffer is a member's own: one of floats, or the count of a batch norm."""
    return buffer.dtype.is_floating_point or name.rpartition(".")[2] == "num_batches_tracked"
