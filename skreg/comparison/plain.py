"""Results as plain values and plain text."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

__all__ = ["Text", "plain_value", "records"]


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
