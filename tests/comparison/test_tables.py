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
        ({"target": "SICK"}, r"Did you mean 'sick'\?"),
        ({"drop": ["colour", "prise"]}, r"No column 'prise' for the columns to drop.*'price'\?"),
        ({"decimal": ";"}, "decimal=';': allowed are"),
        ({"drop": ["age,colour,price,who,times"]}, "There is no column besides 'sick'"),
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
        ("a,b\n" + "1,\n2,\n" * 20, "The last column, 'b', would be the target and is empty"),
        ("a,b\n" + "1,?\n2,-\n" * 20, "'b' holds no value that is not taken for missing"),
        ("a,b\n" + "1,\n2,\n" * 20 + "3,1\n", "Only 1 row of 41 have a value in b"),
        ("y,a,y\n" + "1,2,3\n" * 20, "Several columns are called 'y', so the target is not clear"),
        (
            "id,y\n" + "".join(f"{k},{k % 2}\n" for k in range(40)),
            "No feature is left.*id was left",
        ),
        ("a,y\n" + "1,x\n2,y\n" * 20 + "3,x,5\n", "line 42 has 3 values where there are 2 columns"),
    ],
)
def test_files_that_cannot_serve(tmp_path, text, message):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(TableError, match=message):
        load_table(tmp_path / "t.csv")


@pytest.mark.parametrize(
    ("cells", "options", "message"),
    [
        ([f"word {k}" for k in range(60)], {}, r"Column 'y' has 60 distinct .*\(--target\)"),
        (np.arange(60) / 7, {"task": "classification"}, "Column 'y' .* use --task regression"),
        (
            ["unsure" if k % 5 < 2 else "open" if k % 50 == 4 else k / 7 for k in range(60)],
            {"task": "classification"},
            "Column 'y' .*34 values are numbers: if the others, such as 'unsure'.*--missing",
        ),
        (
            ["unsure" if k % 9 < 4 else k / 7 for k in range(60)],
            {"task": "auto"},
            "Column 'y': The target has 28 of 60 values that are not numbers, such as 'unsure'.*"
            "name them with --missing",
        ),
    ],
)
def test_targets_of_too_many_values(tmp_path, cells, options, message):
    frame = pd.DataFrame({"a": np.arange(60) % 7, "y": pd.Series(cells, dtype=object)})
    frame.to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(TableError, match=message):
        load_table(tmp_path / "t.csv", **options)
    if "unsure" in message:
        table = load_table(tmp_path / "t.csv", missing=["unsure", "open"])
        assert table.task == "regression"


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


X = np.random.RandomState(3).normal(size=(200, 3)).round(4)
LABEL = np.where(X[:, 0] + X[:, 1] > 0, "yes", "no")


def messy(**columns):
    """A table of text, as written by hand, with columns changed."""
    frame = pd.DataFrame(X, columns=list("abc")).astype(object).assign(y=LABEL)
    return frame.assign(**columns)


def load(frame, tmp_path, *, index=False, sep=",", encoding="utf-8", **options):
    path = tmp_path / "t.csv"
    path.write_bytes(frame.to_csv(index=index, sep=sep).encode(encoding))
    return load_table(path, **options)


def with_words(word, every=10):
    return [word if k % every == 0 else value for k, value in enumerate(X[:, 0])]


@pytest.mark.parametrize(
    ("cells", "said", "factor"),
    [
        (with_words("-"), "a: 180 of 200 values are numbers; '-' was taken for missing.", 1),
        (with_words("see below"), "a: 180 of 200 values are numbers; 'see below' was taken", 1),
        ([f"{v:.2%}" for v in X[:, 0]], "a: all values are numbers with percent signs", 100),
        ([f"$ {1e4 * v:,.0f}" for v in X[:, 0]], "currency signs", 1e4),
        ([str(v).replace(".", ",") for v in X[:, 0]], "with decimal commas", 1),
        ([str(v).replace("-", "\u2212") for v in X[:, 0]], "with typographic minus signs", 1),
    ],
)
def test_numbers_in_text_are_numbers_and_said(tmp_path, cells, said, factor):
    table = load(messy(a=cells), tmp_path)
    assert [dtype.kind for dtype in table.X.dtypes] == ["f"] * 3
    read = table.X["a"].to_numpy()
    missing = np.isnan(read)
    assert missing.mean() in (0.0, 0.1)
    assert read[~missing] == pytest.approx(factor * X[~missing, 0], abs=0.5 if factor > 1 else 1e-4)
    assert len(table.notes) == 2
    assert sum(said in note for note in table.notes) == 1


