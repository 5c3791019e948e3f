"""`skreg fit` and `skreg predict`: from a file to a model, and from the model to predictions."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from skreg.cli import main

pytest.importorskip("skops.io", reason="files of models are skops's")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A table of classes with text and gaps, one of numbers, new rows, and a model of the first."""
    folder = tmp_path_factory.mktemp("cli")
    random = np.random.RandomState(0)
    n = 130
    X = pd.DataFrame({"id": [f"P-{100 + i}" for i in range(n)], "a": random.normal(size=n)})
    X["b"] = random.choice(["red", "green", "blue"], size=n)
    X["day"] = np.repeat(np.arange(13), 10)
    z = X["a"] + np.where(X["b"] == "red", 1.0, -0.5)
    X.loc[::8, "a"], X.loc[::9, "b"] = np.nan, None
    X[:100].assign(label=np.where(z > 0, "yes", "no")[:100]).to_csv(folder / "t.csv", index=False)
    X[:100].assign(price=z[:100] * 10).to_csv(folder / "numbers.csv", index=False)
    X[100:].drop(columns="day").assign(extra=1, day=3).to_csv(folder / "new.csv", index=False)
    options = ["--target", "label", "--settings", "2", "--quiet"]
    page = ["--report", str(folder / "report.html")]
    model = ["--output", str(folder / "m.skops")]
    assert main(["fit", str(folder / "t.csv"), *options, *model, *page]) == 0
    return folder


def run(*arguments):
    return main([str(argument) for argument in arguments])


