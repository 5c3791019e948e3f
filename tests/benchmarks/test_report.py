from __future__ import annotations

import itertools
import json
import re

import numpy as np
import pandas as pd
import pytest

from benchmarks import report
from benchmarks.pictures import rank_diagram, score_against_time
from benchmarks.results_file import COLUMNS, ResultsFile, read

TASKS = {"t0": "binary", "t1": "binary", "t2": "multiclass", "t3": "regression", "t4": "regression"}


def fill(path, methods, seeds=(0, 1, 2), *, failed=(), tables=TASKS):
    """A file of results; a method's score is its number in the list, and the last is the best."""
    file = ResultsFile(path)
    for (table, seed), (i, method) in itertools.product(
        itertools.product(tables, seeds), enumerate(methods)
    ):
        row = {"dataset": table, "task": TASKS[table], "n_train": 90, "d": 4}
        row.update(seed=seed, method=method)
        if (table, method) in failed:
            file.append({**row, "error": "ValueError: a `bad` table"})
            continue
        score = 0.5 + i / 10 + seed / 1000
        classes = TASKS[table] != "regression"
        file.append(
            {
                **row,
                "score": score,
                "logloss": 1 - score / 2 if classes else None,
                "auc": score if classes else None,
                "fit_s": 10.0 ** (i - 1),
                "predict_s": 0.001,
                "peak_mb": 12.0,
            }
        )
    return path


@pytest.fixture
def results(tmp_path, machine):
    """Three methods and a variant, with notes."""
    path = tmp_path / "results.csv"
    methods = ["linear", "hgb", "skreg", "skreg:dropout=0.3,patience=9"]
    fill(path, methods, failed={("t2", "hgb")})
    halves = {name: "judge" if name in ("t1", "t4") else "choose" for name in TASKS}
    runs = [
        {"machine": machine, "methods": methods, "seeds": [0, 1, 2]},
        {"machine": {**machine, "cpu": "Another CPU"}, "methods": methods[3:], "seeds": [0]},
    ]
    notes = {"data": "dev", "halves": halves, "runs": runs}
    path.with_suffix(".json").write_text(json.dumps(notes))
    return path


@pytest.fixture
def peers(tmp_path):
    """Given rows of one seed, without the columns that came later."""
    path = fill(tmp_path / "peers.csv", ["hgb", "realmlp"], seeds=(0,))
    read(path).drop(columns=["peak_mb", "epochs"]).to_csv(path, index=False)
    return path


def page_of(results, tmp_path, *options):
    """The page that the command writes."""
    report.main([str(results), *options, "--docs", str(tmp_path / "docs")])
    return (tmp_path / "docs" / "tables.rst").read_text()


def row_of(page, section, method):
    """Cells of a method in the first table of a section."""
    block = page.split(f"\n{section}\n")[1]
    found = re.search(rf"   \* - {re.escape(method)}\n((?:     - .*\n)+)", block)
    return [line.removeprefix("     - ") for line in found.group(1).splitlines()]


def test_page_of_a_small_file(results, tmp_path):
    page = page_of(results, tmp_path)
    assert page.startswith("Tables\n======\n")
    assert "5 tables of ``dev``: 2 binary, 1 multiclass, 2 regression; seeds 0, 1, 2." in page
    assert "Taken on 2 cores of Some CPU" in page
    # Rank and normalised score; the failed table counts 3 and 0.
    assert row_of(page, "Ranks", "skreg")[:2] == ["1.00", "1.000"]
    assert row_of(page, "Ranks", "hgb")[:2] == ["2.20", "0.400"]
    assert row_of(page, "Ranks", "linear")[:2] == ["2.80", "0.000"]
    # Variants are not ranked.
    assert "skreg:dropout" not in page
    assert "Another CPU" not in page
    assert "     - linear; hgb; skreg\n" in page
    assert row_of(page, "Failures", "t2")[1:] == ["hgb", "``ValueError: a 'bad' table``"]


