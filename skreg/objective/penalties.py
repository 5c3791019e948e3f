"""Penalties on the weights and their proximal operators, for torch tensors.

The L1 penalty is never differentiated. After a gradient step in the metric H, weights move to the
minimiser of ``(w - u)' H (w - u) / 2 + l1 * sum|w|``, which is soft-thresholding with the
threshold ``l1 / H`` a coordinate: that gives exact zeros, and the fixed point is the minimiser of
the objective whatever the metric (Parikh and Boyd 2014, section 2). A uniform threshold under
Adam has another fixed point. The steps are in `skreg.optim`.
"""

from __future__ import annotations

import torch


def value(weights, l1, l2):
    """l1 * sum|W| + l2/2 * sum W^2 over one layer."""
    return l1 * weights.abs().sum() + 0.5 * l2 * (weights**2).sum()


def soft_threshold(w, cut):
    """Proximal operator of ``cut * |w|``: exact zeros where ``|w| <= cut``."""
    return torch.where(w.abs() <= cut, torch.zeros_like(w), w - torch.sign(w) * cut)


def project_max_norm(weights, max_norm):
    """Scale each unit's incoming weights to a norm of at most ``max_norm``.

    Parameters
    ----------
    weights : tensor, shape (k, h, n)
    max_norm : tensor, shape (k,)
        May be infinite.
    """
    norm = weights.norm(dim=2, keepdim=True)
    max_norm = max_norm.view(-1, 1, 1)
    return torch.where(norm > max_norm, weights * (max_norm / norm), weights)
