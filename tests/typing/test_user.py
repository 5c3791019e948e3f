"""The annotations name what the parameters take, and the script of a user runs."""

from __future__ import annotations

import collections.abc
import inspect
import typing
from numbers import Integral, Real

import numpy as np
import pandas as pd
import pytest
from sklearn.utils._param_validation import Interval, Options

import skreg
import skreg.estimators.base
import skreg.typing
from skreg.cli import main

ESTIMATORS = [
    skreg.RegularizedMLPClassifier,
    skreg.RegularizedMLPRegressor,
    skreg.BaggedMLPClassifier,
    skreg.BaggedMLPRegressor,
    skreg.RegularizedLinearClassifier,
    skreg.RegularizedLinearRegressor,
    skreg.RegularizedMLPClassifierCV,
    skreg.RegularizedMLPRegressorCV,
    skreg.StabilitySelector,
]

#: What the annotations are written with, which the package itself imports for type checkers only.
NAMES = {
    "Any": typing.Any,
    "Literal": typing.Literal,
    "Sequence": collections.abc.Sequence,
    "types": skreg.typing,
    "BaseRegularizedMLP": skreg.estimators.base.BaseRegularizedMLP,
}


def parameters():
    for cls in ESTIMATORS:
        for name in inspect.signature(cls).parameters:
            yield pytest.param(cls, name, id=f"{cls.__name__}-{name}")


def alternatives(hint):
    """The parts of a union and of the unions in it."""
    parts = typing.get_args(hint)
    if typing.get_origin(hint) in (None, typing.Literal) or not parts:
        return [hint]
    if str(typing.get_origin(hint)) in ("<class 'types.UnionType'>", "typing.Union"):
        return [one for part in parts for one in alternatives(part)]
    return [hint]


@pytest.mark.parametrize("cls, name", list(parameters()))
def test_annotations_name_what_the_constraints_allow(cls, name):
    """A choice that is added to the one and forgotten in the other fails here."""
    hint = typing.get_type_hints(cls.__init__, localns=NAMES)[name]
    parts = alternatives(hint)
    texts = {
        text
        for part in parts
        if typing.get_origin(part) is typing.Literal
        for text in typing.get_args(part)
    }
    constraints = cls._parameter_constraints[name]
    options = {text for one in constraints if isinstance(one, Options) for text in one.options}
    if str not in parts:  # as for the names of scorers and devices
        assert texts == options
    assert (type(None) in parts) == (None in constraints or constraints == ["random_state"]), (
        "None is allowed by one of them only"
    )
    assert (bool in parts) == ("boolean" in constraints)
    functions = any(typing.get_origin(part) is collections.abc.Callable for part in parts)
    assert functions == (callable in constraints)
    numbers = [one for one in constraints if isinstance(one, Interval)]
    assert (float in parts) == any(one.type not in (Integral,) for one in numbers)
    if any(one.type is Integral for one in numbers):
        assert int in parts or float in parts
    assert all(issubclass(one.type, Real) for one in numbers)


@pytest.fixture(scope="module")
def user():
    """The script, which makes tables of polars too."""
    pytest.importorskip("polars", reason="polars is not installed")
    from tests.typing import user

    return user


@pytest.mark.parametrize(
    "name", ["parameters", "nets", "others", "batched", "searching", "selecting"]
)
@pytest.mark.filterwarnings("ignore:On the validation rows this:UserWarning")
def test_what_a_user_writes_runs(user, name):
    getattr(user, name)()


def test_a_model_of_a_file_runs(user, tmp_path):
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(60, 3)), columns=list("abc"))
    table["y"] = np.where(table["a"] > 0, "yes", "no")
    table.to_csv(tmp_path / "table.csv", index=False)
    words = ["--settings", "1", "--target", "y", "--quiet", "--output", str(tmp_path / "m.skops")]
    assert main(["fit", str(tmp_path / "table.csv"), *words]) == 0
    user.a_model_of_a_file(str(tmp_path / "m.skops"), str(tmp_path / "table.csv"))


@pytest.mark.filterwarnings("ignore:On the validation rows this:UserWarning")
def test_comparing_runs(user, tmp_path):
    user.comparing(tmp_path)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:On the validation rows this:UserWarning")
def test_comparing_with_a_search_runs(user):
    user.comparing_with_a_search()
