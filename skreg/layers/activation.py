"""Activations by scikit-learn's and torch's names."""

from __future__ import annotations

import torch
import torch.nn.functional as F

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
