"""Modules of kinds that people bring: what is taken is right, and what cannot be is refused in words."""

from __future__ import annotations

import copy
import functools
import pickle
import random

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from torch import nn

from skreg import RegularizedNetClassifier, RegularizedNetRegressor
from tests.estimators.own.modules import (
    Counts,
    Gate,
    MakesTensors,
    NormAndRelu,
    Perceptron,
    Presets,
    Shifted,
    Singles,
    Weighted,
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(100, 10))
Y = (X[:, 0] > 0).astype(int)
T = X[:, 0] + X[:, 1]

QUICK = {"max_iter": 2, "batch_size": 50, "random_state": 0}


# -- what is taken ------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [3, 60_000])
def test_modules_of_single_precision_predict_in_it(rows):
    """Few rows are predicted in float64, where the module can be called in it."""
    net = RegularizedNetClassifier(Singles, **QUICK).fit(X, Y)
    many = np.resize(X, (rows, 10))
    module = net.module_
    with torch.no_grad():
        expected = module(torch.as_tensor(many, dtype=torch.float32)).numpy().ravel()
    assert_allclose(net.decision_function(many), expected, rtol=1e-4, atol=1e-6)
    assert net.predict_mc(X[:3], n_samples=4, random_state=0)[0].shape == (3, 2)
    with pytest.raises(
        ValueError, match=r"module=Singles fails in dtype='float64': .*dtype=x\.dtype"
    ):
        RegularizedNetClassifier(Singles, dtype="float64", **QUICK).fit(X, Y)


def test_modules_that_make_tensors_of_single_precision_can_be_called():
    net = RegularizedNetClassifier(MakesTensors, **QUICK).fit(X, Y)
    assert np.isfinite(net.predict_proba(X)).all()


class Lstm(nn.Module):
    """With the state that text books begin with."""

    def __init__(self, n_outputs=1):
        super().__init__()
        self.rnn = nn.LSTM(1, 4, batch_first=True)
        self.output = nn.Linear(4, n_outputs)

    def forward(self, x):
        begin = torch.zeros(1, x.size(0), 4), torch.zeros(1, x.size(0), 4)
        return self.output(self.rnn(x, begin)[0][:, -1])


@pytest.mark.filterwarnings("ignore:torch cannot call module=Lstm for several nets")
def test_a_text_books_lstm():
    net = RegularizedNetClassifier(Lstm, input_shape=(10, 1), **QUICK).fit(X, Y)
    with torch.no_grad():
        expected = net.module_(torch.as_tensor(X[:, :, None], dtype=torch.float32)).numpy().ravel()
    assert_allclose(net.decision_function(X), expected, rtol=1e-4, atol=1e-6)


def test_a_gate_is_no_probability():
    assert RegularizedNetClassifier(Gate, **QUICK).fit(X, Y).predict(X).shape == (100,)


def test_what_a_partial_function_has_is_set():
    net = RegularizedNetClassifier(functools.partial(Presets, n_features=3, n_outputs=2), **QUICK)
    (module, _) = net.fit(X, Y).module_
    assert (module.hidden.out_features, module.output.out_features) == (3, 2)


def test_buffers_of_floats_are_each_nets_own():
    make = functools.partial(Counts, dtype=torch.float32)
    one, other = (RegularizedNetRegressor(make, **QUICK).fit(X, T) for _ in range(2))
    assert_array_equal(one.predict(X), other.predict(X))
    assert one.loss_curve_ == other.loss_curve_
    assert 0 < one.module_[0].calls <= 2 * 2


