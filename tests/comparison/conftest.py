"""Comparisons made of given scores: no model is fitted."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from skreg.comparison import Comparison

KINDS = {
    "dummy": "dummy",
    "linear L2": "linear",
    "linear L1": "linear",
    "plain net": "net",
    "+ dropout": "net",
    "+ L1": "net",
    "+ L2": "net",
    "bagged net": "ensemble",
}


def folds_from(scores, *, n_train=400, n_test=100, **columns):
    """Long form of a dict of test scores by candidate."""
    rows = []
    for name, values in scores.items():
        for fold, score in enumerate(values):
            row = {
                "candidate": name,
                "repeat": fold // 5,
                "fold": fold % 5,
                "test_score": score,
                "train_score": score + 0.05,
                "log_loss": np.nan,
                "strength": "",
                "epochs": np.nan,
                "zero_share": np.nan,
                "n_features_used": np.nan,
                "n_train": n_train,
                "n_test": n_test,
                "error": "",
            }
            row.update({key: values[name][fold] for key, values in columns.items()})
            rows.append(row)
    return pd.DataFrame(rows)


@pytest.fixture
def make_comparison():
    def make(scores, **options):
        columns = options.pop("columns", {})
        options = {
            "task": "classification",
            "scoring": "accuracy",
            "baseline": "plain net",
            **options,
        }
        kinds = {name: KINDS.get(name, "own") for name in scores}
        return Comparison(folds_from(scores, **columns), kinds, **options)

    return make


@pytest.fixture
def scores():
    """Ten splits: dropout pays, L1 costs, L2 cannot be told apart from the plain net."""
    noise = np.random.RandomState(0).normal(scale=0.004, size=(4, 10))
    base = 0.80 + np.random.RandomState(1).normal(scale=0.02, size=10)
    return {
        "dummy": np.full(10, 0.5),
        "plain net": base,
        "+ dropout": base + 0.05 + noise[0],
        "+ L1": base - 0.06 + noise[1],
        "+ L2": base + 0.001 + noise[2],
        "linear L2": base + 0.048 + noise[3],
    }
