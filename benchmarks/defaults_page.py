"""The page on the defaults: rows of `benchmarks.defaults` to docs/development/defaults.rst."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.default_scores import (
    COLUMNS,
    HIGHEST,
    LOWEST,
    compare,
    normalised,
    peer_ranges,
)
from benchmarks.default_settings import DEFAULT, PLAIN, SETTINGS
from benchmarks.pages import head, table
from benchmarks.protocol import HALVES
from benchmarks.results_file import read, read_notes
from benchmarks.sections import failures, heading, machines, p_of
from skreg.display._style import fixed

DOCS = Path(__file__).parent.parent / "docs" / "development"
SCOPES = {
    "Together": ("binary", "multiclass", "regression"),
    "Classification": ("binary", "multiclass"),
    "Regression": ("regression",),
}


# -- page -----------------------------------------------------------------------------------------

TITLE = "The defaults"
INTRODUCTION = (
    "Nets with the default parameters, and nets with one thing changed or a few, on the same rows of "
    "the same tables. A quarter of the rows of each table is for the test, and a fit sees at most "
    "10,000 rows. The tables of each task, sorted by name, went to two halves in turn: the half "
    "*choose* is for choosing defaults, the half *judge* tells whether the choice holds on tables "
    "that had no part in it."
)
READING = (
    "The score is the balanced accuracy for classes and R2 for numbers, *normalised* on each table: 0 "
    "is the worst and 1 the best of some other methods there ({peers}), which are the same for every "
    "setting. It is cut at {lowest} and {highest}, and a fit that failed counts {lowest}. *Difference* "
    "is the setting minus the default, on the same rows with the same seed, averaged over seeds and "
    "then over tables: above 0 the setting is better. Its *95 % interval* is that of a paired t-test "
    "in which each table is one observation. *Wins* and *losses* are the tables on which the setting "
    "is better and worse than the default, by whatever little. *Log loss* is the mean difference of "
    "the log loss on the tables with classes, in nats: below 0 the setting is better; a fit that "
    "failed is not in it.\n\n"
    "{n_compared} settings are compared on the same tables. Of as many settings that "
    "change nothing, about {by_chance} would be expected to have an interval without the 0, and the "
    "largest difference of many is likely to be smaller when it is measured again. So an interval "
    "alone proves little: *p* is corrected for the number of settings in its list (Holm), and a "
    "setting that was picked on the half *choose* counts by its figures on the half *judge*. A large "
    "*p* is no proof that two settings are equal; the width of the interval tells how much they may "
    "differ. All of it is for tables like these, and for means: on one table the order may be any.\n"
)
REVERTED = (
    "Each default taken back while all others stay: the default minus the setting that takes it back, "
    "so that above 0 the default is worth having. It tells what a default adds to the others, not "
    "what it is worth alone. Intervals are not corrected for their number, and on the half *choose* "
    "they flatter what was chosen there.\n"
)
FIRST_ROUND = (
    "Before the default net had an average of its weights, an embedding and clipped predictions, "
    "settings were compared with the net without them and with a dropout of 0.1, *plain*, on the half "
    "that chooses. The differences below are to that net. What looked best there was tried again with "
    "the average, above.\n\n"
)


def page(rows, ranges, notes):
    """The page as reStructuredText.

    Parameters
    ----------
    rows : DataFrame
        Results of `benchmarks.defaults`.
    ranges : DataFrame
        `peer_ranges`.
    notes : dict
        `benchmarks.results_file.read_notes`.

    Returns
    -------
    str

    Raises
    ------
    ValueError
        Where there is no row, none of the default, or one of a setting that is not known.
    """
    _check(rows)
    rows = rows.assign(share=normalised(rows, ranges), half=rows["dataset"].map(notes["halves"]))
    parts = [_introduction(rows, notes), heading("How to read it"), _reading(rows, ranges)]
    parts += [_reverted(rows), *_comparisons(rows, DEFAULT, "")]
    if (rows["setting"] == PLAIN).any():
        parts += [
            heading("The first round") + FIRST_ROUND,
            *_comparisons(rows, PLAIN, "First round: "),
        ]
    parts.append(_settings(rows))
    parts += [failures(rows, "setting"), heading("What was run"), machines(notes, "settings")]
    return "".join(parts)


def _comparisons(rows, against, title):
    """A table of settings for each half and kind of task where `against` has rows."""
    parts, order = [], {}
    for half in HALVES:
        for scope, tasks in SCOPES.items():
            part = rows[(rows["half"] == half) & rows["task"].isin(tasks)]
            part = part[part["dataset"].isin(part.loc[part["setting"] == against, "dataset"])]
            if part.empty:
                continue
            found = compare(part, against)
            # The order of the first half stays, so that the eye finds what was chosen there.
            order.setdefault(scope, list(found.index))
            names = [name for name in order[scope] if name in found.index]
            names += [name for name in found.index if name not in names]
            parts.append(heading(f"{title}{scope}, half {half}") + _half_text(part, half))
            parts.append(_comparison(found.loc[names]))
    return parts


def _check(rows):
    if rows.empty or not _has_default(rows):
        raise ValueError(
            f"There is no row of the setting {DEFAULT!r} to compare with. Run "
            "`python -m benchmarks.defaults --data DIR` first."
        )
    unknown = sorted(set(rows["setting"]) - set(SETTINGS))
    if unknown:
        raise ValueError(
            f"There are rows of {', '.join(map(repr, unknown))}, which benchmarks/"
            "default_settings.py has no such setting of. Take the rows out or put the setting back."
        )


def _has_default(rows):
    return (rows["setting"] == DEFAULT).any()


def _introduction(rows, notes):
    counts = rows.drop_duplicates("dataset")["half"].value_counts()
    text = [
        INTRODUCTION,
        f"{counts.sum()} tables of ``{notes['data']}``, "
        + " and ".join(f"{counts.get(half, 0)} of the half *{half}*" for half in HALVES)
        + f"; seeds {', '.join(map(str, sorted(rows['seed'].unique())))}.",
    ]
    absent = sorted(rows.loc[rows["share"].isna(), "dataset"].unique())
    if absent:
        text.append(
            "Not in the normalised scores, for want of peers that differ there: "
            f"{', '.join(absent)}."
        )
    text.append(
        "Repeated with::\n\n   python -m benchmarks.defaults --data DIR\n"
        "   python -m benchmarks.defaults --page --peers FILE"
    )
    return head(TITLE, "\n\n".join(text), notes["runs"][0]["machine"])


def _reading(rows, ranges):
    n_compared = rows["setting"].nunique() - 1
    peers = sorted({name for names in ranges["peers"] for name in names.split()})
    return READING.format(
        peers=", ".join(peers),
        lowest=fixed(LOWEST, 1),
        highest=fixed(HIGHEST, 1),
        n_compared=n_compared,
        by_chance=fixed(0.05 * n_compared, 1),
    )


def _half_text(part, half):
    n = part["dataset"].nunique()
    tables = "1 table" if n == 1 else f"{n} tables"
    if half == HALVES[0]:
        return f"{tables}; sorted by the difference to the default.\n\n"
    return f"{tables}, in the order of the half *{HALVES[0]}*.\n\n"


def _comparison(found):
    classes = found["loss"].notna().any()
    header = (
        "setting",
        "tables",
        "score",
        "difference",
        "95 % interval",
        "p, Holm",
        "wins",
        "losses",
        *(("log loss", "95 % interval") if classes else ()),
    )
    body = []
    for name, row in found.iterrows():
        body.append(
            (
                f"**{name}**" if name in (DEFAULT, PLAIN) else name,
                int(row["tables"]),
                fixed(row["score"], 3),
                *_differing(name, row, "difference", "low", "high"),
                "–" if np.isnan(row["p"]) else p_of(row["p"]),
                *(
                    ("–", "–")
                    if name in (DEFAULT, PLAIN)
                    else (int(row["wins"]), int(row["losses"]))
                ),
                *(_differing(name, row, "loss", "loss_low", "loss_high") if classes else ()),
            )
        )
    return table(header, body)


def _differing(name, row, mean, low, high):
    """A mean with its interval as two cells; the default differs from itself by nothing."""
    if name in (DEFAULT, PLAIN):
        return "–", "–"
    return fixed(row[mean], 3, sign=True), _interval(row[low], row[high])


def _interval(low, high):
    if np.isnan(low):
        return "–"
    return f"{fixed(low, 3, sign=True)} to {fixed(high, 3, sign=True)}"


def _reverted(rows):
    """What each default is worth when it alone is taken back, for each half."""
    names = [name for name in SETTINGS if SETTINGS[name].reverts]
    present = [name for name in names if (rows["setting"] == name).any()]
    if not present:
        return ""
    text = heading("What each default is worth") + REVERTED
    for half in HALVES:
        part = rows[(rows["half"] == half) & rows["setting"].isin([DEFAULT, *present])]
        if not _has_default(part):
            continue
        found = {
            scope: compare(part[part["task"].isin(tasks)])
            for scope, tasks in SCOPES.items()
            if _has_default(part[part["task"].isin(tasks)])
        }
        header = ["default", "taken back by"]
        for scope in found:
            header += [scope.lower(), "95 % interval"]
        body = [
            (
                SETTINGS[name].reverts,
                name,
                *(cell for one in found.values() for cell in _worth(one, name)),
            )
            for name in present
        ]
        text += f"\nOn the half *{half}*:\n\n" + table(header, body)
    return text


def _worth(found, name):
    """The negative of a setting's difference with its interval, which turns round."""
    if name not in found.index:
        return "–", "–"
    row = found.loc[name]
    return fixed(-row["difference"], 3, sign=True), _interval(-row["high"], -row["low"])


