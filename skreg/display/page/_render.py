"""Put the page together: the summary, the table, the figures, and how it was measured."""

from __future__ import annotations

from html import escape

from .._comparison_data import BASELINE, CANDIDATE, SCORE, read_frame, score_words
from ..comparison import ComparisonDisplay
from ..overfit_gap import OverfitGapDisplay
from ._parts import NO_FIGURES, asset, download, figure, full_page, section
from ._table import CONTENDER_COLUMNS, candidates_table, plain_table
from ._text import split_sections, text_to_html

MOST_ROWS = 2000
SNIPPET = "X and y are the table and the target as they were given to compare."
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
    sections = [
        _recommendation(comparison),
        _contenders(comparison),
        _knobs(comparison, frame),
        _figures(comparison, frame),
        _in_words(comparison),
        _diagnosis(comparison),
        _measured(comparison),
        _splits(comparison),
    ]
    return full_page(_title(comparison), _about(comparison, frame), sections)


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
    contenders, (knobs, _) = _contenders_of(comparison), _knobs_of(frame)
    tables = []
    if contenders is not None:
        tables.append(_contenders_table(comparison, contenders, short=True, sortable=False))
    shown = _knobs_table(comparison, knobs, short=True, sortable=False)
    if tables:
        shown = f"<details><summary>Which regularizer pays</summary>\n{shown}\n</details>"
    put = getattr(comparison, "recommendation_", None)
    head = f"<strong>{escape(put.headline)}</strong> {escape(put.details)}" if put else ""
    body = "\n".join([f"<p>{head or escape(_about(comparison, frame))}</p>", *tables, shown])
    return (
        '<div class="skreg-comparison">\n'
        f"<style>{asset('notebook.css').strip()}</style>\n{body}\n"
        f"<details><summary>In words</summary>\n{text_to_html(_words(comparison), level=4)}\n"
        "</details>\n</div>"
    )


def _title(comparison):
    """What the page is about, with the table and the target where they have names."""
    target = getattr(comparison, "target_name", None)
    # "target" is the default name, which tells the reader nothing.
    asked = f"What predicts {target} best?" if target and target != "target" else "What to take?"
    table = (getattr(comparison, "method_", None) or {}).get("Table")
    return f"{table}: {asked[0].lower()}{asked[1:]}" if table else asked


def _about(comparison, frame):
    """One line: what was compared, on what, when and by which version."""
    method = getattr(comparison, "method_", None) or {}
    target = str(method.get("Target", ""))
    unnamed = target.startswith("target (")
    parts = [
        method.get("Rows and columns"),
        target[8:-1] if unnamed else f"target: {target}" if target else None,
        f"{len(frame)} candidates, compared by {_scoring(comparison)}",
        method.get("Made"),
    ]
    return " · ".join(part for part in parts if part) + "."


def _baseline(comparison):
    return str(getattr(comparison, "baseline_", BASELINE))


def _scoring(comparison):
    return score_words(comparison) or "score"


def _words(comparison):
    summary = getattr(comparison, "summary", None)
    return summary() if callable(summary) else ""


def _recommendation(comparison):
    """What to take, in one sentence, with what builds it."""
    put = getattr(comparison, "recommendation_", None)
    if put is None:
        return ""
    body = f'<p class="headline">{escape(put.headline)}</p>\n<p>{escape(put.details)}</p>'
    if put.name is not None and put.name in getattr(comparison, "estimators_", {}):
        code = escape(comparison.snippet())
        body += (
            f'\n<pre tabindex="0"><code>{code}</code></pre>\n<p class="note">{escape(SNIPPET)}</p>'
        )
    return f'<section class="answer" aria-label="Recommendation">\n{body}\n</section>'


def _contenders_of(comparison):
    """The table of contenders; None for a comparison that does not have one."""
    read = getattr(comparison, "contenders", None)
    frame = read() if callable(read) else None
    return None if frame is None or len(frame) < 2 else frame.reset_index()


def _contenders(comparison):
    frame = _contenders_of(comparison)
    if frame is None:
        return ""
    table = _boxed(_contenders_table(comparison, frame), "What to take")
    return section("What to take", f"{table}\n{download(frame, 'contenders.csv')}")


def _contenders_table(comparison, frame, **options):
    caption = (
        f"{len(frame)} contenders by {_scoring(comparison)}; greater is better. Differences are to the "
        "best of them. "
    )
    if frame["verdict"].eq("take this").any():
        caption += (
            "Taken is the simplest that is not beaten: one without a verdict may be as good as the best, "
            "as far as the scores can tell."
        )
    else:  # said once, and not in every row
        caption += "None of them is better than the dummy with certainty, so none is taken."
        frame = frame.assign(verdict="")
    return candidates_table(
        frame,
        other=frame[CANDIDATE].iloc[0],
        caption=caption,
        columns=CONTENDER_COLUMNS,
        **options,
    )


def _knobs_of(frame):
    """Rows that were asked about the baseline, and whether others were not."""
    if "role" not in frame:
        return frame, False
    asked = frame[frame["role"] != "contender"]
    return asked, len(asked) < len(frame)


def _knobs(comparison, frame):
    asked, some = _knobs_of(frame)
    table = _boxed(_knobs_table(comparison, asked), "Which regularizer pays")
    note = " It holds the contenders as well." if some else ""
    return section("Which regularizer pays", f"{table}\n{download(frame, 'candidates.csv', note)}")


def _knobs_table(comparison, frame, **options):
    baseline = _baseline(comparison)
    caption = (
        f"{len(frame)} candidates by {_scoring(comparison)}; greater is better. The {baseline} has no "
        "regularizer; one without a verdict cannot be told apart from it."
        if baseline == BASELINE
        else f"{len(frame)} candidates by {_scoring(comparison)}; greater is better. One without a "
        f"verdict cannot be told apart from {baseline}."
    )
    return candidates_table(frame, other=baseline, caption=caption, **options)


def _boxed(table, label):
    return (
        f'<div class="scroll" role="region" aria-label="{escape(label, quote=True)}" tabindex="0">\n'
        f"{table}\n</div>"
    )


def _in_words(comparison):
    """What the comparison says, without the parts that have a section of their own."""
    elsewhere = set()
    if getattr(comparison, "recommendation_", None) is not None:
        elsewhere.add("Recommendation")
    if getattr(getattr(comparison, "diagnosis_", None), "findings", None):
        elsewhere.add("Diagnosis")
    if getattr(comparison, "notes_", None):
        elsewhere.add("Notes")
    sections = split_sections(_words(comparison))
    kept = [f"# {heading}\n{body}" for heading, body in sections if heading not in elsewhere]
    if not kept:
        return ""
    words = text_to_html("\n\n".join(kept).replace("# \n", ""))
    return section("In words", f'<div class="summary">\n{words}\n</div>')


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
