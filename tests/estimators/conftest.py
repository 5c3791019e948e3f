"""Small tables that the tests of the estimators share."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture(scope="package")
def X():
    return np.random.default_rng(0).normal(size=(90, 5))


@pytest.fixture(scope="package")
def y_real(X):
    noise = np.random.default_rng(1).normal(size=len(X))
    return 100.0 + 20.0 * (X[:, 0] - np.abs(X[:, 1])) + 5.0 * noise


@pytest.fixture(scope="package")
def y_binary(X):
    noise = np.random.default_rng(2).normal(size=len(X))
    return (X[:, 0] + X[:, 1] * X[:, 2] + 0.5 * noise > 0).astype(int)


@pytest.fixture(scope="package")
def y_three(X):
    return np.digitize(X[:, 0] + 0.3 * X[:, 1], [-0.5, 0.5])


@pytest.fixture(scope="package")
def y_labels(X):
    return (X[:, :3] + 0.3 * X[:, 2:] > 0).astype(int)
