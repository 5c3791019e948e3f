"""What `benchmarks.defaults` found, in numbers: settings against the default over many tables.

Scores are normalised between the worst and the best of fixed peers on each table, so that tables
can be averaged and no setting moves the scale of another. Differences to the default net are taken
on equal table and seed and averaged over seeds; the tables are what the intervals count.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from benchmarks.default_settings import DEFAULT, SETTINGS, base
from benchmarks.ranking import TIE
from skreg.comparison.statistics import corrected_resampled_t, holm

COLUMNS = (
    "dataset",
    "task",
    "n_train",
    "d",
    "seed",
    "setting",
    "score",
    "logloss",
    "auc",
    "epochs",
    "seconds",
    "error",
)
#: Normalised scores are cut here, so that one hopeless fit, or one table on which all peers are
#: alike, cannot outweigh all others; a failure counts as the lower one.
LOWEST, HIGHEST = -1.0, 1.5


def peer_ranges(peers):
    """Worst and best score of the peers on each table, medians over their seeds.

    Parameters
    ----------
    peers : DataFrame
        dataset, method, score; a row without a score is of a method that failed, and left out.

    Returns
    -------
    DataFrame
        worst, best and peers (names, with blanks between) by dataset.

    Raises
    ------
    ValueError
        Where a column is missing.
    """
    missing = {"dataset", "method", "score"} - set(peers)
    if missing:
        raise ValueError(
            f"The file of peers has no column {', '.join(sorted(missing))}. It takes dataset, "
            "method and score."
        )
    scores = peers.dropna(subset="score").groupby(["dataset", "method"])["score"].median()
    tables = scores.reset_index("method").groupby("dataset")
    return pd.DataFrame(
        {
            "worst": tables["score"].min(),
            "best": tables["score"].max(),
            "peers": tables["method"].agg(" ".join),
        }
    )


def normalised(rows, ranges):
    """Score of each row between the worst (0) and the best (1) of the peers, cut.

    Parameters
    ----------
    rows : DataFrame
        dataset, score, error.
    ranges : DataFrame
        As `peer_ranges` gives them.

    Returns
    -------
    Series
        In [-1, 1.5]; -1 for a failure, NaN where the peers of a table are missing or all alike.

    Examples
    --------
    >>> import pandas as pd
    >>> from benchmarks.default_scores import normalised
    >>> rows = pd.DataFrame({"dataset": "a", "score": [0.6, 0.8, 0.1], "error": None})
    >>> ranges = pd.DataFrame({"worst": [0.5], "best": [0.7]}, index=["a"])
    >>> normalised(rows, ranges).round(2).tolist()
    [0.5, 1.5, -1.0]
    """
    found = ranges.reindex(rows["dataset"]).set_axis(rows.index)
    spread = (found["best"] - found["worst"]).where(lambda width: width > TIE)
    share = ((rows["score"] - found["worst"]) / spread).clip(LOWEST, HIGHEST)
    return share.mask(rows["error"].notna() & spread.notna(), LOWEST)


def differences(rows, column, setting):
    """A setting minus what it is compared with, by table: the mean over the seeds that both have.

    Parameters
    ----------
    rows : DataFrame
        dataset, seed, setting and the column.
    column, setting : str

    Returns
    -------
    Series of shape (tables,)
    """
    pairs = rows.pivot(index=["dataset", "seed"], columns="setting", values=column)
    return (pairs[setting] - pairs[base(setting)]).dropna().groupby("dataset").mean()


def compare(rows, against=DEFAULT):
    """Every setting against what it is compared with.

    Parameters
    ----------
    rows : DataFrame
        Results with the column share (`normalised`), of the tables that are compared.
    against : {"default", "plain"}, default="default"
        Only settings that are compared with this.

    Returns
    -------
    DataFrame
        By setting, the best difference first, `against` among them with a difference of 0:
        tables, score (mean normalised score over its tables), difference, low, high (95 % interval
        of the paired t-test over tables), p (after Holm over all settings), wins, losses, and
        loss, loss_low, loss_high for the log loss (NaN without classes).
    """
    rows = rows[
        rows["setting"].isin(shared_settings(rows)) & (rows["setting"].map(base) == against)
    ]
    found = {name: _against_base(rows, name) for name in rows["setting"].unique()}
    out = pd.DataFrame.from_dict(found, orient="index")
    out["p"] = holm(out["p"].to_numpy(dtype=float))
    # What is compared with before settings that never differ from it.
    first = (out.index != against).astype(int)
    return (
        out.assign(first=first)
        .sort_values(["difference", "first"], ascending=[False, True])
        .drop(columns="first")
    )


def shared_settings(rows):
    """Settings that every kind of table at hand has, so that their means are of the same tables."""
    kinds = {
        "classifier": rows["task"].ne("regression"),
        "regressor": rows["task"].eq("regression"),
    }
    return [
        name
        for name in rows["setting"].unique()
        if all(
            getattr(SETTINGS[name], kind) is not None for kind, has in kinds.items() if has.any()
        )
    ]


def _against_base(rows, setting):
    own = rows[rows["setting"] == setting]
    score = own.groupby("dataset")["share"].mean().mean()
    change = differences(rows, "share", setting)
    loss = differences(rows, "logloss", setting)
    test, loss_test = _paired_t(change), _paired_t(loss)
    return {
        "tables": len(change),
        "score": score,
        "difference": test.difference,
        "low": test.low,
        "high": test.high,
        "p": np.nan if setting == base(setting) else test.p_value,
        "wins": int((change > TIE).sum()),
        "losses": int((change < -TIE).sum()),
        "loss": loss_test.difference,
        "loss_low": loss_test.low,
        "loss_high": loss_test.high,
    }


def _paired_t(values):
    """The ordinary paired t-test: tables share no rows, so that there is nothing to correct."""
    return corrected_resampled_t(values if len(values) else [np.nan], 0.0)
