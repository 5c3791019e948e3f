"""Trained periodic embeddings of numeric columns, the input stage of a net.

Gorishniy, Rubachev and Babenko (2022), "On Embeddings for Numerical Features in Tabular Deep
Learning", in the form called PBLD (periodic, bias, linear, DenseNet) of Holzmueller, Grinsztajn and
Steinwart (2024), "Better by Default: Strong Pre-Tuned MLPs and Boosted Trees on Tabular Data".
"""

from __future__ import annotations

import math

import torch

from skreg.layers.dropout import keep_mask


def periodic(x, columns, frequency, phase, weight, bias):
    """All columns as they are, and behind them what the embedded ones become.

    Column j gives the outputs of a linear map of cosines, ``weight @ cos(2 pi frequency x_j + phase) +
    bias``. Frequencies are in periods a unit of the column, phases in radians.

    Parameters
    ----------
    x : tensor
        A minibatch for each member, or one for all.
    columns : int64 tensor
        The embedded columns.
    frequency, phase : tensor
    weight, bias : tensor

    Shape
    -----
    x : (k or 1, b, d), rows first as tables are; columns : (m,); frequency, phase : (k, m, f); weight :
    (k, m, q, f); bias : (k, m, q); returns (k, d + m q, b), features first.

    Examples
    --------
    >>> import torch
    >>> x = torch.tensor([[[7.0, 0.5]]])  # one row of two columns, the second is embedded
    >>> one = torch.ones(1, 1, 1)
    >>> periodic(x, torch.tensor([1]), one, 0 * one, 3 * one.unsqueeze(3), one).flatten().tolist()
    [7.0, 0.5, -2.0]
    """
    chosen = x[:, :, columns].mT.unsqueeze(2)
    waves = torch.cos(2 * math.pi * frequency.unsqueeze(3) * chosen + phase.unsqueeze(3))
    mixed = weight @ waves + bias.unsqueeze(3)
    raw = x.mT.expand(len(mixed), -1, -1)
    return torch.cat([raw, mixed.flatten(1, 2)], dim=1)


def owners(n_columns, columns, n_mixed):
    """The column that each input of an embedded net was made of.

    Parameters
    ----------
    n_columns : int
    columns : sequence of int
        The embedded ones.
    n_mixed : int
        Inputs made of each of them besides itself.

    Returns
    -------
    list of int, length n_columns + n_mixed * len(columns)

    Examples
    --------
    >>> owners(3, (0, 2), 2)
    [0, 1, 2, 0, 0, 2, 2]
    """
    return [*range(n_columns), *(int(j) for j in columns for _ in range(n_mixed))]


def column_dropout(a, owner, rate, threshold, keys, n_columns=None):
    """Dropout of columns behind their embedding: with a column goes all that was made of it.

    The masks are those of `skreg.layers.input_dropout` on the columns.

    Parameters
    ----------
    a : tensor
    owner : int64 tensor
        Column of each feature.
    rate, threshold, keys
        As in `skreg.layers.dropout`.
    n_columns : int, optional
        Columns of the table. Without it the owners are asked, for which a GPU has to be waited for.

    Shape
    -----
    a : (k, n, b), features first; owner : (n,); rate, threshold, keys[0], keys[1] : (k,); returns
    (k, n, b).
    """
    n_columns = int(owner.max()) + 1 if n_columns is None else n_columns
    keep = keep_mask(a.shape[2], n_columns, keys, threshold, a.device)[:, :, owner].mT
    return torch.where(keep, a / (1 - rate).view(-1, 1, 1), torch.zeros_like(a))
