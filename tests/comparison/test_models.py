"""What is read off fitted models."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.ensemble import BaggingClassifier
from sklearn.linear_model import Lasso, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skreg import BaggedMLPClassifier, RegularizedMLPClassifier
from skreg.comparison.models import model_facts

X, Y = load_iris(return_X_y=True)
LINEAR = LogisticRegression(max_iter=500)


@pytest.fixture(scope="module")
def net():
    return MLPClassifier((3,), solver="lbfgs", max_iter=500, random_state=0).fit(X, Y)


def test_linear_model():
    model = Lasso().fit(np.column_stack([X, 1e-9 * X[:, 0]]), Y)
    model.coef_[:] = [0, 0.5, 0, 2, 0]
    facts = model_facts(model)
    assert facts[1:] == (0.6, 2.0)
    assert np.isnan(facts.epochs)


def test_multiclass_counts_a_feature_that_any_class_uses():
    model = LogisticRegression(max_iter=500).fit(X, Y)
    model.coef_[:] = 0
    model.coef_[1, 2] = model.coef_[2, 2] = 1
    assert model_facts(model)[1:] == (10 / 12, 1.0)


def test_net(net):
    facts = model_facts(net)
    assert facts.epochs == net.n_iter_
    assert facts[1:] == (0.0, 4.0)
    zeroed = [layer.copy() for layer in net.coefs_]
    zeroed[0][1] = 0
    net.coefs_, kept = zeroed, net.coefs_
    assert model_facts(net)[1:] == (3 / 21, 3.0)
    net.coefs_ = kept


def test_what_was_made_of_a_feature_uses_it():
    """Columns 0, 2 and 3 are embedded; the inputs made of them stand behind the four columns."""
    X4 = X.copy()
    X4[:, 1] = X4[:, 1] > 3
    net = RegularizedMLPClassifier((3,), numeric_embedding="periodic", max_iter=1, random_state=0)
    net.fit(X4, Y)
    assert net.embedded_features_.tolist() == [0, 2, 3]
    assert model_facts(net).n_features_used == 4.0
    for rows, used in (([0, 4, 5, 6], 3.0), ([0, 1, 4, 5], 3.0), ([3, 10, 11, 12, 1], 2.0)):
        left = copy.deepcopy(net)
        left._params["weight_0"][:, rows] = 0
        assert model_facts(left).n_features_used == used


def test_members_with_embeddings_use_what_any_of_them_uses():
    net = RegularizedMLPClassifier((3,), numeric_embedding="periodic", max_iter=1)
    bag = BaggedMLPClassifier(net, n_estimators=2, random_state=0).fit(X, Y)
    for member, feature in zip(bag.estimators_, (0, 2), strict=True):
        member._params["weight_0"][:] = 0
        member._params["weight_0"][:, 4 + 3 * feature] = 1  # made of the feature alone
    assert model_facts(bag).n_features_used == 2.0


def test_through_pipeline_and_search():
    pipe = make_pipeline(StandardScaler(), LogisticRegression())
    search = GridSearchCV(pipe, {"logisticregression__C": [1.0]}, cv=2).fit(X, Y)
    assert model_facts(search).n_features_used == 4.0


def test_ensemble_is_the_union_of_its_members():
    bag = BaggingClassifier(LINEAR, n_estimators=2, random_state=0).fit(X, Y)
    for k, member in enumerate(bag.estimators_):
        member.coef_[:] = 0
        member.coef_[:, k] = 1
    assert model_facts(bag)[1:] == (0.75, 2.0)


def test_members_on_some_features_do_not_say_which_are_used():
    bag = BaggingClassifier(LINEAR, n_estimators=2, max_features=2, random_state=0)
    facts = model_facts(bag.fit(X, Y))
    assert np.isnan(facts.n_features_used)
    assert facts.zero_share == 0.0


def test_nothing_is_known_of_other_models():
    assert np.isnan(model_facts(KNeighborsClassifier().fit(X, Y))).all()
