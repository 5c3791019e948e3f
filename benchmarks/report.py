"""``python -m benchmarks.report results.csv [more.csv ...]``: results to a page with pictures.

The page is written from the stored rows alone, so that the same rows give the same page. Of a table,
seed and method that stand in several files the first file has the word.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from benchmarks import sections
from benchmarks.methods import spaced
from benchmarks.protocol import HALVES
from benchmarks.ranking import median_scores
from benchmarks.results_file import read, read_notes
from benchmarks.tables import numbers

DOCS = Path(__file__).parent.parent / "docs" / "benchmarks"


@dataclass
class Results:
    """Rows to report, and where they come from."""

    rows: pd.DataFrame  # of all files; ``given`` tells those that are not of the first one
    notes: dict  # `benchmarks.results_file.read_notes` of the first file
    half: str | None = None  # the half that the rows are restricted to
    command: str = "results.csv"  # how the page is written again
    ranges: pd.DataFrame | None = None  # between which scores are normalised

    @property
    def tasks(self):
        """Series from table to task."""
        return self.rows.drop_duplicates("dataset").set_index("dataset")["task"]


def load(paths, half=None, seeds=None):
    """Read files of results, notes beside the first; ValueError where half and seeds leave nothing."""
    notes = read_notes(paths[0])
    rows = pd.concat(
        [read(path).assign(given=i > 0) for i, path in enumerate(paths)], ignore_index=True
    ).drop_duplicates(["dataset", "seed", "method"])
    rows = rows[rows["dataset"].isin(rows.loc[~rows["given"], "dataset"])]
    if half is not None:
        rows = rows[rows["dataset"].map(notes["halves"]) == half]
    if seeds is not None:
        rows = rows[rows["seed"].isin(seeds)]
    if rows.empty:
        wanted = [f" of the half {half!r}"] if half else []
        wanted += [f" with seed {', '.join(map(str, seeds))}"] if seeds is not None else []
        raise ValueError(
            f"{paths[0]} has no row{''.join(wanted)}. Run `python -m benchmarks.tables` first, or "
            "leave --half and --seeds out."
        )
    return Results(rows, notes, half)


def write(results, reference, methods=None, *, page="tables", docs=DOCS, title=None):
    """Write the page and its pictures, and return the page's path.

    `reference` is the method whose wins are counted, `methods` what is ranked (None takes all but variants
    with parameters), `title` that of the page (None says of which tables). ValueError where a method has
    no row, or no table has all of them.
    """
    known = list(results.rows["method"].unique())
    methods = methods or [name for name in known if ":" not in name]
    for name in (reference, *methods):
        if name not in known:
            raise ValueError(f"There is no row of {name!r}. Methods are {', '.join(known)}.")
    rows = results.rows[results.rows["method"].isin([*methods, reference])]
    rows, reference = rows.assign(method=rows["method"].map(spaced)), spaced(reference)
    every = median_scores(rows)
    # Only tables on which all of them were run can be ranked.
    scores = every.dropna()
    if scores.empty:
        raise ValueError(
            f"No table has rows of all of {', '.join(sorted(scores.columns))}. Run the missing "
            "ones, or choose fewer by --methods."
        )
    left_out = sorted(set(every.index) - set(scores.index))
    results = replace(results, rows=rows[rows["dataset"].isin(scores.index)])
    docs = Path(docs)
    docs.mkdir(parents=True, exist_ok=True)
    parts = [
        sections.introduction(results, left_out, title),
        sections.ranking(results, scores, docs / f"{page}-ranks.svg"),
        sections.duels(results, scores, reference),
        sections.time(results, scores, docs / f"{page}-time.svg"),
        sections.failures(results),
        sections.numbers(results, scores),
        sections.runs(results),
    ]
    path = docs / f"{page}.rst"
    path.write_text("".join(parts))
    return path


def main(arguments=None):
    """Read, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.report")
    add = parser.add_argument
    add("results", nargs="+", help="files of python -m benchmarks.tables")
    add("--reference", default="skreg", help="whose wins are counted (skreg)")
    add("--methods", nargs="+", help="what is ranked; else all but variants")
    add("--half", choices=HALVES, help="only one half of the tables")
    add("--seeds", type=numbers, help="only these, such as 0,1,2")
    add(
        "--ranges",
        help="file of dataset, worst and best: scores are normalised between these, not between "
        "the worst and the best of the methods at hand",
    )
    add("--page", default="tables", help="name of the page (tables)")
    add("--title", help="title of the page")
    add("--docs", default=DOCS, help="folder of the page (docs/benchmarks)")
    options = parser.parse_args(arguments)
    try:
        results = load(options.results, options.half, options.seeds)
        if options.ranges:
            results.ranges = pd.read_csv(options.ranges, index_col="dataset")
        results.command = _again(options)
        files = {name: getattr(options, name) for name in ("page", "docs", "title")}
        path = write(results, options.reference, options.methods, **files)
    except (ValueError, OSError) as error:
        sys.exit(f"python -m benchmarks.report: {error}")
    print(path)


def _again(options):
    """What was asked for, without the folders of this machine."""
    words = [Path(path).name for path in options.results]
    words += ["--ranges", Path(options.ranges).name] if options.ranges else []
    words += ["--half", options.half] if options.half else []
    words += ["--seeds", ",".join(map(str, options.seeds))] if options.seeds else []
    words += ["--reference", options.reference] if options.reference != "skreg" else []
    words += ["--methods", *options.methods] if options.methods else []
    return " ".join(f'"{word}"' if " " in word else word for word in words)


if __name__ == "__main__":
    main()
