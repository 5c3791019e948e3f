"""A bar in notebooks, lines elsewhere; IPython is not needed."""

from __future__ import annotations

import io
import sys
import types

import pytest

from skreg.comparison.progress import LineProgress, NotebookBar, shown_progress


class Clock:
    now = 50.0

    def __call__(self):
        return self.now


class Notebook:
    """IPython with a kernel: what is shown, and what takes its place."""

    def __init__(self, monkeypatch, kernel=True):
        self.shown = []
        shell = types.SimpleNamespace(kernel=object()) if kernel else types.SimpleNamespace()
        ipython = types.ModuleType("IPython")
        ipython.get_ipython = lambda: shell
        display = types.ModuleType("IPython.display")
        display.HTML = str
        display.display = self.display
        monkeypatch.setitem(sys.modules, "IPython", ipython)
        monkeypatch.setitem(sys.modules, "IPython.display", display)

    def display(self, html, display_id):
        assert display_id is True
        self.shown.append(html)
        return types.SimpleNamespace(update=self.shown.append)


def test_lines_speak_of_fits_and_minutes():
    stream, clock = io.StringIO(), Clock()
    line = LineProgress(stream, clock)
    for now, done in (
        (50, 0),
        (51, 1),
        (60, 5),
        (65, 6),
        (170, 50),
        (175, 51),
        (290, 100),
        (291, 100),
    ):
        clock.now = now
        line(done, 100, "judging")
    assert stream.getvalue().splitlines() == [
        "skreg: judging: 0 of 100 fits, 0 s so far",
        "skreg: judging: 5 of 100 fits, 10 s so far, about 3.2 min left of this",
        "skreg: judging: 50 of 100 fits, 2 min so far, about 2 min left of this",
        "skreg: judging: 100 of 100 fits, 4 min so far",
    ]


def test_each_stage_has_a_line_of_its_own():
    stream = io.StringIO()
    line = LineProgress(stream, Clock())
    for what in ("choosing", "judging"):
        for done in range(3):
            line(done, 2, what)
    line(0, 0, "nothing")
    starts = [line.split(",")[0] for line in stream.getvalue().splitlines()]
    assert starts == [
        f"skreg: {what}: {done} of 2 fits" for what in ("choosing", "judging") for done in (0, 2)
    ]


def test_the_bar_is_updated_in_place():
    shown, clock = [], Clock()

    def display(html):
        shown.append(html)
        return shown.append

    bar = NotebookBar(display, clock)
    for now, done in ((50.0, 1), (50.1, 2), (50.3, 3)):
        clock.now = now
        bar(done, 4, "judging <b>")
    clock.now = 170.0
    bar.close()
    assert len(shown) == 4
    assert '<progress value="1" max="4"' in shown[1]
    assert "judging &lt;b&gt;: 3 of 4 fits" in shown[2]
    assert shown[-1] == "<p>skreg: compared in 2 min</p>"


def test_a_notebook_has_a_bar(monkeypatch):
    notebook = Notebook(monkeypatch)
    with shown_progress(None) as progress:
        progress(1, 2, "judging")
    assert len(notebook.shown) == 3
    with shown_progress(False) as progress:
        assert progress is None
    assert len(notebook.shown) == 3


@pytest.mark.parametrize("kernel", [True, False])
def test_the_bar_is_closed_after_an_error(monkeypatch, kernel):
    notebook = Notebook(monkeypatch, kernel)
    with pytest.raises(KeyError, match="oh"), shown_progress(None):
        raise KeyError("oh")
    assert len(notebook.shown) == (2 if kernel else 0)


def test_elsewhere_nothing_is_shown_unless_asked_for(capsys):
    with shown_progress(None) as progress:
        assert progress is None
    for options in ((True,), (None, 1)):
        with shown_progress(*options) as progress:
            progress(2, 2, "judging")
        assert capsys.readouterr().err == "skreg: judging: 2 of 2 fits, 0 s so far\n"

    def own(*_):
        pass

    with shown_progress(own, 1) as progress:
        assert progress is own
