"""
How sure is it? Monte-Carlo dropout
===================================

Dropout is off at prediction. Left on, each forward pass asks another random part of the network,
and where the parts disagree, the network does not know (Gal and Ghahramani 2016).
``predict_mc`` asks many times. For a classifier it gives the mean probabilities and their entropy,
0 where all agree on one class; for a regressor mean and standard deviation.

**Reference**: Gal, Y. and Ghahramani, Z. (2016). Dropout as a Bayesian approximation. *ICML*.
"""

# %%
# Learn the handwritten digits 0 to 7, and keep 8 and 9 for questions that have no right answer.

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skreg import RegularizedMLPClassifier

X, y = load_digits(return_X_y=True)
known = y < 8
X_train, X_test, y_train, y_test = train_test_split(
    X[known] / 16, y[known], stratify=y[known], random_state=0
)
net = RegularizedMLPClassifier(dropout=0.3, random_state=0).fit(X_train, y_train)

# %%
# The same 200 passes for digits of known kinds, which the network has not seen either, and for
# the two unknown kinds.

probability, entropy = net.predict_mc(X_test, n_samples=200, random_state=0)
_, entropy_unknown = net.predict_mc(X[~known] / 16, n_samples=200, random_state=0)
wrong = net.classes_[probability.argmax(axis=1)] != y_test
print(f"known digits, wrong answers: {wrong.sum()} of {len(y_test)}")

limit = np.quantile(entropy, 0.95)
refused = (entropy_unknown > limit).mean()
print(f"a limit that lets 95 % of the known pass refuses {refused:.0%} of the unknown")

# %%
# An unknown digit gets *some* class, since the probabilities sum to one. The entropy shows that the
# network does not know it.

import matplotlib.pyplot as plt

figure, ax = plt.subplots(figsize=(6, 4), layout="constrained")
bins = np.linspace(0, np.log(8), 30)
for values, label in ((entropy, "0 to 7, known"), (entropy_unknown, "8 and 9, never seen")):
    share = np.full(len(values), 1 / len(values))
    ax.hist(values, bins, weights=share, alpha=0.6, label=label)
ax.axvline(limit, color="black", linestyle=":", label="95 % of the known are left of this")
ax.set(xlabel="predictive entropy", ylabel="share of the digits", title="Known and unknown digits")
ax.legend()
plt.show()
