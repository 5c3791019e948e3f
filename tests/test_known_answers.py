"""Answers that are known without this package: by construction, by a formula, by another package."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import sklearn
import torch
from scipy import stats
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.linear_model import ElasticNet, LogisticRegression
from sklearn.neural_network import MLPRegressor
from sklearn.preprocessing import StandardScaler
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.fixes import parse_version
from torch import nn

from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor
from skreg.net import batch_norm_eval, batch_norm_train, dropout
from skreg.objective import penalties
from skreg.train.random import thresholds
from skreg.train.stack import Stack

#: Gradient descent on all rows at once, in float64, without anything random.
EXACT = {
    "scale_features": None,
    "numeric_embedding": None,
    "ema_decay": 0.0,
    "dropout": 0.0,
    "batch_norm": False,
    "weight_decay": 0.0,
    "early_stopping": False,
    "batch_size": 10_000,
    "learning_rate": "constant",
    "dtype": "float64",
    "random_state": 0,
}

#: Plain steps of size 0.1.
STEP = {**EXACT, "solver": "sgd", "momentum": 0.0, "learning_rate_init": 0.1}


@pytest.fixture(scope="module")
def diabetes():
    X, y = load_diabetes(return_X_y=True)
    return StandardScaler().fit_transform(X), y


@pytest.fixture(scope="module")
def cancer():
    X, y = load_breast_cancer(return_X_y=True)
    return StandardScaler().fit_transform(X), y


# -- linear models ---------------------------------------------------------------------------------


@pytest.mark.parametrize("l1_ratio", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("solver", ["sgd", "adamw"])
def test_no_hidden_layer_is_elastic_net(diabetes, l1_ratio, solver):
    X, y = diabetes
    alpha = 0.1
    z = (y - y.mean()) / y.std()
    known = ElasticNet(alpha=alpha, l1_ratio=l1_ratio, tol=1e-12, max_iter=10_000).fit(X, z)
    options = (
        {"momentum": 0.9, "learning_rate_init": 0.2, "max_iter": 500}
        if solver == "sgd"
        else {"learning_rate": "cosine", "learning_rate_init": 0.02, "max_iter": 2000}
    )
    net = RegularizedMLPRegressor(
        (),
        **{**EXACT, "solver": solver, **options},
        l1=alpha * l1_ratio,
        l2=alpha * (1 - l1_ratio),
    ).fit(X, y)
    coef = net.coefs_[0].ravel()
    np.testing.assert_allclose(coef, known.coef_, atol=1e-3)
    np.testing.assert_array_equal(coef == 0, known.coef_ == 0)
    assert net.n_zero_weights_ == (known.coef_ == 0).sum()
    np.testing.assert_allclose(
        net.predict(X), known.predict(X) * y.std() + y.mean(), atol=1e-3 * y.std()
    )


def logistic_regression(penalty, strength, n):
    """scikit-learn's model of mean log loss + strength * penalty, its intercept not penalised."""
    options = {"C": 1 / (n * strength), "tol": 1e-8, "max_iter": 20_000}
    options["solver"] = "saga" if penalty == "l1" else "lbfgs"
    if parse_version(sklearn.__version__) < parse_version("1.8"):
        return LogisticRegression(penalty=penalty, **options)
    return LogisticRegression(l1_ratio=1.0 if penalty == "l1" else 0.0, **options)


@pytest.mark.parametrize("penalty", ["l1", "l2"])
@pytest.mark.parametrize("solver", ["sgd", "adamw"])
def test_no_hidden_layer_is_logistic_regression(cancer, penalty, solver):
    X, y = cancer
    strength = 0.03
    known = logistic_regression(penalty, strength, len(X)).fit(X, y)
    options = (
        {"momentum": 0.95, "learning_rate_init": 0.2, "max_iter": 800}
        if solver == "sgd"
        else {"learning_rate": "cosine", "learning_rate_init": 0.2, "max_iter": 2000}
    )
    net = RegularizedMLPClassifier(
        (), **{**EXACT, "solver": solver, **options}, **{penalty: strength}
    ).fit(X, y)
    coef = net.coefs_[0].ravel()
    np.testing.assert_allclose(coef, known.coef_.ravel(), atol=1e-3)
    np.testing.assert_allclose(net.intercepts_[0], known.intercept_, atol=1e-3)
    np.testing.assert_array_equal(coef == 0, known.coef_.ravel() == 0)


