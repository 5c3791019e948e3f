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


class Units(nn.Module):
    """Outputs as (b, o), in the units of the target.

    Parameters
    ----------
    scale, offset : tensor, shape (o,)
    """

    def __init__(self, scale, offset):
        super().__init__()
        self.register_buffer("scale", scale)
        self.register_buffer("offset", offset)

    def forward(self, x):
        """``scale * x + offset`` of outputs x (b, ...)."""
        return x.reshape(x.shape[0], -1) * self.scale + self.offset


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
        Outputs become ``scale * f + offset``: folded into the last layer, or a module behind one of the
        user's.
    exponential : bool
        Append an exponential.
    bounds : ndarray of shape (o, 2), optional
        Append a clamp, after the exponential if there is one.

    Returns
    -------
    torch.nn.Sequential
        In evaluation mode. A module of the user's that nothing stands behind is given as it is.
    """
    net = Net.of(spec, n_columns)
    params, dtype = dict(params), getattr(np, spec.dtype)
    if scale is not None and spec.module is None:
        names = f"weight_{net.n_layers - 1}", f"bias_{net.n_layers - 1}"
        weight, bias = (np.asarray(params[name]) for name in names)
        weight = weight * np.asarray(scale, dtype=weight.dtype)[:, None]
        bias = (bias * scale + offset).astype(weight.dtype)
        params |= dict(zip(names, (weight, bias), strict=True))
    layers = net.modules(params, spec)
    if scale is not None and spec.module is not None:
        layers.append(Units(*(torch.as_tensor(np.asarray(a, dtype)) for a in (scale, offset))))
    if columns is not None and not columns.plain:
        layers.insert(0, preparation_module(columns))
    if exponential:
        layers.append(Exp())
    if bounds is not None:
        layers.append(Clamp(torch.as_tensor(bounds.astype(dtype))))
    if spec.module is not None and len(layers) == 1:
        return layers[0].eval()
    return nn.Sequential(*layers).eval()
