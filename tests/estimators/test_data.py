"""Kinds of data that the estimators take."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.exceptions import DataConversionWarning

from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor
from skreg.train.feed import Feed, Table

QUICK = {"hidden_layer_sizes": (8,), "max_iter": 8, "random_state": 0}
#: Of sparse and dense tables alike.
BARE = {"scale_features": None}


def classifier(**options):
    return RegularizedMLPClassifier(**{**QUICK, **options})


def regressor(**options):
    return RegularizedMLPRegressor(**{**QUICK, **options})


# -- containers and dtypes -------------------------------------------------------------------------


def read_only(X):
    X = X.copy()
    X.flags.writeable = False
    return X


CONTAINERS = {
    "list": lambda X: X.tolist(),
    "float32": lambda X: X.astype(np.float32),
    "float64": lambda X: X.astype(np.float64),
    "Fortran": np.asfortranarray,
    "read-only": read_only,
    "strided": lambda X: np.repeat(X, 2, axis=1)[:, ::2],
    "DataFrame": lambda X: pd.DataFrame(X, columns=list("abcde")),
    "Float32 with NA": lambda X: pd.DataFrame(X).astype("Float32"),
    "CSR": sp.csr_array,
    "CSR matrix": sp.csr_matrix,
    "CSC": sp.csc_array,
    "COO": sp.coo_array,
}


@pytest.fixture(scope="module")
def rounded(X):
    """Numbers that float32 holds exactly, a third of them zero."""
    return np.where(np.abs(X) < 0.4, 0.0, np.round(X * 8) / 8)


@pytest.mark.parametrize("container", CONTAINERS)
def test_containers_of_equal_content_give_equal_nets(rounded, y_three, container):
    data = CONTAINERS[container](rounded)
    known = classifier(**BARE).fit(rounded, y_three)
    net = classifier(**BARE).fit(data, y_three)
    for weight, expected in zip(net.coefs_, known.coefs_, strict=True):
        np.testing.assert_array_equal(weight, expected)
    np.testing.assert_allclose(
        net.predict_proba(data), known.predict_proba(rounded), rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("dtype", [np.int64, np.int8, np.uint16, bool])
def test_integers_are_numbers(X, y_real, dtype):
    table = np.clip(np.round(np.abs(X) * 3), 0, 1 if dtype is bool else 100)
    known = regressor().fit(table, y_real).predict(table)
    net = regressor().fit(table.astype(dtype), y_real.astype(np.float32).astype(np.float64))
    np.testing.assert_allclose(net.predict(table.astype(dtype)), known, rtol=1e-5)


def test_sparse_rows_are_made_dense_a_minibatch_at_a_time(X, y_binary, monkeypatch):
    sizes = []
    take = Table.take

    def spy(self, index, out):
        sizes.append(len(index))
        return take(self, index, out)

    def whole(self):
        raise AssertionError("the whole table is made dense")

    table = sp.csr_array(X.repeat(4, axis=0))
    net = classifier(batch_size=32, early_stopping=False, max_iter=2)
    net.fit(table, y_binary.repeat(4))  # the first of its kind examines the kernels, on other rows
    monkeypatch.setattr(Table, "take", spy)
    net.fit(table, y_binary.repeat(4))
    assert len(sizes) == 2 * 12  # 360 rows
    assert max(sizes) == 32  # padded from 30
    assert net.predict(table).shape == (360,)


def test_sparse_equals_dense_with_input_dropout_and_validation(rounded, y_binary):
    net = classifier(**BARE, input_dropout=0.2, refit=True)
    dense = clone(net).fit(rounded, y_binary)
    sparse = clone(net).fit(sp.csr_array(rounded), y_binary)
    np.testing.assert_array_equal(dense.coefs_[0], sparse.coefs_[0])
    # Validated a member at a time and all at once.
    np.testing.assert_allclose(dense.validation_scores_, sparse.validation_scores_, rtol=1e-6)


def test_feature_names(X, y_binary):
    frame = pd.DataFrame(X, columns=list("abcde"))
    net = classifier().fit(frame, y_binary)
    assert net.feature_names_in_.tolist() == list("abcde")
    assert net.n_features_in_ == 5
    with pytest.raises(ValueError, match="feature names should match"):
        net.predict(frame[list("edcba")])
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        net.predict(X)
    nameless = classifier().fit(X, y_binary)
    assert not hasattr(nameless, "feature_names_in_")
    with pytest.raises(ValueError, match="X has 4 features, but RegularizedMLPClassifier"):
        nameless.predict(X[:, :4])


# -- targets ---------------------------------------------------------------------------------------


def test_binary(X, y_binary):
    net = classifier(**BARE, max_iter=40, learning_rate_init=0.02).fit(X, y_binary)
    p = net.predict_proba(X)
    assert p.shape == (90, 2)
    np.testing.assert_allclose(p.sum(axis=1), 1.0, rtol=1e-12)
    np.testing.assert_array_equal(net.predict(X), net.classes_[p.argmax(axis=1)])
    np.testing.assert_allclose(np.exp(net.predict_log_proba(X)), p, rtol=1e-12)
    np.testing.assert_array_equal(net.decision_function(X) > 0, p[:, 1] > 0.5)
    assert net.decision_function(X).shape == (90,)
    assert net.score(X, y_binary) > 0.8
    assert net.n_outputs_ == 1


def test_multiclass(X, y_three):
    net = classifier(max_iter=40, learning_rate_init=0.02).fit(X, y_three)
    p = net.predict_proba(X)
    assert p.shape == net.decision_function(X).shape == (90, 3)
    np.testing.assert_allclose(p.sum(axis=1), 1.0, rtol=1e-12)
    np.testing.assert_allclose(np.exp(net.predict_log_proba(X)), p, rtol=1e-12)
    assert net.score(X, y_three) > 0.7


def test_log_probabilities_do_not_underflow(X, y_binary, y_three, y_labels):
    for y in (y_binary, y_three, y_labels):
        net = classifier(**BARE, max_iter=40, learning_rate_init=0.05).fit(X, y)
        far = net.predict_log_proba(1e6 * X)
        assert np.isfinite(far).all()
        assert far.min() < -1000


def test_multilabel(X, y_labels):
    net = classifier(max_iter=60, learning_rate_init=0.03).fit(X, y_labels)
    assert net.classes_.tolist() == [0, 1, 2]
    p = net.predict_proba(X)
    assert p.shape == net.decision_function(X).shape == y_labels.shape
    np.testing.assert_array_equal(net.predict(X), (p > 0.5).astype(int))
    np.testing.assert_allclose(np.exp(net.predict_log_proba(X)), p, rtol=1e-12)
    assert net.score(X, y_labels) > 0.5
    sparse = classifier(max_iter=60, learning_rate_init=0.03).fit(X, sp.csr_array(y_labels))
    np.testing.assert_array_equal(sparse.predict_proba(X), p)


def test_multilabel_is_one_net_of_independent_log_losses(X, y_labels):
    """Without hidden layer nothing is shared, so each label is a model of its own."""
    options = {
        "hidden_layer_sizes": (),
        "early_stopping": False,
        "dtype": "float64",
        "solver": "sgd",
        "learning_rate_init": 0.5,
        "batch_size": 90,
        "l2": 0.01,
        "weight_decay": 0.0,
    }
    together = classifier(**options).fit(X, y_labels).predict_proba(X)
    for k in range(3):
        alone = classifier(**options).fit(X, y_labels[:, k]).predict_proba(X)[:, 1]
        np.testing.assert_allclose(together[:, k], alone, rtol=0, atol=1e-10)


@pytest.mark.parametrize(
    "names",
    [np.array(["no", "yes"]), np.array(["b", "a", "c"], dtype=object), np.array([7, -1, 3])],
    ids=["str", "object", "numbers out of order"],
)
def test_labels_of_any_kind(X, y_binary, y_three, names):
    codes = y_binary if len(names) == 2 else y_three
    net = classifier(max_iter=40, learning_rate_init=0.02).fit(X, names[codes])
    np.testing.assert_array_equal(net.classes_, np.sort(names))
    assert net.score(X, names[codes]) > 0.7


def test_labels_of_a_categorical_column(X, y_three):
    names = np.array(["low", "mid", "high"])[y_three]
    net = classifier().fit(pd.DataFrame(X), pd.Series(names, dtype="category"))
    assert net.classes_.tolist() == ["high", "low", "mid"]


def test_one_class(X):
    net = classifier().fit(X, np.full(90, "only"))
    assert set(net.predict(X)) == {"only"}
    np.testing.assert_array_equal(net.predict_proba(X), np.ones((90, 1)))


def test_several_targets(X, y_real):
    y = np.column_stack([y_real, -3.0 * y_real + 1.0, X[:, 2]])
    net = regressor(max_iter=60, learning_rate_init=0.03).fit(X, y)
    assert net.predict(X).shape == (90, 3)
    assert net.n_outputs_ == 3
    assert net.score(X, y) > 0.5
    with pytest.raises(ValueError, match="y has 2 targets, but 3 were seen first"):
        net.partial_fit(X, y[:, :2])


def test_targets_do_not_mix(X, y_real):
    """Without hidden layer several targets are as many models."""
    y = np.column_stack([y_real, X[:, 2] ** 2])
    options = {
        "hidden_layer_sizes": (),
        "early_stopping": False,
        "dtype": "float64",
        "solver": "sgd",
        "learning_rate_init": 0.1,
        "l2": 0.01,
        "weight_decay": 0.0,
    }
    together = regressor(**options).fit(X, y).predict(X)
    for k in range(2):
        alone = regressor(**options).fit(X, y[:, k]).predict(X)
        np.testing.assert_allclose(together[:, k], alone, rtol=1e-10)


def test_column_target_is_flattened_with_a_warning(X, y_real, y_binary):
    for net, y in ((regressor(), y_real), (classifier(), y_binary)):
        with pytest.warns(DataConversionWarning, match="A column-vector y was passed"):
            net.fit(X, y[:, None])
        assert net.predict(X).shape == (90,)


def test_constant_target(X):
    net = regressor().fit(X, np.full(90, 1e8))
    np.testing.assert_allclose(net.predict(X), 1e8, rtol=1e-6)


def test_target_scale_does_not_matter(X, y_real):
    net = regressor(early_stopping=False, dtype="float64")
    here = clone(net).fit(X, y_real).predict(X)
    there = clone(net).fit(X, 1e-6 * y_real - 5.0).predict(X)
    np.testing.assert_allclose(there, 1e-6 * here - 5.0, rtol=0, atol=1e-12)


# -- little data -----------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("n", [1, 2, 3])
def test_few_rows(X, n, batch_norm):
    y = np.arange(n)
    net = classifier(batch_norm=batch_norm).fit(X[:n], y)
    assert np.isfinite(net.predict_proba(X)).all()
    net = regressor(batch_norm=batch_norm).fit(X[:n], y)
    assert np.isfinite(net.predict(X)).all()


def test_one_row_is_trained_without_validation(X):
    net = regressor(hidden_layer_sizes=()).fit(X[:1], [3.0])
    assert net.validation_scores_ is None
    np.testing.assert_allclose(net.predict(X[:1]), 3.0)


def test_one_feature(X, y_real):
    net = regressor(max_iter=40, learning_rate_init=0.02).fit(X[:, :1], y_real)
    assert net.score(X[:, :1], y_real) > 0.3


@pytest.mark.parametrize("n", [33, 65, 97])
def test_batch_norm_never_sees_a_minibatch_of_one_row(n):
    """Rows are spread evenly: 33 rows in minibatches of at most 32 are 17 and 16, not 32 and 1."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(n, 3)), rng.normal(size=n)
    net = regressor(batch_size=32, early_stopping=False, batch_norm=True).fit(X, y)
    assert np.isfinite(net.loss_curve_).all()
    sizes = []
    net.set_params(batch_size=2)  # would leave a single row
    epoch = Feed.epoch

    def spy(self, number, count=1):
        parts = epoch(self, number, count)
        sizes.extend((parts[2] > 0).sum(dim=2).flatten().tolist())  # what is no padding has a share
        return parts

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Feed, "epoch", spy)
        net.fit(X, y)
    assert min(sizes) >= 2


def test_a_batch_larger_than_the_table_is_the_table(X, y_real):
    options = {"early_stopping": False, "dtype": "float64"}
    whole = regressor(batch_size=90, **options).fit(X, y_real)
    larger = regressor(batch_size=5000, **options).fit(X, y_real)
    np.testing.assert_array_equal(whole.coefs_[0], larger.coefs_[0])


def test_column_without_spread(X, y_real):
    net = regressor().fit(np.column_stack([X, np.ones(90)]), y_real)
    assert np.isfinite(net.predict(np.column_stack([X, np.zeros(90)]))).all()


def test_many_rows_are_predicted_in_parts(X, y_real):
    net = regressor().fit(X, y_real)
    many = np.tile(X, (60, 1))
    np.testing.assert_allclose(net.predict(many), np.tile(net.predict(X), 60), rtol=1e-12)
