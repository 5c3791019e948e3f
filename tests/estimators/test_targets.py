"""How targets are checked, encoded and scaled."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from scipy.stats import norm
from sklearn.base import clone
from sklearn.datasets import make_multilabel_classification
from sklearn.preprocessing import LabelBinarizer

from skreg import (
    BaggedMLPClassifier,
    BaggedMLPRegressor,
    RegularizedLinearClassifier,
    RegularizedLinearRegressor,
    RegularizedMLPClassifier,
    RegularizedMLPRegressor,
    RegularizedMLPRegressorCV,
    RegularizedNetRegressor,
)
from skreg.estimators.quantiles import quantiles
from skreg.estimators.target_numbers import centre_and_scale

NET = {
    "hidden_layer_sizes": (8,),
    "numeric_embedding": None,
    "max_iter": 8,
    "random_state": 0,
}


def classifier(**options):
    return RegularizedMLPClassifier(**{**NET, **options})


def regressor(**options):
    return RegularizedMLPRegressor(**{**NET, **options})


def bagged(net):
    kind = BaggedMLPClassifier if hasattr(net, "predict_proba") else BaggedMLPRegressor
    return kind(net, n_estimators=2, random_state=0)


# -- multilabel targets ----------------------------------------------------------------------------

CODINGS = {
    "-1 and 1": lambda L: np.where(L, 1, -1),
    "1 and 2": lambda L: np.where(L, 2, 1),
    "floats": lambda L: np.where(L, 7.0, -3.0),
    "bool": lambda L: L,
    "uint8": lambda L: L.astype(np.uint8),
    "DataFrame": lambda L: pd.DataFrame(np.where(L, 2, 1)),
    "list": lambda L: np.where(L, 2, 1).tolist(),
}


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("model", [classifier(), bagged(classifier())], ids=["net", "bagged"])
def test_every_coding_of_two_values_is_the_same_problem(X, y_labels, model, coding):
    known = clone(model).fit(X, y_labels)
    y = CODINGS[coding](y_labels.astype(bool))
    net = clone(model).fit(X, y)
    np.testing.assert_array_equal(net.predict_proba(X), known.predict_proba(X))
    values = np.unique(y)
    np.testing.assert_array_equal(net.predict(X), values[known.predict(X)])
    assert net.predict(X).dtype == np.asarray(y).dtype
    assert net.score(X, y) == known.score(X, y_labels)


def test_out_of_bag_score_is_in_the_users_coding(X, y_labels):
    scores = []
    for y in (y_labels, 1 + y_labels):
        bag = BaggedMLPClassifier(classifier(), 16, oob_score=True, random_state=0).fit(X, y)
        scores.append(bag.oob_score_)
    assert scores[0] == scores[1] > 0


def test_a_scorer_is_given_labels_in_the_users_coding(X, y_labels):
    seen = set()

    def scoring(estimator, X, y):
        seen.update(np.unique(y).tolist(), np.unique(estimator.predict(X)).tolist())
        return 0.0

    classifier(scoring=scoring).fit(X, np.where(y_labels, 5, 3))
    assert seen == {3, 5}


def test_sparse_labels(X, y_labels):
    known = classifier().fit(X, y_labels).predict_proba(X)
    for kind in (sp.csr_matrix, sp.csc_array, sp.coo_array):
        np.testing.assert_array_equal(classifier().fit(X, kind(y_labels)).predict_proba(X), known)
    stored_zeros = sp.csr_array(np.ones_like(y_labels))
    stored_zeros.data[:] = y_labels.ravel()
    np.testing.assert_array_equal(classifier().fit(X, stored_zeros).predict_proba(X), known)


def test_one_value_is_absent_or_present(X):
    for value, coding in ((0, [0, 1]), (1, [0, 1]), (-1, [-1, 1])):
        net = classifier(max_iter=60, learning_rate_init=0.03).fit(X, np.full((90, 3), value))
        assert net._label_values.tolist() == coding
        assert (net.predict(X) == value).mean() > 0.9
    with pytest.raises(ValueError, match=r"value 4, which does not tell .* Code labels as 0 and 1"):
        classifier().fit(X, np.full((90, 3), 4))


def test_columns_of_other_codings_are_refused(X, y_labels):
    message = r"(?s)columns of labels with the values 0, 1, 2\. .* same two values in every column"
    for model in (classifier(), bagged(classifier())):
        with pytest.raises(ValueError, match=message):
            model.fit(X, np.add(y_labels, [0, 1, 0]))
    with pytest.raises(ValueError, match=r"values 0\.0, 0\.5\. .*MultiLabelBinarizer"):
        classifier().fit(X, 0.5 * y_labels)
    words = np.where(y_labels, "yes", "no")
    with pytest.raises(ValueError, match=r"values 'no', 'yes'\. .*MultiLabelBinarizer"):
        classifier().fit(X, words)


def test_later_rows_are_coded_as_the_first(X, y_labels):
    net = classifier(batch_norm=False).partial_fit(X, 2 * y_labels - 1)
    net.partial_fit(X[:1], [[-1, -1, -1]])
    with pytest.raises(ValueError, match=r"values \[0\], but labels were coded as \[-1, 1\]"):
        net.partial_fit(X, y_labels)
    with pytest.raises(ValueError, match=r"y_val has the values \[2\], but labels were coded"):
        classifier().fit(X, y_labels, X_val=X, y_val=2 * y_labels)


def test_one_hot_classes_draw_a_warning(X, y_three):
    encoded = LabelBinarizer().fit_transform(y_three)
    message = r"exactly one of 3 labels: y looks one-hot encoded.* pass y\.argmax\(axis=1\)"
    for model in (classifier(), bagged(classifier())):
        for y in (encoded, 2 * encoded - 1, sp.csr_array(encoded), pd.DataFrame(encoded)):
            with pytest.warns(UserWarning, match=message) as seen:
                model.fit(X, y)
            assert len(seen) == 1
    with pytest.warns(UserWarning, match=message):
        classifier().partial_fit(X, encoded)


@pytest.mark.parametrize("seed", range(5))
def test_labels_are_no_one_hot_classes(seed):
    X, y = make_multilabel_classification(60, 5, n_classes=3, n_labels=1, random_state=seed)
    classifier(max_iter=1).fit(X, y)  # a warning would be an error
    alone = y.copy()
    alone[y.sum(axis=1) != 1] = [1, 0, 0]
    alone[7] = 0
    classifier(max_iter=1).fit(X, alone)


@pytest.mark.parametrize("kind", [sp.csr_matrix, sp.csc_array])
def test_sparse_targets_are_dense_ones(X, y_real, y_three, kind):
    Y = np.column_stack([y_real, -y_real])
    for model in (regressor(), bagged(regressor()), RegularizedLinearRegressor()):
        known = clone(model).fit(X, Y).predict(X)
        np.testing.assert_array_equal(clone(model).fit(X, kind(Y)).predict(X), known)
    column = kind(y_three[:, None])
    for model in (classifier(), bagged(classifier()), RegularizedLinearClassifier()):
        known = clone(model).fit(X, y_three).predict(X)
        with pytest.warns(UserWarning, match="column-vector y was passed"):
            found = clone(model).fit(X, column)
        np.testing.assert_array_equal(found.predict(X), known)


def test_linear_classifier_says_what_a_matrix_of_labels_needs(X, y_labels):
    with pytest.raises(ValueError, match=r"one label a row.*argmax.*MultiOutputClassifier"):
        RegularizedLinearClassifier().fit(X, y_labels)


# -- classes without weight ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "model",
    [
        classifier(max_iter=40, learning_rate_init=0.03),
        bagged(classifier(max_iter=40, learning_rate_init=0.03)),
        RegularizedLinearClassifier(),
    ],
    ids=["net", "bagged", "linear"],
)
@pytest.mark.parametrize("sparse", [False, True])
def test_a_class_without_weight_stays_a_class(X, y_three, model, sparse):
    table = sp.csr_array(X) if sparse else X
    weight = (y_three > 0).astype(float)
    net = clone(model).fit(table, y_three, sample_weight=weight)
    assert net.classes_.tolist() == [0, 1, 2]
    p = net.predict_proba(table)
    assert p.shape == (90, 3)
    assert p[:, 0].mean() < 1 / 3
    estimator = "estimator__" if hasattr(model, "estimator") else ""
    heavy = clone(model).set_params(**{f"{estimator}class_weight": {0: 0}}).fit(table, y_three)
    assert heavy.classes_.tolist() == [0, 1, 2]
    assert heavy.predict_proba(table).shape == (90, 3)


def test_validation_rows_without_weight_may_have_any_class_that_is_known(X, y_three):
    net = classifier(learning_rate_init=0.02).fit(
        X[:60], y_three[:60], X_val=X[60:], y_val=y_three[60:], sample_weight_val=y_three[60:] > 0
    )
    assert net.classes_.tolist() == [0, 1, 2]


# -- scales ----------------------------------------------------------------------------------------


def test_quantiles_of_weighted_rows_are_those_of_repeated_ones():
    rng = np.random.default_rng(0)
    shares = [0.05, 0.25, 0.5, 0.9]
    for n in (1, 2, 7, 50):
        values, counts = rng.normal(size=n).round(1), rng.integers(1, 4, size=n)
        known = np.quantile(values.repeat(counts), shares, method="averaged_inverted_cdf")
        np.testing.assert_allclose(quantiles(values, counts.astype(float), shares), known)
        np.testing.assert_allclose(quantiles(values.repeat(counts), None, shares), known)


@pytest.mark.parametrize("loss", ["huber", "absolute_error", "pinball"])
def test_scale_of_normal_targets_is_the_standard_deviation(loss):
    y = 5.0 + 3.0 * norm.ppf((np.arange(2000) + 0.5) / 2000)
    centre, scale = centre_and_scale(y[:, None], None, loss)
    np.testing.assert_allclose([centre[0], scale[0]], [5.0, 3.0], rtol=1e-3)
    y[:600] = 1e9  # three tenths of all
    _, scale = centre_and_scale(y[:, None], None, loss)
    assert scale[0] < 10.0


@pytest.mark.parametrize("loss", ["squared_error", "huber"])
@pytest.mark.parametrize("size", [1e-300, 1e160, 1e306])
def test_scale_of_targets_near_the_largest_number(X, y_real, loss, size):
    known = regressor(loss=loss).fit(X, y_real)
    net = regressor(loss=loss).fit(X, size * y_real)
    np.testing.assert_allclose(net.predict(X) / size, known.predict(X), rtol=1e-4)


def test_scale_of_targets_with_one_frequent_value():
    y = np.r_[np.zeros(80), np.arange(1.0, 21.0)][:, None]
    assert 0 < centre_and_scale(y, None, "huber")[1][0] < 20.0
    rare = np.r_[np.zeros(999), 5.0][:, None]  # nothing robust is left: the standard deviation
    known = np.sqrt(np.mean(rare**2))  # around the median
    np.testing.assert_allclose(centre_and_scale(rare, None, "huber")[1], known)
    assert centre_and_scale(np.full((9, 1), 7.0), None, "huber")[1].tolist() == [1.0]


@pytest.mark.parametrize("loss", ["huber", "absolute_error", "pinball"])
def test_outliers_do_not_move_nets_of_robust_losses(loss):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, 3))
    clean = 3 * np.sin(X[:, 0]) + X[:, 1] + 0.1 * rng.normal(size=600)
    y = clean.copy()
    y[:3] += 3000.0
    options = {"hidden_layer_sizes": (32,), "max_iter": 80, "learning_rate_init": 0.01}
    for model in (regressor(**options, loss=loss), bagged(regressor(**options, loss=loss))):
        net = model.fit(X[:450], y[:450])
        assert net.score(X[450:], clean[450:]) > 0.9
    assert regressor(**options).fit(X[:450], y[:450]).score(X[450:], clean[450:]) < 0.9


def _two_layers(n_features):
    from torch import nn

    return nn.Sequential(nn.Linear(n_features, 32), nn.ReLU(), nn.Linear(32, 1))


@pytest.mark.parametrize("loss", ["huber", "absolute_error", "pinball"])
@pytest.mark.parametrize("own", [False, True])
def test_absurd_targets_do_not_hide_the_loss_of_the_others(loss, own):
    """Beside 1e9, single precision has no room for what the other rows lose."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(800, 3))
    clean = 3 * np.sin(X[:, 0]) + X[:, 1] + 0.1 * rng.normal(size=800)
    y = clean.copy()
    y[::20] = 1e9
    options = {"loss": loss, "max_iter": 80, "learning_rate_init": 0.01, "random_state": 0}
    if own:
        net = RegularizedNetRegressor(_two_layers, **options)
    else:
        net = regressor(**options, hidden_layer_sizes=(32,))
    net.fit(X[:500], y[:500], X_val=X[500:], y_val=y[500:])
    kept = y < 1e9
    assert net.best_iter_ > 5
    assert net.score(X[kept], clean[kept]) > 0.9


