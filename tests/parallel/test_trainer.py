"""One thread trains: fits by themselves, from threads, callbacks, forked children, and interrupts."""

from __future__ import annotations

import multiprocessing
import threading
import warnings

import numpy as np
import pytest
from joblib import Parallel, delayed
from skorch.callbacks import Callback

import skreg
from skreg.parallel import trainer
from tests.parallel.helpers import (
    Trouble,
    assert_same,
    batched,
    classifier,
    fit_number,
    interrupt,
    make_job,
    table,
)

pytestmark = pytest.mark.timeout(100, method="thread")


def test_one_thread_trains_for_all(engine):
    trained_by, got = set(), {}
    engine.before = lambda jobs, control: trained_by.add(threading.current_thread().name)

    def fit(i):
        got[i] = fit_number(i)

    threads = [threading.Thread(target=fit, args=(i,)) for i in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == {i: i for i in range(20)}
    assert engine.rounds == [1] * 20
    assert trained_by == {"skreg-trainer"}


def test_threads_get_what_they_asked_for():
    X, y = table()
    alone = [classifier(random_state=i).fit(X, y).predict_proba(X) for i in range(4)]
    found = Parallel(n_jobs=4, backend="threading")(
        delayed(lambda i: classifier(random_state=i).fit(X, y).predict_proba(X))(i)
        for i in range(4)
    )
    assert_same(alone, found)


def test_error_of_a_serial_fit(engine):
    with pytest.raises(Trouble, match="a job"):
        fit_number(-1)

    def broken(jobs, control):
        raise MemoryError("no room")

    engine.before = broken
    with pytest.raises(MemoryError, match="no room"):
        fit_number(1)
    engine.before = None
    assert fit_number(2) == 2


def test_errors_that_cannot_be_copied(engine):
    class Particular(Exception):
        def __init__(self, one, two):
            super().__init__(f"{one} and {two}")

    def broken(jobs, control):
        raise Particular("one", "two")

    engine.before = broken
    with pytest.raises(Particular, match="one and two"):
        fit_number(1)


class FitsAgain(Callback):
    """Fits a net of its own after each epoch, with and without the backend."""

    def __init__(self, block):
        self.block = block

    def on_epoch_end(self, net, **kwargs):
        X, y = table()
        if self.block:
            with batched():
                fits = Parallel()(delayed(classifier().fit)(X, y) for _ in range(2))
        else:
            fits = [classifier().fit(X, y)]
        net.history.record("inner", fits[0].predict_proba(X)[0, 0])


@pytest.mark.parametrize("block", [False, True])
@pytest.mark.parametrize("inside", [False, True])
def test_fit_within_a_callback(block, inside):
    """The callback runs on the trainer's thread, which must not wait for itself."""
    X, y = table()
    net = classifier(callbacks=[FitsAgain(block)])
    if inside:
        with batched():
            (net,) = Parallel()(delayed(net.fit)(X, y) for _ in range(1))
    else:
        net.fit(X, y)
    assert net.n_iter_ == 3
    assert_same(classifier().fit(X, y).predict_proba(X), net.predict_proba(X))


def test_interrupt_keeps_the_best_weights(monkeypatch):
    X, y = table()
    net = classifier(max_iter=10**7)
    train = trainer.train

    def interrupted(*args, **options):
        threading.Timer(0.3, interrupt).start()
        return train(*args, **options)

    monkeypatch.setattr(trainer, "train", interrupted)
    with pytest.raises(KeyboardInterrupt, match="is fitted with the best weights so far"):
        net.fit(X, y)
    assert net.stopped_by_ == "interrupt"
    assert 1 <= net.n_iter_ < 10**7
    assert np.isfinite(net.predict_proba(X)).all()


def test_interrupt_before_training_begins(engine):
    """Nothing has been learned, so the interrupt goes to the caller, at once."""
    busy, free = threading.Event(), threading.Event()

    def before(jobs, control):
        busy.set()
        assert free.wait(30)

    engine.before = before
    other = threading.Thread(target=trainer.train_and_wait, args=([make_job(1)],))
    other.start()
    assert busy.wait(30)
    threading.Timer(0.2, interrupt).start()
    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        fit_number(2)
    assert not free.is_set()
    free.set()
    other.join()
    assert fit_number(3) == 3
    assert engine.rounds == [1, 1]


def forked(connection):
    """What a forked child does: a fit by itself, and a search."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        X, y = table()
        alone = classifier().fit(X, y).predict_proba(X)
        together = Parallel()(delayed(fit_proba)(i) for i in range(3))
        connection.send((alone, together, [r.jobs for r in skreg.last_rounds()]))


def fit_proba(seed):
    X, y = table()
    return classifier(random_state=seed).fit(X, y).predict_proba(X)


def fork_and_fit():
    """What a forked child finds."""
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12: threads and fork
        child = context.Process(target=forked, args=(there,))
        child.start()
    there.close()
    try:
        assert here.poll(60), "the child hangs"
        return here.recv()
    finally:
        child.join(10)
        child.kill()


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="needs fork")
@pytest.mark.parametrize("where", ["main thread", "block", "task"])
def test_forked_child(where):
    expected = [fit_proba(i) for i in range(3)]
    if where == "main thread":
        alone, together, _ = fork_and_fit()
    else:
        with batched():
            Parallel()(delayed(fit_proba)(i) for i in range(3))
            if where == "block":
                alone, together, jobs = fork_and_fit()
            else:
                ((alone, together, jobs),) = Parallel()(delayed(fork_and_fit)() for _ in range(1))
        assert jobs == [3]
    assert_same(expected[0], alone)
    assert_same(expected, together)


def test_last_rounds(engine):
    with batched():
        Parallel()(delayed(fit_number)(i) for i in range(5))
        first = skreg.last_rounds()
        Parallel()(delayed(fit_number)(i) for i in range(3))
        assert [r.jobs for r in skreg.last_rounds()] == [5, 3]
    assert [r.jobs for r in first] == [5]  # a copy
    assert first[0].members == (5,) and first[0].stacks == 1 and first[0].epochs == (1,)
    assert str(first).startswith("round 1: 5 nets in 1 stack, 1 epoch, ")
    assert repr(first) == str(first)
    with batched():
        assert [r.jobs for r in skreg.last_rounds()] == [5, 3]
        Parallel()(delayed(fit_number)(i) for i in range(2))
    assert [r.jobs for r in skreg.last_rounds()] == [2]
    fit_number(1)
    assert [r.jobs for r in skreg.last_rounds()] == [2]
