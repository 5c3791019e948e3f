"""Every net but one is the plain net with one knob; names are found however they are written."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression

from skreg.comparison.candidates import Candidate
from skreg.comparison.defaults import PLAIN, default_candidates
from skreg.comparison.resolve import resolve_candidates

NAMES = [
    "dummy",
    "linear L2",
    "linear L1",
    "default net",
    "default ensemble",
    "gradient boosting",
    "plain net",
    "+ input dropout",
    "+ dropout",
    "+ batch norm",
    "+ L1",
    "+ L2",
    "+ weight decay",
    "+ early stopping",
    "all together",
    "bagged net",
    "dropout as ensemble",
]
KNOBS = {
    "+ input dropout": {"input_dropout"},
    "+ dropout": {"dropout"},
    "+ batch norm": {"batch_norm"},
    "+ L1": {"l1"},
    "+ L2": {"l2"},
    "+ weight decay": {"weight_decay"},
    "+ early stopping": {"early_stopping", "patience"},
}


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_default_candidates(task):
    found = default_candidates(task, hidden_layer_sizes=(7,), max_iter=3, random_state=5)
    assert list(found) == NAMES
    for name, candidate in found.items():
        for point in candidate.points:
            clone(candidate.estimator).set_params(**point)
        if candidate.kind == "net" and candidate.role == "knob":
            net = candidate.estimator
            assert (net.hidden_layer_sizes, net.max_iter, net.random_state) == ((7,), 3, 5), name


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_one_knob_at_a_time(task):
    found = default_candidates(task)
    plain = found["plain net"].estimator.get_params()
    assert {name: plain[name] for name in PLAIN} == PLAIN
    for name, knobs in KNOBS.items():
        for point in found[name].points:
            setting = clone(found[name].estimator).set_params(**point).get_params()
            assert {k for k in plain if plain[k] != setting[k]} - {"patience"} == knobs - {
                "patience"
            }


def test_unknown_task():
    with pytest.raises(ValueError, match="task='ranking': allowed are"):
        default_candidates("ranking")


@pytest.mark.parametrize(
    ("written", "full"),
    [("plain", "plain net"), ("L1", "+ L1"), ("Dropout", "+ dropout"), ("linear-l2", "linear L2")],
)
def test_names_as_people_write_them(written, full):
    found = resolve_candidates([written, "bagged"], "regression")
    assert list(found) == [full, "bagged net"]


def test_unknown_names_are_told_what_is_known():
    with pytest.raises(ValueError, match=r"'tree' is not known. Allowed are 'dummy', 'linear L2'"):
        resolve_candidates(["plain net", "tree"], "classification")


def test_a_dict_replaces_and_extends():
    own = {"mine": LogisticRegression()}
    assert resolve_candidates(
        {**own, "b": Candidate(LogisticRegression())}, "classification"
    ).keys() == {
        "mine",
        "b",
    }
    extended = resolve_candidates({**default_candidates("classification"), **own}, "classification")
    assert list(extended) == [*NAMES, "mine"]
    assert extended["mine"].kind == "own"


@pytest.mark.parametrize(
    ("size", "expected"), [("full", [1, 2, 3, 4]), ("short", [2, 4]), ("single", [3])]
)
def test_shortened_grids(size, expected):
    candidate = Candidate(LogisticRegression(), {"C": [1, 2, 3, 4]})
    assert [point["C"] for point in candidate.shortened(size).points] == expected
    assert Candidate(LogisticRegression()).shortened(size).points == ({},)


def test_candidates_of_another_kind():
    with pytest.raises(TypeError, match="candidates=3: give 'default', a list of names"):
        resolve_candidates(3, "classification")


def test_monte_carlo_predicts_the_mean_over_masks():
    random = np.random.RandomState(0)
    X = random.normal(size=(60, 3))
    y = np.where(X[:, 0] > 0, "b", "a")
    candidate = default_candidates("classification", hidden_layer_sizes=(8,), max_iter=5)[
        "dropout as ensemble"
    ]
    model = clone(candidate.estimator).set_params(estimator__dropout=0.5).fit(X, y)
    mean = model.predict_proba(X)
    expected = model.estimator_.predict_mc(X, n_samples=30, random_state=0)[0]
    assert mean == pytest.approx(expected)
    assert model.predict(X).tolist() == model.classes_[expected.argmax(axis=1)].tolist()


def test_named_strengths():
    candidate = Candidate(LogisticRegression(), {"C": [1, 2, 3]}, labels=("a", "b", "c"))
    assert [candidate.label(point) for point in candidate.points] == ["a", "b", "c"]
    assert candidate.shortened("short").labels == ("a", "c")
    with pytest.raises(ValueError, match=r"names 1 strengths, but the grid has 3"):
        Candidate(LogisticRegression(), {"C": [1, 2, 3]}, labels=("a",))


@pytest.mark.parametrize("size", ["short", "single"])
def test_a_shortened_candidate_still_tells_its_strengths(size):
    for candidate in default_candidates("classification").values():
        shorter = candidate.shortened(size)
        shown = [shorter.label(point) for point in shorter.points]
        assert set(shown) <= {candidate.label(point) for point in candidate.points}
    l1 = default_candidates("classification")["+ L1"].shortened(size)
    assert all(l1.label(point).startswith("l1=") for point in l1.points)
