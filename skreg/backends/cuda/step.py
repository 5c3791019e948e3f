"""The step of a stack written out for CUDA: a fixed sequence of launches, replayed as a CUDA graph.

No autograd and no synchronisation: what a minibatch needs lies on the device before an epoch begins, and a
counter there says which minibatch is next. Equal to `skreg.backends.reference` up to rounding, by test.
"""

from __future__ import annotations

import contextlib
import math
from functools import partial

import numpy as np
import torch
import triton

from skreg.backends.constants import EMBEDDED_WIDTH, LOSSES, N_FREQUENCIES
from skreg.backends.cuda import kernels as kernels
from skreg.backends.cuda.kernels import Launch, block
from skreg.backends.cuda.recording import Sequence
from skreg.backends.reference import ReferenceStep
from skreg.net.activation import NUMBERS, Activation
from skreg.net.batch_norm import BatchNorm
from skreg.net.dropout import Dropout, InputDropout
from skreg.net.linear import Linear
from skreg.net.net import Net
from skreg.net.periodic import Periodic
from skreg.train.feed import Epoch, sent
from skreg.train.state import Buffer

#: What an embedding learns, in the order in which kernels take it.
_EMBEDDING = tuple(f"embed_{name}" for name in ("frequency", "phase", "weight", "bias"))


#: Blocks that have launches here.
BLOCKS = (Linear, BatchNorm, Activation, Dropout, InputDropout, Periodic)


