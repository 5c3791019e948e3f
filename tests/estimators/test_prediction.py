"""Prediction: one row as in a table, compiled as by numpy, an ensemble as its nets, nothing left behind."""

from __future__ import annotations

import concurrent.futures
import copy
import pickle

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.base import clone

from skreg import (
    BaggedMLPClassifier,
    BaggedMLPRegressor,
    RegularizedMLPClassifier,
    RegularizedMLPRegressor,
)
from skreg.backends import prediction
from skreg.estimators import forward
from skreg.estimators.columns import read, read_to_predict

NET = {"hidden_layer_sizes": (9, 6), "max_iter": 2, "random_state": 0, "batch_norm": True}
FORMS = [np.array, np.asfortranarray, np.float32, sp.csr_array, sp.csr_matrix, pd.DataFrame]


def read_only(X):
    X = X.copy()
    X.flags.writeable = False
    return X


def unaligned(X):
    """In memory that begins one byte behind where a number may begin."""
    memory = np.zeros(X.nbytes + 1, dtype=np.uint8)[1:]
    out = memory.view(X.dtype).reshape(X.shape)
    out[:] = X
    assert not out.flags.aligned
    return out


@pytest.fixture
def compiled(monkeypatch):
    """The kernel for every table, however small."""
    pytest.importorskip("numba")
    choice = prediction._Choice()
    choice.kernel = prediction._load("float64")
    assert choice.kernel is not None
    monkeypatch.setattr(prediction, "LEAST", 0)
    monkeypatch.setitem(prediction._choices, "float64", choice)
    return choice


def by_numpy(monkeypatch):
    choice = prediction._Choice()
    choice.kernel = None
    monkeypatch.setitem(prediction._choices, "float64", choice)


@pytest.fixture(scope="module")
def net(X, y_real):
    return RegularizedMLPRegressor(**NET).fit(X, y_real)


@pytest.fixture(scope="module")
def new():
    return np.random.default_rng(5).normal(size=(301, 5))


# -- one net ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("activation", ["relu", "tanh", "silu", "selu"])
@pytest.mark.parametrize("embedding", [None, "periodic"])
def test_a_row_is_predicted_as_in_a_table(X, y_three, new, activation, embedding):
    options = {**NET, "activation": activation, "numeric_embedding": embedding}
    net = RegularizedMLPClassifier(**options).fit(X, y_three)
    table = net.predict_proba(new)
    rows = np.concatenate([net.predict_proba(new[i : i + 1]) for i in range(60)])
    np.testing.assert_allclose(rows, table[:60], rtol=0, atol=1e-12)
    np.testing.assert_allclose(net.predict_proba(new[::-1]), table[::-1], rtol=0, atol=1e-12)


@pytest.mark.parametrize("form", [*FORMS, read_only, unaligned])
def test_compiled_as_by_numpy(X, y_real, new, form, compiled, monkeypatch):
    new = np.where(np.abs(new) < 0.4, 0.0, new)
    net = RegularizedMLPRegressor(**NET).fit(form(X), y_real)
    found = net.predict(form(new))
    by_numpy(monkeypatch)
    np.testing.assert_allclose(found, net.predict(form(new)), rtol=1e-12)


def test_the_kernel_is_asked_once_a_call_and_for_the_whole_table(net, new, monkeypatch):
    asked = []
    monkeypatch.setattr(forward, "kernel_for", lambda waves, dtype: asked.append((waves, dtype)))
    monkeypatch.setattr(forward, "_MOST", 64)
    net.predict(new)
    assert asked == [(301 * 5 * 16, "float64")]


@pytest.mark.parametrize("form", [np.array, np.float32, sp.csr_array])
def test_threads_share_out_the_rows_of_a_large_table(X, y_three, new, form, monkeypatch):
    """In their order, whatever is left for the last part; an ensemble as well."""
    net = RegularizedMLPClassifier(**NET).fit(X, y_three)
    bag = BaggedMLPClassifier(clone(net), 3, random_state=0).fit(X, y_three)
    known = [model.predict_proba(form(new)) for model in (net, bag)]
    shared = []

    def watched(function, parts, number, inner=forward.side_by_side):
        shared.append((list(parts), number))
        return inner(function, parts, number)

    monkeypatch.setattr(forward, "side_by_side", watched)
    monkeypatch.setattr(forward, "available", lambda: 2)
    monkeypatch.setattr(forward, "_SHARED", 0)
    for model, proba in zip((net, bag), known, strict=True):
        np.testing.assert_allclose(model.predict_proba(form(new)), proba, rtol=0, atol=1e-13)
    assert shared == [([slice(i, i + 76) for i in (0, 76, 152, 228)], 2)] * 2
    monkeypatch.setattr(forward, "_SHARED", 1 << 40)
    net.predict_proba(form(new))
    assert len(shared) == 2  # one part, which needs no sharing


