"""Tables as HTML: what a reader sees in a cell, and the value by which its column is sorted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from html import escape
from numbers import Real

import numpy as np

from .._style import DASH, decimals_for, fixed, shorten

# Longer ones lose their middle; the whole name stands in the title.
LONGEST_NAME = 44
_NUMBER = ' class="number"'
CLASS_OF_VERDICT = {"pays": "better", "take this": "better", "costs": "worse", "beaten": "worse"}
# said once, above the table, and not in every row
UNDECIDED = ("cannot be told apart", "may be as good")


@dataclass(frozen=True)
class Column:
    """One column of the table of candidates.

    Attributes
    ----------
    name : str
        Its name in the frame, by which it is sorted.
    label : str
        Its heading.
    kind : {"score", "signed", "p", "share", "count", "seconds", "text", "wide"}
        How its values are written; a wide one is a text of several lines.
    with_names : tuple of str
        Columns whose values follow in the same cell: a spread, or both ends of an interval.
    """

    name: str
    label: str
    kind: str
    with_names: tuple[str, ...] = ()


_SCORE = Column("mean_score", "Score (±\N{NO-BREAK SPACE}spread)", "score", ("std_score",))
_DIFFERENCE = Column(
    "difference",
    "Difference to {other} (95\N{NO-BREAK SPACE}%\N{NO-BREAK SPACE}interval)",
    "signed",
    ("difference_low", "difference_high"),
)
_SECONDS = Column("seconds", "Seconds a fit", "seconds")
# The most important columns come first: a phone shows four.
CANDIDATE_COLUMNS = (
    Column("candidate", "Candidate", "text"),
    _SCORE,
    _DIFFERENCE,
    Column("verdict", "Verdict", "text"),
    Column("p_value", "p (corrected)", "p"),
    Column("strength", "Strength", "text"),
    Column("overfit_gap", "Overfit gap", "score"),
    Column("log_loss", "Log loss", "score"),
    Column("epochs", "Epochs", "count"),
    _SECONDS,
    Column("zero_share", "Zero weights", "share"),
    Column("n_features_used", "Columns used", "count"),
)
CONTENDER_COLUMNS = (
    Column("candidate", "Candidate", "text"),
    _SCORE,
    _DIFFERENCE,
    Column("verdict", "Verdict", "text"),
    Column("p_value", "p (corrected)", "p"),
    Column("log_loss", "Log loss", "score"),
    Column("strength", "Strength", "text"),
    _SECONDS,
)
SHORT_COLUMNS = ("candidate", "mean_score", "difference", "verdict")


def format_value(value, kind, decimals=3):
    """Write one value for a reader.

    Parameters
    ----------
    value : object
        A number or a text; missing values become a dash.

    kind : str
        As in :class:`Column`.

    decimals : int, default=3
        Of the kinds "score" and "signed".

    Returns
    -------
    text : str
        Not escaped.

    Examples
    --------
    >>> format_value(0.9512, "score"), format_value(-0.02, "signed"), format_value(0.0004, "p")
    ('0.951', '−0.020', '< 0.001')
    >>> format_value(float("nan"), "count"), format_value(0.634, "share")
    ('–', '63 %')
    """
    if _is_missing(value):
        return DASH
    if kind in ("text", "wide") or not isinstance(value, Real):
        return str(value)
    value = float(value)
    if kind in ("score", "signed"):
        return fixed(value, decimals, sign=kind == "signed")
    return _WRITERS[kind](value)


def _p_value(value):
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _share(value):
    return "< 1 %" if 0 < value < 0.01 else f"{100 * value:.0f} %"


def _count(value):
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.1f}"


def _seconds(value):
    if value < 0.01:
        return "< 0.01"
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 1 else f"{value:.2f}"


_WRITERS = {"p": _p_value, "share": _share, "count": _count, "seconds": _seconds}


def candidates_table(
    frame, *, other, caption, columns=CANDIDATE_COLUMNS, short=False, sortable=True
):
    """A table of candidates.

    Parameters
    ----------
    frame : DataFrame of shape (n_candidates, n_columns)
        With the column ``candidate``; unknown columns are left out.

    other : str
        What the differences are measured against, for their heading.

    caption : str
        Plain words.

    columns : sequence of Column, default=CANDIDATE_COLUMNS
        What is shown of each, where the frame has it.

    short : bool, default=False
        Whether only score, difference and verdict are shown.

    sortable : bool, default=True
        Whether the page's script may sort it.

    Returns
    -------
    html : str
        A ``table`` element.
    """
    columns = [column for column in columns if column.name in frame]
    columns = [column for column in columns if _has_values(frame, column)]
    if short:
        columns = [column for column in columns if column.name in SHORT_COLUMNS]
    columns = [replace(column, label=column.label.format(other=other)) for column in columns]
    # Differences and gaps get as many decimals as the scores they are made of.
    own = {name: decimals_for(frame[name]) for name in ("mean_score", "log_loss") if name in frame}
    decimals = {column.name: own.get(column.name, own.get("mean_score")) for column in columns}
    return rich_table(frame, columns, caption, decimals=decimals, sortable=sortable)


def rich_table(frame, columns, caption, *, decimals=None, sortable=False, by_row=False):
    """A table whose columns say how they are written.

    Parameters
    ----------
    frame : DataFrame
    columns : sequence of Column
        The first is the head of its row.

    caption : str
        Plain words.

    decimals : dict of str to int or None, default=None
        Of scores, by the name of their column; None takes what the column itself asks for.

    sortable : bool, default=False
        Whether the page's script may sort it.

    by_row : bool, default=False
        Whether the scores of each row, and not those of each column, are of one kind.

    Returns
    -------
    html : str
        A ``table`` element.
    """
    heads = "".join(
        f'<th scope="col" data-kind="{"number" if _is_number(column) else "text"}"'
        f"{_class(column)}>{escape(column.label)}</th>"
        for column in columns
    )
    scores = [column.name for column in columns if column.kind in ("score", "signed")]
    if decimals is None:
        decimals = {name: decimals_for(frame[name]) for name in scores}
    rows = []
    for k, row in enumerate(frame.to_dict(orient="records")):
        if by_row:
            decimals = dict.fromkeys(scores, decimals_for(frame[scores].iloc[k]))
        cells = [
            _cell(row, column, decimals.get(column.name), first=column is columns[0])
            for column in columns
        ]
        rows.append(f"<tr>{''.join(cells)}</tr>")
    body = "\n".join(rows)
    attribute = ' class="sortable"' if sortable else ""
    return (
        f"<table{attribute}>\n"
        f"<caption><span>{escape(caption)}</span></caption>\n"
        f"<thead><tr>{heads}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>"
    )


def plain_table(frame, caption):
    """Any table, as it is.

    Parameters
    ----------
    frame : DataFrame
        Numbers are written with four digits.

    caption : str
        What it is.

    Returns
    -------
    html : str
        A ``table`` element.
    """
    numeric = [bool(np.issubdtype(dtype, np.number)) for dtype in map(_dtype, frame.dtypes)]
    heads = "".join(
        f'<th scope="col"{_NUMBER if number else ""}>{escape(str(name))}</th>'
        for name, number in zip(frame.columns, numeric, strict=True)
    )
    rows = []
    for values in frame.itertuples(index=False):
        cells = [
            f"<td{_NUMBER if number else ''}>{escape(_plain(value))}</td>"
            for value, number in zip(values, numeric, strict=True)
        ]
        rows.append(f"<tr>{''.join(cells)}</tr>")
    body = "\n".join(rows)
    return (
        f"<table>\n<caption><span>{escape(caption)}</span></caption>\n<thead><tr>{heads}</tr></thead>\n"
        f"<tbody>\n{body}\n</tbody>\n</table>"
    )


def _dtype(dtype):
    """numpy's dtype, or object for those of pandas alone."""
    return dtype if isinstance(dtype, np.dtype) else np.dtype(object)


