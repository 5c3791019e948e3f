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

from skreg.backends.constants import LOSSES
from skreg.backends.cuda import kernels, losses, optimisers
from skreg.backends.cuda.kernels import program_width
from skreg.backends.cuda.recording import Sequence
from skreg.backends.cuda.tables import Tables
from skreg.backends.cuda.tape import Tape
from skreg.backends.reference import ReferenceStep
from skreg.train.feed import Epoch
from skreg.train.state import Buffer
from skreg.train.watch import BEFORE


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
    def lacks(net, sparse):
        """What is missing for such a net to be trained by launches, in words; "" where nothing is.

        Parameters
        ----------
        net : Net
        sparse : bool
            Whether the tables are.
        """
        found = (block.missing_on_cuda(kernels, sparse) for block in net.blocks)
        return ", ".join(dict.fromkeys(filter(None, found)))

    def __init__(self, state, knobs, feed, spec):
        super().__init__(state, knobs, feed, spec)
        self.k, self.net, self.device = state.k, state.net, state.theta.flat.device
        self.steps = feed.steps
        self.epoch = self.watch = self.ends = None
        self.tables = Tables(knobs, feed, spec)
        self.gradient = Buffer(self.net.learned(), self.k, state.theta.flat.dtype, self.device)
        self.behind = self.tables.new(dtype=torch.int64)
        self.closed = self.tables.new(2, self.k, dtype=torch.float64)
        self.ema_decay = self.tables.put(knobs.ema_decay)
        self.launches = self._plan()
        self.minibatch = Sequence("A minibatch", self.launches, self.device)

    # The launches of a minibatch.

    def _plan(self):
        """All launches of a minibatch in order."""
        tape = Tape(self.state, self.gradient, self.knobs, self.tables, self.idle)
        a = None
        for block in self.net.blocks:
            a = block.launch(tape, a)
        tape.way_back(self._losses(tape, a))
        self._update_weights(tape)
        tape.call(tape.counter.add_, 1)
        return tape.launches

    def _losses(self, tape, a):
        """Losses of the raw outputs, whose gradient takes their place and is returned."""
        product, shift = tape.product_of(a)
        o, b, tables, loss = product.shape[1], tape.b, self.tables, self.spec.loss
        bias = tape.parameter(shift) if shift else tape.buffer(o)
        kernel = losses.multinomial if loss == "multinomial" else losses.pointwise
        width = program_width(b, losses.LOSS_ROWS)
        row_losses, total = tape.buffer(b), tape.buffer()
        tape.add(
            *(kernel, (math.ceil(b / width), self.k), product, row_losses, bias),
            *(tables.targets, tables.lengths, tables.target_of, tables.order, tables.coef),
            *(tape.stream_of, self.smoothing, self.quantile, tape.counter, o, b, tape.s),
            LOSS=LOSSES[loss],
            BLOCK=width,
        )
        tape.call(torch.sum, row_losses, dim=1, out=total)
        tape.call(self.total.add_, total)
        if shift:
            tape.call(torch.sum, product, dim=2, out=tape.gradient(shift))
        return product

    def _update_weights(self, tape):
        spec, state, tables = self.spec, self.state, self.tables
        adam = spec.solver != "sgd"
        moments = [m.flat for m in state.moments]
        pieces = _pieces(state.theta, self.k, self.net.penalised)
        rates = (tables.rates, tables.corrections) if adam else (tables.rates,)
        if adam:
            numbers = {"B1": spec.beta_1, "B2": spec.beta_2, "EPSILON": spec.epsilon}
        else:
            numbers = {"MOMENTUM": spec.momentum, "NESTEROV": bool(spec.nesterov)}
        tape.add(
            *(optimisers.adam if adam else optimisers.sgd, (len(pieces), self.k)),
            *(state.theta.flat, self.gradient.flat, *moments, tape.put(pieces), *rates),
            *(self.weight_decay, self.l1, self.l2, tape.counter, self.k),
            **numbers,
            BLOCK=kernels.WIDEST,
        )
        if self.knobs.bounds_norms:
            for name in self.net.penalised:
                weight = tape.parameter(name)
                h, n = weight.shape[1:]
                grid = (self.k * h,)
                tape.add(
                    optimisers.project_max_norm,
                    grid,
                    weight,
                    self.max_norm,
                    h,
                    n,
                    BLOCK=program_width(n),
                )

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
                self.epoch = epoch
                # Members of a stack on a GPU have one clock (`Job.alone`).
                self.tables.bring(epoch, self.state.t[0] - first)
            self.tables.counter.fill_(first)
            for _ in range(first, stop):
                self.minibatch()
        self.state.t += stop - first

    def run_epochs(self, number, count, rates, closing):
        """Train and close ``count`` epochs as `FusedStep.run_epochs` does; nothing waits for the device.

        Returns
        -------
        float64 tensor, shape (2, count, k)
            Losses of training and validation.
        """
        losses = self.tables.new(2, count, self.k, dtype=torch.float64)
        for place, part in enumerate(np.split(rates, count)):
            epoch = Epoch(*self.feed.epoch(number + place), part)
            self.run(epoch, 0, self.steps)
            self._close(losses[:, place], closing, closing.epochs + place)
        return losses

    def close(self, epoch, closing):
        """Close an epoch that was trained by `run`; returns its losses as `run_epochs` does."""
        losses = self.tables.new(2, 1, self.k, dtype=torch.float64)
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
            own = (self.behind - self.watch.counts[BEFORE]).double()  # of members: some go on
            share = own / (own + 1)
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
    """Pieces of the parameters of a member as `skreg.backends.cuda.optimisers.adam` takes them.

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
