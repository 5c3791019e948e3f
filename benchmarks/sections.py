"""The sections of the page on tables: from rows and scores to reStructuredText and pictures.

`results` is a `benchmarks.report.Results`, `scores` as `benchmarks.ranking.median_scores` gives it,
with the tables that all methods have.
"""

from __future__ import annotations

import numpy as np

from benchmarks.methods import METHODS, spaced
from benchmarks.pictures import rank_diagram, save, score_against_time
from benchmarks.protocol import TASKS
from benchmarks.ranking import (
    HIGHEST,
    LOWEST,
    against,
    friedman,
    mean_difference,
    median_scores,
    normalised,
    ranks,
)
from benchmarks.rst import head, heading, shell, table
from skreg.display._style import fixed

TEXT = (
    "Tables of many kinds, methods with their defaults where the last section says nothing else. A "
    "quarter of the rows of each table is for the test, and a fit sees at most 10,000 rows. The "
    "score is the balanced accuracy for classes and R2 for numbers. Figures are medians over seeds. "
    "A method that failed on a table is the worst there."
)


def introduction(results, left_out, title=None):
    """What was compared on what, and how it is repeated."""
    rows, data = results.rows, results.notes["data"]
    counts, seeds = results.tasks.value_counts(), sorted(rows["seed"].unique())
    text = [
        TEXT,
        f"{len(results.tasks)} tables of ``{data}``: "
        + ", ".join(f"{counts.get(task, 0)} {task}" for task in TASKS)
        + f"; seeds {', '.join(map(str, seeds))}.",
    ]
    if results.half:
        text.append(
            f"Only the half *{results.half}* of the tables of each task (sorted by name, in turn): "
            "what is chosen on one half is judged on the other."
        )
    if left_out:
        text.append(f"Left out, since not every method was run on them: {', '.join(left_out)}.")
    shares = rows.groupby("method")["given"].agg(["sum", "size"]).query("sum > 0")
    if len(shares):
        text.append(
            "Rows of the other files, taken at other times and some of them on other machines: "
            + "; ".join(f"{name} {part} of {whole}" for name, part, whole in shares.itertuples())
            + ". Their seconds compare only roughly."
        )
    where, command = "--bundled" if data == "bundled" else "--data DIR", results.command
    text.append(
        f"Repeated with::\n\n   python -m benchmarks.tables {where} --out {command.split()[0]}\n"
        + shell(f"python -m benchmarks.report {command}")
    )
    if title is None:
        title = "Bundled tables" if data == "bundled" else "Tables"
        title += f", seed {seeds[0]}" if len(seeds) == 1 else ""
    return head(title, "\n\n".join(text), results.notes["runs"][0]["machine"])


def ranking(results, scores, picture):
    """Mean ranks and normalised scores, over all tables and by task; the picture of the ranks."""
    place, share = ranks(scores), normalised(scores, results.ranges)
    order = place.mean().sort_values().index
    text = heading("Ranks") + _overall(results.rows, place, share, order)
    text += "\nThe rank of the best method of a table is 1; "
    if results.ranges is None:
        text += "its normalised score is 1, that of the worst 0. "
    else:
        text += (
            "a normalised score of 0 is the worst and 1 the best of fixed peers on that table, cut at "
            f"{fixed(LOWEST, 1)}, which a failure counts, and {fixed(HIGHEST, 1)}. "
        )
    text += (
        "The peak is that of the resident memory during a fit and its prediction, above what the "
        "process held before; memory of a GPU is not in it.\n\n"
        "Mean rank, and normalised score in brackets, by task:\n\n"
    )
    text += _by_task(results.tasks, place, share, order)
    if len(order) < 3 or len(scores) < 2:
        return text
    statistic, p_value = friedman(scores)
    save(rank_diagram(place), picture)
    return (
        text
        + "\n"
        + _figure(picture, "Critical-difference diagram of the mean ranks")
        + "   Mean ranks, the best on the left. Methods under one bar cannot be told apart by the "
        "Nemenyi test at 5 % (Demšar 2006).\n\n"
        f"Friedman's test that all are alike: {statistic:.1f} on {scores.shape[1] - 1} degrees of "
        f"freedom, p {_equals(p_of(p_value))}.\n"
    )


