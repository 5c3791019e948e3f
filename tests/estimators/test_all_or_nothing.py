"""A fit succeeds, or leaves the estimator as it was."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from skreg.estimators.all_or_nothing import all_or_nothing, forget_fit, pass_interrupt_on


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_undoes_what_was_set_changed_and_removed(error):
    """Interrupts as well: what is half fitted would predict."""
    weights = [1.0]
    estimator = SimpleNamespace(alpha=1, coef_=weights, gone_=2)
    with pytest.raises(error, match="found"), all_or_nothing(estimator):
        estimator.alpha, estimator.coef_, estimator.new_ = 3, None, 4
        del estimator.gone_
        raise error("found")
    assert vars(estimator) == {"alpha": 1, "coef_": [1.0], "gone_": 2}
    assert estimator.coef_ is weights


def test_without_an_error_all_stays():
    estimator = SimpleNamespace(alpha=1)
    with all_or_nothing(estimator):
        estimator.coef_ = 2
    assert vars(estimator) == {"alpha": 1, "coef_": 2}


def test_what_a_fit_has_set_is_forgotten_and_parameters_stay():
    estimator = SimpleNamespace(alpha=1, coef_=2, _columns=3, _callbacks=4)
    forget_fit(estimator, ("_columns",))
    assert vars(estimator) == {"alpha": 1, "_callbacks": 4}


def test_an_interrupt_is_passed_on_when_there_was_one():
    pass_interrupt_on(SimpleNamespace(), False)
    with pytest.raises(KeyboardInterrupt, match="SimpleNamespace was interrupted"):
        pass_interrupt_on(SimpleNamespace(), True)
