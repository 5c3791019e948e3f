"""The step of a stack written out for the CPU: one compiled call trains members on many minibatches.

No autograd, no Python between the products, buffers allocated once. Equal to
`skreg.backends.reference` up to rounding, by test.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import torch

from skreg.backends.constants import (
    BATCH_NORM_EPS,
    EMBEDDED_WIDTH,
    LOSSES,
    N_FREQUENCIES,
)
from skreg.backends.cpu.loop import minibatch_loop
from skreg.backends.cpu.losses import loss_kernel
from skreg.backends.cpu.optimisers import optimiser_kernel
from skreg.backends.cpu.periodic import embedding_gradient_kernel, embedding_kernel
from skreg.backends.cpu.pieces import address_of
from skreg.backends.cpu.products import ONE_THREAD, gemm_address
from skreg.backends.cpu.units import (
    backward_kernel,
    evaluation_kernel,
    forward_kernel,
    input_dropout_kernel,
)
from skreg.net.activation import NUMBERS
from skreg.train import lanes
from skreg.train.feed import Epoch

#: Bytes of gathered minibatches that members go through one after the other; they stay in the cache.
_BLOCK = 1 << 18

#: Validation rows that are evaluated at a time, at least; they too stay in the cache.
_VALID_ROWS = 256

#: What an embedding learns, in the order of its kernels.
_EMBEDDING = "frequency", "phase", "weight", "bias"


class FusedStep:
    """Forward, backward and update of a stack on the CPU; see `ReferenceStep` for the interface.

    Attributes
    ----------
    watch : Watch or None
        Set where the step closes epochs by itself.
    """

    #: Of dense tables it runs many epochs without Python: `run_epochs`, `close`.
    closes_epochs = True

    @staticmethod
    def kernels_of(spec):
        """Names of the kernels that a net calls, each with what it is compiled for."""
        dtype, activation = spec.dtype, spec.activation
        kernels = [
            ("loop", dtype, spec.loss == "multinomial"),
            ("layer", dtype, activation, spec.batch_norm),
            ("evaluation", dtype, activation),
            ("loss", dtype, spec.loss),
            ("optimiser", dtype, spec.solver, spec.nesterov),
        ]
        return [*kernels, ("embedding", dtype)] if spec.embedded else kernels

    def __init__(self, state, knobs, feed, spec):
        self.state, self.knobs, self.feed, self.spec = state, knobs, feed, spec
        self.k, self.net = state.k, state.net
        self.dtype = np.dtype(spec.dtype)
        classes = spec.loss == "multinomial"
        self.embedded = spec.embedded or ()
        self.evaluate = evaluation_kernel(NUMBERS[spec.activation], spec.dtype)
        self.loss = loss_kernel(LOSSES[spec.loss], spec.dtype)
        self.loop = minibatch_loop(spec.dtype, classes)
        self.total = np.zeros(self.k, dtype=self.dtype)
        self.blocks, slots = _blocks(state.theta, self.k, state.net.penalised)
        self.tables = self._tables()
        self.wiring = self._wiring(slots)
        self.numbers = self._numbers()
        self.shape = self._block_shape()
        self.valid = self._validation()
        self.watch = None
        self.workspaces = []

    def _tables(self):
        """Addresses and lengths of rows and targets, and what belongs together."""
        feed = self.feed
        dense = [rows for rows in feed.rows if not rows.sparse]
        lists = (
            [rows.data.data_ptr() for rows in dense],
            [rows.n for rows in dense],
            [y.data_ptr() for y in feed.y],
            [y.shape[-1] for y in feed.y],
            feed.stream_of,
            feed.target_of,
        )
        return tuple(np.array(values, dtype=np.int64) for values in lists)

    def _wiring(self, slots):
        """Sizes, where everything of a layer stands, blocks of parameters, and what is called."""
        spec, sizes, dtype = self.spec, self.net.sizes, self.spec.dtype
        start, slot = ({name: place[i] for name, place in slots.items()} for i in range(2))
        tracked, offset = {}, 0
        for name, shape in self.state.running.pairs:
            tracked[name] = offset
            offset += self.k * math.prod(shape)
        units = [0, *itertools.accumulate(sizes[1:])]
        layers = []
        for i in range(self.net.n_layers):
            names = (
                f"weight_{i}",
                f"gain_{i}",
                f"shift_{i}" if self.net.normed(i) else f"bias_{i}",
            )
            layers.append(
                [
                    *(start.get(name, -1) for name in names),
                    *(slot.get(name, -1) for name in names),
                    tracked.get(f"mean_{i}", -1),
                    tracked.get(f"variance_{i}", -1),
                    units[i] * self.feed.width,
                    units[i],
                ]
            )
        activation, norm = NUMBERS[spec.activation], spec.batch_norm
        kernels = (
            input_dropout_kernel(dtype),
            forward_kernel(activation, norm, dtype),
            backward_kernel(activation, norm, dtype),
            self.loss,
            optimiser_kernel(spec.solver, dtype),
            self.evaluate,
            *((embedding_kernel(dtype), embedding_gradient_kernel(dtype)) if self.embedded else ()),
        )
        calls = [gemm_address(dtype), *(address_of(kernel) for kernel in kernels)]
        places = [where.get(f"embed_{name}", 0) for where in (start, slot) for name in _EMBEDDING]
        embedding = len(self.embedded), N_FREQUENCIES, EMBEDDED_WIDTH - 1, *places
        tables = sizes, layers, self.blocks, calls, embedding, self.embedded
        return tuple(np.array(table, dtype=np.int64) for table in tables)

    def _numbers(self):
        """Parameters and what the optimiser keeps, knobs member by member, the solver's numbers."""
        state, knobs, spec = self.state, self.knobs, self.spec
        moments = [m.flat.numpy() for m in state.moments]
        if spec.solver == "sgd":
            solver = spec.momentum, spec.nesterov
        else:
            solver = spec.beta_1, spec.beta_2, spec.epsilon
        by_member = (
            np.ascontiguousarray(table.T)
            for table in (knobs.threshold, knobs.scale, knobs.l1, knobs.l2)
        )
        return (
            state.theta.flat.numpy(),
            moments[0],
            moments[-1],
            state.running.flat.numpy(),
            self.total,
            *by_member,
            *(knobs.weight_decay, knobs.max_norm, knobs.smoothing, knobs.quantile),
            np.array(solver, dtype=np.float64),
            np.array([knobs.drops_inputs, knobs.bounds_norms], dtype=np.int64),
        )

    def _validation(self):
        """Validation rows, which of them a member has, and blocks of what it tracks."""
        groups = np.zeros((len(self.feed.groups), 4), dtype=np.int64)
        group_of = np.full(self.k, -1, dtype=np.int64)
        for i, group in enumerate(self.feed.groups):
            if not group.rows.sparse:
                tensors = group.rows.data, group.y, group.weight
                at, *others = (tensor.data_ptr() for tensor in tensors)
                groups[i] = at, group.rows.n, *others
            group_of[group.members] = i
        return groups, group_of, _blocks(self.state.running, self.k, {})[0]

    def _block_shape(self):
        """Minibatches that are gathered at a time."""
        feed, sizes = self.feed, self.net.sizes
        if self.feed.sparse:
            return 1
        bytes_ = feed.width * (feed.rows[0].d + sizes[-1]) * self.dtype.itemsize
        return int(np.clip(_BLOCK // bytes_, 1, feed.steps))

    def _workspace(self):
        """What one thread writes to while it trains members."""
        feed, sizes, dtype = self.feed, self.net.sizes, self.dtype
        b, d, o = feed.width, feed.rows[0].d, sizes[-1]
        classes = self.spec.loss == "multinomial"
        if feed.sparse:
            x, y = (t.unsqueeze(1).numpy() for t in (feed.x_batch, feed.y_batch))
        else:
            x = np.zeros((1, self.shape, b, d), dtype=dtype)
            shape = (1, self.shape, *(() if classes else (o,)), b)
            y = np.zeros(shape, dtype=np.int64 if classes else dtype)
        own, made = ((b, d) if self.knobs.drops_inputs else (0, 0)), (0, 0)
        if self.embedded:
            own, made = (sizes[0], b), (sizes[0] - d, b)
        hidden = sum(sizes[1:-1])
        most = max([b, *(min(_VALID_ROWS, n) for n in self.valid[0][:, 1])])
        return (
            x,
            y,
            np.zeros(own, dtype=dtype),
            np.zeros(made, dtype=dtype),
            np.zeros(int(self.blocks[:, 1].sum()), dtype=dtype),
            np.zeros((hidden + o) * most, dtype=dtype),
            np.zeros(hidden * b, dtype=dtype),
            np.zeros(hidden, dtype=dtype),
            np.zeros(hidden, dtype=dtype),
            (
                np.zeros(sizes[0] * most if self.embedded else 0, dtype=dtype),
                np.zeros(most if classes else o * most, dtype=y.dtype),
                np.zeros(1, dtype=dtype),
            ),
        )

    def run(self, epoch, first, stop):
        """Train on minibatches ``first`` to ``stop`` of an epoch.

        Parameters
        ----------
        epoch : Epoch
        first, stop : int
        """
        if self.feed.sparse:
            for step in range(first, stop):
                self.feed.gather(epoch.order[step])
                self._train(epoch, step, step + 1)
        else:
            self._train(epoch, first, stop)

    def run_epochs(self, number, count, rates, closing):
        """Train and close ``count`` epochs; returns their losses, float64, shape (2, count, k).

        Parameters
        ----------
        number : int
            Of the first epoch, for the random bits.
        count : int
        rates : ndarray, shape (count * steps, k)
        closing : Closing
        """
        epochs = Epoch(*self.feed.epoch(number, count), rates)
        return self._train(epochs, 0, count * self.feed.steps, count, closing)

    def close(self, epoch, closing):
        """Close an epoch that was trained by `run`; returns its losses as `run_epochs` does."""
        return self._train(epoch, self.feed.steps, self.feed.steps, 1, closing)

    def _train(self, epoch, first, stop, closed=0, closing=None):
        """Call the loop, on the threads there are."""
        t = self.state.t
        self.state.t += stop - first
        tensors = [tensor.numpy() for tensor in (epoch.order, epoch.coef, epoch.share)]
        common = *tensors, epoch.keys, epoch.rates, *self.tables, *self.wiring, *self.numbers
        losses = np.full((2, closed, self.k), math.nan)
        ends = self._closing(closing, losses)
        behind = 0 if closing is None else closing.epochs

        parts = _parts(self.k)
        while len(self.workspaces) < len(parts):
            self.workspaces.append(self._workspace())

        def train(place):
            bounds = first, stop, *parts[place], t, int(self.feed.sparse), closed, behind
            *work, chunk = self.workspaces[place]
            self.loop(*bounds, *common, *work, *ends, chunk)

        with ONE_THREAD:
            lanes.each(train, range(len(parts)))
        return losses

    def _closing(self, closing, losses):
        """What closing an epoch reads and writes; members that ended are not trained in any case."""
        watch, none = self.watch, np.zeros(0)
        if watch is None:
            watched = np.zeros((3, self.k)), np.zeros((7, self.k), dtype=np.int64)
        else:
            watched = watch.numbers.numpy(), watch.counts.numpy()
        if closing is None:
            nothing = none.astype(self.dtype)
            return (*watched, losses), (*self.valid, none), (nothing,) * 4
        average = closing.average
        nets = self.state if average is None else average, closing.snapshot
        buffers = (buffer.flat.numpy() for net in nets for buffer in (net.theta, net.running))
        decay = none if average is None else self.knobs.ema_decay
        return (*watched, losses), (*self.valid, decay), tuple(buffers)

    def take_losses(self):
        """Losses added up since the last call, shape (k,)."""
        total = self.total.astype(np.float64)
        self.total[:] = 0
        return total

    def outputs(self, nets, members, x):
        """Raw outputs at predict, shape (members, o, b); see `ReferenceStep.outputs`."""
        net = self.net
        p = {n: v[members] for n, v in nets.theta.view.items()}
        r = {n: v[members] for n, v in nets.running.view.items()}
        k, b, a = p["weight_0"].shape[0], x.shape[0], None
        for i in range(net.n_layers):
            weight = p[f"weight_{i}"]
            if i == 0 and self.embedded:
                z = torch.bmm(weight, self._embed(p, x))
            elif i == 0:
                z = (weight.reshape(-1, weight.shape[2]) @ x.T).view(k, -1, b)
            else:
                z = torch.bmm(weight, a)
            if i == net.n_layers - 1:
                return z.add_(p[f"bias_{i}"].unsqueeze(2))
            if net.normed(i):
                g = p[f"gain_{i}"] * torch.rsqrt(r[f"variance_{i}"] + BATCH_NORM_EPS)
                c = p[f"shift_{i}"] - r[f"mean_{i}"] * g
            else:
                g, c = torch.ones_like(p[f"bias_{i}"]), p[f"bias_{i}"]
            self.evaluate(z.view(-1, b).numpy(), g.reshape(-1).numpy(), c.reshape(-1).numpy())
            a = z
        raise AssertionError("a net has at least one linear layer")

    def _embed(self, p, x):
        """Inputs of the first layer at predict, shape (members, d', b), of rows x (b, d)."""
        learned = [p[f"embed_{name}"].numpy() for name in _EMBEDDING]
        out = torch.empty(len(learned[0]), self.net.sizes[0], len(x), dtype=x.dtype)
        embed, columns = embedding_kernel(self.spec.dtype), np.array(self.embedded, dtype=np.int64)
        x, whole, none = x.contiguous().numpy(), self.dtype.type(1), np.uint32(0)
        for k, inputs in enumerate(out.numpy()):
            embed(x, inputs, columns, *(values[k] for values in learned), none, whole, none, none)
        return out

    def losses_of(self, members, raw, y, weight):
        """Weighted validation loss of each member (k,), without label smoothing. Overwrites nothing."""
        k, o = raw.shape[0], raw.shape[1]
        total, bias = np.zeros(k, dtype=self.dtype), np.zeros(o, dtype=self.dtype)
        raw, zero = raw.clone().numpy(), self.dtype.type(0)
        y, weight = y.contiguous().numpy(), weight.contiguous().numpy()
        quantile = self.knobs.quantile[members]
        for i in range(k):
            self.loss(raw[i], bias, y, weight, zero, quantile[i], total[i : i + 1], bias, 0)
        return torch.from_numpy(total)


def _blocks(buffer, k, penalised):
    """Blocks of a buffer of a stack as `skreg.backends.cpu.optimisers` reads them.

    Parameters
    ----------
    buffer : Buffer
    k : int
    penalised : dict of str to int
        As `skreg.net.net.Net.penalised`.

    Returns
    -------
    blocks : ndarray of int, shape (names, 4)
    places : dict
        For each name where it starts in the parameters and in the gradient of one member.
    """
    blocks, places, slot = [], {}, 0
    for name, shape in buffer.pairs:
        n = math.prod(shape)
        blocks.append([k * slot, n, slot, penalised.get(name, -1)])
        places[name] = k * slot, slot
        slot += n
    return np.array(blocks, dtype=np.int64).reshape(-1, 4), places


def _parts(k):
    """First and last member for each of the threads that the calling one may use."""
    n = min(k, lanes.width())
    return list(itertools.pairwise(k * i // n for i in range(n + 1)))
