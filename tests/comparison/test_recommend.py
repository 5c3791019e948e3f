"""One recommendation: the simplest candidate that nothing is better than with certainty."""

from __future__ import annotations

import numpy as np
import pytest

from skreg.comparison import Comparison

from .conftest import folds_from

KINDS = {
    "dummy": "dummy",
    "linear L2": "linear",
    "linear L1": "linear",
    "default net": "net",
    "gradient boosting": "boosting",
    "default ensemble": "ensemble",
    "search": "search",
    "plain net": "net",
    "+ L1": "net",
}
ROLES = {"plain net": "knob", "+ L1": "knob", "linear L2": "both", "linear L1": "both"}
LEVEL = 0.8


@pytest.fixture
def advise():
    """The recommendation where each candidate is so far above the level, give or take a little."""

    def of(offsets, spread=0.002, **options):
        random = np.random.RandomState(0)
        base = LEVEL + random.normal(scale=0.01, size=10)
        scores = {"dummy": np.full(10, 0.5)}
        for name, offset in offsets.items():
            scores[name] = base + offset + spread * random.normal(size=10)
        roles = {name: ROLES.get(name, "contender") for name in scores}
        kinds = {name: KINDS.get(name, "own") for name in scores}
        options = {
            "task": "classification",
            "scoring": "accuracy",
            "baseline": "plain net",
            **options,
        }
        return Comparison(folds_from(scores), kinds, roles=roles, **options)

    return of


def test_the_linear_model_where_nothing_is_better(advise):
    comparison = advise({"linear L2": 0.0, "default net": 0.0005, "default ensemble": 0.0005})
    put = comparison.recommendation_
    assert put.name == "linear L2"
    assert put.headline == "Take the linear model: nothing is better with certainty."
    assert put.over is None
    assert "with 0.80" in put.details
    assert "(the dummy, which looks at no column: 0.500)" in put.details


def test_the_linear_model_where_nothing_scores_higher(advise):
    put = advise({"linear L2": 0.1, "default net": 0.0}).recommendation_
    assert put.headline == "Take the linear model: nothing scores higher."


def test_the_net_where_it_is_better_with_certainty(advise):
    comparison = advise({"linear L2": 0.0, "default net": 0.1, "default ensemble": 0.1005})
    put = comparison.recommendation_
    assert (put.name, put.over) == ("default net", "linear L2")
    assert put.headline.startswith("Take the default net: +0.1")
    assert put.headline.endswith("accuracy over the linear model, p < 0.001.")
    assert put.difference == pytest.approx(0.1, abs=0.005)
    assert put.p_value < 0.05


def test_the_ensemble_where_all_that_is_simpler_is_beaten(advise):
    offsets = {"linear L2": 0.0, "default net": 0.05, "gradient boosting": 0.04}
    put = advise({**offsets, "default ensemble": 0.1, "search": 0.1005}).recommendation_
    assert put.name == "default ensemble"
    assert put.headline.startswith("Take the default ensemble: +0.049")
    assert "over the default net, p < 0.001" in put.headline  # the best of what is simpler


def test_the_search_where_it_is_better_than_all(advise):
    put = advise({"linear L2": 0.0, "default net": 0.05, "search": 0.1}).recommendation_
    assert put.name == "search"


def test_of_equally_simple_ones_the_higher_score_is_taken(advise):
    offsets = {"linear L2": 0.0, "default net": 0.1, "gradient boosting": 0.103}
    put = advise(offsets, spread=0.006).recommendation_
    assert put.name == "gradient boosting"
    assert "As simple, and not worse with certainty: default net." in put.details


def test_own_candidates_are_as_simple_as_a_net(advise):
    put = advise({"linear L2": 0.0, "mine": 0.1, "default ensemble": 0.1}).recommendation_
    assert put.headline.startswith("Take mine: +0.1")


