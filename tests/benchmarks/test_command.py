from __future__ import annotations

import json

import pytest

from benchmarks import __main__ as command


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Folders of results and pages of their own."""
    results, docs = tmp_path / "results", tmp_path / "docs" / "benchmarks"
    results.mkdir()
    docs.mkdir(parents=True)
    monkeypatch.setattr(command, "RESULTS", results)
    monkeypatch.setattr(command, "RECORDED", results / "recorded_ratios.json")
    monkeypatch.setattr(command, "DOCS", docs)
    return results, docs


@pytest.mark.parametrize("name", command.NAMES)
def test_every_measurement_has_a_page(name):
    module = command.benchmark(name)
    assert callable(module.measure) and callable(module.page)


def test_pages_and_pictures_are_written_from_what_is_stored(folders, machine):
    results, docs = folders
    one = {"seconds": 1.0, "mb": 2.0, "runs": 5, "table mb": 3.0}
    axis = {"what": "Some table", "sizes": [1, 10], "contestants": {"a": [one] * 2, "b": [one] * 2}}
    call = {"seconds": {"skreg": 1.0, "scikit-learn": 2.0}, "to scikit-learn": 0.5}
    found = {"scaling": {"rows": axis}, "predicting": {"a net": {"1": call}}}
    for name, result in found.items():
        stored = {"machine": machine, "repeats": 7, "result": result}
        (results / f"{name}.json").write_text(json.dumps(stored))
    assert command.main(["--pages"]) == 0
    assert sorted(path.name for path in docs.iterdir()) == [
        "predicting.rst",
        "scaling.rst",
        "scaling.svg",
    ]
    assert all("Repetitions: 7." in path.read_text() for path in docs.glob("*.rst"))
    assert not command.RECORDED.exists()
    assert command.main(["--pages", "--record"]) == 0
    assert list(json.loads(command.RECORDED.read_text())) == [
        "predicting: a net of 1 row, to scikit-learn"
    ]