def test_decimal_commas_of_a_file_tell_what_points_are(tmp_path):
    frame = messy(
        a=[str(v).replace(".", ",") for v in X[:, 0]],
        b=[f"{abs(5e4 * v):,.0f}".replace(",", ".") for v in X[:, 1]],
        c=[f"{k % 9}.5" for k in range(200)],
    )
    table = load(frame, tmp_path, sep=";")
    assert table.X["a"].to_numpy() == pytest.approx(X[:, 0])
    assert table.X["b"].to_numpy() == pytest.approx(np.abs(5e4 * X[:, 1]), abs=0.51)
    assert table.X["c"].max() == 8.5


def test_the_user_says_what_the_comma_is(tmp_path):
    frame = messy(a=[f"{k % 9 + 1},{k:03d}" for k in range(200)])
    assert load(frame, tmp_path).X["a"].max() > 1000
    assert load(frame, tmp_path, decimal=",").X["a"].max() < 10
    # where all columns of a file are ambiguous, semicolons say it
    assert load(frame[["a", "y"]], tmp_path, sep=";").X["a"].max() < 10
    assert load(frame[["a", "y"]], tmp_path, sep=";", decimal=".").X["a"].max() > 1000


def test_a_total_at_the_foot_does_not_enter(tmp_path):
    frame = messy(y=(3 * X[:, 0]).round(2))
    frame.loc[200] = ["Total", "", "", 12345.0]
    table = load(frame, tmp_path)
    assert table.task == "regression"
    assert table.y == pytest.approx((3 * X[:, 0]).round(2))
    assert "The last row is a total or a footnote and was left out ('Total')." in table.notes


@pytest.mark.parametrize("word", ["?", "n.a.", "-"])
def test_a_target_with_words_is_a_number(tmp_path, word):
    frame = messy(y=with_words(word, every=8))
    table = load(frame, tmp_path)
    assert table.task == "regression"
    assert table.y == pytest.approx(np.delete(X[:, 0], np.arange(0, 200, 8)))
    assert f"y: 175 of 200 values are numbers; {word!r} was taken for missing." in table.notes
    assert "25 rows without a value in y were left out." in table.notes


def test_spellings_of_a_class_are_one_class(tmp_path):
    labels = [
        f"{v} " if k % 9 == 0 else v.upper() if k % 9 == 1 else v for k, v in enumerate(LABEL)
    ]
    table = load(messy(y=labels), tmp_path)
    assert table.y.tolist() == LABEL.tolist()
    said = next(note for note in table.notes if "was read as" in note)
    assert "'YES' was read as 'yes'" in said
    assert "'NO' was read as 'no'" in said


def test_whole_classes_beside_gaps_stay_whole(tmp_path):
    labels = ["?" if k % 9 == 0 else str(int(v == "yes")) for k, v in enumerate(LABEL)]
    table = load(messy(y=labels), tmp_path)
    assert table.task == "classification"
    assert set(table.y.tolist()) == {0, 1}
    assert table.y.dtype.kind == "i"


def test_a_counter_that_knows_the_target_is_left_out(tmp_path):
    frame = messy().sort_values("y").reset_index(drop=True)
    table = load(frame, tmp_path, index=True)
    assert list(table.X) == ["a", "b", "c"]
    assert "Unnamed: 0 was left out: a number or name for each row." in table.notes


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16", "utf-8-sig"])
def test_encodings_of_names_and_cells(tmp_path, encoding):
    frame = messy(farbe=["gr\u00fcn", "wei\u00df"] * 100).rename(columns={"a": "gr\u00f6\u00dfe"})
    table = load(frame, tmp_path, encoding=encoding, target="y")
    assert list(table.X) == ["gr\u00f6\u00dfe", "b", "c", "farbe"]
    assert set(table.X["farbe"]) == {"gr\u00fcn", "wei\u00df"}
    assert ("encoding" in table.notes[0]) == (encoding != "utf-8-sig")


def test_the_columns_and_words_of_the_user(tmp_path):
    frame = messy(a=with_words(-999), note=["x, y"] * 100 + ["z"] * 100)
    table = load(frame, tmp_path, target="y", drop=["b,note"], missing=["-999"])
    assert list(table.X) == ["a", "c"]
    assert table.X["a"].isna().sum() == 20
    assert "'-999' was taken for missing in 20 cells." in table.notes
    again = load(frame, tmp_path, target="y", drop="b,note", missing="-999")
    pd.testing.assert_frame_equal(again.X, table.X)


def test_infinite_and_huge_values_name_their_column(tmp_path):
    frame = messy()
    frame.loc[3, "a"], frame.loc[4, "b"] = "inf", 1e300
    table = load(frame, tmp_path)
    assert table.X.isna().sum().tolist() == [1, 1, 0]
    assert "a: 1 infinite value was taken for missing." in table.notes
    assert any(note.startswith("b: 1 value too large to compute with") for note in table.notes)


