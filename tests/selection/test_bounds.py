"""The bounds on false selections, against values worked out by hand from the papers' formulas."""

from __future__ import annotations

import math

import pytest

from skreg.selection.bounds import false_selections


def test_worst_case_is_that_of_meinshausen_and_buehlmann():
    # q^2 / ((2 tau - 1) p): 100 / (0.8 * 1000) and 49 / (0.2 * 200)
    assert false_selections(10, 1000, 0.9, 50, "worst-case") == pytest.approx(0.125)
    assert false_selections(7, 200, 0.6, 50, "worst-case") == pytest.approx(1.225)


@pytest.mark.parametrize(
    ("q", "p", "threshold", "n_pairs", "expected"),
    [
        # C = 1 / (2 (0.2 - 0.01)) = 1 / 0.38, times 100 / 1000
        (10, 1000, 0.6, 50, 0.1 / 0.38),
        # C = 1 / (2 (0.5 - 0.01)) at 3/4
        (10, 1000, 0.75, 50, 0.1 / 0.98),
        # C = 4 (1 - 0.9 + 0.01) / 1.02 above 3/4
        (10, 1000, 0.9, 50, 0.1 * 0.44 / 1.02),
        (14, 200, 1.0, 50, 0.98 * 0.04 / 1.02),
        # 20 pairs: C = 1 / (2 (0.2 - 0.025))
        (4, 100, 0.6, 20, 0.16 / 0.35),
    ],
)
def test_unimodal_bound(q, p, threshold, n_pairs, expected):
    assert false_selections(q, p, threshold, n_pairs) == pytest.approx(expected, rel=1e-12)


def test_a_threshold_between_two_shares_stands_for_the_next():
    """With 10 pairs shares are multiples of 0.05."""
    between = false_selections(3, 100, 0.61, 10)
    assert between == pytest.approx(false_selections(3, 100, 0.65, 10), rel=1e-12)
    assert between < false_selections(3, 100, 0.6, 10)


def test_where_the_theorem_says_nothing_the_worst_case_is_taken():
    # theta = 0.4: tau must exceed min(1/2 + 0.16, 1/2 + 0.01 + 0.12) = 0.63
    assert false_selections(40, 100, 0.6, 50) == false_selections(40, 100, 0.6, 50, "worst-case")
    assert false_selections(40, 100, 0.7, 50) < false_selections(40, 100, 0.7, 50, "worst-case")
    # theta above 1 / sqrt(3)
    q = 100 / math.sqrt(3) + 0.1
    assert false_selections(q, 100, 0.9, 50) == false_selections(q, 100, 0.9, 50, "worst-case")
    # tau below 1/2 + 1/B
    assert false_selections(2, 100, 0.55, 10) == false_selections(2, 100, 0.55, 10, "worst-case")


def test_no_more_than_all_columns_are_expected():
    assert false_selections(90, 100, 0.6, 50) == 100.0
    assert false_selections(0, 100, 0.6, 50) == 0.0
