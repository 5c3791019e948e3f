from __future__ import annotations

import pytest
from sklearn.model_selection import ParameterGrid

from benchmarks import search
from benchmarks.nets import sklearn_net, skorch_net, skreg_net
from benchmarks.regressions import figures
from benchmarks.single import digits


def test_a_measured_case_makes_a_page_and_ratios_of_the_peers(monkeypatch, machine):
    peers = search.peers
    monkeypatch.setattr(search, "peers", lambda case: peers(case, n_jobs=1))
    X, y = digits()
    case = {
        "data": (X[:60], y[:60] % 2, 2),
        "skreg": (skreg_net((2,), 30, 1), {"dropout": [0.1, 0.2]}),
        "skorch": (skorch_net(64, (2,), 2, 30, 1), {"module__dropout": [0.1]}),
        "scikit-learn": (sklearn_net((2,), 30, 1), {"alpha": [0.1]}),
    }
    found = search.measure_case(case, 1, "a small case.")
    assert (found["fits"], sum(found["stacks"])) == (2 * 2, 2 * 2)
    times, seconds = found["times faster"], found["seconds"]
    assert times["skreg, batched"] == 1
    assert times["skorch, n_jobs=1"] == pytest.approx(
        seconds["skorch, n_jobs=1"] / seconds["skreg, batched"]
    )
    page = search.page({"D": found}, machine)
    assert "\nD: a small case.\n" in page and "4 fits in the first round" in page
    assert list(figures("search", {"D": found})) == [
        f"search: search D, times {peer}, n_jobs=1 takes" for peer in ("scikit-learn", "skorch")
    ]


def test_cases_are_of_equal_work():
    for name, made in search.CASES.items():
        case = made()
        (ours, grid), (skorch, _), (plain, plain_grid) = (
            case[who] for who in ("skreg", "skorch", "scikit-learn")
        )
        assert ours.hidden_layer_sizes == skorch.module__hidden == plain.hidden_layer_sizes, name
        assert ours.max_iter == skorch.max_epochs == plain.max_iter
        assert ours.batch_size == skorch.batch_size == plain.batch_size
        assert len(plain_grid["alpha"]) == len(ParameterGrid(grid))
