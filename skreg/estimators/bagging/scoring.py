"""``scoring`` in an ensemble: what judges its members, and what is said where it is undefined."""

from __future__ import annotations

import copy

import numpy as np

from skreg.estimators.scoring import (
    GivenRows,
    Score,
    make_score,
    warn_of_gaps,
    warn_undefined,
    without_fit,
)
from skreg.estimators.target import common_rule, with_rule


def set_scores(members, given, shown, bags, ensemble):
    """Let ``scoring`` judge the epochs of the members, together where they stop together.

    Parameters
    ----------
    members : list of UntrainedMember
    given : array-like
        X as the user passed it, which the ensemble predicts.
    shown : array-like
        The table that a member predicts all columns of, or some.
    bags : Bags
    ensemble : BaseBaggedMLP
        Not fitted yet; knows its columns and its target.
    """
    members = [member for member in members if member.valid is not None]
    if not members:
        return
    if members[0].job.cohort is not None:
        _set_common_score(members, given, ensemble)
    else:
        _set_own_scores(members, shown, bags, getattr(ensemble, "feature_names_in_", None))


def _set_common_score(members, given, ensemble):
    """One score of all: it judges the mean of their predictions."""
    first = members[0]
    rows = GivenRows(given, first.held_out)
    common = make_score(first.net, first.valid, rows, ensemble=copy.copy(ensemble))
    reason = common.undefined(first.valid[1])
    if reason is not None:
        warn_undefined(common, reason, passed=False)
        return
    # Without a view the mean of the outputs is given to any of the nets, which is to decide as the
    # ensemble does.
    shift = None if common.view else common_rule([member.net for member in members])[1]
    for place, member in enumerate(members):
        net = without_fit(member.net)
        member.job.score = Score(
            net if common.view else with_rule(net, shift),
            common.scorer,
            common.X,
            common.y,
            common.options,
            common.view,
            place,
        )
        member.job.shows_nets = common.shows_nets


def _set_own_scores(members, shown, bags, names):
    """Each member is judged by itself, on rows of its own."""
    undefined = []
    for member in members:
        columns = None if bags.all_columns else member.columns
        score = make_score(member.net, member.valid, GivenRows(shown, member.held_out, columns))
        if names is not None and hasattr(shown, "columns"):
            # The member is trained on an array; what the scorer is given has names.
            score.net.feature_names_in_ = names if columns is None else names[columns]
        reason = score.undefined(member.valid[1])
        if reason is None:
            member.job.score, member.job.shows_nets = score, score.shows_nets
        else:
            undefined.append((score, reason))
    if undefined:
        warn_undefined(*undefined[0], passed=False)


def warn_of_all_gaps(template, results, *, together):
    """Warn once where a scorer had no value in some epochs."""
    found = [result for result in results if result.undefined is not None]
    if not found:
        return
    if together:
        found = [max(found, key=lambda result: result.n_iter)]
    history = {
        name: np.concatenate([result.history[name] for result in found])
        for name in ("valid_loss", "valid_score")
    }
    warn_of_gaps(template, history, found[0].undefined, passed=False)
