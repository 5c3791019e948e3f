"""Residual connections of a stack, around hidden layers of equal width (He et al. 2016)."""

from __future__ import annotations

import functools

import numpy as np
from torch import nn

from skreg.net.block import Block
from skreg.net.knob import Knob
from skreg.net.prediction import Add, Keep


class Residual(Block):
    """The blocks of a hidden layer, to whose output their input is added.

    Parameters
    ----------
    units : int
        Of what goes in and of what comes out.
    blocks : list of Block
    """

    knobs = (
        Knob(
            "residual",
            "flag",
            """\
    residual : bool, default=False
        Add the input of a hidden layer to its output, behind activation and dropout, where the hidden
        layer in front of it has as many units (He, Zhang, Ren and Sun, "Deep Residual Learning for
        Image Recognition", CVPR 2016). Layers of other widths, the first and the last one are as they
        are: (64, 64, 64) has two such layers, (64, 32) none, of which a warning is given. ``coefs_``
        are the weights of the layers without the sums, which ``module_`` has.
""",
            each="hidden",
            shared=True,
        ),
    )

    def __init__(self, units, blocks):
        self.units, self.blocks = units, tuple(blocks)
        self.work = units

    @classmethod
    def advice(cls, spec):
        """See `Block.advice`."""
        if not spec.residual or any(cls.around(i, spec.hidden) for i in range(len(spec.hidden))):
            return []
        return [
            "residual=True does nothing where no two neighbours in hidden_layer_sizes are equal: an "
            "input can only be added to an output of the same width. Give neighbouring hidden layers "
            "the same number of units, such as hidden_layer_sizes=(64, 64), or set residual=False."
        ]

    @staticmethod
    def around(layer, hidden):
        """Whether a connection goes around this hidden layer of a net with such widths."""
        return layer > 0 and hidden[layer] == hidden[layer - 1]

    def parts(self):
        """See `Block.parts`."""
        return [*(part for block in self.blocks for part in block.parts()), self]

    def memory(self, drops_inputs):
        """See `Block.memory`: the gradient of the sum, which is needed twice."""
        return self.units

    def train(self, p, a, minibatch):
        """See `Block.train`."""
        out = a
        for block in self.blocks:
            out = block.train(p, out, minibatch)
        return a + out

    def evaluate(self, p, a):
        """See `Block.evaluate`."""
        out = a
        for block in self.blocks:
            out = block.evaluate(p, out)
        return a + out

    def emit(self, program, a):
        """See `Block.emit`.

        On the way back the gradient of the sum is that of both its terms. It is copied before the blocks
        overwrite it, and added to theirs, which then stands where their input stood.
        """
        a, n = program.value(a), self.units
        kept = program.buffer(n) if program.training else None

        def add_kept(slope):
            program.add(add_kernel(program.dtype), n=n, x=kept, out=slope)
            return slope

        def keep(slope):
            program.add(copy_kernel(program.dtype), n=n, x=slope, out=kept)
            return slope

        program.on_way_back(add_kept)
        out = a
        for block in self.blocks:
            out = block.emit(program, out)
        out = program.value(out)
        program.on_way_back(keep)
        program.add(add_kernel(program.dtype), n=n, x=a.at, out=out.at)
        return out

    def paths(self, p, strength):
        """See `Block.paths`."""
        through = strength
        for block in reversed(self.blocks):
            through = block.paths(p, through)
        return strength + through

    def emit_paths(self, program, strength):
        """See `Block.emit_paths`."""
        from skreg.backends.cpu import paths

        through, into = strength, program.floats(self.units)
        for block in reversed(self.blocks):
            through = block.emit_paths(program, through)
        kernel = paths.sum_kernel(program.dtype)
        program.add(kernel, n=self.units, out=strength, through=through, into=into)
        return into

    def predict(self, params, steps):
        """See `Block.predict`."""
        steps.append(Keep())
        for block in self.blocks:
            block.predict(params, steps)
        steps.append(Add())

    def modules(self, params, spec):
        """See `Block.modules`."""
        return [Sum([module for block in self.blocks for module in block.modules(params, spec)])]

    def describe(self, spec):
        """See `Block.describe`."""
        return [("Residual", self.units, "residual")]


class Sum(nn.Module):
    """What modules make of rows, plus the rows.

    Parameters
    ----------
    modules : list of torch.nn.Module
        In their order.
    """

    def __init__(self, modules):
        super().__init__()
        self.layer = nn.Sequential(*modules)

    def forward(self, x):
        """Rows (b, h) of rows x (b, h)."""
        return x + self.layer(x)


@functools.cache
def add_kernel(dtype):
    """``out += x`` of two matrices (n, b).

    Parameters
    ----------
    dtype : str
        ``"float32"`` or ``"float64"``.
    """
    # As a module: what is bound to a kernel by name would be part of its key on disk.
    from skreg.backends.cpu import pieces

    ZERO = getattr(np, dtype)(0)

    @pieces.kernel("n x out")
    def residual_add(frame, row, k):
        n, x, out = pieces.numbers(row, 3)
        size = n * frame[pieces.B]
        x, out = pieces.vector(ZERO, x, size), pieces.vector(ZERO, out, size)
        for i in range(size):
            out[i] += x[i]

    return residual_add


@functools.cache
def copy_kernel(dtype):
    """``out = x`` of two matrices (n, b).

    Parameters
    ----------
    dtype : str
    """
    from skreg.backends.cpu import pieces

    ZERO = getattr(np, dtype)(0)

    @pieces.kernel("n x out")
    def residual_copy(frame, row, k):
        n, x, out = pieces.numbers(row, 3)
        size = n * frame[pieces.B]
        x, out = pieces.vector(ZERO, x, size), pieces.vector(ZERO, out, size)
        for i in range(size):
            out[i] = x[i]

    return residual_copy
