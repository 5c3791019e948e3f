"""`compare` end to end, on models that are quick to fit."""

from __future__ import annotations

import pickle
import re
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import make_scorer, mean_absolute_error
from sklearn.model_selection import TimeSeriesSplit
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils.validation import check_is_fitted

import skreg
from skreg.comparison import Candidate, Comparison, compare

CLASSIFIERS = {
    "dummy": Candidate(DummyClassifier(), kind="dummy"),
    "strong": Candidate(LogisticRegression(C=0.001), kind="linear"),
    "tuned": Candidate(LogisticRegression(), {"C": [0.001, 0.1, 10.0]}, "linear"),
}
REGRESSORS = {
    "dummy": Candidate(DummyRegressor(), kind="dummy"),
    "ridge": Candidate(Ridge(), {"alpha": [0.1, 10.0]}, "linear"),
    "strong": Candidate(Ridge(alpha=1e4), kind="linear"),
}


def described(model):
    """What it is, without the addresses of what has no repr of its own."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(model))


@pytest.fixture(scope="module")
def cancer():
    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    return X.iloc[:300, :8], y.iloc[:300]


def run(X, y, **options):
    defaults = {"candidates": CLASSIFIERS, "cv": 3, "backend": "threading", "diagnose": False}
    options = {**defaults, **options}
    return compare(X, y, **options)


def test_classification(cancer):
    result = run(*cancer, cv=5, diagnose=True)
    assert isinstance(result, Comparison)
    assert (result.task, result.scoring) == ("classification", "balanced_accuracy")
    assert result.baseline_ == "strong"
    assert result.best_ == "tuned"
    assert set(result.verdict_.beats_dummy) == {"strong", "tuned"}
    assert len(result.folds()) == 15
    assert len(result.strengths()) == 15
    assert (result.frame()["seconds"] > 0).all()
    assert [f.title for f in result.diagnosis_.findings] == [
        "Training and test rows",
        "Order of the rows",
        "Labels of near-duplicates",
        "Columns that tell the target",
    ]
    assert result.target_name == "target"


def test_regression():
    X, y = load_diabetes(return_X_y=True)
    result = run(X, y, candidates=REGRESSORS, cv=5, baseline="strong")
    assert (result.task, result.scoring) == ("regression", "r2")
    assert result.best_ == "ridge"
    assert result.verdict_.pays == ["ridge"]
    assert result.frame()["log_loss"].isna().all()


def test_same_seed_same_result(cancer):
    one, other = (run(*cancer, random_state=3).folds() for _ in range(2))
    pd.testing.assert_frame_equal(one, other)
    assert not one.equals(run(*cancer, random_state=4).folds())


def test_repeats_draw_the_folds_anew(cancer):
    folds = run(*cancer, repeats=3).folds()
    assert len(folds) == 27
    scores = folds[folds["candidate"] == "tuned"].pivot(
        index="fold", columns="repeat", values="test_score"
    )
    assert scores.T.drop_duplicates().shape == (3, 3)


def test_the_ready_estimators_fit_and_have_the_chosen_strength(cancer):
    X, y = cancer
    result = run(X, y)
    model = result.estimators_["tuned"].fit(X, y)
    check_is_fitted(model)
    label = result.frame().loc["tuned", "strength"]
    assert label == f"C={model[-1].C:g}"


@pytest.fixture(scope="module")
def mixed(cancer):
    X, y = cancer
    return X.assign(colour=np.where(np.arange(len(X)) % 3, "red", None)), y


@pytest.fixture(scope="module")
def result(mixed):
    """One comparison for what is read off it."""
    unwritable = make_pipeline(FunctionTransformer(np.arctan), LogisticRegression(C=0.001))
    candidates = {**CLASSIFIERS, "unwritable": unwritable}
    return run(*mixed, candidates=candidates, table_name="clinic.csv")


def test_the_recommended_estimator_takes_the_table_as_it_was(mixed, result):
    X, y = mixed
    assert result.recommendation_.name == "tuned"
    model = result.estimator()
    with pytest.raises(NotFittedError):
        check_is_fitted(model)
    assert result.estimator() is not model
    assert described(model) == described(result.estimators_["tuned"])
    expected = model.fit(X, y).predict(X)
    names = {"X": X, "y": y}
    exec(result.snippet(), names)
    assert np.array_equal(names["model"].predict(X), expected)


def test_any_candidate_can_be_had(result):
    assert described(result.estimator("strong")) == described(result.estimators_["strong"])
    with pytest.raises(KeyError, match=r"'weak' was not compared\. Allowed are"):
        result.estimator("weak")
    source = 'model = comparison.estimator("unwritable")\nmodel.fit(X, y)'
    assert result.snippet("unwritable") == source


def test_a_comparison_pickles(result):
    copy = pickle.loads(pickle.dumps(result))
    pd.testing.assert_frame_equal(copy.contenders(), result.contenders())
    assert copy.recommendation_ == result.recommendation_
    assert copy.summary() == result.summary()
    assert described(copy.estimator()) == described(result.estimator())


def test_the_summary_is_shown_as_it_prints(result):
    summary = result.summary()
    assert repr(summary) == str(summary)
    assert summary.startswith("# Recommendation\nTake ")


def test_the_table_has_a_name_and_the_page_a_date(result):
    assert next(iter(result.method_.items())) == ("Table", "clinic.csv")
    assert result.method_["Made"].endswith(f" with skreg {skreg.__version__}")


class _Search(ClassifierMixin, BaseEstimator):
    """Takes note of the rows of its fits."""

    fits: ClassVar[list] = []

    def fit(self, X, y, sample_weight=None):
        self.fits.append(len(y))
        self.model_ = LogisticRegression(C=10.0, max_iter=1000).fit(X, y)
        self.classes_ = self.model_.classes_
        return self

    def predict(self, X):
        return self.model_.predict(X)

    def predict_proba(self, X):
        return self.model_.predict_proba(X)


def test_what_takes_a_time_of_its_own_is_fitted_once_a_split(cancer, monkeypatch):
    monkeypatch.setattr(_Search, "fits", [])
    search = Candidate(_Search(), kind="search", role="contender", seconds=7.0)
    seen = []
    result = run(
        *cancer,
        candidates={**CLASSIFIERS, "search": search},
        progress=lambda *state: seen.append(state),
    )
    assert _Search.fits == [200] * 3
    assert result.frame().loc["search", "seconds"] == 7.0
    assert result.folds().groupby("candidate").size().eq(3).all()
    assert seen[-1] == (3, 3, "searching")
    assert result.recommendation_.name != "search"


def test_searches_and_a_time_limit(cancer):
    candidates = {**CLASSIFIERS, "search": Candidate(_Search(), kind="search", seconds=5.0)}
    with pytest.raises(ValueError, match=r"time_limit=15 leaves no time .* 15 s on 3 splits"):
        run(*cancer, candidates=candidates, time_limit=15)
    result = run(*cancer, candidates=candidates, time_limit=15.001, repeats=1)
    # the searches have their time, the rest has hardly any
    assert any("tried at one strength" in note for note in result.notes_)


@pytest.mark.parametrize("value", [0, -1.0])
def test_a_search_needs_time(cancer, value):
    with pytest.raises(ValueError, match=f"search_time={value!r}: allowed are None"):
        run(*cancer, candidates="default", search_time=value)


@pytest.mark.slow
def test_the_search_competes_where_it_is_asked_for(cancer):
    X, y = cancer
    names = ["dummy", "linear L2", "plain net"]
    options = {"candidates": names, "quick": True, "backend": "skreg", "search_time": 2.0}
    result = run(X, y, **options)
    assert result.contenders().index.tolist().count("search") == 1
    assert result.frame().loc["search", ["kind", "role"]].tolist() == ["search", "contender"]
    assert "max_time=2.0" in result.snippet("search")


def test_the_default_contenders_compete(mixed):
    names = ["dummy", "linear L2", "plain net", "default net", "gradient boosting"]
    result = run(*mixed, candidates=names, quick=True, backend="skreg")
    frame = result.frame()
    assert frame["mean_score"].drop("dummy").min() > 0.85
    assert set(result.contenders().index) >= {"linear L2", "default net", "gradient boosting"}
    assert frame.loc["default net", "n_features_used"] == 9.0


def test_mixed_table_with_text_labels(cancer):
    X, y = cancer
    X = X.assign(colour=np.where(np.arange(len(X)) % 3, "red", None))
    X.iloc[::7, 0] = np.nan
    result = run(X, y.map({0: "ill", 1: "well"}))
    assert result.frame()["mean_score"].max() > 0.8


def test_sparse_table(cancer):
    X, y = cancer
    result = run(sp.csr_array(X.where(X.gt(X.median()), 0.0)), y, diagnose=True)
    assert result.best_ == "tuned"
    assert result.method_["Preparation"].startswith("StandardScaler;")


def test_groups_are_kept_together_in_all_splits(cancer):
    X, y = cancer
    # a group is a row and its copies: who has seen the copy knows the answer
    X, y = pd.concat([X] * 3, ignore_index=True), np.tile(np.arange(len(X)) % 2, 3)
    groups = np.tile(np.arange(len(X) // 3), 3)
    nearest = {"dummy": DummyClassifier(), "nearest": KNeighborsClassifier(1)}
    leaky, honest = (
        run(X, y, candidates=nearest, groups=g).frame().loc["nearest", "mean_score"]
        for g in (None, groups)
    )
    assert leaky > 0.9
    assert honest < 0.65


def test_weights_change_the_result(cancer):
    X, y = cancer
    weights = np.where(y == 1, 10.0, 0.1)
    result = run(X, y, scoring="accuracy", sample_weight=weights)
    assert result.frame().loc["dummy", "mean_score"] > 0.95


def test_rare_classes_are_left_out_with_a_warning(cancer):
    X, y = cancer
    y = y.to_numpy().copy()
    y[:3] = 7
    with pytest.warns(UserWarning, match="1 of 3 classes have fewer than 5 rows"):
        result = run(X, y)
    assert any("7; 3 rows" in note for note in result.notes_)
    assert result.folds()["n_test"].sum() == 3 * 297


def test_time_limit_leaves_out_splits_and_strengths(cancer):
    result = run(*cancer, cv=5, repeats=50, time_limit=1e-3)
    assert len(result.folds()) == 2 * 3  # the fewest splits that have a variance
    assert any("left room for 2 of 250 splits" in note for note in result.notes_)
    assert any("tried at one strength" in note for note in result.notes_)
    assert result.method_["Strengths"] == "one for each knob, not tuned"
    assert result.estimators_["tuned"][-1].C == 0.1


def test_a_time_limit_that_is_not_needed_changes_nothing(cancer):
    free, limited = run(*cancer), run(*cancer, time_limit=1e4)
    pd.testing.assert_frame_equal(free.folds(), limited.folds())
    pd.testing.assert_frame_equal(free.strengths(), limited.strengths())
    assert free.notes_ == limited.notes_
    assert free.method_["Strengths"] == limited.method_["Strengths"]


def test_quick_takes_two_strengths_and_two_inner_folds(cancer):
    result = run(*cancer, quick=True)
    assert result.strengths()["strength"].nunique() == 2
    assert result.method_["Strengths"].startswith(
        "two for each knob, chosen in every training part by 2"
    )


def test_own_splitter_and_scorer():
    X, y = load_diabetes(return_X_y=True)
    scorer = make_scorer(mean_absolute_error, greater_is_better=False)
    result = run(X, y, candidates=REGRESSORS, cv=TimeSeriesSplit(4), scoring=scorer)
    assert len(result.folds()) == 12
    assert result.frame()["mean_score"].max() < 0


def test_progress_is_told(cancer):
    seen = []
    run(*cancer, progress=lambda *state: seen.append(state))
    assert seen[-1] == (9, 9, "judging")


def test_a_candidate_that_fails_is_a_row_not_the_end(cancer):
    result = run(*cancer, candidates={**CLASSIFIERS, "bad": LogisticRegression(C=-1.0)})
    assert result.frame().loc["bad", "verdict"] == "failed"
    assert "The 'C' parameter of LogisticRegression" in result.summary()


def test_fewer_than_two_candidates_left(cancer):
    bad = {"bad": LogisticRegression(C=-1.0), "worse": LogisticRegression(C=-2.0)}
    with pytest.raises(RuntimeError, match=r"Fewer than two candidates could be fitted\. bad: Inv"):
        run(*cancer, candidates=bad)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"repeats": 0}, "repeats=0: allowed are whole numbers from 1"),
        ({"time_limit": 0}, "time_limit=0: allowed are None and seconds above 0"),
        ({"random_state": None}, "random_state=None: allowed are whole numbers from 0"),
        ({"task": "ranking"}, "task='ranking': allowed are 'auto'"),
        ({"baseline": "plain"}, "baseline='plain' is not among the candidates"),
        ({"candidates": {"one": LogisticRegression()}}, "candidates gives 1 to compare"),
        ({"cv": 1}, "cv=1: a comparison needs two folds or more"),
    ],
)
def test_parameters_that_cannot_be_used(cancer, options, message):
    with pytest.raises(ValueError, match=message):
        run(*cancer, **options)


@pytest.mark.parametrize("value", [LogisticRegression, "a string"])
def test_candidates_must_be_estimators(cancer, value):
    with pytest.raises(TypeError, match=r"candidates\['mine'\] is .*not a scikit-learn estimator"):
        run(*cancer, candidates={"mine": value, "other": LogisticRegression()})


def test_weights_need_candidates_that_take_them(cancer):
    X, y = cancer
    candidates = {"a": LogisticRegression(), "b": KNeighborsClassifier()}
    with pytest.raises(ValueError, match=r"candidate 'b' \(KNeighborsClassifier\) takes none"):
        run(X, y, candidates=candidates, sample_weight=np.ones(len(y)))


def test_weights_reach_the_last_step_of_a_pipeline(cancer):
    X, y = cancer
    weights = np.where(y == 1, 10.0, 0.1)
    pipe = make_pipeline(StandardScaler(), LogisticRegression(C=1e-6))
    candidates = {"dummy": DummyClassifier(), "pipe": pipe}
    result = run(X, y, candidates=candidates, scoring="accuracy", sample_weight=weights)
    assert result.frame().loc["pipe", "mean_score"] > 0.95


def test_a_table_is_needed(cancer):
    with pytest.raises(ValueError, match=r"X has the shape \(3,\)"):
        compare([1, 2, 3], [0, 1, 0])


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"max_iter": 0}, "max_iter=0: allowed are 'auto' and whole numbers from 1"),
        ({"max_iter": 1.5}, "max_iter=1.5: allowed"),
        ({"max_iter": "a"}, "max_iter='a': allowed"),
        ({"inner_cv": 1}, "inner_cv=1: allowed are whole numbers from 2, splitters"),
        ({"inner_cv": "a"}, "inner_cv='a': allowed"),
        ({"time_limit": "a"}, "time_limit='a': allowed are None and seconds above 0"),
        ({"search_time": "a"}, "search_time='a': allowed are None and seconds above 0"),
        ({"search_time": 0}, "search_time=0: allowed"),
    ],
)
def test_numbers_that_are_none_are_refused_before_any_work(options, match):
    X, y = np.random.default_rng(0).normal(size=(60, 3)), np.arange(60) % 2
    with pytest.raises(ValueError, match=match):
        compare(X, y, quick=True, **options)
