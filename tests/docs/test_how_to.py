"""What the how-tos quote is there: messages in the source, versions and authors where they are kept."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "how_to"
DOTS = "..."


def texts_of(node):
    """A text of the source, with dots for what is put into it."""
    parts = node.values if isinstance(node, ast.JoinedStr) else [node]
    return "".join(part.value if isinstance(part, ast.Constant) else DOTS for part in parts)


@pytest.fixture(scope="module")
def source():
    found = []
    for path in (ROOT / "skreg").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr) or (
                isinstance(node, ast.Constant) and isinstance(node.value, str)
            ):
                found.append(texts_of(node))
    return found


def quoted_messages():
    page = (PAGES / "troubleshooting.rst").read_text(encoding="utf-8")
    return re.findall(r"^``(.+)``\n {3}\S", page, re.MULTILINE)


def quotes(message, text):
    """Whether a text has the parts of a message between its dots, one after the other."""
    at = 0
    for part in message.split(DOTS):
        at = text.find(part.strip(), at)
        if at < 0:
            return False
        at += len(part.strip())
    return True


def test_there_are_messages():
    assert len(quoted_messages()) > 20


@pytest.mark.parametrize("message", quoted_messages())
def test_a_quoted_message_is_in_the_source(source, message):
    assert any(quotes(message, text) for text in source)


def test_a_message_that_is_nowhere_would_be_missed(source):
    assert not any(quotes("X_val does not look like ... a duck", text) for text in source)


def test_every_page_is_in_the_index():
    index = (PAGES / "index.rst").read_text(encoding="utf-8")
    named = set(re.findall(r"^ {3}([a-z_]+)$", index, re.MULTILINE))
    assert named == {path.stem for path in PAGES.glob("*.rst")} - {"index"}


def test_citation_names_version_and_authors():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    page = (PAGES / "citation.rst").read_text(encoding="utf-8")
    assert f"version: {project['version']}\n" in citation
    assert f"license: {project['license']}\n" in citation
    assert f"version = {{{project['version']}}}" in page
    (author,) = project["authors"]
    assert f"name: {author['name']}\n" in citation
    assert author["name"] in page


def test_torch_of_the_page_is_the_one_of_the_tests():
    pinned = re.search(
        r"^torch==(\S+)$", (ROOT / "constraints.txt").read_text("utf-8"), re.MULTILINE
    )
    assert f"torch=={pinned[1]}+cpu" in (PAGES / "cpu_only_torch.rst").read_text("utf-8")
