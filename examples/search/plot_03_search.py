"""
The search: all knobs at once
=============================

A grid over three knobs says nothing about the other seventeen. ``RegularizedMLPClassifierCV`` draws settings
of all of them, trains settings and folds side by side, gives up what falls behind, and makes an ensemble of
what is left. Here it has 24 settings; in earnest it is given a time, ``max_time=120``.
"""

# %%
# A table with few rows, of which a quarter is kept for the end.

from sklearn.datasets import load_breast_cancer
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split

from skreg import (
    EnsembleDisplay,
    RegularizedMLPClassifier,
    RegularizedMLPClassifierCV,
    SearchDisplay,
)

X, y = load_breast_cancer(return_X_y=True, as_frame=True)
X, X_test, y, y_test = train_test_split(X, y, stratify=y, random_state=0)

search = RegularizedMLPClassifierCV(n_settings=24, cv=5, n_repeats=1, random_state=0).fit(X, y)

# %%
# Log loss on the rows that were kept: one net with its defaults, the nets of the best setting, the ensemble.

net = RegularizedMLPClassifier(random_state=0).fit(X, y)
best = RegularizedMLPClassifierCV(
    param_grid={name: [value] for name, value in search.best_params_.items()} or {"dropout": [0.2]},
    cv=5,
    n_repeats=1,
    random_state=0,
).fit(X, y)
for name, model in {"one net": net, "best setting": best, "ensemble": search}.items():
    print(f"{name:<14}{log_loss(y_test, model.predict_proba(X_test)):.3f}")

# %%
# The scores that chose them are of rows that the nets were not trained on, and still too good: the nets
# were stopped on those rows, and the settings chosen by them. ``cross_validate(search, X, y)`` gives scores
# that are not.

print(f"out of fold: best setting {-search.best_score_:.3f}, ensemble {-search.oof_score_:.3f}")

# %%
# Each line is a setting. Most are given up at a rung; the dark line is the best so far.

SearchDisplay.from_estimator(search, x="epoch")

# %%
# What the ensemble is made of. The members are the nets of the folds, so nothing was trained twice.

EnsembleDisplay.from_estimator(search)
