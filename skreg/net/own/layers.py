"""Dropout and batch norm inside a module of the user's, as the engine has them.

Both replace the ``forward`` of torch's layers in a copy of the module. Masks are hashes of the place of an
entry (`skreg.net.dropout`), so that a member draws the same alone and in a stack; batch norm counts rows by
their share, so that weights count and padding does not.
"""

from __future__ import annotations

import copy
import functools
import math

import torch
from torch import nn

from skreg.net.dropout import LINE_STRIDE, hash_u32

#: What a dropped entry of AlphaDropout becomes: the negative limit of SELU (Klambauer et al. 2017).
_ALPHA = -1.7580993408473766

#: The layers of dropout whose ``forward`` is replaced, and whether they drop whole channels, and to what.
_DROPOUTS = {
    nn.Dropout: (False, False),
    nn.Dropout1d: (True, False),
    nn.Dropout2d: (True, False),
    nn.Dropout3d: (True, False),
    nn.AlphaDropout: (False, True),
    nn.FeatureAlphaDropout: (True, True),
}

#: Between the keys of several calls of one layer in one forward pass.
_CALL_STRIDE = 0x9E3779B9


def is_dropout(module):
    """Whether a module is a layer of dropout that the engine draws the masks of."""
    return _kind_of(module) is not None


def is_norm(module):
    """Whether a module is a batch norm."""
    return isinstance(module, nn.modules.batchnorm._BatchNorm)


def is_norm_of_its_own(module):
    """Whether a module is a batch norm that does more than torch's: its ``forward`` cannot be replaced."""
    torchs = nn.modules.batchnorm._BatchNorm.forward, nn.SyncBatchNorm.forward
    return is_norm(module) and type(module).forward not in torchs


def _kind_of(module):
    for layer, kind in _DROPOUTS.items():
        if isinstance(module, layer) and type(module).forward is layer.forward:
            return kind
    return None


class Context:
    """What the layers of a module are told of the minibatch at hand, which is that of one member.

    Attributes
    ----------
    share : tensor, shape (b,)
        Share of each row in statistics.
    draws : dict
        By the number of a layer of dropout that drops: its rate, and for each of its calls a mask (b, lines),
        1 / (1 - rate) where an entry stays and else 0.
    noted : dict of list or None
        Where calls are to be noted: by the number of a layer of dropout, the lines of each of its calls.
    """

    def __init__(self):
        self.share, self.draws, self.noted, self._calls = None, {}, None, {}

    def begin(self, share, draws):
        """Another minibatch, or another member."""
        self.share, self.draws, self._calls = share, draws, {}

    def mask(self, place, lines):
        """The rate and the mask of a call of a layer; None where it drops nothing."""
        if self.noted is not None:
            self.noted.setdefault(place, []).append(lines)
        if place not in self.draws:
            return None
        rate, masks = self.draws[place]
        call = self._calls[place] = self._calls.get(place, -1) + 1
        if call >= len(masks) or masks[call].shape[-1] != lines:
            raise ValueError(
                "A layer of dropout is called on other shapes, or more often, than on the first rows. Its "
                "calls must be the same for all rows of one shape."
            )
        return rate, masks[call]


