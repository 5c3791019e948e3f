"""What the two estimators share: the course of a fit, prediction, fitted attributes."""

from __future__ import annotations

import functools
import math
from numbers import Integral
from typing import TYPE_CHECKING

import numpy as np
from sklearn.base import BaseEstimator, is_regressor
from sklearn.utils import check_random_state
from sklearn.utils.validation import _num_samples, check_is_fitted

from skreg.estimators.all_or_nothing import all_or_nothing, pass_interrupt_on
from skreg.estimators.callbacks import CallbackSupportMixin
from skreg.estimators.columns import read, read_to_predict
from skreg.estimators.columns.preparation import Settings
from skreg.estimators.constant import warn_if_worse_than_constant
from skreg.estimators.course import (
    check_given,
    check_target,
    encode,
    factors_of,
    forward_rows,
    give_up_without_weights,
    held_out,
    make_job,
    prepare_rows,
    refit_job,
    seed_of,
    take_refit,
    warn_of_columns,
    wiring_of_table,
)
from skreg.estimators.decorators import fit_context, with_callbacks
from skreg.estimators.fitted import FittedMLP, FittedNet, set_fitted
from skreg.estimators.given_rows import GivenRows, numbers_of_kept
from skreg.estimators.measuring import set_metrics
from skreg.estimators.resolve import check_parameters, warn_of_knobs
from skreg.estimators.rows import (
    check_validation_arguments,
    sampled,
    warn_of_unlike_rows,
    warn_of_unlike_targets,
)
from skreg.estimators.scoring import (
    Fitted,
    make_score,
    set_score,
    warn_of_gaps,
    warn_undefined,
    without_fit,
)
from skreg.estimators.split import check_groups
from skreg.estimators.tables import of_validation_rows
from skreg.estimators.weights import check_sample_weight, drop_unweighted, weigh
from skreg.net.net import Net
from skreg.parallel import submit

if TYPE_CHECKING:
    from typing import Self

    from skreg import typing as types


