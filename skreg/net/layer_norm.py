"""Layer norm of a stack, between a linear layer and its activation (Ba, Kiros and Hinton 2016)."""

from __future__ import annotations

import functools

import numpy as np
import torch
from torch import nn

from skreg.net.block import Block
from skreg.net.knob import Knob
from skreg.net.parameter import Parameter, Role

#: Added to the variance, as in torch.
LAYER_NORM_EPS = 1e-5


def layer_norm(z, gain, shift):
    """Normalise each row by the mean and variance of the units of its layer.

    Parameters
    ----------
    z : tensor, shape (k, h, b)
        Of k members, h units and b rows.
    gain, shift : tensors, shape (k, h)
        What is made of a normalised unit: its factor and what is added.

    Returns
    -------
    tensor, shape (k, h, b)

    References
    ----------
    Ba, Kiros and Hinton, "Layer Normalization", arXiv:1607.06450, 2016.

    Examples
    --------
    >>> import torch
    >>> z = torch.tensor([[[1.0], [2.0], [3.0], [4.0]]])  # one row of four units
    >>> layer_norm(z, torch.ones(1, 4), torch.zeros(1, 4)).flatten().round(decimals=2).tolist()
    [-1.34..., -0.44..., 0.44..., 1.34...]
    """
    centred = z - z.mean(dim=1, keepdim=True)
    variance = (centred**2).mean(dim=1, keepdim=True)
    normal = centred * torch.rsqrt(variance + LAYER_NORM_EPS)
    return normal * gain.unsqueeze(2) + shift.unsqueeze(2)


class LayerNorm(Block):
    """Layer norm behind a linear layer, which keeps its bias; scale and shift are learned.

    It has no statistics: a row is the same whatever stands beside it, in training and at predict.

    Parameters
    ----------
    layer : int
        Number of the linear layer.
    units : int
    """

    undoes_scale = True

    knobs = (
        Knob(
            "layer_norm",
            "flag",
            """\
    layer_norm : bool, default=False
        Layer norm between each hidden linear layer and its activation: each row by itself is
        normalised over the units of the layer, then scaled and shifted, unit by unit, by numbers that
        are learned and never penalised (Ba, Kiros and Hinton, "Layer Normalization", arXiv
        1607.06450, 2016). Other rows do not matter, so minibatches of one row are allowed. It stands
        in place of batch norm and needs ``batch_norm=False``; a search over both takes a list of
        grids, such as ``[{"batch_norm": [True]}, {"batch_norm": [False], "layer_norm": [True,
        False]}]``. It undoes the scale of the weights in front of it, as batch norm does, with the
        same consequence for ``l1`` and ``l2``. It cannot be folded into ``coefs_``, which are the
        weights of the linear layers as they are.
""",
            each="hidden",
            shared=True,
        ),
    )

    def __init__(self, layer, units, n_in):
        self.weight, self.n_in = f"weight_{layer}", n_in
        self.units = self.width = units
        # The rows of its kernels take about as long as five multiplications for each entry.
        self.work = 5 * units
        self.gain, self.shift = f"layer_gain_{layer}", f"layer_shift_{layer}"

    @classmethod
    def check(cls, values):
        """See `Block.check`."""
        if not values["layer_norm"]:
            return
        if values["batch_norm"]:
            raise ValueError(
                "layer_norm=True and batch_norm=True (its default) would normalise each hidden layer "
                "twice. Set layer_norm=True, batch_norm=False, or leave layer_norm=False. A search "
                "over both takes a list of grids, each with one of them at most."
            )
        if 1 in values["hidden"]:
            raise ValueError(
                "layer_norm=True normalises over the units of a layer, so a layer of 1 unit would be "
                f"the same for all rows: hidden_layer_sizes={values['hidden']} must have entries >= 2 "
                "then. Raise them or set layer_norm=False."
            )

    def parameters(self):
        """See `Block.parameters`."""
        return [Parameter(name, (self.units,), Role.FREE) for name in (self.gain, self.shift)]

    def init(self, rng, spec):
        """See `Block.init`."""
        return {self.gain: np.ones(self.units), self.shift: np.zeros(self.units)}

    def memory(self, drops_inputs):
        """See `Block.memory`: what it makes, and two numbers of the row."""
        return self.units + 2

    def train(self, p, a, minibatch):
        """See `Block.train`."""
        return self.evaluate(p, a)

    def evaluate(self, p, a):
        """See `Block.evaluate`."""
        return layer_norm(a, p[self.gain], p[self.shift])

    def emit(self, program, a):
        """See `Block.emit`; its shift is left to what comes behind it."""
        from skreg.backends.cpu.program import Units

        a = program.shifted(a)
        out = program.buffer(a.n)
        shared = {"h": a.n, "x": a.at, "gain": program.parameter(self.gain)}
        shared |= {"inv": program.buffer(1), "work": program.buffer(2)}
        program.add(forward_kernel(program.dtype), shift=program.shift(a), out=out, **shared)

        def back(slope):
            slopes = {"dgain": program.gradient(self.gain), "dshift": program.gradient_of_shift(a)}
            program.add(backward_kernel(program.dtype), slope=slope, **slopes, **shared)
            return slope

        program.on_way_back(back)
        return Units(out, a.n, self.shift)

    def paths(self, p, strength):
        """See `Block.paths`: what a row is divided by depends on it; here it is as for independent inputs."""
        square = (p[self.weight] ** 2).sum(dim=(1, 2)) / self.units
        return strength * p[self.gain] ** 2 / square.clamp(min=LAYER_NORM_EPS).unsqueeze(1)

    def emit_paths(self, program, strength):
        """See `Block.emit_paths`."""
        from skreg.backends.cpu import paths

        into, kernel = (
            program.floats(self.units),
            paths.layer_norm_kernel(program.dtype, LAYER_NORM_EPS),
        )
        own = {"gain": program.parameter(self.gain), "weight": program.parameter(self.weight)}
        program.add(kernel, n=self.units, d=self.n_in, **own, out=strength, into=into)
        return into

    def predict(self, params, steps):
        """See `Block.predict`."""
        both = (params[name].astype(np.float64)[:, None, :] for name in (self.gain, self.shift))
        steps.append(_Normalise(*both))

    def modules(self, params, spec):
        """See `Block.modules`."""
        gain, shift = (torch.as_tensor(params[name]) for name in (self.gain, self.shift))
        module = nn.LayerNorm(self.units, eps=LAYER_NORM_EPS, device="meta")
        module.weight, module.bias = nn.Parameter(gain), nn.Parameter(shift)
        return [module]

    def describe(self, spec):
        """See `Block.describe`."""
        return [("LayerNorm", self.units, "layer_norm")]


