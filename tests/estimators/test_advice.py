"""Warnings that say what to do: where they are right, once, and not on ordinary data."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from scipy.special import expit
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skreg.estimators.constant as constant
import skreg.estimators.rows as rows
from skreg import (
    BaggedMLPClassifier,
    BaggedMLPRegressor,
    RegularizedMLPClassifier,
    RegularizedMLPRegressor,
)
from skreg.estimators.constant import constant_losses
from skreg.estimators.rows import warn_of_scales, warn_of_unlike_rows
from skreg.train.job import Job, Spec

NET = {
    "hidden_layer_sizes": (8,),
    "scale_features": None,
    "numeric_embedding": None,
    "max_iter": 5,
    "random_state": 0,
}


def classifier(**options):
    return RegularizedMLPClassifier(**{**NET, **options})


def regressor(**options):
    return RegularizedMLPRegressor(**{**NET, **options})


def bagged(net):
    kind = BaggedMLPClassifier if hasattr(net, "predict_proba") else BaggedMLPRegressor
    return kind(net, n_estimators=2, random_state=0)


def texts(fit):
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        fit()
    return [str(w.message) for w in seen]


# -- columns far from zero -------------------------------------------------------------------------

FAR = r"values of column 1 lie far from zero: their mean is 1e\+06 and .* deviation 0\.99\d\. Nets"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("storage", [np.asarray, sp.csr_array, sp.csc_matrix])
def test_columns_far_from_zero(X, y_real, dtype, storage):
    far = X.copy()
    far[:, 1] += 1e6
    dense = storage is np.asarray
    net = regressor(dtype=dtype, scale_features=None if dense else "robust")  # of dense tables
    for model in (net, bagged(net)):
        found = texts(lambda model=model: model.fit(storage(far), y_real))
        found = [text for text in found if "constant" not in text]
        assert len(found) == 1
        assert re.search(FAR, found[0])
        assert ("Set scale_features='robust'" if dense else "or pass X dense") in found[0]


def test_partial_fit_says_so_in_its_first_call(X, y_real):
    far = np.add(X, [0.0, 1e6, 0.0, 0.0, 0.0])
    net = regressor(l2=0.01)
    found = texts(lambda: net.partial_fit(far, y_real))
    assert len(found) == 2
    assert re.search(FAR, found[0])
    assert found[1].startswith("l2 does not regularize")
    net.partial_fit(far, y_real)  # a warning would be an error


def test_columns_far_from_zero_have_names(X, y_binary):
    frame = pd.DataFrame(X, columns=list("abcde")).assign(c=lambda t: 5000 - t["c"])
    with pytest.warns(UserWarning, match="values of column 'c' lie far from zero"):
        classifier().fit(frame, y_binary)


def test_columns_that_rounding_makes_constant(X, y_real):
    """1e9 +- 1 is one number in float32."""
    far = X.copy()
    far[:, 1] += 1e9
    for table in (far, pd.DataFrame(far)):
        with (
            pytest.warns(
                UserWarning, match=r"column .?1'? lie far from zero: their mean is 1e\+09"
            ),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore", ConvergenceWarning)
            regressor().fit(table, y_real)


@pytest.mark.parametrize("offset", [0.0, 10.0, 100.0, 200.0])
def test_columns_not_so_far_from_zero(X, offset):
    warn_of_scales(X + offset)  # a warning would be an error
    warn_of_scales(np.column_stack([X, np.full(90, 1e9), np.full(90, 0.1)]))


# -- worse than a constant -------------------------------------------------------------------------


@pytest.fixture
def losses_of_constants():
    """Losses of the best constant by formulas of their own."""

    def squares(y, v):
        return (v - y.mean()) ** 2 / 2

    def log_loss(y, v):
        return -np.log(np.bincount(y)[v] / len(y))

    def poisson(y, v):
        return y.mean() - v * np.log(y.mean())

    def pinball(y, v):
        d = v - np.quantile(y, 0.9, method="averaged_inverted_cdf")
        return np.where(d > 0, 0.9 * d, -0.1 * d)

    return {
        "squared_error": squares,
        "absolute_error": lambda y, v: np.abs(v - np.median(y)),
        "pinball": pinball,
        "poisson": poisson,
        "multinomial": log_loss,
        "binomial": log_loss,
    }


@pytest.mark.parametrize(
    "loss", ["squared_error", "absolute_error", "pinball", "poisson", "multinomial", "binomial"]
)
def test_losses_of_the_best_constant(loss, losses_of_constants):
    rng = np.random.default_rng(0)
    if loss in ("multinomial", "binomial"):
        y, v = (rng.integers(0, 3 if loss == "multinomial" else 2, size=n) for n in (41, 20))
    else:
        y, v = rng.poisson(3.0, size=41) + 0.5, rng.poisson(3.0, size=20) + 0.5
    shape = (-1,) if loss == "multinomial" else (-1, 1)
    spec = Spec(loss=loss, n_outputs=3 if loss == "multinomial" else 1, quantile=0.9)
    job = Job(spec, None, y.reshape(shape), X_val=np.zeros((20, 1)), y_val=v.reshape(shape))
    np.testing.assert_allclose(constant_losses(job), losses_of_constants[loss](y, v))
    # Weights are repeated rows.
    counts = rng.integers(0, 3, size=41)
    job.sample_weight = counts.astype(float)
    np.testing.assert_allclose(constant_losses(job), losses_of_constants[loss](y.repeat(counts), v))


WORSE = r"worse than a constant: its loss is .*, that of the best constant of the training rows"


@pytest.mark.parametrize(
    "model",
    [
        regressor(),
        regressor(loss="huber"),
        regressor(scoring="r2"),
        bagged(regressor()),
        bagged(regressor()).set_params(stopping="member"),
    ],
    ids=["net", "huber", "r2", "bagged", "members"],
)
def test_a_net_that_is_worse_than_a_constant(model):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 3))
    X[:, 0] += 1e5
    y = rng.normal(size=400)
    model = clone(model).set_params(
        **{f"{'estimator__' if hasattr(model, 'estimator') else ''}batch_norm": False}
    )
    found = [text for text in texts(lambda: model.fit(X, y)) if "constant" in text]
    assert len(found) == 1
    assert re.search(WORSE, found[0])


def test_wrong_rows_for_validation_are_worse_than_a_constant(X, y_binary):
    net = classifier(max_iter=100, learning_rate_init=0.03, dropout=0.0, early_stopping=False)
    with pytest.warns(ConvergenceWarning, match=WORSE) as seen:
        net.fit(X, y_binary, X_val=X, y_val=1 - y_binary)
    assert "still improving" not in str(seen[0].message)
    # With early stopping an epoch is kept that is about as good as the constant.
    net.set_params(early_stopping=True).fit(X, y_binary, X_val=X, y_val=1 - y_binary)


def test_a_net_that_is_still_improving_is_told_to_go_on():
    X = np.random.default_rng(0).normal(size=(600, 5))
    y = X[:, 0] > -1.5
    with pytest.warns(
        ConvergenceWarning, match="still improving when training ended: raise max_it"
    ):
        classifier(max_iter=1, learning_rate_init=1e-5).fit(X, y)


NOISE = {
    "squared_error": lambda r, n: (regressor(), r.normal(size=n)),
    "heavy tails": lambda r, n: (regressor(), r.standard_t(2, size=n)),
    "absolute_error": lambda r, n: (regressor(loss="absolute_error"), r.normal(size=n)),
    "poisson": lambda r, n: (regressor(loss="poisson"), r.poisson(2.0, size=n)),
    "two classes": lambda r, n: (classifier(), r.integers(0, 2, size=n)),
    "a rare class": lambda r, n: (classifier(), r.random(n) < 0.05),
    "labels": lambda r, n: (classifier(), r.integers(0, 2, size=(n, 3))),
    "bagged": lambda r, n: (bagged(regressor()), r.normal(size=n)),
    "members": lambda r, n: (
        bagged(regressor()).set_params(stopping="member"),
        r.normal(size=n),
    ),
    "default": lambda r, n: (RegularizedMLPRegressor((64,), max_iter=15), r.normal(size=n)),
}


@pytest.mark.parametrize("kind", NOISE)
@pytest.mark.parametrize("n", [40, 300])
def test_noise_draws_no_warning(kind, n):
    for seed in range(5):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(n, 6))
        net, y = NOISE[kind](rng, n)
        if isinstance(net, RegularizedMLPClassifier) and kind == "a rare class":
            y[:2] = True
        prefix = "estimator__" if hasattr(net, "estimator") else ""
        net.set_params(
            random_state=seed, **{f"{prefix}max_iter": 20, f"{prefix}learning_rate_init": 0.02}
        ).fit(X, y)


def test_outputs_are_only_asked_for_where_the_loss_is_suspicious(X, y_real, monkeypatch):
    monkeypatch.setattr(constant, "raw_outputs", None)
    regressor(max_iter=30, learning_rate_init=0.02).fit(X, y_real)


def test_accuracy_is_not_judged_by_the_log_loss(X):
    """What is chosen by accuracy may be too sure of itself."""
    p = expit(3 * X[:, 0])
    y = np.random.default_rng(0).random(90) < p
    classifier(scoring="accuracy", learning_rate_init=0.3, dropout=0.0, max_iter=40).fit(X, y)


# -- validation rows -------------------------------------------------------------------------------

UNLIKE = (
    r"X_val does not look like X: column .*transform_input=\['X_val'\].*enable_metadata_routing"
)


@pytest.mark.parametrize(
    ("mean", "std"), [(50.0, 20.0), (5.0, 1.0), (0.0, 1000.0), (0.01, 0.001), (-1e6, 1.0)]
)
def test_validation_rows_that_a_pipeline_did_not_scale(mean, std):
    rng = np.random.default_rng(0)
    X = mean + std * rng.normal(size=(120, 4))
    y = X[:, 0] / std
    net = regressor(scale_features="robust")  # what is compared is what the user has
    raw = {"regularizedmlpregressor__X_val": X[80:], "regularizedmlpregressor__y_val": y[80:]}
    model = make_pipeline(StandardScaler(), net)
    found = [text for text in texts(lambda: model.fit(X[:80], y[:80], **raw)) if "X_val" in text]
    assert len(found) == 1
    assert re.search(UNLIKE, found[0])
    scaled = StandardScaler().fit(X[:80]).transform(X)
    net.fit(scaled[:80], y[:80], X_val=scaled[80:], y_val=y[80:])


def test_validation_rows_of_another_kind_are_named(X, y_real):
    frame = pd.DataFrame(X, columns=list("abcde"))
    other = frame.assign(d=frame["d"] + 99)
    frame, other = (table.assign(a="text") for table in (frame, other))
    net = regressor(scale_features="standard")
    found = texts(lambda: net.fit(frame, y_real, X_val=other, y_val=y_real))
    assert any(re.search(r"column 'd' has the mean 9\d\.\d", text) for text in found)


def test_validation_rows_may_differ_as_rows_do():
    """A few rows, rare values, time that goes on, and heavy tails."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        n = 200
        time = np.arange(n) / 10
        columns = [time, time, rng.random(n) < 0.01, rng.standard_cauchy(n), rng.integers(0, 9, n)]
        X = np.column_stack([*columns, rng.normal(size=n), np.full(n, 3.0)])
        for later in (slice(150, 200), slice(150, 152), slice(199, 200)):
            warn_of_unlike_rows(X[:150], X[later])  # a warning would be an error
    for load in (load_diabetes, load_breast_cancer):
        X, _ = load(return_X_y=True)
        warn_of_unlike_rows(X[:300], X[300:])


