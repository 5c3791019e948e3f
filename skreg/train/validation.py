"""Validation by the stack: losses, scores where a scorer is asked, outputs for ensembles."""

from __future__ import annotations

import functools
import math

import numpy as np
import torch

from skreg.train.job import Result, Standing


class Undefined(Exception):
    """Raised by a `Job.score` in an epoch in which the metric has no value; says why."""


class Shows:
    """Makes the `Standing` of members at the end of an epoch.

    Parameters
    ----------
    nets : State or Snapshot
        What is validated.
    epoch, n_steps : int
        Epochs and minibatches that the stack has done.
    train_loss, rates : ndarray, shape (k,), optional
        Of the epoch; None where it has a row in the histories already.
    """

    def __init__(self, nets, epoch, n_steps, train_loss=None, rates=None):
        self.nets = nets
        self.epoch = epoch
        self.n_steps = n_steps
        self.train_loss = train_loss
        self.rates = rates

    def standing(self, member, place, outputs, valid_loss):
        """The standing of one member, with its raw outputs (n, o) and its validation loss."""
        result = functools.partial(self._result, member, place, float(valid_loss))
        return Standing(member.job, outputs, result)

    def _result(self, member, place, valid_loss):
        return Result(
            params={**self.nets.theta.member(place), **self.nets.running.member(place)},
            history=self._history(member, place, valid_loss),
            n_iter=self.epoch - member.epochs_before,
            best_iter=self.epoch - member.epochs_before,
            best_loss=valid_loss,
            n_steps=self.n_steps - member.steps_before,
            best_step=self.n_steps - member.steps_before,
        )

    def _history(self, member, place, valid_loss):
        """The history with the row of this epoch."""
        if self.train_loss is None:
            return {name: list(values) for name, values in member.history.items()}
        row = {
            "epoch": self.epoch - member.epochs_before,
            "train_loss": float(self.train_loss[place]),
            "valid_loss": valid_loss,
            "learning_rate": float(self.rates[place]),
        }
        if member.cohort is not None:
            row["ensemble_loss"] = member.cohort.loss
        history = member.history.items()
        return {name: [*values, row.get(name, math.nan)] for name, values in history}


def validate(step, nets, feed, members, net, shows):
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
    shows : Shows

    Returns
    -------
    loss, score : ndarray of float64, shape (k,)
        NaN where there is none; for an epoch with infinite outputs both are.
    outputs : dict of int to ndarray, shape (o, n)
        Raw outputs of the members of cohorts, and of those that are measured, by their places.
    """
    k = len(members)
    loss, score, outputs = np.full(k, math.nan), np.full(k, math.nan), {}
    later = []
    for group in feed.groups:
        sharing = members[group.members]
        if all(m.ended for m in sharing):
            continue
        asked = any(_needs_outputs(m) for m in sharing)
        parts, sums, loss[group.members] = [], [], 0.0
        for rows, y, weight in group.chunks(net):
            raw = step.outputs(nets, group.members, rows)
            sums.append((group.members, step.losses_of(group.members, raw, y, weight)))
            if asked:
                parts.append(raw.cpu().double().numpy())
        if not asked:
            later += sums
            continue
        for places, values in _on_host(sums):
            loss[places] += values
        raw = np.concatenate(parts, axis=2)
        for i, m in enumerate(sharing):
            place = group.members.start + i
            if m.ended is not None:
                continue
            if m.cohort is not None or m.job.measures:
                outputs[place] = raw[i]
            if m.cohort is not None:
                continue
            if m.job.score is not None and not np.isfinite(raw[i]).all():
                # The net has diverged, even where the loss of such outputs is finite.
                loss[place] = math.nan
            elif m.job.score is not None:
                score[place] = _score(m, place, raw[i].T, loss[place], shows)
    for places, values in _on_host(later):
        loss[places] += values
    return loss, score, outputs


def _needs_outputs(member):
    asked = member.job.score is not None or bool(member.job.measures)
    return asked or member.cohort is not None


def ask(job, raw, nets):
    """Score of raw outputs (n, o); NaN, and the reason, where the metric is undefined.

    Parameters
    ----------
    job : Job or Measure
    raw : ndarray
    nets : callable

    Returns
    -------
    score : float
    undefined : str or None
    """
    try:
        score = float(job.score(raw, nets) if job.shows_nets else job.score(raw))
    except Undefined as reason:
        return math.nan, str(reason)
    if not math.isfinite(score):
        return math.nan, f"it was {score}"
    return score, None


def _score(member, place, raw, loss, shows):
    """Score of one member; an error of its scorer ends that member alone."""
    try:
        score, undefined = ask(member.job, raw, lambda: [shows.standing(member, place, raw, loss)])
    except Exception as error:
        member.ended, member.error = "error", error
        return math.nan
    member.undefined = undefined or member.undefined
    return score


def _on_host(parts):
    """Pairs of members and numbers as arrays of float64, sent by the device together."""
    if not parts:
        return []
    members, tensors = zip(*parts, strict=True)
    together = torch.cat(tensors).cpu().numpy().astype(np.float64)
    ends = np.cumsum([len(t) for t in tensors])
    return zip(members, np.split(together, ends[:-1]), strict=True)
