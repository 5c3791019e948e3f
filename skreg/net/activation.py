"""Activations by scikit-learn's and torch's names: all that each of them is.

A new one is an entry of `KINDS`; estimators, prediction, export, the reference and the kernels of the
CPU take it from there. On CUDA the reference trains such nets until `skreg.backends.cuda.kernels` has
it too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from scipy.special import erf, expit
from torch import nn

from skreg.net.block import Block

SELU_SCALE = 1.0507009873554805
SELU_ALPHA = 1.6732632423543772

#: Not of numpy's type, which would make float64 of float32.
ROOT_2 = 2.0**0.5

#: Of a number so far below zero a sigmoid is nothing, and its exponential is finite in float32.
_MOST_EXPONENT = 80.0


@dataclass(frozen=True)
class Kind:
    """One activation.

    Attributes
    ----------
    module : type
        The `torch.nn.Module` without parameters, for export.
    torch : callable
        On tensors, for the reference.
    numpy : callable
        On arrays of floats, for prediction; may overwrite its argument.
    compiled : callable
        Makes value and derivative, functions of ``(act, y)``, for the kernels of the CPU. It is given
        the float type ``F``, and ``exp`` and ``erf`` for that type. Selects and not branches, or loops
        do not become vector code; a NaN has to come out as a NaN. ``act`` is not read.
    gain : float, default=1.0
        Of the initial weights in front of it (He et al. 2015; Klambauer et al. 2017).
    """

    module: type[nn.Module]
    torch: Callable
    numpy: Callable
    compiled: Callable
    gain: float = 1.0


def _identity(F, exp, erf):
    one = F(1)

    def value(act, y):
        return y

    def slope(act, y):
        return one

    return value, slope


def _relu(F, exp, erf):
    one = F(1)

    def value(act, y):
        return F(0) if y <= F(0) else y

    def slope(act, y):
        return F(0) if y <= F(0) else one

    return value, slope


def _tanh(F, exp, erf):
    one, two = F(1), F(2)

    def value(act, y):
        return one - two / (exp(two * y) + one)

    def slope(act, y):
        t = one - two / (exp(two * y) + one)
        return one - t * t

    return value, slope


def _logistic(F, exp, erf):
    one = F(1)

    def value(act, y):
        return one / (one + exp(-y))

    def slope(act, y):
        s = one / (one + exp(-y))
        return s * (one - s)

    return value, slope


def _silu(F, exp, erf):
    one = F(1)

    def value(act, y):
        return y / (one + exp(-y))

    def slope(act, y):
        s = one / (one + exp(-y))
        return s * (one + y * (one - s))

    return value, slope


def _gelu(F, exp, erf):
    one, half = F(1), F(0.5)
    root_half, density = F(0.7071067811865476), F(0.3989422804014327)

    def value(act, y):
        return half * y * (one + erf(y * root_half))

    def slope(act, y):
        return half * (one + erf(y * root_half)) + y * density * exp(-half * y * y)

    return value, slope


def _selu(F, exp, erf):
    one, scale, alpha = F(1), F(SELU_SCALE), F(SELU_ALPHA)

    def value(act, y):
        below = alpha * (exp(y) - one)
        return scale * (below if y <= F(0) else y)

    def slope(act, y):
        below = alpha * exp(y)
        return scale * (below if y <= F(0) else one)

    return value, slope


def _elu(F, exp, erf):
    one = F(1)

    def value(act, y):
        below = exp(y) - one
        return below if y <= F(0) else y

    def slope(act, y):
        below = exp(y)
        return below if y <= F(0) else one

    return value, slope


def _mish(F, exp, erf):
    one, two = F(1), F(2)

    def value(act, y):
        e = exp(F(20) if y > F(20) else y)
        n = e * (e + two)
        return y * n / (n + two)

    def slope(act, y):
        e = exp(F(20) if y > F(20) else y)
        n = e * (e + two)
        t = n / (n + two)
        return t + y * (one - t * t) * e / (one + e)

    return value, slope


# numpy's exponentials are vector code, and so several times faster than scipy's functions.


def _below_zero(x):
    """exp(x) - 1 of what is negative, 0 of the rest; a new array."""
    below = np.minimum(x, 0.0)
    return np.expm1(below, out=below)


def _elu_of(x):
    below = _below_zero(x)
    np.maximum(x, 0.0, out=x)
    x += below
    return x


def _selu_of(x):
    below = _below_zero(x)
    below *= SELU_ALPHA
    np.maximum(x, 0.0, out=x)
    x += below
    x *= SELU_SCALE
    return x


def _silu_of(x):
    e = np.negative(x)
    np.minimum(e, _MOST_EXPONENT, out=e)
    np.exp(e, out=e)
    e += 1.0
    return np.divide(x, e, out=e)


def _mish_of(x):
    # tanh(log(1 + e)) is n / (n + 2) with n = e (e + 2), and 1 in either precision for a larger e.
    e = np.minimum(x, 20.0)
    np.exp(e, out=e)
    n = e + 2.0
    n *= e
    x *= n
    n += 2.0
    x /= n
    return x


#: All activations by name. Their order gives the numbers that kernels know them by.
KINDS = {
    "identity": Kind(nn.Identity, lambda x: x, lambda x: x, _identity),
    "relu": Kind(nn.ReLU, F.relu, lambda x: np.maximum(x, 0.0, out=x), _relu, 2.0**0.5),
    "tanh": Kind(nn.Tanh, torch.tanh, lambda x: np.tanh(x, out=x), _tanh),
    "logistic": Kind(nn.Sigmoid, torch.sigmoid, lambda x: expit(x, out=x), _logistic),
    "silu": Kind(nn.SiLU, F.silu, _silu_of, _silu, 2.0**0.5),
    "gelu": Kind(nn.GELU, F.gelu, lambda x: 0.5 * x * (1.0 + erf(x / ROOT_2)), _gelu, 2.0**0.5),
    "selu": Kind(nn.SELU, F.selu, _selu_of, _selu),
    "mish": Kind(nn.Mish, F.mish, _mish_of, _mish, 2.0**0.5),
    # 1 / gain^2 is the mean square of what it makes of a standard normal number.
    "elu": Kind(nn.ELU, F.elu, _elu_of, _elu, 1.2452),
}

#: Activation name -> number used by the compiled kernels.
NUMBERS = {name: number for number, name in enumerate(KINDS)}


def activation(x, name):
    """Apply an activation elementwise.

    Parameters
    ----------
    x : tensor, shape (k, h, b)
        Of k members, h units and b rows; any other shape will do.
    name : str
        A value of the estimators' parameter `activation`, such as "relu".

    Returns
    -------
    tensor, shape (k, h, b)

    Examples
    --------
    >>> import torch
    >>> activation(torch.tensor([-1.0, 2.0]), "relu")
    tensor([0., 2.])
    """
    return KINDS[name].torch(x)


class Activation(Block):
    """An activation of all units of a hidden layer.

    Parameters
    ----------
    name : str
    units : int
    """

    def __init__(self, name, units):
        self.name, self.units = name, units

    def train(self, p, a, minibatch):
        """See `Block.train`."""
        return activation(a, self.name)

    def evaluate(self, p, a):
        """See `Block.evaluate`."""
        return activation(a, self.name)

    def emit(self, program, a):
        """See `Block.emit`: it becomes part of the kernel of its units (`skreg.backends.cpu.units`)."""
        return program.units(a, activation=self.name)

    def launch(self, tape, a):
        """See `Block.launch`."""
        return tape.units(a, activation=self.name)

    def missing_on_cuda(self, kernels, sparse):
        """See `Block.missing_on_cuda`."""
        known = NUMBERS[self.name] <= kernels.LAST_ACTIVATION
        return "" if known else f"activation={self.name!r}"

    def predict(self, params, steps):
        """See `Block.predict`."""
        steps.append(KINDS[self.name].numpy)

    def modules(self, params, spec):
        """See `Block.modules`."""
        return [KINDS[self.name].module()]

    def describe(self, spec):
        """See `Block.describe`."""
        return [(f"Activation ({self.name})", self.units, "")]
