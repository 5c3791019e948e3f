"""What X may be, what the module may return, and what is refused before training."""

from __future__ import annotations

import copy
import functools

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from torch import nn

from skreg import RegularizedNetClassifier, RegularizedNetRegressor
from tests.estimators.own.modules import Branching, Normed, Perceptron, TextBook, sequential

QUICK = {"max_iter": 2, "random_state": 0}


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    return rng.normal(size=(60, 1, 8, 8)), np.arange(60) % 10


class Of(nn.Module):
    """Puts out what a function makes of one linear layer of the rows."""

    def __init__(self, make, n=2, shape=(4,)):
        super().__init__()
        self.layer, self.make = nn.Linear(int(np.prod(shape)), n), make

    def forward(self, x):
        return self.make(self.layer(x.flatten(1)))


def of(make, **options):
    return functools.partial(Of, make, **options)


# -- rows ------------------------------------------------------------------------------------------


def test_images_tables_sparse_rows_lists_and_tensors_are_one(images):
    X, y = images
    net = RegularizedNetClassifier(Normed, **QUICK).fit(X, y)
    assert net.input_shape_ == (1, 8, 8)
    assert net.n_features_in_ == 64
    flat = X.reshape(len(X), -1)
    other = RegularizedNetClassifier(Normed, input_shape=(1, 8, 8), **QUICK).fit(flat, y)
    expected = net.predict_proba(X)
    np.testing.assert_array_equal(other.predict_proba(flat), expected)
    for rows in (flat, sp.csr_matrix(flat), X.tolist(), torch.as_tensor(X)):
        np.testing.assert_allclose(net.predict_proba(rows), expected, atol=1e-12)
    sparse = RegularizedNetClassifier(Normed, input_shape=[1, 8, 8], **QUICK)
    sparse.fit(sp.csr_matrix(flat), y)
    np.testing.assert_allclose(sparse.predict_proba(flat), expected, atol=1e-5)


def test_names_of_columns_are_kept_and_checked():
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(40, 3)), columns=list("abc"))
    net = RegularizedNetRegressor(Perceptron, **QUICK).fit(X, X["a"])
    assert list(net.feature_names_in_) == ["a", "b", "c"]
    with pytest.raises(ValueError, match="feature names should match"):
        net.predict(X[["b", "a", "c"]])


def test_module_is_told_of_shapes_unless_it_is_set():
    seen = []

    def factory(n_features, n_outputs, input_shape=None, scale=1.0):
        seen.append((n_features, n_outputs, input_shape))
        return nn.Sequential(nn.Flatten(), nn.Linear(n_features, n_outputs))

    X = np.random.default_rng(0).normal(size=(40, 2, 3))
    RegularizedNetRegressor(factory, **QUICK).fit(X, X[:, 0, :2])
    assert set(seen) == {(6, 2, (2, 3))}
    seen.clear()
    RegularizedNetRegressor(factory, module__input_shape="mine", **QUICK).fit(X, X[:, 0, 0])
    assert set(seen) == {(6, 1, "mine")}


# -- outputs ---------------------------------------------------------------------------------------


def test_two_scores_are_one_logit():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 4)), rng.integers(0, 2, size=60)
    options = QUICK | {"dtype": "float64", "weight_decay": 0.0, "max_iter": 5}
    net = RegularizedNetClassifier(of(lambda out: out), label_smoothing=0.1, **options).fit(X, y)
    scores = net.module_[0](torch.as_tensor(X)).detach().numpy()
    np.testing.assert_allclose(net.decision_function(X), scores[:, 1] - scores[:, 0], atol=1e-12)
    softmax = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(net.predict_proba(X), softmax, atol=1e-12)
    np.testing.assert_allclose(
        net.module_(torch.as_tensor(X)).detach()[:, 0], net.decision_function(X)
    )


@pytest.mark.parametrize("make", [lambda out: out, lambda out: out[:, 0]], ids=["(n, 1)", "(n,)"])
def test_one_output_with_and_without_an_axis(make):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 4)), rng.integers(0, 2, size=60)
    proba = RegularizedNetClassifier(of(make, n=1), **QUICK).fit(X, y).predict_proba(X)
    assert proba.shape == (60, 2)
    assert RegularizedNetRegressor(of(make, n=1), **QUICK).fit(X, y).predict(X).shape == (60,)


def test_several_targets_and_labels():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 4))
    several = RegularizedNetRegressor(sequential, **QUICK).fit(X, X[:, :3])
    assert several.predict(X).shape == (60, 3)
    assert several.module_(torch.as_tensor(X, dtype=torch.float32)).shape == (60, 3)
    labels = RegularizedNetClassifier(sequential, **QUICK).fit(X, (X[:, :2] > 0).astype(int))
    assert labels.predict(X).shape == (60, 2)


# -- what is refused -------------------------------------------------------------------------------

X4 = np.random.default_rng(1).normal(size=(30, 4))
Y2, Y3 = np.arange(30) % 2, np.arange(30) % 3

