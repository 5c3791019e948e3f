"""Batch norm of a stack."""

from __future__ import annotations

import pytest
import torch

from skreg.net import batch_norm_eval, batch_norm_train


def tables(k=3, h=4, b=10, seed=0):
    g = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.randn(*shape, generator=g, dtype=torch.float64)

    return draw(k, h, b) * 3 + 1, draw(k, h), draw(k, h)


def even(k, b):
    return torch.full((k, b), 1 / b, dtype=torch.float64)


def test_known_answer():
    z = torch.tensor([[[1.0, 2.0, 3.0, 4.0]]])
    one, zero = torch.ones(1, 1), torch.zeros(1, 1)
    y, mean, variance = batch_norm_train(z, one, zero, even(1, 4).float())
    assert (mean.item(), variance.item()) == (2.5, 1.25)
    assert y.flatten().tolist() == pytest.approx([-1.34, -0.45, 0.45, 1.34], abs=5e-3)


def test_equals_torch_member_by_member():
    z, gain, shift = tables()
    y, mean, variance = batch_norm_train(z, gain, shift, even(3, 10))
    for k in range(3):
        expected = torch.nn.functional.batch_norm(
            z[k].T, None, None, gain[k], shift[k], training=True
        )
        torch.testing.assert_close(y[k].T, expected, rtol=0, atol=1e-12)
        torch.testing.assert_close(mean[k], z[k].mean(dim=1))
        torch.testing.assert_close(variance[k], z[k].var(dim=1, correction=0))


def test_running_statistics_at_predict_equal_torch():
    z, gain, shift = tables()
    _, mean, log_variance = tables(seed=1)
    variance = log_variance.exp()
    y = batch_norm_eval(z, gain, shift, mean, variance)
    for k in range(3):
        expected = torch.nn.functional.batch_norm(
            z[k].T, mean[k], variance[k], gain[k], shift[k], training=False
        )
        torch.testing.assert_close(y[k].T, expected, rtol=0, atol=1e-12)


def test_weighted_rows_equal_repeated_rows():
    z, gain, shift = tables(k=1, b=4)
    counts = torch.tensor([1, 2, 3, 1])
    repeated = z.repeat_interleave(counts, dim=2)
    share = (counts / counts.sum(dtype=torch.float64)).unsqueeze(0)
    y, *moments = batch_norm_train(z, gain, shift, share)
    expected, *others = batch_norm_train(repeated, gain, shift, even(1, 7))
    torch.testing.assert_close(y.repeat_interleave(counts, dim=2), expected)
    torch.testing.assert_close(moments, others)


def test_padding_has_no_say():
    z, gain, shift = tables(b=10)
    padded = torch.cat([z, torch.full((3, 4, 2), 1e6, dtype=torch.float64)], dim=2)
    share = torch.cat([even(3, 10), torch.zeros(3, 2, dtype=torch.float64)], dim=1)
    y, *moments = batch_norm_train(padded, gain, shift, share)
    expected, *others = batch_norm_train(z, gain, shift, even(3, 10))
    torch.testing.assert_close(y[:, :, :10], expected)
    torch.testing.assert_close(moments, others)


def test_one_row_gives_the_shift():
    """The variance is zero: epsilon keeps the result, and its gradient, finite."""
    z, gain, shift = tables(b=1)
    z.requires_grad_()
    y, _, variance = batch_norm_train(z, gain, shift, even(3, 1))
    torch.testing.assert_close(y.squeeze(2), shift)
    assert not variance.any()
    y.sum().backward()
    assert not z.grad.any()
