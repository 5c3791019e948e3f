from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from benchmarks import rules

HALVES = rules.RATES.with_suffix(".json")


def verdicts(gain):
    """Verdicts of ten tables: one order of gains for every candidate, a plain net with a gap, rows."""
    names = ("+ dropout", "+ L1", "+ L2", "+ weight decay", "+ input dropout", "bagged net")
    names += ("linear L1", "linear L2", "plain net")
    return pd.DataFrame(
        {
            "dataset": f"t{i}",
            "candidate": name,
            "difference": gain[i] * (1 + ("L2" in name)),
            "overfit_gap": i,
            "n": 100 * (i + 1),
        }
        for i in range(10)
        for name in names
    )


TABLES = pd.DataFrame(
    {"dataset": [f"t{i}" for i in range(10)], "d": 5, "correlation": np.arange(10.0)}
)


def answers(gain):
    """Rule to answer."""
    return {line[0]: (line[3], line[5]) for line in rules.rules(verdicts(gain), TABLES)}


def test_a_rule_holds_where_the_order_is_as_it_says():
    found = answers(-np.arange(10.0))
    assert found["The fewer rows, the more it gains: + L1"] == ("-1.00", "held")
    gap = "The larger the gap between training and test, the more it gains: + L1"
    assert found[gap] == ("-1.00", "the other way round")


def test_a_rule_is_not_seen_where_there_is_no_order():
    found = answers(np.array([5.0, 9, 1, 7, 3, 6, 2, 8, 4, 0]))
    assert found["The fewer rows, the more it gains: + L2"][1] == "leans that way, not sure"


def test_columns_are_counted_against_the_model_without_l1():
    counts = {"+ L1": 2, "plain net": 4, "linear L1": 3, "linear L2": 3}
    rows = [{"dataset": "t", "candidate": name, "n_features_used": n} for name, n in counts.items()]
    found = list(rules.columns_used(pd.DataFrame(rows)))
    assert found == [
        ("+ L1", "plain net", 1, "50%", "50%"),
        ("linear L1", "linear L2", 1, "100%", "100%"),
    ]


def test_rates_are_compared_with_no_dropout():
    rows = pd.DataFrame(
        {
            "dataset": name,
            "seed": 0,
            "method": method,
            "score": score,
            "logloss": 1 - score,
            "error": np.nan,
        }
        for name, shift in (("a", 0.0), ("b", 0.02))
        for method, score in (
            ("skreg-raw", 0.7 + shift),
            ("skreg-raw:dropout=0.0", 0.6),
            ("skreg-raw:dropout=0.1", 0.6),
            ("skreg-raw:dropout=0.3", 0.5),
            ("skreg-raw:dropout=0.5", 0.5),
            ("skreg-raw:input_dropout=0.1", 0.7 + shift),
            ("skreg-raw:input_dropout=0.2", 0.7 + shift),
        )
    )
    ranges = pd.DataFrame({"worst": 0.5, "best": 1.0}, index=["a", "b"])
    found = {line[0]: line for line in rules.rates(rows, ranges)}
    default = found["``dropout=0.2``, the default"]
    assert float(default[2]) == pytest.approx((0.1 + 0.12) / 2 / 0.5, abs=1e-3)
    assert default[4:] == ("2 and 0", "-0.110", "2 of 2")
    assert found["``dropout=0.3``"][4] == "0 and 2"
    assert found["default and ``input_dropout=0.1``"][2] == "+0.000"


def test_the_page_is_that_of_the_stored_rows():
    """Where it is not, `python -m benchmarks.rules` writes it anew."""
    notes = json.loads(HALVES.read_text())
    ranges = pd.read_csv(rules.RESULTS / "peer_ranges.csv", index_col="dataset")
    rows = pd.read_csv(rules.RATES, dtype={"error": object})
    stored = pd.read_csv(rules.RESULTS / "verdicts.csv"), pd.read_csv(rules.TABLES)
    assert rules.page(*stored, rows, notes, ranges) == (rules.DOCS / "rules.rst").read_text()
