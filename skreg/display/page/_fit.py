"""The page of a fitted model: how good it is, beside what, which settings, knobs and columns."""

from __future__ import annotations

import re
from html import escape

from .._importance import ImportanceFigure
from .._style import decimals_for
from ..search import SearchDisplay
from ._parts import NO_FIGURES, download, figure, full_page, section
from ._table import Column, format_value, plain_table, rich_table
from ._text import text_to_html

SHOWN = {"column": 25, "knob": 12}
# for the height of the figure
COURSE_ROWS = 10
COURSE = "The search"
COURSE_CAPTION = (
    "A point is the validation loss of a setting, pooled over the folds, where it was compared with others "
    "or came to its end; a line joins the points of a setting."
)
SCORE_COLUMNS = (
    Column("model", "Model", "text"),
    Column("score", "{score}", "score", ("spread",)),
    Column("what", "What it is", "text"),
)
COLUMN_CAPTION = (
    "How much worse {metric} is where the values of a column are shuffled among rows that the nets were not "
    "trained on, all parts of a date together; the bar is the standard deviation over the folds. Columns "
    "that say the same share their importance, and each of them looks as if it did not matter."
)
TRUST = " With --nested K, skreg fit measures the whole search on rows that it has not seen."
KNOB_CAPTION = (
    "How far a knob of the nets explains the validation loss of the settings that were tried, with the "
    "standard error of that. A knob that does not matter was in a good range all the way, or has no "
    "effect on this table."
)


def render_fit_page(report):
    """Write what is known of a fitted model as one self-contained page.

    Parameters
    ----------
    report : FitReport
        What :func:`skreg.fitting.fit_table` returns.

    Returns
    -------
    html : str
        The page; it loads nothing from the network.
    """
    target = report.model.target
    sections = [
        _warnings(report),
        _how_good(report),
        _figures(report),
        _settings(report),
        _further(report),
        _measured(report),
    ]
    return full_page(f"A model of {target}", _lead(report), sections)


def _lead(report):
    """One line: the score, and what a constant and a default net reach."""
    scores, how = report.scores, "out of fold"
    if report.nested is not None:
        scores, how = report.nested, "on rows that no decision has seen"
    decimals = _decimals(scores["score"])
    values = [format_value(value, "score", decimals) for value in scores["score"]]
    metric = report.measure.words
    return (
        f"{metric[0].upper()}{metric[1:]} {values[0]} {how} ({report.measure.better}); "
        f"a default net has {values[-2]}, a constant {values[-1]}."
    )


def _how_good(report):
    measure = report.measure
    body = []
    for frame, name, caption, file in (
        (report.nested, "nested", report.about_nested, "nested.csv"),
        (report.scores, "out of fold", report.about_scores, "scores.csv"),
    ):
        if frame is None:
            continue
        label = f"{measure.words}, {name} (±\N{NO-BREAK SPACE}spread)"
        label = label[0].upper() + label[1:]
        columns = [
            Column(c.name, c.label.format(score=label), c.kind, c.with_names) for c in SCORE_COLUMNS
        ]
        caption += "" if report.nested is not None else TRUST
        decimals = {"score": _decimals(frame["score"])}
        table = rich_table(frame, columns, f"{label}; {measure.better}.", decimals=decimals)
        body.append(_boxed(table, "small"))
        body.append(f'<p class="note">{escape(caption)}</p>')
        body.append(download(frame, file))
    return section("How good is it?", "\n".join(body))


def _decimals(scores):
    """Decimals that the largest of some scores asks for: one that is all but zero needs no more."""
    return decimals_for([scores.abs().max()])


def _boxed(table, size=""):
    return f'<div class="scroll {size}" role="region" tabindex="0">\n{table}\n</div>'


def _warnings(report):
    if not report.warnings:
        return ""
    words = text_to_html("\n".join(f"- {line}" for line in report.warnings))
    return section("Look at this", f'<div class="summary">\n{words}\n</div>')


def _figures(report):
    """Columns and knobs that matter, each in a wide and in a narrow version."""
    drawn = [_course(report.model.estimator)]
    for frame, name, heading, caption in (
        (
            report.columns,
            "column",
            "Which columns matter",
            COLUMN_CAPTION.format(metric=report.measure.words),
        ),
        (report.knobs, "knob", "Which knobs mattered", KNOB_CAPTION),
    ):
        if frame is None or frame.empty:
            continue
        frame = frame.rename(columns={name: "name", "std": "spread"})
        shown = frame.head(SHOWN[name])
        if len(frame) > len(shown):
            caption += f" The first {len(shown)} of {len(frame):,}; the file has all."
        try:
            body = figure(ImportanceFigure(shown), len(shown), heading, caption)
        except ImportError:
            body = f'<p class="note">{NO_FIGURES}</p>{plain_table(shown, caption)}'
        drawn.append(section(heading, f"{body}\n{download(frame, f'{name}s.csv')}"))
    drawn = [part for part in drawn if part]
    return '<div class="figures">\n' + "\n".join(drawn) + "\n</div>" if drawn else ""


def _course(search):
    """The losses of all settings over time; nothing for a search without records."""
    if not hasattr(search, "history_"):
        return ""
    try:
        display = SearchDisplay.from_estimator(search, plot=False)
        body = figure(display, COURSE_ROWS, COURSE, COURSE_CAPTION)
    except ImportError:
        body = f'<p class="note">{NO_FIGURES}</p>'
    return section(COURSE, body)


def _settings(report):
    """The settings of the ensemble, with what they change."""
    frame = report.settings.copy()
    frame["score"] = report.measure.sign * frame["score"]
    frame["changed"] = [_in_words(params) for params in frame["params"]]
    columns = (
        Column("setting", "Setting", "text"),
        Column("weight", "Weight", "share"),
        Column("score", report.measure.words[0].upper() + report.measure.words[1:], "score"),
        Column("changed", "What it changes of the default net", "wide"),
    )
    caption = "The ensemble: each setting has a net for each fold, and the predictions of all are averaged."
    decimals = {"score": _decimals(report.scores["score"])}
    body = _boxed(rich_table(frame, columns, caption, decimals=decimals))
    return section(
        "Which settings", f"{body}\n{download(frame.drop(columns='params'), 'settings.csv')}"
    )


def _in_words(params):
    if not params:
        return "nothing"
    return ", ".join(f"{name}={_value(value)}" for name, value in params.items())


def _value(value):
    text = f"{value:.3g}" if isinstance(value, float) else str(value)
    return re.sub(r"\s+", " ", text)


def _further(report):
    if report.further.empty:
        return ""
    columns = (
        Column("metric", "Metric", "text"),
        Column("ensemble", "Ensemble", "score"),
        Column("constant", "Constant", "score"),
    )
    table = rich_table(report.further, columns, "Other metrics, out of fold.", by_row=True)
    return section("Other metrics", _boxed(table, "small"))


def _measured(report):
    items = "\n".join(
        f"<dt>{escape(str(label))}</dt>\n<dd>{escape(str(text))}</dd>"
        for label, text in report.method.items()
    )
    body = f"<dl>\n{items}\n</dl>"
    if report.notes:
        body += "\n" + text_to_html("\n".join(f"- {note}" for note in report.notes))
    return section("How it was made", body)
