"""clip: predictions stay within the range of the training targets."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from joblib import parallel_config
from sklearn.base import clone
from sklearn.ensemble import BaggingRegressor

from skreg import BaggedMLPRegressor, RegularizedMLPClassifier, RegularizedMLPRegressor

#: A linear net that finds the line within 400 steps.
LINE = {
    "hidden_layer_sizes": (),
    "scale_features": None,
    "weight_decay": 0.0,
    "early_stopping": False,
    "learning_rate_init": 0.05,
    "batch_size": 50,
    "max_iter": 400,
    "dtype": "float64",
    "random_state": 0,
}

NET = {
    "hidden_layer_sizes": (8,),
    "scale_features": None,  # "robust" keeps rows that are far outside near
    "numeric_embedding": None,
    "dropout": 0.3,
    "max_iter": 5,
    "random_state": 0,
}

#: So far outside that every output leaves its range.
FAR = 1e3


@pytest.fixture(scope="module")
def line():
    """Rows on y = 3 + 2 x, x in [-1, 1]."""
    x = np.linspace(-1.0, 1.0, 50)[:, None]
    return x, 3.0 + 2.0 * x[:, 0]


def within(net, predictions):
    """Whether predictions (..., o) keep to the range, each output to its own."""
    low, high = net.target_range_.T
    return ((low <= predictions) & (predictions <= high)).all()


def test_a_line_goes_on_without_and_ends_with(line):
    far = np.array([[-10.0], [-1.0], [0.25], [1.0], [10.0]])
    free = RegularizedMLPRegressor(**LINE, clip=False).fit(*line)
    clipped = RegularizedMLPRegressor(**LINE, clip=True).fit(*line)
    np.testing.assert_allclose(free.predict(far), [-17.0, 1.0, 3.5, 5.0, 23.0], atol=0.01)
    np.testing.assert_allclose(clipped.predict(far), [1.0, 1.0, 3.5, 5.0, 5.0], atol=0.01)
    assert clipped.predict(far)[[0, -1]].tolist() == [1.0, 5.0]
    assert free.target_range_.tolist() == clipped.target_range_.tolist() == [[1.0, 5.0]]


def test_training_is_the_same(X, y_real):
    """Losses are those of predictions that are not clipped."""
    nets = [RegularizedMLPRegressor(**NET, clip=clip).fit(X, y_real) for clip in (False, True)]
    assert nets[0].history_.equals(nets[1].history_)
    np.testing.assert_array_equal(nets[0].coefs_[0], nets[1].coefs_[0])
    raw, clipped = (net.predict(FAR * X) for net in nets)
    np.testing.assert_array_equal(clipped, np.clip(raw, y_real.min(), y_real.max()))
    assert (clipped != raw).mean() > 0.5


@pytest.mark.filterwarnings("ignore:X_val does not look like X:UserWarning")
@pytest.mark.filterwarnings("ignore:On the validation rows this .* is worse than a constant")
def test_a_scorer_is_given_clipped_predictions(X, y_real):
    def largest(estimator, X, y):
        return np.abs(estimator.predict(X)).max()

    for clip in (False, True):
        net = RegularizedMLPRegressor(**NET, clip=clip, scoring=largest)
        net.fit(X, y_real, X_val=FAR * X, y_val=y_real)
        assert (max(net.validation_scores_) <= np.abs(y_real).max()) == clip


def test_each_output_has_a_range_of_its_own(X, y_real):
    y = np.column_stack([y_real, -3.0 * y_real, np.full(90, 7.0)])
    net = RegularizedMLPRegressor(**NET, clip=True).fit(X, y)
    assert net.target_range_.shape == (net.n_outputs_, 2)
    np.testing.assert_array_equal(net.target_range_, np.stack([y.min(axis=0), y.max(axis=0)]).T)
    far = net.predict(FAR * X)
    assert within(net, far)
    for column in (0, 1):
        assert set(net.target_range_[column]) <= set(far[:, column])


def test_rows_without_weight_do_not_count(X, y_real):
    weight = np.ones(90)
    weight[[y_real.argmin(), y_real.argmax()]] = 0.0
    net = RegularizedMLPRegressor(**NET, clip=True).fit(X, y_real, sample_weight=weight)
    left = y_real[weight > 0]
    assert net.target_range_.tolist() == [[left.min(), left.max()]]
    assert y_real.min() < net.target_range_[0, 0]
    assert within(net, net.predict(FAR * X)[:, None])


def test_validation_rows_count(X, y_real):
    assert RegularizedMLPRegressor(**NET).fit(X, y_real).target_range_.tolist() == [
        [y_real.min(), y_real.max()]
    ]
    weight = np.ones(10)
    weight[0] = 0.0
    y_val = np.r_[1009.0, 1008.0, y_real[:8]]
    net = RegularizedMLPRegressor(**NET, clip=True)
    net.fit(X, y_real, X_val=X[:10], y_val=y_val, sample_weight_val=weight)
    assert net.target_range_.tolist() == [[y_real.min(), 1008.0]]


def test_going_on_widens_the_range_and_a_new_fit_forgets_it(X, y_real):
    net = RegularizedMLPRegressor(**NET, clip=True).partial_fit(X, y_real)
    low, high = y_real.min(), y_real.max()
    first = net.target_range_
    net.partial_fit(X, y_real + 50.0)
    assert net.target_range_.tolist() == [[low, high + 50.0]]
    assert first.tolist() == [[low, high]]  # nobody's array is written to
    net.set_params(warm_start=True).fit(X, y_real - 50.0)
    assert net.target_range_.tolist() == [[low - 50.0, high + 50.0]]
    net.set_params(warm_start=False).fit(X, y_real)
    assert net.target_range_.tolist() == [[low, high]]


def test_predictions_keep_to_what_was_fitted(X, y_real):
    net = RegularizedMLPRegressor(**NET, clip=True).fit(X, y_real)
    before = net.predict(FAR * X)
    np.testing.assert_array_equal(net.set_params(clip=False).predict(FAR * X), before)
    assert not within(net, net.fit(X, y_real).predict(FAR * X)[:, None])


@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
def test_pickle_and_module_clip_alike(X, loss):
    y = 1.0 + np.random.default_rng(0).poisson(np.exp(X[:, :2]))
    net = RegularizedMLPRegressor(**NET, loss=loss, clip=True, dtype="float64").fit(X, y)
    rows = np.concatenate([X, 10.0 * X, -10.0 * X])
    predicted = net.predict(rows)
    for column in (0, 1):
        assert set(net.target_range_[column]) <= set(predicted[:, column])
    assert within(net, predicted)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(net)).predict(rows), predicted)
    assert type(net.module_[-1]).__name__ == "Clamp"
    with torch.no_grad():
        out = net.module_(torch.from_numpy(rows)).numpy()
    np.testing.assert_allclose(out, predicted, rtol=1e-10)
    free = clone(net).set_params(clip=False).fit(X, y)
    assert [type(m) for m in free.module_] == [type(m) for m in net.module_][:-1]


def test_each_sample_of_predict_mc_is_clipped(X, y_real):
    """Mean and spread are those of clipped samples, not the clipped mean of samples."""
    raw, clipped = (
        RegularizedMLPRegressor(**NET, clip=clip).fit(X, y_real) for clip in (False, True)
    )
    # The same masks: one generator draws all of them.
    samples = np.stack(raw._in_units(raw._monte_carlo(20.0 * X, 30, 0)))
    known = np.clip(samples, y_real.min(), y_real.max())
    mean, std = clipped.predict_mc(20.0 * X, n_samples=30, random_state=0)
    np.testing.assert_allclose(mean, known.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(std, known.std(axis=0), rtol=0, atol=1e-9)
    of_the_mean = np.clip(samples.mean(axis=0), y_real.min(), y_real.max())
    assert np.abs(mean - of_the_mean).max() > 1.0


@pytest.mark.parametrize("stopping", ["ensemble", "member"])
def test_each_member_clips_to_its_own_rows(X, y_real, stopping):
    net = RegularizedMLPRegressor(**NET, clip=True)
    bag = BaggedMLPRegressor(net, n_estimators=5, stopping=stopping, random_state=0)
    bag.fit(X, y_real)
    shared = [] if bag.validation_samples_ is None else y_real[bag.validation_samples_]
    for member, rows in zip(bag.estimators_, bag.estimators_samples_, strict=True):
        known = np.concatenate([y_real[rows], shared])
        assert member.target_range_.tolist() == [[known.min(), known.max()]]
    assert len({tuple(member.target_range_[0]) for member in bag.estimators_}) > 1
    each = np.stack([member.predict(FAR * X) for member in bag.estimators_])
    assert all(within(m, p[:, None]) for m, p in zip(bag.estimators_, each, strict=True))
    np.testing.assert_allclose(bag.predict(FAR * X), each.mean(axis=0), rtol=1e-12)


def test_members_are_those_of_scikit_learn(X, y_real):
    net = RegularizedMLPRegressor(**{**NET, "dtype": "float64"}, clip=True)
    bag = BaggedMLPRegressor(net, n_estimators=3, stopping="member", random_state=0)
    with parallel_config(backend="skreg"):
        other = BaggingRegressor(net, n_estimators=3, random_state=0).fit(X, y_real)
    np.testing.assert_allclose(
        bag.fit(X, y_real).predict(FAR * X), other.predict(FAR * X), rtol=1e-9
    )


def test_classes_have_no_range(X, y_binary):
    assert not hasattr(RegularizedMLPClassifier(**NET).fit(X, y_binary), "target_range_")
