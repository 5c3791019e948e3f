"""Streams: how the rows of a stack's jobs become minibatches.

Members of one stream (same rows, weights and seed) share minibatches and random bits. Arrays are
recognised by content, since scikit-learn's splitters give each task a copy of its own.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import torch

from skreg.net.net import Net
from skreg.train.random import Purpose, generator, mask_keys

#: Entries of the widest activation of a chunk of validation rows, over all members that share them; and
#: rows of a chunk at least, whatever they take.
CHUNK_ENTRIES, CHUNK_ROWS = {"cpu": 1 << 20, "other": 1 << 25}, 64


def n_batches(n, batch_size, batch_norm):
    """Minibatches an epoch. Rows are spread evenly over them: their sizes differ by one at most.

    With batch norm no minibatch is left with a single row (unless there is only one).
    """
    count = -(-n // batch_size)
    return max(1, min(count, n // 2)) if batch_norm else count


def padded(rows):
    """Rows of a minibatch with padding, which counts nothing.

    Vector code takes some rows at a time, and those that are left over one by one. So a few more rows are
    faster than odd numbers (measured: 57 rows as 64 by a tenth).

    Examples
    --------
    >>> [padded(rows) for rows in (1, 30, 33, 45, 57, 64, 180, 200)]
    [1, 32, 33, 48, 64, 64, 192, 200]
    """
    for multiple, most in ((32, 1.07), (8, 1.125)):
        if (more := -(-rows // multiple) * multiple) <= rows * most:
            return more
    return rows


def batches_of(job):
    """Minibatches an epoch of a job."""
    spec = job.spec
    return job.n_batches or n_batches(job.X.shape[0], spec.batch_size, spec.batch_norm)


def digest(array):
    """Content of an array or CSR matrix as bytes; None for None."""
    if array is None:
        return b""
    h = hashlib.sha256(str((array.shape, array.dtype)).encode())
    parts = (array.data, array.indices, array.indptr) if sp.issparse(array) else (array,)
    for part in parts:
        h.update(memoryview(np.ascontiguousarray(part)).cast("B"))
    return h.digest()


@dataclass(frozen=True)
class Fingerprint:
    """The content of a job's rows: members whose rows are equal share them."""

    rows: bytes
    weights: bytes
    seed: int
    target: bytes
    valid: bytes
    #: Epochs behind it where the stack's first begins; below 0 for one that joins the stack later.
    begin: int = 0

    @classmethod
    def of(cls, job):
        """Fingerprint of a job."""
        return cls.of_all([job])[0]

    @classmethod
    def of_all(cls, jobs):
        """Fingerprints of jobs; an array that several of them hold is read once."""
        known = {}

        def content(array):
            if id(array) not in known:
                known[id(array)] = digest(array)
            return known[id(array)]

        out = []
        for job in jobs:
            valid = b""
            if job.X_val is not None:
                valid = b"".join(map(content, (job.X_val, job.y_val, job.sample_weight_val)))
            own = content(job.X), content(job.sample_weight), job.seed, content(job.y)
            out.append(cls(*own, valid, (job.start or {}).get("epoch", 0) + job.epochs_behind))
        return out

    @property
    def stream(self):
        """Members that agree on this share minibatches."""
        return self.rows, self.weights, self.seed, self.begin

    def sort_key(self):
        """Sort key of the canonical order: streams stay together, whatever the timing of threads."""
        return self.rows, self.weights, self.seed, self.begin, self.valid, self.target


def runs(keys):
    """Slices of equal neighbours, and the number of the run of each entry."""
    slices, number = [], np.zeros(len(keys), dtype=np.int64)
    start = 0
    for i in range(1, len(keys) + 1):
        if i == len(keys) or keys[i] != keys[start]:
            number[start:i] = len(slices)
            slices.append(slice(start, i))
            start = i
    return slices, number


@dataclass
class Epoch:
    """The minibatches of an epoch, or of several: ``steps`` of them, of each of s streams, for k members.

    Attributes
    ----------
    order : int64 tensor, shape (steps, s, b)
        Numbers of the rows.
    coef : tensor, shape (steps, s, b)
        What the loss of a row counts; 0 for padding. Where it is the same in all epochs, ``coef`` and
        ``share`` may be those of one.
    share : tensor, shape (steps, s, b)
        Share of a row in the statistics of batch norm.
    keys : ndarray of uint32, shape (2, steps, layers, k)
        Of the dropout masks.
    rates : ndarray, shape (steps, k)
        Learning rates.
    partner : int64 tensor, shape (steps, s, b), or None
        Place in its minibatch of the row that each may be mixed with; never one of padding. None where
        the nets mix none.
    """

    order: torch.Tensor
    coef: torch.Tensor
    share: torch.Tensor
    keys: np.ndarray
    rates: np.ndarray
    partner: torch.Tensor | None = None


