"""Each parameter does what its name says."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.base import clone

from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor
from skreg.net.activation import KINDS

#: No regularizer and no validation, so that one knob at a time shows.
PLAIN = {
    "hidden_layer_sizes": (12,),
    "scale_features": None,
    "numeric_embedding": None,
    "ema_decay": 0.0,
    "dropout": 0.0,
    "batch_norm": False,
    "weight_decay": 0.0,
    "early_stopping": False,
    "learning_rate": "constant",
    "learning_rate_init": 0.01,
    "max_iter": 60,
    "random_state": 0,
}


def regressor(**options):
    return RegularizedMLPRegressor(**{**PLAIN, "clip": False, **options})


def classifier(**options):
    return RegularizedMLPClassifier(**{**PLAIN, **options})


def norm(net, layer=slice(None)):
    return np.sqrt(sum((w**2).sum() for w in net.coefs_[layer]))


# -- architecture ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sizes", "shapes"),
    [
        ((), [(5, 1)]),
        (7, [(5, 7), (7, 1)]),
        ([4, 3], [(5, 4), (4, 3), (3, 1)]),
        (np.array([4]), [(5, 4), (4, 1)]),
    ],
)
def test_hidden_layer_sizes(X, y_real, sizes, shapes):
    net = regressor(hidden_layer_sizes=sizes, max_iter=1).fit(X, y_real)
    assert [w.shape for w in net.coefs_] == shapes
    assert [b.shape for b in net.intercepts_] == [shape[1:] for shape in shapes]
    assert net.n_layers_ == len(shapes) + 1
    assert net.n_weights_ == sum(a * b for a, b in shapes)


@pytest.mark.parametrize("activation", KINDS)
def test_activation(X, y_real, activation):
    """Prediction in numpy, the exported torch module and torch's own function agree."""
    net = regressor(activation=activation, dtype="float64", max_iter=2).fit(X, y_real)
    predicted = net.predict(X)
    exported = net.module_(torch.from_numpy(X)).detach().numpy()[:, 0]
    np.testing.assert_allclose(predicted, exported, rtol=1e-10)
    function = {
        "logistic": torch.sigmoid,
        "tanh": torch.tanh,
        "identity": lambda x: x,
    }.get(activation) or getattr(torch.nn.functional, activation)
    (W, V), (b, c) = net.coefs_, net.intercepts_
    raw = function(torch.from_numpy(X @ W + b)).numpy() @ V + c
    by_hand = raw[:, 0] * y_real.std() + y_real.mean()
    np.testing.assert_allclose(predicted, by_hand, rtol=1e-10)


def test_batch_norm_is_folded_into_the_weights(X, y_real):
    net = regressor(batch_norm=True, hidden_layer_sizes=(6, 4), max_iter=5).fit(X, y_real)
    assert sum(isinstance(m, torch.nn.BatchNorm1d) for m in net.module_) == 2
    a = X
    for i, (W, b) in enumerate(zip(net.coefs_, net.intercepts_, strict=True)):
        a = a @ W + b
        a = np.maximum(a, 0.0) if i < 2 else a
    by_hand = a[:, 0] * y_real.std() + y_real.mean()
    np.testing.assert_allclose(net.predict(X), by_hand, rtol=1e-10)


# -- regularizers ----------------------------------------------------------------------------------


def test_more_l2_smaller_norm(X, y_real):
    norms = [norm(regressor(l2=l2).fit(X, y_real)) for l2 in (0.0, 0.01, 0.1, 1.0)]
    assert np.all(np.diff(norms) < 0)


def test_more_l1_more_exact_zeros(X, y_real):
    zeros = [regressor(l1=l1).fit(X, y_real).n_zero_weights_ for l1 in (0.0, 0.01, 0.03, 0.1, 10.0)]
    assert zeros[0] == 0
    assert np.all(np.diff(zeros) > 0)
    assert zeros[-1] == 12 * 6  # all of them


def test_zeros_are_zeros_of_the_weights(X, y_real):
    net = regressor(l1=0.03).fit(X, y_real)
    assert sum((w == 0).sum() for w in net.coefs_) == net.n_zero_weights_
    assert not any((b == 0).any() for b in net.intercepts_)


def test_more_weight_decay_smaller_norm(X, y_real):
    norms = [norm(regressor(weight_decay=d).fit(X, y_real)) for d in (0.0, 1.0, 5.0)]
    assert np.all(np.diff(norms) < 0)


