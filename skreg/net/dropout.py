"""Inverted dropout of a stack (Srivastava et al. 2014): identity at predict.

Masks compare a 32-bit hash (two rounds of multiply and xor-shift, constants found by Wellons' hash
prospector) of an entry's number with a threshold: they need no generator, and the kernels store none.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from skreg.net.block import Block
from skreg.net.knob import Knob
from skreg.net.prediction import Mask

_MASK32 = 0xFFFFFFFF

#: Distance between the numbers of two neighbours in a mask: 2^32 over the golden ratio, whose
#: multiples stay far from each other, so that lines do not overlap (Knuth, volume 3, section 6.4).
LINE_STRIDE = 0x9E3779B1


def hash_u32(counter, key0, key1):
    """The hash of the compiled kernels in torch int64 arithmetic; shapes broadcast."""
    x = counter ^ key0
    x = x ^ (x >> 16)
    x = (x * 0x21F0AAAD) & _MASK32
    x = (x + key1) & _MASK32
    x = x ^ (x >> 15)
    x = (x * 0x735A2D97) & _MASK32
    return x ^ (x >> 15)


def keep_mask(lines, length, keys, threshold, device):
    """Which entries stay.

    Parameters
    ----------
    lines, length : int
        Units and rows of the minibatch, or rows and inputs. Entry j of line i is number
        ``i * LINE_STRIDE + j``: it does not depend on the length, which includes padding.
    keys : tuple of two int64 tensors, shape (k,)
    threshold : int64 tensor, shape (k,)

    Returns
    -------
    keep : bool tensor, shape (k, lines, length)
    """
    starts = torch.arange(lines, device=device).view(1, lines, 1) * LINE_STRIDE
    counter = (starts + torch.arange(length, device=device)) & _MASK32
    bits = hash_u32(counter, keys[0].view(-1, 1, 1), keys[1].view(-1, 1, 1))
    return bits >= threshold.view(-1, 1, 1)


def dropout(a, rate, threshold, keys):
    """Zero each entry with its member's rate and divide the others by ``1 - rate``.

    Members that share keys share the random bits, so that a member draws the same mask alone.

    Parameters
    ----------
    a : tensor, shape (k, h, b)
        Of k members, h units and b rows.
    rate : tensor, shape (k,)
        At least 0 and below 1.
    threshold : int64 tensor, shape (k,)
        ``rate * 2^32``.
    keys : pair of int64 tensors, shape (k,)
        What the masks are drawn from.

    Returns
    -------
    tensor, shape (k, h, b)

    References
    ----------
    Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", JMLR 2014.

    Examples
    --------
    >>> import torch
    >>> a, keys = torch.ones(2, 3, 1000), (torch.tensor([7, 7]), torch.tensor([9, 9]))
    >>> rate = torch.tensor([0.0, 0.5])
    >>> out = dropout(a, rate, (rate.double() * 2**32).long(), keys)
    >>> out[0].unique().tolist(), out[1].unique().tolist()
    ([1.0], [0.0, 2.0])
    """
    k, h, b = a.shape
    keep = keep_mask(h, b, keys, threshold, a.device)
    return torch.where(keep, a / (1 - rate).view(k, 1, 1), torch.zeros_like(a))


def owners_of(n_columns, owners=None):
    """The column of the user's table that each column of a net's table was made of.

    Parameters
    ----------
    n_columns : int
        Of the net's table.
    owners : sequence of int or None
        As of `skreg.train.job.Spec`: by default each was made of its own.

    Returns
    -------
    ndarray of int, shape (n_columns,)

    Raises
    ------
    ValueError
        Where there is not one for each column.

    Examples
    --------
    >>> owners_of(3).tolist(), owners_of(3, (0, 1, 1)).tolist()
    ([0, 1, 2], [0, 1, 1])
    """
    if owners is None:
        return np.arange(n_columns)
    if len(owners) != n_columns:
        raise ValueError(
            f"owners={owners!r} names {len(owners)} columns of a table that has {n_columns}. Give one for "
            "each of them, or None."
        )
    return np.array(owners, dtype=np.int64)


def places_of(owner):
    """Places of a mask that has one for each column of the user's table, by the owners of the inputs."""
    return int(owner.max(initial=-1)) + 1


def input_dropout(x, rate, threshold, keys, owner=None, n_places=None):
    """Dropout of inputs, one mask a member.

    Parameters
    ----------
    x : tensor, shape (k, b, d)
        Rows first, as tables are.
    rate, threshold, keys
        As of `dropout`.
    owner : int64 tensor, shape (d,), optional
        Place in the mask of each input: inputs of one place are dropped together. By default each has its
        own.
    n_places : int, optional
        Places of the mask. Without it the owners are asked, for which a GPU has to be waited for.

    Returns
    -------
    tensor, shape (k, b, d)
    """
    if owner is None:
        return dropout(x, rate, threshold, keys)
    n_places = int(owner.max()) + 1 if n_places is None else n_places
    keep = keep_mask(x.shape[1], n_places, keys, threshold, x.device)[:, :, owner]
    return torch.where(keep, x / (1 - rate).view(-1, 1, 1), torch.zeros_like(x))


def column_dropout(a, owner, rate, threshold, keys, n_places=None):
    """Dropout of columns behind their embedding: with a column goes all that was made of it.

    The masks are those of `input_dropout` on the columns.

    Parameters
    ----------
    a : tensor, shape (k, n, b)
        Features first.
    owner : int64 tensor, shape (n,)
        Column of each feature.
    rate, threshold, keys, n_places
        As of `input_dropout`.

    Returns
    -------
    tensor, shape (k, n, b)
    """
    n_places = int(owner.max()) + 1 if n_places is None else n_places
    keep = keep_mask(a.shape[2], n_places, keys, threshold, a.device)[:, :, owner].mT
    return torch.where(keep, a / (1 - rate).view(-1, 1, 1), torch.zeros_like(a))


