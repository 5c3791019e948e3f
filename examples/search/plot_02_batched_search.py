"""
One search, three ways
======================

The same grid search, timed three ways: batched under the backend ``"skreg"``, one fit after the
other, and with scikit-learn's own ``MLPClassifier`` in two processes. That one has neither
dropout nor batch norm, so it searches over ``alpha`` and its networks have less to do.
Architecture, epochs, batch size and folds are equal.
"""

# %%
# The searches: 8 settings, 5 folds, 30 epochs.

import warnings

import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skreg

X, y = load_digits(return_X_y=True)
shared = {"hidden_layer_sizes": (100,), "batch_size": 200, "max_iter": 30, "random_state": 0}

net = skreg.RegularizedMLPClassifier(numeric_embedding=None, early_stopping=False, **shared)
dropout = {"dropout": np.linspace(0, 0.56, 8)}

plain = make_pipeline(StandardScaler(), MLPClassifier(tol=0, n_iter_no_change=30, **shared))
alpha = {"mlpclassifier__alpha": np.logspace(-5, 0.5, 8)}

warnings.simplefilter("ignore", ConvergenceWarning)  # 30 epochs are what was asked for

# %%
# Before the clock starts, each search runs once on a few rows: by then kernels are compiled and
# worker processes are up.

import time

from joblib import parallel_config


def timed(search):
    """Fit a search and return it with the seconds that took."""
    search.fit(X[:300], y[:300])
    began = time.perf_counter()
    search.fit(X, y)
    return search, time.perf_counter() - began


with parallel_config(backend="skreg"):
    batched, batched_s = timed(GridSearchCV(net, dropout, cv=5, refit=False))
serial, serial_s = timed(GridSearchCV(net, dropout, cv=5, refit=False))
_, plain_s = timed(GridSearchCV(plain, alpha, cv=5, refit=False, n_jobs=2))

# %%
# Batched or one by one, the scores are the same up to the rounding of single precision.

scores = [search.cv_results_["mean_test_score"] for search in (batched, serial)]
print(f"largest difference of a mean score: {np.abs(scores[0] - scores[1]).max():.1e}")

# %%
# A bar for each search.

import sys
from pathlib import Path

import matplotlib.pyplot as plt

names = ["skreg, batched", "skreg, one by one", "scikit-learn MLP,\nplain, n_jobs=2"]
times = [batched_s, serial_s, plain_s]
figure, ax = plt.subplots(figsize=(7, 2.6), layout="constrained")
bars = ax.barh(names, times, color=["tab:blue", "tab:cyan", "0.6"])
ax.bar_label(bars, [f"{t:.1f} s" for t in times], padding=4)
ax.invert_yaxis()
ax.margins(x=0.12)
ax.set(xlabel="seconds", title="8 settings, 5 folds, 30 epochs on the handwritten digits")
if len(sys.argv) > 1:  # a folder to save the figure in
    figure.savefig(Path(sys.argv[1]) / "batched_search.png", dpi=150)
plt.show()
