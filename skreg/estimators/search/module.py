"""The ensemble of a search as one torch module, for export.

A table is prepared once in each way in which nets prepare it, and every module object stands in one place and
is called once a pass, as `skreg.estimators.module` has it: hooks see each call.
"""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import nn

from skreg.estimators.columns.module import preparation_module
from skreg.estimators.course import columns_of
from skreg.estimators.fitted import module_of
from skreg.estimators.target import loss_of


class Part(nn.Module):
    """Nets that prepare a table in the same way.

    Parameters
    ----------
    columns : torch.nn.Module
        Prepares a table.
    nets : list of torch.nn.Module
        Each takes the prepared table.
    """

    def __init__(self, columns, nets):
        super().__init__()
        self.columns, self.nets = columns, nn.ModuleList(nets)

    def forward(self, x):
        """Outputs (k, b, o) of rows x (b, d)."""
        table = self.columns(x)
        found = []
        for net in self.nets:
            found.append(net(table))
        return torch.stack(found)


class Ensemble(nn.Module):
    """What nets put out, averaged.

    Parameters
    ----------
    parts : list of Part
    mean : torch.nn.Module
        Makes one output of those of all nets, in the order of the parts.
    """

    def __init__(self, parts, mean):
        super().__init__()
        self.parts, self.mean = nn.ModuleList(parts), mean

    def forward(self, x):
        """Output (b, o) of rows x (b, d) of the user's table."""
        found = []
        for part in self.parts:
            found.append(part(x))
        return self.mean(torch.cat(found))


class MeanOfNumbers(nn.Module):
    """Weighted mean of predictions (k, b, o).

    Parameters
    ----------
    weights : tensor, shape (k,)
        Their sum is 1.
    """

    def __init__(self, weights):
        super().__init__()
        self.register_buffer("weights", weights[:, None, None])

    def forward(self, found):
        """The mean (b, o)."""
        return (self.weights * found).sum(dim=0)


class MeanOfLabels(nn.Module):
    """Logits of the weighted mean of the probabilities of labels, of logits (k, b, o).

    In logarithms, so that neither a probability nor what it lacks of one vanishes.

    Parameters
    ----------
    weights : tensor, shape (k,)
    """

    def __init__(self, weights):
        super().__init__()
        self.register_buffer("logarithms", torch.log(weights)[:, None, None])

    def forward(self, found):
        """Logits (b, o)."""
        # Written out, since ONNX's logarithm of a sigmoid is infinite where the sigmoid vanishes.
        tail = torch.log(1.0 + torch.exp(-torch.abs(found)))
        present = torch.clamp(found, max=0.0) - tail + self.logarithms
        absent = torch.clamp(-found, max=0.0) - tail + self.logarithms
        return torch.logsumexp(present, dim=0) - torch.logsumexp(absent, dim=0)


class MeanOfClasses(nn.Module):
    """Logarithms of the weighted mean of the probabilities of classes, of logits (k, b, o).

    Parameters
    ----------
    weights : tensor, shape (k,)
    """

    def __init__(self, weights):
        super().__init__()
        self.register_buffer("logarithms", torch.log(weights)[:, None, None])

    def forward(self, found):
        """Logarithms of probabilities (b, o)."""
        return torch.logsumexp(torch.log_softmax(found, dim=2) + self.logarithms, dim=0)


def ensemble_module(nets, weights):
    """The module of fitted nets and their weights.

    Parameters
    ----------
    nets : list of BaseRegularizedMLP
    weights : ndarray of shape (k,)
        Positive, their sum is 1.

    Returns
    -------
    Ensemble
        In evaluation mode, in the widest precision of any net. It shares no memory with them.
    """
    alike = {}
    for place, net in enumerate(nets):
        alike.setdefault(id(columns_of(net)), []).append(place)
    parts = [_part([nets[i] for i in places]) for places in alike.values()]
    wide = any(net.dtype == "float64" for net in nets)
    dtype = torch.float64 if wide else torch.float32
    order = [i for places in alike.values() for i in places]
    ordered = torch.as_tensor(np.asarray(weights)[order], dtype=dtype)
    module = Ensemble(parts, mean_of_outputs(nets[0])(ordered))
    # The copy, since modules of nets share their memory.
    module = copy.deepcopy(module).eval()
    return module.to(dtype) if wide else module


def _part(nets):
    columns = columns_of(nets[0])
    module = nn.Identity() if columns.plain else preparation_module(columns)
    return Part(module, [module_of(net, prepared=True) for net in nets])


def mean_of_outputs(net):
    """The kind of mean of what nets like this one put out: a class of modules, made with weights."""
    if not hasattr(net, "classes_"):
        return MeanOfNumbers
    return MeanOfLabels if loss_of(net) == "binomial" else MeanOfClasses