# -- the conversion table of the objective ---------------------------------------------------------


def one_more_epoch(X, y, **options):
    """Weights of a small net before and after an epoch."""
    net = RegularizedMLPRegressor((4,), activation="tanh", clip=False, **{**STEP, **options})
    net.partial_fit(X, y)
    before = [w.copy() for w in (*net.coefs_, *net.intercepts_)]
    module = net.module_
    net.partial_fit(X, y)
    return before, [*net.coefs_, *net.intercepts_], module, net


@pytest.mark.parametrize("batch_size", [60, 20])
def test_l2_is_alpha_of_scikit_learns_mlp_over_the_batch_rows(diabetes, batch_size):
    X, y = diabetes[0][:60], diabetes[1][:60]
    y = (y - y.mean()) / y.std()
    l2 = 0.3
    before, after, _, _ = one_more_epoch(
        X, y, l2=l2, batch_size=batch_size, shuffle=False, scale_target=False
    )
    peer = MLPRegressor(
        hidden_layer_sizes=(4,),
        activation="tanh",
        solver="sgd",
        momentum=0.0,
        learning_rate_init=0.1,
        alpha=l2 * batch_size,
        batch_size=batch_size,
        shuffle=False,
    )
    peer.partial_fit(X, y)
    for weight, start in zip((*peer.coefs_, *peer.intercepts_), before, strict=True):
        weight[...] = start
    peer.partial_fit(X, y)
    for weight, known in zip(after, (*peer.coefs_, *peer.intercepts_), strict=True):
        np.testing.assert_allclose(weight, known, rtol=0, atol=1e-12)


#: How others write the penalty: its strength c, its value on the weights W of n rows, and the l2
#: that it equals here.
CONVENTIONS = {
    "this package": (0.3, lambda c, W, n: c / 2 * W, lambda c, n: c),
    "Keras regularizers.l2(c)": (0.15, lambda c, W, n: c * W, lambda c, n: 2 * c),
    "lambda/(2n) of textbooks": (18.0, lambda c, W, n: c / (2 * n) * W, lambda c, n: c / n),
    "weight_decay of torch.optim.SGD": (0.3, None, lambda c, n: c),
}


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_conversion_of_l2(diabetes, convention):
    X, y = diabetes[0][:60], diabetes[1][:60]
    y = (y - y.mean()) / y.std()
    strength, penalty, convert = CONVENTIONS[convention]
    _, after, module, _ = one_more_epoch(X, y, l2=convert(strength, len(X)), scale_target=False)
    linear = [layer for layer in module if isinstance(layer, nn.Linear)]
    weights, biases = [m.weight for m in linear], [m.bias for m in linear]
    decay = strength if penalty is None else 0.0
    optimiser = torch.optim.SGD(
        [{"params": weights, "weight_decay": decay}, {"params": biases}], lr=0.1
    )
    squares = sum((w**2).sum() for w in weights)
    error = ((module(torch.from_numpy(X))[:, 0] - torch.from_numpy(y)) ** 2).mean() / 2
    (error if penalty is None else error + penalty(strength, squares, len(X))).backward()
    optimiser.step()
    known = [*(w.detach().numpy().T for w in weights), *(b.detach().numpy() for b in biases)]
    for weight, expected in zip(after, known, strict=True):
        np.testing.assert_allclose(weight, expected, rtol=0, atol=1e-12)


