"""`feature_path`: one fit for each strength, and fold, trained together."""

from __future__ import annotations

from numbers import Integral
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from sklearn.metrics import check_scoring, get_scorer_names
from sklearn.model_selection import check_cv
from sklearn.utils import _safe_indexing, check_consistent_length, indexable
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import _num_samples

from skreg.estimators.decorators import validate_params
from skreg.estimators.refusing import refuse_no_table
from skreg.estimators.rows import takes_weights
from skreg.estimators.scoring import renamed
from skreg.estimators.search.folds import refuse_no_splits, rows_of
from skreg.estimators.split import check_groups, folds_of
from skreg.estimators.weights import check_sample_weight
from skreg.selection.losses import loss_name, loss_of
from skreg.selection.models import (
    check_model,
    column_names,
    default_estimator,
    is_of_classes,
    member,
    seed_of,
    strength_name,
    targets_of,
    used_columns,
    weights_for,
)
from skreg.selection.result import FeaturePath
from skreg.selection.strengths import strengths_of
from skreg.selection.together import run_together

if TYPE_CHECKING:
    from collections.abc import Sequence

    from skreg import typing as types

#: Which number of a fold stands for a fit on all rows.
_EVERYTHING = -1


@validate_params(
    {
        "X": "no_validation",
        "y": "no_validation",
        "estimator": [HasMethods(["fit", "predict"]), None],
        "strengths": [StrOptions({"auto"}), "array-like"],
        "n_strengths": [Interval(Integral, 2, None, closed="left")],
        "cv": ["cv_object"],
        "scoring": [StrOptions({"loss", *get_scorer_names()}), callable],
        "sample_weight": ["array-like", None],
        "groups": ["array-like", None],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def feature_path(
    X: types.Table,
    y: types.Target,
    *,
    estimator: Any | None = None,
    strengths: Literal["auto"] | Sequence[float] | types.Array = "auto",
    n_strengths: int = 15,
    cv: types.Folds = None,
    scoring: str | types.Scorer = "loss",
    sample_weight: types.RowWeights | None = None,
    groups: types.Groups | None = None,
    random_state: types.RandomState = None,
) -> FeaturePath:
    """Fit a model at many strengths of its penalty on columns, and see which columns stay.

    All fits, one a strength and with ``cv`` one a strength and fold, are trained together.

    Parameters
    ----------
    X : array-like, DataFrame or CSR matrix of shape (n, n_features)
    y : array-like of shape (n,) or (n, n_targets)
    estimator : estimator or None, default=None
        A net (strength ``group_l1``), a linear model (``l1``), or a Pipeline that ends in one of them; the
        columns are then those that its last step is given. Nets train to the end
        (``early_stopping=False``): columns leave as a net trains, and the epoch with the best validation loss
        may come before they have. None takes a net with two hidden layers of 64 units, for classes or numbers
        as :func:`l1_max` tells them apart.
    strengths : "auto" or array-like of float > 0, default="auto"
        "auto" begins at the smallest strength that takes out all columns that can go, and goes down to a
        small share of it in equal ratios. For nets with hidden layers no formula knows that strength; they
        begin at 0.4 of what the loss of the best constant is above the least there is, which leaves a column
        or two.
    n_strengths : int >= 2, default=15
        How many where they are "auto".
    cv : int, splitter, iterable or None, default=None
        Folds whose rows the strengths are scored on; a number makes shuffled folds, of classes and groups
        where there are any. None scores nothing: a path is then what the columns do, and recommends no
        strength.
    scoring : "loss", str or callable, default="loss"
        What is best. "loss" is the log loss of a classifier and the mean squared error of a regressor, with
        its sign turned; others are scorers of scikit-learn.
    sample_weight : array-like of shape (n,), default=None
        Weights of the rows, in training, and in scores where the scorer takes them.
    groups : array-like of shape (n,), default=None
        Rows of one group are never in two folds.
    random_state : int, RandomState or None, default=None
        Seed of folds, and ``random_state`` of all fits. None takes the estimator's own.

    Returns
    -------
    FeaturePath
        Columns used, scores and losses at each strength; with ``cv`` the best strength and the one by the
        rule of one standard error.

    Raises
    ------
    TypeError
        Where ``estimator`` has no penalty that takes columns out.
    ValueError
        For parameters or data that do not fit.

    See Also
    --------
    FeaturePathDisplay : The path as a figure.
    StabilitySelector : Which columns are chosen again and again in half samples.

    References
    ----------
    Yuan, M. and Lin, Y. (2006). "Model selection and estimation in regression with grouped variables."
    Journal of the Royal Statistical Society B 68(1), 49-67.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skreg import RegularizedLinearRegressor, feature_path
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
    >>> model = RegularizedLinearRegressor(l2=0.0, scale_features="standard")
    >>> path = feature_path(X, y, estimator=model, n_strengths=10, cv=5, random_state=0)
    >>> path.survival()["feature"][:3].tolist()
    ['bmi', 's5', 'bp']
    >>> path.features_at("one_se")
    ['bmi', 's5', 'bp', 's3', 'sex']

    Columns on which the fits of the folds agree:

    >>> path.features_at("one_se", threshold=0.6)
    ['bmi', 's5', 'bp', 's3', 'sex']
    """
    refuse_no_table(X)
    y = targets_of(y, estimator)
    check_consistent_length(X, y)
    (X,) = indexable(X)
    n = _num_samples(X)
    estimator = default_estimator(y, n) if estimator is None else estimator
    check_model(estimator)
    weight = check_sample_weight(sample_weight, X)
    strengths = strengths_of(estimator, X, y, strengths, n_strengths, weight)
    seed = seed_of(estimator, random_state)
    splits = [(_EVERYTHING, np.arange(n), None)]
    if cv is not None:
        splits += _folds(estimator, y, cv, check_groups(groups, n), n, seed)
        _refuse_folds_without_weight(splits[1:], weight, cv)
    scorer = (
        None
        if isinstance(scoring, str) and scoring == "loss"
        else check_scoring(estimator, scoring)
    )
    table = _Rows(X, y, weight)
    calls = [
        (estimator, table, strength, seed, scorer, *split)
        for split in splits
        for strength in strengths
    ]
    fits = run_together(_fit_one, calls)
    everything = fits[: len(strengths)]
    return FeaturePath(
        strengths=strengths,
        support=np.array([fit["used"] for fit in everything]),
        frequency=_frequency(fits, len(strengths)),
        importances=np.array([fit["importances"] for fit in everything]),
        feature_names=everything[0]["names"],
        members=_members(fits),
        estimator=estimator,
        parameter=strength_name(estimator).rpartition("__")[2],
        scoring=scoring if isinstance(scoring, str) else getattr(scoring, "__name__", "score"),
        loss=loss_name(estimator),
        seed=seed,
    )


class _Rows:
    """The rows of a path, as the user passed them."""

    def __init__(self, X, y, weight):
        self.X, self.y, self.weight = X, y, weight

    def take(self, rows):
        """Some of them."""
        weight = None if self.weight is None else self.weight[rows]
        return _safe_indexing(self.X, rows), self.y[rows], weight


def _folds(estimator, y, cv, groups, n, seed):
    """Numbered folds, with the rows to train on and those to score."""
    classes = is_of_classes(estimator) and y.ndim == 1
    if isinstance(cv, Integral):
        _, codes = np.unique(y, return_inverse=True) if classes else (None, None)
        stratify = classes and np.bincount(codes).max() >= cv
        cv = folds_of(
            int(cv), stratify=stratify, grouped=groups is not None, random_state=seed % (1 << 32)
        )
    splits = list(check_cv(cv, y, classifier=classes).split(np.zeros((n, 1)), y, groups))
    refuse_no_splits(splits, cv)
    return [
        (k, rows_of(train, n, cv), rows_of(test, n, cv)) for k, (train, test) in enumerate(splits)
    ]


def _refuse_folds_without_weight(splits, weight, cv):
    """Refuse a fold all of whose rows weigh nothing, before anything is trained."""
    for k, train, test in splits if weight is not None else ():
        for what, rows in (("train on", train), ("score", test)):
            if not weight[rows].any():
                raise ValueError(
                    f"cv={cv!r:.80} made fold {k}, whose {len(rows)} rows to {what} all have the weight 0. "
                    "Use fewer folds, or leave these rows out."
                )


def _fit_one(estimator, table, strength, seed, scorer, fold, train, test):
    """Fit one strength on some rows, and score it; what is kept of it is small."""
    model = member(estimator, strength, seed)
    X, y, weight = table.take(train)
    model.fit(X, y, **weights_for(model, weight))
    used, importances = used_columns(model)
    found = {"strength": strength, "fold": fold, "n_features": int(used.sum())}
    found["train_score"], found["train_loss"] = _judge(model, scorer, X, y, weight)
    found["score"] = found["loss"] = np.nan
    if test is not None:
        found["score"], found["loss"] = _judge(model, scorer, *table.take(test))
    names = column_names(model)
    return {"row": found, "used": used, "importances": importances, "names": names}


def _judge(model, scorer, X, y, weight):
    """Score and loss on some rows."""
    loss = loss_of(model, X, y, weight)
    if scorer is None:
        return -loss, loss
    weighted = weight is not None and takes_weights(scorer)
    options = {"sample_weight": weight} if weighted else {}
    try:
        return float(scorer(model, X, y, **options)), loss
    except Exception as error:
        why = str(error).rstrip(".")
        text = (
            f"scoring failed on {len(y)} rows: {why}. Choose a scorer for such targets, or 'loss'."
        )
        raise renamed(error, text) from error


def _frequency(fits, n_strengths):
    """Share of the fits of each strength that use each column, shape (n_strengths, n_columns).

    Transformers of a Pipeline may make other columns of a fold's rows: they are matched by name, and a column
    that a fold does not have is not used there.
    """
    names = fits[0]["names"]
    used = [
        fit["used"]
        if np.array_equal(fit["names"], names)
        else np.isin(names, fit["names"][fit["used"]])
        for fit in fits
    ]
    return np.mean(np.reshape(used, (-1, n_strengths, len(names))), axis=0)


def _members(fits):
    frame = pd.DataFrame([fit["row"] for fit in fits])
    first = ["strength", "fold", "n_features", "score", "loss", "train_score", "train_loss"]
    return frame[first]
