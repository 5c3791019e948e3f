"""``python -m benchmarks.report results.csv [--peers peers.csv]``: results to a page with pictures.

The page is written from the stored rows alone, so that the same rows give the same page.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from benchmarks import sections
from benchmarks.protocol import HALVES
from benchmarks.ranking import median_scores
from benchmarks.results_file import read, read_notes
from benchmarks.tables import numbers

DOCS = Path(__file__).parent.parent / "docs" / "benchmarks"


@dataclass
class Results:
    """Rows to report, and where they come from.

    Attributes
    ----------
    rows : DataFrame
        Those measured, and those given of what was not measured; with peers, ``given`` tells them apart.
    given : DataFrame or None
        All given rows.
    notes : dict
        `benchmarks.results_file.read_notes`.
    half : str or None
        The half that the rows are restricted to.
    seeds : list of int or None
        The seeds that they are restricted to.
    """

    rows: pd.DataFrame
    given: pd.DataFrame | None
    notes: dict
    half: str | None
    seeds: list | None = None

    @property
    def tasks(self):
        """Series from table to task."""
        return self.rows.drop_duplicates("dataset").set_index("dataset")["task"]

    @property
    def measured(self):
        """Rows that were measured, the methods without their mark."""
        if self.given is None:
            return self.rows
        rows = self.rows[~self.rows["given"]]
        return rows.assign(method=rows["method"].str.removesuffix(sections.GIVEN))


def load(path, peers=None, half=None, seeds=None):
    """Read results and what is merged into them.

    Parameters
    ----------
    path : path-like
    peers : path-like, default=None
        Rows given for orientation. They stand in for what `path` has no row of.
    half : {"choose", "judge"} or None, default=None
    seeds : list of int or None, default=None
        None is all. Rows that are given for one seed are best compared with rows of that seed.

    Returns
    -------
    Results

    Raises
    ------
    ValueError
        Where nothing is left.
    """
    rows, notes = read(path), read_notes(path)
    if half is not None:
        rows = rows[rows["dataset"].map(notes["halves"]) == half]
    if seeds is not None:
        rows = rows[rows["seed"].isin(seeds)]
    if rows.empty:
        wanted = [f" of the half {half!r}"] if half else []
        wanted += [f" with seed {', '.join(map(str, seeds))}"] if seeds is not None else []
        raise ValueError(
            f"{path} has no row{''.join(wanted)}. Run `python -m benchmarks.tables` first, or leave "
            "--half and --seeds out."
        )
    given = None
    if peers is not None:
        given = read(peers)
        given = given[given["dataset"].isin(rows["dataset"])]
        if seeds is not None:
            given = given[given["seed"].isin(seeds)]
        rows = with_given(rows, given)
    return Results(rows, given, notes, half, seeds)


def with_given(rows, given):
    """The rows measured, and those given of what was not; methods that have any such are marked."""
    cell = ["dataset", "seed", "method"]
    measured = pd.MultiIndex.from_frame(rows[cell])
    added = given[~pd.MultiIndex.from_frame(given[cell]).isin(measured)]
    marked = {name: name + sections.GIVEN for name in added["method"].unique()}
    together = pd.concat([rows.assign(given=False), added.assign(given=True)], ignore_index=True)
    return together.assign(method=together["method"].replace(marked))


def ranked_methods(rows):
    """The methods that are ranked: neither single knobs nor variants with parameters."""
    return [name for name in rows["method"].unique() if "+" not in name and ":" not in name]


def complete(scores):
    """The tables on which every method was run, and the names of the others."""
    kept = scores.dropna()
    return kept, sorted(set(scores.index) - set(kept.index))


def write(results, reference, methods=None, *, page="tables", docs=DOCS, title=None):
    """Write the page and its pictures.

    Parameters
    ----------
    results : Results
    reference : str
        The method whose wins are counted.
    methods : list of str, default=None
        What is ranked; None takes `ranked_methods`.
    page : str, default="tables"
        Name of the files.
    docs : path-like
    title : str, default=None
        Of the page; None says of which tables.

    Returns
    -------
    Path
        Of the page.

    Raises
    ------
    ValueError
        Where a method has no row, or no table has all of them.
    """
    methods = methods or ranked_methods(results.rows)
    known = list(results.rows["method"].unique())
    for name in (reference, *methods):
        if name not in known:
            raise ValueError(f"There is no row of {name!r}. Methods are {', '.join(known)}.")
    rows = results.rows[results.rows["method"].isin([*methods, reference])]
    scores, incomplete = complete(median_scores(rows))
    if scores.empty:
        raise ValueError(
            f"No table has rows of all of {', '.join(sorted(scores.columns))}. Run the missing "
            "ones, or choose fewer by --methods."
        )
    rows = rows[rows["dataset"].isin(scores.index)]
    docs = Path(docs)
    docs.mkdir(parents=True, exist_ok=True)
    parts = [
        sections.introduction(results, scores, incomplete, title),
        sections.ranking(rows, scores, results.tasks, docs / f"{page}-ranks.svg"),
        sections.duels(rows, scores, reference),
        sections.time(rows, scores, docs / f"{page}-time.svg"),
        sections.knobs(results.rows),
        sections.repeated(results),
        sections.failures(rows),
        sections.numbers(rows, scores, results.tasks),
        sections.runs(results),
    ]
    path = docs / f"{page}.rst"
    path.write_text("".join(parts))
    return path


def main(arguments=None):
    """Read, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.report")
    parser.add_argument("results", help="file of python -m benchmarks.tables")
    parser.add_argument("--peers", help="further rows, given for orientation")
    parser.add_argument("--reference", default="skreg", help="whose wins are counted (skreg)")
    parser.add_argument("--methods", nargs="+", help="what is ranked; else all but variants")
    parser.add_argument("--half", choices=HALVES, help="only one half of the tables")
    parser.add_argument("--seeds", type=numbers, help="only these, such as 0,1,2")
    parser.add_argument("--page", default="tables", help="name of the page (tables)")
    parser.add_argument("--title", help="title of the page")
    parser.add_argument("--docs", default=DOCS, help="folder of the page (docs/benchmarks)")
    options = parser.parse_args(arguments)
    try:
        results = load(options.results, options.peers, options.half, options.seeds)
        path = write(
            results,
            options.reference,
            options.methods,
            page=options.page,
            docs=options.docs,
            title=options.title,
        )
    except (ValueError, OSError) as error:
        sys.exit(f"python -m benchmarks.report: {error}")
    print(path)


if __name__ == "__main__":
    main()
