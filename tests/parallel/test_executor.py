"""Stacks that other processes train, some of which die."""

from __future__ import annotations

import contextlib
import functools
import multiprocessing
import os
import pickle
import signal
import threading
import time
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from joblib import Parallel, delayed
from joblib.externals.loky import get_reusable_executor
from sklearn.base import clone
from sklearn.metrics import get_scorer
from sklearn.model_selection import GridSearchCV, cross_validate
from skorch.callbacks import Callback

import skreg
from skreg.parallel import executor as executors
from skreg.parallel.executor import ExecutorRounds, pack, unpack
from tests.parallel.helpers import (
    Trouble,
    assert_same,
    batched,
    classifier,
    fit_number,
    interrupt,
    param,
    piped,
    scores_of,
    table,
    task_threads,
    wait_until,
)
from tests.train.helpers import make_job

pytestmark = pytest.mark.timeout(200, method="thread")

LOSS = "neg_log_loss"


def search(scoring="accuracy", **changes):
    """Two stacks, which stop early by a score."""
    model = piped(
        classifier(early_stopping=True, patience=2, max_iter=6, scoring=scoring, **changes)
    )
    grid = {
        param(model, "dropout"): [0.0, 0.3],
        param(model, "hidden_layer_sizes"): [(8,), (4, 4)],
    }
    return scores_of(GridSearchCV(model, grid, cv=3, scoring=LOSS).fit(*table()))


def score_or_die(model, X, y, *, home, folder, dies):
    """A scorer for early stopping; the first worker that comes here is killed, if one shall be."""
    if os.getpid() != home:
        Path(folder, f"worker-{os.getpid()}").touch()
        with contextlib.suppress(FileExistsError):
            if dies:
                Path(folder, "killed").touch(exist_ok=False)
                os.kill(os.getpid(), signal.SIGKILL)
    return get_scorer("accuracy")(model, X, y)


def deadly(folder, dies=True):
    return functools.partial(score_or_die, home=os.getpid(), folder=str(folder), dies=dies)


@pytest.fixture
def processes():
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        yield pool


class Inline(Executor):
    """Trains where it is called, after the pickle that other processes would need.

    ``failures`` of the first calls fail.
    """

    def __init__(self, failures=0):
        self.failures = failures
        self.calls = 0

    def submit(self, function, *args):
        self.calls += 1
        future = Future()
        try:
            if self.calls <= self.failures:
                raise Trouble(f"call {self.calls}")
            future.set_result(
                pickle.loads(pickle.dumps(function(*pickle.loads(pickle.dumps(args)))))
            )
        except Exception as error:
            future.set_exception(error)
        return future


# -- what travels ----------------------------------------------------------------------------------


def test_pack():
    jobs = [make_job(seed=i, n_val=5, weighted=i < 2) for i in range(3)]
    for job in jobs[1:]:
        job.X, job.X_val = jobs[0].X, jobs[0].X_val
    light, arrays = pack(jobs)
    assert len(arrays) == 2 + 3 + 3 + 2 + 2  # X, X_val; y, y_val of each; weights of two
    assert len(pickle.dumps(light)) < 3000
    for job, again in zip(jobs, unpack(light, arrays), strict=True):
        assert isinstance(job.X, np.ndarray)  # the jobs themselves are as they were
        assert vars(again).keys() == vars(job).keys()
        assert all(vars(again)[name] is value for name, value in vars(job).items())


def test_stacks_go_to_the_executor(one_thread):
    alone = search()
    pool = Inline()
    with batched(executor=pool):
        assert_same(alone, search())
    assert pool.calls == 2
    (only,) = skreg.last_rounds()
    assert sorted(only.members) == [6, 6]
    assert only.gflops > 0


@pytest.mark.parametrize("failures", [1, 4, 10**6])
def test_stacks_that_fail_are_sent_again(monkeypatch, failures):
    monkeypatch.setattr(executors, "_POLL", 0.01)
    pool = Inline(failures)
    with batched(executor=pool):
        together = search()
    assert_same(search(), together)
    assert pool.calls == {1: 3, 4: 6, 10**6: 2 * executors.ATTEMPTS}[failures]


def test_executor_that_is_shut_down():
    pool = ThreadPoolExecutor(1)
    pool.shutdown()
    with batched(executor=pool):
        assert_same(search(), search())


def test_threads_of_this_process():
    """The workers use this process's trainer, which must not wait for them."""
    alone = search()
    with ThreadPoolExecutor(2) as pool, batched(executor=pool):
        assert_same(alone, search())


def test_error_of_a_stack(engine, monkeypatch):
    """The error of a stack that fails everywhere is the error of its tasks."""
    monkeypatch.setattr(executors, "_POLL", 0.01)

    def broken(jobs, control):
        raise Trouble("engine broke")

    engine.before = broken
    pool = Inline()
    with batched(executor=pool), pytest.raises(Trouble, match="engine broke"):
        Parallel()(delayed(fit_number)(i) for i in range(5))
    assert pool.calls == executors.ATTEMPTS


def test_no_thread_for_a_round(engine, monkeypatch):
    start = threading.Thread.start

    def refuse(thread):
        if thread.name == "skreg-round":
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with batched(executor=Inline()):
        assert Parallel()(delayed(fit_number)(i) for i in range(5)) == [0, 1, 2, 3, 4]


class Counts(Callback):
    def on_epoch_end(self, net, **kwargs):
        net.history.record("here", os.getpid())