def fails(capsys, *arguments):
    """The one line that a command ends with."""
    assert run(*arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("skreg: ")
    return captured.err


def test_a_model_predicts_new_rows(capsys, folder, tmp_path):
    output = tmp_path / "p.csv"
    assert (
        run("predict", folder / "m.skops", folder / "new.csv", "--output", output, "--id", "id")
        == 0
    )
    captured = capsys.readouterr()
    assert captured.out == f"Predictions: {output} (30 rows)\n"
    assert captured.err == "skreg: extra was left out: the model does not know it.\n"
    table, new = pd.read_csv(output), pd.read_csv(folder / "new.csv")
    assert list(table) == ["row", "id", "prediction", "P(no)", "P(yes)"]
    assert table["row"].tolist() == list(range(1, 31)) and table["id"].equals(new["id"])
    known = (new["a"].notna() & new["b"].notna()).to_numpy()
    strength = new["a"] + np.where(new["b"] == "red", 1.0, -0.5)
    assert np.corrcoef(strength[known], table["P(yes)"][known])[0, 1] > 0.5


def test_predictions_on_standard_output_are_a_table(capsys, folder):
    assert run("predict", folder / "m.skops", folder / "new.csv", "--quiet") == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    lines = captured.out.splitlines()
    assert lines[0] == "row,prediction,P(no),P(yes)" and len(lines) == 31


def test_the_page_is_written(folder):
    page = (folder / "report.html").read_text(encoding="utf-8")
    for text in ("A model of label", "default net", "constant", "Which columns matter"):
        assert text in page


def test_what_is_printed_of_numbers(capsys, folder, tmp_path):
    model = tmp_path / "m.skops"
    options = ["--settings", "1", "--output", model, "--verbose", "--groups", "day"]
    assert run("fit", folder / "numbers.csv", *options) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith("numbers.csv: 100 rows, 2 columns; target price (regression)\n")
    for text in (
        "R2 (out of fold)",
        "the one setting that was chosen",
        "With --nested K",
        "Notes\n",
    ):
        assert text in captured.out
    assert f"Model: {model} (" in captured.out
    assert "1 settings, epoch" in captured.err
    assert run("predict", model, folder / "new.csv", "--quiet") == 0
    assert capsys.readouterr().out.startswith("row,prediction\n1,")


def test_a_time_is_kept_in_mind(folder, tmp_path, monkeypatch):
    import skreg.fitting

    asked = []

    def fit_table(table, **options):
        asked.append((options["max_time"], options["n_settings"]))
        raise ValueError("enough")

    monkeypatch.setattr(skreg.fitting, "fit_table", fit_table)
    for option in ([], ["--time", "7"], ["--settings", "3"]):
        assert run("fit", folder / "t.csv", "--output", tmp_path / "m.skops", *option) == 2
    assert asked == [(120.0, None), (7.0, None), (None, 3)]


def test_an_interrupted_search_is_written(capsys, folder, tmp_path, monkeypatch):
    from skreg import RegularizedMLPClassifierCV

    fit = RegularizedMLPClassifierCV.fit

    def interrupted(search, *arguments, **options):
        fit(search, *arguments, **options)
        raise KeyboardInterrupt

    monkeypatch.setattr(RegularizedMLPClassifierCV, "fit", interrupted)
    model = tmp_path / "m.skops"
    assert run("fit", folder / "t.csv", "--settings", "1", "--output", model) == 130
    assert capsys.readouterr().err == "skreg: stopped; the best so far was written.\n"
    assert run("predict", model, folder / "new.csv") == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--target", "lable"], "No column 'lable' for the target. Did you mean 'label'?"),
        (["--scoring", "goodness"], "--scoring 'goodness' is not known"),
        (["--scoring", "r2"], "scoring='r2' is for numbers, and the target is classes"),
        (["--scoring", "f1"], "positive='yes'"),
        (["--positive", "yes"], "and scoring='neg_log_loss' does not"),
        (["--task", "regression"], "not numbers, such as"),
        (["--nested", "200"], "200 folds cannot be made of 100 rows"),
        (["--report", "no/such/folder/r.html"], "there is no folder no/such/folder"),
        (["--report", "m.skops"], "--output and --report both name m.skops"),
        (["--drop", "a,b,day,id"], "There is no column besides 'label'"),
    ],
)
def test_options_that_do_not_fit(capsys, folder, tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    assert message in fails(
        capsys, "fit", folder / "t.csv", "--output", "m.skops", "--settings", "1", *options
    )
    assert not (tmp_path / "m.skops").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "the following arguments are required: --output"),
        (["--output", "m", "--time", "3", "--settings", "2"], "not allowed with argument --time"),
        (["--output", "m", "--time", "-3"], "'-3' is not a number of seconds above 0"),
        (["--output", "m", "--nested", "1"], "'1' is not a whole number of at least 2"),
    ],
)
def test_options_that_cannot_be_read(capsys, folder, options, message):
    with pytest.raises(SystemExit) as stop:
        run("fit", folder / "t.csv", *options)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


def test_files_that_are_not_there_or_wrong(capsys, folder, tmp_path):
    new, model = folder / "new.csv", folder / "m.skops"
    assert "none.csv does not exist" in fails(
        capsys, "fit", tmp_path / "none.csv", "--output", tmp_path / "m.skops"
    )
    assert "is the table itself" in fails(capsys, "fit", new, "--output", new)
    assert "none.skops does not exist" in fails(capsys, "predict", tmp_path / "none.skops", new)
    assert "is no skops file" in fails(capsys, "predict", new, new)
    assert "none.csv does not exist" in fails(capsys, "predict", model, tmp_path / "none.csv")
    assert "is the model itself" in fails(capsys, "predict", model, new, "--output", model)
    assert "is the table itself" in fails(capsys, "predict", model, new, "--output", new)
    before = new.read_bytes()
    for link, make in (("soft.csv", Path.symlink_to), ("hard.csv", Path.hardlink_to)):
        make(folder / link, new)
        error = fails(capsys, "predict", model, new, "--output", folder / link)
        assert "is the table itself" in error
        (folder / link).unlink()
    around = folder / ".." / folder.name / "new.csv"
    assert "is the table itself" in fails(capsys, "predict", model, new, "--output", around)
    around = folder / ".." / folder.name / "x.skops"
    assert "--output and --report both name" in fails(
        capsys, "fit", folder / "t.csv", "--output", folder / "x.skops", "--report", around
    )
    assert new.read_bytes() == before and not around.exists()
    assert "No column 'name' for the ids" in fails(capsys, "predict", model, new, "--id", "name")


