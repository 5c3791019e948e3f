"""Gaussian noise on the inputs: the numbers, the units, and what it does to an objective."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from scipy import stats

from skreg.net.block import Minibatch, SharedRows
from skreg.net.dropout import keep_mask
from skreg.net.input_noise import GaussianNoise, InputNoise, column_std, standard_normal
from skreg.net.net import Net
from skreg.train.random import mask_keys
from tests.train.helpers import IMPLEMENTATIONS, fit, make_job, make_spec

both = pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
KEYS = torch.from_numpy(mask_keys(range(50), 0, 2, 3).astype(np.int64))  # (2, steps, places, s)


def drawn(keys=KEYS[:, 0, 0], lines=64, length=30, dtype=torch.float64):
    return standard_normal(lines, length, tuple(keys), dtype, "cpu")


def assert_mean(values, mean, variance):
    """Within 5 standard deviations of a mean."""
    assert abs(values.mean().item() - mean) < 5 * (variance / values.numel()) ** 0.5


def test_moments_are_those_of_a_standard_normal_variable():
    z = drawn()
    for power, mean, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert_mean(z**power, mean, variance)
    assert stats.kstest(z.flatten().numpy(), "norm").pvalue > 1e-6


def test_nothing_is_correlated():
    """Neither entries nor their squares: of rows, columns, steps, streams."""
    z, next_step = drawn(), drawn(KEYS[:, 1, 0])
    pairs = [(z[:, 1:], z[:, :-1]), (z[:, :, 1:], z[:, :, :-1]), (z, next_step), (z[1:], z[:-1])]
    for a, b in pairs:
        assert_mean(a * b, 0, 1)
        assert_mean((a**2 - 1) * (b**2 - 1), 0, 4)


def test_bits_are_not_those_of_the_mask_of_input_dropout():
    """With the same keys: neither sign nor size has to do with what is dropped."""
    z, half = drawn(), torch.full((50,), 1 << 31)
    sign = 2.0 * keep_mask(64, 30, tuple(KEYS[:, 0, 0]), half, "cpu") - 1
    assert_mean(z * sign, 0, 1)
    assert_mean((z**2 - 1) * sign, 0, 2)
    assert_mean((z > 0) * sign, 0, 0.5)


def test_an_entry_depends_on_its_place_alone():
    assert torch.equal(drawn(lines=3, length=5), drawn(lines=9, length=8)[:, :3, :5])


def test_precisions_draw_the_same_numbers():
    torch.testing.assert_close(drawn(dtype=torch.float32).double(), drawn(), rtol=0, atol=5e-6)


@pytest.mark.parametrize(("dtype", "atol"), [("float32", 5e-6), ("float64", 1e-13)])
def test_the_kernel_draws_the_same_numbers(dtype, atol):
    """Of a minibatch of zeros it makes the noise itself, times level and deviation."""
    pytest.importorskip("numba")
    import ctypes

    from skreg.backends.cpu import pieces
    from skreg.net.input_noise import noise_kernel

    b, d, k = 50, 37, 2
    x, std = np.ones((b, d), dtype), np.linspace(0, 2, k * d).astype(dtype).reshape(k, d)
    levels, out = np.array([0.5, 0.3], dtype), np.zeros((k, b, d), dtype)
    keys = KEYS[:, 0, 0, :k].numpy().astype(np.uint32)
    frame = np.zeros(pieces.FRAME, dtype=np.int64)
    frame[[pieces.B, pieces.KEYS_0, pieces.KEYS_1]] = b, keys[0].ctypes.data, keys[1].ctypes.data
    kernel = noise_kernel(dtype)
    word = ctypes.c_void_p
    run = ctypes.CFUNCTYPE(None, word, word, ctypes.c_ssize_t)(kernel.address)
    for member in range(k):
        arrays = x, out[member], std, levels
        row = np.array([0, d, *(a.ctypes.data for a in arrays)], dtype=np.int64)
        run(frame.ctypes.data, row.ctypes.data, member)
    z = drawn(KEYS[:, 0, 0, :k], b, d).numpy()
    np.testing.assert_allclose(out, 1 + levels[:, None, None] * std[:, None] * z, atol=atol)


def test_logarithm_of_the_kernel():
    """All binary orders between the smallest radius and 1, 1e-6 of the result."""
    nb = pytest.importorskip("numba")
    from skreg.net.input_noise import _compile_log, log

    _compile_log()

    @nb.njit
    def compiled(x):
        return log(x)

    n = np.unique(np.geomspace(1, 2**24, 5000).astype(np.int64))
    x = (n * 2.0**-24).astype(np.float32)
    found = np.array([compiled(value) for value in x], dtype=np.float64)
    np.testing.assert_allclose(found, np.log(x.astype(np.float64)), rtol=1e-6, atol=1e-12)


# -- units ---------------------------------------------------------------------------------------


def test_standard_deviation_of_weighted_rows_is_that_of_rows_given_several_times(monkeypatch):
    # `skreg.net.input_noise` has no function of that name.
    monkeypatch.setattr(sys.modules["skreg.net.input_noise"], "_ENTRIES", 10)
    rng = np.random.default_rng(0)
    X, times = rng.normal(5.0, [1.0, 10.0, 0.1], size=(40, 3)), rng.integers(1, 4, 40)
    repeated = np.repeat(X, times, axis=0)
    np.testing.assert_allclose(column_std(X, times), repeated.std(axis=0), rtol=1e-13)
    np.testing.assert_allclose(column_std(repeated), repeated.std(axis=0), rtol=1e-13)


def test_a_constant_column_has_none_whatever_its_value():
    for dtype in (np.float32, np.float64):
        X = np.full((1001, 3), [0.1, 1e6 / 3, -7e-9], dtype=dtype)
        weight = np.random.default_rng(0).uniform(size=1001)
        assert not column_std(X).any()
        assert not column_std(X, weight).any()


def test_zeros_of_a_sparse_matrix_count():
    X = np.random.default_rng(0).poisson(0.3, size=(60, 4)).astype(float)
    for sparse in (sp.csr_array(X), sp.csr_matrix(X)):
        np.testing.assert_array_equal(column_std(sparse), column_std(X))


# -- the block -------------------------------------------------------------------------------------


def test_members_of_a_stream_share_the_bits_and_scale_them_by_their_own_level():
    block, x = InputNoise(3), torch.zeros(2, 5, 3, dtype=torch.float64)
    stream_of, levels = torch.tensor([0, 0, 1]), torch.tensor([0.1, 0.4, 0.1]).double()
    std = torch.tensor([1.0, 0.0, 2.0]).double().expand(3, 3)
    keys = KEYS[:, 0, :, :2][..., stream_of]
    rows = SharedRows(x, [slice(0, 2), slice(2, 3)], stream_of)
    out = block.train(
        {"input_std": std}, rows, Minibatch(None, [None], keys, {"input_noise": levels})
    )
    z = drawn(keys[:, 0], 5, 3)
    torch.testing.assert_close(out.of_members(), z * levels.view(3, 1, 1) * std.unsqueeze(1))
    torch.testing.assert_close(out.of_members()[1], 4 * out.of_members()[0])


def test_only_nets_that_have_it_have_the_block():
    noisy, other, plain = (Net.of(make_spec(input_noise=s), 4) for s in (0.1, 0.2, 0.0))
    assert noisy is other is not plain
    assert noisy.fixed() == ["input_std"]
    assert plain.fixed() == []
    assert (noisy.flops, noisy.sizes) == (plain.flops, plain.sizes)
    assert noisy.memory(False) == plain.memory(False) + 4


def test_module_draws_in_training_and_does_nothing_else():
    torch.manual_seed(0)
    module = GaussianNoise(torch.tensor([0.5, 0.0]))
    x = torch.ones(20_000, 2)
    noise = module.train()(x) - x
    assert abs(noise[:, 0].std().item() / 0.5 - 1) < 5 / 200
    assert not noise[:, 1].any()
    assert module.eval()(x) is x


# -- the objective ---------------------------------------------------------------------------------


@both
def test_expected_loss_has_the_penalty_that_theory_says(implementation):
    """Of a linear net that does not move: sigma^2 / 2 times the sum of (s_j w_j)^2 (Bishop 1995)."""
    sigma, epochs = 0.8, 400
    jobs = [
        make_job(
            hidden=(), input_noise=s, max_iter=epochs, learning_rate_init=1e-300, weighted=True
        )
        for s in (0.0, sigma)
    ]
    weight = np.array([[1.0, -2.0, 0.5, 0.0]])
    for job in jobs:
        job.X = job.X * [1.0, 0.2, 5.0, 3.0]
        job.start = {"weight_0": weight, "bias_0": np.array([0.3])}
    plain, noisy = (np.array(r.history["train_loss"]) for r in fit(jobs, implementation))
    std = column_std(jobs[1].X, jobs[1].sample_weight)
    excess = noisy - plain
    expected = sigma**2 / 2 * ((std * weight) ** 2).sum()
    assert abs(excess.mean() - expected) < 5 * excess.std() / epochs**0.5
    assert excess.std() / epochs**0.5 < 0.05 * expected
