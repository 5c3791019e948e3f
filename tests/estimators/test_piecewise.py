"""numeric_embedding="piecewise": what it is good at, and who has to know its bins."""

from __future__ import annotations

import copy
import pickle
import sys

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from joblib import parallel_config
from scipy import stats
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, KFold

import skreg
from skreg import BaggedMLPRegressor, RegularizedMLPClassifier, RegularizedMLPRegressor
from skreg.net.piecewise import bin_edges

NET = {
    "hidden_layer_sizes": (6,),
    "scale_features": None,
    "numeric_embedding": "piecewise",
    "max_iter": 4,
    "random_state": 0,
}


@pytest.fixture(scope="module")
def mixed(X):
    """Five columns, of which 0, 2 and 4 have more than two values."""
    table = X.copy()
    table[:, 1] = np.where(X[:, 1] > 0, 1.7, -0.4)
    table[:, 3] = 3.0
    table[:, 4] = X[:, 4].round()  # few values, so fewer bins
    return table


@pytest.fixture(scope="module")
def net(mixed, y_real):
    options = {**NET, "hidden_layer_sizes": (6, 4), "dtype": "float64", "input_dropout": 0.1}
    return RegularizedMLPRegressor(**options).fit(mixed, y_real)


# -- the knob does what it says --------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_steps_of_a_column_are_learned_in_few_epochs(seed):
    """0 or 1 by the quarter of a column of a wide scale; waves and plain columns need many more."""
    rng = np.random.default_rng(seed)
    normal = rng.normal(size=(2, 600, 3))
    rows, new = np.exp(1.5 * normal) / 3
    edges = np.exp(1.5 * stats.norm.ppf([0.25, 0.5, 0.75])) / 3

    def steps(x):
        return np.digitize(x[:, 0], edges) % 2

    score = {}
    for embedding in (None, "periodic", "piecewise"):
        net = RegularizedMLPRegressor(
            (16,),
            scale_features=None,
            numeric_embedding=embedding,
            dropout=0.0,
            weight_decay=0.0,
            batch_norm=False,
            learning_rate_init=0.02,
            early_stopping=False,
            max_iter=15,
            random_state=seed,
        ).fit(rows, steps(rows))
        score[embedding] = net.score(new, steps(new))
    assert score["piecewise"] > 0.8
    assert score["periodic"] < 0.5
    assert score[None] < 0.5


def test_a_linear_model_with_bins_is_any_function_that_bends_at_their_edges():
    """Which a linear model without cannot be: the same column, a parabola."""
    x = np.linspace(-1, 1, 300)[:, None]
    options = {"hidden_layer_sizes": (), "early_stopping": False, "max_iter": 300}
    options |= {"weight_decay": 0.0, "learning_rate_init": 0.02}
    score = {
        name: RegularizedMLPRegressor(**{**NET, **options, "numeric_embedding": name})
        .fit(x, x[:, 0] ** 2)
        .score(x, x[:, 0] ** 2)
        for name in ("auto", "piecewise")
    }
    assert score["auto"] < 0.05
    assert score["piecewise"] > 0.99


# -- the bins --------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:On the validation rows this .* is worse than a constant")
def test_bins_are_those_of_the_training_rows_and_their_weights(mixed, y_real):
    weight = np.random.default_rng(0).integers(0, 3, 90)
    valid = 1.1 * mixed
    net = RegularizedMLPRegressor(**NET).fit(mixed, y_real, weight, X_val=valid, y_val=y_real)
    assert net.embedded_features_.tolist() == [0, 2, 4]
    repeated = np.repeat(mixed.astype(np.float32), weight, axis=0)
    expected = [bin_edges(repeated[:, j]) for j in (0, 2, 4)]
    np.testing.assert_array_equal(net._params["embed_edges"], expected)
    assert net._params["embed_edges"].dtype == np.float32


def test_training_does_not_move_them(net, mixed, y_real):
    longer = clone(net).set_params(max_iter=9).fit(mixed, y_real)
    np.testing.assert_array_equal(longer._params["embed_edges"], net._params["embed_edges"])
    assert (longer._params["embed_weight"] != net._params["embed_weight"]).any()


