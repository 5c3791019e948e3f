"""What it takes until a process can fit: ``python -m benchmarks.imports skreg`` prints it as JSON.

Nothing of weight is imported at the head of this module, since that is what it measures.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

#: Modules that take time to import, and that much of the work needs none of.
HEAVY = ("matplotlib", "skrub", "rich", "dask", "pandas", "skorch", "numba")

FIRST = "import torch; from sklearn.neural_network import MLPClassifier"
FIT = """
import numpy as np
from skreg import RegularizedMLPClassifier
X = np.random.default_rng(0).normal(size=(200, 10))
net = RegularizedMLPClassifier((10,), max_iter=1, early_stopping=False, device="cpu")
net.fit(X, X[:, 0] > 0)
"""
DEFAULT_FIT = """
import numpy as np
from skreg import RegularizedMLPClassifier
X = np.random.default_rng(0).normal(size=(500, 10))
y = (X[:, 0] > 0).astype(int) + ({classes} > 2) * (X[:, 1] > 0)
RegularizedMLPClassifier(max_iter=2, dtype={dtype!r}, device="cpu", random_state=0).fit(X, y)
"""
#: Code that is run one after the other in a process.
STAGES = {
    "skreg": {
        "torch and scikit-learn": FIRST,
        "import skreg": "import skreg",
        "an estimator of skreg": "from skreg import RegularizedMLPClassifier",
        "first fit": FIT,
        "second fit": FIT,
    },
    "skorch": {
        "torch and scikit-learn": FIRST,
        "import skorch": "from skorch import NeuralNetClassifier",
    },
    "default": {
        "import": "from skreg import RegularizedMLPClassifier",
        "first default fit": DEFAULT_FIT.format(classes=2, dtype="float32"),
        "... then the first of another loss": DEFAULT_FIT.format(classes=3, dtype="float32"),
        "... then the first of another precision": DEFAULT_FIT.format(classes=2, dtype="float64"),
    },
}


def walk(stages, heavy=HEAVY):
    """Run one stage after the other: its "seconds", and "imports", the heavy modules that are new."""
    out = {}
    for name, code in stages.items():
        before = set(sys.modules)
        began = time.perf_counter()
        exec(code, {})
        seconds = time.perf_counter() - began
        new = [module for module in heavy if module in sys.modules and module not in before]
        out[name] = {"seconds": seconds, "imports": new}
    return out


def in_a_process(stages, **environment):
    """`walk` through some of `STAGES` in a process that has imported nothing."""
    found = subprocess.run(
        [sys.executable, "-m", "benchmarks.imports", stages],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    return json.loads(found.stdout)


if __name__ == "__main__":
    print(json.dumps(walk(STAGES[sys.argv[1]])))
