"""The step of a stack written out: products by torch, everything between them by row kernels.

No autograd, buffers allocated once, about a dozen calls a minibatch and layer pair. Equal to
`skreg.engine.reference` up to rounding, by test.
"""

from __future__ import annotations

import functools
import math

import numpy as np
import torch

from skreg.engine import kernels
from skreg.engine.constants import ACTIVATIONS, BATCH_NORM_EPS, LOSSES

#: Entries that one task of the optimiser updates: they stay in the L1 cache.
_TASK = 8192


def _tasks(theta, k):
    """Slices of the flat parameters that belong to one member: start, stop, member, layer."""
    rows, offset = [], 0
    for name, shape in theta.pairs:
        kind, layer = name.rsplit("_", 1)
        n = math.prod(shape)
        for member in range(k):
            for start in range(0, n, _TASK):
                begin = offset + member * n + start
                end = offset + member * n + min(start + _TASK, n)
                rows.append((begin, end, member, int(layer) if kind == "weight" else -1))
        offset += k * n
    return np.array(rows, dtype=np.int64).reshape(-1, 4)


def _call(product, a, b, out):
    """A product as a call without arguments."""
    return functools.partial(product, a, b, out=out)


class FusedStep:
    """Forward, backward and update of a stack on the CPU; see `ReferenceStep` for the interface."""

    def __init__(self, state, knobs, feed, spec):
        self.state, self.knobs, self.feed, self.spec = state, knobs, feed, spec
        self.k, self.b = state.k, feed.width
        self.layout = state.layout
        dtype = spec.dtype
        self.F = getattr(np, dtype)
        self.forward, self.backward, self.evaluate = kernels.unit_kernels(
            ACTIVATIONS[spec.activation], spec.batch_norm, dtype
        )
        self.loss = kernels.loss_kernel(LOSSES[spec.loss], dtype)
        self.drop_input = kernels.input_dropout_kernel(dtype) if knobs.input_dropout else None
        self.adam, self.sgd = kernels.optimiser_kernels(dtype)
        self.project = kernels.max_norm_kernel(dtype) if knobs.max_norm else None
        self.total = np.zeros(self.k, dtype=dtype)
        self._allocate()

    def _allocate(self):
        k, b, sizes = self.k, self.b, self.layout.sizes
        dtype = self.state.theta.flat.dtype
        grad = torch.zeros_like(self.state.theta.flat)
        self.grad_flat = grad.numpy()
        self.grad, offset = {}, 0
        for name, shape in self.state.theta.pairs:
            n = k * math.prod(shape)
            self.grad[name] = grad[offset : offset + n].view(k, *shape)
            offset += n
        self.theta_flat = self.state.theta.flat.numpy()
        self.moments_flat = [m.flat.numpy() for m in self.state.moments]
        self.tasks = _tasks(self.state.theta, k)
        hidden = sizes[1:-1]
        # The gradient of an activation overwrites it once the gradient of the weights has used it.
        self.z, self.a = ([torch.empty(k, h, b, dtype=dtype) for h in hidden] for _ in range(2))
        self.z_out = torch.empty(k, sizes[-1], b, dtype=dtype)
        self.mean, self.inv = ([np.zeros(k * h, dtype=self.F) for h in hidden] for _ in range(2))
        x = self.feed.x_batch
        if self.drop_input is not None:
            x = torch.empty(k, b, sizes[0], dtype=dtype)
            self.x_np, self.x_own_np = self.feed.x_batch.numpy(), x.numpy()
        # numpy views made once: making them in each step would cost more than a small kernel
        flat = lambda t: t.view(-1, t.shape[-1]).numpy()  # noqa: E731
        self.z_rows, self.a_rows = ([flat(t) for t in ts] for ts in (self.z, self.a))
        self.z_out_np, self.y_np = self.z_out.numpy(), self.feed.y_batch.numpy()
        view = {n: v.reshape(-1).numpy() for n, v in self.state.theta.view.items()}
        slope = {n: v.reshape(-1).numpy() for n, v in self.grad.items()}
        empty = np.zeros(0, dtype=self.F)
        self.gain, self.shift, self.dgain, self.dshift = [], [], [], []
        running = {n: v.reshape(-1).numpy() for n, v in self.state.running.view.items()}
        self.running_mean = [running.get(f"mean_{i}", empty) for i in range(len(hidden))]
        self.running_variance = [running.get(f"variance_{i}", empty) for i in range(len(hidden))]
        for i in range(len(hidden)):
            normed = self.layout.normed(i)
            self.gain.append(view[f"gain_{i}"] if normed else empty)
            self.dgain.append(slope[f"gain_{i}"] if normed else empty)
            self.shift.append(view[f"shift_{i}" if normed else f"bias_{i}"])
            self.dshift.append(slope[f"shift_{i}" if normed else f"bias_{i}"])
        last = self.layout.n_layers - 1
        self.bias_out = self.state.theta.view[f"bias_{last}"].numpy()
        self.dbias_out = self.grad[f"bias_{last}"].numpy()
        self.products = self._products(x)
        self.bounded = [
            (w.view(-1, w.shape[2]).numpy(), w.shape[1])
            for w in (self.state.theta.view[f"weight_{i}"] for i in range(last + 1))
        ]

    def _products(self, x):
        """Calls that make the products of each layer: outputs, gradient of weights, of inputs.

        The operands are views made once: making them in each step would cost as much as a product of
        a small net.
        """
        weight, grad, last = self.state.theta.view, self.grad, self.layout.n_layers - 1
        products = []
        for i in range(last + 1):
            w, g, z = weight[f"weight_{i}"], grad[f"weight_{i}"], [*self.z, self.z_out][i]
            dz = self.z_out if i == last else self.a[i]
            if i == 0:
                products.append((self._first(w, x, z), self._first_gradient(dz, x, g), None))
            else:
                a = self.a[i - 1]
                calls = (torch.bmm, w, a, z), (torch.bmm, dz, a.mT, g), (torch.bmm, w.mT, dz, a)
                products.append(tuple([_call(*call)] for call in calls))
        return products

    def _first(self, weight, x, out):
        """out (k, h, b) = weight (k, h, d) times the minibatch x (s, b, d) of the member's stream."""
        if x.shape[0] == self.k:
            return [_call(torch.bmm, weight, x.mT, out)]
        return [
            _call(torch.mm, weight[m].flatten(0, 1), x[i].T, out[m].flatten(0, 1))
            for i, m in enumerate(self.feed.streams)
        ]

    def _first_gradient(self, dz, x, out):
        """out (k, h, d) = dz (k, h, b) times the minibatch x (s, b, d) of the member's stream."""
        if x.shape[0] == self.k:
            return [_call(torch.bmm, dz, x, out)]
        return [
            _call(torch.mm, dz[m].flatten(0, 1), x[i], out[m].flatten(0, 1))
            for i, m in enumerate(self.feed.streams)
        ]

    def run(self, batch):
        """Train on one minibatch."""
        share, coef = batch.share.numpy(), batch.coef.numpy()
        if self.drop_input is not None:
            self._drop_inputs(batch.keys)
        self._propagate(share, batch.keys)
        self.loss(
            self.z_out_np,
            self.bias_out,
            self.y_np,
            self.feed.target_of,
            coef,
            self.feed.stream_of,
            self.knobs.smoothing,
            self.knobs.quantile,
            self.total,
            self.dbias_out,
            True,
        )
        self._backpropagate(share, batch.keys)
        self._update(batch)

    def _drop_inputs(self, keys):
        self.drop_input(
            self.x_np,
            self.feed.stream_of,
            self.knobs.threshold[0],
            self.knobs.scale[0],
            keys[0, 0],
            keys[1, 0],
            self.x_own_np,
        )

    def _propagate(self, share, keys):
        last = self.layout.n_layers - 1
        for i in range(last + 1):
            for product in self.products[i][0]:
                product()
            if i == last:
                return
            self.forward(
                self.z_rows[i],
                share,
                self.feed.stream_of,
                self.gain[i],
                self.shift[i],
                self.knobs.threshold[i + 1],
                self.knobs.scale[i + 1],
                keys[0, i + 1],
                keys[1, i + 1],
                self.layout.sizes[i + 1],
                self.a_rows[i],
                self.mean[i],
                self.inv[i],
                self.running_mean[i],
                self.running_variance[i],
            )

    def _backpropagate(self, share, keys):
        for i in range(self.layout.n_layers - 1, -1, -1):
            for product in self.products[i][1]:
                product()
            if i == 0:
                return
            for product in self.products[i][2]:
                product()
            self.backward(
                self.a_rows[i - 1],
                self.z_rows[i - 1],
                share,
                self.feed.stream_of,
                self.gain[i - 1],
                self.shift[i - 1],
                self.knobs.threshold[i],
                self.knobs.scale[i],
                keys[0, i],
                keys[1, i],
                self.layout.sizes[i],
                self.mean[i - 1],
                self.inv[i - 1],
                self.dgain[i - 1],
                self.dshift[i - 1],
            )

    def _update(self, batch):
        spec, knobs, F = self.spec, self.knobs, self.F
        common = (self.tasks, batch.lr.astype(F, copy=False), knobs.decay, knobs.l1, knobs.l2)
        if spec.solver == "sgd":
            self.sgd(
                self.theta_flat,
                self.grad_flat,
                *self.moments_flat,
                *common,
                F(spec.momentum),
                spec.nesterov,
            )
        else:
            self.adam(
                self.theta_flat,
                self.grad_flat,
                *self.moments_flat,
                *common,
                F(spec.beta_1),
                F(spec.beta_2),
                F(1 / (1 - spec.beta_1**batch.t)),
                F(1 / (1 - spec.beta_2**batch.t)),
                F(spec.epsilon),
            )
        if self.project is not None:
            for weight, h in self.bounded:
                self.project(weight, h, knobs.bound)

    def take_losses(self):
        """Losses added up since the last call, shape (k,)."""
        total = self.total.astype(np.float64)
        self.total[:] = 0
        return total

    def outputs(self, members, x):
        """Raw outputs at predict, shape (members, o, b), of rows x (b, d)."""
        layout = self.layout
        p = {n: v[members] for n, v in self.state.theta.view.items()}
        r = {n: v[members] for n, v in self.state.running.view.items()}
        k, b, a = p["weight_0"].shape[0], x.shape[0], None
        for i in range(layout.n_layers):
            weight = p[f"weight_{i}"]
            if i == 0:
                z = (weight.reshape(-1, weight.shape[2]) @ x.T).view(k, -1, b)
            else:
                z = torch.bmm(weight, a)
            if i == layout.n_layers - 1:
                return z.add_(p[f"bias_{i}"].unsqueeze(2))
            if layout.normed(i):
                g = p[f"gain_{i}"] * torch.rsqrt(r[f"variance_{i}"] + BATCH_NORM_EPS)
                c = p[f"shift_{i}"] - r[f"mean_{i}"] * g
            else:
                g, c = torch.ones_like(p[f"bias_{i}"]), p[f"bias_{i}"]
            self.evaluate(z.view(-1, b).numpy(), g.reshape(-1).numpy(), c.reshape(-1).numpy())
            a = z
        raise AssertionError("a net has at least one linear layer")

    def losses_of(self, members, raw, y, weight):
        """Weighted validation loss of each member, without label smoothing. Overwrites nothing."""
        k, o = raw.shape[0], raw.shape[1]
        total = np.zeros(k, dtype=self.F)
        zero = np.zeros(k, dtype=self.F)
        self.loss(
            raw.clone().numpy(),
            np.zeros((k, o), dtype=self.F),
            y.contiguous().unsqueeze(0).numpy(),  # for another layout numba would compile again
            np.zeros(k, dtype=np.int64),
            weight.unsqueeze(0).numpy(),
            np.zeros(k, dtype=np.int64),
            zero,
            self.knobs.quantile[members],
            total,
            np.zeros((k, o), dtype=self.F),
            False,
        )
        return total.astype(np.float64)
