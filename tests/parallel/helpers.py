"""Small nets, small tables, and an engine that only pretends to train."""

from __future__ import annotations

import functools
import os
import signal
import threading
import time

import numpy as np
from joblib import parallel_config
from sklearn.datasets import make_classification, make_multilabel_classification, make_regression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor
from skreg.parallel import submit
from skreg.train import Job, Spec
from skreg.train.job import Result
from skreg.train.run import StackReport

SMALL = {
    "hidden_layer_sizes": (8,),
    "dropout": 0.1,
    "batch_size": 16,
    "max_iter": 3,
    "early_stopping": False,
    "dtype": "float64",
    "random_state": 0,
}

#: Every call under the backend: a test that changes settings names them.
batched = functools.partial(parallel_config, backend="skreg")


def classifier(**changes):
    return RegularizedMLPClassifier(**{**SMALL, **changes})


def regressor(**changes):
    return RegularizedMLPRegressor(**{**SMALL, **changes})


def piped(net):
    return make_pipeline(StandardScaler(), net)


def param(model, name):
    """Name of a net's parameter, seen from the model around it."""
    if hasattr(model, "steps"):
        return f"{model.steps[-1][0]}__{name}"
    return name


@functools.cache
def table(kind="binary"):
    """60 rows."""
    if kind == "regression":
        return make_regression(60, 5, n_informative=3, noise=5.0, random_state=0)
    if kind == "targets":
        return make_regression(60, 5, n_informative=3, n_targets=2, noise=5.0, random_state=0)
    if kind == "multilabel":
        X, y = make_multilabel_classification(60, 5, n_classes=3, random_state=0)
        return (X - X.mean(axis=0)) / X.std(axis=0), y
    n_classes = {"binary": 2, "multiclass": 3}[kind]
    return make_classification(
        60, 5, n_informative=3, n_redundant=0, n_classes=n_classes, random_state=0
    )


def both(run):
    """What ``run()`` gives by itself and under the backend."""
    alone = run()
    with batched():
        return alone, run()


def assert_same(alone, together, atol=1e-8):
    """Nests of dicts, lists and arrays of numbers are equal."""
    if isinstance(alone, dict):
        assert alone.keys() == together.keys()
        for key in alone:
            assert_same(alone[key], together[key], atol)
    elif isinstance(alone, (list, tuple)):
        assert len(alone) == len(together)
        for one, other in zip(alone, together, strict=True):
            assert_same(one, other, atol)
    else:
        np.testing.assert_allclose(together, alone, rtol=0, atol=atol)


def scores_of(search):
    """The numbers of ``cv_results_`` that are no times."""
    return {
        name: np.asarray(values, dtype=float)
        for name, values in search.cv_results_.items()
        if name.startswith(("mean_", "std_", "split", "rank_")) and not name.endswith("_time")
    }


# -- an engine that only pretends ------------------------------------------------------------------


def make_job(number):
    """A job that the pretended engine answers with its number."""
    return Job(Spec(), np.full((2, 1), number, dtype=np.float32), np.zeros(2), seed=number)


def fit_number(number):
    """What a task does that fits one net; gives back the number it was called with."""
    return int(submit(make_job(number)).params["number"])


class Trouble(Exception):
    """What tasks and jobs fail with."""


class PretendedEngine:
    """Stands in for `skreg.train.run.train`; keeps the sizes of the rounds.

    Jobs with numbers below 0 fail, each by itself.

    Parameters
    ----------
    before : callable, optional
        Called with the jobs and the control before the answer.
    """

    def __init__(self, before=None):
        self.before = before
        self.rounds = []

    def __call__(self, jobs, *, fingerprints=None, control=None, memory=None):
        self.rounds.append(len(jobs))
        if self.before is not None:
            self.before(jobs, control)
        results = [
            Result({"number": job.X[0, 0]}, error=Trouble("a job") if job.X[0, 0] < 0 else None)
            for job in jobs
        ]
        return results, [StackReport(len(jobs), 1, 0.1, 1.0)]


def interrupt():
    """What Ctrl-C does. `_thread.interrupt_main` would not wake a main thread that waits."""
    os.kill(os.getpid(), signal.SIGINT)


def task_threads():
    """Threads of tasks that are alive."""
    return [t for t in threading.enumerate() if t.name.startswith("skreg-task")]


def wait_until(condition, seconds=10.0):
    """Whether a condition came true in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True
