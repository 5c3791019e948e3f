"""Random bits of the inputs: what they are drawn for, and how a block draws them.

Bits are hashes of an entry's place under the keys of the inputs (`skreg.net.dropout.hash_u32`), which the
mask of input dropout has as they are. For any other purpose both halves of a key are combined with a
constant (xor), and change places.
"""

from __future__ import annotations

from enum import IntEnum, unique

import torch

from skreg.net.dropout import LINE_STRIDE, hash_u32


@unique
class Salt(IntEnum):
    """The constant of each purpose.

    This is the one list of them: two purposes with one constant would draw the same bits.
    """

    NOISE_RADIUS = 0x85EBCA6B
    NOISE_ANGLE = 0xC2B2AE35
    MIXUP_SHARE = 0x27D4EB2F
    CUTMIX_ROWS = 0x165667B1
    CUTMIX_SHARE = 0xD3A2646C
    CUTMIX_COLUMNS = 0xFD7046C5
    CUTOUT_ROWS = 0xB55A4F09
    CUTOUT_COLUMNS = 0x4CF5AD43


def bits(salt, keys, lines, length=1):
    """32 random bits for each entry of minibatches, by the place of the entry alone.

    Parameters
    ----------
    salt : Salt
    keys : pair of int64 tensors, shape (s,)
        Those of the inputs.
    lines, length : int
        Rows of a minibatch, and bits of a row.

    Returns
    -------
    int64 tensor, shape (s, lines, length)

    Examples
    --------
    >>> import torch
    >>> keys = torch.tensor([7]), torch.tensor([9])
    >>> drawn = bits(Salt.CUTMIX_ROWS, keys, 100_000)
    >>> abs((drawn < limits(torch.tensor([0.3]))).double().mean().item() - 0.3) < 0.01
    True
    """
    device = keys[0].device
    starts = torch.arange(lines, device=device).view(1, lines, 1) * LINE_STRIDE
    counter = (starts + torch.arange(length, device=device)) & 0xFFFFFFFF
    key0, key1 = (key.view(-1, 1, 1) for key in keys)
    return hash_u32(counter, key1 ^ int(salt), key0 ^ int(salt))


def limits(probabilities):
    """Numbers below which 32 random bits are with these probabilities, an int64 tensor.

    They fit 32 bits too, so that of a probability of 1 one draw in 2^32 is left out.
    """
    return (probabilities.double() * 2.0**32).round().clamp(max=2.0**32 - 1).long()
