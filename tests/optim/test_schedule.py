"""Known values of the learning rate schedules."""

from __future__ import annotations

import numpy as np
import pytest

from skreg.optim.schedule import factors
from tests.train.helpers import fit, make_job


@pytest.mark.parametrize(
    ("kind", "done", "expected"),
    [
        ("constant", [0, 5, 10], [1, 1, 1]),
        ("adaptive", [0, 5, 10], [1, 1, 1]),
        ("cosine", [0, 10 / 3, 5, 20 / 3, 10], [1, 0.75, 0.5, 0.25, 0]),
        ("one_cycle", [0, 1.5, 3, 6.5, 10], [0.04, 0.52, 1, 0.50005, 1e-4]),
        ("invscaling", [0, 3, 99], [1, 0.5, 0.1]),
    ],
)
def test_known_values(kind, done, expected):
    np.testing.assert_allclose(factors(kind, done, 10), expected, atol=1e-12)


def test_power_t():
    np.testing.assert_allclose(factors("invscaling", [0, 7], 10, power_t=1 / 3), [1, 0.5])


@pytest.mark.parametrize(("kind", "last"), [("cosine", 0.0), ("one_cycle", 1e-4)])
def test_beyond_the_end_the_rate_stays(kind, last):
    np.testing.assert_allclose(factors(kind, [10, 11, 1000], 10), [last] * 3, atol=1e-12)


def test_members_follow_their_own_schedules():
    """History shows the rate of the last minibatch of each epoch, here one of three."""
    kinds = ("constant", "cosine", "invscaling")
    jobs = [make_job(learning_rate=k, max_iter=m) for k, m in zip(kinds, (2, 4, 2), strict=True)]
    results = fit(jobs)
    for job, result in zip(jobs, results, strict=True):
        steps = 3 * np.arange(1, job.spec.max_iter + 1) - 1
        expected = 0.01 * factors(job.spec.learning_rate, steps, 3 * job.spec.max_iter)
        np.testing.assert_allclose(result.history["learning_rate"], expected)
