"""Known answers of the tests and intervals, and their error rates on simulated splits."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from skreg.comparison.statistics import (
    auc_interval,
    benjamini_hochberg,
    corrected_resampled_t,
    holm,
)

DIFFERENCES = [0.02, 0.01, 0.03, 0.02, 0.02]


def test_without_overlap_it_is_the_ordinary_paired_t_test():
    ours = corrected_resampled_t(DIFFERENCES, 0.0)
    theirs = stats.ttest_1samp(DIFFERENCES, 0.0)
    interval = theirs.confidence_interval(0.95)
    assert ours.p_value == pytest.approx(theirs.pvalue)
    assert (ours.low, ours.high) == pytest.approx((interval.low, interval.high))


def test_correction_by_hand():
    # variance 5e-5, corrected variance of the mean 5e-5 * (1/5 + 1/4) = 2.25e-5
    test = corrected_resampled_t(DIFFERENCES, 1 / 4)
    t = 0.02 / np.sqrt(2.25e-5)
    assert test.p_value == pytest.approx(2 * stats.t.sf(t, 4))
    assert test.high - 0.02 == pytest.approx(stats.t.ppf(0.975, 4) * np.sqrt(2.25e-5))


def test_one_sided_looks_at_the_sign():
    up = corrected_resampled_t(DIFFERENCES, 0.25, alternative="greater")
    down = corrected_resampled_t(np.negative(DIFFERENCES), 0.25, alternative="greater")
    both = corrected_resampled_t(DIFFERENCES, 0.25)
    assert up.p_value == pytest.approx(both.p_value / 2)
    assert down.p_value == pytest.approx(1 - up.p_value)


@pytest.mark.parametrize(("value", "p_value"), [(0.0, 1.0), (0.1, 0.0)])
def test_equal_differences(value, p_value):
    assert corrected_resampled_t([value] * 5, 0.25).p_value == p_value


def test_resolution_keeps_equal_differences_from_being_certain():
    coarse = corrected_resampled_t([0.01] * 5, 0.25, resolution=0.01)
    assert coarse.p_value > 0.001
    assert coarse.low < 0.01 < coarse.high


@pytest.mark.parametrize("differences", [[0.1], [0.1, np.nan, 0.2]])
def test_what_cannot_be_tested_is_nan(differences):
    test = corrected_resampled_t(differences, 0.25)
    assert np.isnan([test.low, test.high, test.p_value]).all()


def test_unknown_alternative():
    with pytest.raises(ValueError, match=r"alternative='less'.*'two-sided' and 'greater'"):
        corrected_resampled_t(DIFFERENCES, 0.25, alternative="less")


def test_false_alarms_stay_at_the_level_where_splits_are_correlated():
    """Scores of overlapping splits correlate by about the share of test rows."""
    random = np.random.RandomState(0)
    n_trials, n_splits, ratio = 2000, 10, 1 / 9
    correlation = ratio / (1 + ratio)
    shared = random.normal(size=(n_trials, 1)) * np.sqrt(correlation)
    own = random.normal(size=(n_trials, n_splits)) * np.sqrt(1 - correlation)
    differences = shared + own
    corrected = np.mean([corrected_resampled_t(d, ratio).p_value < 0.05 for d in differences])
    naive = np.mean([corrected_resampled_t(d, 0.0).p_value < 0.05 for d in differences])
    assert corrected <= 0.065
    assert naive > 0.08


def test_holm_by_hand():
    # sorted 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1, made monotone
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_holm_leaves_what_was_not_tested_aside():
    adjusted = holm([np.nan, 0.01, 0.02])
    assert np.isnan(adjusted[0])
    assert adjusted[1:] == pytest.approx([0.02, 0.02])
    assert holm([]).shape == (0,)


def test_benjamini_hochberg_by_hand():
    # 0.04 <= 3/4 * 0.06 carries 0.03 > 2/4 * 0.06 * ... along
    found = benjamini_hochberg([0.9, 0.04, 0.035, 0.001], level=0.06)
    assert found.tolist() == [False, True, True, True]
    assert not benjamini_hochberg([0.5, np.nan]).any()


def test_auc_interval_covers_the_true_auc():
    truth, labels = stats.norm.cdf(1 / np.sqrt(2)), np.arange(120) < 50
    scores = np.random.RandomState(0).normal(size=(400, 120)) + labels
    auc, low, high = np.array([auc_interval(labels, row) for row in scores]).T
    # The share of pairs of a positive and a negative row that are in order.
    assert auc == pytest.approx((scores[:, :50, None] > scores[:, None, 50:]).mean(axis=(1, 2)))
    assert auc[0] == pytest.approx(roc_auc_score(labels, scores[0]))
    assert 0.92 <= np.mean((low <= truth) & (truth <= high)) <= 0.98


def test_auc_interval_with_ties_and_without_rows():
    labels, scores = [0, 0, 1, 1, 1], [1, 2, 2, 2, 3]
    assert auc_interval(labels, scores)[0] == pytest.approx(roc_auc_score(labels, scores))
    with pytest.raises(ValueError, match="got 1 positive and 3 negative rows"):
        auc_interval([1, 0, 0, 0], [1, 2, 3, 4])
