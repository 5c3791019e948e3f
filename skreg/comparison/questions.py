"""The diagnosis of a comparison: which questions are asked, in which order."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skreg.comparison.candidates import BASELINE, Candidate
from skreg.comparison.diagnosis import (
    Diagnosis,
    Finding,
    can_overfit,
    conflicting_labels,
    same_distribution,
)
from skreg.comparison.leaks import tells_the_target
from skreg.comparison.nested import Plan
from skreg.comparison.splits import OuterSplit
from skreg.comparison.wording import number

__all__ = ["add_gap", "ask"]

LAST_PART = 0.2


def ask(
    plan: Plan,
    candidates: dict[str, Candidate],
    Z: NDArray[np.float64],
    rows: NDArray[np.intp],
    split: OuterSplit,
    task: str,
) -> Diagnosis:
    """Answer the textbook's questions that need no scores; `add_gap` answers the one that does.

    Parameters
    ----------
    plan : Plan
        The data.
    candidates : dict of str to Candidate
        The plain net is taken from these, if it is compared.
    Z : ndarray of shape (n_drawn, n_features)
        Prepared, standardised rows.
    rows : ndarray of shape (n_drawn,)
        Which rows of the table they are.
    split : OuterSplit
        The split whose training and test rows are compared.
    task : {"classification", "regression"}
        Kind of target.

    Returns
    -------
    Diagnosis
    """
    y, seed = plan.y[rows], plan.random_state
    findings = []
    if BASELINE in candidates:
        plain = candidates[BASELINE].estimator
        findings.append(can_overfit(plain, Z, y, task, random_state=seed))
    findings.append(
        same_distribution(
            Z,
            np.isin(rows, split.test),
            "Training and test rows",
            "the training rows of the first split from its test rows",
            random_state=seed,
        )
    )
    findings.append(_order(Z, rows, len(plan.y), seed))
    findings.append(conflicting_labels(Z, y, task, random_state=seed))
    findings.append(tells_the_target(plan.X, plan.y, task, random_state=seed))
    return Diagnosis(findings)


def add_gap(diagnosis: Diagnosis, folds: pd.DataFrame) -> None:
    """Put in, as the second question, whether the plain net has a gap between training and test.

    Parameters
    ----------
    diagnosis : Diagnosis
        Changed in place, where the plain net was compared.
    folds : DataFrame
        Scores of all splits.
    """
    own = folds[folds["candidate"] == BASELINE]
    if len(own):
        diagnosis.findings.insert(1, _gap(own))


def _gap(own: pd.DataFrame) -> Finding:
    title = "Gap between training and test"
    train, test = float(own["train_score"].mean()), float(own["test_score"].mean())
    spread = float(own["test_score"].std())
    if not np.isfinite(train - test):
        return Finding(title, "Not known: the plain net failed.", None)
    small = train - test <= max(0.01, spread)
    text = f"The {BASELINE} scores {number(train)} in training and {number(test)} on test rows: "
    text += (
        f"a small gap of {number(train - test, train)} (the test score varies between splits with "
        f"a standard deviation of {number(spread, train)}), so overfitting costs little here."
        if small
        else f"a gap of {number(train - test, train)} that regularizers may narrow."
    )
    return Finding(title, text, small, {"train_score": train, "test_score": test})


def _order(
    Z: NDArray[np.float64], rows: NDArray[np.intp], n_rows: int, random_state: int
) -> Finding:
    late = rows >= (1 - LAST_PART) * n_rows
    what = f"the last {LAST_PART:.0%} of the table from the rows before"
    found = same_distribution(Z, late, "Order of the rows", what, random_state=random_state)
    if found.ok is not False:
        return found
    text = (
        f"{found.text} The table is ordered by something. If that is time and later rows are to be "
        "predicted, scores of shuffled folds are too high: use cv=TimeSeriesSplit(), or groups."
    )
    return Finding(found.title, text, False, found.figures)
