"""skorch drives the epochs of a net where somebody wants to watch them.

The net is held by composition: an estimator that *is* a `NeuralNet` fails scikit-learn's checks
(its ``_validate_params`` shadows scikit-learn's hook).
"""

from __future__ import annotations

import copy
import math

import numpy as np
import torch
from sklearn.utils import get_tags
from skorch import NeuralNet
from skorch.callbacks import Callback, EpochTimer, PrintLog
from skorch.dataset import Dataset

from skreg.estimators.module import build_module
from skreg.estimators.skorch_callbacks import is_from_skorch, is_print_log
from skreg.train.job import Result

#: What torch calls the solvers and the losses, for callbacks that log them.
_OPTIMISERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}
_LOSSES = {
    "multinomial": torch.nn.CrossEntropyLoss,
    "binomial": torch.nn.BCEWithLogitsLoss,
    "absolute_error": torch.nn.L1Loss,
    "huber": torch.nn.HuberLoss,
    "poisson": torch.nn.PoissonNLLLoss,
}

#: What a callback may try to change in the optimiser, and the parameters of the estimator that do it.
_SET_INSTEAD = {
    "lr": "learning_rate and learning_rate_init",
    "betas": "beta_1 and beta_2",
    "eps": "epsilon",
    "weight_decay": "weight_decay",
    "momentum": "momentum",
    "nesterov": "nesterovs_momentum",
}


class EngineNet(NeuralNet):
    """A skorch net whose inner loop is a stack of the engine.

    Callbacks see the live module, which takes prepared rows and gives outputs before the link, the history
    and the rows as the user passed them; what they ask the net to predict, the estimator predicts with the
    weights of the moment. They may end training by raising
    KeyboardInterrupt, as skorch's own do. The optimiser belongs to the engine: it is there to be read, and a
    callback that changes it is refused.
    """

    @property
    def _default_callbacks(self):
        return [("epoch_timer", EpochTimer()), ("print_log", PrintLog())]

    # -- the course of a training ------------------------------------------------------------------

    def notify(self, method_name, **kwargs):
        """Tell the callbacks, and see to it that they leave alone what would not be read back."""
        if not hasattr(self, "stack_"):
            super().notify(method_name, **kwargs)
            return
        getattr(self, method_name)(self, **kwargs)
        for name, callback in self.callbacks_:
            before = None if is_from_skorch(callback) else self._touchable()
            getattr(callback, method_name)(self, **kwargs)
            if before is not None:
                self._refuse_changes(before, name, method_name)

    def _touchable(self):
        """What a callback may be tempted to change: the optimiser, what is trained, averaged weights."""
        stack, weights = self.stack_, None
        if stack.average is not None and stack.members:
            weights = [b.flat.clone() for b in (stack.average.theta, stack.average.running)]
        options = {
            (name, place): value
            for place, group in enumerate(self.optimizer_.param_groups)
            for name, value in group.items()
            if name != "params"
        }
        return options, [p.requires_grad for p in self.module_.parameters()], weights

    def _refuse_changes(self, before, name, method_name):
        (options, trained, weights), now = before, self._touchable()
        if now[0] != options:
            option = _first_change(options, now[0])
            instead = _SET_INSTEAD.get(option)
            what = (
                f"{'the learning rate' if option == 'lr' else option} of optimizer_",
                f"Use {instead}" if instead else "Leave it as it is",
            )
        elif now[1] != trained:
            what = "requires_grad of the weights in module_", "Train a copy of module_ in torch"
        elif weights and now[2] and not all(map(torch.equal, weights, now[2])):
            what = (
                "the weights in module_, which are averages over epochs",
                "Set ema_decay=0.0, so that they are the weights in training",
            )
        else:
            return
        raise ValueError(
            f"The callback {name} changed {what[0]} in {method_name}. That has no effect on the training. "
            f"{what[1]}."
        )

    def fit_loop(self, X, y=None, epochs=None, **fit_params):
        """Run the stack to its end, one epoch at a time."""
        stack = self.stack_
        self.stopped_, self.best_ = False, {}
        epochs = stack.epochs()
        try:
            while stack.members and stack.members[0].ended is None:
                self.notify("on_epoch_begin", **self.datasets_)
                next(epochs)
                self._record(stack.members[0])
                self.notify("on_epoch_end", **self.datasets_)
            for _ in epochs:  # lets the stack hand over its result
                pass
            self._show_what_is_kept()
        except KeyboardInterrupt:
            self.stopped_ = True
            stack.interrupt("interrupt")
            self._show_what_is_kept()
            raise  # skorch ends the training
        finally:
            epochs.close()

    def _record(self, member):
        rows = member.history
        # Some callbacks look into the minibatches of an epoch: to them it has one.
        self.history.new_batch()
        self.history.record_batch("train_loss", rows["train_loss"][-1])
        self._record_one("train_loss", rows["train_loss"][-1], 1.0)
        self._record_one("valid_loss", rows["valid_loss"][-1], 1.0)
        self._record_one("valid_score", rows["valid_score"][-1], -1.0)
        for measure in member.job.measures:
            self._record_one(measure.name, rows[measure.name][-1], -1.0)
        for group in self.optimizer_.param_groups:
            group["lr"] = rows["learning_rate"][-1]

    def _record_one(self, name, value, sign):
        """A value of an epoch, and whether it is the best so far."""
        if math.isnan(value):
            return
        best = sign * value < self.best_.get(name, math.inf)
        if best:
            self.best_[name] = sign * value
        self.history.record(name, value)
        self.history.record(f"{name}_best", best)

    def _show_what_is_kept(self):
        """At the end of training the module has the weights that the estimator keeps."""
        kept = build_module(
            self.stack_.results[0].params, self.spec_, self.stack_.state.net.n_columns
        )
        with torch.no_grad():
            self.module_.load_state_dict(kept.state_dict())

    # -- what scorers of callbacks ask for ---------------------------------------------------------

    def _ask(self, method):
        if not hasattr(self, "shown_"):
            return getattr(super(), method)
        return getattr(self.shown_(), method)

    def predict(self, X):
        """What the estimator predicts with the weights of the moment."""
        return self._ask("predict")(X)

    def predict_proba(self, X):
        """The estimator's probabilities with the weights of the moment."""
        return self._ask("predict_proba")(X)

    @property
    def decision_function(self):
        """The estimator's decision function with the weights of the moment."""
        return self._ask("decision_function")

    def score(self, X, y):
        """The estimator's score with the weights of the moment."""
        return self._ask("score")(X, y)

    @property
    def classes_(self):
        """The estimator's classes."""
        return self._ask("classes_")

    @property
    def _estimator_type(self):
        return get_tags(self.shown_()).estimator_type if hasattr(self, "shown_") else None

    def __sklearn_tags__(self):
        return get_tags(self.shown_()) if hasattr(self, "shown_") else super().__sklearn_tags__()


