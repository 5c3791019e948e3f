"""What an ensemble and a net share goes through functions: an ensemble knows nothing private of a net."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import skreg.estimators.bagging

FOLDER = Path(skreg.estimators.bagging.__file__).parent


def private_of_others(source):
    """Names with an underscore in front that code takes from objects that are not its own."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Attribute) or not node.attr.startswith("_"):
            continue
        if node.attr.startswith("__"):  # Python's own
            continue
        of = node.value
        own = isinstance(of, ast.Name) and of.id in ("self", "cls")
        parent = isinstance(of, ast.Call) and getattr(of.func, "id", None) == "super"
        if not (own or parent):
            found.append(f"{ast.unparse(of)}.{node.attr}")
    return found


def test_private_names_are_found():
    source = "self._a; cls._b; super()._c; net._d; net.__class__; f(x)._e; a.b._f = 1; a._g.h()"
    assert sorted(private_of_others(source)) == ["a._g", "a.b._f", "f(x)._e", "net._d"]


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_ensembles_take_nothing_private_from_nets(path):
    assert private_of_others(path.read_text(encoding="utf-8")) == []


def test_the_folder_of_the_ensembles_was_read():
    assert {"base", "members", "classifier"} <= {path.stem for path in FOLDER.glob("*.py")}
