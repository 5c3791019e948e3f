from __future__ import annotations

import gc

import numpy as np
import pandas as pd
import pytest


@pytest.fixture(autouse=True, scope="module")
def old_objects_are_not_collected():
    """Garbage is collected before everything that is measured; that looks at new objects only.

    Else each collection would walk through all that torch and its like made when imported.
    """
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def folder(tmp_path):
    """A folder of three small tables, one of each task, with what real ones have of oddities."""
    rng = np.random.default_rng(0)
    n = 120
    X = pd.DataFrame(
        {
            "number": rng.normal(size=n),
            "holes": np.where(rng.random(n) < 0.2, np.nan, rng.normal(size=n)),
            "category": rng.choice(["red", "green", "blue", None], n),
            "nothing": np.full(n, np.nan),
        }
    )
    kind = np.where(X["number"] > 0, "high", "low").astype(object)
    targets = {
        "two": kind,
        "three": np.where(np.arange(n) < 30, "mid", kind),
        "amount": 3 * X["number"] + rng.normal(scale=0.1, size=n),
    }
    # Four rows of a class of its own: fewer than take part.
    targets["three"][-4:] = "rare"
    folder = tmp_path / "data"
    folder.mkdir()
    for name, target in targets.items():
        X.assign(target=target).to_csv(folder / f"{name}.csv.gz", index=False)
    tasks = ["binary", "multiclass", "regression"]
    pd.DataFrame({"name": list(targets), "task": tasks}).to_csv(folder / "INDEX.csv", index=False)
    return folder


@pytest.fixture
def machine():
    """What a page says that it was measured on."""
    packages = ("python", "numpy", "scikit-learn", "torch", "skorch", "numba", "joblib")
    return {
        "cpu": "Some CPU",
        "cores": 2,
        "threads": 2,
        "capability": "AVX2",
        **dict.fromkeys(packages, "1.0"),
    }
