"""Numbers that jobs ask for beside the loss (`skreg.train.job.Measure`), in the history of each epoch.

They are taken when an epoch is closed, and have no part in who ends and which weights are kept. So a net that
is measured is the same, to the last bit, as one that is not.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from skreg.train.validation import Shows, ask


def measure(stack, places, outputs=None):
    """Write what is measured into the last row of the histories, when the epoch has one.

    Parameters
    ----------
    stack : Stack
    places : list of int
        Of the members that were trained in this epoch; some may have ended with it.
    outputs : dict of int to ndarray, shape (o, n), optional
        Their raw validation outputs, where they are at hand.
    """
    members = stack.members
    places = [k for k in places if members[k].job.measures and members[k].ended != "error"]
    if not places:
        return
    if stack.watch is not None:
        stack.watch.flush(members, stack.feed.steps)
    if outputs is None:
        groups = [(group.members, group.rows) for group in stack.feed.groups]
        outputs = _outputs_of(stack, places, groups)
    seen = [k for k in places if any(one.of_training for one in members[k].job.measures)]
    streams = list(zip(stack.feed.streams, stack.feed.rows, strict=True))
    trained = _outputs_of(stack, seen, streams)
    shows = Shows(stack.kept, stack.epoch + 1, stack.steps_done)
    epoch = _Epoch(members, places, outputs, trained, shows)
    for k in places:
        member = members[k]
        try:
            for one in member.job.measures:
                member.history[one.name][-1] = epoch.measured(one, k)
        except Exception as error:
            member.ended, member.error = "error", error


def _outputs_of(stack, places, tables):
    """Raw outputs (o, n) of some members by place; those that have no table are left out.

    Parameters
    ----------
    stack : Stack
    places : list of int
    tables : list of (slice, Table)
        Rows, and the members that they are of.
    """
    outputs = {}
    for members, rows in tables:
        wanted = [k for k in places if members.start <= k < members.stop]
        if not wanted:
            continue
        parts = [
            stack.step.outputs(stack.kept, members, rows.chunk(part.start, part.stop))
            for part in rows.parts(members, stack.net)
        ]
        raw = torch.cat(parts, dim=2).cpu().double().numpy()
        outputs.update((k, raw[k - members.start]) for k in wanted)
    return outputs


class _Epoch:
    """Members at the end of an epoch; what is measured of a cohort is measured once."""

    def __init__(self, members, places, outputs, trained, shows):
        self.members = members
        self.places = places
        self.outputs = outputs
        self.trained = trained
        self.shows = shows
        self._of_cohorts = {}

    def measured(self, one, k):
        """One number of member k, or of its cohort."""
        cohort = self.members[k].cohort
        if one.of_training or cohort is None:
            raw = (self.trained if one.of_training else self.outputs)[k]
            return _taken(one, raw, lambda: [self._standing(k, raw)])
        key = id(cohort), one.name
        if key not in self._of_cohorts:
            members = [(j, self.members[j]) for j in self.places]
            count = [j for j, m in members if m.cohort is cohort and m.ended != "diverged"]
            nets = [self._standing(j, self.outputs[j]) for j in count]
            self._of_cohorts[key] = _taken(one, cohort.raw, lambda: nets)
        return self._of_cohorts[key]

    def _standing(self, k, raw):
        member = self.members[k]
        return self.shows.standing(member, k, raw.T, member.history["valid_loss"][-1])


def _taken(one, raw, nets):
    """The number of raw outputs (o, n); NaN where it is undefined, or there is no finite output."""
    if raw is None or not np.isfinite(raw).all():
        return math.nan
    return ask(one, raw.T, nets)[0]
