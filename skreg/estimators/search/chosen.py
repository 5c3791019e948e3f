"""The settings that a search ends with, and what is trained of them afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sklearn.exceptions import ConvergenceWarning

from skreg.estimators.fitted import set_fitted
from skreg.estimators.rows import warn
from skreg.estimators.search.trials import Trainees, Trial, fitted_nets
from skreg.parallel.calls import submit_in_block


@dataclass
class Chosen:
    """A setting that is in the ensemble, with the nets of all its trainings.

    Attributes
    ----------
    trial : Trial
        Its first training.
    weight : float
    nets : list of BaseRegularizedMLP
        Fitted.
    outside : list of ndarray of int
        Of each net, the rows that it predicts out of fold.
    found, shares : ndarray
        As a trial's; means over the trainings.
    times : int
        Trainings.
    """

    trial: Trial
    weight: float
    nets: list
    outside: list
    found: Any
    shares: Any
    times: int = 1

    @classmethod
    def of(cls, trial, weight, folds):
        """A trial that was chosen, and its folds."""
        nets, outside = list(fitted_nets(trial)), _rows_outside(folds)
        return cls(trial, float(weight), nets, outside, trial.found, trial.shares)

    def add(self, trial, folds):
        """Take in another training of the setting."""
        self.times += 1
        self.nets = [*self.nets, *fitted_nets(trial)]
        self.outside = [*self.outside, *_rows_outside(folds)]
        self.found = self.found + (trial.found - self.found) / self.times
        if self.shares is not None:
            self.shares = self.shares + (trial.shares - self.shares) / self.times


def _rows_outside(folds):
    return [test.places for _, test in folds.splits]


def mean_of(chosen):
    """What chosen settings predict out of fold together, and their shares of the classes or None."""
    found = sum(own.weight * own.found for own in chosen)
    if chosen[0].shares is None:
        return found, None
    return found, sum(own.weight * own.shares for own in chosen)


def train_again(search, chosen, splits, seeds):
    """Train chosen settings on other folds and from other seeds, as far as there is time.

    Parameters
    ----------
    search : Search
    chosen : list of Chosen
        Take in what comes to its end.
    splits : Splits
    seeds : list of (int, int)
        Of folds and nets, for each time.
    """
    budget = search.budget
    budget.release()
    needed = sum(sum(own.trial.fit_seconds) for own in chosen)
    for of_folds, of_nets in seeds:
        if search.interrupted or (budget.left is not None and budget.left < needed):
            return
        trainees = Trainees(search.trainees.template, splits.folds(int(of_folds)), int(of_nets))
        trials = [trainees.trial(own.trial.number, own.trial.setting) for own in chosen]
        search.train(trials, None)
        for own, trial in zip(chosen, trials, strict=True):
            if trial.whole:
                trainees.predict(trial)
                own.add(trial, trainees.folds)
        search.say(f"the {len(chosen)} chosen settings on other folds; {budget.seconds:.0f} s")


def trained_on_all(search, chosen, rows):
    """Nets of chosen settings, trained on all rows; those of the folds where that comes to no end.

    Parameters
    ----------
    search : Search
    chosen : list of Chosen
    rows : Rows

    Returns
    -------
    list of list of BaseRegularizedMLP
    """
    if search.interrupted:
        return [own.nets for own in chosen]
    made = [search.trainees.on_all_rows(own.trial, rows) for own in chosen]
    results = submit_in_block([job for _, job in made], seconds=search.budget.left_at_last)
    search.interrupted = search.interrupted or any(result.interrupted for result in results)
    short = sum(result.stopped_by == "max_time" for result in results)
    if short:
        warn(
            f"refit='all': there was no time left to train {short} of the {len(chosen)} chosen settings on "
            "all rows, so the nets of their folds predict in place of these. Raise max_time.",
            ConvergenceWarning,
        )
    nets = []
    for own, (net, job), result in zip(chosen, made, results, strict=True):
        if result.stopped_by == "max_iter":
            set_fitted(net, job, result)
            nets.append([net])
        else:
            nets.append(own.nets)
    return nets
