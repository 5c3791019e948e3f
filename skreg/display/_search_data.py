"""Read a fitted search: the one place of the displays that knows its attributes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from ._style import COLORS

#: A look for each fate of a setting: shape and filling tell them apart as colour does.
FATES = {
    "given up": {"color": COLORS["grey"], "marker": "o", "markerfacecolor": "none"},
    "finished": {"color": COLORS["blue"], "marker": "s", "markerfacecolor": "none"},
    "in the ensemble": {
        "color": COLORS["vermillion"],
        "marker": "D",
        "markerfacecolor": COLORS["vermillion"],
    },
}


def check_search(search: Any) -> None:
    """Raise an error for what is no fitted search of this package."""
    if not hasattr(search, "knob_importance"):
        raise TypeError(
            f"search is a {type(search).__name__}, not a search of skreg. Pass a fitted "
            "RegularizedMLPClassifierCV or RegularizedMLPRegressorCV; for one of scikit-learn's there is "
            "ValidationPathDisplay.from_search."
        )
    check_is_fitted(search)


def fates(search):
    """What became of each setting: its state, its weight in the ensemble and its score.

    Parameters
    ----------
    search : estimator
        A fitted search.

    Returns
    -------
    DataFrame of shape (n_settings, 4)
        The columns ``fate`` (a key of `FATES`, or "failed"), ``weight``, ``score`` and ``loss``.
    """
    results = search.cv_results_
    weight = np.zeros(len(results["params"]))
    weight[search.ensemble_["setting"]] = search.ensemble_["weight"]
    fate = np.where(results["state"] == "lost", "given up", results["state"])
    return pd.DataFrame(
        {
            "fate": np.where(weight > 0, "in the ensemble", fate),
            "weight": weight,
            "score": results["pooled_test_score"],
            "loss": results["loss"],
        }
    )
