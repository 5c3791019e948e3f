"""Source that builds an estimator anew, and runs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder, StandardScaler

from skreg import (
    BaggedMLPRegressor,
    RegularizedMLPRegressor,
    RegularizedMLPRegressorCV,
    RegularizedNetRegressor,
)
from skreg.comparison.boosting import boosting_for
from skreg.comparison.defaults import default_candidates
from skreg.comparison.preparing import make_preprocessor
from skreg.comparison.snippet import NotWritableError, source_of
from tests.estimators.own.modules import Perceptron


def built(source):
    names = {}
    exec(source, names)
    return names["model"]


class Mine(BaseEstimator):
    __module__ = "__main__"


WORDS = pd.DataFrame({"a": [1.0, 2.0], "with space": ["x", "y"], "it's": [True, False]})
ESTIMATORS = {
    "defaults": Ridge(),
    "numbers": LogisticRegression(C=1e-3, tol=np.float64(0.5), max_iter=np.int64(7)),
    "nullable": boosting_for(WORDS.assign(n=pd.array([1, None], dtype="Int64")), "regression"),
    "nan": SimpleImputer(fill_value=3.0, missing_values=np.inf),
    "net": RegularizedMLPRegressor((), l1=[0.0], random_state=3, dropout=None or 0),
    "own net": RegularizedNetRegressor(Perceptron, module__hidden=4, max_iter=3, random_state=0),
    "ensemble": BaggedMLPRegressor(RegularizedMLPRegressor((8, 4), max_iter=3), random_state=0),
    "search": RegularizedMLPRegressorCV(param_grid={"l1": [0, 0.1]}, max_time=20.0),
    "pipeline": make_pipeline(StandardScaler(with_std=False), make_pipeline(Ridge(alpha=2.0))),
    "columns": make_pipeline(
        make_column_transformer(
            (OrdinalEncoder(unknown_value=np.nan), [f"column {k}" for k in range(30)]),
            ("drop", ['"quoted"', "it's"]),
            remainder="passthrough",
        ),
        HistGradientBoostingRegressor(categorical_features=list(range(30)), random_state=0),
    ),
    "prepared": make_pipeline(make_preprocessor(WORDS), Ridge()),
    "selected columns": make_pipeline(
        make_column_transformer(
            ("passthrough", make_column_selector(dtype_include=["number", "bool"])),
            (OneHotEncoder(), make_column_selector("^b", dtype_exclude="number")),
        ),
        Ridge(),
    ),
    "boosting": boosting_for(WORDS, "regression"),
}


@pytest.mark.parametrize("name", ESTIMATORS)
def test_the_source_builds_the_same(name):
    estimator = ESTIMATORS[name]
    model = built(source_of(estimator))
    assert type(model) is type(estimator)
    assert source_of(model) == source_of(estimator)
    if name not in (
        "prepared",
        "selected columns",
        "numbers",
    ):  # other names of steps, and numpy's numbers
        assert repr(model) == repr(estimator)


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_all_default_candidates_can_be_written(task):
    for name, candidate in default_candidates(task, search_time=5.0).items():
        source = source_of(candidate.estimator)
        assert repr(built(source)) == repr(candidate.estimator), name
        assert max(map(len, source.splitlines())) <= 88, name


def test_long_lists_are_broken():
    source = source_of(ESTIMATORS["columns"])
    assert max(map(len, source.splitlines())) <= 100
    assert "list(range(30))" in source


@pytest.mark.parametrize(
    "estimator", [FunctionTransformer(np.log1p), Ridge(alpha=np.ones(2)), Mine()]
)
def test_what_has_no_source_is_refused(estimator):
    with pytest.raises(NotWritableError, match=r"has no source|cannot be imported"):
        source_of(estimator)
