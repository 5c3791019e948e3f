"""What the package adds to a process and to a disk: time to import, bytes of a pickle."""

from __future__ import annotations

import pickle

from sklearn.neural_network import MLPClassifier, MLPRegressor

from benchmarks.imports import HEAVY, in_a_process
from benchmarks.predicting import WHO, fitted
from benchmarks.rst import head, table
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

    `run` takes a package to the stages of one process. "never" are the heavy modules that not even a fit
    of skreg imports, be they there already or not.
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


def page(result, machine):
    """Imports above, pickles below."""
    imports = result["imports"]
    stages = [
        (f"{package}: {stage}", f"{found['seconds']:.3f}", ", ".join(found["imports"]) or "none")
        for package, stages in imports["stages"].items()
        for stage, found in stages.items()
    ]
    sizes = [
        (
            case,
            f"{found['parameters']:,}",
            *(f"{found['bytes'][who] / 1000:,.1f}" for who in WHO),
            f"{found['to scikit-learn']:.2f}",
        )
        for case, found in result["pickles"].items()
    ]
    return (
        head("Imports and pickles", "What the package adds to a process and to a disk.", machine)
        + "Imports\n-------\n\nWhat a new process does one after the other; processes of the two packages "
        "in turn, medians, the files read once before. The first fit, of 200 rows for one epoch, loads "
        "compiled kernels from numba's cache.\n\n"
        + table(("stage", "seconds", "heavy modules that it imports"), stages)
        + f"\nNot imported by skreg, up to and including a fit: {', '.join(imports['never'])}.\n\n"
        "Pickles\n-------\n\nFitted estimators of the same architecture as ``pickle.dumps`` writes them; "
        "a parameter of single precision takes 4 bytes.\n\n"
        + table(
            ("net", "parameters", *(f"{who}, kB" for who in WHO), "skreg / scikit-learn"), sizes
        )
    )
