"""Row kernels of the fused CPU step, compiled by numba.

Shapes: k members, h units, b rows of a minibatch, o outputs. Activations are stored features first,
``(k * h, b)``, so that all that batch norm, activation and dropout do to one unit happens in one
contiguous row that stays in the L1 cache. Every kernel is one parallel loop over rows or members.

Kernels are made per activation or loss and per precision, and compiled on first use; numba stores
the machine code beside this file (or in the user's cache folder), later processes only load it.
Branches inside the inner loops are selects: a branch on a random mask would be mispredicted half
of the time and keeps the loop from becoming vector code (measured: nine times slower).
"""

from __future__ import annotations

import functools
import math

import numba as nb
import numpy as np
from numba.extending import overload

from skreg.engine.constants import (
    ACTIVATIONS,
    BATCH_NORM_EPS,
    BATCH_NORM_MOMENTUM,
    HUBER_DELTA,
    LINE_STRIDE,
    LOSSES,
    MAX_EXPONENT,
    SELU_ALPHA,
    SELU_SCALE,
    TINY,
)

# Without nnan and ninf: a member that diverges has to be seen.
_FASTMATH = {"contract", "reassoc", "nsz", "arcp", "afn"}
_jit = functools.partial(nb.njit, fastmath=_FASTMATH, error_model="numpy", cache=True, nogil=True)
# Inlined by LLVM: a call inside a loop would keep it from becoming vector code.
_INLINE = {"fastmath": _FASTMATH, "error_model": "numpy", "forceinline": True}
_inline = functools.partial(nb.njit, **_INLINE)


@_inline
def _random_u32(counter, key0, key1):
    """Hash of a 32-bit counter under a 64-bit key (see `skreg.layers.dropout`)."""
    x = np.uint32(counter ^ key0)
    x = np.uint32(x ^ np.uint32(x >> np.uint32(16)))
    x = np.uint32(x * np.uint32(0x21F0AAAD))
    x = np.uint32(x + key1)
    x = np.uint32(x ^ np.uint32(x >> np.uint32(15)))
    x = np.uint32(x * np.uint32(0x735A2D97))
    return np.uint32(x ^ np.uint32(x >> np.uint32(15)))


@_inline
def _mask_base(line):
    """Where a line of a mask starts to count (see `skreg.layers.dropout.keep_mask`)."""
    return np.uint32(np.uint32(line) * np.uint32(LINE_STRIDE))


def _exp(x):
    """Exponential: a polynomial for float32, so that loops vectorise; the library's for float64."""
    raise NotImplementedError("only called from compiled code")


@overload(_exp, jit_options=_INLINE)
def _overload_exp(x):
    if x == nb.types.float32:

        def impl(x):
            # Comparisons and not min/max: a NaN has to come out as a NaN.
            x = np.float32(-87.0) if x < np.float32(-87.0) else x
            x = np.float32(88.0) if x > np.float32(88.0) else x
            n = np.floor(x * np.float32(1.44269504) + np.float32(0.5))
            r = x - n * np.float32(0.693359375) + n * np.float32(2.12194440e-4)
            p = np.float32(1.9875691500e-4)
            p = p * r + np.float32(1.3981999507e-3)
            p = p * r + np.float32(8.3334519073e-3)
            p = p * r + np.float32(4.1665795894e-2)
            p = p * r + np.float32(1.6666665459e-1)
            p = p * r + np.float32(5.0000001201e-1)
            p = p * r * r + r + np.float32(1.0)
            return p * np.int32((np.int32(n) + np.int32(127)) << np.int32(23)).view(np.float32)
    else:

        def impl(x):
            return math.exp(x)

    return impl


def _erf(x):
    """Error function: Abramowitz and Stegun 7.1.26 (1.5e-7) for float32, exact for float64."""
    raise NotImplementedError("only called from compiled code")


