from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from sklearn import config_context
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.linear_model import Lasso, Ridge
from sklearn.metrics import log_loss
from sklearn.model_selection import GroupKFold, KFold, LeaveOneGroupOut, LeaveOneOut
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skreg import (
    FeaturePathDisplay,
    RegularizedLinearClassifier,
    RegularizedLinearRegressor,
    feature_path,
    l1_max,
)
from skreg.selection import path as selection_path


@pytest.fixture(scope="module")
def path(linear_table, lasso):
    return feature_path(*linear_table, estimator=lasso, cv=5, random_state=0)


def test_the_path_is_that_of_the_lasso(path, linear_table):
    X, y = linear_table
    for strength, used in zip(path.strengths[1:], path.support[1:], strict=True):
        oracle = Lasso(alpha=strength * y.std(), tol=1e-10).fit(X, y)
        np.testing.assert_array_equal(used, oracle.coef_ != 0)


def test_strengths_begin_where_everything_goes(path, linear_table):
    assert path.strengths[0] == pytest.approx(l1_max(*linear_table))
    assert not path.support[0].any()
    assert path.support[1].any()
    ratios = path.strengths[1:] / path.strengths[:-1]
    np.testing.assert_allclose(ratios, ratios[0])


def test_frame_is_what_cross_validation_says(path, linear_table, lasso):
    X, y = linear_table
    frame, members = path.frame(), path.members
    assert list(frame["n_features"]) == list(path.support.sum(axis=1))
    at = 8
    folds = list(KFold(5, shuffle=True, random_state=0).split(X))
    errors, model = [], lasso.set_params(l1=path.strengths[at])
    for train, test in folds:
        fitted = model.fit(X.iloc[train], y[train])
        errors.append(np.mean((fitted.predict(X.iloc[test]) - y[test]) ** 2))
    lasso.set_params(l1=0.0)
    own = members[(members["strength"] == path.strengths[at]) & (members["fold"] >= 0)]
    np.testing.assert_allclose(own["loss"], errors, rtol=1e-6)
    row = frame.iloc[at]
    assert row["loss"] == pytest.approx(np.mean(errors))
    assert row["score"] == -row["loss"]
    assert row["score_se"] == pytest.approx(np.std(errors, ddof=1) / np.sqrt(5))


def test_one_standard_error_is_the_strongest_within_it(path):
    frame = path.frame()
    best = frame.loc[frame["score"].idxmax()]
    assert path.best_strength == best["strength"]
    within = frame[frame["score"] >= best["score"] - best["score_se"]]
    assert path.one_se_strength == within["strength"].max() > path.best_strength


def test_columns_that_matter_survive_longest(path):
    survival = path.survival()
    assert survival["feature"][:3].tolist() == ["c2", "c5", "c7"]
    assert survival["strength"].is_monotonic_decreasing
    assert sorted(survival["column"]) == list(range(12))
    strongest = path.support_frame()["c5"].idxmax()
    assert survival.set_index("feature").loc["c5", "strength"] == strongest


def test_what_is_used_at_a_strength(path):
    assert path.features_at("one_se")[:3] == ["c2", "c5", "c7"]
    place = int(np.flatnonzero(path.strengths == path.one_se_strength)[0])
    np.testing.assert_array_equal(path.support_at(), path.support[place])
    np.testing.assert_array_equal(path.support_at(path.strengths[5] * 1.01), path.support[5])
    np.testing.assert_array_equal(path.importances > 0, path.support)
    np.testing.assert_allclose(path.importances[1:].sum(axis=1), 1.0)


def test_how_many_fits_use_a_column(path, linear_table):
    X, y = linear_table
    at = int(((path.frequency > 0) & (path.frequency < 1)).sum(axis=1).argmax())
    splits = [(np.arange(len(y)), None), *KFold(5, shuffle=True, random_state=0).split(X)]
    used = []
    for train, _ in splits:
        alpha = path.strengths[at] * y[train].std()
        used.append(Lasso(alpha=alpha, tol=1e-10).fit(X.iloc[train], y[train]).coef_ != 0)
    np.testing.assert_allclose(path.frequency[at], np.mean(used, axis=0))
    assert len(set(path.frequency[at])) > 2  # so that thresholds differ
    for threshold in (0.3, 0.6, 1.0):
        chosen = path.support_at(path.strengths[at], threshold=threshold)
        np.testing.assert_array_equal(chosen, np.mean(used, axis=0) >= threshold)


