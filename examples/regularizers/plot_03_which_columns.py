"""
Which columns does a net need?
==============================

A linear model with an L1 penalty takes columns out one by one as the penalty grows. ``group_l1`` does the
same for a net: all weights that leave a column go to zero together, and a column that matters only together
with another one is kept. ``feature_path`` trains a net for each strength of the penalty, and for each fold,
all at once.
"""

# %%
# A table of 30 columns. The target is made of four: a product, a kink, and one column by itself. No linear
# model can see the first three.

import numpy as np
import pandas as pd

from skreg import FeaturePathDisplay, RegularizedLinearRegressor, feature_path

rng = np.random.default_rng(0)
X = pd.DataFrame(rng.normal(size=(500, 30)), columns=[f"x{j}" for j in range(30)])
X = X.rename(columns={"x3": "width", "x11": "height", "x17": "age", "x22": "price"})
y = X["width"] * X["height"] + np.abs(X["age"]) - X["price"] + 0.3 * rng.normal(size=500)

path = feature_path(X, y, cv=3, n_strengths=10, random_state=0)

# %%
# The bars say which columns are used at which strength, the longest survivor on top; below are the number of
# columns and the loss on the folds' own rows.

FeaturePathDisplay.from_path(path, n_features=10)

# %%
# Two strengths are marked. The best one has the smallest loss. The other one is the strongest whose loss is
# within a standard error of that: with it, the net has as few columns as it can have without a loss that is
# clearly larger.

print("best:", path.features_at("best"))
print("one standard error:", path.features_at("one_se"))

# %%
# Each of them is what one net keeps. Three more were trained at each strength, on the folds, and a column on
# which most of them agree is there by less of a chance.

print("best, agreed:", path.features_at("best", threshold=0.6))

# %%
# The same with a linear model, whose strength is ``l1``. It finds the price and a column without use, and
# cannot find the others.

linear = RegularizedLinearRegressor(l2=0.0, scale_features="standard")
lasso = feature_path(X, y, estimator=linear, cv=3, random_state=0)
print("linear:", lasso.features_at("one_se"))

# %%
# ``estimator_at`` is the net with that strength, ready to be fitted. Its ``feature_importances_`` are zero
# where a column is out.

net = path.estimator_at("one_se").fit(X, y)
print(pd.Series(net.feature_importances_, X.columns).loc[lambda share: share > 0].round(2))
