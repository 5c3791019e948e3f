"""What the launches of a minibatch read on the device besides parameters."""

from __future__ import annotations

import numpy as np
import torch

from skreg.train.feed import sent


class Tables:
    """What an epoch brings, and what stays as it is.

    Parameters
    ----------
    knobs : Knobs
    feed : Feed
    spec : Spec
        Of any member.

    Attributes
    ----------
    s, b, d, steps : int
        Streams, rows of a minibatch, columns, minibatches of an epoch.
    counter : int64 tensor, shape (1,)
        Number of the minibatch.
    order, coef, share, keys : tensors
        As of `skreg.train.feed.Epoch`; keys (layers, steps, s, 2) are bits of uint32 as int32.
    rates, corrections : tensors, shapes (steps, k) and (steps, 2)
        Learning rates, and 1 / (1 - beta^t) of both moments of Adam.
    threshold, scale : tensors, shape (layers, k)
        Of the masks: thresholds as bits of uint32, and 1 / (1 - rate).
    members : list of slice
        Those of each stream.
    stream_of, target_of : int64 tensors, shape (k,)
    streams : int64 tensor, shape (s,)
        Their numbers.
    sources, targets, lengths : int64 tensors
        Addresses of the tables (s,) and of the targets (t,), and rows of these.
    """

    def __init__(self, knobs, feed, spec):
        self.spec, self.device = spec, feed.device
        self.members = feed.streams
        self.steps, self.s, self.b, self.d = feed.steps, len(feed.rows), feed.width, feed.rows[0].d
        layers, k = knobs.threshold.shape
        steps, s, b = self.steps, self.s, self.b
        self.counter = self.new(1, dtype=torch.int64)
        self.order = self.new(steps, s, b, dtype=torch.int64)
        self.coef, self.share = self.new(steps, s, b), self.new(steps, s, b)
        self.keys = self.new(layers, steps, s, 2, dtype=torch.int32)
        self.rates, self.corrections = self.new(steps, k), self.new(steps, 2)
        self.threshold = self.put(knobs.threshold.view(np.int32))
        self.scale = self.put(knobs.scale)
        self.stream_of, self.target_of = self.put(feed.stream_of), self.put(feed.target_of)
        self.streams = self.put(np.arange(s))
        self.sources = self.put([rows.data.data_ptr() for rows in feed.rows])
        self.targets = self.put([y.data_ptr() for y in feed.y])
        self.lengths = self.put([y.shape[-1] for y in feed.y])

    def put(self, array):
        """An array as a tensor on the device."""
        return torch.as_tensor(np.ascontiguousarray(array), device=self.device)

    def new(self, *shape, dtype=None):
        """Zeros on the device, of the precision of the net if nothing else is asked for."""
        dtype = getattr(torch, self.spec.dtype) if dtype is None else dtype
        return torch.zeros(shape, dtype=dtype, device=self.device)

    def bring(self, epoch, t):
        """Send what an epoch needs; nothing waits for the device.

        Parameters
        ----------
        epoch : Epoch
        t : int
            Steps that were taken before it.
        """
        spec, dtype = self.spec, np.dtype(self.spec.dtype)
        self.order.copy_(epoch.order)
        self.coef.copy_(epoch.coef)
        self.share.copy_(epoch.share)
        corrections = np.ones((self.steps, 2))
        if spec.solver != "sgd":
            betas = np.array([spec.beta_1, spec.beta_2])
            corrections = 1 / (1 - betas ** (t + np.arange(1, self.steps + 1))[:, None])
        # From (2, steps, layers, k) to (layers, steps, s, 2).
        keys = epoch.keys[..., [members.start for members in self.members]].transpose(2, 1, 3, 0)
        for place, values in (
            (self.keys, np.ascontiguousarray(keys).view(np.int32)),
            (self.rates, epoch.rates.astype(dtype)),
            (self.corrections, corrections.astype(dtype)),
        ):
            place.copy_(sent(values, self.device))
