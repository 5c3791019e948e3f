"""Jobs to stacks: equal shapes together, streams together, no stack larger than the cache likes."""

from __future__ import annotations

import itertools
import math

import numpy as np
import scipy.sparse as sp

from skreg.engine.data import Fingerprint, batches_of
from skreg.engine.job import SHAPE_FIELDS

#: Bytes that one activation buffer of a stack may take, and the members that fit in any case and at
#: most. Measured: below 8 members products are too small, beyond the cache nothing is won.
ACTIVATION_BYTES, FEWEST, MOST = 2 << 20, 8, 64


def shape_key(job):
    """Jobs with equal keys can be trained as one stack."""
    spec = job.spec
    return (
        *(getattr(spec, name) for name in SHAPE_FIELDS),
        job.X.shape[1],
        sp.issparse(job.X),
        batches_of(job),
        spec.input_dropout > 0,
        job.cohort is not None,
    )


def stack_bytes(job, members):
    """Memory that a stack of ``members`` such jobs takes, without the rows."""
    spec = job.spec
    sizes = (job.X.shape[1], *spec.hidden, spec.n_outputs)
    weights = sum(a * b + 3 * b for a, b in itertools.pairwise(sizes))
    width = min(spec.batch_size, job.X.shape[0])
    activations = 3 * width * sum(sizes[1:]) + (width * sizes[0] if spec.input_dropout else 0)
    return members * np.dtype(spec.dtype).itemsize * (5 * weights + activations)


def most_members(job, memory=None):
    """How many such jobs one stack should hold."""
    spec = job.spec
    width = min(spec.batch_size, job.X.shape[0])
    one = width * max(spec.hidden, default=spec.n_outputs) * np.dtype(spec.dtype).itemsize
    most = int(np.clip(ACTIVATION_BYTES // max(one, 1), FEWEST, MOST))
    if spec.device != "cpu":
        most = 4096
    if memory is not None:
        most = max(1, min(most, int(memory // max(stack_bytes(job, 1), 1))))
    return most


def plan(jobs, *, fingerprints=None, memory=None):
    """Cut jobs into stacks.

    Parameters
    ----------
    jobs : list of Job
    fingerprints : list of Fingerprint, optional
    memory : float, optional
        Bytes that one stack may take.

    Returns
    -------
    list of list of int
        Numbers of the jobs of each stack, in canonical order: it depends on what the jobs are, not
        on the order in which they came.
    """
    fingerprints = fingerprints or [Fingerprint.of(job) for job in jobs]

    def order(i):
        return fingerprints[i].sort_key(), _spec_key(jobs[i].spec)

    blocks, shapes, stacks = {}, {}, []
    for i, job in enumerate(jobs):
        if job.alone:
            stacks.append([i])
        else:
            blocks.setdefault(i if job.cohort is None else job.cohort, []).append(i)
    for block in blocks.values():
        block.sort(key=order)
        shapes.setdefault(shape_key(jobs[block[0]]), []).append(block)
    for alike in shapes.values():
        alike.sort(key=lambda block: order(block[0]))
        # A cohort larger than a stack should be is one all the same.
        most = max(1, most_members(jobs[alike[0][0]], memory) // max(map(len, alike)))
        for part in np.array_split(np.arange(len(alike)), math.ceil(len(alike) / most)):
            stacks.append([i for p in part for i in alike[p]])
    stacks.sort(key=lambda stack: order(stack[0]))
    return stacks


def cut_in_two(jobs):
    """Place near the middle at which a stack may be cut, or None: a cohort stays whole."""
    places = [
        i
        for i in range(1, len(jobs))
        if jobs[i].cohort is None or jobs[i].cohort != jobs[i - 1].cohort
    ]
    return min(places, key=lambda i: abs(2 * i - len(jobs)), default=None)


def _spec_key(spec):
    return repr(spec)
