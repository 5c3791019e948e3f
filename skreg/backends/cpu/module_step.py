"""The step of a module of the user's on the CPU: torch's gradients, and a compiled optimiser.

In torch operations the optimiser goes through all numbers of a stack a dozen times, which takes a quarter
of the time of a small convolutional net; compiled it goes through them once.
"""

from __future__ import annotations

import functools

import numpy as np
from numba import types

from skreg.backends.constants import TINY
from skreg.backends.cpu.optimisers import adam_dense, adam_sparse
from skreg.backends.cpu.pieces import compiled
from skreg.backends.reference import ReferenceStep


class ModuleStep(ReferenceStep):
    """A `ReferenceStep` whose Adam is compiled."""

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
