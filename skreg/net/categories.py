"""Trained vectors of the levels of categories, beside what becomes of the numeric columns.

Guo and Berkhahn (2016), "Entity Embeddings of Categorical Variables". The last columns of a table hold the
numbers of levels, 0 to levels - 1; the last level stands for whatever is not known. A column is replaced by
the vector of its level, a row of a small table that is trained with the net: the same as the column's
one-hot table times a matrix, of which no one-hot table is ever made.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from skreg.net.block import Block, SharedRows
from skreg.net.dropout import ColumnDropout, OnDevice, column_dropout, places_of
from skreg.net.parameter import Parameter, Role
from skreg.net.prediction import Mask, dense

#: Largest width of a vector, and the standard deviation that its entries start with.
WIDEST, START_STD = 8, 0.1


def width_of(levels):
    """How many numbers stand for a level of a column that has so many levels.

    It is ``1.6 * levels ** 0.56``, the rule of fastai (Howard and Gugger, "fastai: A Layered API for Deep
    Learning", Information 11(2), 2020), but at most 8, which is what RealMLP takes for all columns
    (Holzmueller, Grinsztajn and Steinwart 2024), and at most ``levels - 1``. fastai goes on to 600, for
    tables of many more rows than levels; RealMLP's 8 was chosen over many tables of the usual sizes. With
    few levels 8 numbers are more than can be made use of: ``levels - 1`` give every function of the level.

    Parameters
    ----------
    levels : int
        The last one, of what is not known, included.

    Returns
    -------
    int

    Examples
    --------
    >>> [width_of(levels) for levels in (1, 2, 3, 5, 10, 17, 1000)]
    [1, 1, 2, 4, 6, 8, 8]
    """
    return max(1, min(WIDEST, levels - 1, round(1.6 * levels**0.56)))


def levels_of(x, last):
    """Numbers of levels of the columns that hold them; the last one for all that is no level's number.

    Parameters
    ----------
    x : tensor, shape (..., c)
        NaN is no level's number.
    last : float tensor, shape (c,)
        Number of the last level of each column.

    Returns
    -------
    int64 tensor, shape (..., c)

    Examples
    --------
    >>> import torch
    >>> levels_of(torch.tensor([0.0, 2.0, 3.0, -1.0, torch.nan]), torch.tensor([2.0])).tolist()
    [0, 2, 2, 2, 2]
    """
    level = torch.floor(x + 0.5)
    return torch.where((level >= 0) & (level < last), level, last.to(x.dtype)).long()


class Categories(Block):
    """The first block of a net whose table ends in numbers of levels; input dropout included.

    Its outputs are those of the block of the numeric columns, and behind them the vectors of the levels,
    column by column. Vectors are trained and never penalised. They start normal with standard deviation
    0.1, those of the last levels at zero: there they stay unless there are training rows that have them.

    Parameters
    ----------
    levels : tuple of int
        Levels of each of the last columns of the table.
    first : InputDropout or Embedding
        The block of the columns in front of them.
    owners : ndarray of int, shape (c,)
        The column of the user's table that each of the last columns was made of.

    Attributes
    ----------
    widths : list of int
        Of the vectors of each column.
    owner : ndarray of int, shape (n_out,)
        The column of the user's table that each output was made of.
    """

    draws = "INITIAL_EMBEDDINGS"

    def __init__(self, levels, first, owners):
        self.levels, self.first = tuple(levels), first
        self.widths = [width_of(n) for n in levels]
        self.n_columns = first.n_columns + len(levels)
        self.made = self.width = sum(self.widths)
        self.n_out = first.n_out + self.made
        # Reading and writing an entry takes about as long as three multiplications.
        self.work = 3 * self.width
        sizes = [n * width for n, width in zip(levels, self.widths, strict=True)]
        self.size = sum(sizes)
        self.begins = np.cumsum([0, *sizes[:-1]])
        self.owners, made_of = owners, np.repeat(owners, self.widths)
        self.owner = np.concatenate([first.owner, made_of])
        self._owner_on = OnDevice(made_of)
        # Of each output: its column among the last ones, its width, and its place in the vector of level 0.
        column = np.repeat(np.arange(len(levels)), self.widths)
        starts = np.concatenate(
            [begin + np.arange(w) for begin, w in zip(self.begins, self.widths, strict=True)]
        )
        arrays = column, np.repeat(self.widths, self.widths), starts, np.array(levels) - 1.0
        self._places_on = [OnDevice(array) for array in arrays]

    def parts(self):
        """See `Block.parts`."""
        return [*self.first.parts(), self]

    def parameters(self):
        """See `Block.parameters`: the tables of all columns one behind the other, each (levels, width)."""
        return [Parameter("category_vectors", (self.size,), Role.FREE)]

    def input_names(self, columns):
        """Names of its outputs, by those of the columns: ``"job~1"``, ``"job~2"``, ... for a vector."""
        n = self.first.n_columns
        pairs = zip(columns[n:], self.widths, strict=True)
        made = [f"{name}~{i + 1}" for name, width in pairs for i in range(width)]
        return [*self.first.input_names(columns[:n]), *made]

    def tables(self, vectors):
        """The tables of the columns, views of shape (levels, width), of all numbers of one net."""
        pairs = zip(self.begins, self.levels, self.widths, strict=True)
        return [vectors[at : at + n * width].reshape(n, width) for at, n, width in pairs]

    def init(self, rng, spec):
        """See `Block.init`."""
        vectors = START_STD * rng.standard_normal(self.size)
        for table in self.tables(vectors):
            table[-1] = 0.0
        return {"category_vectors": vectors}

    def memory(self, drops_inputs):
        """See `Block.memory`: a copy of the numeric columns, the inputs, and the gradient of vectors."""
        return self.first.n_columns + self.n_out + self.made

    def train(self, p, a, minibatch):
        """See `Block.train`."""
        n, mask = self.first.n_columns, minibatch.masks[0]
        numeric = self.first.train(p, SharedRows(a.x[:, :, :n], a.streams, a.stream_of), minibatch)
        if isinstance(numeric, SharedRows):
            numeric = numeric.of_members().mT
        made = self._vectors(p, a.x[a.stream_of, :, n:])
        if mask is not None:
            owner = self._owner_on(made.device)
            made = column_dropout(made, owner, *mask, n_places=places_of(self.owner))
        return torch.cat([numeric, made], dim=1)

    def evaluate(self, p, a):
        """See `Block.evaluate`; rows (k or 1, b, d)."""
        n = self.first.n_columns
        made = self._vectors(p, a[:, :, n:])
        numeric = self.first.evaluate(p, a[:, :, :n])
        return torch.cat([numeric.expand(len(made), -1, -1), made], dim=1)

    def _vectors(self, p, x):
        """What becomes of numbers of levels x (k or 1, b, c), a tensor (k, w, b)."""
        vectors = p["category_vectors"]
        column, width, start, last = (place(x.device) for place in self._places_on)
        at = start + levels_of(x, last)[:, :, column] * width
        members = torch.arange(len(vectors), device=x.device).view(-1, 1, 1) * self.size
        # Its gradient is added up in the order of the rows, where that of an index is not on all devices.
        return nn.functional.embedding(at + members, vectors.reshape(-1, 1)).squeeze(3).mT

    def emit(self, program, a):
        """See `Block.emit`."""
        from skreg.backends.cpu import categories as kernels
        from skreg.backends.cpu.program import Value

        a, n, dtype = program.value(a), self.first.n_columns, program.dtype
        numeric = program.buffer(n)
        program.add(kernels.numeric_kernel(dtype), d=a.n, n=n, x=a.at, out=numeric)
        inner = self.first.emit(program, Value(numeric, n, by_row=True))
        tables = np.array([self.levels, self.widths, self.begins], dtype=np.int64)
        shared = {"d": a.n, "c": len(self.levels), "w": self.made, "size": self.size, "x": a.at}
        shared |= {"tables": program.address(tables), "owners": program.owners(self.owners)}
        shared |= program.mask(0)
        made = {"vectors": program.parameter("category_vectors"), "out": program.buffer(self.n_out)}
        given = {"n": inner.n, "numeric": inner.at, "by_row": inner.by_row}
        program.add(kernels.categories_kernel(dtype), **given, **made, **shared)

        def back(slope):
            own = slope + self.first.made * program.rows * program.item
            slopes = {"slope": own, "dvectors": program.gradient("category_vectors")}
            program.add(kernels.categories_gradient_kernel(dtype), **slopes, **shared)
            return slope if self.first.made else None

        program.on_way_back(back)
        return Value(made["out"], self.n_out, trained=self.first.made + self.made)

    def missing_on_cuda(self, kernels, sparse):
        """See `Block.missing_on_cuda`."""
        return "embedded categories"

    def is_random(self, spec):
        """See `Block.is_random`."""
        return spec.input_dropout > 0

    def predict(self, params, steps):
        """See `Block.predict`."""
        vectors = params["category_vectors"].astype(np.float64)
        first = self.first.inputs_step(params)
        steps.append(_Vectors(first, self.first.n_columns, vectors, self))
        steps.append(Mask(0, places_of(self.owner), self.owner))

    def modules(self, params, spec):
        """See `Block.modules`."""
        tables = self.tables(torch.as_tensor(params["category_vectors"]))
        first = self.first.inputs_module(params, spec) or nn.Identity()
        found = [CategoryEmbedding(self.first.n_columns, first, tables)]
        if spec.input_dropout:
            found.append(ColumnDropout(spec.input_dropout, self.owner.tolist()))
        return found

    def describe(self, spec):
        """See `Block.describe`."""
        c, few, many = len(self.levels), min(self.levels), max(self.levels)
        levels = f"{few}" if few == many else f"{few} to {many}"
        knob = f"vectors of {c} column{'s' * (c > 1)} of {levels} levels"
        return [(CategoryEmbedding.__name__, self.n_out, knob)]


class CategoryEmbedding(nn.Module):
    """Numeric columns, followed by the vectors of the levels of the last columns.

    Parameters
    ----------
    n_numeric : int
        Columns in front of those that hold numbers of levels.
    first : torch.nn.Module
        What becomes of them.
    tables : list of tensor, shape (levels, width)
        The vectors of the levels of each of the last columns.
    """

    def __init__(self, n_numeric, first, tables):
        super().__init__()
        self.n_numeric, self.first = n_numeric, first
        last = [len(table) - 1.0 for table in tables]
        self.register_buffer("last", torch.tensor(last, dtype=tables[0].dtype))
        # Given vectors, it draws none.
        self.tables = nn.ModuleList(
            nn.Embedding(*table.shape, _weight=table.detach()) for table in tables
        )

    @torch.no_grad()
    def reset_parameters(self):
        """Draw new initial values by torch's generator (see `Categories`)."""
        for table in self.tables:
            nn.init.normal_(table.weight, std=START_STD)
            table.weight[-1] = 0.0

    def forward(self, x):
        """Inputs (b, d') of the first linear layer, of rows x (b, d)."""
        # Written out with operations that TorchScript and ONNX know.
        level = torch.floor(x[:, self.n_numeric :] + 0.5)
        known = (level >= 0) & (level < self.last)
        level = torch.where(known, level, self.last.expand_as(level)).to(torch.int64)
        parts = [self.first(x[:, : self.n_numeric])]
        for c, table in enumerate(self.tables):
            parts.append(table(level[:, c]))
        return torch.cat(parts, dim=1)


class _Vectors:
    """The step of `skreg.net.prediction`: numeric columns, followed by the vectors of levels.

    Attributes
    ----------
    first : callable or None
        The step of the numeric columns; None where they are taken as they are.
    n_numeric : int
    vectors : ndarray, shape (k, size)
    block : Categories
    """

    def __init__(self, first, n_numeric, vectors, block):
        self.first, self.n_numeric, self.vectors, self.block = first, n_numeric, vectors, block
        # Periodic functions of a row of one net.
        self.waves = getattr(first, "waves", 0)

    def of(self, places):
        """That of a slice of the nets."""
        first = None if self.first is None else self.first.of(places)
        return _Vectors(first, self.n_numeric, self.vectors[places], self.block)

    def to(self, dtype):
        """That in another precision."""
        first = None if self.first is None else self.first.to(dtype)
        return _Vectors(first, self.n_numeric, self.vectors.astype(dtype), self.block)

    def __call__(self, x):
        """Inputs of the first layer, (k, b, d'), of rows (k or 1, b, d)."""
        x = dense(x)
        numeric = x[:, :, : self.n_numeric]
        return self._joined(numeric if self.first is None else self.first(numeric), x)

    def compiled(self, x, kernel):
        """The same with the numeric columns embedded by a kernel."""
        x = dense(x)
        return self._joined(self.first.compiled(x[:, :, : self.n_numeric], kernel), x)

    def _joined(self, numeric, x):
        """Numeric inputs (k or 1, b, n) and the vectors of the levels in rows x, features first in memory."""
        block, (k, b), n = self.block, (len(self.vectors), x.shape[1]), numeric.shape[2]
        out = np.empty((k, n + block.made, b), x.dtype)
        out[:, :n] = numeric.swapaxes(1, 2)
        level = np.floor(x[:, :, self.n_numeric :] + 0.5)
        last = np.array(block.levels) - 1
        known = (level >= 0) & (level < last)
        level = np.where(known, level, last).astype(np.int64)
        nets = np.arange(k)[:, None]
        for c, (begin, width) in enumerate(zip(block.begins, block.widths, strict=True)):
            at = begin + width * level[:, :, c]
            for place in range(width):
                out[:, n + place] = self.vectors[nets, at + place]
            n += width
        return out.swapaxes(1, 2)
