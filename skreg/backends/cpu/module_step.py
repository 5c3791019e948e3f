"""The step of a module of the user's on the CPU: torch's gradients, and a compiled optimiser and masks.

In torch operations the optimiser goes through all numbers of a stack a dozen times, which takes a quarter
of the time of a small convolutional net, and the masks of dropout through theirs some twenty times; compiled
each goes through them once.
"""

from __future__ import annotations

import functools

import numpy as np
import torch
from numba import types

from skreg.backends.constants import TINY
from skreg.backends.cpu.optimisers import adam_dense, adam_sparse
from skreg.backends.cpu.pieces import compiled, mask_base, random_u32
from skreg.backends.reference import ReferenceStep
from skreg.net.own.layers import keys_of_call


class ModuleStep(ReferenceStep):
    """A `ReferenceStep` whose Adam and masks are compiled."""

    def __init__(self, *args):
        super().__init__(*args)
        keep_freed_memory()

    @staticmethod
    def draw_masks(lines, rows, rate, threshold, keys, stream_of):
        """As `skreg.net.own.layers.masks_of`, each member's for itself."""
        dtype = str(rate.dtype).removeprefix("torch.")
        numbers, masks = (threshold.numpy(), (1 / (1 - rate)).numpy()), []
        for call, n in enumerate(lines):
            mask = torch.empty(len(rate), rows, n, dtype=rate.dtype)
            of_call = (key.numpy() for key in keys_of_call(keys, call))
            fill_mask(dtype)(mask.numpy(), *of_call, *numbers)
            masks.append(mask)
        return rate, masks

    @staticmethod
    def kernels_of(spec):
        """What the self-check has to look at once."""
        return [(spec.solver, spec.dtype)]

    def _step(self, name, grad, options):
        """See `ReferenceStep._step`."""
        if self.spec.solver == "sgd":
            super()._step(name, grad, options)
            return
        spec, k, dtype = self.spec, self.state.k, self.spec.dtype
        arrays = [buffer.view[name] for buffer in (self.state.theta, *self.state.moments)]
        p, m, v = (array.view(k, -1).numpy() for array in arrays)
        none = np.zeros(k, dtype=dtype)
        given = [options["learning_rate"], options["weight_decay"], options["l1"], options["l2"]]
        numbers = [none if value is None else value.numpy() for value in given]
        t = self.state.t.astype(np.float64)
        corrections = [(1 / (1 - beta**t)).astype(dtype) for beta in (spec.beta_1, spec.beta_2)]
        fixed = np.array([spec.beta_1, spec.beta_2, spec.epsilon], dtype=dtype)
        grad = grad.reshape(k, -1).contiguous().numpy()
        adam(dtype)(p, grad, m, v, *numbers, *corrections, fixed)


@functools.cache
def keep_freed_memory():
    """Let glibc keep what a step frees for the next one, where it would hand it back to the system each time.

    glibc learns from the largest block that was freed how much to keep, and blocks of more than 32 MiB do not
    count. Without it steps of small convolutional nets spend up to a tenth of their time on new pages.
    """
    np.empty(31 << 20, dtype=np.uint8)


@functools.cache
def adam(dtype):
    """One step of proximal Adam of parameters (k, n) of k members, in place.

    Arguments: parameters, gradients, first and second moments; rates, decays, strengths of L1 and L2 and the
    corrections of both moments of each member; both betas and epsilon.
    """
    F = getattr(np, dtype)
    SMALL, ONE, ZERO = F(TINY[dtype]), F(1), F(0)
    entry = types.float32 if dtype == "float32" else types.float64
    matrix, vector = types.Array(entry, 2, "C"), types.Array(entry, 1, "C")

    @compiled(types.void(*[matrix] * 4, *[vector] * 7))
    def step(p, g, m, v, rates, decays, l1s, l2s, firsts, seconds, fixed):
        b1, b2, eps = fixed[0], fixed[1], fixed[2]
        for k in range(p.shape[0]):
            rate, l1, l2, c1, c2 = rates[k], l1s[k], l2s[k], firsts[k], seconds[k]
            kept = ONE - rate * decays[k]
            if l1 > ZERO:
                adam_sparse(p[k], g[k], m[k], v[k], rate, kept, l2, b1, b2, c1, c2, eps, SMALL, l1)
            else:
                adam_dense(p[k], g[k], m[k], v[k], rate, kept, l2, b1, b2, c1, c2, eps, SMALL)

    return step


@functools.cache
def fill_mask(dtype):
    """Masks (k, rows, lines) of one call of a layer of dropout: as of `skreg.net.dropout.keep_mask`, scaled.

    Arguments: what is filled; both keys and the threshold of each member, and what stays is multiplied by.
    """
    ZERO = getattr(np, dtype)(0)
    entry = types.float32 if dtype == "float32" else types.float64
    integers, scales = types.Array(types.int64, 1, "A"), types.Array(entry, 1, "C")

    @compiled(types.void(types.Array(entry, 3, "C"), *[integers] * 3, scales))
    def fill(mask, keys_0, keys_1, thresholds, scales):
        for k in range(mask.shape[0]):
            key_0, key_1 = np.uint32(keys_0[k]), np.uint32(keys_1[k])
            limit, scale = np.uint32(thresholds[k]), scales[k]
            for row in range(mask.shape[1]):
                out = mask[k, row]
                for line in range(out.shape[0]):
                    bits = random_u32(np.uint32(mask_base(line) + np.uint32(row)), key_0, key_1)
                    out[line] = scale if bits >= limit else ZERO

    return fill
