"""Whatever tasks do, a search ends: with the right values, or with the error that belongs to it.

The engine only pretends to train here, but for the last tests.
"""

from __future__ import annotations

import itertools
import random
import subprocess
import sys
import threading
import time
import warnings

import joblib
import pytest
from joblib import Parallel, delayed
from joblib.parallel import BACKENDS

from skreg.parallel import scope, tasks, trainer
from skreg.parallel.trainer import submit_many
from tests.parallel.helpers import (
    Trouble,
    batched,
    fit_number,
    interrupt,
    make_job,
    task_threads,
    wait_until,
)

pytestmark = pytest.mark.timeout(60, method="thread")


def call(function, numbers, **options):
    """Values of a function in tasks of their own."""
    return Parallel(**options)(delayed(function)(i) for i in numbers)


def until_cancelled(jobs, control):
    """An engine that is in the middle of a long training."""
    assert wait_until(lambda: control.cancelled, seconds=30)


# -- tasks -----------------------------------------------------------------------------------------


def test_one_fit_each(engine):
    with batched():
        assert call(fit_number, range(40)) == list(range(40))
    assert engine.rounds == [40]


def test_more_tasks_than_joblib_dispatches(engine):
    with batched(max_members=4):
        assert call(fit_number, range(50), pre_dispatch=7) == list(range(50))
    assert sum(engine.rounds) == 50
    assert max(engine.rounds) == 4


def test_tasks_that_never_fit(engine):
    with batched():
        assert call(abs, range(600)) == list(range(600))
    assert engine.rounds == []


@pytest.mark.parametrize("number", [0, 3, 11])
def test_three_fits_each(engine, number):
    def task(i):
        return [fit_number(3 * i + j) for j in range(3)]

    with batched():
        assert call(task, range(number)) == [[3 * i, 3 * i + 1, 3 * i + 2] for i in range(number)]
    assert engine.rounds == [number] * 3 * bool(number)


def test_fits_and_no_fits(engine):
    def task(i):
        return [fit_number(i) for _ in range(i % 3)]

    with batched():
        assert call(task, range(30)) == [[i] * (i % 3) for i in range(30)]
    assert engine.rounds == [20, 10]


def test_job_that_fails_alone(engine):
    def task(i):
        try:
            return fit_number(-i if i % 3 == 0 else i)
        except Trouble as error:
            return str(error)

    with batched():
        assert call(task, range(1, 8)) == [1, 2, "a job", 4, 5, "a job", 7]