def test_weight_decay_is_decoupled(X, y_real):
    """One step shrinks by lr * weight_decay on top of the step without."""
    options = {"batch_size": 90, "dtype": "float64", "scale_target": False, "max_iter": 1}
    start = regressor(**options).partial_fit(X, y_real)
    plain, decayed = (
        regressor(**options, weight_decay=d).partial_fit(X, y_real).coefs_[0] for d in (0.0, 0.5)
    )
    # the first step of Adam has the length lr in each coordinate, so the start is known
    initial = (plain - decayed) / (0.01 * 0.5)
    np.testing.assert_allclose(np.abs(plain - initial), 0.01, rtol=1e-3)
    np.testing.assert_array_equal(start.coefs_[0], plain)


@pytest.mark.parametrize("name", ["l1", "l2"])
def test_penalties_of_single_layers(X, y_real, name):
    strength = 0.3
    none = regressor().fit(X, y_real)
    first = regressor(**{name: [strength, 0.0]}).fit(X, y_real)
    both = regressor(**{name: [strength, strength]}).fit(X, y_real)
    assert norm(first, slice(0, 1)) < 0.7 * norm(none, slice(0, 1))
    assert norm(both, slice(1, 2)) < norm(first, slice(1, 2))
    same = regressor(**{name: strength}).fit(X, y_real)
    np.testing.assert_array_equal(same.coefs_[1], both.coefs_[1])


@pytest.mark.parametrize("bound", [0.3, 1.0])
@pytest.mark.parametrize("solver", ["adamw", "sgd"])
def test_max_norm_bounds_the_incoming_weights_of_each_unit(X, y_real, bound, solver):
    free = regressor(solver=solver).fit(X, y_real)
    net = regressor(solver=solver, max_norm=bound).fit(X, y_real)
    for weight, wild in zip(net.coefs_, free.coefs_, strict=True):
        assert np.linalg.norm(weight, axis=0).max() <= bound * (1 + 1e-6)
        assert np.linalg.norm(wild, axis=0).max() > bound


def test_dropout_keeps_a_net_from_fitting_the_training_rows(X, y_real):
    errors = [
        np.mean((regressor(dropout=p, max_iter=150).fit(X, y_real).predict(X) - y_real) ** 2)
        for p in (0.0, 0.3, 0.8)
    ]
    assert np.all(np.diff(errors) > 0)


def test_dropout_is_the_identity_at_predict(X, y_real):
    net = regressor(dropout=0.5, input_dropout=0.3).fit(X, y_real)
    np.testing.assert_array_equal(net.predict(X), net.predict(X))


def test_dropout_of_single_layers(X, y_real):
    sizes = {"hidden_layer_sizes": (8, 8), "max_iter": 2}
    one, both = (regressor(dropout=d, **sizes).fit(X, y_real) for d in (0.3, [0.3, 0.3]))
    np.testing.assert_array_equal(one.coefs_[0], both.coefs_[0])
    first = regressor(dropout=[0.3, 0.0], **sizes).fit(X, y_real)
    assert (first.coefs_[0] != both.coefs_[0]).any()
    assert [m.p for m in first.module_ if isinstance(m, torch.nn.Dropout)] == [0.3]


def test_input_dropout_acts_on_the_inputs(X, y_real):
    """A linear model with input dropout is ridge regression (Srivastava et al. 2014, section 9.1).

    The expected loss adds p / (1 - p) / 2 * sum_j w_j^2 mean(x_j^2).
    """
    p = 0.4
    net = regressor(
        hidden_layer_sizes=(), input_dropout=p, max_iter=1500, learning_rate="cosine",
        learning_rate_init=0.1, batch_size=90,
    ).fit(X, y_real)  # fmt: skip
    z = (y_real - y_real.mean()) / y_real.std()
    Xc = np.column_stack([X, np.ones(90)])
    ridge = np.diag([*(p / (1 - p) * (X**2).mean(axis=0)), 0.0])
    known = np.linalg.solve(Xc.T @ Xc / 90 + ridge, Xc.T @ z / 90)
    np.testing.assert_allclose(net.coefs_[0].ravel(), known[:5], atol=0.05)
    unregularized = np.linalg.solve(Xc.T @ Xc, Xc.T @ z)
    assert np.abs(net.coefs_[0].ravel() - unregularized[:5]).max() > 0.15


