from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

from benchmarks import protocol
from benchmarks.protocol import Table


@pytest.fixture
def tables(folder):
    return {table.name: table for table in protocol.folder_tables(folder)}


def test_folder_is_read_in_the_order_of_its_index(tables):
    assert {name: table.task for name, table in tables.items()} == {
        "two": "binary",
        "three": "multiclass",
        "amount": "regression",
    }
    X, y = tables["amount"].read()
    assert list(X) == ["number", "holes", "category", "nothing"]
    assert y.name == "target"


def test_folder_without_index_names_the_remedy(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no INDEX\.csv.*or use --bundled"):
        protocol.folder_tables(tmp_path)


@pytest.mark.parametrize(
    ("name", "task", "error", "message"),
    [
        ("gone", "binary", FileNotFoundError, "names 'gone', but .* does not exist"),
        ("two", "ranking", ValueError, "task 'ranking'; allowed are binary, multiclass"),
    ],
)
def test_index_that_does_not_fit(folder, name, task, error, message):
    pd.DataFrame({"name": [name], "task": [task]}).to_csv(folder / "INDEX.csv", index=False)
    with pytest.raises(error, match=message):
        protocol.folder_tables(folder)


def test_rare_classes_are_left_out_and_the_draw_is_stratified(tables):
    X, y = tables["three"].read()
    X_train, X_test, y_train, y_test = protocol.split(X, y, "multiclass", 0)
    counts = y[y != "rare"].value_counts()
    classes = sorted(counts.index)
    assert len(X_train) + len(X_test) == counts.sum() == 116
    # Class numbers are those of the sorted labels, and each class has its share of both parts.
    for code, label in enumerate(classes):
        assert abs((y_train == code).sum() - 0.75 * counts[label]) < 1
        assert abs((y_test == code).sum() - 0.25 * counts[label]) < 1
    assert set(y.loc[X_test.index[y_test == 0]]) == {classes[0]}


def test_a_table_of_one_class_says_so():
    X, y = pd.DataFrame({"x": np.arange(20.0)}), pd.Series(["a"] * 16 + ["b"] * 4)
    with pytest.raises(ValueError, match="1 of 2 classes have at least 5 rows"):
        protocol.split(X, y, "binary", 0)


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_training_rows_are_capped_by_a_second_draw(task):
    n = 16_000
    X, y = pd.DataFrame({"x": np.arange(n)}), pd.Series(np.arange(n) % 10 == 0).astype(int)
    X_train, X_test, y_train, _ = protocol.split(X, y, task, 3)
    strata = y if task == "binary" else None
    first, test = train_test_split(X, test_size=0.25, random_state=3, stratify=strata)
    assert len(X_train) == protocol.MOST_ROWS
    assert list(X_test.index) == list(test.index)
    assert set(X_train.index) < set(first.index)
    if task == "binary":
        assert y_train.sum() == 1000


def test_seeds_differ_and_repeat(tables):
    X, y = tables["two"].read()
    rows = [list(protocol.split(X, y, "binary", seed)[0].index) for seed in (0, 0, 1)]
    assert rows[0] == rows[1] != rows[2]


def test_network_view_is_imputed_scaled_and_one_hot(tables):
    X, y = tables["two"].read()
    cell = protocol.make_cell("two", "binary", X, y, 0)
    A, B = cell.views["network"]
    # Two numbers, three colours and the missing one; the column without a value is gone.
    assert A.shape == (90, 6)
    assert B.shape == (30, 6)
    assert np.isfinite(A).all() and np.isfinite(B).all()
    assert A[:, :2].mean(axis=0) == pytest.approx([0, 0], abs=1e-12)
    assert A[:, :2].std(axis=0) == pytest.approx([1, 1])
    assert (A[:, 2:].sum(axis=1) == 1).all()
    assert cell.d == 4


def test_trees_see_missing_numbers_and_ordinals():
    train = pd.DataFrame({"n": [1.0, np.nan, 3.0], "c": ["b", "a", None]})
    test = pd.DataFrame({"n": [np.nan], "c": ["new"]})
    A, B = protocol.tree_view(*protocol.clean(train, test))
    np.testing.assert_array_equal(A, [[1, 1], [np.nan, 0], [3, -1]])
    np.testing.assert_array_equal(B, [[np.nan, -1]])


def test_unknown_and_single_categories():
    train = pd.DataFrame({"c": ["a", "a", "b", "b", "once", None]})
    test = pd.DataFrame({"c": ["new", "once", "a"]})
    A, B = protocol.network_view(*protocol.clean(train, test))
    # "once" and the missing one occur once each and share the last column.
    np.testing.assert_array_equal(A.sum(axis=0), [2, 2, 2])
    np.testing.assert_array_equal(B, [[0, 0, 0], [0, 0, 1], [1, 0, 0]])


def test_frame_view_is_imputed_with_categories():
    train = pd.DataFrame({"n": [1.0, np.nan, 3.0], "c": ["b", "a", None]})
    A, _ = protocol.frame_view(*protocol.clean(train, train))
    assert list(A["n"]) == [1, 2, 3]
    assert list(A["c"]) == ["b", "a", "missing"]
    assert A["c"].dtype == "category"


def test_halves_alternate_within_a_task_and_hold_all_tasks():
    tables = [Table(f"{task}-{i}", task, None) for task in protocol.TASKS for i in (3, 1, 2)]
    halves = protocol.halves(tables)
    assert [halves[f"binary-{i}"] for i in (1, 2, 3)] == ["choose", "judge", "choose"]
    assert halves == protocol.halves(tables[::-1])


def test_bundled_tables_have_all_tasks_in_both_halves():
    tables = protocol.bundled_tables()
    halves = protocol.halves(tables)
    for half in protocol.HALVES:
        found = {table.task for table in tables if halves[table.name] == half}
        assert found == set(protocol.TASKS)
    for table in tables:
        X, y = table.read()
        assert len(X) == len(y) >= 150


def test_scores_of_a_known_prediction():
    class Model:
        classes_ = np.array([0, 2])

        def predict_proba(self, X):
            return np.array([[0.8, 0.2], [0.6, 0.4], [0.0, 1.0], [0.5, 0.5]])

        def predict(self, X):
            return np.array([0, 2, 2, 0])  # the second by a rule of its own

    scores = protocol.evaluate(Model(), None, np.array([0, 0, 2, 1]), "multiclass")
    # Recalls 1/2, 0, 1; the class without a training row has the least probability.
    assert scores["score"] == pytest.approx(1 / 2)
    expected = -np.log([0.8, 0.6, 1.0, protocol.LEAST_PROBABILITY]).mean()
    assert scores["logloss"] == pytest.approx(expected, rel=1e-5)
    # One versus rest: classes 0 and 2 stand apart, class 1 is given the same everywhere.
    assert scores["auc"] == pytest.approx((1 + 0.5 + 1) / 3)


def test_scores_of_regression_and_of_two_classes():
    X = np.array([[-2.0], [-1.0], [1.0], [2.0]])
    y = np.array([0, 1, 0, 1])
    model = LogisticRegression().fit(X, y)
    scores = protocol.evaluate(model, X, y, "binary")
    assert scores["auc"] == pytest.approx(0.75)
    assert scores["score"] == pytest.approx(0.5)

    class Mean:
        def predict(self, X):
            return np.full(len(X), 0.5)

    scores = protocol.evaluate(Mean(), X, y.astype(float), "regression")
    assert (scores["score"], scores["logloss"], scores["auc"]) == (0.0, None, None)
