"""partial_fit: one pass over the rows a call, going on where the last one ended."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from sklearn.base import clone

from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor

NET = {
    "numeric_embedding": None,
    "hidden_layer_sizes": (8,),
    "dropout": 0.2,
    "early_stopping": False,
    "learning_rate": "constant",
    "batch_size": 30,
    "dtype": "float64",
    "random_state": 0,
}


@pytest.mark.parametrize("solver", ["adamw", "sgd"])
def test_calls_equal_epochs(X, y_real, solver):
    """Weights, moments of the optimiser, order of rows and dropout masks all go on."""
    net = RegularizedMLPRegressor(**NET, solver=solver, learning_rate_init=0.01)
    by_calls = clone(net)
    for _ in range(4):
        by_calls.partial_fit(X, y_real)
    at_once = clone(net).set_params(max_iter=4, ema_decay=0).fit(X, y_real)
    for a, b in zip(by_calls.coefs_, at_once.coefs_, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-12)
    assert by_calls.loss_curve_ == pytest.approx(at_once.loss_curve_, rel=1e-10)
    assert by_calls.n_iter_ == at_once.n_iter_ == 4
    assert by_calls.history_["epoch"].tolist() == [1, 2, 3, 4]
    assert by_calls.best_loss_ == min(by_calls.loss_curve_)


def test_goes_on_after_fit(X, y_real):
    options = {**NET, "early_stopping": True, "scale_features": None}
    net = RegularizedMLPRegressor(**options, max_iter=5).fit(X, y_real)
    before = net.coefs_[0]
    best_iter = net.best_iter_
    net.partial_fit(X, y_real)
    assert 0 < np.abs(net.coefs_[0] - before).max() < 0.05
    assert net.n_iter_ == 6
    assert best_iter <= 5
    assert net.best_loss_ == min(net.loss_curve_)  # there were no validation rows


def test_survives_a_copy(X, y_real):
    net = RegularizedMLPRegressor(**NET).partial_fit(X, y_real)
    other = pickle.loads(pickle.dumps(net))
    np.testing.assert_array_equal(
        net.partial_fit(X, y_real).predict(X), other.partial_fit(X, y_real).predict(X)
    )


def test_the_target_keeps_the_scale_of_the_first_call(X, y_real):
    net = RegularizedMLPRegressor(**NET).partial_fit(X, y_real)
    before = net.predict(X)
    net.partial_fit(X[:2], 1000.0 * y_real[:2])
    assert np.abs(net.predict(X) - before).max() < 1000.0


def test_learning_rate_is_constant(X, y_real):
    net = RegularizedMLPRegressor(**{**NET, "learning_rate": "cosine"}, learning_rate_init=0.02)
    for _ in range(3):
        net.partial_fit(X, y_real)
    np.testing.assert_allclose(net.history_["learning_rate"], 0.02)


def test_classes_are_named_in_the_first_call(X, y_three):
    few = y_three < 2
    net = RegularizedMLPClassifier(**NET)
    net.partial_fit(X[few], y_three[few], classes=[2, 0, 1])
    assert net.classes_.tolist() == [0, 1, 2]
    assert net.predict_proba(X).shape == (90, 3)
    net.partial_fit(X, y_three)
    with pytest.raises(ValueError, match=r"classes=\[0, 1\] is not the same as in the first call"):
        net.partial_fit(X, y_three, classes=[0, 1])


def test_new_classes_are_refused(X, y_three):
    few = y_three < 2
    net = RegularizedMLPClassifier(**NET).partial_fit(X[few], y_three[few])
    with pytest.raises(
        ValueError, match=r"y has the classes \[2\], which are not among .*\[0, 1\]"
    ):
        net.partial_fit(X, y_three)
    net = RegularizedMLPClassifier(**NET)
    with pytest.raises(
        ValueError, match=r"y has the classes \[2\], which classes=\[0, 1\] does not name"
    ):
        net.partial_fit(X, y_three, classes=[0, 1])
    assert not hasattr(net, "classes_")


def test_weights(X, y_three):
    weight = np.random.default_rng(0).integers(0, 3, size=90)
    net = RegularizedMLPClassifier(**{**NET, "dropout": 0.0, "batch_size": 500})
    weighted = clone(net).partial_fit(X, y_three, sample_weight=weight)
    repeated = clone(net).partial_fit(X.repeat(weight, axis=0), y_three.repeat(weight))
    np.testing.assert_allclose(weighted.coefs_[0], repeated.coefs_[0], rtol=0, atol=1e-9)


def test_class_weight_as_a_dict_but_not_balanced(X, y_binary):
    net = RegularizedMLPClassifier(**NET)
    heavy = clone(net).set_params(class_weight={1: 20.0})
    for _ in range(20):
        net.partial_fit(X, y_binary)
        heavy.partial_fit(X, y_binary)
    assert heavy.predict(X).sum() > net.predict(X).sum()
    with pytest.raises(ValueError, match="class_weight='balanced' cannot be known from a part"):
        net.set_params(class_weight="balanced").partial_fit(X, y_binary)


def test_multilabel(X, y_labels):
    net = RegularizedMLPClassifier(**NET)
    for _ in range(2):
        net.partial_fit(X, y_labels)
    assert net.predict(X).shape == y_labels.shape
    with pytest.raises(
        ValueError, match=r"y has the shape \(90, 2\), which does not fit the 3 labels"
    ):
        net.partial_fit(X, y_labels[:, :2])


def test_refuses_what_does_not_continue(X, y_real):
    net = RegularizedMLPRegressor(**NET).partial_fit(X, y_real)
    for name, value in (
        ("hidden_layer_sizes", (3,)),
        ("solver", "sgd"),
        ("batch_norm", False),
        ("loss", "poisson"),
    ):
        changed = copy.deepcopy(net).set_params(**{name: value})
        with pytest.raises(ValueError, match=f"The fitted net has {name}="):
            changed.partial_fit(X, y_real)
    with pytest.raises(ValueError, match="X has 3 features"):
        net.partial_fit(X[:, :3], y_real)