def test_a_knob_with_a_higher_score_is_told_of(advise):
    offsets = {"linear L2": 0.0, "default net": -0.1, "plain net": -0.1, "+ L1": 0.007}
    put = advise(offsets, spread=0.006).recommendation_
    assert put.name == "linear L2"
    assert "Of all candidates + L1 has the highest score (0.8" in put.details


def test_a_knob_that_beats_all_contenders_is_taken(advise):
    offsets = {"linear L2": 0.0, "default net": 0.0, "plain net": 0.1, "+ L1": 0.2}
    comparison = advise(offsets)
    put = comparison.recommendation_
    assert put.name == "+ L1"
    assert put.headline.startswith(
        "Take the plain net with L1: +0.198 accuracy over the linear model"
    )
    assert comparison.contenders().loc["+ L1", "verdict"] == "take this"


def test_a_simpler_one_that_another_has_beaten(advise):
    """The ensemble beats the linear model for certain; the erratic net does not, but loses to nothing."""
    random = np.random.RandomState(1)
    base = LEVEL + random.normal(scale=0.01, size=5)
    erratic = base + np.array([0.3, -0.1, 0.25, -0.05, 0.05])
    scores = {
        "dummy": np.full(5, 0.5),
        "linear L2": base,
        "default net": erratic,
        "default ensemble": base + 0.1 + 0.002 * random.normal(size=5),
    }
    comparison = Comparison(
        folds_from(scores),
        {name: KINDS[name] for name in scores},
        task="classification",
        scoring="accuracy",
        baseline="linear L2",
        roles=dict.fromkeys(scores, "contender"),
    )
    put = comparison.recommendation_
    assert put.name == "default net"
    assert put.p_value is None
    assert "the default ensemble is better than the linear model (p < 0.001)" in put.headline


def test_nothing_where_nothing_beats_the_dummy(advise):
    comparison = advise({"linear L2": -0.3, "default net": -0.3, "plain net": -0.3}, spread=0.05)
    put = comparison.recommendation_
    assert put.name is None
    assert put.headline.startswith("Take none of them")
    with pytest.raises(ValueError, match="No candidate is recommended, because nothing beats the"):
        comparison.estimator()
    with pytest.raises(ValueError, match=r"Name one to have it all the same: .*'linear L2'"):
        comparison.snippet()


def test_the_second_linear_model_is_called_by_its_penalty(advise):
    from skreg.comparison.recommend import called

    order = advise({"linear L2": 0.0, "linear L1": -0.1, "default net": 0.0})._order
    assert called("linear L2", order) == "the linear model"
    assert called("linear L1", order) == "the linear model with L1"


def test_contenders_are_compared_with_the_best_of_them(advise):
    comparison = advise({"linear L2": 0.0, "default net": 0.1, "plain net": 0.2, "+ L1": 0.0})
    found = comparison.contenders()
    assert found.index.tolist() == [
        "plain net",
        "default net",
        "linear L2",
    ]  # a knob that was taken
    assert found["verdict"].tolist() == ["take this", "beaten", "beaten"]
    assert np.isnan(found.loc["plain net", "difference"])
    assert found.loc["linear L2", "difference"] == pytest.approx(-0.2, abs=0.01)
    assert comparison.frame().loc["default net", "verdict"] in ("costs", "contender")


def test_the_same_scores_the_same_recommendation(advise):
    offsets = {"linear L2": 0.0, "default net": 0.05, "gradient boosting": 0.05}
    turned = dict(reversed(offsets.items()))
    random = np.random.RandomState(3)
    scores = {name: 0.8 + random.normal(scale=0.01, size=5) + x for name, x in offsets.items()}
    found = {
        Comparison(
            folds_from({name: scores[name] for name in order}),
            {name: KINDS[name] for name in order},
            task="classification",
            scoring="accuracy",
            baseline="linear L2",
        ).recommendation_
        for order in (offsets, turned)
    }
    assert len(found) == 1
