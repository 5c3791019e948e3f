"""What embeddings of numeric columns have in common: blocks that make several inputs of a column.

A column stays as it is, and behind all columns stand the outputs of a linear map of some functions of each
embedded one. An embedding says which functions; it is declared in `skreg.net.net.EMBEDDINGS`.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from torch import nn

from skreg.net.block import Block
from skreg.net.dropout import describe_input_dropout, keep_mask

#: Inputs of the net that an embedded column becomes: itself and the others that are made of it.
EMBEDDED_WIDTH = 4


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


class Embedding(Block):
    """The first block of a net with embedded columns, dropout of columns included.

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

    #: Its value of ``numeric_embedding``, and what the docstring of the estimators says of it.
    kind: ClassVar[str]
    doc: ClassVar[str]

    draws = "INITIAL_EMBEDDINGS"

    def __init__(self, columns, n_columns, *, before_norm):
        self.columns, self.n_columns, self.before_norm = columns, n_columns, before_norm
        self.made = (EMBEDDED_WIDTH - 1) * len(columns)
        self.n_out = n_columns + self.made
        self.owner = np.array(owners(n_columns, columns, EMBEDDED_WIDTH - 1))
        self._tensors = {}

    @property
    def module(self):
        """Class of the module that it becomes in an export; its name stands in the summary."""
        raise NotImplementedError

    def values(self, p):
        """Its parameters in their order, of what has them by name."""
        return [p[parameter.name] for parameter in self.parameters()]

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

    def is_random(self, spec):
        """See `Block.is_random`."""
        return spec.input_dropout > 0

    def modules(self, params, spec):
        """See `Block.modules`."""
        found = [self.module(self.columns, *self.values(params))]
        if spec.input_dropout:
            found.append(ColumnDropout(spec.input_dropout, self.owner.tolist()))
        return found

    def describe(self, spec):
        """See `Block.describe`."""
        knob = f"numeric_embedding={self.kind} of {len(self.columns)} columns"
        dropout = describe_input_dropout(spec, self.n_out)
        return [(self.module.__name__, self.n_out, knob), *dropout]

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
