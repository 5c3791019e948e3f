"""Whether a metric fits the target is known before anything is fitted."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, get_scorer_names, make_scorer

from skreg.comparison import compare
from skreg.comparison.metrics import choose_metric

WORDS = np.array(["no", "no", "no", "yes"] * 10, dtype=object)
DIGITS = np.array([0, 0, 0, 1] * 10)
OTHER_DIGITS = np.array([2, 2, 2, 5] * 10)
THREE = np.array(["a", "b", "c", "a"] * 10, dtype=object)
NUMBERS = np.linspace(-1.0, 1.0, 40)


class Fixed:
    """Predicts what it was given, as a classifier or a regressor."""

    def __init__(self, predicted, kind="classifier"):
        self.predicted, self._estimator_type = np.asarray(predicted), kind
        self.classes_ = np.unique(self.predicted)

    def fit(self, X, y):
        return self

    def __sklearn_tags__(self):
        return DummyClassifier().__sklearn_tags__()

    def predict(self, X):
        return self.predicted

    def predict_proba(self, X):
        return (self.predicted[:, None] == self.classes_) * 1.0


def choose(scoring, y, positive=None):
    task = "regression" if y.dtype.kind == "f" else "classification"
    return choose_metric(scoring, y, task, DummyClassifier(), positive)


def test_defaults():
    assert choose(None, WORDS).name == "balanced_accuracy"
    assert choose(None, NUMBERS).name == "r2"


@pytest.mark.parametrize("y", [WORDS, OTHER_DIGITS])
@pytest.mark.parametrize("scoring", ["f1", "precision", "recall", "jaccard", "average_precision"])
def test_a_metric_of_one_class_wants_to_know_which(scoring, y):
    last = str(np.unique(y)[-1])
    with pytest.raises(ValueError, match=f"'{scoring}' looks at one class.*--positive {last}"):
        choose(scoring, y)


@pytest.mark.parametrize("y", [WORDS, DIGITS])
def test_each_class_can_be_the_positive_one(y):
    predicted = np.roll(y, 1)
    predicted[:8] = y[:8]
    X = np.zeros((len(y), 1))
    found = []
    for label in np.unique(y).tolist():
        metric = choose("f1", y, positive=str(label))
        expected = f1_score(y, predicted, pos_label=label)
        assert metric.scorer(Fixed(predicted), X, y) == pytest.approx(expected)
        assert metric.words == f"f1 (positive class: {label})"
        found.append(expected)
    assert found[0] != found[1]


def test_average_precision_ranks_by_the_positive_class():
    X = np.zeros((len(WORDS), 1))
    for label in ("no", "yes"):
        scorer = choose("average_precision", WORDS, positive=label).scorer
        assert scorer(Fixed(WORDS), X, WORDS) == pytest.approx(1.0)


def test_labels_with_a_1_need_no_positive_class():
    for y in (DIGITS, DIGITS.astype(bool), 2 * DIGITS - 1):
        assert choose("f1", y).words == "f1"


def test_an_auc_is_the_same_for_either_class():
    for positive in (None, "no", "yes"):
        metric = choose("roc_auc", WORDS, positive)
        assert metric.scorer(Fixed(WORDS), np.zeros((40, 1)), WORDS) == 1.0


@pytest.mark.parametrize(
    ("scoring", "y", "positive", "message"),
    [
        ("r2", WORDS, None, "'r2' is for numbers, and the target is classes. Use 'balanced_"),
        (
            "neg_median_absolute_error",
            THREE,
            None,
            "error' is for numbers, and the target is classes",
        ),
        (
            "accuracy",
            NUMBERS,
            None,
            "'accuracy' is for classes, and the target is numbers. Use 'r2'",
        ),
        ("roc_auc", NUMBERS, None, "'roc_auc' is for classes, and the target is numbers"),
        ("rand_score", WORDS, None, "is for the clusters of a clustering"),
        (
            "roc_auc",
            THREE,
            None,
            "'roc_auc' is for two classes, and the target has 3. Use 'roc_auc_",
        ),
        ("f1", THREE, None, "'f1' is for two classes, and the target has 3. Use 'f1_macro'"),
        ("f1", THREE, "a", "'f1' is for two classes, and the target has 3"),
        ("f1_samples", WORDS, None, "'f1_samples' cannot judge this target: "),
        ("neg_mean_poisson_deviance", NUMBERS, None, "cannot judge this target: Mean "),
        ("f1", WORDS, "Yes", "positive='Yes' is not a class .* Did you mean 'yes'"),
        ("f1", WORDS, "maybe", "The classes are 'no', 'yes'"),
        ("accuracy", WORDS, "yes", "goes with a metric that looks at one class"),
        ("f1_macro", WORDS, "yes", "goes with a metric that looks at one class"),
        ("r2", NUMBERS, "yes", "goes with classes, and the target is numbers"),
        (make_scorer(f1_score), WORDS, "yes", "goes with the name of a metric"),
        (make_scorer(f1_score), WORDS, None, "cannot judge this target: pos_label=1"),
        ("acuracy", WORDS, None, "'acuracy' is not known. Did you mean 'accuracy'"),
    ],
)
def test_what_does_not_fit_is_said_in_one_sentence(scoring, y, positive, message):
    with pytest.raises(ValueError, match=message):
        choose(scoring, y, positive)


def test_several_metrics_are_no_metric():
    with pytest.raises(TypeError, match="give the name of one metric"):
        choose(["f1", "accuracy"], WORDS)


@pytest.mark.parametrize("y", [WORDS, DIGITS, THREE, NUMBERS, np.abs(NUMBERS) + 1])
def test_every_name_works_or_is_refused(y):
    positive = "yes" if y is WORDS else None
    n_works = 0
    for scoring in get_scorer_names():
        try:
            metric = choose(scoring, y)
        except ValueError as error:
            assert "scoring=" in str(error)
            try:
                metric = choose(scoring, y, positive)
            except ValueError:
                continue
        n_works += 1
        assert metric.name == scoring
    assert n_works >= 8


def test_nothing_is_fitted_before_the_metric_is_checked():
    class Untouchable(LogisticRegression):
        def fit(self, X, y, sample_weight=None):
            raise AssertionError("fitted")

    candidates = {"a": Untouchable(), "b": Untouchable()}
    X = np.random.RandomState(0).normal(size=(40, 2))
    with pytest.raises(ValueError, match="'f1' looks at one class"):
        compare(X, WORDS, candidates=candidates, scoring="f1", backend=None)


def test_the_page_names_the_positive_class():
    X = pd.DataFrame({"a": np.random.RandomState(0).normal(size=40)})
    candidates = {"dummy": DummyClassifier(), "logistic": LogisticRegression()}
    options = {"backend": None, "diagnose": False, "cv": 2}
    result = compare(X, WORDS, candidates=candidates, scoring="recall", positive="no", **options)
    assert result.scoring == "recall"
    assert result.method_["Metric"] == "recall (positive class: no), greater is better"
    assert result.frame().loc["dummy", "mean_score"] == 1.0
