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


class MakesTensors(nn.Module):
    """Makes tensors without a look at the type of its rows, as many a text book's LSTM does."""

    def __init__(self, n_outputs=1):
        super().__init__()
        self.linear, self.dropout = nn.Linear(10, n_outputs), nn.Dropout(0.3)

    def forward(self, x):
        return self.dropout(self.linear(x + torch.zeros(len(x), 10))).float()


class Singles(nn.Module):
    """Wants float32, whatever it is given."""

    def __init__(self, n_outputs=1):
        super().__init__()
        self.linear, self.dropout = nn.Linear(10, n_outputs), nn.Dropout(0.3)

    def forward(self, x):
        return self.linear(self.dropout(x.float()))


class NormAndRelu(nn.BatchNorm1d):
    """A batch norm with the activation in it."""

    def forward(self, x):
        return torch.relu(super().forward(x))


class Gate(nn.Module):
    """Ends in a product; the last layer that it calls is a sigmoid."""

    def __init__(self, n_outputs=1):
        super().__init__()
        self.values, self.gate = nn.Linear(10, n_outputs), nn.Linear(10, n_outputs)
        self.sigmoid = nn.Sigmoid()

    def forward(self, x):
        return self.values(x) * self.sigmoid(self.gate(x))


class Counts(nn.Module):
    """Counts its calls in a buffer, of a type."""

    def __init__(self, n_outputs=1, dtype=torch.long):
        super().__init__()
        self.linear = nn.Linear(10, n_outputs)
        self.register_buffer("calls", torch.zeros((), dtype=dtype))

    def forward(self, x):
        if self.training:
            self.calls.add_(1)
        return self.linear(x) * torch.clamp(self.calls / 20, max=1.0)


class Weighted(nn.Module):
    """A layer whose weights are computed of others, and a plain one."""

    def __init__(self, n_outputs=1, plain=True):
        super().__init__()
        self.hidden = nn.utils.parametrizations.weight_norm(
            nn.Linear(10, 8 if plain else n_outputs)
        )
        self.output = nn.Linear(8, n_outputs) if plain else None

    def forward(self, x):
        x = self.hidden(x)
        return x if self.output is None else self.output(torch.relu(x))


class Presets(nn.Module):
    """Takes what `fit` offers."""

    def __init__(self, n_features=10, n_outputs=1):
        super().__init__()
        self.hidden, self.output = nn.Linear(10, n_features), nn.Linear(n_features, n_outputs)

    def forward(self, x):
        return self.output(torch.relu(self.hidden(x)))


class Shifted(nn.Module):
    """Takes a tensor as a parameter."""

    def __init__(self, shift, n_outputs=1):
        super().__init__()
        self.register_buffer("shift", shift.clone())
        self.linear = nn.Linear(10, n_outputs)

    def forward(self, x):
        return self.linear(x + self.shift)
