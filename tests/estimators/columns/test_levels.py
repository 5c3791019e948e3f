import numpy as np
import pandas as pd
import pytest

from skreg import RegularizedMLPClassifier
from skreg.estimators.columns.levels import Levels, categorical_columns

FRAME = pd.DataFrame(
    {
        "number": [1.0, 2.0, 3.0, 4.0],
        "text": ["b", None, "a", "b"],
        "category": pd.Categorical([30, 10, None, 10]),
        "mixed": ["<0", 1, 2, None],
        "flag": [True, False, True, True],
        "numbers": pd.Series([1, 2, None, 4], dtype=object),
        "extension": pd.Series([1, None, 3, 4], dtype="Int64"),
    }
)


def test_types_of_pandas():
    assert categorical_columns(FRAME, "from_dtype") == [1, 2, 3]
    assert categorical_columns(FRAME.astype({"text": "string"}), "from_dtype") == [1, 2, 3]


def test_types_of_polars():
    pl = pytest.importorskip("polars")
    frame = pl.DataFrame({"n": [1, None], "t": ["a", "b"], "b": [True, False]})
    frame = frame.with_columns(c=pl.col("t").cast(pl.Categorical), e=pl.col("n").cast(pl.Float32))
    assert categorical_columns(frame, "from_dtype") == [1, 3]


def test_types_of_pyarrow():
    pa = pytest.importorskip("pyarrow")
    table = pa.table(
        {"n": [1.0, 2.0], "t": ["a", "b"], "d": pa.array(["x", "y"]).dictionary_encode()}
    )
    assert categorical_columns(table, "from_dtype") == [1, 2]


def test_types_of_arrays():
    assert categorical_columns(np.ones((3, 2)), "from_dtype") == []
    mixed = np.array([[1.0, "a"], [2.0, None]], dtype=object)
    assert categorical_columns(mixed, "from_dtype") == [1]
    # What scikit-learn refuses is left to it.
    assert categorical_columns(np.array([[{"a": 1}], ["b"]], dtype=object), "from_dtype") == []


@pytest.mark.parametrize(
    "choice",
    [["text", "flag"], [1, 4], np.array([4, 1]), [i in (1, 4) for i in range(7)], ("flag", 1)],
)
def test_columns_by_name_number_or_mask(choice):
    choice = list(choice) if isinstance(choice, tuple) and choice[0] != "flag" else choice
    if isinstance(choice, tuple):  # a mixture of both becomes text, and 1 no name
        with pytest.raises(ValueError, match="'1', which X does not have"):
            categorical_columns(FRAME, choice)
    else:
        assert categorical_columns(FRAME, choice) == [1, 4]


@pytest.mark.parametrize(
    ("choice", "text"),
    [
        (
            ["txet"],
            "names the column 'txet', which X does not have: its columns are 'number', 'text'",
        ),
        ([7], "the column number 7, but X has 7 columns"),
        ([True, False], "a mask of 2 booleans, but X has 7 columns"),
        ([[1]], "must be 'from_dtype', None"),
        ([1.5], "must be 'from_dtype', None"),
    ],
)
def test_choices_that_do_not_fit(choice, text):
    with pytest.raises(ValueError, match=text):
        categorical_columns(FRAME, choice)


def test_names_of_a_table_without():
    with pytest.raises(ValueError, match="X has no names"):
        categorical_columns(np.ones((2, 2)), ["a"])


def test_levels_are_in_order_and_missing_is_no_level():
    levels, numbers = Levels.learned(FRAME, 1)
    assert levels.values == ["a", "b"]
    np.testing.assert_array_equal(numbers, [1, np.nan, 0, 1])
    levels, numbers = Levels.learned(FRAME, 2)
    assert levels.values == [10, 30]
    np.testing.assert_array_equal(numbers, [1, 0, np.nan, 0])
    levels, numbers = Levels.learned(FRAME, 3)
    assert levels.values == [1, 2, "<0"]
    np.testing.assert_array_equal(numbers, [2, 0, 1, np.nan])


def test_categories_that_no_row_has_are_no_levels():
    frame = pd.DataFrame({"c": pd.Categorical(["b", "b"], categories=["a", "b", "c"])})
    assert Levels.learned(frame, 0)[0].values == ["b"]


def test_unknown_levels_whatever_the_type_of_the_column():
    levels, _ = Levels.learned(FRAME, 2)
    for column in ([10, 99, None], pd.Categorical([10, 99, None]), np.array([10.0, 99.0, np.nan])):
        numbers = levels.of(pd.DataFrame({"a": 0, "b": 0, "category": column}), 2)
        np.testing.assert_array_equal(numbers, [0, -1, np.nan])


def test_containers_agree():
    pl, pa = pytest.importorskip("polars"), pytest.importorskip("pyarrow")
    values = ["b", None, "a", "b"]
    for table in (
        pl.DataFrame({"c": values}),
        pl.DataFrame({"c": values}).with_columns(pl.col("c").cast(pl.Categorical)),
        pa.table({"c": values}),
        pa.table({"c": pa.array(values).dictionary_encode()}),
        np.array(values, dtype=object)[:, None],
    ):
        levels, numbers = Levels.learned(table, 0)
        assert levels.values == ["a", "b"]
        np.testing.assert_array_equal(numbers, [1, np.nan, 0, 1])


def test_many_numbers_in_text_are_warned_of():
    frame = pd.DataFrame({"price": [f"{i}.5" for i in range(30)]})
    with pytest.warns(UserWarning, match=r"Column 'price' of X holds text .* reads as a number"):
        Levels.learned(frame, 0)
    Levels.learned(frame[:20], 0)
    Levels.learned(frame.replace("3.5", "<4"), 0)


def test_bytes_are_texts_in_every_library():
    pl, pa = pytest.importorskip("polars"), pytest.importorskip("pyarrow")
    cells = [b"u", b"v", b"u"]
    frame = pd.DataFrame({"k": cells})
    for table in (frame, pl.DataFrame({"k": cells}), pa.table({"k": cells})):
        assert categorical_columns(table, "from_dtype") == [0]
        assert Levels.learned(table, 0)[0].values == [b"u", b"v"]
    lists = pl.DataFrame({"s": [{"a": 1}] * 3})
    assert categorical_columns(lists, "from_dtype") == []


def test_no_columns_are_none_and_values_that_hold_several_are_named():
    X = pd.DataFrame({"a": np.arange(20.0), "k": [[1]] * 20})
    y = np.arange(20) % 2
    net = RegularizedMLPClassifier((4,), max_iter=1, categorical_features=[], random_state=0)
    assert net.fit(X[["a"]], y).predict(X[["a"]]).shape == (20,)
    net.set_params(categorical_features=["k"])
    with pytest.raises(TypeError, match=r"Column 'k' of X is categorical and holds \[1\]"):
        net.fit(X, y)
    known = X.assign(k="b")
    net.fit(known, y)
    with pytest.raises(TypeError, match=r"Column 'k' of X is categorical and holds \[1\]"):
        net.predict(X)
