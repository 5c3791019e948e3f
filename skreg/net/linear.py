"""Linear layers of a stack."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import nn

from skreg.net.block import Block, SharedRows
from skreg.net.knob import Knob
from skreg.net.parameter import Parameter, Role
from skreg.net.prediction import Affine


def linear(weight, a):
    """Multiply the inputs of each member by the weights of its layer.

    Parameters
    ----------
    weight : tensor, shape (k, h, d)
        Of k members, h units and d inputs.
    a : tensor, shape (k, d, b)
        Inputs of b rows.

    Returns
    -------
    tensor, shape (k, h, b)

    Examples
    --------
    >>> import torch
    >>> linear(torch.ones(2, 3, 4), torch.ones(2, 4, 5)).shape
    torch.Size([2, 3, 5])
    """
    return torch.bmm(weight, a)


def shared_linear(weight, x, streams):
    """First layer: the members of one stream share the minibatch, so one product serves them all.

    Parameters
    ----------
    weight : tensor, shape (k, h, d)
    x : tensor, shape (s, b, d)
        A minibatch for each stream.
    streams : list of slice
        The members of each stream.

    Returns
    -------
    tensor, shape (k, h, b)
    """
    k, h, d = weight.shape
    if len(streams) == k > 1:
        return linear(weight, x.mT)
    parts = [weight[s].reshape(-1, d) @ x[i].T for i, s in enumerate(streams)]
    return torch.cat(parts).view(k, h, -1)


class Linear(Block):
    """A linear layer; its weights are what the penalties act on.

    Initial weights are normal with variance gain^2 / inputs, biases are zero.

    Parameters
    ----------
    layer : int
        Number of the layer, from 0.
    n_in, n_out : int
    gain : float
    bias : bool, default=True
        Without where a batch norm follows, whose shift stands in for it.
    """

    knobs = (
        Knob(
            "l1",
            "strength",
            """\
    l1 : float >= 0 or array-like of shape (n_hidden_layers + 1,), default=0.0
        Strength of the L1 penalty, one for all linear layers or one for each. It is applied by
        proximal steps in the metric of the optimiser, which give weights that are exactly zero. In
        front of a batch norm it removes few weights and hardly any columns: batch norm undoes the
        scale of the weights in front of it, so they can shrink without changing what the net
        computes. Set ``batch_norm=False`` to select weights or columns.
""",
            each="linear",
        ),
        Knob(
            "l2",
            "strength",
            """\
    l2 : float >= 0 or array-like of shape (n_hidden_layers + 1,), default=0.0
        Strength of the L2 penalty, one for all linear layers or one for each. In front of a batch
        norm it does not regularize, for the same reason, and only changes the effective learning
        rate; set ``batch_norm=False``, or penalise the output layer alone by a list.
""",
            each="linear",
        ),
        Knob(
            "weight_decay",
            "strength",
            """\
    weight_decay : float >= 0, default=0.01
        Decoupled decay of the weights: each step multiplies them by 1 - learning rate times this
        [3]_.
""",
        ),
        Knob(
            "max_norm",
            "bound",
            """\
    max_norm : float > 0 or None, default=None
        Bound on the norm of each unit's incoming weights, by projection after each step [1]_. A batch or
        layer norm undoes it on the layers in front, as it does ``l1`` and ``l2``; it bounds the output layer.
