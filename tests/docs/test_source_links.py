"""The links from pages of source code back to the documentation."""

import importlib.util
from pathlib import Path

import pytest

FILE = Path(__file__).parents[2] / "docs" / "_ext" / "source_links.py"
OBJECTS = {
    "skreg.load_model": "api/load_model",
    "skreg.fitting.Model": "api/Model",
    "skreg.fitting.Model.read": "api/Model",
    "skreg.parallel.trainer.RoundReport": "api/RoundReport",
    "skreg.parallel.trainer.RoundReport.of": "api/RoundReport",
}


@pytest.fixture(scope="module")
def anchor_on():
    spec = importlib.util.spec_from_file_location("source_links", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.anchor_on


@pytest.mark.parametrize(
    ("page", "anchor", "name"),
    [
        ("api/load_model", "skreg.fitting.load_model", "skreg.load_model"),
        ("api/Model", "skreg.fitting.Model.read", "skreg.fitting.Model.read"),
        ("api/RoundReport", "skreg.RoundReport", "skreg.parallel.trainer.RoundReport"),
        ("api/RoundReport", "skreg.RoundReport.of", "skreg.parallel.trainer.RoundReport.of"),
        ("api/Model", "skreg.fitting.other", "skreg.fitting.other"),
        (None, "skreg.load_model", "skreg.load_model"),
    ],
)
def test_an_anchor_is_one_that_the_page_has(anchor_on, page, anchor, name):
    assert anchor_on(page, anchor, OBJECTS) == name
