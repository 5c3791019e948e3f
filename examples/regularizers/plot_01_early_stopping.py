"""
Early stopping and its curve
============================

A network that trains on and on learns its training rows by heart. Early stopping holds some rows
out, looks at their loss after each epoch, and gives back the weights of the best one.
``patience`` is how many epochs it waits for a better one.
"""

# %%
# A quarter of the digits, and a network with nothing else against overfitting, so that there is
# something to see.

from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import minmax_scale

from skreg import RegularizedMLPClassifier

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    minmax_scale(X), y, train_size=0.25, stratify=y, random_state=0
)
plain = {
    "numeric_embedding": None,
    "ema_decay": 0,
    "dropout": 0,
    "batch_norm": False,
    "weight_decay": 0,
    "random_state": 0,
}
net = RegularizedMLPClassifier(max_iter=300, patience=30, learning_rate="constant", **plain)
net.fit(X_train, y_train)
print(f"stopped by {net.stopped_by_} after {net.n_iter_} epochs; best epoch: {net.best_iter_}")

# %%
# ``history_`` is a table with one row for each epoch.

net.history_.round(4).tail(3)

# %%
# :class:`skreg.TrainingCurveDisplay` takes one line of code to draw the course of a training.

from skreg import TrainingCurveDisplay

TrainingCurveDisplay.from_estimator(net)

# %%
# By hand: the training loss goes on falling after the held-out loss has turned. The weights are those of
# the dotted line, not those of the last epoch.

import matplotlib.pyplot as plt

history = net.history_.set_index("epoch")
ax = history[["train_loss", "valid_loss"]].plot(logy=True, figsize=(6, 4))
ax.axvline(net.best_iter_, color="black", linestyle=":", label="best epoch, restored")
ax.axvspan(net.best_iter_, net.n_iter_, color="0.9", zorder=0, label="patience")
ax.set(
    xlabel="epoch",
    ylabel="log loss",
    title=f"Accuracy on new rows: {net.score(X_test, y_test):.3f}",
)
ax.legend(loc="lower right")
plt.tight_layout()
plt.show()
