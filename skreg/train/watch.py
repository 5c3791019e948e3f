"""Members watched all at once, by arrays: `stopping.Monitor` and `Member.judge` for steps that close epochs.

A step that closes epochs by itself (validation, average, who ends, which weights are kept) runs many of
them without handing anything back: on the CPU compiled code goes on without Python and its lock, on a GPU
the device does not wait for the host. `skreg.backends.cpu.closing` judges one member in machine code,
`Watch.judge` all of them in torch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import torch

#: Rows of the numbers of a watch: smallest value seen, what the patience is measured from, and the
#: improvement that starts it anew.
BEST, REFERENCE, MIN_DELTA = range(3)

#: Rows of its counts: what is watched (below), epochs of patience and since it was last renewed, the most
#: epochs, the best one, the last one run, why the member ended (below), and the epochs of the stack before it
#: joined. Epochs of a member are counted from then.
WATCHED, PATIENCE, WAITED, MOST, BEST_EPOCH, LAST_EPOCH, ENDED, BEFORE = range(8)

#: What is watched.
NOTHING, TRAIN_LOSS, VALID_LOSS = range(3)

#: Why a member ended, by number; 0 while it goes on.
REASONS = (None, "patience", "tol", "max_iter", "diverged")
GOES_ON, OUT_OF_PATIENCE, NO_PROGRESS, ALL_EPOCHS, DIVERGED = range(5)


@dataclass
class Closing:
    """What an epoch is closed with.

    Attributes
    ----------
    epochs : int
        Epochs before it.
    snapshot : Snapshot
        The best parameters so far.
    average : Average or None
        What is validated and kept in place of the parameters as they are.
    """

    epochs: int
    snapshot: object
    average: object


class Watch:
    """What judging the members of a stack needs, and the losses of epochs not yet written to histories.

    Parameters
    ----------
    members : list of Member
        Such as `can_watch` accepts.
    device : torch.device

    Attributes
    ----------
    numbers : float64 tensor, shape (3, k)
    counts : int64 tensor, shape (8, k)
    records : list of tuple
        First epoch, training and validation losses (epochs, k), rates (epochs, k), since the last `flush`.
    """

    def __init__(self, members, device):
        numbers = np.full((3, len(members)), math.inf)
        counts = np.zeros((8, len(members)), dtype=np.int64)
        for k, m in enumerate(members):
            monitor = m.monitor
            if monitor is not None:
                counts[WATCHED, k] = VALID_LOSS if m.validated else TRAIN_LOSS
                counts[PATIENCE, k] = monitor.patience
                counts[WAITED, k] = monitor.waited
                numbers[:, k] = monitor.best, monitor.reference, monitor.min_delta
            counts[MOST, k] = m.last_epoch
            counts[BEST_EPOCH, k], counts[LAST_EPOCH, k] = m.best_iter, len(m.history["epoch"])
            counts[BEFORE, k] = m.epochs_before
        self.numbers = torch.from_numpy(numbers).to(device)
        self.counts = torch.from_numpy(counts).to(device)
        self.records, self._told = [], 0

    @staticmethod
    def can_watch(job):
        """Whether numbers alone judge a job: no scorer, ensemble, callback or limit, and no sparse rows."""
        spec = job.spec
        if sp.issparse(job.X) or sp.issparse(job.X_val):
            return False
        asked = (job.score, job.cohort, job.driver, spec.max_steps, spec.max_time)
        return all(a is None for a in asked) and spec.learning_rate != "adaptive"

    def take(self, index):
        """A new watch for the members of ``index``; what is recorded has to be written down before."""
        other = Watch.__new__(Watch)
        index = torch.as_tensor(index, device=self.counts.device)
        other.numbers, other.counts = self.numbers[:, index], self.counts[:, index]
        other.records, other._told = [], 0
        return other

    def join(self, other):
        """A new watch with the members of another behind those of this one; both have no records."""
        out = Watch.__new__(Watch)
        out.numbers = torch.cat([self.numbers, other.numbers], dim=1)
        out.counts = torch.cat([self.counts, other.counts], dim=1)
        out.records, out._told = [], 0
        return out

    def judge(self, epoch, finite, train_loss, valid_loss):
        """Take the losses of an epoch; all arguments but the first are tensors (k,) on the device.

        Parameters
        ----------
        epoch : int or int64 tensor of shape ()
            Number of the epoch of the stack, from 1.
        finite : bool tensor
            Whether parameters and statistics are.
        train_loss, valid_loss : float64 tensor

        Returns
        -------
        bool tensor, shape (k,)
            Whose parameters are the best so far and are to be kept.
        """
        best, reference, min_delta = self.numbers
        watched, patience, waited, most, best_epoch, last_epoch, ended, before = self.counts
        epoch = epoch - before
        on = ended == GOES_ON
        validated = watched == VALID_LOSS
        value = torch.where(validated, valid_loss, train_loss)
        sound = on & finite & train_loss.isfinite() & value.isfinite()
        lower = sound & (value < best)
        best.copy_(torch.where(lower, value, best))
        renewed = sound & ((value < reference - min_delta) | (reference.isinf() & lower))
        reference.copy_(torch.where(renewed, value, reference))
        waited.copy_(torch.where(renewed, torch.zeros_like(waited), waited + sound))
        keep = torch.where(validated, lower, sound)
        best_epoch.copy_(torch.where(keep, epoch, best_epoch))
        last_epoch.copy_(torch.where(on, epoch, last_epoch))
        # The last that applies is the reason.
        ended.masked_fill_(sound & (most <= epoch), ALL_EPOCHS)
        idle = sound & (watched != NOTHING) & (waited >= patience)
        ended.masked_fill_(idle & ~validated, NO_PROGRESS)
        ended.masked_fill_(idle & validated, OUT_OF_PATIENCE)
        ended.masked_fill_(on & ~sound, DIVERGED)
        return keep

    def flush(self, members, steps):
        """Write what was recorded to the members' histories, and what became of them.

        Parameters
        ----------
        members : list of Member
        steps : int
            Minibatches an epoch.
        """
        if not self.records:
            return
        columns, counts = self._columns(), self._counts()
        first, self.records = self.records[0][0], []
        self._told = int((counts[ENDED] != GOES_ON).sum())
        for k, m in enumerate(members):
            last = int(counts[LAST_EPOCH, k])
            before = m.epochs_before
            n = last + before - first  # epochs that it took part in
            if m.ended is not None or n <= 0:
                continue
            train, valid, rates = (c[:n, k].tolist() for c in columns)
            m.record_all(range(last - n + 1, last + 1), train, valid, rates)
            m.n_steps = last * steps
            m.ended = REASONS[counts[ENDED, k]]
            if m.ended == "max_iter" and last < m.job.spec.max_iter:
                m.ended = "paused"
                self._tell(m.monitor, k, counts)
            best = m.best_iter = int(counts[BEST_EPOCH, k])
            m.best_step = best * steps
            if best and counts[WATCHED, k] == VALID_LOSS:
                m.best_loss = m.history["valid_loss"][best - 1]
            elif best:
                m.best_loss = min([m.best_loss, *train[: best + before - first]])

    def _tell(self, monitor, k, counts):
        """Tell the monitor of member k what it would remember if it had watched."""
        if monitor is not None:
            monitor.best, monitor.reference = self.numbers[:MIN_DELTA, k].tolist()
            monitor.waited = int(counts[WAITED, k])

    def _columns(self):
        """Training losses, validation losses and rates of all epochs that were recorded, (epochs, k)."""
        losses = [r[1] for r in self.records]
        if torch.is_tensor(losses[0]):
            # One wait for the device, not one for each.
            losses = torch.cat(losses, dim=1).cpu().numpy()
        else:
            losses = np.concatenate(losses, axis=1)
        rates = np.concatenate([r[2] for r in self.records])
        return losses[0], losses[1], rates

    def record(self, before, losses, rates):
        """Note epochs that were closed.

        Parameters
        ----------
        before : int
            Epochs before them.
        losses : float64 array or tensor, shape (2, epochs, k)
            Of training and of validation, NaN where there is none.
        rates : ndarray, shape (epochs, k)
            Of the last minibatch of each epoch.
        """
        self.records.append((before, losses, rates))

    def any_ended(self):
        """Whether a member ended that `flush` has not written down; on a GPU the host waits for it."""
        return int((self._counts()[ENDED] != GOES_ON).sum()) > self._told

    def epochs_run(self):
        """Epoch of the stack that each member was last trained in, shape (k,)."""
        counts = self._counts()
        return counts[LAST_EPOCH] + counts[BEFORE]

    def _counts(self):
        # A tensor on the CPU is viewed without an operation of torch: those release Python's lock, and
        # other threads may then hold it for milliseconds.
        on_cpu = self.counts.device.type == "cpu"
        return (self.counts if on_cpu else self.counts.cpu()).numpy()
