"""Jobs that end so many seconds after they were handed in, each with the best weights so far."""

from __future__ import annotations

import dataclasses
import math
import pickle
import time

import numpy as np
import pytest
from joblib import Parallel, delayed, parallel_config
from joblib.externals.loky import get_reusable_executor

from skreg.parallel import trainer
from skreg.parallel.executor import pack, train_remotely, unpack
from skreg.train.feed import Fingerprint
from skreg.train.watch import Watch
from tests.train.helpers import IMPLEMENTATIONS, fit, make_job, stack_of, train_module

pytestmark = pytest.mark.timeout(200, method="thread")

#: No net gets so far in a test.
ENDLESS = {"max_iter": 10**7, "n_val": 12, "early_stopping": True, "patience": 10**7}


def as_score(raw):
    return -float(np.abs(raw).mean())


def timed(function, *args, **options):
    began = time.perf_counter()
    return function(*args, **options), time.perf_counter() - began


@pytest.mark.parametrize(
    "options",
    [ENDLESS, {**ENDLESS, "score": as_score}, {**ENDLESS, "early_stopping": False}],
    ids=["by loss", "by scorer", "to the end"],
)
def test_what_is_left_ends_with_the_best_weights(options):
    jobs = [make_job(seed=i, learning_rate_init=1e-4, **options) for i in range(3)]
    fit(make_job(**{**options, "max_iter": 2}), "auto")  # what is compiled takes its time
    (results, _), seconds = timed(trainer.train_and_wait, jobs, seconds=0.3)
    assert 0.25 < seconds < 5
    for result, job in zip(results, jobs, strict=True):
        assert result.stopped_by == "max_time"
        assert result.n_iter > 2
        assert 0 < result.best_iter <= result.n_iter
        limit = (
            {"max_iter": result.best_iter}
            if job.spec.early_stopping
            else {"max_steps": result.n_steps}
        )
        whole = fit(dataclasses.replace(job, spec=dataclasses.replace(job.spec, **limit)), "auto")
        assert result.best_step == whole.best_step
        for name, values in whole.params.items():
            assert result.params[name] == pytest.approx(values, abs=1e-8)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_others_in_the_stack_go_on(implementation):
    """A deadline does not keep a step from closing epochs by itself."""
    other = make_job(n=100, max_iter=30)
    whole = fit(other, implementation)
    ends = dataclasses.replace(make_job(n=100, **ENDLESS), deadline=time.perf_counter() + 0.1)
    assert Watch.can_watch(ends)
    stack = stack_of([other, ends], implementation)
    assert (stack.watch is not None) == (implementation == "fused")
    first, second = stack.run()
    assert (second.stopped_by, first.stopped_by) == ("max_time", "max_iter")
    assert first.history["train_loss"] == pytest.approx(whole.history["train_loss"])


def test_what_has_not_begun_costs_nothing(monkeypatch):
    monkeypatch.setattr(train_module, "Stack", None)  # cannot be built
    results, reports = trainer.train_and_wait([make_job(), make_job(hidden=(3,))], seconds=0)
    assert reports == []
    for result in results:
        assert (result.stopped_by, result.error) == ("max_time", None)
        assert (result.n_iter, result.best_step, result.params) == (0, 0, {})
        assert result.history["epoch"] == []


def test_what_was_paused_and_has_not_gone_on_has_its_best_weights():
    job = make_job(**{**ENDLESS, "pause": 3, "ema_decay": 0.5})
    paused = fit(job, "auto")
    again = dataclasses.replace(job, pause=None, resume=paused.checkpoint)
    (result,) = trainer.submit_many([again], seconds=-1.0)
    assert result.stopped_by == "max_time"
    assert (result.n_iter, result.best_iter) == (3, paused.best_iter)
    assert result.best_step == paused.best_step > 0
    for name, values in paused.history.items():
        np.testing.assert_array_equal(result.history[name], values)
    for name, values in paused.params.items():
        np.testing.assert_array_equal(result.params[name], values)


def test_the_nearer_of_two_deadlines_counts_and_jobs_stay_as_they_are():
    job = make_job(deadline=5.0)
    now = time.perf_counter()
    (limited,) = trainer.with_deadline([make_job()], 50)
    assert limited.deadline == pytest.approx(now + 50, abs=5)
    assert trainer.with_deadline([job], 1e9)[0].deadline == 5.0
    assert (job.deadline, make_job().deadline) == (5.0, math.inf)
    assert trainer.with_deadline([job], None) == [job]


@pytest.mark.parametrize("seconds", ["10", math.nan, 1j])
def test_seconds_that_are_no_number(seconds):
    with pytest.raises(ValueError, match="Give seconds, or None"):
        trainer.submit_many([make_job()], seconds=seconds)


def test_in_a_round_only_those_that_asked_end():
    def task(seconds):
        options = ENDLESS if seconds else {"max_iter": 300}
        return trainer.submit_many([make_job(n=200, **options)], seconds=seconds)[0]

    with parallel_config(backend="skreg"):
        ended, other = Parallel(n_jobs=2)(delayed(task)(seconds) for seconds in (0.8, None))
    assert ended.stopped_by == "max_time"
    assert (other.stopped_by, other.n_iter) == ("max_iter", 300)


def test_on_the_way_to_a_worker():
    """The clock of another process begins elsewhere."""
    jobs = trainer.with_deadline([make_job(), make_job(seed=1)], 30)
    jobs.append(make_job(seed=2))
    light, arrays = pickle.loads(pickle.dumps(pack(jobs)))
    assert light[0].deadline == pytest.approx(time.time() + 30, abs=5)
    for job, back in zip(jobs, unpack(light, arrays), strict=True):
        assert back.deadline == pytest.approx(job.deadline, abs=1)


@pytest.mark.slow
def test_on_other_processes():
    """A paused job goes on there, and deadlines hold: of what is training, and of what comes too late."""
    job = make_job(**{**ENDLESS, "max_iter": 6, "ema_decay": 0.3})
    whole = fit(job, "auto")
    paused = fit(dataclasses.replace(job, pause=2), "auto")
    on = dataclasses.replace(job, resume=paused.checkpoint)
    endless = trainer.with_deadline([make_job(**ENDLESS)], 6)[0]
    late = trainer.with_deadline([make_job()], -1)[0]
    executor, found = get_reusable_executor(max_workers=1), []
    try:
        for one in (dataclasses.replace(job, pause=2), on, endless, late):
            light, arrays = pack([one])
            future = executor.submit(train_remotely, light, arrays, Fingerprint.of_all([one]), {})
            found.append(future.result()[0][0])
    finally:
        # joblib would go on with it, and misses what it puts into its own.
        executor.shutdown(wait=True, kill_workers=True)
    again, result, ended, unbegun = found
    assert again.stopped_by == "paused"
    assert again.checkpoint.epochs == 2
    for name, values in whole.params.items():
        np.testing.assert_array_equal(result.params[name], values)
    assert (result.n_iter, result.stopped_by) == (whole.n_iter, whole.stopped_by)
    assert ended.stopped_by == "max_time"
    assert (unbegun.stopped_by, unbegun.best_step) == ("max_time", 0)
