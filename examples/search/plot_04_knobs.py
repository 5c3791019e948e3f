"""
Which knobs mattered
====================

A search keeps the loss of every setting, also of those that it gave up. A random forest that predicts this
loss from the knobs tells which of them mattered, and how certain that is. Of most knobs it says that nothing
can be seen, and that is an honest answer: with 80 settings on one table only large effects show.
"""

# %%
# Numbers to predict, with noise. The space is our own here: rates from far too low to far too high, and knobs
# of which some should matter less.

import numpy as np
from scipy.stats import loguniform, uniform
from sklearn.datasets import make_friedman1

from skreg import KnobDisplay, RegularizedMLPRegressor, RegularizedMLPRegressorCV

X, y = make_friedman1(300, 10, noise=2.0, random_state=0)
space = {
    "learning_rate_init": loguniform(1e-4, 1e-1),
    "dropout": uniform(0, 0.5),
    "weight_decay": loguniform(1e-4, 1e-1),
    "beta_1": uniform(0.85, 0.1),
}
net = RegularizedMLPRegressor((64,), max_iter=40)
search = RegularizedMLPRegressorCV(
    net, param_distributions=space, n_settings=80, cv=3, n_repeats=1, random_state=0
).fit(X, y)

# %%
# The importance of a knob is its share of the differences between settings, and ``std`` the standard error of
# that. An importance below two standard errors is no sign that the knob matters.

table = search.knob_importance(random_state=0)
print(table.round(3).to_string(index=False))
print(f"explained: {table.attrs['explained']:.2f}")

# %%
# The best rates lie well inside of what was drawn, which is what one looks for: where the best settings are
# at an end of a range, the range was too narrow.

rates = np.array(
    [setting.get("learning_rate_init", 2e-3) for setting in search.ensemble_["params"]]
)
print("rates of the ensemble:", ", ".join(f"{rate:.2g}" for rate in np.sort(rates)))

# %%
# All of it as a picture: each setting is a dot, higher is better.

KnobDisplay.from_estimator(search)
