"""Validation by the stack: losses, and scores and outputs for those who have to be asked."""

from __future__ import annotations

import math

import numpy as np
import torch


def validate(step, nets, feed, members, net):
    """Look at the validation rows of members that have not ended.

    Parameters
    ----------
    step : ReferenceStep
        Or another with its interface.
    nets : State or Snapshot
        What is validated.
    feed : Feed
    members : list of Member
        Where a scorer raises, its member ends with the error.
    net : Net

    Returns
    -------
    loss, score : ndarray of float64, shape (k,)
        NaN where there is none.
    outputs : dict of int to ndarray, shape (o, n)
        Raw outputs of the members of cohorts, by their places.
    """
    k = len(members)
    loss, score, outputs = np.full(k, math.nan), np.full(k, math.nan), {}
    sums = []
    for group in feed.groups:
        sharing = members[group.members]
        if all(m.ended for m in sharing):
            continue
        asked = any(m.job.score is not None or m.cohort is not None for m in sharing)
        parts, loss[group.members] = [], 0.0
        for rows, y, weight in group.chunks(net):
            raw = step.outputs(nets, group.members, rows)
            sums.append((group.members, step.losses_of(group.members, raw, y, weight)))
            if asked:
                parts.append(raw.cpu().double().numpy())
        raw = np.concatenate(parts, axis=2) if asked else None
        for i, m in enumerate(sharing if asked else ()):
            place = group.members.start + i
            if m.ended is not None:
                continue
            if m.cohort is not None:
                outputs[place] = raw[i]
            elif m.job.score is not None:
                score[place] = _score(m, raw[i].T)
    for places, values in _on_host(sums):
        loss[places] += values
    return loss, score, outputs


def _score(member, raw):
    """Score of one member; an error of its scorer ends that member alone."""
    if not np.isfinite(raw).all():
        return math.nan
    try:
        return float(member.job.score(raw))
    except Exception as error:
        member.ended, member.error = "error", error
        return math.nan


def _on_host(parts):
    """Pairs of members and numbers as arrays of float64: the device is waited for once, not for each."""
    if not parts:
        return []
    members, tensors = zip(*parts, strict=True)
    together = torch.cat(tensors).cpu().numpy().astype(np.float64)
    ends = np.cumsum([len(t) for t in tensors])
    return zip(members, np.split(together, ends[:-1]), strict=True)
