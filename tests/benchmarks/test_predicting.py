from __future__ import annotations

import types

from benchmarks import predicting, timing


def test_one_call_of_predict_is_the_share_of_many(monkeypatch):
    now = {"seconds": 0.0}
    clock = types.SimpleNamespace(perf_counter=lambda: now["seconds"])
    monkeypatch.setattr(timing, "time", clock)

    class Net:
        calls = 0

        def __init__(self, seconds):
            self.seconds = seconds

        def predict(self, X):
            self.calls += 1
            now["seconds"] += self.seconds

    nets = {"skreg": Net(4.0), "scikit-learn": Net(1.0)}
    found = predicting.compare(nets, "predict", None, repeats=2, calls=5, turns=3)
    # Warmed up once, then timed twice three times, five calls each.
    assert nets["skreg"].calls == nets["scikit-learn"].calls == (1 + 2 * 3) * 5
    assert found == {"seconds": {"skreg": 4.0, "scikit-learn": 1.0}, "to scikit-learn": 4.0}


def test_page_on_predictions(machine):
    found = {"seconds": {"skreg": 2e-4, "scikit-learn": 1e-4}, "to scikit-learn": 2.0}
    many = {"seconds": {"skreg": 0.3, "scikit-learn": 0.4}, "to scikit-learn": 0.75}
    page = predicting.page({"a net": {"1": found, "100000": many}}, machine)
    assert "   * - a net\n     - 0.200\n     - 0.100\n     - 2.00\n" in page
    assert "100,000 rows\n------------\n" in page
    assert "   * - a net\n     - 300\n     - 400\n     - 0.75\n" in page


def test_one_run_has_all_ratios(monkeypatch):
    asked = []

    def compared(nets, method, X, repeats, *calls):
        asked.append((method, X.shape, str(X.dtype), repeats))
        return {"to scikit-learn": 1.0}

    monkeypatch.setattr(predicting, "compare", compared)
    monkeypatch.setattr(predicting, "fitted", lambda *arguments: {})
    found = predicting.measure(3)
    assert len(found) == 3 * 3
    assert all(list(calls) == ["1", "10000", "100000"] for calls in found.values())
    methods, types = ("predict", "predict_proba", "predict"), ("float64", "float32", "float64")
    rows = (1, 10_000, 100_000)
    assert asked == [(m, (n, 64), dtype, 3) for dtype in types for m in methods for n in rows]
