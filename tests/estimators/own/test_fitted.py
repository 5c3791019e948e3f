"""A fitted net of one's own: what it tells, and what can be done with it."""

from __future__ import annotations

import copy
import pickle
import re

import numpy as np
import pytest
import torch
from sklearn.base import clone
from torch import nn

from skreg import RegularizedNetClassifier, RegularizedNetRegressor, TrainingCurveDisplay
from tests.estimators.own.modules import Normed, Perceptron, TextBook


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    return rng.normal(size=(60, 1, 8, 8)), np.arange(60) % 3


@pytest.fixture(scope="module")
def fitted(images):
    X, y = images
    options = {"l1": 1e-3, "l2": [0.0, 0.1], "max_norm": 3.0, "max_iter": 3, "random_state": 0}
    return RegularizedNetClassifier(Normed, dropout=0.3, module__channels=5, **options).fit(X, y)


def test_module_is_the_class_and_gives_the_decision_function(fitted, images):
    X, _ = images
    module = fitted.module_
    assert type(module) is Normed
    assert not module.training
    assert module.dropout.p == 0.3
    with torch.no_grad():
        logits = module.double()(torch.as_tensor(X)).numpy()
    np.testing.assert_allclose(fitted.decision_function(X), logits, atol=1e-9)
    assert int(module.norm.num_batches_tracked) > 0


def test_summary_names_layers_shapes_and_knobs(fitted):
    summary = fitted.summary()
    table = summary.frame()
    assert list(table["layer"]) == ["Conv2d", "BatchNorm2d", "Dropout2d", "Linear"]
    assert list(table["output shape"]) == [
        "(None, 5, 6, 6)", "(None, 5, 6, 6)", "(None, 5, 6, 6)", "(None, 3)"
    ]  # fmt: skip
    assert list(table["parameters"]) == [50, 10, 0, 138]
    assert table["knobs"][0] == "l1=0.001, weight_decay=0.01, max_norm=3"
    assert table["knobs"][2] == "dropout=0.3"
    assert table["knobs"][3] == "l1=0.001, l2=0.1, weight_decay=0.01, max_norm=3"
    assert summary.n_parameters == sum(p.numel() for p in fitted.module_.parameters())
    assert fitted.n_weights_ == 45 + 135
    assert fitted.n_layers_ == 3


def test_history_and_its_curve(fitted):
    assert list(fitted.history_["epoch"]) == [1, 2, 3]
    assert len(TrainingCurveDisplay.from_estimator(fitted).ax_.lines) > 0


def test_what_belongs_to_perceptrons_is_not_there(fitted):
    for name in ("coefs_", "intercepts_", "input_names_", "embedded_features_"):
        assert not hasattr(fitted, name)


def test_attributes_that_are_documented_are_there(fitted):
    part = type(fitted).__doc__.split("Attributes\n")[1].split("See Also")[0]
    named = re.findall(r"^    (\w+_(?:, \w+_)*) :", part, re.MULTILINE)
    names = {name for line in named for name in line.split(", ")} - {"feature_names_in_"}
    assert {"module_", "input_shape_", "n_weights_", "class_prior_"} <= names
    assert [name for name in names if not hasattr(fitted, name)] == []


@pytest.mark.parametrize("way", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_round_trips(fitted, images, way):
    X, y = images
    other = way(fitted)
    np.testing.assert_array_equal(other.predict_proba(X), fitted.predict_proba(X))
    assert other.get_params() == fitted.get_params()
    assert str(other.summary()) == str(fitted.summary())
    # It goes on where it was.
    for net in (other, again := copy.deepcopy(fitted)):
        net.partial_fit(X, y)
    np.testing.assert_array_equal(other.predict_proba(X), again.predict_proba(X))


def test_skops_round_trip_trusts_the_class_of_the_module(fitted, images):
    sio = pytest.importorskip("skops.io")
    data = sio.dumps(fitted)
    trusted = [
        "skreg.estimators.columns.preparation.Preparation",
        "skreg.estimators.columns.preparation.Settings",
        "skreg.estimators.own.nets.RegularizedNetClassifier",
        "skreg.net.own.description.OwnModule",
        "skreg.train.job.Spec",
        "tests.estimators.own.modules.Normed",
    ]
    assert sorted(sio.get_untrusted_types(data=data)) == trusted
    other = sio.loads(data, trusted=trusted)
    np.testing.assert_array_equal(other.predict_proba(images[0]), fitted.predict_proba(images[0]))


def test_parameters_of_the_module_are_parameters():
    net = RegularizedNetRegressor(Perceptron, module__hidden=3)
    assert net.get_params()["module__hidden"] == 3
    net.set_params(module__hidden=4, module__rate=0.1, l2=0.5)
    other = clone(net)
    assert (other.get_params()["module__hidden"], other.module__rate, other.l2) == (4, 0.1, 0.5)
    assert "module__hidden=4" in repr(other)


def test_monte_carlo_draws_masks_at_the_rates_of_training(images):
    """A net that adds up its inputs: dropped at a rate r, their sum has known mean and variance."""

    def added(n_features):
        layers = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(n_features, 1))
        nn.init.ones_(layers[2].weight), nn.init.zeros_(layers[2].bias)
        return layers

    X, y = np.ones((40, 64)), np.arange(40.0)
    still = {"learning_rate_init": 1e-12, "weight_decay": 0.0, "max_iter": 1, "random_state": 0}
    options = {"scale_target": False, "clip": False, "early_stopping": False, **still}
    net = RegularizedNetRegressor(added, dropout=0.2, **options).fit(X, y)
    mean, std = net.predict_mc(X, n_samples=400, random_state=0)
    assert abs(mean.mean() - 64) < 0.3
    assert abs(std.mean() - 8 * (0.2 / 0.8) ** 0.5) < 0.2
    assert len(np.unique(mean)) > 30  # each row has masks of its own
    same, _ = net.predict_mc(X, n_samples=400, random_state=0)
    np.testing.assert_array_equal(same, mean)
    with pytest.raises(ValueError, match=r"predict_mc needs dropout.*\(dropout=\(0\.0,\)\)"):
        net.set_params(dropout=0.0).fit(X, y).predict_mc(X)


def test_a_callback_sees_the_live_module(images):
    from skorch.callbacks import Callback

    seen = []

    class Watch(Callback):
        def on_epoch_end(self, net, **kwargs):
            seen.append(net.module_.output.weight.detach().clone())

    X, y = images
    net = RegularizedNetClassifier(Normed, max_iter=2, ema_decay=0.0, early_stopping=False,
                                   random_state=0, callbacks=[Watch()])  # fmt: skip
    net.fit(X, y)
    assert not torch.equal(*seen)
    torch.testing.assert_close(net.module_.output.weight, seen[1])


def test_the_book_says_as_much_of_itself_as_torch(images):
    X, y = images
    net = RegularizedNetClassifier(TextBook, module__n_outputs=3, max_iter=1, random_state=0).fit(
        X, y
    )
    assert net.summary().n_parameters == sum(p.numel() for p in TextBook(n_outputs=3).parameters())
