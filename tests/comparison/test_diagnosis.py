"""Each question is answered yes where the answer is yes, and no where it is no."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge

from skreg.comparison.diagnosis import (
    Diagnosis,
    Finding,
    can_overfit,
    conflicting_labels,
    same_distribution,
)


@pytest.fixture
def random():
    return np.random.RandomState(0)


def test_can_overfit(random):
    Z = random.normal(size=(50, 100))
    y = random.rand(50) > 0.5
    found = can_overfit(LogisticRegression(C=1e6), Z, y, "classification")
    assert found.ok is True
    assert "training accuracy of 1.000" in found.text


def test_cannot_overfit_without_capacity(random):
    Z, y = random.normal(size=(300, 2)), random.normal(size=300)
    found = can_overfit(Ridge(), Z, y, "regression")
    assert found.ok is False
    assert "hidden_layer_sizes" in found.text
    assert found.figures["rows"] == 300


def test_overfitting_is_tried_on_distinct_rows(random):
    Z = np.repeat(random.normal(size=(20, 3)), 10, axis=0)
    assert can_overfit(Ridge(), Z, Z[:, 0], "regression").figures["rows"] == 20


def test_rows_of_one_distribution_look_alike(random):
    Z = random.normal(size=(600, 5))
    found = same_distribution(Z, np.arange(600) % 5 == 0, "Rows", "a from b")
    assert found.ok is True
    assert found.figures["low"] <= 0.55


def test_shifted_rows_are_found(random):
    Z = random.normal(size=(600, 5))
    late = np.arange(600) >= 480
    Z[late, 0] += 1.5
    found = same_distribution(Z, late, "Rows", "a from b")
    assert found.ok is False
    assert found.figures["low"] > 0.6
    assert "distinguish a from b" in found.text


def test_too_few_rows_to_tell():
    assert same_distribution(np.zeros((30, 2)), np.arange(30) < 5, "Rows", "a from b").ok is None


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_conflicting_near_duplicates_are_found(random, task):
    Z = random.normal(size=(200, 6))
    Z[100:140] = Z[:40] + 1e-5 * random.normal(size=(40, 6))
    y = (random.rand(200) > 0.5) if task == "classification" else random.normal(size=200)
    y[100:140] = ~y[:40] if task == "classification" else y[:40] + 5
    found = conflicting_labels(Z, y, task)
    assert found.figures["twins"] == 80
    assert found.figures["conflicts"] == 80
    assert found.ok is False


def test_agreeing_duplicates_are_no_obstacle(random):
    Z = np.repeat(random.normal(size=(60, 4)), 2, axis=0)
    y = np.repeat(np.arange(60) % 2, 2)
    found = conflicting_labels(Z, y, "classification")
    assert (found.figures["twins"], found.figures["conflicts"], found.ok) == (120, 0, True)


def test_no_duplicates(random):
    found = conflicting_labels(random.normal(size=(100, 8)), np.arange(100), "regression")
    assert found.ok is True
    assert "No near-duplicates among 100 rows" in found.text


def test_diagnosis_is_a_mapping_in_order():
    diagnosis = Diagnosis([Finding("b", "two", True), Finding("a", "one", None)])
    assert dict(diagnosis) == {"b": "two", "a": "one"}
    assert list(diagnosis) == ["b", "a"]
    with pytest.raises(KeyError, match="c"):
        diagnosis["c"]
