"""`metrics`: what `history_` tells of each epoch, and that training is the same without."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from sklearn.base import clone
from sklearn.metrics import accuracy_score, get_scorer
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import Callback

from skreg import (
    BaggedMLPClassifier,
    RegularizedMLPClassifier,
    RegularizedMLPClassifierCV,
    RegularizedMLPRegressor,
)

NET = {"hidden_layer_sizes": (8,), "max_iter": 6, "random_state": 0, "learning_rate_init": 0.02}
BOTH = ["accuracy", "roc_auc", "train_accuracy"]
COLUMNS = ["valid_accuracy", "valid_roc_auc", "train_accuracy"]


def classifier(**changes):
    return RegularizedMLPClassifier(**{**NET, **changes})


def regressor(**changes):
    return RegularizedMLPRegressor(**{**NET, **changes})


def same_net(one, other):
    assert one._params.keys() == other._params.keys()
    for name, value in one._params.items():
        np.testing.assert_array_equal(value, other._params[name], strict=True)
    shared = ["epoch", "train_loss", "valid_loss", "valid_score", "learning_rate"]
    pd.testing.assert_frame_equal(one.history_[shared], other.history_[shared], check_exact=True)
    assert (one.n_iter_, one.best_iter_) == (other.n_iter_, other.best_iter_)
    assert (one.best_loss_, one.stopped_by_) == (other.best_loss_, other.stopped_by_)


# -- the same training -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"early_stopping": False},
        {"ema_decay": 0.0, "dropout": 0.5, "patience": 2, "max_iter": 40},
        {"scoring": "average_precision"},
        {"dtype": "float64", "learning_rate": "adaptive", "patience": 2, "max_iter": 30},
        {"refit": True, "max_time": 60.0},
    ],
    ids=["default", "all rows", "patience", "scored", "adaptive", "refit"],
)
def test_the_net_is_the_same_to_the_last_bit(X, y_binary, options):
    plain = classifier(**options).fit(X, y_binary)
    measured = classifier(**options, metrics=BOTH).fit(X, y_binary)
    same_net(plain, measured)
    assert list(plain.history_) == list(measured.history_)[:5]


def test_it_may_share_a_stack_with_others(X, y_binary):
    grid = {"dropout": [0.0, 0.4], "metrics": [None, BOTH]}
    with parallel_config(backend="skreg"):
        search = GridSearchCV(classifier(), grid, cv=2, refit=False).fit(X, y_binary)
    scores = search.cv_results_["mean_test_score"].reshape(2, 2)
    np.testing.assert_array_equal(scores[:, 0], scores[:, 1])


# -- what the columns hold -------------------------------------------------------------------------


@pytest.mark.parametrize("ema_decay", [0.0, 0.8])
@pytest.mark.parametrize("early_stopping", [True, False])
def test_the_last_row_is_the_net_that_was_trained(X, y_binary, ema_decay, early_stopping):
    """With validation rows of one's own, and the last epoch kept: what `fit` leaves has these scores."""
    options = {"ema_decay": ema_decay, "early_stopping": early_stopping, "metrics": BOTH}
    net = classifier(**options, learning_rate_init=2e-3)
    net.fit(X[:60], y_binary[:60], X_val=X[60:], y_val=y_binary[60:])
    assert net.best_iter_ == net.n_iter_ == 6
    assert list(net.history_)[5:] == COLUMNS
    last = net.history_.iloc[-1]
    auc = get_scorer("roc_auc")(net, X[60:], y_binary[60:])
    assert last["valid_accuracy"] == net.score(X[60:], y_binary[60:])
    assert last["valid_roc_auc"] == pytest.approx(auc, abs=1e-12)
    assert last["train_accuracy"] == net.score(X[:60], y_binary[:60])
    assert net.history_[COLUMNS].notna().all(axis=None)


@pytest.mark.parametrize("name", ["r2", "neg_mean_absolute_error"])
def test_it_is_what_scoring_would_watch(X, y_real, name):
    net = regressor(scoring=name, metrics=[name]).fit(X, y_real)
    assert net.history_[f"valid_{name}"].tolist() == net.validation_scores_
    assert (net.history_[f"valid_{name}"] > 0).any() == (name == "r2")


def test_training_rows_where_none_are_held_out(X, y_real):
    net = regressor(early_stopping=False, metrics=["r2", "train_r2", "neg_max_error"]).fit(
        X, y_real
    )
    assert list(net.history_)[5:] == ["train_r2", "train_neg_max_error"]
    assert net.history_["train_r2"].iloc[-1] == pytest.approx(net.score(X, y_real), abs=1e-6)


