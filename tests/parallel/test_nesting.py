"""Searches inside searches, beside searches and inside other workers."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
from joblib import Parallel, delayed
from joblib.parallel import BACKENDS
from sklearn.ensemble import BaggingClassifier
from sklearn.model_selection import GridSearchCV, cross_validate

import skreg
from skreg.parallel.scope import Scope
from tests.parallel.helpers import (
    assert_same,
    batched,
    both,
    classifier,
    fit_number,
    param,
    piped,
    scores_of,
    table,
)

pytestmark = pytest.mark.timeout(200, method="thread")

LOSS = "neg_log_loss"


def search(model, **options):
    rates = {param(model, "dropout"): [0.0, 0.2, 0.4]}
    return GridSearchCV(model, rates, **{"cv": 3, "scoring": LOSS, **options})


def searched(seed):
    """Scores of a search under the backend, for workers of all kinds."""
    with batched():
        return scores_of(search(piped(classifier(random_state=seed))).fit(*table()))


def test_search_of_a_bag_of_pipelines():
    X, y = table()
    bag = BaggingClassifier(piped(classifier()), n_estimators=4, random_state=0)
    grid = {"estimator__" + param(bag.estimator, "dropout"): [0.0, 0.3], "max_samples": [0.5, 1.0]}

    def run():
        found = GridSearchCV(bag, grid, cv=3, scoring=LOSS).fit(X, y)
        return scores_of(found), found.predict_proba(X)

    assert_same(*both(run))
    assert [r.jobs for r in skreg.last_rounds()] == [2 * 2 * 3 * 4, 4]


def test_nested_cross_validation():
    X, y = table()

    def run():
        found = cross_validate(
            search(piped(classifier())), X, y, cv=3, scoring=LOSS, return_estimator=True
        )
        return found["test_score"], [scores_of(e) for e in found["estimator"]]

    assert_same(*both(run))
    assert [r.jobs for r in skreg.last_rounds()] == [3 * 3 * 3, 3]


def test_a_round_waits_for_tasks_whose_own_tasks_are_done(monkeypatch):
    """Their threads may take a while to wake up, and then hand in what belongs to the same round."""
    X, y = table()
    resume = Scope.resume

    def late(self, task):
        time.sleep(0.05 if task is not None else 0)
        resume(self, task)

    monkeypatch.setattr(Scope, "resume", late)
    inner = GridSearchCV(classifier(max_iter=1), {"dropout": [0.0, 0.3]}, cv=2, scoring=LOSS)
    with batched():
        cross_validate(inner, X, y, cv=4, scoring=LOSS)
    assert [r.jobs for r in skreg.last_rounds()] == [4 * 2 * 2, 4]


def test_three_levels():
    X, y = table()
    bag = BaggingClassifier(classifier(), n_estimators=3, random_state=0)
    inner = GridSearchCV(bag, {"estimator__dropout": [0.0, 0.3]}, cv=2, scoring=LOSS)

    def run():
        return cross_validate(inner, X, y, cv=2, scoring=LOSS)["test_score"]

    assert_same(*both(run))
    assert [r.jobs for r in skreg.last_rounds()] == [2 * 2 * 2 * 3, 2 * 3]


def test_inner_fits_of_all_outer_tasks_share_rounds():
    """5 outer folds x 16 candidates x 5 inner folds; 256 tasks of this size may be open."""
    X, y = table()
    grid = {"dropout": np.linspace(0, 0.6, 16)}
    inner = GridSearchCV(classifier(max_iter=1), grid, cv=5)
    with batched():
        cross_validate(inner, X, y, cv=5)
    jobs = [r.jobs for r in skreg.last_rounds()]
    assert sum(jobs) == 5 * 16 * 5 + 5
    assert len(jobs) <= 4
    assert jobs[0] == 256


def test_block_inside_a_task(engine):
    """A library that opens a block of its own joins the rounds around it."""

    def outer(i):
        with batched(max_members=1, memory="1MiB"):
            return Parallel()(delayed(fit_number)(10 * i + j) for j in range(5))

    with batched():
        values = Parallel()(delayed(outer)(i) for i in range(4))
    assert values == [[10 * i + j for j in range(5)] for i in range(4)]
    assert engine.rounds == [20]


def test_another_backend_inside_a_task(engine):
    def outer(i):
        tasks = (delayed(fit_number)(10 * i + j) for j in range(3))
        return Parallel(n_jobs=2, backend="threading")(tasks)

    with batched():
        values = Parallel()(delayed(outer)(i) for i in range(4))
    assert values == [[10 * i + j for j in range(3)] for i in range(4)]


@pytest.mark.parametrize("shared", [False, True])
def test_searches_of_several_threads(shared):
    """Each thread has a block of its own, or all use one backend."""
    backend = BACKENDS["skreg"]() if shared else "skreg"
    found = {}

    def run(seed):
        with batched(backend=backend):
            found[seed] = scores_of(search(piped(classifier(random_state=seed))).fit(*table()))

    threads = [threading.Thread(target=run, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed in range(4):
        alone = search(piped(classifier(random_state=seed))).fit(*table())
        assert_same(scores_of(alone), found[seed])


def test_serial_fits_beside_a_search():
    X, y = table()
    expected = classifier(random_state=1).fit(X, y).predict_proba(X)
    found = []

    def run():
        found.extend(classifier(random_state=1).fit(X, y).predict_proba(X) for _ in range(10))

    thread = threading.Thread(target=run)
    thread.start()
    searched(0)
    thread.join()
    assert len(found) == 10
    for proba in found:
        assert_same(expected, proba)


@pytest.mark.slow
def test_inside_workers_of_loky():
    found = Parallel(n_jobs=2, backend="loky")(delayed(searched)(seed) for seed in range(2))
    for seed in range(2):
        assert_same(searched(seed), found[seed])


@pytest.mark.slow
def test_inside_workers_of_dask():
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=2, processes=True, dashboard_address="127.0.0.1:0"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        found = client.gather(client.map(searched, range(4), pure=False))
    for seed in range(4):
        assert_same(searched(seed), found[seed])
