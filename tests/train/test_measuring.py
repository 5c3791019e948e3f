"""Numbers taken at the end of each epoch: what they see, and that training does not see them."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from skreg.train.job import Measure
from skreg.train.validation import Undefined
from tests.train.helpers import IMPLEMENTATIONS, assert_same_result, fit, make_job, outputs

both = pytest.mark.parametrize("implementation", IMPLEMENTATIONS)


def mean_of(raw):
    return float(raw.mean())


def first_weight(raw, nets):
    (standing,) = nets()
    np.testing.assert_array_equal(raw, standing.outputs)
    return float(standing.result().params["weight_0"][0, 0])


MEASURES = (
    Measure("valid_mean", mean_of),
    Measure("train_weight", first_weight, shows_nets=True, of_training=True),
    Measure("train_mean", mean_of, of_training=True),
)
NAMES = [measure.name for measure in MEASURES]


def without(result):
    """A result whose history has no measures."""
    kept = {name: v for name, v in result.history.items() if name not in NAMES}
    return replace(result, history=kept)


@both
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"early_stopping": True, "patience": 2, "max_iter": 12, "ema_decay": 0.5},
        {"early_stopping": True, "score": lambda raw: -float(np.square(raw).mean())},
        {"max_steps": 4},
    ],
    ids=["closed by the step", "patience", "scored", "within an epoch"],
)
def test_training_is_the_same_to_the_last_bit(implementation, options):
    jobs = [make_job(n_val=10, dropout=d, seed=1, **options) for d in (0.0, 0.4, 0.2)]
    plain = fit(jobs, implementation)
    # One of three: its neighbours are closed one epoch at a time with it.
    measured = fit([jobs[0], replace(jobs[1], measures=MEASURES), jobs[2]], implementation)
    for one, other in zip(plain, measured, strict=True):
        assert_same_result(one, without(other), atol=0)
    assert not set(NAMES) & measured[0].history.keys()


@both
def test_it_sees_what_would_be_kept(implementation):
    job = make_job(n_val=10, max_iter=4, ema_decay=0.5, measures=MEASURES)
    for epochs in range(1, 5):
        # Without early stopping the last epoch is kept, so a shorter training ends with what is seen.
        result = fit(replace(job, spec=replace(job.spec, max_iter=epochs)), implementation)
        raw = outputs(result.params, job.spec, job.X_val)
        assert result.history["valid_mean"][-1] == pytest.approx(raw.mean(), abs=1e-12)
        assert result.history["train_weight"][-1] == result.params["weight_0"][0, 0]
        raw = outputs(result.params, job.spec, job.X)
        assert result.history["train_mean"][-1] == pytest.approx(raw.mean(), abs=1e-12)
        assert [len(values) for values in result.history.values()] == [epochs] * 8


@both
def test_the_history_that_it_is_shown_has_the_epoch(implementation):
    def rows(raw, nets):
        (standing,) = nets()
        history = standing.result().history
        assert {len(values) for values in history.values()} == {standing.result().n_iter}
        return history["epoch"][-1]

    job = make_job(n_val=10, measures=(Measure("valid_rows", rows, shows_nets=True),))
    assert fit(job, implementation).history["valid_rows"] == [1, 2, 3]


@both
def test_an_ensemble_is_measured_once_and_as_a_whole(implementation):
    calls = []

    def mean_and_count(raw, nets):
        calls.append(raw)
        np.testing.assert_allclose(raw, np.mean([s.outputs for s in nets()], axis=0), atol=1e-12)
        return float(raw.mean())

    whole = Measure("valid_mean", mean_and_count, shows_nets=True)
    own = MEASURES[1]
    jobs = [
        make_job(n_val=10, seed=s, early_stopping=True, cohort="c", measures=(whole, own))
        for s in (0, 1, 2)
    ]
    results = fit(jobs, implementation)
    assert len(calls) == 3
    columns = [result.history["valid_mean"] for result in results]
    assert columns[0] == columns[1] == columns[2]
    assert len({result.history["train_weight"][-1] for result in results}) == 3


@both
def test_an_error_ends_its_job_alone(implementation):
    def bad(raw):
        raise ZeroDivisionError("no")

    job = make_job(n_val=10)
    alone = fit(job, implementation)
    failed, other = fit([replace(job, measures=(Measure("x", bad),)), job], implementation)
    assert isinstance(failed.error, ZeroDivisionError)
    assert other.error is None
    assert_same_result(alone, other, atol=0)


@both
def test_an_undefined_number_is_a_gap(implementation):
    def some(raw):
        if len(seen) % 2:
            seen.append(0)
            raise Undefined("odd")
        seen.append(0)
        return math.inf if len(seen) == 1 else 1.0

    seen = []
    result = fit(make_job(n_val=10, measures=(Measure("x", some),)), implementation)
    np.testing.assert_array_equal(result.history["x"], [math.nan, math.nan, 1.0])
    assert result.stopped_by == "max_iter"


def test_it_goes_on_after_a_pause():
    job = make_job(n_val=10, max_iter=4, early_stopping=True, measures=MEASURES)
    whole = fit(job, IMPLEMENTATIONS[-1])
    part = fit(replace(job, pause=2), IMPLEMENTATIONS[-1])
    rest = fit(replace(job, resume=part.checkpoint), IMPLEMENTATIONS[-1])
    assert part.history["valid_mean"] == whole.history["valid_mean"][:2]
    assert_same_result(whole, rest, atol=0)