@pytest.mark.parametrize("kind", [Trouble, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("when", ["before", "after"])
def test_task_that_raises(engine, when, kind):
    def task(i):
        if when == "before" and i == 5:
            raise kind("task 5")
        value = fit_number(i)
        if when == "after" and i == 5:
            raise kind("task 5")
        return value

    with batched():
        with pytest.raises(kind, match="task 5"):
            call(task, range(300))
        assert call(fit_number, range(5)) == [0, 1, 2, 3, 4]  # the block goes on


def test_fit_that_raises(engine):
    with batched():
        with pytest.raises(Trouble, match="a job"):
            call(fit_number, range(-3, 300))
        assert call(fit_number, range(5)) == [0, 1, 2, 3, 4]


def test_iterator_that_raises(engine):
    def numbers(error):
        yield from range(20)
        raise error

    for error, pre_dispatch in [(Trouble, "all"), (Trouble, 4), (KeyboardInterrupt, "all")]:
        with batched(max_members=8), pytest.raises(error, match="no more"):
            call(fit_number, numbers(error("no more")), pre_dispatch=pre_dispatch)
    with batched():
        with pytest.raises(TypeError, match="not iterable"):
            Parallel()(5)
        assert call(fit_number, range(3)) == [0, 1, 2]


def test_several_jobs_of_one_task(engine):
    def task(i):
        results = submit_many([make_job(10 * i + j) for j in range(i)])
        return [int(r.params["number"]) for r in results]

    with batched():
        assert call(task, range(1, 5)) == [[10 * i + j for j in range(i)] for i in range(1, 5)]
    assert engine.rounds == [1 + 2 + 3 + 4]


# -- the trainer -----------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [Trouble("engine broke"), SystemExit("engine broke")])
def test_error_of_the_engine_reaches_every_task(engine, error):
    def broken(jobs, control):
        raise error

    def task(i):
        try:
            return fit_number(i)
        except BaseException as caught:
            return caught

    engine.before = broken
    with batched():
        errors = call(task, range(30))
    assert engine.rounds == [30]
    assert {type(e) for e in errors} == {type(error)}
    assert {str(e) for e in errors} == {"engine broke"}
    assert len(set(map(id, errors))) == 30  # threads do not write into one traceback


def test_engine_that_loses_results(engine, monkeypatch):
    monkeypatch.setattr(trainer, "train", lambda jobs, **options: ([], []))
    with batched(), pytest.raises(RuntimeError, match="3 jobs came back without"):
        call(fit_number, range(3))


def test_no_thread_for_the_trainer(engine, monkeypatch):
    refuse_threads(monkeypatch, "skreg-trainer", 0)
    monkeypatch.setattr(trainer, "TRAINER", trainer.Trainer())
    with batched(), pytest.raises(RuntimeError, match="can't start new thread"):
        call(fit_number, range(3))
    with pytest.raises(RuntimeError, match="can't start new thread"):
        fit_number(0)


def refuse_threads(monkeypatch, name, number):
    """From now on only so many threads of a name can be started."""
    left = itertools.count(number, -1)
    start = threading.Thread.start

    def refuse(thread):
        if thread.name == name and next(left) <= 0:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)


@pytest.mark.parametrize("number", [1, 3])
def test_few_threads(engine, monkeypatch, number):
    refuse_threads(monkeypatch, "skreg-task", number)
    with batched():
        assert call(fit_number, range(20)) == list(range(20))
    assert max(engine.rounds) <= number


def test_no_thread_for_tasks(engine, monkeypatch):
    refuse_threads(monkeypatch, "skreg-task", 0)
    with batched(), pytest.raises(RuntimeError, match="can't start new thread"):
        call(fit_number, range(20))


def test_interrupt_while_a_thread_starts(engine, monkeypatch):
    """The thread runs although `start` was interrupted; it must not run a task twice."""
    start, interrupted, runs = threading.Thread.start, [], []

    def interrupt(thread):
        start(thread)
        if thread.name == "skreg-task" and not interrupted:
            interrupted.append(thread)
            raise KeyboardInterrupt("in start")

    def task(i):
        runs.append(i)
        return fit_number(i)

    monkeypatch.setattr(threading.Thread, "start", interrupt)
    with batched():
        with pytest.raises(KeyboardInterrupt, match="in start"):
            call(task, range(10))
        runs.clear()
        assert call(task, range(10)) == list(range(10))
    assert sorted(runs) == list(range(10))


# -- giving up -------------------------------------------------------------------------------------


def test_interrupt_while_a_round_trains(engine):
    def interrupted(jobs, control):
        if len(engine.rounds) == 1:
            interrupt()
            until_cancelled(jobs, control)

    engine.before = interrupted
    with batched():
        with pytest.raises(KeyboardInterrupt, match=r"^$"):
            call(fit_number, range(300))
        assert wait_until(lambda: not task_threads(), seconds=5)
        assert call(fit_number, range(300)) == list(range(300))


def test_timeout_of_joblib(engine):
    engine.before = until_cancelled
    with batched(), pytest.raises(joblib.parallel.TimeoutError, match=r"^$"):
        call(fit_number, range(20), timeout=0.2)


def test_error_while_others_train(engine):
    """A task fails while the others' round trains: it is cancelled, nobody waits for it."""
    training = threading.Event()

    def before(jobs, control):
        training.set()
        until_cancelled(jobs, control)

    def task(i):
        if i == 3:
            assert training.wait(30)
            raise Trouble("meanwhile")
        return fit_number(i)

    engine.before = before
    with batched(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(scope, "PATIENCE", 0.1)  # the round starts although task 3 is active
        with pytest.raises(Trouble, match="meanwhile"):
            call(task, range(10))


def test_round_that_has_not_begun(engine):
    """Another search keeps the trainer busy; giving up does not wait for that."""
    busy, free = threading.Event(), threading.Event()

    def before(jobs, control):
        if jobs[0].seed == 99:
            busy.set()
            assert free.wait(30)

    engine.before = before
    other = threading.Thread(target=trainer.train_and_wait, args=([make_job(99)],))
    other.start()
    assert busy.wait(30)
    with batched(), pytest.raises(joblib.parallel.TimeoutError, match=r"^$"):
        call(fit_number, range(20), timeout=0.2)
    assert not free.is_set()
    assert wait_until(lambda: not task_threads(), seconds=5)
    free.set()
    other.join()
    assert engine.rounds == [1]  # what was given up is not trained any more


def test_tasks_that_wait_for_tasks_of_a_search_given_up(engine):
    """One outer task fails while the others wait for inner tasks: waiting, queued and running."""
    training = threading.Event()

    def before(jobs, control):
        training.set()
        until_cancelled(jobs, control)

    def outer(i):
        if i == 2:
            assert training.wait(30)
            raise Trouble("outer")
        return call(fit_number, range(10 * i, 10 * i + 10))

    engine.before = before
    with batched(max_members=35), pytest.MonkeyPatch.context() as patch:
        patch.setattr(scope, "PATIENCE", 0.1)
        with pytest.raises(Trouble, match="outer"):
            call(outer, range(5))
        assert wait_until(lambda: not task_threads(), seconds=5)


def test_tasks_after_their_search_was_given_up(engine):
    """A task that outlives its search cannot start anything new."""
    began, goes_on, ends = threading.Event(), threading.Event(), []

    def outer(i):
        if i == 0:
            assert began.wait(30)
            raise Trouble("early")
        try:
            began.set()
            assert goes_on.wait(30)
            fit_number(i)
        except tasks.Cancelled:
            try:
                call(fit_number, range(3))
            except tasks.Cancelled:
                ends.append(i)

    with batched(max_members=2), pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            scope.Scope.abort, "__defaults__", (0.1,)
        )  # seconds to wait for running tasks
        with pytest.raises(Trouble, match="early"):
            call(outer, range(2))
        goes_on.set()
        assert wait_until(lambda: not task_threads())
    assert ends == [1]
    assert engine.rounds == []


def test_abort_inside_a_task(engine):
    def inner(i):
        if i == 7:
            raise Trouble("inner")
        return fit_number(i)

    def outer(i):
        try:
            return sum(call(inner, range(i, i + 6)))
        except Trouble:
            return fit_number(100 + i)

    with batched():
        results = call(outer, range(8))
    assert results == [15, 21, 102, 103, 104, 105, 106, 107]


# -- ways to call Parallel -------------------------------------------------------------------------


@pytest.mark.parametrize("return_as", ["generator", "generator_unordered"])
def test_generators(engine, return_as):
    with batched(max_members=8):
        assert sorted(call(fit_number, range(50), return_as=return_as)) == list(range(50))
    with batched():
        results = call(fit_number, range(50), return_as=return_as)
    assert sorted(results) == list(range(50))


@pytest.mark.parametrize("return_as", ["generator", "generator_unordered"])
def test_generator_that_is_closed_early(engine, return_as):
    with batched(max_members=8):
        results = call(fit_number, range(50), return_as=return_as)
        assert next(results) in range(50)
        with pytest.warns(UserWarning, match="tasks which were still being processed"):
            results.close()
        assert call(fit_number, range(3)) == [0, 1, 2]


def test_generators_side_by_side(engine):
    """Two calls of one block at the same time do not mix up their tasks."""
    with batched(max_members=4):
        one = call(fit_number, range(30), return_as="generator")
        other = call(fit_number, range(100, 130), return_as="generator")
        pairs = list(zip(one, other, strict=True))
        assert pairs == [(i, 100 + i) for i in range(30)]
        one = call(fit_number, range(30), return_as="generator")
        other = call(fit_number, range(100, 130), return_as="generator")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            one.close()
        assert list(other) == list(range(100, 130))


def test_generator_inside_a_task(engine):
    """A task that fits between two results of its own tasks."""

    def outer(i):
        total = 0
        for value in call(fit_number, range(i, i + 6), return_as="generator"):
            total += fit_number(value)
        return total

    with batched():
        assert call(outer, range(5)) == [6 * i + 15 for i in range(5)]


def test_generator_that_leaves_its_task(engine):
    def outer(i):
        results = call(fit_number, range(i, i + 6), return_as="generator_unordered")
        return next(results), results

    with batched():
        for i, (first, others) in enumerate(call(outer, range(5))):
            assert sorted([first, *others]) == list(range(i, i + 6))
        assert call(fit_number, range(5)) == [0, 1, 2, 3, 4]


def test_context_manager(engine):
    def task(i):
        if i == 13:
            raise Trouble("13")
        return fit_number(i)

    with batched(), Parallel() as parallel:
        assert parallel(delayed(task)(i) for i in range(10)) == list(range(10))
        with pytest.raises(Trouble, match="13"):
            parallel(delayed(task)(i) for i in range(20))
        assert parallel(delayed(task)(i) for i in range(5)) == [0, 1, 2, 3, 4]
    assert engine.rounds[0] == 10


def test_a_call_after_one_that_failed_while_it_dispatched(engine, monkeypatch):
    """What the failed call did not come to dispatch is not taken for tasks of the next."""
    submit = scope.Scope.submit

    def slow(*arguments):
        time.sleep(0.02)
        return submit(*arguments)

    def task(i):
        raise Trouble(str(i))

    with batched(), Parallel() as parallel:
        with monkeypatch.context() as patch:
            patch.setattr(scope.Scope, "submit", slow)
            with pytest.raises(Trouble):
                parallel(delayed(task)(i) for i in range(20))
        assert parallel(delayed(fit_number)(i) for i in range(5)) == [0, 1, 2, 3, 4]


def test_backend_by_name_and_by_instance(engine):
    assert call(fit_number, range(5), backend="skreg", n_jobs=2) == [0, 1, 2, 3, 4]
    backend = BACKENDS["skreg"]()
    assert call(fit_number, range(5), backend=backend) == [0, 1, 2, 3, 4]
    assert [r.jobs for r in backend.rounds] == [5]


def test_warning_filters_are_put_back(engine):
    def task(i):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return fit_number(i)

    before = list(warnings.filters)
    with batched():
        call(task, range(20))
    assert warnings.filters == before


# -- tasks that wait for each other ----------------------------------------------------------------


def test_lock_around_fit(engine, monkeypatch):
    """The task that has the lock waits for a round, the others for the lock."""
    monkeypatch.setattr(scope, "PATIENCE", 0.1)
    lock = threading.Lock()

    def task(i):
        with lock:
            return fit_number(i)

    with batched():
        assert call(task, range(6)) == list(range(6))
    assert engine.rounds == [1] * 6


def test_slow_tasks_are_waited_for(engine, monkeypatch):
    """As long as something moves, a round waits for all tasks."""
    monkeypatch.setattr(scope, "PATIENCE", 0.5)

    def task(i):
        time.sleep(0.1)
        return fit_number(i)

    with batched():
        call(task, range(20))
    assert engine.rounds == [20]


# -- random schedules ------------------------------------------------------------------------------


def random_tasks(rng, depth):
    """Tasks as lists of steps."""
    return [
        [random_step(rng, depth) for _ in range(rng.randint(0, 3))]
        for _ in range(rng.randint(0, 7 if depth == 0 else 4))
    ]


def random_step(rng, depth):
    kind = rng.choices(["fit", "sleep", "fail", "nest"], [6, 2, 0.25, 2 if depth < 2 else 0])[0]
    if kind == "nest":
        options = {
            "pre_dispatch": rng.choice(["all", 1, 3, "2*n_jobs"]),
            "return_as": rng.choice(["list", "list", "generator"]),
        }
        return kind, (random_tasks(rng, depth + 1), options, rng.random() < 0.7)
    return kind, {"fit": rng.randint(0, 999), "sleep": rng.random() * 2e-3, "fail": None}[kind]


def expected(steps):
    """Value of a task; raises Trouble where it fails."""
    values = []
    for kind, what in steps:
        if kind == "fit":
            values.append(what)
        elif kind == "fail":
            raise Trouble("as planned")
        elif kind == "nest":
            inner, _, caught = what
            values.append(attempt(lambda inner=inner: [expected(s) for s in inner], caught))
    return values


def attempt(run, caught):
    try:
        return run()
    except Trouble:
        if caught:
            return "failed"
        raise


def perform(steps):
    """What `expected` foretells, in tasks of the backend."""
    values = []
    for kind, what in steps:
        if kind == "fit":
            values.append(fit_number(what))
        elif kind == "sleep":
            time.sleep(what)
        elif kind == "fail":
            raise Trouble("as planned")
        else:
            inner, options, caught = what
            values.append(
                attempt(
                    lambda inner=inner, options=options: list(call(perform, inner, **options)),
                    caught,
                )
            )
    return values


@pytest.mark.parametrize("first", range(0, 300, 30))
def test_random_schedules(engine, first):
    with warnings.catch_warnings():
        # of joblib, for generators that an error leaves behind
        warnings.simplefilter("ignore", UserWarning)
        for seed in range(first, first + 30):
            rng = random.Random(seed)
            schedule = random_tasks(rng, 0)
            options = {"max_members": rng.choice([2, 3, 8, "auto"])}
            with batched(**options):
                result = attempt(lambda s=schedule: call(perform, s), caught=True)
                assert result == attempt(
                    lambda s=schedule: [expected(t) for t in s], caught=True
                ), seed
                assert call(fit_number, range(3)) == [0, 1, 2], seed


# -- a process that is interrupted -----------------------------------------------------------------

INTERRUPTED = """
import os, signal, threading, time
from joblib import parallel_config
from sklearn.datasets import make_classification
from sklearn.model_selection import GridSearchCV
from skreg import RegularizedMLPClassifier
from skreg.parallel import trainer

train, sent = trainer.train, []

def interrupt():
    sent.append(time.monotonic())
    os.kill(os.getpid(), signal.SIGINT)

def interrupted(*args, **options):
    threading.Timer(1.0, interrupt).start()
    return train(*args, **options)

X, y = make_classification(500, 10, random_state=0)
net = RegularizedMLPClassifier((8,), max_iter=1, early_stopping=False).fit(X, y)  # compiles
trainer.train = interrupted
search = GridSearchCV(net.set_params(max_iter=10**6), {"dropout": [0.0, 0.1, 0.2]})
try:
    with parallel_config(backend="skreg"):
        search.fit(X, y)
except KeyboardInterrupt:
    seconds = time.monotonic() - sent[0]
    time.sleep(0.5)
    names = [t.name for t in threading.enumerate()]
    print("interrupted", seconds < 5, names.count("skreg-task"))
"""


@pytest.mark.slow
def test_interrupted_process():
    done = subprocess.run(
        [sys.executable, "-W", "ignore:numba cannot be imported", "-c", INTERRUPTED],
        capture_output=True,
        text=True,
        timeout=55,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("interrupted True 0\n", "", 0)