def _settings(rows):
    present = [name for name in SETTINGS if (rows["setting"] == name).any()]
    return heading("The settings") + table(
        ("setting", "why", "parameters"),
        [(name, SETTINGS[name].reason, _parameters(SETTINGS[name])) for name in present],
    )


def _parameters(setting):
    """The parameters as they are written in Python, and for which estimator if not for both."""
    given = setting.classifier if setting.regressor is None else setting.regressor
    if not given:
        return "none"
    text = ", ".join(f"``{name}={value!r}``" for name, value in given.items())
    if setting.regressor is None:
        return f"{text} (classifier only)"
    return f"{text} (regressor only)" if setting.classifier is None else text


# -- files ----------------------------------------------------------------------------------------


def write(path, peers=None, *, docs=DOCS):
    """Write the page.

    Parameters
    ----------
    path : path-like
        Rows of `benchmarks.defaults`, their notes beside them.
    peers : path-like, default=None
        Rows of the peers. What is taken of them is kept as ``peer_ranges.csv`` beside `path`, so
        that they are not needed again.
    docs : path-like

    Returns
    -------
    Path
        Of the page.

    Raises
    ------
    ValueError
        Where the rows cannot be compared.
    FileNotFoundError
        Where a file is missing.
    """
    rows, notes = read(path, COLUMNS), read_notes(path)
    kept = Path(path).with_name("peer_ranges.csv")
    if peers is not None:
        ranges = peer_ranges(pd.read_csv(peers))
    elif kept.exists():
        ranges = pd.read_csv(kept, index_col="dataset")
    else:
        raise FileNotFoundError(
            f"{kept} is missing, between which scores are normalised. Give the rows of other "
            "methods once by --peers FILE."
        )
    text = page(rows, ranges, notes)
    if peers is not None:
        ranges.to_csv(kept, float_format="%.6f", lineterminator="\n")
    docs = Path(docs)
    docs.mkdir(parents=True, exist_ok=True)
    out = docs / "defaults.rst"
    out.write_text(text)
    return out