# -- what is kept between predictions ----------------------------------------------------------------


def test_to_predict_changes_no_attribute_and_no_pickle(net, new):
    fresh = pickle.loads(pickle.dumps(net))
    before, size = dict(vars(fresh)), len(pickle.dumps(fresh))
    known = fresh.predict(new)
    assert vars(fresh) == before
    assert all(vars(fresh)[name] is value for name, value in before.items())
    assert len(pickle.dumps(fresh)) == size
    for other in (copy.copy(fresh), copy.deepcopy(fresh), pickle.loads(pickle.dumps(fresh))):
        np.testing.assert_array_equal(other.predict(new), known)


def test_what_is_kept_is_used_again_and_goes_with_the_net(X, y_real, new):
    net = RegularizedMLPRegressor(**NET).fit(X, y_real)
    net.predict(new)
    kept = net._forward()
    assert net._forward() is kept
    n = len(forward._kept)
    del net
    assert len(forward._kept) == n - 1


def test_other_weights_are_other_predictions(X, y_real, new):
    net = RegularizedMLPRegressor(**NET, warm_start=True).fit(X, y_real)
    first = net.predict(new)
    copied = copy.copy(net)
    net.fit(X, y_real)
    assert np.abs(net.predict(new) - first).max() > 1e-3
    np.testing.assert_array_equal(copied.predict(new), first)
    before = net.predict(new)
    net.partial_fit(X, y_real)
    assert np.abs(net.predict(new) - before).max() > 1e-6
    net._params = copied._params
    np.testing.assert_allclose(net._raw(new), copied._raw(new), rtol=1e-12)
    with pytest.raises(Exception, match="not fitted yet"):
        clone(net).predict(new)


def test_coefs_are_copies(X, y_real, new):
    """As ever: to change them changes no prediction."""
    net = RegularizedMLPRegressor(**NET).fit(X, y_real)
    known, coef = net.predict(new), net.coefs_[1].copy()
    for part in (*net.coefs_, *net.intercepts_):
        part[:] = 0.0
    np.testing.assert_array_equal(net.coefs_[1], coef)
    np.testing.assert_array_equal(net.predict(new), known)


def test_large_nets_are_not_kept(X, y_real, new, monkeypatch):
    net = RegularizedMLPRegressor(**NET).fit(X, y_real)
    n_numbers = sum(a.size for a in net._params.values())
    for most, same in ((n_numbers, True), (n_numbers - 1, False)):
        monkeypatch.setattr(forward, "_MOST_KEPT", most)
        other = copy.copy(net)
        assert (other._forward() is other._forward()) is same


def test_threads_may_predict_at_once(X, y_three, new):
    net = RegularizedMLPClassifier(**NET).fit(X, y_three)
    bag = BaggedMLPClassifier(clone(net), 3, random_state=0).fit(X, y_three)
    for model in (net, bag):
        known = copy.copy(model).predict_proba(new)
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            for found in pool.map(model.predict_proba, [new] * 12):
                np.testing.assert_allclose(found, known, rtol=0, atol=1e-13)


# -- the short way through validation ---------------------------------------------------------------

BAD = {
    "infinite": lambda X: np.where(X > 1, np.inf, X),
    "both infinities": lambda X: np.where(X > 1, np.inf, np.where(X < -1, -np.inf, X)),
    "too few columns": lambda X: X[:, :4],
    "too many columns": lambda X: np.hstack([X, X]),
    "no rows": lambda X: X[:0],
    "one row as a vector": lambda X: X[0],
    "three dimensions": lambda X: X[None],
    "text": lambda X: np.full(X.shape, "oak"),
    "objects": lambda X: np.where(X > 1, "oak", X.astype(object)),
    "complex": lambda X: X * 1j,
    "dates": lambda X: np.zeros(X.shape, "datetime64[s]"),
}


# scikit-learn adds up infinities to find them.
@pytest.mark.filterwarnings("ignore:invalid value encountered in reduce:RuntimeWarning")
@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("kind", ["net", "ensemble"])
def test_bad_tables_are_refused_in_the_same_words(net, X, y_real, new, name, kind):
    model = net if kind == "net" else BaggedMLPRegressor(clone(net), 2).fit(X, y_real)
    bad = BAD[name](new)
    with pytest.raises((TypeError, ValueError)) as known:
        read(model, bad, "no_validation", None, reset=False, order=None)
    with pytest.raises(type(known.value)) as found:
        model.predict(bad)
    assert str(found.value) == str(known.value) != ""


