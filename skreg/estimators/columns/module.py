"""What is done to the columns of a table, as a torch module in front of an exported net."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from skreg.estimators.columns.scales import FAR, SMOOTH, NormalScores


class Columns(nn.Module):
    """Columns filled, scaled and encoded; see `skreg.estimators.columns.preparation`.

    It takes rows of numbers, in which gaps are NaN, and categories the numbers of their levels, from 0 in
    the order of ``categories_``, with -1 for an unknown level.

    Parameters
    ----------
    preparation : Preparation
    """

    def __init__(self, preparation):
        super().__init__()
        p = preparation
        self.register_buffer("numeric", torch.as_tensor(p.numeric, dtype=torch.int64))
        self.register_buffer("fill", torch.as_tensor(p.fill, dtype=torch.float64))
        self.register_buffer("gaps", torch.as_tensor(p.gaps, dtype=torch.int64))
        self.scale = _scale_module(p.scale)
        self.one_hot = nn.ModuleList(OneHot(category) for category in p.one_hot)
        self.levels = nn.ModuleList(Places(category) for category in p.embedded)
        # Its precision is that of what is made, and changes with that of the module.
        self.register_buffer("made", torch.zeros(0, dtype=getattr(torch, p.settings.dtype)))

    def forward(self, x):
        """The prepared table (b, n_out) of rows x (b, d)."""
        x = x.to(torch.float64)
        numbers = x[:, self.numeric]
        missing = torch.isnan(numbers)
        filled = self.scale(torch.where(missing, self.fill, numbers))
        parts = [filled, missing[:, self.gaps].to(torch.float64)]
        for category in self.one_hot:
            parts.append(category(x))
        for category in self.levels:
            parts.append(category(x))
        return torch.cat(parts, dim=1).to(self.made.dtype)


class Shift(nn.Module):
    """``(x - centre) * factor``, and where it is smooth the clip behind it."""

    def __init__(self, scale):
        super().__init__()
        self.register_buffer("centre", torch.as_tensor(scale.centre))
        self.register_buffer("factor", torch.as_tensor(scale.factor))
        self.smooth = bool(scale.smooth)
        self.bend, self.far = SMOOTH, FAR  # TorchScript knows no globals

    def forward(self, x):
        """Rows x (b, m), scaled."""
        z = (x - self.centre) * self.factor
        if self.smooth:
            z = torch.clamp(z, -self.far, self.far)
            third = z / self.bend
            z = z / torch.sqrt(1.0 + third * third)
        return z


class Scores(nn.Module):
    """Normal scores: lines between points, written as a sum of clamped lines."""

    def __init__(self, scale):
        super().__init__()
        most = max((len(points) for points in scale.points), default=1)
        # Points that are repeated add lines of no width.
        points = [np.pad(p, (0, most - len(p)), mode="edge") for p in scale.points]
        scores = [np.pad(s, (0, most - len(s)), mode="edge") for s in scale.scores]
        points, scores = np.reshape(points, (-1, most)), np.reshape(scores, (-1, most))
        width, rise = np.diff(points, axis=1), np.diff(scores, axis=1)
        slope = np.divide(rise, width, out=np.zeros_like(width), where=width > 0)
        self.register_buffer("start", torch.as_tensor(points[:, :-1].copy()))
        self.register_buffer("width", torch.as_tensor(width))
        self.register_buffer("slope", torch.as_tensor(slope))
        self.register_buffer("first", torch.as_tensor(scores[:, 0].copy()))

    def forward(self, x):
        """Rows x (b, m), scaled."""
        inside = torch.minimum(torch.relu(x.unsqueeze(2) - self.start), self.width)
        return self.first + (inside * self.slope).sum(dim=2)


class Places(nn.Module):
    """The number of the place of each level of a column."""

    def __init__(self, category):
        super().__init__()
        self.column = int(category.column)
        self.n_levels = len(category.place) - 2
        self.register_buffer("place", torch.as_tensor(category.place, dtype=torch.float64))

    def forward(self, x):
        """Places (b, 1) of rows x (b, d)."""
        number = x[:, self.column]
        number = torch.where(torch.isnan(number), torch.full_like(number, self.n_levels), number)
        number = torch.where(number < 0, torch.full_like(number, self.n_levels + 1), number)
        return self.place[number.to(torch.int64)].unsqueeze(1)


class OneHot(nn.Module):
    """A column of zeros and ones for each place of a level."""

    def __init__(self, category):
        super().__init__()
        self.places = Places(category)
        self.register_buffer("each", torch.arange(category.n_places, dtype=torch.float64))

    def forward(self, x):
        """Columns (b, places) of rows x (b, d)."""
        return (self.places(x) == self.each).to(torch.float64)


def _scale_module(scale):
    if scale is None:
        return nn.Identity()
    return Scores(scale) if isinstance(scale, NormalScores) else Shift(scale)


def preparation_module(preparation):
    """The module of a `Preparation`, in evaluation mode."""
    return Columns(preparation).eval()
