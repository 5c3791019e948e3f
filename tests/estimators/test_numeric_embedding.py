"""numeric_embedding: which columns, what they become, and who has to know."""

from __future__ import annotations

import copy
import pickle
import sys

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from joblib import parallel_config
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, KFold

import skreg
from skreg import BaggedMLPRegressor, RegularizedMLPClassifier, RegularizedMLPRegressor
from skreg.estimators.rows import numeric_columns

NET = {
    "hidden_layer_sizes": (6,),
    "scale_features": None,
    "numeric_embedding": "periodic",
    "max_iter": 4,
    "random_state": 0,
}


@pytest.fixture(scope="module")
def mixed(X):
    """Five columns, of which 0, 2 and 4 have more than two values."""
    table = X.copy()
    table[:, 1] = np.where(X[:, 1] > 0, 1.7, -0.4)  # a standardised 0 and 1
    table[:, 3] = 3.0
    return table


@pytest.fixture(scope="module")
def net(mixed, y_real):
    options = {**NET, "hidden_layer_sizes": (6, 4), "dtype": "float64", "input_dropout": 0.1}
    return RegularizedMLPRegressor(**options).fit(mixed, y_real)


# -- the knob does what it says --------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_a_small_net_learns_a_wave(seed):
    """sin(6 x) of one column among three, the same epochs with and without."""
    rng = np.random.default_rng(seed)
    rows, new = rng.normal(size=(2, 400, 3))
    score = {}
    for embedding in (None, "periodic"):
        net = RegularizedMLPRegressor(
            (16,),
            numeric_embedding=embedding,
            dropout=0.0,
            weight_decay=0.0,
            batch_norm=False,
            learning_rate_init=0.02,
            early_stopping=False,
            max_iter=80,
            random_state=seed,
        ).fit(rows, np.sin(6 * rows[:, 0]))
        score[embedding] = net.score(new, np.sin(6 * new[:, 0]))
    assert score["periodic"] > 0.7
    assert score[None] < 0.3


@pytest.mark.parametrize("container", [np.asarray, sp.csr_array])
def test_default_embeds_numeric_columns(mixed, y_real, container):
    net = RegularizedMLPRegressor(**{**NET, "numeric_embedding": "periodic"})
    default = clone(net).set_params(numeric_embedding="auto")
    assert RegularizedMLPRegressor().numeric_embedding == "auto"
    periodic, found = (one.fit(container(mixed), y_real) for one in (net, default))
    assert found.embedded_features_.tolist() == [0, 2, 4]
    np.testing.assert_array_equal(found.coefs_[0], periodic.coefs_[0])


def test_default_leaves_linear_models_and_wide_tables_alone(mixed, y_real, monkeypatch):
    net = RegularizedMLPRegressor(**{**NET, "numeric_embedding": "auto", "max_iter": 1})
    linear = clone(net).set_params(hidden_layer_sizes=()).fit(mixed, y_real)
    assert [w.shape for w in linear.coefs_] == [(5, 1)]
    rng = np.random.default_rng(0)
    for width, embedded in ((256, 256), (257, 0)):
        wide = net.fit(rng.normal(size=(90, width)), y_real)
        assert len(wide.embedded_features_) == embedded
        assert wide.coefs_[0].shape[0] == width + 3 * embedded


def test_default_goes_on_as_it_began(mixed, y_real):
    """Whatever later rows would have suggested."""
    for first, later in ((np.sign(mixed), mixed), (mixed, np.sign(mixed))):
        net = RegularizedMLPRegressor(**{**NET, "numeric_embedding": "auto"})
        began = net.partial_fit(first, y_real).embedded_features_.tolist()
        assert net.partial_fit(later, y_real).embedded_features_.tolist() == began


# -- which columns ---------------------------------------------------------------------------------


def test_columns_of_two_values_are_left_alone(net):
    assert net.embedded_features_.tolist() == [0, 2, 4]
    assert [w.shape for w in net.coefs_] == [(5 + 3 * 3, 6), (6, 4), (4, 1)]
    assert net.n_weights_ == 14 * 6 + 6 * 4 + 4


@pytest.mark.parametrize("container", [np.array, sp.csr_array, sp.csr_matrix], ids=str)
def test_numeric_columns(container):
    """Zeros count whether they are stored or not; rows beyond the first block count as well."""
    X = np.zeros((25_000, 8))
    X[1:, 1] = 1.0  # two values
    X[::2, 2] = -1.0
    X[1::2, 2] = 5.0  # two values, no zero
    X[::2, 3], X[3, 3] = -1.0, 2.0  # zero between two others
    X[-1, 4], X[-2, 4] = 1.0, 2.0  # in the last rows only
    X[:, 5] = 7.0  # one value
    X[::3, 6] = -1.0  # zero and another
    X[:, 7] = np.arange(25_000)
    assert numeric_columns(container(X)) == (3, 4, 7)