def _plain(value):
    if _is_missing(value):
        return DASH
    if isinstance(value, Real) and not isinstance(value, (bool, np.bool_)):
        return f"{value:.4g}" if isinstance(value, (float, np.floating)) else str(value)
    return str(value)


def _is_missing(value):
    if isinstance(value, Real):
        return bool(np.isnan(value))
    return value is None or str(value) in ("", "nan", "<NA>")


def _has_values(frame, column):
    return any(not _is_missing(value) for value in frame[column.name])


def _class(column):
    if column.name == "verdict":
        return ' class="verdict"'
    if column.kind == "signed":
        return ' class="number signed"'
    if _is_number(column):
        return _NUMBER
    if column.kind == "wide":
        return ' class="words"'
    return ' class="wrap"' if column.name == "strength" else ""


def _is_number(column):
    return column.kind not in ("text", "wide")


def _cell(row, column, decimals, *, first):
    """One cell; the first one is the head of its row."""
    value = row[column.name]
    text = escape(format_value(value, column.kind, decimals))
    if first:
        name = escape(str(value), quote=True)
        short = escape(shorten(value, LONGEST_NAME))
        title = f' title="{name}"' if short != text else ""
        return f'<th scope="row" data-value="{name}"{title}>{short}</th>'
    behind = [row.get(name) for name in column.with_names]
    if behind and not any(_is_missing(item) for item in behind):
        text += f' <span class="interval">{escape(_behind(behind, column.kind, decimals))}</span>'
    if column.name == "verdict":
        text = "" if value in UNDECIDED else text
        text = f'<span class="{CLASS_OF_VERDICT.get(value, "unclear")}">{text}</span>'
    key = "" if _is_missing(value) else str(value)
    return f'<td{_class(column)} data-value="{escape(key, quote=True)}">{text}</td>'


def _behind(values, kind, decimals):
    texts = [format_value(value, kind, decimals) for value in values]
    return f"± {texts[0]}" if len(texts) == 1 else f"[{', '.join(texts)}]"
