from __future__ import annotations

import numpy as np
import pytest

from benchmarks import rst, selection


@pytest.mark.parametrize("kind", selection.KINDS)
def test_targets_are_made_of_the_useful_columns(kind):
    X, y, useful = selection.table(kind, 4000, 3)
    assert len(set(useful // 10)) == 5
    again = selection.table(kind, 4000, 3)
    np.testing.assert_array_equal(again[0], X)
    assert np.var(y) == pytest.approx(1 + selection.NOISE**2, rel=0.1)
    u = X[:, useful]
    signals = {
        "products": u[:, 0] * u[:, 1] + u[:, 2] * u[:, 3] + u[:, 3] * u[:, 4],
        "sines": np.sin(2 * u).sum(axis=1),
    }
    signal = signals.get(kind, u @ [1, -1, 1, -1, 1])
    assert np.corrcoef(signal, y)[0, 1] == pytest.approx(1 / np.sqrt(1.25), abs=0.02)


def test_columns_of_a_block_are_alike():
    X, _, _ = selection.table("blocks", 4000, 0)
    found = np.corrcoef(X[:, :20].T)
    assert found[0, 9] == pytest.approx(0.7, abs=0.05)
    assert found[0, 10] == pytest.approx(0.0, abs=0.05)


def test_rows_and_page(monkeypatch, machine):
    first = {"first": lambda X, y, seed: np.arange(X.shape[1]) < 10}
    nothing = {"nothing": lambda X, y, seed: np.zeros(X.shape[1], dtype=bool)}
    monkeypatch.setattr(selection, "METHODS", {**first, **nothing})
    row = selection.measure_one("first", "linear", 200, 0)
    _, _, useful = selection.table("linear", 200, 0)
    assert (row["found"], row["chosen"]) == (int((useful < 10).sum()), 10)
    stored = {"rows": [{**row, "found": 7}]}
    selection.add(stored, [row, selection.measure_one("nothing", "linear", 200, 0)])
    assert [own["found"] for own in stored["rows"]] == [row["found"], 0]
    stored["bound"] = [
        {"model": "linear models", "kind": "linear", "seed": seed, "false": seed, "bound": 0.5}
        for seed in range(3)
    ]
    stored["speed"] = {"seconds": 12.0, "cpu seconds": 20.0, "selected": [0, 1, 2]}
    page = selection.page(stored, machine)
    assert "none chosen" in page
    assert f"- {row['found'] / 5:.2f}\n     - {row['found'] / 10:.2f}" in page
    assert "2 of 3" in page
    assert "12 s" in page
    assert f"Taken elsewhere: *first* on {row['processor']}" in page
    for own in stored["rows"]:
        own["processor"] = rst.processor(machine)
    assert "elsewhere" not in selection.page(stored, machine)


def test_the_bound_counts_what_is_not_useful(monkeypatch):
    class Selector:
        expected_false_selections_ = 0.7

        def __init__(self, estimator, **options):
            pass

        def fit(self, X, y):
            return self

        def get_support(self, indices):
            return np.arange(200)

    monkeypatch.setattr(selection, "StabilitySelector", Selector)
    found = selection.measure_bound(0)
    assert [row["kind"] for row in found] == list(selection.KINDS)
    assert all((row["false"], row["bound"]) == (195, 0.7) for row in found)
    (of_nets,) = selection.measure_bound(0, "nets")
    assert (of_nets["model"], of_nets["kind"], of_nets["false"]) == ("nets", "products", 195)
