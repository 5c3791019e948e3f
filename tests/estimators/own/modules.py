"""Modules that the tests of nets of one's own train, at the top of a file, so that they can be pickled."""

from __future__ import annotations

import torch
from torch import nn


class Perceptron(nn.Module):
    """Rows of any shape through one hidden layer."""

    def __init__(self, n_features, n_outputs, hidden=16, rate=0.0):
        super().__init__()
        self.hidden = nn.Linear(n_features, hidden)
        self.dropout = nn.Dropout(rate)
        self.output = nn.Linear(hidden, n_outputs)

    def forward(self, x):
        return self.output(self.dropout(torch.relu(self.hidden(x.flatten(1)))))


class TextBook(nn.Module):
    """Convolutions 32-32-pool-dropout, 64-64-pool-dropout, dense 256, dropout; or a narrower one."""

    def __init__(self, channels=1, size=8, width=32, dense=256, n_outputs=10):
        super().__init__()
        self.features = nn.Sequential(
            *(nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()),
            *(nn.Conv2d(width, width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25)),
            *(nn.Conv2d(width, 2 * width, 3, padding=1), nn.ReLU()),
            *(nn.Conv2d(2 * width, 2 * width, 3, padding=1), nn.ReLU()),
            *(nn.MaxPool2d(2), nn.Dropout(0.25)),
        )
        self.head = nn.Sequential(
            *(nn.Flatten(), nn.Linear(2 * width * (size // 4) ** 2, dense), nn.ReLU()),
            *(nn.Dropout(0.5), nn.Linear(dense, n_outputs)),
        )

    def forward(self, x):
        return self.head(self.features(x))


class Normed(nn.Module):
    """A convolution with batch norm behind its activation, and channels that are dropped."""

    def __init__(self, n_outputs=10, channels=4):
        super().__init__()
        self.convolution = nn.Conv2d(1, channels, 3)
        self.norm = nn.BatchNorm2d(channels)
        self.dropout = nn.Dropout2d(0.2)
        self.output = nn.Linear(channels * 9, n_outputs)

    def forward(self, x):
        x = self.norm(torch.relu(self.convolution(x)))
        x = nn.functional.max_pool2d(self.dropout(x), 2)
        return self.output(x.flatten(1))


class Branching(nn.Module):
    """Looks at its values to decide what it does, which torch cannot do for several nets at once.

    It has moved its running statistics by then.
    """

    def __init__(self, n_features, n_outputs):
        super().__init__()
        self.norm = nn.BatchNorm1d(n_features)
        self.output = nn.Linear(n_features, n_outputs)

    def forward(self, x):
        out = self.output(self.norm(x))
        return out if out.detach().abs().sum() > 0 else 2 * out


def sequential(n_features, n_outputs, hidden=8):
    """A function that returns a module."""
    return nn.Sequential(nn.Linear(n_features, hidden), nn.Tanh(), nn.Linear(hidden, n_outputs))
