"""The command: errors of use are one line and exit code 2; results are a table, a file, a page."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from skreg.cli import main

NO_RICH = "rich is not installed: run `pip install skreg[cli]` for colours.\n"

OPTIONS = (
    "target",
    "task",
    "cv",
    "seed",
    "output",
    "json",
    "quick",
    "candidates",
    "repeats",
    "groups",
    "weights",
    "scoring",
    "positive",
    "time-limit",
    "time",
    "rows",
    "drop",
    "missing",
    "decimal",
    "encoding",
)


@pytest.fixture
def path(tmp_path):
    random = np.random.RandomState(0)
    X = random.normal(size=(120, 4))
    frame = pd.DataFrame(X, columns=list("abcd"))
    frame["day"] = np.repeat(np.arange(12), 10)
    frame["label"] = np.where(X[:, 0] + 0.5 * random.normal(size=120) > 0, "yes", "no")
    frame.to_csv(tmp_path / "table.csv", index=False)
    return tmp_path / "table.csv"


def fails(capsys, *arguments):
    """The one line that a command ends with."""
    assert main([str(a) for a in arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("skreg: ")
    return captured.err


def test_no_such_file(capsys, tmp_path):
    assert "none.csv does not exist" in fails(capsys, "compare", tmp_path / "none.csv")


def test_no_such_column(capsys, path):
    error = fails(capsys, "compare", path, "--target", "lable")
    assert "No column 'lable' for the target. Did you mean 'label'?" in error


def test_target_with_one_value(capsys, tmp_path):
    (tmp_path / "t.csv").write_text("a,b\n" + "1,x\n" * 20)
    assert "one value only" in fails(capsys, "compare", tmp_path / "t.csv")


def test_text_only(capsys, tmp_path):
    rows = [f"some words on {i},{i % 2}" for i in range(100)]
    (tmp_path / "t.csv").write_text("\n".join(["words,y", *rows]))
    assert "Every column is free text" in fails(capsys, "compare", tmp_path / "t.csv")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--candidates", "plain,transformer"], "'transformer' is not known. Allowed are 'dummy'"),
        (["--candidates", "plain"], "gives 1 to compare"),
        (["--candidates", "plain,search"], "'search' needs to know for how long"),
        (["--scoring", "goodness"], "--scoring 'goodness' is not known"),
        (["--scoring", "recal"], "Did you mean 'recall'?"),
        (["--scoring", "f1"], "the classes 'no' and 'yes'. Say which one is meant: positive='yes'"),
        (
            ["--scoring", "f1", "--positive", "yess"],
            "positive='yess' is not a class of the target.",
        ),
        (["--scoring", "r2"], "scoring='r2' is for numbers, and the target is classes"),
        (["--groups", "day", "--cv", "20"], "cv=20 folds cannot be made of 12 groups"),
        (["--cv", "100"], "Fewer than two classes have 100 rows"),
        (["--task", "regression"], "not numbers, such as"),
        (["--output", "no/such/folder/r.html"], "r.html cannot be written"),
        (["--weights", "label"], "cannot be the target and something else"),
        (["--target", "Label"], "Did you mean 'label'?"),
        (["--drop", "a,f"], "No column 'f' for the columns to drop"),
        (["--encoding", "klingon"], "The encoding 'klingon' is not known"),
        (["--output", "no/such/folder/r.html"], "there is no folder no/such/folder"),
        (["--output", "."], ". cannot be written: it is a folder"),
        (["--output", "r.html", "--json", "r.html"], "--output and --json both name r.html"),
    ],
)
def test_options_that_do_not_fit_the_table(capsys, path, options, message):
    assert message in fails(capsys, "compare", path, *options)


def test_columns_without_a_table(capsys):
    assert "--target goes with a table" in fails(capsys, "compare", "--target", "x")
    assert "--missing goes with a table" in fails(capsys, "compare", "--missing", "x")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--cv", "1"], "'1' is not a whole number of at least 2"),
        (["--rows", "few"], "'few' is not a whole number of at least 10"),
        (["--time-limit", "-3"], "'-3' is not a number of seconds above 0"),
        (["--task", "ranking"], "invalid choice: 'ranking'"),
        (["--decimal", "x"], "invalid choice: 'x'"),
    ],
)
def test_options_that_cannot_be_read(capsys, path, options, message):
    with pytest.raises(SystemExit) as stop:
        main(["compare", str(path), *options])
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


def test_help_names_every_option(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["compare", "--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert all(f"--{name}" in text for name in OPTIONS)


def test_module_ends_without_traceback():
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "skreg", "compare", "none.csv"],
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "80"},
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == "skreg: none.csv does not exist. Give a CSV or Parquet file.\n"


QUICK = ("--candidates", "dummy,linear L2,plain", "--quick", "--cv", "3")


def test_a_table_is_compared(capsys, path, tmp_path):
    json_file, page = tmp_path / "out.json", tmp_path / "report.html"
    arguments = ["compare", path, *QUICK, "--json", json_file, "--output", page, "--rows", "100"]
    assert main([str(a) for a in arguments]) == 0
    captured = capsys.readouterr()
    assert captured.err == ("" if importlib.util.find_spec("rich") else NO_RICH)
    for text in ("Take the ", "What to take", "Verdict", "Diagnosis", f"Page: {page}"):
        assert text in captured.out
    read = json.loads(json_file.read_text())
    assert {row["candidate"] for row in read["candidates"]} == {"dummy", "linear L2", "plain net"}
    assert read["recommended"] in {"linear L2", "plain net"}
    assert (
        f"Take the {'linear model' if read['recommended'] == 'linear L2' else 'plain net'}: "
        in (read["recommendation"])
    )
    assert (
        "A stratified draw of 100 of 120 rows was used (--rows all takes them all)."
        in (read["notes"])
    )
    assert "linear L2" in page.read_text(encoding="utf-8")


def test_without_rich_the_table_is_plain(capsys, path, monkeypatch):
    monkeypatch.setitem(sys.modules, "rich", None)
    assert main(["compare", str(path), *QUICK, "--groups", "day"]) == 0
    captured = capsys.readouterr()
    assert captured.err == NO_RICH
    assert captured.out.startswith("table.csv: 120 rows, 4 columns\n\nTake the ")
    assert captured.out.count("Take the ") == 1
    assert "\n    model.fit(X, y)\n" in captured.out
    assert "gap: training minus test." in captured.out
    assert "# Verdict" in captured.out


def test_time_is_for_the_search(capsys, path, monkeypatch):
    asked = {}

    def take_note(*_, **options):
        asked.update(options)
        raise KeyboardInterrupt

    monkeypatch.setattr("skreg.comparison.compare", take_note)
    assert main(["compare", str(path), "--time", "20"]) == 130
    assert (asked["search_time"], asked["time_limit"]) == (20.0, None)


def test_interrupt_ends_quietly(capsys, path, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("skreg.comparison.compare", interrupted)
    assert main(["compare", str(path)]) == 130
    assert capsys.readouterr().err == "skreg: stopped.\n"


LINEAR = ("--candidates", "dummy,linear L2", "--quick", "--cv", "3")


def test_the_table_is_not_overwritten(capsys, path):
    assert "is the table itself" in fails(capsys, "compare", path, "--json", path)


def test_options_for_what_is_in_the_file(capsys, path, tmp_path):
    frame = pd.read_csv(path).astype({"a": object})
    frame.loc[::10, "a"] = "refused"
    frame.loc[1::10, "b"] = -999
    frame.to_csv(path, index=False)
    json_file = tmp_path / "out.json"
    options = ["--missing", "refused,-999", "--drop", "c", "--drop", "d,day", "--json", json_file]
    assert main([str(a) for a in ["compare", path, *LINEAR, *options]]) == 0
    assert capsys.readouterr().err == ("" if importlib.util.find_spec("rich") else NO_RICH)
    read = json.loads(json_file.read_text(encoding="utf-8"))
    assert read["method"]["Rows and columns"] == "120 rows, 2 columns"
    assert "'refused' was taken for missing in 12 cells." in read["notes"]
    assert "'-999' was taken for missing in 12 cells." in read["notes"]


def test_a_column_that_tells_the_target_is_named(capsys, path):
    frame = pd.read_csv(path)
    frame.insert(0, "copy", (frame["label"] == "yes") * 1)
    frame.to_csv(path, index=False)
    assert main(["compare", str(path), *LINEAR]) == 0
    assert "copy (balanced accuracy 1.000) predicts the target alone" in " ".join(
        capsys.readouterr().out.split()
    )


def run_command(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "skreg", "compare", *map(str, arguments)],
        capture_output="stdout" not in options,
        check=False,
        timeout=120,
        **options,
    )


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is full")
def test_a_full_disk_is_one_line_and_the_result_is_shown(capsys, path):
    assert main(["compare", str(path), *LINEAR, "--output", "/dev/full"]) == 2
    captured = capsys.readouterr()
    assert "linear L2" in captured.out
    assert captured.err.splitlines()[-1] == (
        "skreg: /dev/full could not be written: No space left on device."
    )


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is full")
def test_output_that_cannot_be_printed_is_one_line_and_files_are_written(path, tmp_path):
    json_file = tmp_path / "out.json"
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = run_command(path, *LINEAR, "--json", json_file, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 1
    assert done.stderr.decode().splitlines()[-1] == (
        "skreg: the result could not be printed: No space left on device."
    )
    assert json.loads(json_file.read_text(encoding="utf-8"))["best"]


@pytest.mark.slow
def test_a_table_piped_in_and_a_console_without_signs(path, tmp_path):
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    json_file = tmp_path / "out.json"
    done = run_command("-", *LINEAR, "--json", json_file, input=path.read_bytes(), env=environment)
    assert done.returncode == 0
    assert b"+/-" in done.stdout
    assert b"standard input" in done.stdout
    assert json.loads(json_file.read_text(encoding="utf-8"))["method"]["Table"] == "standard input"
