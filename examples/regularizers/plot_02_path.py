"""
The path of a knob
==================

How strong should a regularizer be? Try one strength after the other, and look at training and validation
score along them: on the left the net overfits, on the right it can no longer learn, and the best strength
lies between.
"""

# %%
# Five columns that matter beside twenty that do not, 200 rows, a net with nothing else against overfitting,
# and two knobs: the rate of dropout, and the strength of L1. Each path is 5 folds of all its strengths,
# trained as one stack.

import numpy as np
from joblib import parallel_config
from sklearn.datasets import make_friedman1
from sklearn.model_selection import GridSearchCV

from skreg import RegularizedMLPRegressor, ValidationPathDisplay

X, y = make_friedman1(200, 25, noise=1.0, random_state=0)
net = RegularizedMLPRegressor(
    (64,),
    numeric_embedding=None,
    batch_norm=False,
    dropout=0,
    weight_decay=0,
    ema_decay=0,
    early_stopping=False,
    random_state=0,
)
paths = {"dropout": np.linspace(0, 0.8, 9), "l1": np.logspace(-3.5, -0.5, 10)}
searches = {}
with parallel_config(backend="skreg"):
    for name, values in paths.items():
        grid = {name: values}
        searches[name] = GridSearchCV(net, grid, cv=5, return_train_score=True).fit(X, y)

for name, search in searches.items():
    print(f"{name:8} best {search.best_params_[name]:.3g}, R2 {search.best_score_:.3f}")

# %%
# The band is the spread over folds. Where the training score is perfect and the validation score is not,
# there is something for a regularizer to do; where both fall together, it does too much.

import matplotlib.pyplot as plt

figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained", sharey=True)
for ax, search in zip(axes, searches.values(), strict=True):
    ValidationPathDisplay.from_search(search, ax=ax)
plt.show()
