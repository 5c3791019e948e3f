"""StabilitySelector: columns that models of half samples choose again and again."""

from __future__ import annotations

from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone
from sklearn.feature_selection import SelectorMixin
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing, get_tags, indexable
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils._set_output import _get_output_config
from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    _routing_enabled,
    process_routing,
)
from sklearn.utils.validation import (
    _check_method_params,
    _num_samples,
    check_is_fitted,
    validate_data,
)

from skreg.estimators.all_or_nothing import all_or_nothing
from skreg.estimators.columns import read
from skreg.estimators.course import check_given, generator_of
from skreg.estimators.decorators import fit_context
from skreg.estimators.mlp import RegularizedMLPRegressor
from skreg.estimators.rows import warn
from skreg.estimators.split import check_groups
from skreg.selection.bounds import BOUNDS, false_selections
from skreg.selection.halves import complementary_pairs
from skreg.selection.models import (
    check_model,
    default_estimator,
    is_of_classes,
    last_step,
    member,
    targets_of,
    used_columns,
)
from skreg.selection.strengths import strengths_of
from skreg.selection.together import run_together

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    from skreg import typing as types

_MAX_INT = np.iinfo(np.int32).max


class StabilitySelector(SelectorMixin, MetaEstimatorMixin, BaseEstimator):
    """Select the columns that models of many half samples choose again and again.

    The rows are split at random into two halves, ``n_pairs`` times, and a model is fitted to each half at
    each strength of its penalty. The selection probability of a column at a strength is the share of halves
    whose model uses it; its largest value over the strengths decides [1]_. Halves in complementary pairs
    give a bound on the expected number of columns that are selected without use which assumes little [2]_.
    All fits, ``2 * n_pairs * n_strengths`` of them, are trained together.

    Parameters
    ----------
    estimator : estimator or None, default=None
        A net (strength ``group_l1``), a linear model (``l1``), or a Pipeline that ends in one of them and
        whose other steps keep the columns, as a StandardScaler does. Nets train to the end
        (``early_stopping=False``): columns leave as a net trains, and the epoch with the best validation loss
        may come before they have. None takes a net with two hidden layers of 64 units, for classes or numbers
        as :func:`l1_max` tells them apart.
    strengths : "auto" or array-like of float > 0, default="auto"
        As in :func:`feature_path`.
    n_strengths : int >= 2, default=10
        How many where they are "auto".
    n_pairs : int >= 2, default=50
        Complementary pairs of half samples.
    threshold : float in (0.5, 1], default=0.6
        Selection probability from which on a column is selected.
    pfer : float > 0 or None, default=1.0
        Expected number of columns selected without use (per-family error rate) that is allowed. Strengths
        count from the strongest down, as long as ``bound`` is not larger. None lets all count.
    bound : {"unimodal", "worst-case"}, default="unimodal"
        - "worst-case": q^2 / ((2 threshold - 1) p), where q of p columns are used by a half sample at any of
          the strengths that count, in the mean. It is that of [1]_, and by [2]_ it holds with no
          assumption for columns whose probability to be chosen by a half sample is q / p or less.
        - "unimodal": the smaller one of [2]_, theorem 2, for such columns whose share of simultaneous
          selections in both halves of a pair has a unimodal distribution.
    random_state : int, RandomState or None, default=None
        Seed of the halves and of the models. All strengths of a half sample share one.

    Attributes
    ----------
    selection_probabilities_ : ndarray of shape (n_features_in_,)
        Largest selection probability of each column over the strengths that count.
    selection_path_ : ndarray of shape (n_strengths, n_features_in_)
        Selection probabilities at each of ``strengths_``.
    strengths_ : ndarray of shape (n_strengths,)
        The strengths, the strongest first.
    n_strengths_ : int
        How many of them count.
    mean_selected_ : ndarray of shape (n_strengths,)
        Number of columns that a half sample uses at this or a stronger strength, in the mean: q, if the
        strengths up to this one count.
    expected_false_selections_ : float
        The bound at the strengths that count. It says nothing where it is near the number of columns.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Where X has column names.

    See Also
    --------
    StabilitySelectionDisplay : The selection probabilities as a figure.
    feature_path : Which columns one model keeps at each strength.

    Notes
    -----
    Columns that carry the same information share their selections: of two copies each is chosen by half of
    the half samples at best, and neither may reach the threshold. Select among groups of columns where that
    matters (``feature_groups`` of the nets).

    The selector looks at y. Inside of a Pipeline that is cross-validated it sees training rows only;
    selecting on all rows first and cross-validating then is a leak.

    References
    ----------
    .. [1] Meinshausen, N. and Buehlmann, P. (2010). "Stability selection." Journal of the Royal Statistical
       Society B 72(4), 417-473.
    .. [2] Shah, R. and Samworth, R. (2013). "Variable selection with error control: another look at
       stability selection." Journal of the Royal Statistical Society B 75(1), 55-80.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skreg import RegularizedLinearRegressor, StabilitySelector
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
    >>> model = RegularizedLinearRegressor(l2=0.0, scale_features="standard")
    >>> selector = StabilitySelector(model, n_pairs=20, threshold=0.9, random_state=0).fit(X, y)
    >>> {"bmi", "bp", "s5"} <= set(selector.get_feature_names_out())
    True
    >>> selector.expected_false_selections_ <= 1.0
    True
    """

    selection_probabilities_: types.Array
    selection_path_: types.Array
    strengths_: types.Array
    n_strengths_: int
    mean_selected_: types.Array
    expected_false_selections_: float
    n_features_in_: int
    feature_names_in_: types.Array

    _parameter_constraints: ClassVar[dict] = {
        "estimator": [HasMethods(["fit", "predict"]), None],
        "strengths": [StrOptions({"auto"}), "array-like"],
        "n_strengths": [Interval(Integral, 2, None, closed="left")],
        "n_pairs": [Interval(Integral, 2, None, closed="left")],
        "threshold": [Interval(Real, 0.5, 1, closed="right")],
        "pfer": [Interval(Real, 0, None, closed="neither"), None],
        "bound": [StrOptions(set(BOUNDS))],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator: Any | None = None,
        *,
        strengths: Literal["auto"] | Sequence[float] | types.Array = "auto",
        n_strengths: int = 10,
        n_pairs: int = 50,
        threshold: float = 0.6,
        pfer: float | None = 1.0,
        bound: Literal["unimodal", "worst-case"] = "unimodal",
        random_state: types.RandomState = None,
    ) -> None:
        self.estimator = estimator
        self.strengths = strengths
        self.n_strengths = n_strengths
        self.n_pairs = n_pairs
        self.threshold = threshold
        self.pfer = pfer
        self.bound = bound
        self.random_state = random_state

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        inner = get_tags(self._example())
        tags.input_tags.sparse = inner.input_tags.sparse
        tags.input_tags.allow_nan = inner.input_tags.allow_nan
        tags.target_tags.required = True
        return tags

    def _example(self):
        """An estimator with the tags and requests of what is fitted."""
        return RegularizedMLPRegressor() if self.estimator is None else self.estimator

    def get_metadata_routing(self) -> MetadataRouter:
        """What is asked for at `fit`: ``groups`` by the selector, all else by the estimator.

        Returns
        -------
        MetadataRouter
        """
        inner = self._example()
        if self.estimator is None and _routing_enabled():
            inner = inner.set_fit_request(sample_weight=True)
        # Pipelines of older versions of scikit-learn ask for what goes to `fit_transform`.
        mapping = MethodMapping()
        for caller in ("fit", "fit_transform"):
            mapping.add(caller=caller, callee="fit")
        router = MetadataRouter(owner=type(self).__name__).add_self_request(self)
        return router.add(estimator=inner, method_mapping=mapping)

    # -- fitting ----------------------------------------------------------------------------------

    @fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        X: types.Table,
        y: types.Target,
        *,
        groups: types.Groups | None = None,
        **fit_params: Any,
    ) -> Self:
        """Fit models to half samples, and see which columns they choose.

        Parameters
        ----------
        X : array-like, DataFrame or CSR matrix of shape (n, n_features)
        y : array-like of shape (n,) or (n, n_targets)
            Classes are split evenly among the halves.
        groups : array-like of shape (n,), default=None
            Labels of any kind, such as patients or days. Rows of one group are all in one half.
        **fit_params : dict
            For the `fit` of the estimator, such as ``sample_weight``; what has an entry a row is split as the
            rows are. By metadata routing, where that is enabled.

        Returns
        -------
        self : StabilitySelector

        Raises
        ------
        TypeError
            Where ``estimator`` has no penalty that takes columns out.
        ValueError
            For parameters or data that do not fit; the selector is left as it was.
        """
        with all_or_nothing(self):
            self._fit(X, y, groups, fit_params)
        return self

    def _fit(self, X, y, groups, fit_params):
        if _routing_enabled():
            routed = process_routing(self, "fit", groups=groups, **fit_params)
            fit_params = routed.estimator.fit
        X, y, estimator = self._check(X, y)
        n, rng = len(y), generator_of(self.random_state)
        groups, strata = _checked_groups(groups, n), None
        if is_of_classes(estimator) and y.ndim == 1:
            _, strata = np.unique(y, return_inverse=True)
        weight = fit_params.get("sample_weight")
        strengths = strengths_of(estimator, X, y, self.strengths, self.n_strengths, weight)
        halves = complementary_pairs(n, self.n_pairs, rng, strata, groups)
        if strata is not None:
            _refuse_halves_of_one_class(halves, y)
        seeds = rng.randint(_MAX_INT, size=len(halves))
        params = _check_method_params(X, fit_params)
        calls = [
            (estimator, X, y, params, rows, int(seed), strength)
            for rows, seed in zip(halves, seeds, strict=True)
            for strength in strengths
        ]
        used = np.array(run_together(_columns_of_half, calls))
        self._set_fitted(strengths, used.reshape(len(halves), len(strengths), -1))

    def _check(self, X, y):
        """The table, the target and the estimator, found fit for each other."""
        check_given(self, y)
        y = targets_of(y, self.estimator)
        estimator = self.estimator
        if estimator is None:
            estimator = default_estimator(y, _num_samples(y) // 2)
        check_model(estimator)
        if isinstance(estimator, Pipeline):
            validate_data(self, X, skip_check_array=True)
            _check_steps(self, estimator, X, y)
        else:
            of_data = {"multi_output": True, "y_numeric": not is_of_classes(estimator)}
            _, y = read(
                self, X, y, last_step(estimator).categorical_features, reset=True, **of_data
            )
            del self._levels
        (X,) = indexable(X)
        y = np.asarray(y)
        if len(y) < 4:
            raise ValueError(
                f"X has n_samples={len(y)}, too few for halves that a model can be fitted to. Pass 4 rows or "
                "more."
            )
        return X if hasattr(X, "shape") else np.asarray(X), y, estimator

    def _set_fitted(self, strengths, used):
        """Take over which columns each half sample used at each strength, shape (halves, strengths, p)."""
        p = used.shape[2]
        by_then = np.logical_or.accumulate(used, axis=1).sum(axis=2).mean(axis=0)
        bounds = [false_selections(q, p, self.threshold, self.n_pairs, self.bound) for q in by_then]
        counts = len(strengths)
        if self.pfer is not None:
            # q grows with each strength, and the bound with q.
            counts = int(np.searchsorted(bounds, self.pfer * (1 + 1e-12), side="right"))
        path = used.mean(axis=0)
        self.strengths_, self.selection_path_, self.mean_selected_ = strengths, path, by_then
        self.n_strengths_ = counts
        if counts:
            self.selection_probabilities_ = path[:counts].max(axis=0)
            self.expected_false_selections_ = float(bounds[counts - 1])
            return
        self.selection_probabilities_ = np.zeros(p)
        self.expected_false_selections_ = 0.0
        warn(
            "No strength counts, and no column is selected: already at the strongest one, "
            f"{strengths[0]:.3g}, half samples use {by_then[0]:.3g} of {p} columns in the mean. Up to "
            f"{bounds[0]:.3g} false selections are to be expected then, more than pfer={self.pfer:g}. "
            "Raise pfer or threshold, or pass stronger strengths.",
            UserWarning,
        )

    # -- what it tells ----------------------------------------------------------------------------

    def transform(self, X: types.Table) -> types.Table:
        """Keep the selected columns.

        Parameters
        ----------
        X : array-like, DataFrame or CSR matrix of shape (n, n_features)

        Returns
        -------
        array or DataFrame of shape (n, n_selected)
        """
        if isinstance(X, pd.DataFrame):
            # An array of all columns has no place for types of one column, such as Arrow's texts.
            own = [
                n
                for n, t in enumerate(X.dtypes)
                if not isinstance(t, np.dtype | pd.CategoricalDtype)
            ]
            columns = [
                X.iloc[:, j].astype(object) if j in own else X.iloc[:, j] for j in range(X.shape[1])
            ]
            X = pd.concat(columns, axis=1) if own and not _shows_frames(self) else X
        return super().transform(X)

    def _get_support_mask(self):
        check_is_fitted(self)
        # Shares of half samples, where 0.6 is a rounded number.
        return self.selection_probabilities_ >= self.threshold - 1e-9

    def frame(self) -> pd.DataFrame:
        """The columns with their selection probabilities, the largest first.

        Returns
        -------
        DataFrame of shape (n_features_in_, 3)
            The columns feature, probability and selected; the index holds the numbers of the columns.
        """
        check_is_fitted(self)
        names = getattr(self, "feature_names_in_", None)
        if names is None:
            names = [f"x{j}" for j in range(self.n_features_in_)]
        frame = pd.DataFrame(
            {
                "feature": names,
                "probability": self.selection_probabilities_,
                "selected": self.get_support(),
            }
        )
        return frame.sort_values("probability", ascending=False, kind="stable")


def _shows_frames(selector):
    """Whether `transform` was asked for a DataFrame."""
    return _get_output_config("transform", selector)["dense"] != "default"


def _checked_groups(groups, n):
    """Numbers of groups; of one group no halves can be made."""
    groups = check_groups(groups, n)
    if groups is not None and len(np.unique(groups)) < 2:
        raise ValueError(
            f"groups has one value for all {n} rows, so that they cannot be split into halves. Give two "
            "groups or more, or leave groups out if rows of one may be in both halves."
        )
    return groups


def _refuse_halves_of_one_class(halves, y):
    """Refuse a target of which a half sample has one class alone, which no model can be fitted to."""
    labels, counts = np.unique(y, return_counts=True)
    if len(labels) < 2 or all((y[rows] != y[rows[0]]).any() for rows in halves):
        return
    rare = np.argmin(counts)
    raise ValueError(
        f"A half sample of these rows has one class alone: y has {counts[rare]} of {len(y)} rows of the "
        f"class {labels.tolist()[rare]!r}, and the two halves need one each. Pass more rows of it, or of "
        "more groups."
    )


def _columns_of_half(estimator, X, y, params, rows, seed, strength):
    """Which columns a model of some rows uses."""
    model = member(estimator, strength, seed)
    own = _check_method_params(X, params, indices=rows)
    used, _ = used_columns(model.fit(_safe_indexing(X, rows), y[rows], **own))
    return used


def _check_steps(selector, pipeline, X, y):
    """Refuse a Pipeline whose last step is given other columns than the selector."""
    if len(pipeline.steps) < 2:
        return
    front = clone(pipeline[:-1])
    found = front.fit_transform(X, y)
    given = getattr(selector, "feature_names_in_", None)
    given = [f"x{j}" for j in range(selector.n_features_in_)] if given is None else list(given)
    try:
        names = list(front.get_feature_names_out())
    except (AttributeError, ValueError):  # a step that names no columns
        names = given
    if found.shape[1] != len(given) or names != given:
        raise ValueError(
            f"The steps before the last one of estimator make {found.shape[1]} columns {_some(names)} of "
            f"the {len(given)} of X, and what is selected among them are no columns of X. Put them in front "
            f"of the selector: make_pipeline(..., {type(selector).__name__}(...))."
        )


def _some(names):
    return f"({', '.join(map(str, names[:3]))}{', ...' if len(names) > 3 else ''})"