def test_tables_that_do_not_fit_the_model(capsys, folder, tmp_path):
    new, path = pd.read_csv(folder / "new.csv"), tmp_path / "new.csv"
    new.rename(columns={"a": "A"}).to_csv(path, index=False)
    assert "new.csv lacks 1 column of 3 that the model was fitted on: 'a'. Did 'A'" in fails(
        capsys, "predict", folder / "m.skops", path
    )
    new.assign(a="much").to_csv(path, index=False)
    assert "Column 'a' held numbers in training, and here it holds none" in fails(
        capsys, "predict", folder / "m.skops", path
    )


def test_without_skops_nothing_is_begun(capsys, folder, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "skops", None)
    monkeypatch.setitem(sys.modules, "skops.io", None)
    for arguments in (
        ("fit", folder / "t.csv", "--output", tmp_path / "m.skops"),
        ("predict", folder / "m.skops", folder / "new.csv"),
    ):
        error = fails(capsys, *arguments)
        assert "skops, which is not installed. Run `pip install skreg[cli]`." in error


@pytest.mark.skipif(
    not Path("/proc/self").exists(), reason="wants /proc, where nobody can make a file"
)
def test_a_file_that_cannot_be_made_is_said_before_the_search(capsys, folder, monkeypatch):
    """Permissions do not tell: the administrator may write anywhere."""
    import skreg.fitting

    monkeypatch.setattr(skreg.fitting, "fit_table", lambda *a, **k: pytest.fail("it searched"))
    error = fails(capsys, "fit", folder / "t.csv", "--output", "/proc/x.skops")
    assert "/proc/x.skops cannot be written: " in error


def test_a_model_that_finds_no_room_is_saved_elsewhere(capsys, folder, monkeypatch, tmp_path):
    from skreg import load_model
    from skreg.fitting import Model

    save, model = Model.save, tmp_path / "m.skops"

    def full(self, path):
        if path == model:
            raise OSError(28, "No space left on device")
        return save(self, path)

    monkeypatch.setattr(Model, "save", full)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert run("fit", folder / "t.csv", "--settings", "1", "--output", model) == 2
    error = capsys.readouterr().err
    (spare,) = tmp_path.glob("skreg-*/model.skops")
    assert f"No space left on device. The model is in {spare} instead.\n" in error
    assert load_model(spare).target == "label"


def test_ids_that_are_named_twice_or_as_predictions_are(capsys, folder, tmp_path):
    rows = pd.read_csv(folder / "new.csv")
    new = tmp_path / "new.csv"
    names = {"prediction": 1, "prediction (of the table)": 2}
    rows.assign(**names).to_csv(new, index=False)
    ids = ["--id", "prediction", "--id", "prediction", "--id", "prediction (of the table)"]
    assert run("predict", folder / "m.skops", new, *ids, "--output", tmp_path / "out.csv") == 0
    found = pd.read_csv(tmp_path / "out.csv")
    assert list(found.columns[1:4]) == [
        "prediction (of the table)",
        "prediction (of the table) (of the table)",
        "prediction",
    ]


def test_no_room_for_the_model_is_said_and_the_scores_are_shown(
    capsys, folder, monkeypatch, tmp_path
):
    from skreg.fitting import Model

    def full(model, path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Model, "save", full)
    model = tmp_path / "m.skops"
    assert run("fit", folder / "t.csv", "--settings", "1", "--output", model) == 2
    captured = capsys.readouterr()
    assert "log loss (out of fold)" in captured.out
    assert captured.err == f"skreg: {model} could not be written: No space left on device.\n"
