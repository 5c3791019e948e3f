"""The parameters of a stack: flat buffers with views, shared by both implementations of a step."""

from __future__ import annotations

import numpy as np
import torch

from skreg.train.feed import sent
from skreg.train.random import Purpose, generator


def initial_parameters(net, spec, seed):
    """Starting point of one member, in float64, the same on every device.

    Parameters
    ----------
    net : Net
    spec : Spec
    seed : int

    Returns
    -------
    dict of ndarray
    """
    return net.init(lambda purpose: generator(seed, Purpose[purpose]), spec)


def with_measured(net, params, job):
    """Parameters of one member with those that are fixed; what ``params`` lacks of them is measured.

    Parameters
    ----------
    net : Net
    params : dict of ndarray
    job : Job
        Whose rows are measured; the members of its stream share the result.

    Returns
    -------
    dict of ndarray
    """
    if all(name in params for name in net.fixed()):
        return params
    return {**net.measure(job.X, job.sample_weight), **params}


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

    def join(self, other):
        """A new buffer with the members of another behind those of this one."""
        pairs = zip(self.view.values(), other.view.values(), strict=True)
        parts = [part.reshape(-1) for pair in pairs for part in pair]
        return self._of(torch.cat(parts) if parts else self.flat, self.k + other.k)

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
        What is not learned: running statistics of batch norm, and what was measured in the rows.
    moments : list of Buffer
        Of the optimiser: first and second moments of Adam, or the velocity of SGD.
    t : ndarray of int64, shape (k,)
        Steps that the optimiser of each member has taken.
    """

    def __init__(self, net, k, solver, dtype, device):
        self.net = net
        self.k = k
        self.solver = solver
        torch_dtype = getattr(torch, dtype)
        self.theta = Buffer(net.learned(), k, torch_dtype, device)
        self.running = Buffer(net.carried(), k, torch_dtype, device)
        self.moments = [
            Buffer(net.learned(), k, torch_dtype, device)
            for _ in range(1 if solver == "sgd" else 2)
        ]
        self.t = np.zeros(k, dtype=np.int64)

    def take(self, index):
        """A new state with the members of ``index``."""
        other = State.__new__(State)
        other.net, other.solver, other.t = self.net, self.solver, self.t[index]
        other.k = len(index)
        index = torch.as_tensor(index, device=self.theta.flat.device)
        other.theta = self.theta.take(index)
        other.running = self.running.take(index)
        other.moments = [m.take(index) for m in self.moments]
        return other

    def join(self, other):
        """A new state with the members of another behind those of this one."""
        out = State.__new__(State)
        out.net, out.solver, out.k = self.net, self.solver, self.k + other.k
        out.t = np.concatenate([self.t, other.t])
        out.theta, out.running = self.theta.join(other.theta), self.running.join(other.running)
        out.moments = [a.join(b) for a, b in zip(self.moments, other.moments, strict=True)]
        return out

    def to(self, device):
        """The same on a device."""
        other = State.__new__(State)
        other.net, other.k, other.solver, other.t = self.net, self.k, self.solver, self.t
        other.theta, other.running = self.theta.to(device), self.running.to(device)
        other.moments = [m.to(device) for m in self.moments]
        return other

    def load(self, k, arrays):
        """Set member k, or a slice of them, and the state of the optimiser where ``arrays`` has one."""
        self.theta.load(k, arrays)
        self.running.load(k, arrays)
        if "optimiser" in arrays:
            saved = arrays["optimiser"]
            self.t[k] = saved["t"]
            for buffer, values in zip(self.moments, saved["moments"], strict=True):
                buffer.load(k, values)

    def members(self, index):
        """Copies of the arrays of some members, a dict for each of them."""
        return _arrays(self, index)

    def optimisers(self, index):
        """State of the optimiser of some members."""
        moments = zip(*(m.members(index) for m in self.moments), strict=True)
        return [
            {"t": int(self.t[k]), "moments": list(m)} for k, m in zip(index, moments, strict=True)
        ]

    def optimiser(self, k):
        """State of the optimiser of one member."""
        return self.optimisers([k])[0]


def _arrays(nets, index):
    """Copies of the arrays of some members of a state or snapshot, a dict for each of them."""
    parts = zip(nets.theta.members(index), nets.running.members(index), strict=True)
    return [{**learned, **tracked} for learned, tracked in parts]


class Snapshot:
    """The best parameters so far of each member."""

    def __init__(self, state):
        self.theta = state.theta.take(torch.arange(state.k, device=state.theta.flat.device))
        self.running = state.running.take(torch.arange(state.k, device=state.theta.flat.device))

    def keep(self, state, index):
        """Remember the members of ``index`` (None: all) as they are now."""
        if index is not None:
            # Sent once, not for each name.
            index = torch.as_tensor(index, device=self.theta.flat.device)
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

    def join(self, other):
        """A new snapshot with the members of another behind those of this one."""
        out = type(self).__new__(type(self))
        out.theta, out.running = self.theta.join(other.theta), self.running.join(other.running)
        return out

    def to(self, device):
        """The same on a device."""
        other = type(self).__new__(type(self))
        other.theta, other.running = self.theta.to(device), self.running.to(device)
        return other

    def load(self, k, arrays):
        """Set member k, or a slice of them."""
        self.theta.load(k, arrays)
        self.running.load(k, arrays)

    def members(self, index):
        """Copies of the arrays of some members, a dict for each of them."""
        return _arrays(self, index)

    def member(self, k):
        """Copies of the arrays of one member."""
        return self.members([k])[0]


class Average(Snapshot):
    """Exponential moving average over epochs of the parameters of each member.

    Averaging finds what steps of a large rate scatter around (Polyak and Juditsky 1992; once an epoch
    Izmailov et al. 2018), which matters most where training is stopped before its rate has fallen.
    The statistics of batch norm are averaged alike.
    """

    def update(self, state, ema_decay, epoch, index=None):
        """Take in the parameters at the end of an epoch.

        Parameters
        ----------
        state : State
        ema_decay : ndarray of float, shape (k,)
            What the average keeps of itself; 0 makes it the parameters themselves.
        epoch : ndarray of int, shape (k,)
            Epochs of each member before this one. At most epoch / (epoch + 1) is kept, so that it
            begins as the plain mean of the first epochs and owes nothing to the initial parameters.
        index : list of int, optional
            Members to bring up to date; None is all.
        """
        fresh = 1 - np.minimum(ema_decay, epoch / (epoch + 1))
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
                if name in state.net.penalised:
                    # What l1 holds at zero is zero: a mean of zeros and what went before is not.
                    view.masked_fill_((new == 0) & (share > 0), 0)