@pytest.mark.parametrize("way", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
@pytest.mark.parametrize(
    ("module", "own"),
    [
        (functools.partial(copy.deepcopy, Perceptron(10, 1)), {}),
        (Shifted, {"module__shift": torch.arange(10.0)}),
        (Shifted, {"module__shift": torch.zeros(10, dtype=torch.float64)[::1]}),
    ],
)
def test_copies_go_on_where_tensors_are_parameters(way, module, own):
    net = RegularizedNetClassifier(module, **own, **QUICK).partial_fit(X, Y, classes=[0, 1])
    other = way(net).partial_fit(X, Y)
    assert_array_equal(other.predict_proba(X), net.partial_fit(X, Y).predict_proba(X))


def test_equal_instances_share_a_stack():
    from joblib import parallel_config
    from sklearn.model_selection import cross_val_score

    import skreg

    net = RegularizedNetClassifier(functools.partial(copy.deepcopy, Perceptron(10, 1)), **QUICK)
    with parallel_config(backend="skreg"):
        cross_val_score(net, X, Y, cv=4)
    members = skreg.last_rounds()[0].members
    assert sum(members) == 4 and len(members) <= 2  # one for each thread


WIDTH, SLOPE = 8, 0.1


def reads_globals(n_outputs):
    return nn.Sequential(nn.Linear(10, WIDTH), nn.LeakyReLU(SLOPE), nn.Linear(WIDTH, n_outputs))


def test_a_module_that_reads_something_else_by_now_is_looked_at_anew(monkeypatch):
    """As in a notebook, where a number at the top is changed and the cell run again."""
    net = RegularizedNetClassifier(reads_globals, **QUICK).fit(X, Y)
    narrow = copy.deepcopy(net)
    monkeypatch.setitem(globals(), "WIDTH", 16)
    assert net.fit(X, Y).module_[0].out_features == 16
    assert narrow.predict(X).shape == (100,)  # fitted with the other
    monkeypatch.setitem(globals(), "SLOPE", 0.9)
    assert net.fit(X, Y).module_[1].negative_slope == 0.9
    with pytest.raises(ValueError, match="cannot go on with module"):
        narrow.partial_fit(X, Y)


def test_a_net_whose_module_has_changed_since_says_so(monkeypatch):
    from skreg.net.net import _net
    from skreg.net.own.survey import survey_of

    net = RegularizedNetClassifier(reads_globals, **QUICK).fit(X, Y)
    monkeypatch.setitem(globals(), "WIDTH", 16)
    _net.cache_clear()
    survey_of.cache_clear()  # as in another process
    other = pickle.loads(pickle.dumps(net))
    with pytest.raises(ValueError, match="makes another module now than when this net was fitted"):
        other.predict(X)


# -- what is refused or said --------------------------------------------------------------------------


class InTraining(nn.Module):
    """Does something in training alone."""

    def __init__(self, what, n_outputs=1):
        super().__init__()
        self.linear, self.what = nn.Linear(10, n_outputs), what

    def forward(self, x):
        out = self.linear(x)
        return self.what(out) if self.training else out


def returns_two(out):
    return out, out


def asks_python(out):
    return out * 0 if random.random() < 0.5 else out


def asks_numpy(out):
    return out * float(np.random.random())


class Columns(nn.Module):
    """Returns a line an output."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(10, 2)

    def forward(self, x):
        return self.linear(x).T


class RowsAreTime(nn.Module):
    """A recurrent layer that takes rows for time steps."""

    def __init__(self, n_outputs=1):
        super().__init__()
        self.rnn, self.output = nn.LSTM(10, 4), nn.Linear(4, n_outputs)

    def forward(self, x):
        return self.output(self.rnn(x)[0])


def with_norm_and_relu(n_outputs):
    return nn.Sequential(nn.Linear(10, 16), NormAndRelu(16), nn.Linear(16, n_outputs))


def of_old_weight_norm(n_outputs):
    with torch.no_grad():
        return nn.utils.weight_norm(nn.Linear(10, n_outputs))


REFUSED = {
    "a batch norm with a forward of its own": (
        {"module": with_norm_and_relu},
        r"has the batch norm '1', whose class NormAndRelu has a forward of its own\. Use torch's layer",
    ),
    "a tuple in training": (
        {"module": InTraining, "module__what": returns_two},
        "module=InTraining returned tuple for 2 rows of shape .* in training",
    ),
    "Python's random numbers": (
        {"module": InTraining, "module__what": asks_python}, "draws random numbers of its own",
    ),
    "numpy's random numbers": (
        {"module": InTraining, "module__what": asks_numpy}, "draws random numbers of its own",
    ),
    "a buffer of whole numbers that changes": (
        {"module": Counts}, r"changes its buffer 'calls' in training, which is of int64\. .*zeros\(\(\)\)",
    ),
    "outputs by row": ({"module": Columns}, "for 3 rows of shape"),
    "rows as time": ({"module": RowsAreTime}, "module=RowsAreTime mixes rows.*batch_first=True"),
    "penalties on nothing": (
        {"module": Weighted, "module__plain": False, "l1": 5.0, "max_norm": 0.1},
        r"l1=5\.0, max_norm=0\.1 has nothing to act on: module=Weighted has no linear or convolution layer "
        r"whose weights are its own \(those of hidden are parametrized\)\. Set l1=0\.0 and max_norm=None",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("options", "match"), REFUSED.values(), ids=REFUSED)
def test_is_refused_before_training(options, match):
    net = RegularizedNetRegressor(**options, **QUICK)
    before = dict(vars(net))
    target = X[:, :2] if options["module"] is Columns else T
    with pytest.raises(ValueError, match=match):
        net.fit(X, target)
    assert vars(net) == before


def test_parametrized_layers_beside_plain_ones_are_said_to_have_no_penalty():
    net = RegularizedNetRegressor(Weighted, l2=0.1, **QUICK)
    with pytest.warns(
        UserWarning, match=r"l2=0\.1: the weights of hidden in module=Weighted are param"
    ):
        net.fit(X, T)
    assert np.isfinite(RegularizedNetRegressor(Weighted, **QUICK).fit(X, T).predict(X)).all()


def test_batch_statistics_are_no_mixture_of_rows():
    def make(n_outputs):
        norm = nn.BatchNorm1d(8, track_running_stats=False)
        return nn.Sequential(nn.Linear(10, 8), norm, nn.Linear(8, n_outputs))

    assert np.isfinite(RegularizedNetRegressor(make, **QUICK).fit(X, T).predict(X)).all()


class Lengths(nn.Module):
    """Rows of whole numbers, of lengths that are the numbers in front of the first zero."""

    def __init__(self, n_outputs=1):
        super().__init__()
        self.levels, self.rnn = nn.Embedding(5, 3), nn.GRU(3, 4, batch_first=True)
        self.output = nn.Linear(4, n_outputs)

    def forward(self, x):
        x = x.long()
        packed = nn.utils.rnn.pack_padded_sequence(
            self.levels(x), (x != 0).sum(1).cpu(), batch_first=True, enforce_sorted=False
        )
        return self.output(self.rnn(packed)[1][-1])


@pytest.mark.filterwarnings("ignore:torch cannot call module=Lengths for several nets")
def test_sequences_of_levels_with_lengths():
    """Neither random numbers nor zeros are such rows; ones are."""
    rows = RNG.integers(1, 5, size=(40, 6)).astype(float)
    rows[::2, 4:] = 0
    net = RegularizedNetRegressor(Lengths, **QUICK).fit(rows, rows.sum(axis=1))
    assert np.isfinite(net.predict(rows)).all()