def test_columns_that_only_folds_use_come_last(path):
    at = int(np.argmax(((path.frequency > 0) & ~path.support).any(axis=1)))
    few, many = path.strengths[at], path.features_at(path.strengths[at], threshold=0.01)
    own = path.features_at(few)
    assert many[: len(own)] == own
    assert len(many) > len(own)


@pytest.mark.parametrize("threshold", [0, -0.1, 1.01, np.nan, "half"])
def test_a_threshold_is_a_share(path, threshold):
    message = (
        rf"threshold={re.escape(repr(threshold))} must be a share of the fits, above 0 and up to 1"
    )
    with pytest.raises(ValueError, match=message):
        path.support_at(threshold=threshold)


def test_a_threshold_needs_folds(linear_table, lasso):
    path = feature_path(*linear_table, estimator=lasso, strengths=[0.1])
    with pytest.raises(ValueError, match=r"without folds there is one fit\. Pass cv"):
        path.features_at(0.1, threshold=0.6)


def test_columns_that_a_fold_does_not_have_are_matched_by_name(lasso):
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"city": rng.choice(["a", "c"], 80), "x": rng.normal(size=80)})
    X.loc[:1, "city"] = "b"  # in one fold's test rows alone
    y = X["x"] + 2.0 * (X["city"] == "c") + 5.0 * (X["city"] == "b")
    cv = [(np.arange(40, 80), np.arange(40)), (np.arange(40), np.arange(40, 80))]
    encode = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["city"]), remainder="passthrough"
    )
    path = feature_path(X, y, estimator=make_pipeline(encode, lasso), strengths=[0.01], cv=cv)
    shares = dict(zip(path.feature_names, path.frequency[0], strict=True))
    assert shares["remainder__x"] == 1.0
    assert shares["onehotencoder__city_b"] == pytest.approx(2 / 3)


def test_the_estimator_at_a_strength_is_the_member(path, linear_table):
    fitted = path.estimator_at("one_se").fit(*linear_table)
    np.testing.assert_array_equal(fitted.coef_ != 0, path.support_at("one_se"))


def test_without_folds_nothing_is_recommended(linear_table, lasso):
    path = feature_path(*linear_table, estimator=lasso, strengths=[0.1, 0.5])
    assert path.strengths.tolist() == [0.5, 0.1]
    assert list(path.frame()) == ["strength", "n_features", "train_score", "train_loss"]
    for rule in ("best", "one_se"):
        with pytest.raises(ValueError, match="Pass cv to feature_path"):
            path.support_at(rule)
    for wrong in ("least", 0.0, -0.1, np.nan, None):
        with pytest.raises(ValueError, match=f"strength={wrong!r} must be a number > 0, 'best' or"):
            path.features_at(wrong)


def test_one_fold_has_no_standard_error(linear_table, lasso):
    split = [(np.arange(60), np.arange(60, len(linear_table[1])))]
    path = feature_path(*linear_table, estimator=lasso, n_strengths=4, cv=split)
    assert path.support_at("best").any()
    with pytest.raises(
        ValueError, match=r"One fold has no standard error.*Take 'best', or pass cv"
    ):
        path.features_at()
    display = FeaturePathDisplay.from_path(path, plot=False)
    assert display.recommended == {"best": path.best_strength}


def test_a_score_without_a_value_recommends_nothing(linear_table, lasso):
    X, y = (part[:6] for part in linear_table)
    with pytest.warns(UserWarning, match="R.2 score is not well-defined"):
        path = feature_path(
            X, y, estimator=lasso, strengths=[0.1, 0.5], cv=LeaveOneOut(), scoring="r2"
        )
    for rule in ("best", "one_se"):
        with pytest.raises(ValueError, match="'r2' has no value on the rows of any fold"):
            path.support_at(rule)
    assert FeaturePathDisplay.from_path(path, plot=False).recommended == {}


