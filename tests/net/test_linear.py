"""Linear layers of a stack."""

from __future__ import annotations

import torch

from skreg.net import linear, shared_linear


def draw(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(len(shape)))


def test_one_product_a_member():
    weight, a = draw(4, 3, 5), draw(4, 5, 7)
    out = linear(weight, a)
    for k in range(4):
        torch.testing.assert_close(out[k], weight[k] @ a[k])


def test_members_with_rows_of_their_own():
    weight, x = draw(4, 3, 5), draw(4, 7, 5, 1)[..., 0]
    out = shared_linear(weight, x, [slice(k, k + 1) for k in range(4)])
    torch.testing.assert_close(out, torch.stack([weight[k] @ x[k].T for k in range(4)]))


def test_members_of_a_stream_share_its_minibatch():
    weight, x = draw(4, 3, 5), draw(2, 7, 5)
    out = shared_linear(weight, x, [slice(0, 3), slice(3, 4)])
    assert out.shape == (4, 3, 7)
    for k, stream in enumerate((0, 0, 0, 1)):
        torch.testing.assert_close(out[k], weight[k] @ x[stream].T)
