"""How a comparison was measured, in words; and its estimators, ready to be fitted."""

from __future__ import annotations

from collections import Counter
from datetime import date
from typing import Any

from sklearn.base import clone
from sklearn.pipeline import Pipeline, make_pipeline

import skreg
from skreg.comparison.candidates import Candidate
from skreg.comparison.data import Data
from skreg.comparison.measuring import Outcome
from skreg.comparison.metrics import Metric
from skreg.comparison.nested import Plan
from skreg.comparison.wording import counted

__all__ = ["method_of", "ready_estimators"]


def method_of(
    plan: Plan, data: Data, outcome: Outcome, metric: Metric, seconds: float
) -> dict[str, str]:
    """How it was measured: what a reader of the page may ask, and the answers."""
    sizes = outcome.folds.drop_duplicates(["repeat", "fold"])
    n_splits = len(sizes)
    inner = plan.inner_cv if isinstance(plan.inner_cv, int) else type(plan.inner_cv).__name__
    words = {
        "full": f"chosen in every training part by {inner} inner folds, by the same metric",
        "short": f"two for each knob, chosen in every training part by {inner} inner folds",
        "single": "one for each knob, not tuned",
    }
    counts = Counter(outcome.grids)
    grid = words[outcome.grids[0]]
    if len(counts) > 1:
        grid = "; ".join(f"on {counted(n, 'split')} {words[size]}" for size, n in counts.items())
    return {
        "Rows and columns": f"{len(data.y):,} rows, {data.X.shape[1]:,} columns",
        "Target": f"{data.target_name} ({data.task})",
        "Metric": f"{metric.words}, greater is better",
        "Outer splits": (
            f"{n_splits} ({counted(outcome.n_repeats, 'repeat')}), the same for all candidates; "
            f"{sizes['n_train'].mean():,.0f} training and {sizes['n_test'].mean():,.0f} test rows "
            "on average" + (", groups kept together" if data.groups is not None else "")
        ),
        "Strengths": grid,
        "Preparation": _preparation(plan.preprocessor, outcome.candidates),
        "Tests": (
            "corrected resampled t-test (Nadeau and Bengio 2003) on paired scores; p-values are "
            "corrected for the number of tests of their question, intervals (95 %) are not"
        ),
        "Recommendation": (
            "the simplest candidate that nothing is better than with certainty: linear models before "
            "single nets and gradient boosting, those before ensembles, those before a search; of "
            "equally simple ones the one with the highest score"
        ),
        "Seconds": "in the tables: one fit by itself on the first training part; "
        f"the whole comparison took {seconds:.1f} s",
        "Seed": str(plan.random_state),
        "Made": f"{date.today():%d %B %Y}".lstrip("0") + f" with skreg {skreg.__version__}",
    }


def _preparation(preprocessor: Any, candidates: dict[str, Candidate]) -> str:
    own = "by each model: categories encoded, gaps filled, numbers standardised"
    if preprocessor is None:
        return own if any(c.raw and c.kind != "own" for c in candidates.values()) else "none"
    steps = getattr(preprocessor, "steps", [("", preprocessor)])
    names = ", ".join(type(step).__name__ for _, step in steps)
    text = f"{names}; fitted on each outer training part, without the target"
    raw = any(c.raw and c.kind not in ("own", "dummy") for c in candidates.values())
    return f"{own}; in front of your own candidates {text}" if raw else text


def ready_estimators(plan: Plan, outcome: Outcome) -> dict[str, Any]:
    """Unfitted estimators, each with the strength that most splits chose, and what stands in front."""
    found = {}
    for name, candidate in outcome.candidates.items():
        labels = Counter(outcome.folds.loc[outcome.folds["candidate"] == name, "strength"])
        label = labels.most_common(1)[0][0]
        point = next(p for p in candidate.points if candidate.label(p) == label)
        estimator = clone(candidate.estimator).set_params(**point)
        prepared = plan.preprocessor is not None and not candidate.raw
        found[name] = _behind(clone(plan.preprocessor), estimator) if prepared else estimator
    return found


def _behind(preprocessor: Any, estimator: Any) -> Pipeline:
    """One pipeline, even where what stands in front is one."""
    steps = [preprocessor]
    if isinstance(preprocessor, Pipeline):
        steps = [step for _, step in preprocessor.steps]
    return make_pipeline(*steps, estimator)
