"""What differs from member to member, as arrays."""

from __future__ import annotations

import numpy as np
import pytest

from skreg.train.knobs import Knobs
from tests.train.helpers import make_spec


def test_layers_come_first_and_members_last():
    specs = [
        make_spec(dropout=(0.5, 0.0), input_dropout=0.2, l1=(1.0, 2.0, 3.0), l2=0.5),
        make_spec(dropout=(0.1, 0.9), l1=4.0, weight_decay=0.3, max_norm=2.0),
    ]
    knobs = Knobs(specs)
    np.testing.assert_array_equal(knobs.rates, [[0.2, 0.0], [0.5, 0.1], [0.0, 0.9]])
    np.testing.assert_allclose(knobs.scale, [[1.25, 1.0], [2.0, 1 / 0.9], [1.0, 10.0]])
    np.testing.assert_array_equal(knobs.l1, [[1, 4], [2, 4], [3, 4]])
    np.testing.assert_array_equal(knobs.l2, [[0.5, 0]] * 3)
    np.testing.assert_array_equal(knobs.weight_decay, [0, 0.3])
    np.testing.assert_array_equal(knobs.max_norm, [np.inf, 2])
    assert knobs.threshold.tolist()[1] == [2**31, round(0.1 * 2**32)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_precision_is_that_of_training(dtype):
    knobs = Knobs([make_spec(dtype=dtype)])
    for name in ("scale", "l1", "l2", "weight_decay", "max_norm", "smoothing", "quantile"):
        assert getattr(knobs, name).dtype == dtype
        assert getattr(knobs, name).flags.c_contiguous
    assert knobs.threshold.dtype == np.uint32


@pytest.mark.parametrize(
    ("asked", "name", "value"),
    [("drops_inputs", "input_dropout", 0.1), ("bounds_norms", "max_norm", 3.0)],
)
def test_a_knob_that_one_member_turns_is_on(asked, name, value):
    assert not getattr(Knobs([make_spec(), make_spec()]), asked)
    assert getattr(Knobs([make_spec(), make_spec(**{name: value})]), asked)
