"""Writes ``llms.txt``: an index of all pages with their first sentence, for programs that read documentation.

The format is that of https://llmstxt.org: a title, a summary, then sections of links.
"""

from __future__ import annotations

import re
from pathlib import Path

from docutils import nodes

#: Longest description of a page.
LENGTH = 200


def first_sentence(document):
    """The first sentence of the first paragraph of a page, on one line."""
    for paragraph in document.findall(nodes.paragraph):
        if isinstance(paragraph.parent, (nodes.section, nodes.document)):
            text = " ".join(paragraph.astext().split())
            sentence = re.split(r"(?<=[.:?!])\s", text, maxsplit=1)[0].rstrip(":")
            return sentence if len(sentence) <= LENGTH else sentence[: LENGTH - 1] + "…"
    return ""


def pages_under(env, entry):
    """A page and all that stand below it in the tables of contents, in their order, each once."""
    seen, waiting = [], [entry]
    while waiting:
        name = waiting.pop(0)
        if name not in seen and name in env.all_docs:
            seen.append(name)
            waiting = [*env.toctree_includes.get(name, []), *waiting]
    return seen


def index(app):
    """The text of ``llms.txt``."""
    env = app.env

    def line(name):
        link = app.builder.get_target_uri(name)
        about = first_sentence(env.get_doctree(name))
        title = env.titles[name].astext()
        return f"- [{title}]({link})" + (f": {about}" if about else "")

    root = app.config.root_doc
    parts = [f"# {app.config.project}", "", f"> {first_sentence(env.get_doctree(root))}"]
    listed = {root}
    for section in env.toctree_includes.get(root, []):
        names = [name for name in pages_under(env, section) if name not in listed]
        listed.update(names)
        parts += ["", f"## {env.titles[section].astext()}", "", *map(line, names)]
    return "\n".join(parts) + "\n"


def write(app, exception):
    """Write the index beside the pages."""
    if exception is None and app.builder.format == "html":
        (Path(app.outdir) / "llms.txt").write_text(index(app), encoding="utf-8")


def setup(app):
    """Hook into Sphinx."""
    app.connect("build-finished", write)
    return {"parallel_read_safe": True}
