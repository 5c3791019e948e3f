from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from benchmarks import scaling
from benchmarks.growth import picture, slope, values_of
from benchmarks.memory import CLEAR_REFS

#: A table that no run looks at.
SMALL = np.ones(1)


def made_up(name, size, contestant, repeats):
    """Time grows linearly above a cost of 1000 sizes, memory as the root of the size."""
    factor = 2 if "scikit" in contestant or "one by one" in contestant else 1
    mb = factor * size**0.5
    seconds = factor * (1e-3 + 1e-6 * size)
    return {"seconds": seconds, "mb": mb, "runs": repeats, "table mb": size / 1000}


@pytest.fixture
def result():
    return scaling.measure(5, run=made_up)


# -- slopes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0])
def test_slope_is_the_power(power):
    sizes = np.array([8, 16, 32, 64, 128])
    assert slope(pd.Series(3.0 * sizes**power, sizes)) == pytest.approx(power)


def test_slope_leaves_out_the_lower_half():
    assert slope(pd.Series([7.0, 7.0, 1.0, 100.0], [10, 100, 1_000, 10_000])) == pytest.approx(2.0)
    assert slope(pd.Series([1e6, 1.0, 10.0], [10, 1_000, 10_000])) == pytest.approx(1.0)


@pytest.mark.parametrize("sizes", [[], [1], [1, 100]])
def test_slope_of_too_few_points_is_nan(sizes):
    assert np.isnan(slope(pd.Series(1.0, sizes, dtype=float)))


def test_what_was_not_measured_is_left_out():
    axis = {"sizes": [1, 10, 100], "contestants": {"a": [{"mb": None}, {"mb": 0.0}, {"mb": 2.0}]}}
    assert values_of(axis, "a", "mb").to_dict() == {100: 2.0}
    axis = {"sizes": [1], "contestants": {"a": [{"mb": None}]}}
    assert values_of(axis, "a", "mb").empty


# -- measuring ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("axis", "size", "table_mb"), [("rows", 500, 0.1), ("columns", 5, 0.04), ("members", 2, 0.46)]
)
def test_every_contestant_of_an_axis_runs(axis, size, table_mb):
    for contestant in scaling.AXES[axis].contestants:
        found = scaling.one_size(axis, size, contestant, 2)
        assert found["runs"] == 2
        assert found["seconds"] > 0
        assert found["table mb"] == pytest.approx(table_mb, rel=0.01)


def axis_of(run, table=SMALL):
    """An axis on which nothing but the given run is done."""
    return scaling.Axis("nothing else", (1,), ("a", "b"), lambda *_: (table, lambda: None, run))


@pytest.mark.parametrize(("patience", "runs"), [(60.0, 4), (1e-12, 1)])
def test_a_size_is_measured_until_patience_ends(monkeypatch, patience, runs):
    done = []
    monkeypatch.setattr(scaling, "PATIENCE", patience)
    monkeypatch.setitem(scaling.AXES, "rows", axis_of(lambda: done.append(1)))
    assert scaling.one_size("rows", 1, "a", 4)["runs"] == len(done) == runs


@pytest.mark.skipif(not CLEAR_REFS.exists(), reason="no account of memory on this system")
def test_memory_is_that_of_the_run_and_not_of_the_table(monkeypatch):
    table = np.ones(10_000_000)
    axis = axis_of(lambda: np.ones(5_000_000).sum(), table)
    monkeypatch.setitem(scaling.AXES, "rows", axis)
    found = scaling.one_size("rows", 1, "a", 2)
    assert found["table mb"] == 80
    assert 30 < found["mb"] < 60


@pytest.mark.slow
def test_a_size_has_a_process_of_its_own(monkeypatch):
    # What is changed here is not changed there.
    monkeypatch.setattr(scaling, "PATIENCE", 0.0)
    assert scaling.in_a_process("rows", 300, "skreg", 2)["runs"] == 2


def test_contestants_of_a_size_run_in_turn():
    asked = []

    def run(*arguments):
        asked.append(arguments)
        return made_up(*arguments)

    found = scaling.measure(3, run)
    assert asked[:3] == [
        ("rows", 1000, "skreg", 3),
        ("rows", 1000, "scikit-learn", 3),
        ("rows", 10_000, "skreg", 3),
    ]
    for axis in found.values():
        assert {len(part) for part in axis["contestants"].values()} == {len(axis["sizes"])}


# -- pages and pictures ---------------------------------------------------------------------------


def test_page_on_growth_has_slopes_and_names_the_machine(result, machine):
    page = scaling.page(result, {**machine, "repeats": 5})
    assert "Taken on 2 cores of Some CPU" in page and "Repetitions: 5." in page
    rows = page.split("\nRows\n")[1].split("\nColumns\n")[0]
    cells = rows.split("* - slope")[1].replace("\n", " ").split("- ")[1:]
    # Time and memory of both: 1e5 to 1e6 rows, almost linear above the fixed cost.
    assert [cell.strip() for cell in cells] == ["", "1.00", "0.50", "", "1.00", "0.50", ""]
    assert "* - 1,000,000\n     - 1000.0\n     - 1.001\n     - 1000.0\n     - 5\n" in rows


def test_page_on_growth_where_the_system_does_not_tell_of_memory(result, machine):
    for one in result["rows"]["contestants"]["skreg"]:
        one["mb"] = None
    page = scaling.page(result, machine)
    assert page.count("- unknown") == 4
    assert len(picture(result).axes) == 6


def test_names_overlap_nothing_in_the_picture_of_growth(result):
    figure = picture(result)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    for ax in figure.axes:
        names = ax.get_legend().get_window_extent(renderer)
        lines = [line for line in ax.lines if not line.get_label().startswith("_")]
        assert len(lines) == 2
        for line in lines:
            inside = [names.contains(*ax.transData.transform(xy)) for xy in line.get_xydata()]
            assert not any(inside)
        for axis in (ax.xaxis, ax.yaxis):
            low, high = sorted(axis.get_view_interval())
            boxes = [
                tick.label1.get_window_extent(renderer)
                for tick in axis.get_major_ticks()
                if low <= tick.get_loc() <= high and tick.label1.get_visible()
            ]
            assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))
    # Without colours the two still differ.
    one, other = lines
    assert one.get_marker() != other.get_marker()
    assert one.get_linestyle() != other.get_linestyle()


def test_picture_of_growth_is_the_same_each_time(result, tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        scaling.draw(result, tmp_path / name)
    one, two = (tmp_path / name / "scaling.svg" for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()
