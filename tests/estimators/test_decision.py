"""`decision`: what turns probabilities into classes, in nets, ensembles and linear models."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from joblib import parallel_config
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.metrics import accuracy_score, balanced_accuracy_score, get_scorer
from sklearn.model_selection import GridSearchCV, TunedThresholdClassifierCV

import skreg.estimators.scoring as scoring_module
from skreg import BaggedMLPClassifier, RegularizedLinearClassifier, RegularizedMLPClassifier
from skreg.estimators.decision import class_counts, decided, logits_of, shift_of, smoothed

NET = {
    "scale_features": None,
    "hidden_layer_sizes": (8,),
    "numeric_embedding": None,
    "max_iter": 12,
    "learning_rate_init": 0.02,
    "random_state": 0,
}


def net(**changes):
    return RegularizedMLPClassifier(**{**NET, **changes})


def bag(estimator=None, **changes):
    return BaggedMLPClassifier(estimator or net(), 3, random_state=0, **changes)


MODELS = [net(), bag(), bag(stopping="member"), RegularizedLinearClassifier()]


def named(model):
    return f"{type(model).__name__}-{getattr(model, 'stopping', '')}".rstrip("-")


@pytest.fixture(scope="module")
def rare():
    """Rows of which a tenth are of the class "yes", in two halves."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1200, 3))
    y = np.where(X[:, 0] + 0.5 * X[:, 1] + rng.normal(size=1200) > 1.9, "yes", "no")
    assert 0.08 < np.mean(y == "yes") < 0.12
    return X[:600], y[:600], X[600:], y[600:]


# -- by hand ---------------------------------------------------------------------------------------


def test_probabilities_are_divided_by_the_numbers():
    p = np.array([[0.6, 0.3, 0.1], [0.8, 0.1, 0.1], [0.5, 0.31, 0.19]])
    classes, shares = np.array(["a", "b", "c"]), np.array([0.6, 0.3, 0.1])
    # Quotients: 1, 1, 1 is a tie up to rounding; 1.33, 0.33, 1; 0.83, 1.03, 1.9.
    found = decided(np.log(p[1:]), shift_of("balanced", classes, shares))
    assert found.tolist() == [0, 2]
    assert decided(np.log(p), shift_of("argmax", classes, shares)).tolist() == [0, 0, 0]
    # A dict in another order, and only its ratios matter: 3, 2, 0.5; 4, 0.67, 0.5; 2.5, 2.07, 0.95.
    by_cost = shift_of({"c": 20, "b": 15, "a": 20}, classes, shares)
    assert decided(np.log(p), by_cost).tolist() == [0, 0, 0]
    by_cost = shift_of({"c": 0.05, "b": 1, "a": 1.0}, classes, shares)
    assert decided(np.log(p), by_cost).tolist() == [2, 2, 2]


def test_two_classes_have_a_threshold():
    p = np.linspace(0.01, 0.99, 99)
    raw = (np.log(p) - np.log1p(-p))[:, None]
    classes = np.array([0, 1])
    for share in (0.055, 0.5, 0.905):
        shift = shift_of("balanced", classes, np.array([1 - share, share]))
        assert_array_equal(decided(raw, shift), p > share)
        assert_array_equal(
            decided(raw, shift_of({0: 1 - share, 1: share}, classes, None)), p > share
        )


def test_each_label_has_a_threshold():
    p = np.array([[0.3, 0.3, 0.3], [0.6, 0.6, 0.6]])
    shift = shift_of("balanced", np.arange(3), np.array([0.2, 0.5, 0.9]), multilabel=True)
    found = decided(logits_of(p, multilabel=True), shift, multilabel=True)
    assert found.tolist() == [[1, 0, 0], [1, 1, 0]]


