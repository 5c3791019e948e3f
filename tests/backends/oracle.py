"""One net as anyone would write it in torch: nn.Sequential, autograd, torch.optim.

It takes from the engine only what it cannot know: the starting weights, the order of the rows, the random
bits of dropout, and which of torch's modules an activation is called after.
"""

from __future__ import annotations

import itertools

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from skreg.backends.constants import HUBER_DELTA
from skreg.net.activation import KINDS
from skreg.net.bits import Salt, bits
from skreg.net.categories import width_of
from skreg.net.dropout import keep_mask
from skreg.net.input_noise import standard_normal
from skreg.net.mixing import beta_quantiles
from skreg.net.net import Net
from skreg.net.piecewise import bin_edges
from skreg.train.feed import Feed, Fingerprint
from skreg.train.random import thresholds
from skreg.train.state import initial_parameters


class BatchNorm(nn.BatchNorm1d):
    """torch's, but its running variance is the biased one, so that weights can stand for rows."""

    def forward(self, z):
        with torch.no_grad():
            self.running_mean.lerp_(z.mean(0), self.momentum)
            self.running_var.lerp_(z.var(0, correction=0), self.momentum)
        return F.batch_norm(z, None, None, self.weight, self.bias, training=True, eps=self.eps)


class GivenMask(nn.Module):
    """Inverted dropout by a mask that is set from outside."""

    def __init__(self, rate):
        super().__init__()
        self.rate, self.keep = rate, None

    def forward(self, x):
        return x * self.keep / (1 - self.rate)


class GivenNoise(nn.Module):
    """Adds noise of given standard deviations to inputs, by numbers that are set from outside."""

    def __init__(self, std):
        super().__init__()
        self.std, self.normal = std, None

    def forward(self, x):
        return x + self.std * self.normal


class Augmentation:
    """Mix-up, cut-mix and cut-out of one minibatch, row by row; it takes the random bits as they are."""

    def __init__(self, job):
        self.spec, d = job.spec, job.X.shape[1]
        self.owner = list(job.spec.owners or range(d))
        self.mean = torch.from_numpy(np.average(job.X, axis=0, weights=job.sample_weight))

    def __call__(self, x, partner, keys):
        """Rows (b, d) as the net sees them, and the share that each has of itself (b,)."""
        out, own = x.clone(), torch.ones(len(x), dtype=x.dtype)
        keys = [torch.tensor([int(k)]) for k in keys]
        drawn = {salt: bits(salt, keys, len(x), 64)[0].tolist() for salt in Salt}
        for i in range(len(x)):
            row = {salt: line[i] for salt, line in drawn.items()}
            if partner is not None:
                out[i], own[i] = self._mixed(x[i], x[partner[i]], row)
            if row[Salt.CUTOUT_ROWS][0] < self.spec.cutout * 2**32:
                for j in self._cut(row[Salt.CUTOUT_COLUMNS]):
                    out[i, j] = self.mean[j]
        return out, own

    def _mixed(self, mine, other, row):
        if row[Salt.CUTMIX_ROWS][0] < self.spec.cutmix * 2**32:
            limit, out = row[Salt.CUTMIX_SHARE][0], mine.clone()
            taken = [c for c in set(self.owner) if row[Salt.CUTMIX_COLUMNS][c] < limit]
            for j, c in enumerate(self.owner):
                if c in taken:
                    out[j] = other[j]
            return out, 1 - len(taken) / len(set(self.owner))
        share = row[Salt.MIXUP_SHARE][0] / 2**32
        table = beta_quantiles(self.spec.mixup)
        own = np.interp(share, np.linspace(0, 1, len(table)), table)
        return own * mine + (1 - own) * other, own

    def _cut(self, draws):
        """Columns that go: each is taken with probability (still wanted) / (still there)."""
        there = len(set(self.owner))
        wanted = max(1, round(self.spec.cutout_share * there))
        gone = []
        for c in range(len(set(self.owner))):
            if draws[c] / 2**32 * there < wanted:
                gone.append(c)
                wanted -= 1
            there -= 1
        return [j for j, c in enumerate(self.owner) if c in gone]


class Residual(nn.Module):
    """A layer, to whose output its input is added."""

    def __init__(self, modules):
        super().__init__()
        self.inner = nn.Sequential(*modules)

    def forward(self, x):
        return self.inner(x) + x