def test_sparse_rows_are_embedded_as_dense_ones(mixed, y_real):
    X = np.where(np.abs(mixed) < 0.3, 0.0, mixed)
    dense = RegularizedMLPRegressor(**NET, input_dropout=0.1).fit(X, y_real)
    sparse = clone(dense).fit(sp.csr_array(X), y_real)
    np.testing.assert_array_equal(sparse._params["embed_edges"], dense._params["embed_edges"])
    np.testing.assert_array_equal(sparse.predict(sp.csr_array(X)), dense.predict(X))


# -- what reads a net ------------------------------------------------------------------------------


def test_prediction_by_hand(net, mixed):
    """A line between the edges and beyond: that of a map of the encoding, by linear interpolation."""
    learned, parts = net._params, [mixed]
    rows = np.vstack([mixed, 2 * mixed])
    parts = [rows]
    for c, j in enumerate(net.embedded_features_):
        edges = np.unique(learned["embed_edges"][c])
        n = len(edges) - 1
        for weight, bias in zip(learned["embed_weight"][c], learned["embed_bias"][c], strict=True):
            heights = bias + np.append(0.0, np.cumsum(weight[:n]))
            inner = np.interp(rows[:, j], edges, heights)
            slopes = np.diff(heights) / np.diff(edges)
            inner += slopes[0] * np.minimum(rows[:, j] - edges[0], 0)
            inner += slopes[-1] * np.maximum(rows[:, j] - edges[-1], 0)
            parts.append(inner[:, None])
    a = np.hstack(parts)
    for W, b in zip(net.coefs_[:-1], net.intercepts_[:-1], strict=True):
        a = np.maximum(a @ W + b, 0.0)
    raw = (a @ net.coefs_[-1] + net.intercepts_[-1])[:, 0]
    by_hand = raw * net._target_scale[0] + net._target_mean[0]
    np.testing.assert_allclose(
        net.predict(rows), np.clip(by_hand, *net.target_range_[0]), rtol=1e-10
    )


def test_prediction_does_not_depend_on_the_chunks(net, mixed, monkeypatch):
    rows = np.tile(mixed, (3, 1))
    whole = net.predict(rows)
    # `skreg.net.piecewise` may be the function of that name.
    monkeypatch.setattr(sys.modules["skreg.net.piecewise"], "WAVES", 1)
    np.testing.assert_allclose(net.predict(rows), whole, rtol=1e-12)


def test_module_is_the_same_function(net, mixed):
    module = net.module_
    names = [type(m).__name__ for m in module]
    assert names[:3] == ["PiecewiseEmbedding", "ColumnDropout", "Linear"]
    with torch.no_grad():
        out = module(torch.from_numpy(mixed))[:, 0].numpy()
    np.testing.assert_allclose(out, net.predict(mixed), rtol=1e-10)


def test_predict_mc_drops_columns_whole(mixed, y_real):
    """Of a linear model with one column left: a share of the rows is at the intercept."""
    options = {**NET, "hidden_layer_sizes": (), "input_dropout": 0.4, "clip": False}
    net = RegularizedMLPRegressor(**options).fit(mixed[:, :1], y_real)
    mean, std = net.predict_mc(mixed[:, :1], 4000, random_state=0)
    prediction = net.predict(mixed[:, :1])
    rest = prediction - net._in_units(net.intercepts_[0])
    np.testing.assert_allclose(std, abs(rest) * np.sqrt(0.4 / 0.6), rtol=0.1)
    assert (np.abs(mean - prediction) < 5 * std / np.sqrt(4000)).all()


def test_summary_has_a_row(net):
    table = net.summary().frame()
    assert table["layer"].tolist()[:3] == ["PiecewiseEmbedding", "Dropout", "Linear"]
    assert table["parameters"][0] == 3 * (3 * 16 + 3)
    assert table["knobs"][0] == "numeric_embedding=piecewise of 3 columns"
    assert net.summary().n_parameters == sum(p.numel() for p in net.module_.parameters())


def test_travels(net, mixed):
    for other in (pickle.loads(pickle.dumps(net)), copy.deepcopy(net)):
        np.testing.assert_array_equal(other.predict(mixed), net.predict(mixed))


