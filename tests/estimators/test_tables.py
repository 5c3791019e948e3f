"""Tables that cannot be learned from: every estimator names the column and the remedy."""

from __future__ import annotations

import datetime
import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import sklearn
from sklearn.base import clone
from sklearn.utils.fixes import parse_version

from skreg import (
    BaggedMLPClassifier,
    RegularizedLinearClassifier,
    RegularizedLinearRegressor,
    RegularizedMLPClassifier,
    RegularizedMLPRegressor,
)

NET = {"hidden_layer_sizes": (4,), "numeric_embedding": None, "max_iter": 2, "random_state": 0}
MODELS = [
    RegularizedMLPClassifier(**NET),
    RegularizedMLPRegressor(**NET),
    BaggedMLPClassifier(RegularizedMLPClassifier(**NET), 2, random_state=0),
    RegularizedLinearClassifier(),
    RegularizedLinearRegressor(),
]
N = 30

every_model = pytest.mark.parametrize("model", MODELS, ids=lambda m: type(m).__name__)


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(0)
    return pd.DataFrame({"age": rng.normal(size=N), "income": rng.normal(size=N)})


@pytest.fixture(scope="module")
def y():
    return np.arange(N) % 2


#: Columns that are no categories, whatever ``categorical_features`` says of others.
COLUMNS = {
    "dates": (
        lambda: pd.date_range("2024-01-31", periods=N),
        r"'city' of X holds dates, such as '2024-01-31.*the year and the month",
    ),
    "dates with a zone": (
        lambda: pd.date_range("2024-01-31", periods=N, tz="UTC"),
        "'city' of X holds dates, such as '2024-01-31",
    ),
    "date objects": (
        lambda: [datetime.date(2024, 1, 31)] * N,
        "'city' of X holds dates, such as '2024-01-31'",
    ),
    "periods": (lambda: pd.period_range("2024-01", periods=N, freq="M"), "'city' of X holds dates"),
    "times": (
        lambda: pd.to_timedelta(range(N), unit="D"),
        r"'city' of X holds times, such as .*dt\.total_seconds",
    ),
}

#: Columns that are taken for categories by their types.
CATEGORIES = {
    "text": (lambda: ["Oslo", "Rome"] * 15, "'city' of X holds text, such as 'Oslo'"),
    "string": (lambda: pd.array(["Oslo", None] * 15, "string"), "'city' of X holds text"),
    "numbers and a word": (lambda: [1.5, "n.a."] * 15, "'city' of X holds text, such as 'n.a.'"),
    "category": (
        lambda: pd.Categorical(["Oslo", "Rome"] * 15),
        "'city' of X holds categories, such as 'Oslo'",
    ),
    "numbers as categories": (
        lambda: pd.Categorical([1, 2] * 15),
        "'city' of X holds categories, such as 1",
    ),
}


@pytest.mark.parametrize("kind", COLUMNS)
@every_model
def test_columns_that_hold_no_numbers(frame, y, model, kind):
    make, message = COLUMNS[kind]
    table = frame.assign(city=make())
    # Beside a column of categories as well.
    for bad in (table, table[["city"]], table.assign(kind=["a", "b"] * 15)):
        with pytest.raises(ValueError, match=rf"(?s)Column {message}"):
            clone(model).fit(bad, y)
    fitted = clone(model).fit(frame.assign(city=0.0), y)
    with pytest.raises(ValueError, match=r"(?s)Column 'city' of X holds .*In training it held num"):
        fitted.predict(table)


@pytest.mark.parametrize("kind", CATEGORIES)
@every_model
def test_categories_where_there_are_to_be_none(frame, y, model, kind):
    make, message = CATEGORIES[kind]
    table = frame.assign(city=make())
    none = "estimator__" * hasattr(model, "estimator") + "categorical_features"
    with pytest.raises(ValueError, match=rf"(?s)Column {message}.*categorical_features") as error:
        clone(model).set_params(**{none: None}).fit(table, y)
    assert ("mean quantities, use .astype(float)" in str(error.value)) == ("cat" in kind)
    fitted = clone(model).fit(frame.assign(city=0.0), y)
    with pytest.raises(ValueError, match=r"(?s)Column 'city' of X holds .*In training it held num"):
        fitted.predict(table)
    assert len(clone(model).fit(table, y).predict(table)) == N


