"""What embeddings of numeric columns have in common: blocks that make several inputs of a column.

A column stays as it is, and behind all columns stand the outputs of a linear map of some functions of each
embedded one. An embedding says which functions; it is declared in `skreg.net.net.EMBEDDINGS`.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from skreg.net.block import Block
from skreg.net.dropout import (
    ColumnDropout,
    OnDevice,
    column_dropout,
    describe_input_dropout,
    owners_of,
    places_of,
)
from skreg.net.prediction import Mask

#: Inputs of the net that an embedded column becomes: itself and the others that are made of it.
EMBEDDED_WIDTH = 4


def owners(n_columns, columns, n_mixed, of=None):
    """The column that each input of an embedded net was made of.

    Parameters
    ----------
    n_columns : int
    columns : sequence of int
        The embedded ones.
    n_mixed : int
        Inputs made of each of them besides itself.
    of : sequence of int, optional
        The column of the user's table that each column was made of, by default its own.

    Returns
    -------
    list of int, length n_columns + n_mixed * len(columns)

    Examples
    --------
    >>> owners(3, (0, 2), 2)
    [0, 1, 2, 0, 0, 2, 2]
    >>> owners(3, (0, 2), 2, of=(0, 0, 1))
    [0, 0, 1, 0, 0, 1, 1]
    """
    return _with_made(owners_of(n_columns, of), columns, n_mixed).tolist()


def _with_made(owner, columns, n_mixed):
    """Owners of columns, and behind them those of what was made of some."""
    return np.concatenate([owner, np.repeat(owner[list(columns)], n_mixed)])


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
    owners : tuple of int or None
        As of `skreg.train.job.Spec`.

    Attributes
    ----------
    owner : ndarray of int, shape (n_out,)
        The column of the user's table that each output was made of.
    """

    #: Its value of ``numeric_embedding``, and what the docstring of the estimators says of it.
    kind: ClassVar[str]
    doc: ClassVar[str]

    draws = "INITIAL_EMBEDDINGS"

    def __init__(self, columns, n_columns, *, before_norm, owners=None):
        self.columns, self.n_columns, self.before_norm = columns, n_columns, before_norm
        self.made = (EMBEDDED_WIDTH - 1) * len(columns)
        self.n_out = n_columns + self.made
        self.owner = _with_made(owners_of(n_columns, owners), columns, EMBEDDED_WIDTH - 1)
        self._columns_on = OnDevice(np.array(columns, dtype=np.int64))
        self._owner_on = OnDevice(self.owner)

    @property
    def module(self):
        """Class of the module that it becomes in an export; its name stands in the summary."""
        raise NotImplementedError

    def input_names(self, columns):
        """Names of its outputs, by those of the columns: ``"age"``, ``"age~1"``, ``"age~2"``, ..."""
        made = range(1, EMBEDDED_WIDTH)
        return [*columns, *(f"{columns[j]}~{i}" for j in self.columns for i in made)]

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
        owner = self._owner_on(embedded.device)
        return column_dropout(embedded, owner, *mask, n_places=places_of(self.owner))

    def is_random(self, spec):
        """See `Block.is_random`."""
        return spec.input_dropout > 0

    def inputs_step(self, params):
        """The step of prediction that makes inputs of columns."""
        raise NotImplementedError

    def predict(self, params, steps):
        """See `Block.predict`."""
        steps += [self.inputs_step(params), Mask(0, places_of(self.owner), self.owner)]

    def inputs_module(self, params, spec):
        """The module that makes inputs of columns, dropout apart."""
        return self.module(self.columns, *self.values(params))

    def modules(self, params, spec):
        """See `Block.modules`."""
        found = [self.inputs_module(params, spec)]
        if spec.input_dropout:
            found.append(ColumnDropout(spec.input_dropout, self.owner.tolist()))
        return found

    def describe(self, spec):
        """See `Block.describe`."""
        knob = f"numeric_embedding={self.kind} of {len(self.columns)} columns"
        knobs = ", ".join([knob, *self.regularizers(spec)])
        dropout = describe_input_dropout(spec, self.n_out)
        return [(self.module.__name__, self.n_out, knobs), *dropout]

    def regularizers(self, spec):
        """What else its row of the summary says, a list."""
        return []

    def idle(self, knobs):
        """See `Block.idle`.

        A batch norm behind the first linear layer takes off what the biases add, unless inputs are
        dropped. Their gradient is zero but for rounding, which Adam would turn into steps of full size.
        """
        return {"embed_bias": self.before_norm & (knobs.threshold[0] == 0)}
