"""What the two ensembles share: the course of a fit, out-of-bag scores, spread."""

from __future__ import annotations

from abc import abstractmethod
from numbers import Integral
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd
from sklearn.base import is_regressor
from sklearn.ensemble import BaseEnsemble
from sklearn.utils._param_validation import HasMethods, Interval, RealNotInt, StrOptions
from sklearn.utils.validation import check_is_fitted

from skreg.estimators.all_or_nothing import all_or_nothing, forget_fit, pass_interrupt_on
from skreg.estimators.around_nets import AroundNets
from skreg.estimators.bagging.members import MAX_INT, Bags, ensemble_history, prepare, train
from skreg.estimators.bagging.scoring import set_all_metrics, set_scores, warn_of_all_gaps
from skreg.estimators.columns import read, read_to_predict
from skreg.estimators.constant import (
    warn_if_ensemble_is_worse_than_constant,
    warn_if_worse_than_constant,
)
from skreg.estimators.course import (
    check_target,
    columns_of,
    encode,
    forward_rows,
    generator_of,
    prepare_rows,
    strata_of,
    take_columns,
    warn_of_columns,
)
from skreg.estimators.decorators import fit_context
from skreg.estimators.fitted import forward_of_all, outputs_of
from skreg.estimators.forward import raw_outputs
from skreg.estimators.resolve import warn_of_knobs
from skreg.estimators.rows import warn
from skreg.estimators.split import check_groups, hold_out
from skreg.estimators.target import predictions
from skreg.estimators.weights import check_sample_weight
from skreg.train.cohort import combine

if TYPE_CHECKING:
    from typing import Self

    from skreg import typing as types
    from skreg.estimators.base import BaseRegularizedMLP

#: Constraints of the parameters that both ensembles have.
CONSTRAINTS = {
    "estimator": [HasMethods(["fit", "predict"]), None],
    "n_estimators": [Interval(Integral, 1, None, closed="left")],
    "max_samples": [
        Interval(RealNotInt, 0, 1, closed="right"),
        Interval(Integral, 1, None, closed="left"),
    ],
    "max_features": [
        Interval(RealNotInt, 0, 1, closed="right"),
        Interval(Integral, 1, None, closed="left"),
    ],
    "bootstrap": ["boolean"],
    "bootstrap_features": ["boolean"],
    "stopping": [StrOptions({"ensemble", "member"})],
    "oob_score": ["boolean"],
    "random_state": ["random_state"],
    "verbose": ["verbose"],
}

#: Fitted attributes without an underscore at the end.
_PRIVATE = ("_bags", "_columns", "_history", "_levels", "_refitted")


