"""Parts that pages share: the frame, sections, figures, tables to save."""

from __future__ import annotations

import base64
from html import escape
from importlib import resources
from string import Template

from ._figures import draw_svg

NO_FIGURES = (
    "The figures are left out, because matplotlib is not installed where this page was written "
    "(pip install skreg[plot])."
)


def full_page(title, lead, sections):
    """The page.

    Parameters
    ----------
    title, lead : str
        Plain words: the heading, and one line below it.

    sections : list of str
        HTML; empty ones are left out.

    Returns
    -------
    html : str
    """
    return Template(asset("page.html")).substitute(
        title=escape(title),
        lead=f'<p class="lead">{escape(lead)}</p>',
        css=asset("page.css").strip(),
        js=asset("page.js").strip(),
        sections="\n".join(section for section in sections if section),
    )


def asset(name):
    """The text of a file beside this one."""
    return (resources.files(__package__) / name).read_text(encoding="utf-8")


def section(heading, body):
    """A part of the page with a heading."""
    return f"<section>\n<h2>{escape(heading)}</h2>\n{body}\n</section>"


def download(frame, name, note=""):
    """A link that holds the table itself, with a note behind it."""
    data = base64.b64encode(frame.to_csv(index=False).encode()).decode()
    return (
        f'<p class="note"><a download="{name}" href="data:text/csv;base64,{data}">'
        f"Save this table ({name})</a>{escape(note)}</p>"
    )


def figure(display, n_rows, heading, caption):
    """A display in a wide and in a narrow version, with what it shows.

    Parameters
    ----------
    display : object with ``plot(ax=)``
    n_rows : int
        Rows of the figure, for its height.

    heading, caption : str
        Plain words.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    parts = []
    for size in ("wide", "narrow"):
        prefix = f"{type(display).__name__}-{'-'.join(heading.split())}-{size}"
        svg = draw_svg(display, n_rows, narrow=size == "narrow", prefix=escape(prefix, quote=True))
        label = escape(heading, quote=True)
        svg = svg.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)
        parts.append(f'<div class="{size}">\n{svg}\n</div>')
    body = "\n".join(parts)
    return f"<figure>\n{body}\n<figcaption>{escape(caption)}</figcaption>\n</figure>"
