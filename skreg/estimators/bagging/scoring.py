"""``scoring`` in an ensemble: what judges its members, and what is said where it is undefined."""

from __future__ import annotations

import copy

import numpy as np

from skreg.estimators.given_rows import GivenRows
from skreg.estimators.measuring import measure_of
from skreg.estimators.metrics import metrics_of
from skreg.estimators.scoring import (
    make_score,
    set_score,
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
    scores, undefined = _scores(members, given, shown, bags, ensemble), []
    together = members[0].job.cohort is not None
    for member, score in zip(members, scores, strict=True):
        if together and undefined:
            break  # of the rows that they share
        reason = set_score(member.job, score, member.valid[1])
        if reason is not None:
            undefined.append((score, reason))
    if undefined:
        warn_undefined(*undefined[0], passed=False)


def _scores(members, given, shown, bags, ensemble, **options):
    """The score of each member: of their mean where they stop together, else of itself.

    ``options`` are those of `skreg.estimators.scoring.make_score`.
    """
    if members[0].job.cohort is not None:
        return _common_scores(members, given, ensemble, **options)
    names = getattr(ensemble, "feature_names_in_", None)
    return [_own_score(member, shown, bags, names, **options) for member in members]


def _common_scores(members, given, ensemble, **options):
    """One score of all: it judges the mean of their predictions."""
    first = members[0]
    rows = GivenRows(given, first.held_out)
    common = make_score(first.net, first.valid, rows, ensemble=copy.copy(ensemble), **options)
    # Without a view the mean of the outputs is given to any of the nets, which is to decide as the
    # ensemble does.
    shift = None if common.view else common_rule([member.net for member in members])[1]
    scores = []
    for place, member in enumerate(members):
        score, net = copy.copy(common), without_fit(member.net)
        score.net, score.place = net if common.view else with_rule(net, shift), place
        scores.append(score)
    return scores


def _own_score(member, shown, bags, names, **options):
    """The score of a member by itself, on rows of its own."""
    columns = None if bags.all_columns else member.columns
    rows = GivenRows(shown, member.held_out, columns)
    score = make_score(member.net, member.valid, rows, **options)
    if names is not None and hasattr(shown, "columns"):
        # The member is trained on an array; what the scorer is given has names.
        score.net.feature_names_in_ = names if columns is None else names[columns]
    return score


def set_all_metrics(members, given, shown, bags, ensemble):
    """Let the histories of members tell of ``metrics``; arguments are those of `set_scores`.

    Raises
    ------
    ValueError
        Where a function of the user's own is to look at training rows, of which each member has others.
    """
    validated = members[0].valid is not None
    for metric in metrics_of(members[0].net):
        kind = metric.rows(validated)
        if kind == "train":
            scores = [_training_score(member, metric) for member in members]
        else:
            options = {"scoring": metric.scorer, "called": metric.called}
            scores = _scores(members, given, shown, bags, ensemble, **options)
        for member, score in zip(members, scores, strict=True):
            own = {one.name: one for one in member.job.measures}
            encoded = member.targets if kind == "train" else member.valid[1]
            measure = measure_of(metric, kind, score, encoded)
            member.job.measures = tuple({**own, measure.name: measure}.values())


def _training_score(member, metric):
    """The score of a member for the rows that it is trained on."""
    job, rows = member.job, (member.job.X, member.targets, member.job.sample_weight)
    options = {"scoring": metric.scorer, "called": metric.called}
    score = make_score(member.net, rows, GivenRows(job.X, np.arange(1)), **options)
    if score.shows_nets:
        raise ValueError(
            f"{metric.called} is a function of your own and looks at training rows, "
            "of which each member of an ensemble has others. Use the name of a scorer, or let it look "
            "at the validation rows."
        )
    return score


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
