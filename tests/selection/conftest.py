"""Tables of which some columns are known to matter."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from skreg import RegularizedLinearRegressor


@pytest.fixture(scope="session")
def linear_table():
    """150 rows of 12 columns; the target is made of columns 2, 5 and 7, in this order of size."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(150, 12))
    y = 3.0 * X[:, 2] + 2.0 * X[:, 5] - 1.0 * X[:, 7] + rng.normal(size=150)
    return pd.DataFrame(X, columns=[f"c{j}" for j in range(12)]), y


@pytest.fixture(scope="session")
def lasso():
    return RegularizedLinearRegressor(l2=0.0)
