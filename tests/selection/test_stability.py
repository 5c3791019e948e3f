from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Lasso, Ridge
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_param_validation, parametrize_with_checks

from skreg import (
    RegularizedLinearClassifier,
    RegularizedLinearRegressor,
    RegularizedMLPClassifier,
    StabilitySelector,
)
from skreg.selection import stability
from skreg.selection.bounds import false_selections
from skreg.selection.halves import complementary_pairs
from tests.checks import parametrize_with_settings

FEW = {"n_pairs": 4, "n_strengths": 3}


@parametrize_with_settings(
    [
        StabilitySelector(RegularizedLinearRegressor(l2=0.0), **FEW, pfer=None),
        StabilitySelector(
            RegularizedLinearClassifier(l2=0.0, tol=1e-2), n_pairs=2, n_strengths=2, pfer=None
        ),
        StabilitySelector(
            RegularizedMLPClassifier((4,), max_iter=5), n_pairs=2, n_strengths=2, pfer=None
        ),
    ],
    lambda estimator: {},
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks([StabilitySelector(n_pairs=2, n_strengths=2, pfer=None)])
def test_scikit_learn_checks_of_the_default_net(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    ("rows", "match"),
    [(0, "0 sample"), (1, "1 sample|n_samples=1"), (3, "n_samples=3, too few for halves")],
)
def test_too_few_rows_are_refused_in_words_by_the_default_too(rows, match):
    with pytest.raises(ValueError, match=match):
        StabilitySelector().fit(np.ones((rows, 2)), np.arange(rows) * 0.5)


def test_param_validation():
    check_param_validation("StabilitySelector", StabilitySelector())


@pytest.fixture(scope="module")
def selector(linear_table, lasso):
    model = StabilitySelector(lasso, n_pairs=10, n_strengths=8, threshold=0.8, random_state=0)
    return model.fit(*linear_table)


def test_probabilities_are_shares_of_half_samples(selector, linear_table):
    X, y = (np.asarray(part) for part in linear_table)
    rng = np.random.RandomState(0)
    halves = complementary_pairs(len(y), 10, rng)
    used = np.zeros((20, 8, 12), dtype=bool)
    for h, rows in enumerate(halves):
        for s, strength in enumerate(selector.strengths_):
            oracle = Lasso(alpha=strength * y[rows].std(), tol=1e-10, max_iter=10_000)
            used[h, s] = oracle.fit(X[rows], y[rows]).coef_ != 0
    np.testing.assert_allclose(selector.selection_path_, used.mean(axis=0))
    by_then = np.logical_or.accumulate(used, axis=1).sum(axis=2).mean(axis=0)
    np.testing.assert_allclose(selector.mean_selected_, by_then)
    most = selector.selection_path_[: selector.n_strengths_].max(axis=0)
    np.testing.assert_array_equal(selector.selection_probabilities_, most)


def test_the_allowed_number_of_false_selections_chooses_strengths(selector):
    bounds = [false_selections(q, 12, 0.8, 10) for q in selector.mean_selected_]
    assert selector.n_strengths_ == sum(bound <= 1.0 for bound in bounds) < 8
    assert selector.expected_false_selections_ == bounds[selector.n_strengths_ - 1] <= 1.0


def test_it_selects_what_matters(selector, linear_table):
    X, _ = linear_table
    assert selector.get_support(indices=True).tolist() == [2, 5, 7]
    assert selector.get_feature_names_out().tolist() == ["c2", "c5", "c7"]
    np.testing.assert_array_equal(selector.transform(X), X[["c2", "c5", "c7"]])
    out = clone(selector).set_output(transform="pandas").fit_transform(X, linear_table[1])
    assert list(out) == ["c2", "c5", "c7"]


def test_frame(selector):
    frame = selector.frame()
    assert frame["feature"][:1].tolist() == ["c2"]
    assert frame["probability"].is_monotonic_decreasing
    assert frame.index[frame["selected"]].tolist() == [2, 5, 7]


def test_without_a_limit_all_strengths_count(linear_table, lasso):
    model = StabilitySelector(lasso, **FEW, pfer=None, random_state=0).fit(*linear_table)
    assert model.n_strengths_ == 3
    q = model.mean_selected_[-1]
    assert model.expected_false_selections_ == false_selections(q, 12, 0.6, 4)


@pytest.mark.slow
def test_threshold_and_bound(linear_table, lasso):
    """A higher threshold lets weaker strengths count, and so does the smaller bound."""
    counts = {}
    for name, changes in {
        "low": {"threshold": 0.6},
        "high": {"threshold": 0.9},
        "worst": {"threshold": 0.9, "bound": "worst-case"},
    }.items():
        model = StabilitySelector(lasso, n_pairs=10, n_strengths=20, random_state=0, **changes)
        counts[name] = model.fit(*linear_table).n_strengths_
    assert counts["low"] < counts["worst"] < counts["high"]


def test_a_limit_that_no_strength_keeps_selects_nothing(linear_table, lasso):
    model = StabilitySelector(lasso, strengths=[1e-3], n_pairs=3, pfer=0.1)
    with pytest.warns(UserWarning, match="No strength counts"):
        model.fit(*linear_table)
    assert not model.get_support().any()
    assert model.expected_false_selections_ == 0.0


def test_seeds(linear_table, lasso):
    one, again, other = (
        StabilitySelector(lasso, **FEW, pfer=None, random_state=seed).fit(*linear_table)
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(one.selection_path_, again.selection_path_)
    assert not np.array_equal(one.selection_path_, other.selection_path_)


def test_pickles(selector, linear_table):
    copy = pickle.loads(pickle.dumps(selector))
    np.testing.assert_array_equal(
        copy.transform(linear_table[0]), selector.transform(linear_table[0])
    )


def test_in_a_pipeline(linear_table, lasso):
    select = StabilitySelector(lasso, n_pairs=5, threshold=0.8, random_state=0)
    model = make_pipeline(StandardScaler(), select, Ridge())
    assert cross_val_score(model, *linear_table, cv=3).min() > 0.8
    assert model.fit(*linear_table)[-1].n_features_in_ == 3


def test_a_pipeline_inside_keeps_the_columns(linear_table, lasso):
    X, y = linear_table
    inside = StabilitySelector(make_pipeline(StandardScaler(), lasso), **FEW, pfer=None)
    assert inside.fit(X, y).n_features_in_ == 12
    changed = StabilitySelector(make_pipeline(PCA(), lasso), **FEW)
    with pytest.raises(ValueError, match=r"make 12 columns \(pca0, pca1, pca2, ...\)"):
        changed.fit(X, y)
    assert not hasattr(changed, "n_features_in_")


def test_weights_go_with_their_rows(linear_table):
    """Rows of weight zero are as if they were not there, wherever the halves put them."""
    X, y = linear_table
    seen = []

    class Watched(RegularizedLinearRegressor):
        def fit(self, X, y, sample_weight=None):
            seen.append((y, sample_weight))
            return super().fit(X, y, sample_weight)

    model = StabilitySelector(Watched(l2=0.0), n_pairs=2, strengths=[0.1], pfer=None)
    model.fit(X, y, sample_weight=np.abs(y))
    assert len(seen) == 4
    for rows, weight in seen:
        np.testing.assert_array_equal(weight, np.abs(rows))
    seen.clear()
    inside = make_pipeline(StandardScaler(), Watched(l2=0.0))
    model.set_params(estimator=inside).fit(X, y, watched__sample_weight=np.abs(y))
    np.testing.assert_array_equal(seen[0][1], np.abs(seen[0][0]))


def test_metadata_is_routed(linear_table):
    X, y = linear_table
    with sklearn.config_context(enable_metadata_routing=True):
        lasso = RegularizedLinearRegressor(l2=0.0).set_fit_request(sample_weight=True)
        select = StabilitySelector(lasso, **FEW, pfer=None, random_state=0)
        select.set_fit_request(groups=True)
        pipeline = make_pipeline(StandardScaler(), select, Ridge())
        groups = np.repeat(np.arange(10), 15)
        pipeline[-1].set_fit_request(sample_weight=False)
        pipeline[0].set_fit_request(sample_weight=False)
        pipeline.fit(X, y, sample_weight=np.ones(len(y)), groups=groups)
    direct = clone(select).fit(pipeline[0].transform(X), y, groups=groups)
    np.testing.assert_array_equal(pipeline[1].selection_path_, direct.selection_path_)


def test_one_group_has_no_halves(linear_table, lasso):
    X, y = linear_table
    with pytest.raises(
        ValueError, match=r"groups has one value for all .* Give two groups or more"
    ):
        StabilitySelector(lasso, n_pairs=2).fit(X, y, groups=np.zeros(len(y)))


def test_groups_are_not_split(linear_table):
    """All rows of a group have one target, so that the halves show which groups they have."""
    X, _ = linear_table
    groups = np.repeat(np.arange(30), 5)
    seen = []

    class Watched(RegularizedLinearRegressor):
        def fit(self, X, y, sample_weight=None):
            seen.append(np.bincount(y.astype(int), minlength=30))
            return super().fit(X, y, sample_weight)

    model = StabilitySelector(Watched(), n_pairs=3, strengths=[0.1], pfer=None)
    model.fit(X, groups.astype(float), groups=[f"g{g}" for g in groups])
    assert len(seen) == 6
    assert all(set(counts) <= {0, 5} for counts in seen)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"strengths": [-1.0]}, "numbers > 0"),
        ({"threshold": 0.4}, "'threshold' parameter"),
        ({"pfer": 0}, "'pfer' parameter"),
    ],
)
def test_what_is_refused(linear_table, lasso, changes, match):
    model = StabilitySelector(lasso, **FEW).set_params(**changes)
    with pytest.raises(ValueError, match=match):
        model.fit(*linear_table)
    with pytest.raises(NotFittedError):
        model.get_support()


