"""The page of the GPU is measured where there is one, and skipped with a word elsewhere."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from benchmarks import __main__ as command
from benchmarks import gpu
from benchmarks.regressions import figures

RESULT = {
    "gpu": "Some GPU",
    "search": {
        "what": gpu.case_a.__doc__,
        "seconds": {"skreg, batched": 1.0, "skorch": 40.0},
        "times faster": {"skreg, batched": 1.0, "skorch": 40.0},
        "training seconds": 0.25,
    },
    "members a second": {"1": 2.0, "64": 90.5, "256": 80.0},
}


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_a_gpu_it_is_skipped_with_a_reason(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(command, "RESULTS", tmp_path)
    monkeypatch.setattr(command, "RECORDED", tmp_path / "recorded_ratios.json")
    monkeypatch.setattr(command, "DOCS", tmp_path)
    assert command.main(["--only", "gpu"]) == 0
    assert "skipping gpu: torch finds no CUDA device" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_searches_are_on_the_gpu_but_for_one_and_compiled_first(monkeypatch):
    done, seconds = [], iter(range(100))

    def batched(net, *rest):
        done.append((net.device, net.numeric_embedding))
        return SimpleNamespace(seconds=next(seconds))

    monkeypatch.setattr(gpu, "batched", batched)
    monkeypatch.setattr(gpu, "search", lambda net, *rest: done.append(net.device))
    found = gpu.searches(2)
    on_gpu, others = ("cuda", None), [("cuda", "periodic"), ("cpu", None)]
    assert done[:3] == [on_gpu, *others]
    assert done[3:] == [on_gpu, "cuda", "cuda", *others] * 2
    # Of the batched search alone, after what was compiled: the calls 3 and 6.
    assert found["training seconds"] == 4.5
    assert found["times faster"]["skreg, batched"] == 1.0
    assert list(found["seconds"])[1:3] == ["skreg, one by one", "skorch"]


def test_members_a_second():
    found = gpu.members_a_second(1, sizes=(1, 2), epochs=1, device="cpu")
    assert list(found) == ["1", "2"]
    assert all(rate > 0 for rate in found.values())


def test_the_page_names_the_gpu_and_the_best_stack(machine):
    page = gpu.page(RESULT, machine)
    assert "On Some GPU: " in page
    assert "0.25 s of the batched search are training" in page
    assert "**90.5**" in page and "**80.0**" not in page


def test_the_ratio_to_skorch_is_compared():
    found = figures("gpu", RESULT)
    assert {name: figure.value for name, figure in found.items()} == {
        "gpu: search A, times skorch takes": 40.0
    }
