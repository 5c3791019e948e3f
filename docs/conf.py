"""Configuration of the documentation. The build needs no network."""

import os
import re
from importlib.metadata import version as installed_version

os.environ.setdefault("MPLBACKEND", "Agg")

project = "skreg"
author = "The skreg developers"
copyright = "The skreg developers"
release = version = installed_version("skreg")

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
]
templates_path = ["_templates"]
exclude_patterns = ["_build", "_templates", "sg_execution_times.rst"]

html_theme = "pydata_sphinx_theme"
html_title = "skreg"
html_show_sourcelink = False
html_theme_options = {"show_prev_next": False, "secondary_sidebar_items": ["page-toc"]}
html_sidebars = {page: [] for page in ("index", "quickstart", "objective", "user_guide/*")}
toc_object_entries_show_parents = "hide"

autosummary_generate = True
autodoc_typehints = "none"  # types stand in the numpydoc sections
numpydoc_show_class_members = False  # the templates list them

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "within_subsection_order": "FileNameSortKey",
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
}


def _mend_references(app, what, name, obj, options, lines):
    """Take out what reads as a reference and leads nowhere."""
    # ``shape (n_features_in_,)`` names an attribute; to reStructuredText it is a hyperlink.
    lines[:] = [
        re.sub(r"(\w)_(?=[,)])", r"\1\\_", line) if "shape (" in line else line for line in lines
    ]
    # The labels in scikit-learn's docstrings stand in its own guide.
    if getattr(obj, "__module__", "").startswith("sklearn."):
        text = re.sub(r":ref:`([^`<]*?)\s*<[^`]*>`", r"\1", "\n".join(lines))
        lines[:] = text.split("\n")


def setup(app):
    app.connect("autodoc-process-docstring", _mend_references)
