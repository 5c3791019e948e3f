from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from benchmarks import default_scores, defaults, defaults_page
from benchmarks.default_settings import DEFAULT, PLAIN, SETTINGS, base, make
from benchmarks.results_file import ResultsFile, read
from skreg import RegularizedMLPClassifier
from skreg.comparison.statistics import holm

#: A net that is trained in no time; what is fitted here is not what is tested.
FAST = {"hidden_layer_sizes": (4,), "max_iter": 2, "batch_norm": False}
NAMES = [DEFAULT, "dropout 0.3", "label smoothing 0.1", "huber loss"]


@pytest.fixture
def run(folder, tmp_path, monkeypatch):
    """Runs the command with small nets, and returns the rows."""

    def small(name, task, seed):
        model = make(name, task, seed)
        return None if model is None else model.set_params(**FAST)

    monkeypatch.setattr(defaults, "make", small)

    def run(*options, settings=NAMES, seeds="0"):
        out = tmp_path / "defaults.csv"
        arguments = ["--data", str(folder), "--seeds", seeds, "--out", str(out)]
        defaults.main([*arguments, "--settings", *settings, *options])
        return read(out, default_scores.COLUMNS)

    return run


# -- settings -------------------------------------------------------------------------------------


def test_the_default_is_the_default():
    for task in ("binary", "regression"):
        model = make(DEFAULT, task, 3)
        assert model.get_params() == type(model)(random_state=3).get_params()


@pytest.mark.parametrize("name", [name for name in SETTINGS if name != DEFAULT])
def test_a_setting_changes_what_it_has_and_no_two_are_alike(name):
    for task in ("binary", "regression"):
        model = make(name, task, 0)
        if model is None:
            continue
        found, default = (one.get_params() for one in (model, make(DEFAULT, task, 0)))
        given = SETTINGS[name].regressor if task == "regression" else SETTINGS[name].classifier
        assert {key: found[key] for key in given} == given
        assert all(found[key] == default[key] for key in set(default) - set(given))
        against = make(base(name), task, 0).get_params()
        changed = {key for key in found if found[key] != against[key]}
        assert len(changed) == name.count(" + ") + (base(name) == DEFAULT)
    same = [
        other
        for other, setting in SETTINGS.items()
        if (setting.classifier, setting.regressor)
        == (SETTINGS[name].classifier, SETTINGS[name].regressor)
    ]
    assert same == [name]


def test_the_first_round_is_compared_with_its_own_net():
    for task in ("binary", "regression"):
        plain, default = (make(name, task, 0).get_params() for name in (PLAIN, DEFAULT))
        changed = {key for key in default if plain[key] != default[key]}
        clip = {"clip"} if task == "regression" else set()
        assert changed == {"ema_decay", "numeric_embedding", "dropout"} | clip
    assert {base(name) for name in SETTINGS if name.startswith("plain")} == {PLAIN}
    assert {base(name) for name in SETTINGS if not name.startswith("plain")} == {DEFAULT}


def test_a_default_taken_back_is_one_parameter():
    reverting = {name: setting for name, setting in SETTINGS.items() if setting.reverts}
    assert {"no batch norm", "dropout 0", "weight decay 0", "no early stopping"} <= set(reverting)
    assert all(len(setting.classifier or setting.regressor) == 1 for setting in reverting.values())


# -- running --------------------------------------------------------------------------------------


def test_a_row_per_table_seed_and_setting_that_the_task_has(run):
    rows = run(seeds="0,1")
    assert tuple(rows) == default_scores.COLUMNS
    assert rows["error"].isna().all()
    found = rows.groupby("dataset")["setting"].agg(set)
    assert found["two"] == found["three"] == {DEFAULT, "dropout 0.3", "label smoothing 0.1"}
    assert found["amount"] == {DEFAULT, "dropout 0.3", "huber loss"}
    assert len(rows) == 3 * 2 * 3
    assert rows[["score", "epochs"]].notna().all(axis=None)
    # The seconds of a batch are shared evenly.
    shares = rows.groupby(["dataset", "seed"])["seconds"]
    assert (shares.nunique() == 1).all() and (shares.min() > 0).all()


def test_what_is_there_is_skipped_and_the_rest_appended(run, monkeypatch):
    first = run(settings=[DEFAULT, "dropout 0.3"])
    batches = []
    once = defaults.fit_together
    monkeypatch.setattr(
        defaults, "fit_together", lambda cell, names: batches.append(names) or once(cell, names)
    )
    second = run()
    assert batches == [["label smoothing 0.1"], ["label smoothing 0.1"], ["huber loss"]]
    pd.testing.assert_frame_equal(second.head(len(first)), first, check_dtype=False)
    run()
    assert len(batches) == 3


