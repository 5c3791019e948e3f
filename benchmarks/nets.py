"""The same architecture in the three packages."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.neural_network import MLPClassifier
from skorch import NeuralNetClassifier
from torch import nn

from skreg import RegularizedMLPClassifier
from skreg.train import Job, Spec


class Module(nn.Module):
    """Linear, batch norm, ReLU, dropout for each hidden layer, and a linear output."""

    def __init__(self, n_inputs=1, hidden=(100,), n_classes=2, dropout=0.2):
        super().__init__()
        layers = []
        for units in hidden:
            layers += [
                nn.Linear(n_inputs, units),
                nn.BatchNorm1d(units),
                nn.ReLU(),
                nn.Dropout(dropout),
            ]
            n_inputs = units
        self.layers = nn.Sequential(*layers, nn.Linear(n_inputs, n_classes))

    def forward(self, x):
        """Logits of rows x."""
        return self.layers(x)


def skorch_net(n_inputs, hidden, n_classes, batch_size, epochs, **options):
    """skorch with its default loop; its score is printed nowhere and it holds nothing out."""
    return NeuralNetClassifier(
        Module,
        module__n_inputs=n_inputs,
        module__hidden=hidden,
        module__n_classes=n_classes,
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        lr=1e-3,
        max_epochs=epochs,
        batch_size=batch_size,
        verbose=0,
        **{"train_split": None, **options},
    )


def sklearn_net(hidden, batch_size, epochs, estimator=MLPClassifier, **options):
    """scikit-learn's MLP: plain, it has neither batch norm nor dropout."""
    return estimator(
        hidden_layer_sizes=hidden,
        batch_size=batch_size,
        max_iter=epochs,
        **{"n_iter_no_change": epochs + 1, **options},
    )


def skreg_net(hidden, batch_size, epochs, estimator=RegularizedMLPClassifier, **options):
    """skreg with batch norm and dropout, on the columns as they are, as the others."""
    return estimator(
        hidden_layer_sizes=hidden,
        **{
            "scale_features": None,
            "dropout": 0.2,
            "batch_norm": True,
            "numeric_embedding": None,
            "weight_decay": 0.0,
            "solver": "adam",
            "learning_rate_init": 1e-3,
            "learning_rate": "constant",
            "batch_size": batch_size,
            "max_iter": epochs,
            "early_stopping": False,
            "device": "cpu",
            "random_state": 0,
            **options,
        },
    )


def jobs(X, y, hidden, k, most=0.5, **options):
    """Jobs of k nets with batch norm for classes, a dropout rate each, up to `most`."""
    layers = len(hidden)
    return [
        Job(
            Spec(
                hidden=hidden,
                n_outputs=int(y.max()) + 1,
                batch_norm=True,
                loss="multinomial",
                dropout=(rate,) * layers,
                l1=(0.0,) * (layers + 1),
                l2=(0.0,) * (layers + 1),
                **options,
            ),
            X,
            y,
        )
        for rate in np.linspace(0.0, most, k)
    ]