@overload(_erf, jit_options=_INLINE)
def _overload_erf(x):
    if x == nb.types.float32:

        def impl(x):
            a = abs(x)
            t = np.float32(1.0) / (np.float32(1.0) + np.float32(0.3275911) * a)
            p = np.float32(1.061405429)
            p = p * t - np.float32(1.453152027)
            p = p * t + np.float32(1.421413741)
            p = p * t - np.float32(0.284496736)
            p = p * t + np.float32(0.254829592)
            v = np.float32(1.0) - p * t * _exp(-a * a)
            return -v if x < np.float32(0.0) else v
    else:

        def impl(x):
            return math.erf(x)

    return impl


def _value(act, y):
    """Activation number ``act`` at ``y``."""
    raise NotImplementedError("only called from compiled code")


def _slope(act, y):
    """Derivative of activation number ``act`` at ``y``."""
    raise NotImplementedError("only called from compiled code")


def _float_type(y):
    return np.float32 if y == nb.types.float32 else np.float64


# The number of the activation is a literal when a kernel is compiled, so that each kernel holds the
# code of one activation: a chain of ifs inside the loop would keep it from becoming vector code.
@overload(_value, prefer_literal=True, jit_options=_INLINE)
def _overload_value(act, y):
    return _activations(_float_type(y))[act.literal_value][0]


@overload(_slope, prefer_literal=True, jit_options=_INLINE)
def _overload_slope(act, y):
    return _activations(_float_type(y))[act.literal_value][1]


@functools.cache
def _activations(F):
    """Value and slope by number, as functions of (act, y), for one float type."""
    one, two, half = F(1), F(2), F(0.5)
    root_half, density = F(0.7071067811865476), F(0.3989422804014327)
    scale, alpha = F(SELU_SCALE), F(SELU_ALPHA)

    def identity(act, y):
        return y

    def identity_slope(act, y):
        return one

    def relu(act, y):
        return F(0) if y <= F(0) else y

    def relu_slope(act, y):
        return F(0) if y <= F(0) else one

    def tanh(act, y):
        return one - two / (_exp(two * y) + one)

    def tanh_slope(act, y):
        t = one - two / (_exp(two * y) + one)
        return one - t * t

    def logistic(act, y):
        return one / (one + _exp(-y))

    def logistic_slope(act, y):
        s = one / (one + _exp(-y))
        return s * (one - s)

    def silu(act, y):
        return y / (one + _exp(-y))

    def silu_slope(act, y):
        s = one / (one + _exp(-y))
        return s * (one + y * (one - s))

    def gelu(act, y):
        return half * y * (one + _erf(y * root_half))

    def gelu_slope(act, y):
        return half * (one + _erf(y * root_half)) + y * density * _exp(-half * y * y)

    def selu(act, y):
        below = alpha * (_exp(y) - one)
        return scale * (below if y <= F(0) else y)

    def selu_slope(act, y):
        below = alpha * _exp(y)
        return scale * (below if y <= F(0) else one)

    def mish(act, y):
        e = _exp(F(20) if y > F(20) else y)
        n = e * (e + two)
        return y * n / (n + two)

    def mish_slope(act, y):
        e = _exp(F(20) if y > F(20) else y)
        n = e * (e + two)
        t = n / (n + two)
        return t + y * (one - t * t) * e / (one + e)

    pairs = {
        "identity": (identity, identity_slope),
        "relu": (relu, relu_slope),
        "tanh": (tanh, tanh_slope),
        "logistic": (logistic, logistic_slope),
        "silu": (silu, silu_slope),
        "gelu": (gelu, gelu_slope),
        "selu": (selu, selu_slope),
        "mish": (mish, mish_slope),
    }
    return {number: pairs[name] for name, number in ACTIVATIONS.items()}


@_inline
def _soft_threshold(w, cut):
    """Exactly zero where abs(w) <= cut; NaN stays NaN."""
    inside = cut if w > cut else (-cut if w < -cut else w)
    return w - inside


