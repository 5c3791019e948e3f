"""What a fitted estimator knows, and how it travels."""

from __future__ import annotations

import copy
import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from scipy.special import expit, softmax
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor

# Every knob at once: penalties in front of batch norm are among them.
pytestmark = pytest.mark.filterwarnings(
    "ignore:l[12] .* hidden layers with batch_norm=True:UserWarning"
)

ALL_KNOBS = {
    "scale_features": "standard",
    "numeric_embedding": None,
    "hidden_layer_sizes": (8, 6),
    "dropout": (0.2, 0.1),
    "input_dropout": 0.1,
    "l1": 0.01,
    "l2": 0.01,
    "max_norm": 3.0,
    "max_iter": 5,
    "random_state": 0,
}


@pytest.fixture(scope="module", params=["binary", "three", "labels", "real", "several"])
def fitted(request, X, y_binary, y_three, y_labels, y_real):
    """A fitted estimator of each kind of target, and the target."""
    kind = request.param
    if kind in ("binary", "three", "labels"):
        y = {"binary": y_binary, "three": y_three, "labels": y_labels}[kind]
        return RegularizedMLPClassifier(**ALL_KNOBS).fit(X, y), y
    y = y_real if kind == "real" else np.column_stack([y_real, -y_real])
    return RegularizedMLPRegressor(**ALL_KNOBS).fit(X, y), y


def outputs(net, X):
    return net.predict_proba(X) if hasattr(net, "predict_proba") else net.predict(X)


# -- attributes ------------------------------------------------------------------------------------

ATTRIBUTES = [
    "best_iter_",
    "best_loss_",
    "coefs_",
    "device_",
    "history_",
    "intercepts_",
    "loss_curve_",
    "module_",
    "n_features_in_",
    "n_iter_",
    "n_layers_",
    "n_outputs_",
    "n_weights_",
    "n_zero_weights_",
    "net_",
    "stopped_by_",
    "validation_scores_",
]


def test_attributes_are_there_after_fit_only(fitted):
    net, _ = fitted
    new = clone(net)
    assert [name for name in ATTRIBUTES if hasattr(new, name)] == []
    assert [name for name in ATTRIBUTES if not hasattr(net, name)] == []
    assert hasattr(net, "classes_") == isinstance(net, RegularizedMLPClassifier)
    with pytest.raises(AttributeError, match="has no attribute 'coefs_' before it is fitted"):
        new.coefs_  # noqa: B018


def test_documented_attributes_are_there(fitted):
    net, _ = fitted
    text = (
        type(net).__doc__.split("Attributes\n")[1].split("See Also\n")[0].split("References\n")[0]
    )
    names = [
        name.strip()
        for line in text.splitlines()
        if " : " in line and line.startswith("    ") and not line.startswith("     ")
        for name in line.split(" : ")[0].split(",")
    ]
    assert {"history_", "n_weights_", "n_zero_weights_"} <= set(names)
    assert [n for n in names if n != "feature_names_in_" and not hasattr(net, n)] == []


def test_documented_parameters_are_the_parameters():
    for cls in (RegularizedMLPClassifier, RegularizedMLPRegressor):
        text = cls.__doc__.split("Parameters\n")[1].split("Attributes\n")[0]
        names = {}
        text = text.replace("\\\n", "")
        for line in text.splitlines():
            if " : " in line and line.startswith("    ") and not line.startswith("     "):
                left, right = line.strip().split(" : ", 1)
                values = right.split("default=")[1].split(", ")
                keys = left.split(", ")
                values = values if len(values) == len(keys) else [right.split("default=")[1]]
                names.update(dict(zip(keys, values, strict=True)))
        parameters = cls().get_params()
        assert set(names) == set(parameters)
        for name, text in names.items():
            assert eval(text) == parameters[name], name


@pytest.mark.parametrize(
    "method", ["predict", "predict_proba", "predict_log_proba", "decision_function", "predict_mc"]
)
def test_methods_need_a_fit(X, method):
    net = RegularizedMLPClassifier()
    with pytest.raises(NotFittedError, match="is not fitted yet"):
        getattr(net, method)(X)
    with pytest.raises(NotFittedError, match="is not fitted yet"):
        net.summary()


def test_predictions_depend_on_what_was_fitted_only(X, y_real):
    counts = np.random.default_rng(0).poisson(3.0, size=90)
    net = RegularizedMLPRegressor(**ALL_KNOBS, loss="poisson").fit(X, counts)
    before = net.predict(X), net.validation_scores_, str(net.summary())
    net.set_params(loss="squared_error", scoring="r2", activation="tanh", max_norm=None)
    np.testing.assert_array_equal(net.predict(X), before[0])
    assert net.validation_scores_ == before[1]
    assert str(net.summary()) == before[2]