def test_several_columns_are_counted(frame, y):
    net = clone(MODELS[0]).set_params(categorical_features=None)
    table = frame.assign(a="x", b="y", c=pd.Categorical(["z"] * N))
    with pytest.raises(ValueError, match=r"'c' of X holds categories, such as 'z'; Regul"):
        net.fit(table, y)
    with pytest.raises(
        ValueError, match=r"'a' of X holds text, such as 'x' \(and 1 more column of"
    ):
        net.fit(table.drop(columns="c"), y)


@pytest.mark.parametrize("kind", [str, os.fsencode, Path])
@every_model
def test_the_name_of_a_file_is_no_table(y, model, kind):
    with pytest.raises(ValueError, match=r"X is .*train\.csv.*, not a table .* pandas\.read_csv"):
        clone(model).fit(kind("train.csv"), y)


@pytest.mark.parametrize("kind", [list, np.array, pd.Series])
def test_texts_are_no_table(y, kind):
    texts = kind(["a good one", "a bad one"] * (N // 2))
    net = RegularizedMLPRegressor(**NET)
    with pytest.raises(
        ValueError, match=r"sequence of texts, such as 'a good one'.*TfidfVectorizer"
    ):
        net.fit(texts, y)
    rows = np.random.default_rng(0).normal(size=(N, 2))
    with pytest.raises(ValueError, match="X_val is a sequence of texts"):
        net.fit(rows, np.arange(N), X_val=texts, y_val=np.arange(N))


def test_columns_without_names_have_numbers(y):
    rows = [[1.0, "red"]] * N
    net = clone(MODELS[0]).set_params(categorical_features=None)
    for table in (rows, np.array(rows, dtype=object)):
        with pytest.raises(ValueError, match=r"Column 1 of X holds text, such as 'red'"):
            net.fit(table, y)
    # An array of text has lost the types of its columns.
    with pytest.raises(ValueError, match=r"Column 1 of X holds text, such as 'red'"):
        clone(MODELS[0]).fit(np.array(rows), y)
    dates = np.full((N, 2), np.datetime64("2024-01-31"))
    with pytest.raises(ValueError, match=r"Column 0 of X holds dates, such as '2024-01-31'"):
        clone(MODELS[0]).fit(dates, y)


@every_model
def test_columns_that_are_numbers_in_other_clothes(frame, y, model):
    known = clone(model).fit(frame.assign(on=1.0 * y), y).predict(frame.assign(on=1.0 * y))
    for on in (
        y.astype(bool),
        pd.array(y.astype(bool), "boolean"),
        pd.array(y, "Int64"),
        y.astype(object),
    ):
        table = frame.assign(on=on)
        np.testing.assert_array_equal(clone(model).fit(table, y).predict(table), known)
    table = frame.assign(on=y).to_numpy(dtype=object)
    np.testing.assert_array_equal(clone(model).fit(table, y).predict(table), known)


@pytest.mark.parametrize("gap", [None, pd.NA, np.nan])
@pytest.mark.parametrize("dtype", ["Int64", "Float64", "boolean", object])
@every_model
def test_missing_values_of_every_kind(frame, y, model, gap, dtype):
    plain = frame.assign(on=[1.0, 0.0, np.nan] * 10)
    table = frame.assign(on=pd.Series([1, 0, gap] * 10, dtype=dtype))
    known = clone(model).fit(plain, y).predict(plain)
    again = clone(model).fit(table, y).predict(table)
    # Products of tables that lie otherwise in memory may round otherwise.
    np.testing.assert_allclose(again, known, rtol=1e-12)
    # Gaps that come up at predict get the median.
    fitted = clone(model).fit(frame.assign(on=1.0 * y), y)
    filled = plain.fillna({"on": 0.5})
    found, known = fitted.predict(table), fitted.predict(filled)
    if hasattr(model, "predict_proba") or parse_version(np.__version__) >= parse_version("2.0"):
        np.testing.assert_array_equal(found, known)
    else:  # older versions round products by where their factors lie in memory
        np.testing.assert_allclose(found, known, rtol=1e-12)


@every_model
@pytest.mark.parametrize("storage", [np.asarray, sp.csr_array])
def test_infinity_is_not_called_missing(frame, y, model, storage):
    table = frame.to_numpy(copy=True)
    table[[3, 5], 1] = -np.inf
    message = r"contains infinity: column 1 has 2 infinite values \(the first in row 3\)"
    with pytest.raises(ValueError, match=message) as error:
        clone(model).fit(storage(table), y)
    assert "missing" not in str(error.value)
    with pytest.raises(ValueError, match=message):
        clone(model).fit(frame.to_numpy(), y).predict(storage(table))


@pytest.mark.parametrize("storage", [pd.DataFrame, sp.csr_array, np.asarray])
@pytest.mark.parametrize("scale", [None, "standard"])
@pytest.mark.parametrize("kind", ["net", "bagged"])
def test_numbers_beyond_the_precision(frame, y, kind, scale, storage):
    net = clone(MODELS[0]).set_params(scale_features=scale)
    model = net if kind == "net" else BaggedMLPClassifier(net, 2, random_state=0)
    table = frame.to_numpy(copy=True)
    if scale is None or storage is sp.csr_array:
        table[4, 1] = 1e300
        model.fit(storage(frame.to_numpy()), y)
        before = model.predict(storage(frame.to_numpy()))
        message = (
            r"too large for dtype='float32', beyond 3\.4e\+38: column '?1'? has 1 such values, such as "
            r"1e\+300\. .*[sS]et dtype='float64'"
        )
        with pytest.raises(ValueError, match=message):
            model.fit(storage(table), y)
        np.testing.assert_array_equal(model.predict(storage(frame.to_numpy())), before)
        return
    table[:, 1] *= 1e300  # as a scaled column it is as good as any
    known = clone(model).fit(storage(frame.to_numpy()), y).predict_proba(storage(frame.to_numpy()))
    found = model.fit(storage(table), y).predict_proba(storage(table))
    np.testing.assert_allclose(found, known, rtol=1e-5)


def test_messages_on_validation_rows_name_them(frame, y):
    net = RegularizedMLPClassifier(**NET)
    holes = frame.to_numpy(copy=True)
    holes[3, 1] = np.nan
    for bad, message in (
        (sp.csr_array(holes), r"Input X_val contains NaN: column 1 has 1 missing"),
        (frame.replace(frame.iloc[0, 0], np.inf), "Input X_val contains infinity: column 'age'"),
        (frame.assign(income="x"), "Column 'income' of X_val holds text, such as 'x'"),
        (frame[["age"]].assign(city=1.0), r"(?s)feature names.*X_val|X_val.*feature names"),
        (frame.to_numpy()[:, :1], "X_val has 1 features, but RegularizedMLPClassifier"),
        (frame[:4], "X_val and y_val: Found input variables with inconsistent numbers"),
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of missing names
            with pytest.raises(ValueError, match=message):
                clone(net).fit(frame, y, X_val=bad, y_val=y)
    called = frame.rename(columns={"age": "X", "income": "y"})
    endless = called.replace(called.iloc[3, 1], np.inf)
    with pytest.raises(ValueError, match="Input X_val contains infinity: column 'y' has 1 inf"):
        clone(net).fit(called, y, X_val=endless, y_val=y)
    with pytest.raises(ValueError, match="Input y_val contains NaN"):
        RegularizedMLPRegressor(**NET).fit(frame, y, X_val=frame, y_val=np.full(N, np.nan))


def test_targets_that_are_no_numbers(frame):
    words = ["a", "b"] * 15
    for model in (MODELS[1], RegularizedLinearRegressor()):
        for y in (words, np.array(words, dtype=object), pd.Series(words)):
            with pytest.raises(ValueError, match=r"could not convert string.*y holds text"):
                clone(model).fit(frame, y)
    lists = [["a"], ["b", "c"]] * 15
    with pytest.raises(ValueError, match=r"lists of different lengths.*MultiLabelBinarizer"):
        clone(MODELS[0]).fit(frame, lists)


# -- other libraries -------------------------------------------------------------------------------


def test_polars(frame, y):
    polars = pytest.importorskip("polars")
    table = polars.DataFrame({name: frame[name].to_list() for name in frame})
    net = clone(MODELS[0])
    known = net.fit(frame, y).predict_proba(frame)
    np.testing.assert_array_equal(clone(net).fit(table, y).predict_proba(table), known)
    dates = polars.Series("city", [datetime.date(2024, 1, 31)] * N, dtype=polars.Date)
    with pytest.raises(ValueError, match="'city' of X holds dates, such as '2024-01-31'"):
        clone(net).fit(table.with_columns(dates), y)
    none = clone(net).set_params(categorical_features=None)
    for dtype, kind in ((None, "text"), (polars.Categorical, "categories")):
        city = polars.Series("city", ["Oslo"] * N, dtype=dtype)
        for odd in (table.with_columns(city), polars.DataFrame([city])):
            with pytest.raises(ValueError, match=f"'city' of X holds {kind}, such as 'Oslo'"):
                none.fit(odd, y)
    raw = frame.assign(city=["Oslo", "Rome"] * 15, on=[1.0, np.nan] * 15)
    known = clone(net).fit(raw, y).predict_proba(raw)
    for dtype in (None, polars.Categorical):
        city = polars.Series("city", ["Oslo", "Rome"] * 15, dtype=dtype)
        new = table.with_columns(city, polars.Series("on", [1, None] * 15))
        np.testing.assert_array_equal(clone(net).fit(new, y).predict_proba(new), known)


def test_pyarrow(frame, y):
    pyarrow = pytest.importorskip("pyarrow")
    table = pyarrow.table({name: frame[name].to_numpy() for name in frame})
    net = clone(MODELS[0])
    known = net.fit(frame, y).predict_proba(frame)
    np.testing.assert_array_equal(clone(net).fit(table, y).predict_proba(table), known)
    dates = pyarrow.array([datetime.date(2024, 1, 31)] * N)
    with pytest.raises(ValueError, match="'city' of X holds dates, such as '2024-01-31'"):
        clone(net).fit(table.append_column("city", dates), y)
    raw = frame.assign(city=["Oslo", "Rome"] * 15, on=[1.0, np.nan] * 15)
    known = clone(net).fit(raw, y).predict_proba(raw)
    none = clone(net).set_params(categorical_features=None)
    city = pyarrow.array(["Oslo", "Rome"] * 15)
    for values, kind in ((city, "text"), (city.dictionary_encode(), "categories")):
        new = table.append_column("city", values)
        with pytest.raises(ValueError, match=f"'city' of X holds {kind}, such as 'Oslo'"):
            none.fit(new, y)
        new = new.append_column("on", pyarrow.array([1, None] * 15))
        np.testing.assert_array_equal(clone(net).fit(new, y).predict_proba(new), known)


TENSORS = """
import numpy as np, sklearn, torch
from skreg import *
X = torch.randn(60, 3, generator=torch.Generator().manual_seed(0))
y, weight = (X[:, 0] > 0).long(), torch.rand(60)
net = RegularizedMLPClassifier((4,), max_iter=2, numeric_embedding=None, random_state=0)
number = RegularizedMLPRegressor((4,), max_iter=2, numeric_embedding=None, random_state=0)
for model in (net, number, BaggedMLPClassifier(net, 2, random_state=0),
              RegularizedLinearClassifier(), RegularizedLinearRegressor()):
    known = model.fit(X.numpy(), y.numpy(), sample_weight=weight.numpy()).predict(X.numpy())
    for dispatch in (False, DISPATCH):
        with sklearn.config_context(array_api_dispatch=dispatch):
            for table in (X, X.clone().requires_grad_(), X.numpy()):
                model.fit(table, y, sample_weight=weight)
                np.testing.assert_array_equal(model.predict(table), known)
        if hasattr(model, "callbacks"):
            model.fit(X[:40], y[:40], X_val=X[40:], y_val=y[40:])
print("equal")
"""


@pytest.mark.slow
@pytest.mark.parametrize("dispatch", [False, True])
def test_torch_tensors(dispatch):
    """In a process of its own: array API dispatch needs a variable that is read at import."""
    if dispatch and parse_version(sklearn.__version__) < parse_version("1.7"):
        pytest.importorskip("array_api_compat")  # later versions have it inside
    code = TENSORS.replace("DISPATCH", str(dispatch))
    environment = {**os.environ, "SCIPY_ARRAY_API": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        timeout=250,
    )
    assert done.stdout.strip() == "equal", done.stderr[-2000:]


@pytest.mark.parametrize("storage", [np.asarray, sp.csr_array])
@pytest.mark.parametrize("model", MODELS[3:], ids=lambda m: type(m).__name__)
def test_linear_models_refuse_numbers_whose_squares_are_infinite(frame, y, model, storage):
    """Unscaled, they ended in an error of LAPACK or in weights of zero."""
    table = frame.to_numpy() * np.array([1.0, 1e200])
    with pytest.raises(ValueError, match=r"too large.*beyond 1e\+150: column 1 has 30 such values"):
        clone(model).fit(storage(table), y)
    scaled = clone(model).set_params(scale_features="standard")
    known = scaled.fit(frame.to_numpy(), y).predict(frame.to_numpy())
    np.testing.assert_allclose(scaled.fit(table, y).predict(table), known, rtol=1e-9)


@pytest.mark.filterwarnings("error")
def test_the_largest_numbers_of_both_signs_are_no_gaps(frame, y):
    table = frame.to_numpy(copy=True)
    table[:2, 1] = 1.7e308, -1.7e308
    net = clone(MODELS[0]).fit(table, y)
    assert np.isfinite(net.predict_proba(table)).all()
