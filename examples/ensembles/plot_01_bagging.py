r"""
Many nets, one mean: bagging
============================

The mean of :math:`k` independent guesses of variance :math:`\sigma^2` has the variance :math:`\sigma^2 / k`.
Networks that are trained on the same rows are not independent: with a correlation :math:`\rho` between any
two of them, the mean has the variance

.. math:: \sigma^2 \Bigl(\rho + \frac{1 - \rho}{k}\Bigr),

and no number of members gets below :math:`\rho \sigma^2` (Breiman 1996, 2001). How much do more members buy
here? It can be measured: draw the training rows many times, and look at how the predictions vary.
"""

# %%
# A function to learn from 150 noisy rows, and an ensemble whose members are trained on draws of them
# with replacement (bagging). ``bootstrap=False`` gives a deep ensemble (Lakshminarayanan et al.
# 2017): all members have the same rows, and differ by their seeds.

import numpy as np

from skreg import BaggedMLPRegressor, RegularizedMLPRegressor

rng = np.random.default_rng(0)


def draw(n):
    """Fresh rows of the same source."""
    X = rng.uniform(-2, 2, (n, 3))
    return X, np.sin(2 * X[:, 0]) + X[:, 1] * X[:, 2] + rng.normal(0, 0.5, n)


net = RegularizedMLPRegressor(
    (32,), numeric_embedding=None, dropout=0, max_iter=30, early_stopping=False
)
kinds = {"bagging": True, "deep ensemble": False}

# %%
# Twenty training tables, an ensemble of 16 on each, trained as one stack; what every member says
# about the same 200 test rows.

X_test, _ = draw(200)
said = {name: [] for name in kinds}
for repeat in range(20):
    X, y = draw(150)
    for name, bootstrap in kinds.items():
        ensemble = BaggedMLPRegressor(net, 16, bootstrap=bootstrap, random_state=repeat)
        members = ensemble.fit(X, y).estimators_
        said[name].append([member.predict(X_test) for member in members])

# %%
# For each test row: the variance of one member over the tables, the correlation between two members
# of one ensemble, and the variance of the mean of k members.


def parts(outputs):
    """Variance of a member and correlation of two, each a mean over test rows."""
    outputs = outputs - outputs.mean(axis=(0, 1))  # tables, members, test rows
    k = outputs.shape[1]
    variance = (outputs**2).mean(axis=(0, 1))
    total = (outputs.sum(axis=1) ** 2).mean(axis=0)
    covariance = (total - k * variance) / (k * (k - 1))
    return variance.mean(), covariance.mean() / variance.mean()


sizes = np.array([1, 2, 4, 8, 16])
measured, found = {}, {}
for name, outputs in said.items():
    outputs = np.array(outputs)
    found[name] = parts(outputs)
    means = [outputs.reshape(20, 16 // k, k, 200).mean(axis=2) for k in sizes]
    measured[name] = [mean.var(axis=0).mean() for mean in means]
    print(f"{name}: variance of one member {found[name][0]:.3f}, correlation {found[name][1]:.2f}")
    print(f"   variance of the mean of 16: {measured[name][-1]:.3f}")

# %%
# Within one ensemble, ``predict_std`` is the spread between its members. It shows the part of the variance
# that a mean removes, :math:`(1 - \rho) \sigma^2`, and not the rest: as an error bar it is too short.

spread = np.mean(ensemble.predict_std(X_test) ** 2) * 16 / 15
variance, rho = found[name]
print(f"spread between members {spread:.3f}, (1 - rho) * sigma^2 {(1 - rho) * variance:.3f}")

# %%
# The measured variances lie near the formula (lines). Independent members would follow the dotted
# line to zero; these come close to their floor with a few members. Members that see different rows
# are less alike, and each varies more: what counts is the product, :math:`\rho \sigma^2`.

import matplotlib.pyplot as plt

k = np.linspace(1, 16, 100)
figure, ax = plt.subplots(figsize=(6, 4), layout="constrained")
for (name, (variance, rho)), color, marker in zip(
    found.items(), ("tab:blue", "tab:orange"), "os", strict=True
):
    ax.plot(k, variance * (rho + (1 - rho) / k), color=color)
    label = f"{name}, correlation {rho:.2f}"
    ax.plot(sizes, measured[name], marker, color=color, markersize=5, label=label)
ax.plot(k, found["bagging"][0] / k, "k:", label="independent members: variance / k")
ax.set(
    xlabel="members k",
    ylabel="variance of the mean over training tables",
    title="What more members buy",
    ylim=(0, None),
)
ax.legend()
plt.show()
