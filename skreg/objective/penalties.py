"""Penalties on the weights and the proximal steps that go with them, for torch tensors.

The L1 penalty is never differentiated. After a gradient step in the metric H, weights move to the
minimiser of ``(w - u)' H (w - u) / 2 + l1 * sum|w|``, which is soft-thresholding with the
threshold ``l1 / H`` a coordinate: that gives exact zeros, and the fixed point is the minimiser of
the objective whatever the metric (Parikh and Boyd 2014, section 2). A uniform threshold under
Adam has another fixed point.
"""

from __future__ import annotations

import torch


def value(weights, l1, l2):
    """l1 * sum|W| + l2/2 * sum W^2 over one layer."""
    return l1 * weights.abs().sum() + 0.5 * l2 * (weights**2).sum()


def soft_threshold(w, cut):
    """Proximal operator of ``cut * |w|``: exact zeros where ``|w| <= cut``."""
    return torch.where(w.abs() <= cut, torch.zeros_like(w), w - torch.sign(w) * cut)


def project_max_norm(weights, bound):
    """Scale each unit's incoming weights to a norm of at most ``bound``.

    Parameters
    ----------
    weights : tensor, shape (k, h, n)
    bound : tensor, shape (k,)
        May be infinite.
    """
    norm = weights.norm(dim=2, keepdim=True)
    bound = bound.view(-1, 1, 1)
    return torch.where(norm > bound, weights * (bound / norm), weights)


def adam_step(p, grad, m, v, *, lr, decay, l1, l2, beta_1, beta_2, epsilon, t):
    """One step of Adam with decoupled decay and the L1 prox in the metric of the step; in place.

    Parameters
    ----------
    p, grad, m, v : tensors, shape (k, ...)
        Parameters, gradient of the loss, first and second moments.
    lr, decay, l1, l2 : tensors that broadcast against p
    beta_1, beta_2, epsilon : float
    t : int, or int64 tensor that broadcasts against p
        Number of this step, from 1 (Kingma and Ba 2015; Loshchilov and Hutter 2019).
    """
    d = grad + l2 * p
    m.mul_(beta_1).add_(d, alpha=1 - beta_1)
    v.mul_(beta_2).addcmul_(d, d, value=1 - beta_2)
    # Their powers in float64, whatever the parameters are.
    t = torch.as_tensor(
        t, dtype=torch.float64, device=p.device if p.device.type != "mps" else "cpu"
    )
    first, second = ((1 - beta**t).to(p) for beta in (beta_1, beta_2))
    step = lr / ((v / second).sqrt() + epsilon)
    w = p * (1 - lr * decay) - step * (m / first)
    p.copy_(soft_threshold(w, step * l1))


def sgd_step(p, grad, m, *, lr, decay, l1, l2, momentum, nesterov):
    """One step of SGD with momentum; m is the velocity; in place.

    Without ``nesterov`` it is the inertial proximal step of Ochs et al. (2014), with it the
    accelerated one of Beck and Teboulle (2009), p being the point looked ahead to. Both have the
    minimiser of the objective as fixed point; thresholding after a plain momentum step has not.
    """
    origin = p * (1 - lr * decay)
    w = origin - lr * (grad + l2 * p)
    if nesterov:
        w = soft_threshold(w, lr * l1)
        speed = w - (origin - momentum * m)
        p.copy_(w + momentum * speed)
    else:
        w = soft_threshold(w + momentum * m, lr * l1)
        speed = w - origin
        p.copy_(w)
    m.copy_(speed)
