"""A stack in training: its epochs, limits, validation, and what becomes of members that end."""

from __future__ import annotations

import itertools
import math
import time
from dataclasses import replace

import numpy as np
import torch

from skreg.net.net import Net
from skreg.optim.schedule import factors
from skreg.train.beginning import begin
from skreg.train.checkpoint import checkpoints
from skreg.train.cohort import Cohort
from skreg.train.feed import Epoch, Feed, Fingerprint
from skreg.train.job import Result
from skreg.train.knobs import Knobs
from skreg.train.measuring import measure
from skreg.train.member import Member
from skreg.train.plan import shape_key
from skreg.train.progress import Control, Progress
from skreg.train.state import Average
from skreg.train.validation import Shows, validate
from skreg.train.watch import Closing, Watch

#: Seconds after which a step hands back, so that an interrupt or a limit of time is noticed.
_PAUSE = 0.05

#: A step that closes epochs by itself runs at most so many at a time, and so many rows: the order of all
#: of these rows is held in memory.
_MOST_EPOCHS, _MOST_PLACES = 64, 1 << 22

#: Numbers of the stacks of this process.
_NUMBERS = itertools.count()


class Stack:
    """Members of equal shape in training.

    Parameters
    ----------
    jobs : list of Job
        In canonical order, so that streams are neighbours.
    step_type : type
        What carries out the steps, with the interface of `skreg.backends.reference.ReferenceStep`.
    fingerprints : list of Fingerprint, optional
    control : Control, optional
    cache : dict, optional
        Tables on the device, shared between stacks.

    Attributes
    ----------
    epoch : int
        Epochs done.
    members : list of Member
        Those still in the stack.
    n_jobs : int
        Jobs so far, those that joined included.
    results : dict of int to Result
        Of members that ended, by position in ``jobs``; those that joined come behind.
    flops : float
        Floating-point operations of all products so far.
    """

    def __init__(self, jobs, step_type, fingerprints=None, control=None, cache=None):
        self.began = time.perf_counter()
        spec, self.step_type = jobs[0].spec, step_type
        self.number = next(_NUMBERS)
        self.control = control or Control()
        self.cache = {} if cache is None else cache
        self.results, self.flops, self.epoch, self.n_jobs = {}, 0.0, 0, 0
        self.device = torch.device(spec.device)
        self.net = Net.of(spec, jobs[0].X.shape[1])
        self.steps_done, self.step_seconds = 0, math.inf
        self.fingerprints = fingerprints or Fingerprint.of_all(jobs)
        averaged = any(job.spec.ema_decay for job in jobs)
        begun = begin(self.net, jobs, self.fingerprints, self.device, averaged)
        self.state, self.snapshot, self.average = begun
        self.members = self._members_of(jobs, self.state)
        self.cohorts = Cohort.among(self.members)
        self.watch = None
        if self.step_type.closes_epochs and all(Watch.can_watch(job) for job in jobs):
            self.watch = Watch(self.members, self.device)
        self._build()

    @property
    def spec(self):
        """Spec of the first member still there."""
        return self.members[0].job.spec

    def _members_of(self, jobs, state):
        """Members that join now, the places of their results being the next ones."""
        members, now = [], time.perf_counter() if self.epoch else self.began
        for i, job in enumerate(jobs):
            member = Member.of(self.n_jobs + i, job)
            member.epochs_before = self.epoch - job.epochs_behind
            member.steps_before = self.steps_done - member.n_steps
            member.began = now - (0.0 if job.resume is None else job.resume.seconds)
            member.optimiser_steps = int(state.t[i]) - member.n_steps
            members.append(member)
        self.n_jobs += len(jobs)
        return members

    def join(self, jobs):
        """Take in more jobs, between two epochs. Each member has a clock of its own: it is trained as
        if alone.

        Parameters
        ----------
        jobs : list of Job
            Of the shape of those in training (`skreg.train.plan.shape_key`). Their results come behind
            those of the others.

        Raises
        ------
        ValueError
            Where a job cannot be trained with the others: it has another shape, belongs to an ensemble
            or is driven by a callback, has to be asked for a score where the others are judged by
            numbers, or is trained on another device than the CPU, whose kernels know one clock a stack.
        """
        self._check_joins(jobs)
        if self.watch is not None:
            self.watch.flush(self.members, self.feed.steps)
        fingerprints = Fingerprint.of_all(jobs)
        if self.average is None and any(job.spec.ema_decay for job in jobs):
            # The average of those without one is their parameters.
            self.average = Average(self.state)
        averaged = self.average is not None
        begun = begin(self.net, jobs, fingerprints, self.device, averaged)
        state, snapshot, average = begun
        members = self._members_of(jobs, state)
        self.average = self.average and self.average.join(average)
        self.snapshot = self.snapshot.join(snapshot)
        self.state = self.state.join(state)
        if self.watch is not None:
            self.watch = self.watch.join(Watch(members, self.device))
        self.members = [*self.members, *members]
        self.fingerprints = [
            *self.fingerprints,
            *(replace(f, begin=f.begin - self.epoch) for f in fingerprints),
        ]
        self._build()

    def _check_joins(self, jobs):
        if not self.members:
            raise ValueError("All members of this stack have ended. Train the jobs in a new one.")
        shape = shape_key(self.members[0].job)
        for job in jobs:
            if shape_key(job) != shape or job.cohort is not None or job.alone:
                raise ValueError(f"This {job.label or 'job'} cannot be trained with the others.")
            if self.device.type != "cpu":
                raise ValueError("Only stacks on the CPU take in more jobs.")
            if self.watch is not None and not Watch.can_watch(job):
                raise ValueError(
                    f"This {job.label or 'job'} has to be asked for a score, while the others are "
                    "judged by numbers."
                )

    def drop(self, places, reason="dropped"):
        """End members now, between two epochs; each keeps its best weights.

        Parameters
        ----------
        places : list of int
            Places in ``members``. Places of the others may change.
        reason : str
            What `Result.stopped_by` says.
        """
        self._end([k for k in places if self.members[k].ended is None], reason)
        self._retire()

    def _build(self):
        jobs = [m.job for m in self.members]
        specs = [job.spec for job in jobs]
        self.feed = Feed(jobs, self.fingerprints, self.device, self.cache)
        self.knobs = Knobs(specs)
        self.step = self.step_type(self.state, self.knobs, self.feed, specs[0])
        self.step.watch = self.watch
        self.step_limits = sorted({m.last_step for m in self.members if m.last_step is not None})
        self.deadline = min((m.deadline for m in self.members), default=math.inf)
        self.flops_per_row = self.state.net.flops * len(jobs)

    def epochs(self, most=1):
        """Train; yields itself after each epoch, or after ``most``, until no member is left."""
        while self.members:
            count = min(most, self._epochs_at_a_time())
            if count > 1:
                self._run_epochs(count)
            else:
                self._run_epoch()
                self.epoch += 1
            if self.control.progress is not None:
                self.control.progress(self._progress())
            yield self
            self._retire()

    def _progress(self):
        limits = [m.epochs_before + m.last_epoch for m in self.members]
        return Progress(
            stack=self.number,
            members=self.n_jobs,
            training=len(self._training()),
            done=len(self.results),
            epoch=self.epoch,
            max_iter=max(limits, default=self.epoch),
            seconds=time.perf_counter() - self.began,
        )

    def run(self):
        """Train to the end; returns the results in the order of the jobs."""
        driver = self.members[0].job.driver
        if driver is not None:
            driver(self)
        else:
            for _ in self.epochs(_MOST_EPOCHS):
                pass
        if self.members:
            self.interrupt("interrupt")
        return [self.results[i] for i in range(len(self.results))]

    def interrupt(self, reason):
        """End all members that are left now; each keeps its best weights."""
        self._end(self._training(), reason)
        self._retire()

    def rates(self, steps):
        """Learning rates of the next ``steps`` minibatches, shape (steps, k)."""
        columns = {}
        out = np.empty((steps, len(self.members)))
        for k, m in enumerate(self.members):
            s = m.job.spec
            key = (s.learning_rate, s.max_iter, s.power_t, m.steps_before)
            if key not in columns:
                done = self.steps_done - m.steps_before + np.arange(steps)
                total = s.max_iter * self.feed.steps
                columns[key] = factors(s.learning_rate, done, total, s.power_t)
            factor = m.monitor.factor if m.monitor is not None else 1.0
            out[:, k] = columns[key] * (s.learning_rate_init * factor)
        return out.astype(self.spec.dtype)

    def _run_epoch(self):
        feed, step, done = self.feed, self.step, 0
        rates = self.rates(feed.steps)
        epoch = Epoch(*feed.epoch(self.epoch), rates, feed.partners(self.epoch))
        # a member that diverges is reported later
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            while done < feed.steps:
                stop, began = self._next_pause(done), time.perf_counter()
                step.run(epoch, done, stop)
                self._settle()
                self.step_seconds = (time.perf_counter() - began) / (stop - done)
                self.steps_done += stop - done
                done = stop
                if ended := self._limit_reached():
                    for k in ended:
                        m = self.members[k]
                        number = self.epoch + 1 - m.epochs_before
                        m.record(number, step.total[k] / done, rates[done - 1, k])
                    if not self._training():
                        break
        self.flops += self.flops_per_row * done * feed.width
        if self.watch is None:
            self._close_epoch(step.take_losses() / done, rates[done - 1])
        elif training := self._training():
            self._note(step.close(epoch, self._closing()), rates[-1:])
            measure(self, training)

    def _epochs_at_a_time(self):
        """Epochs that can be left to the step before the next look at limits."""
        if self.watch is None or any(m.job.measures for m in self.members):
            return 1
        steps = self.feed.steps
        room = _MOST_PLACES // (steps * len(self.feed.streams) * self.feed.width)
        last = [m.epochs_before + m.last_epoch for m in self.members]
        # What is paused must not be trained on until the step hands back.
        pauses = [last[k] for k in self._training() if self.members[k].job.pause is not None]
        left = min(max(last), *pauses, math.inf) - self.epoch
        return int(min(self._seconds() / max(self.step_seconds * steps, 1e-7), room, left))

    def _run_epochs(self, count):
        """Let the step run several epochs and close them, where no scorer or callback has to see each."""
        steps, began = self.feed.steps, time.perf_counter()
        rates, closing = self.rates(count * steps), self._closing()
        before = self.watch.epochs_run()
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            losses = self.step.run_epochs(self.epoch, count, rates, closing)
        ran = self.watch.epochs_run() - before
        self._note(losses, rates[steps - 1 :: steps])
        self.epoch += int(ran.max())
        self.steps_done += int(ran.max()) * steps
        self.state.t -= (count - int(ran.max())) * steps
        self.flops += self.flops_per_row * ran.mean() * steps * self.feed.width
        self.step_seconds = (time.perf_counter() - began) / (ran.max() * steps)
        due, reason = self._due()
        if due:
            self._end(due, reason)

    def _closing(self):
        return Closing(self.epoch, self.snapshot, self.average)

    def _note(self, losses, rates):
        """Note epochs that the step closed, and who ended."""
        self.watch.record(self.epoch, losses, rates)
        if self.watch.any_ended():
            self.watch.flush(self.members, self.feed.steps)

    def _settle(self):
        """Wait until the device has done what it was given.

        Otherwise the measured seconds of a step would be those of queueing it, and an interrupt or a limit
        of time would be noticed only after all queued work. It costs some microseconds a pause.
        """
        if self.device.type == "cuda":
            torch.cuda.current_stream(self.device).synchronize()

    def _seconds(self):
        """How long a step may take before it hands back."""
        return min(_PAUSE, max(0.0, self.deadline - time.perf_counter()))

    def _next_pause(self, done):
        """Minibatch of this epoch before which limits are looked at, ``done`` of them being done."""
        seconds = self._seconds()
        # A clock may be too coarse for a step.
        steps = min(self.feed.steps - done, max(1, int(seconds / max(self.step_seconds, 1e-7))))
        if self.step_limits:
            steps = min(steps, self.step_limits[0] - self.steps_done)
        return done + steps

    def _due(self):
        """Places of members at their step or time limit, of all at a cancellation, and which it is."""
        if self.control.cancelled:
            return self._training(), "interrupt"
        if self.step_limits and self.steps_done >= self.step_limits[0]:
            reached = self.step_limits.pop(0)
            due = [k for k in self._training() if self.members[k].last_step == reached]
            return due, "max_iter"
        now = time.perf_counter()
        if now > self.deadline:
            times = [(k, self.members[k].deadline) for k in self._training()]
            self.deadline = min((limit for _, limit in times if now <= limit), default=math.inf)
            return [k for k, limit in times if now > limit], "max_time"
        return [], None

    def _limit_reached(self):
        """End members within an epoch where they are due; returns their places."""
        due, reason = self._due()
        if due:
            self._take_average(due)
            self._end(due, reason)
        return due

    @property
    def kept(self):
        """What is validated and kept: the average, or the parameters as they are."""
        return self.state if self.average is None else self.average

    def _take_average(self, places=None):
        """Bring the averages of some members, or of all, up to date, as at the end of an epoch."""
        if self.average is not None:
            before = np.array([self.epoch - m.epochs_before for m in self.members])
            self.average.update(self.state, self.knobs.ema_decay, before, places)

    def _training(self):
        """Places of the members that have not ended."""
        return [k for k, m in enumerate(self.members) if m.ended is None]

    def _end(self, places, reason):
        """Mark members as ended; those without early stopping keep the weights of this moment."""
        if self.watch is not None:
            self.watch.flush(self.members, self.feed.steps)
        finite, keep = self._finite(), []
        for k in places:
            m = self.members[k]
            m.ended, m.n_steps = reason, self.steps_done - m.steps_before
            if m.job.keep_optimiser:
                m.optimiser = self._optimiser(k, m)
            if finite[k] and not m.validated:
                m.best_step = m.n_steps
                keep.append(k)
        if keep:
            self.snapshot.keep(self.kept, keep)

    def _finite(self):
        """Whether all numbers of a member are finite, for each member."""
        buffers = (self.state.theta, self.state.running)
        # A sum is finite only if all that is added is, and takes one pass.
        if all(math.isfinite(b.flat.sum()) for b in buffers):
            return [True] * len(self.members)
        views = [v.isfinite().flatten(1) for b in buffers for v in b.view.values()]
        return torch.cat(views, dim=1).all(dim=1).tolist()

    def _close_epoch(self, train_loss, rates):
        """Write history, find the best epochs, end members whose time has come."""
        self._take_average()
        shows = Shows(self.kept, self.epoch + 1, self.steps_done, train_loss, rates)
        valid_loss, valid_score, outputs = validate(
            self.step, self.kept, self.feed, self.members, self.net, shows
        )
        training, finite, keep = self._training(), self._finite(), []
        sound = np.isfinite(train_loss + valid_loss) & finite
        for cohort in self.cohorts:
            self._ask(cohort, outputs, sound, valid_loss, valid_score, shows)
        for k in self._training():
            m = self.members[k]
            values = float(train_loss[k]), float(valid_loss[k]), float(valid_score[k])
            epoch, steps = self.epoch + 1 - m.epochs_before, self.steps_done - m.steps_before
            m.record(epoch, values[0], rates[k], *values[1:])
            if m.judge(epoch, steps, finite[k], *values):
                keep.append(k)
        if keep:
            self.snapshot.keep(self.kept, None if len(keep) == len(self.members) else keep)
        measure(self, training, outputs)

    def _ask(self, cohort, outputs, sound, valid_loss, valid_score, shows):
        """Let a cohort judge the epoch by those of its members that have not diverged."""
        places = [k for k in self._training() if self.members[k].cohort is cohort]
        if not places:
            return
        count = [k for k in places if sound[k]]

        def nets():
            return [shows.standing(self.members[k], k, outputs[k].T, valid_loss[k]) for k in count]

        try:
            cohort.evaluate([outputs[k] for k in count], nets)
        except Exception as error:
            for k in places:
                self.members[k].ended, self.members[k].error = "error", error
        valid_score[places] = cohort.score

    def _retire(self):
        """Turn ended members into results, and close the gaps that they leave where that saves time."""
        done = [
            (k, m)
            for k, m in enumerate(self.members)
            if m.ended is not None and m.index not in self.results
        ]
        if done:
            params = self.snapshot.members([k for k, _ in done])
            for (k, m), own in zip(done, params, strict=True):
                self.results[m.index] = self._result(k, m, own)
            paused = [(k, m) for k, m in done if m.ended == "paused"]
            if paused:
                self._hand_over(*map(list, zip(*paused, strict=True)))
        alive = self._training()
        dead = len(self.members) - len(alive)
        if not alive:
            self.members = []
        elif dead and (dead * 8 >= len(self.members) or dead * self.feed.steps >= 16):
            self.members = [self.members[k] for k in alive]
            self.fingerprints = [self.fingerprints[k] for k in alive]
            self.state = self.state.take(alive)
            self.snapshot = self.snapshot.take(alive)
            self.average = self.average and self.average.take(alive)
            self.watch = self.watch and self.watch.take(alive)
            self._build()

    def _hand_over(self, places, members):
        """Give the results of paused members what it takes to go on."""
        results = [self.results[m.index] for m in members]
        made = checkpoints(members, results, places, self.state, self.average)
        for m, result, checkpoint in zip(members, results, made, strict=True):
            result.checkpoint = checkpoint
            if m.job.keep_optimiser:
                result.optimiser = checkpoint.optimiser

    def _optimiser(self, k, m):
        # Their number may have moved on with other members before it was noticed that this one had ended.
        return m.optimiser or {**self.state.optimiser(k), "t": m.optimiser_steps + m.n_steps}

    def _result(self, k, m, params):
        kept = m.job.keep_optimiser and m.ended != "paused"
        return Result(
            params=params,
            history=m.history,
            n_iter=len(m.history["epoch"]),
            best_iter=m.best_iter,
            best_loss=m.best_loss,
            n_steps=m.n_steps,
            best_step=m.best_step,
            stopped_by=m.ended,
            optimiser=self._optimiser(k, m) if kept else None,
            seconds=time.perf_counter() - m.began,
            error=m.error,
            undefined=m.undefined if m.cohort is None else m.cohort.undefined,
        )
