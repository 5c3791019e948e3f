"""Trained vectors of the levels of categories."""

from __future__ import annotations

import copy
import dataclasses
import io
import tracemalloc
import warnings

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from skreg.backends import self_check
from skreg.backends.reference import ReferenceStep
from skreg.estimators.forward import Forward
from skreg.estimators.module import build_module
from skreg.net.categories import START_STD, CategoryEmbedding, width_of
from skreg.net.net import Net
from skreg.train.plan import stack_bytes
from skreg.train.state import initial_parameters
from tests.train.helpers import (
    IMPLEMENTATIONS,
    assert_same_result,
    distance,
    fit,
    make_job,
    make_spec,
)

both = pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
LEVELS = (4, 12)

#: What may stand beside categories.
BESIDE = {
    "plain": {},
    "periodic": {"embedded": (0, 2)},
    "piecewise": {"embedded": (0, 2), "embedding": "piecewise"},
    "nothing": {"d": 0},
}
beside = pytest.mark.parametrize("options", BESIDE.values(), ids=BESIDE)


def trained(implementation="reference", **options):
    """A job with categories, and the parameters that it ends with."""
    job = make_job(**{"levels": LEVELS, **options})
    return job, fit(job, implementation).params


def tables_of(job, params):
    """The vectors of the levels of each column."""
    ends = np.cumsum([n * width_of(n) for n in job.spec.levels])
    parts = np.split(params["category_vectors"], ends[:-1])
    return [part.reshape(n, -1) for n, part in zip(job.spec.levels, parts, strict=True)]


def test_widths():
    """fastai's rule up to RealMLP's 8, and no more than tell all levels apart."""
    assert [width_of(n) for n in (1, 2, 3, 4, 5, 6, 8, 12, 16)] == [1, 1, 2, 3, 4, 4, 5, 6, 8]
    for levels in range(17, 100_000, 501):
        assert width_of(levels) == 8 == min(8, round(1.6 * levels**0.56))


def test_what_a_net_has_of_it():
    """The first linear layer is given numeric columns, what was made of them, and vectors."""
    for options, n in (({}, 3), ({"embedded": (0, 2)}, 9)):
        net = Net.of(make_spec(hidden=(4,), levels=LEVELS, **options), 5)
        plain = Net.of(make_spec(hidden=(4,), **options), 3)
        width = 3 + 6
        assert net.sizes == (n + width, 4, 1)
        own = {"category_vectors": (4 * 3 + 12 * 6,), "weight_0": (4, n + width)}
        assert dict(net.learned()) == {**dict(plain.learned()), **own}
        assert net.penalised == plain.penalised
        assert net.n_columns == 5
        assert net.flops == plain.flops + 4 * width * 4 + 2 * width * 4
        assert net.memory(False) == plain.memory(False) + 3 + n + 2 * width
        (row,) = (r for r in net.describe(make_spec(hidden=(4,))) if "Category" in r[0])
        assert row == ("CategoryEmbedding", n + width, 84, "vectors of 2 columns of 4 to 12 levels")


def test_initial_vectors():
    """Normal with standard deviation 0.1, and zero for what is not known; numeric parts as without."""
    spec = make_spec(levels=(1000, 50), embedded=(1,))
    start = initial_parameters(Net.of(spec, 4), spec, 0)
    known, other = np.split(start["category_vectors"], [8000])
    assert not known[-8:].any() and not other[-8:].any()
    assert abs(known[:-8].std() / START_STD - 1) < 5 / np.sqrt(2 * 7992)
    assert abs(known.mean()) < 5 * START_STD / np.sqrt(8000)
    plain = initial_parameters(Net.of(dataclasses.replace(spec, levels=()), 2), spec, 0)
    for name in ("embed_frequency", "embed_phase", "embed_weight", "embed_bias"):
        np.testing.assert_array_equal(start[name], plain[name])


# -- known answers ---------------------------------------------------------------------------------


@beside
def test_it_is_a_one_hot_table_times_a_matrix(options):
    """The same net on columns that hold the product gives the same outputs, after training."""
    job, params = trained(batch_norm=True, **options)
    spec, X = job.spec, job.X
    n, product = X.shape[1] - 2, []
    for j, table in enumerate(tables_of(job, params)):
        product.append(np.eye(len(table))[X[:, n + j].astype(int)] @ table)
    made = 3 * len(spec.embedded or ())
    wide = np.hstack([X[:, :n], *product])
    # There the columns come before what is made of some of them.
    order = [*range(n), *range(n + made, wide.shape[1] + made), *range(n, n + made)]
    also = {**params, "weight_0": params["weight_0"][:, order]}
    del also["category_vectors"]
    known = Forward([(also, dataclasses.replace(spec, levels=()))], wide.shape[1]).raw(wide)
    found = Forward([(params, spec)], X.shape[1]).raw(X)
    np.testing.assert_allclose(found, known, rtol=0, atol=1e-10)
    net = Net.of(spec, X.shape[1])
    held = {name: torch.from_numpy(value)[None] for name, value in params.items()}
    out = net.evaluate(held, torch.from_numpy(X))[0].T
    np.testing.assert_allclose(out, known, rtol=0, atol=1e-10)


