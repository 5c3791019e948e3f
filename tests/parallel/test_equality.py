"""Every meta-estimator gives under the backend what it gives by itself."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import sklearn
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_digits
from sklearn.ensemble import (
    BaggingClassifier,
    BaggingRegressor,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.exceptions import ConvergenceWarning, FitFailedWarning
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.feature_selection import RFECV
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import get_scorer, make_scorer
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    RandomizedSearchCV,
    cross_val_predict,
    cross_validate,
    learning_curve,
    permutation_test_score,
    validation_curve,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skreg
from tests.parallel.helpers import (
    assert_same,
    batched,
    both,
    classifier,
    param,
    piped,
    regressor,
    scores_of,
    table,
)

# Searches over l2 with the default batch norm: what counts is that they are the same in both ways.
pytestmark = pytest.mark.filterwarnings(
    "ignore:l[12] .* hidden layers with batch_norm=True:UserWarning"
)

LOSS = "neg_log_loss"


def grid(model):
    return {param(model, "dropout"): [0.0, 0.2, 0.4], param(model, "l2"): [0.0, 0.1]}


def grid_search(model, X, y, scoring=LOSS):
    search = GridSearchCV(model, grid(model), cv=3, scoring=scoring).fit(X, y)
    return scores_of(search), search.predict(X)


def randomized_search(model, X, y):
    search = RandomizedSearchCV(
        model, grid(model), n_iter=4, cv=3, scoring=LOSS, random_state=0
    ).fit(X, y)
    return scores_of(search), search.predict_proba(X)


def halving_over_epochs(model, X, y):
    search = HalvingGridSearchCV(
        model,
        grid(model),
        resource=param(model, "max_iter"),
        min_resources=1,
        max_resources=4,
        factor=2,
        cv=3,
        scoring=LOSS,
        random_state=0,
    ).fit(X, y)
    return scores_of(search), search.predict_proba(X)


def halving_over_rows(model, X, y):
    search = HalvingGridSearchCV(
        model, grid(model), min_resources=24, factor=2, cv=3, scoring=LOSS, random_state=0
    ).fit(X, y)
    return scores_of(search), search.predict_proba(X)


def cross_validated(model, X, y):
    result = cross_validate(model, X, y, cv=4, scoring=LOSS, return_train_score=True)
    return result["test_score"], result["train_score"]


def cross_predicted(model, X, y):
    return cross_val_predict(model, X, y, cv=4, method="predict_proba")


def learned(model, X, y):
    return learning_curve(
        model, X, y, cv=3, scoring=LOSS, train_sizes=[0.5, 1.0], shuffle=True, random_state=0
    )


def validated(model, X, y):
    return validation_curve(
        model,
        X,
        y,
        param_name=param(model, "dropout"),
        param_range=[0.0, 0.3, 0.6],
        cv=3,
        scoring=LOSS,
    )


def permuted(model, X, y):
    return permutation_test_score(model, X, y, cv=3, scoring=LOSS, n_permutations=5, random_state=0)


def first_layer(model):
    net = model[-1] if hasattr(model, "steps") else model
    return np.abs(net.coefs_[0][: net.n_features_in_]).sum(axis=1)


def eliminated(model, X, y):
    search = RFECV(model, cv=3, scoring=LOSS, importance_getter=first_layer).fit(X, y)
    curve = {name: values for name, values in search.cv_results_.items() if "score" in name}
    return curve, search.ranking_.astype(float)


def bagged(model, X, y):
    bag = BaggingClassifier(model, n_estimators=6, max_features=0.8, random_state=0)
    return bag.fit(X, y).predict_proba(X)


def stacked(model, X, y):
    stack = StackingClassifier(
        [("a", model), ("b", piped(classifier(l2=0.1)))], LogisticRegression(), cv=3
    )
    return stack.fit(X, y).predict_proba(X)


def voted(model, X, y):
    vote = VotingClassifier([("a", model), ("b", piped(classifier(l2=0.1)))], voting="soft")
    return vote.fit(X, y).predict_proba(X)


def calibrated(model, X, y):
    return CalibratedClassifierCV(model, cv=3).fit(X, y).predict_proba(X)


def one_against_the_rest(model, X, y):
    return OneVsRestClassifier(model).fit(X, y).predict_proba(X)


CLASSIFICATION = [
    grid_search,
    randomized_search,
    halving_over_epochs,
    halving_over_rows,
    cross_validated,
    cross_predicted,
    learned,
    validated,
    permuted,
    eliminated,
    bagged,
    stacked,
    voted,
    calibrated,
]


@pytest.mark.parametrize("wrap", [lambda net: net, piped], ids=["bare", "pipeline"])
@pytest.mark.parametrize("use", CLASSIFICATION, ids=lambda use: use.__name__)
def test_classification(use, wrap):
    model = wrap(classifier())
    assert_same(*both(lambda: use(model, *table())))


@pytest.mark.parametrize("wrap", [lambda net: net, piped], ids=["bare", "pipeline"])
def test_classes(wrap):
    X, y = table("multiclass")
    model = wrap(classifier())
    assert_same(*both(lambda: one_against_the_rest(model, X, y)))
    assert_same(*both(lambda: grid_search(model, X, y)))


@pytest.mark.parametrize("wrap", [lambda net: net, piped], ids=["bare", "pipeline"])
def test_regression(wrap):
    X, y = table("regression")
    model = wrap(regressor(loss="huber"))
    assert_same(*both(lambda: grid_search(model, X, y, scoring="r2")))

    def bag():
        bag = BaggingRegressor(model, n_estimators=6, max_samples=0.7, random_state=0)
        return bag.fit(X, y).predict(X)

    assert_same(*both(bag))


@pytest.mark.parametrize("wrap", [lambda net: net, piped], ids=["bare", "pipeline"])
def test_several_targets(wrap):
    X, y = table("targets")
    model = wrap(regressor())
    assert_same(*both(lambda: MultiOutputRegressor(model).fit(X, y).predict(X)))
    assert_same(*both(lambda: grid_search(model, X, y, scoring="r2")))


def test_multilabel():
    X, y = table("multilabel")
    assert_same(*both(lambda: grid_search(classifier(), X, y, scoring="roc_auc_ovr")))


@pytest.mark.parametrize("scoring", ["loss", "accuracy"])
@pytest.mark.parametrize("refit", [False, True])
def test_early_stopping(scoring, refit):
    X, y = table("multiclass")
    model = piped(
        classifier(early_stopping=True, patience=2, max_iter=12, scoring=scoring, refit=refit)
    )
    rates = {param(model, "learning_rate_init"): [0.3, 0.03, 0.003]}

    def search():
        found = GridSearchCV(model, rates, cv=3, scoring=LOSS).fit(X, y)
        net = found.best_estimator_[-1]
        assert len(net.loss_curve_) == net.n_iter_
        return scores_of(found), net.validation_scores_

    assert_same(*both(search))


def test_epochs_differ_inside_a_search():
    X, y = table()

    def search():
        model = piped(classifier(early_stopping=True, patience=2, max_iter=15))
        rates = {param(model, "learning_rate_init"): [0.5, 0.05, 1e-4]}
        found = cross_validate(GridSearchCV(model, rates, cv=3), X, y, cv=2, return_estimator=True)
        return [float(e.best_estimator_[-1].n_iter_) for e in found["estimator"]]

    assert_same(*both(search))


def test_random_state_object():
    model = piped(classifier(random_state=np.random.RandomState(7)))
    assert_same(*both(lambda: grid_search(model, *table())))
    assert_same(*both(lambda: bagged(model, *table())))


def test_random_state_none():
    X, y = table()
    model = classifier(random_state=None, dropout=0.5)
    with batched():
        scores = cross_validate(model, X, y, cv=3, scoring=LOSS)["test_score"]
        proba = [
            e.predict_proba(X)
            for e in cross_validate(model, X, y, cv=2, return_estimator=True)["estimator"]
        ]
    assert np.isfinite(scores).all()
    assert not np.allclose(*proba)  # neither rows nor seeds are the same


def test_several_metrics():
    X, y = table()
    model = piped(classifier())

    def search():
        found = GridSearchCV(
            model, grid(model), cv=3, scoring=[LOSS, "accuracy", "roc_auc"], refit=LOSS
        ).fit(X, y)
        return scores_of(found), found.best_score_

    alone, together = both(search)
    assert_same(alone, together)
    assert "split0_test_roc_auc" in together[0]


def quiet(function):
    """A run whose warnings are part of the test's case."""

    def run():
        with warnings.catch_warnings():
            for category in (FitFailedWarning, ConvergenceWarning, UserWarning):
                warnings.simplefilter("ignore", category)
            return function()

    return run


