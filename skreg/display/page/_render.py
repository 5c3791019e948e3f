"""Put the page together: the summary, the table, the figures, and how it was measured."""

from __future__ import annotations

from html import escape

from .._comparison_data import BASELINE, CANDIDATE, SCORE, read_frame
from .._style import decimals_for
from ..comparison import ComparisonDisplay
from ..overfit_gap import OverfitGapDisplay
from ._parts import NO_FIGURES, asset, download, figure, full_page, section
from ._table import candidates_table, format_value, plain_table
from ._text import split_sections, text_to_html

MOST_ROWS = 2000
MARKS = {True: ("better", "all is well"), False: ("worse", "look at this"), None: ("unclear", "")}


def render_page(comparison):
    """Write a comparison as one self-contained page.

    The page loads nothing from the network: styles, script and figures are part of it, and a content
    security policy in its head forbids loading anything. It follows the reader's choice of light or
    dark and fits phones. If matplotlib is missing, the figures are left out and the page says so.

    Parameters
    ----------
    comparison : Comparison
        What :func:`skreg.compare` returns.

    Returns
    -------
    html : str
        The page; the same comparison gives the same page.

    Raises
    ------
    TypeError
        If `comparison` is not a comparison.
    ValueError
        If its table has no scores.
    """
    frame = read_frame(comparison, (SCORE,))
    target = getattr(comparison, "target_name", None)
    # "target" is the default name, which tells the reader nothing.
    named = target and target != "target"
    title = f"Which regularizer pays for {target}?" if named else "Which regularizer pays?"
    sections = [
        _summary(comparison),
        _candidates(comparison, frame),
        _figures(comparison, frame),
        _diagnosis(comparison),
        _measured(comparison),
        _splits(comparison),
    ]
    return full_page(title, _lead(comparison, frame), sections)


def render_notebook(comparison):
    """Write a comparison in short, for a notebook's output.

    Parameters
    ----------
    comparison : Comparison
        What :func:`skreg.compare` returns.

    Returns
    -------
    html : str
        A ``div`` without scripts, in the notebook's own colours.

    Raises
    ------
    TypeError
        If `comparison` is not a comparison.
    ValueError
        If its table has no scores.
    """
    frame = read_frame(comparison, (SCORE,))
    table = candidates_table(
        frame, baseline=_baseline(comparison), scoring=_scoring(comparison), short=True
    )
    return (
        '<div class="skreg-comparison">\n'
        f"<style>{asset('notebook.css').strip()}</style>\n"
        f"<p>{escape(_lead(comparison, frame))}</p>\n{table}\n"
        f"<details><summary>In words</summary>\n{text_to_html(_words(comparison), level=4)}\n"
        "</details>\n</div>"
    )


def _baseline(comparison):
    return str(getattr(comparison, "baseline_", BASELINE))


def _scoring(comparison):
    return str(getattr(comparison, "scoring", None) or "score")


def _words(comparison):
    summary = getattr(comparison, "summary", None)
    return summary() if callable(summary) else ""


def _lead(comparison, frame):
    """One line: the best candidate and its score."""
    best = getattr(comparison, "best_", None)
    scores = frame.loc[frame[CANDIDATE] == best, SCORE]
    if scores.empty:
        return f"{len(frame)} candidates, compared by {_scoring(comparison)}."
    score = format_value(scores.iloc[0], "score", decimals_for(frame[SCORE]))
    return f"Highest {_scoring(comparison)} of {len(frame)} candidates: {best}, {score}."


def _summary(comparison):
    """What the comparison says, without the parts that have a section of their own."""
    elsewhere = set()
    if getattr(getattr(comparison, "diagnosis_", None), "findings", None):
        elsewhere.add("Diagnosis")
    if getattr(comparison, "notes_", None):
        elsewhere.add("Notes")
    sections = split_sections(_words(comparison))
    kept = [f"# {heading}\n{body}" for heading, body in sections if heading not in elsewhere]
    if not kept:
        return ""
    words = text_to_html("\n\n".join(kept).replace("# \n", ""))
    return section("Summary", f'<div class="summary">\n{words}\n</div>')


def _candidates(comparison, frame):
    table = candidates_table(
        frame, baseline=_baseline(comparison), scoring=_scoring(comparison), sortable=True
    )
    scroll = (
        f'<div class="scroll" role="region" aria-label="Candidates" tabindex="0">\n{table}\n</div>'
    )
    return section("Candidates", f"{scroll}\n{download(frame, 'candidates.csv')}")


def _figures(comparison, frame):
    """Both displays, each in a wide and in a narrow version."""
    baseline = _baseline(comparison)
    drawn = []
    for display_class, heading, caption in (
        (
            ComparisonDisplay,
            f"Differences to {baseline}",
            f"Mean paired difference to {baseline} with its 95 % interval; small strokes are "
            "single splits. The verdicts are corrected for the number of tests, the intervals are "
            "not. At the right: the mean score.",
        ),
        (
            OverfitGapDisplay,
            "Train and test score",
            "The length of a line is the overfit gap; its ends show which score moved. "
            f"The dotted line is the test score of {baseline}.",
        ),
    ):
        try:
            display = display_class.from_comparison(comparison, plot=False)
            body = figure(display, len(frame), heading, caption)
        except ImportError:
            return section("Figures", f'<p class="note">{NO_FIGURES}</p>')
        except ValueError:
            # The table has no columns for this figure, so there is nothing to show.
            continue
        drawn.append(section(heading, body))
    return '<div class="figures">\n' + "\n".join(drawn) + "\n</div>" if drawn else ""


def _diagnosis(comparison):
    findings = getattr(getattr(comparison, "diagnosis_", None), "findings", None)
    if not findings:
        return ""
    items = []
    for finding in findings:
        style, word = MARKS[finding.ok]
        mark = f' <span class="{style}">({word})</span>' if word else ""
        items.append(f"<dt>{escape(finding.title)}{mark}</dt>\n<dd>{escape(finding.text)}</dd>")
    return section("Diagnosis", "<dl>\n" + "\n".join(items) + "\n</dl>")


def _measured(comparison):
    """How it was measured, and what was done to the data."""
    method = getattr(comparison, "method_", None) or {}
    notes = getattr(comparison, "notes_", None) or []
    if not method and not notes:
        return ""
    items = "\n".join(
        f"<dt>{escape(str(label))}</dt>\n<dd>{escape(str(text))}</dd>"
        for label, text in method.items()
    )
    body = f"<dl>\n{items}\n</dl>" if items else ""
    if notes:
        body += "\n" + text_to_html("\n".join(f"- {note}" for note in notes))
    return section("How it was measured", body)


def _splits(comparison):
    """The scores split by split and the strengths that were tried, folded away."""
    parts = []
    for method, caption, name in (
        ("strengths", "Inner scores of the strengths that were tried", "strengths.csv"),
        ("folds", "Scores split by split", "splits.csv"),
    ):
        read = getattr(comparison, method, None)
        frame = read() if callable(read) else None
        if frame is None or frame.empty:
            continue
        shown = plain_table(frame.head(MOST_ROWS), caption)
        cut = f'<p class="note">The first {MOST_ROWS:,} of {len(frame):,} rows.</p>'
        parts.append(
            f"<details>\n<summary>{escape(caption)} ({len(frame):,} rows)</summary>\n"
            f'<div class="scroll" role="region" aria-label="{escape(caption)}" tabindex="0">\n'
            f"{shown}\n</div>\n{cut if len(frame) > MOST_ROWS else ''}{download(frame, name)}\n"
            "</details>"
        )
    return "\n".join(parts)
