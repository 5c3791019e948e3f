"""The file of results: a row per table, seed and method, and beside it what it was run on.

Beside ``results.csv`` stands ``results.json`` with the machines, the methods run on each of them,
and which half each table of the folder belongs to.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pandas as pd

#: What tells a row from all others.
KEY = ["dataset", "seed", "method"]
COLUMNS = ("dataset", "task", "n_train", "d", "seed", "method", "score", "logloss", "auc")
COLUMNS += ("fit_s", "predict_s", "peak_mb", "epochs", "error")
#: Columns that came later; files without them are read too, and go on without them.
OPTIONAL = {"peak_mb", "epochs"}
#: Digits after the point that are kept; scores to more than any test set resolves.
DIGITS = {
    **dict.fromkeys(("score", "logloss", "auc"), 6),
    **dict.fromkeys(("fit_s", "predict_s"), 4),
    **dict.fromkeys(("peak_mb", "epochs"), 1),
}


class ResultsFile:
    """Rows that are written one by one as they come, so that a run can be broken off and resumed.

    The file is made at the first row. ValueError where its name does not end in ``.csv``, or where it
    has other columns.
    """

    def __init__(self, path):
        self.path = Path(path)
        if self.path.suffix != ".csv":
            raise ValueError(f"Results are kept in a file that ends in .csv, got {str(path)!r}.")
        self.columns, self.done = COLUMNS, set()
        if self.path.exists():
            self.columns = list(pd.read_csv(self.path, nrows=0))
            self.done = set(read(self.path)[KEY].itertuples(index=False, name=None))

    def drop_errors(self):
        """Take out the rows that ended in an error, so that they are run again."""
        if self.path.exists():
            rows = pd.read_csv(self.path, dtype=str, keep_default_na=False)
            rows[rows["error"] == ""].to_csv(self.path, index=False, lineterminator="\n")
            self.__init__(self.path)

    def append(self, row):
        """Write a row; what it does not hold is left empty."""
        new = not self.path.exists()
        with self.path.open("a", newline="") as file:
            writer = csv.DictWriter(file, self.columns, lineterminator="\n")
            if new:
                writer.writeheader()
            writer.writerow({name: _text(name, row.get(name)) for name in self.columns})
        self.done.add(tuple(row[name] for name in KEY))


def _text(name, value):
    if value is None:
        return ""
    return f"{value:.{DIGITS[name]}f}" if name in DIGITS else value


def read(path):
    """Rows of a file of results as a DataFrame; ValueError where its columns are others."""
    rows = pd.read_csv(path, dtype={"error": object, "method": str, "dataset": str})
    if set(COLUMNS) - OPTIONAL - set(rows) or set(rows) - set(COLUMNS):
        raise ValueError(
            f"{path} has the columns {', '.join(rows)}; a file of results has "
            f"{', '.join(COLUMNS)}. Give another --out, or another file."
        )
    return rows.reindex(columns=list(COLUMNS))


def note_run(path, *, data, halves, machine, methods, seeds):
    """Keep what a run is made on, before its first row: a machine has one entry.

    `data` is the name of the folder, or "bundled", `halves` those of the whole of it. ValueError where
    the results were begun on other tables.
    """
    notes_path = Path(path).with_suffix(".json")
    notes = read_notes(path) if notes_path.exists() else {"runs": []}
    if notes.get("halves", halves) != halves:
        raise ValueError(
            f"{path} was begun on the tables of {notes['data']!r}, which are not those of {data!r} "
            "as they are now. Give another --out."
        )
    run = next((run for run in notes["runs"] if run["machine"] == machine), None)
    if run is None:
        run = {"machine": machine, "methods": [], "seeds": []}
        notes["runs"].append(run)
    run["methods"] += [method for method in methods if method not in run["methods"]]
    run["seeds"] = sorted({*run["seeds"], *seeds})
    kept = {"data": data, "halves": halves, "runs": notes["runs"]}
    notes_path.write_text(json.dumps(kept, indent=1) + "\n")


def read_notes(path):
    """What results were run on: data, halves and runs (machine, methods, seeds)."""
    notes = Path(path).with_suffix(".json")
    if not notes.exists():
        raise FileNotFoundError(
            f"{notes} is missing, which says what {path} was run on. It is written by "
            "the command that measures; keep the two together."
        )
    return json.loads(notes.read_text())
