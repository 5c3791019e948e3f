from __future__ import annotations

import types

import numpy as np

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


def test_the_default_net_and_the_ensemble_are_what_their_names_say():
    cases = predicting.defaults()
    net, bag = (nets["skreg"] for nets in cases.values())
    widths = net.hidden_layer_sizes
    for nets in cases.values():
        plain = nets["scikit-learn"]
        assert [w.shape for w in plain.coefs_] == [(20, widths[0]), widths, (widths[-1], 1)]
    assert net.embedded_features_.tolist() == list(range(20))
    changed = {"max_iter", "early_stopping", "random_state"}
    for one in (net, bag.estimator):
        now, default = one.get_params(), type(one)().get_params()
        assert {name for name in now if now[name] != default[name]} <= changed
    assert len(bag.estimators_) == 16
    assert "ensemble of 16" in list(cases)[1]


def test_one_run_has_all_ratios(monkeypatch):
    """Plain nets, the default net and the ensemble; for one row, for 10,000 and for more."""
    asked = []

    def compared(nets, method, X, repeats, *calls):
        asked.append((method, X.shape, X.dtype, repeats))
        return {"to scikit-learn": 1.0}

    monkeypatch.setattr(predicting, "compare", compared)
    monkeypatch.setattr(predicting, "fitted", lambda *arguments: {})
    monkeypatch.setattr(predicting, "defaults", lambda: {"default net": {}, "ensemble": {}})
    found = predicting.measure(3)
    assert len(found) == 3 * 3 + 2
    assert all(set(calls) == {"1", "10000", "100000"} for calls in found.values())
    last = [("predict", (n, 20), np.dtype("float64"), 3) for n in (1, 10_000, 100_000)]
    assert asked[-6:] == 2 * last
