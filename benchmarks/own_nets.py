"""Grid searches over a convolutional net of one's own: batched, one by one, and skorch with two processes."""

from __future__ import annotations

import numpy as np
import torch
from joblib import parallel_config
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from skorch import NeuralNetClassifier
from torch import nn

import skreg
from benchmarks import rst
from benchmarks.regressions import Figure
from benchmarks.timing import compared, in_turn

#: What both packages train: rates of all layers of dropout, folds, epochs, and rows of a minibatch.
RATES = np.linspace(0.0, 0.7, 8).round(1).tolist()
FOLDS, EPOCHS, BATCHES = 3, 5, (32, 128)
ABOUT = (
    "``GridSearchCV`` over 8 rates of dropout x 3 folds of the handwritten digits as images of 8 x 8 "
    "pixels, 5 epochs, the refit of the winner included. The net is a torch module: two blocks of two "
    "convolutions (32 and 64 channels), pooling and dropout, a dense layer of 256, dropout, ten classes. "
    "skorch trains the same module with the same optimiser, batches and epochs in two processes. By a "
    "profile on an AVX2 processor three quarters of the batched search are torch's convolutions and their "
    "gradients, which skorch calls as well, so that little more can be gained on two cores. Medians of runs "
    "in turn."
)


class DigitsNet(nn.Module):
    """The text-book net for small images: two blocks of two convolutions, and a dense layer of 256."""

    def __init__(self, rate=0.25, width=32, dense=256):
        super().__init__()
        self.layers = nn.Sequential(
            *(nn.Conv2d(1, width, 3, padding=1), nn.ReLU()),
            *(nn.Conv2d(width, width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(rate)),
            *(nn.Conv2d(width, 2 * width, 3, padding=1), nn.ReLU()),
            *(nn.Conv2d(2 * width, 2 * width, 3, padding=1), nn.ReLU()),
            *(nn.MaxPool2d(2), nn.Dropout(rate), nn.Flatten()),
            *(nn.Linear(8 * width, dense), nn.ReLU(), nn.Dropout(rate), nn.Linear(dense, 10)),
        )

    def forward(self, x):
        """Scores of the classes."""
        return self.layers(x)


def images(n=None):
    """The handwritten digits as images of one channel, and their labels."""
    X, y = load_digits(return_X_y=True)
    X = (X / 16).astype(np.float32).reshape(-1, 1, 8, 8)
    return X[:n], y[:n].astype(np.int64)


def skorch_net(batch_size, epochs, **module):
    """skorch's net with the same module, optimiser, batches and epochs."""
    return NeuralNetClassifier(
        DigitsNet,
        **{f"module__{name}": value for name, value in module.items()},
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.AdamW,
        optimizer__weight_decay=0.01,
        lr=1e-3,
        batch_size=batch_size,
        max_epochs=epochs,
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
    )


def skreg_net(batch_size, epochs, **module):
    """Ours."""
    return skreg.RegularizedNetClassifier(
        DigitsNet,
        **{f"module__{name}": value for name, value in module.items()},
        weight_decay=0.01,
        learning_rate_init=1e-3,
        learning_rate="constant",
        beta_2=0.999,
        ema_decay=0.0,
        early_stopping=False,
        batch_size=batch_size,
        max_iter=epochs,
        random_state=0,
    )


def contestants(X, y, batch_size, *, rates=RATES, folds=FOLDS, epochs=EPOCHS, n_jobs=2, **module):
    """Searches over the rates of dropout, each with the refit of the winner."""
    folds = StratifiedKFold(folds)
    ours = GridSearchCV(skreg_net(batch_size, epochs, **module), {"dropout": rates}, cv=folds)
    theirs = skorch_net(batch_size, epochs, **module)
    theirs = GridSearchCV(theirs, {"module__rate": rates}, cv=folds, n_jobs=n_jobs)

    def batched():
        with parallel_config(backend="skreg"):
            ours.fit(X, y)

    return {
        "skreg, batched": batched,
        "skreg, one by one": lambda: ours.fit(X, y),
        f"skorch, n_jobs={n_jobs}": lambda: theirs.fit(X, y),
    }


def measure(repeats):
    """Seconds of each search, and how many times those of the batched one."""
    out = {}
    for batch_size in BATCHES:
        runs = contestants(*images(), batch_size)
        # Starts the workers, and compiles.
        in_turn(contestants(*images(100), batch_size, epochs=1), 1)
        seconds, ratios = compared(runs, repeats, "skreg, batched")
        out[f"minibatches of {batch_size}"] = {"seconds": seconds, "times": ratios}
    return out


def page(result, machine):
    """A table for each size of a minibatch."""
    text = rst.head("Nets of your own", ABOUT, machine)
    for case, found in result.items():
        text += rst.heading(case.capitalize())
        unit = "times the batched search"
        text += rst.contestants(found["seconds"], found["times"], unit, digits=(1, 2))
    return text


def ratios(result):
    """Of skorch to the batched search."""
    for case, found in result.items():
        for who, times in found["times"].items():
            if not who.startswith("skreg"):
                yield f"search over an own net, {case}, times {who} takes", Figure(times, True)
