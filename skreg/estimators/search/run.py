"""The course of a search: waves of trials, rungs, what is kept."""

from __future__ import annotations

import itertools
import time

import numpy as np
from sklearn.exceptions import FitFailedWarning, UndefinedMetricWarning

from skreg.estimators.rows import warn
from skreg.estimators.search.greedy import POOL, ROUNDS, Selection
from skreg.estimators.search.halving import RUNGS, Ladder
from skreg.parallel.calls import submit_in_block
from skreg.train.plan import stack_bytes

#: Epochs by which the speed of a table is known, the first of them left out: kernels are loaded in it.
_FIRST, _TIMED = 1, 3

#: Settings that a search should be able to try in its time; where it cannot, trainings get shorter, down to
#: so many epochs.
_FEWEST_SETTINGS, _FEWEST_EPOCHS = 8, 20

#: What a setting costs of a whole training in the mean, since most of them are lost at a rung.
SHARE = 0.3

#: Settings that are tried together: more are compared with more, fewer are ready sooner. And bytes that what
#: is kept of their nets between rungs may take.
WAVE, SMALLEST_WAVE, WAVE_BYTES = 32, 4, 1 << 31

#: Settings of the last wave before the end of time, at least.
_SMALLEST_LAST = 3

#: Settings that are reckoned to be chosen, and the share of the time that is kept at most for the choice and
#: for what is trained of them afterwards.
_CHOSEN, _MOST_RESERVED = 5, 0.3

#: Trials cut short by the end of time that are looked at, and that an ensemble is chosen from at least.
_CUT_SHORT, _FEWEST_CANDIDATES = 5, 5


