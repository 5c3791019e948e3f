from __future__ import annotations

import itertools
import sys

import numpy as np
import pytest

from benchmarks import footprint, imports


def test_a_walk_notes_what_each_stage_imports(monkeypatch, tmp_path):
    for name in ("heavy_one", "heavy_two"):
        (tmp_path / f"{name}.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    stages = {
        "first": "import heavy_one",
        "again": "import heavy_one",
        "second": "import heavy_two",
    }
    try:
        found = imports.walk(stages, heavy=("heavy_one", "heavy_two", "heavy_three"))
    finally:
        for name in ("heavy_one", "heavy_two"):
            sys.modules.pop(name, None)
    assert {name: stage["imports"] for name, stage in found.items()} == {
        "first": ["heavy_one"],
        "again": [],
        "second": ["heavy_two"],
    }
    assert all(stage["seconds"] >= 0 for stage in found.values())


def walked(seconds):
    """What processes print, with the next of the given seconds for each stage."""

    def run(package):
        stages = imports.STAGES[package]
        now = {stage: {"seconds": next(seconds), "imports": []} for stage in stages}
        now["torch and scikit-learn"]["imports"] = ["rich"]
        if package == "skreg":
            now["first fit"]["imports"] = ["numba"]
        return now

    return run


def test_imports_are_medians_without_the_first_process():
    found = footprint.imports(3, walked(itertools.count()))
    # A process of each package has 5 + 2 stages in this count; the first of each reads files.
    first = found["stages"]["skreg"]["torch and scikit-learn"]
    assert first["seconds"] == np.median([7, 14, 21])
    assert found["stages"]["skreg"]["first fit"]["imports"] == ["numba"]
    # What torch and scikit-learn import is not ours.
    assert "rich" in found["never"] and "numba" not in found["never"]


def test_pickles_are_of_one_architecture():
    found = footprint.pickles(layers=((4,),))
    assert set(found) == {"classifier, (4,)", "regressor, (4,)"}
    classifier = found["classifier, (4,)"]
    assert classifier["parameters"] == 64 * 4 + 4 + 4 * 10 + 10
    size = classifier["bytes"]
    assert min(size.values()) > 4 * classifier["parameters"]
    assert classifier["to scikit-learn"] == size["skreg"] / size["scikit-learn"]


def test_page_on_imports_and_pickles(machine):
    sizes = {"skreg": 30_000, "scikit-learn": 240_000}
    pickles = {"a net": {"bytes": sizes, "parameters": 7510, "to scikit-learn": 0.125}}
    found = {"imports": footprint.imports(1, walked(itertools.count())), "pickles": pickles}
    page = footprint.page(found, machine)
    assert "   * - a net\n     - 7,510\n     - 30.0\n     - 240.0\n     - 0.12\n" in page
    assert "   * - skreg: first fit\n     - 10.000\n     - numba\n" in page
    assert "up to and including a fit: matplotlib, skrub, rich, dask, pandas, skorch.\n" in page


@pytest.mark.slow
def test_a_new_process_imports_what_a_fit_needs_and_no_more():
    stages = imports.in_a_process("skreg")
    assert list(stages) == list(imports.STAGES["skreg"])
    assert stages["import skreg"]["imports"] == stages["second fit"]["imports"] == []
    ours = [name for stage in list(stages.values())[1:] for name in stage["imports"]]
    assert not {"matplotlib", "skrub", "rich", "dask"} & set(ours)