def _overall(rows, place, share, order):
    classes = rows[rows["task"] != "regression"]
    loss = median_scores(classes, "logloss", sign=-1).dropna()
    columns = {
        "mean rank": (place.mean(), 2),
        "normalised score": (share.mean(), 3),
        "rank by log loss": (ranks(loss).mean(), 2),
        "rank by AUC": (ranks(median_scores(classes, "auc").dropna()).mean(), 2),
        "fit s, all tables": (_medians(rows, "fit_s").sum(), 1),
        "predict ms, median": (_medians(rows, "predict_s").median() * 1000, 1),
        "peak MB, median": (_medians(rows, "peak_mb").median(), 0),
    }
    return table(
        ("method", *columns),
        [
            (name, *(fixed(found.get(name, np.nan), digits) for found, digits in columns.values()))
            for name in order
        ],
    )


def _by_task(tasks, place, share, order):
    parts = {
        task: tasks.index[tasks == task].intersection(place.index)
        for task in TASKS
        if (tasks == task).any()
    }
    header = ("method", *(f"{task} ({len(part)})" for task, part in parts.items()))
    ranked = [(place.loc[part].mean(), share.loc[part].mean()) for part in parts.values()]
    rows = [(name, *(f"{r[name]:.2f} ({s[name]:.3f})" for r, s in ranked)) for name in order]
    return table(header, rows)


def duels(results, scores, reference):
    """One method against each other one."""
    found = against(scores, reference)
    if found.empty:
        return ""
    found = found.loc[ranks(scores).mean().sort_values().drop(reference).index]
    share = normalised(scores, results.ranges)
    loss = -median_scores(results.rows, "logloss", sign=-1)
    seconds = _geometric(_medians(results.rows, "fit_s"))
    return (
        heading(f"{reference} against each")
        + table(
            (
                *("against", "wins", "ties", "losses", "median difference", "Wilcoxon p"),
                *("after Holm", "normalised, 95 % interval", "log loss, 95 % interval"),
                "fit time, its / ours",
            ),
            [
                (
                    *(duel.Index, duel.wins, duel.ties, duel.losses),
                    fixed(duel.median_difference, 4, sign=True),
                    *(p_of(duel.wilcoxon_p), p_of(duel.wilcoxon_holm)),
                    *(
                        _interval(*mean_difference(part, reference, duel.Index))
                        for part in (share, loss)
                    ),
                    fixed(seconds[duel.Index] / seconds[reference], 2),
                )
                for duel in found.itertuples()
            ],
        )
        + f"\nA win is a table on which {reference} has the better score; a difference of scores above "
        "zero is in its favour, one of log losses below zero. A difference counts 1 at most, which a "
        "failure counts; a failure has no log loss. Wilcoxon's signed-rank test is two-sided; Holm's "
        "correction is for the number of methods. Intervals are of the mean over tables, by the paired "
        "t-test, and not corrected. The last column is the geometric mean over tables: below 1 the "
        "other one is the faster.\n"
    )


def time(results, scores, picture):
    """Score against seconds of a fit."""
    seconds = _geometric(_medians(results.rows, "fit_s"))
    save(score_against_time(seconds, normalised(scores, results.ranges).mean()), picture)
    return (
        heading("Score against time")
        + _figure(picture, "Normalised score against fit time")
        + "   Up and to the left is better.\n"
    )


def failures(results):
    """What ended in an error."""
    failed = results.rows[results.rows["error"].notna()]
    if failed.empty:
        return ""
    return heading("Failures") + table(
        ("table", "seed", "method", "error"),
        [
            (row.dataset, row.seed, row.method, f"``{str(row.error).replace('`', chr(39))}``")
            for row in failed.itertuples()
        ],
    )


