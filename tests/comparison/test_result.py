"""Tables and other outputs of a comparison."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from skreg.comparison.diagnosis import Diagnosis, Finding

COLUMNS = [
    "kind",
    "role",
    "mean_score",
    "std_score",
    "mean_train_score",
    "overfit_gap",
    "difference",
    "difference_low",
    "difference_high",
    "p_value",
    "p_value_raw",
    "p_dummy",
    "verdict",
    "log_loss",
    "strength",
    "epochs",
    "seconds",
    "zero_share",
    "n_features_used",
]


def test_frame(make_comparison, scores):
    frame = make_comparison(scores, scoring="roc_auc", seconds={"+ L1": 1.5}).frame()
    assert list(frame) == COLUMNS
    assert frame["mean_score"].is_monotonic_decreasing
    row = frame.loc["+ L1"]
    differences = scores["+ L1"] - scores["plain net"]
    assert row["mean_score"] == pytest.approx(scores["+ L1"].mean())
    assert row["std_score"] == pytest.approx(scores["+ L1"].std(ddof=1))
    assert row["difference"] == pytest.approx(differences.mean())
    assert row["overfit_gap"] == pytest.approx(0.05)
    assert row["seconds"] == 1.5
    error = differences.std(ddof=1) * np.sqrt(1 / 10 + 1 / 4)
    assert row["p_value_raw"] == pytest.approx(2 * stats.t.sf(-differences.mean() / error, 9))


def test_p_values_are_adjusted_over_all_but_baseline_and_dummy(make_comparison, scores):
    frame = make_comparison(scores).frame()
    assert frame["p_value"].notna().sum() == 4
    assert frame.loc[["plain net", "dummy"], ["p_value", "p_value_raw"]].isna().all(axis=None)
    smallest = frame["p_value_raw"].idxmin()
    assert frame.loc[smallest, "p_value"] == pytest.approx(4 * frame.loc[smallest, "p_value_raw"])
    assert frame["p_dummy"].notna().sum() == 5


def test_folds_are_paired(make_comparison, scores):
    folds = make_comparison(scores).folds()
    own = folds[folds["candidate"] == "+ L2"]
    assert own["difference"].to_numpy() == pytest.approx(scores["+ L2"] - scores["plain net"])
    assert (folds.loc[folds["candidate"] == "plain net", "difference"] == 0).all()


def test_tables_handed_out_are_copies(make_comparison, scores):
    comparison = make_comparison(scores)
    for table, column in ((comparison.frame(), "mean_score"), (comparison.folds(), "test_score")):
        table[column] = 0.0
    assert comparison.frame()["mean_score"].max() > 0
    assert comparison.folds()["test_score"].max() > 0


def test_between(make_comparison, scores):
    comparison = make_comparison(scores)
    one, other = (comparison.between(*pair) for pair in (("+ L1", "+ L2"), ("+ L2", "+ L1")))
    assert one["difference"] == pytest.approx(-other["difference"])
    assert one["p_value"] == pytest.approx(other["p_value"])
    with pytest.raises(KeyError, match="'\\+ L3' was not compared"):
        comparison.between("+ L3", "+ L1")


def test_the_strength_chosen_most_often_is_shown(make_comparison, scores):
    strength = {name: [""] * 10 for name in scores}
    strength["+ L1"] = ["l1=0.1"] * 4 + ["l1=0.01"] * 6
    comparison = make_comparison(scores, columns={"strength": strength})
    assert comparison.frame().loc["+ L1", "strength"] == "l1=0.01"


def test_summary_has_headings_diagnosis_and_notes(make_comparison, scores):
    diagnosis = Diagnosis([Finding("Can the net overfit", "It can.", True)])
    comparison = make_comparison(scores, diagnosis=diagnosis, notes=["A draw was used."])
    summary = comparison.summary()
    assert summary.startswith("# Recommendation\nTake the linear model: ")
    assert "# Verdict\nBest: + dropout, accuracy 0.8" in summary
    assert "# Diagnosis\n- Can the net overfit: It can." in summary
    assert summary.endswith("# Notes\n- A draw was used.")


def test_to_dict_is_plain_json(make_comparison, scores):
    diagnosis = Diagnosis([Finding("q", "a", np.bool_(True), {"auc": np.float64(0.5)})])
    comparison = make_comparison(scores, diagnosis=diagnosis)
    read = json.loads(json.dumps(comparison.to_dict(), allow_nan=False))
    assert read["best"] == "+ dropout"
    assert read["candidates"][0]["candidate"] == "+ dropout"
    assert len(read["folds"]) == 60
    assert read["diagnosis"][0]["figures"] == {"auc": 0.5}


def test_without_dummy_and_with_another_baseline(make_comparison, scores):
    del scores["dummy"]
    comparison = make_comparison(scores, baseline="+ L2")
    frame = comparison.frame()
    assert frame["p_dummy"].isna().all()
    assert frame.loc["+ L2", "verdict"] == "baseline"
    assert "dummy" not in comparison.summary()


def test_repr_names_candidates_and_verdicts(make_comparison, scores):
    lines = repr(make_comparison(scores)).splitlines()
    assert lines[0] == "Comparison of 6 candidates by accuracy on 10 splits"
    assert lines[1].split() == ["+", "dropout", lines[1].split()[2], "pays"]
    assert lines[-1] == "Take the linear model: nothing is better with certainty."


def test_strengths_without_a_search_are_an_empty_table(make_comparison, scores):
    table = make_comparison(scores).strengths()
    assert isinstance(table, pd.DataFrame)
    assert table.empty


def test_page_and_notebook_show_the_summary(make_comparison, scores, tmp_path):
    comparison = make_comparison(scores, notes=["A draw was used."])
    path = comparison.to_html(tmp_path / "report.html")
    page = path.read_text(encoding="utf-8")
    for text in ("<!doctype html>", "Best: + dropout", "A draw was used."):
        assert text.lower() in page.lower()
    assert "+ dropout" in comparison._repr_html_()


def test_plot(make_comparison, scores):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    display = make_comparison(scores).plot()
    labels = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert "+ dropout" in labels
    pyplot.close("all")