def test_entries_of_a_sparse_matrix_that_are_stored_twice():
    parts = sp.csr_array((np.array([0.5, 0.5, 1.0]), ([0, 0, 1], [0, 0, 0])), shape=(3, 1))
    twice = sp.csr_array(
        (np.array([0.5, 0.5, 1.0]), np.array([0, 0, 0]), np.array([0, 2, 3, 3])), shape=(3, 1)
    )
    assert not twice.has_canonical_format
    assert numeric_columns(twice) == numeric_columns(parts) == ()
    assert twice.nnz == 3, "the caller's matrix has not changed"


@pytest.mark.filterwarnings("ignore:X_val does not look like X:UserWarning")
@pytest.mark.filterwarnings("ignore:On the validation rows this .* is worse than a constant")
def test_training_rows_decide(mixed, y_real):
    """Held-out rows and those of weight zero may have more values."""
    valid = mixed.copy()
    valid[:, 1] = np.arange(90)
    weight = np.ones(90)
    weight[3] = 0
    rows = mixed.copy()
    rows[3, 1] = 99.0
    net = RegularizedMLPRegressor(**NET).fit(rows, y_real, weight, X_val=valid, y_val=y_real)
    assert net.embedded_features_.tolist() == [0, 2, 4]


def test_without_such_columns_it_is_the_net_without(mixed, y_real):
    X = mixed[:, [1, 3]]
    with_knob = RegularizedMLPRegressor(**NET).fit(X, y_real)
    without = RegularizedMLPRegressor(**{**NET, "numeric_embedding": None}).fit(X, y_real)
    assert with_knob.embedded_features_.tolist() == []
    np.testing.assert_array_equal(with_knob.predict(X), without.predict(X))
    assert len(with_knob.summary().rows) == len(without.summary().rows)


def test_sparse_rows_are_embedded_as_dense_ones(mixed, y_real):
    X = np.where(np.abs(mixed) < 0.3, 0.0, mixed)
    X[::7, 1] = 0.0
    dense = RegularizedMLPRegressor(**NET, input_dropout=0.1).fit(X, y_real)
    sparse = clone(dense).fit(sp.csr_array(X), y_real)
    assert sparse.embedded_features_.tolist() == [0, 1, 2, 4]  # a zero between two values
    np.testing.assert_array_equal(sparse.predict(sp.csr_array(X)), dense.predict(X))
    mean, _ = sparse.predict_mc(sp.csr_array(X), 5, random_state=0)
    np.testing.assert_array_equal(mean, dense.predict_mc(X, 5, random_state=0)[0])


# -- what reads a net ------------------------------------------------------------------------------


def test_prediction_by_hand(net, mixed, y_real):
    learned = net._params
    parts = [mixed]
    for c, j in enumerate(net.embedded_features_):
        angle = 2 * np.pi * np.outer(mixed[:, j], learned["embed_frequency"][c])
        waves = np.cos(angle + learned["embed_phase"][c])
        parts.append(waves @ learned["embed_weight"][c].T + learned["embed_bias"][c])
    a = np.hstack(parts)
    for W, b in zip(net.coefs_[:-1], net.intercepts_[:-1], strict=True):
        a = np.maximum(a @ W + b, 0.0)
    raw = (a @ net.coefs_[-1] + net.intercepts_[-1])[:, 0]
    by_hand = raw * net._target_scale[0] + net._target_mean[0]
    np.testing.assert_allclose(net.predict(mixed), by_hand, rtol=1e-12)


def test_prediction_does_not_depend_on_the_chunks(net, mixed, monkeypatch):
    whole = net.predict(np.tile(mixed, (3, 1)))
    # `skreg.net.periodic` is the function of that name.
    monkeypatch.setattr(sys.modules["skreg.net.periodic"], "WAVES", 1)
    np.testing.assert_allclose(net.predict(np.tile(mixed, (3, 1))), whole, rtol=1e-12)


def test_module_is_the_same_function(net, mixed):
    module = net.module_
    names = [type(m).__name__ for m in module]
    assert names[:3] == ["PeriodicEmbedding", "ColumnDropout", "Linear"]
    with torch.no_grad():
        out = module(torch.from_numpy(mixed))[:, 0].numpy()
    np.testing.assert_allclose(out, net.predict(mixed), rtol=1e-10)


