"""Batch norm of a stack, between a linear layer and its activation (Ioffe and Szegedy 2015)."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from skreg.net.block import Block
from skreg.net.knob import Knob
from skreg.net.parameter import Parameter, Role
from skreg.net.prediction import Affine

#: Added to the variance, as in torch.
BATCH_NORM_EPS = 1e-5

#: Share of a minibatch in the running statistics, as in torch.
BATCH_NORM_MOMENTUM = 0.1


def batch_norm_train(z, gain, shift, share):
    """Normalise each unit by the weighted mean and variance of the minibatch.

    Rows count by their sample weight: a row of weight 2 counts as the row given twice, and the
    padding of a short minibatch has share 0.

    Parameters
    ----------
    z : tensor, shape (k, h, b)
        Of k members, h units and b rows.
    gain, shift : tensors, shape (k, h)
        What is made of a normalised unit: its factor and what is added.
    share : tensor, shape (k, b)
        Share of each row in the minibatch; those of a member sum to 1.

    Returns
    -------
    y : tensor, shape (k, h, b)
    mean, variance : tensors, shape (k, h)
        The variance is the biased one, which normalises.

    References
    ----------
    Ioffe and Szegedy, "Batch Normalization: Accelerating Deep Network Training by Reducing Internal
    Covariate Shift", ICML 2015.

    Examples
    --------
    >>> import torch
    >>> z = torch.tensor([[[1.0, 2.0, 3.0, 4.0]]])
    >>> one, zero = torch.ones(1, 1), torch.zeros(1, 1)
    >>> y, mean, variance = batch_norm_train(z, one, zero, torch.full((1, 4), 0.25))
    >>> mean.item(), variance.item()
    (2.5, 1.25)
    >>> y.round(decimals=2)
    tensor([[[-1.3400, -0.4500,  0.4500,  1.3400]]])
    """
    part = share.unsqueeze(1)
    mean = (z * part).sum(dim=2)
    centred = z - mean.unsqueeze(2)
    variance = (centred**2 * part).sum(dim=2)
    scale = gain * torch.rsqrt(variance + BATCH_NORM_EPS)
    return centred * scale.unsqueeze(2) + shift.unsqueeze(2), mean, variance


def batch_norm_eval(z, gain, shift, mean, variance):
    """Normalise by running statistics, as at predict.

    Parameters
    ----------
    z : tensor, shape (k, h, b)
    gain, shift : tensors, shape (k, h)
        As of `batch_norm_train`.
    mean, variance : tensors, shape (k, h)
        Averages over the minibatches of training.

    Returns
    -------
    tensor, shape (k, h, b)
    """
    scale = gain * torch.rsqrt(variance + BATCH_NORM_EPS)
    return z * scale.unsqueeze(2) + (shift - mean * scale).unsqueeze(2)


class BatchNorm(Block):
    """Batch norm behind a linear layer: scale and shift are learned, mean and variance are tracked.

    The variance that is tracked is the biased one: a row of weight 2 is then exactly the row given twice.

    Parameters
    ----------
    layer : int
        Number of the linear layer.
    units : int
    """

    undoes_scale = True

    knobs = (
        Knob(
            "batch_norm",
            "flags",
            """\
    batch_norm : bool or array-like of bool, shape (n_hidden_layers,), default=True
        Batch norm between each hidden linear layer and its activation [2]_, or between some by a list
        with an entry for each, such as [True, False]. Batch norm behind the activation is for a net
        of your own (`RegularizedNetClassifier`).
""",
            each="hidden",
            shared=True,
        ),
    )

    def __init__(self, layer, units):
        self.layer, self.units = layer, units
        self.gain, self.shift = f"gain_{layer}", f"shift_{layer}"
        self.mean, self.variance = f"mean_{layer}", f"variance_{layer}"

    def parameters(self):
        """See `Block.parameters`."""
        roles = {
            self.gain: Role.FREE,
            self.shift: Role.FREE,
            self.mean: Role.TRACKED,
            self.variance: Role.TRACKED,
        }
        return [Parameter(name, (self.units,), role) for name, role in roles.items()]

    def init(self, rng, spec):
        """See `Block.init`."""
        ones, zeros = (self.gain, self.variance), (self.shift, self.mean)
        return {
            **{name: np.ones(self.units) for name in ones},
            **{name: np.zeros(self.units) for name in zeros},
        }

    def train(self, p, a, minibatch):
        """See `Block.train`."""
        y, mean, variance = batch_norm_train(a, p[self.gain], p[self.shift], minibatch.share)
        minibatch.seen |= {self.mean: mean.detach(), self.variance: variance.detach()}
        return y

    def evaluate(self, p, a):
        """See `Block.evaluate`."""
        return batch_norm_eval(
            a, *(p[n] for n in (self.gain, self.shift, self.mean, self.variance))
        )

    def emit(self, program, a):
        """See `Block.emit`: it becomes part of the kernel of its units (`skreg.backends.cpu.units`)."""
        return program.units(a, shift=self.shift, norm=(self.gain, self.mean, self.variance))

    def paths(self, p, strength):
        """See `Block.paths`: by the running variance."""
        return strength * p[self.gain] ** 2 / (p[self.variance] + BATCH_NORM_EPS)

    def emit_paths(self, program, strength):
        """See `Block.emit_paths`."""
        from skreg.backends.cpu import paths

        into, kernel = (
            program.floats(self.units),
            paths.batch_norm_kernel(program.dtype, BATCH_NORM_EPS),
        )
        own = {"gain": program.parameter(self.gain), "variance": program.parameter(self.variance)}
        program.add(kernel, n=self.units, **own, out=strength, into=into)
        return into

    def launch(self, tape, a):
        """See `Block.launch`."""
        return tape.units(a, shift=self.shift, norm=(self.gain, self.mean, self.variance))

    def predict(self, params, steps):
        """See `Block.predict`: folded into the linear layer in front of it."""
        gain, shift, mean, variance = (
            params[name].astype(np.float64)
            for name in (self.gain, self.shift, self.mean, self.variance)
        )
        scale = gain / np.sqrt(variance + BATCH_NORM_EPS)
        weight = steps[-1].weight.swapaxes(1, 2) * scale[:, :, None]
        steps[-1] = Affine(weight.swapaxes(1, 2), (shift - mean * scale)[:, None])

    def modules(self, params, spec):
        """See `Block.modules`."""
        gain = torch.as_tensor(params[self.gain])
        module = nn.BatchNorm1d(self.units, eps=BATCH_NORM_EPS, dtype=gain.dtype)
        module.weight = nn.Parameter(gain)
        module.bias = nn.Parameter(torch.as_tensor(params[self.shift]))
        module.running_mean = torch.as_tensor(params[self.mean])
        module.running_var = torch.as_tensor(params[self.variance])
        return [module]

    def describe(self, spec):
        """See `Block.describe`."""
        return [("BatchNorm", self.units, "batch_norm")]
