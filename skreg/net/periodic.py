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

from skreg.net.block import Block
from skreg.net.dropout import describe_input_dropout, keep_mask
from skreg.net.parameter import Parameter, Role
from skreg.net.prediction import WAVES, Mask, dense

#: As in RealMLP: periodic functions of a column, inputs of the net that a column becomes (itself and the
#: others made of those functions), and the standard deviation of the initial frequencies, in periods a
#: unit of the column.
N_FREQUENCIES, EMBEDDED_WIDTH, FREQUENCY_STD = 16, 4, 0.1


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


def owners(n_columns, columns, n_mixed):
    """The column that each input of an embedded net was made of.

    Parameters
    ----------
    n_columns : int
    columns : sequence of int
        The embedded ones.
    n_mixed : int
        Inputs made of each of them besides itself.

    Returns
    -------
    list of int, length n_columns + n_mixed * len(columns)

    Examples
    --------
    >>> owners(3, (0, 2), 2)
    [0, 1, 2, 0, 0, 2, 2]
    """
    return [*range(n_columns), *(int(j) for j in columns for _ in range(n_mixed))]


def column_dropout(a, owner, rate, threshold, keys, n_columns=None):
    """Dropout of columns behind their embedding: with a column goes all that was made of it.

    The masks are those of `skreg.net.input_dropout` on the columns.

    Parameters
    ----------
    a : tensor
    owner : int64 tensor
        Column of each feature.
    rate, threshold, keys
        As in `skreg.net.dropout`.
    n_columns : int, optional
        Columns of the table. Without it the owners are asked, for which a GPU has to be waited for.

    Shape
    -----
    a : (k, n, b), features first; owner : (n,); rate, threshold, keys[0], keys[1] : (k,); returns
    (k, n, b).
    """
    n_columns = int(owner.max()) + 1 if n_columns is None else n_columns
    keep = keep_mask(a.shape[2], n_columns, keys, threshold, a.device)[:, :, owner].mT
    return torch.where(keep, a / (1 - rate).view(-1, 1, 1), torch.zeros_like(a))


class Periodic(Block):
    """The first block of a net with embedded columns, dropout of columns included.

    Initial frequencies are normal with standard deviation 0.1 and phases uniform in [-pi, pi]
    (Holzmueller, Grinsztajn and Steinwart 2024); the maps behind them start as `torch.nn.Linear` does.

    Parameters
    ----------
    columns : tuple of int
        The embedded ones, ascending.
    n_columns : int
        Of the table.
    before_norm : bool
        Whether a batch norm stands behind the linear layer that follows.

    Attributes
    ----------
    owner : ndarray of int, shape (n_out,)
        The column that each output was made of.
    """

    draws = "INITIAL_EMBEDDINGS"

    def __init__(self, columns, n_columns, *, before_norm):
        self.columns, self.n_columns, self.before_norm = columns, n_columns, before_norm
        self.made = (EMBEDDED_WIDTH - 1) * len(columns)
        self.n_out = n_columns + self.made
        self.owner = np.array(owners(n_columns, columns, EMBEDDED_WIDTH - 1))
        self.width = N_FREQUENCIES * len(columns)
        # A sine or cosine takes about as long as ten multiplications.
        self.work = self.width * (EMBEDDED_WIDTH - 1 + 10)
        self._tensors = {}

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

    def memory(self, drops_inputs):
        """See `Block.memory`: the inputs, and the gradient of those that were made of columns."""
        return self.n_out + self.made

    def train(self, p, a, minibatch):
        """See `Block.train`."""
        embedded, mask = self.evaluate(p, a.of_members()), minibatch.masks[0]
        if mask is None:
            return embedded
        owner = self._on(embedded.device)[1]
        return column_dropout(embedded, owner, *mask, n_columns=self.n_columns)

    def evaluate(self, p, a):
        """See `Block.evaluate`; rows (k or 1, b, d)."""
        names = ("frequency", "phase", "weight", "bias")
        return periodic(a, self._on(a.device)[0], *(p[f"embed_{name}"] for name in names))

    def predict(self, params, steps):
        """See `Block.predict`."""
        embedding = _Embedding.made_of(params, self.columns)
        steps += [embedding, Mask(0, self.n_columns, self.owner)]

    def modules(self, params, spec):
        """See `Block.modules`."""
        names = ("frequency", "phase", "weight", "bias")
        found = [PeriodicEmbedding(self.columns, *(params[f"embed_{name}"] for name in names))]
        if spec.input_dropout:
            found.append(ColumnDropout(spec.input_dropout, self.owner.tolist()))
        return found

    def describe(self, spec):
        """See `Block.describe`."""
        knob = f"numeric_embedding={spec.numeric_embedding} of {len(self.columns)} columns"
        dropout = describe_input_dropout(spec, self.n_out)
        return [("PeriodicEmbedding", self.n_out, knob), *dropout]

    def idle(self, knobs):
        """See `Block.idle`.

        A batch norm behind the first linear layer takes off what the biases add, unless inputs are
        dropped. Their gradient is zero but for rounding, which Adam would turn into steps of full size.
        """
        return {"embed_bias": self.before_norm & (knobs.threshold[0] == 0)}

    def _on(self, device):
        """The embedded columns, and the column that each input was made of, on a device."""
        if device not in self._tensors:
            pair = self.columns, self.owner
            self._tensors[device] = [torch.tensor(t, device=device) for t in pair]
        return self._tensors[device]


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


