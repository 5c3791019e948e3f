"""Batch norm of a stack, between a linear layer and its activation (Ioffe and Szegedy 2015)."""

from __future__ import annotations

import torch

#: Added to the variance, as in torch.
BATCH_NORM_EPS = 1e-5


def batch_norm_train(z, gain, shift, share):
    """Normalise each unit by the weighted mean and variance of the minibatch.

    Rows count by their sample weight: a row of weight 2 counts as the row given twice, and the
    padding of a short minibatch has share 0.

    Parameters
    ----------
    z : tensor
    gain, shift : tensor
    share : tensor
        Share of each row in the minibatch; rows sum to 1.

    Returns
    -------
    y, mean, variance : tensors
        The variance is the biased one, which normalises.

    Shape
    -----
    z : (k, h, b); gain, shift : (k, h); share : (k, b); y : (k, h, b); mean, variance : (k, h)

    Examples
    --------
    >>> import torch
    >>> z = torch.tensor([[[1.0, 2.0, 3.0, 4.0]]])
    >>> one, zero = torch.ones(1, 1), torch.zeros(1, 1)
    >>> y, mean, variance = batch_norm_train(z, one, zero, torch.full((1, 4), 0.25))
    >>> mean.item(), variance.item()
    (2.5, 1.25)
    >>> y.round(decimals=2)
    tensor([[[-1.3400, -0.4500,  0.4500,  1.3400]]])
    """
    part = share.unsqueeze(1)
    mean = (z * part).sum(dim=2)
    centred = z - mean.unsqueeze(2)
    variance = (centred**2 * part).sum(dim=2)
    scale = gain * torch.rsqrt(variance + BATCH_NORM_EPS)
    return centred * scale.unsqueeze(2) + shift.unsqueeze(2), mean, variance


def batch_norm_eval(z, gain, shift, mean, variance):
    """Normalise by running statistics, as at predict.

    Shape
    -----
    z : (k, h, b); gain, shift, mean, variance : (k, h); returns (k, h, b).
    """
    scale = gain * torch.rsqrt(variance + BATCH_NORM_EPS)
    return z * scale.unsqueeze(2) + (shift - mean * scale).unsqueeze(2)
