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
from skreg.net.knob import Knob
from skreg.net.parameter import Parameter, Role
from skreg.net.prediction import WAVES, dense

#: As in RealMLP: periodic functions of a column, and the standard deviation that the initial frequencies have
#: by default, in periods a unit of the column.
N_FREQUENCIES, FREQUENCY_STD = 16, 0.1


def periodic(x, columns, frequency, phase, weight, bias):
    """All columns as they are, and behind them what the embedded ones become.

    Column j gives the outputs of a linear map of cosines, ``weight @ cos(2 pi frequency x_j + phase) +
    bias``. Frequencies are in periods a unit of the column, phases in radians.

    Parameters
    ----------
    x : tensor, shape (k or 1, b, d)
        A minibatch for each member, or one for all; rows first, as tables are.
    columns : int64 tensor, shape (m,)
        The embedded columns.
    frequency, phase : tensors, shape (k, m, f)
    weight : tensor, shape (k, m, q, f)
    bias : tensor, shape (k, m, q)

    Returns
    -------
    tensor, shape (k, d + m q, b)
        Features first.

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

    Initial frequencies are normal with standard deviation ``embedding_scale`` and phases uniform in [-pi, pi]
    (Holzmueller, Grinsztajn and Steinwart 2024); the maps behind them start as `torch.nn.Linear` does.
    """

    knobs = (
        Knob(
            "embedding_scale",
            "scale",
            """\
    embedding_scale : float > 0, default=0.1
        Standard deviation of the initial frequencies of a "periodic" embedding, in periods per unit of the
        column. The larger it is, the more often the functions bend that a net begins with. 0.1 is
        RealMLP's [5]_. More, such as 0.25 or 0.5, is worth a trial where the target is a rough function of
        few columns; elsewhere it mostly costs log loss. It does nothing to nets without such an
        embedding.
""",
            starts=True,
            usual=FREQUENCY_STD,
        ),
    )

    kind = "periodic"
    doc = """\
        "periodic": the 16 functions cos(2 pi f x_j + b) [4]_ [5]_. Frequencies f, in periods per unit of the
        column, start normal with standard deviation ``embedding_scale``, so columns should be standardised;
        phases b start uniform in [-pi, pi]. Both are trained with the net.
"""

    @property
    def module(self):
        """See `Embedding.module`."""
        return PeriodicEmbedding

    def __init__(self, columns, n_columns, *, before_norm, owners=None):
        super().__init__(columns, n_columns, before_norm=before_norm, owners=owners)
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

    def init(self, rng, spec):
        """See `Block.init`."""
        bound = N_FREQUENCIES**-0.5
        frequency, phase, weight, bias = (p.shape for p in self.parameters())
        return {
            "embed_frequency": spec.embedding_scale * rng.standard_normal(frequency),
            "embed_phase": rng.uniform(-np.pi, np.pi, phase),
            "embed_weight": rng.uniform(-bound, bound, weight),
            "embed_bias": rng.uniform(-bound, bound, bias),
        }

    @classmethod
    def advice(cls, spec):
        """See `Block.advice`."""
        has = spec.embedded and spec.embedding == cls.kind
        if has or spec.embedding_scale == FREQUENCY_STD:
            return []
        return [
            "embedding_scale does nothing without a periodic embedding, which this net has not: it sets the "
            'frequencies that one starts with. Set numeric_embedding="periodic", with columns of more than '
            "two distinct values, or leave embedding_scale at its default."
        ]

    def inputs_module(self, params, spec):
        """See `Embedding.inputs_module`."""
        return PeriodicEmbedding(self.columns, *self.values(params), scale=spec.embedding_scale)

    def regularizers(self, spec):
        """See `Embedding.regularizers`."""
        scale = spec.embedding_scale
        return [f"embedding_scale={scale:g}"] if scale != FREQUENCY_STD else []

    def flops(self, trained_inputs):
        """See `Block.flops`."""
        return 6 * N_FREQUENCIES * self.made

    def evaluate(self, p, a):
        """See `Block.evaluate`; rows (k or 1, b, d)."""
        return periodic(a, self._columns_on(a.device), *self.values(p))

    def emit(self, program, a):
        """See `Block.emit`."""
        from skreg.backends.cpu.periodic import embedding_gradient_kernel, embedding_kernel
        from skreg.backends.cpu.program import Value

        mixed = EMBEDDED_WIDTH - 1
        sizes = {"d": self.n_columns, "m": len(self.columns), "f": N_FREQUENCIES, "q": mixed}
        columns = program.address(np.array(self.columns, dtype=np.int64))
        learned = {n: program.parameter(f"embed_{n}") for n in ("frequency", "phase", "weight")}
        shared = {"x": program.value(a).at, "columns": columns, "out": program.buffer(self.n_out)}
        shared |= {**sizes, **learned, **program.mask(0), "owners": program.owners(self.owner)}
        bias = program.parameter("embed_bias")
        program.add(embedding_kernel(program.dtype), bias=bias, **shared)

        def back(slope):
            names = ("frequency", "phase", "weight", "bias")
            slopes = {f"d{name}": program.gradient(f"embed_{name}") for name in names}
            slopes |= {"slope": slope, "work": program.buffer(1), "before_norm": self.before_norm}
            program.add(embedding_gradient_kernel(program.dtype), **slopes, **shared)

        program.on_way_back(back)
        return Value(shared["out"], self.n_out, trained=self.made)

    def launch(self, tape, a):
        """See `Block.launch`; the gradient that comes back is that of what was made of columns."""
        from skreg.backends.cuda import kernels
        from skreg.backends.cuda.tape import Value

        m = len(self.columns)
        x = tape.gather(self.owner, features_first=True).tensor
        inputs = tape.buffer(self.n_out, tape.b)
        place = np.full(self.n_columns, -1)
        place[list(self.columns)] = np.arange(m)
        names = [parameter.name for parameter in self.parameters()]
        learned = [tape.parameter(name) for name in names]
        sizes = tape.b, self.n_columns, m, tape.s
        context = tape.stream_of, *tape.mask(0), tape.counter, *sizes
        shapes = {"WAVES": N_FREQUENCIES, "MADE": EMBEDDED_WIDTH - 1}
        constants = {"DROP": tape.drops(0), **shapes}
        width = tape.tile(kernels.EMBED_ROWS)
        tape.add(
            *(kernels.embed, (tape.k * self.n_columns * math.ceil(tape.b / width),)),
            *(x, inputs, tape.put(place), *learned, tape.put(self.owner), *context),
            **constants,
            BLOCK=width,
        )

        def back(gradient):
            gradients = [tape.gradient(name) for name in names]
            tape.add(
                *(kernels.embed_backward, (tape.k * m,), gradient, x, tape.put(self.columns)),
                *(*learned[:-1], *gradients, tape.idle(names[-1]), tape.put(self.owner), *context),
                **constants,
                LINES=1 << (self.made // m - 1).bit_length(),
                BLOCK=tape.tile(kernels.EMBED_BACKWARD_ROWS),
            )

        tape.on_way_back(back)
        return Value(inputs, trained=self.made)

    def missing_on_cuda(self, kernels, sparse):
        """See `Block.missing_on_cuda`."""
        return "sparse tables" if sparse else ""

    def inputs_step(self, params):
        """See `Embedding.inputs_step`."""
        return _Embedding.made_of(params, self.columns)


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
    scale : float, default=0.1
        Standard deviation of new initial frequencies.
    """

    def __init__(self, columns, frequency, phase, weight, bias, scale=FREQUENCY_STD):
        super().__init__()
        self.scale = scale
        self.register_buffer("columns", torch.tensor(columns))
        self.frequency, self.phase, self.weight, self.bias = (
            nn.Parameter(torch.as_tensor(values)) for values in (frequency, phase, weight, bias)
        )
        self.cosine = Cosine()

    @torch.no_grad()
    def reset_parameters(self):
        """Draw new initial values by torch's generator (see `Periodic`)."""
        nn.init.normal_(self.frequency, std=self.scale)
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

    def to(self, dtype):
        """That in another precision."""
        arrays = (self.turns, self.start, self.weight, self.bias)
        return _Embedding(self.columns, *(array.astype(dtype) for array in arrays))

    def __call__(self, x):
        """Inputs of the first layer, (k, b, d'), of rows (k or 1, b, d)."""
        x = dense(x)
        (k, m, q), (_, b, d) = self.bias.shape, x.shape
        out = np.empty((k, d + m * q, b), x.dtype)
        out[:, :d] = x.swapaxes(1, 2)
        mixed = out[:, d:].reshape(k, m, q, b)  # a view
        count = max(1, WAVES // (k * self.waves))
        for start in range(0, b, count):
            rows = slice(start, start + count)
            # (k or 1, m, 1, rows) times (k, m, f, 1)
            angle = out[: len(x), self.columns, None, rows] * self.turns[..., None]
            angle += self.start[..., None]
            made = self.weight @ _cosine_of_turns(angle)
            np.add(made, self.bias[..., None], out=mixed[..., rows])
        return out.swapaxes(1, 2)

    def compiled(self, x, kernel):
        """The same by a kernel (`skreg.backends.cpu.prediction`), all of a column in one pass."""
        # The kernel was compiled for arrays that may be written to: others are copied.
        x = np.require(dense(x), requirements=["C", "A", "W"])
        (k, m, q), (_, b, d) = self.bias.shape, x.shape
        out = np.empty((k, d + m * q, b), x.dtype)
        kernel(x, self.columns, self.turns, self.start, self.weight, self.bias, out)
        return out.swapaxes(1, 2)

    @property
    def width(self):
        """Entries a row of what it makes."""
        return self.columns.size * (EMBEDDED_WIDTH - 1)


#: Taylor's series of sin(2 pi s) / s by powers of s^2, for abs(s) <= 1/4: the first term left out is below
#: 1e-17. As in the compiled kernel.
_SERIES = [(-1) ** n * (2 * np.pi) ** (2 * n + 1) / math.factorial(2 * n + 1) for n in range(11)]

#: Cosines up to which numpy's own, which it computes one by one, are faster; and how many are computed at a
#: time, so that they stay in the cache. torch's take half the time, but by threads that a forked process
#: does not have.
_FEW_WAVES, _WAVES_AT_A_TIME = 1 << 11, 1 << 12


def _cosine_of_turns(u):
    """cos(2 pi u) of each entry of a contiguous array, in place."""
    if u.size < _FEW_WAVES:
        u *= 2 * np.pi
        return np.cos(u, out=u)
    flat = u.reshape(-1)
    for start in range(0, flat.size, _WAVES_AT_A_TIME):
        s = flat[start : start + _WAVES_AT_A_TIME]
        # The sine of a quarter of a turn less the distance from a whole one.
        s -= np.rint(s)
        np.subtract(0.25, np.abs(s, out=s), out=s)
        square = s * s
        series = np.full_like(s, _SERIES[-1])
        for term in _SERIES[-2::-1]:
            series *= square
            series += term
        s *= series
    return u