def test_what_is_handed_out_is_a_copy(fitted, X):
    net, _ = fitted
    before = outputs(net, X)
    for array in (*net.coefs_, *net.intercepts_):
        array[...] = 0.0
    net.loss_curve_.clear()
    table = net.history_
    table.loc[:, "epoch"] = 0
    assert len(net.loss_curve_) == net.n_iter_
    assert net.history_["epoch"].tolist() == list(range(1, net.n_iter_ + 1))
    np.testing.assert_array_equal(outputs(net, X), before)


# -- the exported module ---------------------------------------------------------------------------


def test_module_computes_the_same_function(fitted, X):
    net, _ = fitted
    module = net.module_
    assert not module.training
    assert isinstance(module, torch.nn.Sequential)
    with torch.no_grad():
        out = module(torch.from_numpy(X.astype(np.float32))).double().numpy()
    assert out.shape == (90, net.n_outputs_)
    if isinstance(net, RegularizedMLPRegressor):
        np.testing.assert_allclose(out.reshape(net.predict(X).shape), net.predict(X), rtol=1e-4)
        return
    np.testing.assert_allclose(out.squeeze(), net.decision_function(X).squeeze(), atol=1e-5)
    if net.n_outputs_ == 3 and net.predict(X).ndim == 1:
        np.testing.assert_allclose(softmax(out, axis=1), net.predict_proba(X), atol=1e-5)
    else:
        p = net.predict_proba(X)
        p = p if p.shape == out.shape else p[:, 1:]
        np.testing.assert_allclose(expit(out), p, atol=1e-5)


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "huber", "poisson", "pinball"])
@pytest.mark.parametrize("scale_target", [True, False])
def test_module_gives_predictions_of_every_loss(X, loss, scale_target):
    y = np.random.default_rng(0).poisson(np.exp(X[:, :2]))
    net = RegularizedMLPRegressor(
        **ALL_KNOBS, loss=loss, scale_target=scale_target, dtype="float64"
    ).fit(X, y)
    with torch.no_grad():
        out = net.module_(torch.from_numpy(X)).numpy()
    np.testing.assert_allclose(out, net.predict(X), rtol=1e-10)


def test_module_has_the_layers_in_their_order(X, y_real):
    net = RegularizedMLPRegressor(**ALL_KNOBS, batch_norm=True).fit(X, y_real)
    names = [type(m).__name__ for m in net.module_]
    block = ["Linear", "BatchNorm1d", "ReLU", "Dropout"]
    assert names == ["Columns", "Dropout", *block, *block, "Linear", "Clamp"]
    options = {"clip": False, "scale_features": None, "max_iter": 1}
    linear = RegularizedMLPRegressor((), **options).fit(X, y_real)
    assert [type(m).__name__ for m in linear.module_] == ["Linear"]


def test_changing_the_module_leaves_the_estimator_as_it_is(fitted, X):
    net, _ = fitted
    before = outputs(net, X)
    module = net.module_
    with torch.no_grad():
        for p in (*module.parameters(), *module.buffers()):
            p.zero_()
    np.testing.assert_array_equal(outputs(net, X), before)
    assert any(p.abs().max() > 0 for p in net.module_.parameters())


def test_net_is_a_skorch_net_with_the_history(fitted, X):
    from skorch import NeuralNet

    net, _ = fitted
    assert isinstance(net.net_, NeuralNet)
    assert net.net_.history[:, "train_loss"] == net.loss_curve_
    out = net.net_.forward(X.astype(np.float32)).numpy()
    with torch.no_grad():
        np.testing.assert_array_equal(out, net.module_(torch.from_numpy(X.astype(np.float32))))


# -- Monte-Carlo dropout ---------------------------------------------------------------------------


def test_predict_mc_of_a_regressor(X, y_real):
    net = RegularizedMLPRegressor((16,), dropout=0.3, clip=False, max_iter=30, random_state=0).fit(
        X, y_real
    )
    mean, std = net.predict_mc(X, n_samples=400, random_state=0)
    assert mean.shape == std.shape == (90,)
    assert (std > 0).all()
    # One hidden layer, linear output: the mean over masks is the prediction.
    error = np.abs(mean - net.predict(X)) / (std / np.sqrt(400))
    assert error.max() < 5
    few = net.predict_mc(X, n_samples=400, random_state=0)
    np.testing.assert_array_equal(few[0], mean)
    assert (net.predict_mc(X, n_samples=400, random_state=1)[0] != mean).any()
    assert (net.predict_mc(X, 5)[0] != net.predict_mc(X, 5)[0]).any()


