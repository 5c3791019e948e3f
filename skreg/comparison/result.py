"""The result of a comparison: tables, tests, words, a picture and a page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from skreg.comparison.diagnosis import Diagnosis
from skreg.comparison.order import Order, ask_in_order
from skreg.comparison.profile import Profile
from skreg.comparison.scores import PairedScores
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
        Kind of each candidate ("dummy", "linear", "net", "ensemble" or "own"), in the order in
        which the candidates were given.
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

    Attributes
    ----------
    best_ : str
        Candidate with the highest mean score.
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
    ) -> None:
        self.task, self.scoring, self.baseline_ = task, scoring, baseline
        self.target_name, self.profile_ = target_name, profile
        self.diagnosis_ = Diagnosis([]) if diagnosis is None else diagnosis
        self.notes_, self.method_ = list(notes), dict(method or {})
        self.estimators_ = dict(estimators or {})
        self._folds, self._strengths, self._kinds = folds, strengths, dict(kinds)
        self._scores = PairedScores(folds, "test_score", scoring)
        self._order: Order = ask_in_order(self._scores, self._kinds, baseline)
        self._frame = self._make_frame(dict(seconds or {}))
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

    def frame(self) -> pd.DataFrame:
        """One row for each candidate, best first.

        Returns
        -------
        DataFrame indexed by candidate
            - kind: what it is;
            - mean_score, std_score: mean and standard deviation of the test scores;
            - mean_train_score, overfit_gap: mean training score, and training minus test;
            - difference, difference_low, difference_high: mean paired difference to the baseline
              with its 95 % interval;
            - p_value, p_value_raw: against the baseline, adjusted for the number of tests and not;
            - p_dummy: of "beats the dummy", one-sided, adjusted for the number of tests;
            - verdict: "pays", "costs", "cannot be told apart", "baseline", "dummy" or "failed";
            - log_loss: mean log loss on test rows (classification);
            - strength: the one that was chosen most often;
            - epochs, seconds: epochs of a fit, and seconds of one fit by itself;
            - zero_share, n_features_used: share of the weights that are zero, and number of features
              with a weight that is not zero.
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
        """Say in plain words what pays here, what does not, and what these scores cannot decide.

        Returns
        -------
        str
            Headings start with "# " and list items with "- "; a blank line separates paragraphs.
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
        return "\n\n".join(parts)

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
        return {
            "target": self.target_name,
            "task": self.task,
            "scoring": self.scoring,
            "baseline": self.baseline_,
            "best": self.best_,
            "beats_dummy": self.verdict_.beats_dummy,
            "pays": self.verdict_.pays,
            "costs": self.verdict_.costs,
            "cannot_be_told_apart": self.verdict_.undecided,
            "level_with_best": self.verdict_.level_with_best,
            "prefer": self.verdict_.prefer,
            "advice": [
                {"rule": a.rule, "agrees": a.agrees, "text": a.text} for a in self.verdict_.advice
            ],
            "diagnosis": [
                {
                    "title": f.title,
                    "ok": _plain(f.ok),
                    "text": f.text,
                    "figures": {k: _plain(v) for k, v in f.figures.items()},
                }
                for f in self.diagnosis_.findings
            ],
            "summary": self.summary(),
            "notes": self.notes_,
            "method": self.method_,
            "candidates": _records(self._frame.reset_index()),
            "folds": _records(self.folds()),
            "strengths": _records(self.strengths()),
        }

    def __repr__(self) -> str:
        frame = self._frame
        lines = [
            f"{name:<22} {number(row['mean_score']):>9}  {row['verdict']}"
            for name, row in frame.iterrows()
        ]
        n_splits = len(self._scores.table)
        metric = metric_words(self.scoring)
        head = f"Comparison of {len(frame)} candidates by {metric} on {n_splits} splits"
        return "\n".join([head, *lines])

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

    def _make_frame(self, seconds: dict[str, float]) -> pd.DataFrame:
        grouped = self._folds.groupby("candidate", sort=False)
        frame = pd.DataFrame({"kind": self._kinds})
        frame.index.name = "candidate"
        columns = ["test_score", "train_score", "log_loss"]
        means = {c: grouped[c].agg(lambda values: values.mean(skipna=False)) for c in columns}
        frame["mean_score"] = means["test_score"]
        frame["std_score"] = grouped["test_score"].std()
        frame["mean_train_score"] = means["train_score"]
        frame["overfit_gap"] = frame["mean_train_score"] - frame["mean_score"]
        self._add_tests(frame)
        frame["log_loss"] = means["log_loss"]
        frame["strength"] = grouped["strength"].agg(lambda values: values.mode().iloc[0])
        frame["epochs"] = grouped["epochs"].mean()
        frame["seconds"] = pd.Series(seconds, dtype=float).reindex(frame.index)
        frame["zero_share"] = grouped["zero_share"].mean()
        frame["n_features_used"] = grouped["n_features_used"].mean()
        failed = [name for name in frame.index if name not in self._scores]
        return frame.loc[[*self._order.ranking, *failed]]

    def _add_tests(self, frame: pd.DataFrame) -> None:
        order, baseline = self._order, self.baseline_
        tests = order.baseline_tests
        shown = tests[["difference", "low", "high"]].copy()
        if baseline in order.ranking:
            for dummy in order.of_kind("dummy"):
                if dummy != baseline:
                    # shown as a row like any other, though it was not tested against the baseline
                    test = self._scores.test(dummy, baseline)
                    shown.loc[dummy] = (test.difference, test.low, test.high)
        frame["difference"] = shown["difference"].astype(float)
        frame["difference_low"] = shown["low"].astype(float)
        frame["difference_high"] = shown["high"].astype(float)
        frame["p_value"] = pd.Series(
            {name: order.p_value(name, baseline) for name in tests.index}, dtype=float
        )
        frame["p_value_raw"] = tests["p_raw"].astype(float)
        frame["p_dummy"] = pd.Series(self._dummy_p_values(), dtype=float)
        frame["verdict"] = [self._verdict_of(name) for name in frame.index]

    def _dummy_p_values(self) -> dict[str, float]:
        """One-sided p-values: half of those of the order."""
        dummies = self._order.of_kind("dummy")
        if not dummies:
            return {}
        p_values = self._order.p_values[dummies].max(axis=1, skipna=False) / 2
        return {name: p for name, p in p_values.items() if name not in dummies}

    def _verdict_of(self, name: str) -> str:
        order, baseline = self._order, self.baseline_
        if name not in order.ranking:
            return "failed"
        if name == baseline:
            return "baseline"
        if self._kinds[name] == "dummy":
            return "dummy"
        if baseline in order.ranking:
            if order.better(name, baseline):
                return "pays"
            if order.better(baseline, name):
                return "costs"
        return "cannot be told apart"


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows with plain values, None for NaN."""
    return [
        {key: _plain(value) for key, value in row.items()}
        for row in frame.to_dict(orient="records")
    ]


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not np.isfinite(value) else value