@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_class_without_rows_is_never_chosen(n_classes):
    raw = np.array([[50.0], [-50.0]]) if n_classes == 2 else np.array([[0, -1, 50.0], [-1, 0, -9]])
    shares = np.array([1.0, 0.0]) if n_classes == 2 else np.array([0.5, 0.5, 0.0])
    shift = shift_of("balanced", np.arange(n_classes), shares)
    assert decided(raw, shift).tolist() == [0, n_classes - 2]
    flipped = shift_of("balanced", np.arange(2), np.array([0.0, 1.0]))
    assert decided(np.array([[-50.0]]), flipped).tolist() == [1]
    always = shift_of("balanced", np.arange(2), np.array([1.0, 0.0]), multilabel=True)
    assert decided(np.array([[-50.0, 50.0]]), always, multilabel=True).tolist() == [[1, 0]]


def test_rows_count_by_their_weights():
    y, weight = np.array([0, 0, 1, 2]), np.array([1.0, 1.0, 2.0, 0.0])
    n, counts = class_counts(y, weight, 4)
    assert n == 4
    assert_allclose(counts / n, [0.5, 0.5, 0, 0])
    n, counts = class_counts(np.array([[0, 1], [1, 1]]), np.array([1.0, 3.0]), 2)
    assert_allclose(counts / n, [0.75, 1.0])


def test_a_single_class_is_always_predicted(rare):
    X = rare[0][:40]
    for decision in ("argmax", "balanced", {"a": 2}):
        assert set(net(decision=decision, max_iter=2).fit(X, ["a"] * 40).predict(X)) == {"a"}


def test_smoothed_labels_move_the_threshold_with_them():
    """With smoothing s a probability p is learned as (1 - s) p + s / 2."""
    p, share, s = np.linspace(0.005, 0.995, 100), 0.12, 0.3
    learned = (1 - s) * p + s / 2
    shift = shift_of("balanced", np.arange(2), smoothed(np.array([1 - share, share]), s, 2))
    found = decided((np.log(learned) - np.log1p(-learned))[:, None], shift)
    assert_array_equal(found, p > share)
    assert_array_equal(smoothed(np.array([0.0, 1.0]), s, 2), [0.0, 1.0])


# -- what it is for --------------------------------------------------------------------------------


@pytest.mark.parametrize("model", MODELS, ids=named)
def test_balanced_accuracy_rises_and_probabilities_stay(rare, model):
    X, y, X_test, y_test = rare
    plain = clone(model).fit(X, y)
    even = clone(model).set_params(decision="balanced").fit(X, y)
    assert_array_equal(even.predict_proba(X_test), plain.predict_proba(X_test))
    assert_array_equal(even.decision_function(X_test), plain.decision_function(X_test))
    assert_array_equal(plain.predict(X_test), plain.classes_[plain.predict_proba(X_test).argmax(1)])
    quotients = even.predict_proba(X_test) / even.class_prior_
    assert_array_equal(even.predict(X_test), even.classes_[quotients.argmax(axis=1)])
    scores = [balanced_accuracy_score(y_test, m.predict(X_test)) for m in (plain, even)]
    assert scores[1] > scores[0] + 0.1
    # It is paid for by accuracy, which the most probable class is best for.
    assert even.score(X_test, y_test) < plain.score(X_test, y_test)


@pytest.mark.parametrize("model", MODELS, ids=named)
def test_a_dict_of_the_shares_is_balanced(rare, model):
    X, y, X_test, _ = rare
    even = clone(model).set_params(decision="balanced").fit(X, y)
    numbers = dict(zip(even.classes_.tolist(), 7.0 * even.class_prior_, strict=True))
    assert_array_equal(
        clone(model).set_params(decision=numbers).fit(X, y).predict(X_test), even.predict(X_test)
    )


@pytest.mark.parametrize("model", [net(early_stopping=False), RegularizedLinearClassifier()])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_even_classes_change_nothing(rare, model, n_classes):
    X, _, X_test, _ = rare
    y = np.argsort(np.argsort(X[:, 0])) * n_classes // len(X)
    even = clone(model).set_params(decision="balanced").fit(X, y)
    assert_array_equal(even._shift, 0.0)
    assert_array_equal(even.predict(X_test), clone(model).fit(X, y).predict(X_test))


