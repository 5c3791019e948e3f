"""The protocol of the blocks that a net is a list of, and what they are told on their way.

Shapes: k members of s streams, b rows of a minibatch, d inputs, h units. Between blocks activations are
features first, ``(k, h, b)``; the first block is given rows, as tables have them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch


class Block:
    """One part of a net, with all that it does. A subclass overrides what it has."""

    #: The `Knob` declarations of what it can be told.
    knobs = ()

    #: Name of the `skreg.train.random.Purpose` that its initial numbers are drawn for. Blocks of one
    #: purpose draw one after the other from one generator, so that others change nothing for them.
    draws = "INITIAL_WEIGHTS"

    #: Entries a row of what it makes anew.
    width = 0

    #: Of a first block: the column of the user's table that each of its outputs was made of.
    owner = None

    #: Of a first block: how many of its outputs were made of something that is learned; they come last.
    made = 0

    #: Whether it mixes rows with others of their minibatch, and says so in `Minibatch.own`: targets are
    #: then mixed likewise.
    mixes = False

    #: Multiply-adds of a row on its way forward, kernels of the rows included: what plans are made by.
    work = 0

    #: Name of a parameter of another block whose steps of the solver are this block's (`step`,
    #: `emit_step`); None for none.
    steps = None

    #: Whether it undoes the scale of the weights in front of it: penalties on them then cannot do what
    #: their names say. Its first knob is the flag that turns it on.
    undoes_scale = False

    @classmethod
    def check(cls, values):
        """Refuse values of parameters that cannot be had together, before anything is trained.

        Parameters
        ----------
        values : dict
            The fields of a spec that are known without data: those of all knobs, and ``hidden``.

        Raises
        ------
        ValueError
        """

    @classmethod
    def advice(cls, spec):
        """What to warn of: parameters that do not do what their names say. A list of texts.

        Texts that hold no numbers are said once in a search over many.

        Parameters
        ----------
        spec : Spec
        """
        return []

    def parts(self):
        """The blocks that count, a list: itself, and in front of it those that it holds.

        Rows go through a block that holds others as through any other. Parameters and costs are each
        block's own.
        """
        return [self]

    def flops(self, trained_inputs):
        """Floating-point operations of its products in training, forward and backward, of a row.

        Parameters
        ----------
        trained_inputs : int
            How many of its inputs need a gradient: those that were made of something that is learned.
        """
        return 0

    def memory(self, drops_inputs):
        """Floats a row that a member needs for itself in training.

        Parameters
        ----------
        drops_inputs : bool
            Whether any member has input dropout.
        """
        return 0

    def parameters(self):
        """List of `Parameter`, in the order in which `init` draws them."""
        return []

    def init(self, rng, spec):
        """Initial values of the parameters that are learned or tracked, float64 arrays by name.

        Those of one member.

        Parameters
        ----------
        rng : numpy.random.Generator
        spec : Spec
            Of which only knobs that say so (`Knob.starts`) may be read.
        """
        return {}

    def measure(self, X, weight):
        """Values of the parameters that are fixed, by what the training rows are.

        Parameters
        ----------
        X : ndarray or CSR matrix, shape (n, d)
            Those of one stream: the members of a stream share what is measured.
        weight : ndarray or None, shape (n,)
            What each row counts.

        Returns
        -------
        dict of float64 ndarray
        """
        return {}

    def train(self, p, a, minibatch):
        """Activations on the way of training, in operations of torch that autograd follows.

        Parameters
        ----------
        p : dict of tensor
            Learned and fixed parameters by name, shape (k, ...).
        a : tensor, shape (k, d, b), or SharedRows for the first block
        minibatch : Minibatch

        Returns
        -------
        tensor, shape (k, h, b), or SharedRows
        """
        raise NotImplementedError

    def evaluate(self, p, a):
        """Activations at predict.

        Parameters
        ----------
        p : dict of tensor
            All parameters by name.
        a : tensor, shape (k, d, b), or rows (1, b, d) for the first block

        Returns
        -------
        tensor, shape (k, h, b)
        """
        raise NotImplementedError

    def emit(self, program, a):
        """Append its calls to the program of a net on the CPU, and note what it does on the way back.

        Parameters
        ----------
        program : skreg.backends.cpu.program.Program
            Of training, or of evaluation (`Program.training`).
        a : skreg.backends.cpu.program.Value or Units
            What the blocks before it have made.

        Returns
        -------
        Value or Units

        Raises
        ------
        NotImplementedError
            Where it is not written for the CPU; the reference trains such nets.
        """
        raise NotImplementedError(f"{type(self).__name__} has no kernels for the CPU")

    def step(self, step):
        """Carry out a step of the solver on the parameter that it `steps`, in the reference.

        Parameters
        ----------
        step : skreg.backends.reference.SolverStep
        """
        raise NotImplementedError

    def emit_step(self, program, step):
        """Append that step to the program of a minibatch on the CPU.

        Parameters
        ----------
        program : skreg.backends.cpu.program.Training
        step : dict of int
            What the row of a solver holds (`skreg.backends.cpu.optimisers.solver_kernel`).
        """
        raise NotImplementedError

    def paths(self, p, strength):
        """Squared strength of the paths from each of its inputs to the outputs of the net.

        Parameters
        ----------
        p : dict of tensor
            All parameters by name, shape (k, ...).
        strength : tensor, shape (k, h)
            That of the paths from each of its outputs.

        Returns
        -------
        tensor, shape (k, d)
        """
        return strength

    def emit_paths(self, program, strength):
        """Append that to the program of a minibatch on the CPU.

        Parameters
        ----------
        program : skreg.backends.cpu.program.Training
        strength : int
            Address of those of its outputs, (h,).

        Returns
        -------
        int
            Address of those of its inputs, (d,).
        """
        return strength

    def launch(self, tape, a):
        """Append its launches in training to those of a minibatch on CUDA.

        Of the way forward at once; of the way back by `tape.on_way_back`. A net with a block that does not
        have this is trained by the reference there.

        Parameters
        ----------
        tape : skreg.backends.cuda.tape.Tape
        a : skreg.backends.cuda.tape.Value or Units
            What the block in front of it made; None for the first block.

        Returns
        -------
        Value or Units
        """
        raise NotImplementedError

    def missing_on_cuda(self, kernels, sparse):
        """What is missing for `launch` to be called, in words; "" where nothing is.

        Parameters
        ----------
        kernels : module
            `skreg.backends.cuda.kernels`.
        sparse : bool
            Whether the tables are; of concern to first blocks.
        """
        return type(self).__name__ if type(self).launch is Block.launch else ""

    def one_by_one(self, device, rows):
        """Whether the reference calls it faster for one member after the other than for all together.

        Parameters
        ----------
        device : torch.device
        rows : int
            Of a minibatch.
        """
        return False

    def is_random(self, spec):
        """Whether it draws random numbers in training that Monte-Carlo prediction draws as well."""
        return False

    def predict(self, params, steps):
        """Append what it does at predict to the steps of a net (`skreg.net.prediction`).

        Parameters
        ----------
        params : dict of ndarray
            Of k nets, shape (k, ...). Steps are made in float64.
        steps : list of callable
            Those of the blocks before it. The last one may be replaced.
        """
        raise NotImplementedError

    def modules(self, params, spec):
        """The torch modules that it becomes in an export, in their order.

        Parameters
        ----------
        params : dict of array or tensor
            Of one net; tensors are used as they are, so that the modules share their memory.
        spec : Spec

        Returns
        -------
        list of torch.nn.Module
        """
        return []

    def describe(self, spec):
        """Its rows in the summary of a net.

        Parameters
        ----------
        spec : Spec

        Returns
        -------
        list of (str, int, str)
            Name, units and active regularizers.
        """
        return []

    def idle(self, knobs):
        """Parameters that some members leave where they start, bool arrays (k,) by name."""
        return {}


@dataclass
class SharedRows:
    """The rows of a minibatch; the members of one stream share them.

    Attributes
    ----------
    x : tensor, shape (s, b, d)
    streams : list of slice
        The members of each stream.
    stream_of : int64 tensor, shape (k,)
    """

    x: torch.Tensor
    streams: list
    stream_of: torch.Tensor

    @classmethod
    def unshared(cls, rows):
        """Rows of members that share none, shape (k, b, d)."""
        k = len(rows)
        return cls(rows, [slice(i, i + 1) for i in range(k)], torch.arange(k, device=rows.device))

    def of_members(self):
        """The rows of each member, shape (k, b, d)."""
        return self.x[self.stream_of]


@dataclass
class Minibatch:
    """What blocks are told of a minibatch, and what they have seen in it.

    Attributes
    ----------
    share : tensor, shape (k, b)
        Share of each row in the statistics of batch norm; rows sum to 1.
    masks : list of tuple or None
        For the inputs and each hidden layer ``rate``, ``threshold`` and ``keys`` as
        `skreg.net.dropout` takes them; None where no member drops anything.
    keys : int64 tensor, shape (2, places, k)
        Of random bits: for the inputs and each hidden layer.
    knobs : dict of tensor
        Of all knobs that differ from member to member, by name, shape (k,) or (layers, k).
    seen : dict of tensor
        By the name of a tracked parameter, what this minibatch moves it towards.
    partner : int64 tensor, shape (k, b), or None
        Places of the rows that each row may be mixed with, where a block `Block.mixes`.
    own : tensor, shape (k, b), or None
        The share that a row has of itself, the rest being its partner's; None where none is mixed.
    became : dict of tensor
        By the name of a tracked parameter, what it is behind this minibatch.
    draw_masks : callable or None
        What draws the masks of a module of the user's in place of `skreg.net.own.layers.masks_of`: takes and
        returns the same.
    """

    share: torch.Tensor
    masks: list
    keys: torch.Tensor | None = None
    knobs: dict = field(default_factory=dict)
    seen: dict = field(default_factory=dict)
    partner: torch.Tensor | None = None
    own: torch.Tensor | None = None
    became: dict = field(default_factory=dict)
    draw_masks: Callable | None = None