def test_label_smoothing_lowers_confidence(X, y_three, y_binary):
    for y in (y_three, y_binary):
        confidence = [
            classifier(label_smoothing=s, max_iter=150)
            .fit(X, y)
            .predict_proba(X)
            .max(axis=1)
            .mean()
            for s in (0.0, 0.2, 0.6)
        ]
        assert np.all(np.diff(confidence) < 0)


def test_label_smoothing_moves_the_optimum_of_constant_features():
    """Without features that tell, p is the share of the class, drawn towards the even share."""
    X, y = np.zeros((40, 1)), np.repeat([0, 1, 2], [20, 12, 8])
    net = classifier(
        hidden_layer_sizes=(), label_smoothing=0.3, learning_rate_init=0.5, solver="sgd",
        batch_size=40, max_iter=300,
    ).fit(X, y)  # fmt: skip
    shares = np.array([0.5, 0.3, 0.2])
    np.testing.assert_allclose(net.predict_proba(X)[0], 0.7 * shares + 0.1, atol=1e-4)


# -- losses ----------------------------------------------------------------------------------------

#: What the best constant is for each loss, found with targets alone.
CONSTANTS = {
    "squared_error": np.mean,
    "absolute_error": np.median,
    "poisson": np.mean,
    "pinball": lambda y: np.quantile(y, 0.8),
}


@pytest.mark.parametrize("loss", CONSTANTS)
@pytest.mark.parametrize("scale_target", [True, False])
def test_best_constant_of_each_loss(loss, scale_target):
    y = np.random.default_rng(0).gamma(2.0, 3.0, size=201)
    X = np.zeros((201, 1))
    net = regressor(
        hidden_layer_sizes=(), loss=loss, quantile=0.8, scale_target=scale_target, max_iter=600,
        batch_size=201, learning_rate="cosine", learning_rate_init=0.3,
    ).fit(X, y)  # fmt: skip
    np.testing.assert_allclose(net.predict(X[:1]), CONSTANTS[loss](y), rtol=0.02)


def test_huber_is_between_mean_and_median():
    y = np.r_[np.zeros(60), np.full(30, 1.0), np.full(10, 100.0)]
    X = np.zeros((100, 1))
    options = {"hidden_layer_sizes": (), "learning_rate_init": 0.1, "max_iter": 300}
    fits = [
        regressor(loss=loss, **options).fit(X, y).predict(X[:1])[0]
        for loss in ("absolute_error", "huber", "squared_error")
    ]
    assert fits[0] < fits[1] < fits[2]


def test_robust_losses_resist_outliers(X, y_real):
    dirty = y_real.copy()
    dirty[::15] += 5000.0
    errors = {
        loss: np.median(
            np.abs(regressor(loss=loss, max_iter=200).fit(X, dirty).predict(X) - y_real)
        )
        for loss in ("squared_error", "absolute_error")
    }
    assert errors["absolute_error"] < 0.5 * errors["squared_error"]


def test_quantiles_are_ordered(X, y_real):
    options = {"loss": "pinball", "max_iter": 200}
    low, high = (regressor(quantile=q, **options).fit(X, y_real).predict(X) for q in (0.1, 0.9))
    assert np.mean(low < high) > 0.9
    assert np.mean(y_real < low) < 0.25
    assert np.mean(y_real > high) < 0.25


def test_poisson_predicts_positive_numbers(X, y_real):
    counts = np.random.default_rng(0).poisson(np.exp(X[:, 0]))
    net = regressor(loss="poisson", max_iter=100).fit(X, counts)
    assert net.predict(X).min() > 0
    assert net.score(X, counts) > 0.3


def test_scale_target_lets_large_targets_be_learned(X, y_real):
    far = 1e4 * y_real
    assert regressor(max_iter=100).fit(X, far).score(X, far) > 0.7
    assert regressor(max_iter=100, scale_target=False).fit(X, far).score(X, far) < 0.1


# -- optimisers and schedules ----------------------------------------------------------------------


def test_adam_is_adamw(X, y_real):
    """What sets them apart elsewhere is a parameter of its own here."""
    options = {"l2": 0.1, "weight_decay": 0.1}
    adam, adamw = (regressor(solver=s, **options).fit(X, y_real) for s in ("adam", "adamw"))
    np.testing.assert_array_equal(adam.predict(X), adamw.predict(X))


