"""The sections of the page on tables: from rows and scores to reStructuredText and pictures.

`rows` are as `benchmarks.results_file.read` gives them, `scores` as
`benchmarks.ranking.median_scores`, with the tables that all methods have.
"""

from __future__ import annotations

import numpy as np

from benchmarks.figures import rank_diagram, save, score_against_time
from benchmarks.methods import METHODS
from benchmarks.pages import head, table
from benchmarks.protocol import TASKS
from benchmarks.ranking import (
    against,
    cliques,
    critical_difference,
    friedman,
    median_scores,
    normalised,
    ranks,
)
from skreg.display._style import fixed

#: Marks a method of which rows were given and not measured here.
GIVEN = " †"
TEXT = (
    "Tables of many kinds, methods with their defaults where the last section says nothing else. A "
    "quarter of the rows of each table is for the test, and a fit sees at most 10,000 rows. The "
    "score is the balanced accuracy for classes and R2 for numbers. Figures are medians over seeds. "
    "A method that failed on a table is the worst there."
)
COMMANDS = """Repeated with::

   python -m benchmarks.tables {data} --out results.csv
   python -m benchmarks.report results.csv{options}
"""


def introduction(results, scores, incomplete, title=None):
    counts = results.tasks[scores.index].value_counts()
    data = results.notes["data"]
    text = [
        TEXT,
        f"{len(scores)} tables of ``{data}``: "
        + ", ".join(f"{counts.get(task, 0)} {task}" for task in TASKS)
        + f"; seeds {', '.join(map(str, sorted(results.rows['seed'].unique())))}.",
    ]
    if results.half:
        text.append(
            f"Only the half *{results.half}* of the tables of each task (sorted by name, in turn): "
            "what is chosen on one half is judged on the other."
        )
    if incomplete:
        text.append(f"Left out, since not every method was run on them: {', '.join(incomplete)}.")
    if marked := [name for name in scores if name.endswith(GIVEN)]:
        text.append(_of_given(results.rows, marked))
    bundled = data == "bundled"
    text.append(
        COMMANDS.format(data="--bundled" if bundled else "--data DIR", options=_options(results))
    )
    seeds = results.rows["seed"].unique()
    if title is None:
        title = "Bundled tables" if bundled else "Tables"
        title += f", seed {seeds[0]}" if len(seeds) == 1 else ""
    return head(title, "\n\n".join(text), results.notes["runs"][0]["machine"])


def _of_given(rows, marked):
    """How much of the marked methods was not run here."""
    shares = rows[rows["method"].isin(marked)].groupby("method")["given"].agg(["sum", "size"])
    return (
        "Of a method with a † rows were given and not run here, from another machine: "
        + "; ".join(f"{name} {part} of {whole}" for name, part, whole in shares.itertuples())
        + ". Their scores are for orientation, their seconds only rough."
    )


def _options(results):
    """What the report was restricted to and given, as its command takes it."""
    found = " --peers FILE" if results.given is not None else ""
    found += f" --half {results.half}" if results.half else ""
    return found + (f" --seeds {','.join(map(str, results.seeds))}" if results.seeds else "")


def ranking(rows, scores, tasks, picture):
    """Mean ranks and normalised scores, over all tables and by task."""
    place, share = ranks(scores), normalised(scores)
    classes = rows[rows["task"] != "regression"]
    other = {
        "rank by log loss": ranks(median_scores(classes, "logloss", sign=-1).dropna()).mean(),
        "rank by AUC": ranks(median_scores(classes, "auc").dropna()).mean(),
    }
    seconds = _medians(rows, "fit_s").sum()
    predict = _medians(rows, "predict_s").median() * 1000
    memory = _medians(rows, "peak_mb").median()
    order = place.mean().sort_values().index
    text = heading("Ranks") + table(
        (
            "method",
            "mean rank",
            "normalised score",
            *other,
            "fit s, all tables",
            "predict ms, median",
            "peak MB, median",
        ),
        [
            (
                name,
                fixed(place[name].mean(), 2),
                fixed(share[name].mean(), 3),
                *(fixed(column.get(name, np.nan), 2) for column in other.values()),
                fixed(seconds[name], 1),
                fixed(predict[name], 1),
                fixed(memory.get(name, np.nan), 0),
            )
            for name in order
        ],
    )
    text += (
        "\nThe rank of the best method of a table is 1; its normalised score is 1, that of the worst "
        "0. The peak is that of the resident memory during a fit and its prediction, above what the "
        "process held before; memory of a GPU is not in it.\n\n"
    )
    text += _by_task(place, share, tasks, order)
    if len(order) > 2 and len(scores) > 1:
        text += _test_of_ranks(scores, place.mean(), picture)
    return text


