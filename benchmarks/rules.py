"""Which rules of thumb held on the tables: ``python -m benchmarks.rules``.

docs/benchmarks/rules.rst is written from stored rows: ``results/verdicts.csv`` (of the finished study on
docs/benchmarks/verdicts.rst), ``results/dropout_rates.csv`` (``python -m benchmarks.tables``, the command
stands on the page) and ``results/rules.csv``, what the tables are like, which ``--data DIR`` writes anew.
"""

from __future__ import annotations

import argparse
import json

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from benchmarks.__main__ import DOCS, RESULTS
from benchmarks.protocol import folder_tables
from benchmarks.ranking import mean_difference, median_scores, normalised
from benchmarks.rst import head, heading, shell, table

TABLES = RESULTS / "rules.csv"
RATES = RESULTS / "dropout_rates.csv"
COMMAND = (
    "python -m benchmarks.tables --data DIR --together --seeds 0 --half choose --out rows.csv "
    "--methods skreg-raw skreg-raw:dropout=0.0 skreg-raw:dropout=0.1 skreg-raw:dropout=0.3 "
    "skreg-raw:dropout=0.5 skreg-raw:input_dropout=0.1 skreg-raw:input_dropout=0.2"
)
#: A correlation is taken for one below this probability.
SURE = 0.05


def mean_correlation(X):
    """Mean absolute correlation of two numeric columns; NaN where there are no two that vary.

    >>> import pandas as pd
    >>> mean_correlation(pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": [2.0, 4.0, 6.0], "c": [5.0, 5.0, 5.0]}))
    1.0
    """
    numbers = X.select_dtypes("number")
    numbers = numbers.loc[:, numbers.nunique() > 1]
    if numbers.shape[1] < 2:
        return float("nan")
    found = numbers.corr().abs().to_numpy()
    return float(np.nanmean(found[np.triu_indices_from(found, 1)]))


def describe_tables(folder):
    """A row a table: its columns, and how they are correlated."""
    for entry in folder_tables(folder):
        X, _ = entry.read()
        yield {"dataset": entry.name, "d": X.shape[1], "correlation": round(mean_correlation(X), 4)}


def rules(verdicts, tables):
    """A line a rule: what it says, what was set against what, Spearman's correlation, p, the answer.

    `verdicts` are the rows of ``results/verdicts.csv``, `tables` those of ``results/rules.csv``.
    """
    gain = verdicts.pivot(index="dataset", columns="candidate", values="difference")
    gap = verdicts.pivot(index="dataset", columns="candidate", values="overfit_gap")["plain net"]
    about = tables.set_index("dataset").reindex(gain.index)
    rows = verdicts.groupby("dataset")["n"].first()
    few = "The fewer rows, the more it gains"
    gapped = "The larger the gap between training and test, the more it gains"
    knobs = ("+ dropout", "+ L1", "+ L2", "+ weight decay", "bagged net")
    for name in knobs:
        yield _rule(f"{few}: {name}", "rows", rows, gain[name], sign=-1)
    for name in knobs:
        yield _rule(f"{gapped}: {name}", "gap of the plain net", gap, gain[name], sign=1)
    wide = about["d"] / rows
    for what, name in (("L1", "+ L1"), ("input dropout", "+ input dropout")):
        text = f"The more columns a row, the more {what} gains"
        yield _rule(text, "columns / rows", wide, gain[name], sign=1)
    for kind, l1, l2 in (("net", "+ L1", "+ L2"), ("linear model", "linear L1", "linear L2")):
        text = f"Correlated columns are a case for L2 rather than L1: {kind}"
        better = gain[l2] - gain[l1]
        yield _rule(text, "mean correlation of columns", about["correlation"], better, sign=1)


def _rule(text, name, x, gain, sign):
    both = pd.concat([x, gain], axis=1).dropna().to_numpy(float)
    rho, p = spearmanr(both[:, 0], both[:, 1])
    if p >= SURE:
        answer = "not seen" if rho * sign <= 0 else "leans that way, not sure"
    else:
        answer = "held" if rho * sign > 0 else "the other way round"
    return text, name, len(both), f"{rho:+.2f}", f"{p:.3f}", answer


def columns_used(verdicts):
    """Mean over tables of the share of the columns that models with L1 use, of those without it."""
    used = verdicts.pivot(index="dataset", columns="candidate", values="n_features_used")
    for name, without in (("+ L1", "plain net"), ("linear L1", "linear L2")):
        share = (used[name] / used[without]).dropna()
        yield name, without, len(share), f"{share.mean():.0%}", f"{share.min():.0%}"


