from __future__ import annotations

import itertools

import numpy as np
import pytest

from benchmarks import default_speed
from benchmarks.nets import sklearn_net, skorch_net, skreg_net
from benchmarks.regressions import figures
from benchmarks.search import peers
from benchmarks.single import digits


def check(rows):
    """Each row has two times, and a ratio of them that says where more is faster."""
    for row in rows.values():
        assert min(*row["seconds"].values(), row["ratio"], row["goal"]) > 0
        assert set(row["seconds"]) == {"skreg", "other"}


def test_a_search_with_and_without_embedding_stands_against_both_peers(monkeypatch):
    monkeypatch.setattr(default_speed, "peers", lambda case: peers(case, n_jobs=1))
    X, y = digits()
    case = {
        "data": (X[:60], y[:60] % 2, 2),
        "skreg": (skreg_net((2,), 30, 1), {"dropout": [0.1]}),
        "skorch": (skorch_net(64, (2,), 2, 30, 1), {"module__dropout": [0.1]}),
        "scikit-learn": (sklearn_net((2,), 30, 1), {"alpha": [0.1]}),
    }
    rows = default_speed.searches(1, case)
    check(rows)
    assert [(name.split(", ")[1], row["goal"]) for name, row in rows.items()] == [
        ("with embedded columns", 2.0),
        ("with embedded columns", 8.0),
        ("bare", 4.5),
        ("bare", 18.0),
    ]
    for row in rows.values():
        assert row["more is faster"]
        assert row["ratio"] == pytest.approx(row["seconds"]["other"] / row["seconds"]["skreg"])


def test_fits_differ_in_the_embedding_alone(monkeypatch):
    nets = []

    def timed(runs, repeats):
        nets.append([run.func.__self__ for run in runs.values()])
        return {"embedded": [2.0, 4.0], "bare": [1.0, 1.0]}

    monkeypatch.setattr(default_speed, "in_turn", timed)
    rows = default_speed.fits(2)
    check(rows)
    assert {(row["ratio"], row["goal"]) for row in rows.values()} == {(3, 1.8), (3, 2.2), (3, 1.5)}
    for embedded, bare in nets:
        changed = bare.get_params() | {"numeric_embedding": embedded.numeric_embedding}
        assert embedded.get_params() == changed
        assert bare.numeric_embedding is None and embedded.numeric_embedding is not None


def test_fits_run():
    check(default_speed.fits(1, {12: ((2,), 1.0)}, epochs=2, n=60))


def test_predictions_of_one_net_and_of_an_ensemble():
    rows = default_speed.predictions(
        1, {8: (1, 1, 1.2, 0.6), 1: (2, 1, 1.2, 0.1)}, members=2, d=12, n=60
    )
    check(rows)
    assert list(rows) == [
        "predict 8 x 12, the default net, to scikit-learn's MLP",
        "predict 8 x 12, an ensemble of 2, to scikit-learn's MLP",
        "predict one row, the default net, to scikit-learn's MLP",
        "predict one row, an ensemble of 2, to scikit-learn's MLP",
    ]
    net, bag, *_ = rows.values()
    assert (net["unit"], bag["unit"]) == ("", "s")
    assert bag["value"] == bag["seconds"]["skreg"] and net["value"] == net["ratio"]


def test_first_fits_are_of_an_empty_cache_and_of_the_same_one_filled():
    folders, seconds = [], itertools.cycle([12.0, 2.0])

    def run(cache):
        folders.append(cache)
        return dict.fromkeys(default_speed.FIRST, next(seconds))

    rows = default_speed.first_fits(3, run)
    check(rows)
    assert folders[::2] == folders[1::2] and len(set(folders)) == 3
    assert [(row["value"], row["ratio"], row["unit"]) for row in rows.values()] == [
        (10.0, 6.0, "s")
    ] * 3


def test_first_fits_end_when_they_have_taken_long(monkeypatch):
    monkeypatch.setattr(default_speed, "PATIENCE", 1e-12)
    done = []

    def run(cache):
        done.append(cache)
        return dict.fromkeys(default_speed.FIRST, 1.0)

    default_speed.first_fits(3, run)
    assert len(done) == 2


def test_page_says_what_was_reached_and_of_which_net(machine):
    rows = {
        "a search": default_speed.row((2.0, 5.0), 2.5, 2.0, more_is_faster=True),
        "a fit": default_speed.row((2.0, 1.0), 2.0, 1.8),
        "a first fit": default_speed.row((12.0, 2.0), 10.0, 6.0, ratio=6.0, unit="s"),
        "a call": default_speed.row((1e-3, 2e-4), 1e-3, 2e-3, ratio=5.0, unit="s"),
    }
    result = {"rows": rows, "net": {"hidden": "(256, 256)", "embedding": "auto"}}
    page, tried = default_speed.page(result, machine).split("What was tried")
    assert "waves" in tried
    assert "hidden layers of (256, 256) and, with ``numeric_embedding='auto'``" in page
    cells = {
        lines[0]: [line.removeprefix("     - ") for line in lines[1:]]
        for lines in (block.rstrip().split("\n") for block in page.split("   * - ")[1:])
    }
    assert cells["a search"] == ["2.00 s", "5.00 s", "2.50", "at least 2.00", "yes"]
    assert cells["a fit"] == ["2.00 s", "1.00 s", "2.00", "at most 1.80", "no"]
    assert cells["a first fit"] == ["12.00 s", "2.00 s", "10.00 s", "at most 6.00 s", "no"]
    assert cells["a call"] == ["1.00 ms", "0.20 ms", "1.00 ms", "at most 2.00 ms", "yes"]
    kept = figures("default_speed", result)
    assert np.allclose([figure.value for figure in kept.values()], [2.5, 2.0, 6.0, 5.0])
    assert [figure.more_is_faster for figure in kept.values()] == [True, False, False, False]


@pytest.mark.slow
def test_a_process_goes_through_all_first_fits(tmp_path):
    seconds = default_speed.in_a_process(str(tmp_path))
    assert set(default_speed.FIRST) == set(seconds)
    assert list(tmp_path.iterdir())