def test_rows_without_a_group_are_left_out(tmp_path):
    frame = messy(g=["NA" if k % 10 == 0 else f"g{k % 6}" for k in range(200)])
    table = load(frame, tmp_path, target="y", groups="g")
    assert set(table.groups) == {f"g{k}" for k in range(6)}
    assert "20 rows without a value in y, g were left out." in table.notes


def test_weights_with_decimal_commas(tmp_path):
    frame = messy(w=[f"{k % 3},5" for k in range(200)])
    table = load(frame, tmp_path, target="y", weights="w")
    assert table.weights.tolist() == [k % 3 + 0.5 for k in range(200)]


def test_parquet_with_types_of_pandas(tmp_path):
    pytest.importorskip("pyarrow")
    frame = pd.DataFrame(
        {
            "n": pd.array([1, None, 3] * 20, dtype="Int64"),
            "f": pd.array([0.5, None, 1.5, 2.5] * 15, dtype="Float64"),
            "s": ["1,5", "2,5", "-"] * 20,
            "y": ["u", "v"] * 30,
        }
    )
    frame.to_parquet(tmp_path / "t.parquet")
    table = load_table(tmp_path / "t.parquet")
    assert [dtype.kind for dtype in table.X.dtypes] == ["f"] * 3
    assert table.X.isna().sum().tolist() == [20, 15, 20]


@pytest.mark.parametrize("max_rows", [-1, 0, 9])
def test_too_few_rows_to_draw(tmp_path, max_rows):
    path = tmp_path / "t.csv"
    pd.DataFrame({"a": np.arange(30), "y": np.arange(30) % 2}).to_csv(path, index=False)
    with pytest.raises(TableError, match=f"max_rows={max_rows}: allowed are 10 and more, and None"):
        load_table(path, max_rows=max_rows)


@pytest.mark.parametrize("words", [("+", "-"), ("EU", "NA"), ("ok", "n.a."), ("!", "?")])
def test_a_word_for_missing_values_may_be_one_of_two_classes(tmp_path, words):
    labels = np.array(words)[np.arange(60) % 2]
    frame = pd.DataFrame({"a": np.arange(60.0) ** 1.5, "y": labels})
    frame.to_csv(tmp_path / "t.csv", index=False)
    table = load_table(tmp_path / "t.csv")
    assert pd.Series(table.y).value_counts().to_dict() == dict.fromkeys(words, 30)
    assert (
        f"y: {words[1]!r} was taken for a class: one class alone would be left without it."
        in table.notes
    )
    frame.loc[::4, "y"] = words[0].swapcase()  # another spelling of the same class
    frame.to_csv(tmp_path / "t.csv", index=False)
    assert pd.Series(load_table(tmp_path / "t.csv").y).nunique() == 2
    frame["y"] = np.where(np.arange(60) < 57, words[0], words[1])  # a rare one is a gap
    frame.to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(TableError, match="one value only"):
        load_table(tmp_path / "t.csv")


def test_a_header_that_comes_again_is_left_out(tmp_path, frame):
    text = frame.to_csv(index=False)
    (tmp_path / "twice.csv").write_text(text + text + text)
    (tmp_path / "once.csv").write_text(text)
    twice, once = load_table(tmp_path / "twice.csv"), load_table(tmp_path / "once.csv")
    assert len(twice.y) == 3 * len(once.y)
    assert list(twice.X.columns) == list(once.X.columns)
    assert any(
        note.startswith("2 lines that repeat the header were left out") for note in twice.notes
    )


@pytest.mark.parametrize(
    "summary",
    [
        ["Mean", "SD", "N"],
        ["Sub-total", "Total"],
        ["\u0418\u0442\u043e\u0433\u043e"],
        ["count", "25%", "50%", "max"],
    ],
)
def test_a_summary_at_the_foot_does_not_enter(tmp_path, summary):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"name": list("vwxyz") * 12, "a": rng.normal(size=60), "y": rng.normal(size=60)}
    )
    foot = pd.DataFrame({"name": summary, "a": 1.0, "y": 600.0})
    pd.concat([frame, foot]).to_csv(tmp_path / "t.csv", index=False)
    table = load_table(tmp_path / "t.csv")
    assert len(table.y) == 60 and table.y.max() < 600


def test_categories_that_are_called_like_part_of_a_summary_stay(tmp_path):
    """Sorted by the category, all of one are in the last rows."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"name": ["a"] * 54 + ["n"] * 6, "a": rng.normal(size=60), "y": rng.normal(size=60)}
    )
    frame.to_csv(tmp_path / "t.csv", index=False)
    assert len(load_table(tmp_path / "t.csv").y) == 60
