"""skorch with the same module as this package's default net."""

from __future__ import annotations

import copy

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from skorch import NeuralNetBinaryClassifier, NeuralNetClassifier, NeuralNetRegressor
from skorch.callbacks import EarlyStopping
from skorch.dataset import ValidSplit
from torch import nn

from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor


class SkorchTwin(BaseEstimator):
    """The default net's module in skorch's own loop.

    Module, AdamW and its rates, batch size, epochs, held-out share and patience are those of the
    default net; the loop, the constant learning rate and `EarlyStopping` with the best epoch's
    weights are skorch's. Its X is float64, its y class numbers from 0 on, or floats.
    """

    def __init__(self, random_state=None):
        self.random_state = random_state

    def fit(self, X, y):
        X = np.asarray(X, dtype=np.float32)
        # One epoch tells what the default resolves to on these rows.
        ours = self._ours(max_iter=1, early_stopping=False, scale_features=None, random_state=0)
        ours.fit(X, y)
        default = self._ours()
        torch.manual_seed(self.random_state or 0)
        net, criterion, target = self._loop(y)
        stratified = isinstance(self, ClassifierMixin)
        self.net_ = net(
            anew(ours.module_),
            criterion=criterion,
            optimizer=torch.optim.AdamW,
            lr=default.learning_rate_init,
            optimizer__betas=(default.beta_1, default.beta_2),
            optimizer__weight_decay=default.weight_decay,
            max_epochs=default.max_iter,
            batch_size=ours._spec.batch_size,
            # Batch norm cannot train on one row.
            iterator_train__drop_last=True,
            train_split=ValidSplit(
                default.validation_fraction, stratified=stratified, random_state=self.random_state
            ),
            callbacks=[("stop", EarlyStopping(patience=default.patience, load_best=True))],
            verbose=0,
        )
        self.net_.fit(X, target)
        return self

    @property
    def epochs_(self):
        return len(self.net_.history)


class SkorchTwinClassifier(ClassifierMixin, SkorchTwin):
    """`SkorchTwin` for classes."""

    _ours = RegularizedMLPClassifier

    def _loop(self, y):
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) == 2:
            return NeuralNetBinaryClassifier, nn.BCEWithLogitsLoss, codes.astype(np.float32)
        return NeuralNetClassifier, nn.CrossEntropyLoss, codes

    def predict_proba(self, X):
        return self.net_.predict_proba(np.asarray(X, dtype=np.float32))

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


class SkorchTwinRegressor(RegressorMixin, SkorchTwin):
    """`SkorchTwin` for one standardised target."""

    _ours = RegularizedMLPRegressor

    def _loop(self, y):
        return NeuralNetRegressor, nn.MSELoss, np.asarray(y, dtype=np.float32).reshape(-1, 1)

    def predict(self, X):
        return self.net_.predict(np.asarray(X, dtype=np.float32)).ravel()


def anew(module):
    """A copy of a module with weights drawn anew, each part as its class draws them."""
    module = copy.deepcopy(module)
    for part in module.modules():
        if hasattr(part, "reset_parameters"):
            part.reset_parameters()
    return module