class _Embedding:
    """The step of `skreg.net.prediction`: all columns, followed by what the embedded ones become.

    Attributes
    ----------
    waves : int
        Periodic functions of a row of one net.
    columns : int64 array, shape (m,)
    turns, start : ndarray, shape (k, m, f)
        Frequencies, in periods a unit of the column, and phases in periods.
    weight : ndarray, shape (k, m, q, f)
    bias : ndarray, shape (k, m, q)
    """

    def __init__(self, columns, turns, start, weight, bias):
        self.columns, self.turns, self.start = columns, turns, start
        self.weight, self.bias = weight, bias
        self.waves = math.prod(turns.shape[1:])

    @classmethod
    def made_of(cls, params, columns):
        """That of the parameters of k nets."""
        names = ("frequency", "phase", "weight", "bias")
        turns, phase, weight, bias = (params[f"embed_{n}"].astype(np.float64) for n in names)
        start = phase / (2 * np.pi)
        return cls(np.array(columns, dtype=np.int64), turns, start, weight, bias)

    def of(self, places):
        """That of a slice of the nets."""
        arrays = (self.turns, self.start, self.weight, self.bias)
        return _Embedding(self.columns, *(array[places] for array in arrays))

    def __call__(self, x):
        """Inputs of the first layer, (k, b, d'), of rows (k or 1, b, d)."""
        x = dense(x)
        (k, m, q), (_, b, d) = self.bias.shape, x.shape
        out = np.empty((k, d + m * q, b))
        out[:, :d] = x.swapaxes(1, 2)
        mixed = out[:, d:].reshape(k, m, q, b)  # a view
        count = max(1, WAVES // (k * self.waves))
        for start in range(0, b, count):
            rows = slice(start, start + count)
            # (k or 1, m, 1, rows) times (k, m, f, 1)
            angle = out[: len(x), self.columns, None, rows] * self.turns[..., None]
            angle += self.start[..., None]
            angle *= 2 * np.pi
            made = self.weight @ _cosine(angle)
            np.add(made, self.bias[..., None], out=mixed[..., rows])
        return out.swapaxes(1, 2)

    def compiled(self, x, kernel):
        """The same by a kernel (`skreg.backends.cpu.prediction`), all of a column in one pass."""
        # The kernel was compiled for arrays that may be written to: others are copied.
        x = np.require(dense(x), requirements=["C", "A", "W"])
        (k, m, q), (_, b, d) = self.bias.shape, x.shape
        out = np.empty((k, d + m * q, b))
        kernel(x, self.columns, self.turns, self.start, self.weight, self.bias, out)
        return out.swapaxes(1, 2)

    @property
    def width(self):
        """Entries a row of what it makes."""
        return self.columns.size * (EMBEDDED_WIDTH - 1)


#: Cosines from which on torch computes them faster than numpy, which does so one by one; and how many at
#: a time. Of twice as many it would share them out among threads, which a forked process does not have.
_FEW_WAVES, _WAVES_AT_A_TIME = 512, 1 << 10


def _cosine(x):
    """Cosine of each entry of a contiguous array, in place."""
    if x.size < _FEW_WAVES:
        return np.cos(x, out=x)
    for part in torch.from_numpy(x.reshape(-1)).split(_WAVES_AT_A_TIME):
        part.cos_()
    return x
