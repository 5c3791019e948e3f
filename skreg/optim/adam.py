"""Adam with decoupled weight decay and a proximal step for L1, for torch tensors.

Kingma and Ba (2015), "Adam: A Method for Stochastic Optimization"; Loshchilov and Hutter (2019), "Decoupled
Weight Decay Regularization".
"""

from __future__ import annotations

import numpy as np
import torch

from skreg.objective.penalties import soft_threshold


def adam_step(
    p, grad, m, v, *, learning_rate, weight_decay, l1, l2, beta_1, beta_2, epsilon, t, prox=None
):
    """One step, in place; the prox of L1 is that in the metric of the step.

    Parameters
    ----------
    p, grad, m, v : tensors, shape (k, ...)
        Parameters, gradient of the loss, first and second moments.
    learning_rate, weight_decay, l1, l2 : tensors that broadcast against p
        ``l1`` may be None where it is 0 everywhere.
    beta_1, beta_2, epsilon : float
    t : int, or ndarray of int that broadcasts against p
        Number of this step, from 1.
    prox : callable, optional
        ``prox(w, metric)``: another proximal step behind that of L1, in the metric of the step.

    Examples
    --------
    The first step has the length of the learning rate, whatever the gradient:

    >>> import torch
    >>> p, m, v = torch.tensor([1.0, 1.0]), torch.zeros(2), torch.zeros(2)
    >>> rates = {"learning_rate": 0.1, "weight_decay": 0.0, "l1": 0.0, "l2": 0.0}
    >>> betas = {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-8}
    >>> adam_step(p, torch.tensor([0.01, 100.0]), m, v, t=1, **rates, **betas)
    >>> p
    tensor([0.9000, 0.9000])
    """
    d = grad + l2 * p
    m.mul_(beta_1).add_(d, alpha=1 - beta_1)
    v.mul_(beta_2).addcmul_(d, d, value=1 - beta_2)
    # In float64, whatever the parameters are.
    first, second = (1 - beta ** np.asarray(t, dtype=np.float64) for beta in (beta_1, beta_2))
    first, second = (torch.as_tensor(c, dtype=p.dtype, device=p.device) for c in (first, second))
    step = learning_rate / ((v / second).sqrt() + epsilon)
    w = p * (1 - learning_rate * weight_decay) - step * (m / first)
    w = w if l1 is None else soft_threshold(w, step * l1)
    p.copy_(w if prox is None else prox(w, 1 / step))