@both
def test_a_level_that_no_row_has_predicts_as_a_vector_of_zeros(implementation):
    """Whatever was done to the others; so does what is no level's number at all."""
    rows = {"weight_decay": 0.3, "l1": 0.01, "input_dropout": 0.2, "batch_norm": True}
    job = make_job(levels=LEVELS, **rows)
    job.X[:, 5] = np.minimum(job.X[:, 5], LEVELS[1] - 2)
    params = fit(job, implementation).params
    tables = tables_of(job, params)
    assert not tables[1][-1].any()
    assert (np.abs(tables[1][:-1]) > 0).all() and tables[0][-1].any()
    X = job.X.copy()
    zero = {**params, "category_vectors": params["category_vectors"].copy()}
    zero["category_vectors"][12:] = 0.0
    known = Forward([(zero, job.spec)], 6).raw(X)
    for strange in (11, 12, 1e30, -1, np.nan, np.inf):
        X[:, 5] = strange
        np.testing.assert_array_equal(Forward([(params, job.spec)], 6).raw(X), known)


@both
def test_levels_of_no_row_of_the_minibatch_have_no_gradient(implementation):
    """After one step of SGD without momentum only those that it held have moved."""
    options = {"solver": "sgd", "momentum": 0.0, "max_steps": 1, "activation": "tanh"}
    job = make_job(n=30, levels=(40,), batch_size=30, **options)
    start = initial_parameters(Net.of(job.spec, 5), job.spec, job.seed)
    (table,), (before,) = tables_of(job, fit(job, implementation).params), tables_of(job, start)
    seen = np.unique(job.X[:, 4].astype(int))
    assert 10 < len(seen) < 30
    np.testing.assert_array_equal((table != before).any(axis=1), np.isin(np.arange(40), seen))


# -- in training -----------------------------------------------------------------------------------


@beside
@both
def test_a_member_alone_is_that_of_a_stack_to_the_last_bit(implementation, options):
    knobs = [{"input_dropout": 0.4, "l1": 0.01}, {"input_noise": 0.0, "learning_rate_init": 0.003}]
    jobs = [
        make_job(levels=LEVELS, n_val=15, table=t, **k, **options) for t in (0, 1) for k in knobs
    ]
    for job, result in zip(jobs, fit(jobs, implementation), strict=True):
        alone = fit(job, implementation)
        if implementation == "fused":
            assert distance(result.params, alone.params) == 0
        assert_same_result(result, alone, atol=1e-10)


@beside
def test_kernels_in_float32(options):
    pytest.importorskip("numba")
    # With a small epsilon Adam would turn a gradient that is zero but for rounding into a full step.
    shared = {"levels": LEVELS, "dtype": "float32", "epsilon": 0.1, "n_val": 20, "batch_norm": True}
    jobs = [
        make_job(seed=seed, input_dropout=0.3 * seed, n=40 + seed, table=seed, **shared, **options)
        for seed in (0, 1)
    ]
    for one, other in zip(fit(jobs, "fused"), fit(jobs, "reference"), strict=True):
        assert_same_result(one, other, atol=2e-5)


@both
def test_numbers_of_levels_get_no_noise(implementation):
    """However strong it is, they stay what they are; the other columns have it."""
    _, params = trained(implementation, input_noise=3.0)
    assert (params["input_std"][:4] > 0.5).all() and not params["input_std"][4:].any()


@both
def test_sparse_tables_may_end_in_numbers_of_levels(implementation):
    job = make_job(levels=LEVELS, n_val=10, embedded=(0,), input_dropout=0.2)
    dense = fit(job, implementation)
    job.X, job.X_val = sp.csr_matrix(job.X), sp.csr_matrix(job.X_val)
    sparse = fit(job, implementation)
    assert_same_result(sparse, dense, atol=1e-10)
    found = [Forward([(dense.params, job.spec)], 6).raw(X) for X in (job.X, job.X.toarray())]
    np.testing.assert_allclose(*found, rtol=0, atol=1e-12)


def test_no_one_hot_table_is_made():
    """Neither planned for, nor held by what numpy makes at predict: it would be 20,000 x 3,000 numbers."""
    levels, n = (1000,) * 3, 20_000
    options = {"levels": levels, "hidden": (8,), "batch_size": 256, "dtype": "float32"}
    job = make_job(n=n, max_iter=1, **options)
    params = initial_parameters(Net.of(job.spec, 7), job.spec, 0)
    assert params["category_vectors"].size == 3 * 8000
    assert stack_bytes(job, 1) < 4 * (5 * 25_000 + 256 * 100)
    forward = Forward([(params, job.spec)], 7)
    # What the engine loads and compiles when it first trains and predicts is no part of it.
    few = make_job(n=300, max_iter=1, **options)
    forward.raw(few.X)
    fit(few, IMPLEMENTATIONS[-1])
    tracemalloc.start()
    try:
        forward.raw(job.X)
        fit(job, IMPLEMENTATIONS[-1])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * n * 3000 / 10


