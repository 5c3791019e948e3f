"""Members that stop together: the mean of predictions, its best epoch, stacks that are not cut."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit, log_softmax, softmax

from skreg.train import cohort
from skreg.train.cohort import combine, combine_stacked
from skreg.train.plan import cut_in_two, plan, stack_bytes
from skreg.train.run import train_stack
from skreg.train.validation import Undefined
from tests.train.helpers import (
    IMPLEMENTATIONS,
    assert_same_result,
    distance,
    fit,
    make_job,
    make_table,
    outputs,
    train_module,
)

both = pytest.mark.parametrize("implementation", IMPLEMENTATIONS)

LOSSES = {
    "multinomial": 3,
    "binomial": 1,
    "squared_error": 2,
    "absolute_error": 1,
    "huber": 1,
    "poisson": 1,
    "pinball": 1,
}


def predicted(raw, loss):
    """What raw outputs (n, o) mean."""
    link = {"multinomial": lambda f: softmax(f, axis=1), "binomial": expit, "poisson": np.exp}
    return link.get(loss, lambda f: f)(raw)


def loss_of(mean, y, loss, quantile=0.5):
    """Loss of each row of mean predictions (n, o), written down once more."""
    d = y.reshape(len(y), -1) - mean
    a = np.abs(d)
    rows = {
        "multinomial": lambda: -np.log(mean[np.arange(len(y)), y.astype(int)]),
        "binomial": lambda: -np.log(np.where(y > 0, mean, 1 - mean)).sum(axis=1),
        "squared_error": lambda: (d**2 / 2).sum(axis=1),
        "absolute_error": lambda: a.sum(axis=1),
        "huber": lambda: np.where(a <= 1.345, d**2 / 2, 1.345 * (a - 1.345 / 2)).sum(axis=1),
        "poisson": lambda: (mean - y.reshape(mean.shape) * np.log(mean)).sum(axis=1),
        "pinball": lambda: np.where(d > 0, quantile * d, (quantile - 1) * d).sum(axis=1),
    }
    return rows[loss]()


def ensemble(k=3, cohort="a", **changes):
    """Jobs on bootstrapped rows with validation rows in common, watched by their mean."""
    options = {"n": 40, "n_val": 20, "weighted": True, "early_stopping": True, **changes}
    jobs = []
    for i in range(k):
        job = make_job(**options, seed=i)
        rows = np.random.default_rng(i).choice(40, 30, replace=False)
        job.X, job.y = job.X[rows], job.y[rows]
        job.sample_weight = None
        job.cohort, job.n_batches = cohort, 2
        jobs.append(job)
    return jobs


@pytest.mark.parametrize("loss", LOSSES)
def test_combined_outputs_predict_the_mean(loss):
    rng = np.random.default_rng(0)
    raws = [3 * rng.standard_normal((6, LOSSES[loss])) for _ in range(4)]
    mean = np.mean([predicted(raw, loss) for raw in raws], axis=0)
    np.testing.assert_allclose(predicted(combine(raws, loss, axis=1), loss), mean, rtol=1e-12)
    features_first = combine([raw.T for raw in raws], loss)
    np.testing.assert_array_equal(features_first, combine(iter(raws), loss, axis=1).T)


@pytest.mark.parametrize("few", [0, 1000])
@pytest.mark.parametrize("loss", LOSSES)
def test_outputs_in_one_array_are_combined_alike(loss, few, monkeypatch):
    """By numpy as by torch; outputs of 1000 are beyond what exponentials can be taken of."""
    monkeypatch.setattr(cohort, "_FEW", few)
    raws = 3 * np.random.default_rng(0).standard_normal((4, 6, LOSSES[loss]))
    raws[:, 0] = [[1000.0], [-1000.0], [0.0], [900.0]]
    found = combine_stacked(raws, loss)
    np.testing.assert_allclose(found, combine(raws, loss, axis=1), rtol=1e-13, atol=1e-13)


def test_certain_members_are_combined_without_overflow():
    """e^-2000 is no float: the logarithm of the mean is known all the same."""
    assert combine([np.array([[2000.0]]), np.array([[1000.0]])], "binomial") == 1000 + math.log(2)
    raw = np.array([[0.0], [2000.0]])
    np.testing.assert_allclose(log_softmax(combine([raw, raw], "multinomial"), axis=0)[0], -2000)
    assert combine([np.array([[2000.0]])] * 3, "poisson") == pytest.approx(2000.0)


@both
@pytest.mark.parametrize("loss", LOSSES)
def test_a_cohort_is_kept_at_the_best_epoch_of_its_mean(loss, implementation):
    """The oracle trains each member to each epoch without a cohort, and averages."""
    changes = {
        "loss": loss,
        "n_outputs": LOSSES[loss],
        "batch_norm": True,
        "learning_rate_init": 0.05,
        "max_iter": 8,
        "patience": 2,
        "quantile": 0.3,
    }
    jobs = ensemble(**changes)
    X, y, weight = jobs[0].X_val, jobs[0].y_val, jobs[0].sample_weight_val
    spec = replace(jobs[0].spec, early_stopping=False)
    alone = [
        [replace(job, spec=replace(spec, max_iter=epochs), cohort=None) for job in jobs]
        for epochs in range(1, 9)
    ]
    results = iter(fit([job for part in alone for job in part], implementation))
    at = [[next(results) for _ in part] for part in alone]
    curve = []
    for part in at:
        raws = [outputs(one.params, spec, X) for one in part]
        mean = np.mean([predicted(raw, loss) for raw in raws], axis=0)
        curve.append(np.average(loss_of(mean, y, loss, 0.3), weights=weight))
    best = next(e for e in range(8) if curve[e] == min(curve[: e + 3]))
    n_iter = min(best + 3, 8)
    for one, kept in zip(fit(jobs, implementation), at[best], strict=True):
        assert (one.best_iter, one.n_iter) == (best + 1, n_iter)
        assert one.stopped_by == ("patience" if best + 3 <= 8 else "max_iter")
        np.testing.assert_allclose(one.history["ensemble_loss"], curve[:n_iter], rtol=1e-9)
        assert distance(one.params, kept.params) < 1e-9
        assert one.best_loss == one.history["valid_loss"][best]


@both
def test_a_cohort_of_one_is_a_member_by_itself(implementation):
    (job,) = ensemble(1, max_iter=9, patience=2, learning_rate_init=0.05)
    one, other = fit(job, implementation), fit(replace(job, cohort=None), implementation)
    np.testing.assert_allclose(one.history.pop("ensemble_loss"), other.history["valid_loss"])
    assert_same_result(one, other, atol=1e-12)


#: Diverges in its first epoch, whatever its rows.
WILD = {"learning_rate_init": 1e200, "activation": "identity"}


@both
def test_a_diverging_member_drops_out_of_the_mean(implementation):
    jobs = ensemble(3, max_iter=8, patience=8, activation="identity")
    expected = fit(jobs[:2], implementation)
    wild = replace(jobs[2], spec=replace(jobs[2].spec, **WILD))
    results = fit([*jobs[:2], wild], implementation)
    for one, other in zip(results[:2], expected, strict=True):
        assert_same_result(one, other, atol=1e-10)
    assert (results[2].stopped_by, results[2].n_iter, results[2].best_iter) == ("diverged", 1, 0)
    assert all(np.isfinite(values).all() for values in results[2].params.values())


@both
def test_a_cohort_that_diverges_as_a_whole_ends(implementation):
    results = fit(ensemble(3, **WILD), implementation)
    assert {r.stopped_by for r in results} == {"diverged"}


@both
def test_the_scorer_sees_the_mean_and_decides(implementation):
    """A score that prefers early epochs, which the loss does not."""
    seen = []

    def score(raw):
        seen.append(raw)
        return -len(seen)

    jobs = [replace(job, score=score) for job in ensemble(3, max_iter=6, patience=2)]
    results = fit(jobs, implementation)
    for one in results:
        assert (one.best_iter, one.n_iter, one.stopped_by) == (1, 3, "patience")
        assert one.history["valid_score"] == [-1.0, -2.0, -3.0]
    raws = [outputs(one.params, jobs[0].spec, jobs[0].X_val) for one in results]
    np.testing.assert_allclose(seen[0], np.mean(raws, axis=0), rtol=1e-10)


@both
def test_a_scorer_may_ask_for_the_members_as_they_stand(implementation):
    seen = []

    def score(raw, nets):
        standings = nets()
        results = [standing.result() for standing in standings]
        mean = np.mean([standing.outputs for standing in standings], axis=0)
        np.testing.assert_allclose(mean, raw, rtol=1e-10)
        # In the order of the engine, not of the jobs.
        assert sorted(s.job.seed for s in standings) == sorted(job.seed for job in jobs)
        seen.append({s.job.seed: result for s, result in zip(standings, results, strict=True)})
        return -len(seen)

    jobs = [
        replace(job, score=score, shows_nets=True) for job in ensemble(3, max_iter=6, patience=2)
    ]
    kept = fit(jobs, implementation)
    for job, one in zip(jobs, kept, strict=True):
        then = seen[0][job.seed]
        assert (then.n_iter, then.best_iter, then.stopped_by) == (1, 1, "max_iter")
        for name, values in one.params.items():
            np.testing.assert_array_equal(values, then.params[name])
        for name in ("epoch", "train_loss", "valid_loss", "ensemble_loss", "learning_rate"):
            assert then.history[name] == one.history[name][:1]


@both
def test_an_undefined_score_leaves_the_loss_to_decide(implementation):
    def undefined(raw):
        raise Undefined("one class")

    options = {"max_iter": 6, "patience": 2}
    jobs = [replace(job, score=undefined) for job in ensemble(3, **options)]
    for one, other in zip(
        fit(jobs, implementation), fit(ensemble(3, **options), implementation), strict=True
    ):
        assert one.undefined == "one class"
        assert np.isnan(one.history["valid_score"]).all()
        assert (one.best_iter, one.n_iter, one.stopped_by) == (
            (other.best_iter, other.n_iter, other.stopped_by)
        )


def test_an_error_of_the_scorer_ends_the_cohort_alone():
    def score(raw):
        raise ZeroDivisionError("no score")

    broken = [replace(job, score=score) for job in ensemble(2, "broken")]
    results = fit([*broken, *ensemble(2, "sound")])
    assert [str(r.error) for r in results[:2]] == ["no score"] * 2
    assert [r.error for r in results[2:]] == [None] * 2


@both
def test_cohorts_in_one_stack_do_not_meet(implementation):
    """They leave the stack at different times."""
    a, b = ensemble(3, "a", max_iter=20), ensemble(3, "b", max_iter=20)
    for i, job in enumerate(b):
        job.spec, job.seed = replace(job.spec, learning_rate_init=0.1, patience=2), 10 + i
    assert len(plan([*a, *b])) == 1
    together = fit([*a, *b], implementation)
    for one, other in zip(together, fit(a, implementation) + fit(b, implementation), strict=True):
        assert_same_result(one, other, atol=1e-9)
    assert len({r.n_iter for r in together}) == 2


def test_members_may_see_other_columns():
    """The mean is over rows, whatever columns a member sees."""
    jobs = ensemble(2, max_iter=3)
    for job, columns in zip(jobs, ([0, 1], [2, 3]), strict=True):
        job.X, job.X_val = job.X[:, columns], job.X_val[:, columns]
    results = fit(jobs)
    raws = [outputs(r.params, jobs[0].spec, j.X_val) for r, j in zip(results, jobs, strict=True)]
    loss = loss_of(np.mean(raws, axis=0), jobs[0].y_val, "squared_error")
    best = results[0].best_iter - 1
    expected = np.average(loss, weights=jobs[0].sample_weight_val)
    assert results[0].history["ensemble_loss"][best] == pytest.approx(expected, rel=1e-10)


def test_without_validation_a_cohort_means_nothing():
    jobs = ensemble(2, max_iter=3, early_stopping=False)
    for one, job in zip(fit(jobs), jobs, strict=True):
        assert_same_result(one, fit(replace(job, cohort=None)), atol=1e-12)


@both
def test_adaptive_rates_fall_together(implementation):
    jobs = ensemble(
        2, learning_rate="adaptive", learning_rate_init=0.3, patience=1, min_delta=0.01, max_iter=30
    )
    rates = [r.history["learning_rate"] for r in fit(jobs, implementation)]
    assert rates[0] == rates[1]
    assert rates[0][-1] < 0.3


def test_a_cohort_is_never_cut():
    jobs = [job for name in "abcd" for job in ensemble(5, name)]
    mixed = [jobs[i] for i in np.random.default_rng(0).permutation(20)]
    one = stack_bytes(jobs[0], 1)
    for memory, sizes in ((None, [20]), (10.5 * one, [10, 10]), (one, [5] * 4)):
        stacks = plan(mixed, memory=memory)
        assert [len(stack) for stack in stacks] == sizes
        for stack in stacks:
            names = [mixed[i].cohort for i in stack]
            assert all(names.count(name) == 5 for name in names)


def test_other_jobs_stay_out_of_the_stacks_of_cohorts():
    single = [replace(job, cohort=None) for job in ensemble(2)]
    assert sorted(plan([single[0], *ensemble(2), single[1]])) == [[0, 3], [1, 2]]


def test_the_order_of_cohorts_does_not_hang_on_their_names():
    a, b = ensemble(3, "a"), ensemble(3, "b", table=1)
    swapped = [replace(job, cohort={"a": "z", "b": "c"}[job.cohort]) for job in (*a, *b)]
    assert plan([*a, *b]) == plan(swapped)


def test_a_cohort_stays_whole_where_memory_is_short(monkeypatch):
    class Crowded(train_module.Stack):
        def __init__(self, jobs, *args):
            if len(jobs) > 4:
                raise MemoryError("too little")
            super().__init__(jobs, *args)

    jobs = [*ensemble(3, "a", max_iter=2), *ensemble(3, "b", max_iter=2)]
    expected = fit(jobs)
    monkeypatch.setattr(train_module, "Stack", Crowded)
    results, reports = train_stack(jobs, implementation="reference")
    assert [r.members for r in reports] == [3, 3]
    for one, other in zip(results, expected, strict=True):
        assert_same_result(one, other, atol=1e-10)
    with pytest.raises(MemoryError, match="too little"):
        train_stack(ensemble(5), implementation="reference")


@pytest.mark.parametrize(
    ("names", "place"),
    [("aabb", 2), ("aaabb", 3), ("abbbb", 1), ("aaaa", None), ("a....", 2), ("", None)],
)
def test_where_stacks_are_cut(names, place):
    X, y = make_table()
    job = make_job()
    jobs = [replace(job, X=X, y=y, cohort=None if n == "." else n) for n in names]
    assert cut_in_two(jobs) == place
