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

__all__ = ["ask"]

LAST_PART = 0.2


def ask(
    plan: Plan,
    candidates: dict[str, Candidate],
    Z: NDArray[np.float64],
    rows: NDArray[np.intp],
    split: OuterSplit,
    folds: pd.DataFrame,
    task: str,
) -> Diagnosis:
    """Ask the textbook's questions, in its order.

    Parameters
    ----------
    plan : Plan
        The data.
    candidates : dict of str to Candidate
        The plain net is taken from here where it is compared.
    Z : ndarray of shape (n_drawn, n_features)
        Prepared, standardised rows.
    rows : ndarray of shape (n_drawn,)
        Which rows of the table they are.
    split : OuterSplit
        Whose training and test rows are compared.
    folds : DataFrame
        Scores, for the gap.
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
        findings.append(_gap(folds))
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


def _gap(folds: pd.DataFrame) -> Finding:
    title = "Gap between training and test"
    own = folds[folds["candidate"] == BASELINE]
    train, test = float(own["train_score"].mean()), float(own["test_score"].mean())
    spread = float(own["test_score"].std())
    if not np.isfinite(train - test):
        return Finding(title, "Not known: the plain net failed.", None)
    small = train - test <= max(0.01, spread)
    text = f"The {BASELINE} scores {number(train)} in training and {number(test)} on test rows: "
    text += (
        f"a gap of {number(train - test, train)}, no more than the test score varies between splits "
        f"(standard deviation {number(spread, train)}), so there is little to regularize away."
        if small
        else f"a gap of {number(train - test, train)} that regularizing can aim at."
    )
    return Finding(title, text, small, {"train_score": train, "test_score": test})


def _order(
    Z: NDArray[np.float64], rows: NDArray[np.intp], n_rows: int, random_state: int
) -> Finding:
    late = rows >= (1 - LAST_PART) * n_rows
    what = f"the last {LAST_PART:.0%} of the table from what stands before"
    found = same_distribution(Z, late, "Order of the rows", what, random_state=random_state)
    if found.ok is not False:
        return found
    text = (
        f"{found.text} The table is ordered by something. If that is time and later rows are to be "
        "predicted, shuffled folds promise too much: use cv=TimeSeriesSplit(), or groups."
    )
    return Finding(found.title, text, False, found.figures)