class BaseBaggedMLP(AroundNets, BaseEnsemble):
    """Base class. A subclass says which nets are trained, what they predict and how that is averaged."""

    _parameter_constraints: ClassVar[dict] = CONSTRAINTS

    def __init__(
        self,
        estimator: BaseRegularizedMLP | None = None,
        n_estimators: int = 16,
        *,
        max_samples: float = 1.0,
        max_features: float = 1.0,
        bootstrap: bool = True,
        bootstrap_features: bool = False,
        stopping: types.Stopping = "ensemble",
        oob_score: bool = False,
        random_state: types.RandomState = None,
        verbose: int = 0,
    ) -> None:
        self.estimator = estimator
        self.n_estimators = n_estimators
        self.max_samples = max_samples
        self.max_features = max_features
        self.bootstrap = bootstrap
        self.bootstrap_features = bootstrap_features
        self.stopping = stopping
        self.oob_score = oob_score
        self.random_state = random_state
        self.verbose = verbose

    estimators_features_: list[types.Array]
    validation_samples_: types.Array | None
    oob_score_: float
    n_iter_: int
    best_iter_: int
    stopped_by_: types.StoppedBy
    n_features_in_: int
    feature_names_in_: types.Array

    _kind = "ensemble"
    #: Whether the mean is one of predictions; else it is one of probabilities, and has raw outputs.
    _averages_predictions: ClassVar[bool] = False

    # -- fitting ----------------------------------------------------------------------------------

    @fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        X: types.Table,
        y: types.Target,
        sample_weight: types.RowWeights | None = None,
        *,
        groups: types.Groups | None = None,
    ) -> Self:
        """Train the members together.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n, n_features)
        y : array-like of shape (n,) or (n, n_outputs)
        sample_weight : array-like of shape (n,), default=None
            With ``bootstrap=True`` rows are drawn in proportion, as scikit-learn's bagging does from
            1.8 on; else members are trained with the weights. Held-out rows count by theirs. Only
            their ratios matter.
        groups : array-like of shape (n,), default=None
            Labels of any kind, such as patients or days. Rows of one group are all held out for early
            stopping, or none is, and members are drawn whole groups, so that rows out of the bag are of
            groups that the member has not seen: ``max_samples`` is a share or a number of groups then,
            each group is as likely, and drawn rows keep their weights. Routed as ``sample_weight`` is.

        Returns
        -------
        self : estimator

        Raises
        ------
        TypeError
            Where ``estimator`` is not a net of this package.
        ValueError
            For parameters or data that do not fit; the estimator is left as it was.
        KeyboardInterrupt
            After an interrupt: the estimator is fitted, with the best weights so far.
        """
        with all_or_nothing(self):
            interrupted = self._fit(X, y, sample_weight, groups)
        pass_interrupt_on(self, interrupted)
        return self

    def _fit(self, X, y, sample_weight, groups):
        forget_fit(self, _PRIVATE)
        template, parts = self._make_template()
        given = X
        X, y, weight = self._check_rows(template, X, y, sample_weight)
        groups = check_groups(groups, len(y))
        encoded = encode(template, y)
        rng = generator_of(self.random_state)
        self._bags = self._make_bags(X.shape, weight, rng, groups)
        held_out = self._held_out(template, encoded, weight, groups, int(rng.randint(MAX_INT)))
        self.validation_samples_ = held_out
        self.estimator_ = self._get_estimator()
        self._refitted = template.refit
        self._know_target(template)
        members = prepare(template, parts, (X, encoded, weight), self._bags, held_out)
        # A member that is given some of the columns is given prepared ones.
        shown = given if self._columns.plain or self._bags.all_columns else X
        if template.scoring != "loss":
            set_scores(members, given, shown, self._bags, self)
        set_all_metrics(members, given, shown, self._bags, self)
        warn_of_columns(template, X, given)
        warn_of_knobs(members[0].job.spec)
        results = train(members)
        self._take_members([member.net for member in members])
        if held_out is not None:
            self._take_history(results)
        warn_of_all_gaps(template, results, together=held_out is not None)
        self._compare_with_constant(members, results)
        if self.oob_score:
            self._score_out_of_bag(X, y, weight)
        self._tell()
        return any(result.interrupted for result in results)

    def _features(self):
        """Numbers of the columns that each member takes."""
        if self._bags.all_columns:
            return [np.arange(self.n_features_in_) for _ in self._bags.seeds]
        return [columns for columns, _ in self._bags]

    def _take_members(self, nets, places=None):
        """Have these members, or those with these numbers."""
        features = self._features()
        self.estimators_ = nets
        self.estimators_features_ = features if places is None else [features[i] for i in places]

    def _take_history(self, results):
        """The history of members that stopped together."""
        self._history, self.best_iter_, self.stopped_by_ = ensemble_history(results)
        self.n_iter_ = len(self._history["epoch"])

    def _check_rows(self, template, X, y, sample_weight):
        """The prepared table in the members' precision, targets in the user's terms, weights."""
        numbers, y = read(
            self,
            X,
            y,
            template.categorical_features,
            reset=True,
            multi_output=True,
            y_numeric=is_regressor(template),
        )
        y, weight = check_target(template, y), check_sample_weight(sample_weight, numbers)
        take_columns(template, self._levels, getattr(self, "feature_names_in_", None))
        return self._prepared(template, numbers, weight), y, weight

    def _prepared(self, template, numbers, weight):
        """The prepared table of all rows, as is learned from those that have weight."""
        kept = slice(None) if weight is None or (weight > 0).all() else weight > 0
        some = _number(self.max_features, numbers.shape[1]) != numbers.shape[1]
        table = prepare_rows(
            template,
            numbers[kept],
            None if weight is None else weight[kept],
            # Members that are given some of the columns are of one shape then.
            one_hot=some or self.bootstrap_features,
        )
        self._columns = columns_of(template)
        return (
            table if isinstance(kept, slice) else prepare_rows(template, numbers, None, first=False)
        )

    def _make_bags(self, shape, weight, rng, groups):
        n, d = shape
        weighted = slice(None) if weight is None else weight > 0
        population = n if weight is None else np.count_nonzero(weight)
        if groups is not None:
            population = len(np.unique(groups[weighted]))
        rows = _number(self.max_samples, population)
        columns = _number(self.max_features, d)
        for name, size, most, replace in (
            ("max_samples", rows, population, self.bootstrap),
            ("max_features", columns, d, self.bootstrap_features),
        ):
            if size > most and not replace:
                switch = "bootstrap" if name == "max_samples" else "bootstrap_features"
                raise ValueError(
                    f"{name}={getattr(self, name)!r} is more than the {most} that can be drawn without "
                    f"replacement. Lower it, or set {switch}=True."
                )
        if self.oob_score and not self.bootstrap:
            raise ValueError(
                "oob_score=True needs rows that a member was not trained on: set bootstrap=True, "
                "or oob_score=False."
            )
        return Bags(
            rng.randint(MAX_INT, size=self.n_estimators),
            n,
            d,
            rows,
            columns,
            self.bootstrap,
            self.bootstrap_features,
            weight,
            groups,
        )

    def _held_out(self, template, y, weight, groups, seed):
        """Validation rows of the ensemble, or None."""
        if self.stopping == "member" or not template.early_stopping:
            return None
        rows = np.arange(len(y)) if weight is None else np.flatnonzero(weight)
        strata = strata_of(template, y[rows])
        groups = None if groups is None else groups[rows]
        split = hold_out(len(rows), template.validation_fraction, seed, strata, groups)
        return None if split is None else rows[split[1]]

    def _compare_with_constant(self, members, results):
        """Warn where the ensemble, or its members by themselves, are worse than a constant."""
        label, job = type(self).__name__, members[0].job
        if self.validation_samples_ is None:
            warn_if_worse_than_constant(label, [member.job for member in members], results)
            return
        losses = self._history["valid_loss"]
        if job.score is not None or not 0 < self.best_iter_ <= len(losses):
            return
        outputs = (
            raw_outputs(result.params, job.spec, member.job.X_val)
            for member, result in zip(members, results, strict=True)
        )
        warn_if_ensemble_is_worse_than_constant(
            label,
            job,
            losses[self.best_iter_ - 1],
            lambda: combine(outputs, job.spec.loss, axis=1),
            improving=self.best_iter_ == self.n_iter_,
        )

    def _know_target(self, template):
        """Take over what predictions have to know about the target."""

    def _score_out_of_bag(self, X, y, weight):
        first = next(iter(self._bags))[0]
        one = _predictions(self.estimators_[0], X[:1][:, first])
        total = np.zeros((X.shape[0], *one.shape[1:]))
        count = np.zeros((X.shape[0], *[1] * (one.ndim - 1)))
        samples = self.estimators_samples_
        for net, (columns, _), rows in zip(self.estimators_, self._bags, samples, strict=True):
            out = np.ones(X.shape[0], dtype=bool)
            out[rows] = False
            if out.any():
                total[out] += _predictions(net, X[out][:, columns])
                count[out] += 1
        seen = count.ravel() > 0
        if not seen.all():
            warn(
                f"{np.count_nonzero(~seen)} of {len(seen)} rows have no out-of-bag prediction, because "
                f"all members were trained on them. Raise n_estimators={self.n_estimators}, or lower "
                "max_samples.",
                UserWarning,
            )
        mean = np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)
        self._set_out_of_bag(mean, y, seen, weight)

    def _tell(self):
        if not self.verbose:
            return
        text = f"[{type(self).__name__}] {len(self.estimators_)} members"
        if self.validation_samples_ is not None:
            losses = [np.nan, *self._history["valid_loss"]]
            text += (
                f", best epoch {self.best_iter_} of {self.n_iter_} with validation loss "
                f"{losses[self.best_iter_]:.4g}"
            )
        print(text)

    # -- fitted attributes ------------------------------------------------------------------------

    @property
    def estimators_samples_(self) -> list[types.Array]:
        """Numbers of the rows that were drawn for each member."""
        if not hasattr(self, "estimators_"):
            raise AttributeError(
                f"{type(self).__name__} has no attribute 'estimators_samples_' before it is fitted."
            )
        samples = [rows for _, rows in self._bags]
        if self.validation_samples_ is None or self._refitted:
            return samples
        return [rows[~np.isin(rows, self.validation_samples_)] for rows in samples]

    @property
    def history_(self) -> pd.DataFrame:
        """A row for each epoch: epoch, train_loss, valid_loss, valid_score, learning_rate and ``metrics``."""
        if not hasattr(self, "_history"):
            raise AttributeError(
                f"{type(self).__name__} has 'history_' only after a fit with stopping='ensemble' "
                "and early_stopping=True; else see the members in estimators_."
            )
        return pd.DataFrame(self._history)

    # -- prediction -------------------------------------------------------------------------------

    def _by_rows(self, X, function):
        """Results for all rows, where ``function`` makes those of some of them.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n, n_features)
        function : callable
            From the raw outputs of all members, (k, b, o), to an array of b rows.
        """
        check_is_fitted(self)
        # A scorer in training asks for the validation rows, whose outputs are at hand.
        known = self._known.of(X) if hasattr(self, "_known") else None
        if known is not None:
            return function(np.stack(known))
        rows = forward_rows(self, read_to_predict(self, X))
        return self._forward().by_rows(rows, function)

    def _forward(self):
        """What predicts the rows of a table by all members."""
        columns = None if self._bags.all_columns else self.estimators_features_
        return forward_of_all(self, self.estimators_, self._columns.n_out, columns)

    def predict_std(self, X: types.Table) -> types.Array:
        """Spread of the predictions between members.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n, n_features)

        Returns
        -------
        ndarray
            Standard deviation over members of what `predict` (regressor) or `predict_proba`
            (classifier) is the mean of, in its shape and units. The divisor is the number of
            members.
        """
        return self._by_rows(X, lambda raw: predictions(self.estimators_, raw).std(axis=0))

    @abstractmethod
    def _set_out_of_bag(self, mean, y, seen, weight):
        """Set the out-of-bag attributes from mean predictions."""


def _predictions(net, X):
    """What one member predicts for some rows."""
    return predictions([net], outputs_of(net, X)[None])[0]


def _number(value, population):
    """How many rows or columns ``max_samples`` or ``max_features`` stands for."""
    return int(value) if isinstance(value, Integral) else max(1, int(value * population))
