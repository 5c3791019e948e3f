"""``group_l1`` on the estimators: known answers, what is told of columns, and scikit-learn's selectors."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from sklearn.base import clone
from sklearn.datasets import make_regression
from sklearn.feature_selection import RFE, RFECV, SelectFromModel
from sklearn.linear_model import MultiTaskLasso
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skreg import BaggedMLPRegressor, RegularizedMLPClassifier, RegularizedMLPRegressor


def table(n=300, d=8, seed=0):
    """Columns 0 and 1 count by their product, column 2 by itself."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    return X, X[:, 0] * X[:, 1] + X[:, 2] + 0.1 * rng.standard_normal(n)


def net(**changes):
    options = {
        **{"hidden_layer_sizes": (16,), "early_stopping": False, "numeric_embedding": None},
        **{"max_iter": 200, "learning_rate_init": 0.005, "batch_size": 32, "random_state": 0},
        **{"group_l1": 0.03, **changes},
    }
    return RegularizedMLPRegressor(**options)


@pytest.fixture(scope="module")
def fitted():
    X, y = table()
    return net().fit(pd.DataFrame(X, columns=list("abcdefgh")), y)


def exact(**changes):
    """A linear model that is trained until it stands still."""
    return RegularizedMLPRegressor(
        (),
        **{"early_stopping": False, "scale_target": False, "scale_features": None, "solver": "sgd"},
        **{"dtype": "float64", "learning_rate_init": 0.1, "learning_rate": "constant"},
        **{
            "batch_size": 500,
            "max_iter": 3000,
            "weight_decay": 0.0,
            "ema_decay": 0.0,
            "clip": False,
        },
        **changes,
    )


# -- known answers ----------------------------------------------------------------------------------


@pytest.mark.slow
def test_with_several_targets_it_is_the_multi_task_lasso():
    """scikit-learn's objective is half of the mean of squares as well, a row of weights a group."""
    X, y = make_regression(100, 12, n_informative=4, n_targets=3, noise=5.0, random_state=0)
    X, y = StandardScaler().fit_transform(X), StandardScaler().fit_transform(y)
    lasso = MultiTaskLasso(alpha=0.3, tol=1e-10).fit(X, y)
    found = exact(group_l1=0.3).fit(X, y)
    np.testing.assert_allclose(found.coefs_[0].T, lasso.coef_, atol=1e-6)
    np.testing.assert_array_equal(found.coefs_[0].T == 0, lasso.coef_ == 0)
    assert 0 < found.n_features_used_ < 12


# import numpy as np; from sklearn.datasets import make_regression
# from sklearn.preprocessing import StandardScaler; from skglm import GroupLasso
# X, y = make_regression(120, 12, n_informative=6, noise=20.0, random_state=1)
# X, y = StandardScaler().fit_transform(X), (y - y.mean()) / y.std()
# groups = [[0, 1, 2], [3], [4, 5], [6, 7, 8, 9], [10], [11]]
# weights = np.sqrt([len(g) for g in groups])
# GroupLasso(groups=groups, alpha=0.12, weights=weights, tol=1e-12).fit(X, y).coef_
SKGLM = """
    0.247527710 0.005958955 0.338432156 0 -0.023026165 0.299933797
    0.017438680 0.151864787 -0.014993030 0.007035264 0.204463643 0.100029321
"""


def test_groups_of_columns_are_those_of_skglm():
    X, y = make_regression(120, 12, n_informative=6, noise=20.0, random_state=1)
    X, y = StandardScaler().fit_transform(X), (y - y.mean()) / y.std()
    labels = [0, 0, 0, 1, 2, 2, 3, 3, 3, 3, 4, 5]
    known = np.array(SKGLM.split(), dtype=float)
    by_labels = exact(group_l1=0.12, feature_groups=labels).fit(X, y).coefs_[0][:, 0]
    by_lists = exact(group_l1=0.12, feature_groups=[[0, 1, 2], [4, 5], [6, 7, 8, 9]]).fit(X, y)
    np.testing.assert_allclose(by_labels, known, atol=1e-6)
    np.testing.assert_array_equal(by_labels == 0, known == 0)
    np.testing.assert_array_equal(by_lists.coefs_[0][:, 0], by_labels)


# -- what is told -------------------------------------------------------------------------------------


def test_columns_that_are_out_change_nothing(fitted):
    assert np.flatnonzero(fitted.selected_features_).tolist() == [0, 1, 2]
    assert fitted.n_features_used_ == 3
    importances = fitted.feature_importances_
    assert importances.sum() == pytest.approx(1)
    np.testing.assert_array_equal(importances > 0, fitted.selected_features_)
    X, _ = table(seed=1)
    X = pd.DataFrame(X, columns=list("abcdefgh"))
    shuffled = X.assign(d=X["d"].to_numpy()[::-1], h=0.0)
    np.testing.assert_array_equal(fitted.predict(shuffled), fitted.predict(X))
    assert (fitted.predict(X.assign(b=0.0)) != fitted.predict(X)).all()