def _by_task(place, share, tasks, order):
    present = [task for task in TASKS if (tasks[place.index] == task).any()]
    parts = {task: tasks.index[tasks == task].intersection(place.index) for task in present}
    return (
        "Mean rank, and normalised score in brackets, by task:\n\n"
        + table(
            ("method", *(f"{task} ({len(names)})" for task, names in parts.items())),
            [
                (
                    name,
                    *(
                        f"{place.loc[part, name].mean():.2f} ({share.loc[part, name].mean():.3f})"
                        for part in parts.values()
                    ),
                )
                for name in order
            ],
        )
        + "\n"
    )


def _test_of_ranks(scores, mean_ranks, picture):
    difference = critical_difference(*scores.shape[::-1])
    statistic, p_value = friedman(scores)
    save(rank_diagram(mean_ranks, difference, cliques(mean_ranks, difference)), picture)
    return (
        _figure(picture, "Critical-difference diagram of the mean ranks")
        + "   Mean ranks, the best on the left. Methods under one bar do not differ by more than the "
        "critical difference of the Nemenyi test at 5 % (Demšar 2006).\n\n"
        f"Friedman's test that all are alike: {statistic:.1f} on {scores.shape[1] - 1} degrees of "
        f"freedom, p = {p_of(p_value)}.\n"
    )


def duels(rows, scores, reference):
    duels = against(scores, reference)
    if duels.empty:
        return ""
    duels = duels.loc[ranks(scores).mean().sort_values().drop(reference).index]
    seconds = _geometric(_medians(rows, "fit_s"))
    return (
        heading(f"{reference} against each")
        + table(
            (
                "against",
                "wins",
                "ties",
                "losses",
                "won",
                "median difference",
                "largest gain",
                "largest loss",
                "Wilcoxon p",
                "after Holm",
                "sign p",
                "fit time, its / ours",
            ),
            [
                (
                    name,
                    duel.wins,
                    duel.ties,
                    duel.losses,
                    f"{100 * duel.wins / duel.tables:.0f} %",
                    fixed(duel.median_difference, 4, sign=True),
                    _extreme(duel.largest_gain),
                    _extreme(duel.largest_loss),
                    p_of(duel.wilcoxon_p),
                    p_of(duel.wilcoxon_holm),
                    p_of(duel.sign_p),
                    fixed(seconds[name] / seconds[reference], 2),
                )
                for name, duel in duels.iterrows()
            ],
        )
        + f"\nA win is a table on which {reference} has the better score; a difference above zero is "
        "in its favour. A difference counts 1 at most, which a failure counts. Wilcoxon's "
        "signed-rank test and the sign test (without ties) are two-sided; Holm's correction is for "
        "the number of methods. The last column is the geometric mean over tables: below 1 the "
        "other one is the faster.\n"
    )


def time(rows, scores, picture):
    seconds = _geometric(_medians(rows, "fit_s"))
    given = [name for name in scores if name.endswith(GIVEN)]
    save(score_against_time(seconds, normalised(scores).mean(), given), picture)
    return (
        heading("Score against time")
        + _figure(picture, "Normalised score against fit time")
        + "   Up and to the left is better."
        + (" Hollow: rows of it were given.\n" if given else "\n")
    )


def knobs(rows):
    """Each knob alone against the plain net, where both were run."""
    names = [name for name in METHODS if name.startswith("skreg-plain+")]
    plain = rows[rows["method"].isin(["skreg-plain", *names])]
    if "skreg-plain" not in set(plain["method"]) or plain["method"].nunique() < 2:
        return ""
    duels = against(median_scores(plain), "skreg-plain")
    return (
        heading("One knob at a time")
        + "The plain net of the default architecture with one knob turned on, against the plain net; "
        "a value for all tables, not a search.\n\n"
        + table(
            (
                "method",
                "setting",
                "tables",
                "wins",
                "ties",
                "losses",
                "median difference",
                "Wilcoxon p",
            ),
            [
                (
                    name,
                    METHODS[name].what,
                    duel.tables,
                    # What the plain net loses, the knob wins.
                    duel.losses,
                    duel.ties,
                    duel.wins,
                    fixed(-duel.median_difference, 4, sign=True),
                    p_of(duel.wilcoxon_p),
                )
                for name, duel in duels.iterrows()
            ],
        )
    )