class FusedCudaStep(ReferenceStep):
    """Forward, backward and update of a stack on CUDA; see `ReferenceStep` for the interface.

    What is done once an epoch (outputs at predict, validation losses) is the reference's. Epochs are closed
    on the device: members are judged there, and the host goes on to the next epoch at once.

    Attributes
    ----------
    launches : list of callable
        Of one minibatch, always the same: each has its arguments, and none reads anything of the host.
    """

    #: It closes epochs by itself, on the device: `run_epochs`, `close`.
    closes_epochs = True

    @staticmethod
    def takes(spec, sparse):
        """Whether this step can train such nets: of dense tables, of blocks and an activation that it has."""
        known = NUMBERS[spec.activation] <= kernels.LAST_ACTIVATION
        blocks = all(isinstance(block, BLOCKS) for block in Net.of(spec, 1).blocks)
        return known and blocks and not sparse and spec.dtype in ("float32", "float64")

    def __init__(self, state, knobs, feed, spec):
        super().__init__(state, knobs, feed, spec)
        self.k, self.net, self.device = state.k, state.net, state.theta.flat.device
        self.steps, self.s, self.b = feed.steps, len(feed.streams), feed.width
        self.epoch = self.watch = self.ends = None
        self._allocate_tables()
        self._allocate_activations()
        self.launches = []
        self._plan()
        self.minibatch = Sequence("A minibatch", self.launches, self.device)

    # What lies on the device.

    def _put(self, array):
        return torch.as_tensor(np.ascontiguousarray(array), device=self.device)

    def _new(self, *shape, dtype=None):
        return torch.zeros(shape, dtype=dtype or self.state.theta.flat.dtype, device=self.device)

    def _allocate_tables(self):
        """What an epoch brings, and what stays as it is."""
        feed, knobs, steps, s, b = self.feed, self.knobs, self.steps, self.s, self.b
        self.counter = self._new(1, dtype=torch.int64)
        self.order = self._new(steps, s, b, dtype=torch.int64)
        self.coef, self.share = self._new(steps, s, b), self._new(steps, s, b)
        self.keys = self._new(self.net.n_layers, steps, s, 2, dtype=torch.int32)
        self.step_rates, self.corrections = self._new(steps, self.k), self._new(steps, 2)
        self.limit = self._put(knobs.threshold.view(np.int32))
        self.scale = self._put(knobs.scale)
        self.streams = self._put(np.arange(s))
        self.sources = self._put(np.array([rows.data.data_ptr() for rows in feed.rows]))
        self.targets = self._put(np.array([y.data_ptr() for y in feed.y]))
        self.lengths = self._put(np.array([y.shape[-1] for y in feed.y]))
        self.behind = self._new(dtype=torch.int64)
        self.closed = self._new(2, self.k, dtype=torch.float64)
        self.ema_decay = self._put(knobs.ema_decay)
        self.starts = [members.start for members in feed.streams]

    def _allocate_activations(self):
        sizes, k, b = self.net.sizes, self.k, self.b
        d = self.feed.rows[0].d
        if self.spec.embedded:
            # Each member has inputs of its own, features first as its embedding makes them.
            self.slots, self.x = k, self._new(self.s, d, b)
            self.inputs, self.made = self._new(k, sizes[0], b), self._new(k, sizes[0] - d, b)
        else:
            self.slots = k if self.knobs.drops_inputs else self.s
            self.x = self._new(self.slots, b, d)
            self.inputs = self.x.mT
        self.z = [self._new(k, h, b) for h in sizes[1:]]
        self.a = [self._new(k, h, b) for h in sizes[1:-1]]
        self.mean, self.inv = ([self._new(k, h) for h in sizes[1:-1]] for _ in range(2))
        self.row_losses, self.loss = self._new(k, b), self._new(k)
        flat = self.state.theta.flat
        self.gradient = Buffer(self.net.learned(), k, flat.dtype, self.device)

    # The launches of a minibatch.

    def _plan(self):
        """Write down all launches of a minibatch in order."""
        last = self.net.n_layers - 1
        self._gather()
        for i in range(last + 1):
            self._product(i)
            if i < last:
                self._units(kernels.forward, i)
        self._losses()
        for i in range(last, -1, -1):
            if i < last:
                self._units(kernels.backward, i)
            self._gradients(i)
        self._update_weights()
        self.launches.append(partial(self.counter.add_, 1))

    def _add(self, kernel, grid, *arguments, **constants):
        self.launches.append(Launch(kernel, grid, arguments, constants))

    def _gather(self):
        """The inputs of the first layer."""
        embedded, b, d = bool(self.spec.embedded), self.b, self.feed.rows[0].d
        # Behind an embedding a column is dropped with all that was made of it.
        drop = self.knobs.drops_inputs and not embedded
        stream_of = self.stream_of if drop else self.streams
        masks = self.keys[0], self.limit[0], self.scale[0]
        steps = (1, b) if embedded else (d, 1)
        self._add(
            *(kernels.gather, (len(self.x) * b,), self.x, self.sources, self.order, stream_of),
            *(*masks, self.counter, b, d, self.s, *steps),
            DROP=drop,
            BLOCK=block(d),
        )
        if embedded:
            self._embed_columns()

    def _embed_columns(self):
        p, b, d = self.state.theta.view, self.b, self.feed.rows[0].d
        place = np.full(d, -1)
        place[list(self.spec.embedded)] = np.arange(self.spec.n_embedded)
        width = self._tile(kernels.EMBED_ROWS)
        self._add(
            *(kernels.embed, (self.k * d * math.ceil(b / width),), self.x, self.inputs),
            *(self._put(place), *(p[name] for name in _EMBEDDING), *self._context_of_columns()),
            **self._constants_of_columns(),
            BLOCK=width,
        )

    def _context_of_columns(self):
        """What both kernels of the embedding are given last."""
        masks = self.keys[0], self.limit[0], self.scale[0]
        sizes = self.b, self.feed.rows[0].d, self.spec.n_embedded, self.s
        return self.stream_of, *masks, self.counter, *sizes

    def _tile(self, rows):
        """Rows of a tile that may have so many in float32."""
        return block(self.b, rows if self.spec.dtype == "float32" else rows // 2)

    def _constants_of_columns(self):
        shapes = {"WAVES": N_FREQUENCIES, "MADE": EMBEDDED_WIDTH - 1}
        return {"DROP": self.knobs.drops_inputs, **shapes}

    def _parts(self):
        """Slices of slots and members of the first layer's products, and the shape of one.

        Members of a stream share their minibatch. Where all streams have as many, one batched product
        serves them; else each stream has one.
        """
        sizes = {members.stop - members.start for members in self.feed.streams}
        if self.slots == self.k or len(sizes) == 1:
            yield slice(0, self.slots), slice(0, self.k), self.k // self.slots
        else:
            for i, members in enumerate(self.feed.streams):
                yield slice(i, i + 1), members, members.stop - members.start

    def _product(self, i):
        weight, z = self.state.theta.view[f"weight_{i}"], self.z[i]
        if i > 0:
            self.launches.append(partial(torch.bmm, weight, self.a[i - 1], out=z))
            return
        for slots, members, m in self._parts():
            h, d = weight.shape[1:]
            shared = weight[members].view(-1, m * h, d), self.inputs[slots]
            self.launches.append(
                partial(torch.bmm, *shared, out=z[members].view(-1, m * h, self.b))
            )

    def _units(self, kernel, i):
        """The row kernels of hidden layer i, forward or backward."""
        p, r = self.state.theta.view, self.state.running.view
        norm, h = self.net.normed(i), self.net.sizes[i + 1]
        shift = p[f"shift_{i}" if norm else f"bias_{i}"]
        gain = p[f"gain_{i}"] if norm else shift
        if kernel is kernels.forward:
            tracked = (r[f"{name}_{i}"] if norm else shift for name in ("mean", "variance"))
            own = self.z[i], self.a[i], gain, shift, self.mean[i], self.inv[i], *tracked
        else:
            g = self.gradient.view
            dshift = g[f"shift_{i}" if norm else f"bias_{i}"]
            dgain = g[f"gain_{i}"] if norm else dshift
            # The gradient of the activations stands where they stood, and becomes that of the product.
            own = self.a[i], self.z[i], gain, shift, self.mean[i], self.inv[i], dgain, dshift
        masks = self.keys[i + 1], self.limit[i + 1], self.scale[i + 1]
        self._add(
            *(kernel, (self.k * h,), *own, self.share, self.stream_of, *masks),
            *(self.counter, h, self.b, self.s),
            ACT=NUMBERS[self.spec.activation],
            NORM=norm,
            DROP=bool(self.knobs.threshold[i + 1].any()),
            BLOCK=block(self.b),
        )

    def _losses(self):
        loss, last, o = self.spec.loss, self.net.n_layers - 1, self.net.sizes[-1]
        kernel = kernels.multinomial if loss == "multinomial" else kernels.pointwise
        width = block(self.b, kernels.LOSS_ROWS)
        z, bias = self.z[last], self.state.theta.view[f"bias_{last}"]
        self._add(
            *(kernel, (math.ceil(self.b / width), self.k), z, self.row_losses, bias),
            *(self.targets, self.lengths, self.target_of, self.order, self.coef, self.stream_of),
            *(self.smoothing, self.quantile, self.counter, o, self.b, self.s),
            LOSS=LOSSES[loss],
            BLOCK=width,
        )
        slope = self.gradient.view[f"bias_{last}"]
        self.launches += [
            partial(torch.sum, self.row_losses, dim=1, out=self.loss),
            partial(self.total.add_, self.loss),
            partial(torch.sum, z, dim=2, out=slope),
        ]

    def _gradients(self, i):
        """Gradients of the weights of layer i, and of the activations in front of it."""
        dz = self.z[i] if i == self.net.n_layers - 1 else self.a[i]
        weight, slope = (b.view[f"weight_{i}"] for b in (self.state.theta, self.gradient))
        if i > 0:
            # The activations are needed for the first product, and overwritten by the second.
            a = self.a[i - 1]
            self.launches.append(partial(torch.bmm, dz, a.mT, out=slope))
            self.launches.append(partial(torch.bmm, weight.mT, dz, out=a))
            return
        h, d = weight.shape[1:]
        for slots, members, m in self._parts():
            shared = dz[members].view(-1, m * h, self.b), self.inputs[slots].mT
            self.launches.append(partial(torch.bmm, *shared, out=slope[members].view(-1, m * h, d)))
        if self.spec.embedded:
            self._embedding_gradients(weight, dz)

    def _embedding_gradients(self, weight, dz):
        p, g = self.state.theta.view, self.gradient.view
        # Only the inputs that were made of columns need a gradient, and they come last.
        made = weight[:, :, self.feed.rows[0].d :]
        self.launches.append(partial(torch.bmm, made.mT, dz, out=self.made))
        learned = *(p[name] for name in _EMBEDDING[:3]), *(g[name] for name in _EMBEDDING)
        columns = torch.tensor(self.spec.embedded, device=self.device)
        constants = self._constants_of_columns()
        self._add(
            *(kernels.embed_backward, (self.k * self.spec.n_embedded,), self.made, self.x),
            *(columns, *learned, self.idle["embed_bias"].long()),
            *self._context_of_columns(),
            **constants,
            LINES=triton.next_power_of_2(constants["MADE"]),
            BLOCK=self._tile(kernels.EMBED_BACKWARD_ROWS),
        )

    def _update_weights(self):
        spec, state = self.spec, self.state
        adam = spec.solver != "sgd"
        moments = [m.flat for m in state.moments]
        pieces = _pieces(state.theta, self.k, self.net.penalised)
        tables = (self.step_rates, self.corrections) if adam else (self.step_rates,)
        if adam:
            numbers = {"B1": spec.beta_1, "B2": spec.beta_2, "EPSILON": spec.epsilon}
        else:
            numbers = {"MOMENTUM": spec.momentum, "NESTEROV": bool(spec.nesterov)}
        self._add(
            *(kernels.adam if adam else kernels.sgd, (len(pieces), self.k)),
            *(state.theta.flat, self.gradient.flat, *moments, self._put(pieces), *tables),
            *(self.decay, self.l1, self.l2, self.counter, self.k),
            **numbers,
            BLOCK=kernels.WIDEST,
        )
        if self.knobs.bounds_norms:
            for i in range(self.net.n_layers):
                weight = state.theta.view[f"weight_{i}"]
                h, n = weight.shape[1:]
                grid = (self.k * h,)
                self._add(kernels.max_norm, grid, weight, self.bound, h, n, BLOCK=block(n))

    # Training.

    def run(self, epoch, first, stop):
        """Train on minibatches ``first`` to ``stop`` of an epoch.

        The work is only handed over to the device when this returns.

        Parameters
        ----------
        epoch : Epoch
        first, stop : int
        """
        on_cuda = self.device.type == "cuda"
        with torch.cuda.device(self.device) if on_cuda else contextlib.nullcontext():
            if epoch is not self.epoch:
                self._begin(epoch, first)
            self.counter.fill_(first)
            for _ in range(first, stop):
                self.minibatch()
        self.state.t += stop - first

    def _begin(self, epoch, first):
        """Bring to the device what an epoch needs."""
        self.epoch, spec, dtype = epoch, self.spec, np.dtype(self.spec.dtype)
        self.order.copy_(epoch.order)
        self.coef.copy_(epoch.coef)
        self.share.copy_(epoch.share)
        t = self.state.t - first + np.arange(1, self.steps + 1)
        corrections = np.ones((self.steps, 2))
        if spec.solver != "sgd":
            betas = np.array([spec.beta_1, spec.beta_2])
            corrections = 1 / (1 - betas ** t[:, None])
        # From (2, steps, layers, k) to (layers, steps, s, 2).
        keys = epoch.keys[..., self.starts].transpose(2, 1, 3, 0)
        for place, values in (
            (self.keys, np.ascontiguousarray(keys).view(np.int32)),
            (self.step_rates, epoch.rates.astype(dtype)),
            (self.corrections, corrections.astype(dtype)),
        ):
            place.copy_(sent(values, self.device))

    def run_epochs(self, number, count, rates, closing):
        """Train and close ``count`` epochs as `FusedStep.run_epochs` does; nothing waits for the device.

        Returns
        -------
        float64 tensor, shape (2, count, k)
            Losses of training and validation.
        """
        losses = self._new(2, count, self.k, dtype=torch.float64)
        for place, part in enumerate(np.split(rates, count)):
            epoch = Epoch(*self.feed.epoch(number + place), part)
            self.run(epoch, 0, self.steps)
            self._close(losses[:, place], closing, closing.epochs + place)
        return losses

    def close(self, epoch, closing):
        """Close an epoch that was trained by `run`; returns its losses as `run_epochs` does."""
        losses = self._new(2, 1, self.k, dtype=torch.float64)
        self._close(losses[:, 0], closing, closing.epochs)
        return losses

    def _close(self, losses, closing, behind):
        """Average, validate, judge and keep, all on the device; losses (2, k) are written."""
        on_cuda = self.device.type == "cuda"
        with torch.cuda.device(self.device) if on_cuda else contextlib.nullcontext():
            if self.ends is None:
                # One stack closes all its epochs with the same nets, until it is built anew.
                end = partial(self._end_epoch, closing.snapshot, closing.average)
                self.ends = Sequence("The end of an epoch", [end], self.device)
            self.behind.fill_(behind)
            self.ends()
            losses.copy_(self.closed)

    @torch.no_grad()
    def _end_epoch(self, snapshot, average):
        """What closes an epoch, with ``behind`` epochs before it; reads nothing of the host that changes."""
        if average is not None:
            share = self.behind.double() / (self.behind + 1)
            average.mix(self.state, 1 - torch.minimum(self.ema_decay, share))
        nets = self.state if average is None else average
        train_loss, valid_loss = self.closed
        torch.div(self.total.double(), self.steps, out=train_loss)
        self.total.zero_()
        valid_loss.fill_(math.nan)
        for group in self.feed.groups:
            valid_loss[group.members] = 0.0
            for rows, y, weight in group.chunks(self.net):
                raw = self.outputs(nets, group.members, rows)
                valid_loss[group.members] += self.losses_of(group.members, raw, y, weight)
        keep = self.watch.judge(self.behind + 1, self._finite(), train_loss, valid_loss)
        snapshot.keep_where(nets, keep)

    def _finite(self):
        """Whether all numbers of a member are finite, bool (k,)."""
        views = [*self.state.theta.view.values(), *self.state.running.view.values()]
        largest = [torch.linalg.vector_norm(v.flatten(1), math.inf, dim=1) for v in views]
        return torch.stack(largest).isfinite().all(dim=0)


def _pieces(theta, k, penalised):
    """Pieces of the parameters of a member as `skreg.backends.cuda.kernels.adam` takes them.

    Parameters
    ----------
    theta : Buffer
    k : int
    penalised : dict of str to int
        As `skreg.net.net.Net.penalised`.

    Returns
    -------
    ndarray of int, shape (pieces, 4)
    """
    pieces, start = [], 0
    for name, shape in theta.pairs:
        n = math.prod(shape)
        number = penalised.get(name, -1)
        pieces += [(start, n, number, first) for first in range(0, n, kernels.WIDEST)]
        start += k * n
    return np.array(pieces, dtype=np.int64)
