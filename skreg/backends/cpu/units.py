"""Row kernels of a hidden layer of one member.

Shapes: h units, b rows of a minibatch. Activations are stored features first, ``(h, b)``, so that all
that batch norm, activation and dropout do to one unit happens in one contiguous row that stays in the
L1 cache.
"""

from __future__ import annotations

import functools

import numpy as np

from skreg.backends.constants import BATCH_NORM_EPS, BATCH_NORM_MOMENTUM
from skreg.backends.cpu.pieces import compiled, float_types, mask_base, random_u32, slope, value


def forward_signature(dtype):
    """Type of the forward kernel."""
    f, v, m, u, nothing = float_types(dtype)
    return nothing(m, m, v, v, v, v, v, v, v, u, f, u, u)


def backward_signature(dtype):
    """Type of the backward kernel."""
    f, v, m, u, nothing = float_types(dtype)
    return nothing(m, m, v, v, v, v, v, v, v, u, f, u, u)


def input_dropout_signature(dtype):
    """Type of the kernel of input dropout."""
    f, _, m, u, nothing = float_types(dtype)
    return nothing(m, m, u, f, u, u)


@functools.cache
def forward_kernel(activation, batch_norm, dtype):
    """From the product of a hidden layer to its activations.

    Parameters
    ----------
    activation : int
        Its number in `skreg.net.activation.NUMBERS`.
    batch_norm : bool
        Whether a batch norm stands before the activation.
    dtype : str
        ``"float32"`` or ``"float64"``.
    """
    ACT, BN, F = activation, batch_norm, getattr(np, dtype)
    EPS, RATE = F(BATCH_NORM_EPS), F(BATCH_NORM_MOMENTUM)

    @compiled(forward_signature(dtype))
    def forward(
        z,
        a,
        share,
        gain,
        shift,
        mean,
        inv,
        running_mean,
        running_variance,
        limit,
        scale,
        key0,
        key1,
    ):
        """z, a (h, b); share (b,); gain to running_variance (h,), empty where there is no norm."""
        h, b = z.shape
        for r in range(h):
            g, c = F(1), shift[r]
            if BN:
                mu = F(0)
                for i in range(b):
                    mu += z[r, i] * share[i]
                v = F(0)
                for i in range(b):
                    t = z[r, i] - mu
                    v += t * t * share[i]
                iv = F(1) / np.sqrt(v + EPS)
                mean[r] = mu
                inv[r] = iv
                running_mean[r] += RATE * (mu - running_mean[r])
                running_variance[r] += RATE * (v - running_variance[r])
                g = gain[r] * iv
                c = shift[r] - mu * g
            if limit > 0:
                base = mask_base(r)
                for i in range(b):
                    y = value(ACT, z[r, i] * g + c)
                    u = random_u32(np.uint32(base + np.uint32(i)), key0, key1)
                    a[r, i] = y * scale if u >= limit else F(0)
            else:
                for i in range(b):
                    a[r, i] = value(ACT, z[r, i] * g + c)

    return forward


@functools.cache
def backward_kernel(activation, batch_norm, dtype):
    """From the gradient of the activations of a hidden layer to that of its product, in place.

    Parameters
    ----------
    activation, batch_norm, dtype
        As of `forward_kernel`.
    """
    ACT, BN, F = activation, batch_norm, getattr(np, dtype)

    @compiled(backward_signature(dtype))
    def backward(da, z, share, gain, shift, mean, inv, dgain, dshift, limit, scale, key0, key1):
        """da, z (h, b); share (b,); gain to dshift (h,). The mask is drawn again, not stored."""
        h, b = z.shape
        for r in range(h):
            g, c, mu = F(1), shift[r], F(0)
            if BN:
                mu = mean[r]
                g = gain[r] * inv[r]
                c = shift[r] - mu * g
            s0, s1 = F(0), F(0)
            if limit > 0:
                base = mask_base(r)
                for i in range(b):
                    u = random_u32(np.uint32(base + np.uint32(i)), key0, key1)
                    d = da[r, i] * slope(ACT, z[r, i] * g + c)
                    d = d * scale if u >= limit else F(0)
                    da[r, i] = d
                    s0 += d
                    s1 += d * (z[r, i] - mu)
            else:
                for i in range(b):
                    d = da[r, i] * slope(ACT, z[r, i] * g + c)
                    da[r, i] = d
                    s0 += d
                    s1 += d * (z[r, i] - mu)
            dshift[r] = s0
            if BN:
                dgain[r] = s1 * inv[r]
                s1 *= inv[r] * inv[r]
                for i in range(b):
                    da[r, i] = g * (da[r, i] - share[i] * (s0 + (z[r, i] - mu) * s1))

    return backward


@functools.cache
def evaluation_kernel(activation, dtype):
    """Activations at predict, in place: z (k * h, b) becomes those of z * g + c, g and c (k * h,)."""
    ACT = activation
    _, v, m, _, nothing = float_types(dtype)

    @compiled(nothing(m, v, v))
    def evaluate(z, g, c):
        for r in range(z.shape[0]):
            for i in range(z.shape[1]):
                z[r, i] = value(ACT, z[r, i] * g[r] + c[r])

    return evaluate


@functools.cache
def input_dropout_kernel(dtype):
    """Masked copy of a minibatch: x (b, d) to out (b, d)."""
    F = getattr(np, dtype)

    @compiled(input_dropout_signature(dtype))
    def input_dropout(x, out, limit, scale, key0, key1):
        for i in range(x.shape[0]):
            base = mask_base(i)
            for j in range(x.shape[1]):
                u = random_u32(np.uint32(base + np.uint32(j)), key0, key1)
                out[i, j] = x[i, j] * scale if u >= limit else F(0)

    return input_dropout
