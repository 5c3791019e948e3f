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
        By the number of a layer of dropout that drops, rate, threshold and the two keys of its mask, each of
        one member.
    """

    def __init__(self):
        self.share, self.draws, self._calls, self._counters = None, {}, {}, {}

    def begin(self, share, draws):
        """Another minibatch, or another member."""
        self.share, self.draws, self._calls = share, draws, {}

    def keep(self, place, rows, lines, device):
        """Which entries of (rows, lines) stay."""
        _, threshold, key0, key1 = self.draws[place]
        call = self._calls.get(place, 0)
        self._calls[place] = call + 1
        if call:
            key0 = (key0 + call * _CALL_STRIDE) & 0xFFFFFFFF
        return hash_u32(self._counter(rows, lines, device), key0, key1) >= threshold

    def _counter(self, rows, lines, device):
        """Numbers of the entries of a mask, as `skreg.net.dropout.keep_mask` counts them."""
        key = rows, lines, device
        if key not in self._counters:
            if len(self._counters) > 16:
                self._counters.clear()
            starts = torch.arange(lines, device=device) * LINE_STRIDE
            counter = starts + torch.arange(rows, device=device).unsqueeze(1)
            self._counters[key] = counter & 0xFFFFFFFF
        return self._counters[key]


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
    if place not in context.draws:
        return x
    rate = context.draws[place][0]
    rows = context.share.shape[0]
    if x.shape[0] % rows:
        rows = x.shape[0]
    shape = x.shape[:2] if channels else x.shape
    keep = context.keep(place, rows, math.prod(shape) // rows, x.device).reshape(shape)
    if channels:
        keep = keep.reshape(*shape, *[1] * (x.dim() - 2))
    if not alpha:
        return torch.where(keep, x / (1 - rate), torch.zeros_like(x))
    scale = ((1 - rate) * (1 + rate * _ALPHA**2)) ** -0.5
    return scale * (torch.where(keep, x, torch.full_like(x, _ALPHA)) - rate * _ALPHA)


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
