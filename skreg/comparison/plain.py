"""Results as plain values and plain text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from skreg.comparison.result import Comparison

__all__ = ["Text", "as_dict", "plain_value", "records"]


class Text(str):
    """A text that the prompt and a notebook show as it prints."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows with plain values, None for NaN.

    Parameters
    ----------
    frame : DataFrame

    Returns
    -------
    list of dict
    """
    return [
        {key: plain_value(value) for key, value in row.items()}
        for row in frame.to_dict(orient="records")
    ]


def plain_value(value: Any) -> Any:
    """A Python value for one of numpy's, None for what is not finite."""
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not np.isfinite(value) else value


def as_dict(comparison: Comparison) -> dict[str, Any]:
    """Everything that a comparison says, as `Comparison.to_dict` gives it.

    Parameters
    ----------
    comparison : Comparison

    Returns
    -------
    dict
        Lists, dicts, texts and numbers alone.
    """
    return {
        "target": comparison.target_name,
        "task": comparison.task,
        "scoring": comparison.scoring,
        "baseline": comparison.baseline_,
        "best": comparison.best_,
        "recommended": comparison.recommendation_.name,
        "recommendation": f"{comparison.recommendation_.headline} {comparison.recommendation_.details}",
        "beats_dummy": comparison.verdict_.beats_dummy,
        "pays": comparison.verdict_.pays,
        "costs": comparison.verdict_.costs,
        "cannot_be_told_apart": comparison.verdict_.undecided,
        "level_with_best": comparison.verdict_.level_with_best,
        "prefer": comparison.verdict_.prefer,
        "advice": [
            {"rule": a.rule, "agrees": a.agrees, "text": a.text} for a in comparison.verdict_.advice
        ],
        "diagnosis": [
            {
                "title": f.title,
                "ok": plain_value(f.ok),
                "text": f.text,
                "figures": {k: plain_value(v) for k, v in f.figures.items()},
            }
            for f in comparison.diagnosis_.findings
        ],
        "summary": comparison.summary(),
        "notes": comparison.notes_,
        "method": comparison.method_,
        "contenders": records(comparison.contenders().reset_index()),
        "candidates": records(comparison.frame().reset_index()),
        "folds": records(comparison.folds()),
        "strengths": records(comparison.strengths()),
    }
