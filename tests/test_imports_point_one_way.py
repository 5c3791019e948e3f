"""Who imports whom: no circles, so that any module can be read, and imported, by itself."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import skreg

ROOT = Path(skreg.__file__).parent
MODULES = {
    ".".join(("skreg", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(
        ".__init__"
    ): path
    for path in ROOT.rglob("*.py")
}


def imported(path):
    """Modules of the package that a file imports, at its top or inside a function; not for annotations."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for_checkers = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.unparse(block.test)
        for node in ast.walk(block)
    }
    found = set()
    for node in ast.walk(tree):
        if id(node) in for_checkers:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            whole = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= whole & MODULES.keys() or {node.module}
    return found & MODULES.keys()


def circle(arrows):
    """The modules of a circle in their order, or nothing."""
    done, way = set(), []

    def visit(name):
        if name in way:
            return way[way.index(name) :]
        if name in done:
            return []
        way.append(name)
        found = next(filter(None, map(visit, sorted(arrows[name]))), [])
        way.pop()
        done.add(name)
        return found

    return next(filter(None, map(visit, sorted(arrows))), [])


def test_a_circle_is_found():
    assert circle({"a": {"b"}, "b": {"c", "d"}, "c": set(), "d": {"b"}}) == ["b", "d"]
    assert circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


def test_no_module_imports_itself_by_way_of_others():
    """Neither at its top nor inside a function, where an import would only hide the circle.

    A block may ask for the kernels of a device where it is called for that device, and not before:
    numba and triton are not there everywhere, and take long.
    """
    arrows = {name: imported(path) - {name} for name, path in MODULES.items()}
    for name in arrows:
        if name.startswith("skreg.net."):
            arrows[name] = {
                other for other in arrows[name] if not other.startswith("skreg.backends.")
            }
    assert arrows["skreg.train.run"] >= {"skreg.backends.choose", "skreg.train.stack"}
    assert circle(arrows) == []


@pytest.mark.parametrize("first", ["backends.choose", "backends.self_check", "train.stack"])
def test_the_gate_for_kernels_can_be_imported_from_each_end(first):
    """The packages of these modules import others of them, in whatever order they are asked for."""
    code = f"import skreg.{first}, skreg.train; assert callable(skreg.train.train)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