def test_predict_mc_spreads_with_the_dropout_rate(X, y_real):
    """One hidden layer, linear output: the variance is p / (1 - p) * sum (a_i w_i)^2."""
    net = RegularizedMLPRegressor(
        (16,),
        scale_features=None,
        numeric_embedding=None,
        dropout=0.4,
        batch_norm=False,
        clip=False,
        max_iter=5,
        random_state=0,
    ).fit(X, y_real)
    (W, V), (b, _) = net.coefs_, net.intercepts_
    parts = np.maximum(X @ W + b, 0.0) * V[:, 0]
    known = np.sqrt(0.4 / 0.6 * (parts**2).sum(axis=1)) * y_real.std()
    _, std = net.predict_mc(X, n_samples=2000, random_state=0)
    np.testing.assert_allclose(std, known, rtol=0.15)


def test_predict_mc_of_a_classifier(X, y_three, y_labels):
    net = RegularizedMLPClassifier(**ALL_KNOBS).fit(X, y_three)
    p, entropy = net.predict_mc(X, n_samples=50, random_state=0)
    assert p.shape == (90, 3)
    np.testing.assert_allclose(p.sum(axis=1), 1.0, rtol=1e-12)
    np.testing.assert_allclose(entropy, -(p * np.log(p)).sum(axis=1), rtol=1e-10)
    assert (entropy <= np.log(3) + 1e-12).all()
    net = RegularizedMLPClassifier(**ALL_KNOBS).fit(X, y_labels)
    p, entropy = net.predict_mc(X, n_samples=50, random_state=0)
    assert p.shape == (90, 3)
    assert (entropy <= 3 * np.log(2) + 1e-12).all()


def test_predict_mc_of_sparse_rows_and_several_targets(X, y_real):
    import scipy.sparse as sp

    y = np.column_stack([y_real, -y_real])
    net = RegularizedMLPRegressor(**{**ALL_KNOBS, "scale_features": None}).fit(X, y)
    mean, std = net.predict_mc(sp.csr_array(X), n_samples=7, random_state=0)
    assert mean.shape == std.shape == (90, 2)
    np.testing.assert_array_equal(mean, net.predict_mc(X, n_samples=7, random_state=0)[0])


def test_predict_mc_needs_dropout(X, y_real):
    net = RegularizedMLPRegressor((4,), dropout=0.0, max_iter=1).fit(X, y_real)
    with pytest.raises(ValueError, match=r"every rate of this net is 0.*Fit with dropout > 0"):
        net.predict_mc(X)
    net = RegularizedMLPRegressor((4,), dropout=0.0, input_dropout=0.1, max_iter=1).fit(X, y_real)
    assert (net.predict_mc(X)[1] > 0).all()
    for bad in (0, 2.5):
        with pytest.raises(ValueError, match=f"n_samples={bad} must be an int >= 1"):
            net.predict_mc(X, n_samples=bad)


# -- summary ---------------------------------------------------------------------------------------


def test_summary_lists_layers_and_active_knobs(X, y_real):
    net = RegularizedMLPRegressor(**ALL_KNOBS, weight_decay=0.02, batch_norm=True).fit(X, y_real)
    summary = net.summary()
    table = summary.frame()
    assert table["layer"].tolist() == [
        "Columns",
        "Dropout",
        *["Linear", "BatchNorm", "Activation (relu)", "Dropout"] * 2,
        "Linear",
    ]
    assert table["knobs"][0] == "scale_features=standard"
    assert table["knobs"][1] == "input_dropout=0.1"
    assert table["knobs"][2] == "l1=0.01, l2=0.01, weight_decay=0.02, max_norm=3"
    learned = sum(p.numel() for p in net.module_.parameters())
    # In front of a batch norm the module has no bias, and neither has the summary.
    assert summary.n_parameters == learned == table["parameters"].sum()
    assert summary.n_zero == net.n_zero_weights_
    assert str(summary) == repr(summary)
    assert "RegularizedMLPRegressor" in str(summary)
    assert "<table" in summary._repr_html_()


# -- persistence -----------------------------------------------------------------------------------

ROUND_TRIPS = {
    "pickle": lambda net, path: pickle.loads(pickle.dumps(net)),
    "deepcopy": lambda net, path: copy.deepcopy(net),
    "joblib": lambda net, path: joblib.load(joblib.dump(net, path / "net.joblib")[0]),
}


@pytest.mark.parametrize("way", ROUND_TRIPS)
def test_round_trips(fitted, X, tmp_path, way):
    net, _ = fitted
    other = ROUND_TRIPS[way](net, tmp_path)
    np.testing.assert_array_equal(outputs(other, X), outputs(net, X))
    pd.testing.assert_frame_equal(other.history_, net.history_)
    assert str(other.summary()) == str(net.summary())
    assert other.get_params() == net.get_params()


#: All that a person has to trust to load a net with skops.
TRUSTED = {
    kind: [
        "skreg.estimators.columns.preparation.Preparation",
        "skreg.estimators.columns.preparation.Settings",
        "skreg.estimators.columns.scales.Shifted",
        f"skreg.estimators.mlp.{kind.__name__}",
        "skreg.train.job.Spec",
    ]
    for kind in (RegularizedMLPClassifier, RegularizedMLPRegressor)
}


