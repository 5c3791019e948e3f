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

import pandas as pd

import skreg
from benchmarks.__main__ import DOCS, RESULTS
from benchmarks.protocol import folder_tables
from benchmarks.rst import head, heading, table
from benchmarks.timing import machine
from skreg.comparison import default_candidates

FILE = RESULTS / "verdicts.csv"
UNDECIDED = "cannot be told apart"


def judge_table(entry, rows, seed, time_limit):
    """The comparison of one table as rows: what stands in its frame, and the verdict's names."""
    X, y = entry.read()
    about = {"dataset": entry.name, "task": entry.task, "n": min(len(X), rows), "n_all": len(X)}
    if len(X) > rows:
        X = X.sample(rows, random_state=seed)
        y = y.loc[X.index]
    # which knob pays: what else one could take is another question
    task = "regression" if entry.task == "regression" else "classification"
    knobs = [name for name, own in default_candidates(task).items() if own.role != "contender"]
    began = time.perf_counter()
    with warnings.catch_warnings(action="ignore"):
        result = skreg.compare(
            X, y, candidates=knobs, random_state=seed, time_limit=time_limit, diagnose=False
        )
    frame = result.frame().drop(columns=["seconds"])
    for i, (name, value) in enumerate(about.items()):
        frame.insert(i, name, value)
    took = round(time.perf_counter() - began, 1)
    return frame.assign(best=result.best_, took=took, notes=" ".join(result.notes_)).reset_index()


def measure(options):
    """Compare on each table that is not in the file yet."""
    known = set(pd.read_csv(FILE)["dataset"]) if FILE.exists() else set()
    for entry in folder_tables(options.data):
        if entry.name in known or (options.tables and entry.name not in options.tables.split(",")):
            continue
        found = judge_table(entry, options.rows, options.seed, options.time_limit)
        found.to_csv(FILE, mode="a", header=not FILE.exists(), index=False, float_format="%.5g")
        print(f"{entry.name}: best {found['best'][0]}, {found['took'][0]:.0f} s", flush=True)
    defaults = skreg.RegularizedMLPClassifier().get_params()
    about = {name: getattr(options, name) for name in ("rows", "seed", "time_limit")}
    about["net"] = {name: defaults[name] for name in ("numeric_embedding", "ema_decay")}
    FILE.with_suffix(".json").write_text(json.dumps({"machine": machine(), **about}))


def _knobs(part, verdict):
    """Candidates of one verdict with their difference to the plain net, largest first."""
    part = part[part["verdict"] == verdict].sort_values("difference", ascending=verdict == "costs")
    return ", ".join(f"{r.candidate} {r.difference:+.3f}" for r in part.itertuples()) or "none"


def by_table(results):
    """One line a table: the best, what pays, what costs, how many cannot be told apart."""
    for name, part in results.groupby("dataset", sort=True):
        first, plain = part.iloc[0], part[part["verdict"] == "baseline"]["mean_score"]
        yield (
            *(name, first["task"], first["n"]),
            f"{plain.iloc[0]:.3f}" if len(plain) else "failed",
            f"{first['best']} {part['mean_score'].max():.3f}",
            *(_knobs(part, "pays"), _knobs(part, "costs")),
            int((part["verdict"] == UNDECIDED).sum()),
        )


def by_candidate(results):
    """One line a candidate, over the tables: how often it pays, costs, or cannot be told apart."""
    rows = results[~results["candidate"].isin(_references(results))].groupby("candidate")
    order = rows["difference"].median().sort_values(ascending=False)
    for name, part in ((name, rows.get_group(name)) for name in order.index):
        counts = [int((part["verdict"] == kind).sum()) for kind in ("pays", "costs", UNDECIDED)]
        best = int((part["best"] == name).sum())
        yield name, len(part), best, *counts, f"{order[name]:+.3f}"


def _references(results):
    """What candidates are compared with."""
    return results.loc[results["verdict"].isin(["baseline", "dummy"]), "candidate"]


def page(results, about):
    """The page, from the rows of all tables."""
    limit, count = about["time_limit"], results["dataset"].nunique()
    net = " and ".join(f"``{name}={value!r}``" for name, value in about["net"].items())
    decided = results[~results["candidate"].isin(_references(results))]["verdict"]
    share = (decided.dropna() == UNDECIDED).mean()
    return (
        head(
            "Which knob pays",
            f"``skreg compare`` with its default candidates on {count} tables, at most "
            f"{about['rows']:,} rows drawn of each, seed {about['seed']}"
            + (f", aiming at {limit:g} seconds a table" if limit else "")
            + ". Differences are those of the score (balanced accuracy for classes, R2 for numbers) to "
            "the plain net; *pays* and *costs* are certain at a family level of 5 % (corrected "
            "resampled t-test, p-values corrected for the number of tests), all others cannot be told "
            f"apart from the plain net. Nets with {net}.",
            about["machine"],
        )
        + heading("By candidate")
        + table(
            ("candidate", "tables", "best", "pays", "costs", UNDECIDED, "median difference"),
            by_candidate(results),
        )
        + f"\nOf all these verdicts {share:.0%} are that the two cannot be told apart.\n"
        + heading("By table")
        + table(
            ("table", "task", "rows", "plain net", "best", "pays", "costs", UNDECIDED),
            by_table(results),
        )
    )


def main():
    """Measure and write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.verdicts")
    parser.add_argument("--data", help="folder of the tables, with INDEX.csv")
    parser.add_argument("--rows", type=int, default=10_000, help="rows of a table at most (10,000)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--time-limit", type=float, help="seconds to aim at for each table")
    parser.add_argument("--tables", help="names, separated by commas (all)")
    parser.add_argument("--page", action="store_true", help="only write the page")
    options = parser.parse_args()
    if not options.page:
        if options.data is None:
            parser.error("--data DIR is needed to measure; --page writes the page alone.")
        measure(options)
    about = json.loads(FILE.with_suffix(".json").read_text())
    (DOCS / "verdicts.rst").write_text(page(pd.read_csv(FILE), about))


if __name__ == "__main__":
    main()
