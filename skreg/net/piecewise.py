"""Piecewise linear embeddings of numeric columns: bins between quantiles, and a trained map behind them.

Gorishniy, Rubachev and Babenko (2022), "On Embeddings for Numerical Features in Tabular Deep Learning",
sections 3.1 and 3.2, as in their package `rtdl_num_embeddings`, except that a quantile is always a value of
the column (the smallest one below which, itself included, the share of the rows lies), so that a row of
weight 2 counts as the row twice.
"""

from __future__ import annotations

import functools
import math

import numpy as np
import torch
from torch import nn

from skreg.net.embedding import EMBEDDED_WIDTH, Embedding
from skreg.net.parameter import Parameter, Role
from skreg.net.prediction import WAVES, dense

#: Bins of a column, at most.
N_BINS = 16

#: Share of the weight of all rows that sums of weights may be off by rounding.
_ROUNDING = 1e-9


def bin_edges(column, weight=None, n_bins=N_BINS):
    """Edges of the bins of a column: quantiles of its values, equal ones merged.

    Parameters
    ----------
    column : ndarray, shape (n,)
    weight : ndarray or None, shape (n,)
    n_bins : int

    Returns
    -------
    ndarray, shape (n_bins + 1,)
        Ascending. The last edge is repeated where there are fewer bins.

    Examples
    --------
    >>> import numpy as np
    >>> bin_edges(np.array([0, 0, 0, 0, 0, 1, 2, 9]), n_bins=4)
    array([0, 1, 9, 9, 9])
    """
    shares = np.arange(n_bins + 1)
    if weight is None:
        places = np.maximum(-(-shares * len(column) // n_bins) - 1, 0)
        found = np.partition(column, np.unique(places))[places]
    else:
        order = np.argsort(column, kind="stable")
        below = np.cumsum(weight[order])
        wanted = (shares / n_bins - _ROUNDING) * below[-1]
        found = column[order][np.searchsorted(below, wanted)]
    edges = np.unique(found)
    # Bins whose width has no finite reciprocal are none.
    wide = np.diff(edges) >= np.finfo(np.result_type(edges, np.float32)).tiny
    edges = edges[np.append(True, wide)]
    return np.append(edges, np.repeat(edges[-1], n_bins + 1 - len(edges)))


def _bins(edges, like):
    """Of bins with these edges (..., T + 1): left edges, reciprocal widths, bounds of what is encoded.

    The first bin has no lower bound and the last none above: beyond the edges the encoding is linear.
    Bins without width, which only fill up, have the reciprocal 0 and give 0. ``like`` is `numpy` or
    `torch`.
    """
    left, right, end = edges[..., :-1], edges[..., 1:], edges[..., -1:]
    width = right - left
    full = width > 0
    inverse = like.where(full, 1 / like.where(full, width, like.ones_like(width)), 0 * width)
    low, high = like.zeros_like(width), like.ones_like(width)
    low[..., 0] = -math.inf
    high = like.where(right == end, like.full_like(high, math.inf), high)
    return left, inverse, low, high


def piecewise(x, columns, edges, weight, bias):
    """All columns as they are, and behind them what the embedded ones become.

    Column j gives the outputs of a linear map of its encoding, ``weight @ e + bias``. Of T bins, e_t is 1
    where x_j lies above bin t, 0 where it lies below, and inside the share of the bin that lies below x_j.
    The first and the last bin go on beyond the edges: e_1 falls below 0, e_T rises above 1.

    Parameters
    ----------
    x : tensor, shape (k or 1, b, d)
        A minibatch for each member, or one for all; rows first, as tables are.
    columns : int64 tensor, shape (m,)
        The embedded columns.
    edges : tensor, shape (k, m, T + 1)
        As of `bin_edges`.
    weight : tensor, shape (k, m, q, T)
    bias : tensor, shape (k, m, q)

    Returns
    -------
    tensor, shape (k, d + m q, b)
        Features first.

    Examples
    --------
    >>> import torch
    >>> x = torch.tensor([[[2.0]]])  # one row of one column, in the middle of the second of two bins
    >>> edges, weight = torch.tensor([[[0.0, 1.0, 3.0]]]), torch.tensor([[[[10.0, 4.0]]]])
    >>> piecewise(x, torch.tensor([0]), edges, weight, torch.zeros(1, 1, 1)).flatten().tolist()
    [2.0, 12.0]
    """
    left, inverse, low, high = (t.unsqueeze(3) for t in _bins(edges, torch))
    chosen = x[:, :, columns].mT.unsqueeze(2)
    encoded = torch.minimum(torch.maximum((chosen - left) * inverse, low), high)
    mixed = weight @ encoded + bias.unsqueeze(3)
    raw = x.mT.expand(len(mixed), -1, -1)
    return torch.cat([raw, mixed.flatten(1, 2)], dim=1)


class Piecewise(Embedding):
    """The first block of a net whose embedded columns are encoded by bins; see `Embedding`.

    The maps behind the bins start as `torch.nn.Linear` does. The edges are measured in the training rows.
    """

    kind = "piecewise"
    doc = """\
        "piecewise": at most 16 bins between quantiles of the column in the training rows, rows counted
        by their weights; a bin gives 1 where x_j lies above it, 0 below, and the share of it that lies
        below x_j inside [4]_. The outer bins go on beyond their edges as lines. The bins are not trained,
        and a continued training keeps them. Good at steps and at columns whose scale says little.
"""

    @property
    def module(self):
        """See `Embedding.module`."""
        return PiecewiseEmbedding

    def __init__(self, columns, n_columns, *, before_norm, owners=None):
        super().__init__(columns, n_columns, before_norm=before_norm, owners=owners)
        self.width = N_BINS * len(columns)
        # An entry of the encoding takes about as long as three multiplications.
        self.work = self.width * (EMBEDDED_WIDTH - 1 + 3)

    def parameters(self):
        """See `Block.parameters`."""
        m, mixed = len(self.columns), EMBEDDED_WIDTH - 1
        return [
            Parameter("embed_edges", (m, N_BINS + 1), Role.FIXED),
            Parameter("embed_weight", (m, mixed, N_BINS), Role.FREE),
            Parameter("embed_bias", (m, mixed), Role.FREE),
        ]

    def init(self, rng, spec):
        """See `Block.init`."""
        bound = N_BINS**-0.5
        _, weight, bias = (p.shape for p in self.parameters())
        return {
            "embed_weight": rng.uniform(-bound, bound, weight),
            "embed_bias": rng.uniform(-bound, bound, bias),
        }

    def measure(self, X, weight):
        """See `Block.measure`."""
        chosen = X[:, list(self.columns)]
        if hasattr(chosen, "tocsc"):
            chosen = chosen.tocsc()
            found = (chosen[:, [j]].toarray()[:, 0] for j in range(len(self.columns)))
        else:
            found = chosen.T
        return {"embed_edges": np.stack([bin_edges(column, weight) for column in found])}

    def flops(self, trained_inputs):
        """See `Block.flops`: the encoding needs no gradient."""
        return 4 * N_BINS * self.made

    def evaluate(self, p, a):
        """See `Block.evaluate`; rows (k or 1, b, d)."""
        return piecewise(a, self._columns_on(a.device), *self.values(p))

    def emit(self, program, a):
        """See `Block.emit`."""
        from skreg.backends.cpu.program import Value

        sizes = {"d": self.n_columns, "m": len(self.columns), "t": N_BINS, "q": EMBEDDED_WIDTH - 1}
        columns = program.address(np.array(self.columns, dtype=np.int64))
        out, work = program.buffer(self.n_out), program.buffer(1)
        shared = {**sizes, "x": program.value(a).at, "columns": columns, "work": work}
        shared |= {"edges": program.parameter("embed_edges"), **program.mask(0)}
        shared["owners"] = program.owners(self.owner)
        forward, backward = piecewise_kernels(program.dtype)
        learned = {name: program.parameter(f"embed_{name}") for name in ("weight", "bias")}
        program.add(forward, out=out, **learned, **shared)

        def back(slope):
            slopes = {f"d{name}": program.gradient(f"embed_{name}") for name in learned}
            program.add(backward, slope=slope, before_norm=self.before_norm, **slopes, **shared)

        program.on_way_back(back)
        return Value(out, self.n_out, trained=self.made)

    def inputs_step(self, params):
        """See `Embedding.inputs_step`."""
        edges, weight, bias = (value.astype(np.float64) for value in self.values(params))
        return _Embedding(list(self.columns), _bins(edges, np), weight, bias)


class Clip(nn.Module):
    """Bounds of each entry of an encoding: the one place where such an embedding is not linear.

    Parameters
    ----------
    low, high : tensor, shape (m, T)
    """

    def __init__(self, low, high):
        super().__init__()
        self.register_buffer("low", low)
        self.register_buffer("high", high)

    def forward(self, x):
        """Entries x (b, m, T), clipped."""
        return torch.minimum(torch.maximum(x, self.low), self.high)


class PiecewiseEmbedding(nn.Module):
    """All columns, followed by the embeddings of some of them; see `piecewise`.

    Parameters
    ----------
    columns : sequence of int
        The embedded columns, m in all.
    edges : array or tensor, shape (m, T + 1)
    weight : array or tensor, shape (m, q, T)
    bias : array or tensor, shape (m, q)
    """

    def __init__(self, columns, edges, weight, bias):
        super().__init__()
        self.register_buffer("columns", torch.tensor(columns))
        left, inverse, *bounds = (part.clone() for part in _bins(torch.as_tensor(edges), torch))
        self.register_buffer("left", left)
        self.register_buffer("inverse", inverse)
        self.clip = Clip(*bounds)
        self.weight, self.bias = (nn.Parameter(torch.as_tensor(v)) for v in (weight, bias))

    @torch.no_grad()
    def reset_parameters(self):
        """Draw new initial values by torch's generator (see `Piecewise`)."""
        bound = self.weight.shape[2] ** -0.5
        nn.init.uniform_(self.weight, -bound, bound)
        nn.init.uniform_(self.bias, -bound, bound)

    def forward(self, x):
        """Inputs (b, d') of the first linear layer, of rows x (b, d)."""
        chosen = x[:, self.columns].unsqueeze(2)  # (b, m, 1)
        encoded = self.clip((chosen - self.left) * self.inverse)  # (b, m, T)
        mixed = torch.matmul(self.weight, encoded.unsqueeze(3)).squeeze(3) + self.bias  # (b, m, q)
        return torch.cat([x, mixed.flatten(1)], dim=1)


class _Embedding:
    """The step of `skreg.net.prediction`: all columns, followed by what the embedded ones become.

    Attributes
    ----------
    columns : list of int, length m
    bins : list of ndarray, shape (k, m, T)
        Left edges, reciprocal widths, and bounds of what is encoded.
    weight : ndarray, shape (k, m, q, T)
    bias : ndarray, shape (k, m, q)
    """

    def __init__(self, columns, bins, weight, bias):
        self.columns, self.bins, self.weight, self.bias = columns, bins, weight, bias

    def of(self, places):
        """That of a slice of the nets."""
        bins = [part[places] for part in self.bins]
        return _Embedding(self.columns, bins, self.weight[places], self.bias[places])

    def to(self, dtype):
        """That in another precision."""
        bins = [part.astype(dtype) for part in self.bins]
        weight, bias = self.weight.astype(dtype), self.bias.astype(dtype)
        return _Embedding(self.columns, bins, weight, bias)

    def __call__(self, x):
        """Inputs of the first layer, (k, b, d'), of rows (k or 1, b, d)."""
        x = dense(x)
        (k, m, q), (_, b, d) = self.bias.shape, x.shape
        out = np.empty((k, d + m * q, b), x.dtype)
        out[:, :d] = x.swapaxes(1, 2)
        mixed = out[:, d:].reshape(k, m, q, b)  # a view
        left, inverse, low, high = (part[..., None] for part in self.bins)
        count = max(1, WAVES // left.size)
        for start in range(0, b, count):
            rows = slice(start, start + count)
            # (k, m, 1, rows) less (k, m, T, 1)
            inside = (out[:, self.columns, None, rows] - left) * inverse
            encoded = np.minimum(np.maximum(inside, low, out=inside), high, out=inside)
            np.add(self.weight @ encoded, self.bias[..., None], out=mixed[..., rows])
        return out.swapaxes(1, 2)


def piecewise_kernels(dtype):
    """The kernels of an embedding by bins, input dropout included: forward, and gradient of its map.

    Of one member: b rows of a minibatch, d columns of which m are embedded, t bins each, q features made
    of them; ``out`` (d + m q, b), ``slope`` (m q, b), which is overwritten by itself behind the mask.
    ``before_norm``: as of `skreg.backends.cpu.periodic.embedding_gradient_kernel`.

    Parameters
    ----------
    dtype : str
        ``"float32"`` or ``"float64"``.
    """
    return _forward_kernel(dtype), _gradient_kernel(dtype)


@functools.cache
def _forward_kernel(dtype):
    # Modules and not their functions, which numba's key of a kernel cannot hold.
    from skreg.backends.cpu import periodic, pieces

    F = getattr(np, dtype)
    ZERO, ONE, MOST, ITEM = F(0), F(1), F(math.inf), np.dtype(dtype).itemsize
    WHOLE, BITS = np.int64(0), np.uint32(0)

    @pieces.kernel("d m t q x columns edges weight bias out work limits scales place owners")
    def embed_piecewise(frame, row, k):
        d, m, t, q, x, columns, edges, weight, bias, out, work, limits, scales, place, owners = (
            pieces.numbers(row, 15)
        )
        b = frame[pieces.B]
        x = pieces.matrix(ZERO, pieces.rows_at(frame, x), b, d)
        out, columns = pieces.matrix(ZERO, out, d + m * q, b), pieces.vector(WHOLE, columns, m)
        edges = pieces.matrix(ZERO, edges + k * m * (t + 1) * ITEM, m, t + 1)
        weight = pieces.matrix(ZERO, weight + k * m * q * t * ITEM, m * q, t)
        bias = pieces.vector(ZERO, bias + k * m * q * ITEM, m * q)
        part = pieces.vector(ZERO, work, b)
        limit, scale = pieces.entry(BITS, limits, k), pieces.entry(ZERO, scales, k)
        for j in range(d):
            for i in range(b):
                out[j, i] = x[i, j]
        for c in range(m):
            value, first = out[columns[c]], d + c * q
            for o in range(q):
                out[first + o, :] = bias[c * q + o]
            for n in range(t):
                left, right = edges[c, n], edges[c, n + 1]
                if not right > left:
                    continue
                inverse = ONE / (right - left)
                low = -MOST if n == 0 else ZERO
                high = MOST if right == edges[c, t] else ONE
                for i in range(b):
                    e = (value[i] - left) * inverse
                    e = low if e < low else e
                    part[i] = high if e > high else e
                for o in range(q):
                    w, line = weight[c * q + o, n], out[first + o]
                    for i in range(b):
                        line[i] += w * part[i]
        if limit > 0:
            at = place * frame[pieces.MEMBERS] + k
            key0 = pieces.entry(BITS, frame[pieces.KEYS_0], at)
            key1 = pieces.entry(BITS, frame[pieces.KEYS_1], at)
            owners = pieces.vector(BITS, owners, d + m * q)
            for j in range(d + m * q):
                periodic.drop(out[j], owners[j], limit, scale, key0, key1)

    return embed_piecewise


@functools.cache
def _gradient_kernel(dtype):
    # Modules and not their functions, which numba's key of a kernel cannot hold.
    from skreg.backends.cpu import periodic, pieces

    F = getattr(np, dtype)
    ZERO, ONE, MOST, ITEM = F(0), F(1), F(math.inf), np.dtype(dtype).itemsize
    WHOLE, BITS = np.int64(0), np.uint32(0)

    @pieces.kernel(
        "d m t q x columns edges slope dweight dbias work limits scales place owners before_norm"
    )
    def embed_piecewise_backward(frame, row, k):
        numbers = pieces.numbers(row, 16)
        d, m, t, q, x, columns, edges, slope, dweight, dbias, work = numbers[:11]
        limits, scales, place, owners, norm = numbers[11:]
        b = frame[pieces.B]
        x = pieces.matrix(ZERO, pieces.rows_at(frame, x), b, d)
        slope, columns = pieces.matrix(ZERO, slope, m * q, b), pieces.vector(WHOLE, columns, m)
        edges = pieces.matrix(ZERO, edges + k * m * (t + 1) * ITEM, m, t + 1)
        dweight, dbias = pieces.matrix(ZERO, dweight, m * q, t), pieces.vector(ZERO, dbias, m * q)
        part, owners = pieces.vector(ZERO, work, b), pieces.vector(BITS, owners, d)
        limit, scale = pieces.entry(BITS, limits, k), pieces.entry(ZERO, scales, k)
        at = place * frame[pieces.MEMBERS] + k
        key0 = pieces.entry(BITS, frame[pieces.KEYS_0], at)
        key1 = pieces.entry(BITS, frame[pieces.KEYS_1], at)
        idle = norm != 0 and limit == 0
        for c in range(m):
            column = columns[c]
            for o in range(q):
                line = slope[c * q + o]
                if limit > 0:
                    periodic.drop(line, owners[column], limit, scale, key0, key1)
                total = ZERO
                for i in range(b):
                    total += line[i]
                dbias[c * q + o] = ZERO if idle else total
            for n in range(t):
                left, right = edges[c, n], edges[c, n + 1]
                if not right > left:
                    for o in range(q):
                        dweight[c * q + o, n] = ZERO
                    continue
                inverse = ONE / (right - left)
                low = -MOST if n == 0 else ZERO
                high = MOST if right == edges[c, t] else ONE
                for i in range(b):
                    e = (x[i, column] - left) * inverse
                    e = low if e < low else e
                    part[i] = high if e > high else e
                for o in range(q):
                    line, total = slope[c * q + o], ZERO
                    for i in range(b):
                        total += line[i] * part[i]
                    dweight[c * q + o, n] = total

    return embed_piecewise_backward
