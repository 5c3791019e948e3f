"""What to look at before any regularizer: whether the net can learn and the validation can be trusted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import pairwise_distances

from skreg.comparison.statistics import auc_interval

__all__ = [
    "Diagnosis",
    "Finding",
    "can_overfit",
    "conflicting_labels",
    "same_distribution",
]

SUBSET_ROWS = 300
SUBSET_EPOCHS = 400
TWIN_ROWS = 4000
AUC_ROWS = 4000
# an AUC above which training and validation rows are said to differ
AUC_ALARM = 0.55


@dataclass(frozen=True)
class Finding:
    """One answer of the diagnosis.

    Attributes
    ----------
    title : str
        The question.
    text : str
        The answer, with its figures.
    ok : bool or None
        True where all is well, False where something is wrong, None where it is not known.
    figures : dict of str to float
        The numbers in the text.
    """

    title: str
    text: str
    ok: bool | None
    figures: dict[str, float] = field(default_factory=dict)


class Diagnosis(Mapping[str, str]):
    """Findings, in the order in which to look at them.

    Parameters
    ----------
    findings : list of Finding
        What was found. As a mapping, it gives the text for each title.
    """

    def __init__(self, findings: list[Finding]) -> None:
        self.findings = list(findings)

    def __getitem__(self, title: str) -> str:
        return next(f.text for f in self._found(title))

    def _found(self, title: str) -> list[Finding]:
        found = [f for f in self.findings if f.title == title]
        if not found:
            raise KeyError(title)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(f.title for f in self.findings)

    def __len__(self) -> int:
        return len(self.findings)

    def __repr__(self) -> str:
        return "\n".join(f"{f.title}: {f.text}" for f in self.findings)


def can_overfit(
    plain: BaseEstimator, Z: NDArray[np.float64], y: NDArray, task: str, *, random_state: int = 0
) -> Finding:
    """Train the plain net on a few rows for so long that it should know them by heart.

    Parameters
    ----------
    plain : estimator
        The net without any regularizer; cloned, its `max_iter` is raised to 400.
    Z : ndarray of shape (n_samples, n_features)
        Prepared rows.
    y : ndarray of shape (n_samples,)
        Their targets.
    task : {"classification", "regression"}
        Decides what "by heart" means: a training error of at most 1 %, or R2 of at least 0.99.
    random_state : int, default=0
        Seed of the draw of at most 300 rows.

    Returns
    -------
    Finding
    """
    title = "Can the net overfit"
    if Z.shape[1] == 0:
        return Finding(title, "Not tried: no feature varies.", None)
    rows = _distinct_rows(Z, SUBSET_ROWS, random_state)
    net = clone(plain)
    epochs = net.get_params().get("max_iter")
    if epochs is not None:
        net.set_params(max_iter=max(SUBSET_EPOCHS, epochs))
    score = float(net.fit(Z[rows], y[rows]).score(Z[rows], y[rows]))
    ok = score >= 0.99
    name = "accuracy" if task == "classification" else "R2"
    text = f"On {len(rows)} distinct rows the plain net reaches a training {name} of {score:.3f}: "
    text += (
        "it has the capacity to learn this table by heart, so a regularizer may help."
        if ok
        else "it cannot learn even these by heart. Before regularizing, check the capacity "
        "(hidden_layer_sizes), the scaling, the learning rate (learning_rate_init) and the epochs "
        "(max_iter), and look for rows that contradict each other."
    )
    return Finding(title, text, ok, {"rows": len(rows), "train_score": score})


def _distinct_rows(Z: NDArray[np.float64], limit: int, random_state: int) -> NDArray[np.intp]:
    _, first = np.unique(np.round(Z, 6), axis=0, return_index=True)
    random = np.random.RandomState(random_state)
    return np.sort(random.permutation(np.sort(first))[:limit])


def same_distribution(
    Z: NDArray[np.float64],
    is_validation: NDArray[np.bool_],
    title: str,
    what: str,
    *,
    random_state: int = 0,
) -> Finding:
    """Train a forest to distinguish validation from training rows (adversarial validation).

    Parameters
    ----------
    Z : ndarray of shape (n_samples, n_features)
        Prepared rows.
    is_validation : ndarray of shape (n_samples,), dtype=bool
        Which of them are validation rows.
    title : str
        Title of the finding.
    what : str
        The two kinds of rows in words, such as "training from validation rows".
    random_state : int, default=0
        Seed of the forest and of the draw of at most 4,000 rows.

    Returns
    -------
    Finding
        The AUC is that of out-of-bag predictions, its interval DeLong's.
    """
    rows = np.arange(len(Z))
    if len(rows) > AUC_ROWS:
        rows = np.sort(np.random.RandomState(random_state).permutation(rows)[:AUC_ROWS])
    label = np.asarray(is_validation, dtype=bool)[rows]
    if min(label.sum(), (~label).sum()) < 20 or Z.shape[1] == 0:
        return Finding(title, f"There are too few rows to distinguish {what}.", None)
    forest = RandomForestClassifier(
        100,
        min_samples_leaf=5,
        class_weight="balanced",
        oob_score=True,
        random_state=random_state,
        n_jobs=1,
    ).fit(Z[rows], label)
    auc, low, high = auc_interval(label, forest.oob_decision_function_[:, 1])
    ok = bool(low <= AUC_ALARM)
    text = (
        f"A forest trained to distinguish {what} reaches an AUC of {auc:.2f} "
        f"(95 % interval {low:.2f} to {high:.2f}; guessing is 0.50): "
    )
    text += "they look alike." if ok else "they differ."
    return Finding(title, text, ok, {"auc": auc, "low": low, "high": high})


def conflicting_labels(
    Z: NDArray[np.float64], y: NDArray, task: str, *, random_state: int = 0
) -> Finding:
    """Look for rows that are nearly the same but have different targets.

    Two rows are near-duplicates when their distance is at most 1 % of the median distance between
    two rows. Targets are in conflict when the classes differ, or when two numbers are more than
    half a standard deviation apart.

    Parameters
    ----------
    Z : ndarray of shape (n_samples, n_features)
        Prepared, standardised rows.
    y : ndarray of shape (n_samples,)
        Their targets.
    task : {"classification", "regression"}
        Decides what a conflict is.
    random_state : int, default=0
        Seed of the draw of at most 4,000 rows.

    Returns
    -------
    Finding
    """
    title = "Labels of near-duplicates"
    random = np.random.RandomState(random_state)
    rows = np.sort(random.permutation(len(Z))[:TWIN_ROWS])
    nearest, distance, typical = _nearest(Z[rows])
    twins = distance <= 0.01 * typical
    if Z.shape[1] == 0 or not twins.any():
        text = f"No near-duplicates among {len(rows)} rows."
        return Finding(title, text, True, {"rows": len(rows), "twins": 0, "conflicts": 0})
    own, other = y[rows], y[rows][nearest]
    classes = task == "classification"
    conflict = own != other if classes else np.abs(own - other) > 0.5 * np.std(own)
    n_twins, n_conflicts = int(twins.sum()), int((conflict & twins).sum())
    share, of_all = n_conflicts / n_twins, n_conflicts / len(rows)
    ok = of_all <= 0.02
    text = (
        f"{n_twins} of {len(rows)} rows have a near-duplicate; {n_conflicts} of these "
        f"({share:.0%}) have a different target: "
    )
    text += (
        "this limits no model."
        if ok
        else f"no model can be right on both, and this concerns {of_all:.0%} of the rows. Check "
        "the labels, or add a feature that separates these rows."
    )
    figures = {"rows": len(rows), "twins": n_twins, "conflicts": n_conflicts, "share": share}
    return Finding(title, text, ok, figures)


def _nearest(
    Z: NDArray[np.float64], block: int = 500
) -> tuple[NDArray[np.intp], NDArray[np.float64], float]:
    """Nearest other row of each row, its distance, and the median distance between rows."""
    n_rows = len(Z)
    if Z.shape[1] == 0 or n_rows < 2:
        return np.zeros(n_rows, dtype=np.intp), np.full(n_rows, np.inf), 0.0
    nearest, distance, medians = np.empty(n_rows, np.intp), np.empty(n_rows), []
    for start in range(0, n_rows, block):
        rows = np.arange(start, min(start + block, n_rows))
        far = pairwise_distances(Z[rows], Z)
        medians.append(np.median(far))
        far[np.arange(len(rows)), rows] = np.inf
        nearest[rows] = far.argmin(axis=1)
        # the distances above lose digits where two rows are nearly equal
        distance[rows] = np.linalg.norm(Z[rows] - Z[nearest[rows]], axis=1)
    return nearest, distance, float(np.median(medians))