@pytest.mark.parametrize(
    "options",
    [
        {"solver": "sgd"},
        {"solver": "sgd", "momentum": 0.5},
        {"solver": "sgd", "nesterovs_momentum": False},
        {"beta_1": 0.5},
        {"beta_2": 0.8},
        {"epsilon": 0.1},
        {"learning_rate_init": 0.02},
        {"batch_size": 30},
        {"shuffle": False, "batch_size": 30},
        {"learning_rate": "invscaling", "power_t": 0.3},
        {"learning_rate": "invscaling", "power_t": 0.6},
    ],
    ids=str,
)
def test_parameters_of_the_optimiser_reach_it(X, y_real, options):
    """Each setting trains, and to other weights than all the others."""
    base = {"max_iter": 10, "batch_size": 45}
    net = regressor(**{**base, **options}).fit(X, y_real)
    assert net.loss_curve_[-1] < net.loss_curve_[0]
    for other in ({}, {"solver": "sgd"}, {"batch_size": 30}, {"learning_rate": "invscaling"}):
        if other != options:
            peer = regressor(**{**base, **other}).fit(X, y_real)
            assert (peer.coefs_[0] != net.coefs_[0]).any()


def test_schedules_show_in_the_history(X, y_real):
    def rates(schedule, **options):
        options = {
            "learning_rate": schedule,
            "learning_rate_init": 0.02,
            "batch_size": 90,
            **options,
        }
        net = regressor(max_iter=20, **options).fit(X, y_real)
        return net.history_["learning_rate"].to_numpy()

    np.testing.assert_allclose(rates("constant"), 0.02, rtol=1e-6)
    step = np.arange(20)  # one minibatch an epoch
    np.testing.assert_allclose(
        rates("cosine"), 0.01 * (1 + np.cos(np.pi * step / 20)), rtol=1e-5, atol=1e-9
    )
    np.testing.assert_allclose(
        rates("invscaling", power_t=0.7), 0.02 * (step + 1.0) ** -0.7, rtol=1e-6
    )
    cycle = rates("one_cycle")
    assert cycle.argmax() == 6  # after three tenths
    assert cycle[0] < 0.1 * cycle.max() > cycle[-1]
    assert cycle.max() == pytest.approx(0.02, rel=1e-6)


def test_adaptive_divides_the_rate_when_patience_runs_out(X, y_real):
    net = regressor(
        learning_rate="adaptive", tol=10.0, patience=2, max_iter=30, learning_rate_init=0.01
    ).fit(X, y_real)
    rates = net.history_["learning_rate"].to_numpy()
    # The first epoch always counts; no later one improves by the tolerance.
    np.testing.assert_allclose(rates[:7] / 0.01, [1, 1, 1, 0.2, 0.2, 0.04, 0.04], rtol=1e-6)
    assert net.stopped_by_ == "tol"
    assert rates[-1] >= 1e-6 > rates[-1] / 5


# -- when training ends ----------------------------------------------------------------------------


def test_max_iter(X, y_real):
    net = regressor(max_iter=7).fit(X, y_real)
    assert (net.n_iter_, net.best_iter_, net.stopped_by_) == (7, 7, "max_iter")
    assert len(net.loss_curve_) == len(net.history_) == 7
    assert net.history_["epoch"].tolist() == list(range(1, 8))
    assert net.best_loss_ == min(net.loss_curve_)


def test_max_time(X, y_real):
    net = regressor(max_iter=100_000, max_time=0.05).fit(X, y_real)
    assert net.stopped_by_ == "max_time"
    assert 1 <= net.n_iter_ < 100_000


def test_max_time_too_short_for_an_epoch_leaves_a_fitted_net(X, y_real):
    for early_stopping in (False, True):
        net = regressor(early_stopping=early_stopping, max_time=1e-9).fit(X, y_real)
        assert net.stopped_by_ == "max_time"
        assert np.isfinite(net.predict(X)).all()


def test_tol_ends_training_without_early_stopping(X, y_real):
    net = regressor(tol=0.05, patience=3, max_iter=500).fit(X, y_real)
    assert net.stopped_by_ == "tol"
    assert net.n_iter_ < 500
    loss = np.array(net.loss_curve_)
    # The last reference is `patience` epochs back, and nothing since was better by the tolerance.
    assert (loss[-3:] > loss[-4] - 0.05).all()
    assert regressor(tol=None, patience=3, max_iter=60).fit(X, y_real).n_iter_ == 60


