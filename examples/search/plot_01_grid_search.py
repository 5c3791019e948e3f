"""
A grid over regularizers
========================

Every regularizer is a plain number (or a switch), so all of them can stand in one grid. Which one
helps depends on the others: dropout may be worth something without batch norm and nothing with
it. So search over them **together**.
"""

# %%
# A table on which a network overfits: 300 of the handwritten digits, 64 pixels each.

from sklearn.datasets import load_digits

from skreg import RegularizedMLPClassifier

X, y = load_digits(return_X_y=True)
X, y = X[:300], y[:300]

net = RegularizedMLPClassifier(
    (64,), numeric_embedding=None, weight_decay=0, max_iter=60, random_state=0
)

# %%
# Five regularizers, 72 settings, 5 folds: 360 networks. Under the backend ``"skreg"`` they are
# trained side by side as a few stacks; without that line the same search would fit them one by
# one. ``l1`` and ``l2`` do what their names say only without batch norm, which undoes the scale of
# the weights in front of it. A warning says so, once.

from joblib import parallel_config
from sklearn.model_selection import GridSearchCV

grid = {
    "dropout": [0, 0.2, 0.4],
    "l1": [0, 1e-4, 1e-3],
    "l2": [0, 1e-2],
    "batch_norm": [False, True],
    "patience": [10, 30],
}
with parallel_config(backend="skreg"):
    search = GridSearchCV(net, grid, cv=5, scoring="neg_log_loss").fit(X, y)

for name, value in search.best_params_.items():
    print(f"{name:12} {value}")

# %%
# One dot is one setting. A knob pays where the dots of one value lie higher than those of
# another; where they lie level, it does not matter on this table. The line joins the best
# settings.

import matplotlib.pyplot as plt
import pandas as pd

results = pd.DataFrame(search.cv_results_)
figure, axes = plt.subplots(1, len(grid), figsize=(9, 3.4), sharey=True, layout="constrained")
for ax, (name, values) in zip(axes, grid.items(), strict=True):
    column = results[f"param_{name}"]
    scores = [results.loc[column == value, "mean_test_score"] for value in values]
    for place, score in enumerate(scores):
        ax.plot([place] * len(score), score, "o", color="tab:blue", alpha=0.25, markersize=5)
    ax.plot([score.max() for score in scores], "-", color="tab:orange")
    ax.set_xticks(range(len(values)), [str(value) for value in values])
    ax.set_xlim(-0.5, len(values) - 0.5)
    ax.tick_params(axis="x", labelsize=8)
    ax.set_xlabel(name)
axes[0].set_ylabel("negative log loss (up is better)")
figure.suptitle("72 settings, cross-validated: one dot for each setting")
plt.show()
