"""What the two estimators share: the course of a fit, prediction, fitted attributes."""

from __future__ import annotations

import dataclasses
import functools
import math
from numbers import Integral

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import _num_samples, check_is_fitted

from skreg.estimators.callbacks import CallbackSupportMixin
from skreg.estimators.constant import warn_if_worse_than_constant
from skreg.estimators.fitted import FittedNet
from skreg.estimators.forward import monte_carlo_outputs, raw_outputs
from skreg.estimators.resolve import MOST_EMBEDDED, check_parameters, resolve, warn_of_penalties
from skreg.estimators.rows import (
    PREDICTED_DTYPES,
    check_validation_arguments,
    numeric_columns,
    warn,
    warn_of_scales,
    warn_of_unlike_rows,
)
from skreg.estimators.scoring import (
    Fitted,
    GivenRows,
    has_scores,
    make_score,
    numbers_of_kept,
    warn_of_gaps,
    warn_undefined,
    without_fit,
)
from skreg.estimators.split import hold_out
from skreg.estimators.tables import of_validation_rows, validated
from skreg.estimators.weights import check_sample_weight, drop_unweighted, normalised, weigh
from skreg.net.net import DEFAULT_EMBEDDING, SHARED, Net
from skreg.parallel import submit
from skreg.train.feed import batches_of, n_batches
from skreg.train.job import Job


