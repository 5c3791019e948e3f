from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from benchmarks import memory, protocol, tables
from benchmarks.results_file import COLUMNS, OPTIONAL, ResultsFile, note_run, read, read_notes
from skreg import RegularizedMLPClassifier

METHODS = ["linear", "hgb:max_iter=5"]


@pytest.fixture
def run(folder, tmp_path):
    """Runs the command, and returns the rows."""

    def run(*options, methods=METHODS, seeds="0", out=tmp_path / "results.csv"):
        arguments = ["--data", str(folder), "--seeds", seeds, "--out", str(out)]
        tables.main([*arguments, "--methods", *methods, *options])
        return read(out)

    return run


def test_a_row_per_table_seed_and_method(run):
    rows = run(seeds="0,1")
    assert tuple(rows) == COLUMNS
    assert len(rows) == 3 * 2 * 2
    assert not rows.duplicated(["dataset", "seed", "method"]).any()
    assert rows["error"].isna().all()
    numbers = rows.set_index(["dataset", "seed", "method"])
    assert numbers.loc[("amount", 0, "linear"), "score"] > 0.95
    assert numbers.loc[("two", 1, "hgb:max_iter=5"), "score"] > 0.9
    assert numbers.loc[("three", 0, "linear"), ["n_train", "d"]].tolist() == [87, 4]
    regression = rows["task"] == "regression"
    assert rows.loc[regression, ["logloss", "auc"]].isna().all(axis=None)
    assert rows.loc[~regression, ["logloss", "auc"]].notna().all(axis=None)
    assert (rows[["fit_s", "predict_s"]] >= 0).all(axis=None)


def test_what_is_there_is_skipped(run, monkeypatch):
    first = run(methods=["linear"])
    fitted = []
    once = tables.run_method
    monkeypatch.setattr(
        tables, "run_method", lambda cell, method: fitted.append(method) or once(cell, method)
    )
    tables._warm_up.cache_clear()
    second = run()
    # Each table, and one made table for each task before it.
    assert fitted == ["hgb:max_iter=5"] * 6
    kept = second[second["method"] == "linear"].reset_index(drop=True)
    pd.testing.assert_frame_equal(kept, first, check_dtype=False)
    assert len(second) == 6