REFUSED = {
    "an instance": (
        {"module": nn.Linear(4, 3)}, TypeError,
        r"is an instance\. Pass the class, module=Linear, and its parameters as module__name=value",
    ),
    "no module": (
        {"module": dict}, TypeError, r"module=dict returned \{\}, not a torch\.nn\.Module",
    ),
    "not callable": ({"module": 3}, ValueError, "'module' parameter .* must be a callable"),
    "parameters it does not take": (
        {"module": Perceptron, "module__layers": 3}, TypeError,
        r"module=Perceptron cannot be made with module__layers=3.*unexpected keyword argument 'layers'",
    ),
    "rows that it fails on": (
        {"module": Normed}, ValueError,
        r"module=Normed failed on rows of shape \(4,\): RuntimeError.*set input_shape",
    ),
    "an input_shape of other numbers": (
        {"module": Normed, "input_shape": (1, 8, 8)}, ValueError,
        r"X has rows of shape \(4,\), and input_shape=\(1, 8, 8\) has 64 numbers",
    ),
    "an input_shape that is none": (
        {"module": Perceptron, "input_shape": (2, 0)}, ValueError, r"input_shape=\(2, 0\) must be the shape",
    ),
    "too few outputs": (
        {"module": of(lambda out: out)}, ValueError,
        r"module=Of puts out 2 numbers for a row of shape \(4,\); 3 classes need 3",
    ),
    "no tensor": (
        {"module": of(lambda out: (out, out))}, ValueError, r"module=Of returned tuple for 2 rows",
    ),
    "no line a row": (
        {"module": of(lambda out: out.sum())}, ValueError, r"module=Of returned shape \(\) for 2 rows",
    ),
    "probabilities": (
        {"module": of(lambda out: out.softmax(1), n=3)}, ValueError,
        "puts out probabilities .*Return raw outputs",
    ),
    "sigmoids": (
        {"module": lambda: nn.Sequential(nn.Linear(4, 3), nn.Sigmoid())}, ValueError,
        r"puts out probabilities \(it ends in Sigmoid\)",
    ),
    "random numbers of its own": (
        {"module": of(lambda out: nn.functional.dropout(out, 0.5), n=3)}, ValueError,
        "draws random numbers of its own in training. Use layers of torch.nn.Dropout",
    ),
    "nothing to train": (
        {"module": of(lambda out: out.detach())}, ValueError, "puts out 2 numbers",
    ),
    "dropout without a layer": (
        {"module": sequential, "dropout": 0.3}, ValueError,
        r"dropout=0\.3 has nothing to act on: module=sequential has no layer of dropout",
    ),
    "too many rates": (
        {"module": Perceptron, "dropout": [0.1, 0.2]}, ValueError,
        r"dropout=\[0\.1, 0\.2\] has 2 entries for 1 layers of dropout of the module",
    ),
    "a rate of 1 in the module": (
        {"module": Perceptron, "module__rate": 1.0}, ValueError, r"has p=1\. Rates must be in \[0, 1\)",
    ),
    "l1 of another length": (
        {"module": Perceptron, "l1": [0.1, 0.2, 0.3]}, ValueError,
        r"l1=\[0\.1, 0\.2, 0\.3\] has 3 entries for 2 linear and convolution layers of the module",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("options", "error", "match"), REFUSED.values(), ids=REFUSED)
def test_is_refused_and_leaves_the_estimator_as_it_was(options, error, match):
    net = RegularizedNetClassifier(**options, **QUICK)
    before = dict(vars(net))
    with pytest.raises(error, match=match):
        net.fit(X4, Y3)
    assert vars(net) == before


def test_unknown_parameters_are_refused_at_once():
    with pytest.raises(
        TypeError, match=r"unexpected keyword argument 'hidden'.*begin with 'module__'"
    ):
        RegularizedNetClassifier(Perceptron, hidden=3)
    with pytest.raises(ValueError, match="Invalid parameter 'hidden'"):
        RegularizedNetClassifier(Perceptron).set_params(hidden=3)


def test_gaps_and_rows_of_another_shape_are_refused(images):
    X, y = images
    net = RegularizedNetClassifier(Normed, **QUICK).fit(X, y)
    with pytest.raises(
        ValueError, match=r"rows of shape \(1, 4, 4\).*fitted to rows of shape \(1, 8, 8\)"
    ):
        net.predict(X[:, :, :4, :4])
    gap = X4.copy()
    gap[0, 0] = np.nan
    with pytest.raises(ValueError, match="contains NaN"):
        RegularizedNetClassifier(Perceptron, **QUICK).fit(gap, Y3)
    whole = RegularizedNetClassifier(Perceptron, **QUICK).fit(X4, Y3)
    with pytest.raises(ValueError, match="contains NaN"):
        whole.predict(gap)


# -- modules of all kinds --------------------------------------------------------------------------


def test_what_torch_cannot_stack_is_trained_one_after_the_other(one_thread):
    from joblib import parallel_config
    from sklearn.model_selection import cross_val_predict

    net = RegularizedNetClassifier(Branching, dtype="float64", **QUICK)
    alone = cross_val_predict(net, X4, Y2, cv=2, method="decision_function")
    with (
        parallel_config(backend="skreg"),
        pytest.warns(
            RuntimeWarning, match="torch cannot call module=Branching for several nets at once"
        ),
    ):
        together = cross_val_predict(net, X4, Y2, cv=2, method="decision_function", n_jobs=-1)
    np.testing.assert_allclose(together, alone, atol=1e-8)


class Tied(nn.Module):
    """A weight that two layers share, a layer in place, frozen weights and buffers."""

    def __init__(self, n_features):
        super().__init__()
        self.first = nn.Linear(n_features, n_features)
        self.act = nn.ReLU(inplace=True)
        self.second = nn.Linear(n_features, n_features)
        self.second.weight = self.first.weight
        self.frozen = nn.Linear(n_features, 1)
        self.frozen.requires_grad_(False)
        self.register_buffer("scale", torch.full((1,), 2.0))
        self.register_buffer("places", torch.arange(n_features))

    def forward(self, x):
        self.act(x)  # changes its rows, which others share
        return self.frozen(self.second(self.first(x)[:, self.places])) * self.scale


def test_tied_frozen_and_constant_numbers():
    y = X4[:, 0]
    net = RegularizedNetRegressor(Tied, dtype="float64", l1=0.001, **QUICK).fit(X4, y)
    module = net.module_[0]
    assert module.second.weight is module.first.weight
    assert net.n_weights_ == 16
    start = RegularizedNetRegressor(
        Tied, dtype="float64", learning_rate_init=1e-12, weight_decay=0.0, **QUICK
    ).fit(X4, y)
    before = start.module_[0]
    torch.testing.assert_close(module.frozen.weight, before.frozen.weight, atol=0, rtol=0)
    assert not module.frozen.weight.requires_grad
    assert not torch.equal(module.first.weight, before.first.weight)
    assert module.scale == 2.0
    assert module.places.dtype == torch.int64


def test_an_instance_can_be_where_training_starts():
    pretrained = nn.Linear(4, 3)
    factory = functools.partial(copy.deepcopy, pretrained)
    net = RegularizedNetClassifier(factory, learning_rate_init=1e-9, weight_decay=0.0, **QUICK)
    net.fit(X4, Y3)
    torch.testing.assert_close(net.module_.weight, pretrained.weight, atol=1e-6, rtol=0)


def test_lazy_layers_take_the_shape_of_the_rows():
    def factory(n_outputs):
        return nn.Sequential(nn.LazyLinear(5), nn.LazyBatchNorm1d(), nn.LazyLinear(n_outputs))

    net = RegularizedNetClassifier(factory, **QUICK).fit(X4, Y3)
    assert net.module_[0].in_features == 4
    again = RegularizedNetClassifier(factory, **QUICK).fit(X4, Y3)
    np.testing.assert_array_equal(net.predict_proba(X4), again.predict_proba(X4))


def test_the_text_book_net_and_one_for_colour_images():
    rng = np.random.default_rng(0)
    X, y = rng.random((20, 3, 32, 32)), np.arange(20) % 10
    net = RegularizedNetClassifier(
        TextBook,
        module__channels=3,
        module__size=32,
        l2=[1e-4] * 4 + [0, 0],
        max_iter=1,
        random_state=0,
    ).fit(X, y)
    assert [m.p for m in net.module_.modules() if isinstance(m, nn.Dropout)] == [0.25, 0.25, 0.5]
    knobs = net.summary().frame().set_index("layer")["knobs"]
    assert all("l2=0.0001" in text for text in knobs["Conv2d"])
    assert net.predict(X.reshape(20, -1)).shape == (20,)


class OfLevels(nn.Module):
    """Embeds whole numbers from 0, which random numbers are not."""

    def __init__(self, n_outputs):
        super().__init__()
        self.table, self.layer = nn.Embedding(10, 4), nn.Linear(12, n_outputs)

    def forward(self, x):
        return self.layer(self.table(x.long()).flatten(1))


def test_a_module_may_embed_levels():
    rng = np.random.default_rng(0)
    X = rng.integers(0, 10, (200, 3))
    y = X[:, 0] % 2
    net = RegularizedNetClassifier(OfLevels, max_iter=60, learning_rate_init=0.05, random_state=0)
    assert net.fit(X, y).score(X, y) > 0.95
    sequence = functools.partial(nn.Sequential, nn.Embedding(10, 4), nn.Flatten(), nn.Linear(12, 1))
    with pytest.raises(ValueError, match=r"Rows are floating-point numbers: take x\.long\(\)"):
        RegularizedNetClassifier(sequence, **QUICK).fit(X, y)


def test_outputs_have_a_gradient():
    X, y = np.random.default_rng(0).normal(size=(40, 4)), np.arange(40) % 2
    for make in (torch.Tensor.detach, torch.Tensor.long, torch.Tensor.bool):
        with pytest.raises(ValueError, match="returned outputs without a gradient"):
            RegularizedNetClassifier(of(make, n=1), **QUICK).fit(X, y)


def test_images_without_rows(images):
    with pytest.raises(ValueError, match=r"0 sample\(s\)"):
        RegularizedNetClassifier(sequential, **QUICK).fit(images[0][:0], images[1][:0])
