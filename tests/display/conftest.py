"""A small comparison with known numbers, and what a figure really draws."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

NAMES = ("all together", "+ L1", "plain net", "+ batch norm", "dummy")
VERDICTS = ("pays", "cannot be told apart", "baseline", "costs", "dummy")
OFFSETS = (0.03, 0.01, 0.0, -0.02, -0.4)


class FakeFinding:
    def __init__(self, title, text, ok):
        self.title, self.text, self.ok = title, text, ok


class FakeRecommendation:
    name = "all together"
    headline = "Take the plain net with all knobs together: +0.030, p = 0.020."
    details = "It scores 0.930."


class FakeDiagnosis:
    def __init__(self, findings):
        self.findings = findings


class FakeComparison:
    """What the displays and the page read of a Comparison, with numbers that are known."""

    scoring = "balanced_accuracy"
    baseline_ = "plain net"
    target_name = "diagnosis"

    def __init__(self, names=NAMES, offsets=OFFSETS, verdicts=VERDICTS):
        self.names, self.offsets, self.verdicts = list(names), np.array(offsets), list(verdicts)
        self.best_ = self.names[0]
        self.notes_ = ["Rows with <missing> targets & others were left out."]
        self.method_ = {"Table": "clinic.csv", "Rows and columns": "500 rows, 30 columns"}
        self.method_ |= {
            "Target": "diagnosis (classification)",
            "Made": "1 May 2026 with skreg 0.1",
        }
        self.method_ |= {"Splits": "5 folds, stratified", "Test": "corrected resampled t-test"}
        self.recommendation_ = FakeRecommendation()
        self.estimators_ = {"all together": None}
        self.diagnosis_ = FakeDiagnosis([FakeFinding("Can the net overfit?", "It can.", True)])

    def frame(self):
        score = 0.9 + self.offsets
        plain = np.array(self.names) == self.baseline_
        return pd.DataFrame(
            {
                "kind": "net",
                "mean_score": score,
                "std_score": 0.01,
                "mean_train_score": np.minimum(1.0, score + 0.05),
                "overfit_gap": np.minimum(1.0, score + 0.05) - score,
                "difference": np.where(plain, np.nan, self.offsets),
                "difference_low": np.where(plain, np.nan, self.offsets - 0.015),
                "difference_high": np.where(plain, np.nan, self.offsets + 0.015),
                "p_value": np.where(plain, np.nan, 0.02),
                "verdict": self.verdicts,
                "strength": ["dropout=0.25"] * len(score),
                "epochs": 40.0,
                "seconds": 1.25,
                "zero_share": 0.0,
                "n_features_used": 30.0,
            },
            index=pd.Index(self.names, name="candidate"),
        )

    def contenders(self):
        frame = self.frame().iloc[:2].copy()
        frame["difference"] = frame["mean_score"] - frame["mean_score"].iloc[0]
        frame["verdict"] = ["take this", "may be as good"][: len(frame)]
        return frame[["mean_score", "std_score", "difference", "p_value", "verdict", "seconds"]]

    def snippet(self):
        return 'model = Net("<all>")\nmodel.fit(X, y)'

    def folds(self):
        rows = [
            {"candidate": name, "repeat": 0, "fold": fold, "difference": offset + 0.001 * fold}
            for name, offset in zip(self.names, self.offsets, strict=True)
            for fold in range(5)
        ]
        return pd.DataFrame(rows)

    def summary(self):
        return (
            f"# Verdict\nBest: {self.best_}.\n\n# Pays\n- all together: +0.030\n\n"
            "# Diagnosis\n- Can the net overfit?: It can.\n\n# Notes\n- Some were left out."
        )


@pytest.fixture(scope="session")
def comparison():
    return FakeComparison()


@pytest.fixture(scope="session")
def make_comparison():
    return FakeComparison


@pytest.fixture
def matplotlib_missing(monkeypatch):
    """As if matplotlib were not installed."""
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)


@pytest.fixture(autouse=True)
def _close_figures():
    """Agg for every figure, and none of them left open."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    yield
    plt.close("all")


@pytest.fixture
def drawn_texts(monkeypatch):
    """A function that gives all texts that a figure draws, as pairs of text and bounding box."""
    from matplotlib.text import Text

    def collect(figure):
        drawn = []
        draw = Text.draw

        def record(self, renderer, *args, **kwargs):
            if self.get_visible() and self.get_text().strip():
                drawn.append(self)
            return draw(self, renderer, *args, **kwargs)

        figure.canvas.draw()  # the first pass settles the layout
        monkeypatch.setattr(Text, "draw", record)
        figure.canvas.draw()
        monkeypatch.undo()
        return [(text.get_text(), text.get_window_extent()) for text in dict.fromkeys(drawn)]

    return collect


@pytest.fixture
def assert_texts_apart(drawn_texts):
    """A function that fails where two texts of a figure overlap, or one leaves the figure."""

    def check(figure):
        texts = drawn_texts(figure)
        assert len(texts) > 5
        width, height = figure.canvas.get_width_height()
        for place, (text, box) in enumerate(texts):
            inside = box.x0 > -1 and box.y0 > -1 and box.x1 < width + 1 and box.y1 < height + 1
            assert inside, f"{text!r} leaves the figure: {box}"
            for other, other_box in texts[:place]:
                apart = (
                    min(box.x1, other_box.x1) - max(box.x0, other_box.x0) < 1
                    or min(box.y1, other_box.y1) - max(box.y0, other_box.y0) < 1
                )
                assert apart, f"{text!r} and {other!r} overlap: {box}, {other_box}"

    return check