def test_module_drops_columns_whole_in_training(net, mixed):
    x = torch.from_numpy(np.tile(mixed, (20, 1)))
    embed, drop = net.module_[:2]
    features = embed(x)
    assert torch.equal(drop.eval()(features), features)
    kept = drop.train()(torch.ones_like(features))
    assert 0.05 < (kept == 0).double().mean() < 0.15
    assert kept.max() == pytest.approx(1 / 0.9)
    for c, j in enumerate(net.embedded_features_):
        for made in range(5 + 3 * c, 8 + 3 * c):
            assert torch.equal(kept[:, made], kept[:, j])


def test_predict_mc_drops_columns_whole(mixed, y_real):
    """Of a linear model with one column left: a share of the rows is at the intercept."""
    options = {**NET, "hidden_layer_sizes": (), "input_dropout": 0.4}
    net = RegularizedMLPRegressor(**options).fit(mixed[:, :1], y_real)
    mean, std = net.predict_mc(mixed[:, :1], 4000, random_state=0)
    prediction = net.predict(mixed[:, :1])
    rest = prediction - net._in_units(net.intercepts_[0])
    np.testing.assert_allclose(std, abs(rest) * np.sqrt(0.4 / 0.6), rtol=0.1)
    assert (np.abs(mean - prediction) < 5 * std / np.sqrt(4000)).all()


def test_summary_has_a_row(net):
    table = net.summary().frame()
    assert table["layer"].tolist()[:3] == ["PeriodicEmbedding", "Dropout", "Linear"]
    assert table["output shape"][0] == "(None, 14)"
    assert table["parameters"][0] == 3 * (16 + 16 + 3 * 16 + 3)
    assert table["knobs"][0] == "numeric_embedding=periodic of 3 columns"
    assert net.summary().n_parameters == sum(p.numel() for p in net.module_.parameters())


def test_a_larger_scale_of_the_frequencies_finds_what_oscillates():
    """Ten waves over the column: with the usual start they are not found, with a larger one they are."""
    rng = np.random.default_rng(0)
    X = rng.uniform(-1.7, 1.7, size=(600, 1))
    y = np.sin(2 * np.pi * 3 * X[:, 0])
    options = {"hidden_layer_sizes": (32,), "dropout": 0.0, "max_iter": 30, "random_state": 0}
    options["scale_features"] = None
    scores = [
        RegularizedMLPRegressor(**options, embedding_scale=scale).fit(X, y).score(X, y)
        for scale in (0.1, 1.5)
    ]
    assert scores[0] < 0.5 and scores[1] > 0.9


@pytest.mark.parametrize("scale", [0.0, -1.0, "auto", None])
def test_a_scale_that_is_none_is_refused(mixed, y_real, scale):
    net = RegularizedMLPRegressor(**NET, embedding_scale=scale)
    with pytest.raises(ValueError, match=r"'embedding_scale' parameter .* must be a float"):
        net.fit(mixed, y_real)
    assert not hasattr(net, "n_features_in_")


@pytest.mark.filterwarnings("ignore:l[12] .* hidden layers with batch_norm=True:UserWarning")
def test_zero_weights_are_those_of_linear_layers(mixed, y_real):
    net = RegularizedMLPRegressor(**NET, l1=100.0).fit(mixed, y_real)
    assert net.n_zero_weights_ == net.n_weights_ == 14 * 6 + 6
    assert (net._params["embed_weight"] != 0).all()


def test_travels(net, mixed):
    sio = pytest.importorskip("skops.io")
    data = sio.dumps(net)
    trusted = [
        "skreg.estimators.columns.preparation.Preparation",
        "skreg.estimators.columns.preparation.Settings",
        "skreg.estimators.mlp.RegularizedMLPRegressor",
        "skreg.train.job.Spec",
    ]
    assert sorted(sio.get_untrusted_types(data=data)) == trusted
    for other in (
        sio.loads(data, trusted=trusted),
        pickle.loads(pickle.dumps(net)),
        copy.deepcopy(net),
    ):
        np.testing.assert_array_equal(other.predict(mixed), net.predict(mixed))
        np.testing.assert_array_equal(other.embedded_features_, net.embedded_features_)


def test_callbacks_see_the_net_of_the_moment(mixed, y_real):
    from skorch.callbacks import Callback

    seen = []

    class Watch(Callback):
        def on_epoch_end(self, net, **kwargs):
            seen.append(net.module_[0].frequency.detach().clone())

    net = RegularizedMLPRegressor(**NET, early_stopping=False, callbacks=[Watch()])
    net.fit(mixed, y_real)
    assert len(seen) == 4
    assert (seen[0] != seen[3]).any()
    np.testing.assert_array_equal(seen[3], net._params["embed_frequency"])