def repeated(results):
    """How near the rows measured here are to the given ones of the same table, seed and method."""
    if results.given is None:
        return ""
    keys = ["dataset", "seed", "method"]
    both = results.measured.merge(results.given, on=keys, suffixes=("", "_given"))
    both = both[both["error"].isna() & both["error_given"].isna()]
    if both.empty:
        return ""
    distance = (both["score"] - both["score_given"]).abs().groupby(both["method"])
    return (
        heading("Measured again")
        + "Rows that were given and were measured here as well, by the difference of their scores.\n\n"
        + table(
            ("method", "rows", "median", "largest"),
            [
                (name, len(part), f"{part.median():.1e}", f"{part.max():.1e}")
                for name, part in distance
            ],
        )
    )


def failures(rows, what="method"):
    """What ended in an error; `what` is the column that names it."""
    failed = rows[rows["error"].notna()]
    if failed.empty:
        return ""
    return heading("Failures") + table(
        ("table", "seed", what, "error"),
        [
            (
                row.dataset,
                row.seed,
                getattr(row, what),
                f"``{str(row.error).replace('`', chr(39))}``",
            )
            for row in failed.itertuples()
        ],
    )


def numbers(rows, scores, tasks):
    """What stands behind: a list of tables by methods for each kind of figure."""
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
    return f"\n{title}\n{'~' * len(title)}\n\n" + table(("table", *values.columns), body)


def runs(results):
    methods = list(results.measured["method"].unique())
    what = [
        (name, METHODS[base].what + (f", {settings}" if settings else ""))
        for name in methods
        for base, _, settings in [name.partition(":")]
        if base in METHODS
    ]
    return (
        heading("What was run")
        + table(("method", "what it is"), what)
        + "\nOn what:\n\n"
        + machines(results.notes)
    )


def machines(notes, what="methods"):
    """What was run on which machine.

    Parameters
    ----------
    notes : dict
        `benchmarks.results_file.read_notes`.
    what : str, default="methods"
        Title of what was run.
    """
    rows = [
        (
            f"{run['machine']['cores']} cores of {run['machine']['cpu']}"
            + (f", {run['machine']['gpu']}" if "gpu" in run["machine"] else ""),
            run["machine"]["threads"],
            ", ".join(
                f"{name} {run['machine'][name]}"
                for name in ("scikit-learn", "torch", "lightgbm", "pytabkit")
                if name in run["machine"]
            ),
            ", ".join(map(str, run["seeds"])),
            ", ".join(run["methods"]),
        )
        for run in notes["runs"]
    ]
    return table(("machine", "torch threads", "versions", "seeds", what), rows)


# -- small things ---------------------------------------------------------------------------------


def p_of(value):
    """A p-value with two digits.

    Examples
    --------
    >>> from benchmarks.sections import p_of
    >>> p_of(0.0312), p_of(4e-9)
    ('0.031', '< 0.0001')
    """
    return "< 0.0001" if value < 1e-4 else f"{value:.2g}"


def _medians(rows, column):
    """Medians over seeds of a figure that a failure has not, tables by methods."""
    values = rows.groupby(["dataset", "method"])[column].median()
    return values.unstack("method").rename_axis(index=None, columns=None)


def _geometric(seconds):
    """Geometric mean over tables; what was too short to be measured counts a tenth of a ms."""
    return np.exp(np.log(seconds.clip(lower=1e-4)).mean())


def _extreme(found):
    return "none" if found is None else f"{found[0]} {fixed(found[1], 3, sign=True)}"


def heading(text):
    return f"\n{text}\n{'-' * len(text)}\n\n"


def _figure(picture, text):
    return f".. figure:: {picture.name}\n   :alt: {text}\n   :width: 100%\n\n"
