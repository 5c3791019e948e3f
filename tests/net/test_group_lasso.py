"""The group lasso: its proximal point, what its fixed points are, and that nothing undoes it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from skreg.net.block import Minibatch, SharedRows
from skreg.net.group_lasso import (
    FLOOR,
    MEAN,
    GroupLasso,
    group_numbers,
    lengths_of,
    norms,
    proximal_point,
    pull,
    value,
)
from skreg.net.net import Net
from tests.train.helpers import IMPLEMENTATIONS, assert_same_result, fit, make_job

both = pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
WIDE = torch.float64


def drawn(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


# -- the proximal point ---------------------------------------------------------------------------


def proximal_case(spread, dtype=WIDE):
    """Weights of 3 members, 5 units and 6 inputs in 3 groups, in a metric of such a spread."""
    w, groups = drawn(3, 5, 6), torch.tensor([0, 1, 1, 2, 0, 2])
    metric = 10.0 ** (spread * (drawn(3, 5, 6, seed=1).sigmoid() - 0.5))
    lengths = 10.0 ** drawn(3, 5, seed=2)
    share = torch.tensor([[0.5, 1.5, 0.99], [0.1, 0.1, 0.1], [3.0, 0.01, 30.0]])
    scale = metric * lengths.unsqueeze(2)
    c = share * norms(scale * w, groups, 3)  # from a share of 1 on a group is out
    return [w.to(dtype), metric.to(dtype), lengths.to(dtype), c.to(dtype), groups]


@pytest.mark.parametrize("spread", [0, 2, 8])
def test_the_proximal_point_satisfies_its_condition_of_optimality(spread):
    """metric (w - x) is c times the gradient of the norm; where x is zero it is shorter than c."""
    w, metric, lengths, c, groups = proximal_case(spread)
    x = proximal_point(w, metric, lengths, c, groups)
    slope = metric * (w - x) * lengths.unsqueeze(2)
    size = norms(x / lengths.unsqueeze(2), groups, 3)
    there = size > 0
    assert 0 < there.sum() < there.numel()
    unit = (x / lengths.unsqueeze(2)) / size.clamp(min=1e-300)[:, groups].unsqueeze(1)
    expected = unit * c[:, groups].unsqueeze(1)
    inside = there[:, groups].unsqueeze(1).expand_as(x)
    torch.testing.assert_close(slope[inside], expected[inside], rtol=1e-9, atol=1e-12)
    assert (norms(slope, groups, 3)[~there] <= c[~there]).all()
    assert not x[~inside].any()


def test_in_one_metric_it_is_the_closed_form():
    w, _, _, c, groups = proximal_case(0)
    one = torch.ones(3, 5, dtype=WIDE)
    x = proximal_point(w, torch.full_like(w, 4.0), one, c, groups)
    kept = (1 - c / 4 / norms(w, groups, 3)).clamp(min=0)
    torch.testing.assert_close(x, w * kept[:, groups].unsqueeze(1), rtol=1e-13, atol=0)


@pytest.mark.parametrize("spread", [0, 8])
def test_single_precision_finds_the_same_point(spread):
    x = proximal_point(*proximal_case(spread))
    small = proximal_point(*proximal_case(spread, torch.float32))
    torch.testing.assert_close(small.double(), x, rtol=2e-5, atol=1e-6)


# -- the penalty ------------------------------------------------------------------------------------


def block_of(groups=(0, 1, 1, 2), units=5, scaled=True):
    return GroupLasso(len(groups), np.array(groups), units, scaled=scaled)


def penalty_of(job, params):
    """The penalty of one net at its parameters, and what it is made of."""
    net = Net.of(job.spec, job.X.shape[1])
    block, p = (
        net.stepped["weight_0"],
        {n: torch.as_tensor(v).unsqueeze(0) for n, v in params.items()},
    )
    c = job.spec.group_l1 * torch.from_numpy(block.factors).unsqueeze(0)
    lengths = lengths_of(net.paths(p))
    arguments = p["weight_0"], lengths, c, torch.from_numpy(block.groups)
    return value(*arguments).item(), arguments


NETS = {
    "plain": {},
    "batch norm": {"batch_norm": True},
    "layer norm": {"layer_norm": True},
    "residual": {"hidden": (6, 6), "residual": True, "batch_norm": True},
}


@pytest.mark.parametrize("name", NETS)
def test_no_factor_between_layers_changes_the_penalty(name):
    """Neither one that the next layer takes back, nor one that a norm undoes."""
    job = (
        make_job(group_l1=0.3, hidden=(6, 6), **NETS[name])
        if "hidden" not in NETS[name]
        else make_job(group_l1=0.3, **NETS[name])
    )
    (result,) = fit([job], "reference")
    before, _ = penalty_of(job, result.params)
    changed = dict(result.params)
    if name == "plain":
        changed |= {"weight_0": changed["weight_0"] * 7, "weight_1": changed["weight_1"] / 7}
    else:
        changed["weight_0"] = changed["weight_0"] * 7
    if "variance_0" in changed:
        changed["variance_0"] = changed["variance_0"] * 49
    after, _ = penalty_of(job, changed)
    assert after == pytest.approx(before, rel=1e-3)
    changed["weight_2"] = changed["weight_2"] * 3
    assert penalty_of(job, changed)[0] == pytest.approx(3 * after, rel=1e-12)


def test_of_one_unit_it_is_the_linear_models():
    w, c, groups = (
        drawn(1, 1, 4),
        torch.tensor([[0.3, 0.2, 0.1]]).to(WIDE),
        torch.tensor([0, 1, 1, 2]),
    )
    no_floor = torch.full((1, 1), 1 / (1 + FLOOR), dtype=WIDE)
    one = torch.ones(1, 1, dtype=WIDE)
    torch.testing.assert_close(
        value(w, lengths_of(no_floor), c, groups), value(w, one, c, groups), rtol=1e-12, atol=0
    )


def test_paths_are_the_squares_of_all_products_of_weights():
    """The squared gradient of the outputs of the linear net of squared weights, by autograd."""
    job = make_job(group_l1=0.1, hidden=(3, 5), n_outputs=2)
    net = Net.of(job.spec, 4)
    p = {n: drawn(1, *shape) for n, shape in net.learned()}
    first = torch.eye(3, dtype=WIDE)
    through = first @ (p["weight_1"][0] ** 2).T @ (p["weight_2"][0] ** 2).T
    torch.testing.assert_close(net.paths(p)[0], through.sum(dim=1))


def test_the_pull_is_as_strong_as_the_penalty_along_the_weights_of_a_unit():
    w = drawn(2, 5, 4).requires_grad_()
    lengths, c = (
        drawn(2, 5, seed=1).exp(),
        torch.tensor([[0.3, 0.2, 0.1], [2.0, 1.0, 0.5]]).to(WIDE),
    )
    groups = torch.tensor([0, 1, 1, 2])
    (slope,) = torch.autograd.grad(value(w, lengths, c, groups).sum(), w)
    w = w.detach()
    along = ((slope - pull(w, lengths, c, groups)) * w).sum(dim=2)
    torch.testing.assert_close(along, torch.zeros_like(along), rtol=0, atol=1e-12)


def test_groups_are_numbered_by_what_inputs_were_made_of():
    assert group_numbers([4, 4, 9, 1]).tolist() == [1, 1, 2, 0]
    assert group_numbers([0, 2, 2, 1], ("b", "a", "b")).tolist() == [1, 1, 1, 0]


# -- training -----------------------------------------------------------------------------------------

OPTIONS = {
    "plain": {},
    "batch norm": {"batch_norm": True},
    "layer norm": {"layer_norm": True},
    "residual": {"hidden": (6, 6), "residual": True, "batch_norm": True},
    "linear": {"hidden": ()},
    "outputs": {"hidden": (), "loss": "multinomial", "n_outputs": 3},
    "sgd": {"solver": "sgd", "nesterov": False, "batch_norm": True},
    "nesterov": {"solver": "sgd", "nesterov": True},
    "embedded": {"embedded": (0, 2), "batch_norm": True},
    "categories": {"levels": (3, 20), "input_dropout": 0.3},
    "groups": {"feature_groups": (0, 1, 0, 2)},
    "owners": {"owners": (0, 0, 1, 2), "feature_groups": (5, 5, 1)},
    "all penalties": {"l1": 0.01, "l2": 0.1, "weight_decay": 0.2, "max_norm": 0.8},
}


def members(dtype="float64", **options):
    return [
        make_job(
            # In single precision epochs that are nearly equal may change places.
            n_val=20 if dtype == "float64" else 0,
            group_l1=strength,
            dtype=dtype,
            max_iter=6,
            epsilon=1e-3,
            seed=seed,
            **options,
        )
        for strength, seed in ((0.005, 0), (0.1, 0), (0.03, 3))
    ]


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_kernels_equal_the_reference(name, dtype):
    pytest.importorskip("numba")
    jobs = members(dtype, **OPTIONS[name])
    atol = 1e-9 if dtype == "float64" else 2e-4
    for one, other in zip(fit(jobs, "fused"), fit(jobs, "reference"), strict=True):
        assert_same_result(one, other, atol=atol)
        zero, also = (r.params["weight_0"] == 0 for r in (one, other))
        np.testing.assert_array_equal(zero, also)


@both
def test_a_member_is_the_same_alone(implementation):
    jobs = members(batch_norm=True)
    for job, result in zip(jobs, fit(jobs, implementation), strict=True):
        (alone,) = fit([job], implementation)
        exact = 0 if implementation == "fused" else 1e-10
        np.testing.assert_allclose(alone.params["weight_0"], result.params["weight_0"], atol=exact)


def smooth_gradient(job, params):
    """Gradient of the loss over all rows by the weights of the first layer, in training mode."""
    net = Net.of(job.spec, job.X.shape[1])
    names = [p.name for p in net.parameters if p.role.learned]
    p = {n: torch.from_numpy(v).unsqueeze(0) for n, v in params.items()}
    p |= {n: p[n].clone().requires_grad_() for n in names}
    x = torch.from_numpy(job.X).unsqueeze(0)
    n = len(job.X)
    batch = Minibatch(torch.full((1, n), 1 / n, dtype=WIDE), [None] * (len(job.spec.hidden) + 1))
    out = net.train(p, SharedRows.unshared(x), batch)
    loss = ((out[0, 0] - torch.from_numpy(job.y[:, 0])) ** 2).mean() / 2
    return torch.autograd.grad(loss, p["weight_0"])[0]


@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize("batch_norm", [False, True], ids=["plain", "batch_norm"])
def test_training_ends_where_the_condition_of_optimality_holds(solver, batch_norm):
    """Columns that are out have a gradient shorter than their strength; those that are in exactly as long.

    All rows in each step, tanh, so that there are no kinks but the penalty's.
    """
    X, y = useful(400, 6)
    job = make_job(
        n=400,
        d=6,
        **{"hidden": (8,), "activation": "tanh", "batch_norm": batch_norm, "solver": solver},
        **{"group_l1": 0.02, "batch_size": 400, "max_iter": 6000, "learning_rate": "cosine"},
        learning_rate_init=0.005 if solver == "adam" else 0.1,
    )
    job.X, job.y = X, y
    (result,) = fit([job], IMPLEMENTATIONS[-1])
    _, (w, lengths, c, groups) = penalty_of(job, result.params)
    gradient = smooth_gradient(job, result.params) - pull(w, lengths, c, groups)
    scaled, v = gradient * lengths.unsqueeze(2), w / lengths.unsqueeze(2)
    size, asked = norms(v, groups, 6)[0], norms(scaled, groups, 6)[0]
    there = size > 0
    assert 0 < there.sum() < 6
    assert (asked[~there] < c[0, ~there]).all()
    expected = -(c[0] / size)[groups] * v
    torch.testing.assert_close(scaled[..., there], expected[..., there], rtol=0, atol=1e-3)


def useful(n=300, d=12, seed=0):
    """Two columns that matter by their product, and one by itself."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    y = X[:, 0] * X[:, 1] + X[:, 2] + 0.1 * rng.standard_normal(n)
    return X, ((y - y.mean()) / y.std())[:, None]


