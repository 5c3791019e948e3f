"""Gaussian noise on the inputs in training, none at predict (Bishop 1995).

Noise makes a net flat where the rows lie: for a linear model and squared errors the expected objective is
that with an L2 penalty. An entry's noise is a function of its place in the minibatch and of the keys of the
masks: two hashes (`skreg.net.dropout.hash_u32`) become a radius and an angle, and those a standard normal
number (Box and Muller 1958). Of each hash 24 bits count, which float32 holds exactly, so that the numbers
are the same in both precisions; none is beyond 5.8 standard deviations.
"""

from __future__ import annotations

import functools
import math

import numpy as np
import torch
from torch import nn

from skreg.net.bits import Salt, bits
from skreg.net.block import Block, SharedRows
from skreg.net.knob import Knob
from skreg.net.parameter import Parameter, Role
from skreg.net.prediction import Random, dense

#: One over the number of radii and of angles.
STEP = 2.0**-24

#: Entries of a table that are measured at a time.
_ENTRIES = 1 << 20


def standard_normal(lines, length, keys, dtype, device):
    """A standard normal number for each entry of minibatches, by the place of the entry alone.

    Parameters
    ----------
    lines, length : int
        Rows of a minibatch, and inputs.
    keys : tuple of two int64 tensors, shape (s,)
    dtype : torch.dtype
    device : torch.device

    Returns
    -------
    tensor, shape (s, lines, length)

    Examples
    --------
    >>> import torch
    >>> keys = torch.tensor([7]), torch.tensor([9])
    >>> z = standard_normal(500, 200, keys, torch.float64, "cpu")
    >>> abs(z.mean().item()) < 0.01, abs(z.std().item() - 1) < 0.01
    (True, True)
    """
    keys = [key.to(device) for key in keys]
    salts = Salt.NOISE_RADIUS, Salt.NOISE_ANGLE
    radius, angle = (bits(salt, keys, lines, length) >> 8 for salt in salts)
    radius, turns = (radius + 1).to(dtype) * STEP, angle.to(dtype) * STEP
    return torch.sqrt(-2 * torch.log(radius)) * torch.cos(2 * math.pi * turns)


