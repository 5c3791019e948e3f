import numpy as np
import pytest
from scipy.stats import norm
from sklearn.preprocessing import StandardScaler

from skreg.estimators.columns.scales import POINTS, SCALES, learn_scale


@pytest.fixture
def x():
    rng = np.random.default_rng(0)
    return np.column_stack([rng.normal(3, 2, 60), rng.exponential(size=60), rng.integers(0, 4, 60)])


@pytest.mark.parametrize("kind", SCALES)
def test_a_row_of_weight_two_is_the_row_twice(kind, x):
    weight = np.random.default_rng(1).integers(1, 4, len(x))
    weighted = learn_scale(kind, x, weight.astype(float))
    repeated = learn_scale(kind, np.repeat(x, weight, axis=0), None)
    np.testing.assert_allclose(weighted(x.copy()), repeated(x.copy()), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", SCALES)
def test_gaps_are_left_out_and_stay(kind, x):
    gappy = x.copy()
    gappy[::5, 1] = np.nan
    scale = learn_scale(kind, gappy, None)
    alone = learn_scale(kind, gappy[~np.isnan(gappy[:, 1]), 1:2], None)
    scaled = scale(gappy.copy())
    assert np.isnan(scaled[::5, 1]).all() and np.isfinite(scaled[:, [0, 2]]).all()
    there = ~np.isnan(gappy[:, 1])
    np.testing.assert_array_equal(scaled[there, 1], alone(gappy[there, 1:2].copy())[:, 0])


def test_standard_is_that_of_scikit_learn(x):
    weight = np.linspace(0.5, 2.0, len(x))
    expected = StandardScaler().fit(x, sample_weight=weight).transform(x)
    np.testing.assert_allclose(learn_scale("standard", x, weight)(x.copy()), expected, rtol=1e-12)


def test_robust_by_hand():
    x = np.array([[0.0], [1.0], [2.0], [3.0], [4.0]])
    z = np.array([-2.0, -1.0, 0.0, 1.0, 2.0]) / 2.0  # median 2, quartiles 1 and 3
    expected = z / np.sqrt(1 + (z / 3) ** 2)
    np.testing.assert_allclose(learn_scale("robust", x, None)(x.copy())[:, 0], expected, rtol=1e-14)


def test_robust_takes_the_range_where_the_middle_half_is_one_value():
    x = np.array([[0.0], [0.0], [0.0], [0.0], [0.0], [8.0]])
    scaled = learn_scale("robust", x, None)(np.array([[4.0]]))
    assert scaled[0, 0] == pytest.approx(1 / np.sqrt(1 + 1 / 9))


def test_robust_bends_outliers_back():
    scale = learn_scale("robust", np.arange(100.0)[:, None], None)
    far = scale(np.array([[1e300], [-1e300], [1e9]]))
    np.testing.assert_allclose(far[:, 0], [3, -3, 3], rtol=1e-6)


def test_quantile_gives_normal_scores_of_the_middle_of_ranks():
    x = np.array([[5.0], [1.0], [5.0], [9.0]])
    scaled = learn_scale("quantile", x, None)(x.copy())[:, 0]
    np.testing.assert_allclose(scaled, norm.ppf([0.5, 0.125, 0.5, 0.875]), rtol=1e-12)
    outside = learn_scale("quantile", x, None)(np.array([[-50.0], [50.0], [3.0]]))[:, 0]
    middle = 0.5 * norm.ppf(0.125)  # on the line between 1 and 5
    np.testing.assert_allclose(outside, [norm.ppf(0.125), norm.ppf(0.875), middle], rtol=1e-12)


def test_quantile_keeps_few_points_of_many():
    x = np.random.default_rng(0).exponential(size=(5000, 1))
    scale = learn_scale("quantile", x, None)
    assert len(scale.points[0]) <= POINTS
    ranks = (np.argsort(np.argsort(x[:, 0])) + 0.5) / len(x)
    inner = (ranks > 0.02) & (ranks < 0.98)
    np.testing.assert_allclose(scale(x.copy())[inner, 0], norm.ppf(ranks[inner]), atol=0.02)


@pytest.mark.parametrize("kind", SCALES)
@pytest.mark.parametrize("value", [0.0, 1e6, -1e300])
def test_a_constant_column_becomes_zero(kind, value):
    x = np.full((7, 1), value)
    assert np.abs(learn_scale(kind, x, None)(x.copy())).max() <= 1e-9


@pytest.mark.parametrize("kind", SCALES)
def test_far_from_zero_is_as_good_as_near(kind):
    near = np.random.default_rng(0).normal(size=(200, 1))
    scaled = [learn_scale(kind, near + shift, None)(near + shift) for shift in (0.0, 1e6)]
    np.testing.assert_allclose(scaled[0], scaled[1], atol=1e-8)


@pytest.mark.parametrize("kind", SCALES)
def test_huge_numbers_have_a_scale(kind):
    x = np.array([[1e300], [-1e300], [2e299], [0.0]])
    assert np.isfinite(learn_scale(kind, x, None)(x.copy())).all()


@pytest.mark.parametrize("kind", SCALES)
@pytest.mark.parametrize("size", [1e-310, 5e-320, 1e300])
def test_the_smallest_and_the_largest_numbers_are_scaled_without_warnings(kind, size, x):
    with np.errstate(all="raise", under="ignore"):
        scale = learn_scale(kind, x * size, None)
    scaled = scale(x * size)
    assert np.isfinite(scaled).all()
    assert (np.ptp(scaled, axis=0) > 0).all()
