"""The displays as inline SVG that follows the colours of the page."""

from __future__ import annotations

import io
import re

from .._style import COLORS, require_matplotlib

# matplotlib writes fixed colours; these are replaced by variables of the page's style sheet.
INK = "#010203"
VARIABLES = {
    INK: "currentColor",
    "#000000": "currentColor",
    "#ffffff": "var(--paper)",
    **{color.lower(): f"var(--{name})" for name, color in COLORS.items()},
}

# Inches: width, height of a row, height of the rest. At 96 dots an inch two wide ones stand side by
# side on a desktop, and the narrow one fills a phone of 390 dots less its margins.
WIDE = (6.0, 0.27, 1.0)
NARROW = (3.7, 0.36, 1.4)


def draw_svg(display, n_rows, *, narrow=False, prefix="f"):
    """Draw a display with one row for each candidate as an ``svg`` element.

    Parameters
    ----------
    display : ComparisonDisplay or OverfitGapDisplay
        What is drawn.

    n_rows : int
        Number of candidates, for the height.

    narrow : bool, default=False
        Whether it is for a phone rather than a desktop.

    prefix : str, default="f"
        Prefix of all identifiers, which must differ between the figures of a page.

    Returns
    -------
    svg : str
        Without declarations and without any address.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    require_matplotlib("The page's figures")
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    width, row_height, frame_height = NARROW if narrow else WIDE
    # The user's own style must not change the page: only known colours are replaced below.
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_settings())
        figure = Figure(
            figsize=(width, max(3.0, frame_height + row_height * n_rows)), layout="constrained"
        )
        FigureCanvasSVG(figure)
        display.plot(ax=figure.subplots())
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return _clean(buffer.getvalue(), prefix)


def _settings():
    """Settings that keep text as text, identifiers the same in every run, and backgrounds clear."""
    keys = ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color")
    return {
        **dict.fromkeys(keys, INK),
        "svg.fonttype": "none",
        "svg.hashsalt": "skreg",
        "figure.facecolor": "none",
        "axes.facecolor": "none",
        "savefig.facecolor": "none",
        "axes.unicode_minus": True,
    }


def _clean(svg, prefix):
    """Keep the ``svg`` element only, in the page's colours and with identifiers of its own."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\sxmlns(:\w+)?="[^"]*"', "", svg)
    svg = svg.replace("xlink:href", "href")
    svg = re.sub(r'\bid="', f'id="{prefix}-', svg)
    svg = svg.replace('href="#', f'href="#{prefix}-').replace("url(#", f"url(#{prefix}-")
    for color, variable in VARIABLES.items():
        svg = re.sub(re.escape(color), variable, svg, flags=re.IGNORECASE)
    return svg.strip()
