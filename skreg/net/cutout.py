"""Cut-out: some columns of some rows are set to their mean in training (DeVries and Taylor 2017).

Of a row that is taken a fixed number of the user's columns goes, each with all that was made of it, and the
others are not scaled up for it: a net sees rows as they are, of which it knows less. Dropout of inputs
decides entry by entry, sets to 0, and scales, so that sums stay as they are on average.
"""

from __future__ import annotations

import functools

import numpy as np
import torch

from skreg.net.bits import Salt, bits, limits
from skreg.net.block import Block, SharedRows
from skreg.net.input_noise import column_mean
from skreg.net.knob import Knob
from skreg.net.mixing import OfColumns
from skreg.net.parameter import Parameter, Role


def counts(shares, n):
    """Columns out of n that shares of them are, an int64 tensor: rounded, 1 at least where a share is not 0.

    Examples
    --------
    >>> import torch
    >>> counts(torch.tensor([0.0, 0.1, 0.25, 0.3, 1.0]), 5).tolist()
    [0, 1, 1, 2, 5]
    """
    # Halves go up, those that float32 has a little below one half too.
    rounded = (shares.double() * n + 0.5 + 1e-4).floor().long()
    return torch.where(shares > 0, rounded.clamp(1, n), 0)


def chosen(drawn, count):
    """As many entries of each row as ``count`` says, each set of them as likely as any other.

    Entry after entry is taken with the probability that so many of those left are still to be taken (Knuth,
    volume 2, section 3.4.2, algorithm S).

    Parameters
    ----------
    drawn : int64 tensor, shape (k, b, n)
        32 random bits each.
    count : int64 tensor, shape (k,)

    Returns
    -------
    bool tensor, shape (k, b, n)

    Examples
    --------
    >>> import torch
    >>> drawn = torch.tensor([[[3 << 30, 1 << 30, 1 << 29]]])
    >>> chosen(drawn, torch.tensor([2])).tolist()
    [[[False, True, True]]]
    """
    n, out = drawn.shape[2], []
    left = count.view(-1, 1).expand(drawn.shape[:2])
    for j in range(n):
        take = (drawn[:, :, j] * (n - j)) >> 32 < left
        left = left - take.long()
        out.append(take)
    return torch.stack(out, dim=2)


class CutOut(Block):
    """Columns of rows set to their mean, in front of all that is made of the columns.

    Parameters
    ----------
    n_columns : int
    owners : tuple of int or None
        As `skreg.train.job.Spec.owners`.
    levels : tuple of int
        As `skreg.train.job.Spec.levels`: such a column is set to its last level, "unknown".
    """

    knobs = (
        Knob(
            "cutout",
            "share",
            """\
    cutout : float in [0, 1], default=0.0
        Probability that a row has ``cutout_share`` of its columns set to their mean over the training rows
        in a minibatch of training, and not at predict (DeVries and Taylor, "Improved Regularization of
        Convolutional Neural Networks with Cutout", arXiv 1708.04552, 2017; for tables Kadra et al., NeurIPS
        2021). A category becomes "unknown". Unlike ``input_dropout`` it takes the same number of columns in
        each row that it takes, and scales nothing.
""",
            splits=True,
        ),
        Knob(
            "cutout_share",
            "share",
            """\
    cutout_share : float in [0, 1], default=0.25
        Share of the columns that ``cutout`` takes in a row, rounded to whole columns and at least one. A
        column goes with all that was made of it.
""",
        ),
    )

    def __init__(self, n_columns, owners=None, levels=()):
        self.n_columns = self.n_out = n_columns
        self.levels, self.columns = levels, OfColumns(n_columns, owners)

    @classmethod
    def advice(cls, spec):
        """See `Block.advice`."""
        if not spec.cutout or spec.cutout_share:
            return []
        return ["cutout does nothing with cutout_share=0. Raise cutout_share or set cutout=0."]

    def parameters(self):
        """See `Block.parameters`."""
        return [Parameter("input_mean", (self.n_columns,), Role.FIXED)]

    def measure(self, X, weight):
        """See `Block.measure`."""
        mean, n = column_mean(X, weight), len(self.levels)
        mean[self.n_columns - n :] = np.array(self.levels) - 1.0
        return {"input_mean": mean}

    def memory(self, drops_inputs):
        """See `Block.memory`."""
        return self.n_out

    def train(self, p, a, minibatch):
        """See `Block.train`."""
        x, keys, n = a.of_members(), minibatch.keys[:, 0], self.columns.n
        k, b, _ = x.shape
        limit = limits(minibatch.knobs["cutout"]).view(k, 1, 1)
        drawn = bits(Salt.CUTOUT_COLUMNS, keys, b, n)
        cut = chosen(drawn, counts(minibatch.knobs["cutout_share"], n))
        cut = cut & (bits(Salt.CUTOUT_ROWS, keys, b) < limit)
        cut = cut[:, :, self.columns.on(x.device)]
        return SharedRows.unshared(torch.where(cut, p["input_mean"].unsqueeze(1), x))

    def evaluate(self, p, a):
        """See `Block.evaluate`."""
        return a

    def emit(self, program, a):
        """See `Block.emit`."""
        if not program.training:
            return a
        from skreg.backends.cpu.program import Value

        a, n, knobs = program.value(a), self.columns.n, program.model.knobs
        bounds = limits(torch.from_numpy(knobs.cutout)).numpy().astype(np.uint32)
        wanted = counts(torch.from_numpy(knobs.cutout_share), n).numpy()
        out, marks = program.buffer(a.n), program.address(np.zeros(n, dtype=np.int64))
        program.add(
            cutout_kernel(program.dtype),
            **{"d": a.n, "columns": n, "owner": program.address(self.columns.owner)},
            **{"x": a.at, "out": out, "mean": program.parameter("input_mean"), "marks": marks},
            **{"bounds": program.address(bounds), "counts": program.address(wanted)},
        )
        return Value(out, a.n, by_row=True)

    def missing_on_cuda(self, kernels, sparse):
        """See `Block.missing_on_cuda`."""
        return "cutout"

    def predict(self, params, steps):
        """See `Block.predict`: nothing there."""

    def describe(self, spec):
        """See `Block.describe`."""
        knobs = f"cutout={spec.cutout:g}, cutout_share={spec.cutout_share:g}"
        return [("CutOut", self.n_out, knobs)]