def test_classes_scorers_and_weights():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(120, 5))
    y = np.where(X[:, 0] + 0.5 * rng.normal(size=120) > 0, "yes", "no")
    weight = rng.integers(1, 4, size=120)
    model = RegularizedLinearClassifier(l2=0.0)
    path = feature_path(
        X,
        y,
        estimator=model,
        strengths=[0.05],
        cv=[(np.arange(60), np.arange(60, 120))],
        scoring="accuracy",
        sample_weight=weight,
    )
    fitted = model.set_params(l1=0.05).fit(X[:60], y[:60], weight[:60])
    row = path.frame().iloc[0]
    expected = log_loss(y[60:], fitted.predict_proba(X[60:]), sample_weight=weight[60:])
    assert row["loss"] == pytest.approx(expected)
    assert row["score"] == pytest.approx(fitted.score(X[60:], y[60:], weight[60:]))
    assert path.feature_names.tolist() == ["x0", "x1", "x2", "x3", "x4"]
    assert (path.loss, path.scoring) == ("log loss", "accuracy")


def test_groups_are_in_one_fold(linear_table, lasso):
    X, y = linear_table
    groups = np.repeat(np.arange(15), 10)
    by_number = feature_path(
        X, y, estimator=lasso, strengths=[0.2], cv=3, groups=groups, random_state=4
    )
    splitter = GroupKFold(3, shuffle=True, random_state=4)
    splits = list(splitter.split(X, y, groups))
    by_hand = feature_path(X, y, estimator=lasso, strengths=[0.2], cv=splits)
    pd.testing.assert_frame_equal(by_number.members, by_hand.members)


def test_columns_of_a_pipeline_are_those_of_its_last_step(lasso):
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"kind": rng.choice(["a", "b", "c"], size=90)})
    y = (X["kind"] == "b") * 2.0 + 0.1 * rng.normal(size=90)
    encoder = OneHotEncoder(sparse_output=False)
    path = feature_path(X, y, estimator=make_pipeline(encoder, lasso), n_strengths=5, cv=3)
    assert path.feature_names.tolist() == ["kind_a", "kind_b", "kind_c"]
    assert path.survival()["feature"][0] == "kind_b"
    assert path.parameter == "l1"


def test_weights_reach_the_last_step(linear_table):
    X, y = linear_table
    weight = np.arange(len(y)) % 2
    model = make_pipeline(
        StandardScaler(with_mean=False, with_std=False), RegularizedLinearRegressor()
    )
    weighted = feature_path(X, y, estimator=model, strengths=[0.1], sample_weight=weight)
    half = feature_path(X[weight > 0], y[weight > 0], estimator=model, strengths=[0.1])
    np.testing.assert_allclose(weighted.importances, half.importances, rtol=1e-6)


def test_the_users_backend_is_used(linear_table, lasso):
    seen = []

    class Watched(RegularizedLinearRegressor):
        def fit(self, X, y, sample_weight=None):
            import threading

            seen.append(threading.current_thread().name)
            return super().fit(X, y, sample_weight)

    arguments = {"estimator": Watched(l2=0.0), "strengths": [0.1, 0.2]}
    feature_path(*linear_table, **arguments)
    assert all(name.startswith("skreg") for name in seen)
    seen.clear()
    with parallel_config(backend="sequential"):
        feature_path(*linear_table, **arguments)
    assert set(seen) == {"MainThread"}


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"estimator": Ridge()}, "has no penalty that takes columns out"),
        ({"estimator": make_pipeline(StandardScaler(), Ridge())}, "has no penalty that takes"),
    ],
)
def test_models_without_such_a_penalty_are_refused(linear_table, arguments, match):
    with pytest.raises(TypeError, match=match):
        feature_path(*linear_table, **arguments)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"strengths": [0.0, 1.0]}, r"must be 'auto' or numbers > 0"),
        ({"strengths": ["weak"]}, r"must be 'auto' or numbers > 0"),
        ({"strengths": "weak"}, "'strengths' parameter"),
        ({"n_strengths": 1}, "'n_strengths' parameter"),
        ({"cv": 1}, "'cv' parameter"),
        ({"sample_weight": np.ones(3)}, r"sample_weight has the shape \(3,\)"),
        ({"groups": np.ones(3), "cv": 3}, "groups has the shape"),
    ],
)
def test_what_is_refused(linear_table, lasso, arguments, match):
    with pytest.raises(ValueError, match=match):
        feature_path(*linear_table, **{"estimator": lasso, **arguments})


