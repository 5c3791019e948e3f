"""What the two searches share: the course of a fit, what is kept of it, prediction."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, is_regressor
from sklearn.metrics import get_scorer_names
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import HasMethods, Interval, Options, StrOptions
from sklearn.utils.validation import _num_samples, check_is_fitted

from skreg.estimators.all_or_nothing import (
    all_or_nothing,
    despite_interrupt,
    forget_fit,
    pass_interrupt_on,
)
from skreg.estimators.around_nets import AroundNets
from skreg.estimators.columns import read, read_to_predict
from skreg.estimators.course import (
    check_given,
    check_target,
    embeds_by_default,
    encode,
    generator_of,
    take_columns,
)
from skreg.estimators.decorators import fit_context, validate_params
from skreg.estimators.rows import check_validation_arguments, warn_of_unlike_targets
from skreg.estimators.search.budget import SETTINGS, Budget
from skreg.estimators.search.chosen import Chosen, mean_of, train_again, trained_on_all
from skreg.estimators.search.folds import Rows, Splits
from skreg.estimators.search.importance import importance_table
from skreg.estimators.search.judge import Judge
from skreg.estimators.search.knobs import knob_table, standing
from skreg.estimators.search.mixture import Mixture
from skreg.estimators.search.run import Search
from skreg.estimators.search.space import Table, check_names, check_values, settings
from skreg.estimators.search.tells import ensemble_table, history_table, results_table
from skreg.estimators.search.trials import Trainees
from skreg.estimators.split import check_groups
from skreg.estimators.tables import of_validation_rows
from skreg.estimators.weights import check_sample_weight, check_some_weight

if TYPE_CHECKING:
    from typing import Self

    import torch

    from skreg import typing as types
    from skreg.estimators.base import BaseRegularizedMLP

MAX_INT = np.iinfo(np.int32).max

#: Rows below which ``n_repeats="auto"`` is so much: the fewer rows, the more chance there is in one set of
#: folds, and the less another costs.
REPEATS = ((1000, 3),)

#: Constraints of the parameters that both searches have.
CONSTRAINTS = {
    "estimator": [HasMethods(["fit", "predict"]), None],
    "param_distributions": [dict, list, None],
    "param_grid": [dict, list, None],
    "n_settings": [Interval(Integral, 1, None, closed="left"), None],
    "max_time": [Interval(Real, 0, None, closed="neither"), None],
    "cv": ["cv_object"],
    "scoring": [StrOptions({"loss", *get_scorer_names()}), callable],
    "halving": ["boolean"],
    "ensemble": ["boolean"],
    "n_repeats": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
    "refit": [StrOptions({"all"}), Options(bool, {False})],
    "random_state": ["random_state"],
    "verbose": ["verbose"],
}

#: Fitted attributes without an underscore at the end.
_PRIVATE = ("_levels", "_mixture", "_outside", "_template", "_shift")


class BaseSearch(AroundNets, BaseEstimator):
    """Base class. A subclass says which nets are trained and what predictions are."""

    _parameter_constraints: ClassVar[dict] = CONSTRAINTS

    def __init__(
        self,
        estimator: BaseRegularizedMLP | None = None,
        *,
        param_distributions: types.Distributions | None = None,
        param_grid: types.Grid | None = None,
        n_settings: int | None = None,
        max_time: float | None = None,
        cv: types.Folds = None,
        scoring: str | types.Scorer = "loss",
        halving: bool = True,
        ensemble: bool = True,
        n_repeats: int | Literal["auto"] = "auto",
        refit: types.RefitAll = False,
        random_state: types.RandomState = None,
        verbose: int = 0,
    ) -> None:
        self.estimator = estimator
        self.param_distributions = param_distributions
        self.param_grid = param_grid
        self.n_settings = n_settings
        self.max_time = max_time
        self.cv = cv
        self.scoring = scoring
        self.halving = halving
        self.ensemble = ensemble
        self.n_repeats = n_repeats
        self.refit = refit
        self.random_state = random_state
        self.verbose = verbose

    cv_results_: dict[str, Any]
    best_index_: int
    best_params_: dict[str, Any]
    best_score_: float
    oof_score_: float
    history_: pd.DataFrame
    ensemble_: pd.DataFrame
    estimator_weights_: types.Array
    n_splits_: int
    n_repeats_: int
    n_features_in_: int
    feature_names_in_: types.Array

    _kind = "search"

    def __getstate__(self):
        """Without the numbers of the rows of each fold, which are of use where the rows are."""
        return {name: value for name, value in super().__getstate__().items() if name != "_outside"}

    # -- fitting ----------------------------------------------------------------------------------

    @fit_context(prefer_skip_nested_validation=False)
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
        """Search, and fit the best setting or an ensemble of the best.

        Parameters
        ----------
        X : array-like, DataFrame or CSR matrix of shape (n, n_features)
        y : array-like of shape (n,) or (n, n_outputs)
        sample_weight : array-like of shape (n,), default=None
            In training, in the loss by which settings are compared, and in ``scoring`` where it takes
            weights. Only ratios matter.
        X_val, y_val, sample_weight_val : array-likes, default=None
            Validation rows, which all settings are compared on in place of folds.
        groups : array-like of shape (n,), default=None
            Labels of any kind, such as patients or days, for the folds: rows of one group are never on
            both sides of a split. Routed as ``sample_weight`` is.

        Returns
        -------
        self : estimator

        Raises
        ------
        ValueError, TypeError
            For parameters or data that do not fit; the estimator is left as it was.
        KeyboardInterrupt
            After an interrupt: the estimator is fitted, with the best settings so far.
        """
        with all_or_nothing(self):
            interrupted = self._fit(X, y, sample_weight, X_val, y_val, sample_weight_val, groups)
        pass_interrupt_on(self, interrupted)
        return self

    def _fit(self, X, y, sample_weight, X_val, y_val, sample_weight_val, groups):
        forget_fit(self, _PRIVATE)
        budget = Budget(self._most_settings(), self.max_time)
        template, _ = self._make_template()
        self._check_space(template)
        check_validation_arguments(X_val, y_val, sample_weight_val)
        rows = self._read(template, X, y, sample_weight, first=True)
        groups = check_groups(groups, len(rows))
        rng = generator_of(self.random_state)
        valid = None
        if X_val is not None:
            valid = self._validation_rows(template, X_val, y_val, sample_weight_val)
            if is_regressor(self):
                warn_of_unlike_targets(rows.y, valid.y)
        splits = Splits(template, rows, self.cv, groups, valid)
        seed = int(rng.randint(MAX_INT))
        folds = splits.folds(seed)
        judge = Judge(template, folds, self.scoring)
        trainees = Trainees(template, folds, int(rng.randint(MAX_INT)))
        table = Table(
            sparse=hasattr(rows.numbers, "tocsr"),
            categories=bool(self._levels),
            embedded=embeds_by_default(rows.numbers, self._levels),
        )
        source = settings(
            template, self.param_distributions, self.param_grid, table, check_random_state(seed)
        )
        repeats = 1 if self.refit else self._how_often(np.count_nonzero(rows.weighted))
        search = Search(
            trainees,
            source,
            judge,
            budget,
            self._say,
            halving=self.halving,
            repeats=repeats,
            on_all_rows=bool(self.refit),
        )
        search.run()
        chosen = self._chosen(search)
        seeds = [rng.randint(MAX_INT, size=2) for _ in range(1, repeats)]
        nets = self._trained_further(search, chosen, splits, seeds)
        _, late = despite_interrupt(lambda: self._keep(search, chosen, nets))
        return search.interrupted or late

    def _trained_further(self, search, chosen, splits, seeds):
        """The nets of each chosen setting, once they are trained as often and on what they are to be."""
        try:
            train_again(search, chosen, splits, seeds)
            if self.refit:
                return trained_on_all(search, chosen, splits.rows)
        except KeyboardInterrupt:
            search.interrupted = True
        return [own.nets for own in chosen]

    def _keep(self, search, chosen, nets):
        """Set what is known of the settings and what predicts."""
        self._set_results(search, chosen)
        self._set_nets(search, chosen, nets)

    def _make_template(self):
        # The time is the search's: of a net by itself it would count how fast this machine is.
        return super()._make_template(max_time=None)

    def _most_settings(self):
        """Settings to try, infinite for no limit."""
        if self.n_settings is not None:
            return self.n_settings
        return SETTINGS if self.max_time is None and self.param_grid is None else math.inf

    def _check_space(self, template):
        """Refuse a space that names parameters that there are not."""
        if self.param_distributions is not None and self.param_grid is not None:
            raise ValueError(
                "Both param_distributions and param_grid are given. A search takes its settings from one "
                "of them: set the other one to None."
            )
        known = template.get_params()
        for name in ("param_distributions", "param_grid"):
            space = getattr(self, name)
            parts = [space] if isinstance(space, dict) else space or []
            for part in parts:
                if not isinstance(part, dict):
                    raise TypeError(f"{name} has the entry {part!r}, which is not a dict.")
                check_names(name, part, type(template).__name__, known)
                check_values(name, part)
            if isinstance(space, list) and not space:
                raise ValueError(f"{name}=[] has no settings to try. Name some, or set it to None.")

    def _read(self, template, X, y, sample_weight, *, first):
        """Rows as numbers with gaps, encoded targets and weights."""
        check_given(self, y)
        numbers, target = read(
            self,
            X,
            y,
            template.categorical_features,
            reset=first,
            multi_output=True,
            y_numeric=is_regressor(self),
        )
        weight = check_sample_weight(sample_weight, numbers)
        if weight is not None:
            check_some_weight(weight)
        if first:
            take_columns(template, self._levels, getattr(self, "feature_names_in_", None))
        target = encode(template, check_target(template, target), first=first)
        return Rows(X, numbers, target, weight, np.arange(_num_samples(X)))

    def _validation_rows(self, template, X_val, y_val, sample_weight_val):
        """The validation rows that were passed."""
        try:
            return self._read(template, X_val, y_val, sample_weight_val, first=False)
        except ValueError as error:
            raise of_validation_rows(error) from None

    def _how_often(self, n):
        """Trainings of the chosen settings on folds, for n rows."""
        if self.n_repeats != "auto":
            return self.n_repeats
        return next((times for rows, times in REPEATS if n < rows), 1)

    def _say(self, text):
        if self.verbose:
            print(f"[{type(self).__name__}] {text}", flush=True)

    def _chosen(self, search):
        """The settings that predict, with their weights."""
        weights = search.ensemble_weights() if self.ensemble else np.ones(1)
        pairs = zip(search.kept, weights, strict=False)
        folds = search.trainees.folds
        return [Chosen.of(trial, weight, folds) for trial, weight in pairs if weight > 0]

    def _set_results(self, search, chosen):
        best, folds = search.kept[0], search.trainees.folds
        self.cv_results_ = results_table(search.trials)
        self.best_index_, self.best_params_ = best.number, dict(best.setting)
        self.history_ = history_table(search.trials)
        self.ensemble_ = ensemble_table([(own.trial, own.weight) for own in chosen])
        self.n_splits_, self.n_repeats_ = len(folds), max(own.times for own in chosen)
        found, shares = mean_of(chosen)
        self.best_score_ = float(best.score)
        self.oof_score_ = float(search.judge.score(found, shares))
        self._set_outside(found, folds.predicted)

    def _set_nets(self, search, chosen, nets):
        """Keep the nets of each chosen setting, which share its weight."""
        self.estimators_ = [net for own in nets for net in own]
        self._outside = None if self.refit else [rows for own in chosen for rows in own.outside]
        self.estimator_weights_ = np.concatenate(
            [
                np.full(len(some), own.weight / len(some))
                for own, some in zip(chosen, nets, strict=True)
            ]
        )
        self._template = search.judge.template
        self._mixture = Mixture(self.estimators_, self.estimator_weights_)
        self._learn_from(chosen)

    # -- what it tells ----------------------------------------------------------------------------

    @validate_params(
        {
            "n_repeats": [Interval(Integral, 1, None, closed="left")],
            "random_state": ["random_state"],
        },
        prefer_skip_nested_validation=True,
    )
    def knob_importance(
        self, n_repeats: int = 5, *, random_state: types.RandomState = None
    ) -> pd.DataFrame:
        """Which knobs moved the out-of-fold loss.

        A random forest learns how good a setting is from the values of its knobs, and predicts settings
        that it was not trained on. What its squared error grows by when the values of a knob are permuted
        among them is the permutation importance of the knob [1]_.

        Parameters
        ----------
        n_repeats : int, default=5
            How often the settings are split into five folds anew, with new forests and permutations.
        random_state : int, RandomState or None, default=None
            Seed of splits, forests and permutations.

        Returns
        -------
        DataFrame
            One row a knob that is not the same in all settings, the most important first:

            - knob: a parameter; ``depth`` and ``width`` (of the widest layer) stand for
              ``hidden_layer_sizes``, ``norm`` for ``batch_norm`` and ``layer_norm`` where both vary. Of a
              list with an entry a layer the largest entry counts. A setting that does not name a parameter
              has the estimator's value.
            - importance: half the growth of the squared error, as a share of the variance between settings.
              Where knobs are drawn independently of each other this is the share of the variance that is
              due to the knob, by itself and together with others [2]_, as far as the forest has found it.
              About 0, above or below, for a knob that does not matter.
            - std: its standard error, over folds and repeats, corrected for the settings that these share
              [3]_. It covers the chance of forests and permutations and of which settings were drawn. An
              importance below two of them is no sign that the knob matters.
            - best: where the knob is in good settings: for numbers the middle half of the best quarter of
              the settings, else the value whose settings are best in the mean. It means little where the
              importance is within its error.

            Its ``attrs`` has ``n_settings``, the settings that were used, and ``explained``, the share of
            the variance that the forests predict. Near 0 or below, nothing was found to tell.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            For fewer than 20 settings that were compared, or where all have the same values.

        Notes
        -----
        How good a setting is, is its place among all, since losses of settings that were given up
        after few epochs cannot be compared with those of others that were trained to the end. All that came
        to the first rung hold places by their losses there; those that went on share out the places that
        they held by their losses at the next rung, and so on. So a setting that was given up is compared
        by how it began: a knob by which nets learn slowly at first, such as a low learning rate, looks
        worse than it is. ``halving=False`` compares the ends.

        An importance is no cause. It is of this table, this space and these ranges: of a knob that was
        varied little, little is seen. A knob that is in effect for some values of another alone (as
        ``embedding_scale``) matters less over all settings than where it is in effect. Knobs that
        change together share what they explain, or hide each other.

        Functional ANOVA [4]_ asks the same of a forest's own variance and has no error of its own.

        References
        ----------
        .. [1] Breiman, "Random Forests", Machine Learning 45, 2001.
        .. [2] Gregorutti, Michel and Saint-Pierre, "Correlation and Variable Importance in Random Forests",
           Statistics and Computing 27, 2017.
        .. [3] Nadeau and Bengio, "Inference for the Generalization Error", Machine Learning 52, 2003.
        .. [4] Hutter, Hoos and Leyton-Brown, "An Efficient Approach for Assessing Hyperparameter
           Importance", ICML 2014.
        """
        check_is_fitted(self)
        knobs, places = self._knobs_and_standing()
        compared = places.notna()
        return importance_table(
            knobs[compared], places[compared].to_numpy(), n_repeats, generator_of(random_state)
        )

    def _knobs_and_standing(self):
        """Of all settings: the values of their knobs, and how good they are."""
        knobs = knob_table(self.cv_results_["params"], self._template.get_params(deep=False))
        return knobs, pd.Series(standing(self.cv_results_, self.history_))

    # -- prediction -------------------------------------------------------------------------------

    @property
    def module_(self) -> torch.nn.Module:
        """The whole ensemble as one `torch.nn.Module` in evaluation mode, on the CPU.

        It takes rows as the ``module_`` of a net does: the user's numbers, with NaN for gaps and the numbers
        of levels for categories. For the regressor it computes predictions (b, n_targets), for the classifier
        the decision function (b, 1) or (b, n_classes), in logarithms throughout. `torch.export.export`,
        `torch.onnx.export` and `torch.jit.script` take it.

        Each way of preparing a table is one module, which several nets follow. No module is called twice, but
        rules such as DeepLIFT's know no mean of probabilities: to explain a classifier, explain the
        ``module_`` of each of ``estimators_``.
        """
        if not hasattr(self, "_mixture"):
            raise AttributeError(
                f"{type(self).__name__} has no attribute 'module_' before it is fitted."
            )
        from skreg.estimators.search.module import ensemble_module

        return ensemble_module(self.estimators_, self.estimator_weights_)

    def _mean(self, X):
        """Weighted mean of the predictions of all nets."""
        check_is_fitted(self)
        return self._mixture.mean(read_to_predict(self, X))


def outside(found, predicted):
    """Predictions of all rows that were passed; NaN for rows that no split predicts."""
    out = np.full((_num_samples(predicted.given), *found.shape[1:]), np.nan)
    out[predicted.places] = found
    return out