def test_a_broken_off_run_goes_on(run, monkeypatch):
    once = tables.run_method

    def interrupted(cell, method):
        if cell.dataset == "three":
            raise KeyboardInterrupt
        return once(cell, method)

    with monkeypatch.context() as patch:
        patch.setattr(tables, "run_method", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run()
    rows = run()
    assert sorted(rows["dataset"]) == ["amount"] * 2 + ["three"] * 2 + ["two"] * 2


@pytest.mark.slow
def test_an_error_is_a_row_and_is_run_again_when_asked(run, monkeypatch):
    once = tables.run_method

    def broken(cell, method):
        if cell.dataset == "two" and method == "linear":
            raise RuntimeError('no\nmemory, "left"')
        return once(cell, method)

    with monkeypatch.context() as patch:
        patch.setattr(tables, "run_method", broken)
        rows = run()
    failed = rows[rows["error"].notna()]
    assert failed[["dataset", "method"]].values.tolist() == [["two", "linear"]]
    assert failed["error"].item() == 'RuntimeError: no memory, "left"'
    assert failed["score"].isna().all()
    assert run()["error"].notna().sum() == 1
    rows = run("--retry")
    assert len(rows) == 6
    assert rows["error"].isna().all()


def test_a_table_that_cannot_be_split_is_an_error_of_every_method(folder, run):
    frame = pd.read_csv(folder / "two.csv.gz")
    frame.assign(target="same").to_csv(folder / "two.csv.gz", index=False)
    rows = run("--tables", "two")
    assert rows["error"].str.contains("1 of 1 classes have at least 5 rows").tolist() == [
        True,
        True,
    ]


@pytest.mark.slow
def test_half_and_names_and_tasks_restrict(run, tmp_path):
    assert set(run("--tables", "two,amount")["dataset"]) == {"two", "amount"}
    out = tmp_path / "more.csv"
    assert set(run("--tasks", "multiclass", out=out)["dataset"]) == {"three"}
    assert set(run("--half", "choose", out=out)["dataset"]) == {"two", "three", "amount"}


@pytest.mark.parametrize(
    ("options", "methods", "message"),
    [
        (["--tables", "four"], METHODS, "There is no table 'four'. Tables are two, three, amount"),
        (["--half", "judge"], METHODS, "No table is left"),
        ([], ["skreg:drop=1"], "Invalid parameter 'drop'"),
        ([], ["nothing"], "There is no method 'nothing'"),
    ],
)
def test_wrong_options_end_before_anything_is_run(run, tmp_path, options, methods, message):
    with pytest.raises(SystemExit, match=message):
        run(*options, methods=methods)
    assert not (tmp_path / "results.csv").exists()


def test_other_columns_and_other_files_are_refused(run, tmp_path):
    other = tmp_path / "other.csv"
    other.write_text("a,b\n1,2\n")
    with pytest.raises(SystemExit, match=r"has the columns a, b; a file of results has dataset"):
        run(out=other)
    with pytest.raises(SystemExit, match=r"ends in \.csv, got .*results\.json"):
        run(out=tmp_path / "results.json")


def test_notes_keep_machine_methods_and_halves(run, tmp_path):
    run(methods=["linear"])
    run(seeds="2,1", methods=["hgb:max_iter=5"])
    notes = read_notes(tmp_path / "results.csv")
    assert notes["data"] == "data"
    assert notes["halves"] == {"two": "choose", "three": "choose", "amount": "choose"}
    (only,) = notes["runs"]
    assert only["methods"] == METHODS
    assert only["seeds"] == [0, 1, 2]
    assert only["machine"]["cores"] >= 1


def test_another_machine_is_another_run_and_other_tables_are_refused(tmp_path):
    out = tmp_path / "results.csv"
    run = {"data": "dev", "halves": {"a": "choose"}, "methods": ["hgb"], "seeds": [0]}
    note_run(out, machine={"cpu": "one"}, **run)
    note_run(out, machine={"cpu": "two"}, **run)
    assert [run["machine"]["cpu"] for run in read_notes(out)["runs"]] == ["one", "two"]
    with pytest.raises(ValueError, match=r"was begun on the tables of 'dev'.*another --out"):
        note_run(out, machine={"cpu": "one"}, **{**run, "halves": {"b": "choose"}})


def test_results_survive_a_round_trip(tmp_path):
    out = tmp_path / "results.csv"
    row = {"dataset": "a", "task": "binary", "seed": 1, "method": "skreg:dropout=0.1,patience=2"}
    ResultsFile(out).append({**row, "score": 0.123456789})
    again = ResultsFile(out)
    assert again.done == {("a", 1, "skreg:dropout=0.1,patience=2")}
    assert read(out)["score"].item() == 0.123457


def test_notes_that_are_missing_are_asked_for(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"results\.json is missing.*keep the two together"):
        read_notes(tmp_path / "results.csv")


@pytest.mark.skipif(not memory.CLEAR_REFS.exists(), reason="no account of memory on this system")
def test_peak_memory_sees_what_is_held_and_freed():
    with memory.PeakMemory() as peak:
        block = np.ones(8_000_000)
        del block
    assert 50 < peak.mb < 100
    with memory.PeakMemory() as peak:
        pass
    assert peak.mb < 20


def test_peak_memory_is_none_where_the_system_does_not_tell(monkeypatch, tmp_path):
    monkeypatch.setattr(memory, "CLEAR_REFS", tmp_path / "none" / "clear_refs")
    with memory.PeakMemory() as peak:
        pass
    assert peak.mb is None


def test_bundled_tables_run_without_a_folder(tmp_path):
    out = tmp_path / "bundled.csv"
    tables.main(
        ["--bundled", "--tables", "iris", "--methods", "linear", "--seeds", "0", "--out", str(out)]
    )
    assert read(out)["score"].item() > 0.9
    assert json.loads(out.with_suffix(".json").read_text())["data"] == "bundled"


def test_side_by_side_scores_are_those_of_single_fits(run, tmp_path):
    net = "skreg:hidden_layer_sizes=(4,),max_iter=2,batch_norm=False"
    methods = [net, f"{net},dropout=0.3", f"{net},numeric_embedding=None"]
    alone = run(methods=methods, out=tmp_path / "alone.csv")
    together = run("--together", methods=methods)
    columns = ["dataset", "method", "epochs"]
    pd.testing.assert_frame_equal(together[columns], alone[columns])
    np.testing.assert_allclose(together["score"], alone["score"], atol=1e-4)
    # The seconds of a table are shared out evenly.
    seconds = together.groupby("dataset")["fit_s"]
    assert (seconds.nunique() == 1).all() and (seconds.min() > 0).all()


def test_an_error_side_by_side_is_a_row_and_its_neighbours_are_fitted(run, monkeypatch):
    once = RegularizedMLPClassifier.fit

    def broken(self, X, y):
        if self.dropout == 0.3:
            raise RuntimeError("no memory")
        return once(self, X, y)

    monkeypatch.setattr(RegularizedMLPClassifier, "fit", broken)
    net = "skreg:hidden_layer_sizes=(4,),max_iter=2"
    rows = run("--together", "--tables", "two", methods=[net, f"{net},dropout=0.3"])
    assert rows["error"].isna().tolist() == [True, False]
    assert rows["error"].iloc[1] == "RuntimeError: no memory"
    assert rows["score"].notna().tolist() == [True, False]


def test_a_search_that_decides_by_shares_is_the_same_fit(run, monkeypatch):
    monkeypatch.setattr(tables, "_WARM_SEARCH", "linear")
    fits, fit = [], tables._fit

    def counted(cell, method):
        fits.append(method)
        return fit(cell, method)

    monkeypatch.setattr(tables, "_fit", counted)
    few = "skreg-search:n_settings=1,ensemble=False,cv=2"
    rows = run("--tasks", "binary", methods=[few, f"{few},decision=balanced"])
    assert fits[-1] == few and fits.count(few) == 1  # it may have been warmed up before
    first, second = (rows.iloc[i] for i in range(2))
    assert first["logloss"] == second["logloss"] and first["auc"] == second["auc"]


def test_shares_decide_as_the_estimator_does():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 3))
    y = (X[:, 0] + rng.normal(size=300) > 1.2).astype(int)
    settings = {"hidden_layer_sizes": (8,), "max_iter": 10, "early_stopping": False}
    net = RegularizedMLPClassifier(**settings, random_state=0).fit(X, y)
    balanced = clone(net).set_params(decision="balanced").fit(X, y)
    shares = np.bincount(y) / len(y)
    by_shares = protocol.evaluate(net, X, y, "binary", shares)
    own, plain = (protocol.evaluate(model, X, y, "binary") for model in (balanced, net))
    assert by_shares["score"] == own["score"] != plain["score"]
    assert by_shares["logloss"] == plain["logloss"]


def test_a_row_goes_into_a_file_without_the_columns_that_came_later(tmp_path):
    out = tmp_path / "results.csv"
    row = {"dataset": "a", "task": "binary", "seed": 1, "method": "hgb", "score": 0.5}
    columns = [name for name in COLUMNS if name not in OPTIONAL]
    pd.DataFrame([row]).reindex(columns=columns).to_csv(out, index=False)
    ResultsFile(out).append({**row, "seed": 2, "peak_mb": 3.0, "predict_s": 0.25})
    assert read(out)["seed"].tolist() == [1, 2]
    assert read(out)["predict_s"].iloc[1] == 0.25
    assert len({line.count(",") for line in out.read_text().splitlines()}) == 1
    assert ResultsFile(out).done == {("a", 1, "hgb"), ("a", 2, "hgb")}