@pytest.mark.parametrize("model", [net(), RegularizedLinearClassifier()], ids=named)
def test_balanced_class_weights_leave_nothing_to_correct(rare, model):
    """The shares are those that the loss saw."""
    X, y, X_test, _ = rare
    weighted = clone(model).set_params(class_weight="balanced").fit(X, y)
    assert_allclose(weighted.class_prior_, 0.5, atol=2e-3)  # rows held out had a say in the weights
    both = clone(model).set_params(class_weight="balanced", decision="balanced").fit(X, y)
    assert np.mean(both.predict(X_test) != weighted.predict(X_test)) < 0.01
    by_rows = clone(model).fit(X, y, sample_weight=np.where(y == "yes", 9.0, 1.0))
    share = np.mean(y == "yes")
    assert_allclose(by_rows.class_prior_[1], 9 * share / (1 + 8 * share), atol=2e-3)


def test_several_labels(rare):
    X, y, X_test, _ = rare
    Y = np.column_stack([y == "yes", X[:, 0] > 0, X[:, 0] < 1]).astype(int)
    even = net(decision="balanced", early_stopping=False).fit(X, Y)
    assert_allclose(even.class_prior_, Y.mean(axis=0))
    assert_array_equal(even.predict(X_test), even.predict_proba(X_test) > even.class_prior_)
    numbers = {0: 0.3, 1: 0.5, 2: 0.8}
    by_hand = net(decision=numbers, early_stopping=False).fit(X, Y)
    assert_array_equal(by_hand.predict(X_test), by_hand.predict_proba(X_test) > [0.3, 0.5, 0.8])
    together = bag(decision="balanced").fit(X, Y)
    expected = together.predict_proba(X_test) > together.class_prior_
    assert_array_equal(together.predict(X_test), expected)


# -- which rows count ------------------------------------------------------------------------------


def test_rows_that_are_held_out_do_not_count_unless_they_are_trained_on(rare):
    X, y, X_val, y_val = rare
    share = np.mean(y == "yes")
    passed = net().fit(X, y, X_val=X_val[:50], y_val=y_val[:50])
    assert passed.class_prior_[1] == pytest.approx(share, abs=1e-12)
    # 103 rows of 600 leave a share that is not that of all rows.
    held_out = net(validation_fraction=103)
    assert abs(held_out.fit(X, y).class_prior_[1] - share) > 1e-6
    again = held_out.set_params(refit=True).fit(X, y)
    assert again.class_prior_[1] == pytest.approx(share, abs=1e-12)
    one_class = net(decision="balanced").fit(X, y, np.where(y == "yes", 0.0, 1.0))
    assert_array_equal(one_class.class_prior_, [1.0, 0.0])
    assert set(one_class.predict(X_val)) == {"no"}


def test_partial_fit_counts_the_rows_of_all_calls(rare):
    X, y, X_test, _ = rare
    first, second = np.flatnonzero(y == "no")[:100], np.arange(300)
    online = net(decision="balanced").partial_fit(X[first], y[first], classes=["no", "yes"])
    assert set(online.predict(X_test)) == {"no"}
    online.partial_fit(X[second], y[second], sample_weight=np.full(300, 5.0))
    seen = np.r_[first, second]
    assert_allclose(online.class_prior_[1], np.mean(y[seen] == "yes"))
    quotients = online.predict_proba(X_test) / online.class_prior_
    assert_array_equal(online.predict(X_test), online.classes_[quotients.argmax(axis=1)])
    # A fit goes on from the weights, and counts its own rows.
    online.set_params(warm_start=True, early_stopping=False).fit(X, y)
    assert online.class_prior_[1] == np.mean(y == "yes")