def test_an_erroneous_setting_is_a_row_and_its_neighbours_are_fitted(run, monkeypatch):
    once = RegularizedMLPClassifier.fit

    def broken(self, X, y):
        if self.dropout == 0.3:
            raise RuntimeError("no\nmemory")
        return once(self, X, y)

    with monkeypatch.context() as patch:
        patch.setattr(RegularizedMLPClassifier, "fit", broken)
        rows = run("--tables", "two")
    failed = rows["error"].notna()
    assert rows.loc[failed, "setting"].tolist() == ["dropout 0.3"]
    assert rows.loc[failed, "error"].item() == "RuntimeError: no memory"
    assert rows.loc[failed, "score"].isna().all() and rows.loc[~failed, "score"].notna().all()
    assert run("--tables", "two")["error"].notna().sum() == 1
    assert run("--tables", "two", "--retry")["error"].isna().all()


def test_a_table_that_cannot_be_split_is_an_error_of_every_setting(folder, run):
    frame = pd.read_csv(folder / "two.csv.gz")
    frame.assign(target="same").to_csv(folder / "two.csv.gz", index=False)
    rows = run("--tables", "two")
    assert len(rows) == 3
    assert rows["error"].str.contains("1 of 1 classes have at least 5 rows").all()


def test_side_by_side_scores_are_those_of_single_fits(run, folder):
    rows = run("--tables", "amount", settings=[DEFAULT, "dropout 0.3"]).set_index("setting")
    table = next(t for t in defaults.protocol.folder_tables(folder) if t.name == "amount")
    cell = defaults.protocol.make_cell(table.name, table.task, *table.read(), 0)
    for name in rows.index:
        alone = defaults.fit_and_score(defaults.make(name, "regression", 0), cell)
        assert rows.loc[name, "score"] == pytest.approx(alone["score"], abs=1e-4)


def test_wrong_options_end_before_anything_is_run(run, tmp_path, capsys):
    with pytest.raises(SystemExit, match="There is no table 'four'"):
        run("--tables", "four")
    with pytest.raises(SystemExit, match="No table is left"):
        run("--half", "judge")
    with pytest.raises(SystemExit):
        run(settings=["dropout 7"])
    assert "invalid choice: 'dropout 7'" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        defaults.main([])
    assert "--data DIR is needed to measure" in capsys.readouterr().err
    assert not (tmp_path / "defaults.csv").exists()


# -- arithmetic -----------------------------------------------------------------------------------

RANGES = pd.DataFrame({"worst": [0.5, 0.0, 0.3], "best": [0.9, 1.0, 0.3]}, index=["a", "b", "flat"])


def test_normalised_scores_by_hand():
    rows = pd.DataFrame(
        [
            ("a", 0.8, None),
            ("b", 0.25, None),
            ("b", 1.7, None),
            ("b", -9.0, None),
            ("a", np.nan, "Error: no"),
            ("flat", 0.3, None),
            ("absent", 0.3, "Error: no"),
        ],
        columns=["dataset", "score", "error"],
        index=[3, 1, 4, 0, 5, 9, 2],
    )
    share = default_scores.normalised(rows, RANGES)
    expected = [0.75, 0.25, 1.5, -1.0, -1.0, np.nan, np.nan]
    np.testing.assert_allclose(share[rows.index], expected, rtol=1e-12)


def test_peer_ranges_are_over_methods_and_medians_over_seeds():
    peers = pd.DataFrame(
        [("a", "x", 0.1), ("a", "x", 0.2), ("a", "x", 0.9), ("a", "y", 0.6), ("a", "z", np.nan)],
        columns=["dataset", "method", "score"],
    )
    found = default_scores.peer_ranges(peers)
    assert found.loc["a"].tolist() == [0.2, 0.6, "x y"]
    with pytest.raises(ValueError, match=r"has no column method\. It takes dataset"):
        default_scores.peer_ranges(peers.drop(columns="method"))


def made_rows(shares, task="binary", losses=None):
    """Rows from {setting: {(table, seed): share}}; the log loss is 1 - share unless it is given."""
    return pd.DataFrame(
        [
            {
                "dataset": table,
                "task": task,
                "seed": seed,
                "setting": setting,
                "share": share,
                "logloss": np.nan if task == "regression" else 1 - share,
            }
            for setting, found in shares.items()
            for (table, seed), share in found.items()
        ]
    )


