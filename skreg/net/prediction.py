"""What blocks do at predict: steps in numpy and float64, on some rows at a time."""

from __future__ import annotations

#: Largest number of entries of the widest array of a step, its inputs included: 16 MiB.
WIDEST = 1 << 21

#: Largest number of entries of the periodic functions of a step.
WAVES = 1 << 22


class Affine:
    """``x @ weight + bias`` of rows x, dense or CSR.

    Parameters
    ----------
    weight : ndarray of shape (d, h)
    bias : ndarray of shape (h,)
    """

    def __init__(self, weight, bias):
        self.weight, self.bias = weight, bias

    def __call__(self, x):
        a = x @ self.weight
        a += self.bias
        return a

    @property
    def most_rows(self):
        """Largest number of rows that are taken at a time."""
        return WIDEST // max(self.weight.shape)


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
        """Rows x with new masks, those that stay divided by ``1 - rate``."""
        kept = (rng.random((x.shape[0], self.width)) >= rate) / (1.0 - rate)
        if hasattr(x, "toarray"):
            x = x.toarray()
        return x * (kept if self.owner is None else kept[:, self.owner])
