from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError

from skreg import (
    FeaturePathDisplay,
    RegularizedLinearRegressor,
    StabilitySelectionDisplay,
    StabilitySelector,
    feature_path,
)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 30))
    y = 3.0 * X[:, 4] - 2.0 * X[:, 9] + X[:, 17] + rng.normal(size=120)
    return pd.DataFrame(X, columns=[f"column {j}" for j in range(30)]), y


@pytest.fixture(scope="module")
def path(data):
    model = RegularizedLinearRegressor(l2=0.0)
    return feature_path(*data, estimator=model, n_strengths=8, cv=3, random_state=0)


@pytest.fixture(scope="module")
def selector(data):
    model = RegularizedLinearRegressor(l2=0.0)
    return StabilitySelector(model, n_pairs=5, n_strengths=6, random_state=0).fit(*data)


def test_bars_are_where_columns_are_used(path):
    display = FeaturePathDisplay.from_path(path, n_features=5)
    survival = path.survival()
    pd.testing.assert_frame_equal(display.frame(), survival)
    segments = display.bars_.get_segments()
    assert len(segments) == path.support[:, survival["column"][:5]].sum()
    for row in range(5):
        own = np.array([s for s in segments if s[0][1] == row])
        used = path.strengths[path.support[:, survival["column"][row]]]
        for strength, ends in zip(used, own[:, :, 0], strict=True):
            assert ends.min() < strength < ends.max()
    labels = [text.get_text() for text in display.axes_[0].get_yticklabels()]
    assert labels == survival["feature"][:5].tolist()


def test_lines_are_the_frame(path):
    display, frame = FeaturePathDisplay.from_path(path), path.frame()
    np.testing.assert_array_equal(display.counts_.get_ydata(), frame["n_features"])
    np.testing.assert_array_equal(display.score_line_.get_xdata(), frame["strength"])
    np.testing.assert_array_equal(display.score_line_.get_ydata(), frame["loss"])
    heights = display.band_.get_paths()[0].vertices[:, 1]
    assert heights.max() == pytest.approx((frame["loss"] + frame["score_se"]).max())
    assert display.marks_["best"].get_xdata()[0] == path.best_strength
    assert display.marks_["one standard error"].get_xdata()[0] == path.one_se_strength
    assert all(panel.get_xscale() == "log" for panel in display.axes_)
    assert "(18 more not shown)" in display.axes_[0].get_title(loc="left")


def test_scores_of_training_rows_say_so(data):
    model = RegularizedLinearRegressor(l2=0.0)
    display = FeaturePathDisplay.from_estimator(model, *data, n_strengths=3, scoring="r2")
    assert "(training)" in display.axes_[2].get_ylabel()
    assert display.axes_[2].get_ylabel().startswith("r2")
    assert display.band_ is None
    assert display.marks_ == {}


def test_of_a_path_nothing_need_be_drawn(path):
    display = FeaturePathDisplay.from_path(path, plot=False)
    assert not hasattr(display, "axes_")
    for wrong in (0, 2.5):
        with pytest.raises(ValueError, match=f"n_features={wrong} must be an int >= 1"):
            display.plot(n_features=wrong)


def test_the_path_of_an_estimator_need_not_be_drawn_either(data):
    model = RegularizedLinearRegressor(l2=0.0)
    display = FeaturePathDisplay.from_estimator(model, *data, n_strengths=3, plot=False)
    assert len(display.path) == 3
    assert not hasattr(display, "axes_")


def test_points_are_the_probabilities(selector):
    display = StabilitySelectionDisplay.from_estimator(selector, n_features=6)
    frame = selector.frame()
    pd.testing.assert_frame_equal(display.frame(), frame)
    own = frame.iloc[:6]
    for selected, line in display.points_.items():
        expected = own["probability"][own["selected"] == selected]
        np.testing.assert_array_equal(line.get_xdata(), expected)
    assert display.threshold_line_.get_xdata()[0] == selector.threshold
    below = display.ax_.get_xlabel()
    assert "24 more columns not shown" in below
    assert f"at most: {selector.expected_false_selections_:.2g}" in below


def test_all_that_is_selected_is_shown():
    table = pd.DataFrame({"feature": list("abcdef"), "probability": [0.9] * 5 + [0.1]})
    table["selected"] = table["probability"] > 0.6
    display = StabilitySelectionDisplay(table=table, threshold=0.6).plot(n_features=2)
    assert len(display.points_[True].get_xdata()) == 5
    assert False not in display.points_
    with pytest.raises(ValueError, match="n_features=0 must be an int >= 1"):
        display.plot(n_features=0)


def test_a_selector_has_to_be_fitted():
    with pytest.raises(NotFittedError):
        StabilitySelectionDisplay.from_estimator(StabilitySelector())