def test_wins_losses_and_relative_time(results, tmp_path):
    page = page_of(results, tmp_path)
    wins = row_of(page, "skreg against each", "hgb")
    assert wins[:4] == ["5", "0", "0", "+0.1000"]
    # Normalised 1 against 0.5, and 0 where it failed; log loss 0.65 against 0.7 on two.
    assert wins[6].startswith("+0.600 (+0.")
    assert wins[7:] == ["−0.050 (−0.050 to −0.050)", "0.10"]
    page = page_of(results, tmp_path, "--reference", "hgb")
    losses = row_of(page, "hgb against each", "skreg")
    assert losses[:4] == ["0", "0", "5", "−0.1000"]


def test_numbers_are_medians_with_the_best_in_bold(results, tmp_path):
    page = page_of(results, tmp_path)
    assert row_of(page, "R2, regression", "t3") == ["**0.7010**", "0.6010", "0.5010"]
    assert row_of(page, "Balanced accuracy, multiclass", "t2") == ["**0.7010**", "failed", "0.5010"]
    assert row_of(page, "Log loss", "t0")[0] == "**0.6495**"
    assert row_of(page, "Seconds of a fit", "t0") == ["10.00", "1.00", "**0.10**"]


def test_rows_of_further_files_stand_in_for_what_was_not_run(results, peers, tmp_path):
    fill(results, ["forest", "realmlp"], seeds=(1, 2))
    page = page_of(results, tmp_path, str(peers))
    # Measured 0.601 and 0.602, given 0.6: the median of the measured alone would be 0.6015.
    assert "some of them on other machines: realmlp 5 of 15." in page
    assert row_of(page, "R2, regression", "t3").count("0.6010") == 2  # that of hgb too
    assert "pytabkit's RealMLP_TD" in page.split("What was run")[1]
    assert "benchmarks.report results.csv peers.csv\n" in page
    # A row that was run here has the word.
    fill(results, ["forest", "realmlp"], seeds=(0,), tables=["t0"])
    assert "realmlp 4 of 15." in page_of(results, tmp_path, str(peers))


def test_given_bounds_make_the_scores_those_of_fixed_peers(results, tmp_path):
    ranges = tmp_path / "ranges.csv"
    bounds = pd.DataFrame({"dataset": list(TASKS), "worst": 0.501, "best": 0.901})
    bounds.to_csv(ranges, index=False)
    page = page_of(results, tmp_path, "--ranges", str(ranges), "--methods", "skreg", "hgb")
    # Scores are 0.701, and 0.601 except for one failure, which counts -1: 0.5, (4 * 0.25 - 1) / 5.
    assert row_of(page, "Ranks", "skreg")[1] == "0.500"
    assert row_of(page, "Ranks", "hgb")[1] == "0.000"
    assert "of fixed peers on that table" in page
    assert row_of(page, "skreg against each", "hgb")[6].startswith("+0.500 (")


def test_title(results, tmp_path):
    assert page_of(results, tmp_path).startswith("Tables\n======\n")
    assert page_of(results, tmp_path, "--seeds", "1").startswith("Tables, seed 1\n")
    assert page_of(results, tmp_path, "--title", "Trials").startswith("Trials\n======\n")


def test_half_restricts_the_tables(results, peers, tmp_path):
    page = page_of(results, tmp_path, str(peers), "--half", "judge", "--methods", "skreg", "hgb")
    assert "2 tables of ``dev``: 1 binary, 0 multiclass, 1 regression; seeds 0, 1, 2." in page
    assert "Only the half *judge*" in page
    assert "t0" not in page


def test_tables_that_not_all_have_are_named(results, tmp_path):
    fill(results, ["forest"], tables=["t0", "t1", "t3"])
    page = page_of(results, tmp_path)
    assert "Left out, since not every method was run on them: t2, t4." in page
    assert "5 tables" in page_of(results, tmp_path, "--methods", "hgb", "skreg")


def test_the_same_rows_give_the_same_files(results, tmp_path):
    for folder in ("one", "two"):
        report.main([str(results), "--docs", str(tmp_path / folder)])
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert names == ["tables-ranks.svg", "tables-time.svg", "tables.rst"]
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--reference", "mlp"], "There is no row of 'mlp'. Methods are linear, hgb, skreg"),
        (["--methods", "tabm"], "There is no row of 'tabm'"),
    ],
)
def test_unknown_methods(results, tmp_path, options, message):
    with pytest.raises(SystemExit, match=message):
        page_of(results, tmp_path, *options)