def test_an_ensemble_goes_by_the_mean_of_what_its_members_saw(rare):
    X, y, X_test, _ = rare
    model = bag(net(decision="balanced"), stopping="member").fit(X, y)
    priors = [member.class_prior_ for member in model.estimators_]
    assert np.ptp(priors, axis=0).min() > 0
    assert_allclose(model.class_prior_, np.mean(priors, axis=0), rtol=1e-12)
    expected = model.classes_[(model.predict_proba(X_test) / model.class_prior_).argmax(axis=1)]
    assert_array_equal(model.predict(X_test), expected)
    # None leaves the net's decision, everything else is in its place.
    back = bag(net(decision="balanced"), stopping="member", decision="argmax").fit(X, y)
    assert_array_equal(back.predict(X_test), back.classes_[back.predict_proba(X_test).argmax(1)])
    assert (back.predict(X_test) != expected).any()


def test_out_of_bag_scores_are_of_the_decision(rare):
    X, y, _, _ = rare
    model = BaggedMLPClassifier(
        net(max_iter=4, early_stopping=False),
        24,
        decision="balanced",
        oob_score=True,
        random_state=0,
    ).fit(X, y)
    labels = model.classes_[(model.oob_decision_function_ / model.class_prior_).argmax(axis=1)]
    assert model.oob_score_ == accuracy_score(y, labels)
    assert (labels != model.classes_[model.oob_decision_function_.argmax(axis=1)]).any()


# -- early stopping --------------------------------------------------------------------------------


def test_scoring_by_classes_sees_the_decision_without_a_fitted_copy(rare, monkeypatch):
    X, y, X_val, y_val = rare
    monkeypatch.delattr(scoring_module.Fitted, "__call__")
    model = net(decision="balanced", scoring="balanced_accuracy")
    model.fit(X, y, X_val=X_val, y_val=y_val)
    score = get_scorer("balanced_accuracy")(model, X_val, y_val)
    assert max(model.validation_scores_) == pytest.approx(score, abs=1e-12)
    plain = net(scoring="balanced_accuracy").fit(X, y, X_val=X_val, y_val=y_val)
    assert max(plain.validation_scores_) < score - 0.05


@pytest.mark.parametrize(
    "scoring", ["balanced_accuracy", lambda e, X, y: np.mean(e.predict(X) == y)]
)
def test_an_ensemble_is_scored_by_its_decision(rare, scoring):
    X, y, _, _ = rare
    model = bag(net(scoring=scoring, dtype="float64"), decision="balanced").fit(X, y)
    held_out = model.validation_samples_
    scorer = get_scorer(scoring) if isinstance(scoring, str) else scoring
    best = model.history_["valid_score"].max()
    assert best == pytest.approx(scorer(model, X[held_out], y[held_out]), abs=1e-12)


def test_the_loss_is_stopped_by_as_before(rare):
    X, y, _, _ = rare
    plain, even = (net(decision=d, patience=3).fit(X, y) for d in ("argmax", "balanced"))
    assert plain.validation_scores_ == even.validation_scores_
    assert plain.best_iter_ == even.best_iter_


def test_a_metric_is_told_to_be_undefined_by_what_it_is_not_by_what_is_decided(rare):
    """Certain predictions of a class are of that class, however the decision shifts them."""
    X, y, X_val, _ = rare
    model = net(decision={"no": 1e-6, "yes": 1.0}, scoring="accuracy")
    model.fit(X, y, X_val=X_val[:40], y_val=np.full(40, "yes"))  # would warn
    assert max(model.validation_scores_) == 0.0