class Table:
    """A table on the device, from which minibatches are taken; CSR stays CSR on the host."""

    def __init__(self, X, device):
        self.sparse = sp.issparse(X)
        self.n, self.d = X.shape
        self.device = device
        self.data = X if self.sparse else as_tensor(X, device)

    def take(self, index, out):
        """Rows ``index`` (a tensor) into ``out`` (b, d)."""
        if self.sparse:
            out.copy_(torch.from_numpy(self.data[index.cpu().numpy()].toarray()))
        else:
            torch.index_select(self.data, 0, index, out=out)

    def chunk(self, start, stop):
        """Rows ``start`` to ``stop`` as a dense tensor."""
        if self.sparse:
            return torch.from_numpy(self.data[start:stop].toarray()).to(self.device)
        return self.data[start:stop]

    def parts(self, members, net):
        """Slices of the rows, as many at a time as there is room for in an evaluation of members."""
        room = CHUNK_ENTRIES["cpu" if self.device.type == "cpu" else "other"]
        size = max(CHUNK_ROWS, room // ((members.stop - members.start) * net.widest))
        for start in range(0, self.n, size):
            yield slice(start, min(start + size, self.n))


def as_tensor(array, device):
    """A tensor on the device; shares the memory of a writable array on the CPU."""
    array = np.ascontiguousarray(array)
    if not array.flags.writeable:
        array = array.copy()
    return torch.from_numpy(array).to(device)


def sent(array, device):
    """A tensor sent to the device without waiting: on CUDA the copy may go on after this returns."""
    tensor = torch.from_numpy(np.ascontiguousarray(array))
    if device.type == "cuda":
        # A copy from memory that may be paged out would wait for all that was queued before it.
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)


@dataclass
class ValidationGroup:
    """Neighbours that share validation rows, and are evaluated together."""

    members: slice
    rows: Table
    y: torch.Tensor
    weight: torch.Tensor

    def chunks(self, net):
        """Rows (b, d), targets (b,) or (o, b) and weights (b,), as many at a time as there is room for.

        Parameters
        ----------
        net : Net
            Whose widest block decides.
        """
        for part in self.rows.parts(self.members, net):
            yield self.rows.chunk(part.start, part.stop), self.y[..., part], self.weight[part]