def test_results_without_notes_are_refused(results, tmp_path):
    results.with_suffix(".json").unlink()
    with pytest.raises(SystemExit, match=r"results\.json is missing"):
        page_of(results, tmp_path)


def test_no_common_table(results, tmp_path):
    rows = read(results)
    rows = rows[(rows["method"] != "hgb") | (rows["dataset"] == "none")]
    rows.loc[rows.index[:1], "method"] = "hgb"
    rows[
        rows["method"].isin(["hgb", "skreg"]) & ~rows["dataset"].eq("t0")
        | (rows["method"] == "hgb")
    ][list(COLUMNS)].to_csv(results, index=False)
    with pytest.raises(SystemExit, match="No table has rows of all of hgb, skreg"):
        page_of(results, tmp_path)


# -- pictures -------------------------------------------------------------------------------------


def text_boxes(figure, texts):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.text import Text

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return [Text.get_window_extent(text, canvas.get_renderer()) for text in texts]


def overlapping(boxes):
    return [pair for pair in itertools.combinations(boxes, 2) if pair[0].overlaps(pair[1])]


@pytest.mark.parametrize("n", [3, 14])
def test_rank_diagram_overlaps_nowhere_and_stays_inside(n):
    names = [f"skreg-with-a-long-name-{i}" for i in range(n)]
    rng = np.random.default_rng(0)
    ranks = pd.DataFrame(rng.normal(size=(20, n)), columns=names).rank(axis=1)
    figure = rank_diagram(ranks)
    bars = [line.get_xdata() for line in figure.axes[0].lines if line.get_linewidth() == 2]
    assert bars and all(list(bar) == sorted(bar) for bar in bars)
    texts = [text for text in figure.axes[0].texts if text.get_text()]
    boxes = text_boxes(figure, texts)
    assert len(boxes) == n
    assert not overlapping(boxes)
    frame = figure.bbox
    assert all(frame.x0 <= b.x0 and b.x1 <= frame.x1 for b in boxes)
    assert all(frame.y0 <= b.y0 and b.y1 <= frame.y1 for b in boxes)


def test_score_against_time_names_every_method_and_tells_them_apart_without_colours():
    names = [f"method-{i}" for i in range(14)]
    figure = score_against_time(pd.Series(10.0, names), pd.Series(0.5, names))
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == names
    assert len({line.get_marker() for line in figure.axes[0].lines}) == 14


def test_limits_of_time_of_one_method_are_one_line_in_order():
    search = [f"skreg-search:max_time={limit},decision=balanced" for limit in (120, 10, 30)]
    names = [*search, "lgbm", "skreg-search:max_time=10"]
    seconds = pd.Series([119.0, 9.0, 29.0, 1.0, 9.0], names)
    scores = pd.Series([0.9, 0.7, 0.8, 0.6, 0.5], names)
    figure = score_against_time(seconds, scores)
    line, *points = figure.axes[0].lines
    assert line.get_label() == "skreg-search:decision=balanced"
    assert list(zip(*line.get_data(), strict=True)) == [(9.0, 0.7), (29.0, 0.8), (119.0, 0.9)]
    assert [point.get_label() for point in points] == ["lgbm", "skreg-search:max_time=10"]


def test_only_some_seeds(results, peers, tmp_path):
    found = report.load([results, peers], seeds=[0])
    assert set(found.rows["seed"]) == {0}
    assert len(found.rows) < len(report.load([results, peers]).rows)
    with pytest.raises(ValueError, match=r"no row with seed 7\. Run"):
        report.load([results], seeds=[7])
    with pytest.raises(ValueError, match=r"of the half 'judge' with seed 7\."):
        report.load([results], half="judge", seeds=[7])
    assert "; seeds 0." in page_of(results, tmp_path, "--seeds", "0")
    assert "; seeds 0, 1, 2." in page_of(results, tmp_path)
