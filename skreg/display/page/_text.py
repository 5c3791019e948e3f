"""Plain text as HTML.

Headings start with "# ", items of a list with "- ", and a blank line separates paragraphs.
"""

from __future__ import annotations

from html import escape


def split_sections(text):
    """Cut a text at its headings.

    Parameters
    ----------
    text : str
        Plain words.

    Returns
    -------
    sections : list of tuple of two str
        Heading and body; the heading of what comes before the first one is empty.
    """
    sections = [("", [])]
    for line in text.splitlines():
        if line.startswith("#"):
            sections.append((line.lstrip("#").strip(), []))
        else:
            sections[-1][1].append(line)
    sections = [(heading, "\n".join(lines).strip()) for heading, lines in sections]
    return [section for section in sections if any(section)]


def text_to_html(text, *, level=3):
    """Write plain text as HTML, with everything in it escaped.

    Parameters
    ----------
    text : str
        Plain words.

    level : int, default=3
        Of the headings.

    Returns
    -------
    html : str
        A ``div`` for each heading and what belongs to it.

    Examples
    --------
    >>> print(text_to_html("# Verdict\\nL1 < L2:\\n- by 0.1\\n- surely"))
    <div>
    <h3>Verdict</h3>
    <p>L1 &lt; L2:</p>
    <ul>
    <li>by 0.1</li>
    <li>surely</li>
    </ul>
    </div>
    """
    parts = []
    for heading, body in split_sections(text):
        title = [f"<h{level}>{escape(heading)}</h{level}>"] if heading else []
        blocks = [_block(kind, lines) for kind, lines in _blocks(body)]
        parts.append("\n".join(["<div>", *title, *blocks, "</div>"]))
    return "\n".join(parts)


def _blocks(body):
    """Runs of lines that are one list or one paragraph."""
    blocks = []
    for line in body.splitlines():
        if not line.strip():
            blocks.append(("end", []))
        elif line.startswith("- "):
            if not blocks or blocks[-1][0] != "list":
                blocks.append(("list", []))
            blocks[-1][1].append(line[2:].strip())
        elif line.startswith(" ") and blocks and blocks[-1][0] == "list":
            # An indented line continues the item above it.
            blocks[-1][1][-1] += " " + line.strip()
        else:
            if not blocks or blocks[-1][0] != "paragraph":
                blocks.append(("paragraph", []))
            blocks[-1][1].append(line.strip())
    return [block for block in blocks if block[0] != "end"]


def _block(kind, lines):
    if kind == "list":
        return "\n".join(["<ul>", *(f"<li>{escape(line)}</li>" for line in lines), "</ul>"])
    return f"<p>{escape(' '.join(lines))}</p>"
