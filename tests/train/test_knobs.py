"""What differs from member to member, as arrays."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor
from skreg.net.knob import Knob
from skreg.net.net import KNOBS
from skreg.train.job import Spec
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
    ("name", "value", "whether"),
    [("input_dropout", 0.1, "drops_inputs"), ("max_norm", 3.0, "bounds_norms")],
)
def test_a_knob_that_one_member_turns_is_on(name, value, whether):
    assert not getattr(Knobs([make_spec(), make_spec()]), whether)
    assert getattr(Knobs([make_spec(), make_spec(**{name: value})]), whether)


def test_every_knob_of_a_block_is_a_field_an_array_and_a_documented_parameter():
    for knob in KNOBS:
        assert getattr(Spec(), knob.name) == knob.off
        assert hasattr(Knobs([Spec()]), knob.name) != knob.shared
        for estimator in (RegularizedMLPClassifier, RegularizedMLPRegressor):
            default = inspect.signature(estimator).parameters[knob.name].default
            assert f"    {knob.name} : " in estimator.__doc__
            entry = estimator.__doc__.split(f"    {knob.name} : ")[1].splitlines()[0]
            assert entry.endswith(f"default={default}")


def test_a_knob_of_no_known_kind_is_refused():
    with pytest.raises(ValueError, match="kind='switch' must be one of"):
        Knob("name", "switch", "")