def test_differences_are_paired_by_seed():
    # The setting lacks the seed on which the default is at its best, which must not count.
    rows = made_rows(
        {
            DEFAULT: {("a", 0): 0.4, ("a", 1): 0.9, ("b", 0): 0.5},
            "gelu": {("a", 0): 0.5, ("b", 0): 0.4},
        }
    )
    found = default_scores.differences(rows, "share", "gelu")
    np.testing.assert_allclose(found[["a", "b"]], [0.1, -0.1], rtol=1e-9)


def test_intervals_are_those_of_a_paired_t_test_over_tables():
    rng = np.random.default_rng(0)
    tables, seeds = list("abcdefg"), (0, 1)
    shares = {
        name: {(table, seed): shift + rng.normal(0, 0.1) for table in tables for seed in seeds}
        for name, shift in ((DEFAULT, 0.5), ("gelu", 0.6), ("silu", 0.45))
    }
    found = default_scores.compare(made_rows(shares))
    raw = {}
    for name in ("gelu", "silu"):
        change = np.array(
            [np.mean([shares[name][t, s] - shares[DEFAULT][t, s] for s in seeds]) for t in tables]
        )
        test = stats.ttest_1samp(change, 0.0)
        low, high = test.confidence_interval(0.95)
        row = found.loc[name]
        np.testing.assert_allclose(
            row[["difference", "low", "high"]].astype(float), [change.mean(), low, high], rtol=1e-9
        )
        # The made log loss is 1 - share.
        np.testing.assert_allclose(
            row[["loss", "loss_low", "loss_high"]].astype(float),
            [-change.mean(), -high, -low],
            rtol=1e-9,
        )
        assert [row["wins"], row["losses"]] == [(change > 0).sum(), (change < 0).sum()]
        raw[name] = test.pvalue
    corrected = dict(zip(raw, holm(list(raw.values())), strict=True))
    for name, p_value in corrected.items():
        assert found.loc[name, "p"] == pytest.approx(p_value)
    assert list(found.index) == ["gelu", DEFAULT, "silu"]
    # Nothing is tested against itself.
    assert np.isnan(found.loc[DEFAULT, "p"]) and found.loc[DEFAULT, "difference"] == 0


def test_settings_of_one_task_are_compared_there_only():
    classes = made_rows(
        {name: {("a", 0): 0.5} for name in (DEFAULT, "gelu", "label smoothing 0.1")}
    )
    numbers = made_rows(
        {name: {("b", 0): 0.5} for name in (DEFAULT, "gelu", "huber loss")}, "regression"
    )
    both = default_scores.compare(pd.concat([classes, numbers]))
    assert set(both.index) == {DEFAULT, "gelu"}
    assert both.loc["gelu", "tables"] == 2
    assert "label smoothing 0.1" in default_scores.compare(classes).index
    assert "huber loss" in default_scores.compare(numbers).index


# -- page -----------------------------------------------------------------------------------------

TASKS = {"a": "binary", "b": "binary", "c": "regression", "d": "regression"}
HALF = {"a": "choose", "b": "judge", "c": "choose", "d": "judge"}
#: What each setting adds to the default's 0.5; every table's peers reach from 0 to 1.
GAINS = {DEFAULT: 0.0, "dropout 0": -0.2, "gelu": 0.1, "label smoothing 0.1": 0.3}


@pytest.fixture
def made(tmp_path, machine):
    """Made results with notes, and their peers."""
    out = tmp_path / "defaults.csv"
    file = ResultsFile(out, default_scores.COLUMNS, "setting")
    for table, task in TASKS.items():
        for setting, gain in GAINS.items():
            if task == "regression" and SETTINGS[setting].regressor is None:
                continue
            row = {"dataset": table, "task": task, "n_train": 90, "d": 4, "seed": 0}
            score = {"score": 0.5 + gain, "epochs": 9.0, "seconds": 0.1}
            if task == "binary":
                score["logloss"] = 0.5 - gain
            failed = (table, setting) == ("d", "gelu")
            file.append({**row, "setting": setting, **({"error": "E: `no`"} if failed else score)})
    gpu = {**machine, "gpu": "Some GPU"}
    runs = [{"machine": one, "methods": list(GAINS), "seeds": [0]} for one in (machine, gpu)]
    notes = {"data": "dev", "halves": HALF, "runs": runs}
    out.with_suffix(".json").write_text(json.dumps(notes))
    peers = [(t, m, score) for t in TASKS for m, score in (("linear", 0.0), ("hgb", 1.0))]
    pd.DataFrame(peers, columns=["dataset", "method", "score"]).to_csv(
        tmp_path / "peers.csv", index=False
    )
    return out


