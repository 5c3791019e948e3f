"""The tables of a comparison: all candidates against the baseline, contenders against the best of them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from skreg.comparison.order import Order
from skreg.comparison.scores import PairedScores

__all__ = ["candidates_frame", "contenders_frame"]


def candidates_frame(
    folds: pd.DataFrame,
    kinds: Mapping[str, str],
    scores: PairedScores,
    order: Order,
    baseline: str,
    seconds: Mapping[str, float],
) -> pd.DataFrame:
    """One row for each candidate, best first, as `Comparison.frame` gives it.

    Parameters
    ----------
    folds : DataFrame
        One row for each candidate and outer split.
    kinds : mapping of str to str
        Kind of each candidate.
    scores : PairedScores
        Test scores of all splits.
    order : Order
        Answers of all tests.
    baseline : str
        The candidate that the others are measured against.
    seconds : mapping of str to float
        Of one fit of each candidate by itself.

    Returns
    -------
    DataFrame indexed by candidate
    """
    grouped = folds.groupby("candidate", sort=False)
    frame = pd.DataFrame({"kind": kinds})
    frame["role"] = [order.role(name) for name in frame.index]
    frame.index.name = "candidate"
    columns = ["test_score", "train_score", "log_loss"]
    means = {c: grouped[c].agg(lambda values: values.mean(skipna=False)) for c in columns}
    frame["mean_score"] = means["test_score"]
    frame["std_score"] = grouped["test_score"].std()
    frame["mean_train_score"] = means["train_score"]
    frame["overfit_gap"] = frame["mean_train_score"] - frame["mean_score"]
    _add_tests(frame, scores, order, baseline)
    frame["log_loss"] = means["log_loss"]
    frame["strength"] = grouped["strength"].agg(lambda values: values.mode().iloc[0])
    frame["epochs"] = grouped["epochs"].mean()
    frame["seconds"] = pd.Series(dict(seconds), dtype=float).reindex(frame.index)
    frame["zero_share"] = grouped["zero_share"].mean()
    frame["n_features_used"] = grouped["n_features_used"].mean()
    failed = [name for name in frame.index if name not in scores]
    return frame.loc[[*order.ranking, *failed]]


def contenders_frame(
    frame: pd.DataFrame, scores: PairedScores, order: Order, taken: str | None
) -> pd.DataFrame:
    """One row for each contender, best first, as `Comparison.contenders` gives it.

    Parameters
    ----------
    frame : DataFrame
        Of all candidates.
    scores : PairedScores
        Test scores of all splits.
    order : Order
        Answers of all tests.
    taken : str or None
        The recommended candidate. It has a row even where it is no contender.

    Returns
    -------
    DataFrame indexed by candidate
    """
    names = [name for name in order.ranking if name in order.contenders or name == taken]
    found = frame.loc[names, ["kind", "mean_score", "std_score", "log_loss", "strength", "seconds"]]
    best = names[0] if names else None
    tests = {name: scores.test(name, best) for name in names if name != best}
    columns = {"difference": "difference", "difference_low": "low", "difference_high": "high"}
    for place, (column, attribute) in enumerate(columns.items(), start=3):
        values = [getattr(tests[n], attribute) if n in tests else np.nan for n in names]
        found.insert(place, column, np.array(values, dtype=float))
    p_values = [order.p_value(name, best) if name != best else np.nan for name in names]
    found.insert(6, "p_value", np.array(p_values, dtype=float))
    found.insert(7, "verdict", [_standing(order, name, taken) for name in names])
    return found


def _standing(order: Order, name: str, taken: str | None) -> str:
    if name == taken:
        return "take this"
    if order.is_beaten(name):
        return "beaten"
    return "may be as good" if order.is_no_dummy(name) else "not surely above the dummy"


def _add_tests(frame: pd.DataFrame, scores: PairedScores, order: Order, baseline: str) -> None:
    tests = order.baseline_tests
    shown = tests[["difference", "low", "high"]].copy()
    if baseline in order.ranking:
        for name in order.ranking:
            if name != baseline and name not in shown.index:
                # shown as rows like any other, though they were not tested against the baseline
                test = scores.test(name, baseline)
                shown.loc[name] = (test.difference, test.low, test.high)
    frame["difference"] = shown["difference"].astype(float)
    frame["difference_low"] = shown["low"].astype(float)
    frame["difference_high"] = shown["high"].astype(float)
    asked = [name for name in order.ranking if order.kinds[name] != "dummy" and name != baseline]
    known = {name: order.p_value(name, baseline) for name in asked if baseline in order.ranking}
    frame["p_value"] = pd.Series(known, dtype=float)
    frame["p_value_raw"] = tests["p_raw"].astype(float)
    frame["p_dummy"] = pd.Series(_dummy_p_values(order), dtype=float)
    frame["verdict"] = [_verdict_of(order, name, baseline) for name in frame.index]


def _dummy_p_values(order: Order) -> dict[str, float]:
    """One-sided p-values: half of those of the order."""
    dummies = order.of_kind("dummy")
    if not dummies:
        return {}
    p_values = order.p_values[dummies].max(axis=1, skipna=False) / 2
    return {name: p for name, p in p_values.items() if name not in dummies}


def _verdict_of(order: Order, name: str, baseline: str) -> str:
    if name not in order.ranking:
        return "failed"
    if name == baseline:
        return "baseline"
    if order.kinds[name] == "dummy":
        return "dummy"
    if baseline in order.ranking:
        if order.better(name, baseline):
            return "pays"
        if order.better(baseline, name):
            return "costs"
    return "contender" if order.role(name) == "contender" else "cannot be told apart"