def test_a_failed_fit_leaves_the_selector_as_it_was(selector, linear_table):
    X, y = linear_table
    fitted = clone(selector).fit(X, y)
    before = fitted.selection_path_.copy()
    with pytest.raises(ValueError, match="contains NaN"):
        fitted.fit(pd.DataFrame(X.to_numpy()), np.full(len(y), np.nan))
    np.testing.assert_array_equal(fitted.selection_path_, before)
    assert fitted.get_feature_names_out().tolist() == ["c2", "c5", "c7"]


def test_a_class_that_not_each_half_can_have_is_refused_before_anything_is_fitted(monkeypatch):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 3)), np.array(["no"] * 39 + ["yes"])
    monkeypatch.setattr(stability, "run_together", lambda *_: pytest.fail("it trained"))
    selector = StabilitySelector(RegularizedLinearClassifier(), n_pairs=4, random_state=0)
    with pytest.raises(
        ValueError, match="1 of 40 rows of the class 'yes', and the two halves need one"
    ):
        selector.fit(X, y)


def test_frames_of_other_types_are_transformed(linear_table):
    pytest.importorskip("pyarrow")
    X, y = linear_table
    frame = pd.DataFrame(X).add_prefix("c").assign(k=np.resize(["u", "v"], len(y)))
    arrow = frame.convert_dtypes(dtype_backend="pyarrow")
    options = {"strengths": [1e-6, 1e-7], "pfer": None, "random_state": 0, **FEW}
    selector = StabilitySelector(RegularizedLinearRegressor(), **options).fit(arrow, y)
    kept = selector.transform(arrow)
    assert kept.shape == (len(y), selector.get_support().sum())
    np.testing.assert_array_equal(
        kept[:, 0].astype(float), frame.iloc[:, selector.get_support()].iloc[:, 0]
    )
    shown = selector.set_output(transform="pandas").transform(arrow)
    assert list(shown) == list(arrow.columns[selector.get_support()])