@functools.cache
def cutout_kernel(dtype):
    """Copy ``out`` (b, d) of a minibatch in which some columns of some rows are their ``mean`` (k, d).

    ``bounds`` (k,) are limits of the bits of rows, ``counts`` (k,) columns of a row; ``marks`` has a place
    for each of the user's columns.

    Parameters
    ----------
    dtype : str
        ``"float32"`` or ``"float64"``.
    """
    # Modules and not their functions, which numba's key of a kernel cannot hold.
    from skreg.backends.cpu import pieces

    F = getattr(np, dtype)
    ZERO, ITEM, WHOLE, BITS = F(0), np.dtype(dtype).itemsize, np.int64(0), np.uint32(0)
    ROWS, COLUMNS = np.uint32(Salt.CUTOUT_ROWS), np.uint32(Salt.CUTOUT_COLUMNS)

    @pieces.kernel("d columns owner x out mean marks bounds counts")
    def cut_out(frame, row, k):
        d, columns, owner, x, out, mean, marks, bounds, counts = pieces.numbers(row, 9)
        b = frame[pieces.B]
        x = pieces.matrix(ZERO, pieces.rows_at(frame, x), b, d)
        out, mean = pieces.matrix(ZERO, out, b, d), pieces.vector(ZERO, mean + k * d * ITEM, d)
        owner, marks = pieces.vector(WHOLE, owner, d), pieces.vector(WHOLE, marks, columns)
        bound, count = pieces.entry(BITS, bounds, k), pieces.entry(WHOLE, counts, k)
        # The keys of the inputs are the first.
        key0 = pieces.entry(BITS, frame[pieces.KEYS_0], k)
        key1 = pieces.entry(BITS, frame[pieces.KEYS_1], k)
        for i in range(b):
            base = pieces.mask_base(i)
            if pieces.salted_u32(base, ROWS, key0, key1) < bound:
                left = count
                for c in range(columns):
                    u = pieces.salted_u32(np.uint32(base + np.uint32(c)), COLUMNS, key0, key1)
                    take = 1 if (np.int64(u) * (columns - c)) >> 32 < left else 0
                    marks[c] = take
                    left -= take
                for j in range(d):
                    out[i, j] = mean[j] if marks[owner[j]] != 0 else x[i, j]
            else:
                for j in range(d):
                    out[i, j] = x[i, j]

    return cut_out