@functools.cache
def unit_kernels(activation, batch_norm, dtype):
    """Forward, backward and evaluation kernels of one hidden layer.

    Parameters
    ----------
    activation : int
        A value of `ACTIVATIONS`.
    batch_norm : bool
        Whether a batch norm stands before the activation.
    dtype : str
        ``"float32"`` or ``"float64"``.
    """
    ACT, BN, F = activation, batch_norm, getattr(np, dtype)
    EPS, RATE = F(BATCH_NORM_EPS), F(BATCH_NORM_MOMENTUM)

    @_jit
    def forward(
        z,
        share,
        stream,
        gain,
        shift,
        threshold,
        scale,
        key0,
        key1,
        h,
        a,
        mean,
        inv,
        running_mean,
        running_variance,
    ):
        """z, a (k*h, b); share (s, b); stream, threshold, scale, key0, key1 (k,); rest (k*h,)."""
        R, m = z.shape
        for r in range(R):
            k = r // h
            g, c = F(1), shift[r]
            if BN:
                part = share[stream[k]]
                mu = F(0)
                for i in range(m):
                    mu += z[r, i] * part[i]
                v = F(0)
                for i in range(m):
                    t = z[r, i] - mu
                    v += t * t * part[i]
                iv = F(1) / np.sqrt(v + EPS)
                mean[r] = mu
                inv[r] = iv
                running_mean[r] += RATE * (mu - running_mean[r])
                running_variance[r] += RATE * (v - running_variance[r])
                g = gain[r] * iv
                c = shift[r] - mu * g
            limit = threshold[k]
            if limit > 0:
                k0, k1, s = key0[k], key1[k], scale[k]
                base = _mask_base(r - k * h)
                for i in range(m):
                    y = _value(ACT, z[r, i] * g + c)
                    u = _random_u32(np.uint32(base + np.uint32(i)), k0, k1)
                    a[r, i] = y * s if u >= limit else F(0)
            else:
                for i in range(m):
                    a[r, i] = _value(ACT, z[r, i] * g + c)

    @_jit
    def backward(
        da, z, share, stream, gain, shift, threshold, scale, key0, key1, h, mean, inv, dgain, dshift
    ):
        """Turns da (k*h, b) into the gradient of z in place and fills dgain, dshift (k*h,)."""
        R, m = z.shape
        for r in range(R):
            k = r // h
            g, c, mu = F(1), shift[r], F(0)
            if BN:
                mu = mean[r]
                g = gain[r] * inv[r]
                c = shift[r] - mu * g
            limit = threshold[k]
            s0, s1 = F(0), F(0)
            if limit > 0:
                k0, k1, s = key0[k], key1[k], scale[k]
                base = _mask_base(r - k * h)
                for i in range(m):
                    u = _random_u32(np.uint32(base + np.uint32(i)), k0, k1)
                    d = da[r, i] * _slope(ACT, z[r, i] * g + c)
                    d = d * s if u >= limit else F(0)
                    da[r, i] = d
                    s0 += d
                    s1 += d * (z[r, i] - mu)
            else:
                for i in range(m):
                    d = da[r, i] * _slope(ACT, z[r, i] * g + c)
                    da[r, i] = d
                    s0 += d
                    s1 += d * (z[r, i] - mu)
            dshift[r] = s0
            if BN:
                part = share[stream[k]]
                dgain[r] = s1 * inv[r]
                s1 *= inv[r] * inv[r]
                for i in range(m):
                    da[r, i] = g * (da[r, i] - part[i] * (s0 + (z[r, i] - mu) * s1))

    @_jit
    def evaluate(z, g, c):
        """z (k*h, b) in place: activation of z * g + c, with g, c (k*h,) from the running statistics."""
        R, m = z.shape
        for r in range(R):
            for i in range(m):
                z[r, i] = _value(ACT, z[r, i] * g[r] + c[r])

    return forward, backward, evaluate


@functools.cache
def loss_kernel(loss, dtype):
    """Loss of each member and its gradient, output bias included.

    Parameters
    ----------
    loss : int
        A value of `LOSSES`.
    dtype : str
        ``"float32"`` or ``"float64"``.
    """
    return _multinomial(dtype) if loss == LOSSES["multinomial"] else _pointwise(loss, dtype)


