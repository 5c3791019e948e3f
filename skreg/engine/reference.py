"""The step of a stack in torch operations with autograd: any device, every feature, the oracle."""

from __future__ import annotations

import numpy as np
import torch

from skreg.engine.constants import BATCH_NORM_MOMENTUM, EMBEDDED_WIDTH
from skreg.layers import (
    activation,
    batch_norm_eval,
    batch_norm_train,
    column_dropout,
    dropout,
    input_dropout,
    linear,
    owners,
    periodic,
    shared_linear,
)
from skreg.objective import losses, penalties


class _Minibatch:
    """One minibatch: x (s, b, d); y (t, b) ints or (t, o, b); the rest as of `_Tables`, at one step."""

    def __init__(self, x, y, tables, step):
        self.x, self.y = x, y
        self.coef, self.share = tables.epoch.coef[step], tables.epoch.share[step]
        self.keys, self.lr = tables.keys[:, step], tables.rates[step]


class _Tables:
    """An epoch with its keys and rates on the device: sent once, for all of its minibatches."""

    def __init__(self, epoch, like):
        self.epoch = epoch
        self.keys = torch.as_tensor(epoch.keys.astype(np.int64), device=like.device)
        self.rates = torch.as_tensor(epoch.rates, dtype=like.dtype, device=like.device)


def idle_biases(layout, knobs):
    """Whether the biases of a member's embedding are left where they are, shape (k,).

    A batch norm behind the first linear layer takes off what they add, unless inputs are dropped.
    Their gradient is zero but for rounding, which Adam would turn into steps of full size.
    """
    return layout.normed(0) & (knobs.threshold[0] == 0)