class Search:
    """Trials of a search, trained in waves.

    Parameters
    ----------
    trainees : Trainees
    source : iterator of dict
        Settings.
    judge : Judge
    budget : Budget
    say : callable
        ``say(text)`` of progress.
    halving : bool
        Whether trials that are behind are given up.
    repeats : int
        How often chosen settings are to be trained, for which time is kept.
    on_all_rows : bool
        Whether they are to be trained on all rows as well.

    Attributes
    ----------
    trials : list of Trial
    interrupted : bool
        Whether the user stopped it: nothing is trained any more.
    """

    def __init__(
        self, trainees, source, judge, budget, say, *, halving=True, repeats=1, on_all_rows=False
    ):
        self.trainees, self.source, self.judge = trainees, source, judge
        self.budget, self.say = budget, say
        self.trials, self.interrupted = [], False
        self.halving, self.repeats, self.on_all_rows = halving, repeats, on_all_rows
        self.max_iter = trainees.template.max_iter
        self._setting_seconds = None

    def run(self):
        """Try settings until the budget is spent or there are no more."""
        try:
            self._try_settings()
        except KeyboardInterrupt:  # between trainings; a second one is not caught
            self.interrupted = True
            self._finish([trial for trial in self.trials if trial.state == "waiting"])
        if not self.kept:
            self._give_up()
        self._tell_failures()
        self._tell_without_value()

    def _try_settings(self):
        wave = self._first_wave()
        self.ladder = Ladder(self.max_iter, RUNGS if self.halving else ())
        wave += self._more(self._wave_size(wave) - len(wave))
        while wave:
            self._train_wave(wave)
            if self.interrupted or self.budget.over:
                break
            wave = self._more(self._wave_size(wave))

    @property
    def kept(self):
        """Trials with predictions, the best first, those whose score has no value last."""
        found = [trial for trial in self.trials if trial.found is not None]
        return sorted(found, key=_standing)

    def ensemble_weights(self):
        """Weights of the trials that are kept in an ensemble of them, chosen in the time that is left."""
        kept, budget = self.kept, self.budget
        found, shares = zip(*((trial.found, trial.shares) for trial in kept), strict=True)
        alone = [trial.score for trial in kept]
        selection = Selection(found, shares, alone, pool=self._candidates())

        def in_time():
            return not self.interrupted and budget.left_to_choose != 0.0

        try:
            selection.go_on(self.judge.score, while_true=in_time)
        except KeyboardInterrupt:
            self.interrupted = True
        return selection.weights

    def _candidates(self):
        """Trials that an ensemble is chosen from: of a slow scorer fewer, so that several rounds are made."""
        left = self.budget.left_to_choose
        if left is None:
            return POOL
        affordable = left / (ROUNDS * max(self.judge.seconds, 1e-9))
        return int(np.clip(affordable, _FEWEST_CANDIDATES, POOL))

    # -- waves -----------------------------------------------------------------------------------------

    def _more(self, count):
        """So many trials more, or as many as there are."""
        count = max(0, int(min(count, self.budget.n_settings - self.budget.tried)))
        if self.interrupted:
            count = 0
        wave = []
        for setting in itertools.islice(self.source, count):
            trial = self.trainees.trial(len(self.trials), self._in_time(setting))
            self.trials.append(trial)
            wave.append(trial)
        self.budget.tried += len(wave)
        return wave

    def _first_wave(self):
        """The first trial; with a limit of time it is trained a little, to know how fast this table is."""
        wave = self._more(1)
        if self.budget.left is None or not wave or wave[0].error:
            return wave
        self.train(wave, _FIRST, limited=False)
        began = time.perf_counter()
        self.train(wave, _TIMED)
        epoch = max((time.perf_counter() - began) / (_TIMED - _FIRST), 1e-9)
        affordable = int(self.budget.left / (_FEWEST_SETTINGS * SHARE * epoch))
        if affordable < self.max_iter and self.budget.left:
            wave = [self._shortened(wave[0], max(affordable, min(_FEWEST_EPOCHS, self.max_iter)))]
        self._setting_seconds = SHARE * epoch * self.max_iter
        self._reserve(epoch * self.max_iter, repeats=1)
        return wave

    def _shortened(self, first, max_iter):
        """The first trial anew, where trainings have to be shorter for several to be possible in the time."""
        self.max_iter = max_iter
        self.say(f"trainings have {max_iter} epochs at most, for several settings to be possible")
        self.trials[0] = self.trainees.trial(0, self._in_time(first.setting))
        self.train(self.trials[:1], _FIRST, limited=False)
        return self.trials[0]

    def _in_time(self, setting):
        """A setting with the epochs that there is time for, where the estimator's are too many."""
        if self.max_iter == self.trainees.template.max_iter:
            return setting
        return {"max_iter": self.max_iter, **setting}

    def _wave_size(self, wave):
        """Settings to try together next."""
        jobs = [job for trial in wave for job in trial.jobs]
        size = WAVE
        if jobs:
            n_folds = len(self.trainees.folds)
            kept = np.mean([stack_bytes(job, 1) for job in jobs])
            size = min(size, max(SMALLEST_WAVE, int(WAVE_BYTES / (kept * n_folds))))
        if self.budget.left is None or self._setting_seconds is None:
            return size
        # A last wave is of the size that the time allows, and one or two settings are none.
        affordable = int(self.budget.left / self._setting_seconds)
        return min(size, affordable) if affordable >= _SMALLEST_LAST else 0

    def _train_wave(self, wave):
        began, tried = time.perf_counter(), len(wave)  # those that cannot be trained count
        wave = [trial for trial in wave if trial.error is None]
        if not wave:
            return
        for rung, epochs in enumerate(self.ladder.epochs):
            self.train(wave, epochs)
            if self._is_over():
                break
            going_on = self.ladder.survivors(rung, wave)
            for trial in wave:
                trial.rung = rung + 1
                if trial not in going_on:
                    trial.state = "lost"
                    trial.drop()
            wave = going_on
            self._say_rung(epochs, wave)
        else:
            self.train(wave, None)
        self._finish(wave)
        self._setting_seconds = (time.perf_counter() - began) / tried

    def _is_over(self):
        return self.interrupted or self.budget.left == 0.0

    def train(self, wave, epochs, limited=True):
        """Train the nets of trials up to so many epochs, or to their end where that is None."""
        pending = [(trial, i) for trial in wave for i in trial.pending(epochs)]
        if not pending or self.interrupted:
            return
        jobs = [trial.going_on(i, epochs) for trial, i in pending]
        began = time.perf_counter()
        results = submit_in_block(jobs, seconds=self.budget.left if limited else None)
        seconds = time.perf_counter() - began
        work = np.array(
            [trial.work(i, result) for (trial, i), result in zip(pending, results, strict=True)]
        )
        shares = seconds * work / max(work.sum(), 1.0)
        for (trial, i), result, share in zip(pending, results, shares, strict=True):
            trial.take(i, result, share)
        for trial in {trial.number: trial for trial, _ in pending}.values():
            trial.note(self.trainees.loss(trial, self.judge), self.budget.seconds)
        self.interrupted = self.interrupted or any(result.interrupted for result in results)

    def _finish(self, wave):
        """Predict out of fold by the trials that came to the end, and keep the best of all."""
        wave = [trial for trial in wave if trial.trained and np.isfinite(trial.loss)]
        if self._is_over():
            wave = sorted(wave, key=lambda trial: trial.loss)[:_CUT_SHORT]
        for trial in wave:
            for result in trial.results:
                result.checkpoint = None
            self.trainees.predict(trial)
            trial.score = self.judge.score(trial.found, trial.shares)
            trial.split_scores = self.judge.split_scores(trial.found, trial.shares)
            trial.state = "finished"
        for trial in self.kept[POOL:]:
            trial.drop()
        if self.kept:
            whole = float(np.mean([sum(trial.fit_seconds) for trial in self.kept]))
            self._reserve(whole, self.repeats)
        for trial in self.trials:
            if trial.state == "waiting":
                trial.state = "lost"
                trial.drop()

    def _reserve(self, whole, repeats):
        """Keep time for what comes after the search, of trainings of a setting that take so many seconds."""
        folds = len(self.trainees.folds)
        trainings = repeats - 1.0
        if self.on_all_rows:  # one net a setting in place of one a fold, of all rows
            trainings += 1.0 / max(1, folds - 1)
        calls = ROUNDS * POOL // 2 + _CUT_SHORT * (1 + folds)
        self.budget.keep(
            to_choose=calls * self.judge.seconds,
            to_train=trainings * _CHOSEN * whole,
            at_most=_MOST_RESERVED,
        )

    # -- what is said ------------------------------------------------------------------------------------

    def _say_rung(self, epochs, wave):
        losses = [trial.loss for trial in wave]
        left = self.budget.left
        text = f"{self.budget.tried} settings, epoch {epochs}: {len(wave)} go on"
        if losses:
            text += f", best loss {min(losses):.4g}"
        text += f"; {self.budget.seconds:.0f} s"
        self.say(text if left is None else f"{text}, {left:.0f} s left")

    def _tell_failures(self):
        failed = [trial for trial in self.trials if trial.error is not None]
        if failed:
            warn(
                f"{len(failed)} of {len(self.trials)} settings cannot be trained and were left out, the "
                f"first of them {failed[0].setting!r}: {failed[0].error}",
                FitFailedWarning,
            )

    def _tell_without_value(self):
        told = self.judge.without_value
        if told:
            k = min(told)
            warn(
                f"The score has no value for the rows of {len(told)} of the {len(self.trainees.folds)} folds "
                f"by themselves, and cv_results_ has NaN there; of fold {k}: {told[k]} Settings are chosen "
                "by the score of all rows together.",
                UndefinedMetricWarning,
            )

    def _give_up(self):
        errors = [trial.error for trial in self.trials if trial.error is not None]
        if self.interrupted:
            raise KeyboardInterrupt
        if errors:
            raise errors[0]
        raise ValueError(
            f"None of the {len(self.trials)} settings ended in a finite validation loss: all of them "
            "diverged. Scale the features (scale_features='robust'), or search lower learning rates."
        )


def _standing(trial):
    """What trials with predictions are ordered by, the best first."""
    valued = np.isfinite(trial.score)
    return not valued, -trial.score if valued else trial.loss, trial.number