class Periodic(nn.Module):
    """Periodic embeddings, column by column, behind the columns as they are."""

    def __init__(self, columns):
        super().__init__()
        self.columns = columns
        self.frequency, self.phase, self.weight, self.bias = (
            nn.Parameter(torch.empty(len(columns), *shape))
            for shape in ((16,), (16,), (3, 16), (3,))
        )

    def forward(self, x):
        parts = [x]
        for i, j in enumerate(self.columns):
            angle = 2 * torch.pi * x[:, [j]] * self.frequency[i] + self.phase[i]
            parts.append(F.linear(torch.cos(angle), self.weight[i], self.bias[i]))
        return torch.cat(parts, dim=1)


class Piecewise(nn.Module):
    """Piecewise linear embeddings, column by column and bin by bin, behind the columns as they are."""

    def __init__(self, columns, edges):
        super().__init__()
        self.columns, self.edges = columns, edges
        self.weight, self.bias = (
            nn.Parameter(torch.empty(len(columns), *shape)) for shape in ((3, 16), (3,))
        )

    def forward(self, x):
        parts = [x]
        for i, j in enumerate(self.columns):
            edges = sorted(set(self.edges[i].tolist()))
            encoded = torch.zeros(len(x), 16, dtype=x.dtype)
            for t, (left, right) in enumerate(itertools.pairwise(edges)):
                low = None if t == 0 else 0.0
                high = None if right == edges[-1] else 1.0
                share = (x[:, j] - left) / (right - left)
                encoded[:, t] = share if low is high is None else share.clamp(low, high)
            parts.append(F.linear(encoded, self.weight[i], self.bias[i]))
        return torch.cat(parts, dim=1)


class Categories(nn.Module):
    """Vectors of levels, column by column, behind what becomes of the numeric columns."""

    def __init__(self, first, levels):
        super().__init__()
        self.first = first
        self.tables = nn.ModuleList(
            nn.Embedding(n, width_of(n), _weight=torch.empty(n, width_of(n))) for n in levels
        )

    def forward(self, x):
        n = x.shape[1] - len(self.tables)
        vectors = [table(x[:, n + c].long()) for c, table in enumerate(self.tables)]
        return torch.cat([self.first(x[:, :n]), *vectors], dim=1)


