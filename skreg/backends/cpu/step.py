"""The step of a stack written out for the CPU: one compiled call trains members on many minibatches.

No autograd, no Python between the products, buffers allocated once. Equal to
`skreg.backends.reference` up to rounding, by test.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math

import numpy as np
import torch

from skreg.backends.cpu import gathering, loop, program
from skreg.backends.cpu.pieces import FRAME, MEMBERS, ORDER, STEPS, STREAMS
from skreg.backends.cpu.pieces import LOSSES as LOSSES_AT
from skreg.backends.cpu.pieces import PLACES as N_PLACES
from skreg.backends.cpu.products import ONE_THREAD
from skreg.backends.cpu.program import Evaluation, Model, Program, Training
from skreg.net.net import Net
from skreg.train import lanes
from skreg.train.feed import Epoch
from skreg.train.knobs import Knobs
from skreg.train.state import State

#: Bytes of gathered minibatches that members go through one after the other; they stay in the cache.
_BLOCK = 1 << 18

#: Validation rows that are evaluated at a time, at least; they too stay in the cache.
_VALID_ROWS = 256

_NOTHING = np.zeros((0, 1), dtype=np.int64)


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
        """The kernels that a net calls: those of one column and one unit a layer, with all knobs."""
        knobs = {"input_dropout": 0.1, "max_norm": 1.0}
        hidden, embedded = (1,) * len(spec.hidden), (0,) if spec.embedded else None
        shape = {"hidden": hidden, "n_outputs": 2, "embedded": embedded}
        shape |= {"owners": None, "feature_groups": None, "levels": spec.levels[:1]}
        spec = dataclasses.replace(spec, **shape, **knobs)
        net = Net.of(spec, 1 + len(spec.levels))
        state = State(net, 1, spec.solver, spec.dtype, torch.device("cpu"))
        model = Model(net, spec, Knobs([spec]), 1)
        training, evaluation = Training(model, state, 1), Evaluation(model, state, 1)
        training.minibatch(np.zeros(1))
        evaluation.losses(np.zeros(1))
        return training.kernels | evaluation.kernels

    def __init__(self, state, knobs, feed, spec):
        self.state, self.knobs, self.feed, self.spec = state, knobs, feed, spec
        self.k, self.net = state.k, state.net
        self.dtype = np.dtype(spec.dtype)
        self.model = Model(self.net, spec, knobs, self.k)
        self.total = np.zeros(self.k)
        self.groups, group_of = self._validation()
        self.members = np.array([feed.stream_of, feed.target_of, group_of], dtype=np.int64)
        self.tables = self._tables()
        self.watch = None
        self.threads = []

    def _tables(self):
        """Addresses of rows, addresses and lengths of targets."""
        dense = [rows for rows in self.feed.rows if not rows.sparse]
        lists = (
            [rows.data.data_ptr() for rows in dense],
            [y.data_ptr() for y in self.feed.y],
            [y.shape[-1] for y in self.feed.y],
        )
        return [np.array(values, dtype=np.int64) for values in lists]

    def _validation(self):
        """The table of validation rows, as the loop reads it, and which of them a member has."""
        groups = np.zeros((len(self.feed.groups), 7), dtype=np.int64)
        group_of = np.full(self.k, -1, dtype=np.int64)
        for line, group in zip(groups, self.feed.groups, strict=True):
            if not group.rows.sparse:
                line[:] = self._group(group.rows.data, group.y, group.weight)
        for i, group in enumerate(self.feed.groups):
            group_of[group.members] = i
        return groups, group_of

    def _group(self, x, y, weight):
        """A row of the table of validation rows."""
        return (
            *(x.data_ptr(), x.shape[1] * x.element_size()),
            *(y.data_ptr(), y.element_size()),
            *(weight.data_ptr(), weight.element_size()),
            x.shape[0],
        )

    @functools.cached_property
    def valid_rows(self):
        """Most validation rows at a time."""
        return max([self.feed.width, *(min(_VALID_ROWS, n) for n in self.groups[:, loop.V_NUMBER])])

    @functools.cached_property
    def block(self):
        """Minibatches that are gathered at a time."""
        feed = self.feed
        if feed.sparse:
            return 1
        bytes_ = feed.width * (feed.rows[0].d + self.net.sizes[-1]) * self.dtype.itemsize
        return int(np.clip(_BLOCK // bytes_, 1, feed.steps))

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
        feed = self.feed
        epochs = Epoch(*feed.epoch(number, count), rates, feed.partners(number, count))
        return self._train(epochs, 0, count * feed.steps, count, closing)

    def close(self, epoch, closing):
        """Close an epoch that was trained by `run`; returns its losses as `run_epochs` does."""
        return self._train(epoch, self.feed.steps, self.feed.steps, 1, closing)

    def _train(self, epoch, first, stop, closed=0, closing=None):
        """Call the loop, on the threads there are."""
        clock = self.state.t.copy()
        self.state.t += stop - first
        losses = np.full((2, closed, self.k), math.nan)
        order = epoch.order.numpy()
        steps = order.shape[0] // max(1, closed)
        if self.watch is None:
            counts = np.zeros((8, self.k), dtype=np.int64)
        else:
            counts = self.watch.counts.numpy()
        parts = _parts(self.k)
        while len(self.threads) < len(parts):
            self.threads.append(_Thread(self))
        behind = 0 if closing is None else closing.epochs

        def train(number):
            thread = self.threads[number]
            span = [first, stop, *parts[number], closed, behind]
            span += [self.feed.sparse, self.block, self.feed.width]
            frame = thread.frame
            frame[[MEMBERS, ORDER, STREAMS]] = self.k, order.ctypes.data, order.shape[1]
            frame[[N_PLACES, LOSSES_AT, STEPS]] = closed, losses.ctypes.data, steps
            loop.training_loop()(
                np.array(span, dtype=np.int64),
                self._places(epoch, thread),
                self.members,
                clock,
                counts,
                frame,
                *thread.programs,
                *thread.ends(self, closing),
                self.groups,
                self.valid_rows,
            )

        with ONE_THREAD:
            lanes.each(train, range(len(parts)))
        return losses

    def _places(self, epoch, thread):
        """Where the minibatches of an epoch stand, as the loop reads it."""
        out = np.zeros((7, 4), dtype=np.int64)
        out[:, loop.PERIOD] = np.iinfo(np.int64).max
        if self.feed.sparse:
            pair = self.feed.x_batch.numpy(), self.feed.y_batch.numpy()
            strides = [(0, array.strides[0]) for array in pair]
        else:
            pair = thread.x, thread.y
            strides = [(array.strides[0], 0) for array in pair]
        for what, array, steps in zip((loop.ROWS, loop.TARGETS), pair, strides, strict=True):
            out[what, :3] = array.ctypes.data, *steps
        for what, tensor in ((loop.COEFS, epoch.coef), (loop.SHARES, epoch.share)):
            array = tensor.numpy()
            out[what] = array.ctypes.data, *array.strides[:2], len(array)
        if epoch.partner is not None:
            partner = epoch.partner.numpy()
            out[loop.PARTNERS, :3] = partner.ctypes.data, *partner.strides[:2]
        keys, rates = epoch.keys, epoch.rates
        out[loop.KEYS, :3] = keys.ctypes.data, keys.strides[1], keys.strides[0]
        out[loop.ALL_RATES, :2] = rates.ctypes.data, rates.strides[0]
        return out

    def take_losses(self):
        """Losses added up since the last call, shape (k,)."""
        total = self.total.copy()
        self.total[:] = 0
        return total

    def outputs(self, nets, members, x):
        """Raw outputs at predict, shape (members, o, b); see `ReferenceStep.outputs`."""
        n, o, x = members.stop - members.start, self.net.sizes[-1], x.contiguous()
        out = torch.empty(n, o, len(x), dtype=x.dtype)
        # Member k writes to place k of a table that begins with the first of them.
        begin = out.data_ptr() - members.start * o * len(x) * x.element_size()
        group = np.zeros(7, dtype=np.int64)
        group[: loop.V_TARGETS + 2] = (
            *(x.data_ptr(), x.shape[1] * x.element_size()),
            *(begin, x.element_size()),
        )
        group[loop.V_NUMBER] = len(x)

        def evaluate(part):
            made, frame = Evaluation(self.model, nets, self.valid_rows), np.zeros(FRAME, np.int64)
            frame[MEMBERS] = self.k
            bounds = [members.start + part[0], members.start + part[1], self.valid_rows]
            loop.evaluation_loop()(np.array(bounds, np.int64), group, frame, made.outputs())

        with ONE_THREAD:
            lanes.each(evaluate, _parts(n))
        return out

    def losses_of(self, members, raw, y, weight):
        """Weighted validation loss of each member (k,), without label smoothing. Overwrites nothing."""
        raw, y, weight = raw.clone(), y.contiguous(), weight.contiguous()
        total = np.zeros(self.k)
        made = Program(self.model, self.state, raw.shape[2])
        made.loss_of(raw.numpy(), members.start, total)
        group = np.array(self._group(raw[0].T, y, weight), dtype=np.int64)
        bounds = np.array([members.start, members.stop, raw.shape[2]], dtype=np.int64)
        frame = np.zeros(FRAME, dtype=np.int64)
        loop.evaluation_loop()(bounds, group, frame, made.table())
        return torch.from_numpy(total[members])


class _Thread:
    """What one thread trains members with: its programs, and what they write to.

    Attributes
    ----------
    programs : list of ndarray
        Those that gather rows and targets, and that of a minibatch.
    """

    def __init__(self, step):
        # It does not keep the step, whose tables would then live until a collection of cycles.
        self._ends = None
        self.frame = np.zeros(FRAME, dtype=np.int64)
        feed, dtype, o = step.feed, step.dtype, step.net.sizes[-1]
        classes = step.spec.loss == "multinomial"
        self.training = Training(step.model, step.state, feed.width)
        rows, targets = _NOTHING, _NOTHING
        if not feed.sparse:
            b, d = feed.width, feed.rows[0].d
            self.x = np.zeros((step.block, b, d), dtype=dtype)
            lines = 1 if classes else o
            self.y = np.zeros((step.block, lines, b), dtype=np.int64 if classes else dtype)
            rows, targets = self._gathering(step, d, lines)
        self.programs = [rows, targets, self.training.minibatch(step.total)]

    def _gathering(self, step, d, o):
        tables, (x_at, y_at, lengths) = self.training, step.tables
        rows, targets = (Program(step.model, step.state, 0) for _ in range(2))
        rows.add(
            gathering.rows_kernel(),
            words=d * self.x.itemsize // 4,
            tables=tables.address(x_at),
            out=tables.address(self.x),
        )
        targets.add(
            gathering.targets_kernel(),
            **{"words": self.y.itemsize // 4, "o": o, "out": tables.address(self.y)},
            **{"tables": tables.address(y_at), "lengths": tables.address(lengths)},
        )
        return rows.table(), targets.table()

    def ends(self, step, closing):
        """The programs at the end of an epoch: average, some validation rows, judgement, what is kept."""
        if closing is None:
            return [_NOTHING] * 4
        if self._ends is None or self._ends[0] is not closing.snapshot:
            self._ends = closing.snapshot, self._closing(step, closing)
        return [table for _, table in self._ends[1]]

    def _closing(self, step, closing):
        model, valid = step.model, np.zeros(1)
        kept = step.state if closing.average is None else closing.average
        averaging = Program(model, step.state, 0)
        if closing.average is not None:
            decays = step.knobs.ema_decay
            averaging = program.averaging(model, step.state, kept, decays, step.watch)
        validation = Evaluation(model, kept, step.valid_rows)
        chunk = validation.losses(valid) if len(step.groups) else _NOTHING
        groups = step.members[2]
        judging = program.judging(model, step.state, step.watch, step.total, valid, groups)
        keeping = program.keeping(model, kept, closing.snapshot)
        programs = averaging, judging, keeping
        average, judge, keep = (made.table() for made in programs)
        # With each table the program that its buffers live as long as.
        return (averaging, average), (validation, chunk), (judging, judge), (keeping, keep)


def _parts(k):
    """First and last member for each of the threads that the calling one may use."""
    n = min(k, lanes.width())
    return list(itertools.pairwise(k * i // n for i in range(n + 1)))
