"""A net as an ordinary torch module: the fitted one for export, and the live one for callbacks.

The modules use no operations but those that TorchScript and ONNX know, and no module object twice, as
explainers that hook into modules need it.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from skreg.estimators.columns.module import preparation_module
from skreg.net.net import Net


class Exp(nn.Module):
    """Inverse of the log link of the Poisson loss."""

    def forward(self, x):
        """exp(x)."""
        return torch.exp(x)


class Clamp(nn.Module):
    """Clip each output to bounds of its own.

    Parameters
    ----------
    bounds : tensor, shape (o, 2)
        Smallest and largest value of each output.
    """

    def __init__(self, bounds):
        super().__init__()
        self.register_buffer("bounds", bounds)

    def forward(self, x):
        """Rows x (b, o), clamped."""
        return torch.minimum(torch.maximum(x, self.bounds[:, 0]), self.bounds[:, 1])


def build_module(
    params,
    spec,
    n_columns,
    *,
    columns=None,
    scale=None,
    offset=None,
    exponential=False,
    bounds=None,
):
    """Embedding, linear, batch norm, activation and dropout modules in a row.

    Parameters
    ----------
    params : dict of array or tensor
        As `skreg.train.job.Result.params`; tensors are used as they are, so that the module shares
        their memory.
    spec : Spec
    n_columns : int
    columns : Preparation, optional
        Put what it does to the columns in front.
    scale, offset : ndarray of shape (o,), optional
        Folded into the last layer: outputs become ``scale * f + offset``.
    exponential : bool
        Append an exponential.
    bounds : ndarray of shape (o, 2), optional
        Append a clamp, after the exponential if there is one.

    Returns
    -------
    torch.nn.Sequential
        In evaluation mode.
    """
    net = Net.of(spec, n_columns)
    params = dict(params)
    if scale is not None:
        names = f"weight_{net.n_layers - 1}", f"bias_{net.n_layers - 1}"
        weight, bias = (np.asarray(params[name]) for name in names)
        weight = weight * np.asarray(scale, dtype=weight.dtype)[:, None]
        bias = (bias * scale + offset).astype(weight.dtype)
        params |= dict(zip(names, (weight, bias), strict=True))
    layers = net.modules(params, spec)
    if columns is not None and not columns.plain:
        layers.insert(0, preparation_module(columns))
    if exponential:
        layers.append(Exp())
    if bounds is not None:
        layers.append(Clamp(torch.as_tensor(bounds.astype(weight.dtype))))
    return nn.Sequential(*layers).eval()
