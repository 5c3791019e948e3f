"""One plan of tests, and no two statements that contradict each other."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from skreg.comparison.order import Order, ask_in_order
from skreg.comparison.profile import Profile
from skreg.comparison.recommend import STEPS
from skreg.comparison.scores import PairedScores

from .conftest import KINDS, folds_from

LEVEL = 0.05
STEP_OF = {kind: step for step, kinds in enumerate(STEPS) for kind in kinds}
RATIO = 1 / 4  # test rows over training rows in the tables of `folds_from`


def order_of(scores, baseline="plain net", roles=None):
    kinds = {name: KINDS.get(name, "own") for name in scores}
    return ask_in_order(PairedScores(folds_from(scores)), kinds, baseline, roles)


def p_of(differences, sides=2):
    differences = np.asarray(differences)
    error = differences.std(ddof=1) * np.sqrt(1 / len(differences) + RATIO)
    return sides * stats.t.sf(differences.mean() / error, len(differences) - 1)


def text_of(comparison, topic):
    return next((s.text for s in comparison.verdict_.statements if s.topic == topic), "")


# --- what each question tests ---------------------------------------------------------------


def test_the_dummy_question_is_one_sided_and_adjusted_by_holm():
    noise = np.random.RandomState(0).normal(scale=0.05, size=(2, 5))
    scores = {"dummy": np.full(5, 0.5), "plain net": 0.55 + noise[0], "+ L1": 0.7 + noise[1]}
    order = order_of(scores)
    assert order.p_values.at["+ L1", "dummy"] == pytest.approx(2 * 2 * p_of(0.2 + noise[1], 1))
    assert order.p_values.at["plain net", "dummy"] == pytest.approx(2 * p_of(0.05 + noise[0], 1))
    assert np.isnan(order.p_values.at["dummy", "+ L1"])


def test_a_net_is_tested_against_the_best_linear_model_of_each_split():
    random = np.random.RandomState(1)
    net, one, two = 0.8 + random.normal(scale=0.02, size=(3, 6))
    order = order_of({"plain net": net + 0.05, "linear L1": one, "linear L2": two})
    expected = p_of(net + 0.05 - np.maximum(one, two))
    asked = order.net_against_linear
    assert asked.test.p_value == pytest.approx(expected)
    assert expected < LEVEL
    assert order.better("plain net", "linear L1")
    assert order.better("plain net", "linear L2")


def test_an_erratic_linear_model_does_not_hide_that_a_net_is_worth_it():
    random = np.random.RandomState(2)
    net = 0.9 + random.normal(scale=0.005, size=5)
    scores = {"plain net": net, "linear L1": net - 0.1 + random.normal(scale=0.005, size=5)}
    scores["linear L2"] = np.array([0.7, 0.8, -9.0, 0.8, 0.7])
    assert p_of(net - scores["linear L2"]) > 0.2
    assert order_of(scores).may_be_best == ["plain net"]


def test_a_settled_pair_is_not_tested_again():
    random = np.random.RandomState(3)
    net = 0.9 + random.normal(scale=0.005, size=5)
    shift = 0.01 + random.normal(scale=0.003, size=5)
    scores = {"plain net": net, "linear L2": net - 0.2 + 10 * (shift - 0.01), "+ L1": net - shift}
    order = order_of(scores)
    assert order.better("plain net", "linear L2")
    assert order.p_value("plain net", "linear L2") == pytest.approx(p_of(net - scores["linear L2"]))
    # so the family of the question about the baseline has one member, not two
    assert order.p_value("+ L1", "plain net") == pytest.approx(p_of(shift))


def test_the_best_is_tested_one_sided_times_the_number_of_its_rivals():
    random = np.random.RandomState(4)
    best = 0.9 + random.normal(scale=0.01, size=5)
    behind = 0.03 + random.normal(scale=0.004, size=5)
    scores = {
        "+ L1": best,
        "a": best - behind,
        "plain net": np.array([0.2, 0.9, 0.5, 0.7, 0.9]),
    }
    order = order_of(scores)
    assert order.p_value("+ L1", "a") == pytest.approx(2 * p_of(behind, 1))
    assert order.may_be_best == ["+ L1", "plain net"]


def test_l1_and_l2_agree_in_every_pair_or_are_not_ordered():
    random = np.random.RandomState(5)
    base = 0.8 + random.normal(scale=0.02, size=5)
    noise = random.normal(scale=0.004, size=5)
    scores = {"plain net": base, "linear L1": base + 0.1, "linear L2": base + noise}
    scores |= {"+ L1": base - 0.002, "+ L2": base}
    assert order_of(scores).l1_or_l2.leader is None
    scores["+ L1"] = base + 0.002
    order = order_of(scores)
    assert order.l1_or_l2.leader == "L1"
    assert order.better("+ L1", "+ L2")


def test_contenders_do_not_widen_the_question_about_knobs():
    random = np.random.RandomState(9)
    base = 0.8 + random.normal(scale=0.02, size=5)
    gain = 0.01 + random.normal(scale=0.003, size=5)
    scores = {"plain net": base, "+ L1": base + gain}
    more = {name: base + random.normal(scale=0.1, size=5) for name in ("a", "b", "c")}
    roles = {"plain net": "knob", "+ L1": "knob", **dict.fromkeys(more, "contender")}
    alone, beside = order_of(scores), order_of({**scores, **more}, roles=roles)
    assert beside.p_value("+ L1", "plain net") == alone.p_value("+ L1", "plain net")
    assert beside.p_value("+ L1", "plain net") == pytest.approx(p_of(gain))
    assert set(beside.baseline_tests.index) == {"+ L1"}


def test_the_best_contender_is_tested_times_the_number_of_its_rivals():
    random = np.random.RandomState(10)
    best = 0.8 + random.normal(scale=0.02, size=5)
    behind = 0.03 + random.normal(scale=0.005, size=5)
    scores = {"a": best, "b": best - behind, "c": best - 0.2 + random.normal(scale=0.1, size=5)}
    scores |= {"plain net": best + 0.2 + random.normal(scale=0.2, size=5), "+ L1": best + 0.1}
    roles = {"plain net": "knob", "+ L1": "knob", **dict.fromkeys("abc", "contender")}
    order = order_of(scores, roles=roles)
    assert order.contenders == sorted("abc", key=lambda name: -scores[name].mean())
    assert order.p_value("a", "b") == pytest.approx(2 * p_of(behind, 1))


def test_one_contender_alone_has_all_as_rivals():
    scores = {"plain net": np.array([0.8, 0.9]), "a": np.array([0.7, 0.9]), "+ L1": np.ones(2)}
    order = order_of(scores, roles={"plain net": "knob", "+ L1": "knob"})
    assert order.contenders == ["+ L1", "plain net", "a"]


# --- what follows -----------------------------------------------------------------------------


def test_what_follows_is_added_with_the_weaker_p_value():
    order = Order(["a", "b", "c", "d"], dict.fromkeys("abcd", "net"))
    order.settle("a", "b", 0.01)
    order.settle("b", "c", 0.04)
    order.settle("c", "d", 0.06)
    order.complete()
    assert order.p_values.at["a", "c"] == 0.04
    assert np.isnan(order.p_values.at["a", "d"])
    assert order.p_values.at["c", "d"] == 0.06
    assert order.may_be_best == ["a", "d"]


def test_what_is_better_than_a_candidate_that_pays_pays():
    random = np.random.RandomState(6)
    base = 0.8 + random.normal(scale=0.05, size=5)
    step = np.array([0.02, 0.021, 0.019, 0.02, 0.02])
    scores = {"plain net": base, "+ L1": base + step, "linear L1": base - 0.3}
    order = order_of(scores)
    assert order.better("plain net", "linear L1")
    assert order.better("+ L1", "linear L1")


def test_several_dummies_are_all_beaten_or_none():
    random = np.random.RandomState(7)
    net = 0.9 + random.normal(scale=0.01, size=5)
    scores = {"d1": np.full(5, 0.5), "d2": np.full(5, 0.4), "plain net": net}
    kinds = {"d1": "dummy", "d2": "dummy", "plain net": "net"}
    order = ask_in_order(PairedScores(folds_from(scores)), kinds, "plain net")
    assert order.may_be_best == ["plain net"]
    assert order.beats_dummy("plain net")


def test_a_dummy_may_be_the_baseline():
    random = np.random.RandomState(8)
    net = 0.9 + random.normal(scale=0.01, size=5)
    order = order_of({"dummy": np.full(5, 0.5), "plain net": net, "+ L1": 0.3 + net - 0.9}, "dummy")
    assert order.beats_dummy("plain net")
    assert order.better("dummy", "+ L1")
    assert not order.beats_dummy("+ L1")


# --- no contradiction ----------------------------------------------------------------------------


def check_pairs(frame, verdict, baseline):
    """Statements about the baseline against those about the best and the dummy."""
    level, beats = set(verdict.level_with_best), set(verdict.beats_dummy)
    assert not level & set(verdict.costs)
    assert verdict.best not in verdict.costs
    if verdict.pays:
        assert baseline not in level
        assert verdict.best != baseline
    found = frame["p_value"] < LEVEL
    assert set(frame.index[found]) == {*verdict.pays, *verdict.costs}
    assert (frame.loc[verdict.pays, "difference"] > 0).all()
    assert (frame.loc[verdict.costs, "difference"] < 0).all()
    if baseline in beats:
        assert set(verdict.pays) <= beats
    if beats:
        assert not level & set(frame.index[frame["kind"] == "dummy"])
        assert frame.loc[verdict.best, "kind"] != "dummy"
    if baseline != "dummy":
        assert set(frame.index[frame["p_dummy"] < LEVEL / 2]) == beats


def check_headline(comparison, frame, verdict):
    """The headline against everything else."""
    text = text_of(comparison, "Verdict")
    if verdict.recommendation.name is None:
        assert not verdict.beats_dummy
        assert [statement.topic for statement in verdict.statements] == ["Recommendation"]
        return
    if "ahead of every other" in text:
        assert not verdict.level_with_best
        undecided = set(verdict.undecided) if verdict.best == comparison.baseline_ else set()
        assert not undecided
        assert verdict.best not in verdict.undecided
        assert verdict.best in verdict.beats_dummy or not (frame["kind"] == "dummy").any()


def check_recommendation(comparison, frame, verdict):
    """What is taken against everything else."""
    put = verdict.recommendation
    if put.name is None:
        assert (frame["kind"] == "dummy").any()
        return
    assert put.name in {verdict.best, *verdict.level_with_best}
    assert put.name not in verdict.costs
    if (frame["kind"] == "dummy").any():
        assert put.name in verdict.beats_dummy
    contenders = comparison.contenders()
    assert contenders.loc[put.name, "verdict"] == "take this"
    if put.difference is not None:
        assert put.difference > 0
        assert put.p_value < LEVEL
        assert contenders["verdict"].get(put.over, "beaten") == "beaten"
    if put.over is None and put.name in contenders.index:
        step = STEP_OF[frame.loc[put.name, "kind"]]
        simpler = [name for name in contenders.index if STEP_OF[frame.loc[name, "kind"]] < step]
        free = [n for n in simpler if contenders.loc[n, "verdict"] == "may be as good"]
        assert not [n for n in free if n == _first_of_step(frame, contenders, n)]


def _first_of_step(frame, contenders, name):
    step = STEP_OF[frame.loc[name, "kind"]]
    return next(n for n in contenders.index if STEP_OF[frame.loc[n, "kind"]] == step)


def check_linear_or_net(comparison, frame, verdict):
    text = text_of(comparison, "Linear model or net")
    linear = [name for name in frame.index if frame.loc[name, "kind"] == "linear"]
    nets = [name for name in frame.index if frame.loc[name, "kind"] == "net"]
    may_be_best = {verdict.best, *verdict.level_with_best}
    if "a net is worth it" in text:
        assert not may_be_best & set(linear)
        assert "a linear model" not in text_of(comparison, "Verdict")
        if comparison.baseline_ in linear:
            assert set(verdict.pays) & set(nets)
    if "a net is not worth it" in text:
        assert not may_be_best & set(nets)
    if "take the linear model" in text:
        simplest = next(name for name in frame.index if name in linear)
        assert simplest in may_be_best
        assert verdict.recommendation.name == simplest


def check_penalties(comparison, frame, verdict):
    text = text_of(comparison, "L1 or L2")
    if verdict.prefer is not None:
        assert text.startswith(f"{verdict.prefer} is preferred")
        other = {"L1": "L2", "L2": "L1"}[verdict.prefer]
        for kind in ("linear ", "+ "):
            preferred, behind = kind + verdict.prefer, kind + other
            means = frame["mean_score"].reindex([preferred, behind])
            if means.notna().all() and means.nunique() == 2:
                assert means.idxmax() == preferred
                assert behind not in {verdict.best, *verdict.level_with_best}
    if text.startswith("They cannot be told apart"):
        for one, other in (("+ L1", "+ L2"), ("linear L1", "linear L2")):
            assert not (one in verdict.pays and other in verdict.costs)
            assert not (other in verdict.pays and one in verdict.costs)


def check_advice(frame, verdict):
    for advice in verdict.advice:
        if advice.rule == "correlated features":
            assert advice.agrees is (None if verdict.prefer is None else verdict.prefer == "L2")
        if advice.rule in ("few rows", "irrelevant features"):
            there = [name for name in advice.suggests if name in frame.index]
            if advice.agrees:
                assert set(there) & set(verdict.pays)
                assert not there or verdict.prefer != "L2" or advice.rule == "few rows"
            elif set(there) & set(verdict.pays):
                assert advice.rule == "irrelevant features"
                assert verdict.prefer == "L2"
        if advice.rule == "much data" and advice.agrees is None:
            knobs = frame.index[(frame["kind"] == "net") & (frame["role"] != "contender")]
            assert not set(verdict.pays) & set(knobs)


def check_no_contradiction(comparison):
    frame, verdict = comparison.frame(), comparison.verdict_
    check_pairs(frame, verdict, comparison.baseline_)
    check_headline(comparison, frame, verdict)
    check_recommendation(comparison, frame, verdict)
    if len(verdict.statements) > 1:
        check_linear_or_net(comparison, frame, verdict)
        check_penalties(comparison, frame, verdict)
    check_advice(frame, verdict)


def random_scores(random):
    """Scores with all kinds of differences: none, small, large, steady, erratic, tied."""
    n_splits = random.choice([2, 3, 5, 10])
    split = random.normal(scale=random.choice([0.0, 0.03]), size=n_splits)
    scores = {"dummy": 0.5 + random.choice([0.0, 0.01]) * random.normal(size=n_splits)}
    level = random.choice([0.0, 0.02, 0.3])
    for name in KINDS:
        if name == "dummy" or (name != "plain net" and random.rand() < 0.15):
            continue
        shift = random.choice([0.0, 0.005, 0.02, 0.1, 0.3]) * random.choice([-1, 1])
        spread = random.choice(
            [0.0, 0.001, 0.005, 0.02, 0.1, 2.0], p=[0.1, 0.2, 0.3, 0.2, 0.1, 0.1]
        )
        scores[name] = 0.5 + level + split + shift + random.normal(scale=spread, size=n_splits)
    if random.rand() < 0.2:
        del scores["dummy"]
    return scores


PROFILE = Profile(n_rows=20_000, n_columns=20, n_features=20, n_unrelated=15, n_correlated=10)
FEW_ROWS = Profile(n_rows=150, n_columns=20, n_features=20, n_unrelated=15, n_correlated=10)


@pytest.mark.parametrize("seed", range(8))
def test_no_statement_contradicts_another_on_random_scores(make_comparison, seed):
    random = np.random.RandomState(seed)
    for _ in range(10):
        scores = random_scores(random)
        baseline = str(random.choice(list(scores)))
        baseline = "plain net" if random.rand() < 0.6 else baseline
        profile = PROFILE if random.rand() < 0.5 else FEW_ROWS
        roles = None
        if random.rand() < 0.5:
            roles = {name: random.choice(["knob", "contender", "both"]) for name in scores}
        options = {"baseline": baseline, "profile": profile, "roles": roles}
        check_no_contradiction(make_comparison(scores, **options))


# Score tables with the patterns of two real ones, where the statements once contradicted each other.


@pytest.fixture
def little_above_the_dummy():
    """All candidates are some 0.15 above the dummy, the erratic best among them."""
    rows = {
        "+ L2": [0.64, 0.74, 0.69, 0.73, 0.63],
        "+ dropout": [0.66, 0.69, 0.67, 0.70, 0.66],
        "plain net": [0.65, 0.68, 0.66, 0.67, 0.64],
        "linear L2": [0.67, 0.69, 0.66, 0.69, 0.68],
        "linear L1": [0.66, 0.68, 0.65, 0.69, 0.66],
        "+ L1": [0.60, 0.70, 0.65, 0.68, 0.66],
        "bagged net": [0.66, 0.67, 0.69, 0.68, 0.65],
        "dummy": [0.50] * 5,
    }
    return {name: np.array(values) for name, values in rows.items()}


@pytest.fixture
def linear_far_behind():
    """The linear models are 0.22 behind the best net, on splits of a rare class."""
    rows = {
        "plain net": [0.80, 0.90, 0.84, 0.92, 0.82],
        "+ dropout": [0.82, 0.86, 0.85, 0.88, 0.84],
        "+ L1": [0.78, 0.88, 0.80, 0.91, 0.83],
        "+ L2": [0.62, 0.66, 0.60, 0.68, 0.61],
        "bagged net": [0.81, 0.88, 0.83, 0.90, 0.80],
        "linear L2": [0.58, 0.72, 0.58, 0.78, 0.55],
        "linear L1": [0.60, 0.70, 0.56, 0.77, 0.54],
        "dummy": [0.50] * 5,
    }
    return {name: np.array(values) for name, values in rows.items()}


def test_the_dummy_is_not_level_with_what_beats_it(make_comparison, little_above_the_dummy):
    comparison = make_comparison(little_above_the_dummy)
    verdict = comparison.verdict_
    assert verdict.best == "+ L2"
    assert "+ L2" in verdict.beats_dummy
    assert "dummy" not in verdict.level_with_best
    assert "7 other" not in text_of(comparison, "Verdict")
    check_no_contradiction(comparison)


def test_linear_models_that_a_net_beats_are_not_level(make_comparison, linear_far_behind):
    comparison = make_comparison(linear_far_behind)
    verdict = comparison.verdict_
    assert "a net is worth it" in text_of(comparison, "Linear model or net")
    assert not {"linear L1", "linear L2", "dummy"} & set(verdict.level_with_best)
    assert comparison.frame().loc[["linear L1", "linear L2"], "verdict"].tolist() == ["costs"] * 2
    assert "a linear model" not in text_of(comparison, "Verdict")
    check_no_contradiction(comparison)


def test_the_same_metric_is_not_asked_twice(make_comparison, scores):
    scores = {name: values - 1 for name, values in scores.items()}
    losses = {name: -values for name, values in scores.items()}
    options = {"columns": {"log_loss": losses}}
    assert text_of(make_comparison(scores, **options), "Probabilities")
    assert not text_of(make_comparison(scores, scoring="neg_log_loss", **options), "Probabilities")