def test_callbacks_stay_in_this_process():
    X, y = table()
    pool = Inline()
    with batched(executor=pool):
        found = cross_validate(
            classifier(callbacks=[Counts()]), X, y, cv=3, scoring=LOSS, return_estimator=True
        )
    assert pool.calls == 0
    assert all(e.n_iter_ == 3 for e in found["estimator"])
    alone = cross_validate(classifier(), X, y, cv=3, scoring=LOSS)
    assert_same(alone["test_score"], found["test_score"])


def test_no_executor():
    with pytest.raises(ValueError, match=r"executor=3 has no submit method. Pass a concurrent"):
        ExecutorRounds(3)
    with pytest.raises(ValueError, match=r"executor='dask' has no submit method"):
        batched(executor="dask")


def test_interrupt_while_a_worker_trains():
    class Endless(Executor):
        def __init__(self):
            self.futures = []

        def submit(self, function, *args):
            self.futures.append(Future())
            threading.Timer(0.2, interrupt).start()
            return self.futures[-1]

    pool = Endless()
    with batched(executor=pool), pytest.raises(KeyboardInterrupt, match=r"^$"):
        Parallel()(delayed(fit_number)(i) for i in range(5))
    assert pool.futures[0].cancelled()
    assert wait_until(lambda: not task_threads(), seconds=5)


# -- other processes -------------------------------------------------------------------------------


def test_process_pool(processes, tmp_path):
    alone = search()
    with batched(executor=processes):
        assert_same(alone, search())
        together = search(scoring=deadly(tmp_path, dies=False))
    assert_same(alone, together)
    assert list(tmp_path.glob("worker-*"))  # it was trained there


@pytest.mark.slow
def test_process_pool_with_a_killed_worker(processes, tmp_path):
    """The pool is broken for good: this process trains the rest."""
    with batched(executor=processes):
        together = search(scoring=deadly(tmp_path))
    assert_same(search(), together)
    assert (tmp_path / "killed").exists()


def score_of_own_rows(model, X, y):
    """A scorer for early stopping that looks at the whole table, and at the weights."""
    assert len(model.coefs_) == 2
    return model.score(*table())


def test_scorers_see_fitted_nets_in_other_processes(one_thread):
    net = classifier(early_stopping=True, max_iter=6, scoring=score_of_own_rows)
    pool = Inline()
    with batched(executor=pool):
        found = cross_validate(net, *table(), cv=3, return_estimator=True)["estimator"]
    assert pool.calls == 1
    for one in found:
        assert max(one.validation_scores_) == one.score(*table())


@pytest.mark.slow
@pytest.mark.parametrize("dies", [False, True])
def test_loky(tmp_path, dies):
    pool = get_reusable_executor(2)
    try:
        with batched(executor=pool):
            together = search(scoring=deadly(tmp_path, dies))
    finally:
        get_reusable_executor(2).shutdown(wait=True, kill_workers=True)
    assert_same(search(), together)
    assert (tmp_path / "killed").exists() == dies
    assert list(tmp_path.glob("worker-*"))


@pytest.mark.slow
@pytest.mark.parametrize("dies", [False, True])
def test_dask(tmp_path, dies):
    distributed = pytest.importorskip("distributed")
    alone = search()
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address="127.0.0.1:0"
        ) as cluster,
        distributed.Client(cluster) as client,
        batched(executor=client.get_executor()),
    ):
        together = search(scoring=deadly(tmp_path, dies))
        again = search()  # the cluster goes on
    assert_same(alone, together)
    assert_same(alone, again)
    assert (tmp_path / "killed").exists() == dies
    assert len(list(tmp_path.glob("worker-*"))) >= 1 + dies  # another one took over


@pytest.mark.slow
def test_dask_in_this_process():
    """Workers that are threads share the trainer."""
    distributed = pytest.importorskip("distributed")
    alone = search()
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=2, processes=False, dashboard_address="127.0.0.1:0"
        ) as cluster,
        distributed.Client(cluster) as client,
        batched(executor=client.get_executor()),
    ):
        assert_same(alone, search())


@pytest.mark.slow
@pytest.mark.parametrize(
    "limits", [{"n_settings": 4}, {"max_time": 6}], ids=["settings", "seconds"]
)
def test_a_search_of_the_package_on_dask(limits):
    """Its nets pause at rungs, come back and go on elsewhere; a number of settings gives the same search."""
    distributed = pytest.importorskip("distributed")
    model = skreg.RegularizedMLPClassifierCV(
        classifier(max_iter=12), cv=3, n_repeats=1, random_state=0, **limits
    )
    X, y = table("multiclass")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address="127.0.0.1:0"
        ) as cluster,
        distributed.Client(cluster) as client,
        batched(executor=client.get_executor()),
    ):
        if "max_time" in limits:  # workers have started, and loaded the kernels
            clone(model).set_params(max_time=None, n_settings=1).fit(X, y)
        began = time.perf_counter()
        there = clone(model).fit(X, y)
        seconds = time.perf_counter() - began
        told = cluster.scheduler.get_logs()
    assert not any("Traceback" in line for _, line in told)
    if "max_time" in limits:
        assert seconds < 2 * limits["max_time"]  # a tenth, where nothing else runs
        assert np.isfinite(there.predict_proba(X)).all()
        return
    assert there.cv_results_["rung"].max() > 0
    here = clone(model).fit(X, y)
    np.testing.assert_allclose(there.predict_proba(X), here.predict_proba(X), rtol=0, atol=1e-8)
    assert there.cv_results_["params"] == here.cv_results_["params"]
