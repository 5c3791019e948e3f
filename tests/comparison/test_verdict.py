"""The words follow the figures."""

from __future__ import annotations

import numpy as np
import pytest

from skreg.comparison.profile import Profile


def profile(**facts):
    usual = {
        "n_rows": 5000,
        "n_columns": 20,
        "n_features": 20,
        "n_unrelated": 0,
        "n_correlated": 0,
    }
    return Profile(**{**usual, **facts})


def text_of(comparison, topic):
    return next((s.text for s in comparison.verdict_.statements if s.topic == topic), "")


def test_pays_costs_and_cannot_be_told_apart(make_comparison, scores):
    comparison = make_comparison(scores)
    verdict = comparison.verdict_
    assert comparison.best_ == "+ dropout"
    assert verdict.pays == ["+ dropout", "linear L2"]
    assert verdict.costs == ["+ L1"]
    assert verdict.undecided == ["+ L2"]
    assert "+ dropout: +0.0" in text_of(comparison, "Pays against the plain net")
    assert "+ L1: -0.058 (95 % interval -0.06" in text_of(comparison, "Costs against the plain net")
    assert "+ L2 (+0.00" in text_of(comparison, "Cannot be told apart from the plain net")


def test_the_simplest_that_is_level_with_the_best_is_recommended(make_comparison, scores):
    comparison = make_comparison(scores)
    assert comparison.verdict_.level_with_best == ["linear L2"]
    assert text_of(comparison, "Recommendation").startswith("Take the linear model: nothing is")
    assert "take the linear model" in text_of(comparison, "Linear model or net")


def test_no_linear_model_is_level_where_a_net_is_worth_it(make_comparison):
    """Against the best of all candidates the test would be too weak; asked alone, it has an answer."""
    random = np.random.RandomState(0)
    net = 0.9 + 0.01 * random.normal(size=5)
    names = ("+ dropout", "+ L1", "+ L2", "+ weight decay", "+ batch norm", "all together")
    scores = {name: net - 0.001 + 0.005 * random.normal(size=5) for name in names}
    ahead = np.array([0.02, 0.05, 0.06, 0.07, 0.10])
    scores = {"plain net": net, **scores, "linear L2": net - ahead}
    comparison = make_comparison({"dummy": np.full(5, 0.5), **scores})
    verdict = comparison.verdict_
    assert "linear L2" not in verdict.level_with_best
    assert "a net is worth it" in text_of(comparison, "Linear model or net")
    assert "linear" not in text_of(comparison, "Verdict")


def test_nothing_beats_the_dummy(make_comparison):
    random = np.random.RandomState(0)
    scores = {name: random.normal(0.5, 0.03, 5) for name in ("plain net", "+ dropout", "+ L1")}
    comparison = make_comparison({"dummy": np.full(5, 0.5), **scores})
    assert comparison.verdict_.beats_dummy == []
    text = text_of(comparison, "Recommendation")
    assert text.startswith("Take none of them: nothing beats the dummy")
    assert "The dummy has 0.500 accuracy." in text
    assert text_of(comparison, "Verdict") == ""


def test_candidates_level_with_the_dummy_are_named(make_comparison, scores):
    scores["+ L1"] = 0.5 + np.random.RandomState(0).normal(scale=0.02, size=10)
    comparison = make_comparison(scores)
    assert comparison.verdict_.beats_dummy == ["+ dropout", "linear L2", "+ L2", "plain net"]
    assert "Not beyond chance above the dummy: + L1." in text_of(comparison, "Verdict")


@pytest.mark.parametrize(("shift", "preferred"), [(0.05, "L1"), (-0.05, "L2"), (0.0, None)])
def test_l1_or_l2(make_comparison, shift, preferred):
    random = np.random.RandomState(0)
    base = random.normal(0.8, 0.02, 5)
    scores = {
        name: base + random.normal(scale=0.005, size=5) + (shift if "L1" in name else 0)
        for name in ("linear L1", "linear L2", "+ L1", "+ L2")
    }
    comparison = make_comparison({"plain net": base, **scores})
    assert comparison.verdict_.prefer == preferred
    start = f"{preferred} is preferred" if preferred else "They cannot be told apart"
    assert text_of(comparison, "L1 or L2").startswith(start)


def test_advice_for_irrelevant_features(make_comparison, scores):
    comparison = make_comparison(scores, profile=profile(n_unrelated=15))
    (advice,) = comparison.verdict_.advice
    assert advice.rule == "irrelevant features"
    assert advice.agrees is False
    assert "15 of 20 columns show no association" in advice.text
    assert "the scores disagree" in advice.text


def test_advice_for_correlated_features(make_comparison, scores):
    scores["linear L1"] = scores["linear L2"] - 0.1
    comparison = make_comparison(scores, profile=profile(n_correlated=10))
    (advice,) = comparison.verdict_.advice
    assert (advice.rule, advice.agrees) == ("correlated features", True)
    assert "L2 minus L1 is +0.0" in advice.text


def test_advice_for_few_rows(make_comparison, scores):
    comparison = make_comparison(scores, profile=profile(n_rows=150))
    (advice,) = comparison.verdict_.advice
    assert (advice.rule, advice.agrees) == ("few rows", True)
    assert "150 rows for 20 columns (7.5 a column)" in advice.text


def test_advice_for_much_data(make_comparison, scores):
    comparison = make_comparison(scores, profile=profile(n_rows=20_000))
    (advice,) = comparison.verdict_.advice
    assert (advice.rule, advice.agrees) == ("much data", False)
    assert "+ dropout gains +0.0" in advice.text


def test_no_rule_no_advice(make_comparison, scores):
    comparison = make_comparison(scores, profile=profile())
    assert comparison.verdict_.advice == []
    assert "What the data suggest" not in comparison.summary()


def test_probabilities(make_comparison, scores):
    losses = {name: 1 - values for name, values in scores.items()}
    comparison = make_comparison(scores, columns={"log_loss": losses})
    text = text_of(comparison, "Probabilities")
    assert "+ dropout does best among the nets" in text
    assert "Better than the plain net beyond chance: + dropout." in text


def test_a_failed_candidate_is_named_and_takes_no_part(make_comparison, scores):
    scores["+ dropout"][3] = np.nan
    errors = {name: [""] * 10 for name in scores}
    errors["+ dropout"][3] = "ValueError: no such rate"
    comparison = make_comparison(scores, columns={"error": errors})
    assert comparison.frame().loc["+ dropout", "verdict"] == "failed"
    assert comparison.best_ == "linear L2"
    assert "- + dropout: ValueError: no such rate" in comparison.summary()
