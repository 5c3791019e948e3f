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


def _torch_and_sklearn():
    import torch  # noqa: F401
    from sklearn.neural_network import MLPClassifier  # noqa: F401


def _package():
    import skreg  # noqa: F401


def _estimator():
    from skreg import RegularizedMLPClassifier  # noqa: F401


def _skorch():
    from skorch import NeuralNetClassifier  # noqa: F401


def _fit():
    import numpy as np

    from skreg import RegularizedMLPClassifier

    X = np.random.default_rng(0).normal(size=(200, 10))
    RegularizedMLPClassifier((10,), max_iter=1, early_stopping=False, device="cpu").fit(
        X, X[:, 0] > 0
    )


def _default_fit(classes=2, dtype="float32"):
    import numpy as np

    from skreg import RegularizedMLPClassifier

    X = np.random.default_rng(0).normal(size=(500, 10))
    y = (X[:, 0] > 0).astype(int) + (classes > 2) * (X[:, 1] > 0)
    RegularizedMLPClassifier(max_iter=2, dtype=dtype, device="cpu", random_state=0).fit(X, y)


#: What is done one after the other in a process.
STAGES = {
    "skreg": {
        "torch and scikit-learn": _torch_and_sklearn,
        "import skreg": _package,
        "an estimator of skreg": _estimator,
        "first fit": _fit,
        "second fit": _fit,
    },
    "skorch": {"torch and scikit-learn": _torch_and_sklearn, "import skorch": _skorch},
    "default": {
        "import": _estimator,
        "first default fit": _default_fit,
        "... then the first of another loss": lambda: _default_fit(classes=3),
        "... then the first of another precision": lambda: _default_fit(dtype="float64"),
    },
}


def walk(stages, heavy=HEAVY):
    """Do one stage after the other.

    Parameters
    ----------
    stages : dict of str to callable
    heavy : sequence of str
        Modules to look out for.

    Returns
    -------
    dict of str to dict
        For each stage its "seconds", and "imports": the heavy modules that are new after it.
    """
    out = {}
    for name, stage in stages.items():
        before = set(sys.modules)
        began = time.perf_counter()
        stage()
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
