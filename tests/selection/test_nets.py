"""Paths and stability selection of nets."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from sklearn.metrics import mean_poisson_deviance
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skreg import (
    RegularizedMLPClassifier,
    RegularizedMLPRegressor,
    StabilitySelector,
    feature_path,
    last_rounds,
)
from skreg.selection.models import default_estimator, member
from skreg.selection.strengths import OF_NULL_LOSS, strengths_of

NET = RegularizedMLPRegressor(
    (8,), numeric_embedding=None, learning_rate_init=0.02, max_iter=40, random_state=0
)


@pytest.fixture(scope="module")
def product():
    """400 rows of 8 columns; the target is the product of columns 1 and 4."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 8))
    return X, X[:, 1] * X[:, 4] + 0.1 * rng.normal(size=400)


@pytest.fixture(scope="module")
def path(product):
    return feature_path(*product, estimator=NET, n_strengths=6, cv=2)


def test_a_net_keeps_what_a_linear_model_cannot_see(path):
    assert set(path.survival()["column"][:2]) == {1, 4}
    assert path.parameter == "group_l1"
    assert path.frame()["n_features"].iloc[0] <= 2 < path.frame()["n_features"].iloc[-1]
    assert path.frame()["loss"].min() < 0.3  # of a target of variance 1


def test_members_of_a_path_are_the_nets_by_themselves(path, product):
    at = path.strengths[3]
    net = path.estimator_at(at)
    assert net.early_stopping is False
    net.fit(*product)
    np.testing.assert_array_equal(net.selected_features_, path.support[3])
    np.testing.assert_allclose(net.feature_importances_, path.importances[3], rtol=1e-5)


def test_a_path_is_one_round(product):
    with parallel_config(backend="skreg"):
        feature_path(*product, estimator=NET, strengths=[0.1, 0.01], cv=2)
        rounds = last_rounds()
    assert [round.jobs for round in rounds] == [6]


def test_strengths_of_nets_begin_below_the_loss_of_the_null_model(product):
    X, y = product
    first = strengths_of(NET, X, y, "auto", 3)[0]
    assert first == pytest.approx(OF_NULL_LOSS / 2)
    raw = RegularizedMLPRegressor(scale_target=False)
    assert strengths_of(raw, X, y, "auto", 3)[0] == pytest.approx(OF_NULL_LOSS * y.var() / 2)
    labels = np.repeat(["a", "b", "c"], [200, 100, 100])
    entropy = 0.5 * np.log(2) + 0.5 * np.log(4)
    classifier = RegularizedMLPClassifier()
    found = strengths_of(classifier, X, labels, "auto", 3)[0]
    assert found == pytest.approx(OF_NULL_LOSS * entropy)
    even = np.where(labels == "a", 0.5, 1.0)
    found = strengths_of(classifier, X, labels, "auto", 3, even)[0]
    assert found == pytest.approx(OF_NULL_LOSS * np.log(3))


def test_strengths_of_a_linear_net_begin_where_all_columns_go(linear_table):
    X, y = linear_table
    net = RegularizedMLPRegressor(
        (),
        scale_features="standard",
        weight_decay=0.0,
        learning_rate_init=0.05,
        batch_size=150,
        max_iter=400,
        early_stopping=False,
        ema_decay=0.0,
    )
    strongest = strengths_of(net, X, y, "auto", 2)[0]
    counts = [
        net.set_params(group_l1=strongest * share).fit(X, y).n_features_used_
        for share in (1.02, 0.9)
    ]
    assert counts == [0, 1]


def test_stability_selection_of_nets(product):
    X, y = product
    frame = pd.DataFrame(X, columns=list("abcdefgh"))
    selector = StabilitySelector(
        NET, strengths=[0.06, 0.04], n_pairs=4, threshold=0.9, pfer=None, random_state=0
    )
    assert selector.fit(frame, y).get_feature_names_out().tolist() == ["b", "e"]
    inside = make_pipeline(StandardScaler(), NET)
    again = selector.set_params(estimator=inside).fit(frame, y)
    assert again.get_support(indices=True).tolist() == [1, 4]


def test_the_default_net_is_for_the_target():
    labels, numbers = np.repeat(["a", "b"], 50), np.linspace(0, 1, 100)
    assert isinstance(default_estimator(labels, 100), RegularizedMLPClassifier)
    assert isinstance(default_estimator(numbers, 100), RegularizedMLPRegressor)
    assert default_estimator(numbers, 100).max_iter == 300
    assert default_estimator(numbers, 100_000).max_iter == 30


