"""Two flat waves give what scikit-learn's nested cross-validation gives."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import get_scorer, log_loss
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

from skreg.comparison.alone import time_alone
from skreg.comparison.candidates import Candidate
from skreg.comparison.nested import Plan, evaluate, prepare
from skreg.comparison.splits import inner_splits, outer_splits

GRID = {"C": [0.001, 0.1, 10.0]}


@pytest.fixture(scope="module")
def data():
    X, y = load_breast_cancer(return_X_y=True)
    rows = np.random.RandomState(0).permutation(len(y))[:240]
    return StandardScaler().fit_transform(X[rows])[:, :6], y[rows]


def make_plan(X, y, **options):
    options = {
        "groups": None,
        "weights": None,
        "scorer": get_scorer("accuracy"),
        "preprocessor": None,
        "inner_cv": 3,
        "stratify": True,
        "random_state": 0,
        "backend": "threading",
        **options,
    }
    return Plan(X=X, y=y, **options)


def make_splits(X, y):
    return outer_splits(3, X, y, None, repeats=1, stratify=True, random_state=0)


class _Echo(ClassifierMixin, BaseEstimator):
    """Predicts the first column; fails for one strength; remembers its weights."""

    def __init__(self, strength=1):
        self.strength = strength

    def fit(self, X, y, sample_weight=None):
        if self.strength == 2:
            raise ValueError("strength 2 is not to be had")
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return (X[:, 0] > 0).astype(int) if self.strength < 3 else np.zeros(len(X), dtype=int)


def test_equals_nested_cross_validation_of_scikit_learn(data):
    X, y = data
    splits = make_splits(X, y)
    model = LogisticRegression()
    rows, strengths = evaluate(make_plan(X, y), {"model": Candidate(model, GRID)}, splits)
    inner = inner_splits(3, y, None, splits[0].train, stratify=True, random_state=0)
    search = GridSearchCV(model, GRID, cv=inner).fit(X[splits[0].train], y[splits[0].train])
    own = [row["inner_score"] for row in strengths if row["fold"] == 0]
    assert own == pytest.approx(search.cv_results_["mean_test_score"].tolist())
    assert rows[0]["strength"] == f"C={search.best_params_['C']:g}"
    assert rows[0]["test_score"] == search.score(X[splits[0].test], y[splits[0].test])
    assert rows[0]["train_score"] == search.score(X[splits[0].train], y[splits[0].train])
    proba = search.predict_proba(X[splits[0].test])
    assert rows[0]["log_loss"] == pytest.approx(log_loss(y[splits[0].test], proba))


def test_all_candidates_see_the_same_splits(data):
    X, y = data
    splits = make_splits(X, y)
    candidates = {"a": Candidate(LogisticRegression()), "b": Candidate(KNeighborsClassifier())}
    rows, strengths = evaluate(make_plan(X, y), candidates, splits)
    pairs = [(s.train, s.test) for s in splits]
    for name, candidate in candidates.items():
        theirs = cross_validate(candidate.estimator, X, y, cv=pairs)["test_score"]
        ours = [row["test_score"] for row in rows if row["candidate"] == name]
        assert ours == pytest.approx(theirs)
    assert strengths == []


def test_a_choice_can_be_taken_over(data):
    X, y = data
    candidates = {
        "first": Candidate(LogisticRegression(), GRID),
        "second": Candidate(LogisticRegression(), GRID, strength_from="first"),
        "third": Candidate(LogisticRegression(), GRID, strength_from="absent"),
    }
    rows, strengths = evaluate(make_plan(X, y), candidates, make_splits(X, y))
    chosen = {(row["candidate"], row["fold"]): row["strength"] for row in rows}
    for fold in range(3):
        assert chosen["first", fold] == chosen["second", fold] == chosen["third", fold]
    assert {row["candidate"] for row in strengths} == {"first", "third"}


def test_a_failing_strength_is_not_chosen(data):
    X, y = data
    candidate = Candidate(_Echo(), {"strength": [2, 3, 1]})
    rows, strengths = evaluate(make_plan(X, y), {"echo": candidate}, make_splits(X, y))
    assert all(row["error"] == "" for row in rows)
    failed = [np.isnan(row["inner_score"]) for row in strengths]
    assert failed == [row["strength"] == "strength=2" for row in strengths]
    assert not any(row["chosen"] for row in strengths if row["strength"] == "strength=2")


def test_a_failing_candidate_leaves_the_others_alone(data):
    X, y = data
    candidates = {"bad": Candidate(_Echo(strength=2)), "good": Candidate(LogisticRegression())}
    rows, _ = evaluate(make_plan(X, y), candidates, make_splits(X, y))
    bad = [row for row in rows if row["candidate"] == "bad"]
    assert {row["error"] for row in bad} == {"ValueError: strength 2 is not to be had"}
    assert all(np.isfinite(row["test_score"]) for row in rows if row["candidate"] == "good")


def test_ties_go_to_the_lower_log_loss(data):
    X, y = data
    X = np.column_stack([np.where(y == 1, 3.0, -3.0), X])
    candidate = Candidate(LogisticRegression(), {"C": [0.01, 100.0, 1.0]})
    rows, _ = evaluate(make_plan(X, y), {"model": candidate}, make_splits(X, y))
    assert {row["strength"] for row in rows} == {"C=100"}


def test_preprocessing_is_fitted_on_training_rows_only(data):
    X, y = data
    split = make_splits(X, y)[0]
    part = prepare(make_plan(X, y, preprocessor=StandardScaler()), split)
    assert part.train.prepared.mean(axis=0) == pytest.approx(0, abs=1e-12)
    assert np.abs(part.test.prepared.mean(axis=0)).max() > 0.01
    assert np.array_equal(part.train.raw, X[split.train])


def test_raw_candidates_get_the_table_as_it_is(data):
    X, y = data
    shifted = X + 100.0
    candidates = {"raw": Candidate(_Echo(), raw=True), "prepared": Candidate(_Echo())}
    plan = make_plan(shifted, y, preprocessor=StandardScaler())
    rows, _ = evaluate(plan, candidates, make_splits(X, y))
    raw, prepared = (
        np.mean([r["test_score"] for r in rows if r["candidate"] == name]) for name in candidates
    )
    assert raw == pytest.approx(y.mean(), abs=0.01)
    assert prepared < 0.5


def test_weights_reach_fit_and_score(data):
    X, y = data
    weights = np.where(np.arange(len(y)) % 2, 1.0, 0.0)
    model, splits = LogisticRegression(), make_splits(X, y)
    rows, _ = evaluate(make_plan(X, y, weights=weights), {"model": Candidate(model)}, splits)
    split = splits[0]
    odd_train, odd_test = (part[weights[part] > 0] for part in (split.train, split.test))
    model.fit(X[odd_train], y[odd_train])
    assert rows[0]["test_score"] == pytest.approx(model.score(X[odd_test], y[odd_test]))


def test_a_class_unseen_in_training_costs_log_loss_but_does_not_fail(data):
    X, y = data
    labels = y.copy()
    labels[:4] = 2
    train, test = np.arange(4, len(y)), np.arange(0, 40)
    splits = outer_splits(
        [(train, test), (test, train)], X, labels, None, repeats=1, stratify=True, random_state=0
    )
    rows, _ = evaluate(make_plan(X, labels), {"m": Candidate(LogisticRegression())}, splits)
    assert rows[0]["log_loss"] > 4 / 40 * 30
    assert rows[0]["error"] == ""


def test_progress_counts_every_fit(data):
    X, y = data
    seen = []
    plan = make_plan(X, y, progress=lambda *state: seen.append(state))
    evaluate(plan, {"model": Candidate(LogisticRegression(), GRID)}, make_splits(X, y))
    assert [state for state in seen if state[2] == "choosing strengths"][-1][:2] == (27, 27)
    assert seen[-1] == (3, 3, "judging")


def test_seconds_alone_are_nan_where_the_fit_fails(data):
    X, y = data
    candidates = {"bad": Candidate(_Echo(strength=2)), "good": Candidate(LogisticRegression())}
    seconds = time_alone(make_plan(X, y), candidates, make_splits(X, y)[0])
    assert np.isnan(seconds["bad"])
    assert seconds["good"] > 0


def test_what_there_is_no_time_to_time_counts_as_done(data):
    X, y = data
    seen = []
    plan = make_plan(X, y, progress=lambda *state: seen.append(state[:2]))
    model = LogisticRegression()
    candidates = {"a": Candidate(model), "search": Candidate(model, seconds=7.0)}
    seconds = time_alone(plan, candidates, make_splits(X, y)[0], deadline=0.0)
    assert np.isnan(seconds["a"]) and seconds["search"] == 7.0
    assert seen == [(0, 2), (1, 2), (2, 2)]


@pytest.mark.parametrize(
    ("grid", "labels"),
    [
        ({"dropout": [0.1, 0.25]}, ["dropout=0.1", "dropout=0.25"]),
        ({"estimator__dropout": [0.1, 0.5], "batch_norm": [True]}, ["dropout=0.1", "dropout=0.5"]),
        ({"batch_norm": [True, False]}, ["batch_norm=True", "batch_norm=False"]),
        ({"batch_norm": [True]}, [""]),
        (None, [""]),
    ],
)
def test_strength_labels_show_what_varies(grid, labels):
    candidate = Candidate(LogisticRegression(), grid)
    assert [candidate.label(point) for point in candidate.points] == labels