def test_weights_count(X, y_binary):
    weight = np.where(X[:, 0] > 0, 3.0, 1.0)
    net = classifier(early_stopping=False, metrics=["accuracy"])
    net.fit(X, y_binary, sample_weight=weight)
    expected = accuracy_score(y_binary, net.predict(X), sample_weight=weight)
    assert net.history_["train_accuracy"].iloc[-1] == pytest.approx(expected, abs=1e-12)
    assert expected != net.score(X, y_binary)


def test_functions_of_ones_own(X, y_binary):
    frame = pd.DataFrame(X, columns=list("abcde"))

    def above(estimator, X_val, y_val):
        assert isinstance(X_val, pd.DataFrame)
        assert len(estimator.history_) == estimator.n_iter_
        return estimator.score(X_val[X_val["a"] > 0], y_val[X_val["a"] > 0])

    def zero(estimator, X_val, y_val):
        X_val.iloc[:, :] = 0.0  # reaches nothing
        estimator.classes_[:] = 7
        return 0

    metrics = {"above": above, "train_above": above, "zero": zero, "auc": "roc_auc"}
    net = classifier(metrics=metrics, learning_rate_init=2e-3).fit(frame, y_binary)
    assert list(net.history_)[5:] == ["valid_above", "train_above", "valid_zero", "valid_auc"]
    same_net(net, classifier(learning_rate_init=2e-3).fit(frame, y_binary))
    seen = frame["a"] > 0
    whole = net.score(frame[seen], y_binary[seen])
    last = net.history_.iloc[-1]
    assert net.best_iter_ == net.n_iter_
    assert min(last["valid_above"], last["train_above"]) <= whole
    assert max(last["valid_above"], last["train_above"]) >= whole


def test_other_targets(X, y_labels, y_three):
    net = classifier(metrics=["f1_macro", "train_accuracy"]).fit(X, y_labels)
    assert net.history_[["valid_f1_macro", "train_accuracy"]].notna().all(axis=None)
    net = classifier(metrics=["neg_log_loss"]).fit(X, np.array(list("abc"))[y_three])
    np.testing.assert_allclose(
        -net.history_["valid_neg_log_loss"], net.history_["valid_loss"], rtol=1e-4
    )


# -- wherever nets go ------------------------------------------------------------------------------


def test_batched_as_alone(X, y_binary):
    grid = {"dropout": [0.0, 0.3], "dtype": ["float64"]}
    search = GridSearchCV(classifier(metrics=BOTH), grid, cv=2)
    alone = clone(search).fit(X, y_binary).best_estimator_
    with parallel_config(backend="skreg"):
        together = search.fit(X, y_binary).best_estimator_
    pd.testing.assert_frame_equal(alone.history_, together.history_, check_exact=True)
    assert list(together.history_)[5:] == COLUMNS


def test_it_travels(X, y_binary):
    net = classifier(metrics=BOTH).fit(X, y_binary)
    assert clone(net).metrics == BOTH
    pd.testing.assert_frame_equal(pickle.loads(pickle.dumps(net)).history_, net.history_)


def test_going_on(X, y_binary):
    net = classifier(metrics=["accuracy"], warm_start=True).fit(X, y_binary)
    net.set_params(metrics=["roc_auc"]).fit(X, y_binary)
    assert list(net.history_)[5:] == ["valid_roc_auc"]
    assert net.history_["valid_roc_auc"].notna().all()
    parts = classifier(metrics=["accuracy"])
    parts.partial_fit(X[:50], y_binary[:50]).partial_fit(X[50:], y_binary[50:])
    accuracy = parts.history_["train_accuracy"]
    assert accuracy.iloc[-1] == parts.score(X[50:], y_binary[50:])
    parts.set_params(metrics=["roc_auc"]).partial_fit(X, y_binary)
    assert parts.history_["train_accuracy"].notna().tolist() == [True, True, False]
    assert parts.history_["train_roc_auc"].notna().tolist() == [False, False, True]


def test_verbose_prints_them(X, y_binary, capsys):
    net = classifier(metrics=BOTH, verbose=1).fit(X, y_binary)
    head, _, *lines = capsys.readouterr().out.strip().splitlines()
    assert set(COLUMNS) < set(head.split())
    assert len(lines) == net.n_iter_


def test_callbacks_see_them(X, y_binary):
    class Looks(Callback):
        def on_epoch_end(self, net, **kwargs):
            self.seen = net.history[-1, "valid_accuracy"]

    looks = Looks()
    net = classifier(metrics=["accuracy"], callbacks=[looks]).fit(X, y_binary)
    assert looks.seen == net.history_["valid_accuracy"].iloc[-1]