#: Settings of ``results/dropout_rates.csv``, and what each is compared with.
SETTINGS = {
    "skreg-raw:dropout=0.1": ("``dropout=0.1``", "skreg-raw:dropout=0.0"),
    "skreg-raw": ("``dropout=0.2``, the default", "skreg-raw:dropout=0.0"),
    "skreg-raw:dropout=0.3": ("``dropout=0.3``", "skreg-raw:dropout=0.0"),
    "skreg-raw:dropout=0.5": ("``dropout=0.5``", "skreg-raw:dropout=0.0"),
    "skreg-raw:input_dropout=0.1": ("default and ``input_dropout=0.1``", "skreg-raw"),
    "skreg-raw:input_dropout=0.2": ("default and ``input_dropout=0.2``", "skreg-raw"),
}


def rates(rows, ranges):
    """A line a setting: its difference to the net without dropout, or of input dropout to the default.

    `ranges` are the worst and the best score of each table, by which `benchmarks.ranking.normalised`.
    """
    score = normalised(median_scores(rows), ranges)
    loss = median_scores(rows.dropna(subset=["logloss"]), "logloss")
    for name, (text, base) in SETTINGS.items():
        mean, low, high = mean_difference(score, name, base)
        gain, lost = ((part[name] - part[base]).dropna() for part in (score, loss))
        yield (
            *(text, len(gain), f"{mean:+.3f}", f"{low:+.3f} to {high:+.3f}"),
            f"{int((gain > 0).sum())} and {int((gain < 0).sum())}",
            *(f"{lost.mean():+.3f}", f"{int((lost < 0).sum())} of {len(lost)}"),
        )


def page(verdicts, tables, rows, notes, ranges):
    """The page, from stored rows."""
    halves = notes["halves"]
    text = head(
        "Which rules of thumb held",
        "Text books say which regularizer suits which data. Here such rules are set against what was "
        "measured. The first list is from the verdicts of :doc:`verdicts`: the gain of a candidate over "
        "the plain net on each table, against a property of the table, by Spearman's correlation. *Held* and "
        "*the other way round* have p below "
        f"{SURE}, not corrected for the number of rules. Written by ``python -m benchmarks.rules``.",
        notes["runs"][0]["machine"],
    )
    text += heading("Rules about data")
    text += table(
        ("rule", "against", "tables", "correlation", "p", "answer"), rules(verdicts, tables)
    )
    text += heading("Columns that are left")
    text += (
        "At the strength of L1 that scored best in the training folds, the columns with a weight that is not "
        "zero, as a share of those without L1.\n\n"
    )
    text += table(("model", "against", "tables", "mean", "least"), columns_used(verdicts))
    text += heading("Rates of dropout")
    text += (
        "The default net (two layers of 256 units, batch norm, weight decay, early stopping) with other "
        "rates, seed 0. Rates of hidden dropout are compared with no dropout, rates of input dropout with "
        "the default. Scores are normalised between the worst and the best peer of a table. Log loss is "
        "that of classes, in nats: below 0 is better. "
        f"The rows come from\n\n::\n\n{shell(COMMAND)}\nand the same with ``--half judge``.\n"
    )
    for half in ("choose", "judge"):
        part = rows[rows["dataset"].map(halves) == half]
        text += f"\nOn the half *{half}*:\n\n"
        text += table(
            (
                *("setting", "tables", "difference", "95 % interval", "better and worse on"),
                *("log loss", "log loss better on"),
            ),
            rates(part, ranges),
        )
    return text


def main():
    """Write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rules")
    parser.add_argument("--data", help="folder of the tables, with INDEX.csv: describe them anew")
    options = parser.parse_args()
    if options.data:
        pd.DataFrame(describe_tables(options.data)).to_csv(TABLES, index=False)
    notes = json.loads(RATES.with_suffix(".json").read_text())
    ranges = pd.read_csv(RESULTS / "peer_ranges.csv", index_col="dataset")
    rows = pd.read_csv(RATES, dtype={"error": object})
    text = page(pd.read_csv(RESULTS / "verdicts.csv"), pd.read_csv(TABLES), rows, notes, ranges)
    (DOCS / "rules.rst").write_text(text)


if __name__ == "__main__":
    main()
