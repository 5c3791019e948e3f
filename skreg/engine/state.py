"""The parameters of a stack: flat buffers with views, shared by both implementations of a step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from skreg.engine.constants import EMBEDDED_WIDTH, FREQUENCY_STD, N_FREQUENCIES
from skreg.engine.data import sent
from skreg.engine.random import Purpose, generator

#: Gain of the initial weights in front of an activation (He et al. 2015; Klambauer et al. 2017).
GAINS = {
    "identity": 1.0,
    "relu": 2.0**0.5,
    "tanh": 1.0,
    "logistic": 1.0,
    "silu": 2.0**0.5,
    "gelu": 2.0**0.5,
    "selu": 1.0,
    "mish": 2.0**0.5,
}


@dataclass(frozen=True)
class Layout:
    """Names and shapes of what one member learns, and of what it only tracks.

    Attributes
    ----------
    sizes : tuple of int
        Inputs, hidden units, outputs.
    batch_norm : bool
    n_embedded : int, default=0
        Embedded columns; `sizes` counts what they become among the inputs.
    """

    sizes: tuple[int, ...]
    batch_norm: bool
    n_embedded: int = 0

    @property
    def n_layers(self):
        """Number of linear layers."""
        return len(self.sizes) - 1

    def learned(self):
        """Pairs of name and shape: weights first, then vectors."""
        pairs = [(f"weight_{i}", (self.sizes[i + 1], self.sizes[i])) for i in range(self.n_layers)]
        for i in range(self.n_layers):
            names = ("gain", "shift") if self.normed(i) else ("bias",)
            pairs += [(f"{name}_{i}", (self.sizes[i + 1],)) for name in names]
        if self.n_embedded:
            m, mixed = self.n_embedded, EMBEDDED_WIDTH - 1
            pairs += [(f"embed_{name}", (m, N_FREQUENCIES)) for name in ("frequency", "phase")]
            pairs += [("embed_weight", (m, mixed, N_FREQUENCIES)), ("embed_bias", (m, mixed))]
        return pairs

    def tracked(self):
        """Pairs of name and shape of the running statistics of batch norm."""
        layers = range(self.n_layers - 1) if self.batch_norm else ()
        return [
            (f"{name}_{i}", (self.sizes[i + 1],)) for i in layers for name in ("mean", "variance")
        ]

    def normed(self, layer):
        """Whether batch norm follows this linear layer."""
        return self.batch_norm and layer < self.n_layers - 1


def initial_parameters(layout, activation, seed):
    """Starting point of one member, in float64, the same on every device.

    Hidden weights are normal with variance gain^2 / inputs, output weights with 1 / inputs; biases
    are zero. A linear model starts at zero: its objective is convex. Embeddings are as
    `initial_embedding` says.

    Returns
    -------
    dict of ndarray
    """
    rng = generator(seed, Purpose.INITIAL_WEIGHTS)
    params = {}
    for name, shape in layout.learned():
        kind, layer = name.rsplit("_", 1)
        if kind == "embed":
            continue
        if kind == "weight":
            last = int(layer) == layout.n_layers - 1
            gain = 1.0 if last else GAINS[activation]
            gain = 0.0 if layout.n_layers == 1 else gain
            params[name] = rng.standard_normal(shape) * (gain / shape[1] ** 0.5)
        else:
            params[name] = np.ones(shape) if kind == "gain" else np.zeros(shape)
    for name, shape in layout.tracked():
        params[name] = np.ones(shape) if name.startswith("variance") else np.zeros(shape)
    if layout.n_embedded:
        params |= initial_embedding(layout.n_embedded, seed)
    return params


def initial_embedding(m, seed):
    """Starting point of the embeddings of m columns, with draws of their own.

    Frequencies are normal with standard deviation 0.1 and phases uniform in [-pi, pi] (Holzmueller,
    Grinsztajn and Steinwart 2024); the maps behind them start as `torch.nn.Linear` does.

    Returns
    -------
    dict of ndarray
    """
    rng = generator(seed, Purpose.INITIAL_EMBEDDINGS)
    bound, mixed = N_FREQUENCIES**-0.5, EMBEDDED_WIDTH - 1
    return {
        "embed_frequency": FREQUENCY_STD * rng.standard_normal((m, N_FREQUENCIES)),
        "embed_phase": rng.uniform(-np.pi, np.pi, (m, N_FREQUENCIES)),
        "embed_weight": rng.uniform(-bound, bound, (m, mixed, N_FREQUENCIES)),
        "embed_bias": rng.uniform(-bound, bound, (m, mixed)),
    }


class Buffer:
    """One flat tensor with a view of shape (k, ...) for each name."""

    def __init__(self, pairs, k, dtype, device):
        n = k * sum(int(np.prod(shape)) for _, shape in pairs)
        self._look_at(torch.zeros(n, dtype=dtype, device=device), pairs, k)

    def _look_at(self, flat, pairs, k):
        """Make ``flat`` the numbers of k members; returns itself."""
        self.flat, self.pairs, self.k = flat, pairs, k
        parts = flat.split([k * int(np.prod(shape)) for _, shape in pairs]) if pairs else ()
        self.view = {name: p.view(k, *shape) for (name, shape), p in zip(pairs, parts, strict=True)}
        return self

    def _of(self, flat, k):
        """A buffer of the same names on other numbers."""
        return Buffer.__new__(Buffer)._look_at(flat, self.pairs, k)

    def take(self, index):
        """A new buffer with the members of ``index``."""
        chosen = [v[index].reshape(-1) for v in self.view.values()]
        return self._of(torch.cat(chosen) if chosen else self.flat, len(index))

    def copy_members(self, other, index):
        """Take over the members ``index`` (None: all) of another buffer."""
        if index is None:
            self.flat.copy_(other.flat)
        else:
            for name, view in self.view.items():
                view[index] = other.view[name][index]

    def to(self, device):
        """The same on a device; on its own a new buffer that shares memory with this one."""
        return self._of(self.flat.to(device), self.k)

    def member(self, k):
        """Copies of the arrays of one member."""
        return self.members([k])[0]

    def members(self, index):
        """Copies of the arrays of some members, a dict for each of them."""
        if self.flat.device.type == "cpu":
            arrays, places = self.view.items(), index
        else:  # one copy for all of them
            index = torch.as_tensor(index, device=self.flat.device)
            arrays, places = self.take(index).to("cpu").view.items(), range(len(index))
        arrays = [(name, v.detach().numpy()) for name, v in arrays]
        return [{name: v[k].copy() for name, v in arrays} for k in places]

    def load(self, k, arrays):
        """Set the arrays of one member, or of a slice of them."""
        for name, v in self.view.items():
            v[k] = torch.as_tensor(arrays[name]).to(v)


class State:
    """All that a stack of k members carries from step to step.

    Attributes
    ----------
    theta : Buffer
        What is learned.
    running : Buffer
        Running statistics of batch norm.
    moments : list of Buffer
        Of the optimiser: first and second moments of Adam, or the velocity of SGD.
    t : int
        Steps taken.
    """

    def __init__(self, layout, k, solver, dtype, device):
        self.layout = layout
        self.k = k
        self.solver = solver
        torch_dtype = getattr(torch, dtype)
        self.theta = Buffer(layout.learned(), k, torch_dtype, device)
        self.running = Buffer(layout.tracked(), k, torch_dtype, device)
        self.moments = [
            Buffer(layout.learned(), k, torch_dtype, device)
            for _ in range(1 if solver == "sgd" else 2)
        ]
        self.t = 0

    def take(self, index):
        """A new state with the members of ``index``."""
        other = State.__new__(State)
        other.layout, other.solver, other.t = self.layout, self.solver, self.t
        other.k = len(index)
        index = torch.as_tensor(index, device=self.theta.flat.device)
        other.theta = self.theta.take(index)
        other.running = self.running.take(index)
        other.moments = [m.take(index) for m in self.moments]
        return other

    def to(self, device):
        """The same on a device."""
        other = State.__new__(State)
        other.layout, other.k, other.solver, other.t = self.layout, self.k, self.solver, self.t
        other.theta, other.running = self.theta.to(device), self.running.to(device)
        other.moments = [m.to(device) for m in self.moments]
        return other

    def load(self, k, arrays):
        """Set member k, or a slice of them, and the state of the optimiser where ``arrays`` has one."""
        self.theta.load(k, arrays)
        self.running.load(k, arrays)
        if "optimiser" in arrays:
            saved = arrays["optimiser"]
            self.t = saved["t"]
            for buffer, values in zip(self.moments, saved["moments"], strict=True):
                buffer.load(k, values)

    def optimiser(self, k):
        """State of the optimiser of one member."""
        return {"t": self.t, "moments": [m.member(k) for m in self.moments]}


class Snapshot:
    """The best parameters so far of each member."""

    def __init__(self, state):
        self.theta = state.theta.take(torch.arange(state.k, device=state.theta.flat.device))
        self.running = state.running.take(torch.arange(state.k, device=state.theta.flat.device))

    def keep(self, state, index):
        """Remember the members of ``index`` (None: all) as they are now."""
        if index is not None:
            index = torch.as_tensor(
                index, device=self.theta.flat.device
            )  # sent once, not for each name
        self.theta.copy_members(state.theta, index)
        self.running.copy_members(state.running, index)

    def keep_where(self, state, chosen):
        """Remember members as they are now, chosen by a bool tensor (k,) that the host does not read."""
        for own, other in ((self.theta, state.theta), (self.running, state.running)):
            for name, view in own.view.items():
                mask = chosen.view(-1, *[1] * (view.dim() - 1))
                torch.where(mask, other.view[name], view, out=view)

    def take(self, index):
        """A new snapshot with the members of ``index``."""
        other = type(self).__new__(type(self))
        index = torch.as_tensor(index, device=self.theta.flat.device)
        other.theta, other.running = self.theta.take(index), self.running.take(index)
        return other

    def members(self, index):
        """Copies of the arrays of some members, a dict for each of them."""
        parts = zip(self.theta.members(index), self.running.members(index), strict=True)
        return [{**learned, **tracked} for learned, tracked in parts]

    def member(self, k):
        """Copies of the arrays of one member."""
        return self.members([k])[0]


class Average(Snapshot):
    """Exponential moving average over epochs of the parameters of each member.

    Averaging finds what steps of a large rate scatter around (Polyak and Juditsky 1992; once an epoch
    Izmailov et al. 2018), which matters most where training is stopped before its rate has fallen.
    The statistics of batch norm are averaged alike.
    """

    def update(self, state, decay, epoch, index=None):
        """Take in the parameters at the end of an epoch.

        Parameters
        ----------
        state : State
        decay : ndarray of float, shape (k,)
            What the average keeps of itself; 0 makes it the parameters themselves.
        epoch : int
            Epochs before this one. At most epoch / (epoch + 1) is kept, so that it begins as the plain
            mean of the first epochs and owes nothing to the initial parameters.
        index : list of int, optional
            Members to bring up to date; None is all.
        """
        fresh = 1 - np.minimum(decay, epoch / (epoch + 1))
        if index is not None:
            fresh[np.setdiff1d(np.arange(len(fresh)), index)] = 0.0
        self.mix(state, sent(fresh, state.theta.flat.device))

    def mix(self, state, fresh):
        """Take in parameters with the shares ``fresh``, a float64 tensor (k,) on their device."""
        fresh = fresh.to(state.theta.flat.dtype)
        for own, other in ((self.theta, state.theta), (self.running, state.running)):
            for name, view in own.view.items():
                new, share = other.view[name], fresh.view(-1, *[1] * (view.dim() - 1))
                view.lerp_(new, share)
                if name.startswith("weight"):
                    # What l1 holds at zero is zero: a mean of zeros and what went before is not.
                    view.masked_fill_((new == 0) & (share > 0), 0)