class Feed:
    """Minibatches for the members of a stack, in their canonical order.

    Parameters
    ----------
    jobs : list of Job
    fingerprints : list of Fingerprint
    device : torch.device
    cache : dict
        Tables on the device by content, so that they are sent once.
    """

    def __init__(self, jobs, fingerprints, device, cache):
        spec = jobs[0].spec
        self.device, self.cache, self.spec = device, cache, spec
        self.streams, self.stream_of = runs([f.stream for f in fingerprints])
        self.targets, self.target_of = runs([(f.stream, f.target) for f in fingerprints])
        first = [jobs[s.start] for s in self.streams]
        self.seeds = [job.seed for job in first]
        self.begins = np.array([fingerprints[s.start].begin for s in self.streams])
        self.rows = [
            self._cached(fingerprints[s.start].rows, lambda job=job: Table(job.X, device))
            for job, s in zip(first, self.streams, strict=True)
        ]
        self.sparse = any(rows.sparse for rows in self.rows)
        self.weights = [job.sample_weight for job in first]
        self.y = [
            self._cached(
                (fingerprints[s.start].target, jobs[s.start].spec.loss),
                lambda job=jobs[s.start]: _target(job.y, job.spec, device),
            )
            for s in self.targets
        ]
        self.target_stream = [int(self.stream_of[s.start]) for s in self.targets]
        self.mixes = Net.of(spec, self.rows[0].d).mixes
        self.steps = batches_of(jobs[0])
        self.width = padded(max(-(-r.n // self.steps) for r in self.rows))
        self.groups = self._groups(jobs, fingerprints)
        self._allocate(jobs)

    def _cached(self, key, make):
        key = (key, self.device, self.spec.dtype)
        if key not in self.cache:
            self.cache[key] = make()
        return self.cache[key]

    def _groups(self, jobs, fingerprints):
        groups = []
        for members in runs([f.valid for f in fingerprints])[0]:
            job = jobs[members.start]
            if job.X_val is None:
                continue

            def make(job=job):
                w = job.sample_weight_val
                w = np.ones(job.X_val.shape[0]) if w is None else np.asarray(w, dtype=np.float64)
                weight = as_tensor((w / w.sum()).astype(job.spec.dtype), self.device)
                return (
                    Table(job.X_val, self.device),
                    _target(job.y_val, job.spec, self.device),
                    weight,
                )

            rows, y, weight = self._cached((fingerprints[members.start].valid, job.spec.loss), make)
            groups.append(ValidationGroup(members, rows, y, weight))
        return groups

    def _allocate(self, jobs):
        spec, s, b = self.spec, len(self.rows), self.width
        dtype = getattr(torch, spec.dtype)
        self.x_batch = torch.zeros(s, b, self.rows[0].d, dtype=dtype, device=self.device)
        if spec.loss == "multinomial":
            self.y_batch = torch.zeros(len(self.y), b, dtype=torch.int64, device=self.device)
        else:
            self.y_batch = torch.zeros(
                len(self.y), spec.n_outputs, b, dtype=dtype, device=self.device
            )
        # position[s, step, j] is a place in the order of stream s; -1 is padding
        self._position = np.full((s, self.steps, b), -1, dtype=np.int64)
        for i, rows in enumerate(self.rows):
            start = np.arange(self.steps + 1) * rows.n // self.steps
            for step in range(self.steps):
                size = start[step + 1] - start[step]
                self._position[i, step, :size] = np.arange(start[step], start[step + 1])
        self._valid = self._position >= 0
        self._size = self._valid.sum(axis=2, keepdims=True)
        even = (self._valid / self._size).transpose(1, 0, 2)
        self._even = as_tensor(even.astype(spec.dtype), self.device)

    def epoch(self, number, count=1):
        """Order, row coefficients, shares and mask keys of an epoch of the stack, or of ``count``.

        Returns
        -------
        order : int64 tensor, shape (count * steps, s, b)
        coef, share : tensors, shape (count * steps, s, b), or (steps, s, b) where all epochs agree
        keys : ndarray of uint32, shape (2, count * steps, layers, k)
        """
        order = np.zeros((count, *self._position.shape), dtype=np.int64)
        weighted = any(w is not None for w in self.weights)
        coef = np.ones(order.shape) if weighted else None
        for i in range(len(self.rows)):
            for place in range(count):
                order[place, i] = self._order(i, number + place)[self._position[i]]
            if self.weights[i] is not None:
                coef[:, i] = self.weights[i][order[:, i]]
        numbers = range(number, number + count)
        keys = [
            mask_keys(self.seeds, self.begins + n, self.steps, self.spec.n_places) for n in numbers
        ]
        keys = np.ascontiguousarray(np.concatenate(keys, axis=1)[..., self.stream_of])
        order = sent(self._by_step(order), self.device)
        if not weighted:
            return order, self._even, self._even, keys
        coef = coef * self._valid
        share = coef / coef.sum(axis=3, keepdims=True)
        coef = coef / self._size
        parts = [self._by_step(p.astype(self.spec.dtype)) for p in (coef, share)]
        return order, *(sent(p, self.device) for p in parts), keys

    def _order(self, i, number):
        """The rows of stream i in the order of an epoch."""
        n = self.rows[i].n
        if not self.spec.shuffle or self.steps == 1:
            return np.arange(n)
        return self._generator(i, Purpose.ROW_ORDER, number).permutation(n)

    def _generator(self, i, purpose, number):
        """That of stream i in an epoch of the stack."""
        return generator(self.seeds[i], purpose, self.begins[i] + number)

    def partners(self, number, count=1):
        """Rows to mix with, of an epoch or of several; as `Epoch.partner`.

        Each is drawn by weight from the rows of its minibatch, itself included. So a pair of rows counts by
        the product of their weights, and a row of weight 2 is the row twice.
        """
        if not self.mixes:
            return None
        out = np.zeros((count, *self._position.shape), dtype=np.int64)
        for i, rows in enumerate(self.rows):
            start = np.arange(self.steps + 1) * rows.n // self.steps
            first = np.repeat(start[:-1], np.diff(start))
            last = np.repeat(start[1:] - 1, np.diff(start))
            for place in range(count):
                drawn = self._generator(i, Purpose.PARTNERS, number + place).random(rows.n)
                total = np.arange(rows.n + 1.0)
                if self.weights[i] is not None:
                    total[1:] = np.cumsum(self.weights[i][self._order(i, number + place)])
                reached = total[first] + drawn * (total[last + 1] - total[first])
                found = np.searchsorted(total[1:], reached, side="right")
                # Rounding may lead to the row behind.
                found = np.clip(found, first, last) - first
                out[place, i] = np.where(self._valid[i], found[self._position[i]], 0)
        return sent(self._by_step(out), self.device)

    @staticmethod
    def _by_step(table):
        """From (epochs, s, steps, b) to (epochs * steps, s, b)."""
        count, s, steps, b = table.shape
        return np.ascontiguousarray(table.transpose(0, 2, 1, 3)).reshape(count * steps, s, b)

    def gather(self, order):
        """Rows and targets of one minibatch; order (s, b). The tensors are reused."""
        for i, rows in enumerate(self.rows):
            rows.take(order[i], self.x_batch[i])
        for i, y in enumerate(self.y):
            index = order[self.target_stream[i]]
            if y.dim() == 1:
                torch.index_select(y, 0, index, out=self.y_batch[i])
            elif y.shape[0] == 1:
                torch.index_select(y[0], 0, index, out=self.y_batch[i, 0])
            else:
                torch.index_select(y, 1, index, out=self.y_batch[i])
        return self.x_batch, self.y_batch


def _target(y, spec, device):
    """Class numbers (n,), or floats features first (o, n)."""
    if spec.loss == "multinomial":
        return as_tensor(np.asarray(y, dtype=np.int64), device)
    y = np.asarray(y, dtype=spec.dtype).reshape(len(y), -1)
    return as_tensor(y.T, device)
