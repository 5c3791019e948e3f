"""What the package adds to a process and to a disk: time to import, bytes of a pickle."""

from __future__ import annotations

import pickle

from sklearn.neural_network import MLPClassifier, MLPRegressor

from benchmarks.imports import HEAVY, in_a_process
from benchmarks.predicting import fitted
from benchmarks.single import digits
from benchmarks.timing import median
from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor

PACKAGES = ("skreg", "skorch")
ESTIMATORS = {
    "classifier": (RegularizedMLPClassifier, MLPClassifier),
    "regressor": (RegularizedMLPRegressor, MLPRegressor),
}


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
    for package in PACKAGES:
        run(package)  # reads the files, so that the disk is not measured
    runs = [{package: run(package) for package in PACKAGES} for _ in range(repeats)]
    stages = {
        package: {
            stage: {**found, "seconds": median([run[package][stage]["seconds"] for run in runs])}
            for stage, found in last.items()
        }
        for package, last in runs[-1].items()
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