@pytest.mark.parametrize(
    "dtype", [np.float64, np.float32, ">f8", "<f4", np.int64, bool, np.float16]
)
def test_good_tables_give_the_same(net, new, dtype):
    table = new.astype(dtype)
    table.flags.writeable = False
    known, _ = read(net, table, "no_validation", None, reset=False, order=None)
    found = read_to_predict(net, table)
    assert found.dtype == known.dtype
    np.testing.assert_array_equal(found, known)


def test_large_numbers_are_no_infinity(net):
    """Their sum is, in either precision."""
    for dtype in (np.float64, np.float32):
        large = np.full((3, 5), np.finfo(dtype).max, dtype)
        assert read_to_predict(net, large) is large


def test_names_of_columns_are_still_looked_at(X, y_real, new):
    net = RegularizedMLPRegressor(**NET).fit(pd.DataFrame(X, columns=list("abcde")), y_real)
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        net.predict(new)
    with pytest.raises(ValueError, match="The feature names should match"):
        net.predict(pd.DataFrame(new, columns=list("edcba")))


# -- ensembles --------------------------------------------------------------------------------------

BAGS = {
    "all columns": {},
    "some columns": {"max_features": 3},
    "columns twice": {"bootstrap_features": True},
    "by themselves": {"stopping": "member", "max_features": 4},
    "one": {"n_estimators": 1},
}


@pytest.mark.parametrize("setting", BAGS)
@pytest.mark.parametrize("form", FORMS)
def test_an_ensemble_is_the_mean_of_its_nets(X, y_three, new, setting, form, monkeypatch):
    """Also where members embed other columns, and where nets or rows do not all fit in one step.

    Members are given columns of the prepared table, which is the user's where nothing is scaled.
    """
    table, new = (np.where(np.abs(rows) < 0.5, 0.0, rows) for rows in (X, new))
    table[:, 1] = table[:, 1] > 0  # is not embedded
    options = {"n_estimators": 5, "random_state": 0, **BAGS[setting]}
    net = RegularizedMLPClassifier(**NET, scale_features=None)
    bag = BaggedMLPClassifier(net, **options).fit(form(table), y_three)
    dense = np.asarray(pd.DataFrame(form(new).toarray() if sp.issparse(form(new)) else form(new)))
    each = np.stack(
        [
            member.predict_proba(dense[:, columns])
            for member, columns in zip(bag.estimators_, bag.estimators_features_, strict=True)
        ]
    )
    for together, most in ((1 << 17, 4096), (2 * 301 * 20, 4096), (1, 70)):
        monkeypatch.setattr(forward, "_TOGETHER", together)
        monkeypatch.setattr(forward, "_MOST", most)
        found = bag.predict_proba(form(new))
        np.testing.assert_allclose(found, each.mean(axis=0), rtol=0, atol=1e-12)
        spread = bag.predict_std(form(new))
        np.testing.assert_allclose(spread, each.std(axis=0), rtol=0, atol=1e-12)
    row = bag.predict_proba(form(new)[:1] if form is not pd.DataFrame else form(new).iloc[:1])
    np.testing.assert_allclose(row[0], each[:, 0].mean(axis=0), rtol=0, atol=1e-12)


@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
@pytest.mark.parametrize("stopping", ["ensemble", "member"])
def test_each_net_has_its_units_and_its_range(X, y_real, new, loss, stopping, compiled):
    net = RegularizedMLPRegressor(**NET, loss=loss, clip=True)
    bag = BaggedMLPRegressor(net, 4, stopping=stopping, max_samples=0.3, random_state=0)
    bag.fit(X, np.abs(y_real))
    each = [member.predict(4 * new) for member in bag.estimators_]
    assert len({(one.min(), one.max()) for one in each}) > 1  # clipped, each at its own bounds
    np.testing.assert_allclose(bag.predict(4 * new), np.mean(each, axis=0), rtol=1e-12)
    np.testing.assert_allclose(bag.predict_std(4 * new), np.std(each, axis=0), atol=1e-10)


def test_an_ensemble_follows_its_nets(X, y_real, new):
    bag = BaggedMLPRegressor(RegularizedMLPRegressor(**NET), 3, random_state=0).fit(X, y_real)
    size, first = len(pickle.dumps(bag)), bag.predict(new)
    assert len(pickle.dumps(bag)) == size
    bag.estimators_ = bag.estimators_[:2]
    bag.estimators_features_ = bag.estimators_features_[:2]
    two = np.mean([member.predict(new) for member in bag.estimators_], axis=0)
    np.testing.assert_allclose(bag.predict(new), two, rtol=1e-12)
    assert np.abs(two - first).max() > 1e-6
