"""Files are read, cleaned and refused with one clear line."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from skreg.comparison.tables import TableError, bundled_table, load_table


@pytest.fixture
def frame():
    random = np.random.RandomState(0)
    return pd.DataFrame(
        {
            "age": random.randint(20, 70, 120),
            "colour": random.choice(["red", "green", "blue"], 120),
            "price": random.normal(size=120),
            "who": random.randint(0, 30, 120),
            "times": random.randint(1, 4, 120),
            "sick": random.choice(["yes", "no"], 120),
        }
    )


@pytest.fixture
def path(frame, tmp_path):
    file = tmp_path / "table.csv"
    frame.to_csv(file, index=False)
    return file


def test_the_last_column_is_the_target(path, frame):
    table = load_table(path)
    assert list(table.X) == ["age", "colour", "price", "who", "times"]
    assert table.y.tolist() == frame["sick"].tolist()
    assert (table.task, table.target_name, table.name) == ("classification", "sick", "table.csv")
    assert "--task regression changes it" in table.notes[0]


def test_target_groups_and_weights_are_no_features(path, frame):
    table = load_table(path, target="price", groups="who", weights="times")
    assert list(table.X) == ["age", "colour", "sick"]
    assert table.task == "regression"
    assert table.groups.tolist() == frame["who"].tolist()
    assert table.weights.tolist() == frame["times"].tolist()


@pytest.mark.parametrize("kind", ["semicolon", "tab", "gzip", "parquet"])
def test_kinds_of_files(frame, tmp_path, kind):
    file = tmp_path / {"gzip": "t.csv.gz", "parquet": "t.parquet"}.get(kind, "t.csv")
    if kind == "parquet":
        pytest.importorskip("pyarrow")
        frame.to_parquet(file)
    else:
        frame.to_csv(file, index=False, sep={"semicolon": ";", "tab": "\t"}.get(kind, ","))
    assert load_table(file).X.shape == (120, 5)


def test_rows_without_a_target_are_left_out(frame, tmp_path):
    frame.loc[:9, "sick"] = None
    frame.to_csv(tmp_path / "t.csv", index=False)
    table = load_table(tmp_path / "t.csv")
    assert len(table.y) == len(table.X) == 110
    assert "10 rows without a value in sick were left out." in table.notes


def test_large_tables_are_drawn_with_their_class_shares(tmp_path):
    y = np.repeat(["a", "b", "c"], [900, 90, 10])
    random = np.random.RandomState(0)
    frame = pd.DataFrame({"x": np.arange(1000), "w": random.rand(1000), "y": random.permutation(y)})
    frame.to_csv(tmp_path / "t.csv", index=False)
    table = load_table(tmp_path / "t.csv", weights="w", max_rows=100)
    labels, counts = np.unique(table.y, return_counts=True)
    assert dict(zip(labels, counts.tolist(), strict=True)) == {"a": 90, "b": 9, "c": 1}
    drawn = frame.iloc[table.X["x"]]
    assert drawn["y"].tolist() == table.y.tolist()
    assert drawn["w"].to_numpy() == pytest.approx(table.weights)
    assert "A stratified draw of 100 of 1,000 rows was used (--rows all takes them all)." in (
        table.notes
    )
    assert len(load_table(tmp_path / "t.csv", max_rows=None).y) == 1000
    other = load_table(tmp_path / "t.csv", max_rows=100, random_state=1)
    assert other.X["x"].tolist() != table.X["x"].tolist()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": "Price"}, r"No column 'Price' for the target. Did you mean 'price'\?"),
        ({"groups": "zip"}, "No column 'zip' for the groups. The columns are age, colour"),
        ({"target": "who", "groups": "who"}, "'who' cannot be the target and something else"),
        ({"weights": "colour"}, "Column 'colour' cannot be weights"),
        ({"target": "colour", "task": "regression"}, "'colour': .*--task classification"),
    ],
)
def test_columns_that_cannot_serve(path, options, message):
    with pytest.raises(TableError, match=message):
        load_table(path, **options)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty. Give a file with a header and rows"),
        ("a\n" + "1\n" * 20, "has 1 column"),
        ("a,b\n1,2\n", "has 1 row: too few"),
        ("a,b\n" + "1,x\n" * 20, "'b': The target has one value only"),
        ("a,b\n" + ",1\n,2\n" * 20, "Every feature is empty"),
    ],
)
def test_files_that_cannot_serve(tmp_path, text, message):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(TableError, match=message):
        load_table(tmp_path / "t.csv")


def test_text_only(tmp_path):
    rows = [f"what person {i} wrote,{i % 2}" for i in range(100)]
    (tmp_path / "t.csv").write_text("\n".join(["words,y", *rows]))
    with pytest.raises(TableError, match="Every column is free text"):
        load_table(tmp_path / "t.csv")


def test_no_such_file(tmp_path):
    with pytest.raises(TableError, match=r"none\.csv does not exist"):
        load_table(tmp_path / "none.csv")
    with pytest.raises(TableError, match="is a folder"):
        load_table(tmp_path)


def test_bundled_table():
    table = bundled_table()
    assert table.X.shape == (569, 30)
    assert set(table.y) == {"malignant", "benign"}