class PlainNet:
    """Trains the net of one job."""

    def __init__(self, job):
        self.job, spec = job, job.spec
        own, n = spec.owners or range(job.X.shape[1]), job.X.shape[1] - len(spec.levels)
        self.owner = [*own[:n], *(own[j] for j in spec.embedded or () for _ in range(3))]
        for column, levels in zip(own[n:], spec.levels, strict=True):
            self.owner += [column] * width_of(levels)
        sizes = (len(self.owner), *spec.hidden, spec.n_outputs)
        self.embedding = self._embedding()
        self.inputs = Categories(self.embedding, spec.levels) if spec.levels else self.embedding
        self.masks = [GivenMask(rate) for rate in (spec.input_dropout, *spec.dropout)]
        self.augmentation = Augmentation(job)
        self.noise = GivenNoise(spec.input_noise * self._std())
        modules = [self.noise, self.inputs, self.masks[0]]
        for i in range(len(spec.hidden)):
            layer = [nn.Linear(sizes[i], sizes[i + 1], bias=not spec.batch_norm)]
            if spec.batch_norm:
                layer.append(BatchNorm(sizes[i + 1]))
            if spec.layer_norm:
                layer.append(nn.LayerNorm(sizes[i + 1]))
            layer += [KINDS[spec.activation].module(), self.masks[i + 1]]
            connected = spec.residual and i > 0 and sizes[i] == sizes[i + 1]
            modules += [Residual(layer)] if connected else layer
        modules.append(nn.Linear(sizes[-2], sizes[-1]))
        self.net = nn.Sequential(*modules).to(getattr(torch, spec.dtype))
        self.linears = [m for m in self.net.modules() if isinstance(m, nn.Linear)]
        self.norms = [m for m in self.net.modules() if isinstance(m, BatchNorm)]
        self.layer_norms = [m for m in self.net.modules() if isinstance(m, nn.LayerNorm)]
        self._start(initial_parameters(Net.of(spec, job.X.shape[1]), spec, job.seed))
        if self.norms and spec.embedded and not spec.input_dropout:
            # Batch norm takes off what it adds: without rounding its gradient were zero.
            self.embedding.bias.requires_grad_(False)
        self.optimiser = self._optimiser()

    def _embedding(self):
        job, columns = self.job, self.job.spec.embedded
        if not columns:
            return nn.Identity()
        if job.spec.embedding == "periodic":
            return Periodic(columns)
        return Piecewise(columns, [bin_edges(job.X[:, j], job.sample_weight) for j in columns])

    def _std(self):
        """Of each column, rows counted by their weight."""
        X, weight = self.job.X, self.job.sample_weight
        mean = np.average(X, axis=0, weights=weight)
        std = np.sqrt(np.average((X - mean) ** 2, axis=0, weights=weight))
        std[len(std) - len(self.job.spec.levels) :] = 0
        return torch.from_numpy(std)

    def _start(self, given):
        with torch.no_grad():
            for i, linear in enumerate(self.linears):
                linear.weight.copy_(torch.from_numpy(given[f"weight_{i}"]))
                if linear.bias is not None:
                    linear.bias.zero_()
            for name, values in self.embedding.named_parameters():
                values.copy_(torch.from_numpy(given[f"embed_{name}"]))
            tables = self.inputs.tables if self.job.spec.levels else []
            parts = np.split(given.get("category_vectors", ()), self._ends()[:-1])
            for table, part in zip(tables, parts, strict=False):
                table.weight.copy_(torch.from_numpy(part).view_as(table.weight))

    def _ends(self):
        """Where the table of each column ends among all numbers of their vectors."""
        return np.cumsum([n * width_of(n) for n in self.job.spec.levels], dtype=int)

    def _optimiser(self):
        spec = self.job.spec
        weights = [m.weight for m in self.linears]
        known = {id(w) for w in weights}
        others = [p for p in self.net.parameters() if id(p) not in known]
        groups = [
            {"params": weights, "weight_decay": spec.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ]
        if spec.solver == "sgd":
            return torch.optim.SGD(
                groups,
                lr=spec.learning_rate_init,
                momentum=spec.momentum,
                nesterov=spec.nesterov and spec.momentum > 0,
            )
        kind = torch.optim.AdamW if spec.weight_decay else torch.optim.Adam
        betas = (spec.beta_1, spec.beta_2)
        return kind(groups, lr=spec.learning_rate_init, betas=betas, eps=spec.epsilon)

    def loss(self, f, y, weight):
        """Weighted loss of a minibatch; y (b,) or (b, o), weight (b,)."""
        spec = self.job.spec
        if spec.loss == "multinomial":
            rows = F.cross_entropy(f, y, reduction="none", label_smoothing=spec.label_smoothing)
        elif spec.loss == "binomial":
            y = y + spec.label_smoothing * (0.5 - y)
            rows = F.binary_cross_entropy_with_logits(f, y, reduction="none").sum(1)
        elif spec.loss == "squared_error":
            rows = F.mse_loss(f, y, reduction="none").sum(1) / 2
        elif spec.loss == "absolute_error":
            rows = F.l1_loss(f, y, reduction="none").sum(1)
        elif spec.loss == "huber":
            rows = F.huber_loss(f, y, reduction="none", delta=HUBER_DELTA).sum(1)
        elif spec.loss == "poisson":
            rows = F.poisson_nll_loss(f, y, log_input=True, full=False, reduction="none").sum(1)
        else:
            q = spec.quantile
            rows = torch.where(y > f, q * (y - f), (1 - q) * (f - y)).sum(1)
        return (rows * weight).mean()

    def mixed_target(self, y, partner, own):
        """Targets (b, o) of mixed rows; of classes their probabilities."""
        if self.job.spec.loss == "multinomial":
            y = F.one_hot(y, self.job.spec.n_outputs).to(own.dtype)
        return own[:, None] * y + (1 - own[:, None]) * y[partner]

    def penalty(self):
        """The part of the objective that has a gradient."""
        strengths = zip(self.job.spec.l2, self.linears, strict=True)
        return sum(l2 / 2 * (m.weight**2).sum() for l2, m in strengths)

    def train(self, max_steps=None):
        """Minibatches as the engine takes them; returns the mean loss of each epoch."""
        job, spec = self.job, self.job.spec
        X, y = torch.from_numpy(job.X), torch.from_numpy(job.y)
        feed = Feed([job], [Fingerprint.of(job)], torch.device("cpu"), {})
        weight = torch.ones(len(X), dtype=X.dtype)
        if job.sample_weight is not None:
            weight = torch.from_numpy(job.sample_weight).to(X.dtype)
        curve, done = [], 0
        for epoch in range(spec.max_iter):
            order, coef, _, keys = feed.epoch(epoch)
            partners = feed.partners(epoch)
            total = 0.0
            for s in range(feed.steps):
                rows = order[s, 0][coef[s, 0] > 0]
                self._draw(keys[:, s, :, 0], len(rows))
                partner = None if partners is None else partners[s, 0, : len(rows)]
                x, own = self.augmentation(X[rows], partner, keys[:, s, 0, 0])
                target = y[rows] if partner is None else self.mixed_target(y[rows], partner, own)
                loss = self.loss(self.net(x), target, weight[rows])
                self.optimiser.zero_grad()
                (loss + self.penalty()).backward()
                self.optimiser.step()
                self._prox()
                total += loss.item()
                done += 1
                if done == max_steps:
                    return curve
            curve.append(total / feed.steps)
        return curve

    def _draw(self, keys, rows):
        """Masks and noise of one step; inputs count row by row, units unit by unit."""
        pair = [torch.tensor([int(k)]) for k in keys[:, 0]]
        dtype = self.linears[0].weight.dtype
        self.noise.normal = standard_normal(rows, self.job.X.shape[1], pair, dtype, "cpu")[0]
        sizes = (max(self.owner) + 1, *self.job.spec.hidden)
        for layer, (mask, size) in enumerate(zip(self.masks, sizes, strict=True)):
            pair = [torch.tensor([int(k)]) for k in keys[:, layer]]
            limit = torch.tensor([int(thresholds(mask.rate))])
            shape = (rows, size) if layer == 0 else (size, rows)
            keep = keep_mask(*shape, pair, limit, "cpu")[0]
            mask.keep = keep[:, self.owner] if layer == 0 else keep.T

    @torch.no_grad()
    def _prox(self):
        """Soft-thresholding in the metric of the step, then the bound on the norms."""
        spec = self.job.spec
        for l1, linear in zip(spec.l1, self.linears, strict=True):
            w, lr = linear.weight, spec.learning_rate_init
            if l1:
                scale = 1.0
                if spec.solver != "sgd":
                    state = self.optimiser.state[w]
                    v = state["exp_avg_sq"] / (1 - spec.beta_2 ** state["step"].item())
                    scale = v.sqrt() + spec.epsilon
                w.copy_(w.sign() * (w.abs() - lr * l1 / scale).clamp(min=0))
            norm = w.norm(dim=1, keepdim=True)
            w.copy_(w * (spec.max_norm / norm).clamp(max=1))

    def params(self):
        """Parameters by the engine's names."""
        named = {f"weight_{i}": m.weight for i, m in enumerate(self.linears)}
        if isinstance(self.embedding, Piecewise):
            named["embed_edges"] = torch.from_numpy(np.stack(self.embedding.edges))
        if self.job.spec.input_noise:
            named["input_std"] = self._std()
        if self.job.spec.cutout:
            named["input_mean"] = self.augmentation.mean
        named |= {f"bias_{i}": m.bias for i, m in enumerate(self.linears) if m.bias is not None}
        named |= {f"embed_{name}": p for name, p in self.embedding.named_parameters()}
        if self.job.spec.levels:
            tables = [table.weight.flatten() for table in self.inputs.tables]
            named["category_vectors"] = torch.cat(tables)
        for i, m in enumerate(self.norms):
            named[f"gain_{i}"], named[f"shift_{i}"] = m.weight, m.bias
            named[f"mean_{i}"], named[f"variance_{i}"] = m.running_mean, m.running_var
        for i, m in enumerate(self.layer_norms):
            named[f"layer_gain_{i}"], named[f"layer_shift_{i}"] = m.weight, m.bias
        return {name: value.detach().numpy() for name, value in named.items()}