def test_module_has_the_robust_scale(X, y_real):
    torch = pytest.importorskip("torch")
    y = np.r_[y_real[:-2], 1e5, -1e5]
    net = regressor(loss="huber", dtype="float64").fit(X, y)
    with torch.no_grad():
        out = net.module_(torch.from_numpy(X)).numpy()[:, 0]
    np.testing.assert_allclose(out, net.predict(X), rtol=1e-10)


# -- first rows of partial_fit ---------------------------------------------------------------------


def test_one_row_under_batch_norm_is_refused(X, y_real, y_binary):
    message = r"one row .* batch_norm=True needs at least 2.* set batch_norm=False"
    for net, y in ((regressor(), y_real), (classifier(), y_binary)):
        with pytest.raises(ValueError, match=message):
            net.partial_fit(X[:1], y[:1])
        assert not hasattr(net, "n_features_in_")  # as it was
        net.partial_fit(X, y)
        before = net.coefs_[0]
        with pytest.raises(ValueError, match=message):
            net.partial_fit(X[:1], y[:1])
        with pytest.raises(ValueError, match=message):  # what has no weight is no row
            net.partial_fit(X[:2], y[:2], sample_weight=[1, 0])
        np.testing.assert_array_equal(net.coefs_[0], before)


def test_one_row_a_call_learns_without_batch_norm(X, y_binary):
    net = classifier(
        batch_norm=False, dropout=0.0, learning_rate_init=0.01, hidden_layer_sizes=(16,)
    )
    for _ in range(8):
        for i in range(90):
            net.partial_fit(X[i : i + 1], y_binary[i : i + 1], classes=[0, 1])
    assert net.score(X, y_binary) > 0.8


