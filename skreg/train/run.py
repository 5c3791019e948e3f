"""Training: jobs to stacks, stacks to lanes, results in the order of the jobs."""

from __future__ import annotations

import functools
import time
from dataclasses import dataclass

import torch

from skreg.backends import choose
from skreg.train import lanes
from skreg.train.feed import Fingerprint
from skreg.train.job import Result
from skreg.train.member import Member
from skreg.train.plan import cut_in_two, plan, threads_for
from skreg.train.progress import Control
from skreg.train.stack import Stack


@dataclass
class StackReport:
    """What is reported of one stack that was trained."""

    members: int
    epochs: int
    seconds: float
    flops: float


def _out_of_memory(error):
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and "allocate memory" in str(error)


def train_stack(jobs, fingerprints=None, *, implementation="auto", control=None, cache=None):
    """Train jobs of one shape, in halves where there is too little memory; a cohort is never divided.

    Returns
    -------
    results : list of Result
    reports : list of StackReport
    """
    fingerprints = fingerprints or Fingerprint.of_all(jobs)
    try:
        # Chosen before the clock of the stack starts: the first net of its kind has its kernels checked.
        step_type = choose.step_type(jobs[0], implementation)
        stack = Stack(jobs, step_type, fingerprints, control, cache)
        results = stack.run()
    except (MemoryError, RuntimeError) as error:
        half = cut_in_two(jobs)
        if half is None or not _out_of_memory(error):
            raise
        stack = None
    if stack is not None:
        seconds = time.perf_counter() - stack.began
        return results, [StackReport(len(jobs), stack.epoch, seconds, stack.flops)]
    results, reports = [], []
    for part in (slice(0, half), slice(half, None)):
        r, s = train_stack(
            jobs[part],
            fingerprints[part],
            implementation=implementation,
            control=control,
            cache=cache,
        )
        results += r
        reports += s
    return results, reports


def train(jobs, *, implementation="auto", control=None, memory=None, fingerprints=None):
    """Train jobs of any shapes as few stacks.

    Parameters
    ----------
    jobs : list of Job
    implementation : {"auto", "fused", "reference"}, default="auto"
        "auto" is fused where that is available (`skreg.backends.choose`), else reference.
    control : Control, optional
    memory : float, optional
        Bytes that the stacks in training may take together.
    fingerprints : list of Fingerprint, optional

    Returns
    -------
    results : list of Result
        In the order of the jobs. Where a stack failed as a whole, the result of each of its jobs
        carries the error. One whose deadline passed before its stack began has ``best_step`` 0 and no
        parameters.
    reports : list of StackReport
    """
    fingerprints = fingerprints or Fingerprint.of_all(jobs)
    control, cache = control or Control(), {}

    def train_part(members):
        if all(time.perf_counter() > jobs[i].deadline for i in members):
            return [_too_late(jobs[i]) for i in members], []
        part = [jobs[i] for i in members], [fingerprints[i] for i in members]
        options = {"implementation": implementation, "control": control, "cache": cache}
        try:
            return train_stack(*part, **options)
        except Exception as error:
            return failed(members, error), []

    def cancel():
        control.cancelled = True

    stacks = plan(jobs, fingerprints=fingerprints, memory=memory, lanes=torch.get_num_threads())
    on_cpu = [members for members in stacks if jobs[members[0]].spec.device == "cpu"]
    tasks = [functools.partial(train_part, members) for members in on_cpu]
    useful = [threads_for(jobs[members[0]], len(members)) for members in on_cpu]
    alone = [len(members) == 1 for members in on_cpu]
    done = lanes.run(tasks, useful, cancel, products=alone)
    # On another device stacks would only wait for each other, and what one lane does there, as loading a
    # kernel, would break off what another records.
    elsewhere = [members for members in stacks if jobs[members[0]].spec.device != "cpu"]
    done += [train_part(members) for members in elsewhere]
    results, reports = [None] * len(jobs), []
    for members, (part, report) in zip(on_cpu + elsewhere, done, strict=True):
        for i, result in zip(members, part, strict=True):
            results[i] = result
        reports += report
    return results, reports


def _too_late(job):
    """Result of a job whose deadline passed before it began; one that was paused has its best weights."""
    member = Member.of(0, job)
    return Result(
        params={} if job.resume is None else dict(job.resume.kept),
        history=member.history,
        n_iter=len(member.history["epoch"]),
        best_iter=member.best_iter,
        best_loss=member.best_loss,
        n_steps=member.n_steps,
        best_step=member.best_step,
        stopped_by="max_time",
        seconds=0.0 if job.resume is None else job.resume.seconds,
        undefined=member.undefined,
    )


def failed(members, error):
    """Results that carry an error, one for each of ``members``."""
    return [Result(params={}, stopped_by="error", error=error) for _ in members]