def test_a_target_that_nothing_moves_has_no_strengths(linear_table, lasso):
    X, _ = linear_table
    with pytest.raises(ValueError, match="found no strength"):
        feature_path(X, np.ones(len(X)), estimator=lasso)


def test_a_loss_without_a_strongest_penalty_wants_strengths(linear_table):
    model = RegularizedLinearRegressor(loss="absolute_error", l2=0.0)
    with pytest.raises(ValueError, match="Pass strengths"):
        feature_path(*linear_table, estimator=model)
    assert feature_path(*linear_table, estimator=model, strengths=[0.3]).support.any()


def test_a_scorer_that_fails_is_named_with_the_remedy():
    X = np.random.default_rng(0).normal(size=(40, 2))
    y = np.array(["no", "yes"])[(X[:, 0] > 0) * 1]
    model = RegularizedLinearClassifier()
    with pytest.raises(ValueError, match=r"scoring failed on 40 rows: pos_label=1.*or 'loss'"):
        feature_path(X, y, estimator=model, n_strengths=2, scoring="f1")


@pytest.mark.parametrize(
    ("cv", "message"),
    [
        ([], r"cv=\[\] made no splits"),
        ([(np.arange(20), np.arange(20, 41))], "numbers of rows, from 0 to 39"),
        ([(np.arange(20) * 0.5, np.arange(20, 40))], "or a mask of 40 booleans"),
    ],
)
def test_folds_that_are_none(cv, message):
    X = np.random.default_rng(0).normal(size=(40, 2))
    with pytest.raises(ValueError, match=message):
        feature_path(X, X[:, 0], estimator=RegularizedLinearRegressor(), n_strengths=2, cv=cv)


def test_a_fold_without_weight_is_refused_before_training(linear_table, lasso, monkeypatch):
    X, y = linear_table
    groups = np.arange(len(y)) // 10
    weight = np.where(groups == 2, 0.0, 1.0)
    monkeypatch.setattr(selection_path, "run_together", lambda *_: pytest.fail("it trained"))
    with pytest.raises(
        ValueError, match="made fold 2, whose 10 rows to score all have the weight 0"
    ):
        feature_path(
            X, y, estimator=lasso, cv=LeaveOneGroupOut(), groups=groups, sample_weight=weight
        )


@pytest.mark.parametrize("asked", [None, True])
def test_weights_reach_the_last_step_where_metadata_is_routed(linear_table, lasso, asked):
    X, y = linear_table
    weight = np.random.default_rng(0).random(len(y))
    plain = make_pipeline(StandardScaler(), clone(lasso))
    expected = feature_path(X, y, estimator=plain, n_strengths=3, cv=3, sample_weight=weight)
    with config_context(enable_metadata_routing=True):
        last = clone(lasso)
        last = last if asked is None else last.set_fit_request(sample_weight=asked)
        pipeline = make_pipeline(StandardScaler(), last)
        routed = feature_path(X, y, estimator=pipeline, n_strengths=3, cv=3, sample_weight=weight)
        alone = feature_path(X, y, estimator=last, n_strengths=3, sample_weight=weight)
    np.testing.assert_array_equal(routed.support, expected.support)
    np.testing.assert_allclose(routed.importances, expected.importances)
    assert alone.support.shape[0] == 3