def test_the_first_call_has_to_tell_the_scale_of_the_target(X, y_real):
    net = regressor(batch_norm=False)
    message = "fixes the scale of the target, which one row does not tell.*scale_target=False"
    with pytest.raises(ValueError, match=message):
        net.partial_fit(X[:1], y_real[:1])
    for rows, y in ((4, y_real[:4]), (20, np.zeros(20))):
        with pytest.warns(UserWarning, match=rf"its {rows} rows are few, or have one value only"):
            clone(net).partial_fit(X[:rows], y)
    net.partial_fit(X[:20], y_real[:20])
    net.partial_fit(X[:1], y_real[:1])
    clone(net).set_params(scale_target=False).partial_fit(X[:1], [0.5])
    clone(net).set_params(loss="poisson").partial_fit(X[:1], [3.0])


@pytest.mark.parametrize("loss", ["huber", "absolute_error", "pinball"])
def test_targets_beyond_the_precision_of_training_are_refused_before_it(loss):
    """Beside targets of usual size these are infinite in float32, and the net would be untrained."""
    X = np.random.default_rng(0).normal(size=(60, 3))
    y = X[:, 0].copy()
    y[3] = 1e300
    net = RegularizedMLPRegressor((4,), loss=loss, max_iter=2, random_state=0)
    before = dict(vars(net))
    with pytest.raises(ValueError, match=r"y has a value of 1e\+300.*dtype='float32'.*float64"):
        net.fit(X, y)
    assert vars(net) == before


@pytest.mark.parametrize(
    "transform", [lambda y: (y - y.mean()) / y.std(), np.log], ids=["std", "log"]
)
def test_validation_targets_that_were_not_transformed_are_warned_of(transform):
    X = np.random.default_rng(0).normal(size=(200, 3))
    y = 1e4 + 50 * X[:, 0]
    net = RegularizedMLPRegressor((4,), max_iter=2, random_state=0)
    own = transform(y)
    with pytest.warns(UserWarning, match="y_val does not look like y.*TransformedTargetRegressor"):
        net.fit(X[:150], own[:150], X_val=X[150:], y_val=y[150:])
    search = RegularizedMLPRegressorCV(net, n_settings=1, random_state=0)
    with pytest.warns(UserWarning, match="y_val does not look like y.*TransformedTargetRegressor"):
        search.fit(X[:150], own[:150], X_val=X[150:], y_val=y[150:])
    net.fit(X[:150], own[:150], X_val=X[150:], y_val=own[150:])  # warns of nothing
    order = np.argsort(y)
    net.fit(X[order[:150]], y[order[:150]], X_val=X[order[150:]], y_val=y[order[150:]])