def masks_of(lines, rows, rate, threshold, keys, stream_of):
    """What `Context.draws` has of a layer of dropout, for several members.

    Members of one stream have the same keys, whose bits are drawn once.

    Parameters
    ----------
    lines : list of int
        Of each of its calls.
    rows : int
    rate, threshold : tensor, shape (k,)
    keys : pair of int64 tensors, shape (k,)
    stream_of : int64 tensor, shape (k,)

    Returns
    -------
    rate : tensor, shape (k,)
    masks : list of tensor, shape (k, rows, lines)
    """
    numbers = stream_of.tolist()
    first = [i for i, number in enumerate(numbers) if number not in numbers[:i]]
    place = {numbers[i]: at for at, i in enumerate(first)}
    which = [place[number] for number in numbers] if len(first) > 1 else [0]
    limit, scale = threshold.view(-1, 1, 1), (1 / (1 - rate)).view(-1, 1, 1)
    masks, device = [], rate.device
    for call, n in enumerate(lines):
        # Entries have the numbers of `skreg.net.dropout.keep_mask`, each call keys of its own.
        counter = torch.arange(rows, device=device).unsqueeze(1)
        counter = (counter + torch.arange(n, device=device) * LINE_STRIDE) & 0xFFFFFFFF
        key0, key1 = (key[first].view(-1, 1, 1) for key in keys_of_call(keys, call))
        bits = hash_u32(counter, key0, key1)
        masks.append((bits[which] >= limit) * scale)
    return rate, masks


def keys_of_call(keys, call):
    """The keys of the masks of one of the calls of a layer of dropout, of those of the layer."""
    return (keys[0] + call * _CALL_STRIDE) & 0xFFFFFFFF, keys[1]


def with_own_layers(module):
    """A copy of a module with the engine's dropout and batch norm.

    Returns
    -------
    module : torch.nn.Module
    context : Context
        Of its layers: `Context.begin` comes before each call.
    """
    module, context, place = copy.deepcopy(module), Context(), 0
    for layer in module.modules():
        if (kind := _kind_of(layer)) is not None:
            layer.forward = functools.partial(_drop, context, place, *kind)
            place += 1
        elif is_norm(layer):
            layer.forward = functools.partial(_normalise, context, layer)
    return module, context


def _drop(context, place, channels, alpha, x):
    """Inverted dropout of x (b, ...), or of its channels (b, c); rows come first."""
    shape = x.shape[:2] if channels else x.shape
    drawn = context.mask(place, math.prod(shape) // context.share.shape[0])
    if drawn is None:
        return x
    rate, mask = drawn
    mask = mask.reshape(*shape, *[1] * (x.dim() - len(shape)))
    if not alpha:
        return x * mask
    scale = ((1 - rate) * (1 + rate * _ALPHA**2)) ** -0.5
    return scale * (torch.where(mask > 0, x, torch.full_like(x, _ALPHA)) - rate * _ALPHA)


def _normalise(context, layer, x):
    """Batch norm of x (b, c, ...); its running statistics are changed in place, as torch's are."""
    if not layer.training:
        return type(layer).forward(layer, x)
    share = context.share
    if x.shape[0] != share.shape[0]:  # a row has become several
        times = x.shape[0] // share.shape[0]
        share = share.repeat_interleave(times) / times
    places = math.prod(x.shape[2:])
    wide = [1, -1, *[1] * (x.dim() - 2)]
    part = (share / places).reshape(-1, *[1] * (x.dim() - 1))
    others = [0, *range(2, x.dim())]
    mean = (x * part).sum(dim=others)
    centred = x - mean.reshape(wide)
    variance = (centred**2 * part).sum(dim=others)
    y = centred * torch.rsqrt(variance + layer.eps).reshape(wide)
    if layer.affine:
        y = y * layer.weight.reshape(wide) + layer.bias.reshape(wide)
    if layer.track_running_stats and layer.running_mean is not None:
        _track(layer, mean.detach(), variance.detach(), places / (share**2).sum())
    return y


def _track(layer, mean, variance, count):
    """Move the running statistics towards those of a minibatch of so many values.

    As in torch, the variance is the unbiased one. Of rows with weights the count is Kish's effective one.
    """
    layer.num_batches_tracked.add_(1)
    step = layer.momentum
    if step is None:
        step = 1.0 / layer.num_batches_tracked
    unbiased = torch.where(count > 1.5, count / (count - 1).clamp(min=0.5), torch.ones_like(count))
    layer.running_mean.copy_(layer.running_mean * (1 - step) + mean * step)
    layer.running_var.copy_(layer.running_var * (1 - step) + variance * unbiased * step)
