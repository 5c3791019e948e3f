"""Activations by scikit-learn's and torch's names."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from skreg.net.block import Block

FUNCTIONS = {
    "identity": lambda x: x,
    "relu": F.relu,
    "tanh": torch.tanh,
    "logistic": torch.sigmoid,
    "silu": F.silu,
    "gelu": F.gelu,
    "selu": F.selu,
    "mish": F.mish,
}

#: Gain of the initial weights in front of an activation (He et al. 2015; Klambauer et al. 2017).
GAINS = {
    "identity": 1.0,
    "relu": 2.0**0.5,
    "tanh": 1.0,
    "logistic": 1.0,
    "silu": 2.0**0.5,
    "gelu": 2.0**0.5,
    "selu": 1.0,
    "mish": 2.0**0.5,
}


def activation(x, name):
    """Apply an activation elementwise.

    Shape
    -----
    x : (k, h, b); returns the same shape.

    Examples
    --------
    >>> import torch
    >>> activation(torch.tensor([-1.0, 2.0]), "relu")
    tensor([0., 2.])
    """
    return FUNCTIONS[name](x)


class Activation(Block):
    """An activation of all units of a hidden layer.

    Parameters
    ----------
    name : str
    """

    def __init__(self, name):
        self.name = name

    def train(self, p, a, minibatch):
        """See `Block.train`."""
        return activation(a, self.name)

    def evaluate(self, p, a):
        """See `Block.evaluate`."""
        return activation(a, self.name)