def test_one_step_of_l2_by_hand():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(30, 3)), rng.normal(size=30)
    eta, l2 = 0.1, 0.7
    net = RegularizedMLPRegressor((), **STEP, l2=l2, scale_target=False).partial_fit(X, y)
    W, b = net.coefs_[0].ravel(), net.intercepts_[0]
    residual = X @ W + b - y
    net.partial_fit(X, y)
    np.testing.assert_allclose(
        net.coefs_[0].ravel(), W - eta * (X.T @ residual / 30 + l2 * W), rtol=0, atol=1e-14
    )
    # the bias is not penalised
    np.testing.assert_allclose(net.intercepts_[0], b - eta * residual.mean(), rtol=0, atol=1e-14)


def test_dropout_is_one_minus_keep_probability():
    a = torch.tensor([[[0.8], [0.5], [0.3], [0.9]]], dtype=torch.float64)
    keep, wanted = 0.5, torch.tensor([True, False, True, False])
    rate = torch.tensor([1 - keep], dtype=torch.float64)
    threshold = torch.from_numpy(thresholds(rate.numpy()).astype(np.int64))
    for key in range(200):  # one in sixteen draws this mask
        out = dropout(a, rate, threshold, (torch.tensor([key]), torch.tensor([7]))).ravel()
        if torch.equal(out != 0, wanted):
            break
    np.testing.assert_allclose(out, [1.6, 0.0, 0.6, 0.0], rtol=1e-15)


# -- penalties -------------------------------------------------------------------------------------


@pytest.mark.parametrize("u", [-1.3, -0.2, 0.0, 0.1, 0.8])
def test_prox_minimises_its_objective(u):
    cut = 0.3
    grid = np.linspace(-2, 2, 400_001)
    best = grid[np.argmin((grid - u) ** 2 / 2 + cut * np.abs(grid))]
    out = penalties.soft_threshold(torch.tensor(u, dtype=torch.float64), cut).item()
    assert out == pytest.approx(best, abs=1e-5)
    assert (out == 0) == (abs(u) <= cut)


@pytest.mark.parametrize("solver", ["sgd", "adamw"])
def test_l1_fit_of_a_hidden_layer_meets_the_subgradient_condition(diabetes, solver):
    X, y = diabetes[0][:100], diabetes[1][:100]
    z = (y - y.mean()) / y.std()
    l1 = 0.02
    options = (
        {"learning_rate_init": 0.1, "max_iter": 4000}
        if solver == "sgd"
        else {"learning_rate": "cosine", "learning_rate_init": 0.01, "max_iter": 4000}
    )
    net = RegularizedMLPRegressor(
        (5,), activation="tanh", **{**EXACT, "solver": solver, **options}, l1=l1
    ).fit(X, z)
    assert 0 < net.n_zero_weights_ < net.n_weights_
    module = net.module_
    error = ((module(torch.from_numpy(X))[:, 0] - torch.from_numpy(z)) ** 2).mean() / 2
    error.backward()
    for layer in (m for m in module if isinstance(m, nn.Linear)):
        w, g = layer.weight.detach().numpy(), layer.weight.grad.numpy()
        np.testing.assert_allclose(g[w != 0], -l1 * np.sign(w[w != 0]), atol=1e-4)
        assert np.abs(g[w == 0]).max(initial=0.0) <= l1 + 1e-4
        np.testing.assert_allclose(layer.bias.grad.numpy(), 0.0, atol=1e-4)


# -- dropout and batch norm ------------------------------------------------------------------------

RATES = np.array([0.0, 0.1, 0.5, 0.9, 0.999])


def masks(rows, units=4):
    """Inverted masks of one member a rate, shape (k, units, rows)."""
    keys = torch.arange(len(RATES)) + 5, torch.arange(len(RATES)) + 11
    threshold = torch.from_numpy(thresholds(RATES).astype(np.int64))
    ones = torch.ones(len(RATES), units, rows, dtype=torch.float64)
    return dropout(ones, torch.from_numpy(RATES), threshold, keys).numpy()