def test_the_summary_names_columns_that_are_left(fitted):
    text = str(fitted.summary())
    assert "group_l1=0.03" in text
    assert "Columns used: 3 of 8: a, b, c." in text
    assert "Columns used" not in str(net(group_l1=0.0, max_iter=1).fit(*table()).summary())


def test_all_that_was_made_of_a_column_goes_with_it():
    """Its embedding, its levels, its indicator of gaps."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.standard_normal((400, 3)), columns=["signal", "noise", "gaps"])
    X["city"], X["shop"] = rng.choice(list("abc"), 400), [f"s{i}" for i in rng.integers(0, 30, 400)]
    y = np.sin(2 * X["signal"]) + (X["city"] == "a")
    X.loc[rng.uniform(size=400) < 0.2, "gaps"] = np.nan
    found = net(numeric_embedding="auto", group_l1=0.03, batch_size=100, max_iter=300).fit(X, y)
    assert found.selected_features_.tolist() == [True, False, False, True, False]
    made_of = found.input_features_
    assert len(made_of) > 20
    weights = np.abs(found.coefs_[0]).sum(axis=1)
    assert not weights[np.isin(made_of, [1, 2, 4])].any()


def columns_used(model, X, y):
    return model.n_features_used_


def test_more_strength_fewer_columns():
    X, y = table(d=20)
    grid = {"group_l1": [0.0, 0.003, 0.05]}
    with parallel_config(backend="skreg"):
        search = GridSearchCV(
            net(max_iter=100), grid, cv=2, refit=False, scoring=lambda e, X, y: -e.n_features_used_
        )
        used = -search.fit(X, y).cv_results_["mean_test_score"]
    assert used[0] == 20
    assert used[0] >= used[1] > used[2]


def test_a_bag_takes_groups_of_columns_to_its_members():
    """Where a member is given some columns, groups are of those."""
    X, y = table(d=6)
    member = net(max_iter=60, feature_groups=[0, 0, 0, 1, 1, 1], group_l1=0.03, scale_features=None)
    bag = BaggedMLPRegressor(member, n_estimators=3, max_features=4, random_state=0).fit(X, y)
    for one, columns in zip(bag.estimators_, bag.estimators_features_, strict=True):
        used = one.selected_features_
        for group in (columns < 3, columns >= 3):
            assert used[group].all() or not used[group].any()


@pytest.mark.parametrize("first", [0.0, 0.03])
def test_a_warm_start_may_turn_it_on_and_off(first):
    X, y = table()
    options = {"batch_norm": False, "warm_start": True}  # running statistics would move on
    model = net(group_l1=first, max_iter=5, **options).fit(X, y)
    before = model.coefs_[0].copy()
    model.set_params(group_l1=0.03 - first, max_iter=1, learning_rate_init=1e-9).fit(X, y)
    np.testing.assert_allclose(model.coefs_[0], before, atol=1e-6)


@pytest.mark.parametrize("groups", [[0, 1], [[0, 9]]])
def test_groups_that_do_not_fit_leave_the_estimator_as_it_was(groups):
    X, y = table(n=40)
    model = net(feature_groups=groups)
    with pytest.raises(ValueError, match="feature_groups"):
        model.fit(X, y)
    assert vars(model) == vars(clone(model))


# -- scikit-learn's selectors -----------------------------------------------------------------------------


def test_select_from_model_takes_the_columns_that_are_left():
    X, y = table()
    steps = make_pipeline(SelectFromModel(net()), net(group_l1=0.0, max_iter=20)).fit(X, y)
    assert steps[0].get_support(indices=True).tolist() == [0, 1, 2]
    assert steps[1].n_features_in_ == 3
    # Without the penalty it takes what is above the mean, as it does of forests.
    plain = SelectFromModel(net(group_l1=0.0, max_iter=20)).fit(X, y)
    importances = plain.estimator_.feature_importances_
    np.testing.assert_array_equal(plain.get_support(), importances >= importances.mean())


def test_recursive_elimination():
    X, y = table()
    ranked = RFE(net(max_iter=60, group_l1=0.005), n_features_to_select=3, step=2).fit(X, y)
    assert np.flatnonzero(ranked.support_).tolist() == [0, 1, 2]
    model = net(max_iter=60, group_l1=0.005)
    with parallel_config(backend="skreg"):
        chosen = RFECV(model, step=2, min_features_to_select=2, cv=2, n_jobs=2).fit(X, y)
    assert chosen.support_[:3].all()


def test_a_classifier_with_its_defaults_and_a_strength():
    """Embeddings and averages are no hindrance."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((600, 10))
    y = (X[:, 0] + X[:, 1] ** 2 + 0.3 * rng.standard_normal(600) > 1).astype(int)
    model = RegularizedMLPClassifier(
        (32,), group_l1=0.02, early_stopping=False, random_state=0
    ).fit(X, y)
    assert model.selected_features_[:2].all()
    assert model.n_features_used_ <= 6
    assert model.score(X, y) > 0.85
