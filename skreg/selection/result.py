"""What `feature_path` returns."""

from __future__ import annotations

from numbers import Real
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from skreg.selection.models import member

if TYPE_CHECKING:
    from typing import Any, Literal, TypeAlias

    from skreg import typing as types

    #: A strength of the path, or the rule that recommends one.
    At: TypeAlias = float | Literal["best", "one_se"]


class FeaturePath:
    """Which columns a model uses at each strength of its penalty, and how well it predicts there.

    Made by :func:`feature_path`. All is in the order of falling strengths. What it is given has attributes of
    the same names, but for the estimator.

    Parameters
    ----------
    strengths : ndarray of shape (n_strengths,)
        The strengths, the strongest first.
    support : ndarray of bool, shape (n_strengths, n_features)
        Which columns are used, of the fits on all rows.
    frequency : ndarray of shape (n_strengths, n_features)
        Share of the fits at a strength, those on the folds and that on all rows, that use a column.
    importances : ndarray of shape (n_strengths, n_features)
        Share of each column in the norms of the first layer; 0 exactly where it is not used.
    feature_names : ndarray of shape (n_features,)
        Names of the columns, ``"x0"`` where they have none.
    members : DataFrame
        One row for each fit: strength, fold (-1 for a fit on all rows), n_features, train_score, train_loss,
        and of the rows of its fold score and loss.
    estimator : estimator
        That of the path, not fitted.
    parameter : str
        Which parameter the strength is, such as ``"group_l1"``.
    scoring : str
        What ``score`` is, of which larger is better.
    loss : {"log loss", "mean squared error"}
        What ``loss`` is.
    seed : int
        ``random_state`` of all fits.

    See Also
    --------
    FeaturePathDisplay : The path as a figure.
    feature_path : Makes it.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skreg import RegularizedLinearRegressor, feature_path
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
    >>> model = RegularizedLinearRegressor(l2=0.0, scale_features="standard")
    >>> path = feature_path(X, y, estimator=model, n_strengths=5, random_state=0)
    >>> path.features_at(path.strengths[1])
    ['bmi', 's5', 'bp']
    """

    def __init__(
        self,
        *,
        strengths: types.Array,
        support: types.Array,
        frequency: types.Array,
        importances: types.Array,
        feature_names: types.Array,
        members: pd.DataFrame,
        estimator: Any,
        parameter: str,
        scoring: str,
        loss: str,
        seed: int,
    ) -> None:
        self.strengths = strengths
        self.support = support
        self.frequency = frequency
        self.importances = importances
        self.feature_names = feature_names
        self.members = members
        self.parameter = parameter
        self.scoring = scoring
        self.loss = loss
        self.seed = seed
        self._estimator = estimator

    def __repr__(self) -> str:
        strongest, weakest = self.strengths[0], self.strengths[-1]
        return (
            f"<FeaturePath of {self.support.shape[1]} columns, {len(self.strengths)} strengths "
            f"{self.parameter}={strongest:.3g} to {weakest:.3g}>"
        )

    @property
    def n_folds(self) -> int:
        """Folds that were scored; 0 without ``cv``."""
        return int(self.members["fold"].max()) + 1

    def frame(self) -> pd.DataFrame:
        """One row for each strength, the strongest first.

        Returns
        -------
        DataFrame of shape (n_strengths, n_columns)
            The columns strength; n_features, the number of columns used; train_score and train_loss, of the
            fit on all rows and on these rows, which says how well it fits and not how well it predicts. With
            ``cv`` also score and loss, means over the folds' own rows; score_se, the standard error of the
            mean (NaN of one fold); and n_features_folds, the mean number of columns that the fits of the
            folds use.
        """
        everything = self.members[self.members["fold"] < 0]
        names = ["strength", "n_features", "train_score", "train_loss"]
        frame = everything[names].reset_index(drop=True)
        if not self.n_folds:
            return frame
        folds = self.members[self.members["fold"] >= 0].groupby("strength", sort=False)
        means = folds[["score", "loss", "n_features"]].mean().loc[frame["strength"]]
        errors = folds["score"].std(ddof=1).loc[frame["strength"]] / np.sqrt(self.n_folds)
        frame["score"], frame["score_se"] = means["score"].to_numpy(), errors.to_numpy()
        frame["loss"] = means["loss"].to_numpy()
        frame["n_features_folds"] = means["n_features"].to_numpy()
        return frame

    def support_frame(self) -> pd.DataFrame:
        """Which columns are used, with a row for each strength and a column for each column of the table.

        Returns
        -------
        DataFrame of bool, shape (n_strengths, n_features)
            The index holds the strengths.
        """
        index = pd.Index(self.strengths, name="strength")
        return pd.DataFrame(self.support, index=index, columns=self.feature_names)

    def survival(self) -> pd.DataFrame:
        """The columns, those first that are in use up to the strongest penalties.

        Returns
        -------
        DataFrame of shape (n_features, 4)
            The columns feature (its name), column (its number), strength (the strongest at which it is used,
            0 for never) and n_strengths (at how many it is used). Where two are alike in both, the one with
            the larger importance at that strength comes first.
        """
        ever = self.support.any(axis=0)
        first = np.where(ever, self.support.argmax(axis=0), len(self.strengths))
        columns = np.arange(len(ever))
        at = np.minimum(first, len(self.strengths) - 1)
        times, shown = self.support.sum(axis=0), self.importances[at, columns]
        order = np.lexsort((-shown, -times, first))
        strength = np.append(self.strengths, 0.0)[first]
        return pd.DataFrame(
            {
                "feature": self.feature_names[order],
                "column": columns[order],
                "strength": strength[order],
                "n_strengths": times[order],
            }
        )

    @property
    def best_strength(self) -> float:
        """The strength with the best mean score over the folds, the stronger one of equals."""
        return float(self.strengths[int(np.nanargmax(self._scores()["score"]))])

    @property
    def one_se_strength(self) -> float:
        """The strongest strength whose mean score is within one standard error of the best one's.

        So few columns are left that one more could not be told to pay (Breiman et al. 1984; Hastie,
        Tibshirani and Friedman 2009, section 7.10).
        """
        frame = self._scores()
        if self.n_folds == 1:
            raise ValueError(
                "One fold has no standard error, so that its rule recommends no strength. Take 'best', or "
                "pass cv with two splits or more to feature_path."
            )
        best = frame.loc[int(np.nanargmax(frame["score"]))]
        within = frame["score"] >= best["score"] - best["score_se"]
        return float(frame["strength"][within].max())

    def _scores(self):
        if not self.n_folds:
            raise ValueError(
                "No strength can be recommended without scores on other rows than those of training. Pass "
                "cv to feature_path, such as cv=5."
            )
        frame = self.frame()
        if frame["score"].isna().all():
            raise ValueError(
                f"No strength can be recommended: {self.scoring!r} has no value on the rows of any fold, "
                "which may be too few. Take another scoring, or folds with more rows."
            )
        return frame

    def support_at(self, strength: At = "one_se", *, threshold: float | None = None) -> types.Array:
        """Which columns are used at a strength.

        Parameters
        ----------
        strength : float, "best" or "one_se", default="one_se"
            One of the path, of which the nearest is taken, or a rule.
        threshold : float in (0, 1] or None, default=None
            None takes the columns of the fit on all rows. A number takes those that at least this share of
            the fits use, those on the folds and that on all rows, as
            :class:`StabilitySelector` does with its half samples: whether one fit keeps a column of little
            use, or misses one, is in part chance.

        Returns
        -------
        ndarray of bool, shape (n_features,)

        Raises
        ------
        ValueError
            For a number that is none above 0, for a rule or a threshold on a path without ``cv``, for
            "one_se" where ``cv`` made one split, and for a threshold that is no share.
        """
        place = self._place(strength)
        if threshold is None:
            return self.support[place].copy()
        self._check_threshold(threshold)
        return self.frequency[place] >= threshold

    def features_at(self, strength: At = "one_se", *, threshold: float | None = None) -> list[str]:
        """Names of the columns that are used at a strength, the most important first.

        Parameters
        ----------
        strength : float, "best" or "one_se", default="one_se"
            As of `support_at`.
        threshold : float in (0, 1] or None, default=None
            As of `support_at`. Columns that the fit on all rows does not use come last, those first that
            more fits use.

        Returns
        -------
        list of str
        """
        place, chosen = self._place(strength), self.support_at(strength, threshold=threshold)
        order = np.lexsort((-self.frequency[place], -self.importances[place]))
        return [str(self.feature_names[j]) for j in order if chosen[j]]

    def estimator_at(self, strength: At = "one_se") -> Any:
        """The estimator with a strength, not fitted; with the seed of the path its fit is the path's.

        Parameters
        ----------
        strength : float, "best" or "one_se", default="one_se"
            As of `support_at`.

        Returns
        -------
        estimator
        """
        return member(self._estimator, self.strengths[self._place(strength)], self.seed)

    def _check_threshold(self, threshold):
        if not isinstance(threshold, Real) or not 0 < threshold <= 1:
            raise ValueError(
                f"threshold={threshold!r} must be a share of the fits, above 0 and up to 1, such as 0.6, or "
                "None for the columns of the fit on all rows."
            )
        if not self.n_folds:
            raise ValueError(
                "A threshold counts the fits that use a column, and without folds there is one fit. Pass cv "
                "to feature_path, such as cv=5, or leave the threshold out."
            )

    def _place(self, strength):
        if isinstance(strength, str) and strength in ("best", "one_se"):
            strength = self.best_strength if strength == "best" else self.one_se_strength
        elif not isinstance(strength, Real) or not strength > 0:
            raise ValueError(f"strength={strength!r} must be a number > 0, 'best' or 'one_se'.")
        distance = np.abs(np.log(self.strengths) - np.log(strength))
        return int(np.argmin(distance))
