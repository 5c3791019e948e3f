"""What a net is when it is fitted: what is kept of its training, and what is made of that when asked for."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from skreg.estimators.forward import folded, kept_forward, raw_outputs
from skreg.estimators.rows import warn
from skreg.net.net import Net


def set_fitted(net, job, result):
    """Write the result of a job into its net.

    Parameters
    ----------
    net : BaseRegularizedMLP
    job : Job
    result : Result
    """
    net._params = result.params
    net._history = result.history
    net._optimiser = None
    net._epochs_behind = result.n_iter + (job.start or {}).get("epoch", 0)
    net._watched = None
    if job.X_val is not None:
        net._watched = "valid_score" if has_scores(result.history) else "valid_loss"
    net.n_iter_ = result.n_iter
    net.best_iter_ = result.best_iter
    net.best_loss_ = float(result.best_loss)
    net.stopped_by_ = result.stopped_by
    net.device_ = job.spec.device
    net.n_outputs_ = job.spec.n_outputs
    if job.spec.module is None:
        net.embedded_features_ = np.array(job.spec.embedded or (), dtype=np.int64)
    net.n_layers_ = job.spec.n_layers + 1
    if result.stopped_by == "diverged":
        warn(
            f"The training of this {job.label} diverged in epoch {result.n_iter} "
            f"(learning_rate_init={job.spec.learning_rate_init:g}, dropout={net.dropout!r}, "
            f"solver={net.solver!r}); the weights of epoch {result.best_iter} were kept. "
            "Scale the features, or lower learning_rate_init.",
            ConvergenceWarning,
        )


def has_scores(history):
    """Whether any epoch of a history has a score."""
    return bool(np.isfinite(history["valid_score"]).any())


def forward_of_all(owner, nets, n_columns, columns=None, tables=None):
    """What predicts the rows of an ensemble, made ready once and kept beside it.

    Parameters
    ----------
    owner : estimator
        The ensemble.
    nets : list of BaseRegularizedMLP
    n_columns, columns, tables
        Of `skreg.estimators.forward.Forward`.
    """
    made_of = [(net._params, net._spec) for net in nets]
    return kept_forward(owner, made_of, n_columns, columns, tables)


def outputs_of(net, X):
    """Raw outputs (n, o) of one net for validated rows; nothing is kept for a next time."""
    return raw_outputs(net._params, net._spec, X)


def module_of(net, *, prepared=False):
    """The torch module of a fitted net, whose memory it shares.

    Parameters
    ----------
    net : BaseRegularizedMLP
    prepared : bool
        Whether it is to take the prepared table, and not the user's.
    """
    return net._build_module(prepared=prepared)


if TYPE_CHECKING:
    import torch
    from skorch import NeuralNet

    from skreg import typing as types
    from skreg.estimators.summary import Summary


class FittedNet:
    """What a fitted net tells of itself."""

    n_features_in_: int
    feature_names_in_: types.Array
    n_iter_: int
    best_iter_: int
    best_loss_: float
    stopped_by_: types.StoppedBy
    n_layers_: int
    n_outputs_: int
    device_: str

    def _net_of_blocks(self):
        return Net.of(self._spec, self._columns.n_out)

    def _forward(self):
        """What predicts its rows, made ready once and kept beside it."""
        return kept_forward(self, [(self._params, self._spec)], self._columns.n_out)

    @property
    def history_(self) -> pd.DataFrame:
        """A row for each epoch: epoch, train_loss, valid_loss, valid_score, learning_rate and ``metrics``."""
        self._needs_fit("history_")
        return pd.DataFrame(self._history)

    @property
    def loss_curve_(self) -> list[float]:
        """Training loss of each epoch, penalties not included."""
        self._needs_fit("loss_curve_")
        return list(self._history["train_loss"])

    @property
    def validation_scores_(self) -> list[float] | None:
        """Score of each epoch on the validation rows, larger is better; None without such rows."""
        self._needs_fit("validation_scores_")
        if self._watched is None:
            return None
        sign = -1.0 if self._watched == "valid_loss" else 1.0
        return [sign * value for value in self._history[self._watched]]

    @property
    def n_weights_(self) -> int:
        """Number of weights which l1 and l2 act on: those of linear layers, and of convolutions."""
        self._needs_fit("n_weights_")
        return sum(self._params[name].size for name in self._net_of_blocks().penalised)

    @property
    def n_zero_weights_(self) -> int:
        """Number of those weights that are exactly zero."""
        self._needs_fit("n_zero_weights_")
        weights = [self._params[name] for name in self._net_of_blocks().penalised]
        return int(sum(w.size - np.count_nonzero(w) for w in weights))

    @property
    def module_(self) -> torch.nn.Sequential:
        """The net as a `torch.nn.Sequential` in evaluation mode, on the CPU.

        For the regressor it computes predictions, for the classifier the decision function. Its
        modules are such that `torch.jit.script` and `torch.onnx.export` take it.
        """
        self._needs_fit("module_")
        # A copy, so that training the module further does not change this estimator.
        return copy.deepcopy(self._build_module())

    @property
    def net_(self) -> NeuralNet:
        """The net as an initialised skorch net around `module_`, with its history."""
        self._needs_fit("net_")
        from skreg.estimators.skorch import engine_net

        net = engine_net(self.module_)
        for row in self.history_.to_dict("records"):
            net.history.new_epoch()
            net.history.record("epoch", int(row.pop("epoch")))
            for name, value in row.items():
                net.history.record(name, value)
        return net

    def _needs_fit(self, name):
        if not hasattr(self, "_params"):
            raise AttributeError(
                f"{type(self).__name__} has no attribute {name!r} before it is fitted."
            )

    def summary(self) -> Summary:
        """Table of the layers with output shapes, parameters and active regularizers.

        Returns
        -------
        Summary
            Prints as a table; ``frame()`` gives a DataFrame.
        """
        check_is_fitted(self)
        from skreg.estimators.summary import summarise

        return summarise(self, self._spec)


class FittedMLP(FittedNet):
    """What a fitted multi-layer perceptron tells of its layers besides."""

    embedded_features_: types.Array

    @property
    def coefs_(self) -> list[types.Array]:
        """Weights as scikit-learn's MLP has them, (n_in, n_out) each, batch norm folded in.

        With embedded columns the first one has three more rows for each of them, after the rows of
        the columns themselves.
        """
        return [weight for weight, _ in self._folded()]

    @property
    def input_names_(self) -> types.Array:
        """Names of the inputs of the first layer, which the rows of ``coefs_[0]`` belong to.

        ``"age"``; where it had gaps ``"age missing"``; of its embedding ``"age~1"`` to ``"age~3"``; a level
        of a category ``"job=clerk"``, and the numbers of its vector ``"job~1"``, ``"job~2"``, ...
        """
        self._needs_fit("input_names_")
        names = self._columns.names(getattr(self, "feature_names_in_", None))
        return np.array(self._net_of_blocks().input_names(names), dtype=object)

    @property
    def input_features_(self) -> types.Array:
        """The column of X that each input of the first layer was made of, shape (n_inputs,)."""
        self._needs_fit("input_features_")
        return self._net_of_blocks().owner.copy()

    @property
    def selected_features_(self) -> types.Array:
        """Columns of X that the net looks at, a bool mask of shape (n_features_in_,)."""
        self._needs_fit("selected_features_")
        used = self._params["weight_0"].any(axis=0)
        return np.bincount(self.input_features_, used, self.n_features_in_) > 0

    @property
    def n_features_used_(self) -> int:
        """Number of columns of X that the net looks at."""
        self._needs_fit("n_features_used_")
        return int(self.selected_features_.sum())

    @property
    def feature_importances_(self) -> types.Array:
        """Share of each column of X in the weights of the first layer, shape (n_features_in_,).

        The length of the weights that belong to a column, batch norm folded in, over the sum of those of
        all columns; exactly 0 for a column that is out.
        """
        self._needs_fit("feature_importances_")
        squares = (self.coefs_[0] ** 2).sum(axis=1)
        lengths = np.sqrt(np.bincount(self.input_features_, squares, self.n_features_in_))
        lengths[~self.selected_features_] = 0.0
        return lengths / max(lengths.sum(), np.finfo(np.float64).tiny)

    @property
    def penalty(self) -> str:
        """ "l1" with ``group_l1 > 0``, else there is no such attribute.

        By it `sklearn.feature_selection.SelectFromModel` knows that a column whose importance is zero is
        out and all others are in, where it would take those above the mean.
        """
        if not self.group_l1:
            raise AttributeError(f"{type(self).__name__} has no attribute 'penalty'.")
        return "l1"

    @property
    def intercepts_(self) -> list[types.Array]:
        """Biases, (n_out,) each, batch norm folded in."""
        return [bias for _, bias in self._folded()]

    def _folded(self):
        self._needs_fit("coefs_")
        return folded(self._params, self._spec, self._columns.n_out)
