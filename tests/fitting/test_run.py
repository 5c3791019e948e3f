"""Reports on models: the scores are those of the folds, and columns that matter are found."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import log_loss, r2_score

import skreg.fitting.run
from skreg.comparison.tables import load_table
from skreg.display.page import render_fit_page
from skreg.estimators.search import RegularizedMLPClassifierCV, RegularizedMLPRegressorCV
from skreg.fitting import fit_table
from skreg.fitting.evidence import constant_predictions, folds_of_search
from skreg.fitting.importance import column_importance


@pytest.fixture
def table(folder):
    return load_table(folder / "classes.csv", target="churn")


def test_scores_out_of_fold(classes, table):
    search, scores = classes.model.estimator, classes.scores.set_index("what")["score"]
    default = scores["one net with no parameter changed, setting 0"]
    labels = (table.y == "yes").astype(int)
    assert scores["the model in the file"] == pytest.approx(
        log_loss(labels, search.oof_decision_), rel=1e-6
    )
    assert default == pytest.approx(-search.cv_results_["pooled_test_score"][0])
    if len(search.ensemble_) > 1:
        best = scores[f"setting {search.best_index_}"]
        assert best == pytest.approx(-search.best_score_)
    assert scores["the shares of the classes"] == pytest.approx(
        log_loss(labels, constant_predictions(folds_of_search(search, 120), table.y, None, True)),
        rel=1e-6,
    )
    assert classes.measure.better == "smaller is better"
    assert classes.scores["score"].is_monotonic_increasing
    assert classes.further["metric"][0] == "accuracy (larger is better)"


def test_scores_of_numbers_and_nested(numbers, folder):
    table = load_table(folder / "numbers.csv", target="price")
    search, scores = numbers.model.estimator, numbers.scores["score"]
    assert scores[0] == pytest.approx(r2_score(table.y, search.oof_predictions_), rel=1e-6)
    nested = numbers.nested.set_index("model")["score"]
    assert list(nested.index) == ["ensemble of a search", "default net", "constant"]
    assert nested.iloc[0] > 0.5 > 0.1 > nested["constant"]
    assert numbers.columns is None


def test_the_constant_knows_classes_that_a_fold_lacks():
    y = np.array(["a", "a", "b", "b", "c"], dtype=object)
    folds = [(np.array([0, 1, 2]), np.array([3, 4])), (np.array([2, 3, 4]), np.array([0, 1, 2]))]
    found = constant_predictions(folds, y, None, True)
    np.testing.assert_allclose(found[3], [2 / 3, 1 / 3, 0])
    np.testing.assert_allclose(found[0], [0, 2 / 3, 1 / 3])
    weights = np.array([1.0, 1, 2, 1, 1])
    np.testing.assert_allclose(constant_predictions(folds, y, weights, True)[3], [1 / 2, 1 / 2, 0])


def test_columns_that_matter_come_first(classes):
    assert set(classes.columns["column"][:2]) == {"visits", "job"}
    assert classes.columns["importance"].is_monotonic_decreasing
    assert (classes.columns["spread"] >= 0).all()


def test_little_time_leaves_fewer_rows_and_repeats(classes, table):
    from skreg.fitting.columns import learn_columns

    search = classes.model.estimator
    X, columns, _ = learn_columns(table)
    options = {"columns": columns, "random_state": 0}
    found = column_importance(search, X, table.y, None, classes.measure, seconds=1e-9, **options)
    assert sorted(found["column"]) == sorted(table.X)


def test_the_ensemble_is_told_by_what_it_changes(classes):
    settings = classes.settings
    assert settings["weight"].sum() == pytest.approx(1)
    usual = classes.model.estimator.estimators_[0].__class__().get_params()
    for params in settings["params"]:
        assert all(usual[name] != value for name, value in params.items())


@pytest.mark.slow
def test_knobs_are_told_where_the_search_tells_them(table, monkeypatch):
    knobs = pd.DataFrame({"knob": ["dropout"], "importance": [0.5], "std": [0.1]})
    monkeypatch.setattr(
        RegularizedMLPClassifierCV, "knob_importance", lambda search, random_state: knobs
    )
    assert fit_table(table, n_settings=1).knobs is knobs

    def few(search, random_state):
        raise ValueError("too few settings")

    monkeypatch.setattr(RegularizedMLPClassifierCV, "knob_importance", few)
    assert fit_table(table, n_settings=1).knobs is None


def test_groups_stay_in_one_fold_and_small_classes_are_named(table):
    groups = np.arange(len(table.y)) // 10
    y = table.y.copy()
    y[:2] = "rare"
    report = fit_table(replace(table, y=y, groups=groups), n_settings=1, look=False)
    kept = groups[2:]
    for train, test in folds_of_search(report.model.estimator, len(kept)):
        assert not set(kept[train]) & set(kept[test])
    assert list(report.model.estimator.classes_) == ["no", "yes"]
    assert any("1 of 3 classes have fewer than 5 rows" in note for note in report.notes)
    assert report.method["Folds"].endswith("groups kept together")


def test_one_group_is_no_fold(table):
    with pytest.raises(ValueError, match="1 fold cannot be made of 1 group"):
        fit_table(replace(table, groups=np.zeros(len(table.y))), n_settings=1)
    with pytest.raises(ValueError, match="500 folds cannot be made of 120 rows"):
        fit_table(table, n_settings=1, nested=500)


def test_a_column_that_tells_the_target_is_warned_of(table):
    X = table.X.assign(copy=(table.y == "yes").astype(int))
    report = fit_table(replace(table, X=X), n_settings=1, look=False)
    assert "copy (balanced accuracy 1.000) predicts the target alone" in report.warnings[0]


def test_weights_count_in_the_scores(table):
    weights = np.where(table.y == "yes", 3.0, 1.0)
    weights[:7] = 0.0  # as if they were not there
    report = fit_table(replace(table, weights=weights), n_settings=1, look=False)
    labels = (table.y == "yes").astype(int)
    found = report.model.estimator.oof_decision_
    expected = log_loss(labels[7:], found, sample_weight=weights[7:])
    assert report.scores["score"][0] == pytest.approx(expected, rel=1e-6)
    assert list(report.scores["model"]) == [
        "the one setting that was chosen",
        "default net",
        "constant",
    ]
    default = report.model.estimator.cv_results_["pooled_test_score"][0]
    assert report.scores["score"][1] == pytest.approx(-default)


def test_an_interrupt_leaves_the_best_so_far(table, monkeypatch):
    fit = RegularizedMLPClassifierCV.fit

    def interrupted(search, *args, **options):
        fit(search, *args, **options)
        raise KeyboardInterrupt

    monkeypatch.setattr(RegularizedMLPClassifierCV, "fit", interrupted)
    report = fit_table(table, n_settings=1, nested=2)
    assert report.interrupted and report.columns is None and report.nested is None
    assert len(report.model.predict(table_rows(table))) == 5


@pytest.mark.parametrize(
    "name",
    [
        "out_of_fold",
        pytest.param("further_scores", marks=pytest.mark.slow),
        pytest.param("tells_the_target", marks=pytest.mark.slow),
    ],
)
def test_an_interrupt_while_the_scores_are_taken_keeps_the_model(name, table, monkeypatch):
    function, calls = getattr(skreg.fitting.run, name), []

    def interrupted(*args, **options):
        calls.append(None)
        if len(calls) == 1:
            raise KeyboardInterrupt
        return function(*args, **options)

    monkeypatch.setattr(skreg.fitting.run, name, interrupted)
    report = fit_table(table, n_settings=1, nested=2)
    assert report.interrupted and report.columns is None and report.nested is None
    assert np.isfinite(report.scores["score"]).all()
    assert len(report.model.predict(table_rows(table))) == 5


def table_rows(table):
    from skreg.fitting.columns import learn_columns

    return learn_columns(table)[0].iloc[:5]


def test_an_interrupt_before_anything_is_fitted_is_one(table, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(RegularizedMLPClassifierCV, "fit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fit_table(table, n_settings=1)


def test_an_interrupt_while_looking_keeps_the_model(folder, monkeypatch):
    table = load_table(folder / "numbers.csv", target="price")

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("skreg.fitting.run.column_importance", interrupted)
    report = fit_table(table, n_settings=1)
    assert report.interrupted and isinstance(report.model.estimator, RegularizedMLPRegressorCV)
    assert report.method["Settings"].startswith("1 tried")


def test_the_page_shows_the_course_of_the_search(classes):
    pytest.importorskip("matplotlib")
    page = render_fit_page(classes)
    assert "<h2>The search</h2>" in page and "<h2>Which columns matter</h2>" in page
    assert page.count("<svg") == 4
