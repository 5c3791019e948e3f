from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from skreg.display import ComparisonDisplay, OverfitGapDisplay

BOTH = pytest.mark.parametrize("display_class", [ComparisonDisplay, OverfitGapDisplay])
LONG = "Pipeline(steps=[('scaler', StandardScaler()), ('net', RegularizedMLPClassifier($x_1$))])"


def test_difference_frame_is_the_table(comparison):
    frame = ComparisonDisplay.from_comparison(comparison, plot=False).frame()
    table = comparison.frame().reset_index()
    table.loc[table["candidate"] == "plain net", "difference"] = 0.0
    pd.testing.assert_frame_equal(frame, table)
    assert frame["difference"].is_monotonic_decreasing


def test_verdicts_follow_from_p_values_where_the_table_has_none(comparison):
    table = comparison.frame().reset_index().drop(columns="verdict")
    table["p_value"] = [0.01, 0.3, np.nan, 0.04, np.nan]
    display = ComparisonDisplay(table=table)
    expected = ["pays", "cannot be told apart", "baseline", "costs", "cannot be told apart"]
    assert display.frame()["verdict"].tolist() == expected
    display = ComparisonDisplay(table=table, level=0.02)
    assert display.frame()["verdict"].tolist()[3] == "cannot be told apart"


def test_intervals_hold_the_data(comparison):
    display = ComparisonDisplay.from_comparison(comparison)
    frame = display.frame()
    rows = frame.index[frame["verdict"] != "baseline"]
    assert len(display.intervals_) == len(rows)
    for container, row in zip(display.intervals_, rows, strict=True):
        point, _, (bar,) = container
        values = frame.loc[row]
        assert (point.get_xdata()[0], point.get_ydata()[0]) == (values["difference"], row)
        (ends,) = bar.get_segments()
        np.testing.assert_allclose(
            ends[:, 0], values[["difference_low", "difference_high"]].to_numpy(dtype=float)
        )
    labels = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert labels == frame["candidate"].tolist()
    assert display.ax_.yaxis_inverted()


def test_splits_stand_behind_the_intervals(comparison):
    display = ComparisonDisplay.from_comparison(comparison)
    folds = comparison.folds()
    folds = folds[folds["candidate"] != "plain net"]
    np.testing.assert_array_equal(display.points_.get_xdata(), folds["difference"])
    rows = display.frame().reset_index().set_index("candidate")["index"]
    np.testing.assert_array_equal(display.points_.get_ydata(), rows[folds["candidate"]])
    assert ComparisonDisplay.from_comparison(comparison, show_folds=False).points_ is None


def test_verdicts_differ_without_color(comparison):
    display = ComparisonDisplay.from_comparison(comparison)
    looks = {
        (point.get_marker(), point.get_markerfacecolor() == "white")
        for point, _, _ in display.intervals_
    }
    assert len(looks) == 4


def test_a_far_candidate_leaves_the_axes(comparison):
    display = ComparisonDisplay.from_comparison(comparison)
    low, high = display.ax_.get_xlim()
    assert -0.1 < low < -0.035 < 0.045 < high < 0.1
    (row,) = display.far_labels_
    assert display.frame().loc[row, "candidate"] == "dummy"
    assert display.far_labels_[row].get_text().endswith("\N{MINUS SIGN}0.400")


def test_no_candidate_is_far(make_comparison):
    comparison = make_comparison(offsets=(0.03, 0.01, 0.0, -0.02, -0.05))
    display = ComparisonDisplay.from_comparison(comparison)
    assert display.far_labels_ == {}
    assert display.ax_.get_xlim()[0] < -0.065


def test_failed_candidates_stay_empty(comparison, make_comparison):
    class Failing(make_comparison):
        def frame(self):
            frame = super().frame()
            numbers = frame.columns.difference(["kind", "verdict", "strength"])
            frame.loc["+ L1", numbers] = np.nan
            frame.loc["+ L1", "verdict"] = "failed"
            return frame

    display = ComparisonDisplay.from_comparison(Failing())
    assert len(display.intervals_) == 3
    assert display.frame()["candidate"].tolist()[-1] == "+ L1"
    display = OverfitGapDisplay.from_comparison(Failing())
    assert np.isnan(display.test_points_.get_xdata()).sum() == 1


def test_gap_frame_and_artists(comparison):
    display = OverfitGapDisplay.from_comparison(comparison)
    frame = display.frame()
    table = comparison.frame().reset_index()
    pd.testing.assert_frame_equal(frame, table)
    np.testing.assert_array_equal(display.test_points_.get_xdata(), table["mean_score"])
    np.testing.assert_array_equal(display.train_points_.get_xdata(), table["mean_train_score"])
    for (start, end), (_, row) in zip(
        display.gap_lines_.get_segments(), table.iterrows(), strict=True
    ):
        assert end[0] - start[0] == pytest.approx(row["overfit_gap"])
    assert display.baseline_line_.get_xdata()[0] == 0.9
    assert display.test_points_.get_marker() != display.train_points_.get_marker()
    assert [display.frame().loc[row, "candidate"] for row in display.far_labels_] == ["dummy"]


@BOTH
def test_without_baseline(make_comparison, display_class):
    comparison = make_comparison(
        names=("a", "b"), offsets=(0.1, 0.0), verdicts=("cannot be told apart",) * 2
    )
    display = display_class.from_comparison(comparison)
    assert [label.get_text() for label in display.ax_.get_yticklabels()] == ["a", "b"]
    if display_class is OverfitGapDisplay:
        assert display.baseline_line_ is None


@BOTH
def test_given_axes_are_used(comparison, display_class):
    import matplotlib.pyplot as plt

    figure, ax = plt.subplots()
    display = display_class.from_comparison(comparison, ax=ax)
    assert display.ax_ is ax
    assert display.figure_ is figure
    assert plt.get_fignums() == [figure.number]


@BOTH
@pytest.mark.parametrize("n_candidates", [1, 14, 30])
@pytest.mark.parametrize("size", [(6.0, 4.0), (3.7, 6.2), None])
def test_texts_do_not_overlap(
    make_comparison, display_class, n_candidates, size, assert_texts_apart
):
    import matplotlib.pyplot as plt

    names = [f"{LONG if k % 2 else '+ knob'} {k}" for k in range(n_candidates - 1)]
    comparison = make_comparison(
        names=["plain net", *names],
        offsets=np.linspace(0.0, -0.08, n_candidates),
        verdicts=[
            "baseline",
            *(["pays", "costs", "cannot be told apart"] * 10)[: n_candidates - 1],
        ],
    )
    comparison.scoring = "neg_root_mean_squared_error"
    ax = None if size is None else plt.subplots(figsize=size, layout="constrained")[1]
    display = display_class.from_comparison(comparison, ax=ax)
    assert display.figure_.get_size_inches()[0] == (size or (6.0,))[0]
    assert_texts_apart(display.figure_)


@BOTH
def test_errors(comparison, display_class):
    with pytest.raises(TypeError, match=r"comparison is a dict, which has no frame\(\)"):
        display_class.from_comparison({})

    class Lacking:
        def frame(self):
            return pd.DataFrame({"candidate": ["plain net"], "seconds": [1.0]})

    with pytest.raises(ValueError, match=r"lacks the columns \[.*\]; it has \['candidate'"):
        display_class.from_comparison(Lacking())


@BOTH
def test_missing_matplotlib(comparison, display_class, matplotlib_missing):
    assert len(display_class.from_comparison(comparison, plot=False).frame()) == 5
    with pytest.raises(ImportError, match=rf"{display_class.__name__}\.plot draws with"):
        display_class.from_comparison(comparison)
