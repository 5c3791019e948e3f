"""`groups` in `fit`: rows that belong together are never on both sides of a split."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import sklearn
import torch
from joblib import parallel_config
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    StratifiedGroupKFold,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skreg.estimators.base as base
from skreg import (
    BaggedMLPClassifier,
    BaggedMLPRegressor,
    RegularizedMLPClassifier,
    RegularizedMLPRegressor,
)
from skreg.estimators.split import check_groups, hold_out

NET = {
    "scale_features": None,  # so that rows are recognised by their numbers
    "hidden_layer_sizes": (4,),
    "numeric_embedding": None,
    "max_iter": 3,
    "learning_rate_init": 0.02,
    "dtype": "float64",
    "random_state": 0,
}
NETS = [RegularizedMLPClassifier(**NET), RegularizedMLPRegressor(**NET)]


def bag(net, **changes):
    kind = BaggedMLPClassifier if hasattr(net, "class_weight") else BaggedMLPRegressor
    return kind(net, **{"n_estimators": 6, "random_state": 0, **changes})


@pytest.fixture(scope="module")
def table():
    """180 rows of 30 patients, who differ in how many rows they have; the first column numbers the rows."""
    rng = np.random.default_rng(0)
    groups = rng.permutation(np.r_[np.arange(30), rng.choice(30, 150, p=np.arange(30) / 435)])
    X = rng.normal(size=(180, 3))
    y = (X[:, 1] + rng.normal(size=30)[groups] > 0.6).astype(int)
    return np.column_stack([np.arange(180) / 50, X[:, 1:]]), y, groups


def numbers(X):
    """Which rows of the table these are."""
    return np.rint(50 * np.asarray(X)[:, 0]).astype(int)


@pytest.fixture
def jobs(monkeypatch):
    """What the nets hand to the engine."""
    seen = []
    submit = base.submit
    monkeypatch.setattr(base, "submit", lambda job: submit(seen.append(job) or job))
    return seen


# -- the split -------------------------------------------------------------------------------------


def spread_of(y, valid):
    """How far the share of a class that is held out is from that of all rows, at most."""
    return np.abs(
        np.bincount(y[valid], minlength=y.max() + 1) / np.bincount(y) - len(valid) / len(y)
    ).max()


@pytest.mark.parametrize("fraction", [0.1, 0.15, 0.4, 0.75, 40])
def test_whole_groups_are_held_out_near_the_fraction(table, fraction):
    _, y, groups = table
    wanted = fraction if isinstance(fraction, int) else fraction * 180
    for classes in (None, y):
        splits = [hold_out(180, fraction, seed, classes, groups) for seed in range(10)]
        for train, valid in splits:
            assert not set(groups[train]) & set(groups[valid])
            assert sorted([*train, *valid]) == list(range(180))
            assert abs(len(valid) - wanted) <= 2
            assert classes is None or spread_of(y, valid) < 0.04
        assert len({tuple(valid) for _, valid in splits}) > 5
        again = hold_out(180, fraction, 3, classes, groups)[1]
        assert_array_equal(again, splits[3][1])
        # The names of the groups do not matter.
        assert_array_equal(hold_out(180, fraction, 3, classes, 1000 + 7 * groups)[1], again)


def test_it_is_as_near_as_the_folds_of_scikit_learn(table):
    """StratifiedGroupKFold holds out a fifth of the rows, no other share, and takes longer than a fit."""
    _, y, groups = table
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=0).split(y, y, groups)
    theirs = max(spread_of(y, valid) + abs(len(valid) / 180 - 0.2) for _, valid in folds)
    splits = [hold_out(180, 0.2, seed, y, groups)[1] for seed in range(5)]
    assert max(spread_of(y, valid) + abs(len(valid) / 180 - 0.2) for valid in splits) <= theirs


def test_groups_of_one_class_each_are_stratified():
    """As patients who are ill or not: groups are the rows, and classes are met."""
    groups = np.repeat(np.arange(40), 5)
    y = (groups % 4 == 0).astype(int)
    for seed in range(10):
        valid = hold_out(200, 0.2, seed, y, groups)[1]
        assert np.bincount(y[valid]).tolist() == [30, 10]


def test_a_class_that_one_group_has_alone_stays_in_training():
    groups = np.repeat(np.arange(12), 10)
    y = np.where(groups == 5, 2, np.arange(120) % 2)
    for seed in range(20):
        train, valid = hold_out(120, 0.15, seed, y, groups)
        assert set(y[train]) == {0, 1, 2}
        assert len(valid) == 20
    # Where each class is of one group, there is no other way.
    train, valid = hold_out(30, 0.3, 0, np.repeat([0, 1, 2], 10), np.repeat([0, 1, 2], 10))
    assert (len(train), len(valid)) == (20, 10)


@pytest.mark.parametrize("sizes", [(50, 50), (98, 2), (2, 98)])
@pytest.mark.parametrize("fraction", [0.01, 0.15, 0.6, 0.99])
def test_two_groups_are_one_for_each_side(sizes, fraction):
    groups = np.repeat([0, 1], sizes)
    train, valid = hold_out(100, fraction, 0, None, groups)
    assert len(set(groups[train])) == len(set(groups[valid])) == 1
    assert abs(len(valid) / 100 - fraction) <= abs(len(train) / 100 - fraction)


def test_very_many_groups():
    """More than are looked at one by one."""
    groups = np.repeat(np.arange(5000), 2)
    y = np.random.default_rng(0).integers(0, 3, 10_000)
    train, valid = hold_out(10_000, 0.15, 0, y, groups)
    assert not set(groups[train]) & set(groups[valid])
    assert abs(len(valid) - 1500) <= 10 and spread_of(y, valid) < 0.01


def test_without_groups_the_split_is_what_it_was(table):
    _, y, _ = table
    valid = hold_out(180, 0.05, 0, y)[1]
    assert len(valid) == 9
    assert_array_equal(valid, hold_out(180, 0.05, 0, y, None)[1])


# -- nets ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("net", NETS, ids=lambda net: type(net).__name__)
def test_a_net_holds_out_whole_groups(table, jobs, net):
    X, y, groups = table
    fitted = clone(net).fit(X, y, groups=groups)
    job = jobs[0]
    train, valid = numbers(job.X), numbers(job.X_val)
    assert not set(groups[train]) & set(groups[valid])
    assert len(train) + len(valid) == 180 and abs(len(valid) - 27) <= 2
    names = np.array([f"patient {g}" for g in groups])
    assert_array_equal(clone(net).fit(X, y, groups=pd.Series(names)).predict(X), fitted.predict(X))
    clone(net).fit(X, y)
    assert set(groups[numbers(jobs[-1].X)]) & set(groups[numbers(jobs[-1].X_val)])


@pytest.mark.filterwarnings("ignore:On the validation rows this")
@pytest.mark.parametrize("weighted", ["sample_weight", "class_weight"])
def test_rows_of_weight_zero_are_gone_with_their_groups(table, jobs, weighted):
    X, y, groups = table
    net, options = RegularizedMLPClassifier(**NET), {}
    if weighted == "sample_weight":
        left = groups > 15
        options["sample_weight"] = left.astype(float)
    else:
        y = np.where(groups <= 15, 2, y)
        left = y != 2
        net.set_params(class_weight={2: 0})
    net.fit(X, y, groups=groups, **options)
    train, valid = numbers(jobs[0].X), numbers(jobs[0].X_val)
    assert_array_equal(np.sort([*train, *valid]), np.flatnonzero(left))
    assert not set(groups[train]) & set(groups[valid])
    # The same as without these rows.
    if weighted == "sample_weight":
        known = clone(net).fit(X[left], y[left], groups=groups[left])
        assert_array_equal(known.predict_proba(X), net.predict_proba(X))


def test_where_nothing_is_held_out_groups_change_nothing(table):
    X, y, groups = table
    passed = {"X_val": X[:40], "y_val": y[:40]}
    for net, options in (
        (RegularizedMLPClassifier(**NET, early_stopping=False), {}),
        (RegularizedMLPClassifier(**NET), passed),
    ):
        known = clone(net).fit(X, y, **options).predict_proba(X)
        for labels in (groups, np.zeros(180)):
            found = clone(net).fit(X, y, groups=labels, **options).predict_proba(X)
            assert_array_equal(found, known)


# -- what is refused -------------------------------------------------------------------------------


GAPS = {
    "list": ["a", np.nan, "b"],
    "none": ["a", None, "b"],
    "floats": np.array([1.0, np.nan, 2.0]),
    "series": pd.Series([1, pd.NA, 2], dtype="Int64"),
    "categories": pd.Series(["a", None, "b"], dtype="category"),
    "dates": pd.Series(["2020-01-01", None, "2020-01-02"], dtype="datetime64[ns]"),
    "tensor": torch.tensor([1.0, torch.nan, 2.0]),
}


@pytest.mark.parametrize("groups", GAPS.values(), ids=GAPS)
def test_gaps_are_refused(groups):
    with pytest.raises(
        ValueError, match=r"groups has 1 missing values, the first in row 1: .*Give each"
    ):
        check_groups(groups, 3)


@pytest.mark.parametrize(
    "groups",
    [
        ["b", "a", "b"],
        [2, 1.5, 2.0],
        [("x"), 1, "x"],
        pd.Series(["b", "a", "b"], dtype="category"),
        np.array([[2], [1], [2]]),
        torch.tensor([2, 1, 2]),
        np.array(["2020-01-01", "2021-01-01", "2020-01-01"], dtype="M8[D]"),
    ],
)
def test_labels_of_any_kind(groups):
    assert check_groups(groups, 3).tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (np.arange(179), r"groups has the shape \(179,\), but X has 180 rows\. Pass one label"),
        (np.zeros((180, 2)), r"groups has the shape \(180, 2\)"),
        (3, r"groups has the shape \(\)"),
        ([[1]] * 179 + [[1, 2]], r"groups holds values that are no labels, such as \[1\]"),
        (
            ["a"] * 180,
            r"groups has one value for all 180 rows .* Pass X_val and y_val, set early_st",
        ),
    ],
)
@pytest.mark.parametrize("model", [NETS[0], NETS[1], bag(NETS[0]), bag(NETS[1], stopping="member")])
def test_errors_come_before_training(table, monkeypatch, model, groups, message):
    for module in ("estimators.base.submit", "estimators.bagging.members.submit_many"):
        monkeypatch.setattr(f"skreg.{module}", None)
    model = clone(model)
    before = vars(model).copy()
    with pytest.raises(ValueError, match=message):
        model.fit(table[0], table[1], groups=groups)
    assert vars(model) == before


def test_a_member_of_one_group_cannot_hold_any_out(table):
    X, y, groups = table
    with pytest.raises(ValueError, match=r"rows of a single group \(max_samples=1 groups of 30\)"):
        bag(NETS[0], stopping="member", max_samples=1).fit(X, y, groups=groups)
    message = r"all of its max_samples=1 groups, of 30, are held out for stopping='ensemble'"
    with pytest.raises(ValueError, match=message):
        bag(NETS[0], n_estimators=40, max_samples=1).fit(X, y, groups=groups)
    with pytest.raises(ValueError, match="max_samples=31 is more than the 30 that can be drawn"):
        bag(NETS[0], max_samples=31, bootstrap=False).fit(X, y, groups=groups)


# -- ensembles -------------------------------------------------------------------------------------


@pytest.mark.parametrize("net", NETS, ids=lambda net: type(net).__name__)
@pytest.mark.parametrize("stopping", ["ensemble", "member"])
def test_members_are_drawn_whole_groups(table, net, stopping):
    X, y, groups = table
    model = bag(net, stopping=stopping).fit(X, y, groups=groups)
    sizes = np.bincount(groups)
    held_out = set() if stopping == "member" else set(groups[model.validation_samples_])
    if held_out:
        assert abs(len(model.validation_samples_) - 27) <= 2
        assert sum(sizes[list(held_out)]) == len(model.validation_samples_)
    for rows in model.estimators_samples_:
        counts = np.bincount(rows, minlength=180)
        drawn = [set(counts[groups == group]) for group in range(30)]
        assert all(len(one) == 1 for one in drawn)  # all rows of a group as often
        times = np.array([one.pop() for one in drawn])
        assert times.max() > 1 and not times[list(held_out)].any()
        if stopping == "member":
            assert times.sum() == 30
    assert len({tuple(rows) for rows in model.estimators_samples_}) == 6


def test_a_member_that_stops_by_itself_holds_out_groups_of_its_own(table, monkeypatch):
    from skreg.estimators.bagging import members

    seen = []
    submit = members.submit_many
    monkeypatch.setattr(members, "submit_many", lambda jobs: submit(seen.extend(jobs) or jobs))
    X, y, groups = table
    model = bag(NETS[0], stopping="member").fit(X, y, groups=groups)
    for job, rows in zip(seen, model.estimators_samples_, strict=True):
        train, valid = numbers(job.X), numbers(job.X_val)
        assert len(valid) and not set(groups[train]) & set(groups[valid])
        assert_array_equal(np.sort([*train, *valid]), np.unique(rows))


def test_out_of_bag_rows_are_of_groups_not_drawn(table):
    X, y, groups = table
    net = clone(NETS[0]).set_params(early_stopping=False)
    model = bag(net, n_estimators=15, oob_score=True).fit(X, y, groups=groups)
    total, count = np.zeros((180, 2)), np.zeros((180, 1))
    for member, rows in zip(model.estimators_, model.estimators_samples_, strict=True):
        out = ~np.isin(groups, groups[rows])
        total[out] += member.predict_proba(X[out])
        count[out] += 1
    assert_allclose(model.oob_decision_function_, total / count, rtol=1e-10)


def test_drawn_rows_keep_their_weights(table):
    """A group of weight two is the group whose rows are given twice."""
    X, y, groups = table
    net = clone(NETS[1]).set_params(early_stopping=False, batch_size=1000)
    weight = np.where(groups % 3 == 0, 2.0, 1.0)
    twice = np.r_[np.arange(180), np.flatnonzero(weight == 2)]
    weighted = bag(net).fit(X, y, weight, groups=groups)
    repeated = bag(net).fit(X[twice], y[twice], groups=groups[twice])
    for one, other in zip(weighted._bags, repeated._bags, strict=True):
        counts = weighted._bags.counts(one[1])
        again = np.bincount(twice[other[1]], minlength=180)
        assert_array_equal(counts, again)
    # Groups without weight are not drawn, and a row without weight trains no member.
    gone = np.where(groups < 10, 0.0, 1.0)
    model = bag(net).fit(X, y, gone, groups=groups)
    assert all((groups[rows] >= 10).all() for rows in model.estimators_samples_)
    assert len(set(groups[model.estimators_samples_[0]])) < 20


def test_without_replacement_some_groups_are_drawn(table):
    X, y, groups = table
    model = bag(NETS[0], bootstrap=False, max_samples=0.5, stopping="member").fit(
        X, y, groups=groups
    )
    for rows in model.estimators_samples_:
        assert len(set(groups[rows])) == 15 and len(set(rows)) == len(rows)
        assert np.isin(groups, groups[rows]).sum() == len(rows)


# -- inside scikit-learn ---------------------------------------------------------------------------


@pytest.mark.parametrize("net", [NETS[0], bag(NETS[0], n_estimators=2)], ids=["net", "bag"])
def test_groups_are_routed_with_the_backend_and_without(table, net):
    X, y, groups = table
    with sklearn.config_context(enable_metadata_routing=True):
        asks = clone(net).set_fit_request(groups=True)
        model = make_pipeline(StandardScaler(), asks)

        def run(model):
            options = {"cv": GroupKFold(3), "scoring": "neg_log_loss"}
            return cross_validate(model, X, y, params={"groups": groups}, **options)["test_score"]

        serial = run(model)
        with parallel_config(backend="skreg"):
            batched = run(model)
        assert_allclose(batched, serial, atol=1e-10)
        blind = run(make_pipeline(StandardScaler(), clone(net).set_fit_request(groups=False)))
        assert np.abs(blind - serial).max() > 1e-6
    by_hand = [
        clone(net).fit(X_train, y[train], groups=groups[train])
        for train, _ in GroupKFold(3).split(X, y, groups)
        for X_train in [StandardScaler().fit_transform(X[train])]
    ]
    test = next(GroupKFold(3).split(X, y, groups))
    scaled = StandardScaler().fit(X[test[0]]).transform(X[test[1]])
    p = by_hand[0].predict_proba(scaled)[np.arange(len(test[1])), y[test[1]]]
    assert serial[0] == pytest.approx(np.mean(np.log(p)), abs=1e-10)


def test_a_search_and_its_refit_get_the_groups(table, jobs):
    X, y, groups = table
    with sklearn.config_context(enable_metadata_routing=True):
        net = RegularizedMLPClassifier(**NET).set_fit_request(groups=True)
        search = GridSearchCV(net, {"dropout": [0.0, 0.5]}, cv=GroupKFold(2))
        search.fit(X, y, groups=groups)
    assert len(jobs) == 5
    for job in jobs:
        assert not set(groups[numbers(job.X)]) & set(groups[numbers(job.X_val)])
