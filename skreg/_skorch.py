"""skorch drives the epochs of one net alone where somebody wants to watch them.

The net is held by composition: an estimator that *is* a `NeuralNet` fails scikit-learn's checks
(its ``_validate_params`` shadows scikit-learn's hook).
"""

from __future__ import annotations

import numpy as np
import torch
from skorch import NeuralNet
from skorch.callbacks import Callback, EpochTimer, PrintLog
from skorch.dataset import Dataset

from skreg._module import build_module


class EngineNet(NeuralNet):
    """A skorch net whose inner loop is a stack of the engine.

    Callbacks see the live module, the history and the data sets; they may end training by raising
    KeyboardInterrupt, as skorch's own do. The optimiser belongs to the engine, so callbacks that
    change learning rates have no effect.
    """

    @property
    def _default_callbacks(self):
        return [("epoch_timer", EpochTimer()), ("print_log", PrintLog())]

    def fit_loop(self, X, y=None, epochs=None, **fit_params):
        """Run the stack to its end, one epoch at a time."""
        stack = self.stack_
        self.stopped_ = False
        job = stack.members[0].job
        datasets = {
            "dataset_train": Dataset(job.X, job.y),
            "dataset_valid": None if job.X_val is None else Dataset(job.X_val, job.y_val),
        }
        epochs = stack.epochs()
        try:
            while stack.members and stack.members[0].ended is None:
                self.notify("on_epoch_begin", **datasets)
                next(epochs)
                self._record(stack.members[0])
                self.notify("on_epoch_end", **datasets)
            for _ in epochs:  # lets the stack hand over its result
                pass
        except KeyboardInterrupt:
            self.stopped_ = True
            raise  # skorch ends the training
        finally:
            epochs.close()

    def _record(self, member):
        rows = member.history
        self.history.record("train_loss", rows["train_loss"][-1])
        if not np.isnan(rows["valid_loss"][-1]):
            self.history.record("valid_loss", rows["valid_loss"][-1])
            self.history.record("valid_loss_best", member.best_iter == len(rows["epoch"]))
        if not np.isnan(rows["valid_score"][-1]):
            self.history.record("valid_score", rows["valid_score"][-1])


def engine_net(module, callbacks=(), verbose=0, **options):
    """An initialised `EngineNet` around a module."""
    net = EngineNet(
        module,
        criterion=torch.nn.MSELoss,
        train_split=None,
        callbacks=list(callbacks),
        verbose=verbose,
        **options,
    )
    return net.initialize()


class SkorchDriver:
    """A driver for `skreg.engine.job.Job` that lets skorch run the epochs.

    Attributes
    ----------
    stopped : bool
        Whether a callback ended training.
    """

    def __init__(self, callbacks, verbose):
        self.callbacks = callbacks
        self.verbose = verbose
        self.stopped = False

    def __call__(self, stack):
        """Train the one member of a stack."""
        # Buffers share memory with the stack, so callbacks see what is validated, at any moment.
        view = {**stack.kept.theta.view, **stack.kept.running.view}
        module = build_module({name: v[0] for name, v in view.items()}, stack.spec)
        net = engine_net(module, self.callbacks, self.verbose, device=str(stack.device))
        net.stack_ = stack
        net.partial_fit(None, None)
        self.stopped = net.stopped_


class SklearnEpochs(Callback):
    """Tells scikit-learn's callbacks of each epoch.

    Parameters
    ----------
    estimator : estimator
    context : sklearn.callback.CallbackContext
        Of the fit.
    X, y : array-likes
        The training rows, for callbacks that score.
    """

    def __init__(self, estimator, context, X, y):
        self.estimator = estimator
        self.context = context
        self.rows = {"X": X, "y": y}

    def on_epoch_begin(self, net, **kwargs):
        """Begin a task."""
        self.task_ = self.context.subcontext(task_name="epoch")
        self.task_.call_on_fit_task_begin(estimator=self.estimator, **self.rows)

    def on_epoch_end(self, net, **kwargs):
        """End the task, and training where a callback says so."""
        kept = net.stack_.kept

        def fitted():
            return {"_params": {**kept.theta.member(0), **kept.running.member(0)}}

        if self.task_.call_on_fit_task_end(
            estimator=self.estimator, reconstruction_attributes=fitted, **self.rows
        ):
            raise KeyboardInterrupt
