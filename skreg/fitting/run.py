"""`fit_table`: from a cleaned table to a model and a report of how good it is."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.exceptions import UndefinedMetricWarning

from skreg.comparison.leaks import tells_the_target
from skreg.comparison.tables import Table
from skreg.comparison.tasks import drop_rare_classes
from skreg.comparison.wording import counted
from skreg.estimators.all_or_nothing import despite_interrupt
from skreg.estimators.search import RegularizedMLPClassifierCV, RegularizedMLPRegressorCV
from skreg.estimators.search.folds import FEW_ROWS, FOLDS, MORE_FOLDS
from skreg.estimators.split import folds_of
from skreg.fitting.columns import learn_columns
from skreg.fitting.evidence import (
    NESTED,
    OUT_OF_FOLD,
    further_scores,
    nested_scores,
    out_of_fold,
)
from skreg.fitting.importance import column_importance
from skreg.fitting.measure import Measure, choose_measure, further_measures
from skreg.fitting.model import Model

__all__ = ["FitReport", "fit_table"]

SEARCHES = {"classification": RegularizedMLPClassifierCV, "regression": RegularizedMLPRegressorCV}
# of the time of the search, for looking at columns, and its bounds in seconds
LOOK_SHARE, LOOK_BOUNDS = 0.1, (5.0, 60.0)
# a class with fewer rows cannot be in every fold
MIN_CLASS_ROWS = 5


@dataclass
class FitReport:
    """A model, and what is known of it.

    Attributes
    ----------
    model : Model
    measure : Measure
        What was searched and is judged by.
    scores : DataFrame
        Out of fold, of `skreg.fitting.evidence.out_of_fold`.
    further : DataFrame
        Other metrics.
    nested : DataFrame or None
        Of whole searches on rows that they have not seen.
    columns, knobs : DataFrame or None
        Which columns, and which knobs of the nets, matter.
    settings : DataFrame
        The ensemble: setting, weight, score, params (those that it changes).
    notes : list of str
        What a reader should know about how the data was treated.
    warnings : list of str
        What speaks against the scores.
    method : dict of str to str
        How it was measured.
    interrupted : bool
        Whether the user stopped the search.
    about_scores, about_nested : str
        How far these can be trusted.
    """

    about_scores: ClassVar[str] = OUT_OF_FOLD
    about_nested: ClassVar[str] = NESTED

    model: Model
    measure: Measure
    scores: pd.DataFrame
    further: pd.DataFrame
    settings: pd.DataFrame
    nested: pd.DataFrame | None = None
    columns: pd.DataFrame | None = None
    knobs: pd.DataFrame | None = None
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    method: dict[str, str] = field(default_factory=dict)
    interrupted: bool = False


def fit_table(
    table: Table,
    *,
    max_time: float | None = None,
    n_settings: int | None = None,
    scoring: str | None = None,
    positive: str | None = None,
    nested: int | None = None,
    missing: list[str] | tuple[str, ...] = (),
    random_state: int = 0,
    look: bool = True,
    verbose: int = 0,
    say: Callable[[str], None] = lambda text: None,
) -> FitReport:
    """Search for the best model of a table, and measure it.

    Parameters
    ----------
    table : Table
        Of `load_table`.
    max_time, n_settings : as of RegularizedMLPClassifierCV
    scoring : str or None, default=None
        scikit-learn's name of a metric; None is log loss for classes and R2 for numbers.
    positive : str or None, default=None
        The positive class, for metrics of one class.
    nested : int or None, default=None
        Folds of a nested cross-validation: as many further searches.
    missing : sequence of str, default=()
        Words that `load_table` took for missing; the model does the same.
    random_state : int, default=0
    look : bool, default=True
        Whether to find out which columns and knobs matter.
    verbose : int, default=0
        Of the search.
    say : callable(str)
        Told of what comes after the search.

    Returns
    -------
    FitReport

    Raises
    ------
    ValueError
        If the table or an option cannot be used.
    """
    began = time.perf_counter()
    X, columns, notes = learn_columns(table)
    notes = [*table.notes, *notes]
    table, X, count = _in_folds(table, X, notes)
    y, weights = table.y, table.weights
    search = SEARCHES[table.task](
        max_time=max_time,
        n_settings=n_settings,
        cv=count,
        random_state=random_state,
        verbose=verbose,
    )
    measure = choose_measure(scoring, y, table.task, search, positive)
    search.set_params(scoring=measure.in_search)
    outer = None if nested is None else _outer_folds(table, nested, random_state)
    interrupted = _fitted(search, X, table)
    seconds = time.perf_counter() - began
    model = Model(search, columns, table.target_name, table.task, list(missing), table.decimal)
    further = further_measures(table.task, measure, y)
    (scores, others), late = despite_interrupt(
        lambda: (
            out_of_fold(search, X, y, weights, measure),
            further_scores(search, X, y, weights, further),
        )
    )
    interrupted = interrupted or late
    report = FitReport(
        model, measure, scores, others, _changes(search), notes=notes, interrupted=interrupted
    )
    try:
        if not interrupted:
            leak = tells_the_target(table.X, y, table.task, random_state=random_state)
            report.warnings += [leak.text] if leak.ok is False else []
        if look and not interrupted:
            say("Which columns matter?")
            _look(report, X, y, weights, max_time or seconds, random_state)
        if outer is not None and not interrupted:
            report.nested = _nested(search, outer, X, table, measure, say)
    except KeyboardInterrupt:  # the model is there
        report.interrupted = True
    report.method = _method(table, len(columns), search, measure, seconds, random_state)
    return report


def _in_folds(table: Table, X: pd.DataFrame, notes: list[str]) -> tuple[Table, pd.DataFrame, int]:
    """The table without rows that cannot count, and the number of folds."""
    if table.weights is not None:
        table, X = _taken(table, X, np.flatnonzero(table.weights > 0))
    count = FOLDS if len(table.y) >= FEW_ROWS else MORE_FOLDS
    if table.task == "classification":
        rows, note = drop_rare_classes(table.y, MIN_CLASS_ROWS)
        if note:
            notes.append(note)
            table, X = _taken(table, X, rows)
        # so that a class is in all of them
        count = min(count, int(pd.Series(table.y).value_counts().min()))
    if table.groups is not None:
        count = min(count, len(np.unique(table.groups)))
    _check_count(table, count)
    return table, X, count


def _taken(table: Table, X: pd.DataFrame, rows: NDArray) -> tuple[Table, pd.DataFrame]:
    """Some of the rows."""
    groups, weights = (None if a is None else a[rows] for a in (table.groups, table.weights))
    own = table.X.iloc[rows].reset_index(drop=True)
    table = replace(table, X=own, y=table.y[rows], groups=groups, weights=weights)
    return table, X.iloc[rows].reset_index(drop=True)


def _check_count(table: Table, count: int) -> None:
    groups = table.groups
    most = len(table.y) if groups is None else len(np.unique(groups))
    if not 2 <= count <= most:
        unit = "row" if groups is None else "group"
        raise ValueError(
            f"{counted(count, 'fold')} cannot be made of {counted(most, unit)}. At least two folds are "
            "needed, and no more than that."
        )


def _outer_folds(table: Table, count: int, random_state: int) -> list:
    _check_count(table, count)
    splitter = folds_of(
        count,
        stratify=table.task == "classification",
        grouped=table.groups is not None,
        random_state=random_state,
    )
    return list(splitter.split(np.zeros((len(table.y), 1)), table.y, table.groups))


def _fitted(model: Any, X: pd.DataFrame, table: Table) -> bool:
    """Fit; whether the user stopped it, with the best so far."""
    with warnings.catch_warnings():
        # columns of codes stand in the notes
        warnings.filterwarnings("ignore", message=".*and is taken for categories")
        # a score without a spread is shown as such
        warnings.filterwarnings("ignore", category=UndefinedMetricWarning)
        try:
            model.fit(X, table.y, sample_weight=table.weights, groups=table.groups)
        except KeyboardInterrupt:
            if not hasattr(model, "estimators_"):
                raise
            return True
    return False


def _changes(search: Any) -> pd.DataFrame:
    """The ensemble, of each setting only what it changes."""
    usual = search._get_estimator().get_params()
    table = search.ensemble_.copy()
    table["params"] = [
        {name: value for name, value in params.items() if usual[name] != value}
        for params in table["params"]
    ]
    return table


def _look(
    report: FitReport,
    X: pd.DataFrame,
    y: NDArray,
    weights: NDArray | None,
    seconds: float,
    random_state: int,
) -> None:
    """Find out which columns and knobs matter."""
    search = report.model.estimator
    report.columns = column_importance(
        search,
        X,
        y,
        weights,
        report.measure,
        columns=report.model.columns,
        seconds=float(np.clip(LOOK_SHARE * seconds, *LOOK_BOUNDS)),
        random_state=random_state,
    )
    try:
        report.knobs = search.knob_importance(random_state=random_state)
    except ValueError:  # too few settings to tell
        report.knobs = None


def _nested(
    search: Any,
    outer: list,
    X: pd.DataFrame,
    table: Table,
    measure: Measure,
    say: Callable[[str], None],
) -> pd.DataFrame:
    def fit(model: Any, train: NDArray) -> Any:
        part, own = _taken(table, X, train)
        if "cv" in model.get_params(deep=False):
            most = len(train) if part.groups is None else len(np.unique(part.groups))
            model.set_params(cv=min(search.cv, most))
        if _fitted(model, own, part):
            raise KeyboardInterrupt
        return model

    return nested_scores(search, outer, X, table.y, table.weights, measure, fit, say)


def _method(
    table: Table,
    n_columns: int,
    search: Any,
    measure: Measure,
    seconds: float,
    random_state: int,
) -> dict[str, str]:
    states = pd.Series(search.cv_results_["state"]).value_counts()
    tried = int(states.sum())
    ended = int(states.get("finished", 0))
    return {
        "Table": table.name,
        "Rows and columns": f"{len(table.y):,} rows, {n_columns:,} columns",
        "Target": f"{table.target_name} ({table.task})",
        "Metric": f"{measure.words}, {measure.better}",
        "Folds": f"{search.n_splits_}"
        + (", groups kept together" if table.groups is not None else ""),
        "Settings": f"{tried:,} tried, {ended:,} trained to the end, "
        f"{counted(len(search.ensemble_), 'setting')} chosen",
        "Nets in the file": f"{len(search.estimators_):,}: one for each fold of each chosen setting"
        + (f", trained on {search.n_repeats_} draws of folds" if search.n_repeats_ > 1 else ""),
        "Seconds of the search": f"{seconds:.1f}",
        "Seed": str(random_state),
    }
