"""Configuration of the documentation. The build needs no network, and neither do the pages."""

import importlib.util
import logging
import os
import re
import sys
from importlib.metadata import version as installed_version
from pathlib import Path

os.environ.setdefault("MPLBACKEND", "Agg")
sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "skreg"
author = "The skreg developers"
copyright = "The skreg developers"
release = version = installed_version("skreg")

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
    "matplotlib.sphinxext.plot_directive",
    "numpydoc",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "llms_txt",
    "source_links",
]
templates_path = ["_templates"]
exclude_patterns = ["_build", "_ext", "_templates", "**sg_execution_times.rst"]

# Formulas are drawn in the browser by a MathJax that lies beside the pages, one file with all letters.
_MATHJAX = Path(*importlib.util.find_spec("sphinx-mathjax-offline").submodule_search_locations)
mathjax_path = "tex-svg-full.js"

_HERE = Path(__file__).parent
_WIDE = [f"coming_from/{page.stem}" for page in sorted(_HERE.glob("coming_from/*.rst"))]

html_theme = "pydata_sphinx_theme"
html_title = "skreg"
html_show_sourcelink = False
html_static_path = ["_static", str(_MATHJAX / "static" / "mathjax" / mathjax_path)]
html_css_files = ["site.css"]
html_theme_options = {
    "show_prev_next": False,
    # Without the contents of the page beside it there is room for two snippets side by side.
    "secondary_sidebar_items": {"**": ["page-toc"], "index": []} | {page: [] for page in _WIDE},
    "navbar_align": "left",
    "header_links_before_dropdown": 4,
    "show_toc_level": 2,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
html_sidebars = {"index": []}
toc_object_entries_show_parents = "hide"

autosummary_generate = True
autodoc_typehints = "none"  # types stand in the numpydoc sections
numpydoc_show_class_members = False  # the templates list them

# Without a network the names of other packages are no links; that is no reason to fail.
intersphinx_mapping = {
    "python": ("https://docs.python.org/3", None),
    "numpy": ("https://numpy.org/doc/stable", None),
    "pandas": ("https://pandas.pydata.org/docs", None),
    "matplotlib": ("https://matplotlib.org/stable", None),
    "sklearn": ("https://scikit-learn.org/stable", None),
    "torch": ("https://docs.pytorch.org/docs/stable", None),
    "joblib": ("https://joblib.readthedocs.io/en/stable", None),
    "skorch": ("https://skorch.readthedocs.io/en/stable", None),
}
intersphinx_timeout = 5  # seconds
# Warnings that are none here, by the logger that has them. They have no type by which Sphinx could leave
# them out.
_NO_WARNINGS = {
    "sphinx.ext.intersphinx": "failed to reach any of the inventories",
    # The guide lists its chapters by patterns; a chapter may have no page yet.
    "sphinx.directives.other": "toctree glob pattern",
}
for _name, _text in _NO_WARNINGS.items():
    logging.getLogger(f"sphinx.{_name}").addFilter(
        lambda record, text=_text: not str(record.msg).startswith(text)
    )

copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

# The guide's pictures are made from the code above them. `python -m doctest` runs what has a prompt.
plot_include_source = True
plot_html_show_source_link = False
plot_html_show_formats = False
plot_formats = [("png", 150)]
plot_pre_code = ""
plot_rcparams = {"figure.figsize": (6.4, 3.6), "figure.constrained_layout.use": True}
plot_apply_rcparams = True

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "within_subsection_order": "FileNameSortKey",
    "subsection_order": [
        *("../examples/basics", "../examples/regularizers", "../examples/search"),
        *("../examples/ensembles", "../examples/verdict", "*"),
    ],
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "ignore_repr_types": r"Display",  # a picture says it
    # An API page shows the examples that use its object.
    "doc_module": ("skreg",),
    "backreferences_dir": "api/backreferences",
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


def _keep_shapes(app, what, name, obj, options, lines):
    """Show the section on shapes that functions on tensors have: numpydoc knows none of that name."""
    for i in range(len(lines) - 1):
        if lines[i] == "Shape" and set(lines[i + 1]) == {"-"}:
            lines[i : i + 2] = ["Notes", "-----", "**Shapes.**"]


def setup(app):
    app.connect("autodoc-process-docstring", _keep_shapes, priority=100)  # before numpydoc
    app.connect("autodoc-process-docstring", _mend_references)