# -- penalties in front of batch norm --------------------------------------------------------------


def test_penalties_that_batch_norm_undoes(X, y_binary):
    for name, words in (("l1", "l1 selects few weights"), ("l2", "l2 does not regularize")):
        for model in (classifier(**{name: 0.01}), bagged(classifier(**{name: 0.01}))):
            found = texts(lambda model=model: model.fit(X, y_binary))
            assert len(found) == 1
            assert found[0].startswith(words)
            assert "Set batch_norm=False" in found[0]
        for options in ({"batch_norm": False}, {"hidden_layer_sizes": ()}):
            classifier(**{name: 0.01}, **options).fit(X, y_binary)
        classifier(**{name: [0.0, 0.01]}).fit(X, y_binary)  # of the output layer alone


@pytest.mark.parametrize("name", ["l1", "l2"])
def test_penalties_that_layer_norm_undoes(X, y_binary, name):
    options = {name: 0.01, "batch_norm": False, "layer_norm": True}
    for model in (classifier(**options), bagged(classifier(**options))):
        (found,) = texts(lambda model=model: model.fit(X, y_binary))
        assert "hidden layers with layer_norm=True: layer norm undoes the scale" in found
        assert "Set layer_norm=False" in found
    with pytest.warns(UserWarning, match="layer_norm=True"):
        summary = classifier(**options).fit(X, y_binary).summary()
    assert summary.note.startswith("Layer norm undoes the scale of the weights in front of it")
    assert summary.note.endswith("with layer_norm=False.")


def test_a_search_says_it_once(X, y_binary, monkeypatch):
    monkeypatch.setattr(rows, "_said", set())
    search = GridSearchCV(classifier(), {"l1": [1e-4, 1e-3], "l2": [1e-3, 1e-2]}, cv=2)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("default")
        search.fit(X, y_binary)
    found = [str(w.message) for w in seen if "batch_norm=True" in str(w.message)]
    assert len(set(found)) == 2
    assert len(found) <= 4  # of all fits of folds, and of the last fit


def test_summary_says_that_penalties_are_undone(X, y_binary):
    with pytest.warns(UserWarning, match="batch_norm=True"):
        summary = classifier(l1=0.01, l2=0.1).fit(X, y_binary).summary()
    assert summary.note.startswith("Batch norm undoes the scale of the weights in front of it")
    assert "l1 and l2 cannot do here" in " ".join(str(summary).split())
    for options in ({"batch_norm": False, "l1": 0.01}, {"l2": [0.0, 0.1]}):
        assert classifier(**options).fit(X, y_binary).summary().note == ""
