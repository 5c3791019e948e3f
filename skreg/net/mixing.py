"""Rows that are mixed with others of their minibatch in training: mix-up and cut-mix.

Each row has a partner, which the feed draws (`skreg.train.feed.Feed.partners`), and keeps a share of itself;
the rest is its partner's. Mix-up (Zhang et al. 2018) takes that share of all columns, cut-mix (Yun et al.
2019) takes whole columns. The target is mixed by the same share: its loss is that of the mixed target, which
all our losses have. The weight of a row and its share in the statistics of batch norm stay its own.
"""

from __future__ import annotations

import functools

import numpy as np
import torch
from scipy.special import betaincinv

from skreg.net.bits import Salt, bits, limits
from skreg.net.block import Block, SharedRows
from skreg.net.knob import Knob

#: Parts of equal probability that the distribution of a share is cut into. It is even within each.
PARTS = 1024

#: Bits of a draw that say where in its part a share lies.
_FINE = 22

#: Draws below this have a share below one half.
_HALF = 1 << 31


@functools.lru_cache(maxsize=256)
def beta_quantiles(alpha):
    """Quantiles 0, 1/1024, ..., 1 of the Beta(alpha, alpha); ones for an alpha of 0.

    Parameters
    ----------
    alpha : float >= 0

    Returns
    -------
    ndarray, shape (1025,)

    Examples
    --------
    >>> beta_quantiles(1.0)[[0, 256, 512, 1024]].tolist()
    [0.0, 0.25, 0.5, 1.0]
    """
    if alpha == 0:
        return np.ones(PARTS + 1)
    half = betaincinv(alpha, alpha, np.arange(PARTS // 2) / PARTS)
    # Of a tiny alpha all but the middle is zero but for rounding, which need not be ordered.
    half = np.maximum.accumulate(np.clip(np.nan_to_num(half), 0.0, 0.5))
    return np.concatenate([half, [0.5], 1 - half[::-1]])


def quantiles(alphas):
    """Tables of the shares of members with these alphas, float64, shape (k, 1025)."""
    return np.stack([beta_quantiles(float(alpha)) for alpha in alphas])


class OfColumns:
    """What blocks know that take the user's columns, each with all that was made of it.

    Parameters
    ----------
    n_columns : int
    owners : tuple of int or None
        As `skreg.train.job.Spec.owners`.

    Attributes
    ----------
    n : int
        The user's columns.
    owner : ndarray of int64, shape (n_columns,)
        Which of them each column was made of.
    """

    def __init__(self, n_columns, owners):
        owners = np.arange(n_columns) if owners is None else owners
        known, owner = np.unique(owners, return_inverse=True)
        self.n, self.owner = len(known), owner.reshape(-1).astype(np.int64)

    def on(self, device):
        """`owner` as a tensor on a device."""
        return torch.from_numpy(self.owner).to(device)


class Mixing(Block):
    """Mix-up and cut-mix, in front of all that is made of the columns.

    Parameters
    ----------
    n_columns : int
    owners : tuple of int or None
        As `skreg.train.job.Spec.owners`.
    n_levels : int
        How many of the columns, the last ones, hold numbers of levels.
    """

    knobs = (
        Knob(
            "mixup",
            "strength",
            """\
    mixup : float >= 0, default=0.0
        In training each row is mixed with another of its minibatch, and its target likewise: the row keeps a
        share that is drawn from the Beta(mixup, mixup) distribution, anew for each row and minibatch
        (Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018). The other row is drawn by
        weight. Small values, such as 0.2, mix most rows little; 1 draws all shares alike. Categories are
        taken from the row with the larger share. 0 mixes nothing.
""",
            splits=True,
        ),
        Knob(
            "cutmix",
            "share",
            """\
    cutmix : float in [0, 1], default=0.0
        Probability that a row gets some of its columns from another row of its minibatch, in training: any
        number of columns is as likely as any other, and the target is mixed by that share (Yun et al.,
        "CutMix", ICCV 2019; for tables Kadra et al., NeurIPS 2021). A column goes with all that was made of
        it. Rows that it takes are not mixed by ``mixup``.
""",
            splits=True,
        ),
    )

    mixes = True

    def __init__(self, n_columns, owners=None, n_levels=0):
        self.n_columns = self.n_out = n_columns
        self.n_numeric = n_columns - n_levels
        self.columns = OfColumns(n_columns, owners)

    @classmethod
    def advice(cls, spec):
        """See `Block.advice`."""
        if spec.batch_size > 1:
            return []
        return [
            f"{name} does nothing where minibatches have a single row: there is no other to mix it with. "
            f"Raise batch_size or set {name}=0."
            for name in ("mixup", "cutmix")
            if getattr(spec, name)
        ]

    def memory(self, drops_inputs):
        """See `Block.memory`."""
        return self.n_out + 1

    def train(self, p, a, minibatch):
        """See `Block.train`."""
        x, keys, n = a.of_members(), minibatch.keys[:, 0], self.columns.n
        k, b, d = x.shape
        other = x.gather(1, minibatch.partner.unsqueeze(2).expand(k, b, d))

        def drawn(salt, length=1):
            return bits(salt, keys, b, length)

        limit = limits(minibatch.knobs["cutmix"]).view(k, 1, 1)
        cut = drawn(Salt.CUTMIX_ROWS) < limit
        taken = drawn(Salt.CUTMIX_COLUMNS, n) < drawn(Salt.CUTMIX_SHARE)
        own_of_cut = (n - taken.sum(dim=2)).to(x.dtype) / n
        columns = torch.where(taken[:, :, self.columns.on(x.device)], other, x)
        own, blend = self._mixed(x, other, drawn(Salt.MIXUP_SHARE)[:, :, 0], minibatch)
        minibatch.own = torch.where(cut[:, :, 0], own_of_cut, own)
        return SharedRows.unshared(torch.where(cut, columns, blend))

    def _mixed(self, x, other, drawn, minibatch):
        """The share that rows keep under mix-up (k, b), and the rows (k, b, d)."""
        alphas = minibatch.knobs["mixup"]
        table = torch.from_numpy(quantiles(alphas.tolist())).to(x)
        place, fine = drawn >> _FINE, (drawn & ((1 << _FINE) - 1)).to(x.dtype) * 2.0**-_FINE
        low, high = table.gather(1, place), table.gather(1, place + 1)
        own = (low + fine * (high - low)).unsqueeze(2)
        blend = own * x + (1 - own) * other
        if self.n_numeric < self.n_out:
            # By the bits and not by the share, which rounding may move across one half.
            stays = (drawn >= _HALF) | (alphas == 0).unsqueeze(1)
            levels = torch.where(stays.unsqueeze(2), x, other)
            blend = torch.cat([blend, levels], 2)[:, :, self._numeric_then_levels(x.device)]
        return own.squeeze(2), blend

    def _numeric_then_levels(self, device):
        """Of columns mixed by shares with columns of whole rows behind them: which to take."""
        place = torch.arange(self.n_out, device=device)
        return torch.where(place < self.n_numeric, place, place + self.n_out)

    def evaluate(self, p, a):
        """See `Block.evaluate`."""
        return a

    def emit(self, program, a):
        """See `Block.emit`."""
        if not program.training:
            return a
        from skreg.backends.cpu.program import Value

        a, model = program.value(a), program.model
        out, own, knobs = program.buffer(a.n), program.buffer(1), model.knobs
        tables = quantiles(knobs.mixup).astype(program.dtype)
        bounds = limits(torch.from_numpy(knobs.cutmix)).numpy().astype(np.uint32)
        program.add(
            mixing_kernel(program.dtype),
            **{"d": a.n, "numeric": self.n_numeric, "columns": self.columns.n},
            **{"owner": program.address(self.columns.owner), "x": a.at, "out": out, "own": own},
            **{"tables": program.address(tables), "bounds": program.address(bounds)},
        )
        if model.spec.loss != "multinomial":
            o = model.net.sizes[-1]
            program.add(target_kernel(program.dtype), o=o, out=program.buffer(o))
        return Value(out, a.n, by_row=True)

    def missing_on_cuda(self, kernels, sparse):
        """See `Block.missing_on_cuda`."""
        return "mixup and cutmix"

    def predict(self, params, steps):
        """See `Block.predict`: a row at predict has no others."""

    def describe(self, spec):
        """See `Block.describe`."""
        on = [f"{name}={getattr(spec, name):g}" for name in ("mixup", "cutmix")]
        return [("Mixing", self.n_out, ", ".join(text for text in on if not text.endswith("=0")))]


@functools.cache
def mixing_kernel(dtype):
    """Mixed copy ``out`` (b, d) of a minibatch, and what each row keeps of itself, ``own`` (b,).

    ``tables`` (k, 1025) are quantiles of shares, ``bounds`` (k,) limits of the bits of rows that are cut; the
    columns behind the first ``numeric`` hold numbers of levels.

    Parameters
    ----------
    dtype : str
        ``"float32"`` or ``"float64"``.
    """
    # Modules and not their functions, which numba's key of a kernel cannot hold.
    from skreg.backends.cpu import pieces

    F = getattr(np, dtype)
    ZERO, ONE, ITEM, WHOLE, BITS = F(0), F(1), np.dtype(dtype).itemsize, np.int64(0), np.uint32(0)
    SHARE, ROWS = np.uint32(Salt.MIXUP_SHARE), np.uint32(Salt.CUTMIX_ROWS)
    CUT, COLUMNS = np.uint32(Salt.CUTMIX_SHARE), np.uint32(Salt.CUTMIX_COLUMNS)
    LENGTH, HALF, UNIT = PARTS + 1, np.uint32(_HALF), F(2.0**-_FINE)
    FINE, BELOW = np.uint32(_FINE), np.uint32((1 << _FINE) - 1)

    @pieces.kernel("d numeric columns owner x out own tables bounds")
    def mix(frame, row, k):
        d, numeric, columns, owner, x, out, own, tables, bounds = pieces.numbers(row, 9)
        b = frame[pieces.B]
        frame[pieces.OWN] = own
        x = pieces.matrix(ZERO, pieces.rows_at(frame, x), b, d)
        out, own = pieces.matrix(ZERO, out, b, d), pieces.vector(ZERO, own, b)
        partner = pieces.vector(WHOLE, frame[pieces.PARTNER], b)
        owner = pieces.vector(WHOLE, owner, d)
        table = pieces.vector(ZERO, tables + k * LENGTH * ITEM, LENGTH)
        bound = pieces.entry(BITS, bounds, k)
        # The keys of the inputs are the first.
        key0 = pieces.entry(BITS, frame[pieces.KEYS_0], k)
        key1 = pieces.entry(BITS, frame[pieces.KEYS_1], k)
        for i in range(b):
            base, p = pieces.mask_base(i), partner[i]
            if pieces.salted_u32(base, ROWS, key0, key1) < bound:
                share, taken = pieces.salted_u32(base, CUT, key0, key1), 0
                for c in range(columns):
                    u = pieces.salted_u32(np.uint32(base + np.uint32(c)), COLUMNS, key0, key1)
                    taken += 1 if u < share else 0
                own[i] = F(columns - taken) / F(columns)
                for j in range(d):
                    place = np.uint32(base + np.uint32(owner[j]))
                    u = pieces.salted_u32(place, COLUMNS, key0, key1)
                    out[i, j] = x[p, j] if u < share else x[i, j]
            else:
                u = pieces.salted_u32(base, SHARE, key0, key1)
                place = np.int64(u >> FINE)
                # By way of int32: processors have no instruction that makes floats of uint32.
                fine = F(np.int32(u & BELOW)) * UNIT
                mine = table[place] + fine * (table[place + 1] - table[place])
                own[i] = mine
                for j in range(numeric):
                    out[i, j] = mine * x[i, j] + (ONE - mine) * x[p, j]
                stays = u >= HALF or table[0] == ONE
                for j in range(numeric, d):
                    out[i, j] = x[i, j] if stays else x[p, j]

    return mix


@functools.cache
def target_kernel(dtype):
    """Mixed copy ``out`` (o, b) of targets that are numbers, which takes their place in the frame.

    Parameters
    ----------
    dtype : str
    """
    from skreg.backends.cpu import pieces

    F = getattr(np, dtype)
    ZERO, ONE, WHOLE = F(0), F(1), np.int64(0)

    @pieces.kernel("o out")
    def mix_targets(frame, row, k):
        o, out = pieces.numbers(row, 2)
        b, apart = frame[pieces.B], frame[pieces.Y_STRIDE]
        y = pieces.matrix(ZERO, frame[pieces.Y], o, apart)
        frame[pieces.Y] = out
        out = pieces.matrix(ZERO, out, o, apart)
        partner = pieces.vector(WHOLE, frame[pieces.PARTNER], b)
        own = pieces.vector(ZERO, frame[pieces.OWN], b)
        for q in range(o):
            for i in range(b):
                out[q, i] = own[i] * y[q, i] + (ONE - own[i]) * y[q, partner[i]]

    return mix_targets
