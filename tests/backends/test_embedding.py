"""What is trained of an embedding, in both implementations."""

from __future__ import annotations

import numpy as np
import pytest

from tests.train.helpers import (
    IMPLEMENTATIONS,
    fit,
    make_job,
    stack_of,
)

both = pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
NAMES = "embed_frequency", "embed_phase", "embed_weight", "embed_bias"


@both
def test_everything_is_trained(implementation):
    start, trained = (
        fit(make_job(embedded=(0, 2), max_steps=steps), implementation).params for steps in (1, 9)
    )
    for name in NAMES:
        assert (start[name] != trained[name]).all()


@both
@pytest.mark.parametrize("batch_norm", [False, True], ids=["plain", "batch_norm"])
def test_the_map_has_a_bias_where_it_counts(batch_norm, implementation):
    """Behind it a batch norm would take it off; then rounding errors must not move it."""

    def moved(input_dropout):
        options = {"embedded": (0, 2), "batch_norm": batch_norm, "input_dropout": input_dropout}
        one, two = (fit(make_job(max_steps=n, **options), implementation).params for n in (1, 2))
        return (one["embed_bias"] != two["embed_bias"]).all()

    assert moved(0.0) != batch_norm
    assert moved(0.3)


@both
@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize(
    "knob", [{"l1": 10.0}, {"weight_decay": 10.0}, {"max_norm": 0.1}, {"l2": 10.0}], ids=str
)
def test_penalties_leave_it_alone(knob, solver, implementation):
    """After one step from the same start the weights differ and the embedding does not."""
    options = {"embedded": (0, 2), "max_steps": 1, "solver": solver}
    with_knob, without = (
        fit(make_job(**options, **more), implementation).params for more in (knob, {})
    )
    assert np.abs(with_knob["weight_0"] - without["weight_0"]).max() > 1e-3
    for name in NAMES:
        np.testing.assert_array_equal(with_knob[name], without[name])


@both
def test_no_column_to_embed_is_a_plain_net(implementation):
    plain, empty = (fit(make_job(embedded=e), implementation).params for e in (None, ()))
    assert plain.keys() == empty.keys()
    for name, values in plain.items():
        np.testing.assert_array_equal(values, empty[name])


def test_flops_count_what_an_embedding_multiplies():
    """Inputs: 4 columns and 3 of each of 2 embedded ones; the latter need a gradient."""
    embedded, plain = (
        stack_of(make_job(hidden=(7,), embedded=columns), "reference").flops_per_row
        for columns in ((0, 2), None)
    )
    first, last = 4 * 10 * 7 + 2 * 6 * 7, 6 * 7 * 1
    assert embedded == first + last + 6 * 6 * 16
    assert plain == 4 * 4 * 7 + last
