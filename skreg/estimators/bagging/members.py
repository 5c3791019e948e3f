"""Members of an ensemble: the rows that are drawn for each, the jobs they hand in together, their nets."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils.random import sample_without_replacement

from skreg.estimators.course import (
    factors_of,
    fix_scale,
    give_up_without_weights,
    held_out,
    make_job,
    refit_job,
    seed_of,
    share_spec,
    sibling,
    take_refit,
)
from skreg.estimators.fitted import set_fitted
from skreg.estimators.given_rows import numbers_of_kept
from skreg.estimators.weights import drop_unweighted, weigh
from skreg.parallel import submit_many
from skreg.train.feed import n_batches

MAX_INT = np.iinfo(np.int32).max


@dataclass
class Bags:
    """Rows and columns of each member, as scikit-learn's bagging draws them.

    They follow from the seeds, and are drawn again at each access, which saves memory.

    Attributes
    ----------
    seeds : ndarray of int, shape (n_estimators,)
    n_rows, n_columns : int
    max_samples, max_features : int
        How many are drawn.
    bootstrap, bootstrap_features : bool
        With replacement.
    weight : ndarray or None, shape (n_rows,)
        With replacement, rows are drawn in proportion; without, they keep their weights.
    groups : ndarray of int or None, shape (n_rows,)
        Whole groups are drawn, each as likely; ``max_samples`` is their number, and rows keep their
        weights.
    """

    seeds: np.ndarray
    n_rows: int
    n_columns: int
    max_samples: int
    max_features: int
    bootstrap: bool
    bootstrap_features: bool
    weight: np.ndarray | None = None
    groups: np.ndarray | None = None

    @property
    def unit(self):
        """What is drawn, and of how many, in words."""
        if self.groups is None:
            return f"rows, of {self.n_rows}"
        return f"groups, of {len(np.unique(self.groups))}"

    @property
    def all_columns(self):
        """Whether every member has every column once."""
        return not self.bootstrap_features and self.max_features == self.n_columns

    def __iter__(self):
        """Column numbers and row numbers of each member, in the order in which they were drawn."""
        together = None if self.groups is None else self._rows_of_groups()
        for seed in self.seeds:
            # The same draws in the same order as scikit-learn's, so that the bags are the same.
            rng = check_random_state(int(seed))
            columns = _draw(rng, self.bootstrap_features, self.n_columns, self.max_features)
            if together is not None:
                drawn = _draw(rng, self.bootstrap, len(together), self.max_samples)
                rows = np.concatenate([together[group] for group in drawn])
            elif self.weight is None:
                rows = _draw(rng, self.bootstrap, self.n_rows, self.max_samples)
            elif self.bootstrap:
                share = self.weight / self.weight.sum()
                rows = rng.choice(self.n_rows, self.max_samples, replace=True, p=share)
            else:
                weighted = np.flatnonzero(self.weight)
                rows = weighted[_draw(rng, False, len(weighted), self.max_samples)]
            yield columns, rows

    def _rows_of_groups(self):
        """Numbers of the rows of each group that has any weight."""
        order = np.argsort(self.groups, kind="stable")
        parts = np.split(order, np.flatnonzero(np.diff(self.groups[order])) + 1)
        return [part for part in parts if self.weight is None or self.weight[part].any()]

    def counts(self, rows):
        """What each row counts for a member that was drawn ``rows``, shape (n_rows,)."""
        counts = np.bincount(rows, minlength=self.n_rows).astype(np.float64)
        by_weight = self.bootstrap and self.groups is None
        return counts if by_weight or self.weight is None else counts * self.weight


def _draw(rng, replace, population, size):
    if replace:
        return rng.randint(0, population, size)
    return sample_without_replacement(population, size, random_state=rng)


@dataclass
class UntrainedMember:
    """A net that is not trained yet.

    Attributes
    ----------
    net : BaseRegularizedMLP
    job : Job
    columns : ndarray of int
    targets : ndarray
        Of the rows that it is trained on, as the net encodes them.
    valid : tuple of X, y and weight, or None
        Its validation rows.
    held_out : ndarray of int or None
        Their numbers in the table.
    whole : tuple of X, y and weight, or None
        All its rows, with those held out, where it is trained on them again.
    """

    net: object
    job: object
    columns: np.ndarray
    targets: np.ndarray
    valid: tuple | None = None
    held_out: np.ndarray | None = None
    whole: tuple | None = None


def prepare(template, parts, rows, bags, held_out=None):
    """The members of an ensemble.

    Parameters
    ----------
    template : BaseRegularizedMLP
        Has the parameters, and knows the target.
    parts : dict
        What `skreg.estimators.resolve.check_parameters` returned.
    rows : tuple of X, y and weight
        y as the template encodes it; weights or None.
    bags : Bags
    held_out : ndarray of int or None
        Validation rows of all members, which then stop together; None leaves it to each member.

    Returns
    -------
    list of UntrainedMember

    Raises
    ------
    ValueError
        Where a member is left without rows.
    """
    members = []
    shared = None if held_out is None else _Shared(template, rows, held_out)
    for seed, (columns, drawn) in zip(bags.seeds, bags, strict=True):
        net = _sibling(template, seed, None if bags.all_columns else columns)
        make = _alone if shared is None else shared.member
        members.append(make(net, parts, rows, bags, columns, bags.counts(drawn)))
    if shared is not None:
        _join(members)
    return members


def _sibling(template, seed, columns):
    """A net like the template, with a seed of its own."""
    return sibling(template, int(check_random_state(int(seed)).randint(MAX_INT)), columns)


def _alone(net, parts, rows, bags, columns, counts):
    """A member that holds rows out of its own, as ``net.fit`` does."""
    n_rows = len(counts)
    X, y, left = drop_unweighted(*rows[:2], counts)
    factors = factors_of(net, y, left)
    kept = numbers_of_kept(n_rows, counts, y, factors)
    whole = weigh(_columns(X, bags, columns), y, left, factors)
    seed = seed_of(net)
    groups = None if bags.groups is None else bags.groups[kept]
    _check_member_groups(net, bags, groups)
    train_rows, valid = held_out(net, (*whole, kept), seed, groups)
    numbers = valid and valid[3]
    valid = valid and valid[:3]
    job = make_job(net, train_rows[:3], valid, parts, seed)
    whole = whole if net.refit else None
    return UntrainedMember(net, job, columns, train_rows[1], valid, numbers, whole)


def _check_member_groups(net, bags, groups):
    """Refuse a member that has rows of one group only, where it is to hold some of them out."""
    if groups is None or not net.early_stopping or np.ptp(bags.groups) == 0:
        return
    if np.ptp(groups) == 0:
        raise ValueError(
            f"One member was drawn rows of a single group (max_samples={bags.max_samples} groups of "
            f"{len(np.unique(bags.groups))}), none of which it can hold out by itself. Use "
            "stopping='ensemble', raise max_samples, or set bootstrap=False or the estimator's "
            "early_stopping=False."
        )


class _Shared:
    """What members that stop together have in common: validation rows, class weights, units.

    Parameters
    ----------
    template : BaseRegularizedMLP
    rows : tuple of X, y and weight
    held_out : ndarray of int
    """

    def __init__(self, template, rows, held_out):
        X, y, weight = rows
        self.rest = np.ones(len(y), dtype=bool)
        self.rest[held_out] = False
        self.X, self.y = X[self.rest], y[self.rest]
        weights = [None if weight is None else weight[part] for part in (self.rest, held_out)]
        self.factors = factors_of(template, self.y, weights[0])
        self.valid = weigh(X[held_out], y[held_out], weights[1], self.factors)
        among = numbers_of_kept(len(held_out), weights[1], y[held_out], self.factors)
        self.held_out = held_out[among]
        # One scale of the target, or the mean over members would mix units.
        fix_scale(template, self.y, weights[0])

    def member(self, net, parts, rows, bags, columns, counts):
        """A member that is judged with the others."""
        left = counts[self.rest]
        if not left.any():
            raise ValueError(
                f"One member is left without rows: all of its max_samples={bags.max_samples} {bags.unit}, "
                f"are held out for stopping='ensemble'. Raise max_samples, lower the "
                "estimator's validation_fraction, or use stopping='member'."
            )
        own = self._bag(self.X, self.y, left, bags, columns)
        X, y, weight = self.valid
        valid = _columns(X, bags, columns), y, weight
        job = make_job(net, own, valid, parts, seed_of(net), scaled=True)
        whole = self._bag(*rows[:2], counts, bags, columns) if net.refit else None
        return UntrainedMember(net, job, columns, own[1], valid, self.held_out, whole)

    def _bag(self, X, y, counts, bags, columns):
        X, y, counts = weigh(*drop_unweighted(X, y, counts), self.factors)
        return _columns(X, bags, columns), y, counts


def _columns(X, bags, columns):
    if bags.all_columns:
        return X
    return np.take(X, columns, axis=1) if isinstance(X, np.ndarray) else X[:, columns]


def _join(members):
    """Make a cohort of members: one shape, however many rows each got, and a name."""
    jobs = [member.job for member in members]
    size = max(job.spec.batch_size for job in jobs)
    norm = jobs[0].spec.batch_norm
    n_rows = [job.X.shape[0] for job in jobs]
    # No minibatch without rows, and with batch norm none with a single one.
    most = min(n_rows) // 2 if norm else min(n_rows)
    steps = max(1, min(most, n_batches(max(n_rows), size, norm)))
    name = uuid.uuid4().hex
    embedded = _embedded_in_any([job.spec.embedded for job in jobs])
    for member in members:
        share_spec(member.net, member.job, batch_size=size, embedded=embedded)
        member.job.n_batches, member.job.cohort = steps, name


def _embedded_in_any(columns):
    """Places of the columns that any member has to embed: members of one shape embed the same."""
    return None if columns[0] is None else tuple(sorted(set().union(*columns)))


def train(members):
    """Train all members together; their nets are fitted then.

    Returns
    -------
    list of Result

    Raises
    ------
    KeyboardInterrupt
        Where the user interrupts before every net has an epoch behind it.
    """
    results = submit_many([member.job for member in members])
    give_up_without_weights(results)
    again = {}
    for i, (member, result) in enumerate(zip(members, results, strict=True)):
        if member.whole is None:
            continue
        job = refit_job(member.net, member.job, member.whole, result)
        if job is not None:
            again[i] = job
    if again:
        for i, result in zip(again, submit_many(list(again.values())), strict=True):
            take_refit(results[i], result)
    for member, result in zip(members, results, strict=True):
        set_fitted(member.net, member.job, result)
    return results


def ensemble_history(results):
    """History of members that stopped together, and its best epoch.

    Returns
    -------
    history : dict of list
        As a net's; the training loss, and metrics of training rows, are means over the members that
        were still there.
    best_iter : int
    stopped_by : str
    """
    longest = max(results, key=lambda result: (result.n_iter, result.stopped_by != "diverged"))
    history = {name: list(values) for name, values in longest.history.items()}
    history["valid_loss"] = history.pop("ensemble_loss")
    for name in [name for name in history if name.startswith("train_")]:
        curves = [result.history[name] for result in results]
        history[name] = [
            float(np.mean([curve[i] for curve in curves if len(curve) > i]))
            for i in range(longest.n_iter)
        ]
    return history, longest.best_iter, longest.stopped_by