class _Normalise:
    """The step of `skreg.net.prediction`."""

    def __init__(self, gain, shift):
        self.gain, self.shift = gain, shift

    def of(self, places):
        """That of a slice of the nets."""
        return _Normalise(self.gain[places], self.shift[places])

    def to(self, dtype):
        """That in another precision."""
        return _Normalise(self.gain.astype(dtype), self.shift.astype(dtype))

    def __call__(self, x):
        """Rows x (k, b, h)."""
        centred = x - x.mean(axis=-1, keepdims=True)
        variance = np.mean(centred**2, axis=-1, keepdims=True)
        centred *= self.gain / np.sqrt(variance + LAYER_NORM_EPS)
        centred += self.shift
        return centred


@functools.cache
def forward_kernel(dtype):
    """From the product of a linear layer, ``x`` (h, b), to rows that are normal and scaled, ``out``.

    What is normal takes the place of the product, and one over the deviations goes to ``inv`` (b,): both
    are for the way back.

    Parameters
    ----------
    dtype : str
        ``"float32"`` or ``"float64"``.
    """
    # As a module: what is bound to a kernel by name would be part of its key on disk.
    from skreg.backends.cpu import pieces

    F = getattr(np, dtype)
    ZERO, EPS, ITEM = F(0), F(LAYER_NORM_EPS), np.dtype(dtype).itemsize

    @pieces.kernel("h x shift gain inv work out")
    def layer_norm_forward(frame, row, k):
        h, x, shift, gain, inv, work, out = pieces.numbers(row, 7)
        b, own = frame[pieces.B], k * h * ITEM
        x, out = pieces.matrix(ZERO, x, h, b), pieces.matrix(ZERO, out, h, b)
        shift, gain = pieces.vector(ZERO, shift + own, h), pieces.vector(ZERO, gain + own, h)
        inv, mean = pieces.vector(ZERO, inv, b), pieces.vector(ZERO, work, b)
        # Rows lie side by side, so that sums over units are sums of vectors.
        part = F(1) / F(h)
        for i in range(b):
            mean[i] = ZERO
            inv[i] = ZERO
        for r in range(h):
            for i in range(b):
                mean[i] += x[r, i] + shift[r]
        for i in range(b):
            mean[i] *= part
        for r in range(h):
            for i in range(b):
                t = x[r, i] + shift[r] - mean[i]
                x[r, i] = t
                inv[i] += t * t
        for i in range(b):
            inv[i] = F(1) / np.sqrt(inv[i] * part + EPS)
        for r in range(h):
            for i in range(b):
                t = x[r, i] * inv[i]
                x[r, i] = t
                out[r, i] = t * gain[r]

    return layer_norm_forward


@functools.cache
def backward_kernel(dtype):
    """From the gradient ``slope`` (h, b) of what was made to that of the product, in place.

    Parameters
    ----------
    dtype : str
    """
    from skreg.backends.cpu import pieces

    F = getattr(np, dtype)
    ZERO, ITEM = F(0), np.dtype(dtype).itemsize

    @pieces.kernel("h x slope gain inv dgain dshift work")
    def layer_norm_backward(frame, row, k):
        h, x, slope, gain, inv, dgain, dshift, work = pieces.numbers(row, 8)
        b = frame[pieces.B]
        x, slope = pieces.matrix(ZERO, x, h, b), pieces.matrix(ZERO, slope, h, b)
        gain, inv = pieces.vector(ZERO, gain + k * h * ITEM, h), pieces.vector(ZERO, inv, b)
        dgain, dshift = pieces.vector(ZERO, dgain, h), pieces.vector(ZERO, dshift, h)
        means = pieces.matrix(ZERO, work, 2, b)
        part = F(1) / F(h)
        for i in range(b):
            means[0, i] = ZERO
            means[1, i] = ZERO
        for r in range(h):
            total = ZERO
            for i in range(b):
                total += slope[r, i] * x[r, i]
                d = slope[r, i] * gain[r]
                slope[r, i] = d
                means[0, i] += d
                means[1, i] += d * x[r, i]
            dgain[r] = total
        for i in range(b):
            means[0, i] *= part
            means[1, i] *= part
        for r in range(h):
            total = ZERO
            for i in range(b):
                d = inv[i] * (slope[r, i] - means[0, i] - x[r, i] * means[1, i])
                slope[r, i] = d
                total += d
            dshift[r] = total

    return layer_norm_backward
