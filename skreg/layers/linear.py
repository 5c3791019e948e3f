"""Linear layers of a stack."""

from __future__ import annotations

import torch


def linear(weight, a):
    """One product a member.

    Shape
    -----
    weight : (k, h, d); a : (k, d, b); returns (k, h, b).

    Examples
    --------
    >>> import torch
    >>> linear(torch.ones(2, 3, 4), torch.ones(2, 4, 5)).shape
    torch.Size([2, 3, 5])
    """
    return torch.bmm(weight, a)


def shared_linear(weight, x, streams):
    """First layer: the members of one stream share the minibatch, so one product serves them all.

    Parameters
    ----------
    weight : tensor
    x : tensor
        A minibatch for each stream.
    streams : list of slice
        The members of each stream.

    Shape
    -----
    weight : (k, h, d); x : (s, b, d); returns (k, h, b).
    """
    k, h, d = weight.shape
    parts = [weight[s].reshape(-1, d) @ x[i].T for i, s in enumerate(streams)]
    return torch.cat(parts).view(k, h, -1)
