"""Buffers of parameters, and where training starts."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from skreg.net.block import Block
from skreg.net.net import Net
from skreg.net.parameter import Parameter, Role
from skreg.train.job import Spec
from skreg.train.state import (
    Average,
    Buffer,
    Snapshot,
    State,
    initial_parameters,
    with_measured,
)
from tests.train.helpers import distance, make_job, make_spec

CPU = torch.device("cpu")


def net_of(sizes, batch_norm=True, embedded=None):
    """A net for so many columns, hidden units and outputs."""
    columns, *hidden, outputs = sizes
    options = {"batch_norm": batch_norm, "embedded": embedded}
    return Net.of(make_spec(hidden=tuple(hidden), n_outputs=outputs, **options), columns)


def filled(k=4, solver="adam", sizes=(3, 4, 2)):
    """A state in which no two numbers are equal."""
    state = State(net_of(sizes), k, solver, "float64", CPU)
    for i, buffer in enumerate([state.theta, state.running, *state.moments]):
        buffer.flat.copy_(torch.arange(len(buffer.flat)) + 1000.0 * i)
    return state


def test_initial_parameters_depend_on_the_seed_alone():
    net = net_of((3, 4, 2), batch_norm=False)
    one, same, other = (initial_parameters(net, Spec(), seed) for seed in (1, 1, 2))
    assert distance(one, same) == 0 < distance(one, other)


def test_embeddings_take_no_draws_from_the_weights():
    """Nor the weights of those: nets of equal seed differ in what one of them has alone."""
    sizes = (5, 4, 2)
    one = initial_parameters(net_of(sizes), Spec(), seed=0)
    other = initial_parameters(net_of((2, 4, 2), embedded=(1,)), Spec(), seed=0)
    assert distance(one, {name: other[name] for name in one}) == 0


def test_buffer_views_share_the_flat_memory():
    buffer = Buffer([("a", (2, 3)), ("b", (4,))], 5, torch.float64, CPU)
    assert buffer.flat.shape == (5 * (6 + 4),)
    buffer.flat.copy_(torch.arange(50))
    assert buffer.view["a"][1, 0, 0] == 6
    assert buffer.view["b"][0, 0] == 30
    assert buffer.member(4)["b"].tolist() == [46, 47, 48, 49]


def test_a_buffer_of_nothing():
    """A net without batch norm tracks nothing."""
    buffer = Buffer([], 3, torch.float64, CPU)
    assert buffer.take(torch.tensor([0])).view == {}
    assert buffer.member(0) == {}


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_take_keeps_everything_of_the_chosen_members(solver):
    state = filled(solver=solver)
    state.t[:] = 7, 8, 9, 10
    taken = state.take([3, 1])
    assert (taken.k, len(taken.moments)) == (2, {"adam": 2, "sgd": 1}[solver])
    assert taken.t.tolist() == [10, 8]
    for new, old in ((0, 3), (1, 1)):
        assert distance(taken.theta.member(new), state.theta.member(old)) == 0
        assert distance(taken.running.member(new), state.running.member(old)) == 0
        assert taken.optimiser(new)["t"] == 7 + old
        moments = zip(taken.optimiser(new)["moments"], state.optimiser(old)["moments"], strict=True)
        assert all(distance(a, b) == 0 for a, b in moments)
    taken.theta.flat.zero_()
    assert state.theta.flat.any(), "the old state has not moved"


def test_load_sets_one_member():
    state, other = filled(), filled()
    source = filled()
    arrays = {**source.theta.member(0), **source.running.member(0)}
    state.load(2, {**arrays, "optimiser": source.optimiser(0) | {"t": 11}})
    assert state.t.tolist() == [0, 0, 11, 0]
    assert distance(state.theta.member(2), source.theta.member(0)) == 0
    assert distance(state.optimiser(2)["moments"][1], source.optimiser(0)["moments"][1]) == 0
    assert distance(state.theta.member(1), other.theta.member(1)) == 0


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_states_join(solver):
    """Members of the one, then those of the other, with all that they carry."""
    one, other = filled(solver=solver), filled(solver=solver).take([2, 0])
    one.t[:], other.t[:] = 3, (8, 9)
    both = one.join(other)
    assert (both.k, both.t.tolist()) == (6, [3, 3, 3, 3, 8, 9])
    for k, (state, place) in enumerate([*((one, i) for i in range(4)), (other, 0), (other, 1)]):
        assert distance(both.theta.member(k), state.theta.member(place)) == 0
        assert distance(both.running.member(k), state.running.member(place)) == 0
        moments = zip(both.optimiser(k)["moments"], state.optimiser(place)["moments"], strict=True)
        assert all(distance(a, b) == 0 for a, b in moments)


@pytest.mark.parametrize("places", [None, [0, 2]])
def test_snapshot_keeps_chosen_members(places):
    state = filled()
    snapshot = Snapshot(state)
    before = [snapshot.member(k) for k in range(4)]
    for buffer in (state.theta, state.running):
        buffer.flat.neg_()
    assert distance(snapshot.member(0), before[0]) == 0
    snapshot.keep(state, places)
    for k in range(4):
        moved = places is None or k in places
        now = {**state.theta.member(k), **state.running.member(k)}
        assert distance(snapshot.member(k), now if moved else before[k]) == 0
    assert distance(snapshot.take([2]).member(0), snapshot.member(2)) == 0


def test_members_are_chosen_where_the_host_does_not_look():
    state = filled()
    snapshot = Snapshot(state)
    before = snapshot.members(range(4))
    for buffer in (state.theta, state.running):
        buffer.flat.neg_()
    snapshot.keep_where(state, torch.tensor([True, False, False, True]))
    now = [{**state.theta.member(k), **state.running.member(k)} for k in range(4)]
    for k, kept in enumerate(snapshot.members(range(4))):
        assert distance(kept, now[k] if k in (0, 3) else before[k]) == 0


def test_members_are_handed_out_as_copies():
    state = filled()
    first, second = state.theta.members([2, 0])
    assert distance(first, state.theta.member(2)) == 0
    second["weight_0"][:] = 7
    assert distance(state.theta.member(0), second) > 0


def test_a_state_on_a_device_is_the_same(monkeypatch):
    """The same numbers and views, as the flat numbers are sent as a whole."""
    state = filled()
    state.t[:] = 5
    sent = state.to(torch.device("meta"))
    assert sent.t.tolist() == [5] * 4
    assert (sent.k, sent.theta.flat.device.type) == (4, "meta")
    assert {n: v.shape for n, v in sent.theta.view.items()} == {
        n: v.shape for n, v in state.theta.view.items()
    }
    here = state.to(CPU)
    assert distance(here.theta.member(3), state.theta.member(3)) == 0


def averages(epochs, decay):
    """Means of each member after epochs whose parameters are all 1, 2, ... and what they should be."""
    state = filled(k=len(decay))
    average, expected = Average(state), None
    for epoch in range(epochs):
        for buffer in (state.theta, state.running):
            buffer.flat.fill_(epoch + 1.0)
        average.update(state, np.array(decay), epoch)
        kept = np.minimum(decay, epoch / (epoch + 1))
        expected = epoch + 1.0 if expected is None else kept * expected + (1 - kept) * (epoch + 1.0)
    return average, expected


def test_average_begins_as_a_mean():
    average, _ = averages(4, [0.0, 0.5, 0.9])
    values = [average.member(k)["weight_0"][0, 0] for k in range(3)]
    assert values == pytest.approx([4, 3.125, 2.5])


def test_average_is_that_of_its_formula():
    average, expected = averages(60, [0.0, 0.5, 0.8, 0.95])
    assert expected[0] == 60 and expected[0] > expected[1] > expected[2] > expected[3]
    # Of an arithmetic series the mean lags behind by decay / (1 - decay) in the end.
    assert expected[2] == pytest.approx(60 - 4, abs=0.05)
    for k, value in enumerate(expected):
        for values in average.member(k).values():
            np.testing.assert_allclose(values, value, rtol=1e-14)


def test_average_of_some_members_leaves_the_others():
    state = filled()
    average = Average(state)
    before = [average.member(k) for k in range(4)]
    for buffer in (state.theta, state.running):
        buffer.flat.neg_()
    state.theta.view["weight_0"][0] = 0
    average.update(state, np.full(4, 0.5), 20, index=[1, 3])
    for k in range(4):
        assert (distance(average.member(k), before[k]) == 0) == (k in (0, 2))
    assert distance(average.take([3]).member(0), average.member(3)) == 0


def test_average_keeps_zeros_that_l1_makes():
    state = filled()
    average = Average(state)
    state.theta.view["weight_0"][1, 2, 0] = 0
    average.update(state, np.full(4, 0.5), 20)
    zero = average.theta.view["weight_0"] == 0
    assert zero[1, 2, 0] and zero.sum() == 1 + (state.theta.view["weight_0"][0, 0, 0] == 0)


def test_what_is_fixed_is_measured_where_it_is_not_given():
    class Middle(Block):
        def parameters(self):
            return [Parameter("middle", (4,), Role.FIXED)]

        def measure(self, X, weight):
            return {"middle": np.average(X, axis=0, weights=weight)}

    net = Net([Middle(), *net_of((4, 3, 1)).blocks])
    assert net.fixed() == ["middle"]
    assert net.carried() == [*net.tracked(), ("middle", (4,))]
    job = make_job(weighted=True)
    drawn = initial_parameters(net, Spec(), 0)
    state = State(net, 2, "adam", "float64", CPU)
    given = {**drawn, "middle": np.arange(4.0)}
    for k, params in enumerate((drawn, given)):
        state.load(k, with_measured(net, params, job))
    mean = np.average(job.X, axis=0, weights=job.sample_weight)
    np.testing.assert_allclose(state.running.member(0)["middle"], mean)
    np.testing.assert_array_equal(state.running.member(1)["middle"], np.arange(4.0))
