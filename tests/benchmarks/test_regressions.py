from __future__ import annotations

import json

import pytest

from benchmarks import __main__ as command
from benchmarks import regressions
from benchmarks.regressions import Figure, compare

MACHINE = {"cpu": "Some CPU", "cores": 2, "capability": "AVX2"}
NAME = "single: one fit of digits, to scikit-learn"


def single(ratio, of_peak=0.5):
    """A stored result of the page on single fits, with three ratios."""
    fits = {"digits": {"to scikit-learn": ratio, "to skorch": 0.1}}
    result = {"fits": fits, "stacks": {"digits, 16 members": {"of peak": of_peak}}}
    return {"machine": MACHINE, "repeats": 5, "result": result}


@pytest.fixture
def file(tmp_path):
    """The recorded ratios of a fit that takes 0.4 of scikit-learn's time."""
    path = tmp_path / "recorded.json"
    assert regressions.check({"single": single(0.4)}, path) == 0
    return path


@pytest.mark.parametrize("more_is_faster", [False, True])
@pytest.mark.parametrize(
    ("slowdown", "reported"),
    [(0.5, False), (1.0, False), (1.15, False), (1.2, False), (1.25, True)],
)
def test_more_than_a_fifth_is_reported_in_either_direction(slowdown, more_is_faster, reported):
    now = Figure(2 / slowdown if more_is_faster else 2 * slowdown, more_is_faster)
    slower, new = compare({"a": now}, {"a": {"ratio": 2.0}})
    assert new == []
    assert slower == ([(pytest.approx(0.25), "a", 2.0, now.value)] if reported else [])


def test_the_tolerance_can_be_another_one():
    ((share, *_),), _ = compare({"a": Figure(1.15)}, {"a": {"ratio": 1.0}}, tolerance=0.1)
    assert share == pytest.approx(0.15)


def test_new_and_slower_figures_are_told_apart_the_worst_first():
    now = {"a": Figure(1.3), "b": Figure(0.2, True), "c": Figure(1.0), "d": Figure(9.0)}
    recorded = {name: {"ratio": ratio} for name, ratio in {"a": 1.0, "b": 0.3, "c": 1.0}.items()}
    slower, new = compare(now, recorded)
    assert [(name, before, after) for _, name, before, after in slower] == [
        ("b", 0.3, 0.2),
        ("a", 1.0, 1.3),
    ]
    assert new == ["d"]


def test_what_is_new_is_recorded_with_its_machine(tmp_path, capsys):
    path = tmp_path / "recorded.json"
    assert regressions.check({"single": single(0.4)}, path) == 0
    assert f"New, and recorded now:\n  {NAME}\n" in capsys.readouterr().out
    assert regressions.read(path)[NAME] == {
        "ratio": 0.4,
        "repeats": 5,
        "machine": "2 cores of Some CPU (AVX2)",
    }


def test_a_slowdown_is_exit_code_1_and_changes_no_record(file, capsys):
    before = file.read_text()
    capsys.readouterr()
    assert regressions.check({"single": single(0.5)}, file) == 1
    out = capsys.readouterr().out
    assert "Slower by more than 20 % than recorded:\n" in out
    assert f"{NAME}     0.400     0.500     25.0 %" in out
    assert "--record" in out
    assert file.read_text() == before


@pytest.mark.parametrize("ratio", [0.46, 0.3])
def test_noise_and_gains_pass_and_change_no_record(file, capsys, ratio):
    before = file.read_text()
    assert regressions.check({"single": single(ratio)}, file) == 0
    assert "None of 3 ratios is slower by more than 20 %" in capsys.readouterr().out
    assert file.read_text() == before


def test_slow_steps_below_the_tolerance_add_up(file):
    # Each is compared with what was recorded, not with the run before.
    assert regressions.check({"single": single(0.47)}, file) == 0
    assert regressions.check({"single": single(0.55)}, file) == 1


def test_record_accepts_new_figures_and_forgets_those_that_are_gone(file, capsys):
    less = single(0.5)
    del less["result"]["stacks"]["digits, 16 members"]
    assert regressions.check({"single": less}, file) == 1
    gone = "  single: stack of digits, 16 members, share of the peak\n"
    assert f"(--record forgets them):\n{gone}" in capsys.readouterr().out
    assert len(regressions.read(file)) == 3
    assert regressions.check({"single": less}, file, record=True) == 0
    assert len(regressions.read(file)) == 2
    assert regressions.read(file)[NAME]["ratio"] == 0.5


def test_another_machine_is_named(file, capsys):
    stored = {**single(0.6), "machine": {**MACHINE, "cores": 64}}
    assert regressions.check({"single": stored}, file) == 1
    assert "on another machine: 2 cores of Some CPU (AVX2)." in capsys.readouterr().out


def test_directions_of_the_ratios_of_each_page():
    one = {"seconds": {}, "to scikit-learn": 0.8}
    results = {
        "single": single(0.4)["result"],
        "search": {
            "A": {"times faster": {"skreg, batched": 1.0, "skreg, one by one": 3.0, "skorch": 9.0}}
        },
        "default_speed": {"rows": {"a fit": {"ratio": 2.5, "value": 3.0, "more is faster": True}}},
        "bagging": {"all epochs": {"single fits": {"one fit": 1.0, "ensemble": 5.0}}},
        "predicting": {"(100,), classifier": {"1": one, "100000": one}},
        "scaling": {},
    }
    found = [regressions.figures(page, result) for page, result in results.items()]
    assert {name: figure for page in found for name, figure in page.items()} == {
        NAME: Figure(0.4),
        "single: one fit of digits, to skorch": Figure(0.1),
        "single: stack of digits, 16 members, share of the peak": Figure(0.5, True),
        "search: search A, times skorch takes": Figure(9.0, True),
        "default_speed: a fit": Figure(2.5, True),
        "bagging: ensemble, all epochs, in single fits": Figure(5.0),
        "predicting: (100,), classifier of 1 row, to scikit-learn": Figure(0.8),
        "predicting: (100,), classifier of 100,000 rows, to scikit-learn": Figure(0.8),
    }


# -- the command ----------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The command, which measures and writes nothing but a ratio that the test sets."""
    monkeypatch.setattr(command, "RESULTS", tmp_path)
    monkeypatch.setattr(command, "RECORDED", tmp_path / "recorded_ratios.json")
    monkeypatch.setattr(command, "write_pages", lambda: None)
    monkeypatch.setattr(command.subprocess, "run", lambda *args, **options: None)
    return tmp_path


def test_a_run_compares_the_pages_that_it_measured(folder):
    def store(ratio):
        (folder / "single.json").write_text(json.dumps(single(ratio)))

    store(0.4)
    assert command.main(["--only", "single"]) == 0
    store(0.5)
    assert command.main(["--only", "single"]) == 1
    # Stored pages that this run did not measure are not its business.
    assert command.main(["--only", "bagging"]) == 0
    assert command.main(["--pages"]) == 0
    assert command.main(["--pages", "--record"]) == 0
    assert command.main(["--only", "single"]) == 0
