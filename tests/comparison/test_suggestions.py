"""Verdicts on tables whose right answer is known by construction."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier

from skreg.comparison import Candidate, compare, default_candidates

# what the question needs of the default candidates, in nets that are quick to train
NAMES = ["dummy", "linear L2", "linear L1", "plain net", "+ L1", "+ L2"]
SMALL = {"hidden_layer_sizes": (16,), "diagnose": False}


def sparse_table(seed):
    """5 useful features of 200."""
    random = np.random.RandomState(seed)
    X = random.normal(size=(300, 200))
    return X, X[:, :5].sum(axis=1) + 0.3 * random.normal(size=300)


def grouped_table(seed):
    """5 causes, each measured 10 times with noise: features of a group nearly repeat each other."""
    random = np.random.RandomState(seed)
    causes = random.normal(size=(150, 5))
    X = np.repeat(causes, 10, axis=1) + 0.4 * random.normal(size=(150, 50))
    return X, causes.sum(axis=1) + random.normal(size=150)


@pytest.mark.slow
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_few_useful_features_make_l1_win(task):
    X, y = sparse_table(0)
    y = y > 0 if task == "classification" else y
    result = compare(X, y, task=task, candidates=NAMES, **SMALL)
    verdict = result.verdict_
    assert result.best_ in ("linear L1", "+ L1")
    assert verdict.prefer == "L1"
    (advice,) = [a for a in verdict.advice if a.rule == "irrelevant features"]
    assert advice.agrees is True
    assert result.profile_.n_unrelated > 180
    frame = result.frame()
    assert frame.loc["linear L1", "n_features_used"] < 60
    assert frame.loc["linear L2", "n_features_used"] == 200


@pytest.mark.slow
def test_correlated_groups_prefer_l2_to_l1():
    X, y = grouped_table(0)
    result = compare(X, y, candidates=NAMES, repeats=3, **SMALL)
    verdict = result.verdict_
    assert verdict.prefer == "L2"
    (advice,) = [a for a in verdict.advice if a.rule == "correlated features"]
    assert advice.agrees is True
    assert "50 of 50 columns have a near copy among the others" in advice.text


def noise_table(seed):
    random = np.random.RandomState(seed)
    return random.normal(size=(120, 8)), random.randint(0, 2, size=120)


def nothing_beats_the_dummy(result):
    text = result.summary()
    assert (result.verdict_.beats_dummy == []) == ("nothing beats the dummy" in text)
    return result.verdict_.beats_dummy == []


@pytest.mark.slow
def test_on_noise_nothing_beats_the_dummy():
    """With models that are quick to fit, so that 20 seeds can be tried."""
    candidates = {
        "dummy": default_candidates("classification")["dummy"],
        "linear": Candidate(LogisticRegression(), {"C": [0.01, 1.0, 100.0]}),
        "nearest": Candidate(KNeighborsClassifier(), {"n_neighbors": [1, 5, 15]}),
        "tree": Candidate(DecisionTreeClassifier(random_state=0), {"max_depth": [1, 3, 9]}),
        "deep tree": Candidate(DecisionTreeClassifier(random_state=0)),
    }
    quiet = [
        nothing_beats_the_dummy(
            compare(
                *noise_table(seed),
                candidates=candidates,
                random_state=seed,
                backend="sequential",
                diagnose=False,
            )
        )
        for seed in range(20)
    ]
    assert sum(quiet) >= 19


@pytest.mark.slow
def test_on_noise_nothing_beats_the_dummy_among_the_default_candidates():
    quiet = [
        nothing_beats_the_dummy(
            compare(*noise_table(seed), random_state=seed, quick=True, max_iter=20, **SMALL)
        )
        for seed in range(20)
    ]
    assert sum(quiet) >= 19
