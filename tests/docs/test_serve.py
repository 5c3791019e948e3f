"""The server of docs/how_to/serving.rst: 200 requests from 8 threads are answered as the net predicts."""

from __future__ import annotations

import http.client
import importlib.util
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from skreg import RegularizedMLPClassifier

pytest.importorskip("fastapi")
uvicorn = pytest.importorskip("uvicorn")
io = pytest.importorskip("skops.io")

SCRIPT = Path(__file__).parents[2] / "docs" / "how_to" / "serve.py"


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {"age": rng.integers(18, 90, 300).astype(float), "job": rng.choice(["clerk", "cook"], 300)}
    )


@pytest.fixture(scope="module")
def net(table):
    y = np.where((table["age"] > 40) & (table["job"] == "clerk"), "yes", "no")
    return RegularizedMLPClassifier((16,), max_iter=15, random_state=0).fit(table, y)


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("serve", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def port(net, script, tmp_path_factory):
    """Where the server listens; it is ended when the tests of this module are."""
    path, threads = tmp_path_factory.mktemp("serve") / "net.skops", torch.get_num_threads()
    io.dump(net, path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MODEL", str(path))
        config = uvicorn.Config(script.app, host="127.0.0.1", port=0, log_level="warning")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run)
        thread.start()
        while not server.started and thread.is_alive():
            time.sleep(0.01)
        yield server.servers[0].sockets[0].getsockname()[1]
        server.should_exit = True
        thread.join()
    torch.set_num_threads(threads)


def ask(port, rows):
    """Status and answer for some rows."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        head = {"Content-Type": "application/json"}
        connection.request("POST", "/predict", json.dumps({"rows": rows}), head)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def test_answers_under_load_are_those_of_the_net(port, net, table):
    rng = np.random.default_rng(1)
    parts = [table.iloc[rng.choice(300, 1 + i % 20, replace=False)] for i in range(200)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda part: ask(port, part.to_dict("records")), parts))
    for part, (status, answer) in zip(parts, answers, strict=True):
        assert status == 200
        assert answer["classes"] == ["no", "yes"]
        np.testing.assert_array_equal(answer["probabilities"], net.predict_proba(part))


def test_gaps_and_unknown_levels_are_answered(port, net):
    rows = [{"job": None, "age": 30}, {"age": None, "job": "astronaut", "shoe": 42}]
    status, answer = ask(port, rows)
    table = pd.DataFrame({"age": [30.0, None], "job": [None, "astronaut"]})
    assert status == 200
    np.testing.assert_array_equal(answer["probabilities"], net.predict_proba(table))


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        ([{"age": 3}], r"The columns \['job'\] are missing"),
        ([{"age": "old", "job": "cook"}], "age"),
    ],
)
def test_what_cannot_be_predicted_is_said(port, rows, text):
    status, answer = ask(port, rows)
    assert status == 422
    with pytest.raises(ValueError, match=text):
        raise ValueError(answer["detail"])


def test_files_with_other_types_are_refused(script, tmp_path):
    io.dump(np.random.default_rng, tmp_path / "other.skops")
    with pytest.raises(ValueError, match="holds types that no model of skreg has"):
        script.load(tmp_path / "other.skops")
