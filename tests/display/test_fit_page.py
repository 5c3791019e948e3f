"""The page of a model: what is known stands on it, and what is foreign is escaped."""

from __future__ import annotations

from types import SimpleNamespace

import pandas as pd
import pytest

from skreg.display._importance import ImportanceFigure
from skreg.display.page import render_fit_page

EVIL = "<b>&\"'</script><script>alert(1)</script>"


def scores(first):
    return pd.DataFrame(
        {
            "model": [first, "best single setting", "default net", "constant"],
            "score": [0.388, 0.396, float("nan"), 0.69],
            "spread": [0.03, 0.02, float("nan"), 0.001],
            "what": ["the model in the file", "setting 6", "one net", "the shares of the classes"],
        }
    )


@pytest.fixture
def report():
    """What the page reads of a FitReport, with numbers that are known."""
    importance = pd.DataFrame(
        {"importance": [0.3, 0.1, -0.01], "spread": [0.1, 0.05, 0.02]}, index=range(3)
    )
    return SimpleNamespace(
        model=SimpleNamespace(target=EVIL, estimator=None),
        measure=SimpleNamespace(words="log loss", sign=-1, better="smaller is better"),
        scores=scores("ensemble of 2 settings"),
        nested=None,
        further=pd.DataFrame({"metric": ["accuracy"], "ensemble": [0.81], "constant": [0.5]}),
        columns=importance.assign(column=["age", EVIL, "job"]),
        knobs=importance.rename(columns={"spread": "std"}).assign(knob=["dropout", "l1", "l2"]),
        settings=pd.DataFrame(
            {
                "setting": [6, 0],
                "weight": [0.75, 0.25],
                "score": [-0.396, -0.44],
                "params": [{"dropout": 0.123456, "hidden_layer_sizes": (8,)}, {}],
            }
        ),
        notes=[f"{EVIL} was left out."],
        warnings=["copy predicts the target alone."],
        method={"Table": EVIL, "Seed": "0"},
        about_scores="Somewhat too good.",
        about_nested="What to expect.",
    )


def test_what_is_on_the_page(report):
    page = render_fit_page(report)
    for text in (
        "Log loss 0.388 out of fold (smaller is better); a default net has –, a constant 0.690.",
        "Somewhat too good. With --nested K, skreg fit measures",
        "dropout=0.123, hidden_layer_sizes=(8,)",
        "nothing",
        "75 %",
        "0.396",
        "copy predicts the target alone.",
        "Which columns matter",
        "Which knobs mattered",
        "0.810",
    ):
        assert text in page, text
    assert page.count("<svg") == 4
    assert "<b>" not in page and "alert(1)</script>" not in page
    assert "http" not in page.replace("http-equiv", "")


def test_a_score_that_is_all_but_zero_asks_for_no_more_decimals(report):
    report.scores["score"] = [1e-9, 2e-9, 3e-9, 0.69]
    page = render_fit_page(report)
    assert "Log loss 0.000 out of fold" in page and "a constant 0.690." in page
    assert "0.0000" not in page


def test_identifiers_of_figures_differ(report):
    import re

    found = re.findall(r'\bid="([^"]*)"', render_fit_page(report))
    assert found and len(found) == len(set(found))


def test_nested_scores_come_first(report):
    report.nested = scores("ensemble of a search").drop(index=1)
    page = render_fit_page(report)
    assert "Log loss 0.388 on rows that no decision has seen" in page
    assert page.index("What to expect.") < page.index("Somewhat too good.")
    assert "--nested K" not in page


def test_a_page_without_what_was_not_looked_for(report):
    report.columns = report.knobs = None
    report.further, report.notes, report.warnings = report.further.iloc[:0], [], []
    page = render_fit_page(report)
    for text in ("<svg", "Which columns", "Which knobs", "Other metrics", "Look at this"):
        assert text not in page


def test_without_matplotlib_the_numbers_stand_in_tables(report, matplotlib_missing):
    page = render_fit_page(report)
    assert "matplotlib is not installed" in page and "<svg" not in page
    assert "dropout" in page and "0.05" in page


def test_only_the_first_of_many_columns_are_drawn(report):
    report.columns = pd.DataFrame(
        {"column": [f"c{i}" for i in range(60)], "importance": range(60, 0, -1), "spread": 0.1}
    )
    page = render_fit_page(report)
    assert "The first 25 of 60; the file has all." in page
    assert "c24<" in page and "c25<" not in page


def test_importances_are_drawn_with_their_spread(assert_texts_apart):
    table = pd.DataFrame(
        {"name": ["age", "job", "a"], "importance": [0.3, 0.1, 0.0], "spread": [0.1, 0.05, 0.02]}
    )
    display = ImportanceFigure(table).plot()
    points, _, (bars,) = display.bars_
    assert points.get_xdata().tolist() == [0.3, 0.1, 0.0]
    assert [round(s[1][0] - s[0][0], 9) for s in bars.get_segments()] == [0.2, 0.1, 0.04]
    assert_texts_apart(display.figure_)
