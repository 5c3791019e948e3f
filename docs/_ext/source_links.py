"""Mends the links from a page of source code back to the documentation of its objects.

``sphinx.ext.viewcode`` keeps one public module for each source file, that of the object it met first. Where a
file has objects that are documented under different modules, as ``skreg.load_model`` and
``skreg.fitting.Model`` are, the links of the others end in an anchor that their page does not have.
"""

from __future__ import annotations

import re

LINK = re.compile(r'(<a class="viewcode-back" href=")([^"#]*)#([^"]*)(")')


def anchor_on(page, anchor, objects):
    """The name under which a page documents an object: that which shares most last parts with the anchor."""
    names = [name for name, documented in objects.items() if documented == page]
    if anchor in names:
        return anchor
    parts = anchor.split(".")
    for i in range(1, len(parts)):
        suffix = "." + ".".join(parts[i:])
        for name in names:
            if name.endswith(suffix):
                return name
    return anchor


def mend(app, pagename, templatename, context, doctree):
    """Point the links of a page of source code to anchors that exist."""
    if not pagename.startswith("_modules/") or "body" not in context:
        return
    objects = {name: entry.docname for name, entry in app.env.domains["py"].objects.items()}
    pages = {app.builder.get_relative_uri(pagename, name): name for name in set(objects.values())}

    def mended(match):
        anchor = anchor_on(pages.get(match[2]), match[3], objects)
        return f"{match[1]}{match[2]}#{anchor}{match[4]}"

    context["body"] = LINK.sub(mended, context["body"])


def setup(app):
    """Hook into Sphinx."""
    app.connect("html-page-context", mend)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
