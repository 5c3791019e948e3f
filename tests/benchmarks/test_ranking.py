from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from benchmarks import ranking

# Demšar (2006), table 6: AUC of C4.5 with and without tuning of m and cf, on 14 data sets.
DEMSAR = pd.DataFrame(
    [
        (0.763, 0.768, 0.771, 0.798),
        (0.599, 0.591, 0.590, 0.569),
        (0.954, 0.971, 0.968, 0.967),
        (0.628, 0.661, 0.654, 0.657),
        (0.882, 0.888, 0.886, 0.898),
        (0.936, 0.931, 0.916, 0.931),
        (0.661, 0.668, 0.609, 0.685),
        (0.583, 0.583, 0.563, 0.625),
        (0.775, 0.838, 0.866, 0.875),
        (1.000, 1.000, 1.000, 1.000),
        (0.940, 0.962, 0.965, 0.962),
        (0.619, 0.666, 0.614, 0.669),
        (0.972, 0.981, 0.9751, 0.975),
        (0.957, 0.978, 0.946, 0.970),
    ],
    columns=["C4.5", "C4.5+m", "C4.5+cf", "C4.5+m+cf"],
)


def test_the_example_of_demsar():
    mean = ranking.ranks(DEMSAR).mean()
    assert mean.round(3).tolist() == [3.143, 2.000, 2.893, 1.964]
    # The paper computes 9.28 without a correction for ties; scipy corrects.
    n, k = DEMSAR.shape
    plain = 12 * n / (k * (k + 1)) * ((mean**2).sum() - k * (k + 1) ** 2 / 4)
    assert plain == pytest.approx(9.28, abs=0.02)
    statistic, p_value = ranking.friedman(DEMSAR)
    assert statistic > plain
    assert p_value == pytest.approx(stats.chi2.sf(statistic, 3))


def test_ranks_share_ties_and_put_failures_last():
    scores = pd.DataFrame({"a": [0.9], "b": [0.9], "c": [-np.inf], "d": [0.1]})
    assert ranking.ranks(scores).iloc[0].tolist() == [1.5, 1.5, 4, 3]


def test_normalised_scores():
    scores = pd.DataFrame(
        {"a": [3.0, 5.0, 1.0], "b": [1.0, 5.0, -np.inf], "c": [2.0, 5.0, 0.0]},
        index=["spread", "equal", "failed"],
    )
    assert ranking.normalised(scores).values.tolist() == [[1, 0, 0.5], [1, 1, 1], [1, 0, 0]]


def test_normalised_scores_between_given_bounds():
    scores = pd.DataFrame(
        {"a": [0.8, 1.7, -np.inf, 0.3, 0.3], "b": [0.5, -9.0, 0.5, -np.inf, 0.3]},
        index=["a", "b", "a2", "flat", "absent"],
    )
    ranges = pd.DataFrame(
        {"worst": [0.5, 0.0, 0.5, 0.3], "best": [0.9, 1.0, 0.9, 0.3]},
        index=["a", "b", "a2", "flat"],
    )
    expected = [[0.75, 0.0], [1.5, -1.0], [-1.0, 0.0], [np.nan] * 2, [np.nan] * 2]
    np.testing.assert_allclose(ranking.normalised(scores, ranges), expected, rtol=1e-12, atol=1e-12)


def rows_of(values):
    """Rows of results from (dataset, seed, method, score or None)."""
    return pd.DataFrame(
        [
            {"dataset": d, "seed": s, "method": m, "score": v, "error": "E" if v is None else None}
            for d, s, m, v in values
        ]
    )


def test_median_scores_are_over_seeds_and_know_failures():
    rows = rows_of(
        [
            *(("t", seed, "a", score) for seed, score in enumerate([0.1, 0.9, 0.5])),
            *(("t", seed, "b", score) for seed, score in enumerate([0.1, None, 0.5])),
            *(("t", seed, "c", score) for seed, score in enumerate([None, None, 0.5])),
            ("u", 0, "a", 0.3),
        ]
    )
    scores = ranking.median_scores(rows)
    assert scores.loc["t"].tolist() == [0.5, 0.1, -np.inf]
    assert scores.loc["u", "a"] == 0.3
    assert scores.loc["u", ["b", "c"]].isna().all()
    assert ranking.median_scores(rows, sign=-1).loc["t"].tolist() == [-0.5, -0.5, -np.inf]


def test_against_counts_wins_ties_and_losses():
    index = [f"t{i}" for i in range(8)]
    ours = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2])
    other = ours - np.array([0.01, 0.02, 0.03, 0.04, 0.05, 0.06, -0.10, 0.0])
    scores = pd.DataFrame({"skreg": ours, "peer": other}, index=index)
    duel = ranking.against(scores, "skreg").loc["peer"]
    assert (duel.tables, duel.wins, duel.ties, duel.losses) == (8, 6, 1, 1)
    assert duel.median_difference == pytest.approx(0.025)
    assert duel.wilcoxon_p == pytest.approx(stats.wilcoxon(ours - other).pvalue, abs=0.02)
    mirrored = ranking.against(scores, "peer").loc["skreg"]
    assert (mirrored.wins, mirrored.losses) == (1, 6)
    assert mirrored.wilcoxon_p == duel.wilcoxon_p


def test_against_takes_a_failure_for_a_full_loss():
    scores = pd.DataFrame(
        {"a": [0.5, -np.inf, -np.inf, -9.0], "b": [-np.inf, 0.5, -np.inf, 0.5]},
        index=["won", "lost", "both", "absurd"],
    )
    duel = ranking.against(scores, "a").loc["b"]
    assert (duel.wins, duel.ties, duel.losses) == (1, 1, 2)
    # 1, -1, 0 and -1: a failure, and what is far below zero, counts 1.
    assert duel.median_difference == -0.5


def test_against_of_equals():
    scores = pd.DataFrame({"a": [0.5, 0.6], "b": [0.5, 0.6], "c": [0.5, np.nan]}, index=["t", "u"])
    duels = ranking.against(scores, "a")
    assert duels[["ties", "wins", "losses"]].values.tolist() == [[2, 0, 0], [1, 0, 0]]
    assert duels["wilcoxon_p"].tolist() == [1.0, 1.0]


def test_the_interval_is_that_of_a_paired_t_test_over_tables():
    rng = np.random.default_rng(0)
    values = pd.DataFrame(rng.normal(size=(9, 2)), columns=["a", "b"])
    change = values["a"] - values["b"]
    low, high = stats.ttest_1samp(change, 0.0).confidence_interval(0.95)
    values.loc[9] = [0.5, -np.inf]  # a failure, and a table without one of the two, are left out
    values.loc[10] = [np.nan, 0.5]
    found = ranking.mean_difference(values, "a", "b")
    np.testing.assert_allclose(found, [change.mean(), low, high], rtol=1e-9)
    assert np.isnan(ranking.mean_difference(values.loc[9:], "a", "b")).all()