def test_skops_round_trip_with_a_short_list_of_trusted_types(fitted, X):
    sio = pytest.importorskip("skops.io")
    net, y = fitted
    net = copy.deepcopy(net)
    for _ in range(2):  # a fitted net, and one that carries the state of its optimiser
        data = sio.dumps(net)
        assert sorted(sio.get_untrusted_types(data=data)) == TRUSTED[type(net)]
        other = sio.loads(data, trusted=TRUSTED[type(net)])
        np.testing.assert_array_equal(outputs(other, X), outputs(net, X))
        net.partial_fit(X, y)
        other.partial_fit(X, y)
        np.testing.assert_array_equal(outputs(other, X), outputs(net, X))


def test_pickle_is_small_and_does_not_grow_with_the_rows(X, y_real):
    sizes = []
    for times in (1, 50):
        net = RegularizedMLPRegressor(
            (8,), max_iter=3, patience=3, batch_size=90, random_state=0, input_dropout=0.1
        )
        net.fit(np.tile(X, (times, 1)), np.tile(y_real, times))
        sizes.append(len(pickle.dumps(net)))
    assert abs(sizes[1] - sizes[0]) < 50
    assert sizes[0] < 4 * net.n_weights_ + 5500


def arrays_within(value, seen):
    """All arrays that can be reached from a value."""
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, (np.ndarray, torch.Tensor)):
        yield value
    elif isinstance(value, dict):
        for v in value.values():
            yield from arrays_within(v, seen)
    elif isinstance(value, (list, tuple)):
        for v in value:
            yield from arrays_within(v, seen)
    elif hasattr(value, "__dict__"):
        yield from arrays_within(vars(value), seen)


def test_a_fitted_estimator_holds_no_training_data(X, y_real, y_binary):
    weight = np.linspace(1, 2, 90)
    for net, y in (
        (RegularizedMLPRegressor(**ALL_KNOBS, refit=True, scoring="r2"), y_real),
        (RegularizedMLPClassifier(**ALL_KNOBS, class_weight="balanced", verbose=0), y_binary),
    ):
        net.fit(X, y, sample_weight=weight)
        net.predict(X)
        net.partial_fit(X, y) if net.get_params().get("class_weight") is None else None
        held = list(arrays_within(vars(net), set()))
        assert held
        assert not [a.shape for a in held if 90 in a.shape or 76 in a.shape or 14 in a.shape]


def test_loads_without_the_device_it_was_trained_on(X, y_real):
    net = RegularizedMLPRegressor(**ALL_KNOBS).fit(X, y_real)
    net.device_ = "cuda"  # as after training there: all arrays are numpy's
    other = pickle.loads(pickle.dumps(net))
    np.testing.assert_array_equal(other.predict(X), net.predict(X))
    assert next(other.module_.parameters()).device.type == "cpu"
    assert other.partial_fit(X, y_real).device_ != "cuda" or torch.cuda.is_available()


# -- a fit that fails ------------------------------------------------------------------------------


def test_a_failing_fit_leaves_a_fitted_estimator_as_it_was(fitted, X):
    net, y = fitted
    net = copy.deepcopy(net)
    before, predicted = dict(vars(net)), outputs(net, X)
    endless = X.copy()
    endless[0, 0] = np.inf

    def broken(estimator, X, y):
        raise RuntimeError("the scorer fails")

    with pytest.raises(ValueError, match="contains infinity"):
        net.fit(endless, y)
    with pytest.raises(ValueError, match="contains infinity"):
        net.partial_fit(endless, y)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        net.fit(X[:, :3], y[:-1])
    with pytest.raises(RuntimeError, match="the scorer fails"):
        net.set_params(scoring=broken).fit(pd.DataFrame(X, columns=list("abcde")), y)
    net.set_params(scoring="loss")
    assert vars(net).keys() == before.keys()
    assert all(vars(net)[name] is before[name] for name in before)
    np.testing.assert_array_equal(outputs(net, X), predicted)


def test_a_failing_first_fit_leaves_nothing(X, y_real):
    net = RegularizedMLPRegressor(dropout=[0.1, 0.2, 0.3])
    before = dict(vars(net))
    with pytest.raises(ValueError, match="has 3 entries for 2 hidden layers"):
        net.fit(X, y_real)
    assert vars(net) == before


def test_fit_does_not_change_parameters(X, y_real):
    options = {"dropout": [0.1, 0.2], "l1": np.array([0.1, 0.0, 0.1]), "callbacks": []}
    net = RegularizedMLPRegressor((4, 4), **options, max_iter=1).fit(X, y_real)
    assert all(net.get_params()[name] is value for name, value in options.items())
