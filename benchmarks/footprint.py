"""What the package adds to a process and to a disk: time to import, bytes of a pickle."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys

from sklearn.neural_network import MLPClassifier, MLPRegressor

from benchmarks.imports import HEAVY, STAGES
from benchmarks.predicting import fitted
from benchmarks.single import digits
from benchmarks.timing import median
from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor

ESTIMATORS = {
    "classifier": (RegularizedMLPClassifier, MLPClassifier),
    "regressor": (RegularizedMLPRegressor, MLPRegressor),
}


def in_a_process(package):
    """`benchmarks.imports.walk` in a process that has imported nothing."""
    command = [sys.executable, "-m", "benchmarks.imports", package]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def imports(repeats, run=in_a_process):
    """Seconds of each stage until the second fit, and the heavy modules that each one imports.

    Parameters
    ----------
    repeats : int
        Processes for each package, in turn.
    run : callable
        Name of a package to the stages of one process.

    Returns
    -------
    dict
        "stages": package to stage to "seconds" (median) and "imports"; "never": the heavy modules
        that not even a fit of skreg imports, be they there already or not.
    """
    for package in STAGES:
        run(package)  # reads the files, so that the disk is not measured
    runs = {package: [] for package in STAGES}
    for _ in range(repeats):
        for package in STAGES:
            runs[package].append(run(package))
    stages = {
        package: {
            stage: {
                "seconds": median([one[stage]["seconds"] for one in found]),
                "imports": found[-1][stage]["imports"],
            }
            for stage in found[-1]
        }
        for package, found in runs.items()
    }
    ours = list(stages["skreg"].values())[1:]  # the first stage is torch and scikit-learn
    imported = {name for stage in ours for name in stage["imports"]}
    return {"stages": stages, "never": [name for name in HEAVY if name not in imported]}


def pickles(layers=((100,), (256, 256))):
    """Bytes of fitted estimators, as `pickle` writes them, and of their parameters alone."""
    X, y = digits()
    out = {}
    for hidden in layers:
        for kind, (ours, theirs) in ESTIMATORS.items():
            nets = fitted(ours, theirs, hidden, X.astype("float64"), y)
            size = {name: len(pickle.dumps(net)) for name, net in nets.items()}
            plain = nets["scikit-learn"]
            out[f"{kind}, {hidden}"] = {
                "bytes": size,
                "parameters": sum(part.size for part in plain.coefs_ + plain.intercepts_),
                "to scikit-learn": size["skreg"] / size["scikit-learn"],
            }
    return out


def measure(repeats):
    """All of this page."""
    return {"imports": imports(repeats), "pickles": pickles()}
