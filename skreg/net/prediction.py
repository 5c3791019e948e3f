"""What blocks do at predict: steps in numpy, on some rows at a time, of several nets at once.

Steps are made in float64, and work in the precision of their arrays, which rows come in as well.

Shapes: k nets, b rows, d inputs, h units. A step takes rows (k, b, d), or (1, b, d) where the nets share
them, and gives (k, b, h). The first one is also given sparse rows: a list of k CSR matrices (b, d), or of 1.
"""

from __future__ import annotations

import numpy as np

#: Largest number of entries of the widest array of one net in a step, its inputs included: 16 MiB.
WIDEST = 1 << 21

#: Largest number of periodic functions that are held at a time: half a MiB, which stays in the cache.
WAVES = 1 << 16


def dense(x):
    """Rows of the first step as an array."""
    return np.stack([part.toarray() for part in x]) if isinstance(x, list) else x


def some_nets(steps, places):
    """The steps of a slice of the nets; arrays are views."""
    return [step.of(places) if hasattr(step, "of") else step for step in steps]


def in_precision(steps, dtype):
    """The steps with arrays of another precision, each rounded once."""
    return [step.to(dtype) if hasattr(step, "to") else step for step in steps]


class Affine:
    """``x @ weight + bias`` of rows x, dense or sparse.

    Parameters
    ----------
    weight : ndarray of shape (k, d, h)
    bias : ndarray of shape (k, 1, h)
    """

    def __init__(self, weight, bias):
        self.weight, self.bias = weight, bias

    def __call__(self, x):
        """Rows (k, b, h)."""
        if isinstance(x, list):
            shared = len(x) == 1
            a = np.stack([x[0 if shared else i] @ w for i, w in enumerate(self.weight)])
        else:
            a = np.matmul(x, self.weight)
        a += self.bias
        return a

    def of(self, places):
        """That of a slice of the nets."""
        return Affine(self.weight[places], self.bias[places])

    def to(self, dtype):
        """That in another precision."""
        return Affine(self.weight.astype(dtype), self.bias.astype(dtype))

    @property
    def width(self):
        """Entries a row of its widest side."""
        return max(self.weight.shape[1:])


class Keep:
    """Keeps the rows as they are here, for the `Add` that belongs to it."""


class Add:
    """Adds the rows that were last kept to what has become of them."""


class Random:
    """A step that does nothing at predict, and something random in Monte-Carlo prediction."""

    def draw(self, x, spec, rng):
        """Rows x as a net of this spec has them in training.

        Parameters
        ----------
        x : ndarray or CSR matrix
        spec : Spec
        rng : numpy.random.Generator
        """
        raise NotImplementedError


class Mask(Random):
    """Where something is dropped: nothing at predict, a random mask per row in Monte-Carlo dropout.

    Parameters
    ----------
    place : int
        0 is that of the inputs, i + 1 that of hidden layer i.
    width : int
        Entries that are dropped one by one.
    owner : ndarray of int, optional
        Which of them each entry of a row goes with, where what was made of an entry is dropped with it.
    """

    def __init__(self, place, width, owner=None):
        self.place, self.width, self.owner = place, width, owner

    def draw(self, x, spec, rng):
        """See `Random.draw`."""
        rate = (spec.input_dropout, *spec.dropout)[self.place]
        return self.drop(x, rate, rng) if rate else x

    def drop(self, x, rate, rng):
        """Rows x of one net with new masks, those that stay divided by ``1 - rate``."""
        x = dense(x)
        kept = (rng.random((x.shape[1], self.width)) >= rate) / (1.0 - rate)
        return x * (kept if self.owner is None else kept[:, self.owner])
