"""What blocks write the launches of a minibatch on (`skreg.net.block.Block.launch`).

Blocks are asked in their order: each appends what it launches on the way forward, and says what it does on
the way back. Between them goes a small object: `Value`, where activations lie, or `Units`, a product to
whose units something is still to be done. What is pending is done by whoever needs the values, so that norm,
activation and dropout of a hidden layer are one launch forward and one backward.

Shapes: k members of s streams, b rows of a minibatch, d inputs, h units.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import torch

from skreg.backends.cuda import kernels
from skreg.backends.cuda.kernels import Launch, program_width
from skreg.net.activation import NUMBERS


@dataclass(frozen=True)
class Value:
    """Activations as they lie on the device.

    Attributes
    ----------
    tensor : tensor, shape (k, d, b), or (s, d, b) where the members of a stream share them
        Features first; of tables that are taken as they are it is a view of the rows.
    trained : int, default=0
        How many of the features, the last ones, need a gradient: they were made of something learned.
    """

    tensor: torch.Tensor
    trained: int = 0


@dataclass(frozen=True)
class Units:
    """A product with what is still to be done to its units, in the order in which it is done.

    Attributes
    ----------
    product : tensor, shape (k, h, b)
    shift : str or None
        The parameter that is added: a bias, or the shift of a batch norm.
    norm : tuple of str or None
        Of a batch norm: its gain, and the running mean and variance.
    activation : str or None
    dropout : int or None
        Place of its mask among all masks.
    """

    product: torch.Tensor
    shift: str | None = None
    norm: tuple[str, str, str] | None = None
    activation: str | None = None
    dropout: int | None = None


#: What may be pending, in the order in which the row kernel does it. A batch norm is pending with its shift.
_ORDER = ("shift", "activation", "dropout")


class Tape:
    """The launches of a minibatch, and what blocks may ask for while they write them.

    Parameters
    ----------
    state : State
    gradient : Buffer
        Of all that is learned.
    knobs : Knobs
    tables : Tables
    idle : dict of bool tensor, shape (k,)
        As `skreg.net.net.Net.idle`.

    Attributes
    ----------
    launches : list of callable
    knobs : Knobs
    k, s, b, d : int
        Members, streams, rows of a minibatch, columns of the tables.
    stream_of : int64 tensor, shape (k,)
    counter : int64 tensor, shape (1,)
        Number of the minibatch in its epoch.
    """

    def __init__(self, state, gradient, knobs, tables, idle):
        self.launches, self._ways_back = [], []
        self._state, self._gradient, self._idle = state, gradient, idle
        self.knobs, self._tables = knobs, tables
        self.k, self.s, self.b, self.d = state.k, tables.s, tables.b, tables.d
        self.stream_of, self.counter = tables.stream_of, tables.counter

    # What there is.

    def parameter(self, name):
        """Something learned, shape (k, ...)."""
        return self._state.theta.view[name]

    def gradient(self, name):
        """Where its gradient is written."""
        return self._gradient.view[name]

    def tracked(self, name):
        """A running statistic, shape (k, ...)."""
        return self._state.running.view[name]

    def idle(self, name):
        """Which members leave a parameter where it starts, int64 tensor (k,), not 0 where they do."""
        return self._idle[name].long()

    def mask(self, place):
        """Keys, threshold and scale of a mask, as kernels take them: of the inputs, or a hidden layer."""
        tables = self._tables
        return tables.keys[place], tables.threshold[place], tables.scale[place]

    def drops(self, place):
        """Whether any member drops anything there."""
        return bool(self.knobs.threshold[place].any())

    def buffer(self, *shape):
        """Room for numbers of each member, shape (k, ...)."""
        return self._new(self.k, *shape)

    def _new(self, *shape):
        flat = self._state.theta.flat
        return torch.zeros(shape, dtype=flat.dtype, device=flat.device)

    def put(self, array):
        """An array as a tensor on the device."""
        return self._tables.put(array)

    def tile(self, most):
        """Rows of a tile that has at most so many in float32, and half of them in float64."""
        return program_width(self.b, most * 4 // self._state.theta.flat.itemsize)

    # What is written.

    def add(self, kernel, grid, *arguments, **constants):
        """Append the launch of a kernel (`skreg.backends.cuda.kernels.Launch`)."""
        self.launches.append(Launch(kernel, grid, arguments, constants))

    def call(self, function, *arguments, **options):
        """Append a call of a function of torch, which writes to tensors that are given."""
        self.launches.append(partial(function, *arguments, **options))

    def on_way_back(self, function):
        """Note what is done on the way back.

        Parameters
        ----------
        function : callable
            Is given the gradient of what the block made, a tensor, appends launches, and returns the
            gradient of what the block was given, or None where nothing of that is learned. It may
            overwrite both what it is given and the values in front of it: nobody needs them any more.
        """
        self._ways_back.append(function)

    def way_back(self, gradient):
        """Append all that is done on the way back, from the gradient of the product that came last."""
        for function in reversed(self._ways_back):
            gradient = function(gradient)
            if gradient is None:
                break

    # What flows between blocks.

    def units(self, a, **pending):
        """The same with something more pending, in one launch with what is pending already if it can be.

        Parameters
        ----------
        a : Value, Units, or tensor of shape (k, h, b)
        **pending
            Fields of `Units`.

        Returns
        -------
        Units

        Raises
        ------
        ValueError
            Where the values are not those of each member, features first.
        """
        if isinstance(a, Units):
            first = min(_ORDER.index(name) for name in pending if name in _ORDER)
            if all(getattr(a, name) is None for name in _ORDER[first:]):
                return replace(a, **pending)
        product = a if torch.is_tensor(a) else self.value(a).tensor
        if len(product) != self.k or not product.is_contiguous():
            raise ValueError(
                f"Units of shape {tuple(product.shape)} are not those of {self.k} members side by side, "
                "which row kernels work on: rows of a stream have to pass a linear layer first."
            )
        return Units(product, **pending)

    def product_of(self, a):
        """The product of units with only a shift pending: what else was is launched now.

        Returns
        -------
        product : tensor, shape (k, h, b)
        shift : str or None
            The parameter that is still to be added.
        """
        if isinstance(a, Units) and a.norm is None and a.activation is None and a.dropout is None:
            return a.product, a.shift
        return self.value(a).tensor, None

    def value(self, a):
        """Values with nothing pending: what was is launched now.

        Parameters
        ----------
        a : Value or Units

        Returns
        -------
        Value
        """
        if isinstance(a, Value):
            return a
        h = a.product.shape[1]
        out, mean, inverse = self.buffer(h, self.b), self.buffer(h), self.buffer(h)
        # Where nothing is learned the kernel adds zeros, and writes a slope that nobody reads.
        shift = self.parameter(a.shift) if a.shift else self.buffer(h)
        slope = self.gradient(a.shift) if a.shift else self.buffer(h)
        gain, gain_slope, tracked = shift, slope, (shift, shift)
        if a.norm:
            gain, gain_slope = self.parameter(a.norm[0]), self.gradient(a.norm[0])
            tracked = [self.tracked(name) for name in a.norm[1:]]
        own = gain, shift, mean, inverse
        self._launch_units(kernels.forward, a, a.product, out, *own, *tracked)

        def back(gradient):
            slopes = gain_slope, slope
            self._launch_units(kernels.backward, a, gradient, a.product, *own, *slopes)
            return gradient

        self.on_way_back(back)
        return Value(out, trained=h)

    def _launch_units(self, kernel, a, *own):
        h, mask = a.product.shape[1], 0 if a.dropout is None else a.dropout
        self.add(
            *(kernel, (self.k * h,), *own, self._tables.share, self.stream_of, *self.mask(mask)),
            *(self.counter, h, self.b, self.s),
            ACT=NUMBERS[a.activation or "identity"],
            NORM=a.norm is not None,
            DROP=a.dropout is not None and self.drops(a.dropout),
            BLOCK=program_width(self.b),
        )

    # What several blocks need.

    def gather(self, owner, *, drops=False, features_first=False):
        """The rows of the minibatch.

        Parameters
        ----------
        owner : ndarray of int
            Place in the mask of each column.
        drops : bool
            Drop inputs, by a mask of each member's own: so each has rows of its own.
        features_first : bool
            Whether they lie so too, or as tables have them.

        Returns
        -------
        Value
        """
        tables, b, d = self._tables, self.b, self.d
        slots, stream_of = (self.k, self.stream_of) if drops else (self.s, tables.streams)
        x = self._new(slots, *((d, b) if features_first else (b, d)))
        self.add(
            *(kernels.gather, (slots * b,), x, tables.sources, tables.order, stream_of),
            *(self.put(owner), *self.mask(0), self.counter),
            *(b, d, self.s, *((1, b) if features_first else (d, 1))),
            DROP=drops,
            BLOCK=program_width(d),
        )
        return Value(x if features_first else x.mT)

    def multiply(self, left, right, out):
        """Products of the members, ``out = left @ right``; the members of a stream may share the right one.

        Parameters
        ----------
        left : tensor, shape (k, h, n)
        right : tensor, shape (k or s, n, m)
        out : tensor, shape (k, h, m)
        """
        if len(right) == self.k:
            self.call(torch.bmm, left, right, out=out)
            return
        (_, h, n), m = left.shape, right.shape[2]
        for slots, members, count in self._parts():
            stacked, into = left[members].view(-1, count * h, n), out[members]
            self.call(torch.bmm, stacked, right[slots], out=into.view(-1, count * h, m))

    def _parts(self):
        """Slices of streams and of their members, and how many members one has.

        Where all streams have as many, one batched product serves them; else each stream has one.
        """
        streams = self._tables.members
        sizes = [members.stop - members.start for members in streams]
        if len(set(sizes)) == 1:
            yield slice(0, self.s), slice(0, self.k), sizes[0]
        else:
            for i, (members, size) in enumerate(zip(streams, sizes, strict=True)):
                yield slice(i, i + 1), members, size