def test_an_ensemble_is_measured_as_a_whole(X, y_binary):
    def bag(metrics, **options):
        net = classifier(metrics=metrics, learning_rate_init=2e-3)
        return BaggedMLPClassifier(net, n_estimators=3, random_state=0, **options).fit(X, y_binary)

    own = {"accuracy": "accuracy", "size": lambda e, X, y: len(e.estimators_), "auc": "roc_auc"}
    ensemble = bag(own)
    out = ensemble.validation_samples_
    last = ensemble.history_.iloc[-1]
    assert ensemble.best_iter_ == ensemble.n_iter_
    assert last["valid_accuracy"] == ensemble.score(X[out], y_binary[out])
    assert set(ensemble.history_["valid_size"]) == {3.0}
    ensemble = bag(["accuracy", "train_accuracy"])
    columns = [net.history_["train_accuracy"] for net in ensemble.estimators_]
    np.testing.assert_allclose(ensemble.history_["train_accuracy"], np.mean(columns, axis=0))
    plain = bag(None)
    np.testing.assert_array_equal(plain.predict_proba(X), ensemble.predict_proba(X))
    single = bag({"mine": lambda e, X, y: e.score(X, y)}, stopping="member").estimators_[0]
    assert single.history_["valid_mine"].notna().all()
    with pytest.raises(ValueError, match="The metric 'train_mine' is a function of your own"):
        bag({"train_mine": lambda e, X, y: 0.0})


def test_the_nets_of_a_search(X, y_binary):
    def search(metrics):
        net = classifier(metrics=metrics)
        return RegularizedMLPClassifierCV(net, n_settings=2, n_repeats=1, cv=2, random_state=0).fit(
            X, y_binary
        )

    one, other = search(None), search(["accuracy", "train_accuracy"])
    np.testing.assert_array_equal(one.predict_proba(X), other.predict_proba(X))
    for net in other.estimators_:
        assert net.history_[["valid_accuracy", "train_accuracy"]].notna().all(axis=None)


# -- what is refused, and what is said -------------------------------------------------------------


@pytest.mark.parametrize(
    ("metrics", "error", "match"),
    [
        (
            ["acuracy"],
            ValueError,
            "'acuracy', which is no scorer of scikit-learn. Do you mean 'accuracy'",
        ),
        (["loss"], ValueError, "history_ has a column of that name"),
        ({"train_": "accuracy"}, ValueError, "history_ has a column of that name"),
        (["accuracy", "accuracy"], ValueError, "'accuracy' stands twice"),
        ([accuracy_score], TypeError, "is not the name of a scorer"),
        ({"mine": 3}, TypeError, r"metrics\['mine'\] is 3, which is neither"),
        ("accuracy", ValueError, "'metrics' parameter"),
    ],
)
def test_refused_before_training(X, y_binary, metrics, error, match):
    net = classifier().fit(X, y_binary)
    before = dict(vars(net), metrics=metrics)
    with pytest.raises(error, match=match):
        net.set_params(metrics=metrics).fit(X, y_binary)
    assert vars(net) == before


def test_a_scorer_that_fails_is_named(X, y_binary, y_three):
    def bad(estimator, X_val, y_val):
        raise KeyError("price")

    net = classifier(metrics={"bad": bad})
    with pytest.raises(KeyError, match="The metric 'bad' raised KeyError in epoch 1"):
        net.fit(X, y_binary)
    assert not hasattr(net, "classes_")
    with pytest.raises(ValueError, match=r"The metric 'train_f1' raised ValueError.*leave it out"):
        classifier(metrics=["train_f1"]).fit(X, y_three)


def test_undefined(X, y_binary):
    one_class = X[60:], np.zeros(30, int)
    with pytest.warns(
        UserWarning, match="The metric 'roc_auc' says nothing of the validation rows"
    ):
        net = classifier(metrics=["roc_auc", "accuracy"]).fit(
            X[:60], y_binary[:60], X_val=one_class[0], y_val=one_class[1]
        )
    assert net.history_["valid_roc_auc"].isna().all()
    assert net.history_["valid_accuracy"].notna().all()


def test_divergence_leaves_gaps(X, y_real):
    net = regressor(metrics=["r2", "train_r2"], learning_rate_init=1e30, solver="sgd", clip=False)
    with pytest.warns(UserWarning, match="diverged"):
        net.fit(X, y_real)
    assert net.stopped_by_ == "diverged"
    assert net.history_[["valid_r2", "train_r2"]].iloc[-1].isna().all()