class OnDevice:
    """An array of int as a tensor, made once for each device that asks for it.

    Parameters
    ----------
    array : ndarray of int
    """

    def __init__(self, array):
        self._array, self._tensors = array, {}

    def __call__(self, device):
        """The tensor there."""
        if device not in self._tensors:
            self._tensors[device] = torch.tensor(self._array, device=device)
        return self._tensors[device]


class Dropout(Block):
    """Dropout of the units of a hidden layer.

    Parameters
    ----------
    layer : int
        Number of the hidden layer, from 0; masks have the inputs' in front of theirs.
    units : int
    """

    knobs = (
        Knob(
            "dropout",
            "rate",
            """\
    dropout : float in [0, 1) or array-like of shape (n_hidden_layers,), default=0.2
        Rate of *dropping* hidden units in training, one for all hidden layers or one for each. The
        units that stay are scaled up in training, so prediction uses all units as they are [1]_.
""",
            each="hidden",
        ),
    )

    def __init__(self, layer, units):
        self.layer, self.place, self.units = layer, layer + 1, units

    def train(self, p, a, minibatch):
        """See `Block.train`."""
        mask = minibatch.masks[self.place]
        return a if mask is None else dropout(a, *mask)

    def evaluate(self, p, a):
        """See `Block.evaluate`."""
        return a

    def emit(self, program, a):
        """See `Block.emit`: it becomes part of the kernel of its units (`skreg.backends.cpu.units`)."""
        return program.units(a, dropout=self.place)

    def launch(self, tape, a):
        """See `Block.launch`."""
        return tape.units(a, dropout=self.place)

    def is_random(self, spec):
        """See `Block.is_random`."""
        return spec.dropout[self.layer] > 0

    def predict(self, params, steps):
        """See `Block.predict`."""
        steps.append(Mask(self.place, self.units))

    def modules(self, params, spec):
        """See `Block.modules`."""
        rate = spec.dropout[self.layer]
        return [nn.Dropout(rate)] if rate else []

    def describe(self, spec):
        """See `Block.describe`."""
        rate = spec.dropout[self.layer]
        return [("Dropout", self.units, f"dropout={rate:g}")] if rate else []


class InputDropout(Block):
    """The first block of a net whose columns are taken as they are: dropout of inputs.

    Parameters
    ----------
    n_columns : int
    owners : tuple of int or None
        As of `skreg.train.job.Spec`: columns of one owner are dropped together.

    Attributes
    ----------
    owner : ndarray of int, shape (n_columns,)
        The column of the user's table that each was made of.
    """

    knobs = (
        Knob(
            "input_dropout",
            "rate",
            """\
    input_dropout : float in [0, 1), default=0.0
        Rate of dropping inputs. A column is dropped together with all that was made of it.
""",
            splits=True,
        ),
    )

    def __init__(self, n_columns, owners=None):
        self.n_columns = self.n_out = n_columns
        self.owner, self._together = owners_of(n_columns, owners), owners is not None
        self._on = OnDevice(self.owner)

    def memory(self, drops_inputs):
        """See `Block.memory`."""
        return self.n_out if drops_inputs else 0

    def train(self, p, a, minibatch):
        """See `Block.train`; members that drop nothing go on sharing the rows of their stream."""
        mask = minibatch.masks[0]
        if mask is None:
            return a
        rows = a.of_members()
        owner = self._on(rows.device) if self._together else None
        return input_dropout(rows, *mask, owner=owner, n_places=places_of(self.owner)).mT

    def evaluate(self, p, a):
        """See `Block.evaluate`."""
        return a.mT

    def emit(self, program, a):
        """See `Block.emit`."""
        if not (program.training and program.model.knobs.drops_inputs):
            return a
        from skreg.backends.cpu.program import Value
        from skreg.backends.cpu.units import input_dropout_kernel

        a = program.value(a)
        out, kernel = program.buffer(a.n), input_dropout_kernel(program.dtype)
        owners = program.owners(self.owner)
        program.add(kernel, d=a.n, x=a.at, out=out, owners=owners, **program.mask(0))
        return Value(out, a.n, by_row=True)

    def launch(self, tape, a):
        """See `Block.launch`."""
        return tape.gather(self.owner, drops=tape.drops(0))

    def missing_on_cuda(self, kernels, sparse):
        """See `Block.missing_on_cuda`."""
        return "sparse tables" if sparse else ""

    def is_random(self, spec):
        """See `Block.is_random`."""
        return spec.input_dropout > 0

    def predict(self, params, steps):
        """See `Block.predict`."""
        steps.append(Mask(0, places_of(self.owner), self.owner if self._together else None))

    def input_names(self, columns):
        """Names of its outputs, by those of the columns."""
        return columns

    def inputs_step(self, params):
        """The step of prediction that makes inputs of columns; None, as it takes them as they are."""

    def inputs_module(self, params, spec):
        """The module that makes inputs of columns, dropout apart; None, as it takes them as they are."""

    def modules(self, params, spec):
        """See `Block.modules`."""
        if not spec.input_dropout:
            return []
        if self._together:
            return [ColumnDropout(spec.input_dropout, self.owner.tolist())]
        return [nn.Dropout(spec.input_dropout)]

    def describe(self, spec):
        """See `Block.describe`."""
        return describe_input_dropout(spec, self.n_out)


def describe_input_dropout(spec, n_inputs):
    """Row of the summary for dropout of inputs, where there is any."""
    rate = spec.input_dropout
    return [("Dropout", n_inputs, f"input_dropout={rate:g}")] if rate else []


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
