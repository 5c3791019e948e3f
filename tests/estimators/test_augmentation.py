"""mixup, cutmix and cutout: what they do to a fit, and who has to know."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from joblib import parallel_config
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, KFold

import skreg
from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor

KNOBS = {"mixup": 0.3, "cutmix": 0.4, "cutout": 0.4, "cutout_share": 0.4}
NET = {
    "hidden_layer_sizes": (6,),
    "max_iter": 4,
    "random_state": 0,
    "scale_features": None,
    **KNOBS,
}
WITHOUT = dict.fromkeys(("mixup", "cutmix", "cutout"), 0.0)


# -- the knobs do what they say --------------------------------------------------------------------


def expected_fit(gram, target, name):
    """The weights with the least expected error where rows of three standardised columns are changed so.

    Mixing scales the moments of x and y alike where it takes all columns, so nothing changes. Of cutmix two
    columns are of the same row less often than a column and its own target.
    """
    off = 1 - np.eye(3)
    if name == "mixup":
        return np.linalg.solve(gram, target)
    if name == "cutmix":  # 0 to 3 columns of the partner, alike
        taken = np.arange(4)
        own = 1 - taken / 3
        together = np.mean((own * (2 - taken) + (1 - own) * (taken - 1)) / 2)
        alike = np.mean(own**2 + (1 - own) ** 2)
        return np.linalg.solve(gram * (np.eye(3) + together * off), alike * target)
    # One of three columns goes in each row.
    return np.linalg.solve(gram * (2 / 3 * np.eye(3) + 1 / 3 * off), 2 / 3 * target)


@pytest.mark.parametrize("name", ["mixup", "cutmix", "cutout"])
def test_a_linear_model_ends_where_theory_says(name):
    rng = np.random.default_rng(0)
    n = 150
    X = rng.normal(size=(n, 3)) @ np.linalg.cholesky(0.4 * np.eye(3) + 0.6).T
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    y = X @ [1.0, -1.0, 2.0] + 0.3 * rng.normal(size=n)
    y -= y.mean()
    knobs = {"mixup": {"mixup": 1.0}, "cutmix": {"cutmix": 1.0}, "cutout": {"cutout": 1.0}}[name]
    net = RegularizedMLPRegressor(
        (),
        **knobs,
        scale_features=None,
        scale_target=False,
        weight_decay=0.0,
        learning_rate_init=0.02,
        batch_size=n,
        max_iter=2000,
        early_stopping=False,
        ema_decay=0.99,
        dtype="float64",
        random_state=0,
    ).fit(X, y)
    gram, target = X.T @ X / n, X.T @ y / n
    known, plain = expected_fit(gram, target, name), np.linalg.solve(gram, target)
    found = net.coefs_[0][:, 0]
    assert np.linalg.norm(found - known) < 0.1 * np.linalg.norm(plain)
    if name != "mixup":
        assert np.linalg.norm(found - known) < 0.2 * np.linalg.norm(plain - known)


def test_mixing_makes_a_classifier_less_sure(X, y_three):
    """Between rows of two classes a net that was mixed says both, one that was not says one."""
    options = {"max_iter": 60, "early_stopping": False, "dropout": 0.0, "random_state": 0}
    sure = {}
    for name, value in (("mixup", 0.0), ("mixup", 1.0), ("cutmix", 1.0)):
        net = RegularizedMLPClassifier((32,), **options, **{name: value}).fit(X, y_three)
        sure[name, value] = net.predict_proba(X).max(axis=1).mean()
    assert sure["mixup", 1.0] < sure["mixup", 0.0] - 0.05
    assert sure["cutmix", 1.0] < sure["mixup", 0.0] - 0.05


# -- what reads a net ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def net(X, y_real):
    return RegularizedMLPRegressor(**NET, dtype="float64", dropout=0.0).fit(X, y_real)


def test_nothing_happens_at_predict(net, X):
    rows = torch.from_numpy(X)
    with torch.no_grad():
        np.testing.assert_allclose(net.module_(rows)[:, 0].numpy(), net.predict(X), rtol=1e-10)
    with pytest.raises(ValueError, match="predict_mc needs dropout"):
        net.predict_mc(X, 5)


def test_summary_has_rows_without_parameters(net, X, y_real):
    table = net.summary().frame()
    assert table.iloc[0].tolist() == ["Mixing", "(None, 5)", 0, "mixup=0.3, cutmix=0.4"]
    assert table.iloc[1].tolist() == ["CutOut", "(None, 5)", 0, "cutout=0.4, cutout_share=0.4"]
    one = clone(net).set_params(mixup=0.0, cutout=0.0).fit(X, y_real).summary().frame()
    assert one.iloc[0, -1] == "cutmix=0.4"


def test_validation_rows_are_as_they_are(X, y_real):
    """A net that does not move has the same validation loss; its training loss is another."""
    options = {**NET, "learning_rate_init": 1e-12, "ema_decay": 0.0, "dropout": 0.0}
    options |= {"batch_norm": False}
    one, other = (
        RegularizedMLPRegressor(**{**options, **knobs}).fit(X, y_real).history_
        for knobs in ({}, WITHOUT)
    )
    np.testing.assert_allclose(one["valid_loss"], other["valid_loss"], rtol=1e-5)
    assert np.abs(one["train_loss"] / other["train_loss"] - 1).max() > 0.01


def test_kinds_of_targets(X, y_real, y_three):
    labels = np.stack([y_three == 0, y_three > 1], axis=1).astype(int)
    weight = np.random.default_rng(0).uniform(0.5, 2, len(X))
    for kind, y in (
        (RegularizedMLPClassifier, labels),
        (RegularizedMLPClassifier, y_three == 1),
        (RegularizedMLPRegressor, np.column_stack([y_real, -y_real])),
    ):
        mixed = kind(**NET).fit(X, y, sample_weight=weight)
        plain = clone(mixed).set_params(**WITHOUT).fit(X, y, sample_weight=weight)
        assert np.isfinite(mixed.loss_curve_).all()
        assert mixed.loss_curve_ != plain.loss_curve_


def test_sparse_rows_are_mixed_as_dense_ones(X, y_real):
    rows = np.where(np.abs(X) < 0.4, 0.0, X)
    dense, sparse = (
        RegularizedMLPRegressor(**NET).fit(container(rows), y_real)
        for container in (np.asarray, sp.csr_array)
    )
    np.testing.assert_array_equal(sparse.predict(rows), dense.predict(rows))


# -- going on, searches, errors --------------------------------------------------------------------


def test_partial_fits_equal_epochs(X, y_real):
    options = {"dtype": "float64", "early_stopping": False, "learning_rate": "constant"}
    by_calls = RegularizedMLPRegressor(**NET, **options)
    for _ in range(4):
        by_calls.partial_fit(X, y_real)
    at_once = clone(by_calls).set_params(ema_decay=0).fit(X, y_real)
    for name, values in at_once._params.items():
        np.testing.assert_allclose(by_calls._params[name], values, rtol=0, atol=1e-12)


def test_a_search_under_the_backend_is_the_one_without_it(X, y_three):
    net = RegularizedMLPClassifier(**{**NET, **WITHOUT, "dtype": "float64"})
    grid = {"mixup": [0.0, 0.2, 1.0], "cutmix": [0.0, 0.5]}
    search = GridSearchCV(net, grid, cv=KFold(2), scoring="neg_log_loss", refit=False)
    alone = clone(search).fit(X, y_three).cv_results_["mean_test_score"]
    with parallel_config(backend="skreg"):
        together = clone(search).fit(X, y_three).cv_results_["mean_test_score"]
    np.testing.assert_allclose(together, alone, atol=1e-8)
    assert len(set(alone)) == 6
    # Nets with a knob and without are trained apart; values of it differ inside a stack.
    members = skreg.last_rounds()[0].members
    assert sum(members) == 12 > len(members)


@pytest.mark.parametrize(
    ("name", "value"),
    [("mixup", -0.1), ("cutmix", 1.1), ("cutout", -0.1), ("cutout_share", 2)],
)
def test_what_they_cannot_be_is_refused(X, y_real, name, value):
    with pytest.raises(ValueError, match=rf"'{name}' parameter .* must be a float in the range"):
        RegularizedMLPRegressor(**{name: value}).fit(X, y_real)


@pytest.mark.parametrize(
    ("knobs", "text"),
    [
        ({"mixup": 0.2, "batch_size": 1, "batch_norm": False}, "mixup does nothing where minibatches"),
        ({"cutmix": 0.2, "batch_size": 1, "batch_norm": False}, "cutmix does nothing where minibatches"),
        ({"cutout": 0.2, "cutout_share": 0.0}, "cutout does nothing with cutout_share=0"),
    ],
)  # fmt: skip
def test_what_does_nothing_is_said(X, y_real, knobs, text):
    net = RegularizedMLPRegressor((4,), max_iter=1, random_state=0, **knobs)
    with pytest.warns(UserWarning, match=text):
        net.fit(X, y_real)