class BaseNet(FittedNet, CallbackSupportMixin, BaseEstimator):
    """The course of a fit; a subclass says what its net is, what targets are and what outputs mean."""

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

    # -- what a net is ----------------------------------------------------------------------------

    def _check_parameters(self):
        """Check what can be checked without data, and return the parts of a spec that follow from it."""
        raise NotImplementedError

    def _read(self, X, y, *, first):
        """Rows as a table of numbers, and checked targets."""
        raise NotImplementedError

    def _read_to_predict(self, X):
        """Rows to predict as a table of numbers."""
        raise NotImplementedError

    def _column_settings(self, one_hot):
        """What is done to the columns, a `skreg.estimators.columns.preparation.Settings`."""
        raise NotImplementedError

    def _wiring(self, X, parts, start):
        """Fields of the spec that depend on the prepared table, a dict."""
        raise NotImplementedError

    def _warn(self, job, X, given):
        """Warn of what harms training, or does not do what its name says."""

    # -- fitting ----------------------------------------------------------------------------------

    @with_callbacks
    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: types.Table,
        y: types.Target,
        sample_weight: types.RowWeights | None = None,
        *,
        X_val: types.Table | None = None,
        y_val: types.Target | None = None,
        sample_weight_val: types.RowWeights | None = None,
        groups: types.Groups | None = None,
    ) -> Self:
        """Train the net.

        Parameters
        ----------
        X : array-like, DataFrame, torch tensor or CSR matrix of shape (n, n_features)
            Numbers with gaps, and categories (``categorical_features``). A sparse matrix is made dense one
            minibatch at a time.
        y : array-like of shape (n,) or (n, n_outputs)
            Of a classifier labels of any kind; for multilabel targets a matrix, dense or sparse, of two
            values such as 0 and 1 or -1 and 1, of which the larger means that a row has the label.
            Of a regressor numbers.
        sample_weight : array-like of shape (n,), default=None
        X_val, y_val, sample_weight_val : array-likes, default=None
            Validation rows, in place of rows held out. They have to be prepared as X is: in a
            Pipeline by ``transform_input=["X_val"]``.
        groups : array-like of shape (n,), default=None
            Labels of any kind, such as patients or days. Rows of one group are never on both sides of
            the split of early stopping. Without effect where rows are not held out: with X_val, and
            with ``early_stopping=False``. Inside of scikit-learn's tools it is routed as
            ``sample_weight`` is: ``set_fit_request(groups=True)``.

        Returns
        -------
        self : estimator

        Raises
        ------
        ValueError
            For parameters or data that are not valid; the estimator is left as it was.
        KeyboardInterrupt
            After an interrupt: the estimator is fitted, with the best weights so far.
        """
        return self._fit(X, y, sample_weight, X_val, y_val, sample_weight_val, groups)

    def _fit(self, X, y, sample_weight, X_val, y_val, sample_weight_val, groups):
        """Fit, or leave everything as it was."""
        # Before the copy: scikit-learn's teardown looks for it, whether or not the fit succeeds.
        context = self._init_callback_context(max_subtasks=self.max_iter)
        with all_or_nothing(self):
            interrupted = self._fit_checked(
                X, y, sample_weight, X_val, y_val, sample_weight_val, groups, context
            )
        pass_interrupt_on(self, interrupted)
        return self

    def _fit_checked(self, X, y, sample_weight, X_val, y_val, sample_weight_val, groups, context):
        parts = self._check_parameters()
        check_validation_arguments(X_val, y_val, sample_weight_val)
        continued = self._continued() if self.warm_start else None
        given = X, X_val
        first = continued is None
        numbers, y, weight = self._read_rows(X, y, sample_weight, first=first)
        seed = seed_of(self)
        factors = factors_of(self, y, weight)
        kept = numbers_of_kept(_num_samples(given[0]), sample_weight, y, factors)
        groups = check_groups(groups, _num_samples(given[0]))
        numbers, y, weight = weigh(numbers, y, weight, factors)
        X = prepare_rows(self, numbers, weight, first=first)
        everything = X, y, weight
        if X_val is not None:
            *valid, kept_val = self._read_validation_rows(
                X_val, y_val, sample_weight_val, factors, numbers
            )
            rows = everything
            if is_regressor(self):
                warn_of_unlike_targets(y, valid[1])
            shown = GivenRows(given[0], kept), GivenRows(given[1], kept_val)
        else:
            groups = None if groups is None else groups[kept]
            rows, valid = held_out(self, (*everything, kept), seed, groups)
            shown = [part and GivenRows(given[0], part[3]) for part in (rows, valid)]
            rows, valid = rows[:3], valid and valid[:3]
        del numbers  # the prepared table is what is trained on
        job = make_job(self, rows, valid, parts, seed, continued)
        self._warn(job, X, given[0])
        if valid is not None and self.scoring != "loss":
            self._set_score(job, valid, shown[1], passed=X_val is not None)
        set_metrics(self, job, rows, valid, shown)
        if context is not None:
            context.call_on_fit_task_begin(estimator=self)
        watched = [(given, part) for given, part in zip(shown, (rows, valid), strict=True)]
        result = submit(self._with_driver(job, context, watched))
        give_up_without_weights([result])
        warn_if_worse_than_constant(job.label, [job], [result])
        again = None if X_val is not None else refit_job(self, job, everything, result)
        if again is not None:
            take_refit(result, submit(again))
        set_fitted(self, job, result)
        warn_of_gaps(self, result.history, result.undefined, X_val is not None)
        if context is not None:
            context.call_on_fit_task_end(estimator=self)
        return result.interrupted

    def _partial_fit(self, X, y, sample_weight, classes=None):
        """One pass over the rows, going on with the optimiser's state."""
        with all_or_nothing(self):
            interrupted = self._partial_fit_checked(X, y, sample_weight, classes)
        pass_interrupt_on(self, interrupted)
        return self

    def _partial_fit_checked(self, X, y, sample_weight, classes):
        first = not hasattr(self, "_params")
        parts = self._check_parameters()
        given = X
        X, y, weight = self._read_rows(X, y, sample_weight, first=first, classes=classes)
        factors = factors_of(self, y, weight, partial=True)
        kept = numbers_of_kept(_num_samples(given), sample_weight, y, factors)
        X, y, weight = weigh(X, y, weight, factors)
        X = prepare_rows(self, X, weight, first=first)
        rows = X, y, weight
        start = None if first else self._continued(optimiser=True)
        seed = seed_of(self) if first else self._seed_drawn
        overrides = {
            "max_iter": 1,
            "early_stopping": False,
            "learning_rate": "constant",
            "tol": None,
            # Each call would start an average of its own.
            "ema_decay": 0.0,
        }
        job = make_job(self, rows, None, parts, seed, start, more=not first, **overrides)
        self._check_part(job)
        if first:
            self._check_first_call(y)
        if first:
            self._warn(job, X, given)
        job.keep_optimiser = True
        history = None if first else self._history
        watched = [(GivenRows(given, kept), rows), (None, None)]
        set_metrics(self, job, rows, None, (watched[0][0], None))
        result = submit(self._with_driver(job, None, watched))
        set_fitted(self, job, result)
        self._optimiser = result.optimiser
        if history is not None:
            self._append_history(history)
        return result.interrupted

    def _append_history(self, before):
        """Put the epochs of earlier calls in front of the one just run."""
        sizes = len(before["epoch"]), self.n_iter_
        # Metrics may have been asked for in some calls alone.
        joined = {
            name: [
                value
                for part, size in zip((before, self._history), sizes, strict=True)
                for value in part.get(name, [math.nan] * size)
            ]
            for name in {**before, **self._history}
        }
        self.n_iter_ = self.best_iter_ = sum(sizes)
        joined["epoch"] = list(range(1, self.n_iter_ + 1))
        self._history = joined
        self.best_loss_ = float(np.nanmin([math.inf, *joined["train_loss"]]))

    def _check_part(self, job):
        """Refuse rows that a call of `partial_fit` cannot learn from."""
        if len(job.y) == 1 and job.spec.batch_norm:
            own = job.spec.module is not None
            norm, remedy = "batch_norm=True", ", or set batch_norm=False"
            if own:
                norm, remedy = "batch norm", ""
            raise ValueError(
                f"partial_fit was given one row (of positive weight), but {norm} needs at least 2: "
                "normalised by itself, a row is the same whatever its values, and nothing is learned. "
                f"Collect rows and pass 32 or more in each call{remedy}."
            )

    def _read_rows(self, X, y, sample_weight, *, first, classes=None):
        """Numbers with gaps, encoded targets and weights; rows of weight zero are gone.

        They are encoded first: a class whose rows have no weight is a class all the same.
        """
        check_given(self, y)
        X, y = self._read(X, y, first=first)
        y = encode(self, check_target(self, y), first=first, classes=classes)
        return drop_unweighted(X, y, check_sample_weight(sample_weight, X))

    def _read_validation_rows(self, X, y, sample_weight, factors, training):
        """Prepared validation rows, targets, weights times those of classes, and the numbers of rows left."""
        try:
            rows, y, weight = self._read_rows(X, y, sample_weight, first=False)
            kept = numbers_of_kept(_num_samples(X), sample_weight, y, factors)
            table = prepare_rows(self, rows, weight, first=False)
        except ValueError as error:
            raise of_validation_rows(error) from None
        called = self._columns.called(getattr(self, "feature_names_in_", None))
        both = (self._columns.filled(sampled(part)) for part in (training, rows))
        warn_of_unlike_rows(*both, called)
        return *weigh(table, y, weight, factors), kept

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

            given, (_, y, _) = watched[0]
            callbacks.append(SklearnEpochs(self, context, given.take(), self._decode_target(y)))
        if callbacks or self.verbose:
            from skreg.estimators.skorch import SkorchDriver, as_rows

            tables = [
                None if part is None else (as_rows(given.take()), self._decode_target(part[1]))
                for given, part in watched
            ]
            job.driver = SkorchDriver(
                callbacks, int(self.verbose), Fitted(without_fit(self), job), *tables
            )
        return job

    def _continued(self, optimiser=False):
        """What a warm start or a partial fit starts from; None at first."""
        if not hasattr(self, "_params"):
            return None
        start = {**self._params, "epoch": self._epochs_behind}
        if optimiser and self._optimiser is not None:
            start["optimiser"] = self._optimiser
        return start

    def _set_score(self, job, valid, shown, *, passed):
        """Let ``scoring`` judge the epochs; where it is undefined for the rows, the loss does."""
        score = make_score(self, valid, shown)
        reason = set_score(job, score, valid[1])
        if reason is not None:
            warn_undefined(score, reason, passed)

    # -- prediction -------------------------------------------------------------------------------

    def __sklearn_is_fitted__(self):
        return hasattr(self, "_params") or hasattr(self, "_given_raw")

    def _raw(self, X):
        """Outputs before the link, float64, shape (n, n_outputs_)."""
        if not self.__sklearn_is_fitted__():
            check_is_fitted(self)  # says so; to be told that all is well takes as long as a row
        if hasattr(self, "_given_raw"):
            return self._given_raw
        if hasattr(self, "_known") and (outputs := self._known.of(X)) is not None:
            return outputs
        return self._forward().raw(forward_rows(self, self._read_to_predict(X)))

    def _monte_carlo(self, X, n_samples, random_state):
        check_is_fitted(self)
        X = forward_rows(self, self._read_to_predict(X))
        spec = self._spec
        if not Net.of(spec, self._columns.n_out).is_random(spec):
            inputs = "" if spec.module else f", input_dropout={spec.input_dropout:g}"
            raise ValueError(
                "predict_mc needs dropout, but every rate of this net is 0 (dropout="
                f"{spec.dropout}{inputs}): every sample would be the same. Fit with dropout > 0."
            )
        if not isinstance(n_samples, Integral) or n_samples < 1:
            raise ValueError(f"n_samples={n_samples!r} must be an int >= 1.")
        rng = np.random.default_rng(
            check_random_state(random_state).randint(np.iinfo(np.int32).max)
            if random_state is not None
            else None
        )
        return self._forward().monte_carlo(X, spec, int(n_samples), rng)


class BaseRegularizedMLP(FittedMLP, BaseNet):
    """Multi-layer perceptrons of tables."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def _check_parameters(self):
        return check_parameters(self)

    def _read(self, X, y, *, first):
        options = {"multi_output": True, "y_numeric": is_regressor(self)}
        return read(self, X, y, self.categorical_features, reset=first, **options)

    def _read_to_predict(self, X):
        return read_to_predict(self, X)

    def _column_settings(self, one_hot):
        # An embedding would let a linear model have fewer functions of a category than it has levels.
        one_hot = one_hot or np.size(self.hidden_layer_sizes) == 0
        embedding = "onehot" if one_hot else self.category_embedding
        return Settings(self.scale_features, embedding, self.dtype)

    def _wiring(self, X, parts, start):
        return wiring_of_table(self, X, parts, start)

    def _warn(self, job, X, given):
        warn_of_columns(self, X, given)
        warn_of_knobs(job.spec)