def _first_change(before, after):
    """Name of the first option that was changed, added or taken away; dicts as of `EngineNet._touchable`."""
    for key in {**before, **after}:
        if key not in before or key not in after or before[key] != after[key]:
            return key[0]
    return None


def engine_net(module, callbacks=(), verbose=0, **options):
    """An initialised `EngineNet` around a module."""
    callbacks = list(callbacks)
    if any(is_print_log(item) for item in callbacks):
        # A default that prints as well would print everything twice, and without verbose none prints.
        options["callbacks__print_log"], verbose = None, max(verbose, 1)
    net = EngineNet(
        module,
        **{"criterion": torch.nn.MSELoss, **options},
        train_split=None,
        callbacks=callbacks,
        verbose=verbose,
        use_caching=False,
    )
    return net.initialize()


class SkorchDriver:
    """A driver for `skreg.train.job.Job` that lets skorch run the epochs.

    Parameters
    ----------
    callbacks : list
    verbose : int
    show : callable
        ``show(result)`` gives an estimator that is fitted with a `Result`.
    training, validation : tuple of X and y, or None
        Rows in the user's terms.

    Attributes
    ----------
    stopped : bool
        Whether a callback ended training.
    """

    def __init__(self, callbacks, verbose, show, training, validation):
        self.callbacks = callbacks
        self.verbose = verbose
        self.show = show
        self.training = training
        self.validation = validation
        self.stopped = False

    def __call__(self, stack):
        """Train the one member of a stack."""
        # Buffers share memory with the stack, so callbacks see what is validated, at any moment.
        view = {**stack.kept.theta.view, **stack.kept.running.view}
        spec = stack.spec
        params = {name: v[0] for name, v in view.items()}
        module = build_module(params, spec, stack.state.net.n_columns)
        net = engine_net(
            module,
            self.callbacks,
            self.verbose,
            device=str(stack.device),
            criterion=_LOSSES.get(spec.loss, torch.nn.MSELoss),
            optimizer=_OPTIMISERS[spec.solver],
            lr=spec.learning_rate_init,
            batch_size=spec.batch_size,
            max_epochs=spec.max_iter,
        )
        member = stack.members[0]
        net.stack_, net.spec_ = stack, spec
        net.shown_ = lambda: self.show(_result(stack, member))
        net.datasets_ = {
            "dataset_train": Dataset(*self.training),
            "dataset_valid": None if self.validation is None else Dataset(*self.validation),
        }
        net.partial_fit(*self.training)
        self.stopped = net.stopped_


def _result(stack, member):
    """What there would be if training ended now; at its end, what there is."""
    if member.index in stack.results:
        return stack.results[member.index]
    epochs = len(member.history["epoch"])
    return Result(
        params={**stack.kept.theta.member(0), **stack.kept.running.member(0)},
        history=copy.deepcopy(member.history),
        n_iter=epochs,
        best_iter=epochs,
        best_loss=member.best_loss,
        n_steps=member.n_steps,
        best_step=member.n_steps,
    )


def as_rows(X):
    """A table as skorch's datasets take it: a list is one of several inputs to them."""
    if not isinstance(X, list | tuple):
        return X
    try:
        return np.asarray(X, dtype=np.float64)
    except (TypeError, ValueError):  # texts among them
        return np.array([list(row) for row in X], dtype=object)


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
