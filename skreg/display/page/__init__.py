"""A comparison as one web page that needs no network, and in short for a notebook.

``page.html``, ``page.css`` and ``page.js`` beside this file are the template; what varies is
written by `_render`, from the parts `_text` (plain words), `_table` and `_figures`.
"""

from __future__ import annotations

from ._render import render_notebook, render_page

__all__ = ["render_notebook", "render_page"]