class BaseRegularizedMLP(FittedNet, CallbackSupportMixin, BaseEstimator):
    """Base class; a subclass says what targets are (`skreg.estimators.target`) and what outputs mean."""

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
        given = X, X_val
        X, y, weight = self._check_rows(X, y, sample_weight, first=continued is None)
        seed = self._seed()
        factors = self._class_factors(y, weight)
        kept = numbers_of_kept(_num_samples(given[0]), sample_weight, y, factors)
        everything = weigh(X, y, weight, factors)
        names = getattr(self, "feature_names_in_", None)
        if X_val is not None:
            *valid, kept_val = self._check_validation_rows(X_val, y_val, sample_weight_val, factors)
            warn_of_unlike_rows(X, valid[0], names)
            rows = everything
            shown = GivenRows(given[0], kept), GivenRows(given[1], kept_val)
        else:
            rows, valid = self._hold_out((*everything, kept), seed)
            shown = [part and GivenRows(given[0], part[3]) for part in (rows, valid)]
            rows, valid = rows[:3], valid and valid[:3]
        job = self._job(rows, valid, parts, seed, continued)
        warn_of_scales(X, names, given[0])
        warn_of_penalties(job.spec)
        if valid is not None and self.scoring != "loss":
            self._set_score(job, valid, shown[1], passed=X_val is not None)
        if context is not None:
            context.call_on_fit_task_begin(estimator=self)
        watched = [(given, part) for given, part in zip(shown, (rows, valid), strict=True)]
        result = submit(self._with_driver(job, context, watched))
        give_up_without_weights([result])
        warn_if_worse_than_constant(job.label, [job], [result])
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
        X, y, weight = self._check_rows(X, y, sample_weight, first=first, classes=classes)
        factors = self._class_factors(y, weight, partial=True)
        kept = numbers_of_kept(_num_samples(given), sample_weight, y, factors)
        rows = weigh(X, y, weight, factors)
        self._check_part(rows, parts, first)
        start = None if first else self._continued(optimiser=True)
        seed = self._seed() if first else self._seed_drawn
        overrides = {
            "max_iter": 1,
            "early_stopping": False,
            "learning_rate": "constant",
            "tol": None,
            # Each call would start an average of its own.
            "ema_decay": 0.0,
        }
        job = self._job(rows, None, parts, seed, start, **overrides)
        if first:
            warn_of_scales(X, getattr(self, "feature_names_in_", None), given)
            warn_of_penalties(job.spec)
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

    def _check_part(self, rows, parts, first):
        """Refuse rows that a call of `partial_fit` cannot learn from."""
        n = len(rows[1])
        if n == 1 and self.batch_norm and parts["hidden"]:
            raise ValueError(
                "partial_fit was given one row (of positive weight), but batch_norm=True needs at "
                "least 2: normalised by itself, a row is the same whatever its values, and nothing "
                "is learned. Collect rows and pass 32 or more in each call, or set "
                "batch_norm=False."
            )
        if first:
            self._check_first_call(rows[1])

    def _check_rows(self, X, y, sample_weight, *, first, classes=None):
        """Validated rows, encoded targets and weights; rows of weight zero are gone.

        They are encoded first: a class whose rows have no weight is a class all the same.
        """
        if y is None:
            raise ValueError(
                f"This {type(self).__name__} estimator requires y to be passed, but the target y "
                "is None."
            )
        X, y = validated(
            self,
            X,
            y,
            reset=first,
            accept_sparse="csr",
            dtype=getattr(np, self.dtype),
            order="C",
            multi_output=True,
            y_numeric=self._numeric_target,
        )
        y = self._encode(self._check_target(y), first=first, classes=classes)
        return drop_unweighted(X, y, check_sample_weight(sample_weight, X))

    def _check_validation_rows(self, X, y, sample_weight, factors):
        """The same of validation rows, times the weights of their classes; and the numbers of those left."""
        try:
            rows, y, weight = self._check_rows(X, y, sample_weight, first=False)
            kept = numbers_of_kept(_num_samples(X), sample_weight, y, factors)
            return *weigh(rows, y, weight, factors), kept
        except ValueError as error:
            raise of_validation_rows(error) from None

    def _seed(self):
        """A seed for this fit; None draws fresh entropy and does not touch the global generator."""
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
        choice = self.numeric_embedding
        spec = resolve(
            self,
            parts,
            loss=self._loss_name(),
            n_outputs=self._n_outputs(),
            n_rows=X.shape[0],
            n_features=X.shape[1],
            embedded=self._columns_to_embed(X, start, parts["hidden"]),
            embedding=DEFAULT_EMBEDDING if choice in (None, "auto") else choice,
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
            normalised(weight),
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
        """The job, with a driver where callbacks or ``verbose`` are to be told of each epoch.

        ``watched`` has the training and the validation rows: as the user passed them, and as
        X, y and weight.
        """
        callbacks = list(self.callbacks or ())
        if callbacks:
            from skreg.estimators.skorch_callbacks import check_callbacks

            check_callbacks(
                callbacks, validated=job.X_val is not None, scored=job.score is not None
            )
        if context is not None and getattr(self, "_skl_callbacks", None):
            from skreg.estimators.skorch import SklearnEpochs

            X, y, _ = watched[0][1]
            callbacks.append(SklearnEpochs(self, context, X, self._decode_target(y)))
        if callbacks or self.verbose:
            from skreg.estimators.skorch import SkorchDriver

            tables = [
                None if part is None else (given.take(), self._decode_target(part[1]))
                for given, part in watched
            ]
            job.driver = SkorchDriver(
                callbacks, int(self.verbose), Fitted(without_fit(self), job), *tables
            )
        return job

    def _refit_job(self, job, rows, result):
        """A job that trains again on all rows, for as many steps as the best epoch had taken, or None."""
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
            # The schedule counts epochs, which have more steps now.
            max_iter=max(1, round(spec.max_iter * batches_of(job) / steps)),
            max_time=left,
            early_stopping=False,
            tol=None,
        )
        y, weight = self._engine_target(y), normalised(weight)
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
        names = ["hidden", "n_outputs", *SHARED, "loss", "numeric_embedding"]
        names += ["solver"] if optimiser else []
        for name in names:
            now, then = getattr(spec, name), getattr(self._spec, name)
            if now != then:
                raise ValueError(
                    f"The fitted net has {name}={then!r} and cannot go on with {name}={now!r}. "
                    f"Set {name} back, or fit from the start with warm_start=False."
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
        return raw_outputs(self._params, self._spec, self._check_predict(X))

    def _check_predict(self, X):
        # In its own precision and order: rows are made float64 a chunk at a time.
        return validated(self, X, reset=False, accept_sparse="csr", dtype=PREDICTED_DTYPES)

    def _monte_carlo(self, X, n_samples, random_state):
        check_is_fitted(self)
        X = self._check_predict(X)
        spec = self._spec
        if not Net.of(spec, self.n_features_in_).is_random(spec):
            raise ValueError(
                "predict_mc needs dropout, but every rate of this net is 0 (dropout="
                f"{spec.dropout}, input_dropout={spec.input_dropout:g}): every sample would be the "
                "same. Fit with dropout > 0."
            )
        if not isinstance(n_samples, Integral) or n_samples < 1:
            raise ValueError(f"n_samples={n_samples!r} must be an int >= 1.")
        rng = np.random.default_rng(
            check_random_state(random_state).randint(np.iinfo(np.int32).max)
            if random_state is not None
            else None
        )
        return monte_carlo_outputs(self._params, self._spec, X, n_samples, rng)


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
