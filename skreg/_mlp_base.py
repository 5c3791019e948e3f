"""What the two estimators share: the course of a fit, prediction, fitted attributes."""

from __future__ import annotations

import copy
import dataclasses
import functools
import math
from numbers import Integral

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import (
    _check_sample_weight,
    _num_samples,
    check_is_fitted,
    validate_data,
)

from skreg._callbacks import CallbackSupportMixin
from skreg._forward import folded, input_stage, monte_carlo_outputs, raw_outputs
from skreg._resolve import MOST_EMBEDDED, check_parameters, resolve
from skreg._rows import (
    PREDICTED_DTYPES,
    check_validation_arguments,
    drop_unweighted,
    numeric_columns,
    warn,
    warn_of_scales,
    weigh,
    with_remedy,
)
from skreg._scoring import (
    Fitted,
    GivenRows,
    has_scores,
    make_score,
    numbers_of_kept,
    warn_of_gaps,
    warn_undefined,
    without_fit,
)
from skreg._split import hold_out
from skreg.engine.data import batches_of, n_batches
from skreg.engine.job import Job
from skreg.parallel import submit


class BaseRegularizedMLP(CallbackSupportMixin, BaseEstimator):
    """Base class; a subclass says what targets are (``_encode``) and what outputs mean."""

    @classmethod
    @functools.cache
    def _get_param_names(cls):
        # Reading the signature of some thirty parameters takes as long as a small fit's checks, and
        # scikit-learn asks for it several times a fit.
        return super()._get_param_names()

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    # -- fitting ----------------------------------------------------------------------------------

    def _fit(self, X, y, sample_weight, X_val, y_val, sample_weight_val):
        """Fit, or leave everything as it was."""
        # Before the copy: scikit-learn's teardown looks for it, whether or not the fit succeeds.
        context = self._init_callback_context(max_subtasks=self.max_iter)
        before = self.__dict__.copy()
        try:
            interrupted = self._fit_checked(
                X, y, sample_weight, X_val, y_val, sample_weight_val, context
            )
        except BaseException:
            self.__dict__.clear()
            self.__dict__.update(before)
            raise
        if interrupted:
            raise KeyboardInterrupt(interrupted_text(type(self).__name__))
        return self

    def _fit_checked(self, X, y, sample_weight, X_val, y_val, sample_weight_val, context):
        parts = check_parameters(self)
        check_validation_arguments(X_val, y_val, sample_weight_val)
        continued = self._continued() if self.warm_start else None
        first = continued is None
        given = X, X_val
        X, y, weight = self._check_rows(X, y, sample_weight, reset=first)
        y = self._encode(y, first=first)
        seed = self._seed()
        warn_of_scales(X)
        factors = self._class_factors(y, weight)
        kept = numbers_of_kept(_num_samples(given[0]), sample_weight, y, factors)
        everything = weigh(X, y, weight, factors)
        if X_val is not None:
            X_val, y_val, weight_val = self._check_rows(
                X_val, y_val, sample_weight_val, reset=False
            )
            y_val = self._encode(y_val, first=False)
            kept_val = numbers_of_kept(_num_samples(given[1]), sample_weight_val, y_val, factors)
            rows, valid = everything, weigh(X_val, y_val, weight_val, factors)
            shown = GivenRows(given[0], kept), GivenRows(given[1], kept_val)
        else:
            rows, valid = self._hold_out((*everything, kept), seed)
            shown = [part and GivenRows(given[0], part[3]) for part in (rows, valid)]
            rows, valid = rows[:3], valid and valid[:3]
        job = self._job(rows, valid, parts, seed, continued)
        if valid is not None and self.scoring != "loss":
            self._set_score(job, valid, shown[1], passed=X_val is not None)
        if context is not None:
            context.call_on_fit_task_begin(estimator=self)
        watched = [(given, part) for given, part in zip(shown, (rows, valid), strict=True)]
        result = submit(self._with_driver(job, context, watched))
        give_up_without_weights([result])
        again = None if X_val is not None else self._refit_job(job, everything, result)
        if again is not None:
            take_refit(result, submit(again))
        self._set_fitted(job, result)
        warn_of_gaps(self, result.history, result.undefined, X_val is not None)
        self._optimiser = None
        if context is not None:
            context.call_on_fit_task_end(estimator=self)
        return result.interrupted

    def _partial_fit(self, X, y, sample_weight, classes=None):
        """One pass over the rows, going on with the optimiser's state."""
        before = self.__dict__.copy()
        try:
            interrupted = self._partial_fit_checked(X, y, sample_weight, classes)
        except BaseException:
            self.__dict__.clear()
            self.__dict__.update(before)
            raise
        if interrupted:
            raise KeyboardInterrupt(interrupted_text(type(self).__name__))
        return self

    def _partial_fit_checked(self, X, y, sample_weight, classes):
        first = not hasattr(self, "_params")
        parts = check_parameters(self)
        given = X
        X, y, weight = self._check_rows(X, y, sample_weight, reset=first)
        y = self._encode(y, first=first, classes=classes)
        factors = self._class_factors(y, weight, partial=True)
        kept = numbers_of_kept(_num_samples(given), sample_weight, y, factors)
        rows = weigh(X, y, weight, factors)
        start = None if first else self._continued(optimiser=True)
        seed = self._seed() if first else self._seed_drawn
        overrides = {
            "max_iter": 1,
            "early_stopping": False,
            "learning_rate": "constant",
            "tol": None,
            # Each call would begin an average of its own.
            "ema_decay": 0.0,
        }
        job = self._job(rows, None, parts, seed, start, **overrides)
        job.keep_optimiser = True
        history = None if first else self._history
        watched = [(GivenRows(given, kept), rows), (None, None)]
        result = submit(self._with_driver(job, None, watched))
        self._set_fitted(job, result)
        self._optimiser = result.optimiser
        if history is not None:
            self._append_history(history)
        return result.interrupted

    def _append_history(self, before):
        """Put the epochs of earlier calls in front of the one just run."""
        joined = {name: [*before[name], *values] for name, values in self._history.items()}
        self.n_iter_ = self.best_iter_ = len(joined["epoch"])
        joined["epoch"] = list(range(1, self.n_iter_ + 1))
        self._history = joined
        self.best_loss_ = float(np.nanmin([math.inf, *joined["train_loss"]]))

    def _check_rows(self, X, y, sample_weight, *, reset):
        """Validated rows, targets in the user's terms and weights; rows of weight zero are gone."""
        if y is None:
            raise ValueError(
                f"This {type(self).__name__} estimator requires y to be passed, but the target y "
                "is None."
            )
        try:
            X, y = validate_data(
                self,
                X,
                y,
                reset=reset,
                accept_sparse="csr",
                dtype=getattr(np, self.dtype),
                order="C",
                multi_output=True,
                y_numeric=self._numeric_target,
            )
        except ValueError as error:
            raise with_remedy(error) from None
        y = self._check_target(y)
        if sample_weight is None:
            return X, y, None
        weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        return drop_unweighted(X, y, weight)

    def _seed(self):
        """A seed of this fit. None draws fresh entropy and leaves the global generator alone."""
        if self.random_state is None:
            return int(np.random.SeedSequence().generate_state(1)[0])
        return int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))

    def _hold_out(self, rows, seed):
        """Training rows, and validation rows where early stopping wants some."""
        if not self.early_stopping:
            return rows, None
        n, strata = rows[0].shape[0], self._strata(rows[1])
        split = hold_out(n, self.validation_fraction, seed, strata)
        if split is None:
            return rows, None
        return tuple(
            tuple(None if part is None else part[index] for part in rows) for index in split
        )

    def _job(self, rows, valid, parts, seed, start, *, scaled=False, **overrides):
        """The job of this fit; sets what the target is scaled by, unless that is known."""
        X, y, weight = rows
        if start is None and not scaled:
            self._set_target_scale(y, weight)
        self._see_targets([y] if valid is None else [y, valid[1]], first=start is None)
        spec = resolve(
            self,
            parts,
            loss=self._loss_name(),
            n_outputs=self._n_outputs(),
            n_rows=X.shape[0],
            n_features=X.shape[1],
            embedded=self._columns_to_embed(X, start, parts["hidden"]),
            **overrides,
        )
        if start is not None:
            self._check_continues(spec, "optimiser" in start)
        self._spec = spec
        self._seed_drawn = seed
        job = Job(
            spec,
            X,
            self._engine_target(y),
            _normalised(weight),
            seed,
            start=start,
            label=type(self).__name__,
        )
        if valid is not None:
            job.X_val, job.y_val = valid[0], self._engine_target(valid[1])
            job.sample_weight_val = valid[2]
        return job

    def _columns_to_embed(self, X, start, hidden):
        """Columns that get an embedding; those of the fitted net where training goes on."""
        choice = self.numeric_embedding
        if choice is None:
            return None
        if start is not None:
            return self._spec.embedded if choice == "auto" else self._spec.embedded or ()
        if choice == "auto" and not hidden:
            return None
        columns = numeric_columns(X)
        return None if choice == "auto" and len(columns) > MOST_EMBEDDED else columns

    def _with_driver(self, job, context, watched):
        """The job, with somebody to tell of each epoch where somebody wants to know.

        ``watched`` has the training and the validation rows: as the user passed them, and as
        X, y and weight.
        """
        callbacks = list(self.callbacks or ())
        if callbacks:
            from skreg._skorch_callbacks import check_callbacks

            check_callbacks(
                callbacks, validated=job.X_val is not None, scored=job.score is not None
            )
        if context is not None and getattr(self, "_skl_callbacks", None):
            from skreg._skorch import SklearnEpochs

            X, y, _ = watched[0][1]
            callbacks.append(SklearnEpochs(self, context, X, self._decode_target(y)))
        if callbacks or self.verbose:
            from skreg._skorch import SkorchDriver

            tables = [
                None if part is None else (given.take(), self._decode_target(part[1]))
                for given, part in watched
            ]
            job.driver = SkorchDriver(
                callbacks, int(self.verbose), Fitted(without_fit(self), job), *tables
            )
        return job

    def _refit_job(self, job, rows, result):
        """Training again on all rows for as many steps as the best epoch had taken, if wanted."""
        X, y, weight = rows
        spec = job.spec
        left = None if spec.max_time is None else spec.max_time - result.seconds
        validated = self.refit and job.X_val is not None and result.best_step
        if not validated or result.interrupted or (left is not None and left <= 0):
            return None
        steps = n_batches(X.shape[0], spec.batch_size, spec.batch_norm)
        spec = dataclasses.replace(
            spec,
            max_steps=result.best_step,
            # The schedule counts in epochs, which are longer now.
            max_iter=max(1, round(spec.max_iter * batches_of(job) / steps)),
            max_time=left,
            early_stopping=False,
            tol=None,
        )
        y, weight = self._engine_target(y), _normalised(weight)
        return Job(spec, X, y, weight, job.seed, start=job.start, label=job.label)

    def _continued(self, optimiser=False):
        """What a warm start or a partial fit starts from; None at first."""
        if not hasattr(self, "_params"):
            return None
        start = {**self._params, "epoch": self._epochs_behind}
        if optimiser and self._optimiser is not None:
            start["optimiser"] = self._optimiser
        return start

    def _check_continues(self, spec, optimiser):
        names = ["hidden", "n_outputs", "batch_norm", "loss", "numeric_embedding"]
        names += ["solver"] if optimiser else []
        for name in names:
            now, then = getattr(spec, name), getattr(self._spec, name)
            if now != then:
                raise ValueError(
                    f"The fitted net has {name}={then!r} and cannot go on with {name}={now!r}. "
                    "Keep it, or fit anew with warm_start=False."
                )

    def _set_fitted(self, job, result):
        self._params = result.params
        self._history = result.history
        self._epochs_behind = result.n_iter + (job.start or {}).get("epoch", 0)
        self._watched = None
        if job.X_val is not None:
            self._watched = "valid_score" if has_scores(result.history) else "valid_loss"
        self.n_iter_ = result.n_iter
        self.best_iter_ = result.best_iter
        self.best_loss_ = float(result.best_loss)
        self.stopped_by_ = result.stopped_by
        self.device_ = job.spec.device
        self.n_outputs_ = job.spec.n_outputs
        self.embedded_features_ = np.array(job.spec.embedded or (), dtype=np.int64)
        self.n_layers_ = job.spec.n_layers + 1
        if result.stopped_by == "diverged":
            warn(
                f"The training of this {job.label} diverged in epoch {result.n_iter} "
                f"(learning_rate_init={job.spec.learning_rate_init:g}, dropout={self.dropout!r}, "
                f"solver={self.solver!r}); the weights of epoch {result.best_iter} were kept. "
                "Scale the features, or lower learning_rate_init.",
                ConvergenceWarning,
            )

    def _set_score(self, job, valid, shown, *, passed):
        """Let ``scoring`` judge the epochs; where it is undefined for the rows, the loss does."""
        score = make_score(self, valid, shown)
        reason = score.undefined(valid[1])
        if reason is not None:
            warn_undefined(score, reason, passed)
            return
        job.score, job.shows_nets = score, score.shows_nets

    # -- prediction -------------------------------------------------------------------------------

    def __sklearn_is_fitted__(self):
        return hasattr(self, "_params") or hasattr(self, "_given_raw")

    def _raw(self, X):
        """Outputs before the link, float64, shape (n, n_outputs_)."""
        check_is_fitted(self)
        if hasattr(self, "_given_raw"):
            return self._given_raw
        if hasattr(self, "_known") and (outputs := self._known.of(X)) is not None:
            return outputs
        X = self._check_predict(X)
        layers = folded(self._params, self._spec.n_layers)
        stage = input_stage(self._params, self._spec)
        return raw_outputs(layers, self._spec.activation, X, stage)

    def _check_predict(self, X):
        try:
            # In its own precision and order: what is predicted at a time is made float64.
            return validate_data(self, X, reset=False, accept_sparse="csr", dtype=PREDICTED_DTYPES)
        except ValueError as error:
            raise with_remedy(error) from None

    def _monte_carlo(self, X, n_samples, random_state):
        check_is_fitted(self)
        X = self._check_predict(X)
        rates = (self._spec.input_dropout, *self._spec.dropout)
        if not any(rates):
            raise ValueError(
                "predict_mc needs dropout, but every rate of this net is 0 (dropout="
                f"{self._spec.dropout}, input_dropout={rates[0]:g}): every sample would be the "
                "same. Fit with dropout > 0."
            )
        if not isinstance(n_samples, Integral) or n_samples < 1:
            raise ValueError(f"n_samples={n_samples!r} must be an int >= 1.")
        rng = np.random.default_rng(
            check_random_state(random_state).randint(np.iinfo(np.int32).max)
            if random_state is not None
            else None
        )
        layers = folded(self._params, self._spec.n_layers)
        stage = input_stage(self._params, self._spec)
        return monte_carlo_outputs(layers, self._spec.activation, X, rates, n_samples, rng, stage)

    # -- fitted attributes ------------------------------------------------------------------------

    @property
    def coefs_(self):
        """Weights as scikit-learn's MLP has them, (n_in, n_out) each, batch norm folded in.

        With embedded columns the first one has three more rows for each of them, behind the rows of
        the columns as they are.
        """
        return [weight for weight, _ in self._folded()]

    @property
    def intercepts_(self):
        """Biases, (n_out,) each, batch norm folded in."""
        return [bias for _, bias in self._folded()]

    def _folded(self):
        self._needs_fit("coefs_")
        return folded(self._params, self._spec.n_layers)

    @property
    def history_(self):
        """One row an epoch: epoch, train_loss, valid_loss, valid_score, learning_rate."""
        self._needs_fit("history_")
        return pd.DataFrame(self._history)

    @property
    def loss_curve_(self):
        """Training loss of each epoch, penalties not included."""
        self._needs_fit("loss_curve_")
        return list(self._history["train_loss"])

    @property
    def validation_scores_(self):
        """Score of each epoch on the validation rows, larger is better; None without such rows."""
        self._needs_fit("validation_scores_")
        if self._watched is None:
            return None
        sign = -1.0 if self._watched == "valid_loss" else 1.0
        return [sign * value for value in self._history[self._watched]]

    @property
    def n_weights_(self):
        """Weights of the linear layers: all that l1 and l2 act on."""
        self._needs_fit("n_weights_")
        return sum(self._params[f"weight_{i}"].size for i in range(self._spec.n_layers))

    @property
    def n_zero_weights_(self):
        """How many of them are exactly zero."""
        self._needs_fit("n_zero_weights_")
        weights = [self._params[f"weight_{i}"] for i in range(self._spec.n_layers)]
        return int(sum(w.size - np.count_nonzero(w) for w in weights))

    @property
    def module_(self):
        """The net as a `torch.nn.Sequential` in evaluation mode, on the CPU.

        For the regressor it gives predictions, for the classifier the decision function.
        """
        self._needs_fit("module_")
        # A copy: training the module on must not change this estimator.
        return copy.deepcopy(self._build_module())

    @property
    def net_(self):
        """The net as an initialised skorch net around `module_`, with its history."""
        self._needs_fit("net_")
        from skreg._skorch import engine_net

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

    def summary(self):
        """Layers with output shapes, parameters and active knobs.

        Returns
        -------
        Summary
            Prints as a table; ``frame()`` gives a DataFrame.
        """
        check_is_fitted(self)
        from skreg._summary import summarise

        return summarise(self, self._spec, self._params)


def take_refit(result, again):
    """Take the weights of a training on all rows, unless it did not get so far.

    ``max_time`` or an interrupt leave the first training's weights.
    """
    if again.stopped_by == "max_iter":
        result.params = again.params
    else:
        result.stopped_by = again.stopped_by
    result.interrupted = result.interrupted or again.interrupted


def give_up_without_weights(results):
    """Pass an interrupt on where a net has no weights yet that would be worth keeping."""
    if any(result.interrupted and not result.best_step for result in results):
        raise KeyboardInterrupt


def interrupted_text(name):
    """What the KeyboardInterrupt of a fit says, which is raised when the estimator is fitted."""
    return (
        f"The training of this {name} was interrupted. It is fitted with the best weights so far."
    )


def _normalised(weight):
    """Weights with mean 1, or None where all are equal."""
    if weight is None or np.all(weight == weight[0]):
        return None
    return weight / weight.mean()
