"""
Stability selection
===================

Which columns a model keeps depends on the rows that it was given. Stability selection fits it to many random
halves of the rows and keeps the columns that are chosen again and again. Its promise is one that a single fit
cannot give: how many columns without use are to be expected among those that it selects.
"""

# %%
# 60 columns, of which the target is made of four, in a product and a sum.

import numpy as np

from skreg import RegularizedMLPRegressor, StabilitySelectionDisplay, StabilitySelector

rng = np.random.default_rng(0)
X = rng.normal(size=(700, 60))
y = X[:, 7] * X[:, 30] + X[:, 45] - X[:, 51] + 0.3 * rng.normal(size=700)

# %%
# 10 pairs of half samples and 6 strengths are 120 nets, trained together (the default is 50 pairs). With
# ``pfer=1`` strengths are left out at which more than one false selection would have to be expected.

selector = StabilitySelector(n_pairs=10, n_strengths=6, pfer=1.0, random_state=0).fit(X, y)
StabilitySelectionDisplay.from_estimator(selector, n_features=10)

# %%

print("selected:", selector.get_support(indices=True))
print(f"false selections expected, at most: {selector.expected_false_selections_:.2f}")

# %%
# It is a selector like scikit-learn's and can stand in front of any estimator, in a Pipeline as well, so that
# a cross-validation selects from training rows alone.

kept, net = selector.transform(X), RegularizedMLPRegressor((32,), random_state=0)
for name, table in (("all columns", X), ("selected", kept)):
    print(f"R2 of a net of {name}: {net.fit(table[:500], y[:500]).score(table[500:], y[500:]):.2f}")