""",
        ),
    )

    def __init__(self, layer, n_in, n_out, *, gain, bias=True):
        self.layer, self.n_in, self.n_out = layer, n_in, n_out
        self.gain, self.width = gain, n_out
        # The kernels of a row take about as long as ten multiplications for each of its entries.
        self.work = n_in * (n_out + 10)
        self.weight, self.bias = f"weight_{layer}", f"bias_{layer}" if bias else None

    def parameters(self):
        """See `Block.parameters`."""
        weight = Parameter(self.weight, (self.n_out, self.n_in), Role.PENALISED, self.layer)
        return [weight, *([Parameter(self.bias, (self.n_out,), Role.FREE)] if self.bias else [])]

    def init(self, rng, spec):
        """See `Block.init`."""
        weight = rng.standard_normal((self.n_out, self.n_in)) * (self.gain / self.n_in**0.5)
        return {self.weight: weight, **({self.bias: np.zeros(self.n_out)} if self.bias else {})}

    def flops(self, trained_inputs):
        """See `Block.flops`."""
        return (4 * self.n_in + 2 * trained_inputs) * self.n_out

    def memory(self, drops_inputs):
        """See `Block.memory`: the product, the activations and their gradient."""
        return 3 * self.n_out

    def train(self, p, a, minibatch):
        """See `Block.train`."""
        weight = p[self.weight]
        if isinstance(a, SharedRows):
            return self._shifted(p, shared_linear(weight, a.x, a.streams))
        return self._shifted(p, linear(weight, a))

    def evaluate(self, p, a):
        """See `Block.evaluate`."""
        return self._shifted(p, p[self.weight] @ a)

    def emit(self, program, a):
        """See `Block.emit`; its bias is left to what comes behind it."""
        from skreg.backends.cpu.pieces import AT_HAND
        from skreg.backends.cpu.program import Units

        a, h, d = program.value(a), self.n_out, self.n_in
        z, weight = program.buffer(h), program.weight(self.weight, h, d)
        program.product(h, AT_HAND, d, weight, program.factor(a), z)

        def back(slope):
            dz, dweight = (slope, 0, AT_HAND, False), program.gradient(self.weight)
            program.product(h, d, AT_HAND, dz, program.factor(a, flip=True), dweight)
            if a.trained == 0:
                return None
            first = d - a.trained
            weight, at = (
                program.weight(self.weight, h, d, first, flip=True),
                program.part_of(a, first),
            )
            program.product(a.trained, AT_HAND, h, weight, dz, at)
            return at

        program.on_way_back(back)
        return Units(z, h, self.bias)

    def paths(self, p, strength):
        """See `Block.paths`."""
        return torch.bmm(strength.unsqueeze(1), p[self.weight] ** 2).squeeze(1)

    def emit_paths(self, program, strength):
        """See `Block.emit_paths`."""
        from skreg.backends.cpu import paths

        into, weight = program.floats(self.n_in), program.parameter(self.weight)
        sizes = {"h": self.n_out, "d": self.n_in}
        program.add(
            paths.linear_kernel(program.dtype), **sizes, weight=weight, out=strength, into=into
        )
        return into

    def launch(self, tape, a):
        """See `Block.launch`; on the way back a gradient takes the place of the activations."""
        inputs, weight = tape.value(a), tape.parameter(self.weight)
        product = tape.buffer(self.n_out, tape.b)
        tape.multiply(weight, inputs.tensor, product)

        def back(gradient):
            tape.multiply(gradient, inputs.tensor.mT, tape.gradient(self.weight))
            if not inputs.trained:
                return None
            own = inputs.trained == self.n_in
            into = inputs.tensor if own else tape.buffer(inputs.trained, tape.b)
            tape.multiply(weight[:, :, self.n_in - inputs.trained :].mT, gradient, into)
            return into

        tape.on_way_back(back)
        return tape.units(product, shift=self.bias)

    def predict(self, params, steps):
        """See `Block.predict`."""
        # Units first in memory: products of few rows are several times faster so.
        weight = params[self.weight].astype(np.float64)
        k = len(weight)
        bias = params[self.bias].astype(np.float64) if self.bias else np.zeros((k, self.n_out))
        steps.append(Affine(weight.swapaxes(1, 2), bias[:, None]))

    def modules(self, params, spec):
        """See `Block.modules`."""
        weight = torch.as_tensor(params[self.weight])
        module = nn.Linear(self.n_in, self.n_out, bias=self.bias is not None, device="meta")
        module.weight = nn.Parameter(weight)
        if self.bias:
            module.bias = nn.Parameter(torch.as_tensor(params[self.bias]))
        return [module]

    def describe(self, spec):
        """See `Block.describe`."""
        knobs = [f"group_l1={spec.group_l1:g}"] if spec.group_l1 and self.layer == 0 else []
        knobs += [
            f"{name}={strengths[self.layer]:g}"
            for name, strengths in (("l1", spec.l1), ("l2", spec.l2))
            if strengths[self.layer]
        ]
        if spec.weight_decay:
            knobs.append(f"weight_decay={spec.weight_decay:g}")
        if math.isfinite(spec.max_norm):
            knobs.append(f"max_norm={spec.max_norm:g}")
        return [("Linear", self.n_out, ", ".join(knobs))]

    def _shifted(self, p, z):
        return z + p[self.bias].unsqueeze(2) if self.bias else z