def _multinomial(dtype):
    F = getattr(np, dtype)

    @_jit
    def multinomial(z, bias, y, target, coef, stream, smoothing, quantile, total, dbias, gradient):
        """z (k, o, b) becomes its gradient; bias, dbias (k, o); y (t, b) ints; coef (s, b).

        ``total`` (k,) gets the loss added: sum over rows of coef times log loss.
        """
        K, C, m = z.shape
        for k in range(K):
            zk, labels, weight = z[k], y[target[k]], coef[stream[k]]
            top, norm = np.empty(m, F), np.zeros(m, F)
            even = smoothing[k] / F(C)
            hard = F(1) - smoothing[k]
            for j in range(C):
                for i in range(m):
                    zk[j, i] += bias[k, j]
            for i in range(m):
                top[i] = zk[0, i]
            for j in range(1, C):
                for i in range(m):
                    top[i] = zk[j, i] if zk[j, i] > top[i] else top[i]
            loss = F(0)
            for j in range(C):
                for i in range(m):
                    t = zk[j, i] - top[i]
                    norm[i] += _exp(t)
                    loss -= even * t * weight[i]
            for i in range(m):
                loss += weight[i] * (math.log(norm[i]) - hard * (zk[labels[i], i] - top[i]))
            total[k] += loss
            if gradient:
                for i in range(m):
                    norm[i] = weight[i] / norm[i]
                for j in range(C):
                    for i in range(m):
                        zk[j, i] = _exp(zk[j, i] - top[i]) * norm[i] - even * weight[i]
                for i in range(m):
                    zk[labels[i], i] -= hard * weight[i]
                for j in range(C):
                    s = F(0)
                    for i in range(m):
                        s += zk[j, i]
                    dbias[k, j] = s

    return multinomial


def _pointwise(loss, dtype):
    LOSS, F = loss, getattr(np, dtype)
    DELTA = F(HUBER_DELTA)

    @_jit
    def pointwise(z, bias, y, target, coef, stream, smoothing, quantile, total, dbias, gradient):
        """z (k, o, b) becomes its gradient; y (t, o, b) floats; the loss is the sum over outputs."""
        K, C, m = z.shape
        for k in range(K):
            weight, q = coef[stream[k]], quantile[k]
            loss = F(0)
            for j in range(C):
                row, truth = z[k, j], y[target[k], j]
                s = F(0)
                for i in range(m):
                    f = row[i] + bias[k, j]
                    t = truth[i]
                    if LOSS == 1:
                        t = t * (F(1) - smoothing[k]) + F(0.5) * smoothing[k]
                        e = _exp(-abs(f))
                        v = (f if f > F(0) else F(0)) + math.log(F(1) + e) - t * f
                        p = F(1) / (F(1) + e)
                        d = (p if f >= F(0) else F(1) - p) - t
                    elif LOSS == 2:
                        d = f - t
                        v = F(0.5) * d * d
                    elif LOSS == 3:
                        v = abs(f - t)
                        d = F(1) if f > t else (F(-1) if f < t else F(0))
                    elif LOSS == 4:
                        d = f - t
                        a = abs(d)
                        v = F(0.5) * d * d if a <= DELTA else DELTA * (a - F(0.5) * DELTA)
                        d = DELTA if d > DELTA else (-DELTA if d < -DELTA else d)
                    elif LOSS == 5:
                        c = F(MAX_EXPONENT) if f > F(MAX_EXPONENT) else f
                        e = _exp(c)
                        v = e * (F(1) + (f - c)) - t * f
                        d = e - t
                    else:
                        d = t - f
                        v = q * d if d >= F(0) else (q - F(1)) * d
                        d = -q if d > F(0) else (F(1) - q if d < F(0) else F(0))
                    loss += weight[i] * v
                    s += weight[i] * d
                    row[i] = weight[i] * d if gradient else row[i]
                if gradient:
                    dbias[k, j] = s
            total[k] += loss

    return pointwise