# -- parameters ------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", MODELS, ids=named)
@pytest.mark.parametrize(
    ("decision", "message"),
    [
        ({"yes": 1}, r"has no number for \['no'\], but the classes of y are \['no', 'yes'\]"),
        ({"no": 1, "yes": 1, "maybe": 1}, r"has a number for \['maybe'\], but the classes of y"),
        ({"No": 1, "yes": 1}, r"no number for \['no'\] and a number for \['No'\]"),
        (
            {"no": 0, "yes": 1},
            r"has the number 0 for the class 'no'\. Allowed is a finite number > 0",
        ),
        ({"no": 1, "yes": -0.5}, r"has the number -0\.5 for the class 'yes'"),
        ({"no": 1, "yes": np.inf}, r"has the number inf for the class 'yes'"),
        ({"no": np.nan, "yes": 1}, r"has the number nan .* decision='balanced' for the shares"),
        ({"no": "half", "yes": 1}, r"has the number 'half' for the class 'no'"),
        ({"no": True, "yes": 1}, r"has the number True for the class 'no'"),
        ("best", "The 'decision' parameter of .* must be"),
    ],
)
def test_errors_name_the_value_and_the_remedy(rare, monkeypatch, model, decision, message):
    for module in ("estimators.base.submit", "estimators.bagging.members.submit_many"):
        monkeypatch.setattr(f"skreg.{module}", None)  # nothing is trained
    model = clone(model).set_params(decision=decision)
    with pytest.raises(ValueError, match=message):
        model.fit(rare[0], rare[1])
    assert not hasattr(model, "class_prior_")


def test_labels_need_shares(rare):
    Y = np.column_stack([rare[0][:, 0] > 0, rare[0][:, 1] > 0]).astype(int)
    with pytest.raises(
        ValueError, match=r"the number 1 for the label 1\. Allowed is a share between"
    ):
        net(decision={0: 0.5, 1: 1}).fit(rare[0], Y)
    with pytest.raises(ValueError, match=r"the labels, numbered from 0, of y are \[0, 1\]"):
        net(decision={"a": 0.5}).fit(rare[0], Y)


@pytest.mark.parametrize("model", MODELS, ids=named)
def test_pickles_copies_and_later_settings(rare, model):
    X, y, X_test, _ = rare
    model = clone(model).set_params(decision={"no": 0.9, "yes": 0.1}).fit(X, y)
    known = model.predict(X_test)
    assert_array_equal(pickle.loads(pickle.dumps(model)).predict(X_test), known)
    assert clone(model).get_params()["decision"] == {"no": 0.9, "yes": 0.1}
    # Predictions are those of the fit.
    assert_array_equal(model.set_params(decision="argmax").predict(X_test), known)


def test_the_module_gives_the_decision_function(rare):
    X, y, X_test, _ = rare
    model = net(decision="balanced").fit(X, y)
    import torch

    with torch.no_grad():
        raw = model.module_(torch.as_tensor(X_test[:20], dtype=torch.float32)).numpy()
    assert_allclose(raw[:, 0], model.decision_function(X_test[:20]), atol=1e-5)


@pytest.mark.parametrize("wrap", [lambda model: model, bag], ids=["net", "bag"])
def test_a_search_under_the_backend_equals_one_without(rare, wrap):
    X, y, _, _ = rare
    model = wrap(net(dtype="float64", max_iter=4, scoring="balanced_accuracy"))
    grid = {"decision": ["argmax", "balanced", {"no": 0.8, "yes": 0.2}]}
    search = GridSearchCV(model, grid, cv=2, scoring="balanced_accuracy")
    serial = clone(search).fit(X, y).cv_results_["mean_test_score"]
    with parallel_config(backend="skreg"):
        batched = clone(search).fit(X, y)
    assert_allclose(batched.cv_results_["mean_test_score"], serial, atol=1e-12)
    assert serial[1] > serial[0] and batched.best_params_["decision"] != "argmax"


def test_a_tuned_threshold_is_that_of_the_probabilities(rare):
    X, y, _, _ = rare
    thresholds = []
    for decision in ("argmax", "balanced"):
        tuned = TunedThresholdClassifierCV(net(decision=decision, max_iter=4), cv=2)
        thresholds.append(tuned.fit(X, y).best_threshold_)
    assert thresholds[0] == thresholds[1]
