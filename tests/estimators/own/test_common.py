"""scikit-learn's own checks of nets of one's own, with a small perceptron as the module."""

from __future__ import annotations

import pytest
from sklearn.utils.estimator_checks import check_param_validation

from skreg import RegularizedNetClassifier, RegularizedNetRegressor
from tests.checks import parametrize_with_settings
from tests.estimators.own.modules import Perceptron

QUICK = {"learning_rate_init": 0.03, "max_iter": 30}

#: One minibatch, float64, nothing random: here repeated rows have to equal integer weights.
EXACT = {
    **QUICK,
    "weight_decay": 0.0,
    "early_stopping": False,
    "batch_size": 1000,
    "dtype": "float64",
}

ESTIMATORS = [
    RegularizedNetClassifier(Perceptron, **QUICK, dropout=0.1),
    RegularizedNetRegressor(Perceptron, **EXACT),
]


def expected_failures(estimator):
    """Checks that a setting cannot pass, with the reason."""
    if not estimator.early_stopping:
        return {}
    reason = "which rows are held out depends on how many rows there are, and so do dropout masks"
    return {
        f"check_sample_weight_equivalence_on_{data}_data": reason for data in ("dense", "sparse")
    }


@parametrize_with_settings(ESTIMATORS, expected_failures)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: type(e).__name__)
def test_param_validation(estimator):
    check_param_validation(type(estimator).__name__, estimator)
