"""A net as an ordinary torch module: the fitted one for export, and the live one for callbacks.

The modules use no operations but those that TorchScript and ONNX know, and no module object twice, as
explainers that hook into modules need it.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import nn

from skreg.engine.constants import BATCH_NORM_EPS, EMBEDDED_WIDTH
from skreg.net import owners
from skreg.net.activation import KINDS
from skreg.net.periodic import FREQUENCY_STD


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


class Cosine(nn.Module):
    """Cosine of each entry: the one place where an embedding is not linear."""

    def forward(self, x):
        """cos(x)."""
        return torch.cos(x)


class PeriodicEmbedding(nn.Module):
    """All columns, followed by the embeddings of some of them; see `skreg.net.periodic`.

    Parameters
    ----------
    columns : sequence of int
        The embedded columns, m in all.
    frequency, phase : array or tensor, shape (m, f)
    weight : array or tensor, shape (m, q, f)
    bias : array or tensor, shape (m, q)
    """

    def __init__(self, columns, frequency, phase, weight, bias):
        super().__init__()
        self.register_buffer("columns", torch.tensor(columns))
        self.frequency, self.phase, self.weight, self.bias = (
            nn.Parameter(torch.as_tensor(values)) for values in (frequency, phase, weight, bias)
        )
        self.cosine = Cosine()

    @torch.no_grad()
    def reset_parameters(self):
        """Draw new initial values by torch's generator (see `skreg.net.periodic.Periodic`)."""
        nn.init.normal_(self.frequency, std=FREQUENCY_STD)
        nn.init.uniform_(self.phase, -math.pi, math.pi)
        bound = self.frequency.shape[1] ** -0.5
        nn.init.uniform_(self.weight, -bound, bound)
        nn.init.uniform_(self.bias, -bound, bound)

    def forward(self, x):
        """Inputs (b, d') of the first linear layer, of rows x (b, d)."""
        # Written out with operations that TorchScript and ONNX know.
        chosen = x[:, self.columns].unsqueeze(2)  # (b, m, 1)
        waves = self.cosine(2.0 * math.pi * self.frequency * chosen + self.phase)  # (b, m, f)
        mixed = torch.matmul(self.weight, waves.unsqueeze(3)).squeeze(3) + self.bias  # (b, m, q)
        return torch.cat([x, mixed.flatten(1)], dim=1)


class ColumnDropout(nn.Module):
    """Dropout of columns after their embedding: a column is dropped with all that was made of it.

    Parameters
    ----------
    rate : float
    owner : sequence of int
        The column of each input.
    """

    def __init__(self, rate, owner):
        super().__init__()
        self.rate = rate
        self.n_columns = max(owner) + 1
        self.register_buffer("owner", torch.tensor(owner))

    def forward(self, x):
        """Rows x (b, d') with one mask per row; unchanged in evaluation mode."""
        if not self.training:
            return x
        ones = torch.ones(x.shape[0], self.n_columns, dtype=x.dtype, device=x.device)
        return x * nn.functional.dropout(ones, self.rate)[:, self.owner]


def build_module(params, spec, *, scale=None, offset=None, exponential=False, bounds=None):
    """Embedding, linear, batch norm, activation and dropout modules in a row.

    Parameters
    ----------
    params : dict of array or tensor
        As `skreg.engine.job.Result.params`; tensors are used as they are, so that the module shares
        their memory.
    spec : Spec
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
    layers = []
    if spec.embedded:
        layers += _input_stage(params, spec)
    elif spec.input_dropout:
        layers.append(nn.Dropout(spec.input_dropout))
    last = len(spec.hidden)
    for i in range(last + 1):
        normed = f"gain_{i}" in params
        weight, bias = params[f"weight_{i}"], params.get(f"bias_{i}")
        if i == last and scale is not None:
            weight = np.asarray(weight) * np.asarray(scale, dtype=weight.dtype)[:, None]
            bias = (np.asarray(bias) * scale + offset).astype(weight.dtype)
        layers.append(_linear(weight, bias))
        if i == last:
            break
        if normed:
            layers.append(_batch_norm(params, i))
        layers.append(KINDS[spec.activation].module())
        if spec.dropout[i]:
            layers.append(nn.Dropout(spec.dropout[i]))
    if exponential:
        layers.append(Exp())
    if bounds is not None:
        layers.append(Clamp(torch.as_tensor(bounds.astype(weight.dtype))))
    return nn.Sequential(*layers).eval()


def _input_stage(params, spec):
    names = ("frequency", "phase", "weight", "bias")
    yield PeriodicEmbedding(spec.embedded, *(params[f"embed_{name}"] for name in names))
    if spec.input_dropout:
        mixed = EMBEDDED_WIDTH - 1
        n_columns = params["weight_0"].shape[1] - mixed * spec.n_embedded
        yield ColumnDropout(spec.input_dropout, owners(n_columns, spec.embedded, mixed))


def _linear(weight, bias):
    weight = torch.as_tensor(weight)
    module = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, device="meta")
    module.weight = nn.Parameter(weight)
    if bias is not None:
        module.bias = nn.Parameter(torch.as_tensor(bias))
    return module


def _batch_norm(params, i):
    gain = torch.as_tensor(params[f"gain_{i}"])
    module = nn.BatchNorm1d(len(gain), eps=BATCH_NORM_EPS, dtype=gain.dtype)
    module.weight = nn.Parameter(gain)
    module.bias = nn.Parameter(torch.as_tensor(params[f"shift_{i}"]))
    module.running_mean = torch.as_tensor(params[f"mean_{i}"])
    module.running_var = torch.as_tensor(params[f"variance_{i}"])
    return module