# -- prediction and export -------------------------------------------------------------------------


@beside
def test_nets_predict_together_as_each_alone(options):
    jobs = [make_job(levels=LEVELS, seed=seed, **options) for seed in range(3)]
    nets = [(result.params, job.spec) for job, result in zip(jobs, fit(jobs), strict=True)]
    X, width = jobs[0].X, jobs[0].X.shape[1]
    together = Forward(nets, width).by_rows(X, lambda raw: raw.swapaxes(0, 1).copy())
    for i, net in enumerate(nets):
        np.testing.assert_allclose(together[:, i], Forward([net], width).raw(X), atol=1e-12)
    # Each on columns of its own, as in ensembles.
    chosen = [np.arange(width) for _ in nets]
    own = Forward(nets, width, chosen).by_rows(X, lambda raw: raw.swapaxes(0, 1).copy())
    np.testing.assert_allclose(own, together, atol=1e-12)


def test_the_compiled_embedding_of_numeric_columns_is_taken(monkeypatch):
    """Of what stands beside categories it is as fast as without them."""
    pytest.importorskip("numba")
    from skreg.backends.cpu.prediction import embedding_kernel

    job, params = trained(embedded=(0, 2))
    forward = Forward([(params, job.spec)], 6)
    known, kernel, calls = forward.raw(job.X), embedding_kernel("float64"), []

    def counted(*arguments):
        calls.append(arguments)
        return kernel(*arguments)

    monkeypatch.setattr("skreg.estimators.forward.kernel_for", lambda waves, dtype: counted)
    np.testing.assert_allclose(forward.raw(job.X), known, rtol=0, atol=1e-12)
    assert len(calls) == 1


@beside
def test_module_is_the_net(options):
    job, params = trained(batch_norm=True, input_dropout=0.2, input_noise=0.1, **options)
    X = job.X.copy()
    X[:3, -1] = 12, -1, np.nan
    known = Forward([(params, job.spec)], X.shape[1]).raw(X)
    module = build_module(params, job.spec, X.shape[1])
    for form in (module, torch.jit.script(module)):
        with torch.no_grad():
            np.testing.assert_allclose(form(torch.from_numpy(X)), known, rtol=0, atol=1e-10)
    inner = next(m for m in copy.deepcopy(module) if isinstance(m, CategoryEmbedding))
    assert [tuple(t.weight.shape) for t in inner.tables] == [(4, 3), (12, 6)]
    torch.manual_seed(0)
    inner.reset_parameters()
    assert not inner.tables[1].weight[-1].any() and inner.tables[1].weight[:-1].all()


def test_module_in_onnx():
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    job, params = trained(embedded=(0,), dtype="float32")
    module, file = build_module(params, job.spec, 6), io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter is a deprecated one
        names = {"input_names": ["rows"], "output_names": ["outputs"]}
        axes = {"rows": {0: "n"}, "outputs": {0: "n"}}
        rows = (torch.from_numpy(job.X[:2]),)
        torch.onnx.export(module, rows, file, dynamo=False, dynamic_axes=axes, **names)
    (out,) = runtime.InferenceSession(file.getvalue()).run(None, {"rows": job.X})
    known = Forward([(params, job.spec)], 6).raw(job.X)
    np.testing.assert_allclose(out, known, rtol=1e-4, atol=1e-4)


def test_a_live_module_shares_the_numbers():
    """As callbacks need it: what training changes is seen."""
    job, params = trained()
    held = {name: torch.from_numpy(value) for name, value in params.items()}
    inner = build_module(held, job.spec, 6)[0]
    held["category_vectors"].fill_(7.0)
    assert all((table.weight == 7).all() for table in inner.tables)


# -- elsewhere -------------------------------------------------------------------------------------


class Still(ReferenceStep):
    """Leaves the vectors where they are."""

    def _update(self, grads, batch):
        still = {name: 0 * g for name, g in grads.items() if name == "category_vectors"}
        super()._update(grads | still, batch)


def test_the_self_check_trains_categories_where_there_are_some(monkeypatch):
    monkeypatch.setattr(self_check, "_verdicts", {})
    monkeypatch.setattr(self_check, "_sound", set())
    for levels in ((), (7, 5, 2)):
        found = self_check.verdict(Still, make_spec(dtype="float32", levels=levels))
        assert ("levels=True" in found) == bool(levels)
    assert self_check.verdict(ReferenceStep, make_spec(dtype="float32", levels=(2,))) == ""


def test_on_cuda_the_reference_trains_them():
    block = Net.of(make_spec(levels=LEVELS), 5).blocks[0]
    assert block.missing_on_cuda(None, False) == "embedded categories"
    assert block.missing_on_cuda(None, True) == "embedded categories"