def numbers(results, scores):
    """What stands behind: a list of tables by methods for each kind of figure."""
    rows, tasks = results.rows, results.tasks
    order = list(ranks(scores).mean().sort_values().index)
    classes = rows[rows["task"] != "regression"]
    text = heading("Table by table") + "The best of each table stands in bold.\n"
    for task in TASKS:
        names = tasks.index[tasks == task].intersection(scores.index)
        if len(names):
            kind = "R2" if task == "regression" else "Balanced accuracy"
            text += _block(f"{kind}, {task}", scores.loc[names, order], 4)
    if len(classes):
        loss = median_scores(classes, "logloss", sign=-1).reindex(columns=order)
        text += _block("Log loss", loss, 4, sign=-1)
        text += _block("ROC AUC", median_scores(classes, "auc").reindex(columns=order), 4)
    seconds = -_medians(rows, "fit_s").reindex(columns=order)
    return text + _block("Seconds of a fit", seconds, 2, sign=-1)


def _block(title, values, digits, sign=1):
    """Tables by methods; higher is better, and what is shown is `sign` times that."""
    best = values.max(axis=1)
    body = []
    for name, row in values.sort_index().iterrows():
        cells = ["failed" if np.isneginf(value) else fixed(sign * value, digits) for value in row]
        shown = fixed(sign * best[name], digits)
        body.append((name, *(f"**{cell}**" if cell == shown else cell for cell in cells)))
    return heading(title, "~") + table(("table", *values.columns), body)


def runs(results):
    """What the methods are, and which of them were run on which machine."""
    shown = list(results.rows["method"].unique())
    what = [
        (name, METHODS[base].what + (f", {settings.strip()}" if settings else ""))
        for name in shown
        for base, _, settings in [name.partition(":")]
        if base in METHODS
    ]
    packages = ("scikit-learn", "torch", "lightgbm", "pytabkit")
    machines = [
        (
            f"{machine['cores']} cores of {machine['cpu']}",
            machine["threads"],
            ", ".join(f"{name} {machine[name]}" for name in packages if name in machine),
            ", ".join(map(str, run["seeds"])),
            "; ".join(methods),
        )
        for run in results.notes["runs"]
        for machine in [run["machine"]]
        if (methods := [name for name in map(spaced, run["methods"]) if name in shown])
    ]
    return (
        heading("What was run")
        + table(("method", "what it is"), what)
        + "\nOn what:\n\n"
        + table(("machine", "torch threads", "versions", "seeds", "methods"), machines)
    )


# -- small things ---------------------------------------------------------------------------------


def p_of(value):
    """A p-value with two digits.

    >>> from benchmarks.sections import p_of
    >>> p_of(0.0312), p_of(4e-9)
    ('0.031', '< 0.0001')
    """
    return "< 0.0001" if value < 1e-4 else f"{value:.2g}"


def _equals(number):
    """A number behind its name, where it may be a bound."""
    return number if number.startswith("<") else f"= {number}"


def _interval(mean, low, high):
    if np.isnan(mean):
        return "–"
    between = (
        "" if np.isnan(low) else f" ({fixed(low, 3, sign=True)} to {fixed(high, 3, sign=True)})"
    )
    return fixed(mean, 3, sign=True) + between


def _medians(rows, column):
    """Medians over seeds of a figure that a failure has not, tables by methods."""
    values = rows.groupby(["dataset", "method"])[column].median()
    return values.unstack("method").rename_axis(index=None, columns=None)


def _geometric(seconds):
    """Geometric mean over tables; what was too short to be measured counts a tenth of a ms."""
    return np.exp(np.log(seconds.clip(lower=1e-4)).mean())


def _figure(picture, text):
    return f".. figure:: {picture.name}\n   :alt: {text}\n   :width: 100%\n\n"
