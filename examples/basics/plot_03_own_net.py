"""
A convolutional net with the same numbers
=========================================

The net of the text books for small images, two blocks of convolutions with dropout and a dense layer,
is a torch module of a dozen lines. What regularizes it stays outside of the module: rates, penalties
and early stopping are parameters of the estimator, so that scikit-learn can search over them, and all
nets of the search are trained together.
"""

# %%
# The module returns raw outputs, one for each class. Its layers of dropout have the usual rates, a quarter
# behind each block and a half in front of the last layer.

from torch import nn


class TextBook(nn.Module):
    def __init__(self, width=8, dense=64, n_outputs=10):
        super().__init__()
        self.block_1 = nn.Sequential(
            *(nn.Conv2d(1, width, 3, padding=1), nn.ReLU()),
            *(nn.Conv2d(width, width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25)),
        )
        self.block_2 = nn.Sequential(
            *(nn.Conv2d(width, 2 * width, 3, padding=1), nn.ReLU()),
            *(nn.Conv2d(2 * width, 2 * width, 3, padding=1), nn.ReLU()),
            *(nn.MaxPool2d(2), nn.Dropout(0.25)),
        )
        self.head = nn.Sequential(
            *(nn.Flatten(), nn.Linear(8 * width, dense), nn.ReLU(), nn.Dropout(0.5)),
            nn.Linear(dense, n_outputs),
        )

    def forward(self, x):
        return self.head(self.block_2(self.block_1(x)))


# %%
# 200 of the handwritten digits, as images of one channel: few enough for such a net to overfit.

from sklearn.datasets import load_digits

from skreg import RegularizedNetClassifier

X, y = load_digits(return_X_y=True)
images = (X[:200] / 16).reshape(-1, 1, 8, 8)
y = y[:200]

net = RegularizedNetClassifier(
    TextBook, l2=1e-4, learning_rate_init=5e-3, max_iter=50, random_state=0
)
print(net.fit(images, y).summary())

# %%
# ``dropout`` sets the rate of all of its layers at once (a list would set each). Eight rates and three folds
# are 24 nets, in one search of scikit-learn.

from joblib import parallel_config
from sklearn.model_selection import GridSearchCV

rates = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]
with parallel_config(backend="skreg"):
    search = GridSearchCV(net, {"dropout": rates}, cv=3, scoring="neg_log_loss").fit(images, y)
print(f"best rate {search.best_params_['dropout']}")

# %%
# A little dropout in all three layers helps; with much of it the net can no longer learn.

import matplotlib.pyplot as plt
import numpy as np

loss = -search.cv_results_["mean_test_score"]
spread = search.cv_results_["std_test_score"]
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
left.errorbar(rates, loss, spread, fmt="o-", capsize=3)
left.set_xlabel("dropout of all three layers")
left.set_ylabel("log loss, 3 folds (lower is better)")

# %%
# ``l1`` gives weights that are exactly zero, here in the dense layer alone, which has most of them: one
# number for each linear and convolution layer.

sparse = net.set_params(l1=[0, 0, 0, 0, 1e-4, 0], dropout=search.best_params_["dropout"])
weights = sparse.fit(images, y).module_.head[1].weight.detach().numpy()
right.imshow(np.abs(weights) > 0, aspect="auto", cmap="Greys", interpolation="nearest")
right.set_xlabel("input of the dense layer")
right.set_ylabel("unit")
right.set_title(f"{np.mean(weights == 0):.0%} of the weights are zero (white)", fontsize=10)
plt.show()

print(f"{sparse.n_zero_weights_} of {sparse.n_weights_} weights are zero")
