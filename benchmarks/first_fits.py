"""Seconds of the first default fits of a process, printed as JSON: ``python -m benchmarks.first_fits``."""

from __future__ import annotations

import json
import time

import numpy as np

from skreg import RegularizedMLPClassifier

#: Classes of the target, and the precision, of one fit after the other.
FITS = {
    "first default fit": (2, "float32"),
    "... then the first of another loss": (3, "float32"),
    "... then the first of another precision": (2, "float64"),
}


def fit(n_classes, dtype):
    """Two epochs of the default net on 500 rows of 10 columns."""
    X = np.random.default_rng(0).normal(size=(500, 10))
    y = (X[:, 0] > 0).astype(int) + (n_classes > 2) * (X[:, 1] > 0)
    RegularizedMLPClassifier(max_iter=2, dtype=dtype, device="cpu", random_state=0).fit(X, y)


if __name__ == "__main__":
    seconds = {}
    for name, what in FITS.items():
        began = time.perf_counter()
        fit(*what)
        seconds[name] = time.perf_counter() - began
    print(json.dumps(seconds))
