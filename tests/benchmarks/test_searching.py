from __future__ import annotations

import pytest
from sklearn.datasets import make_classification

from benchmarks import searching
from benchmarks.regressions import figures


def test_both_try_the_same_settings(monkeypatch, machine):
    X, y = make_classification(60, 4, random_state=0)
    few, grid = searching.RegularizedMLPClassifierCV, searching.GridSearchCV
    net = searching.RegularizedMLPClassifier((4,), max_iter=2, batch_size=64)
    seen = {}

    def search(**options):
        seen["search"] = few(net, param_distributions={"dropout": [0.1, 0.2]}, **options)
        return seen["search"]

    def plain(_, *options, **more):
        seen["grid"] = grid(net, *options, **more)
        return seen["grid"]

    monkeypatch.setattr(searching, "RegularizedMLPClassifierCV", search)
    monkeypatch.setattr(searching, "GridSearchCV", plain)
    monkeypatch.setattr(searching, "cases", lambda: {"made": (X, y)})
    monkeypatch.setattr(searching, "SETTINGS", 2)
    found = searching.measure(1)
    assert seen["search"].cv_results_["params"] == seen["grid"].cv_results_["params"]
    minute = found["made"]["settings a minute"]["search"]
    assert minute * found["made"]["seconds"]["search"] == pytest.approx(60 * 2)
    page = searching.page(found, machine)
    assert f"{found['made']['times as many']:.1f}" in page
    assert list(figures("searching", found)) == [
        "searching: settings a minute, made, to GridSearchCV"
    ]