def test_more_patience_longer_training(X, y_binary):
    epochs = [
        classifier(early_stopping=True, patience=p, max_iter=400, learning_rate_init=0.03)
        .fit(X, y_binary)
        .n_iter_
        for p in (1, 5, 20)
    ]
    assert np.all(np.diff(epochs) > 0)


def test_min_delta_ends_training_earlier_but_keeps_the_best(X, y_binary):
    options = {"early_stopping": True, "patience": 5, "max_iter": 300}
    eager = classifier(**options).fit(X, y_binary)
    strict = classifier(**options, min_delta=0.05).fit(X, y_binary)
    assert strict.n_iter_ < eager.n_iter_
    scores = np.array(strict.validation_scores_)
    assert strict.best_iter_ == scores.argmax() + 1
    assert strict.best_loss_ == -scores.max()


def test_history_columns(X, y_binary):
    with_validation = classifier(early_stopping=True, scoring="accuracy").fit(X, y_binary).history_
    assert list(with_validation) == [
        "epoch",
        "train_loss",
        "valid_loss",
        "valid_score",
        "learning_rate",
    ]
    assert with_validation.notna().all(axis=None)
    without = classifier(max_iter=3).fit(X, y_binary).history_
    assert without[["valid_loss", "valid_score"]].isna().all(axis=None)


# -- precision, device, randomness -----------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dtype(X, y_real, dtype):
    net = regressor(dtype=dtype, batch_norm=True, max_iter=2).fit(X, y_real)
    assert {p.dtype for p in net.module_.parameters()} == {getattr(torch, dtype)}
    assert net.predict(X).dtype == np.float64


def test_precisions_agree(X, y_real):
    single, double = (
        regressor(dtype=d, max_iter=5, dropout=0.2).fit(X, y_real).predict(X)
        for d in ("float32", "float64")
    )
    np.testing.assert_allclose(single, double, rtol=1e-4)
    assert (single != double).any()


def test_device_is_resolved_in_fit(X, y_real):
    net = regressor(device="cpu", max_iter=1).fit(X, y_real)
    assert net.device_ == "cpu"
    net = regressor(max_iter=1).fit(X, y_real)
    assert net.device == "auto"
    assert net.device_ in ("cpu", "cuda", "mps")


def test_random_state_makes_fits_reproducible(X, y_real):
    net = regressor(dropout=0.3, early_stopping=True, max_iter=5)
    first, second = (clone(net).fit(X, y_real).predict(X) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    other = clone(net).set_params(random_state=1).fit(X, y_real).predict(X)
    assert (other != first).any()


@pytest.mark.usefixtures("entropy_of_the_system")
def test_random_state_none_draws_anew(X, y_real):
    net = regressor(random_state=None, max_iter=2)
    first, second = (clone(net).fit(X, y_real).predict(X) for _ in range(2))
    assert (first != second).any()


def test_random_state_instance_moves_on(X, y_real):
    net = regressor(random_state=np.random.RandomState(0), max_iter=2)
    first = net.fit(X, y_real).predict(X)
    second = net.fit(X, y_real).predict(X)
    assert (first != second).any()
    again = clone(net).set_params(random_state=np.random.RandomState(0)).fit(X, y_real).predict(X)
    np.testing.assert_array_equal(first, again)


@pytest.mark.usefixtures("entropy_of_the_system")
@pytest.mark.parametrize("random_state", [0, None])
def test_global_generators_are_neither_read_nor_moved(X, y_real, random_state):
    net = regressor(random_state=random_state, dropout=0.3, early_stopping=True, max_iter=2)
    numpy_before, torch_before = np.random.get_state(), torch.get_rng_state()
    net.fit(X, y_real).predict_mc(X, n_samples=2)
    net.partial_fit(X, y_real)
    after = np.random.get_state()
    assert all(np.array_equal(a, b) for a, b in zip(numpy_before, after, strict=True))
    assert torch.equal(torch_before, torch.get_rng_state())


def test_validation_rows_do_not_depend_on_what_follows(X, y_binary):
    """A fit on the same rows holds out the same rows, whatever the net."""
    seen = []

    def scoring(estimator, X_val, y_val):
        seen.append(np.asarray(X_val))
        return 0.0

    for sizes in ((3,), (4, 4)):
        classifier(hidden_layer_sizes=sizes, early_stopping=True, scoring=scoring, max_iter=1).fit(
            X, y_binary
        )
    np.testing.assert_array_equal(seen[0], seen[1])