def picky(model, X, y):
    if model[-1].dropout == 0.2:
        raise RuntimeError("this scorer does not like 0.2")
    return get_scorer(LOSS)(model, X, y)


def raises_while_training(model, X, y):
    raise RuntimeError("this scorer cannot score")


def failing_searches():
    model = piped(classifier())
    stopping = piped(classifier(early_stopping=True))
    return {
        "validation": (model, {"learning_rate_init": [-1.0, 0.01, 0.1]}, LOSS, 3),
        "training": (stopping, {"scoring": ["loss", raises_while_training]}, LOSS, 3),
        "scoring": (model, {"dropout": [0.0, 0.2, 0.4]}, picky, 3),
        "divergence": (model, {"learning_rate_init": [1e300, 0.01]}, LOSS, 0),
    }


@pytest.mark.parametrize("where", ["validation", "training", "scoring", "divergence"])
def test_candidates_that_fail(where):
    X, y = table()
    model, options, scoring, missing = failing_searches()[where]
    options = {param(model, name): values for name, values in options.items()}

    def search():
        found = GridSearchCV(model, options, cv=3, scoring=scoring).fit(X, y)
        return scores_of(found)

    alone, together = both(quiet(search))
    assert_same(alone, together)
    splits = [values for name, values in together.items() if name.startswith("split")]
    assert np.isnan(splits).sum() == missing


