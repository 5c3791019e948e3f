"""What the members of a stack begin with: drawn, given, or brought along from a pause."""

from __future__ import annotations

import torch

from skreg.net.net import STARTING
from skreg.train.feed import runs
from skreg.train.state import Average, Snapshot, State, initial_parameters, with_measured


def begin(net, jobs, fingerprints, device, averaged):
    """The state that jobs start from, their best weights and their averages.

    Parameters
    ----------
    net : Net
    jobs : list of Job
    fingerprints : list of Fingerprint
    device : torch.device
    averaged : bool
        Whether the stack keeps averages.

    Returns
    -------
    state : State
    snapshot : Snapshot
    average : Average or None
    """
    spec = jobs[0].spec
    # Filled on the host and sent as a whole.
    state = State(net, len(jobs), spec.solver, spec.dtype, torch.device("cpu"))
    equal = _equal_starts(net, jobs, fingerprints)
    for same in equal:
        job = jobs[same.start]
        start = job.start if job.resume is None else job.resume.start
        # What goes on with a knob that it did not have lacks what that knob tracks.
        if not start or any(name not in start for name, _ in net.tracked()):
            start = {**initial_parameters(net, job.spec, job.seed), **(start or {})}
        state.load(same, with_measured(net, start, job))
    on_device = state.to(device)
    resumed = [same for same in equal if jobs[same.start].resume is not None]
    nets = state if resumed else on_device  # copied on the device, unless some have others
    snapshot, average = Snapshot(nets), Average(nets) if averaged else None
    for same in resumed:
        jobs[same.start].resume.load(same, snapshot, average)
    return on_device, snapshot.to(device), average and average.to(device)


def _equal_starts(net, jobs, fingerprints):
    """Slices of neighbours that start with equal parameters."""
    keys = [
        (job.seed, id(job.start), id(job.resume), *(getattr(job.spec, name) for name in STARTING))
        for job in jobs
    ]
    if net.fixed():
        keys = [(*key, f.stream) for key, f in zip(keys, fingerprints, strict=True)]
    return runs(keys)[0]
