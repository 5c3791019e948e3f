"""Trained periodic embeddings of numeric columns, the input stage of a net.

Gorishniy, Rubachev and Babenko (2022), "On Embeddings for Numerical Features in Tabular Deep
Learning", in the form called PBLD (periodic, bias, linear, DenseNet) of Holzmueller, Grinsztajn and
Steinwart (2024), "Better by Default: Strong Pre-Tuned MLPs and Boosted Trees on Tabular Data".
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import nn

from skreg.net.embedding import EMBEDDED_WIDTH, Embedding
from skreg.net.parameter import Parameter, Role
from skreg.net.prediction import WAVES, Mask

#: As in RealMLP: periodic functions of a column, and the standard deviation of the initial frequencies, in
#: periods a unit of the column.
N_FREQUENCIES, FREQUENCY_STD = 16, 0.1


def periodic(x, columns, frequency, phase, weight, bias):
    """All columns as they are, and behind them what the embedded ones become.

    Column j gives the outputs of a linear map of cosines, ``weight @ cos(2 pi frequency x_j + phase) +
    bias``. Frequencies are in periods a unit of the column, phases in radians.

    Parameters
    ----------
    x : tensor
        A minibatch for each member, or one for all.
    columns : int64 tensor
        The embedded columns.
    frequency, phase : tensor
    weight, bias : tensor

    Shape
    -----
    x : (k or 1, b, d), rows first as tables are; columns : (m,); frequency, phase : (k, m, f); weight :
    (k, m, q, f); bias : (k, m, q); returns (k, d + m q, b), features first.

    Examples
    --------
    >>> import torch
    >>> x = torch.tensor([[[7.0, 0.5]]])  # one row of two columns, the second is embedded
    >>> one = torch.ones(1, 1, 1)
    >>> periodic(x, torch.tensor([1]), one, 0 * one, 3 * one.unsqueeze(3), one).flatten().tolist()
    [7.0, 0.5, -2.0]
    """
    chosen = x[:, :, columns].mT.unsqueeze(2)
    waves = torch.cos(2 * math.pi * frequency.unsqueeze(3) * chosen + phase.unsqueeze(3))
    mixed = weight @ waves + bias.unsqueeze(3)
    raw = x.mT.expand(len(mixed), -1, -1)
    return torch.cat([raw, mixed.flatten(1, 2)], dim=1)


class Periodic(Embedding):
    """The first block of a net whose embedded columns become waves; see `Embedding`.

    Initial frequencies are normal with standard deviation 0.1 and phases uniform in [-pi, pi]
    (Holzmueller, Grinsztajn and Steinwart 2024); the maps behind them start as `torch.nn.Linear` does.
    """

    kind = "periodic"
    doc = """\
        "periodic": the 16 functions cos(2 pi f x_j + b) [4]_ [5]_. Frequencies f start from N(0, 0.1^2),
        in periods per unit of the column, so columns should be standardised; phases b start uniform in
        [-pi, pi]. Both are trained with the net.
"""

    @property
    def module(self):
        """See `Embedding.module`."""
        return PeriodicEmbedding

    def __init__(self, columns, n_columns, *, before_norm):
        super().__init__(columns, n_columns, before_norm=before_norm)
        self.width = N_FREQUENCIES * len(columns)
        # A sine or cosine takes about as long as ten multiplications.
        self.work = self.width * (EMBEDDED_WIDTH - 1 + 10)

    def parameters(self):
        """See `Block.parameters`."""
        m, mixed = len(self.columns), EMBEDDED_WIDTH - 1
        shapes = {
            "frequency": (m, N_FREQUENCIES),
            "phase": (m, N_FREQUENCIES),
            "weight": (m, mixed, N_FREQUENCIES),
            "bias": (m, mixed),
        }
        return [Parameter(f"embed_{n}", shape, Role.FREE) for n, shape in shapes.items()]

    def init(self, rng):
        """See `Block.init`."""
        bound = N_FREQUENCIES**-0.5
        frequency, phase, weight, bias = (p.shape for p in self.parameters())
        return {
            "embed_frequency": FREQUENCY_STD * rng.standard_normal(frequency),
            "embed_phase": rng.uniform(-np.pi, np.pi, phase),
            "embed_weight": rng.uniform(-bound, bound, weight),
            "embed_bias": rng.uniform(-bound, bound, bias),
        }

    def flops(self, trained_inputs):
        """See `Block.flops`."""
        return 6 * N_FREQUENCIES * self.made

    def evaluate(self, p, a):
        """See `Block.evaluate`; rows (k or 1, b, d)."""
        return periodic(a, self._on(a.device)[0], *self.values(p))

    def emit(self, program, a):
        """See `Block.emit`."""
        from skreg.backends.cpu.periodic import embedding_gradient_kernel, embedding_kernel
        from skreg.backends.cpu.program import Value

        mixed = EMBEDDED_WIDTH - 1
        sizes = {"d": self.n_columns, "m": len(self.columns), "f": N_FREQUENCIES, "q": mixed}
        columns = program.address(np.array(self.columns, dtype=np.int64))
        learned = {n: program.parameter(f"embed_{n}") for n in ("frequency", "phase", "weight")}
        out, work = program.buffer(self.n_out), program.buffer(3)
        shared = {"x": program.value(a).at, "columns": columns, "work": work}
        shared |= {**sizes, **learned, **program.mask(0)}
        bias = program.parameter("embed_bias")
        program.add(embedding_kernel(program.dtype), bias=bias, out=out, **shared)

        def back(slope):
            names = ("frequency", "phase", "weight", "bias")
            slopes = {f"d{name}": program.gradient(f"embed_{name}") for name in names}
            kernel = embedding_gradient_kernel(program.dtype)
            program.add(kernel, slope=slope, before_norm=self.before_norm, **slopes, **shared)

        program.on_way_back(back)
        return Value(out, self.n_out, trained=self.made)

    def predict(self, params, steps):
        """See `Block.predict`."""
        steps += [_Embedding(params, self.columns), Mask(0, self.n_columns, self.owner)]


class Cosine(nn.Module):
    """Cosine of each entry: the one place where an embedding is not linear."""

    def forward(self, x):
        """cos(x)."""
        return torch.cos(x)


class PeriodicEmbedding(nn.Module):
    """All columns, followed by the embeddings of some of them; see `periodic`.

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
        """Draw new initial values by torch's generator (see `Periodic`)."""
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


class _Embedding:
    """The step of `skreg.net.prediction`: all columns, followed by what the embedded ones become."""

    def __init__(self, params, columns):
        self.columns = list(columns)
        names = ("frequency", "phase", "weight", "bias")
        self.frequency, self.phase, self.weight, self.bias = (
            params[f"embed_{name}"].astype(np.float64) for name in names
        )

    def __call__(self, x):
        """Inputs of the first layer, (b, d'), of rows x (b, d), dense or CSR."""
        x = x.toarray() if hasattr(x, "toarray") else x
        chosen = x[:, self.columns].T[:, :, None]
        waves = np.cos(2 * np.pi * self.frequency[:, None] * chosen + self.phase[:, None])
        mixed = waves @ self.weight.transpose(0, 2, 1) + self.bias[:, None]
        return np.hstack([x, mixed.transpose(1, 0, 2).reshape(len(x), -1)])

    @property
    def most_rows(self):
        """Largest number of rows that are embedded at a time."""
        return WAVES // self.frequency.size