def test_callbacks_see_the_net_of_the_moment(mixed, y_real):
    from skorch.callbacks import Callback

    seen = []

    class Watch(Callback):
        def on_epoch_end(self, net, **kwargs):
            seen.append(net.module_[0].weight.detach().clone())

    net = RegularizedMLPRegressor(**NET, early_stopping=False, callbacks=[Watch()])
    net.fit(mixed, y_real)
    assert (seen[0] != seen[3]).any()
    np.testing.assert_array_equal(seen[3], net._params["embed_weight"])


# -- going on --------------------------------------------------------------------------------------


def test_partial_fits_equal_epochs(mixed, y_real):
    options = {"dtype": "float64", "early_stopping": False, "learning_rate": "constant"}
    by_calls = RegularizedMLPRegressor(**NET, **options)
    for _ in range(4):
        by_calls.partial_fit(mixed, y_real)
    at_once = clone(by_calls).set_params(ema_decay=0).fit(mixed, y_real)
    for name, values in at_once._params.items():
        np.testing.assert_allclose(by_calls._params[name], values, rtol=0, atol=1e-12)


def test_training_goes_on_with_the_bins_it_began_with(mixed, y_real):
    net = RegularizedMLPRegressor(**NET, warm_start=True).fit(mixed, y_real)
    edges = net._params["embed_edges"]
    net.fit(3 * mixed, y_real)
    np.testing.assert_array_equal(net._params["embed_edges"], edges)
    net.partial_fit(np.tile(mixed[:2], (5, 1)), np.tile(y_real[:2], 5))
    np.testing.assert_array_equal(net._params["embed_edges"], edges)


@pytest.mark.parametrize(("then", "now"), [("piecewise", "auto"), ("auto", "piecewise")])
def test_training_cannot_go_on_with_another_embedding(mixed, y_real, then, now):
    net = RegularizedMLPRegressor(**{**NET, "numeric_embedding": then}).fit(mixed, y_real)
    net.set_params(numeric_embedding=now)
    with pytest.raises(
        ValueError, match=r"numeric_embedding='p.*' and cannot go on with numeric_emb"
    ):
        net.partial_fit(mixed, y_real)


def test_refit_has_the_bins_of_all_rows(mixed, y_real):
    net = RegularizedMLPRegressor(**NET, refit=True, validation_fraction=30).fit(mixed, y_real)
    expected = [bin_edges(mixed[:, j].astype(np.float32)) for j in (0, 2, 4)]
    np.testing.assert_array_equal(net._params["embed_edges"], expected)


# -- searches and ensembles ------------------------------------------------------------------------


def test_a_batched_search_over_embeddings_equals_the_search(mixed, y_real):
    """Folds have other bins, in one stack; other embeddings are other stacks."""
    grid = {
        "numeric_embedding": [None, "periodic", "piecewise", "auto"],
        "input_noise": [0.0, 0.1],
    }
    net = RegularizedMLPRegressor(**NET, dtype="float64")
    search = GridSearchCV(net, grid, cv=KFold(2))
    serial = clone(search).fit(mixed, y_real)
    with parallel_config(backend="skreg"):
        batched = search.fit(mixed, y_real)
    assert sum(skreg.last_rounds()[0].members) == 16
    np.testing.assert_allclose(
        batched.cv_results_["mean_test_score"], serial.cv_results_["mean_test_score"], atol=1e-8
    )
    np.testing.assert_allclose(batched.predict(mixed), serial.predict(mixed), rtol=1e-8)


@pytest.mark.parametrize("stopping", ["ensemble", "member"])
def test_members_have_bins_of_their_own(mixed, y_real, stopping):
    """Where members stop together, one embeds what any other does: constant columns included."""
    bag = BaggedMLPRegressor(
        RegularizedMLPRegressor(**NET),
        n_estimators=4,
        max_features=0.6,
        stopping=stopping,
        random_state=0,
    ).fit(mixed, y_real)
    edges = [member._params["embed_edges"] for member in bag.estimators_]
    assert len({values.tobytes() for values in edges}) == 4
    assert np.isfinite(bag.predict(mixed)).all()


def test_an_embedding_that_does_not_exist_is_refused(X, y_three):
    with pytest.raises(
        ValueError, match=r"'numeric_embedding' .* must be None or a str among .*piecewise"
    ):
        RegularizedMLPClassifier(numeric_embedding="bins").fit(X, y_three)
