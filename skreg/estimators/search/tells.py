"""What a search tells of its settings, in GridSearchCV's layout and as tables."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.ma import MaskedArray
from scipy.stats import rankdata


def results_table(trials):
    """``cv_results_``: one entry a setting, in the order in which they were tried."""
    n = len(trials)
    table = {}
    for name, values in (
        ("fit", [trial.fit_seconds for trial in trials]),
        ("score", [trial.score_seconds for trial in trials]),
    ):
        table[f"mean_{name}_time"] = np.array([np.mean(v) if v else 0.0 for v in values])
        table[f"std_{name}_time"] = np.array([np.std(v) if v else 0.0 for v in values])
    for name in sorted({name for trial in trials for name in trial.setting}):
        table[f"param_{name}"] = _masked([trial.setting for trial in trials], name)
    table["params"] = [trial.setting for trial in trials]
    splits = max((len(trial.split_scores) for trial in trials), default=0)
    scores = np.full((splits, n), np.nan)
    for i, trial in enumerate(trials):
        if trial.split_scores:
            scores[:, i] = trial.split_scores
    for k in range(splits):
        table[f"split{k}_test_score"] = scores[k]
    table["mean_test_score"] = scores.mean(axis=0)
    table["std_test_score"] = scores.std(axis=0)
    pooled = np.array([trial.score for trial in trials])
    table["pooled_test_score"] = pooled
    worst = np.where(np.isfinite(pooled), pooled, -np.inf)
    table["rank_test_score"] = rankdata(-worst, method="min").astype(np.int32)
    table["loss"] = np.array([trial.loss for trial in trials])
    table["rung"] = np.array([trial.rung for trial in trials])
    table["state"] = np.array([trial.state for trial in trials])
    table["n_epochs"] = np.array([trial.epochs[-1] if trial.epochs else 0 for trial in trials])
    return table


def history_table(trials):
    """``history_``: the losses of all settings, at each rung and at the end of their training."""
    rows = [
        (trial.number, rung, epoch, seconds, loss)
        for trial in trials
        for rung, (epoch, seconds, loss) in enumerate(
            zip(trial.epochs, trial.times, trial.losses, strict=True)
        )
    ]
    return pd.DataFrame(rows, columns=["setting", "rung", "epoch", "seconds", "loss"])


def _masked(settings, name):
    values = np.empty(len(settings), dtype=object)
    mask = np.ones(len(settings), dtype=bool)
    for i, setting in enumerate(settings):
        if name in setting:
            values[i], mask[i] = setting[name], False
    return MaskedArray(values, mask=mask, fill_value="?")


def ensemble_table(chosen):
    """``ensemble_``: the settings of the ensemble, those of the largest weight first.

    Parameters
    ----------
    chosen : list of (Trial, float)
        With their weights.
    """
    rows = [
        {"setting": trial.number, "weight": weight, "score": trial.score, "params": trial.setting}
        for trial, weight in chosen
    ]
    table = pd.DataFrame(rows).sort_values(["weight", "score"], ascending=False)
    return table.reset_index(drop=True)
