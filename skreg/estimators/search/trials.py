"""A trial: one setting, with a net for each fold."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from skreg.estimators.course import (
    checked,
    column_settings,
    columns_of,
    factors_of,
    for_steps,
    like,
    make_job,
    prepare_rows,
    seed_of,
    take_preparation,
)
from skreg.estimators.fitted import set_fitted
from skreg.estimators.forward import raw_outputs
from skreg.estimators.given_rows import GivenRows, numbers_of_kept
from skreg.estimators.measuring import set_metrics
from skreg.estimators.scoring import make_score, set_score
from skreg.estimators.target import predictions, smoothed_shares
from skreg.estimators.weights import drop_unweighted, weigh
from skreg.train.feed import batches_of
from skreg.train.plan import net_of

#: What `Result.stopped_by` says of a net that was trained to its end.
ENDS = ("patience", "max_iter", "tol")


@dataclass
class Trial:
    """One setting and its nets, one a fold.

    Attributes
    ----------
    number : int
        In the order in which settings are tried.
    setting : dict
        Parameters that are set to other values than the estimator's.
    nets : list of BaseRegularizedMLP
    jobs : list of Job
    results : list of Result
        Of the training so far.
    rung : int
        Rungs that it has reached.
    losses : list of float
        Validation loss of the best weights, pooled over folds, at each rung and at the end.
    epochs, times : list of int and of float
        Epochs behind it at each of these losses, and seconds since the search began.
    state : {"waiting", "lost", "finished", "failed"}
    fit_seconds, score_seconds : list of float
        Of each net: its share of the time of the rounds that it was trained in, and of predicting.
    error : Exception or None
    found : ndarray or None
        Predictions out of fold: probabilities or numbers in units of the target.
    shares : ndarray or None
        Of the classes, that the probabilities are calibrated to.
    score : float
        Of these predictions, larger is better; NaN without.
    split_scores : list of float
        Of each fold by itself.
    """

    number: int
    setting: dict
    nets: list = field(default_factory=list)
    jobs: list = field(default_factory=list)
    results: list = field(default_factory=list)
    losses: list = field(default_factory=list)
    epochs: list = field(default_factory=list)
    times: list = field(default_factory=list)
    state: str = "waiting"
    fit_seconds: list = field(default_factory=list)
    score_seconds: list = field(default_factory=list)
    rung: int = 0
    error: Any = None
    found: Any = None
    shares: Any = None
    score: float = np.nan
    split_scores: list = field(default_factory=list)

    @property
    def loss(self):
        """The last pooled loss."""
        return self.losses[-1] if self.losses else np.inf

    @property
    def trained(self):
        """Whether each of its nets has weights that are worth anything."""
        # Of a net whose result an interrupt kept from being taken in there is none.
        return bool(self.results) and all(r is not None and r.best_step for r in self.results)

    @property
    def whole(self):
        """Whether each of its nets was trained to its end."""
        ended = all(result.stopped_by in ENDS for result in self.results)
        return self.error is None and self.trained and ended

    @property
    def sound(self):
        """Whether each of its nets has weights, and none diverged."""
        return self.trained and all(result.stopped_by != "diverged" for result in self.results)

    def pooled_loss(self):
        """Validation loss of the weights that are kept, as nets measured it, over the rows of all folds."""
        losses = [_loss_kept(job, own) for job, own in zip(self.jobs, self.results, strict=True)]
        return float(np.average(losses, weights=[_mass(job) for job in self.jobs]))

    def pending(self, epochs):
        """Numbers of the nets that have not come to so many epochs, or to their end where that is None."""
        if not self.results:
            return list(range(len(self.jobs)))
        return [
            i
            for i, result in enumerate(self.results)
            if result.stopped_by == "paused" and (epochs is None or result.n_iter < epochs)
        ]

    def going_on(self, i, epochs):
        """The job that trains a net up to so many epochs, or to its end where that is None."""
        resume = self.results[i].checkpoint if self.results else None
        return replace(self.jobs[i], pause=epochs, resume=resume)

    def work(self, i, result):
        """How much there was to do for a result, on top of what was done before, in multiply-adds."""
        steps = result.n_steps - (self.results[i].n_steps if self.results else 0)
        return float(steps * self.jobs[i].spec.batch_size * net_of(self.jobs[i]).work)

    def take(self, i, result, seconds):
        """Take in what became of a net, and the seconds that it took."""
        if not self.results:
            self.results = [None] * len(self.jobs)
            self.fit_seconds = [0.0] * len(self.jobs)
        self.results[i] = result
        self.fit_seconds[i] += seconds

    def note(self, loss, seconds):
        """Note the loss at a rung or at the end, so many seconds after the search began."""
        if not self.rung:  # what was measured before the first rung, for the speed, is no rung
            self.losses, self.epochs, self.times = [], [], []
        self.losses.append(loss)
        self.epochs.append(max(result.n_iter for result in self.results))
        self.times.append(seconds)

    def drop(self):
        """Forget nets, weights and predictions, which are large."""
        self.nets, self.jobs, self.found = [], [], None
        self.results = []


def joint_steps(trial):
    """Steps after which the nets of a trial are best together.

    The epoch at which their validation losses, pooled over folds, are least: that of each net by itself is
    chosen on its own fold, and is early or late by chance. Nets without early stopping keep their last epoch,
    and so does one for all rows.
    """
    if not trial.jobs[0].spec.early_stopping:
        return round(np.mean([result.n_steps for result in trial.results]))
    curves = [result.history["valid_loss"] for result in trial.results]
    length = min(map(len, curves))
    pooled = np.average(
        [c[:length] for c in curves], axis=0, weights=[_mass(j) for j in trial.jobs]
    )
    epoch = int(np.nanargmin(pooled)) + 1
    return round(np.mean([epoch * batches_of(job) for job in trial.jobs]))


def fitted_nets(trial):
    """The nets of a trial with their best weights."""
    for net, job, result in zip(trial.nets, trial.jobs, trial.results, strict=True):
        set_fitted(net, job, result)
    return trial.nets


def _learned_by(net):
    """What nets have in common that learn the same of a table, and weigh its rows alike."""
    return column_settings(net), repr(getattr(net, "class_weight", None))


def _shown(rows, factors):
    """Rows as the user passed them, without those whose class has no weight."""
    kept = numbers_of_kept(len(rows), rows.weight, rows.y, factors)
    return GivenRows(rows.given, rows.places[kept])


def _loss_kept(job, result):
    """Validation loss of the weights that a net keeps."""
    if job.spec.early_stopping:
        return result.best_loss
    # It keeps the last ones, and its best loss is one of training rows.
    return result.history["valid_loss"][-1]


def _mass(job):
    """What the validation rows of a job weigh together."""
    weight = job.sample_weight_val
    return len(job.y_val) if weight is None else float(weight.sum())


class Trainees:
    """Makes the nets of trials: what is learned of the same rows in the same way is learned once.

    Parameters
    ----------
    template : BaseRegularizedMLP
        Has the parameters that no setting changes, and knows its target and its columns.
    folds : Folds
    random_state : int
        Of all nets: settings are compared on the same minibatches.
    """

    def __init__(self, template, folds, random_state):
        self.template, self.folds, self.random_state = template, folds, random_state
        self._made = {}

    def trial(self, number, setting):
        """A trial of a setting, ready to be trained; with an error where it cannot be."""
        trial = Trial(number, setting)
        try:
            for i in range(len(self.folds)):
                self._add_net(trial, i)
        except (ValueError, TypeError) as error:
            trial.error, trial.state = error, "failed"
        return trial

    def _add_net(self, trial, i):
        net = like(self.template, self.random_state, **trial.setting)
        parts = checked(net)
        rows, valid, shown = self._tables(net, i)
        job = make_job(net, rows, valid, parts, seed_of(net))
        job.label = f"{type(net).__name__} (setting {trial.number})"
        if net.scoring != "loss":
            # Where it is undefined the loss decides; of hundreds of nets that is not said.
            set_score(job, make_score(net, valid, shown[1]), valid[1])
        set_metrics(net, job, rows, valid, shown)
        trial.nets.append(net)
        trial.jobs.append(job)

    def _tables(self, net, i):
        """Training and validation rows of a fold as a net is given them, and both as the user did."""
        key = i, *_learned_by(net)
        if key not in self._made:
            train, test = self.folds.splits[i]
            factors = factors_of(net, train.y, train.weight)
            numbers, y, weight = weigh(train.numbers, train.y, train.weight, factors)
            rows = prepare_rows(net, numbers, weight), y, weight
            shown = [_shown(part, factors) for part in (train, test)]
            numbers, y, weight = weigh(test.numbers, test.y, test.weight, factors)
            valid = prepare_rows(net, numbers, weight, first=False), y, weight
            self._made[key] = columns_of(net), rows, valid, shown
        columns, rows, valid, shown = self._made[key]
        take_preparation(net, columns)
        return rows, valid, shown

    def on_all_rows(self, trial, rows):
        """A net of the setting of a trial and the job that trains it on all rows, for its joint steps.

        Parameters
        ----------
        trial : Trial
            Trained.
        rows : Rows
        """
        net = like(self.template, self.random_state, **trial.setting)
        parts = checked(net)
        job = make_job(net, self._all_rows(net, rows), None, parts, seed_of(net))
        # As many steps as in the folds, which have fewer rows.
        steps, batches = joint_steps(trial), batches_of(trial.jobs[0])
        job.spec = for_steps(job.spec, len(job.y), steps, batches)
        job.label = trial.jobs[0].label
        return net, job

    def _all_rows(self, net, rows):
        """All rows as a net is given them."""
        key = "all", *_learned_by(net)
        if key not in self._made:
            factors = factors_of(net, rows.y, rows.weight)
            numbers, y, weight = drop_unweighted(rows.numbers, rows.y, rows.weight)
            numbers, y, weight = weigh(numbers, y, weight, factors)
            made = prepare_rows(net, numbers, weight), y, weight
            self._made[key] = columns_of(net), made
        columns, made = self._made[key]
        take_preparation(net, columns)
        return made

    def loss(self, trial, judge):
        """Loss of the weights that the nets of a trial keep so far, infinite where one diverged.

        Nets measure it as they weigh rows. Where that is a knob, the losses of settings cannot be compared:
        then their predictions are judged by the weights that the estimator has.
        """
        if not trial.sound:
            return np.inf
        if "class_weight" not in trial.setting:
            return trial.pooled_loss()
        return judge.loss(self._out_of_fold(trial)[0])

    def predict(self, trial):
        """Predict the rows that each net was not trained on, and note what the classes' shares are."""
        trial.found, trial.score_seconds = self._out_of_fold(trial)
        trial.shares = smoothed_shares(trial.nets)

    def _out_of_fold(self, trial):
        """Predictions of the rows that each net was not trained on, and the seconds of each net."""
        found, seconds = None, []
        for i, (net, job, result) in enumerate(
            zip(trial.nets, trial.jobs, trial.results, strict=True)
        ):
            began = time.perf_counter()
            test = self.folds.splits[i][1]
            X = job.X_val
            if X.shape[0] != len(test):  # the weight of a class is zero
                X = prepare_rows(net, test.numbers, None, first=False)
            own = predictions([net], raw_outputs(result.params, job.spec, X)[None])[0]
            if found is None:
                found = np.empty((len(self.folds.predicted), *own.shape[1:]))
            found[self.folds.outside[i]] = own
            seconds.append(time.perf_counter() - began)
        return found, seconds
