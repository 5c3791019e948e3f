"""What the training loop remembers of one member besides its parameters."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from skreg.train.stopping import Monitor


@dataclass
class Member:
    """One member of a stack: its job, its history and when its training ends.

    Attributes
    ----------
    index : int
        Place of the job among those of the stack.
    job : Job
    monitor : Monitor or None
    cohort : Cohort or None
        The members with which it stops together.
    ended : str or None
        Why training ended; None while it goes on.
    undefined : str or None
        Why the metric had no value in the last epoch that it had none.
    epochs_before, steps_before : int
        Epochs and minibatches of the stack before the first one of this member; below 0 where it goes on
        from a pause and has more behind it than the stack.
    began : float
        When it did, by `time.perf_counter`, less the seconds before a pause.
    optimiser_steps : int
        Steps of its optimiser before its first epoch.
    optimiser : dict or None
        Its state where the member ended within an epoch, which others may have been trained on to the end of.
    """

    index: int
    job: object
    monitor: Monitor | None
    cohort: object = None
    history: dict = field(
        default_factory=lambda: {
            name: []
            for name in ("epoch", "train_loss", "valid_loss", "valid_score", "learning_rate")
        }
    )
    best_iter: int = 0
    best_loss: float = math.inf
    best_step: int = 0
    n_steps: int = 0
    ended: str | None = None
    error: Exception | None = None
    undefined: str | None = None
    epochs_before: int = 0
    steps_before: int = 0
    began: float = 0.0
    optimiser_steps: int = 0
    optimiser: dict | None = None

    @classmethod
    def of(cls, index, job):
        """The member of a job, watched as its spec says."""
        member = cls(index, job, None)
        member.history.update((measure.name, []) for measure in job.measures)
        spec = job.spec
        adaptive = spec.learning_rate == "adaptive"
        options = {"adaptive": adaptive, "rate": spec.learning_rate_init}
        if member.validated:
            member.monitor = Monitor(spec.patience, spec.min_delta, **options)
        elif spec.tol is not None or adaptive:
            member.monitor = Monitor(spec.patience, spec.tol or 0.0, **options)
        if job.resume is not None:
            member._go_on(job.resume)
        return member

    def _go_on(self, checkpoint):
        """Take over what was remembered at a pause."""
        self.history = {name: list(values) for name, values in checkpoint.history.items()}
        for name in ("best_iter", "best_loss", "best_step", "n_steps", "undefined"):
            setattr(self, name, getattr(checkpoint, name))
        if self.monitor is not None and checkpoint.counters is not None:
            self.monitor.restore(checkpoint.counters)

    @property
    def last_epoch(self):
        """Epoch with which it ends at the latest, or is paused; ``max_steps`` may have more."""
        most = self.job.spec.max_iter
        return most if self.job.pause is None else min(most, self.job.pause)

    @property
    def last_step(self):
        """Minibatch of the stack with which this member ends at the latest, None where none is set."""
        most = self.job.spec.max_steps
        return None if most is None else self.steps_before + most

    @property
    def deadline(self):
        """Time at which it ends at the latest, by `time.perf_counter`."""
        most = self.job.spec.max_time
        return min(self.job.deadline, math.inf if most is None else self.began + most)

    @property
    def validated(self):
        """Whether validation rows decide which epoch is the best."""
        return self.job.spec.early_stopping and self.job.X_val is not None

    def record(self, epoch, train_loss, rate, valid_loss=math.nan, valid_score=math.nan):
        """Write a row of history; without validation where an epoch ends in the middle."""
        row = epoch, *map(float, (train_loss, valid_loss, valid_score, rate))
        for name, value in zip(
            ("epoch", "train_loss", "valid_loss", "valid_score", "learning_rate"), row, strict=True
        ):
            self.history[name].append(value)
        if self.cohort is not None:
            # Where an epoch ends in the middle, nothing was validated.
            loss = math.nan if math.isnan(valid_loss) else self.cohort.loss
            self.history["ensemble_loss"].append(loss)
        self._leave_room()

    def record_all(self, epochs, train_loss, valid_loss, rates):
        """Write rows of history, of epochs that the step closed."""
        history = self.history
        history["epoch"].extend(epochs)
        history["train_loss"].extend(train_loss)
        history["valid_loss"].extend(valid_loss)
        history["valid_score"].extend([math.nan] * len(rates))
        history["learning_rate"].extend(rates)
        self._leave_room(len(rates))

    def _leave_room(self, rows=1):
        """Rows in the columns of what is measured, for numbers that come when the epoch is closed."""
        for measure in self.job.measures:
            self.history[measure.name].extend([math.nan] * rows)

    def judge(self, epoch, n_steps, finite, train_loss, valid_loss, valid_score):
        """Take the values of an epoch; whether its weights are to be kept."""
        self.n_steps = n_steps
        if not (finite and math.isfinite(train_loss) and self._sound(valid_loss, valid_score)):
            self.ended = "diverged"
            return False
        improved, ended = True, False
        if self.cohort is not None:
            improved, ended = self.cohort.verdict
        elif self.validated and self.job.score is not None:
            improved, ended = self.monitor.update_scored(valid_loss, valid_score)
        elif self.monitor is not None:
            improved, ended = self.monitor.update(valid_loss if self.validated else train_loss)
        improved = improved or not self.validated
        if improved:
            self.best_iter, self.best_step = epoch, n_steps
        if self.validated and improved:
            self.best_loss = valid_loss
        elif not self.validated:
            self.best_loss = min(self.best_loss, train_loss)
        if ended:
            self.ended = "patience" if self.validated else "tol"
        elif epoch >= self.job.spec.max_iter and self.job.spec.max_steps is None:
            self.ended = "max_iter"
        elif self.job.pause is not None and epoch >= self.job.pause:
            self.ended = "paused"
        return improved

    def _sound(self, valid_loss, valid_score):
        """Whether the validation of an epoch gives no sign of divergence.

        A score that is undefined is none: the metric has no value there, the net is as it was.
        """
        scored = self.job.score is not None and self.cohort is None
        return (
            not self.validated
            or math.isfinite(valid_loss)
            or (scored and math.isfinite(valid_score))
        )
