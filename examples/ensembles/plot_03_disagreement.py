"""
Where members disagree
======================

An ensemble knows two kinds of doubt. Where classes overlap, all members say "one half". Where there were no
training rows, each says something else. ``disagreement`` is the second kind alone, in nats; it can be used
to send a row to a person.
"""

# %%
# Two crossing clouds of points, and an ensemble of 16 networks, trained as one stack.

import numpy as np
from sklearn.datasets import make_moons

from skreg import BaggedMLPClassifier, RegularizedMLPClassifier

X, y = make_moons(300, noise=0.3, random_state=0)
net = RegularizedMLPClassifier((64, 64), max_iter=60)
ensemble = BaggedMLPClassifier(net, 16, oob_score=True, random_state=0).fit(X, y)
print(f"accuracy out of bag: {ensemble.oob_score_:.3f}")

# %%
# The rows of a map, near the points and far from them; and how much the members disagree on both.

xx, yy = np.meshgrid(np.linspace(-4, 5, 150), np.linspace(-3, 3.5, 120))
grid = np.c_[xx.ravel(), yy.ravel()]
p = ensemble.predict_proba(grid)
entropy = -(p * np.log(p)).sum(axis=1)
apart = ensemble.disagreement(grid)

near = np.abs(grid[:, None] - X).sum(axis=2).min(axis=1) < 0.3
print(
    f"mean entropy near the points {entropy[near].mean():.2f}, elsewhere {entropy[~near].mean():.2f}"
)
print(
    f"mean disagreement near the points {apart[near].mean():.3f}, elsewhere {apart[~near].mean():.3f}"
)

# %%
# Entropy is high all along the border of the classes. Disagreement is high where the border goes on beyond
# the training rows.

import matplotlib.pyplot as plt

figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained", sharey=True)
titles = ("entropy of the mean", "disagreement of the members")
for ax, values, title in zip(axes, (entropy, apart), titles, strict=True):
    filled = ax.contourf(xx, yy, values.reshape(xx.shape), 20, cmap="viridis")
    ax.scatter(*X.T, c=y, cmap="RdBu_r", edgecolor="white", linewidth=0.5, s=14)
    ax.set(title=title, xticks=[], yticks=[])
    figure.colorbar(filled, ax=ax, label="nats")
plt.show()