class ReferenceStep:
    """Forward, backward and update of a stack.

    Parameters
    ----------
    state : State
    knobs : Knobs
    feed : Feed
    spec : Spec
        Of any member: only what the members share is read.
    """

    #: It leaves the end of an epoch to the stack.
    closes_epochs = False

    def __init__(self, state, knobs, feed, spec):
        self.state, self.feed, self.spec = state, feed, spec
        device = state.theta.flat.device
        dtype = state.theta.flat.dtype

        def put(array):
            return torch.as_tensor(array, dtype=dtype, device=device)

        self.knobs = knobs
        self.rates = put(knobs.rates)
        self.threshold = torch.as_tensor(knobs.threshold.astype(np.int64), device=device)
        self.l1, self.l2 = put(knobs.l1), put(knobs.l2)
        self.decay, self.bound = put(knobs.decay), put(knobs.bound)
        self.smoothing, self.quantile = put(knobs.smoothing), put(knobs.quantile)
        self.stream_of = torch.as_tensor(feed.stream_of, device=device)
        self.target_of = torch.as_tensor(feed.target_of, device=device)
        self.total = torch.zeros(state.k, dtype=dtype, device=device)
        self.tables = None
        if spec.embedded:
            owner = owners(feed.rows[0].d, spec.embedded, EMBEDDED_WIDTH - 1)
            self.columns = torch.tensor(spec.embedded, device=device)
            self.owner = torch.tensor(owner, device=device)
            self.idle = torch.as_tensor(idle_biases(state.layout, knobs), device=device)

    def run(self, epoch, first, stop):
        """Train on minibatches ``first`` to ``stop`` of an epoch.

        Parameters
        ----------
        epoch : Epoch
        first, stop : int
        """
        if self.tables is None or self.tables.epoch is not epoch:
            self.tables = _Tables(epoch, self.total)
        for step in range(first, stop):
            self.state.t += 1
            x, y = self.feed.gather(epoch.order[step])
            self._train(_Minibatch(x, y, self.tables, step))

    def _train(self, batch):
        leaves = {n: v.detach().requires_grad_() for n, v in self.state.theta.view.items()}
        loss, moments = self._loss(leaves, batch)
        grads = torch.autograd.grad(loss.sum(), list(leaves.values()), allow_unused=True)
        self.total += loss.detach()
        self._track(moments)
        grads = dict(zip(leaves, grads, strict=True))
        if self.spec.embedded:
            idle = self.idle.view(-1, 1, 1)
            grads["embed_bias"] = grads["embed_bias"].masked_fill(idle, 0)
        self._update(grads, batch)

    def _loss(self, p, batch):
        """Loss of each member (k,) and mean and variance of each batch norm."""
        spec, layout = self.spec, self.state.layout
        keys = batch.keys
        share = batch.share[self.stream_of]
        moments = []
        a = None
        for i in range(layout.n_layers):
            weight = p[f"weight_{i}"]
            if i > 0:
                z = linear(weight, a)
            elif spec.embedded:
                z = linear(weight, self._embedded_inputs(p, batch, keys[:, 0]))
            elif self.knobs.input_dropout:
                x = input_dropout(
                    batch.x[self.stream_of], self.rates[0], self.threshold[0], keys[:, 0]
                )
                z = torch.bmm(weight, x.mT)
            else:
                z = shared_linear(weight, batch.x, self.feed.streams)
            if layout.normed(i):
                z, mean, variance = batch_norm_train(z, p[f"gain_{i}"], p[f"shift_{i}"], share)
                moments.append((mean.detach(), variance.detach()))
            else:
                z = z + p[f"bias_{i}"].unsqueeze(2)
            if i == layout.n_layers - 1:
                break
            a = activation(z, spec.activation)
            if self.knobs.threshold[i + 1].any():
                a = dropout(a, self.rates[i + 1], self.threshold[i + 1], keys[:, i + 1])
        per_row = losses.rowwise(
            spec.loss,
            z,
            batch.y[self.target_of],
            smoothing=self.smoothing.unsqueeze(1),
            quantile=self.quantile.view(-1, 1, 1),
        )
        coef = batch.coef[self.stream_of]
        return (per_row * coef).sum(dim=1), moments

    def _embed(self, p, x):
        """Embedded inputs (k, d', b) of rows x (k or 1, b, d)."""
        names = ("frequency", "phase", "weight", "bias")
        return periodic(x, self.columns, *(p[f"embed_{name}"] for name in names))

    def _embedded_inputs(self, p, batch, keys):
        """Embedded inputs of a minibatch, some of them dropped."""
        a = self._embed(p, batch.x[self.stream_of])
        if not self.knobs.input_dropout:
            return a
        masks = self.rates[0], self.threshold[0], keys
        return column_dropout(a, self.owner, *masks, n_columns=batch.x.shape[2])

    def _track(self, moments):
        running = self.state.running.view
        for i, (mean, variance) in enumerate(moments):
            # The biased variance: a row of weight 2 is then exactly the row given twice.
            running[f"mean_{i}"].lerp_(mean, BATCH_NORM_MOMENTUM)
            running[f"variance_{i}"].lerp_(variance, BATCH_NORM_MOMENTUM)

    def _update(self, grads, batch):
        spec, state = self.spec, self.state
        zero = torch.zeros_like(self.decay)
        for name, p in state.theta.view.items():
            kind, layer = name.rsplit("_", 1)
            penalised = kind == "weight"
            decay, l1, l2 = (
                (self.decay, self.l1[int(layer)], self.l2[int(layer)]) if penalised else (zero,) * 3
            )
            wide = [t.view(-1, *[1] * (p.dim() - 1)) for t in (batch.lr, decay, l1, l2)]
            options = dict(zip(("lr", "decay", "l1", "l2"), wide, strict=True))
            moments = [m.view[name] for m in state.moments]
            if spec.solver == "sgd":
                penalties.sgd_step(
                    p,
                    grads[name],
                    *moments,
                    momentum=spec.momentum,
                    nesterov=spec.nesterov,
                    **options,
                )
            else:
                penalties.adam_step(
                    p,
                    grads[name],
                    *moments,
                    beta_1=spec.beta_1,
                    beta_2=spec.beta_2,
                    epsilon=spec.epsilon,
                    t=state.t,
                    **options,
                )
            if penalised and self.knobs.max_norm:
                p.copy_(penalties.project_max_norm(p, self.bound))

    def take_losses(self):
        """Losses added up since the last call, shape (k,)."""
        total = self.total.cpu().numpy().astype(np.float64)
        self.total.zero_()
        return total

    @torch.no_grad()
    def outputs(self, nets, members, x):
        """Raw outputs at predict of members of nets.

        Parameters
        ----------
        nets : State or Snapshot
        members : slice
        x : Tensor of shape (b, d)

        Returns
        -------
        Tensor of shape (members, o, b)
        """
        layout = self.state.layout
        p = {n: v[members] for n, v in nets.theta.view.items()}
        r = {n: v[members] for n, v in nets.running.view.items()}
        a = self._embed(p, x.unsqueeze(0)) if self.spec.embedded else x.T.unsqueeze(0)
        for i in range(layout.n_layers):
            z = p[f"weight_{i}"] @ a
            if layout.normed(i):
                z = batch_norm_eval(
                    z, p[f"gain_{i}"], p[f"shift_{i}"], r[f"mean_{i}"], r[f"variance_{i}"]
                )
            else:
                z = z + p[f"bias_{i}"].unsqueeze(2)
            if i < layout.n_layers - 1:
                a = activation(z, self.spec.activation)
        return z

    @torch.no_grad()
    def losses_of(self, members, raw, y, weight):
        """Weighted validation loss of each member (k,), without label smoothing; on the device."""
        k = raw.shape[0]
        per_row = losses.rowwise(
            self.spec.loss,
            raw,
            y.unsqueeze(0).expand(k, *y.shape),
            smoothing=torch.zeros(k, 1, dtype=raw.dtype, device=raw.device),
            quantile=self.quantile[members].view(-1, 1, 1),
        )
        return (per_row * weight).sum(dim=1)
