"""Pieces of reStructuredText that all pages are made of."""

from __future__ import annotations

import re
import textwrap

PACKAGES = ("python", "numpy", "scikit-learn", "torch", "skorch", "numba", "joblib")


def table(header, rows):
    """A list table."""
    lines = [".. list-table::", "   :header-rows: 1", ""]
    for row in (header, *rows):
        for i, cell in enumerate(row):
            lines.append(f"   {'*' if i == 0 else ' '} - {_as_text(cell)}")
    return "\n".join(lines) + "\n"


def contestants(seconds, times, unit, digits=(2, 1)):
    """A table of what each contestant took, in seconds and in those of one of them."""
    few, many = digits
    rows = [(who, f"{s:.{few}f}", f"{times[who]:.{many}f}") for who, s in seconds.items()]
    return table(("contestant", "seconds", unit), rows)


def _as_text(cell):
    """A cell that begins as a list would, such as "+ dropout", is text all the same."""
    return re.sub(r"^[-+*](?= )", r"\\\g<0>", str(cell))


def shell(command, indent="   "):
    """A command, in lines that fit a page; as it stands it can be pasted into a shell."""
    lines = textwrap.wrap(command, 84, break_long_words=False, break_on_hyphens=False)
    return indent + f" \\\n{indent}    ".join(lines) + "\n"


def heading(text, line="-"):
    """A title inside a page."""
    return f"\n{text}\n{line * len(text)}\n\n"


def processor(machine):
    """The processor of a machine that `benchmarks.timing.machine` describes."""
    return f"{machine['cpu']} ({machine['capability']})"


def head(title, text, machine):
    """Title and text of a page, and the machine that its figures were taken on."""
    versions = ", ".join(f"{name} {machine[name]}" for name in PACKAGES)
    repeats = f" Repetitions: {machine['repeats']}." if "repeats" in machine else ""
    return (
        f"{title}\n{'=' * len(title)}\n\n{text}\n\nTaken on {machine['cores']} cores of "
        f"{processor(machine)}, {machine['threads']} torch threads; {versions}."
        f"{repeats}\n\n"
    )