@pytest.mark.parametrize("norm", [None, "batch_norm", "layer_norm"])
def test_columns_go_exactly_behind_a_norm_too(norm):
    """The useful columns stay and others go, whatever the norm; without the penalty none goes.

    Under a layer norm units that matter little may keep some of the others.
    """
    X, y = useful()
    shared = {"hidden": (16,), "max_iter": 300, "batch_size": 32, "learning_rate_init": 0.005}
    shared |= {"learning_rate": "cosine"}
    shared |= {norm: True} if norm else {}
    jobs = [make_job(n=300, d=12, group_l1=s, **shared) for s in (0.0, 0.03)]
    for job in jobs:
        job.X, job.y = X, y
    dense, sparse = (
        np.abs(r.params["weight_0"]).sum(axis=0) > 0 for r in fit(jobs, IMPLEMENTATIONS[-1])
    )
    assert dense.all()
    assert sparse[:3].all()
    assert sparse[3:].sum() <= (4 if norm == "layer_norm" else 0)


@both
def test_groups_go_together(implementation):
    X, y = useful(d=9)
    labels = (0, 0, 1, 1, 2, 2, 2, 3, 3)
    job = make_job(
        n=300,
        d=9,
        **{"hidden": (8,), "group_l1": 0.03, "feature_groups": labels},
        **{"max_iter": 150 if implementation == "fused" else 60, "learning_rate_init": 0.01},
    )
    job.X, job.y = X, y
    (result,) = fit([job], implementation)
    used = np.abs(result.params["weight_0"]).sum(axis=0) > 0
    assert used[:4].all()
    assert not used[4:].any()


def test_the_mean_of_gradients_is_that_of_many_steps():
    """It begins as the plain mean, so that a column may come in at the first step."""
    job = make_job(hidden=(), group_l1=0.01, batch_size=40, max_iter=1)
    (result,) = fit([job], "reference")
    X, y = job.X, job.y
    expected = -(X * y).mean(axis=0)
    np.testing.assert_allclose(result.params[MEAN][0], expected, atol=1e-12)


def test_cuda_is_told_that_the_reference_trains_it():
    assert "group_l1" in block_of().missing_on_cuda(None, False)