def column_mean(X, weight=None, function=None):
    """Mean of each column over weighted rows, in float64.

    Parameters
    ----------
    X : ndarray or CSR matrix, shape (n, d)
        Looked at some rows at a time.
    weight : ndarray or None, shape (n,)
    function : callable, optional
        Of rows, whose mean is taken in place of the rows'.

    Returns
    -------
    ndarray, shape (d,)

    Examples
    --------
    >>> import numpy as np
    >>> column_mean(np.array([[0.0, 5.0], [3.0, 5.0]]), np.array([1.0, 2.0]))
    array([2., 5.])
    """
    n, d = X.shape
    weight = np.ones(n) if weight is None else np.asarray(weight, dtype=np.float64)
    most, total = max(1, _ENTRIES // d), np.zeros(d)
    for start in range(0, n, most):
        part = X[start : start + most]
        part = part.toarray() if hasattr(part, "toarray") else part
        values = part.astype(np.float64)
        values = values if function is None else function(values)
        total += (values * weight[start : start + most, None]).sum(axis=0)
    return total / weight.sum()


def column_std(X, weight=None):
    """Standard deviation of each column over weighted rows, in float64; exactly 0 for a constant.

    Parameters
    ----------
    X : ndarray or CSR matrix, shape (n, d)
        Looked at some rows at a time.
    weight : ndarray or None, shape (n,)

    Returns
    -------
    ndarray, shape (d,)

    Examples
    --------
    >>> import numpy as np
    >>> column_std(np.array([[0.0, 5.0], [0.0, 5.0], [3.0, 5.0]]), np.array([0.5, 0.5, 1.0]))
    array([1.5, 0. ])
    """
    first = X[:1].toarray()[0] if hasattr(X, "toarray") else X[0]
    first = first.astype(np.float64)
    # Distances from the first row: those of a constant column are zero without rounding.
    mean = first + column_mean(X, weight, lambda x: x - first)
    return np.sqrt(column_mean(X, weight, lambda x: (x - mean) ** 2))


class InputNoise(Block):
    """Noise on the columns, in front of all that is made of them, and of dropout of inputs.

    Parameters
    ----------
    n_columns : int
    n_categories : int, default=0
        How many of them, the last ones, hold numbers of levels, which get none.
    """

    knobs = (
        Knob(
            "input_noise",
            "strength",
            """\
    input_noise : float >= 0, default=0.0
        Standard deviation of Gaussian noise that is added to each entry of the inputs, anew in each
        minibatch of training and not at predict, in units of each column's own standard deviation over
        the training rows (Bishop, "Training with Noise is Equivalent to Tikhonov Regularization", 1995).
        Columns of zeros and ones and the zeros of a sparse matrix get it as all others do; a constant
        column gets none. For a linear model and squared errors it acts as ``l2=input_noise**2`` does on
        standardised columns.
""",
            splits=True,
        ),
    )

    def __init__(self, n_columns, n_categories=0):
        self.n_columns = self.n_out = n_columns
        self.n_categories = n_categories

    def parameters(self):
        """See `Block.parameters`."""
        return [Parameter("input_std", (self.n_columns,), Role.FIXED)]

    def measure(self, X, weight):
        """See `Block.measure`."""
        std = column_std(X, weight)
        std[self.n_columns - self.n_categories :] = 0.0
        return {"input_std": std}

    def memory(self, drops_inputs):
        """See `Block.memory`."""
        return self.n_out

    def train(self, p, a, minibatch):
        """See `Block.train`: members of a stream have the same bits, each with its own strength."""
        _, b, d = a.x.shape
        keys = minibatch.keys[:, 0, [members.start for members in a.streams]]
        z = standard_normal(b, d, keys, a.x.dtype, a.x.device)[a.stream_of]
        scale = minibatch.knobs["input_noise"].unsqueeze(1) * p["input_std"]
        noisy = torch.addcmul(a.of_members(), z, scale.unsqueeze(1))
        return SharedRows.unshared(noisy)

    def evaluate(self, p, a):
        """See `Block.evaluate`."""
        return a

    def emit(self, program, a):
        """See `Block.emit`."""
        if not program.training:
            return a
        from skreg.backends.cpu.program import Value

        a = program.value(a)
        out, levels = program.buffer(a.n), program.knob(program.model.knobs.input_noise)
        std, kernel = program.parameter("input_std"), noise_kernel(program.dtype)
        program.add(kernel, d=a.n, x=a.at, out=out, std=std, levels=levels)
        return Value(out, a.n, by_row=True)

    def is_random(self, spec):
        """See `Block.is_random`."""
        return spec.input_noise > 0

    def predict(self, params, steps):
        """See `Block.predict`."""
        steps.append(_Noise(params["input_std"].astype(np.float64)[:, None, :]))

    def modules(self, params, spec):
        """See `Block.modules`."""
        return [GaussianNoise(spec.input_noise * params["input_std"])]

    def describe(self, spec):
        """See `Block.describe`."""
        return [("GaussianNoise", self.n_out, f"input_noise={spec.input_noise:g}")]


class GaussianNoise(nn.Module):
    """Adds noise to inputs in training mode, drawn by torch's generator; nothing in evaluation mode.

    Parameters
    ----------
    std : array or tensor, shape (d,)
        Standard deviation of the noise of each input.
    """

    def __init__(self, std):
        super().__init__()
        self.register_buffer("std", torch.as_tensor(std))

    def forward(self, x):
        """Rows x (b, d)."""
        if not self.training:
            return x
        return x + torch.randn_like(x) * self.std


class _Noise(Random):
    """The step of `skreg.net.prediction`: nothing at predict, noise in Monte-Carlo prediction."""

    def __init__(self, std):
        self.std = std

    def of(self, places):
        """That of a slice of the nets."""
        return _Noise(self.std[places])

    def draw(self, x, spec, rng):
        """See `Random.draw`."""
        x = dense(x)
        return x + rng.standard_normal(x.shape) * (spec.input_noise * self.std)


def log(x):
    """Natural logarithm of a number in (0, 1]; a polynomial for float32, so that loops vectorise.

    The polynomial is that of the Cephes library (`logf`), 1e-7 of the result.
    """
    raise NotImplementedError("only called from compiled code")


@functools.cache
def _compile_log():
    """Let compiled code call `log`."""
    from numba import types
    from numba.extending import overload

    from skreg.backends.cpu.pieces import INLINE

    @overload(log, jit_options=INLINE)
    def overload_log(x):
        if x != types.float32:
            return lambda x: math.log(x)

        def impl(x):
            bits = np.float32(x).view(np.int32)
            # x = m 2^e with m in [sqrt(1/2), sqrt(2))
            e = np.int32((bits - np.int32(0x3F3504F3)) >> np.int32(23))
            m = np.int32(bits - np.int32(e << np.int32(23))).view(np.float32) - np.float32(1)
            p = np.float32(7.0376836292e-2)
            p = p * m - np.float32(1.1514610310e-1)
            p = p * m + np.float32(1.1676998740e-1)
            p = p * m - np.float32(1.2420140846e-1)
            p = p * m + np.float32(1.4249322787e-1)
            p = p * m - np.float32(1.6668057665e-1)
            p = p * m + np.float32(2.0000714765e-1)
            p = p * m - np.float32(2.4999993993e-1)
            p = p * m + np.float32(3.3333331174e-1)
            square = m * m
            return m + (p * m - np.float32(0.5)) * square + np.float32(e) * np.float32(0.6931472)

        return impl


@functools.cache
def noise_kernel(dtype):
    """Noisy copy ``out`` (b, d) of a minibatch; ``std`` (k, d), ``levels`` (k,).

    Parameters
    ----------
    dtype : str
        ``"float32"`` or ``"float64"``.
    """
    # Modules and not their functions, which numba's key of a kernel cannot hold.
    from skreg.backends.cpu import periodic, pieces

    _compile_log()
    F = getattr(np, dtype)
    ZERO, TWO, UNIT, ITEM = F(0), F(2), F(STEP), np.dtype(dtype).itemsize
    BITS, R, A = np.uint32(0), np.uint32(Salt.NOISE_RADIUS), np.uint32(Salt.NOISE_ANGLE)
    EIGHT, ONE = np.uint32(8), np.int32(1)

    @pieces.kernel("d x out std levels")
    def input_noise(frame, row, k):
        d, x, out, std, levels = pieces.numbers(row, 5)
        b = frame[pieces.B]
        x = pieces.matrix(ZERO, pieces.rows_at(frame, x), b, d)
        out, std = pieces.matrix(ZERO, out, b, d), pieces.vector(ZERO, std + k * d * ITEM, d)
        level = pieces.entry(ZERO, levels, k)
        # The keys of the inputs are the first.
        key0 = pieces.entry(BITS, frame[pieces.KEYS_0], k)
        key1 = pieces.entry(BITS, frame[pieces.KEYS_1], k)
        for i in range(b):
            base = pieces.mask_base(i)
            for j in range(d):
                place = np.uint32(base + np.uint32(j))
                n = pieces.salted_u32(place, R, key0, key1) >> EIGHT
                t = pieces.salted_u32(place, A, key0, key1) >> EIGHT
                # By way of int32: processors have no instruction that makes floats of uint32.
                square = -TWO * log(F(np.int32(n) + ONE) * UNIT)
                # Of 1 the polynomial may make a little more than 0.
                radius = np.sqrt(square if square > ZERO else ZERO)
                turn = periodic.cosine(F(np.int32(t)) * UNIT)
                out[i, j] = x[i, j] + level * std[j] * (radius * turn)

    return input_noise
