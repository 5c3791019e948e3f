"""SGD with momentum, decoupled weight decay and a proximal step for L1, for torch tensors.

Beck and Teboulle (2009), "A Fast Iterative Shrinkage-Thresholding Algorithm"; Ochs, Chen, Brox and Pock
(2014), "iPiano: Inertial Proximal Algorithm for Nonconvex Optimization".
"""

from __future__ import annotations

from skreg.objective.penalties import soft_threshold


def sgd_step(p, grad, m, *, learning_rate, weight_decay, l1, l2, momentum, nesterov, prox=None):
    """One step, in place.

    Without ``nesterov`` it is the inertial proximal step of Ochs et al., with it the accelerated one of Beck
    and Teboulle, p being the point looked ahead to. Both have the minimiser of the objective as fixed
    point; thresholding after a plain momentum step has not.

    Parameters
    ----------
    p, grad, m : tensors, shape (k, ...)
        Parameters, gradient of the loss, velocity.
    learning_rate, weight_decay, l1, l2 : tensors that broadcast against p
        ``l1`` may be None where it is 0 everywhere.
    momentum : float
    nesterov : bool
    prox : callable, optional
        ``prox(w, metric)``: another proximal step behind that of L1, in the metric of the step.

    Examples
    --------
    >>> import torch
    >>> p, m = torch.tensor([1.0, 0.02]), torch.zeros(2)
    >>> rates = {"learning_rate": 0.1, "weight_decay": 0.0, "l1": 0.5, "l2": 0.0}
    >>> sgd_step(p, torch.tensor([2.0, 0.0]), m, momentum=0.9, nesterov=False, **rates)
    >>> p
    tensor([0.7500, 0.0000])
    """
    origin = p * (1 - learning_rate * weight_decay)
    w = origin - learning_rate * (grad + l2 * p)
    w = w if nesterov else w + momentum * m
    w = w if l1 is None else soft_threshold(w, learning_rate * l1)
    w = w if prox is None else prox(w, 1 / learning_rate)
    if nesterov:
        speed = w - (origin - momentum * m)
        p.copy_(w + momentum * speed)
    else:
        speed = w - origin
        p.copy_(w)
    m.copy_(speed)