@functools.cache
def input_dropout_kernel(dtype):
    """Masked copies of the minibatch, one a member: x (s, b, d) -> out (k, b, d)."""
    F = getattr(np, dtype)

    @_jit
    def input_dropout(x, stream, threshold, scale, key0, key1, out):
        K, m, d = out.shape
        for r in range(K * m):
            k = r // m
            i = r - k * m
            row, limit, s = x[stream[k], i], threshold[k], scale[k]
            k0, k1, base = key0[k], key1[k], _mask_base(i)
            for j in range(d):
                u = _random_u32(np.uint32(base + np.uint32(j)), k0, k1)
                out[k, i, j] = row[j] * s if u >= limit else F(0)

    return input_dropout


@functools.cache
def optimiser_kernels(dtype):
    """One step of Adam, or of SGD with momentum, over the flat parameters of a stack.

    ``tasks`` (t, 4) lists slices that belong to one member: start, stop, member, layer, the layer
    being -1 for biases and batch norm, which are never penalised. lr, decay (k,); l1, l2 (layers, k).
    """
    F = getattr(np, dtype)
    SMALL = F(TINY[dtype])

    @_jit
    def adam(p, g, m, v, tasks, lr, decay, l1, l2, b1, b2, c1, c2, eps):
        """Proximal Adam: soft-thresholding in the metric of the step. c1, c2: 1 / (1 - beta^t)."""
        for t in range(tasks.shape[0]):
            start, stop, k, layer = tasks[t, 0], tasks[t, 1], tasks[t, 2], tasks[t, 3]
            rate, shrink, sparse, ridge = lr[k], F(1), F(0), F(0)
            if layer >= 0:
                shrink = F(1) - rate * decay[k]
                sparse = l1[layer, k]
                ridge = l2[layer, k]
            pt, gt, mt, vt = p[start:stop], g[start:stop], m[start:stop], v[start:stop]
            for i in range(stop - start):
                d = gt[i] + ridge * pt[i]
                a = b1 * mt[i] + (F(1) - b1) * d
                a = F(0) if abs(a) < SMALL else a
                u = b2 * vt[i] + (F(1) - b2) * d * d
                u = F(0) if u < SMALL else u
                mt[i] = a
                vt[i] = u
                step = rate / (np.sqrt(u * c2) + eps)
                w = pt[i] * shrink - step * (a * c1)
                pt[i] = _soft_threshold(w, step * sparse)

    @_jit
    def sgd(p, g, m, tasks, lr, decay, l1, l2, momentum, nesterov):
        """Proximal SGD: m is the velocity. See `skreg.objective.penalties` for the two forms."""
        for t in range(tasks.shape[0]):
            start, stop, k, layer = tasks[t, 0], tasks[t, 1], tasks[t, 2], tasks[t, 3]
            rate, shrink, sparse, ridge = lr[k], F(1), F(0), F(0)
            if layer >= 0:
                shrink = F(1) - rate * decay[k]
                sparse = rate * l1[layer, k]
                ridge = l2[layer, k]
            pt, gt, mt = p[start:stop], g[start:stop], m[start:stop]
            for i in range(stop - start):
                old = mt[i]
                origin = pt[i] * shrink
                w = origin - rate * (gt[i] + ridge * pt[i])
                if nesterov:
                    w = _soft_threshold(w, sparse)
                    speed = w - (origin - momentum * old)
                else:
                    w = _soft_threshold(w + momentum * old, sparse)
                    speed = w - origin
                # Before it is added: else rounding would keep a weight that is zero just off zero.
                speed = F(0) if abs(speed) < SMALL else speed
                mt[i] = speed
                pt[i] = w + momentum * speed if nesterov else w

    return adam, sgd


@functools.cache
def max_norm_kernel(dtype):
    """Scales rows of weight (k*h, n) back to the norm bound[k] of their member."""
    F = getattr(np, dtype)

    @_jit
    def max_norm(weight, h, bound):
        R, n = weight.shape
        for r in range(R):
            s = F(0)
            for i in range(n):
                s += weight[r, i] * weight[r, i]
            limit = bound[r // h]
            if s > limit * limit:
                f = limit / np.sqrt(s)
                for i in range(n):
                    weight[r, i] *= f

    return max_norm
