"""Members of one stack begin, go on and end at different times, each as if it were alone."""

from __future__ import annotations

import pytest

from skreg.train.stack import Stack
from tests.train.helpers import IMPLEMENTATIONS, assert_same_result, fit, make_job

KNOBS = [
    {"dropout": 0.3, "l1": 0.01, "ema_decay": 0.6},
    {"seed": 1, "learning_rate_init": 0.03, "learning_rate": "cosine"},
    {"dropout": 0.1, "weight_decay": 0.1},
]
VALIDATED = {"n_val": 12, "early_stopping": True, "patience": 2, "batch_norm": True}
OPTIONS = {
    "validated": VALIDATED,
    "embedded": {**VALIDATED, "embedded": (0, 2)},
    "to the end": {"batch_norm": True},
    "steps": {"max_steps": 7},
    "many": {**VALIDATED, "patience": 1, "max_iter": 30},
    "tol": {"tol": 1e-3, "patience": 2, "solver": "sgd"},
}
of_both = pytest.mark.parametrize("implementation", IMPLEMENTATIONS)


def jobs(which, options):
    return [make_job(**{"max_iter": 6 + which, **KNOBS[which], **options})]


def types_of(implementation):
    from skreg.backends.reference import ReferenceStep

    if implementation == "reference":
        return ReferenceStep
    from skreg.backends.cpu.step import FusedStep

    return FusedStep


def stack_of(jobs, implementation):
    return Stack(jobs, types_of(implementation))


@of_both
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("most", [1, 3])
def test_who_joins_later_is_trained_as_if_alone(options, most, implementation):
    """Also where it sees the rows of those before it, whose order and masks are of another epoch by then."""
    stack = stack_of(jobs(0, options) * 12, implementation)
    waiting = [jobs(1, options), jobs(2, options), jobs(0, options)]
    for _ in stack.epochs(most):
        if waiting and stack.members:
            stack.join(waiting.pop(0))
    assert not waiting
    order = [*[0] * 12, 1, 2, 0]
    alone = [fit(jobs(which, options), implementation)[0] for which in range(3)]
    for place, which in enumerate(order):
        assert_same_result(stack.results[place], alone[which], atol=1e-12)


@of_both
def test_who_is_dropped_keeps_its_best_epoch_and_disturbs_nobody(implementation):
    stack = stack_of([*jobs(0, VALIDATED), *jobs(1, VALIDATED)], implementation)
    for _ in stack.epochs():
        if stack.epoch == 3:
            stack.drop([0])
    dropped, other = stack.results[0], stack.results[1]
    assert (dropped.stopped_by, dropped.n_iter) == ("dropped", 3)
    shorter = fit([make_job(**{"max_iter": 6, **KNOBS[0], **VALIDATED})], implementation)[0]
    assert dropped.history["valid_loss"] == pytest.approx(shorter.history["valid_loss"][:3])
    assert_same_result(other, fit(jobs(1, VALIDATED), implementation)[0], atol=1e-12)


@of_both
@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_those_that_go_on_share_a_stack_with_those_that_begin(solver, implementation):
    """A restart is exact, whatever it is trained beside."""
    options = {"solver": solver, "dropout": 0.2, "batch_norm": True}
    half = fit(make_job(max_iter=2, keep_optimiser=True, **options), implementation)
    start = {**half.params, "optimiser": half.optimiser, "epoch": 2}
    rest = [make_job(max_iter=3, start=start, **options), make_job(max_iter=4, **options)]
    both = fit(rest, implementation)
    whole = fit(make_job(max_iter=5, **options), implementation)
    assert_same_result(both[1], fit(rest[1], implementation), atol=1e-12)
    for name, value in both[0].params.items():
        assert value == pytest.approx(whole.params[name], abs=1e-12)


def test_who_cannot_join_is_refused_and_nothing_has_changed():
    stack = stack_of(jobs(0, VALIDATED), IMPLEMENTATIONS[-1])
    epochs = stack.epochs()
    next(epochs)
    wrong = {
        "cannot be trained with the others": [
            make_job(hidden=(3,), label="net", **VALIDATED),
            make_job(cohort=0, **VALIDATED),
        ],
    }
    if stack.watch is not None:
        scored = make_job(score=lambda raw: 1.0, **VALIDATED)
        wrong["has to be asked for a score"] = [scored]
    for message, refused in wrong.items():
        for job in refused:
            with pytest.raises(ValueError, match=message):
                stack.join([job])
    assert len(stack.members) == 1
    for _ in epochs:
        pass
    with pytest.raises(ValueError, match="have ended"):
        stack.join(jobs(1, VALIDATED))
    assert_same_result(
        stack.results[0], fit(jobs(0, VALIDATED), IMPLEMENTATIONS[-1])[0], atol=1e-12
    )
