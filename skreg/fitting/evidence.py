"""How good a fitted search is: out of fold beside simpler models, and by searches of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.dummy import DummyClassifier, DummyRegressor

from skreg.comparison.wording import counted
from skreg.estimators.search.parts import rows_of_folds
from skreg.fitting.measure import Measure

__all__ = ["NESTED", "OUT_OF_FOLD", "further_scores", "nested_scores", "out_of_fold"]

OUT_OF_FOLD = (
    "Out of fold: each row was predicted by nets that were not trained on it. The score of all rows "
    "together, \u00b1 its standard deviation over the folds. Settings, ensemble and epochs were chosen by "
    "these very rows, so that the scores of nets are somewhat too good, that of the ensemble most."
)
NESTED = (
    "Nested: for each fold the whole search was done again without its rows, and then predicted them. This "
    "is what to expect of new rows of the same kind, or slightly less, since these searches had fewer rows "
    "to learn from. Mean over the folds \u00b1 standard deviation."
)
CONSTANT = "constant"
DEFAULT = "default net"


def out_of_fold(
    search: Any, X: pd.DataFrame, y: NDArray, weights: NDArray | None, measure: Measure
) -> pd.DataFrame:
    """Scores on the rows that each net was not trained on, pooled, of what the search found and of less.

    Parameters
    ----------
    search : BaseSearch
        Fitted.
    X, y, weights : the rows
    measure : Measure

    Returns
    -------
    DataFrame
        Columns model, score, spread (standard deviation over folds), what. A score is NaN where it is
        not known.
    """
    folds, found = folds_of_search(search, len(y)), predicted_outside(search)
    results, sign = search.cv_results_, measure.sign
    chosen = len(search.ensemble_)
    rows = [
        (
            f"ensemble of {chosen} settings" if chosen > 1 else "the one setting that was chosen",
            measure.of(search, found, X, y, weights),
            _spread(search, found, folds, X, y, weights, measure),
            "the model in the file",
        )
    ]
    single = [("best single setting", search.best_index_, f"setting {search.best_index_}")]
    single = single if chosen > 1 else []
    for name, number, what in (
        *single,
        (DEFAULT, 0, "one net with no parameter changed, setting 0"),
    ):
        rows.append(
            (
                name,
                sign * float(results["pooled_test_score"][number]),
                float(results["std_test_score"][number]),
                what,
            )
        )
    fixed = constant_predictions(folds, y, weights, hasattr(search, "classes_"))
    rows.append(
        (
            CONSTANT,
            measure.of(search, fixed, X, y, weights),
            _spread(search, fixed, folds, X, y, weights, measure),
            "the shares of the classes" if hasattr(search, "classes_") else "the mean",
        )
    )
    return pd.DataFrame(rows, columns=["model", "score", "spread", "what"])


def folds_of_search(search: Any, n: int) -> list:
    """The rows that each split of a search trained on and predicted."""
    return [(np.setdiff1d(np.arange(n), test), test) for test in rows_of_folds(search)]


def predicted_outside(search: Any) -> NDArray:
    """Predictions of a search for the rows that its nets were not trained on."""
    return search.oof_decision_ if hasattr(search, "classes_") else search.oof_predictions_


def constant_predictions(
    folds: list, y: NDArray, weights: NDArray | None, classes: bool
) -> NDArray:
    """What a model that looks at no column says of each row."""
    found = None
    for train, test in folds:
        dummy = DummyClassifier(strategy="prior") if classes else DummyRegressor()
        weight = None if weights is None else weights[train]
        dummy.fit(np.zeros((len(train), 1)), y[train], weight)
        rows = np.zeros((len(test), 1))
        own = dummy.predict_proba(rows) if classes else dummy.predict(rows)
        if classes:
            places = np.searchsorted(np.unique(y), dummy.classes_)
            own = np.eye(len(np.unique(y)))[places].T @ own.T
            own = own.T
        if found is None:
            found = np.full((len(y), *own.shape[1:]), np.nan)
        found[test] = own
    return found


def _spread(
    search: Any,
    found: NDArray,
    folds: list,
    X: pd.DataFrame,
    y: NDArray,
    weights: NDArray | None,
    measure: Measure,
) -> float:
    scores = [
        measure.of(
            search, found[test], X.iloc[test], y[test], None if weights is None else weights[test]
        )
        for _, test in folds
    ]
    return float(np.std(scores))


def further_scores(
    search: Any,
    X: pd.DataFrame,
    y: NDArray,
    weights: NDArray | None,
    measures: list[Measure],
) -> pd.DataFrame:
    """Other metrics of the ensemble and of a constant, out of fold.

    Returns
    -------
    DataFrame
        Columns metric, ensemble, constant; metrics without a value are left out.
    """
    folds, found = folds_of_search(search, len(y)), predicted_outside(search)
    fixed = constant_predictions(folds, y, weights, hasattr(search, "classes_"))
    rows = [
        (
            f"{measure.words} ({measure.better})",
            measure.of(search, found, X, y, weights),
            measure.of(search, fixed, X, y, weights),
        )
        for measure in measures
    ]
    table = pd.DataFrame(rows, columns=["metric", "ensemble", CONSTANT])
    return table[table["ensemble"].notna()].reset_index(drop=True)


def nested_scores(
    search: Any,
    folds: list,
    X: pd.DataFrame,
    y: NDArray,
    weights: NDArray | None,
    measure: Measure,
    fit: Callable[[Any, NDArray], Any],
    say: Callable[[str], None],
) -> pd.DataFrame:
    """Scores of whole searches on rows that none of their decisions has seen.

    Parameters
    ----------
    search : BaseSearch
        Not fitted.
    folds : list of (train, test)
        Of which each has a search of its own.
    X, y, weights : the rows
    measure : Measure
    fit : callable(search, train)
        Fits a search, or a net, on some of the rows.
    say : callable(str)
        Told of progress.

    Returns
    -------
    DataFrame
        Columns model, score, spread (standard deviation over folds), what.
    """
    classes = hasattr(search._net, "predict_proba")
    scores: dict[str, list[float]] = {"ensemble of a search": [], DEFAULT: [], CONSTANT: []}
    fixed = constant_predictions(folds, y, weights, classes)
    for number, (train, test) in enumerate(folds, start=1):
        say(f"Search {number} of {len(folds)} for the nested cross-validation.")
        weight = None if weights is None else weights[test]
        found = fit(clone(search), train)
        net = fit(search._net(random_state=search.random_state), train)
        for name, model in zip(scores, (found, net), strict=False):
            scores[name].append(measure.of_estimator(model, X.iloc[test], y[test], weight))
        scores[CONSTANT].append(measure.of(found, fixed[test], X.iloc[test], y[test], weight))
    count = counted(len(folds), "fold")
    whats = (f"searched anew for each of {count}", "one net, no parameter changed", "no column")
    return pd.DataFrame(
        [
            (name, float(np.mean(values)), float(np.std(values)), what)
            for (name, values), what in zip(scores.items(), whats, strict=True)
        ],
        columns=["model", "score", "spread", "what"],
    )