def test_dropped_share_of_each_unit_is_within_binomial_bounds():
    rows = 20_000
    dropped = (masks(rows) == 0).sum(axis=2)
    for rate, counts in zip(RATES, dropped, strict=True):
        low, high = stats.binom.interval(1 - 1e-6, rows, rate)
        assert ((low <= counts) & (counts <= high)).all() or rate == 0 == counts.max()


def test_mean_over_many_masks_is_the_identity():
    rows = 20_000
    error = np.sqrt(RATES / (1 - RATES) / rows)  # of the mean of one unit
    mean = masks(rows).mean(axis=2)
    assert (np.abs(mean - 1) <= 5 * error[:, None] + 1e-12).all()


def test_inverted_dropout_equals_weight_scaling():
    """Hinton et al. 2012 train without 1/p and multiply outgoing weights by p at prediction."""
    rng = np.random.default_rng(0)
    a = torch.from_numpy(rng.random((1, 6, 50)) + 0.1)
    outgoing = rng.normal(size=(2, 6))
    keep = 0.7
    rate = torch.tensor([1 - keep], dtype=torch.float64)
    threshold = torch.from_numpy(thresholds(rate.numpy()).astype(np.int64))
    inverted = dropout(a, rate, threshold, (torch.tensor([3]), torch.tensor([4])))[0].numpy()
    older = np.where(inverted != 0, a[0].numpy(), 0.0)
    # Weights that make training equal ...
    here = keep * outgoing
    np.testing.assert_allclose(here @ inverted, outgoing @ older, rtol=1e-12)
    # ... are those that the older recipe predicts with.
    np.testing.assert_allclose(here @ a[0].numpy(), (outgoing * keep) @ a[0].numpy(), rtol=1e-12)


def test_batch_norm_of_one_to_four():
    z = torch.tensor([[[1.0, 2.0, 3.0, 4.0]]], dtype=torch.float64)
    one, zero = torch.ones(1, 1), torch.zeros(1, 1)
    y, mean, variance = batch_norm_train(z, one, zero, torch.full((1, 4), 0.25))
    assert (mean.item(), variance.item()) == (2.5, 1.25)
    np.testing.assert_allclose(y.ravel(), [-1.34, -0.45, 0.45, 1.34], atol=5e-3)
    # at predict the running statistics count, not those of the rows
    running = batch_norm_eval(z, one, zero, torch.ones(1, 1), torch.full((1, 1), 4.0))
    np.testing.assert_allclose(running.ravel(), [0.0, 0.5, 1.0, 1.5], atol=1e-5)


def test_batch_norm_predicts_by_running_statistics():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(64, 3)), rng.normal(size=64)
    net = RegularizedMLPRegressor(
        (5,), **{**STEP, "batch_norm": True, "learning_rate_init": 1e-12}
    ).partial_fit(X, y)
    running = net.module_[1]
    z = (net.module_[0](torch.from_numpy(X))).detach().numpy()
    # a tenth of the way from (0, 1) to the statistics of the minibatch
    np.testing.assert_allclose(running.running_mean, 0.1 * z.mean(axis=0), atol=1e-9)
    np.testing.assert_allclose(running.running_var, 0.9 + 0.1 * z.var(axis=0), atol=1e-9)


# -- summary ---------------------------------------------------------------------------------------


def test_summary_counts_parameters():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 32)), rng.integers(0, 2, size=40)
    net = RegularizedMLPClassifier(
        (128, 64),
        numeric_embedding=None,
        dropout=[0.3, 0.2],
        l2=0.01,
        batch_norm=False,
        max_iter=1,
    ).fit(X, y)
    summary = net.summary()
    table = summary.frame()
    linear = table[table["layer"] == "Linear"]
    assert linear["parameters"].tolist() == [4224, 8256, 65]
    assert summary.n_parameters == table["parameters"].sum() == 12_545
    assert linear["output shape"].tolist() == ["(None, 128)", "(None, 64)", "(None, 1)"]
    assert table.loc[table["layer"] == "Dropout", "knobs"].tolist() == [
        "dropout=0.3",
        "dropout=0.2",
    ]
    assert linear["knobs"].str.contains("l2=0.01").all()
    text = str(summary)
    for number in ("4,224", "8,256", "65", "12,545"):
        assert number in text


