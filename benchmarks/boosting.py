"""What stands in front of gradient boosting: ``python -m benchmarks.boosting --data DIR``.

On each table with categories, scikit-learn's histogram gradient boosting behind what `skreg.compare` puts
there, and behind skrub's ``tabular_pipeline``: scores and processor seconds of five folds, with one thread.
"""

from __future__ import annotations

import argparse
import time
import warnings

import pandas as pd
from sklearn.model_selection import cross_val_score
from skrub import tabular_pipeline
from threadpoolctl import threadpool_limits

from benchmarks.protocol import folder_tables
from skreg.comparison.boosting import boosting, boosting_for


def rows_of(entry, rows):
    """Scores and seconds of both on one table; nothing for a table of numbers alone."""
    X, y = entry.read()
    if all(pd.api.types.is_numeric_dtype(dtype) for dtype in X.dtypes):
        return
    if len(X) > rows:
        X = X.sample(rows, random_state=0)
        y = y.loc[X.index]
    task = "regression" if entry.task == "regression" else "classification"
    scoring = "r2" if task == "regression" else "balanced_accuracy"
    models = {
        "scikit-learn": boosting_for(X, task),
        "skrub": tabular_pipeline(boosting(task, categorical_features="from_dtype")),
    }
    for name, model in models.items():
        began = time.process_time()
        with warnings.catch_warnings(action="ignore"), threadpool_limits(1):
            scores = cross_val_score(model, X, y, cv=5, scoring=scoring, error_score="raise")
        took = time.process_time() - began
        yield {
            "dataset": entry.name,
            "front": name,
            "score": scores.mean(),
            "spread": scores.std(ddof=1),
            "seconds": took,
        }


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.boosting")
    parser.add_argument("--data", required=True, help="folder of the tables, with INDEX.csv")
    parser.add_argument("--rows", type=int, default=3000, help="rows of a table at most (3,000)")
    options = parser.parse_args()
    found = pd.DataFrame(
        row for entry in folder_tables(options.data) for row in rows_of(entry, options.rows)
    )
    wide = found.pivot(index="dataset", columns="front", values=["score", "spread", "seconds"])
    difference = wide["score"]["skrub"] - wide["score"]["scikit-learn"]
    ratio = wide["seconds"]["skrub"] / wide["seconds"]["scikit-learn"]
    print(wide.round(4).to_string())
    within = (difference.abs() < wide["spread"]["scikit-learn"]).sum()
    print(
        f"{len(wide)} tables: equal on {(difference.abs() < 1e-9).sum()}, within the spread of the folds on "
        f"{within}; seconds of skrub over those of scikit-learn: {ratio.min():.1f} to {ratio.max():.1f}"
    )


if __name__ == "__main__":
    main()
