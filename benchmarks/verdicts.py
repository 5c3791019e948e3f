"""Which knob pays, table by table: ``python -m benchmarks.verdicts --data DIR``.

A row per table and candidate is kept in ``results/verdicts.csv``; tables that are there already are
skipped, so that a run can be broken off and resumed. The page docs/benchmarks/verdicts.rst is written
from that file at the end, or alone with ``--page``.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from pathlib import Path

import pandas as pd

import skreg
from benchmarks.__main__ import DOCS, RESULTS
from benchmarks.pages import head, table
from benchmarks.protocol import folder_tables
from benchmarks.timing import machine

FILE = RESULTS / "verdicts.csv"


def judge_table(entry, rows, seed, time_limit):
    """The comparison of one table as rows: what stands in its frame, and the verdict's names."""
    X, y = entry.read()
    n = len(X)
    if n > rows:
        drawn = X.sample(rows, random_state=seed).index
        X, y = X.loc[drawn], y.loc[drawn]
    began = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = skreg.compare(X, y, random_state=seed, time_limit=time_limit, diagnose=False)
    seconds = time.perf_counter() - began
    frame = result.frame().drop(columns=["seconds"])
    frame.insert(0, "dataset", entry.name)
    frame.insert(1, "task", entry.task)
    frame.insert(2, "n", len(X))
    frame.insert(3, "n_all", n)
    frame["best"] = result.best_
    frame["took"] = round(seconds, 1)
    frame["notes"] = " ".join(result.notes_)
    return frame.reset_index()


def measure(folder, rows, seed, time_limit, names):
    """Compare on each table that is not in the file yet."""
    known = set(pd.read_csv(FILE)["dataset"]) if FILE.exists() else set()
    for entry in folder_tables(folder):
        if entry.name in known or (names and entry.name not in names):
            continue
        found = judge_table(entry, rows, seed, time_limit)
        found.to_csv(FILE, mode="a", header=not FILE.exists(), index=False, float_format="%.5g")
        print(f"{entry.name}: best {found['best'][0]}, {found['took'][0]:.0f} s", flush=True)
    about = {"machine": machine(), "rows": rows, "seed": seed, "time_limit": time_limit}
    defaults = skreg.RegularizedMLPClassifier().get_params()
    about["net"] = {name: defaults[name] for name in ("numeric_embedding", "ema_decay")}
    FILE.with_suffix(".json").write_text(json.dumps(about))


def _signed(value):
    return f"{value:+.3f}"


def _knobs(part, verdict):
    """Candidates of one verdict with their difference to the plain net, largest first."""
    part = part[part["verdict"] == verdict].sort_values("difference", ascending=verdict == "costs")
    return ", ".join(f"{r.candidate} {_signed(r.difference)}" for r in part.itertuples()) or "none"


def by_table(results):
    """One line a table: the best, what pays, what costs, how many cannot be told apart."""
    rows = []
    for name, part in results.groupby("dataset", sort=True):
        plain = part[part["verdict"] == "baseline"]
        rows.append(
            (
                name,
                part["task"].iloc[0],
                part["n"].iloc[0],
                f"{plain['mean_score'].iloc[0]:.3f}" if len(plain) else "failed",
                f"{part['best'].iloc[0]} {part['mean_score'].max():.3f}",
                _knobs(part, "pays"),
                _knobs(part, "costs"),
                int((part["verdict"] == "cannot be told apart").sum()),
            )
        )
    return rows


def by_candidate(results):
    """One line a candidate: over the tables, how often it pays, costs, or cannot be told apart."""
    rows = []
    for name, part in results.groupby("candidate"):
        counts = part["verdict"].value_counts()
        if counts.get("baseline", 0) or counts.get("dummy", 0):
            continue
        rows.append(
            (
                name,
                len(part),
                int((part["best"] == name).sum()),
                int(counts.get("pays", 0)),
                int(counts.get("costs", 0)),
                int(counts.get("cannot be told apart", 0)),
                _signed(part["difference"].median()),
            )
        )
    return sorted(rows, key=lambda row: -float(row[-1]))


def page(results, about):
    """The page, from the rows of all tables."""
    limit = about["time_limit"]
    count = results["dataset"].nunique()
    text = head(
        "Which knob pays",
        f"``skreg compare`` with its default candidates on {count} tables, at most "
        f"{about['rows']:,} rows drawn of each, seed {about['seed']}"
        + (f", aiming at {limit:g} seconds a table" if limit else "")
        + ". Differences are those of the score (balanced accuracy for classes, R2 for numbers) to "
        "the plain net; *pays* and *costs* are certain at a family level of 5 % (corrected resampled "
        "t-test, p-values corrected for the number of tests), all others cannot be told apart from "
        "the plain net. Nets with "
        + " and ".join(f"``{name}={value!r}``" for name, value in about["net"].items())
        + ".",
        about["machine"],
    )
    text += "By candidate\n------------\n\n" + table(
        (
            "candidate",
            "tables",
            "best",
            "pays",
            "costs",
            "cannot be told apart",
            "median difference",
        ),
        by_candidate(results),
    )
    undecided = results[results["verdict"].isin(["pays", "costs", "cannot be told apart"])]
    share = (undecided["verdict"] == "cannot be told apart").mean()
    text += f"\nOf all these verdicts {share:.0%} are that the two cannot be told apart.\n\n"
    text += "By table\n--------\n\n" + table(
        ("table", "task", "rows", "plain net", "best", "pays", "costs", "cannot be told apart"),
        by_table(results),
    )
    return text


def main():
    """Measure and write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.verdicts")
    parser.add_argument("--data", type=Path, help="folder of the tables, with INDEX.csv")
    parser.add_argument("--rows", type=int, default=10_000, help="rows of a table at most (10,000)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--time-limit", type=float, help="seconds to aim at for each table")
    parser.add_argument("--tables", help="names, separated by commas (all)")
    parser.add_argument("--page", action="store_true", help="only write the page")
    options = parser.parse_args()
    if not options.page:
        if options.data is None:
            parser.error("--data DIR is needed to measure; --page writes the page alone.")
        names = set(options.tables.split(",")) if options.tables else None
        RESULTS.mkdir(exist_ok=True)
        measure(options.data, options.rows, options.seed, options.time_limit, names)
    about = json.loads(FILE.with_suffix(".json").read_text())
    (DOCS / "verdicts.rst").write_text(page(pd.read_csv(FILE), about))


if __name__ == "__main__":
    main()
