"""Weights of rows and classes: the same checks and texts in every estimator."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.base import clone

from skreg import (
    BaggedMLPClassifier,
    BaggedMLPRegressor,
    RegularizedLinearClassifier,
    RegularizedLinearRegressor,
    RegularizedMLPClassifier,
    RegularizedMLPRegressor,
    l1_max,
)
from skreg.estimators.weights import check_sample_weight, class_factors

NET = {"hidden_layer_sizes": (4,), "numeric_embedding": None, "max_iter": 2, "random_state": 0}
CLASSIFIERS = [
    RegularizedMLPClassifier(**NET),
    BaggedMLPClassifier(RegularizedMLPClassifier(**NET), 2, random_state=0),
    BaggedMLPClassifier(
        RegularizedMLPClassifier(**NET), 2, stopping="member", bootstrap=False, random_state=0
    ),
    RegularizedLinearClassifier(),
]
REGRESSORS = [
    RegularizedMLPRegressor(**NET),
    BaggedMLPRegressor(RegularizedMLPRegressor(**NET), 2, random_state=0),
    RegularizedLinearRegressor(),
]


@pytest.fixture(scope="module")
def rows():
    X = np.random.default_rng(0).normal(size=(60, 3))
    return X, np.array(list("abc"))[np.digitize(X[:, 0], [-0.4, 0.4])]


def weighted(model, class_weight):
    prefix = "estimator__" if hasattr(model, "estimator") else ""
    return clone(model).set_params(**{f"{prefix}class_weight": class_weight})


@pytest.mark.parametrize("model", CLASSIFIERS, ids=lambda m: type(m).__name__)
@pytest.mark.parametrize("bad", [-1, -0.5, np.nan, np.inf, "heavy", None])
def test_class_weights_that_are_no_weights(rows, model, bad):
    message = r"class_weight=.* has the weight .* for the class 'a'\. Allowed are finite numbers"
    net = weighted(model, {"a": bad, "b": 1, "c": 1})
    with pytest.raises(ValueError, match=message):
        net.fit(*rows)
    assert not hasattr(net, "n_features_in_") or isinstance(net, RegularizedLinearClassifier)


@pytest.mark.parametrize("model", CLASSIFIERS, ids=lambda m: type(m).__name__)
def test_class_weights_of_labels_that_are_no_classes(rows, model):
    message = r"has a weight for \['A'\], which is not among the classes .* and none for \['a'\]"
    with pytest.raises(ValueError, match=message):
        weighted(model, {"A": 2, "b": 1, "c": 1}).fit(*rows)
    with pytest.raises(ValueError, match="zero for every row: no rows are left"):
        weighted(model, {"a": 0, "b": 0, "c": 0}).fit(*rows)
    # A class that is not named has the weight 1; a rare class may be missing from these rows.
    weighted(model, {"a": 2}).fit(*rows)
    weighted(model, {"a": 2, "b": 1, "c": 1, "rare": 9}).fit(*rows)


def test_factors():
    codes, weight = np.array([0, 0, 0, 2]), np.array([1.0, 1.0, 2.0, 4.0])
    classes = np.array(["x", "y", "z"])
    assert class_factors(None, classes, codes) is None
    assert class_factors({"z": 3}, classes, codes).tolist() == [1, 1, 3]
    assert class_factors("balanced", classes, codes, weight).tolist() == [1, 0, 1]
    assert class_factors({True: 2, False: 1}, np.array([0, 1]), codes[:1]).tolist() == [1, 2]


@pytest.mark.parametrize("model", CLASSIFIERS + REGRESSORS, ids=lambda m: type(m).__name__)
@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.nan, "sample_weight has 1 entries that are NaN or infinity, the first in row 7: nan"),
        (np.inf, "sample_weight has 1 entries that are NaN or infinity, the first in row 7: inf"),
        (-1.0, r"Negative values in data passed to `sample_weight`: the least is -1, allowed"),
    ],
)
def test_sample_weights_that_are_no_weights(rows, model, bad, message, sparse):
    X, labels = rows
    y = labels if hasattr(model, "predict_proba") else X[:, 0]
    weight = np.ones(60)
    weight[7] = bad
    with pytest.raises(ValueError, match=message):
        clone(model).fit(sp.csr_array(X) if sparse else X, y, sample_weight=weight)


@pytest.mark.parametrize("model", CLASSIFIERS + REGRESSORS, ids=lambda m: type(m).__name__)
def test_sample_weights_that_are_all_zero(rows, model):
    X, labels = rows
    y = labels if hasattr(model, "predict_proba") else X[:, 0]
    with pytest.raises(ValueError, match="sample_weight is zero for every row: no rows are left"):
        clone(model).fit(X, y, sample_weight=np.zeros(60))


def test_weights_of_validation_rows_are_called_so(rows):
    X, y = rows
    for bad in (np.nan, -1.0):
        with pytest.raises(ValueError, match="sample_weight_val"):
            RegularizedMLPClassifier(**NET).fit(
                X, y, X_val=X[:2], y_val=y[:2], sample_weight_val=[1.0, bad]
            )


def test_weights_that_are_text(rows):
    for model in CLASSIFIERS:
        with pytest.raises(ValueError, match="sample_weight holds values that are not numbers"):
            clone(model).fit(*rows, sample_weight=["a"] * 60)


def test_l1_max_has_the_same_checks(rows):
    with pytest.raises(ValueError, match="has the weight -1 for the class 'a'"):
        l1_max(*rows, class_weight={"a": -1})
    with pytest.raises(ValueError, match="sample_weight has 60 entries that are NaN"):
        l1_max(*rows, sample_weight=np.full(60, np.nan))


def test_only_ratios_of_weights_matter(rows):
    X, _ = rows
    weight = np.random.default_rng(1).uniform(1, 2, size=60)
    found = [
        RegularizedMLPRegressor(**NET).fit(X, X[:, 0], sample_weight=size * weight).predict(X)
        for size in (1.0, 1e-300, 8e307)
    ]
    np.testing.assert_allclose(found[1], found[0], rtol=1e-5)
    np.testing.assert_allclose(found[2], found[0], rtol=1e-5)
    assert np.isfinite(check_sample_weight(8e307 * weight, X).sum())


@pytest.mark.parametrize("model", CLASSIFIERS + REGRESSORS, ids=lambda m: type(m).__name__)
def test_weights_of_other_shapes_and_kinds(rows, model):
    X, labels = rows
    y = labels if hasattr(model, "predict_proba") else X[:, 0]
    weight = np.arange(60) % 3 + 1.0
    weight[4] = 0.0
    known = clone(model).fit(X, y, sample_weight=weight).predict(X)
    for same in (pd.DataFrame({"w": weight}), weight.astype(object), pd.array(weight, "Float64")):
        found = clone(model).fit(X, y, sample_weight=same).predict(X)
        np.testing.assert_array_equal(found, known)
    message = r"sample_weight has the shape \(59,\), but X has 60 rows. Pass one number"
    with pytest.raises(ValueError, match=message):
        clone(model).fit(X, y, sample_weight=weight[:-1])
    # numpy would take both for numbers
    for odd in (weight + 1j, weight.astype("M8[D]")):
        with pytest.raises(ValueError, match="sample_weight holds values that are not numbers"):
            clone(model).fit(X, y, sample_weight=odd)


@pytest.mark.parametrize("model", CLASSIFIERS, ids=lambda m: type(m).__name__)
def test_only_the_ratios_of_weights_matter_whatever_their_size(rows, model):
    X, y = rows
    weight = np.random.default_rng(1).uniform(0.5, 2.0, 60)
    half, double = {"a": 0.5, "b": 1, "c": 1}, {"a": Fraction(1, 2), "b": 1, "c": 1}
    expected = weighted(model, half).fit(X, y, sample_weight=weight).predict_proba(X)
    sizes = [(double, 1.0), ({k: v * 1e307 for k, v in half.items()}, 1e300)]
    sizes += [({k: v * 1e-300 for k, v in half.items()}, 1e-305)]
    for class_weight, size in sizes:
        found = weighted(model, class_weight).fit(X, y, sample_weight=size * weight)
        np.testing.assert_allclose(found.predict_proba(X), expected, rtol=1e-5, atol=1e-6)


def test_a_class_weight_beyond_all_floats_is_refused(rows):
    with pytest.raises(ValueError, match="Allowed are finite numbers") as error:
        weighted(CLASSIFIERS[0], {"a": 10**400, "b": 1, "c": 1}).fit(*rows)
    assert len(str(error.value)) < 500
