"""The result of a comparison: tables, tests, words, a picture and a page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, clone

from skreg.comparison.diagnosis import Diagnosis
from skreg.comparison.frames import candidates_frame, contenders_frame
from skreg.comparison.order import Order, ask_in_order
from skreg.comparison.plain import Text, as_dict
from skreg.comparison.profile import Profile
from skreg.comparison.recommend import Recommendation, ask_about_taken
from skreg.comparison.scores import PairedScores
from skreg.comparison.snippet import NotWritableError, source_of
from skreg.comparison.verdict import Verdict, judge
from skreg.comparison.wording import metric_words, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from skreg.display import ComparisonDisplay

__all__ = ["Comparison"]


class Comparison:
    """What `skreg.compare` returns.

    Parameters
    ----------
    folds : DataFrame
        One row for each candidate and outer split, with the columns candidate, repeat, fold, test_score,
        train_score, log_loss, strength, epochs, zero_share, n_features_used, n_train, n_test and
        error.
    kinds : dict of str to str
        Kind of each candidate ("dummy", "linear", "net", "boosting", "ensemble", "search" or "own"),
        in the order in which the candidates were given.
    task : {"classification", "regression"}
        Kind of target.
    scoring : str
        Name of the metric; greater is better.
    baseline : str
        The candidate that the others are measured against.
    strengths : DataFrame or None, default=None
        Inner scores, as `strengths()` returns them.
    seconds : dict of str to float, default=None
        Seconds of one fit of each candidate by itself.
    profile : Profile or None, default=None
        Facts of the table.
    diagnosis : Diagnosis or None, default=None
        Answers of the diagnosis.
    notes : list of str, default=()
        What a reader should know about how the data was treated.
    method : dict of str to str, default=None
        How it was measured.
    estimators : dict of str to estimator, default=None
        Unfitted pipelines, each with the strength that was chosen most often.
    target_name : str, default="target"
        What is predicted.
    roles : dict of str to str, default=None
        Role of each candidate ("knob", "contender" or "both"); "both" where it is not given.

    Attributes
    ----------
    best_ : str
        Candidate with the highest mean score.
    recommendation_ : Recommendation
        What to take: the simplest candidate that nothing is better than with certainty. It has the
        attributes name, headline and details.
    baseline_ : str
        The candidate the others are measured against, "plain net" by default.
    verdict_ : Verdict
        Which differences are certain and which are not.
    diagnosis_ : Diagnosis
        Question to answer, a mapping; its `findings` hold the figures.
    profile_ : Profile or None
        Facts of the table that the advice rests on.
    estimators_ : dict of str to estimator
        Unfitted pipelines, each with the strength that was chosen most often, ready for `fit`.
    notes_ : list of str
        What a reader should know about how the data was treated.
    method_ : dict of str to str
        How it was measured.

    See Also
    --------
    compare : Makes one.
    ComparisonDisplay : Draws the differences, as `plot` does.
    skreg.display.OverfitGapDisplay : Draws train and test scores.

    Notes
    -----
    All statements are read from one plan of tests (`skreg.comparison.order`), so that none
    contradicts another. Two candidates are compared by the corrected resampled t-test of Nadeau and
    Bengio (2003) on their paired test scores. The p-values are adjusted for the number of tests of
    their question; the intervals are not, each is one of 95 % by itself.

    Examples
    --------
    >>> import skreg
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> result = skreg.compare(X, y, candidates=["dummy", "linear L2"], quick=True)
    >>> result.frame().index.tolist()
    ['linear L2', 'dummy']
    >>> "linear L2" in result.verdict_.beats_dummy
    True
    """

    def __init__(
        self,
        folds: pd.DataFrame,
        kinds: Mapping[str, str],
        *,
        task: str,
        scoring: str,
        baseline: str,
        strengths: pd.DataFrame | None = None,
        seconds: Mapping[str, float] | None = None,
        profile: Profile | None = None,
        diagnosis: Diagnosis | None = None,
        notes: list[str] | tuple[str, ...] = (),
        method: Mapping[str, str] | None = None,
        estimators: Mapping[str, Any] | None = None,
        target_name: str = "target",
        roles: Mapping[str, str] | None = None,
    ) -> None:
        self.task, self.scoring, self.baseline_ = task, scoring, baseline
        self.target_name, self.profile_ = target_name, profile
        self.diagnosis_ = Diagnosis([]) if diagnosis is None else diagnosis
        self.notes_, self.method_ = list(notes), dict(method or {})
        self.estimators_ = dict(estimators or {})
        self._folds, self._strengths, self._kinds = folds, strengths, dict(kinds)
        self._scores = PairedScores(folds, "test_score", scoring)
        self._order: Order = ask_in_order(self._scores, self._kinds, baseline, roles)
        ask_about_taken(self._order, self._scores)
        self._frame = candidates_frame(
            folds, self._kinds, self._scores, self._order, baseline, dict(seconds or {})
        )
        self.verdict_: Verdict = judge(
            self._frame,
            self._order,
            baseline=baseline,
            n_splits=len(self._scores.table),
            scoring=scoring,
            profile=profile,
            losses=self._losses(),
        )
        self.best_ = self.verdict_.best
        self.recommendation_: Recommendation = self.verdict_.recommendation

    def estimator(self, name: str | None = None) -> BaseEstimator:
        """The recommended estimator, not fitted, ready for `fit` on the table as it was given.

        Parameters
        ----------
        name : str or None, default=None
            Another candidate; None takes the recommended one.

        Returns
        -------
        estimator
            At the strength that most splits chose, with what prepares the table in front of it where
            the table needs that. It is a new one with each call.

        Raises
        ------
        KeyError
            If there is no candidate of that name.
        ValueError
            If nothing is recommended, since nothing beats the dummy; or if the comparison was made of
            given scores, without estimators.

        See Also
        --------
        snippet : The same as source.

        Examples
        --------
        >>> import skreg
        >>> from sklearn.datasets import load_iris
        >>> X, y = load_iris(return_X_y=True)
        >>> names = ["dummy", "linear L2", "plain net"]
        >>> comparison = skreg.compare(X, y, candidates=names, quick=True)
        >>> print(comparison.recommendation_.headline)
        Take the linear model: nothing scores higher.
        >>> model = comparison.estimator().fit(X, y)
        >>> model.predict(X[:2]).tolist()
        [0, 0]
        """
        name = self._named(name)
        if name not in self.estimators_:
            raise ValueError(
                f"There is no estimator of {name!r}: this comparison was made without estimators. Use "
                "skreg.compare."
            )
        return clone(self.estimators_[name])

    def snippet(self, name: str | None = None) -> str:
        """Python source that builds the recommended estimator and fits it.

        Parameters
        ----------
        name : str or None, default=None
            Another candidate; None takes the recommended one.

        Returns
        -------
        str
            It supposes that ``X`` and ``y`` are the table and the target as `compare` was given them.
            An estimator that has no source, such as one that holds a function, is taken from
            ``comparison.estimator()``.

        Raises
        ------
        KeyError, ValueError
            As `estimator`.
        """
        name = self._named(name)
        estimator = self.estimator(name)
        try:
            source = source_of(estimator)
        except NotWritableError:
            asked = "" if name == self.recommendation_.name else json.dumps(name)
            source = f"model = comparison.estimator({asked})"
        return Text(f"{source}\nmodel.fit(X, y)")

    def _named(self, name: str | None) -> str:
        name = self.recommendation_.name if name is None else name
        if name is None:
            raise ValueError(
                "No candidate is recommended, because nothing beats the dummy with certainty. Name one "
                f"to have it all the same: {', '.join(map(repr, self._frame.index))}."
            )
        if name not in self._frame.index:
            raise KeyError(f"{name!r} was not compared. Allowed are {list(self._frame.index)}.")
        return name

    def contenders(self) -> pd.DataFrame:
        """What one may take, best first: each against the best of them.

        Where fewer than two candidates were compared as contenders, all but the dummies are.

        Returns
        -------
        DataFrame indexed by candidate
            - kind: what it is;
            - mean_score, std_score: mean and standard deviation of the test scores;
            - difference, difference_low, difference_high: mean paired difference to the best of
              these rows with its 95 % interval;
            - p_value: of "the best is better", as corrected for its question; NaN where it was not
              asked, since another candidate has beaten this one before;
            - verdict: "take this", "may be as good", "beaten" (something is better with certainty) or
              "not surely above the dummy";
            - log_loss, strength, seconds: as in `frame`.
        """
        return contenders_frame(self._frame, self._scores, self._order, self.recommendation_.name)

    def frame(self) -> pd.DataFrame:
        """One row for each candidate, best first.

        Returns
        -------
        DataFrame indexed by candidate
            - kind, role: what it is, and what it is compared for;
            - mean_score, std_score: mean and standard deviation of the test scores;
            - mean_train_score, overfit_gap: mean training score, and training minus test;
            - difference, difference_low, difference_high: mean paired difference to the baseline
              with its 95 % interval;
            - p_value, p_value_raw: against the baseline, adjusted for the number of tests and not;
              NaN for contenders, which are not asked about, unless it follows from other answers;
            - p_dummy: of "beats the dummy", one-sided, adjusted for the number of tests;
            - verdict: "pays", "costs", "cannot be told apart", "baseline", "dummy", "contender" (not
              asked about the baseline) or "failed";
            - log_loss: mean log loss on test rows (classification);
            - strength: the one that was chosen most often;
            - epochs, seconds: epochs of a fit, and seconds of one fit by itself;
            - zero_share, n_features_used: share of the weights that are zero, and number of columns of
              the table with a weight that is not zero.
        """
        return self._frame.copy()

    def folds(self) -> pd.DataFrame:
        """One row for each candidate and outer split.

        Returns
        -------
        DataFrame
            Columns candidate, repeat, fold, test_score, train_score, difference (to the baseline on
            the same split), log_loss, strength, epochs, zero_share, n_features_used, n_train,
            n_test, error.
        """
        folds = self._folds.copy()
        keys = pd.MultiIndex.from_frame(folds[["repeat", "fold"]])
        base = np.nan
        if self.baseline_ in self._scores.table:
            base = self._scores.table[self.baseline_].reindex(keys).to_numpy()
        folds.insert(5, "difference", folds["test_score"] - base)
        return folds

    def strengths(self) -> pd.DataFrame:
        """Scores of the inner cross-validation that chose the strengths.

        Returns
        -------
        DataFrame
            Columns candidate, repeat, fold, strength, inner_score, chosen.
        """
        columns = ["candidate", "repeat", "fold", "strength", "inner_score", "chosen"]
        return pd.DataFrame(columns=columns) if self._strengths is None else self._strengths.copy()

    def between(self, name: str, other: str) -> dict[str, float]:
        """Test any two candidates against each other, apart from the plan of tests.

        This is one test by itself, not adjusted for any other, so it may find a difference where
        the verdict finds none.

        Parameters
        ----------
        name, other : str
            Candidates.

        Returns
        -------
        dict of str to float
            difference (`name` minus `other`), low, high and p_value.

        Raises
        ------
        KeyError
            If one of them was not compared, or failed.
        """
        for one in (name, other):
            if one not in self._scores:
                raise KeyError(
                    f"{one!r} was not compared, or its fits failed. Allowed are {list(self._frame.index)}."
                )
        test = self._scores.test(name, other)
        return {
            "difference": test.difference,
            "low": test.low,
            "high": test.high,
            "p_value": test.p_value,
        }

    def summary(self) -> str:
        """Say in plain words what to take, what pays here, and what these scores cannot decide.

        Returns
        -------
        str
            Headings start with "# " and list items with "- "; a blank line separates paragraphs. At
            the prompt and in a notebook it is shown as it prints.
        """
        parts = [f"# {s.topic}\n{s.text}" for s in self.verdict_.statements]
        failed = self._frame.index[self._frame["verdict"] == "failed"]
        if len(failed):
            errors = [f"- {name}: {self._first_error(name)}" for name in failed]
            parts.append("\n".join(["# Failed", *errors]))
        if self.diagnosis_:
            items = [f"- {f.title}: {f.text}" for f in self.diagnosis_.findings]
            parts.append("\n".join(["# Diagnosis", *items]))
        if self.notes_:
            parts.append("\n".join(["# Notes", *(f"- {note}" for note in self.notes_)]))
        return Text("\n\n".join(parts))

    def plot(self, ax: Axes | None = None) -> ComparisonDisplay:
        """Draw the paired differences to the baseline with their intervals.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        ComparisonDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        from skreg.display import ComparisonDisplay

        return ComparisonDisplay.from_comparison(self, ax=ax)

    def to_html(self, path: str | Path) -> Path:
        """Write the comparison as one HTML page that loads nothing from the network.

        Parameters
        ----------
        path : str or Path
            File to write.

        Returns
        -------
        Path
            The file.
        """
        from skreg.display.page import render_page

        path = Path(path)
        path.write_text(render_page(self), encoding="utf-8")
        return path

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values, as `skreg compare --json` writes it.

        Returns
        -------
        dict
            NaN is None; `folds` and `candidates` are lists of rows.
        """
        return as_dict(self)

    def __repr__(self) -> str:
        frame = self._frame
        lines = [
            f"{name:<22} {number(row['mean_score']):>9}  {row['verdict']}"
            for name, row in frame.iterrows()
        ]
        n_splits = len(self._scores.table)
        metric = metric_words(self.scoring)
        head = f"Comparison of {len(frame)} candidates by {metric} on {n_splits} splits"
        return "\n".join([head, *lines, self.recommendation_.headline])

    def _repr_html_(self) -> str:
        from skreg.display.page import render_notebook

        return render_notebook(self)

    def _first_error(self, name: str) -> str:
        errors = self._folds.loc[self._folds["candidate"] == name, "error"]
        return str(errors[errors != ""].iloc[0])

    def _losses(self) -> PairedScores | None:
        if self._folds["log_loss"].isna().all():
            return None
        return PairedScores(self._folds.assign(gain=-self._folds["log_loss"]), "gain")
