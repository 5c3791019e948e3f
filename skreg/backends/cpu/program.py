"""Programs: what a net is for the compiled loop, as tables that its blocks write.

A program is a list of calls. Blocks append theirs for the way forward (`Block.emit`) and say what they
do on the way back. What stands in a row are sizes and addresses; all buffers of a program belong to one
thread.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from skreg.backends.constants import LOSSES
from skreg.backends.cpu import closing
from skreg.backends.cpu.losses import loss_kernel, mixed_multinomial_kernel
from skreg.backends.cpu.optimisers import bias_correction_kernel, max_norm_kernel, solver_kernel
from skreg.backends.cpu.pieces import AT_HAND
from skreg.backends.cpu.products import gemm_address, product_kernel
from skreg.backends.cpu.units import (
    backward_kernel,
    evaluation_kernel,
    forward_kernel,
    store_kernel,
)
from skreg.net.activation import NUMBERS
from skreg.net.parameter import Role
from skreg.train.watch import BEFORE

#: Bytes.
CACHE_LINE = 64


@dataclass(frozen=True)
class Value:
    """Activations of one member, as blocks hand them to each other.

    Attributes
    ----------
    at : int
        Address of a matrix (n, b) in C order, or (b, n) where it is ``by_row``; `AT_HAND` for the rows
        of the minibatch.
    n : int
        Features.
    by_row : bool
    trained : int
        How many of the features, the last ones, need a gradient. It takes their place.
    """

    at: int
    n: int
    by_row: bool = False
    trained: int = 0


@dataclass(frozen=True)
class Units:
    """Units whose shift, norm, activation and dropout are still to come, for one kernel that does it all.

    Attributes
    ----------
    at : int
        Address of what has been computed, (n, b).
    n : int
    shift : str or None
        Name of the parameter that is added.
    norm : tuple of str or None
        Names of scale, running mean and running variance of a batch norm.
    activation : str or None
    dropout : int or None
        Place of its mask.
    """

    at: int
    n: int
    shift: str | None = None
    norm: tuple[str, str, str] | None = None
    activation: str | None = None
    dropout: int | None = None


class Program:
    """Calls for one member after the other, and the buffers that they share.

    Parameters
    ----------
    model : Model
    nets : State or Snapshot
        Whose parameters are read.
    rows : int
        Most rows at a time, b.
    """

    #: Whether there is a way back.
    training = False

    def __init__(self, model, nets, rows):
        self.model, self.nets, self.rows = model, nets, rows
        self.dtype, self.item = model.spec.dtype, np.dtype(model.spec.dtype).itemsize
        self.calls, self.kernels, self._kept = [], set(), []
        self._places = {**places(nets.theta), **places(nets.running)}

    def add(self, kernel, **numbers):
        """Append a call of a kernel with its numbers, by name.

        Parameters
        ----------
        kernel : Kernel
        **numbers : int

        Raises
        ------
        TypeError
            Where the names are not those that the kernel asks for.
        """
        if numbers.keys() != set(kernel.fields):
            raise TypeError(f"{kernel.name} takes {kernel.fields}, was given {tuple(numbers)}")
        self.kernels.add(kernel)
        self.calls.append([kernel.address, *(int(numbers[name]) for name in kernel.fields)])

    def table(self):
        """The calls as an int64 array, a row a call."""
        out = np.zeros((len(self.calls), max(map(len, self.calls), default=1)), dtype=np.int64)
        for line, call in zip(out, self.calls, strict=True):
            line[: len(call)] = call
        return out

    def address(self, array):
        """Address of an array in C order, which lives as long as the program."""
        if not array.flags.c_contiguous:
            raise ValueError("an array that kernels read has to be in C order")
        self._kept.append(array)
        return array.__array_interface__["data"][0]

    def floats(self, n):
        """Address of n new numbers of the precision of the net, zero; they begin with a cache line."""
        at = self.address(np.zeros(n + CACHE_LINE // self.item, dtype=self.dtype))
        return at + -at % CACHE_LINE

    def buffer(self, n):
        """Address of a new matrix (n, b)."""
        return self.floats(n * self.rows)

    def parameter(self, name):
        """Address of a parameter, learned or tracked, (k, ...)."""
        return self._places[name]

    def knob(self, values):
        """Address of a number a member, in the precision of the net."""
        return self.address(np.ascontiguousarray(values, dtype=self.dtype))

    def owners(self, owner):
        """Address of the place in the mask of input dropout that each input has, as uint32."""
        return self.address(owner.astype(np.uint32))

    def mask(self, place):
        """What a kernel that drops entries is told: limits and scales of the members, place of the keys."""
        return {**self.model.no_mask, "place": 0}

    def value(self, a):
        """What blocks have made so far; units are completed."""
        return self._units(a) if isinstance(a, Units) else a

    def units(self, a, **more):
        """Units with more to come: those at hand, where what they already have comes before that.

        Parameters
        ----------
        a : Value or Units
        **more
            Fields of `Units`, in their order.
        """
        stages = "shift", "norm", "activation", "dropout"
        first = min(stages.index(name) for name in more)
        if not isinstance(a, Units) or any(getattr(a, name) is not None for name in stages[first:]):
            a = self.value(a)
            a = Units(a.at, a.n)
        return replace(a, **more)

    def on_way_back(self, function):
        """Note what a block does on the way back; not where there is none.

        Parameters
        ----------
        function : callable
            Is given the address of the gradient of what the block made. Returns that of what it was
            given, or None where nothing there needs one.
        """

    def product(self, m, n, inner, a, b, out):
        """Append ``out = a @ b``; a and b as of `factor`."""
        gemm, one, zero = self.model.gemm
        sizes = {"m": m, "n": n, "inner": inner, "out": out, "out_stride": n}
        numbers = dict(zip(("a", "a_bytes", "a_stride", "a_flip"), a, strict=True))
        numbers |= dict(zip(("b", "b_bytes", "b_stride", "b_flip"), b, strict=True))
        self.add(product_kernel(), gemm=gemm, one=one, zero=zero, **sizes, **numbers)

    def weight(self, name, h, d, first=0, flip=False):
        """Columns from ``first`` on of a parameter (h, d), as a factor of a product."""
        return self.parameter(name) + first * self.item, h * d * self.item, d, flip

    def factor(self, a, flip=False):
        """A value (n, b) as a factor of a product, transposed where flipped."""
        return (a.at, 0, a.n, not flip) if a.by_row else (a.at, 0, AT_HAND, flip)

    def part_of(self, a, first):
        """Address of the features of a value (n, b) from ``first`` on."""
        return a.at + first * self.rows * self.item

    def forward(self):
        """Walk the blocks of the net; returns its raw outputs, see `shifted`."""
        net = self.model.net
        a = Value(AT_HAND, net.n_columns, by_row=True)
        for block in net.blocks:
            a = block.emit(self, a)
        return self.shifted(a)

    def shifted(self, a):
        """What blocks have made so far, as units of which nothing but a shift is still to come."""
        if not isinstance(a, Units) or a.norm or a.activation or a.dropout is not None:
            a = Units(self.value(a).at, a.n)
        return a

    def loss_of(self, raw, first, total):
        """Add the loss of raw outputs (members, o, b) of members from ``first`` on to ``total``,
        float64 (k,).

        Without smoothing; the outputs are overwritten.
        """
        o, zeros = raw.shape[1], self.floats(max(self.model.k, raw.shape[1]))
        self.add(
            self.model.loss,
            **{"o": o, "z": self.address(raw) - first * raw.strides[0], "z_bytes": raw.strides[0]},
            **{"bias": zeros, "bias_bytes": 0, "smoothings": zeros},
            **{"quantiles": self.model.quantiles, "dbias": 0, "gradient": 0},
            **{"total": self.address(total), "total_bytes": 8, "work": self.floats(2 * self.rows)},
        )

    def shift(self, units):
        """Address of what is added to units, zeros where they have no shift."""
        if units.shift is None:
            return self.floats(self.model.k * units.n)
        return self.parameter(units.shift)

    def _units(self, units):
        """Complete units, in place."""
        kernel = evaluation_kernel(
            NUMBERS[units.activation or "identity"], bool(units.norm), self.dtype
        )
        self.add(kernel, h=units.n, z=units.at, shift=self.shift(units), **self._norm(units))
        return Value(units.at, units.n, trained=units.n)

    def _norm(self, units):
        names = "gain", "running_mean", "running_variance"
        places = map(self.parameter, units.norm) if units.norm else (self.shift(units),) * 3
        return dict(zip(names, places, strict=True))


class Evaluation(Program):
    """The way forward at predict.

    `losses` or `outputs` complete it.
    """

    def losses(self, total):
        """Add the loss of a chunk of rows, without smoothing, to ``total``, an array of one float64."""
        o, no_smoothing = self.model.net.sizes[-1], self.floats(self.model.k)
        raw = self.forward()
        self.add(
            self.model.loss,
            **{
                "o": o,
                "z": raw.at,
                "z_bytes": 0,
                "bias": self.shift(raw),
                "bias_bytes": o * self.item,
            },
            **{"smoothings": no_smoothing, "quantiles": self.model.quantiles},
            **{"total": self.address(total), "total_bytes": 0},
            **{"work": self.floats(2 * self.rows), "dbias": 0, "gradient": 0},
        )
        return self.table()

    def outputs(self):
        """Write raw outputs to where the frame says that targets are."""
        raw = self.forward()
        self.add(store_kernel(self.dtype), o=raw.n, z=raw.at, shift=self.shift(raw))
        return self.table()


class Training(Program):
    """A minibatch: forward, loss, backward, update."""

    training = True

    def __init__(self, model, state, rows):
        super().__init__(model, state, rows)
        self._backs = []
        pairs, sizes = state.theta.pairs, [math.prod(shape) for _, shape in state.theta.pairs]
        start = self.floats(sum(sizes))
        starts = start + self.item * np.cumsum([0, *sizes])
        self._gradients = {name: int(at) for (name, _), at in zip(pairs, starts, strict=False)}

    def gradient(self, name):
        """Address of the gradient of a learned parameter of the member at hand."""
        return self._gradients[name]

    def gradient_of_shift(self, units):
        """Address of the gradient of the shift of units; a place that nobody reads where they have none."""
        return self.gradient(units.shift) if units.shift else self.floats(units.n)

    def mask(self, place):
        """See `Program.mask`."""
        knobs = self.model.knobs
        limits, scales = self.address(knobs.threshold[place]), self.address(knobs.scale[place])
        return {"limits": limits, "scales": scales, "place": place}

    def on_way_back(self, function):
        """See `Program.on_way_back`."""
        self._backs.append(function)

    def minibatch(self, total):
        """All calls; losses are added to ``total``, float64 (k,)."""
        model, o = self.model, self.model.net.sizes[-1]
        raw = self.forward()
        self.add(
            model.training_loss,
            **{
                "o": o,
                "z": raw.at,
                "z_bytes": 0,
                "bias": self.shift(raw),
                "bias_bytes": o * self.item,
            },
            **{"smoothings": self.knob(model.knobs.smoothing), "quantiles": model.quantiles},
            **{"total": self.address(total), "total_bytes": 8, "gradient": 1},
            **{"work": self.floats(2 * self.rows), "dbias": self.gradient_of_shift(raw)},
        )
        slope = raw.at
        while self._backs and slope is not None:
            slope = self._backs.pop()(slope)
        self._backs.clear()  # they know the program: no cycle is left behind
        self._update()
        return self.table()

    def _units(self, units):
        """Complete units, the gradient of which takes the place of what is made."""
        number, normed = NUMBERS[units.activation or "identity"], bool(units.norm)
        out, shift = self.buffer(units.n), self.shift(units)
        moments = {"mean": self.floats(units.n), "inv": self.floats(units.n)}
        shared = {"h": units.n, "z": units.at, "shift": shift, **moments}
        shared |= super().mask(0) if units.dropout is None else self.mask(units.dropout)
        norm = self._norm(units)
        self.add(forward_kernel(number, normed, self.dtype), a=out, **shared, **norm)

        def back(slope):
            dgain = self.gradient(units.norm[0]) if normed else self.floats(units.n)
            slopes = {"da": slope, "dgain": dgain, "dshift": self.gradient_of_shift(units)}
            slopes["gain"] = norm["gain"]
            self.add(backward_kernel(number, normed, self.dtype), **shared, **slopes)
            return slope

        self.on_way_back(back)
        return Value(out, units.n, trained=units.n)

    def paths(self):
        """Append the calls of `Net.paths` for the member at hand; returns the address of the result."""
        net = self.model.net
        strength = self.address(np.ones(net.sizes[-1], dtype=self.dtype))
        for block in net.behind_first():
            strength = block.emit_paths(self, strength)
        return strength

    def _update(self):
        """One step of the solver for each learned parameter."""
        model, spec, knobs = self.model, self.model.spec, self.model.knobs
        moments = [places(moment) for moment in self.nets.moments]
        if spec.solver == "sgd":
            options = self.address(np.array([spec.momentum, spec.nesterov], dtype=np.float64))
        else:
            numbers = [spec.beta_1, spec.beta_2, spec.epsilon, 0.0, 0.0]
            options = self.address(np.array(numbers, dtype=np.float64))
            self.add(bias_correction_kernel(), options=options)
        none = self.floats(model.k)
        for parameter in model.net.parameters:
            if not parameter.role.learned:
                continue
            name, n = parameter.name, math.prod(parameter.shape)
            penalised = parameter.role is Role.PENALISED
            step = {
                **{"n": n, "p": self.parameter(name), "g": self.gradient(name), "options": options},
                **{"m": moments[0][name], "v": moments[-1][name]},
                "weight_decays": self.knob(knobs.weight_decay) if penalised else none,
                "l1s": self.knob(knobs.l1[parameter.layer]) if penalised else none,
                "l2s": self.knob(knobs.l2[parameter.layer]) if penalised else none,
            }
            if name in model.net.stepped:
                model.net.stepped[name].emit_step(self, step)
            else:
                self.add(solver_kernel(spec.solver, self.dtype), **step)
            if penalised and knobs.bounds_norms:
                h, d = parameter.shape
                at, limits = self.parameter(name), self.knob(knobs.max_norm)
                self.add(max_norm_kernel(self.dtype), h=h, n=d, weight=at, max_norms=limits)


class Model:
    """What all programs of a stack share.

    Parameters
    ----------
    net : Net
    spec : Spec
        Of any member: only what the members share is read.
    knobs : Knobs
    k : int
        Number of members.

    Attributes
    ----------
    loss, training_loss : Kernel
        They differ where rows are mixed: one of two classes has a kernel of its own.
    gemm : tuple of int
        Addresses of the BLAS routine, and of a one and a zero.
    quantiles : int
        Address of the quantile of each member.
    no_mask : dict
        As of `Program.mask`, where nothing is dropped.
    """

    def __init__(self, net, spec, knobs, k):
        self.net, self.spec, self.knobs, self.k = net, spec, knobs, k
        self.loss = self.training_loss = loss_kernel(LOSSES[spec.loss], spec.dtype)
        if net.mixes and spec.loss == "multinomial":
            self.training_loss = mixed_multinomial_kernel(spec.dtype)
        self._kept = [
            np.array([1.0, 0.0], dtype=spec.dtype),
            np.ascontiguousarray(knobs.quantile, dtype=spec.dtype),
            np.zeros(k, dtype=np.uint32),
            np.ones(k, dtype=spec.dtype),
        ]
        one, self.quantiles, limits, scales = (a.ctypes.data for a in self._kept)
        self.gemm = gemm_address(spec.dtype), one, one + np.dtype(spec.dtype).itemsize
        self.no_mask = {"limits": limits, "scales": scales}


def places(buffer):
    """Address of each name of a buffer of a stack."""
    flat, out = buffer.flat.numpy(), {}
    at = flat.ctypes.data
    for name, shape in buffer.pairs:
        out[name] = at
        at += buffer.k * math.prod(shape) * flat.itemsize
    return out


def sizes(buffer):
    """Pairs of a name of a buffer of a stack and the entries that it has for a member."""
    return [(name, math.prod(shape)) for name, shape in buffer.pairs]


def averaging(model, state, average, decays, watch):
    """The program that takes the parameters of a member into its average.

    Parameters
    ----------
    model : Model
    state : State
    average : Average
    decays : ndarray of float64, shape (k,)
    watch : Watch
    """
    program = Program(model, state, 0)
    shared = {"decays": program.address(decays)}
    shared["before"] = program.address(watch.counts.numpy()[BEFORE])
    for own, new in ((average.theta, state.theta), (average.running, state.running)):
        olds, news = places(own), places(new)
        for name, n in sizes(own):
            penalised = name in model.net.penalised
            pair = {"own": olds[name], "new": news[name], "n": n}
            kernel = closing.average_kernel(program.dtype)
            program.add(kernel, **pair, penalised=penalised, **shared)
    return program


def judging(model, state, watch, total, valid, groups):
    """The program that judges the epoch of a member.

    Parameters
    ----------
    model : Model
    state : State
    watch : Watch
    total, valid : ndarray of float64, shapes (k,) and (1,)
        Sums of the losses of training and validation.
    groups : ndarray of int, shape (k,)
        Below 0 for members without validation rows.
    """
    program = Program(model, state, 0)
    for buffer in (state.theta, state.running):
        at = places(buffer)
        for name, n in sizes(buffer):
            program.add(closing.finite_kernel(program.dtype), n=n, values=at[name])
    program.add(
        closing.judge_kernel(),
        watched=program.address(watch.numbers.numpy()),
        counts=program.address(watch.counts.numpy()),
        totals=program.address(total),
        valid=program.address(valid),
        groups=program.address(groups),
    )
    return program


def keeping(model, kept, best):
    """The program that copies what is kept of a member from one buffer to the other.

    Parameters
    ----------
    model : Model
    kept : State or Average
    best : Snapshot
    """
    program = Program(model, kept, 0)
    for own, new in ((best.theta, kept.theta), (best.running, kept.running)):
        olds, news = places(own), places(new)
        for name, n in sizes(own):
            words = n * program.item // 4
            program.add(closing.keep_kernel(), words=words, own=olds[name], new=news[name])
    return program
