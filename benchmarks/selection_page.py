"""The page on the selection of columns."""

from __future__ import annotations

import numpy as np
import pandas as pd

from benchmarks.rst import head, heading, table
from benchmarks.selection import BOUND_SEEDS, COLUMNS, KINDS, METHODS, PFER, SIZES, USEFUL

#: What each kind of table is.
ABOUT = {
    "linear": "the sum of five columns, with signs",
    "blocks": "the same, where the columns come in blocks of ten with correlations of 0.7 and one of a block "
    "is used",
    "products": "x1 x2 + x3 x4 + x4 x5, in which no column by itself has an effect",
    "sines": "the sum of sin(2 x) of five columns",
}

#: What each method is.
TOLD = {
    "group_l1": "``feature_path(X, y, cv=5)``, the columns at the best strength",
    "stability": "``StabilitySelector()``, nets",
    "linear L1": "``feature_path`` of ``RegularizedLinearRegressor(l2=0)``, the best strength",
    "linear stability": "``StabilitySelector(RegularizedLinearRegressor(l2=0))``",
    "permutation": "``permutation_importance`` of the default net on a quarter of the rows, those above two "
    "standard deviations",
    "LassoNet": "``LassoNetRegressorCV`` at its defaults, one thread",
}


def page(result, machine):
    """The whole page, of a stored result."""
    rows = pd.DataFrame(result["rows"])
    kinds = "\n".join(f"* *{kind}*: {text};" for kind, text in ABOUT.items())
    methods = "\n".join(f"* *{name}*: {text};" for name, text in TOLD.items())
    text = head(
        "Which columns matter",
        f"Made tables of {COLUMNS} columns of normal numbers, {USEFUL} of which the target is made of, with "
        "noise of half the standard deviation of the signal:\n\n"
        f"{kinds[:-1]}.\n\nThe methods:\n\n{methods[:-1]}.\n\n"
        "*Recall* is the share of the five that was found, *precision* the share of what was chosen that is "
        "among them (of nothing chosen it is undefined, and such tables are left out of its mean). Seconds "
        "are those of the processor, all threads together, and of the clock in brackets; other work ran "
        "on the machine, which those of the clock show more than those of the processor. A row that is "
        "missing was not measured.",
        machine,
    )
    for n in SIZES:
        own = rows[rows["rows"] == n]
        if len(own):
            text += heading(f"{n:,} rows") + _found(own)
    return text + _bound(result) + _speed(result)


def _found(rows):
    out = []
    for kind in KINDS:
        for method in METHODS:
            own = rows[(rows["kind"] == kind) & (rows["method"] == method)]
            if not len(own):
                continue
            chosen = own["chosen"].to_numpy(dtype=float)
            precision = own["found"] / np.where(chosen > 0, chosen, np.nan)
            shown = f"{precision.mean():.2f}" if np.isfinite(precision).any() else "none chosen"
            seconds = f"{own['cpu seconds'].median():.1f} ({own['seconds'].median():.1f})"
            out.append(
                (
                    *(kind, method, len(own), f"{own['found'].mean() / USEFUL:.2f}", shown),
                    *(f"{chosen.mean():.1f}", seconds),
                )
            )
    return table(("table", "method", "tables", "recall", "precision", "chosen", "seconds"), out)


def _bound(result):
    found = pd.DataFrame(result.get("bound", []))
    if not len(found):
        return ""
    out = []
    for kind in KINDS:
        own = found[found["kind"] == kind]
        if not len(own):
            continue
        kept = int((own["false"] <= PFER).sum())
        out.append(
            (
                *(kind, len(own), f"{own['false'].mean():.2f}", int(own["false"].max())),
                *(f"{own['bound'].mean():.2f}", f"{kept} of {len(own)}"),
            )
        )
    names = ("table", "tables", "false selections, mean", "most", "bound, mean", "kept")
    return (
        heading("The bound of stability selection")
        + f"False selections of ``StabilitySelector(RegularizedLinearRegressor(l2=0), pfer={PFER:g})`` on "
        f"{BOUND_SEEDS} tables of each kind with 200 rows. The bound is one on the mean over tables; *kept* "
        f"counts single tables with no more than {PFER:g}. In blocks a neighbour of a useful column counts "
        "as false, though it carries some of its information.\n\n" + table(names, out)
    )


def _speed(result):
    speed = result.get("speed")
    if not speed:
        return ""
    return (
        heading("Time")
        + "100 half samples of 2,000 rows x 50 columns, 10 strengths, nets of one hidden layer of 32 units: "
        f"{speed['seconds']:.0f} s ({speed['cpu seconds']:.0f} s of the processor), 1,000 nets. Selected: "
        f"columns {', '.join(map(str, speed['selected']))} of a target x0 x1 + x2.\n"
    )
