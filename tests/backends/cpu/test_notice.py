"""Who waits for the compiler is told why, and only then."""

from __future__ import annotations

import time

import pytest

pytest.importorskip("numba")

from skreg.backends.cpu import notice


@pytest.fixture(autouse=True)
def nothing_was_said(monkeypatch):
    monkeypatch.setattr(notice, "_said", False)


def wait_for(capsys):
    """What was written on the standard error stream, as soon as there is something."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if text := capsys.readouterr().err:
            return text
        time.sleep(0.01)
    return ""


def test_a_long_compilation_is_said_once(monkeypatch, capsys):
    monkeypatch.setattr(notice, "DELAY", 0.0)
    with notice.while_compiling():
        text = wait_for(capsys)
    assert text.startswith("skreg compiles its kernels")
    assert text.count("\n") == 1
    with notice.while_compiling():
        time.sleep(0.1)
    assert capsys.readouterr().err == ""


def test_a_short_one_is_not_said(monkeypatch, capsys):
    monkeypatch.setattr(notice, "DELAY", 0.05)
    with notice.while_compiling():
        pass
    time.sleep(0.2)
    assert capsys.readouterr().err == ""


def test_an_error_ends_the_waiting(monkeypatch, capsys):
    monkeypatch.setattr(notice, "DELAY", 0.05)
    with pytest.raises(ValueError, match="no such type"), notice.while_compiling():
        raise ValueError("no such type")
    time.sleep(0.2)
    assert capsys.readouterr().err == ""


def test_a_process_without_an_error_stream_goes_on(monkeypatch):
    """As under pythonw."""
    monkeypatch.setattr("sys.stderr", None)
    notice._say()
    assert not notice._said