def page_of(made, *options):
    docs = made.parent / "docs"
    defaults.main(["--page", "--out", str(made), "--docs", str(docs), *options])
    return (docs / "defaults.rst").read_text()


def with_peers(made):
    return page_of(made, "--peers", str(made.with_name("peers.csv")))


def cells(page, section, first):
    """The other cells of a row of the first list after a title."""
    block = page.split(f"\n{section}\n")[1]
    found = re.search(rf"   \* - {re.escape(first)}\n((?:     - .*\n)+)", block)
    return [line.removeprefix("     - ") for line in found.group(1).splitlines()]


def test_page_of_made_rows(made):
    page = with_peers(made)
    assert page.startswith("The defaults\n============\n")
    assert "4 tables of ``dev``, 2 of the half *choose* and 2 of the half *judge*; seeds 0." in page
    assert "Taken on 2 cores of Some CPU" in page and "2 cores of Some CPU, Some GPU" in page
    assert "(hgb, linear)" in page
    # tables, score, difference, interval, p, wins, losses, log loss: equal gains leave no width.
    gelu = cells(page, "Together, half choose", "gelu")
    assert gelu[:3] == ["2", "0.600", "+0.100"]
    assert gelu[5:8] == ["2", "0", "−0.100"]
    assert cells(page, "Together, half choose", "**default**")[:3] == ["2", "0.500", "–"]
    # A failure counts −1: (0.1 - 1.5) / 2.
    assert cells(page, "Together, half judge", "gelu")[:3] == ["2", "−0.200", "−0.700"]
    assert cells(page, "Failures", "d")[1:] == ["gelu", "``E: 'no'``"]
    # One table has no interval.
    assert cells(page, "Classification, half choose", "label smoothing 0.1")[2:5] == [
        "+0.300",
        "–",
        "–",
    ]
    assert "log loss" not in page.split("Regression, half choose")[1].split(".. list-table")[1]
    together = page.split("Together, half choose\n")[1].split("Classification, half choose\n")[0]
    assert "label smoothing" not in together
    assert together.index("gelu") < together.index("**default**") < together.index("dropout 0")


def test_what_a_default_is_worth_is_what_is_lost_without_it(made):
    page = with_peers(made)
    worth = cells(page, "What each default is worth", "dropout")
    assert worth[:2] == ["dropout 0", "+0.200"]
    after = page.split("What each default is worth\n")[1]
    assert "gelu" not in after.split("Together, half choose\n")[0]


def test_settings_of_the_first_round_are_compared_with_its_net():
    scores = {DEFAULT: 0.9, "gelu": 0.8, PLAIN: 0.2, f"{PLAIN} + gelu": 0.5}
    rows = pd.DataFrame(
        [
            {"dataset": name, "task": "binary", "seed": 0, "setting": setting, "share": score}
            for name in "ab"
            for setting, score in scores.items()
        ]
    ).assign(logloss=np.nan)
    found = {against: default_scores.compare(rows, against) for against in (DEFAULT, PLAIN)}
    assert found[PLAIN]["difference"].to_dict() == pytest.approx({f"{PLAIN} + gelu": 0.3, PLAIN: 0})
    assert found[DEFAULT]["difference"].to_dict() == pytest.approx({DEFAULT: 0, "gelu": -0.1})


def test_the_page_is_made_again_without_the_peers(made):
    with pytest.raises(SystemExit, match=r"peer_ranges\.csv is missing.*--peers FILE"):
        page_of(made)
    assert with_peers(made) == page_of(made)
    assert len(pd.read_csv(made.with_name("peer_ranges.csv"))) == 4


def test_tables_without_peers_are_named(made):
    peers = pd.read_csv(made.with_name("peers.csv"))
    peers[peers["dataset"] != "c"].to_csv(made.with_name("peers.csv"), index=False)
    page = with_peers(made)
    assert "for want of peers that differ there: c." in page
    assert cells(page, "Together, half choose", "gelu")[0] == "1"


def test_no_rows_and_unknown_settings_are_refused(made):
    rows = read(made, default_scores.COLUMNS)
    ranges, notes = RANGES.assign(peers="x y"), json.loads(made.with_suffix(".json").read_text())
    with pytest.raises(ValueError, match="There is no row of the setting 'default'"):
        defaults_page.page(rows[rows["setting"] != DEFAULT], ranges, notes)
    with pytest.raises(ValueError, match="There are rows of 'tanh'"):
        defaults_page.page(rows.replace({"setting": {"gelu": "tanh"}}), ranges, notes)