def test_errors_reach_the_caller():
    X, y = table()
    model = classifier()
    search = GridSearchCV(model, {"dropout": [0.1, 2.0]}, cv=3, error_score="raise")
    with batched(), pytest.raises(ValueError, match="'dropout' parameter"):
        search.fit(X, y)
    search = GridSearchCV(
        piped(model),
        {param(piped(model), "dropout"): [0.0, 0.2]},
        scoring=picky,
        error_score="raise",
    )
    with batched(), pytest.raises(RuntimeError, match="does not like"):
        search.fit(X, y)


def test_divergence_warns():
    X, y = table()
    with batched(), pytest.warns(ConvergenceWarning, match="diverged in epoch"):
        cross_validate(classifier(learning_rate_init=1e300), X, y, cv=3)


def test_sample_weight():
    X, y = table()
    model = piped(classifier())
    weights = np.random.default_rng(0).uniform(0.1, 3, len(y))
    key = param(model, "sample_weight")

    def search(given):
        found = GridSearchCV(model, grid(model), cv=3, scoring=LOSS)
        return scores_of(found.fit(X, y, **given))

    alone, together = both(lambda: search({key: weights}))
    assert_same(alone, together)
    assert np.abs(search({})["mean_test_score"] - alone["mean_test_score"]).max() > 1e-4


@pytest.mark.parametrize("bagged", [False, True])
def test_metadata_routing(bagged):
    X, y = table()
    weights = np.random.default_rng(0).uniform(0.1, 3, len(y))
    with sklearn.config_context(enable_metadata_routing=True):
        net = classifier().set_fit_request(sample_weight=True)
        net.set_score_request(sample_weight=True)
        model = BaggingClassifier(net, n_estimators=3, random_state=0) if bagged else net
        scaler = StandardScaler().set_fit_request(sample_weight=True)
        whole = make_pipeline(scaler, model)
        scoring = make_scorer(sklearn.metrics.log_loss, response_method="predict_proba")
        scoring.set_score_request(sample_weight=True)

        def run(weights=weights):
            found = cross_validate(
                whole, X, y, cv=3, scoring=scoring, params={"sample_weight": weights}
            )
            return found["test_score"]

        assert_same(*both(run))
        assert np.abs(run() - run(np.ones(len(y)))).max() > 1e-4


def test_float32_digits():
    X, y = load_digits(return_X_y=True)
    X, y = X[:600] / 16, y[:600]
    model = piped(classifier(hidden_layer_sizes=(16,), dtype="float32", max_iter=8, batch_size=64))
    options = {
        param(model, "learning_rate_init"): [1e-4, 1e-2],
        param(model, "dropout"): [0.0, 0.8],
    }

    def search():
        return GridSearchCV(model, options, cv=3).fit(X, y)

    alone, together = both(search)
    distance = scores_of(alone)["mean_test_score"] - scores_of(together)["mean_test_score"]
    assert np.abs(distance).max() <= 0.005
    assert alone.best_params_ == together.best_params_


def test_rounds_were_batched(one_thread):
    X, y = table()
    with batched():
        grid_search(piped(classifier()), X, y)
        assert [r.members for r in skreg.last_rounds()] == [(18,)]
        bagged(classifier(), X, y)
    first, second = skreg.last_rounds()
    assert (first.jobs, first.stacks, first.epochs) == (18, 1, (3,))
    assert second.jobs == 6
    assert first.seconds > 0 and first.gflops > 0


def test_shapes_part_into_stacks(one_thread):
    X, y = table()
    options = {"hidden_layer_sizes": [(8,), (4, 4)], "batch_norm": [True, False], "l1": [0, 0.1]}
    with batched():
        GridSearchCV(classifier(), options, cv=3, refit=False).fit(X, y)
    (only,) = skreg.last_rounds()
    assert only.members == (6, 6, 6, 6)


def test_estimators_of_others():
    X, y = table()
    model = VotingClassifier([("net", classifier()), ("linear", LogisticRegression())])
    assert_same(*both(lambda: cross_validate(model, X, y, cv=4)["test_score"]))
    with batched():
        cross_validate(LogisticRegression(), X, y, cv=4)
        assert [r.jobs for r in skreg.last_rounds()] == [4]  # those of the votes before
