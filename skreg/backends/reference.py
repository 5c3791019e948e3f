"""The step of a stack in torch operations with autograd: any device, every feature, the oracle."""

from __future__ import annotations

import numpy as np
import torch

from skreg.net.batch_norm import BATCH_NORM_MOMENTUM
from skreg.net.block import Minibatch, SharedRows
from skreg.net.net import KNOBS
from skreg.objective import losses, penalties
from skreg.optim.adam import adam_step
from skreg.optim.sgd import sgd_step


class _Minibatch:
    """One minibatch: x (s, b, d); y (t, b) ints or (t, o, b); the rest as of `_Tables`, at one step."""

    def __init__(self, x, y, tables, step):
        self.x, self.y = x, y
        self.coef, self.share = tables.epoch.coef[step], tables.epoch.share[step]
        self.keys, self.learning_rate = tables.keys[:, step], tables.rates[step]
        self.partner = None if tables.epoch.partner is None else tables.epoch.partner[step]


class _Tables:
    """An epoch with its keys and rates on the device: sent once, for all of its minibatches."""

    def __init__(self, epoch, like):
        self.epoch = epoch
        self.keys = torch.as_tensor(epoch.keys.astype(np.int64), device=like.device)
        self.rates = torch.as_tensor(epoch.rates, dtype=like.dtype, device=like.device)


class SolverStep:
    """A step of the solver on one parameter of all members.

    Attributes
    ----------
    p, gradient : tensor, shape (k, ...)
    t : ndarray of int, shape (k,)
        Number of the step, from 1.
    knobs, running : dict of tensor
        Of all knobs that differ from member to member, and of what is tracked; for blocks that take part.
    total : ndarray of int, shape (k,)
        Steps of the whole training of each member, if nothing ends it before.
    paths : tensor, shape (k, h)
        As of `skreg.net.net.Net.paths`.
    """

    def __init__(self, spec, p, gradient, moments, strengths, t):
        self.spec, self.p, self.gradient, self.t = spec, p, gradient, t
        self._moments, self._strengths = moments, strengths
        self.knobs, self.running, self.paths = {}, {}, None
        self.total = None

    def solve(self, prox=None):
        """Change p in place; ``prox`` as of `skreg.optim.adam.adam_step`."""
        spec, strengths = self.spec, self._strengths
        if spec.solver == "sgd":
            options = {"momentum": spec.momentum, "nesterov": spec.nesterov}
            step = sgd_step
        else:
            options = {"beta_1": spec.beta_1, "beta_2": spec.beta_2, "epsilon": spec.epsilon}
            options["t"] = self.t.reshape(-1, *[1] * (self.p.dim() - 1))
            step = adam_step
        step(self.p, self.gradient, *self._moments, **strengths, **options, prox=prox)


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
        self.of_blocks = {
            knob.name: put(getattr(knobs, knob.name)) for knob in KNOBS if not knob.shared
        }
        self.rates = put(knobs.rates)
        self.threshold = torch.as_tensor(knobs.threshold.astype(np.int64), device=device)
        self.l1, self.l2 = put(knobs.l1), put(knobs.l2)
        self.weight_decay, self.max_norm = put(knobs.weight_decay), put(knobs.max_norm)
        self.smoothing, self.quantile = put(knobs.smoothing), put(knobs.quantile)
        self.stream_of = torch.as_tensor(feed.stream_of, device=device)
        self.target_of = torch.as_tensor(feed.target_of, device=device)
        self.total = torch.zeros(state.k, dtype=dtype, device=device)
        self.tables = None
        self.fixed = {name: state.running.view[name] for name in state.net.fixed()}
        idle = state.net.idle(knobs).items()
        self.idle = {name: torch.as_tensor(mask, device=device) for name, mask in idle}

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
        loss, seen = self._loss(leaves, batch)
        grads = torch.autograd.grad(loss.sum(), list(leaves.values()), allow_unused=True)
        self.total += loss.detach()
        for name, value in seen.items():
            self.state.running.view[name].lerp_(value, BATCH_NORM_MOMENTUM)
        grads = dict(zip(leaves, grads, strict=True))
        for name, mask in self.idle.items():
            wide = mask.view(-1, *[1] * (grads[name].dim() - 1))
            grads[name] = grads[name].masked_fill(wide, 0)
        self._update(grads, batch)

    def _loss(self, p, batch):
        """Loss of each member (k,), and what tracked parameters are moved towards, by name."""
        share, keys = batch.share[self.stream_of], batch.keys
        partner = None if batch.partner is None else batch.partner[self.stream_of]
        minibatch = Minibatch(share, self._masks(keys), keys, self.of_blocks, partner=partner)
        rows = SharedRows(batch.x, self.feed.streams, self.stream_of)
        raw = self.state.net.train({**self.fixed, **p}, rows, minibatch)
        of_rows = self.spec.loss, raw, batch.y[self.target_of]
        options = {
            "smoothing": self.smoothing.unsqueeze(1),
            "quantile": self.quantile.view(-1, 1, 1),
        }
        if minibatch.own is None:
            per_row = losses.rowwise(*of_rows, **options)
        else:
            per_row = losses.mixed(*of_rows, partner, minibatch.own, **options)
        coef = batch.coef[self.stream_of]
        return (per_row * coef).sum(dim=1), minibatch.seen

    def _masks(self, keys):
        """As `Minibatch.masks`; keys (2, places, k)."""
        return [
            (self.rates[i], self.threshold[i], keys[:, i]) if limits.any() else None
            for i, limits in enumerate(self.knobs.threshold)
        ]

    def _update(self, grads, batch):
        spec, state = self.spec, self.state
        none = torch.zeros_like(self.weight_decay)
        for name, p in state.theta.view.items():
            layer = state.net.penalised.get(name)
            penalised = layer is not None
            strengths = {
                "learning_rate": batch.learning_rate,
                "weight_decay": self.weight_decay if penalised else none,
                "l1": self.l1[layer] if penalised else none,
                "l2": self.l2[layer] if penalised else none,
            }
            wide = {n: t.view(-1, *[1] * (p.dim() - 1)) for n, t in strengths.items()}
            moments = [m.view[name] for m in state.moments]
            step = SolverStep(spec, p, grads[name], moments, wide, state.t)
            block = state.net.stepped.get(name)
            if block is None:
                step.solve()
            else:
                step.knobs, step.running = self.of_blocks, state.running.view
                step.total = self.knobs.max_iter * self.feed.steps
                step.paths = state.net.paths({**state.theta.view, **state.running.view})
                block.step(step)
            if penalised and self.knobs.bounds_norms:
                p.copy_(penalties.project_max_norm(p, self.max_norm))

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
        views = {**nets.theta.view, **nets.running.view}
        return self.state.net.evaluate({n: v[members] for n, v in views.items()}, x)

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
