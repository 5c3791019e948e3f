import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import OneHotEncoder

from skreg.estimators.columns import preparation as module
from skreg.estimators.columns import within_precision
from skreg.estimators.columns.levels import Levels
from skreg.estimators.columns.preparation import MOST_ONE_HOT, Settings, learn, prepare

PLAIN = Settings(None, "auto", "float64")
NAN = np.nan


def levels_of(count):
    return Levels([f"l{i}" for i in range(count)])


def test_plain_numbers_stay_as_they_are():
    x = np.arange(6.0).reshape(3, 2)
    preparation, table = prepare(x, None, {}, PLAIN)
    assert table is x and preparation.owners is None and preparation.levels == ()
    assert preparation(x, np.float32).dtype == np.float32


def test_a_table_by_hand():
    x = np.array([[1.0, 0, NAN], [2.0, 1, 5.0], [NAN, NAN, 7.0], [6.0, 0, 9.0], [8.0, 1, NAN]])
    preparation, table = prepare(x, None, {1: Levels(["a", "b"])}, PLAIN)
    expected = [
        # numbers, filled with medians 4 and 7; where gaps were; a, b, missing
        [1, 7, 0, 1, 1, 0, 0],
        [2, 5, 0, 0, 0, 1, 0],
        [4, 7, 1, 0, 0, 0, 1],
        [6, 9, 0, 0, 1, 0, 0],
        [8, 7, 0, 1, 0, 1, 0],
    ]
    np.testing.assert_array_equal(table, expected)
    assert preparation.owners == (0, 2, 0, 2, 1, 1, 1)
    assert preparation.names(["n", "c", "m"]) == [
        *("n", "m", "n missing", "m missing", "c=a", "c=b", "c=missing")
    ]
    # An unknown level has no column where no level was seen once.
    new = preparation(np.array([[NAN, -1.0, NAN]]))
    np.testing.assert_array_equal(new, [[4, 7, 1, 1, 0, 0, 0]])


def test_gaps_that_only_appear_at_predict_are_filled():
    x = np.array([[1.0, 1.0], [3.0, 2.0], [8.0, 4.0]])
    for scale, strategy in ((None, "mean"), ("standard", "mean"), ("robust", "median")):
        preparation, table = prepare(x, None, {}, Settings(scale, "auto", "float64"))
        assert table.shape == (3, 2)
        new = np.array([[NAN, 2.0], [3.0, NAN]])
        filled = SimpleImputer(strategy=strategy).fit(x).transform(new)
        np.testing.assert_array_equal(preparation(new), preparation(filled))


def test_columns_without_a_number():
    x = np.array([[NAN, 1.0], [NAN, 2.0]])
    for scale in (None, "standard", "robust", "quantile"):
        _, table = prepare(x, None, {}, Settings(scale, "auto", "float64"))
        assert table.shape == (2, 2) and np.all(table[:, 0] == 0)


def test_one_hot_is_that_of_scikit_learn():
    codes = np.random.default_rng(0).integers(0, 5, size=(80, 1)).astype(float)
    _, table = prepare(codes, None, {0: levels_of(5)}, PLAIN)
    np.testing.assert_array_equal(table, OneHotEncoder().fit_transform(codes).toarray())


def test_levels_seen_once_share_the_place_of_the_unknown():
    codes = np.array([0.0, 0, 1, 1, 2, 3])[:, None]  # 2 and 3 once
    preparation, table = prepare(codes, None, {0: levels_of(4)}, PLAIN)
    np.testing.assert_array_equal(table.argmax(axis=1), [0, 0, 1, 1, 2, 2])
    assert preparation.names() == ["x0=l0", "x0=l1", "x0=other"]
    np.testing.assert_array_equal(preparation(np.array([[-1.0]])), [[0, 0, 1]])
    # With weights a row of weight 2 is the row twice.
    weighted = learn(codes, np.array([1.0, 1, 1, 1, 2, 1]), {0: levels_of(4)}, PLAIN)
    assert weighted.names() == ["x0=l0", "x0=l1", "x0=l2", "x0=other"]


@pytest.mark.parametrize(
    ("embedding", "count", "embedded"),
    [
        ("auto", MOST_ONE_HOT, False),
        ("auto", MOST_ONE_HOT + 1, True),
        ("onehot", MOST_ONE_HOT + 1, False),
        ("embedding", 2, True),
    ],
)
def test_few_levels_are_one_hot_and_many_embedded(embedding, count, embedded):
    codes = np.repeat(np.arange(count), 2).astype(float)[:, None]
    settings = Settings(None, embedding, "float64")
    preparation, table = prepare(codes, None, {0: levels_of(count)}, settings)
    assert table.shape[1] == (1 if embedded else count)
    assert preparation.levels == ((count + 1,) if embedded else ())
    if embedded:  # their numbers, and the last place for what is unknown
        np.testing.assert_array_equal(table, codes)
        assert preparation(np.array([[-1.0]]))[0, 0] == count


def test_large_one_hot_tables_are_sparse_and_the_same(monkeypatch):
    rng = np.random.default_rng(0)
    x = np.column_stack([rng.normal(size=300), rng.integers(0, 40, 300), rng.integers(0, 30, 300)])
    x[::9, 0], x[::7, 1] = NAN, NAN
    levels = {1: levels_of(40), 2: levels_of(30)}
    settings = Settings("standard", "onehot", "float32")
    _, dense = prepare(x, None, levels, settings)
    monkeypatch.setattr(module, "_DENSE", 1000)
    monkeypatch.setattr(module, "_ENTRIES", 3 * 64)
    monkeypatch.setattr(module, "_ROWS", 1)
    _, sparse = prepare(x, None, levels, settings)
    assert isinstance(dense, np.ndarray) and sp.issparse(sparse) and sparse.dtype == np.float32
    np.testing.assert_array_equal(sparse.toarray(), dense)


def test_numbers_too_large_for_the_precision_are_named():
    x = np.array([[1.0, 0.0], [2.0, 1.0], [3.0, 0.5]])
    preparation, _ = prepare(x, None, {}, Settings("standard", "auto", "float32"))
    far = np.array([[1.0, 1e60]])
    table = preparation(far, np.float32)
    message = (
        "column 'b' has 1 such values once it is scaled by 'standard', such as 1e.60. Use scale_fe"
    )
    with pytest.raises(ValueError, match=message):
        within_precision(table, far, preparation, ["a", "b"])