# -- early stopping --------------------------------------------------------------------------------


class Rigged:
    """A scorer whose curve is given."""

    def __init__(self, scores):
        self.scores = iter(scores)

    def __call__(self, estimator, X, y):
        return next(self.scores)


CURVE = [0.2, 0.5, 0.9, 0.4, 0.9, 0.1, 0.3, 0.2, 0.1, 0.1, 0.1, 0.1]
BEST = 3  # a later equal score is no improvement

STOPPING = {
    "hidden_layer_sizes": (6,),
    "learning_rate": "constant",
    "learning_rate_init": 0.05,
    "random_state": 3,
}


@pytest.fixture(scope="module")
def noisy_rows():
    rng = np.random.default_rng(0)
    return rng.normal(size=(80, 4)), rng.integers(0, 2, size=80)


@pytest.fixture(scope="module")
def best_weights(noisy_rows):
    """Weights after the best epoch of the curve, from a training that ends there."""
    net = RegularizedMLPClassifier(**STOPPING, max_iter=BEST, scoring=Rigged(CURVE[:BEST]))
    return net.fit(*noisy_rows).coefs_


def assert_best_restored(net, best_weights):
    assert net.best_iter_ == BEST
    for weight, best in zip(net.coefs_, best_weights, strict=True):
        np.testing.assert_array_equal(weight, best)


@pytest.mark.parametrize("patience", [1, 3, 5])
def test_patience_ends_training_so_many_epochs_after_the_best(noisy_rows, best_weights, patience):
    net = RegularizedMLPClassifier(
        **STOPPING, max_iter=12, patience=patience, scoring=Rigged(CURVE)
    ).fit(*noisy_rows)
    assert net.stopped_by_ == "patience"
    assert net.n_iter_ == BEST + patience
    assert net.validation_scores_ == CURVE[: net.n_iter_]
    assert_best_restored(net, best_weights)


def test_max_iter_restores_the_best(noisy_rows, best_weights):
    net = RegularizedMLPClassifier(**STOPPING, max_iter=6, scoring=Rigged(CURVE)).fit(*noisy_rows)
    assert (net.stopped_by_, net.n_iter_) == ("max_iter", 6)
    assert_best_restored(net, best_weights)


class Clock:
    """Stands in for the module `time`; it moves when told."""

    now = 0.0

    def perf_counter(self):
        return self.now


def test_max_time_restores_the_best(noisy_rows, best_weights, monkeypatch):
    clock = Clock()
    monkeypatch.setattr(sys.modules[Stack.__module__], "time", clock)
    curve = Rigged(CURVE)

    def scoring(estimator, X, y):
        clock.now += 1.0
        return curve(estimator, X, y)

    net = RegularizedMLPClassifier(**STOPPING, max_iter=12, max_time=5.5, scoring=scoring).fit(
        *noisy_rows
    )
    assert net.stopped_by_ == "max_time"
    # The sixth epoch begins before the limit and ends behind it; the seventh is cut.
    assert net.n_iter_ == 7
    assert_best_restored(net, best_weights)


def test_interrupt_restores_the_best(noisy_rows, best_weights):
    from skorch.callbacks import Callback

    class Interrupt(Callback):
        def on_epoch_end(self, net, **kwargs):
            if len(net.history) == 5:
                raise KeyboardInterrupt

    net = RegularizedMLPClassifier(
        **STOPPING, max_iter=12, scoring=Rigged(CURVE), callbacks=[Interrupt()]
    ).fit(*noisy_rows)
    assert (net.stopped_by_, net.n_iter_) == ("interrupt", 5)
    assert_best_restored(net, best_weights)


