"""Piecewise linear embeddings of columns."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from skreg.net.net import Net
from skreg.net.piecewise import N_BINS, Piecewise, PiecewiseEmbedding, bin_edges, piecewise
from tests.train.helpers import make_spec

EDGES = np.array([[-1.0, 0.0, 4.0, 5.0]])


def encoded(values, edges=EDGES):
    """The encoding itself, (values, bins): behind it stands the identity."""
    edges = torch.from_numpy(edges)[None]
    t = edges.shape[2] - 1
    x = torch.tensor(values, dtype=torch.float64).view(1, -1, 1)
    identity, zero = torch.eye(t).double().view(1, 1, t, t), torch.zeros(1, 1, t).double()
    return piecewise(x, torch.tensor([0]), edges, identity, zero)[0, 1:].T.numpy()


# -- edges -----------------------------------------------------------------------------------------


def test_edges_are_quantiles():
    """Of 16 n values 0, 1, ... each bin has n of them, its right edge included."""
    column = np.random.default_rng(0).permutation(16 * 5).astype(float)
    edges = bin_edges(column)
    assert edges.tolist() == [0, *range(4, 80, 5)]
    assert len(edges) == N_BINS + 1


def test_equal_quantiles_are_one_edge_and_the_last_fills_up():
    column = np.array([0.0] * 90 + [1.0] * 5 + [2.0] * 5)
    assert bin_edges(column, n_bins=4).tolist() == [0, 2, 2, 2, 2]
    assert bin_edges(column, n_bins=20).tolist() == [0, 1, *[2] * 19]
    assert bin_edges(np.full(7, 3.0), n_bins=2).tolist() == [3, 3, 3]


def test_a_row_of_weight_two_is_the_row_twice():
    rng = np.random.default_rng(1)
    for _ in range(50):
        column, times = rng.normal(size=31).round(1), rng.integers(1, 4, 31)
        weight = times / times.mean()  # as a job has them
        np.testing.assert_array_equal(bin_edges(column, weight), bin_edges(column.repeat(times)))
        np.testing.assert_array_equal(bin_edges(column, np.ones(31)), bin_edges(column))


def test_bins_that_are_too_narrow_to_divide_by_are_none():
    column = np.array([0.0, 1e-45, 1.0, 2.0], dtype=np.float32)
    edges = bin_edges(column, n_bins=4)
    assert edges.dtype == np.float32
    assert edges.tolist() == [0, 1, 2, 2, 2]


def test_edges_of_a_sparse_matrix_are_those_of_the_dense_one():
    X = np.random.default_rng(0).poisson(2.0, size=(60, 4)).astype(float)
    block = Piecewise((0, 3), 4, before_norm=False)
    weight = np.random.default_rng(1).uniform(0.5, 1.5, 60)
    dense = block.measure(X, weight)["embed_edges"]
    assert dense.shape == (2, N_BINS + 1)
    np.testing.assert_array_equal(dense[1], bin_edges(X[:, 3], weight))
    for container in (sp.csr_array, sp.csr_matrix):
        np.testing.assert_array_equal(block.measure(container(X), weight)["embed_edges"], dense)


# -- encoding --------------------------------------------------------------------------------------


def test_known_answers():
    """Edges -1, 0, 4, 5: below, on an edge, inside, above; equation 1 of the paper."""
    known = {
        -1.0: [0, 0, 0],
        -0.25: [0.75, 0, 0],
        0.0: [1, 0, 0],
        1.0: [1, 0.25, 0],
        4.0: [1, 1, 0],
        4.5: [1, 1, 0.5],
        5.0: [1, 1, 1],
        # beyond the edges the outer bins go on as lines
        -3.0: [-2, 0, 0],
        7.0: [1, 1, 3],
    }
    np.testing.assert_allclose(encoded(list(known)), list(known.values()), atol=1e-15)


def test_bins_without_width_are_zero_and_a_single_bin_is_a_line():
    edges = np.array([[1.0, 3.0, 3.0, 3.0]])
    assert encoded([0.0, 2.0, 5.0], edges).tolist() == [[-0.5, 0, 0], [0.5, 0, 0], [2, 0, 0]]
    assert not encoded([0.0, 2.0, 5.0], np.full((1, 4), 2.0)).any()


def test_any_function_that_bends_at_the_edges_is_a_map_of_the_encoding():
    """With weights the rises between the edges, linear interpolation."""
    edges = bin_edges(np.random.default_rng(0).normal(size=500))
    heights = np.random.default_rng(1).normal(size=N_BINS + 1)
    values = np.linspace(edges[0], edges[-1], 200)
    found = heights[0] + encoded(values, edges[None]) @ np.diff(heights)
    np.testing.assert_allclose(found, np.interp(values, edges, heights), atol=1e-12)


def parameters(k, m, q=2, seed=0):
    rng = np.random.default_rng(seed)
    edges = np.sort(rng.normal(size=(k, m, 6)), axis=2)
    edges[:, 0, -2:] = edges[:, 0, -1:]  # fewer bins
    arrays = edges, rng.normal(size=(k, m, q, 5)), rng.normal(size=(k, m, q))
    return [torch.from_numpy(a) for a in arrays]


@pytest.mark.parametrize("shared", [True, False])
def test_members_and_columns_have_bins_and_maps_of_their_own(shared):
    k, b, columns = 3, 40, [2, 0]
    edges, weight, bias = parameters(k, 2)
    x = torch.from_numpy(np.random.default_rng(5).normal(size=(1 if shared else k, b, 4)))
    out = piecewise(x, torch.tensor(columns), edges, weight, bias)
    assert out.shape == (k, 4 + 2 * 2, b)
    for member in range(k):
        rows = x[0 if shared else member]
        torch.testing.assert_close(out[member, :4].T, rows)
        for c, j in enumerate(columns):
            e = torch.from_numpy(encoded(rows[:, j].tolist(), edges[member, c : c + 1].numpy()))
            known = e @ weight[member, c].T + bias[member, c]
            torch.testing.assert_close(out[member, 4 + 2 * c : 6 + 2 * c].T, known)


def test_module_is_the_function():
    edges, weight, bias = (values[0] for values in parameters(1, 2))
    module = PiecewiseEmbedding([3, 1], edges, weight, bias)
    x = torch.from_numpy(np.random.default_rng(5).normal(size=(30, 4)))
    known = piecewise(x[None], torch.tensor([3, 1]), edges[None], weight[None], bias[None])
    torch.testing.assert_close(module(x), known[0].T)
    assert {name for name, _ in module.named_parameters()} == {"weight", "bias"}


def test_gradients_are_those_of_differences():
    """Of the map; between the kinks, in float64."""
    edges, weight, bias = parameters(2, 2)
    x = torch.from_numpy(np.random.default_rng(2).standard_normal((2, 3, 3)))
    values = weight.requires_grad_(), bias.requires_grad_()
    columns = torch.tensor([0, 2])
    assert torch.autograd.gradcheck(lambda *p: piecewise(x, columns, edges, *p), values)


# -- the net ---------------------------------------------------------------------------------------


def test_what_a_net_has_of_it():
    spec = make_spec(hidden=(4,), embedded=(0, 2), embedding="piecewise")
    net, plain = Net.of(spec, 3), Net.of(make_spec(hidden=(4,)), 9)
    own = {"embed_weight": (2, 3, 16), "embed_bias": (2, 3)}
    assert dict(net.learned()) == {**dict(plain.learned()), **own}
    assert net.carried() == [("embed_edges", (2, 17))]
    assert (net.sizes, net.penalised) == (plain.sizes, plain.penalised)
    assert net.blocks[0].owner.tolist() == [0, 1, 2, 0, 0, 0, 2, 2, 2]
    assert net.flops == plain.flops + 2 * 6 * 4 + 4 * 16 * 6
    params = net.init(lambda purpose: np.random.default_rng(0), spec)
    for name in own:
        assert 0.15 < abs(params[name]).max() < 0.25