def test_members_train_to_the_end_with_one_seed():
    inside = make_pipeline(StandardScaler(), RegularizedMLPRegressor(warm_start=True))
    made = member(inside, 0.3, 7)[-1]
    assert (made.group_l1, made.random_state) == (0.3, 7)
    assert (made.early_stopping, made.warm_start) == (False, False)


def test_gaps_and_categories_reach_the_nets(product):
    X, y = product
    table = pd.DataFrame(X[:, :4])
    table.columns = ["a", "b", "c", "d"]
    table.loc[::7, "a"] = np.nan
    table["kind"] = pd.Categorical(np.where(X[:, 4] > 0, "up", "down"))
    net = RegularizedMLPRegressor(**{**NET.get_params(), "max_iter": 4})
    path = feature_path(table, y, estimator=net, strengths=[0.1])
    assert path.feature_names.tolist() == ["a", "b", "c", "d", "kind"]
    select = StabilitySelector(net, strengths=[0.1], n_pairs=2, pfer=None, random_state=0)
    select.set_output(transform="pandas")
    out = select.fit(table, y).transform(table)
    assert list(out) == list(table.columns[select.get_support()])


@pytest.mark.parametrize("loss", ["absolute_error", "huber", "pinball", "squared_error"])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1000.0])
def test_strengths_are_of_use_whatever_the_loss_and_the_unit_of_the_target(loss, scale):
    """From few columns to all that matter; a loss in the unit of the target would take all of them out."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 6))
    y = scale * (2 * X[:, 0] + X[:, 1])
    net = RegularizedMLPRegressor(
        (4,),
        loss=loss,
        max_iter=60,
        learning_rate_init=0.02,
        numeric_embedding=None,
        random_state=0,
    )
    path = feature_path(X, y, estimator=net, n_strengths=4)
    assert path.support[0].sum() <= 2
    assert path.support[-1, :2].all()
    if scale == 1000.0 and loss != "squared_error":
        net.set_params(scale_target=False)
        own = strengths_of(net, X, y, "auto", 4)
        assert own[0] <= 1.0  # the slope of the loss is at most 1


def test_the_unit_of_a_scaled_target_does_not_count():
    X, y = np.random.default_rng(0).normal(size=(50, 3)), np.arange(50.0)
    for loss in ("squared_error", "absolute_error", "poisson"):
        net = RegularizedMLPRegressor((4,), loss=loss)
        one, other = (strengths_of(net, X, k * y, "auto", 3) for k in (1.0, 250.0))
        np.testing.assert_allclose(one, other, rtol=1e-6)


def test_known_losses_of_a_constant():
    """Of squares half the variance, for each target; of counts half the deviance."""
    rng = np.random.default_rng(0)
    X, y, w = rng.normal(size=(60, 2)), rng.poisson(3.0, size=(60, 2)).astype(float), rng.random(60)
    squares = RegularizedMLPRegressor((4,), scale_target=False)
    mean = np.average(y, axis=0, weights=w)
    variance = np.average((y - mean) ** 2, axis=0, weights=w)
    found = strengths_of(squares, X, y, "auto", 3, w)[0]
    assert found == pytest.approx(OF_NULL_LOSS * variance.sum() / 2)
    counts = RegularizedMLPRegressor((4,), loss="poisson", scale_target=False)
    deviance = mean_poisson_deviance(y[:, 0] + 1.0, np.full(60, np.mean(y[:, 0] + 1.0)))
    found = strengths_of(counts, X, y[:, 0] + 1.0, "auto", 3)[0]
    assert found == pytest.approx(OF_NULL_LOSS * deviance / 2, rel=1e-6)


def test_labels_of_which_a_row_has_several_in_a_net_without_hidden_layers():
    X = np.random.default_rng(0).normal(size=(100, 6))
    labels = (X[:, :2] > 0).astype(int)
    net = RegularizedMLPClassifier((), max_iter=30, numeric_embedding=None, random_state=0)
    path = feature_path(X, labels, estimator=net, n_strengths=5)
    assert path.support[-1, :2].all()
    assert path.support[0].sum() <= path.support[-1].sum()
