"""scikit-learn's own checks of every estimator, in several settings of its parameters."""

from __future__ import annotations

import pytest
import sklearn
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import check_param_validation
from sklearn.utils.fixes import parse_version

from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor
from tests.checks import ONCE_A_CLASS, parametrize_with_settings

# Every knob at once: penalties in front of batch norm are among them.
pytestmark = pytest.mark.filterwarnings(
    "ignore:l[12] .* hidden layers with batch_norm=True:UserWarning"
)

MLPS = RegularizedMLPClassifier, RegularizedMLPRegressor

#: Small and quick, and good enough for the checks that ask for a training score.
QUICK = {"hidden_layer_sizes": (16,), "learning_rate_init": 0.03, "max_iter": 15}

ALL_KNOBS = {
    **QUICK,
    "hidden_layer_sizes": (24, 16),
    "activation": "gelu",
    "dropout": (0.1, 0.05),
    "input_dropout": 0.01,
    "l1": 1e-4,
    "l2": (1e-4, 0.0, 1e-4),
    "weight_decay": 0.01,
    "max_norm": 4.0,
    "learning_rate": "one_cycle",
    "ema_decay": 0.5,
    "max_iter": 25,
    "patience": 20,
    "min_delta": 1e-4,
    "validation_fraction": 0.2,
    "refit": True,
    "max_time": 60.0,
}

LINEAR = {**QUICK, "hidden_layer_sizes": (), "learning_rate_init": 0.1, "max_iter": 40}

#: One minibatch, float64, nothing random: here repeated rows have to equal integer weights.
EXACT = {
    **QUICK,
    "dropout": 0.0,
    "batch_norm": False,
    "weight_decay": 0.0,
    "l2": 1e-3,
    "early_stopping": False,
    "batch_size": 1000,
    "max_iter": 30,
    "dtype": "float64",
}

ESTIMATORS = [
    # the defaults, which meet all checks: an embedding, batch norm, dropout, early stopping
    RegularizedMLPClassifier(),
    RegularizedMLPRegressor(),
    # every knob at once: penalties by layer, a bound, a schedule by steps, a second training on all rows
    RegularizedMLPClassifier(**ALL_KNOBS, label_smoothing=0.05),
    RegularizedMLPRegressor(**ALL_KNOBS, scoring="neg_mean_absolute_error"),
    # no hidden layer, so no embedding and nothing to drop or to norm; and the other optimiser
    RegularizedMLPClassifier(**LINEAR, solver="sgd"),
    # training that weighs rows exactly, without rows held out: no check is excused; and float64
    RegularizedMLPClassifier(**EXACT),
    RegularizedMLPRegressor(**EXACT),
    # a loss with a link, which refuses some targets and says so by a tag
    RegularizedMLPRegressor(**QUICK, loss="poisson"),
]


def expected_failures(estimator):
    """Checks that a setting cannot pass, with the reason."""
    failures = {}
    if getattr(estimator, "loss", None) == "poisson":
        failures["check_regressor_multioutput"] = (
            "it draws negative targets without asking the tag `positive_only`"
        )
    reasons = []
    if estimator.early_stopping:
        reasons.append("which rows are held out depends on how many rows there are")
    if estimator.dropout != 0 and estimator.hidden_layer_sizes != ():
        reasons.append("dropout masks belong to the rows of a minibatch, not to the table")
    if estimator.dtype == "float32":
        reasons.append("the order of a sum in float32 moves the result by more than 1e-7")
    for data in ("dense", "sparse") if reasons else ():
        failures[f"check_sample_weight_equivalence_on_{data}_data"] = (
            "repeated rows cannot equal integer weights here: " + "; ".join(reasons)
        )
    return failures


@parametrize_with_settings(ESTIMATORS, expected_failures)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.skipif(
    parse_version(sklearn.__version__) < parse_version("1.9"), reason="some checks are newer"
)
def test_checks_that_run_once_are_checks():
    assert [name for name in ONCE_A_CLASS if not hasattr(estimator_checks, name)] == []


def test_exact_settings_excuse_nothing():
    assert expected_failures(RegularizedMLPRegressor(**EXACT)) == {}


@pytest.mark.parametrize("cls", MLPS)
def test_param_validation(cls):
    check_param_validation(cls.__name__, cls())