# -- going on --------------------------------------------------------------------------------------


def test_partial_fits_equal_epochs(mixed, y_real):
    options = {"dtype": "float64", "early_stopping": False, "learning_rate": "constant"}
    by_calls = RegularizedMLPRegressor(**NET, **options)
    for _ in range(4):
        by_calls.partial_fit(mixed, y_real)
    at_once = clone(by_calls).set_params(ema_decay=0).fit(mixed, y_real)
    for name, values in at_once._params.items():
        np.testing.assert_allclose(by_calls._params[name], values, rtol=0, atol=1e-12)


def test_training_goes_on_with_the_columns_it_began_with(mixed, y_real):
    """Whatever the values of later rows are."""
    net = RegularizedMLPRegressor(**NET, warm_start=True).fit(mixed, y_real)
    before = net._params["embed_frequency"]
    net.set_params(learning_rate_init=1e-6).fit(np.tile(mixed[:2], (45, 1)), y_real)
    assert net.embedded_features_.tolist() == [0, 2, 4]
    assert 0 < np.abs(net._params["embed_frequency"] - before).max() < 1e-3
    net.partial_fit(mixed[:2], y_real[:2])
    assert net.embedded_features_.tolist() == [0, 2, 4]


@pytest.mark.parametrize("then", [None, "periodic"])
def test_training_cannot_go_on_otherwise(mixed, y_real, then):
    now = "periodic" if then is None else None
    net = RegularizedMLPRegressor(**{**NET, "numeric_embedding": then}).fit(mixed, y_real)
    net.set_params(numeric_embedding=now)
    with pytest.raises(ValueError, match=f"numeric_embedding={then!r} and cannot go on with"):
        net.partial_fit(mixed, y_real)


def test_refit_embeds_the_same_columns(mixed, y_real):
    rows = mixed.copy()
    net = RegularizedMLPRegressor(**NET, refit=True, validation_fraction=30).fit(rows, y_real)
    assert net.embedded_features_.tolist() == [0, 2, 4]
    assert net.coefs_[0].shape == (14, 6)
    other = clone(net).set_params(refit=False).fit(rows, y_real)
    assert np.abs(net._params["embed_phase"] - other._params["embed_phase"]).max() > 0


# -- searches, ensembles, data frames ---------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:l[12] .* hidden layers with batch_norm=True:UserWarning")
def test_a_batched_search_equals_the_search(mixed, y_real):
    """Column 1 has two values in the rows of one fold and three in the other's: three shapes."""
    rows = mixed.copy()
    rows[0, 1] = 0.5
    options = {**NET, "dtype": "float64", "hidden_layer_sizes": (6,)}
    grid = {"numeric_embedding": [None, "periodic"], "l2": [0.0, 0.1]}
    search = GridSearchCV(RegularizedMLPRegressor(**options), grid, cv=KFold(2))
    serial = clone(search).fit(rows, y_real)
    with parallel_config(backend="skreg"):
        batched = search.fit(rows, y_real)
    assert sum(skreg.last_rounds()[0].members) == 8
    assert len(skreg.last_rounds()[0].members) >= 3
    np.testing.assert_allclose(
        batched.cv_results_["mean_test_score"], serial.cv_results_["mean_test_score"], atol=1e-8
    )
    np.testing.assert_allclose(batched.predict(rows), serial.predict(rows), rtol=1e-8)


@pytest.mark.parametrize("stopping", ["ensemble", "member"])
def test_members_on_some_columns(mixed, y_real, stopping):
    """Members that stop together have one shape: where one embeds a place, all do."""
    bag = BaggedMLPRegressor(
        RegularizedMLPRegressor(**NET),
        n_estimators=4,
        max_features=0.6,
        stopping=stopping,
        random_state=0,
    ).fit(mixed, y_real)
    places = [member.embedded_features_.tolist() for member in bag.estimators_]
    own = [
        [i for i, column in enumerate(columns) if column in (0, 2, 4)]
        for columns in bag.estimators_features_
    ]
    assert len(set(map(tuple, own))) > 1
    union = sorted(set().union(*own))
    assert places == (own if stopping == "member" else [union] * 4)
    assert np.isfinite(bag.predict(mixed)).all()


def test_classifier_of_a_data_frame(mixed, y_three):
    table = pd.DataFrame(mixed, columns=list("abcde"))
    net = RegularizedMLPClassifier(**NET).fit(table, y_three)
    assert net.feature_names_in_[net.embedded_features_].tolist() == ["a", "c", "e"]
    np.testing.assert_allclose(net.predict_proba(table).sum(axis=1), 1.0, rtol=1e-12)
