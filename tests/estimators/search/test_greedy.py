"""The greedy selection: known answers, ties, and a plain version of the algorithm."""

import numpy as np
import pytest

from skreg.estimators.search.greedy import ROUNDS, Selection


def negative_square(y):
    return lambda found, shares: -float(np.mean((found - y) ** 2))


def select(found, shares, score, *, rounds=ROUNDS, **options):
    """Weights, and the score of the ensemble."""
    pairs = list(zip(found, shares, strict=True))
    selection = Selection(found, shares, [score(*pair) for pair in pairs], **options)
    selection.go_on(score, rounds=rounds)
    weights = selection.weights
    mean = [
        None if parts[0] is None else sum(w * part for w, part in zip(weights, parts, strict=True))
        for parts in (found, shares)
    ]
    return weights, score(*mean)


def run(found, y, **options):
    return select(found, [None] * len(found), negative_square(y), **options)


def test_two_halves_of_the_truth():
    y = np.array([1.0, 2.0, 3.0, 4.0])
    error = np.array([0.5, -0.3, 0.2, 0.1])
    weights, score = run([y + error, y - error, y + 3.0], y, rounds=13, start=1)
    np.testing.assert_allclose(weights, [0.5, 0.5, 0.0])
    assert score == pytest.approx(0.0, abs=1e-30)


def test_one_that_is_best_alone_stays_alone():
    y = np.arange(5.0)
    weights, score = run([y + 1.0, y + 0.1, y + 2.0], y)
    np.testing.assert_array_equal(weights, [0.0, 1.0, 0.0])
    assert score == pytest.approx(-0.01)


def test_it_begins_with_the_best_few_that_are_near_the_best():
    y = np.zeros(4)
    found = [y + 1.0, y + 1.02, y + 1.01, y + 1.03]
    weights, _ = run(found, y, rounds=0)
    np.testing.assert_allclose(weights, [1 / 3, 1 / 3, 1 / 3, 0.0])
    weights, _ = run([*found[:2], y + 50.0], y, rounds=0)
    np.testing.assert_allclose(weights, [0.5, 0.5, 0.0])


def test_ties_go_to_what_is_in_already():
    y = np.zeros(6)
    one = np.array([1.0, -1.0, 1.0, -1.0, 1.0, -1.0])
    weights, _ = run([one, one.copy(), one.copy()], y, start=1)
    np.testing.assert_array_equal(weights, [1.0, 0.0, 0.0])


@pytest.mark.parametrize("start", [1, 3])
def test_as_a_plain_version_of_the_algorithm(start):
    rng = np.random.default_rng(0)
    y = rng.normal(size=500)
    found = [y + rng.normal(size=500) * s for s in (0.74, 0.7, 0.72, 0.73, 0.71)]
    bag = list(np.argsort([np.mean((f - y) ** 2) for f in found])[:start])
    for _ in range(6):
        tried = [
            np.mean((np.mean([found[i] for i in [*bag, j]], axis=0) - y) ** 2) for j in range(5)
        ]
        bag.append(int(np.argmin(tried)))
    expected = np.bincount(bag, minlength=5) / len(bag)
    weights, score = run(found, y, start=start, rounds=6, tie=0.0)
    np.testing.assert_allclose(weights, expected)
    assert score == pytest.approx(-np.min(tried))


@pytest.mark.parametrize("rounds", [0, 2, 5, 12])
def test_rounds_bound_the_members(rounds):
    rng = np.random.default_rng(1)
    y = rng.normal(size=30)
    found = [y + rng.normal(size=30) for _ in range(8)]
    weights, _ = run(found, y, start=1, rounds=rounds)
    assert weights.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(weights * (1 + rounds), np.round(weights * (1 + rounds)), atol=1e-12)


def test_the_pool_keeps_the_worst_out():
    y = np.arange(4.0)
    error = np.array([0.5, -0.3, 0.2, 0.1])
    found = [y + error, y + 1.2 * error, y - 2 * error]
    assert run(found, y)[0][2] > 0  # it mends the others
    assert run(found, y, pool=2)[0][2] == 0


def test_one_without_a_score_is_never_chosen():
    y = np.arange(3.0)

    def score(found, shares):
        return np.nan if found[0] > 50 else negative_square(y)(found, shares)

    weights, _ = select([y + 100.0, y + 1.0], [None, None], score)
    np.testing.assert_array_equal(weights, [0.0, 1.0])


def test_shares_of_the_classes_are_averaged_alike():
    seen = []

    def score(found, shares):
        seen.append((found.copy(), shares.copy()))
        return -float(np.mean((found - 0.5) ** 2))

    found = [np.full((2, 2), 0.2), np.full((2, 2), 0.8)]
    shares = [np.array([0.2, 0.2]), np.array([0.8, 0.8])]
    select(found, shares, score)
    for p, s in seen:
        np.testing.assert_allclose(p[0], s)


def test_a_round_that_is_not_finished_changes_nothing():
    y = np.array([1.0, 2.0, 3.0, 4.0])
    error = np.array([0.5, -0.3, 0.2, 0.1])
    found, shares = [y + error, y - error, y + 3.0], [None] * 3
    score, calls = negative_square(y), []

    def counted(*predictions):
        calls.append(None)
        return score(*predictions)

    alone = [score(f, None) for f in found]
    expected = Selection(found, shares, alone, start=1)
    expected.go_on(score, rounds=2)
    stopped = Selection(found, shares, alone, start=1)
    stopped.go_on(counted, while_true=lambda: len(calls) < 8)  # two rounds of three and a part
    assert len(calls) == 8
    np.testing.assert_array_equal(stopped.weights, expected.weights)

    def interrupted(*predictions):
        if len(calls) == 16:
            raise KeyboardInterrupt
        return counted(*predictions)

    interrupt = Selection(found, shares, alone, start=1)
    with pytest.raises(KeyboardInterrupt):
        interrupt.go_on(interrupted)
    np.testing.assert_array_equal(interrupt.weights, expected.weights)
