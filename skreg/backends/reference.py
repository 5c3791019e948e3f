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
    #: As `Minibatch.draw_masks`.
    draw_masks = None

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
        # Sums of losses are in double precision: a few rows may cost a million times what the others do.
        self.sum_dtype = dtype if device.type == "mps" else torch.float64  # which MPS lacks
        self.total = torch.zeros(state.k, dtype=self.sum_dtype, device=device)
        self.tables = None
        self.carried = state.running.view
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
            self.tables = _Tables(epoch, self.state.theta.flat)
        for step in range(first, stop):
            self.state.t += 1
            x, y = self.feed.gather(epoch.order[step])
            self._train(_Minibatch(x, y, self.tables, step))

    def _train(self, batch):
        net, k = self.state.net, self.state.k
        parts = [slice(0, k)]
        if net.one_by_one(self.total.device, batch.share.shape[-1]):
            # One member's activations are still in the cache on their way back.
            parts = [slice(i, i + 1) for i in range(k)]
        found = [self._gradients(batch, part) for part in parts]
        grads = (
            found[0] if len(found) == 1 else {n: torch.cat([g[n] for g in found]) for n in found[0]}
        )
        for name, mask in self.idle.items():
            wide = mask.view(-1, *[1] * (grads[name].dim() - 1))
            grads[name] = grads[name].masked_fill(wide, 0)
        self._update(grads, batch)

    def _gradients(self, batch, part):
        """Gradients of a slice of the members by name; notes their losses and what blocks track."""
        leaves = {n: v[part].detach().requires_grad_() for n, v in self.state.theta.view.items()}
        costs, minibatch = self._costs(leaves, batch, part)
        grads = torch.autograd.grad(costs.sum(), list(leaves.values()), allow_unused=True)
        self.total[part] += costs.detach().sum(dim=1, dtype=self.sum_dtype)
        for name, value in minibatch.seen.items():
            self.carried[name][part].lerp_(value, BATCH_NORM_MOMENTUM)
        for name, value in minibatch.became.items():
            self.carried[name][part].copy_(value)
        return {
            name: torch.zeros_like(leaf) if grad is None else grad
            for (name, leaf), grad in zip(leaves.items(), grads, strict=True)
        }

    def _costs(self, p, batch, part):
        """What each row adds to the losses of some members, and the minibatch with what blocks have seen."""
        stream_of, keys = self.stream_of[part], batch.keys[..., part]
        partner = None if batch.partner is None else batch.partner[stream_of]
        knobs = {name: values[..., part] for name, values in self.of_blocks.items()}
        masks = self._masks(keys, part)
        options = {"partner": partner, "draw_masks": self.draw_masks}
        minibatch = Minibatch(batch.share[stream_of], masks, keys, knobs, **options)
        rows = SharedRows(batch.x, self.feed.streams, stream_of)
        carried = {name: values[part] for name, values in self.carried.items()}
        raw = self.state.net.train({**carried, **p}, rows, minibatch)
        of_rows = self.spec.loss, raw, batch.y[self.target_of[part]]
        options = {
            "smoothing": self.smoothing[part].unsqueeze(1),
            "quantile": self.quantile[part].view(-1, 1, 1),
        }
        if minibatch.own is None:
            per_row = losses.rowwise(*of_rows, **options)
        else:
            per_row = losses.mixed(*of_rows, partner, minibatch.own, **options)
        return per_row * batch.coef[stream_of], minibatch

    def _masks(self, keys, part):
        """As `Minibatch.masks`, of a slice of the members; keys (2, places, k)."""
        return [
            (self.rates[i, part], self.threshold[i, part], keys[:, i]) if limits.any() else None
            for i, limits in enumerate(self.knobs.threshold)
        ]

    def _update(self, grads, batch):
        state = self.state
        none = torch.zeros_like(self.weight_decay)
        for name, p in state.theta.view.items():
            layer = state.net.penalised.get(name)
            penalised = layer is not None
            selects = penalised and self.knobs.l1[layer].any()
            options = {
                "learning_rate": batch.learning_rate,
                "weight_decay": self.weight_decay if penalised else none,
                "l1": self.l1[layer] if selects else None,
                "l2": self.l2[layer] if penalised else none,
            }
            block = state.net.stepped.get(name)
            if block is None:
                self._step(name, grads[name], options)
            else:
                step = self._solver_step(name, grads[name], options)
                step.knobs, step.running = self.of_blocks, state.running.view
                step.total = self.knobs.max_iter * self.feed.steps
                step.paths = state.net.paths({**state.theta.view, **state.running.view})
                block.step(step)
            if penalised and self.knobs.bounds_norms:
                axis = 1 + state.net.axes[name]
                units = p.movedim(axis, 1)
                bounded = penalties.project_max_norm(units.flatten(2), self.max_norm)
                p.copy_(bounded.view(units.shape).movedim(1, axis))

    def _step(self, name, grad, options):
        """A step of the optimiser on one parameter of all members; options are (k,) each, ``l1`` or None."""
        self._solver_step(name, grad, options).solve()

    def _solver_step(self, name, grad, options):
        state = self.state
        p, moments = state.theta.view[name], [m.view[name] for m in state.moments]
        ones = [1] * (p.dim() - 1)
        wide = {n: t if t is None else t.view(-1, *ones) for n, t in options.items()}
        return SolverStep(self.spec, p, grad, moments, wide, state.t)

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
        return (per_row * weight).sum(dim=1, dtype=self.sum_dtype)
