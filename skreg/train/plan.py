"""Jobs to stacks: equal shapes together, streams together, as much work for each lane."""

from __future__ import annotations

import importlib.util
import math

import numpy as np
import scipy.sparse as sp
import torch

from skreg.net.net import Net, switches
from skreg.train.feed import CHUNK_ROWS, Fingerprint, batches_of
from skreg.train.job import SHAPE_FIELDS

#: Bytes that a stack may take, and the members that it may have in any case and at most. A larger stack
#: gathers and looks at its epochs once for more members; beyond 64 that gains nothing more.
STACK_BYTES, FEWEST, MOST = 1 << 28, 8, 64

#: Multiply-adds from which a second thread pays: of a minibatch, where threads share a product
#: and meet after each; of an epoch, where they share the members.
PRODUCT_WORK, EPOCH_WORK = 5_000_000, 20_000_000


def shape_key(job):
    """Jobs with equal keys can be trained as one stack."""
    spec = job.spec
    return (
        *(getattr(spec, name) for name in SHAPE_FIELDS),
        job.X.shape[1],
        sp.issparse(job.X),
        batches_of(job),
        *switches(spec).values(),
        job.cohort is not None,
        # Kernels of other devices know one clock a stack.
        job.epochs_behind if spec.device != "cpu" else 0,
    )


def stack_bytes(job, members):
    """Memory that a stack of ``members`` such jobs takes, without the rows."""
    spec = job.spec
    net = net_of(job)
    width = min(spec.batch_size, job.X.shape[0])
    activations = width * net.memory(spec.input_dropout > 0)
    if spec.device != "cpu" and spec.embedded:
        # The rows as they are, and periodic functions with their arguments.
        waves = 2 * net.front_width * _rows_with_waves(job, width)
        activations += width * job.X.shape[1] + waves
    # Parameters, gradient, two moments and the best ones so far.
    return members * np.dtype(spec.dtype).itemsize * (5 * net.n_numbers + activations)


def net_of(job):
    """The net of a job."""
    return Net.of(job.spec, job.X.shape[1])


def _rows_with_waves(job, width):
    """Rows whose periodic functions lie in memory at a time, on devices other than the CPU.

    Autograd stores those of a minibatch. The kernels for CUDA compute them again, and what remains is
    validation, which goes through its rows in chunks.
    """
    by_kernels = job.spec.device.startswith("cuda") and not sp.issparse(job.X)
    by_kernels = by_kernels and net_of(job).launched
    if not by_kernels or importlib.util.find_spec("triton") is None:
        return width
    return 0 if job.X_val is None else min(CHUNK_ROWS, job.X_val.shape[0])


def most_members(job, memory=None):
    """How many such jobs one stack should hold."""
    one = max(stack_bytes(job, 1), 1)
    most = int(np.clip(STACK_BYTES // one, FEWEST, MOST))
    if job.spec.device != "cpu":
        most = 4096
    if memory is not None:
        most = max(1, min(most, int(memory // one)))
    return most


def plan(jobs, *, fingerprints=None, memory=None, lanes=1):
    """Cut jobs into stacks.

    Parameters
    ----------
    jobs : list of Job
    fingerprints : list of Fingerprint, optional
    memory : float, optional
        Bytes that the stacks in training may take together.
    lanes : int, default=1
        Stacks that train side by side: on the CPU the work is cut into as many parts at least.

    Returns
    -------
    list of list of int
        Numbers of the jobs of each stack, the stacks with the most work first. It depends on what
        the jobs are, not on the order in which they came.
    """
    fingerprints = fingerprints or Fingerprint.of_all(jobs)

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
    work = [_work(job) for job in jobs]
    for alike in shapes.values():
        alike.sort(key=lambda block: order(block[0]))
        # A cohort larger than a stack should be is one all the same.
        device = jobs[alike[0][0]].spec.device
        limits = [limit for limit in (memory, _free_bytes(device)) if limit is not None]
        room = min(limits) / (lanes if device == "cpu" else 1) if limits else None
        most = max(1, most_members(jobs[alike[0][0]], room) // max(map(len, alike)))
        parts = math.ceil(len(alike) / most)
        if jobs[alike[0][0]].spec.device == "cpu":
            share = sum(work[i] for block in alike for i in block) / sum(work)
            parts = min(len(alike), _even_parts(parts, share, lanes))
        for part in np.array_split(np.arange(len(alike)), parts):
            stacks.append([i for p in part for i in alike[p]])
    stacks.sort(key=lambda stack: (-sum(work[i] for i in stack), order(stack[0])))
    return stacks


def _free_bytes(device):
    """Bytes of a GPU's own memory that stacks may take together; None for a device that has none."""
    if not device.startswith("cuda") or not torch.cuda.is_available():
        return None
    device = torch.device(device)
    # What torch holds and does not use was free before the last stack, and is for the next one.
    idle = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    # Half, since the tables lie there too.
    return (torch.cuda.mem_get_info(device)[0] + idle) / 2


def _even_parts(parts, share, lanes):
    """Parts of a shape that has this share of the work, so that no lane idles while others train."""
    parts = max(parts, math.ceil(share * lanes - 0.1))
    # Where one shape is nearly all there is, each lane gets as many parts.
    return math.ceil(parts / lanes) * lanes if share > 0.9 else parts


def _work(job):
    """About how much there is to train, in multiply-adds."""
    last = job.spec.max_iter if job.pause is None else min(job.pause, job.spec.max_iter)
    return job.X.shape[0] * max(1, last - job.epochs_behind) * net_of(job).work


def threads_for(job, members):
    """Threads that a stack of such jobs can make use of: they share members, or the products of one."""
    work = net_of(job).work
    if members > 1:
        return int(np.clip(members * job.X.shape[0] * work // EPOCH_WORK, 1, members))
    return max(1, int(min(job.spec.batch_size, job.X.shape[0]) * work // PRODUCT_WORK))


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
