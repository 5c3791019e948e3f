from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from skreg.display import _style
from skreg.display._rows import find_far


def test_import_leaves_matplotlib_alone():
    code = "import sys, skreg.display, skreg.display.page; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_missing_matplotlib_names_the_remedy(matplotlib_missing):
    with pytest.raises(ImportError, match=r"Some\.plot draws .* `pip install skreg\[plot\]`"):
        _style.require_matplotlib("Some.plot")


def test_new_axes_counts_axes():
    import matplotlib.pyplot as plt

    _, axes = plt.subplots(3, 1)
    with pytest.raises(ValueError, match=r"draws 2 panels, but `ax` holds 3 axes"):
        _style.new_axes("Some.plot", axes, n_rows=2)


@pytest.mark.parametrize("text", ["", "a", "dropout", "x" * 200, "two words", "a\n b\tc"])
@pytest.mark.parametrize("width", [3, 8, 21])
def test_shorten_keeps_both_ends(text, width):
    short = _style.shorten(text, width)
    assert len(short) <= width
    plain = " ".join(text.split())
    assert short == plain or (short[0], short[-1]) == (plain[0], plain[-1])


def test_fit_labels_keeps_long_names_apart():
    names = [f"Pipeline(StandardScaler, {'x' * 60}, number {k})" for k in range(4)] + ["same"] * 2
    names += ["long words " * 20 + end for end in ("a", "b")]
    for width, lines in [(22, 2), (12, 1), (9, 2)]:
        labels = _style.fit_labels(names, width=width, lines=lines)
        assert len(set(labels)) == len(names)
        assert all(len(line) <= width for label in labels for line in label.split("\n"))
        assert all(label.count("\n") < lines for label in labels)


def test_fit_labels_take_no_mathematics():
    assert _style.fit_labels(["cost in $"]) == [r"cost in \$"]


@pytest.mark.parametrize(
    ("values", "wide"),
    [([0.1, 0.2, 0.5], False), ([0, 1e-4, 1e-3, 1], True), ([1e-4, 1], False), ([np.nan], False)],
)
def test_is_wide(values, wide):
    assert _style.is_wide(values) is wide


@pytest.mark.parametrize(
    ("middles", "far"),
    [
        ([0.02, -0.03, 0.025, 0.04, -0.4, 0.01], [4]),
        ([0.02, -0.03, 0.025, 0.04, -0.05, -0.4, -0.45], [5, 6]),
        # As few as possible: the second one could be cut too, but is seen well enough.
        ([0.01, 0.02, 0.01, 0.01, -0.1, -0.9], [5]),
        ([0.02, -0.03, 0.025, 0.01], []),
        # What is good is never cut.
        ([0.02, -0.03, 0.025, 0.4], []),
        ([0.02, -0.03, 0.025, 0.4, -0.5, 0.01], []),
        # A third at most: here "far" would be most of what there is.
        ([0.01, -0.5, -0.6, -0.7], []),
        ([0.0, 0.0, 0.0, 0.0], []),
        ([], []),
    ],
)
def test_find_far(middles, far):
    middles = np.array(middles, dtype=float)
    spans = pd.DataFrame({"low": 1 + middles - 0.001, "high": 1 + middles + 0.001})
    assert sorted(find_far(spans, 1.0)) == far
    spans.loc[len(spans)] = np.nan
    assert sorted(find_far(spans, 1.0)) == far


def _luminance(color):
    channels = [int(color[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return float(np.dot([0.2126, 0.7152, 0.0722], linear))


@pytest.mark.parametrize("name", sorted(_style.COLORS))
def test_colors_stand_out_on_white(name):
    assert 1.05 / (_luminance(_style.COLORS[name]) + 0.05) >= 3


def test_series_differ_without_color():
    for key in ("linestyle", "marker"):
        assert _style.TRAIN[key] != _style.TEST[key]
