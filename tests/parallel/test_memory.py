"""What a search takes at its peak, measured in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

SEARCH = """
import json, sys
import numpy as np
from joblib import parallel_config
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
import skreg

def peak():
    with open("/proc/self/status") as lines:
        return 1024 * next(int(s.split()[1]) for s in lines if s.startswith("VmHWM"))

n, candidates = int(sys.argv[1]), int(sys.argv[2])
rng = np.random.default_rng(0)
X = rng.standard_normal((n, 100))
y = (X[:, 0] > 0).astype(int)
net = skreg.RegularizedMLPClassifier(
    (8,),
    numeric_embedding=None,  # a hundred columns of waves would be most of the time
    max_iter=1,
    batch_size=2000,
    early_stopping=False,
    random_state=0,
)
grid = {"regularizedmlpclassifier__l2": np.logspace(-6, 0, candidates)}
before = peak()
with parallel_config(backend="skreg"):
    search = GridSearchCV(make_pipeline(StandardScaler(), net), grid, cv=5, refit=False).fit(X, y)
jobs = sum(r.jobs for r in skreg.last_rounds())
most = max(r.jobs for r in skreg.last_rounds())
print(json.dumps({"X": X.nbytes, "took": peak() - before, "jobs": jobs, "most": most}))
"""


def run(n, candidates):
    command = [sys.executable, "-c", SEARCH, str(n), str(candidates)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=280)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak from /proc")
def test_large_tables_are_not_copied_for_every_fit():
    """80 fits that hold their rows in float64, scaled and in float32 would take 10 GB."""
    found = run(100_000, 16)
    assert found["jobs"] == 80
    assert found["most"] >= 8  # together all the same
    assert found["took"] < 2 * 2**30
