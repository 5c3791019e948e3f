"""Losses of one row as functions of the raw outputs f(x), written once, for torch tensors.

Shapes: k members, o outputs, b rows. Every loss of several outputs is the sum over outputs.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

#: Where the Huber loss turns from square to line, in units of the (scaled) target: 95 % efficient
#: for normal errors (Huber 1981).
HUBER_DELTA = 1.345

#: Beyond this exponent the Poisson loss goes on as a line, so that one wild prediction costs a
#: large loss and not an infinite one.
MAX_EXPONENT = 80.0


def multinomial(f, y, smoothing):
    """Log loss of a softmax over the outputs.

    Parameters
    ----------
    f : tensor, shape (k, o, b)
    y : int64 tensor, shape (k, b)
        Class numbers.
    smoothing : tensor, shape (k, 1)
        Share of each label that is spread evenly over the o classes (Szegedy et al. 2016).

    Returns
    -------
    tensor, shape (k, b)
    """
    log_p = F.log_softmax(f, dim=1)
    hard = log_p.gather(1, y.unsqueeze(1)).squeeze(1)
    return -(1 - smoothing) * hard - smoothing * log_p.mean(dim=1)


def binomial(f, y, smoothing):
    """Log loss of independent sigmoids, summed over outputs; y in {0, 1}, shape (k, o, b)."""
    y = y * (1 - smoothing.unsqueeze(2)) + 0.5 * smoothing.unsqueeze(2)
    return (F.softplus(f) - y * f).sum(dim=1)


def squared_error(f, y):
    """(y - f)^2 / 2."""
    return (0.5 * (f - y) ** 2).sum(dim=1)


def absolute_error(f, y):
    """|y - f|."""
    return (f - y).abs().sum(dim=1)


def huber(f, y):
    """Half the square up to `HUBER_DELTA`, a line beyond (Huber 1964)."""
    return F.huber_loss(f, y, reduction="none", delta=HUBER_DELTA).sum(dim=1)


def poisson(f, y):
    """Poisson deviance with log link up to terms without f: exp(f) - y f.

    Beyond `MAX_EXPONENT` the exponential goes on as its tangent, so that the gradient still leads
    back.
    """
    cut = f.clamp(max=MAX_EXPONENT)
    return (torch.exp(cut) * (1 + (f - cut)) - y * f).sum(dim=1)


def pinball(f, y, quantile):
    """Pinball loss of a quantile (Koenker and Bassett 1978)."""
    d = y - f
    return (quantile * F.relu(d) + (1 - quantile) * F.relu(-d)).sum(dim=1)


def rowwise(name, f, y, *, smoothing=None, quantile=0.5):
    """Loss ``name`` of each member and row, shape (k, b)."""
    if name == "multinomial":
        return multinomial(f, y, smoothing)
    if name == "binomial":
        return binomial(f, y, smoothing)
    if name == "pinball":
        return pinball(f, y, quantile)
    return {
        "squared_error": squared_error,
        "absolute_error": absolute_error,
        "huber": huber,
        "poisson": poisson,
    }[name](f, y)


def mixed(name, f, y, partner, own, **options):
    """Loss of rows that have the share ``own`` of their target and the rest of their partner's.

    It is that of the mixed target. The log loss of a softmax is linear in the target, so that it is the mean
    of the losses of both classes.

    Parameters
    ----------
    name, f, y, **options
        As of `rowwise`.
    partner : int64 tensor, shape (k, b)
        Places of the rows in the minibatch.
    own : tensor, shape (k, b)

    Returns
    -------
    tensor, shape (k, b)

    Examples
    --------
    >>> import torch
    >>> f, y = torch.zeros(1, 1, 2), torch.tensor([[[1.0, 3.0]]])
    >>> mixed("squared_error", f, y, torch.tensor([[1, 1]]), torch.tensor([[0.5, 1.0]]))
    tensor([[2.0000, 4.5000]])
    """
    if name == "multinomial":
        other = rowwise(name, f, y.gather(1, partner), **options)
        return own * rowwise(name, f, y, **options) + (1 - own) * other
    own = own.unsqueeze(1)
    other = y.gather(2, partner.unsqueeze(1).expand_as(y))
    return rowwise(name, f, own * y + (1 - own) * other, **options)
