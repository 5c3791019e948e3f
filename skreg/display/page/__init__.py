"""A comparison or a fitted model as one web page that needs no network; the first in short for a notebook.

``page.html``, ``page.css`` and ``page.js`` beside this file are the template; what varies is
written by `_render` and `_fit`, from `_parts`, `_text` (plain words), `_table` and `_figures`.
"""

from __future__ import annotations

from ._fit import render_fit_page
from ._render import render_notebook, render_page

__all__ = ["render_fit_page", "render_notebook", "render_page"]