def test_best_moves_on_any_improvement_and_patience_only_beyond_min_delta(noisy_rows):
    creeping = [0.5, 0.51, 0.52, 0.53, 0.54, 0.55]
    net = RegularizedMLPClassifier(
        **STOPPING, max_iter=6, patience=3, min_delta=0.1, scoring=Rigged(creeping)
    ).fit(*noisy_rows)
    assert (net.stopped_by_, net.n_iter_, net.best_iter_) == ("patience", 4, 4)


# -- sample weights --------------------------------------------------------------------------------

NETS = {
    "regressor": RegularizedMLPRegressor((5,), **EXACT, max_iter=40, learning_rate_init=0.02),
    "classifier": RegularizedMLPClassifier((5,), **EXACT, max_iter=40, learning_rate_init=0.02),
    "linear": RegularizedMLPClassifier((), **EXACT, max_iter=40, learning_rate_init=0.02),
}


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(30, 4))
    y = (X[:, 0] + rng.normal(size=30) > 0).astype(int) + (X[:, 1] > 0)
    return X, y, rng.integers(0, 4, size=30)


def outputs(net, X):
    return net.predict_proba(X) if hasattr(net, "predict_proba") else net.predict(X)


@pytest.mark.parametrize("name", NETS)
def test_integer_weights_equal_repeated_rows(rows, name):
    X, y, counts = rows
    net = NETS[name]
    weighted = outputs(sklearn.clone(net).fit(X, y, sample_weight=counts), X)
    repeated = outputs(sklearn.clone(net).fit(X.repeat(counts, axis=0), y.repeat(counts)), X)
    np.testing.assert_allclose(weighted, repeated, rtol=0, atol=1e-7)
    assert np.abs(weighted - outputs(sklearn.clone(net).fit(X, y), X)).max() > 1e-3


@pytest.mark.parametrize("name", NETS)
def test_weights_count_relative_to_each_other(rows, name):
    X, y, counts = rows
    net = NETS[name]
    once = outputs(sklearn.clone(net).fit(X, y, sample_weight=counts), X)
    often = outputs(sklearn.clone(net).fit(X, y, sample_weight=7.0 * counts), X)
    np.testing.assert_allclose(once, often, rtol=0, atol=1e-12)


@pytest.mark.parametrize("cls", [RegularizedMLPClassifier, RegularizedMLPRegressor])
def test_rows_of_weight_zero_have_no_influence(rows, cls):
    X, y, counts = rows
    net = cls((5,), dropout=0.3, input_dropout=0.1, refit=True, max_iter=10, random_state=0)
    wild = X.copy()
    wild[counts == 0] = 1e6
    some = counts > 0
    weighted = outputs(sklearn.clone(net).fit(wild, y, sample_weight=counts), X)
    without = outputs(sklearn.clone(net).fit(X[some], y[some], sample_weight=counts[some]), X)
    np.testing.assert_array_equal(weighted, without)


@pytest.mark.parametrize("class_weight", ["balanced", {0: 1.0, 1: 5.0, 2: 0.5}, {1: 0.0}])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_class_weight_equals_the_matching_sample_weight(rows, class_weight, early_stopping):
    X, y, counts = rows
    net = RegularizedMLPClassifier(
        (5,), max_iter=10, early_stopping=early_stopping, random_state=0, dtype="float64"
    )
    weight = 1.0 + counts
    by_class = sklearn.clone(net).set_params(class_weight=class_weight)
    by_class.fit(X, y, sample_weight=weight)
    if class_weight == "balanced":  # mass, not rows, is what is balanced
        mass = np.bincount(y, weights=weight)
        factor = (mass.sum() / (3 * mass))[y]
    else:
        factor = compute_sample_weight(class_weight, y)
    by_row = sklearn.clone(net).fit(X, y, sample_weight=weight * factor)
    p = by_class.predict_proba(X)
    np.testing.assert_array_equal(by_class.classes_, [0, 1, 2])
    np.testing.assert_array_equal(by_row.classes_, [0, 1, 2])
    np.testing.assert_allclose(p, by_row.predict_proba(X), rtol=0, atol=1e-9)
