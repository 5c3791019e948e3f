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

    def support_at(self, strength: At = "one_se") -> types.Array:
        """Which columns are used at a strength.

        Parameters
        ----------
        strength : float, "best" or "one_se", default="one_se"
            One of the path, of which the nearest is taken, or a rule.

        Returns
        -------
        ndarray of bool, shape (n_features,)

        Raises
        ------
        ValueError
            For a number that is none above 0, for a rule on a path without ``cv``, and for "one_se" where
            ``cv`` made one split.
        """
        return self.support[self._place(strength)].copy()

    def features_at(self, strength: At = "one_se") -> list[str]:
        """Names of the columns that are used at a strength, the most important first.

        Parameters
        ----------
        strength : float, "best" or "one_se", default="one_se"
            As of `support_at`.

        Returns
        -------
        list of str
        """
        place = self._place(strength)
        order = np.argsort(-self.importances[place], kind="stable")
        return [str(self.feature_names[j]) for j in order if self.support[place, j]]

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

    def _place(self, strength):
        if isinstance(strength, str) and strength in ("best", "one_se"):
            strength = self.best_strength if strength == "best" else self.one_se_strength
        elif not isinstance(strength, Real) or not strength > 0:
            raise ValueError(f"strength={strength!r} must be a number > 0, 'best' or 'one_se'.")
        distance = np.abs(np.log(self.strengths) - np.log(strength))
        return int(np.argmin(distance))
